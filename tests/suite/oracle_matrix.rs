//! HC1 for every attribute there is: each way to ask, of an entry that has a value and of its twin that has none, by
//! everybody. Where `access explain` says that one may not search or read it, the answers are the same.

use crate::access::rows;
use crate::house::{ACME, House, OTHER, begins, compare_request, put, user};
use crate::oracles::{RULES, not};
use crate::wire::{Wire, control, equal, number, octets, present, replace_request, search_request, sequence, tlv};
use std::collections::BTreeSet;

const SORT: &str = "1.2.840.113556.1.4.473";
const LIST_VIEW: &str = "2.16.840.1.113730.3.4.9";
const MATCHED_VALUES: &str = "1.2.826.0.1.3344810.2.3";
const DEREFERENCE: &str = "1.3.6.1.4.1.4203.666.5.16";
const ASSERTION: &str = "1.3.6.1.1.12";
const PRE_READ: &str = "1.3.6.1.1.13.1";

/// A value for every syntax that a user attribute has; the first that the server takes is used.
const VALUES: [&str; 14] = [
    "full of it",
    "7",
    "TRUE",
    "20200101000000Z",
    "cn=full of it,dc=example,dc=com",
    "+64 3 123",
    "1.2.840.113549",
    "(a,b,c)",
    "'0101'B",
    "host=path",
    "NZ",
    "10.0.0.0/8",
    "teletex$$x",
    "(1.2.3 NAME 'full')",
];
/// They say who sees the entry, not what is seen of it.
const ABOUT_THE_ENTRY: [&str; 6] = ["objectClass", "hcActive", "hcUserType", "hcStartDate", "hcEndDate", "aliasedObjectName"];

/// Two people in a unit: the first is given values, the second never has any.
struct Pair {
    unit: String,
    first: String,
    second: &'static str,
}

impl Pair {
    fn put(wire: &mut Wire, organisation: &str, unit: &str, first: &str, second: &'static str) -> Self {
        let unit = format!("ou={unit},ou=users,{organisation}");
        put(wire, &unit, &[("objectClass", "organizationalUnit")]);
        for name in [first, second] {
            let person = [
                ("objectClass", "inetOrgPerson"),
                ("objectClass", "extensibleObject"),
                ("objectClass", "hcUser"),
                ("cn", "c"),
                ("sn", "s"),
            ];
            put(wire, &format!("uid={name},{unit}"), &person);
        }
        let first = format!("uid={first},{unit}");
        put(wire, &format!("cn=of them,{unit}"), &[("objectClass", "groupOfNames"), ("member", &first)]);
        Self { unit, first, second }
    }

    /// What everything that can be asked about the attribute answers, without the names that differ between pairs.
    fn ask(&self, wire: &mut Wire, requests: &[Request]) -> Vec<Vec<Plain>> {
        requests.iter().map(|(operation, controls)| self.plainly(wire, operation, controls)).collect()
    }

    fn plainly(&self, wire: &mut Wire, operation: &[u8], controls: &[Vec<u8>]) -> Vec<Plain> {
        let [(_, first), (_, unit)] = [&self.first, &self.unit].map(|dn| dn.split(',').next().unwrap().split_once('=').unwrap());
        let plain = |octets: &[u8]| {
            String::from_utf8_lossy(octets).replace(first, "THE FIRST").replace(self.second, "THE SECOND").replace(unit, "THE UNIT")
        };
        // The context of a list view is random.
        let said =
            |(oid, value): &(String, Vec<u8>)| plain(&if oid == "2.16.840.1.113730.3.4.10" { first_of(value) } else { value.clone() });
        let answers = wire.ask_all(operation, controls);
        answers.iter().map(|answer| (answer.tag, plain(&answer.content), answer.controls.iter().map(said).collect())).collect()
    }
}

/// The position, count and result of a list view response, which end with its result.
fn first_of(value: &[u8]) -> Vec<u8> {
    let fields = crate::wire::elements(crate::wire::elements(value)[0].1);
    fields.iter().take(3).flat_map(|(_, content)| content.iter().copied()).collect()
}

type Plain = (u8, String, Vec<String>);
type Request = (Vec<u8>, Vec<Vec<u8>>);

fn reverse_sort_control(attribute: &str) -> Vec<u8> {
    control(SORT, true, Some(&tlv(0x30, &sequence(&[&octets(attribute), &[0x81, 0x01, 0xff]]))))
}

fn list_view_control(assertion: &[u8]) -> Vec<u8> {
    control(LIST_VIEW, true, Some(&sequence(&[&number(0x02, 0), &number(0x02, 5), &tlv(0x81, assertion)])))
}

/// Every way to assert something about the attribute: where it may not be searched, none tells whether there is a value.
fn assertions(pair: &Pair, attribute: &str, value: &[u8]) -> Vec<Request> {
    let asserted = equal(attribute, value);
    let ordered = |tag| tlv(tag, &asserted[2..]);
    let within = [tlv(0x80, &value[..1]), tlv(0x81, &value[..1]), tlv(0x82, &value[value.len() - 1..])];
    let substrings = |part: &Vec<u8>| tlv(0xa4, &[octets(attribute), sequence(&[part])].concat());
    let filters = [
        asserted.clone(),
        present(attribute),
        begins(attribute, value),
        substrings(&within[0]),
        substrings(&within[1]),
        substrings(&within[2]),
        ordered(0xa5),
        ordered(0xa6),
        ordered(0xa8),
        tlv(0xa9, &[tlv(0x82, attribute.as_bytes()), tlv(0x83, value)].concat()),
        not(&asserted),
        not(&present(attribute)),
        tlv(0xa1, &[asserted.clone(), not(&present("objectClass"))].concat()),
        tlv(0xa0, &[not(&asserted), present("objectClass")].concat()),
    ];
    let mut requests: Vec<Request> = filters
        .iter()
        .flat_map(|filter| [(&pair.first, 0), (&pair.unit, 2)].map(|(base, scope)| (search_request(base, scope, filter, &["1.1"]), vec![])))
        .collect();
    let people = || search_request(&pair.unit, 1, &equal("objectClass", b"inetOrgPerson"), &["1.1"]);
    // In reverse, what has no value comes first (RFC 2891 §1.1): before the one that was made first.
    requests.push((people(), vec![reverse_sort_control(attribute)]));
    requests.push((people(), vec![reverse_sort_control(attribute), list_view_control(value)]));
    let asserting = |filter: &[u8]| vec![control(ASSERTION, true, Some(filter))];
    for filter in [&asserted, &present(attribute), &not(&asserted)] {
        requests.push((compare_request(&pair.first, "objectClass", b"person"), asserting(filter)));
        requests.push((search_request(&pair.first, 0, &present("objectClass"), &["1.1"]), asserting(filter)));
    }
    let matched = control(MATCHED_VALUES, true, Some(&tlv(0x30, &asserted)));
    requests.push((search_request(&pair.first, 0, &present("objectClass"), &[attribute]), vec![matched]));
    requests
}

/// Every way to be shown the attribute.
fn selections(pair: &Pair, attribute: &str) -> Vec<Request> {
    let everything = present("objectClass");
    let mut requests: Vec<Request> =
        [(&pair.first, 0), (&pair.unit, 2)].map(|(base, scope)| (search_request(base, scope, &everything, &[attribute]), vec![])).into();
    let types_only = {
        let mut request = search_request(&pair.first, 0, &everything, &[attribute]);
        let at = request.windows(3).rposition(|octets| octets == [0x01, 0x01, 0x00]).unwrap();
        request[at + 2] = 0xff;
        request
    };
    requests.push((types_only, vec![]));
    requests.push((search_request(&pair.first, 0, &everything, &[&format!("{attribute};x-option")]), vec![]));
    let wanted = sequence(&[&octets("member"), &tlv(0x30, &octets(attribute))]);
    let follow = control(DEREFERENCE, true, Some(&tlv(0x30, &wanted)));
    requests.push((search_request(&format!("cn=of them,{}", pair.unit), 0, &everything, &["1.1"]), vec![follow]));
    let before = control(PRE_READ, true, Some(&tlv(0x30, &octets(attribute))));
    requests.push((replace_request(&pair.first, "description", &[]), vec![before]));
    requests
}

/// What `access explain` says that somebody may do with attributes of the entry.
fn allowed(house: &House, who: &str, entry: &str, right: &str) -> BTreeSet<String> {
    let names = |row: &serde_json::Value| -> Vec<String> {
        row["attributes"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let rows = rows(&house.server.config(), &["access", "explain", who, entry, "--right", right]);
    rows.iter().filter(|row| row["given"] == "yes").flat_map(names).collect()
}

/// Every attribute type that a modify may write, and the value that the first of the pair was given.
fn give_values(operator: &mut Wire, pair: &Pair) -> Vec<(String, Vec<u8>)> {
    let subschema = operator.ask_all(&search_request("cn=Subschema", 0, &present("objectClass"), &["attributeTypes"]), &[]);
    let name_of = |definition: String| definition.split('\'').nth(1).unwrap().to_owned();
    let types = subschema[0].values("attributeTypes").into_iter().map(name_of);
    let types = types.filter(|name| !ABOUT_THE_ENTRY.contains(&&**name) && !["uid", "cn", "sn"].contains(&&**name));
    let given = |name: &str, operator: &mut Wire| {
        let taken = VALUES.iter().find(|value| operator.ask(&replace_request(&pair.first, name, &[value]), &[]).code() == 0)?;
        let shown = operator.ask_all(&search_request(&pair.first, 0, &present("objectClass"), &[name]), &[]);
        // What is written may be shown otherwise, or nowhere.
        let value = shown[0].values(name).pop().unwrap_or_else(|| (*taken).to_owned());
        Some((name.to_owned(), value.into_bytes()))
    };
    types.filter_map(|name| given(&name, operator)).collect()
}

#[test]
fn hc1_no_way_to_ask_tells_of_an_attribute_that_one_may_not_search_or_read() {
    let house = House::start(RULES);
    let mut operator = house.server.as_operator();
    for organisation in [ACME, OTHER] {
        let full = Pair::put(&mut operator, organisation, "pair", "full", "twin");
        let bare = Pair::put(&mut operator, organisation, "bare", "bull", "bwin");
        let values = give_values(&mut operator, &full);
        assert!(values.len() > 120, "only {} attributes took a value", values.len());
        for who in ["", "svc", "ann", "sam", "gil", "ada", "operator"] {
            let name = match who {
                "" => "anonymous".to_owned(),
                "operator" => "cn=admin".to_owned(),
                who => user(who, ACME),
            };
            let mut wire = house.signed_in(who, ACME);
            let [searched, read] = ["search", "read"].map(|right| allowed(&house, &name, &full.first, right));
            let mut hidden = 0;
            for (attribute, value) in &values {
                let mut same = |requests: [Vec<Request>; 2]| {
                    let [full_requests, bare_requests] = requests;
                    (full.ask(&mut wire, &full_requests), bare.ask(&mut wire, &bare_requests))
                };
                if !searched.contains(attribute) {
                    hidden += 1;
                    let (full, bare) = same([&full, &bare].map(|pair| assertions(pair, attribute, value)));
                    assert_eq!(full, bare, "{who} asserts {attribute} in {organisation}");
                }
                if !read.contains(attribute) {
                    hidden += 1;
                    let (full, bare) = same([&full, &bare].map(|pair| selections(pair, attribute)));
                    assert_eq!(full, bare, "{who} selects {attribute} in {organisation}");
                }
            }
            let least = if who == "operator" || (who, organisation) == ("ada", ACME) { 2 } else { 40 };
            assert!(hidden >= least, "{who}: only {hidden} attributes are hidden in {organisation}");
        }
    }
}

/// The test above can fail: of an attribute that may be searched and read, every way to ask tells.
#[test]
fn hc1_every_way_to_ask_tells_of_an_attribute_that_one_may_search_and_read() {
    let house = House::start(RULES);
    let mut operator = house.server.as_operator();
    let full = Pair::put(&mut operator, ACME, "pair", "full", "twin");
    let bare = Pair::put(&mut operator, ACME, "bare", "bull", "bwin");
    operator.replace(&full.first, "carLicense", &["full of it"]);
    operator.replace(&full.first, "carLicense;x-option", &["full of it"]);
    operator.replace(&full.first, "uidNumber", &["7"]);
    // One has substrings, the other an order.
    let mut telling = |attribute: &str, value: &[u8]| -> Vec<bool> {
        let [full, bare] = [&full, &bare].map(|pair| {
            let requests = [assertions(pair, attribute, value), selections(pair, attribute)].concat();
            pair.ask(&mut operator, &requests)
        });
        full.iter().zip(&bare).map(|(full, bare)| full != bare).collect()
    };
    let (first, second) = (telling("carLicense", b"full of it"), telling("uidNumber", b"7"));
    let silent: Vec<usize> = (0..first.len()).filter(|at| !first[*at] && !second[*at]).collect();
    assert!(silent.is_empty(), "these ask for nothing that differs: {silent:?}");
}

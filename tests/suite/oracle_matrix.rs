//! HC1 for every attribute type there is: each way to ask, of an entry that has a value, of its twin that has none, and with
//! an attribute that nobody knows, by everybody. Where one may not search, compare or read it, the answers are the same.

use crate::house::{ACME, House, OTHER, begins, compare_request, person, put, user};
use crate::oracle_values::{Type, Value, give_all, published};
use crate::oracles::{RULES, not};
use crate::wire::{Answer, Wire, control, elements, equal, number, octets, present, replace_request, search_request, sequence, tlv};
use std::collections::{BTreeMap, BTreeSet};

const SORT: &str = "1.2.840.113556.1.4.473";
const LIST_VIEW: &str = "2.16.840.1.113730.3.4.9";
const LIST_VIEW_RESPONSE: &str = "2.16.840.1.113730.3.4.10";
const MATCHED_VALUES: &str = "1.2.826.0.1.3344810.2.3";
const DEREFERENCE: &str = "1.3.6.1.4.1.4203.666.5.16";
const ASSERTION: &str = "1.3.6.1.1.12";
const PRE_READ: &str = "1.3.6.1.1.13.1";
const POST_READ: &str = "1.3.6.1.1.13.2";
const EFFECTIVE_RIGHTS: &str = "1.3.6.1.4.1.42.2.27.9.5.2";
const UNKNOWN: &str = "noSuchThing";
const UNKNOWN_OID: &str = "1.3.6.1.4.1.55555.999";

/// Two services that see every entry of their organisation and hardly anything of it. Everything is hidden from one of them.
const LITTLE: &str = "[[access]]\nwho = [\"dn:uid=bat,ou=users,o=Acme,dc=example,dc=com\"]\nattributes = [\"member\", \"sn\"]\nrights = [\"read\"]\n\
    [[access]]\nwho = [\"dn:uid=bat,ou=users,o=Acme,dc=example,dc=com\"]\nattributes = [\"description\"]\nrights = [\"write\"]\n\
    [[access]]\nwho = [\"dn:uid=owl,ou=users,o=Acme,dc=example,dc=com\"]\nattributes = [\"cn\"]\nrights = [\"read\"]\n\
    [[access]]\nwho = [\"dn:uid=bat,ou=users,o=Acme,dc=example,dc=com\"]\nrights = [\"none\"]\n\
    [[access]]\nwho = [\"dn:uid=owl,ou=users,o=Acme,dc=example,dc=com\"]\nrights = [\"none\"]\n";
/// Nothing has it, and it may be written where `description` may.
const SPARE: &str = "description;x-spare";

/// Two people in a unit: the first is given values, the second never has any. A group elsewhere has the first.
struct Pair {
    unit: String,
    first: String,
    second: &'static str,
    team: String,
}

impl Pair {
    fn put(wire: &mut Wire, organisation: &str, unit: &str, first: &str, second: &'static str) -> Self {
        let team = format!("cn=of {unit},ou=groups,{organisation}");
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
        put(wire, &team, &[("objectClass", "hcGroup"), ("member", &first)]);
        Self { unit, first, second, team }
    }

    /// What is asked of the first of the pair, or of another entry that has the attribute.
    fn subject<'a>(&'a self, entry: &'a str) -> Subject<'a> {
        let beside = if entry == self.first { (self.unit.as_str(), 1) } else { (entry, 2) };
        Subject { entry, beside, team: &self.team }
    }

    /// What these answer, without the names that differ between pairs.
    fn ask(&self, wire: &mut Wire, requests: &[Request]) -> Vec<Vec<Plain>> {
        let [(_, first), (_, unit)] = [&self.first, &self.unit].map(|dn| dn.split(',').next().unwrap().split_once('=').unwrap());
        let plain = |octets: &[u8]| {
            String::from_utf8_lossy(octets).replace(first, "THE FIRST").replace(self.second, "THE SECOND").replace(unit, "THE UNIT")
        };
        let plainly = |answer: &Answer| {
            let mut told = Vec::new();
            flatten(&answer.content, &plain, &mut told);
            for (oid, value) in &answer.controls {
                told.push(oid.clone());
                flatten(&if oid == LIST_VIEW_RESPONSE { first_of(value) } else { value.clone() }, &plain, &mut told);
            }
            (answer.tag, told)
        };
        wire.ask_together(requests).iter().map(|answers| answers.iter().map(plainly).collect()).collect()
    }
}

/// An entry that is asked about, a base and scope that find it among others, and a group whose member it may be.
#[derive(Clone, Copy)]
struct Subject<'a> {
    entry: &'a str,
    beside: (&'a str, i64),
    team: &'a str,
}

/// The primitive elements of what is encoded, in order, so that lengths of names do not matter.
fn flatten(encoded: &[u8], plain: &dyn Fn(&[u8]) -> String, told: &mut Vec<String>) {
    for (tag, content) in elements(encoded) {
        match tag & 0x20 {
            0 => told.push(plain(content)),
            _ => flatten(content, plain, told),
        }
    }
}

/// The position, count and result of a list view response, which end with its result: its context is random.
fn first_of(value: &[u8]) -> Vec<u8> {
    let fields = elements(elements(value)[0].1);
    fields.iter().take(3).flat_map(|(tag, content)| tlv(*tag, content)).collect()
}

type Plain = (u8, Vec<String>);
type Request = (Vec<u8>, Vec<Vec<u8>>);

fn sort_control(attribute: &str, critical: bool) -> Vec<u8> {
    control(SORT, critical, Some(&tlv(0x30, &sequence(&[&octets(attribute), &[0x81, 0x01, 0xff]]))))
}

fn list_view_control(assertion: &[u8]) -> Vec<u8> {
    control(LIST_VIEW, true, Some(&sequence(&[&number(0x02, 0), &number(0x02, 5), &tlv(0x81, assertion)])))
}

/// An attribute by its name and its OID, and what is asserted of it.
#[derive(Clone, Copy)]
struct Asked<'a> {
    name: &'a str,
    oid: &'a str,
    value: &'a [u8],
    /// Whether to ask for its presence: that an entry has a class is told to everybody who sees it.
    presence: bool,
}

impl<'a> Asked<'a> {
    fn of(held: &'a Type, value: &'a [u8]) -> Self {
        Self { name: &held.name, oid: &held.oid, value, presence: held.name != "objectClass" }
    }

    /// The same of an attribute that nobody knows.
    const fn unknown(self) -> Self {
        Self { name: UNKNOWN, oid: UNKNOWN_OID, ..self }
    }
}

/// Every choice of a filter.
fn filters(Asked { name, oid, value, presence }: Asked<'_>) -> Vec<Vec<u8>> {
    let asserted = equal(name, value);
    let ordered = |tag| tlv(tag, &asserted[2..]);
    let parts = [tlv(0x80, &value[..1]), tlv(0x81, &value[..1]), tlv(0x82, &value[value.len() - 1..])];
    let substrings = |part: &Vec<u8>| tlv(0xa4, &[octets(name), sequence(&[part])].concat());
    let by_rule = |more: &[u8]| tlv(0xa9, &[tlv(0x82, name.as_bytes()), tlv(0x83, value), more.to_vec()].concat());
    let chain = [tlv(0x81, b"1.2.840.113556.1.4.1941"), tlv(0x82, name.as_bytes()), tlv(0x83, value)].concat();
    let mut filters = vec![
        asserted.clone(),
        equal(oid, value),
        begins(name, value),
        substrings(&parts[0]),
        substrings(&parts[1]),
        substrings(&parts[2]),
        ordered(0xa5),
        ordered(0xa6),
        ordered(0xa8),
        by_rule(&[]),
        by_rule(&[0x84, 0x01, 0xff]),
        tlv(0xa9, &chain),
        not(&asserted),
        tlv(0xa1, &[asserted.clone(), not(&present("objectClass"))].concat()),
        tlv(0xa0, &[not(&asserted), present("objectClass")].concat()),
    ];
    if presence {
        filters.extend([present(name), not(&present(name)), present(&format!("{name};lang-en"))]);
    }
    filters
}

/// Every way to assert something about the attribute: where it may not be searched, none tells whether there is a value.
fn assertions(subject: Subject<'_>, asked: Asked<'_>) -> Vec<Request> {
    let everything = present("objectClass");
    let (base, scope) = subject.beside;
    let mut requests: Vec<Request> = filters(asked)
        .iter()
        .flat_map(|filter| [(subject.entry, 0), (base, scope)].map(|(base, scope)| (search_request(base, scope, filter, &["1.1"]), vec![])))
        .collect();
    let people = || search_request(base, scope, &everything, &["1.1"]);
    // In reverse, what has no value comes first (RFC 2891 §1.1): before the one that was made first.
    requests.extend([true, false].map(|critical| (people(), vec![sort_control(asked.name, critical)])));
    requests.extend([true, false].map(|critical| (people(), vec![sort_control(asked.name, critical), list_view_control(asked.value)])));
    let asserted = equal(asked.name, asked.value);
    for filter in [asserted.clone(), not(&asserted)].iter().chain(&Some(present(asked.name)).filter(|_| asked.presence)) {
        let asserting = || vec![control(ASSERTION, true, Some(filter))];
        requests.push((compare_request(subject.entry, "objectClass", b"person"), asserting()));
        requests.push((search_request(subject.entry, 0, &everything, &["1.1"]), asserting()));
        requests.push((replace_request(subject.entry, SPARE, &[]), asserting()));
    }
    let matched = control(MATCHED_VALUES, true, Some(&tlv(0x30, &asserted)));
    requests.push((search_request(subject.entry, 0, &everything, &[asked.name, "sn"]), vec![matched]));
    requests
}

/// Every way to be shown the attribute; `asker` asks what it may do with it, unless it may write it: then it may know.
fn selections(subject: Subject<'_>, asked: Asked<'_>, asker: Option<&str>) -> Vec<Request> {
    let (everything, name) = (present("objectClass"), asked.name);
    let (base, scope) = subject.beside;
    let mut requests: Vec<Request> =
        [(subject.entry, 0), (base, scope)].map(|(base, scope)| (search_request(base, scope, &everything, &[name]), vec![])).into();
    let types_only = {
        let mut request = search_request(subject.entry, 0, &everything, &[name]);
        let at = request.windows(3).rposition(|octets| octets == [0x01, 0x01, 0x00]).unwrap();
        request[at + 2] = 0xff;
        request
    };
    requests.push((types_only, vec![]));
    for selected in [&*format!("{name};x-option"), asked.oid] {
        requests.push((search_request(subject.entry, 0, &everything, &[selected]), vec![]));
    }
    let wanted = sequence(&[&octets("member"), &tlv(0x30, &octets(name))]);
    let follow = control(DEREFERENCE, true, Some(&tlv(0x30, &wanted)));
    requests.push((search_request(subject.team, 0, &everything, &["1.1"]), vec![follow]));
    for oid in [PRE_READ, POST_READ] {
        let read = control(oid, true, Some(&tlv(0x30, &octets(name))));
        requests.push((replace_request(subject.entry, SPARE, &[]), vec![read]));
    }
    for (who, named) in asker.iter().flat_map(|who| [name, "+", "*"].map(|named| (who, named))) {
        let wish = sequence(&[&octets(format!("dn:{who}")), &tlv(0x30, &octets(named))]);
        requests.push((search_request(subject.entry, 0, &everything, &["1.1"]), vec![control(EFFECTIVE_RIGHTS, true, Some(&wish))]));
    }
    requests
}

/// The entries that the attribute names.
fn followed(entry: &str, attribute: &str) -> Request {
    let wanted = sequence(&[&octets(attribute), &tlv(0x30, &octets("sn"))]);
    (search_request(entry, 0, &present("objectClass"), &["1.1"]), vec![control(DEREFERENCE, true, Some(&tlv(0x30, &wanted)))])
}

/// What somebody may do with each attribute of the entry, as the operator is told: letters for read, search, compare and write.
fn rights(operator: &mut Wire, who: &str, entry: &str, types: &[Type]) -> BTreeMap<String, String> {
    let names: Vec<u8> = types.iter().flat_map(|held| octets(&held.name)).collect();
    let wish = sequence(&[&octets(if who.is_empty() { String::new() } else { format!("dn:{who}") }), &tlv(0x30, &names)]);
    let asked = [control(EFFECTIVE_RIGHTS, true, Some(&wish))];
    let told = operator.ask_all(&search_request(entry, 0, &present("objectClass"), &["1.1"]), &asked);
    let all = told[0].values("attributeLevelRights").remove(0);
    all.split(", ").map(|one| one.split_once(':').unwrap()).map(|(name, letters)| (name.to_owned(), letters.replace("none", ""))).collect()
}

/// Somebody, what may be asked of each entry, and what entries answer about an attribute that nobody knows.
struct Viewer<'a> {
    who: String,
    wire: Wire,
    operator: Wire,
    types: &'a [Type],
    rights: BTreeMap<String, BTreeMap<String, String>>,
    unknown: BTreeMap<(String, bool, bool, bool), Vec<Vec<Plain>>>,
    /// The attributes that are hidden from it of an entry that it sees, in some way.
    hidden: BTreeSet<String>,
}

impl<'a> Viewer<'a> {
    fn new(house: &House, who: &str, types: &'a [Type]) -> Self {
        let name = match who {
            "" => String::new(),
            "operator" => "cn=admin".to_owned(),
            who => user(who, ACME),
        };
        let (wire, operator) = (house.signed_in(who, ACME), house.server.as_operator());
        Self { who: name, wire, operator, types, rights: BTreeMap::new(), unknown: BTreeMap::new(), hidden: BTreeSet::new() }
    }

    /// Whether it has the right on the attribute.
    fn may(&mut self, right: char, entry: &str, attribute: &str) -> bool {
        let (operator, who, types) = (&mut self.operator, &self.who, self.types);
        let held = self.rights.entry(entry.to_owned()).or_insert_with(|| rights(operator, who, entry, types));
        held[attribute].contains(right)
    }

    /// Whether it has the right on the attribute or on what derives from it.
    fn may_any(&mut self, right: char, entry: &str, held: &Type) -> bool {
        std::iter::once(&held.name).chain(&held.subtypes).any(|name| self.may(right, entry, name))
    }

    /// Asks all there is to ask about what is hidden: of the pair, of the twins where they have no value, and of what is unknown.
    fn look(&mut self, held: &Type, value: &Value, full: &Pair, bare: Option<&Pair>) {
        let (subject, asked) = (full.subject(&value.entry), Asked::of(held, &value.value));
        let who = self.who.clone();
        let writes = self.may('w', &value.entry, &held.name);
        let asker = Some(who.as_str()).filter(|_| !writes);
        for (right, asserts) in [('s', true), ('r', false)] {
            if self.may(right, &value.entry, &held.name) {
                continue;
            }
            let questions = |subject, asked| if asserts { assertions(subject, asked) } else { selections(subject, asked, asker) };
            let answers = self.ask(full, held, &questions(subject, asked));
            if let Some(bare) = bare {
                let twin = self.ask(bare, held, &questions(bare.subject(&bare.first), asked));
                assert_eq!(answers, twin, "{who} asks for {} of {} and of one without it", held.name, value.entry);
                self.note(held, value);
            }
            // What derives from it may be searched by its name.
            if self.may_any(right, &value.entry, held) {
                continue;
            }
            let key = (value.entry.clone(), asserts, asked.presence, writes);
            if !self.unknown.contains_key(&key) {
                let unknown = self.ask(full, held, &questions(subject, asked.unknown()));
                self.unknown.insert(key.clone(), unknown);
            }
            let unknown = self.unknown[&key].iter().map(|answers| renamed(answers, &[(UNKNOWN, &held.name), (UNKNOWN_OID, &held.oid)]));
            for (number, (answer, unknown)) in answers.iter().zip(unknown).enumerate() {
                assert_eq!(answer, &unknown, "{who} asks for {} of {}, question {number}", held.name, value.entry);
            }
            self.note(held, value);
        }
        if let Some(bare) = bare.filter(|_| held.is_name && !self.may('r', &value.entry, &held.name)) {
            let [named, none] = [full, bare].map(|pair| pair.ask(&mut self.wire, &[followed(&pair.first, &held.name)]));
            assert_eq!(named, none, "{who} has {} of {} followed", held.name, value.entry);
        }
        if !self.may('c', &value.entry, &held.name) {
            self.compare(held, value, full);
        }
    }

    /// What may not be compared is as what the entry does not have: that there is such a type is told to everybody.
    fn compare(&mut self, held: &Type, value: &Value, full: &Pair) {
        let twin = full.first.replacen("uid=full", &format!("uid={}", full.second), 1);
        let without = if value.entry == full.first { &twin } else { &value.entry };
        let compare = |dn: &str, attribute: &str, value: &[u8]| vec![(compare_request(dn, attribute, value), vec![])];
        let asked = [compare(&value.entry, &held.name, &value.value), compare(without, "pager", b"+64 3 123")];
        let [answer, absent] = asked.map(|asked| full.ask(&mut self.wire, &asked).remove(0));
        assert_eq!(answer, renamed(&absent, &[("pager", &held.name)]), "{} compares {} of {}", self.who, held.name, value.entry);
    }

    /// The answers; where rights on all attributes of an entry are told, those on this one.
    fn ask(&mut self, pair: &Pair, held: &Type, requests: &[Request]) -> Vec<Vec<Plain>> {
        let mut answers = pair.ask(&mut self.wire, requests);
        for (_, told) in answers.iter_mut().flatten() {
            if let Some(at) = told.iter().position(|part| part == "attributeLevelRights") {
                let about = format!("{}:", held.name);
                told[at + 1] = told[at + 1].split(", ").filter(|one| one.starts_with(&about) || one.starts_with(UNKNOWN)).collect();
            }
        }
        answers
    }

    fn note(&mut self, held: &Type, value: &Value) {
        let sees = self.wire.ask_all(&search_request(&value.entry, 0, &present("objectClass"), &["1.1"]), &[]).len() == 2;
        self.hidden.extend(sees.then(|| held.name.clone()));
    }
}

/// The same answers with other names in them.
fn renamed(answers: &[Plain], names: &[(&str, &str)]) -> Vec<Plain> {
    let rename = |told: &String| names.iter().fold(told.clone(), |told, (from, to)| told.replace(from, to));
    answers.iter().map(|(tag, told)| (*tag, told.iter().map(rename).collect())).collect()
}

#[test]
fn hc1_no_way_to_ask_tells_of_an_attribute_that_one_may_not_search_or_read() {
    let house = House::start(&format!("{LITTLE}{RULES}[[application]]\nname = \"mail\"\n"));
    let mut operator = house.server.as_operator();
    for service in ["bat", "owl"] {
        person(&mut operator, service, ACME, &[("hcUserType", "service")]);
    }
    let _seated = [("ann", ACME), ("eve", OTHER)].map(|(who, organisation)| house.signed_in(who, organisation));
    let mut hidden = BTreeSet::new();
    for organisation in [ACME, OTHER] {
        let full = Pair::put(&mut operator, organisation, "pair", "full", "twin");
        let bare = Pair::put(&mut operator, organisation, "bare", "bull", "bwin");
        let mut types = published(&mut operator);
        // It is asked for when a user is added, and kept nowhere (U3).
        types.retain(|held| held.name != "hcIncreaseSessionLimit");
        let values = give_all(&house, organisation, &full.first, &full.team, &types);
        let of_twin = crate::oracle_values::shown(&mut operator, &bare.first, &types);
        let without: Vec<&str> =
            types.iter().map(|held| held.name.as_str()).filter(|name| values.iter().all(|value| value.attribute != *name)).collect();
        assert_eq!(without, [""; 0], "these have no value anywhere: give them one in oracle_values.rs");
        for (place, who) in ["", "svc", "ann", "sam", "gil", "ada", "operator", "bat", "owl"].into_iter().enumerate() {
            let mut viewer = Viewer::new(&house, who, &types);
            // Of another organisation nobody sees anything, so a short run asks for a part of it.
            let part = if organisation == ACME || who == "operator" || std::env::var("HEADCOUNT_LONG").is_ok() { 1 } else { 4 };
            for (held, value) in types.iter().zip(&values).skip(place % part).step_by(part) {
                let twins = value.entry == full.first && held.values_of(&of_twin).is_empty();
                viewer.look(held, value, &full, twins.then_some(&bare));
            }
            if organisation == ACME && matches!(who, "bat" | "owl") {
                assert!(viewer.hidden.len() > types.len() - 8, "{who}: only {} are hidden", viewer.hidden.len());
            }
            hidden.extend(viewer.hidden);
        }
        let all: BTreeSet<String> = types.iter().map(|held| held.name.clone()).collect();
        assert_eq!(hidden, all, "each was hidden from somebody who saw the entry");
    }
}

/// The test above can fail: of an attribute that may be searched and read, every way to ask tells.
#[test]
fn hc1_every_way_to_ask_tells_of_an_attribute_that_one_may_search_and_read() {
    let house = House::start(RULES);
    let mut operator = house.server.as_operator();
    let full = Pair::put(&mut operator, ACME, "pair", "full", "twin");
    let bare = Pair::put(&mut operator, ACME, "bare", "bull", "bwin");
    for (attribute, value) in [("carLicense", "full of it"), ("carLicense;x-option", "full of it"), ("uidNumber", "7")] {
        operator.replace(&full.first, attribute, &[value]);
    }
    operator.replace(&full.first, "carLicense;lang-en", &["full of it"]);
    let gil = user("gil", ACME);
    operator.replace(&full.first, "manager", &[&gil]);
    operator.replace(&full.first, "pwdStartTime", &["20200101000000Z"]);
    // One has substrings, another an order, one is a link, one is operational, and one is not there.
    let asked: [(&str, &str, &[u8]); 5] = [
        ("carLicense", "2.16.840.1.113730.3.1.1", b"full of it"),
        ("uidNumber", "1.3.6.1.1.1.1.0", b"7"),
        ("manager", "0.9.2342.19200300.100.1.10", gil.as_bytes()),
        ("pwdStartTime", "1.3.6.1.4.1.42.2.27.8.1.27", b"20200101000000Z"),
        ("title", "2.5.4.12", b"nothing like it"),
    ];
    let mut ask = |pair: &Pair, asked: Asked<'_>| {
        let subject = pair.subject(&pair.first);
        pair.ask(&mut operator, &[assertions(subject, asked), selections(subject, asked, Some("cn=admin"))].concat())
    };
    let (mut of_twin, mut of_unknown) = (BTreeSet::new(), BTreeSet::new());
    let mut all = BTreeSet::new();
    for (name, oid, value) in asked {
        let asked = Asked { name, oid, value, presence: true };
        let answers = ask(&full, asked);
        let differ = |others: Vec<Vec<Plain>>| {
            answers.iter().zip(others).enumerate().filter(|(_, (one, other))| *one != other).map(|(at, _)| at).collect::<Vec<_>>()
        };
        of_twin.extend(differ(ask(&bare, asked)));
        of_unknown.extend(differ(ask(&full, asked.unknown())));
        all.extend(0..answers.len());
    }
    // What one may do with an attribute that was named is no matter of what the entry has, and "*" and "+" name none.
    let silent = |told: &BTreeSet<usize>| all.len() - told.len();
    assert_eq!((silent(&of_twin), silent(&of_unknown)), (1, 2), "of {}: {of_twin:?}, {of_unknown:?}", all.len());
}

#[test]
fn hc1_effective_rights_name_nothing_that_one_may_neither_read_nor_write() {
    let house = House::start("");
    let mut operator = house.server.as_operator();
    // An administrator of the organisation reads what belongs to the operator, and changes nothing of it.
    for name in ["roo", "rob"] {
        person(&mut operator, name, ACME, &[("hcUserType", "admin")]);
    }
    operator.replace(&user("rob", ACME), "userPassword", &[]);
    operator.replace(&user("roo", ACME), "hcOneTimeSecret", &["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"]);
    let mut ada = house.signed_in("ada", ACME);
    let mut told = |name: &str, named: &[&str]| {
        let attributes: Vec<u8> = named.iter().flat_map(octets).collect();
        let wish = sequence(&[&octets(format!("dn:{}", user("ada", ACME))), &tlv(0x30, &attributes)]);
        let rights = [control(EFFECTIVE_RIGHTS, true, Some(&wish))];
        ada.ask_all(&search_request(&user(name, ACME), 0, &present("objectClass"), &["1.1"]), &rights)[0].values("attributeLevelRights")
    };
    for named in [&["*"][..], &["+"], &[], &["userPassword", "hcOneTimeSecret", "pwdHistory"]] {
        let [with, without] = ["roo", "rob"].map(|name| told(name, named));
        let open =
            |told: &[String]| told[0].split(", ").filter(|held| !held.starts_with("pwdChangedTime")).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(open(&with), open(&without), "{named:?}");
    }
    assert_eq!(told("roo", &["userPassword", UNKNOWN]), ["userPassword:none, noSuchThing:none"]);
    assert!(told("roo", &["*"])[0].contains("cn:rsc"));
    // Of a user it writes all that can be written; the server keeps the history.
    let relax = control("1.3.6.1.4.1.4203.666.5.12", true, None);
    assert_eq!(operator.ask(&replace_request(&user("bob", ACME), "pwdHistory", &["what it was"]), &[relax]).code(), 0);
    let of_bob = told("bob", &["*", "+"]).remove(0);
    assert!(of_bob.contains("userPassword:wo") && !of_bob.contains("pwdHistory"), "{of_bob}");
}

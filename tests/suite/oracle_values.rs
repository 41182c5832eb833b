//! An entry with a value of each attribute type that the server publishes, for the oracle tests of HC1: a type that comes to
//! the schema and gets no value here fails them.

use crate::house::{ACME, House, group, put, user};
use crate::oracles::modify_request;
use crate::server::{PASSWORD, salted_hash};
use crate::wire::{Answer, Wire, control, present, replace_request, search_request};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const RELAX: &str = "1.3.6.1.4.1.4203.666.5.12";
/// Something for every syntax; the first that the server takes is used.
const VALUES: [&str; 23] = [
    "full of it",
    "7",
    "TRUE",
    "20200101000000Z",
    "cn=full of it,dc=example,dc=com",
    "+64 3 123",
    "1.2.840.113549",
    "(a,b,c)",
    "'0101'B",
    "host=path:x",
    "NZ",
    "10.0.0.0/8",
    "teletex$$x",
    "(1.2.3 NAME 'full')",
    "( 7 NAME 'full' FORM full )",
    "{\"value\":\"full@example.com\"}",
    "person#sn$EQ#oneLevel",
    "sn$EQ",
    "mhs",
    "internet$full",
    "SHA1$c2FsdA==$aGFzaA==",
    "{}",
    // A sequence in BER, for certificates and the like.
    "0\u{4}\u{4}\u{2}ok",
];
/// What would do something else than being there, or takes more than a syntax says.
const NAMED: [(&str, &str); 7] = [
    ("hcApplicationPassword", "mail$a password that nobody has ever had for anything"),
    ("hcDefaultVisibility", "just-me"),
    ("hcEndDate", "20990101000000Z"),
    ("hcOneTimeSecret", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"),
    ("hcTimeZone", "Pacific/Auckland"),
    ("hcUserType", "app"),
    ("telexNumber", "7$NZ$full"),
];
/// The numbers of a collective attribute fit these.
const SHARED: [(&str, &str); 2] = [("c-InternationalISDNNumber", "7"), ("c-TelexNumber", "7$NZ$full")];

/// An attribute type, as the server publishes it.
pub(crate) struct Type {
    /// The first of its names.
    pub(crate) name: String,
    /// Its OID.
    pub(crate) oid: String,
    /// The types derived from it, by name.
    pub(crate) subtypes: BTreeSet<String>,
    /// Whether its values are names of entries.
    pub(crate) is_name: bool,
    definition: String,
}

impl Type {
    /// Its values in an entry as it was shown; certificates and the like travel under an option (RFC 4522).
    pub(crate) fn values_of(&self, entry: &Answer) -> Vec<String> {
        [self.name.clone(), format!("{};binary", self.name)].iter().flat_map(|description| entry.values(description)).collect()
    }
}

/// Every attribute type of the subschema.
pub(crate) fn published(operator: &mut Wire) -> Vec<Type> {
    let subschema = operator.ask_all(&search_request("cn=Subschema", 0, &present("objectClass"), &["attributeTypes"]), &[]);
    let definitions = subschema[0].values("attributeTypes");
    let names_of = |definition: &str| -> Vec<String> {
        let names = definition.split_once("NAME ").unwrap().1;
        let names = if names.starts_with('(') { &names[..names.find(')').unwrap()] } else { names };
        let until = if names.starts_with('(') { usize::MAX } else { 1 };
        names.split('\'').skip(1).step_by(2).take(until).map(str::to_lowercase).collect()
    };
    let superior = |definition: &str| definition.split_once(" SUP ").map(|(_, rest)| rest.split(' ').next().unwrap().to_lowercase());
    let parents: BTreeMap<String, String> =
        definitions.iter().filter_map(|definition| Some((names_of(definition).remove(0), superior(definition)?))).collect();
    let by_name = |name: &str| definitions.iter().find(|definition| names_of(definition).iter().any(|held| held == name)).unwrap();
    let derives = |from: &str, of: &[String]| {
        std::iter::successors(parents.get(from), |name| parents.get(&names_of(by_name(name))[0])).any(|name| of.contains(name))
    };
    let syntax = |definition: &String| {
        let mut at = definition;
        while !at.contains("SYNTAX") {
            at = by_name(&superior(at).unwrap());
        }
        at.split_once("SYNTAX ").unwrap().1.split([' ', '{']).next().unwrap().to_owned()
    };
    let one = |definition: &String| Type {
        name: definition.split('\'').nth(1).unwrap().to_owned(),
        oid: definition.split(' ').nth(1).unwrap().to_owned(),
        subtypes: (definitions.iter().filter(|other| derives(&names_of(other)[0], &names_of(definition))))
            .map(|other| other.split('\'').nth(1).unwrap().to_owned())
            .collect(),
        is_name: syntax(definition) == "1.3.6.1.4.1.1466.115.121.1.12",
        definition: definition.clone(),
    };
    definitions.iter().map(one).collect()
}

/// What somebody shows of an entry, of all attributes by name.
pub(crate) fn shown(wire: &mut Wire, dn: &str, types: &[Type]) -> Answer {
    let names: Vec<&str> = types.iter().map(|held| held.name.as_str()).collect();
    wire.ask_all(&search_request(dn, 0, &present("objectClass"), &names), &[]).remove(0)
}

/// An attribute, an entry that has it, and a value of it.
pub(crate) struct Value {
    /// The name of the attribute.
    pub(crate) attribute: String,
    /// The entry.
    pub(crate) entry: String,
    /// The value, as it is shown to the operator, or as it was given where nobody is shown it.
    pub(crate) value: Vec<u8>,
}

/// Gives the person every attribute that a person can have, and names what has the others.
pub(crate) fn give_all(house: &House, organisation: &str, person: &str, team: &str, types: &[Type]) -> Vec<Value> {
    let mut operator = house.server.as_operator();
    share(&mut operator, person, types);
    operator.replace(person, "userPassword", &[&salted_hash(PASSWORD)]);
    assert_eq!(house.server.connect().bind(person, PASSWORD).code(), 0);
    let before = shown(&mut operator, person, types);
    let mut given = BTreeMap::new();
    for held in types.iter().filter(|held| held.values_of(&before).is_empty()) {
        given.extend(give(&mut operator, organisation, person, held).map(|value| (held.name.clone(), value)));
    }
    for _ in 0..6 {
        assert_eq!(house.server.connect().bind(person, "guessed").code(), 49);
    }
    // What is noted of attempts is shown a second later.
    let begun = Instant::now();
    while shown(&mut operator, person, types).values("pwdAccountLockedTime").is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(20), "failed attempts are not shown");
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut others = vec![team.to_owned(), format!("cn=main,ou=licences,{organisation}"), governed(&mut operator, organisation)];
    let sessions = operator.entries(&format!("ou=sessions,{organisation}"), &crate::wire::equal("objectClass", b"hcSession"), &["1.1"]);
    others.push(sessions[0].dn());
    operator.replace(organisation, "hcSelfServiceAttribute", &["title"]);
    others.push(organisation.to_owned());
    let all: Vec<(String, Answer)> =
        (std::iter::once(person.to_owned()).chain(others)).map(|dn| (dn.clone(), shown(&mut operator, &dn, types))).collect();
    let value = |held: &Type| {
        let has = all.iter().find_map(|(dn, entry)| Some((dn.clone(), held.values_of(entry).pop()?.into_bytes())));
        let secret = || Some((person.to_owned(), given.get(&held.name)?.clone().into_bytes()));
        let (entry, value) = has.or_else(secret)?;
        Some(Value { attribute: held.name.clone(), entry, value })
    };
    types.iter().filter_map(value).collect()
}

/// Replaces an attribute of the person by a value that its syntax and the rules take; a rule may take only an entry's own.
fn give(operator: &mut Wire, organisation: &str, person: &str, held: &Type) -> Option<String> {
    let name = held.name.as_str();
    let one = user(if organisation == ACME { "gil" } else { "eve" }, organisation);
    let special = match name {
        "hcRole" => Some(format!("cn=searcher,ou=roles,{organisation}")),
        "userPassword" => Some(salted_hash(PASSWORD)),
        _ if held.definition.contains("X-LINK") => Some(one),
        _ => NAMED.iter().find(|(named, _)| *named == name).map(|(_, value)| (*value).to_owned()),
    };
    let values = special.iter().map(String::as_str).chain(VALUES);
    let strictly_and_relaxed = [vec![], vec![control(RELAX, true, None)]];
    let attempts = strictly_and_relaxed.iter().flat_map(|controls| values.clone().map(move |value| (value, controls)));
    let mut taken = attempts.filter(|(value, controls)| operator.ask(&replace_request(person, name, &[value]), controls).code() == 0);
    taken.next().map(|(value, _)| value.to_owned())
}

/// A subentry that shares every collective attribute with the person (RFC 3671).
fn share(operator: &mut Wire, person: &str, types: &[Type]) {
    let unit = person.split_once(',').unwrap().1;
    operator.replace(unit, "administrativeRole", &["collectiveAttributeSpecificArea"]);
    let mut attributes = vec![("objectClass", "subentry"), ("objectClass", "collectiveAttributeSubentry"), ("subtreeSpecification", "{}")];
    for held in types.iter().filter(|held| held.definition.contains(" COLLECTIVE")) {
        let value = SHARED.iter().find(|(name, _)| *name == held.name).map_or("shared", |(_, value)| value);
        attributes.push((&held.name, value));
    }
    put(operator, &format!("cn=shared,{unit}"), &attributes);
}

/// An entry that a structure rule governs (RFC 4512 §4.1.7.1).
fn governed(operator: &mut Wire, organisation: &str) -> String {
    let schema = "cn=Subschema";
    if organisation == ACME {
        let form = (0, "nameForms", &["( 1.3.6.1.4.1.55555.3.1 NAME 'deviceForm' OC device MUST cn )"][..]);
        let rule = (0, "dITStructureRules", &["( 7 FORM deviceForm )"][..]);
        for change in [form, rule] {
            let answer = operator.ask(&modify_request(schema, &[change]), &[]);
            assert_eq!(answer.code(), 0, "{}", answer.text());
        }
    }
    let dn = group("governed", organisation);
    put(operator, &dn, &[("objectClass", "device")]);
    dn
}

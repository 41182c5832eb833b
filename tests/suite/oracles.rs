//! What one may not see does not exist for one (hardening C): the golden matrix of who sees and changes what, and the ways
//! in which other servers let what is hidden show.

use crate::house::{
    ACME, House, OTHER, SUFFIX, add_request, begins, compare_request, group, passmod_request, person, put, rename_request, user,
};
use crate::server::salted_hash;
use crate::wire::{Answer, Wire, control, delete_request, equal, number, octets, present, replace_request, search_request, sequence, tlv};
use std::collections::BTreeSet;
use std::fmt::Write as _;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/golden/access-matrix.txt");

/// A service may read three attributes of people in its own organisation, and search one of them only by name.
pub(crate) const RULES: &str = "[[access]]\nwho = [\"services\"]\nsubtree = \"ou=users,o=Acme,dc=example,dc=com\"\n\
    attributes = [\"cn\", \"telephoneNumber\", \"objectClass\"]\nrights = [\"read\"]\n\
    [[access]]\nwho = [\"services\"]\nattributes = [\"employeeNumber\"]\nrights = [\"search\"]\n";

/// Whether a base search finds the entry.
fn finds(wire: &mut Wire, dn: &str, filter: &[u8]) -> bool {
    wire.ask_all(&search_request(dn, 0, filter, &["1.1"]), &[]).len() == 2
}

/// Whether a search of what stands directly below finds anything.
fn finds_below(wire: &mut Wire, dn: &str, filter: &[u8]) -> bool {
    wire.ask_all(&search_request(dn, 1, filter, &["1.1"]), &[]).len() == 2
}

pub(crate) fn not(filter: &[u8]) -> Vec<u8> {
    tlv(0xa2, filter)
}

/// The value an attribute of the entry has.
fn value_of(operator: &mut Wire, dn: &str, attribute: &str) -> String {
    let found = operator.ask_all(&search_request(dn, 0, &present("objectClass"), &[attribute]), &[]);
    found.first().filter(|answer| answer.tag == 0x64).and_then(|entry| entry.values(attribute).pop()).unwrap_or_else(|| "x".to_owned())
}

/// One line of the matrix.
fn row(wire: &mut Wire, dn: &str, attribute: &str, value: &str) -> String {
    let (first, ordered) = (value.get(..1).unwrap_or("x").to_owned(), tlv(0xa5, &equal(attribute, value.as_bytes())[2..]));
    let found = wire.ask_all(&search_request(dn, 0, &present("objectClass"), &[attribute]), &[]);
    let read = found[0].tag == 0x64 && !found[0].values(attribute).is_empty();
    let filters = [
        equal(attribute, value.as_bytes()),
        present(attribute),
        begins(attribute, first.as_bytes()),
        ordered,
        not(&present(attribute)),
        not(&equal(attribute, b"0 nothing like it")),
    ];
    let mut line = String::from(if read { "R" } else { "." });
    for filter in &filters {
        line.push(if finds(wire, dn, filter) { '+' } else { '.' });
    }
    let compared = wire.ask(&compare_request(dn, attribute, value.as_bytes()), &[]).code();
    let changed = wire.ask(&replace_request(dn, attribute, &[value]), &[]).code();
    write!(line, "  {compared:>3}  {changed:>3}").unwrap();
    line
}

/// Adding below, renaming and deleting the entry; what was done is undone by the operator.
fn entry_row(wire: &mut Wire, operator: &mut Wire, dn: &str) -> String {
    let child = format!("cn=child,{dn}");
    let added = wire.ask(&add_request(&child, &[("objectClass", "device"), ("cn", "child")]), &[]).code();
    if added == 0 {
        assert_eq!(operator.ask(&delete_request(&child), &[]).code(), 0);
    }
    let (rdn, rest) = dn.split_once(',').unwrap();
    let other = format!("{rdn}x");
    let renamed = wire.ask(&rename_request(dn, &other, None), &[]).code();
    if renamed == 0 {
        assert_eq!(operator.ask(&rename_request(&format!("{other},{rest}"), rdn, None), &[]).code(), 0);
    }
    // A leaf made for it, so that nothing else depends on it.
    let (kind, name) = rdn.split_once('=').unwrap();
    let leaf = format!("{kind}={name}-leaf,{rest}");
    let hash = salted_hash("x");
    let attributes: Vec<(&str, &str)> = match kind {
        "uid" => vec![("objectClass", "inetOrgPerson"), ("objectClass", "hcUser"), ("cn", "l"), ("sn", "l"), ("userPassword", &hash)],
        _ => vec![("objectClass", "hcGroup")],
    };
    put(operator, &leaf, &attributes);
    let deleted = wire.ask(&delete_request(&leaf), &[]).code();
    if deleted != 0 {
        assert_eq!(operator.ask(&delete_request(&leaf), &[]).code(), 0);
    }
    format!("add {added}, rename {renamed}, delete {deleted}")
}

#[test]
fn hc1_the_access_matrix_is_the_golden_one() {
    let house = House::start(RULES);
    let mut operator = house.server.as_operator();
    let people = ["cn", "telephoneNumber", "employeeNumber", "entryUUID", "manager", "memberOf", "hcRole", "hcExternalId", "userPassword"];
    let groups = ["cn", "description", "member", "hcAdministrator", "hcEffectiveMember", "createTimestamp"];
    let targets: [(&str, String, &[&str]); 5] = [
        ("bob", user("bob", ACME), &people),
        ("disabled", user("off", ACME), &["cn"]),
        ("team", group("team", ACME), &groups),
        ("other user", user("eve", OTHER), &people),
        ("other team", group("team", OTHER), &groups),
    ];
    let mut table = String::from(
        "Who sees and changes what. R: read; then + where a filter finds the entry: equality, presence, substrings, ordering,\n\
         not present, not equal; then the result codes of compare and modify. Made by HEADCOUNT_GOLDEN=write cargo test hc1_the.\n",
    );
    for who in ["", "svc", "ann", "sam", "gil", "ada", "operator"] {
        let mut wire = house.signed_in(who, ACME);
        writeln!(table, "\n{}", if who.is_empty() { "anonymous" } else { who }).unwrap();
        for (name, dn, attributes) in &targets {
            for attribute in *attributes {
                let value = value_of(&mut operator, dn, attribute);
                writeln!(table, "  {name:10}  {attribute:17}  {}", row(&mut wire, dn, attribute, &value)).unwrap();
            }
            writeln!(table, "  {name:10}  {:17}  {}", "the entry", entry_row(&mut wire, &mut operator, dn)).unwrap();
        }
    }
    if std::env::var("HEADCOUNT_GOLDEN").is_ok_and(|mode| mode == "write") {
        std::fs::create_dir_all(std::path::Path::new(GOLDEN).parent().unwrap()).unwrap();
        std::fs::write(GOLDEN, &table).unwrap();
    }
    let golden = std::fs::read_to_string(GOLDEN).unwrap_or_default();
    for (line, (now, then)) in table.lines().zip(golden.lines()).enumerate() {
        assert_eq!(now, then, "line {} of {GOLDEN}", line + 1);
    }
    assert_eq!(table.lines().count(), golden.lines().count());
    assert!(!table.lines().any(|line| line.contains("userPassword") && line.contains(['R', '+'])), "a password shows");
}

#[test]
fn hc1_an_unreadable_attribute_behaves_as_an_unknown_one() {
    let house = House::start(RULES);
    let mut operator = house.server.as_operator();
    let bob = user("bob", ACME);
    for (who, hidden) in [
        ("sam", &["hcRole", "hcExternalId", "userPassword"][..]),
        ("svc", &["mail", "manager", "memberOf", "entryUUID", "hcRole", "userPassword"]),
        ("ada", &["userPassword"]),
        ("operator", &["userPassword"]),
    ] {
        let mut wire = house.signed_in(who, ACME);
        for attribute in hidden {
            let value = value_of(&mut operator, &bob, attribute);
            let mut answers = |attribute: &str| -> Vec<Vec<Vec<u8>>> {
                let asserted = equal(attribute, value.as_bytes());
                let filters = [
                    asserted.clone(),
                    present(attribute),
                    begins(attribute, &value.as_bytes()[..1]),
                    tlv(0xa5, &asserted[2..]),
                    tlv(0xa6, &asserted[2..]),
                    tlv(0xa8, &asserted[2..]),
                    not(&asserted),
                    not(&present(attribute)),
                    tlv(0xa1, &[asserted.clone(), present("objectClass")].concat()),
                    tlv(0xa0, &[not(&asserted), present("objectClass")].concat()),
                ];
                let searches = filters.iter().flat_map(|filter| [0, 2].map(|scope| search_request(&bob, scope, filter, &["1.1"])));
                let selections = [
                    search_request(&bob, 0, &present("objectClass"), &[attribute]),
                    search_request(&bob, 0, &present("objectClass"), &["cn", &format!("{attribute};x-option")]),
                ];
                let contents = |request: Vec<u8>| wire.ask_all(&request, &[]).into_iter().map(|answer| answer.content).collect();
                searches.chain(selections).map(contents).collect()
            };
            assert_eq!(answers(attribute), answers("noSuchThing"), "{who} {attribute}");
        }
        let comparison = |wire: &mut Wire, attribute: &str| wire.ask(&compare_request(&bob, attribute, b"x"), &[]).code();
        for attribute in hidden {
            assert_eq!(comparison(&mut wire, attribute), comparison(&mut wire, "pager"), "{who} {attribute}: as one that is not there");
        }
    }
}

/// What an operation answers, with one name in the place of the other.
fn answer_of(wire: &mut Wire, operation: &[u8], name: &str, other: &str) -> Vec<(u8, String)> {
    assert_eq!(name.len(), other.len(), "so that lengths are the same");
    let plain = |answer: Answer| (answer.tag, String::from_utf8_lossy(&answer.content).replace(other, name));
    wire.ask_all(operation, &[]).into_iter().map(plain).collect()
}

/// Every operation on an entry of that name.
fn operations(name: &str, parent: &str, own: &str) -> Vec<(&'static str, Vec<u8>)> {
    let dn = format!("{name},{parent}");
    let everything = present("objectClass");
    let device = [("objectClass", "inetOrgPerson"), ("cn", "x"), ("sn", "x")];
    vec![
        ("base search", search_request(&dn, 0, &everything, &[])),
        ("one-level search", search_request(&dn, 1, &everything, &[])),
        ("subtree search", search_request(&dn, 2, &everything, &[])),
        ("search below", search_request(&format!("cn=x,{dn}"), 0, &everything, &[])),
        ("compare", compare_request(&dn, "cn", b"x")),
        ("modify", replace_request(&dn, "description", &["x"])),
        ("modify what is not there", replace_request(&dn, "noSuchThing", &["x"])),
        ("delete", delete_request(&dn)),
        ("rename", rename_request(&dn, "cn=else", None)),
        ("move", rename_request(&dn, "cn=else", Some(own))),
        ("move there", rename_request(own, "uid=moved", Some(&dn))),
        ("move beside", rename_request(own, name, Some(parent))),
        ("add", add_request(&dn, &device)),
        ("add below", add_request(&format!("cn=x,{dn}"), &device)),
        ("password", passmod_request(&dn, "a password nobody has 1")),
    ]
}

#[test]
fn hc2_what_is_hidden_answers_as_what_is_not_there() {
    let house = House::start("");
    let users = format!("ou=users,{ACME}");
    let foreign = format!("ou=users,{OTHER}");
    let nowhere = OTHER.replace("Other", "Wrong");
    for (who, hidden, absent, parent) in [
        ("ann", "uid=bob", "uid=xyz", &users),
        ("sam", "uid=off", "uid=xyz", &users),
        ("svc", "uid=bob", "uid=xyz", &users),
        ("", "uid=bob", "uid=xyz", &users),
        ("ann", "uid=eve", "uid=xyz", &foreign),
        ("ada", "uid=eve", "uid=xyz", &foreign),
        ("svc", "uid=eve", "uid=xyz", &foreign),
    ] {
        let mut wire = house.signed_in(who, ACME);
        let own = user(if who.is_empty() { "ann" } else { who }, ACME);
        let pairs = operations(hidden, parent, &own).into_iter().zip(operations(absent, parent, &own));
        for ((what, there), (_, not_there)) in pairs {
            let there = answer_of(&mut wire, &there, hidden, absent);
            assert_eq!(there, answer_of(&mut wire, &not_there, hidden, absent), "{who} on {hidden}: {what}");
        }
    }
    for who in ["ann", "ada", "svc", ""] {
        let mut wire = house.signed_in(who, ACME);
        let own = user(if who.is_empty() { "ann" } else { who }, ACME);
        for name in ["ou=users", "ou=groups", "uid=eve,ou=users", "cn=team,ou=groups"] {
            let pairs = operations(name, OTHER, &own).into_iter().zip(operations(name, &nowhere, &own));
            for ((what, there), (_, not_there)) in pairs {
                let there = answer_of(&mut wire, &there, "Other", "Wrong");
                assert_eq!(there, answer_of(&mut wire, &not_there, "Other", "Wrong"), "{who} on {name} of another: {what}");
            }
        }
    }
}

/// The attributes that hold references, as the schema of the server has them.
fn link_attributes(operator: &mut Wire) -> Vec<String> {
    let found = operator.ask_all(&search_request("cn=Subschema", 0, &present("objectClass"), &["attributeTypes"]), &[]);
    let types = found[0].values("attributeTypes");
    let name = |definition: &String| definition.split_once("NAME ")?.1.split('\'').nth(1).map(str::to_owned);
    types.iter().filter(|definition| definition.contains("X-LINK")).filter_map(name).collect()
}

/// A ModifyRequest: 0 to add, 1 to delete, 2 to replace.
pub(crate) fn modify_request(dn: &str, changes: &[(i64, &str, &[&str])]) -> Vec<u8> {
    let one = |(kind, attribute, values): &(i64, &str, &[&str])| {
        let values: Vec<u8> = values.iter().flat_map(octets).collect();
        sequence(&[&number(0x0a, *kind), &sequence(&[&octets(attribute), &tlv(0x31, &values)])])
    };
    tlv(0x66, &[octets(dn), tlv(0x30, &changes.iter().flat_map(one).collect::<Vec<u8>>())].concat())
}

/// What `wire` hears of a reference to `name` in an entry that it may write; `given` are the values it leaves there.
fn heard_of(wire: &mut Wire, dn: &str, attribute: &str, given: &[String], name: &str, shown: &[&str]) -> Vec<Vec<(u8, String)>> {
    let [plain, odd] = match attribute {
        "memberUid" => [name.to_owned(), name.to_owned()],
        _ => ["uid", "UID"].map(|kind| format!("{kind}={name},ou=users,{ACME}")),
    };
    let change = |kind: i64, values: &[&str]| modify_request(dn, &[(kind, attribute, values)]);
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    let all_and = |value| given.iter().copied().chain([value]).collect::<Vec<&str>>();
    let read = search_request(dn, 0, &present("objectClass"), shown);
    let find = |attribute: &str| search_request(dn, 0, &equal(attribute, plain.as_bytes()), &["1.1"]);
    let operations = [
        change(0, &[&odd]),
        read.clone(),
        change(2, &all_and(&odd)),
        read.clone(),
        compare_request(dn, attribute, plain.as_bytes()),
        compare_request(dn, "hcEffectiveMember", plain.as_bytes()),
        find(attribute),
        find("hcEffectiveMember"),
        find("member"),
        change(0, &[&plain]),
        change(1, &[&plain]),
        read.clone(),
        change(0, &[&odd]),
        read.clone(),
        change(2, &given),
        read,
    ];
    operations.iter().map(|operation| answer_of(wire, operation, "off", "xyz")).collect()
}

#[test]
fn hc2_a_reference_tells_nothing_of_what_it_names() {
    let house = House::start("");
    let mut operator = house.server.as_operator();
    let unix = modify_request(&group("team", ACME), &[(0, "objectClass", &["posixGroup"]), (0, "gidNumber", &["7"])]);
    assert_eq!(operator.ask(&unix, &[]).code(), 0);
    let attributes = link_attributes(&mut operator);
    let shown: Vec<&str> = attributes.iter().map(String::as_str).chain(["hcEffectiveMember", "memberOf"]).collect();
    let mut tried = Vec::new();
    for (who, dn) in [("gil", group("team", ACME)), ("gil", user("gil", ACME)), ("sam", user("sam", ACME))] {
        let mut wire = house.signed_in(who, ACME);
        for attribute in &attributes {
            let found = operator.ask_all(&search_request(&dn, 0, &present("objectClass"), &[attribute]), &[]);
            let held = found[0].values(attribute);
            for beforehand in [false, true] {
                let mut heard = |name: &str| {
                    let reference = if attribute == "memberUid" { name.to_owned() } else { user(name, ACME) };
                    let more: Vec<&str> = held.iter().map(String::as_str).chain([&*reference].into_iter().filter(|_| beforehand)).collect();
                    let code = operator.ask(&replace_request(&dn, attribute, &more), &[]).code();
                    let mut heard = (code == 0).then(|| heard_of(&mut wire, &dn, attribute, &held, name, &shown));
                    // What another put there shows as what it is.
                    heard.iter_mut().filter(|_| beforehand).for_each(|heard| drop(heard.remove(1)));
                    let before: Vec<&str> = held.iter().map(String::as_str).collect();
                    let restored = operator.ask(&replace_request(&dn, attribute, &before), &[]).code();
                    assert!(code != 0 || restored == 0, "{attribute} is as it was");
                    heard
                };
                // Where the operator cannot put it there, nobody can.
                let (Some(there), Some(not_there)) = (heard("off"), heard("xyz")) else { continue };
                let may_write = !there.iter().flatten().any(|(_, content)| content.contains("no right to write"));
                // A uid has no other spelling, so what another put there stays that.
                if (!may_write || attribute == "memberUid") && beforehand {
                    continue;
                }
                assert_eq!(there, not_there, "{who} {attribute} of {dn}, put there by another: {beforehand}");
                if there.iter().flatten().any(|(tag, content)| *tag == 0x67 && content.starts_with("\n\u{1}\0")) {
                    tried.push(attribute.clone());
                }
            }
        }
    }
    for attribute in ["member", "memberUid", "uniqueMember", "hcAdministrator", "hcPastMember"] {
        assert!(tried.iter().any(|tried| tried == attribute), "{attribute} is written: {tried:?}");
    }
}

#[test]
fn hc3_a_move_needs_rights_at_both_ends_and_crosses_no_organisation() {
    let house = House::start("");
    let mut operator = house.server.as_operator();
    let (ann, team) = (user("ann", ACME), group("team", ACME));
    let attempts = [
        ("ada", ann.clone(), "uid=ann", format!("ou=users,{OTHER}")),
        ("ada", user("eve", OTHER), "uid=eve", format!("ou=users,{ACME}")),
        ("ada", ann.clone(), "uid=ann", SUFFIX.to_owned()),
        ("ada", group("team", OTHER), "cn=team2", format!("ou=groups,{ACME}")),
        ("ann", ann.clone(), "uid=ann", format!("ou=groups,{ACME}")),
        ("ann", ann.clone(), "uid=else", format!("ou=users,{ACME}")),
        ("gil", team.clone(), "cn=team", format!("ou=users,{ACME}")),
        ("sam", user("bob", ACME), "uid=bob", format!("ou=groups,{ACME}")),
    ];
    for (who, dn, rdn, superior) in &attempts {
        let answer = house.signed_in(who, ACME).ask(&rename_request(dn, rdn, Some(superior)), &[]);
        assert!(matches!(answer.code(), 32 | 50 | 53), "{who} moved {dn} under {superior}: {} {}", answer.code(), answer.text());
        assert!(finds(&mut operator, dn, &present("objectClass")), "{dn} is gone");
    }
    assert_eq!(house.signed_in("gil", ACME).ask(&rename_request(&team, "cn=crew", None), &[]).code(), 0, "its administrator renames it");
    // Where one is allowed, what rests on the place is worked out anew at once.
    let unit = format!("ou=away,{ACME}");
    put(&mut operator, &unit, &[("objectClass", "organizationalUnit")]);
    assert_eq!(house.signed_in("ada", ACME).ask(&rename_request(&user("bob", ACME), "uid=bob", Some(&unit)), &[]).code(), 0);
    assert!(finds(&mut house.signed_in("sam", ACME), &format!("uid=bob,{unit}"), &present("objectClass")));
}

#[test]
fn hc2_a_name_becomes_a_reference_when_somebody_gives_it_who_sees_what_it_names() {
    let mut house = House::start("");
    let mut operator = house.server.as_operator();
    let (team, off) = (group("team", ACME), user("off", ACME));
    house.signed_in("gil", ACME).replace(&team, "member", &[&off.replace("uid=", "UID=")]);
    let member_of =
        |operator: &mut Wire| operator.ask_all(&search_request(&off, 0, &present("objectClass"), &["memberOf"]), &[])[0].values("memberOf");
    assert!(member_of(&mut operator).is_empty());
    house.server.kill_and_restart();
    let mut operator = house.server.as_operator();
    assert!(member_of(&mut operator).is_empty(), "a start is nobody who sees it");
    let mut ada = house.signed_in("ada", ACME);
    assert_eq!(ada.ask(&modify_request(&team, &[(0, "member", &[&off])]), &[]).code(), 0);
    assert_eq!(member_of(&mut operator), std::slice::from_ref(&team));
    let shown = ada.ask_all(&search_request(&team, 0, &present("objectClass"), &["member"]), &[])[0].values("member");
    assert_eq!(shown.iter().filter(|name| name.eq_ignore_ascii_case(&off)).collect::<Vec<_>>(), [&off], "once, and as the entry is called");
}

/// Every choice of rights on the entry, the old parent and the new one, of the old one's all and none in a short run: a service
/// that has them by the groups that it is in.
#[test]
fn hc3_each_right_that_a_move_needs_is_needed() {
    const RIGHTS: [&str; 3] = ["rename", "delete", "add"];
    let chosen = |bits: usize| RIGHTS.into_iter().enumerate().filter(move |(bit, _)| bits & (1 << bit) != 0).map(|(_, right)| right);
    let mut rules = String::new();
    for (place, filter) in [("entry", "(uid=mover)"), ("old", "(ou=old)"), ("new", "(ou=new)")] {
        for bits in 1..8 {
            let (who, rights) = (group(&format!("{place}-{bits}"), ACME), ["read"].into_iter().chain(chosen(bits)).collect::<Vec<_>>());
            writeln!(rules, "[[access]]\nwho = [\"group:{who}\"]\nfilter = \"{filter}\"\nrights = {rights:?}").unwrap();
        }
    }
    write!(rules, "[[access]]\nwho = [\"services\"]\nsubtree = \"{ACME}\"\nrights = [\"read\"]\n").unwrap();
    let house = House::start(&rules);
    let mut operator = house.server.as_operator();
    let [old, new] = ["old", "new"].map(|unit| format!("ou={unit},{ACME}"));
    [&old, &new].iter().for_each(|unit| put(&mut operator, unit, &[("objectClass", "organizationalUnit")]));
    let people = [("objectClass", "inetOrgPerson"), ("objectClass", "hcUser"), ("cn", "m"), ("sn", "m"), ("mail", "mover@example.com")];
    let [here, there] = [&old, &new].map(|unit| format!("uid=mover,{unit}"));
    put(&mut operator, &here, &people);
    operator.replace(&group("team", ACME), "member", &[&here]);
    person(&mut operator, "carrier", ACME, &[("hcUserType", "service")]);
    let carrier = user("carrier", ACME);
    for (place, bits) in ["entry", "old", "new"].into_iter().flat_map(|place| (1..8).map(move |bits| (place, bits))) {
        put(&mut operator, &group(&format!("{place}-{bits}"), ACME), &[("objectClass", "hcGroup")]);
    }
    // The carrier goes from group to group, on a connection that stays.
    let mut wire = house.signed_in("carrier", ACME);
    let on_old: &[usize] = if std::env::var("HEADCOUNT_LONG").is_ok() { &[0, 1, 2, 3, 4, 5, 6, 7] } else { &[0, 7] };
    for service in (0..64).flat_map(|number| on_old.iter().map(move |on_old| [number & 7, *on_old, number >> 3])) {
        let groups: Vec<String> = ["entry", "old", "new"]
            .iter()
            .zip(service)
            .filter(|(_, bits)| *bits != 0)
            .map(|(place, bits)| group(&format!("{place}-{bits}"), ACME))
            .collect();
        groups.iter().for_each(|group| operator.replace(group, "member", &[&carrier]));
        let code = wire.ask(&rename_request(&here, "uid=mover", Some(&new)), &[]).code();
        let has = |bits: usize, wanted: &str| chosen(bits).any(|right| right == wanted);
        let may = has(service[0], "rename") && has(service[0], "delete") && has(service[2], "add");
        assert_eq!(code, if may { 0 } else { 50 }, "{service:?}: rights on the entry, the old and the new parent");
        let place = if may { &there } else { &here };
        let found = operator.ask_all(&search_request(ACME, 2, &equal("uid", b"mover"), &["memberOf"]), &[]);
        assert_eq!((found.len(), &found[0].dn()), (2, place), "{service:?}");
        assert_eq!(found[0].values("memberOf"), [group("team", ACME)]);
        let below = [&old, &new].map(|unit| finds_below(&mut operator, unit, &equal("mail", b"mover@example.com")));
        assert_eq!(below, [!may, may], "{service:?}");
        let shown = ["member", "hcEffectiveMember"];
        let of_team = operator.ask_all(&search_request(&group("team", ACME), 0, &equal("member", place.as_bytes()), &shown), &[]);
        shown.iter().for_each(|name| assert!(of_team[0].values(name).contains(place), "{service:?}: {name}"));
        if may {
            assert_eq!(operator.ask(&rename_request(&there, "uid=mover", Some(&old)), &[]).code(), 0);
        }
        groups.iter().for_each(|group| operator.replace(group, "member", &[]));
    }
}

/// Every control that the root DSE lists, with a value that is one of it; none of those that a search goes on with.
fn all_controls(wire: &mut Wire, somebody: &str) -> Vec<Vec<u8>> {
    let named = format!("dn:{somebody}");
    let list = |name: &str| tlv(0x30, &octets(name));
    let sort = list("cn");
    let values: [(&str, Option<Vec<u8>>); 25] = [
        ("1.2.826.0.1.3344810.2.3", Some(tlv(0x30, &present("cn")))),
        ("1.2.840.113556.1.4.319", Some(sequence(&[&number(0x02, 1), &octets("")]))),
        ("1.2.840.113556.1.4.473", Some(tlv(0x30, &sort))),
        ("1.2.840.113556.1.4.805", None),
        ("1.2.840.113556.1.4.1413", None),
        ("1.3.6.1.1.12", Some(present("objectClass"))),
        ("1.3.6.1.1.13.1", Some(list("*"))),
        ("1.3.6.1.1.13.2", Some(list("*"))),
        ("1.3.6.1.1.21.2", Some(b"none".to_vec())),
        ("1.3.6.1.1.22", None),
        ("1.3.6.1.4.1.4203.1.9.1.1", Some(sequence(&[&number(0x0a, 1)]))),
        ("1.3.6.1.4.1.4203.1.10.1", Some(vec![0x01, 0x01, 0xff])),
        ("1.3.6.1.4.1.4203.666.5.2", None),
        ("1.3.6.1.4.1.4203.666.5.12", None),
        ("1.3.6.1.4.1.4203.666.5.16", Some(tlv(0x30, &sequence(&[&octets("member"), &list("cn")])))),
        (
            "1.3.6.1.4.1.21008.108.63.1",
            Some([octets("192.0.2.1"), octets("x"), octets("1.2.3"), octets("x")].concat()).map(|all| tlv(0x30, &all)),
        ),
        ("1.3.6.1.4.1.42.2.27.8.5.1", None),
        ("1.3.6.1.4.1.42.2.27.9.5.2", Some(sequence(&[&octets(&named), &list("*")]))),
        ("1.3.6.1.4.1.42.2.27.9.5.8", None),
        ("2.16.840.1.113730.3.4.2", None),
        ("2.16.840.1.113730.3.4.3", None),
        ("2.16.840.1.113730.3.4.9", Some([number(0x02, 0), number(0x02, 9), tlv(0x81, b"a")].concat()).map(|all| tlv(0x30, &all))),
        ("2.16.840.1.113730.3.4.16", None),
        ("2.16.840.1.113730.3.4.18", Some(named.clone().into_bytes())),
        (crate::wire::SESSION_CONTROL, None),
    ];
    let listed: BTreeSet<String> = wire.root_dse("supportedControl").into_iter().collect();
    assert_eq!(values.iter().map(|(oid, _)| (*oid).to_owned()).collect::<BTreeSet<_>>(), listed, "each is given a value here");
    let ends = values.iter().filter(|(oid, _)| *oid != "2.16.840.1.113730.3.4.3");
    ends.map(|(oid, value)| control(oid, true, value.as_deref())).collect()
}

#[test]
fn hc4_anonymous_finds_nothing_in_any_scope_with_any_control() {
    let house = House::start("");
    let mut wire = house.signed_in("", ACME);
    let root = wire.ask_all(&search_request("", 0, &present("objectClass"), &["*", "+"]), &[]);
    assert!(root[0].values("namingContexts").is_empty(), "the root DSE names a suffix to nobody");
    let single = all_controls(&mut wire, &user("ann", ACME));
    let (sort, view) = ("1.2.840.113556.1.4.473", "2.16.840.1.113730.3.4.9");
    let with = |oid: &str| single.iter().find(|control| String::from_utf8_lossy(control).contains(oid)).unwrap().clone();
    let plain = root[0].values("supportedControl").into_iter().map(|oid| vec![control(&oid, false, None)]);
    let listed: Vec<Vec<Vec<u8>>> =
        single.iter().map(|control| vec![control.clone()]).chain(plain).chain([vec![], vec![with(sort), with(view)]]).collect();
    let (ann, team) = (user("ann", ACME), group("team", ACME));
    for base in ["", SUFFIX, ACME, OTHER, &ann, &team, &format!("ou=sessions,{ACME}"), "cn=monitor"] {
        for scope in 0..=3 {
            if base.is_empty() && scope == 0 {
                continue;
            }
            for controls in &listed {
                for filter in [present("objectClass"), not(&present("noSuchThing")), equal("uid", b"ann"), tlv(0xa0, &[])] {
                    let request = search_request(base, scope, &filter, &["*", "+"]);
                    let answers = wire.ask_all(&request, controls);
                    assert_eq!(answers.len(), 1, "{base:?} scope {scope}: {:?}", answers[0]);
                }
            }
        }
    }
    for operation in operations("uid=bob", &format!("ou=users,{ACME}"), &ann) {
        assert_ne!(wire.ask(&operation.1, &[]).code(), 0, "{}", operation.0);
    }
}

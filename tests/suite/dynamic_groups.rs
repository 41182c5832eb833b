//! Dynamic groups (groupOfURLs) with more members than are sought: whether one entry is a member is one question.

use crate::house::{ACME, House, compare_request, group};
use crate::transactions::{BASE, server};
use crate::wire::{Wire, control, equal, message, present, replace_request, search_request, sequence, tlv};

const ASSERTION: &str = "1.3.6.1.1.12";
const SYNC: &str = "1.3.6.1.4.1.4203.1.9.1.1";
const PEOPLE: usize = 340;

fn person(number: usize) -> String {
    format!("cn=p{number:03},{BASE}")
}

/// People of whom every other is a boss, and a group of the bosses. Its filter is so long that to ask it of all is more
/// than the questions of one filter.
fn company(wire: &mut Wire) -> String {
    for number in 0..PEOPLE {
        let title = if number % 2 == 0 { "boss" } else { "clerk" };
        let attributes = [("objectClass", "organizationalPerson"), ("cn", &format!("p{number:03}")), ("sn", "x"), ("title", title)];
        wire.add(&person(number), &attributes);
    }
    let never: String = (0..500).map(|number| format!("(street=*{number}*)")).collect();
    dynamic(wire, "bosses", &format!("(|(title=boss){never})"))
}

fn dynamic(wire: &mut Wire, name: &str, filter: &str) -> String {
    let (dn, url) = (format!("cn={name},{BASE}"), format!("ldap:///{BASE}??sub?{filter}"));
    wire.add(&dn, &[("objectClass", "groupOfURLs"), ("cn", name), ("memberURL", &url)]);
    dn
}

#[test]
fn ha5_whether_one_entry_is_a_member_is_one_question_however_many_there_are() {
    let (_server, mut wire) = server();
    let bosses = company(&mut wire);
    let member_of = equal("memberOf", bosses.as_bytes());
    for (number, is_member) in [(0, true), (1, false), (148, true)] {
        let compared = wire.ask(&compare_request(&person(number), "memberOf", bosses.as_bytes()), &[]);
        assert_eq!(compared.code() == 6, is_member, "compare: {} {}", compared.code(), compared.text());
        let found = wire.ask_all(&search_request(&person(number), 0, &member_of, &["1.1"]), &[]);
        assert_eq!((found.len() == 2, found.last().unwrap().code()), (is_member, 0), "base search");
        let change = replace_request(&person(number), "description", &["changed"]);
        let changed = wire.ask(&change, &[control(ASSERTION, true, Some(&member_of))]);
        assert_eq!(changed.code(), if is_member { 0 } else { 122 }, "assertion: {}", changed.text());
    }
}

#[test]
fn ha5_a_search_for_members_asks_about_each_entry_it_looks_at() {
    let (_server, mut wire) = server();
    let bosses = company(&mut wire);
    let outer = format!("cn=outer,{BASE}");
    wire.add(&outer, &[("objectClass", "groupOfNames"), ("cn", "outer"), ("member", &bosses)]);
    let member_of = |group: &str| equal("memberOf", group.as_bytes());
    assert_eq!(wire.entries(BASE, &member_of(&bosses), &["1.1"]).len(), PEOPLE / 2);
    assert_eq!(wire.entries(BASE, &member_of(&outer), &["1.1"]).len(), PEOPLE / 2 + 1, "and the group in it");
    let one = tlv(0xa0, &[member_of(&bosses), equal("cn", b"p004")].concat());
    assert_eq!(wire.entries(BASE, &one, &["1.1"]).len(), 1);
    let others = tlv(0xa0, &[tlv(0xa2, &member_of(&bosses)), present("title")].concat());
    assert_eq!(wire.entries(BASE, &others, &["1.1"]).len(), PEOPLE / 2, "not a member");
}

#[test]
fn a_group_with_dynamic_members_only_has_members() {
    let (_server, mut wire) = server();
    let bosses = company(&mut wire);
    let nobody = dynamic(&mut wire, "nobody", "(title=nobody)");
    let found: Vec<String> = wire.entries(BASE, &present("member"), &["1.1"]).iter().map(crate::wire::Answer::dn).collect();
    assert_eq!(found, std::slice::from_ref(&bosses));
    let base = |wire: &mut Wire, dn: &str| wire.ask_all(&search_request(dn, 0, &present("member"), &["1.1"]), &[]).len() - 1;
    assert_eq!((base(&mut wire, &bosses), base(&mut wire, &nobody)), (1, 0));
    // One who is no member is false where there are any, and the attribute is not there where there are none.
    let codes = [&bosses, &nobody].map(|dn| wire.ask(&compare_request(dn, "member", person(1).as_bytes()), &[]).code());
    assert_eq!(codes, [5, 16]);
    assert_eq!(wire.ask(&compare_request(&bosses, "description", b"x"), &[]).code(), 16, "nor is another attribute");
}

#[test]
fn rfc4533_a_dynamic_group_ends_a_sync_that_follows_memberships() {
    let house = House::start("");
    let mut operator = house.server.as_operator();
    let mut consumer = house.server.as_operator();
    let persist = control(SYNC, true, Some(&sequence(&[&[0x0a, 0x01, 0x03]])));
    consumer.send(&message(9, &search_request(ACME, 2, &equal("memberOf", group("team", ACME).as_bytes()), &["1.1"]), &[persist]));
    let url = format!("ldap:///{ACME}??sub?(uid=eve)");
    operator.add(&group("later", ACME), &[("objectClass", "groupOfURLs"), ("cn", "later"), ("memberURL", &url)]);
    let end = loop {
        let answer = consumer.receive().expect("the server goes on");
        if answer.tag == 0x65 {
            break answer;
        }
    };
    assert_eq!(end.code(), 4096, "{}", end.text());
}

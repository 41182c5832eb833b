//! Transactions (RFC 5805): all updates or none, in one step.

use crate::house::{ACME, House, passmod_request, put, rename_request, user};
use crate::schema::modify;
use crate::server::{OPERATOR, PASSWORD, Server, salted_hash};
use crate::wire::{
    Answer, Wire, add_request, control, delete_request, elements, extended_request, message, number, octets, present, replace_request,
    search_request, sequence, tlv,
};
use std::net::{IpAddr, Ipv4Addr};

const START: &str = "1.3.6.1.1.21.1";
const SPECIFICATION: &str = "1.3.6.1.1.21.2";
const END: &str = "1.3.6.1.1.21.3";
const ABORTED: &str = "1.3.6.1.1.21.4";
const NO_OPERATION: &str = "1.3.6.1.4.1.4203.666.5.2";
const POST_READ: &str = "1.3.6.1.1.13.2";
pub(crate) const BASE: &str = "dc=example,dc=com";

pub(crate) fn server() -> (Server, Wire) {
    let server = Server::start(IpAddr::V4(Ipv4Addr::LOCALHOST), "");
    let mut wire = server.as_operator();
    wire.add(BASE, &[("objectClass", "domain"), ("dc", "example")]);
    (server, wire)
}

pub(crate) fn start(wire: &mut Wire) -> Vec<u8> {
    let answer = wire.ask(&extended_request(START, None), &[]);
    assert_eq!(answer.code(), 0);
    answer.extended().1.expect("an identifier")
}

pub(crate) fn within(identifier: &[u8]) -> Vec<u8> {
    control(SPECIFICATION, true, Some(identifier))
}

pub(crate) fn end(wire: &mut Wire, identifier: &[u8], commit: bool) -> Answer {
    let commit = if commit { Vec::new() } else { vec![0x01, 0x01, 0x00] };
    wire.ask(&extended_request(END, Some(&sequence(&[&commit, &octets(identifier)]))), &[])
}

fn person(name: &str) -> Vec<u8> {
    add_request(&format!("cn={name},{BASE}"), &[("objectClass", b"person"), ("cn", name.as_bytes()), ("sn", b"x")])
}

fn names(wire: &mut Wire) -> Vec<String> {
    wire.entries(BASE, &present("sn"), &["1.1"]).iter().map(Answer::dn).collect()
}

#[test]
fn rfc5805_updates_are_made_together_when_the_transaction_ends() {
    let (server, mut wire) = server();
    let identifier = start(&mut wire);
    assert_eq!(wire.ask(&person("Ada"), &[within(&identifier)]).code(), 0);
    // Each is made by what the ones before it left.
    let change = replace_request(&format!("cn=Ada,{BASE}"), "description", &["changed"]);
    let post_read = control(POST_READ, true, Some(&sequence(&[&octets("description")])));
    assert_eq!(wire.ask(&change, &[within(&identifier), post_read]).code(), 0);
    assert!(names(&mut server.as_operator()).is_empty(), "nothing is made yet");
    let answer = end(&mut wire, &identifier, true);
    assert_eq!(answer.code(), 0, "{}", answer.text());
    let value = answer.extended().1.expect("the controls of the updates");
    let list = elements(elements(elements(&value)[0].1)[0].1);
    assert_eq!(list.len(), 1, "of one update");
    let (tag, controls) = elements(list[0].1)[1];
    assert_eq!(tag, 0x30, "Controls are tagged in an LDAPMessage only");
    let controls = elements(controls);
    assert_eq!(elements(controls[0].1)[0].1, POST_READ.as_bytes());
    let found = wire.ask_all(&search_request(&format!("cn=Ada,{BASE}"), 0, &present("sn"), &["description"]), &[]);
    assert_eq!(found[0].values("description"), ["changed"]);
    assert_eq!(end(&mut wire, &identifier, true).code(), 53, "it is over");
}

#[test]
fn rfc5805_where_one_update_fails_none_is_made_and_it_is_named() {
    let (server, mut wire) = server();
    wire.add(&format!("cn=there,{BASE}"), &[("objectClass", "person"), ("cn", "there"), ("sn", "x")]);
    let identifier = start(&mut wire);
    assert_eq!(wire.ask(&person("Ada"), &[within(&identifier)]).code(), 0);
    wire.send(&message(4000, &person("there"), &[within(&identifier)]));
    assert_eq!(wire.receive().unwrap().code(), 0);
    assert_eq!(wire.ask(&delete_request(&format!("cn=there,{BASE}")), &[within(&identifier)]).code(), 0);
    let answer = end(&mut wire, &identifier, true);
    assert_eq!(answer.code(), 68);
    let value = answer.extended().1.expect("which one");
    assert_eq!(elements(&value)[0].1, number(0x02, 4000));
    assert_eq!(names(&mut server.as_operator()), [format!("cn=there,{BASE}")]);
}

#[test]
fn rfc5805_a_transaction_that_is_given_up_leaves_nothing() {
    let (server, mut wire) = server();
    let identifier = start(&mut wire);
    assert_eq!(wire.ask(&person("Ada"), &[within(&identifier)]).code(), 0);
    let answer = end(&mut wire, &identifier, false);
    assert_eq!((answer.code(), answer.extended().1), (0, None));
    let identifier = start(&mut wire);
    assert_eq!(wire.ask(&person("Ada"), &[within(&identifier)]).code(), 0);
    assert_eq!(wire.bind(OPERATOR, PASSWORD).code(), 0);
    assert_eq!(end(&mut wire, &identifier, true).code(), 53, "a bind forgets it");
    let identifier = start(&mut wire);
    assert_eq!(wire.ask(&person("Ada"), &[within(&identifier)]).code(), 0);
    drop(wire);
    assert!(names(&mut server.as_operator()).is_empty());
}

#[test]
fn rfc5805_identifiers_are_good_on_their_connection_only() {
    let (server, mut wire) = server();
    let identifier = start(&mut wire);
    let mut other = server.as_operator();
    assert_eq!(other.ask(&person("Ada"), &[within(&identifier)]).code(), 53);
    assert_eq!(end(&mut other, &identifier, true).code(), 53);
    assert_eq!(wire.ask(&search_request(BASE, 2, &present("sn"), &[]), &[within(&identifier)]).code(), 12, "no update");
    for damaged in [None, Some(octets("x")), Some(sequence(&[]))] {
        assert_eq!(wire.ask(&extended_request(END, damaged.as_deref()), &[]).code(), 2);
    }
    assert_eq!(wire.ask(&extended_request(START, Some(b"x")), &[]).code(), 2);
    let listed = [wire.root_dse("supportedExtension"), wire.root_dse("supportedControl")].concat();
    assert!([START, SPECIFICATION, END].iter().all(|oid| listed.contains(&(*oid).to_owned())), "{listed:?}");
}

#[test]
fn rfc5805_hd7_transactions_are_bounded_in_number_and_size() {
    let (_server, mut wire) = server();
    let first = start(&mut wire);
    for _ in 1..4 {
        start(&mut wire);
    }
    assert_eq!(wire.ask(&extended_request(START, None), &[]).code(), 11);
    let large = tlv(
        0x66,
        &[
            octets(BASE),
            sequence(&[&sequence(&[&number(0x0a, 2), &sequence(&[&octets("description"), &tlv(0x31, &octets("x".repeat(900_000)))])])]),
        ]
        .concat(),
    );
    let mut aborted = false;
    for id in 0..8 {
        wire.send(&message(100 + id, &large, &[within(&first)]));
        let answer = wire.receive().unwrap();
        if answer.id == 0 {
            assert_eq!(answer.extended(), (Some(ABORTED.to_owned()), Some(first.clone())));
            assert_eq!(wire.receive().unwrap().code(), 11);
            aborted = true;
            break;
        }
        assert_eq!(answer.code(), 0);
    }
    assert!(aborted, "it takes any size");
    assert_eq!(end(&mut wire, &first, true).code(), 53);
    let names = wire.ask_all(&search_request(BASE, 0, &present("description"), &["1.1"]), &[]);
    assert_eq!(names.len(), 1, "nothing of it was made");
}

#[test]
fn rfc5805_a_no_op_has_no_place_in_a_transaction() {
    let (server, mut wire) = server();
    let identifier = start(&mut wire);
    let answer = wire.ask(&person("Ada"), &[within(&identifier), control(NO_OPERATION, true, None)]);
    assert_eq!((answer.code(), answer.text().contains("no-op")), (53, true));
    assert_eq!(wire.ask(&person("Bob"), &[within(&identifier)]).code(), 0);
    assert_eq!(end(&mut wire, &identifier, true).code(), 0);
    assert_eq!(names(&mut server.as_operator()), [format!("cn=Bob,{BASE}")], "only what was taken is made");
}

#[test]
fn hd7_nobody_is_kept_a_transaction_without_a_bind() {
    let (server, _operator) = server();
    let mut nobody = server.connect();
    assert_eq!(nobody.ask(&extended_request(START, None), &[]).code(), 8);
    assert_eq!(nobody.bind(OPERATOR, PASSWORD).code(), 0);
    start(&mut nobody);
}

#[test]
fn rfc5805_a_password_is_set_with_the_transaction() {
    let (server, mut wire) = server();
    let (dn, password) = (format!("cn=Ada,{BASE}"), "a password of some length");
    let modify = |new: &[u8]| {
        let new = if new.is_empty() { Vec::new() } else { tlv(0x82, new) };
        extended_request("1.3.6.1.4.1.4203.1.11.1", Some(&sequence(&[&tlv(0x80, dn.as_bytes()), &new])))
    };
    let binds = || server.connect().bind(&dn, password).code() == 0;
    let identifier = start(&mut wire);
    // The account comes with the same transaction.
    assert_eq!(wire.ask(&person("Ada"), &[within(&identifier)]).code(), 0);
    let kept = wire.ask(&modify(password.as_bytes()), &[within(&identifier)]);
    assert_eq!((kept.code(), kept.tag), (0, 0x78), "{}", kept.text());
    assert!(!binds(), "nothing is made yet");
    let made_up = wire.ask(&modify(b""), &[within(&identifier)]);
    assert_eq!(made_up.code(), 53, "the answer would show what is never set: {}", made_up.text());
    assert_eq!(end(&mut wire, &identifier, true).code(), 0);
    assert!(binds());
    let identifier = start(&mut wire);
    assert_eq!(wire.ask(&modify(b"another password of some length"), &[within(&identifier)]).code(), 0);
    assert_eq!(wire.ask(&delete_request(&format!("cn=nobody,{BASE}")), &[within(&identifier)]).code(), 0);
    assert_eq!(end(&mut wire, &identifier, true).code(), 32);
    assert!(binds(), "the one that was there");
    let who = wire.ask(&extended_request("1.3.6.1.4.1.4203.1.11.3", None), &[within(&start(&mut server.as_operator()))]);
    assert_eq!(who.code(), 12, "no update");
}

/// A house whose organisation has a strict policy, its administrator, and a way to make updates together: the code of the end.
fn under_policy() -> (House, Wire) {
    let house = House::start("");
    let mut operator = house.server.as_operator();
    let (policy, loose) = (format!("cn=strict,{ACME}"), format!("cn=loose,{ACME}"));
    let class = [("objectClass", "applicationProcess"), ("objectClass", "pwdPolicy"), ("pwdAttribute", "userPassword")];
    let rules = [("cn", "strict"), ("pwdMinLength", "30"), ("pwdCheckQuality", "2"), ("pwdSafeModify", "TRUE")];
    put(&mut operator, &policy, &[&class[..], &rules].concat());
    put(&mut operator, &loose, &[&class[..], &[("cn", "loose")]].concat());
    operator.replace(ACME, "pwdPolicySubentry", &[&policy]);
    let ada = house.signed_in("ada", ACME);
    (house, ada)
}

pub(crate) fn together(wire: &mut Wire, updates: &[Vec<u8>]) -> u32 {
    let identifier = start(wire);
    for update in updates {
        let taken = wire.ask(update, &[within(&identifier)]);
        assert_eq!(taken.code(), 0, "{}", taken.text());
    }
    end(wire, &identifier, true).code()
}

fn new_user() -> Vec<u8> {
    let attributes: [(&str, &[u8]); 6] = [
        ("objectClass", b"inetOrgPerson"),
        ("objectClass", b"hcUser"),
        ("uid", b"tx"),
        ("cn", b"t"),
        ("sn", b"t"),
        ("mail", b"t@example.com"),
    ];
    add_request(&user("tx", ACME), &attributes)
}

#[test]
fn rfc5805_the_password_policy_holds_for_an_entry_of_the_same_transaction() {
    let (house, mut ada) = under_policy();
    let (tx, short) = (user("tx", ACME), "sixteen letters..");
    let long = "a passphrase of more than thirty letters";
    for weak in [short, &salted_hash("x")] {
        let by_modify = modify(&tx, &[(2, "userPassword", &[weak])]);
        assert_eq!(together(&mut ada, &[new_user(), by_modify]), 19, "{weak}");
    }
    assert_eq!(together(&mut ada, &[new_user(), passmod_request(&tx, short)]), 19);
    assert_eq!(together(&mut ada, &[new_user(), modify(&tx, &[(2, "userPassword", &[long])])]), 0);
    assert_eq!(house.server.connect().bind(&tx, long).code(), 0);
    assert_eq!(together(&mut ada, &[delete_request(&tx), new_user(), modify(&tx, &[(2, "userPassword", &[long])])]), 0);
    assert_eq!(house.server.connect().bind(&tx, long).code(), 0, "a new one in the place of the old one");
}

#[test]
fn rfc5805_a_password_is_not_set_by_a_name_that_the_same_transaction_gives() {
    let (house, mut ada) = under_policy();
    let hash = salted_hash("x");
    let (ann, own) = (user("ann", ACME), user("ada", ACME));
    house.server.as_operator().replace(&user("bob", ACME), "pwdPolicySubentry", &[&format!("cn=loose,{ACME}")]);
    let long = "a passphrase of more than thirty letters";
    for (of, other) in [(&ann, "ann2"), (&own, "ada2")] {
        let uid = of[4..7].to_owned();
        for (value, code) in [(hash.as_str(), 19), (long, 53)] {
            let renamed = modify(&user(other, ACME), &[(2, "userPassword", &[value])]);
            let there = rename_request(of, &format!("uid={other}"), None);
            let back = rename_request(&user(other, ACME), &format!("uid={uid}"), None);
            assert_eq!(together(&mut ada, &[there, renamed, back]), code, "{of}: {value}");
        }
        // In the place of one that is under another policy.
        let updates = [
            rename_request(&user("bob", ACME), "uid=rob", None),
            rename_request(of, "uid=bob", None),
            modify(&user("bob", ACME), &[(2, "userPassword", &[&hash])]),
            rename_request(&user("bob", ACME), &format!("uid={uid}"), None),
            rename_request(&user("rob", ACME), "uid=bob", None),
        ];
        assert_eq!(together(&mut ada, &updates), 53, "{of}");
        assert_eq!(house.server.connect().bind(of, PASSWORD).code(), 0, "{of}");
    }
    let change = modify(&own, &[(1, "userPassword", &[PASSWORD]), (0, "userPassword", &[long])]);
    assert_eq!(together(&mut ada, &[change]), 0, "by its own name it is");
    assert_eq!(house.server.connect().bind(&own, long).code(), 0);
}

#[test]
fn o1_hc2_in_a_transaction_the_policy_says_nothing_of_others() {
    let (house, mut ada) = under_policy();
    let mut eve = house.signed_in("eve", crate::house::OTHER);
    let answers = ["ann", "nobody"].map(|uid| {
        let identifier = start(&mut eve);
        let weak = modify(&user(uid, ACME), &[(2, "userPassword", &["sixteen letters.."])]);
        assert_eq!(eve.ask(&weak, &[within(&identifier)]).code(), 0);
        let answer = end(&mut eve, &identifier, true);
        (answer.code(), answer.text())
    });
    assert_eq!((answers[0].0, &answers[0]), (32, &answers[1]));
    let missing = modify(&user("nobody", ACME), &[(2, "userPassword", &["a passphrase of more than thirty letters"])]);
    assert_eq!(together(&mut ada, &[missing]), 32);
}

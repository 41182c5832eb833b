//! Damaged, hostile and merely odd octets (hardening §1 A).

use crate::demo::Demo;
use crate::wire::{
    Answer, Wire, bind_request, control, delete_request, equal, message, number, octets, present, search_request, sequence, tlv,
};

const PROTOCOL_ERROR: u32 = 2;
const UNAVAILABLE_CRITICAL_EXTENSION: u32 = 12;
const UNKNOWN_CONTROL: &str = "1.2.3.4.5.6.7.8.9";
const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";

/// A search of the root DSE, which anybody may do.
fn root_search(filter: &[u8]) -> Vec<u8> {
    search_request("", 0, filter, &["1.1"])
}

/// `tag` around `tag` around … `inner`.
fn nested(tag: u8, depth: usize, inner: &[u8]) -> Vec<u8> {
    // Built from the inside out and turned around once, so that a depth of 100 000 is not quadratic.
    let mut reversed: Vec<u8> = inner.iter().rev().copied().collect();
    for _ in 0..depth {
        let header = tlv(tag, &[]).len() - 1;
        debug_assert_eq!(header, 1);
        let length = reversed.len();
        match length {
            0..=0x7f => reversed.push(length as u8),
            _ => {
                let octets: Vec<u8> = (length as u32).to_be_bytes().into_iter().skip_while(|octet| *octet == 0).collect();
                reversed.extend(octets.iter().rev());
                reversed.push(0x80 | octets.len() as u8);
            }
        }
        reversed.push(tag);
    }
    reversed.reverse();
    reversed
}

/// What the server says to octets on a connection of their own, until it answers once or closes.
fn reaction(demo: &Demo, octets: &[u8]) -> Option<Answer> {
    reaction_on(demo.connect(), octets)
}

fn reaction_on(mut wire: Wire, octets: &[u8]) -> Option<Answer> {
    wire.send(octets);
    wire.receive()
}

/// The octets are refused: a result other than success, a Notice of Disconnection, or the end of the connection.
fn assert_refused(demo: &mut Demo, what: &str, octets: &[u8]) {
    assert_refused_on(demo.connect(), demo, what, octets);
}

fn assert_refused_on(wire: Wire, demo: &mut Demo, what: &str, octets: &[u8]) {
    if let Some(answer) = reaction_on(wire, octets) {
        assert!(!matches!(answer.tag, 0x64 | 0x73), "{what}: an entry came");
        assert_ne!(answer.code(), 0, "{what}: it was done");
    }
    assert_alive(demo, what);
}

fn assert_alive(demo: &mut Demo, after: &str) {
    assert!(demo.is_alive(), "the daemon ended after {after}");
    let answer = demo.connect().ask(&root_search(&present("objectClass")), &[]);
    assert_eq!(answer.code(), 0, "after {after}: {}", answer.text());
}

/// What is nested so deep, and where.
fn nestings(depth: usize) -> Vec<(&'static str, Vec<u8>)> {
    let filter = |tag| message(1, &root_search(&nested(tag, depth, &present("objectClass"))), &[]);
    let deep = nested(0x30, depth, &octets("cn"));
    let attributes = tlv(
        0x63,
        &[octets(""), number(0x0a, 0), number(0x0a, 0), number(2, 0), number(2, 0), vec![1, 1, 0], present("cn"), deep.clone()].concat(),
    );
    let sasl = tlv(0x60, &[number(2, 3), octets(""), tlv(0xa3, &[octets("EXTERNAL"), deep.clone()].concat())].concat());
    vec![
        ("and", filter(0xa0)),
        ("or", filter(0xa1)),
        ("not", filter(0xa2)),
        ("attributes", message(1, &attributes, &[])),
        ("SASL credentials", message(1, &sasl, &[])),
        ("controls", message(1, &root_search(&present("cn")), &[deep])),
    ]
}

#[test]
fn ha1_deep_nesting_is_refused_before_any_bind_and_ends_nothing() {
    let mut demo = Demo::start();
    let shallow = nested(0xa2, 20, &present("objectClass"));
    assert_eq!(
        reaction(&demo, &message(1, &root_search(&shallow), &[])).map(|answer| answer.tag == 0x64 || answer.code() == 0),
        Some(true)
    );
    for depth in [33, 100, 1_000, 5_002, 10_000, 100_000] {
        for (name, octets) in nestings(depth) {
            assert_refused(&mut demo, &format!("{name} nested {depth} deep"), &octets);
        }
    }
}

#[test]
fn ha1_deep_nesting_is_refused_after_a_bind_too_where_size_is_no_reason() {
    let mut demo = Demo::start();
    for depth in [33, 1_000, 100_000] {
        for (name, octets) in nestings(depth) {
            assert_refused_on(demo.as_operator(), &mut demo, &format!("{name} nested {depth} deep, by the operator"), &octets);
        }
    }
}

#[test]
fn ha2_a_length_over_the_limit_is_refused_on_its_header() {
    let mut demo = Demo::start();
    // Nothing follows the header: a server that waits for the content runs into the patience of `receive`.
    for header in [&[0x30, 0x84, 0x7f, 0xff, 0xff, 0xff][..], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x30, 0x83, 0x02, 0x00, 0x00]] {
        assert_refused(&mut demo, &format!("the header {header:x?}"), header);
    }
}

#[test]
fn ha2_a_thousand_declared_lengths_cost_no_memory() {
    let mut demo = Demo::start();
    assert_alive(&mut demo, "start");
    let before = demo.resident();
    let connections: Vec<Wire> = (0..1_000)
        .map(|_| {
            let mut wire = demo.connect();
            wire.send(&[0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 0x02, 0x01, 0x01]);
            wire
        })
        .collect();
    assert_alive(&mut demo, "a thousand headers");
    let grown = demo.resident().saturating_sub(before);
    assert!(grown <= 16 << 20, "grown by {} KiB", grown >> 10);
    drop(connections);
}

#[test]
fn ha2_lengths_and_message_ids_outside_the_protocol_are_refused() {
    let mut demo = Demo::start();
    let search = root_search(&present("objectClass"));
    let body = [number(0x02, 1), search.clone()].concat();
    let indefinite = [&[0x30, 0x80][..], &body, &[0, 0]].concat();
    assert_refused(&mut demo, "an indefinite length", &indefinite);
    let five = [&[0x30, 0x85, 0, 0, 0, 0, body.len() as u8][..], &body].concat();
    assert_refused(&mut demo, "a length of five octets", &five);
    let nine = [&[0x30, 0x89, 0, 0, 0, 0, 0, 0, 0, 0, body.len() as u8][..], &body].concat();
    assert_refused(&mut demo, "a length of nine octets", &nine);
    assert_refused(&mut demo, "message id 0", &message(0, &search, &[]));
    assert_refused(&mut demo, "message id -1", &message(-1, &search, &[]));
    assert_refused(&mut demo, "message id 2^31", &message(1 << 31, &search, &[]));
    assert_refused(&mut demo, "message id 2^32 + 1", &message((1 << 32) + 1, &search, &[]));
    assert_refused(&mut demo, "an inner length that runs over", &[0x30, 0x05, 0x02, 0x01, 0x01, 0x63, 0x7f]);
    assert_refused(&mut demo, "octets after the operation", &sequence(&[&body, &octets("more")]));
    assert_refused(&mut demo, "an unknown operation", &message(1, &tlv(0x7f, &[]), &[]));
}

#[test]
fn ha2_lengths_longer_than_needed_are_taken() {
    let demo = Demo::start();
    let search = root_search(&present("objectClass"));
    let body = [number(0x02, 7), search].concat();
    let mut wire = demo.connect();
    wire.send(&[&[0x30, 0x84, 0, 0, 0, body.len() as u8][..], &body].concat());
    assert_eq!(wire.receive().map(|answer| (answer.id, answer.tag)), Some((7, 0x64)));
    assert_eq!(wire.receive().map(|answer| answer.code()), Some(0));
    // Inside, too: Windows writes every length so.
    let bind = [&[0x60, 0x84, 0, 0, 0, 0x10][..], &[0x02, 0x84, 0, 0, 0, 1, 3], &[0x04, 0x82, 0, 0], &[0x80, 0x83, 0, 0, 0]].concat();
    wire.send(&message(8, &bind, &[]));
    assert_eq!(wire.receive().map(|answer| (answer.id, answer.code())), Some((8, 0)));
}

#[test]
fn ha2_the_largest_message_id_is_answered() {
    let demo = Demo::start();
    let id = i64::from(i32::MAX);
    let answer = reaction(&demo, &message(id, &root_search(&present("objectClass")), &[]));
    assert_eq!(answer.map(|answer| answer.id), Some(id));
}

#[test]
fn ha6_controls_are_counted_and_known() {
    let demo = Demo::start();
    let mut wire = demo.as_operator();
    let search = root_search(&present("objectClass"));
    let some = |count: usize| -> Vec<Vec<u8>> { (0..count).map(|at| control(&format!("{UNKNOWN_CONTROL}.{at}"), false, None)).collect() };
    assert_eq!(wire.ask(&search, &some(10)).code(), 0, "ten unknown controls that are not critical are ignored");
    assert_eq!(wire.ask(&search, &some(11)).code(), PROTOCOL_ERROR, "eleven controls");
    let unknown = control(UNKNOWN_CONTROL, false, None);
    assert_ne!(wire.ask(&search, &[unknown.clone(), unknown]).code(), 0, "a control sent twice");
    let critical = control(UNKNOWN_CONTROL, true, None);
    assert_eq!(wire.ask(&search, std::slice::from_ref(&critical)).code(), UNAVAILABLE_CRITICAL_EXTENSION);
    let misplaced = control(PAGED_RESULTS, true, Some(&sequence(&[&number(2, 5), &octets("")])));
    let user = &demo.users[0].dn;
    assert_eq!(wire.ask(&delete_request(user), &[misplaced]).code(), UNAVAILABLE_CRITICAL_EXTENSION, "paged results on a delete");
    assert_eq!(wire.ask(&delete_request(user), &[critical]).code(), UNAVAILABLE_CRITICAL_EXTENSION);
    assert_eq!(wire.entries(user, &present("objectClass"), &["1.1"]).len(), 1, "the entry is still there");
}

#[test]
fn ha13_a_delete_with_a_damaged_control_does_not_run() {
    let mut demo = Demo::start();
    let user = demo.users[0].dn.clone();
    let whole = control(UNKNOWN_CONTROL, true, None);
    let damaged = [
        ("a control that is cut short", tlv(0xa0, &whole[..whole.len() - 2])),
        ("a control without OID", tlv(0xa0, &sequence(&[&[0x01, 0x01, 0xff]]))),
        ("a control that is no sequence", tlv(0xa0, &octets("x"))),
        ("controls whose length runs over", [&[0xa0, whole.len() as u8 + 4][..], &whole].concat()),
        ("controls under another tag", tlv(0xa1, &whole)),
    ];
    for (what, controls) in damaged {
        let mut wire = demo.as_operator();
        wire.send(&sequence(&[&number(2, 99), &delete_request(&user), &controls]));
        if let Some(answer) = wire.receive() {
            assert_ne!(answer.code(), 0, "{what}");
        }
        let found = demo.as_operator().ask(&search_request(&user, 0, &present("objectClass"), &["1.1"]), &[]);
        assert_eq!(found.code(), 0, "{what}: the entry is gone");
        assert_alive(&mut demo, what);
    }
}

#[test]
fn ha13_what_cannot_be_decoded_is_answered_to_its_own_message() {
    let demo = Demo::start();
    let mut wire = demo.as_operator();
    let mut ask = |operation: &[u8], controls: &[Vec<u8>]| {
        let answer = wire.ask(operation, controls);
        (answer.code(), answer.text())
    };
    let organisation = demo.organisation();
    let found = ask(&search_request(&organisation, 2, &equal("cn", b"\xff\xfe\x00"), &["1.1"]), &[]);
    assert_eq!(found.0, 0, "a filter value that is not UTF-8 finds nothing: {}", found.1);
    let unknown_choice = ask(&search_request("", 0, &tlv(0xaf, b"x"), &["1.1"]), &[]);
    assert_eq!(unknown_choice.0, PROTOCOL_ERROR, "a filter choice that does not exist: {}", unknown_choice.1);
    let cookie = control(PAGED_RESULTS, true, Some(&sequence(&[&number(2, 5), &octets(b"\xde\xad\xbe\xef")])));
    let page = ask(&search_request(&organisation, 2, &present("cn"), &["1.1"]), &[cookie]);
    assert_ne!(page.0, 0, "a paging cookie that we never gave");
    let malformed = control(PAGED_RESULTS, true, Some(b"\x30\x03\x02\x05"));
    assert_eq!(ask(&search_request(&organisation, 2, &present("cn"), &["1.1"]), &[malformed]).0, PROTOCOL_ERROR);
    let mut wire = demo.connect();
    let answer = wire.ask(&bind_request(&demo.users[0].dn, b"\xff\xfe\xfd"), &[]);
    assert_eq!(answer.code(), 49, "a password that is not UTF-8: {}", answer.text());
}

#[test]
fn other_versions_and_mechanisms_are_told_so() {
    let demo = Demo::start();
    let mut wire = demo.connect();
    let version_two = tlv(0x60, &[number(2, 2), octets(""), tlv(0x80, b"")].concat());
    assert_eq!(wire.ask(&version_two, &[]).code(), PROTOCOL_ERROR);
    let mut wire = demo.connect();
    let sasl = tlv(0x60, &[number(2, 3), octets(""), tlv(0xa3, &octets("X-UNKNOWN"))].concat());
    assert_eq!(wire.ask(&sasl, &[]).code(), 7, "authMethodNotSupported");
}

#[test]
fn garbage_ends_its_connection_and_nothing_else() {
    let mut demo = Demo::start();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let good = message(1, &root_search(&present("objectClass")), &[control(UNKNOWN_CONTROL, false, None)]);
    for _ in 0..2_000 {
        let mut octets = good.clone();
        for _ in 0..=random() % 3 {
            let at = (random() % octets.len() as u64) as usize;
            octets[at] = random() as u8;
        }
        // A message that became longer than what is sent would wait for the rest: the closed sending side ends it.
        let mut stream = std::net::TcpStream::connect(demo.ldap).unwrap();
        let _ = std::io::Write::write_all(&mut stream, &octets);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        let mut answer = Vec::new();
        if let Err(error) = std::io::Read::read_to_end(&mut stream, &mut answer) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "no end after {octets:x?}");
        }
    }
    assert_alive(&mut demo, "two thousand mutated messages");
}

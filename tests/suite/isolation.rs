//! A change of many entries is seen whole or not at all (RFC 5805 §1: the updates of a transaction are isolated): readers
//! in a tight loop beside transactions, a rename and a tree delete.

use crate::transactions::{BASE, end, server, start, within};
use crate::wire::{Wire, control, delete_request, equal, message, present, replace_request, search_request};
use std::sync::atomic::{AtomicBool, Ordering};

/// Entries that a transaction moves something between.
const ACCOUNTS: usize = 16;
const TOTAL: usize = ACCOUNTS * 100;
const TREE_DELETE: &str = "1.2.840.113556.1.4.805";

fn account(number: usize) -> String {
    format!("cn=account {number:02},{BASE}")
}

fn add_accounts(wire: &mut Wire) {
    for number in 0..ACCOUNTS {
        let (cn, sn) = (format!("account {number:02}"), if number == 0 { "holder" } else { "other" });
        wire.add(&account(number), &[("objectClass", "person"), ("cn", &cn), ("sn", sn), ("description", "100")]);
    }
}

/// Replaces a value in each of some entries, in one transaction.
fn replace_together(wire: &mut Wire, attribute: &str, values: &[(usize, String)]) {
    let identifier = start(wire);
    let requests: Vec<u8> = (values.iter().zip(1_000..))
        .flat_map(|((number, value), id)| message(id, &replace_request(&account(*number), attribute, &[value]), &[within(&identifier)]))
        .collect();
    wire.send(&requests);
    assert!(values.iter().all(|_| wire.receive().unwrap().code() == 0));
    assert_eq!(end(wire, &identifier, true).code(), 0);
}

/// Runs `change` beside two connections that go on to `look`; answers what they saw that they should not.
fn beside(server: &crate::server::Server, change: impl FnOnce(), look: impl Fn(&mut Wire) -> Option<String> + Sync) -> Vec<String> {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = || {
            let mut wire = server.as_operator();
            let mut seen = Vec::new();
            while !done.load(Ordering::Relaxed) {
                seen.extend(look(&mut wire));
            }
            seen
        };
        let readers = [scope.spawn(reader), scope.spawn(reader)];
        change();
        done.store(true, Ordering::Relaxed);
        readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect()
    })
}

#[test]
fn rfc5805_s1_what_a_transaction_moves_between_entries_is_neither_lost_nor_doubled() {
    let (server, mut wire) = server();
    add_accounts(&mut wire);
    let change = || {
        for round in 0..150 {
            let pairs = (0..ACCOUNTS).map(|number| {
                let amount = (number / 2 * 7 + round * 13) % 100;
                (number, if number % 2 == 0 { 100 - amount } else { 100 + amount }.to_string())
            });
            replace_together(&mut wire, "description", &pairs.collect::<Vec<_>>());
        }
    };
    let seen = beside(&server, change, |wire| {
        let found = wire.entries(BASE, &present("sn"), &["description"]);
        let sum: usize = found.iter().flat_map(|entry| entry.values("description")).map(|value| value.parse::<usize>().unwrap()).sum();
        (sum != TOTAL).then(|| format!("{sum}"))
    });
    assert_eq!(seen, [""; 0], "sums of a transaction in half, where all hold {TOTAL}");
}

#[test]
fn rfc5805_s1_an_index_and_the_entries_say_the_same_beside_transactions() {
    let (server, mut wire) = server();
    add_accounts(&mut wire);
    let change = || {
        for round in 0..400 {
            let (from, to) = (round % ACCOUNTS, (round + 1) % ACCOUNTS);
            replace_together(&mut wire, "sn", &[(from, "other".to_owned()), (to, "holder".to_owned())]);
        }
    };
    let seen = beside(&server, change, |wire| {
        let found = wire.entries(BASE, &equal("sn", b"holder"), &["sn"]);
        let values: Vec<String> = found.iter().flat_map(|entry| entry.values("sn")).collect();
        (values != ["holder"]).then(|| format!("{values:?}"))
    });
    assert_eq!(seen, [""; 0], "one holds it at any time");
}

#[test]
fn rfc4511_s4_6_an_entry_found_by_an_index_is_as_the_index_says_while_it_changes() {
    let (server, mut wire) = server();
    add_accounts(&mut wire);
    let change = || {
        for round in 0..1_500 {
            wire.replace(&account(0), "sn", &[if round % 2 == 0 { "changed" } else { "holder" }]);
        }
    };
    let seen = beside(&server, change, |wire| {
        let found = wire.entries(BASE, &equal("sn", b"holder"), &["sn"]);
        let wrong = found.iter().any(|entry| entry.values("sn") != ["holder"]);
        // In both states one of the two is true, so it never goes out of sight.
        let either = [equal("sn", b"changed"), equal("sn", b"holder")].concat();
        let always = wire.ask_all(&search_request(BASE, 2, &crate::wire::tlv(0xa1, &either), &["1.1"]), &[]);
        (wrong || always.len() != 2).then(|| format!("wrong value: {wrong}, found {}", always.len() - 1))
    });
    assert_eq!(seen, [""; 0]);
}

#[test]
fn a_tree_goes_at_once() {
    let (server, mut wire) = server();
    let top = format!("ou=top,{BASE}");
    let change = || {
        for _ in 0..12 {
            let identifier = start(&mut wire);
            let mut requests = Vec::new();
            for number in 0..30 {
                let name = if number == 0 { top.clone() } else { format!("ou=below {number:02},{top}") };
                let ou = if number == 0 { "top".to_owned() } else { format!("below {number:02}") };
                let attributes: [(&str, &[u8]); 2] = [("objectClass", b"organizationalUnit"), ("ou", ou.as_bytes())];
                requests.extend(message(2_000 + number, &crate::wire::add_request(&name, &attributes), &[within(&identifier)]));
            }
            wire.send(&requests);
            assert!((0..30).all(|_| wire.receive().unwrap().code() == 0));
            assert_eq!(end(&mut wire, &identifier, true).code(), 0);
            assert_eq!(wire.ask(&delete_request(&top), &[control(TREE_DELETE, true, None)]).code(), 0);
        }
    };
    let seen = beside(&server, change, |wire| {
        let found = wire.entries(BASE, &equal("objectClass", b"organizationalUnit"), &["1.1"]).len();
        (![0, 30].contains(&found)).then(|| format!("{found} of 30"))
    });
    assert_eq!(seen, [""; 0]);
}

//! No more people in than the licence has seats (domain §2), with the settings the demo comes with: three seats, six users.

use crate::demo::{Demo, Person};
use crate::wire::{SESSION_CONTROL, Wire, delete_request, extended_request, octets, sequence, tlv};
use std::sync::Barrier;
use std::time::{Duration, Instant};

const ADMIN_LIMIT_EXCEEDED: u32 = 11;
const BUSY: u32 = 51;

/// Fills the three seats with the first three users; the connections are kept.
fn fill(demo: &Demo) -> Vec<Wire> {
    demo.users[..3].iter().map(|user| demo.signed_in(user)).collect()
}

fn bind(demo: &Demo, person: &Person) -> u32 {
    demo.connect().bind(&person.dn, &person.password).code()
}

fn names(people: &[Person]) -> Vec<String> {
    let mut names: Vec<String> = people.iter().map(|person| person.dn.clone()).collect();
    names.sort();
    names
}

#[test]
fn s1_there_are_more_users_than_seats_and_the_fourth_is_refused() {
    let demo = Demo::start();
    assert!(demo.users.len() >= 6, "six users");
    let _kept = fill(&demo);
    for user in &demo.users[3..] {
        assert_eq!(bind(&demo, user), ADMIN_LIMIT_EXCEEDED, "{}", user.dn);
    }
    assert_eq!(demo.seated(), names(&demo.users[..3]));
}

#[test]
fn s2_a_user_takes_one_seat_however_many_connections() {
    let demo = Demo::start();
    let connections: Vec<Wire> = (0..10).map(|_| demo.signed_in(&demo.users[0])).collect();
    assert_eq!(demo.sessions().len(), 1);
    let _others: Vec<Wire> = demo.users[1..3].iter().map(|user| demo.signed_in(user)).collect();
    assert_eq!(bind(&demo, &demo.users[3]), ADMIN_LIMIT_EXCEEDED);
    drop(connections);
}

#[test]
fn s3_a_wrong_password_neither_takes_nor_shows_nor_frees_a_seat() {
    let demo = Demo::start();
    for user in &demo.users {
        assert_eq!(demo.connect().bind(&user.dn, "wrong").code(), 49);
    }
    assert!(demo.sessions().is_empty(), "a wrong password took a seat");
    let _kept = fill(&demo);
    let answer = demo.connect().bind(&demo.users[3].dn, "wrong");
    assert_eq!((answer.code(), answer.controls.len()), (49, 0), "a full licence shows to who does not know the password");
    assert_eq!(demo.connect().bind(&demo.users[0].dn, "wrong").code(), 49);
    assert_eq!(demo.seated(), names(&demo.users[..3]), "a wrong password freed a seat");
}

#[test]
fn s4_the_refusal_says_how_many_and_leaves_the_connection_anonymous() {
    let demo = Demo::start();
    let _kept = fill(&demo);
    let mut wire = demo.connect();
    let answer = wire.bind(&demo.users[3].dn, &demo.users[3].password);
    assert_eq!(answer.code(), ADMIN_LIMIT_EXCEEDED);
    let text = answer.text();
    assert!(text.starts_with("session limit reached: 3 of 3 sessions of licence ") && text.ends_with(" are in use"), "{text}");
    let (_, value) = answer.controls.iter().find(|(oid, _)| oid == SESSION_CONTROL).expect("the session control");
    let numbers: Vec<&[u8]> = crate::wire::elements(crate::wire::elements(value)[0].1).into_iter().map(|(_, number)| number).collect();
    assert_eq!(&numbers[..2], &[&[3][..], &[3]], "limit and in use");
    assert_eq!(wire.who_am_i(), "");
    // The same from a connection that was somebody before.
    let mut wire = demo.as_operator();
    assert_eq!(wire.bind(&demo.users[3].dn, &demo.users[3].password).code(), ADMIN_LIMIT_EXCEEDED);
    assert_eq!(wire.who_am_i(), "");
}

#[test]
fn s5_a_session_outlives_its_connection() {
    let demo = Demo::start();
    drop(fill(&demo));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(demo.seated(), names(&demo.users[..3]));
    assert_eq!(bind(&demo, &demo.users[3]), ADMIN_LIMIT_EXCEEDED);
    assert_eq!(bind(&demo, &demo.users[0]), 0, "who is seated gets in again");
}

#[test]
fn s6_deleting_the_entry_of_a_session_frees_its_seat() {
    let demo = Demo::start();
    let mut kept = fill(&demo);
    let session = session_of(&demo, &demo.users[1]);
    assert_eq!(demo.as_operator().ask(&delete_request(&session), &[]).code(), 0);
    assert_told(&mut kept[1]);
    assert_eq!(bind(&demo, &demo.users[3]), 0);
    assert_eq!(bind(&demo, &demo.users[4]), ADMIN_LIMIT_EXCEEDED);
    assert_eq!(bind(&demo, &demo.users[1]), ADMIN_LIMIT_EXCEEDED, "whose session was ended waits like everybody");
}

#[test]
fn s6_the_extended_operation_ends_a_session() {
    let demo = Demo::start();
    let mut kept = fill(&demo);
    let session = session_of(&demo, &demo.users[2]);
    let found = demo.as_operator().entries(&session, &crate::wire::present("objectClass"), &["hcSessionId"]);
    let id = found[0].values("hcSessionId").pop().expect("hcSessionId");
    let request = extended_request(END_SESSION, Some(&sequence(&[&octets(id)])));
    let answer = demo.as_operator().ask(&request, &[]);
    assert_eq!(answer.code(), 0, "{}", answer.text());
    assert_told(&mut kept[2]);
    assert_eq!(bind(&demo, &demo.users[3]), 0);
}

/// Ours (design §7): extended operations are arc 4.
const END_SESSION: &str = "2.25.128590336736012936669972887359999261034.4.1";

fn session_of(demo: &Demo, person: &Person) -> String {
    let found = demo.as_operator().entries(&demo.organisation(), &crate::wire::equal("objectClass", b"hcSession"), &["hcSessionUser"]);
    found.iter().find(|entry| entry.values("hcSessionUser") == [person.dn.clone()]).expect("a session").dn()
}

/// The connection is told that its session ended, and is no longer authenticated.
fn assert_told(wire: &mut Wire) {
    let answers = wire.receive_all();
    assert!(answers.last().is_some_and(crate::wire::Answer::is_notice), "{answers:?}");
}

#[test]
fn s6_an_application_ends_the_session_of_its_own_connection() {
    let demo = Demo::start();
    let mut kept = fill(&demo);
    kept[0].send(&crate::wire::message(77, &extended_request(END_SESSION, None), &[]));
    let answers = kept[0].receive_all();
    assert!(answers.iter().any(|answer| answer.id == 77 && answer.code() == 0), "{answers:?}");
    assert_eq!(bind(&demo, &demo.users[3]), 0);
}

#[test]
fn s6_nobody_ends_the_session_of_somebody_else() {
    let demo = Demo::start();
    let mut kept = fill(&demo);
    let session = session_of(&demo, &demo.users[1]);
    assert_ne!(kept[0].ask(&delete_request(&session), &[]).code(), 0);
    let id =
        demo.as_operator().entries(&session, &crate::wire::present("objectClass"), &["hcSessionId"])[0].values("hcSessionId").remove(0);
    assert_ne!(kept[0].ask(&extended_request(END_SESSION, Some(&sequence(&[&octets(id)]))), &[]).code(), 0);
    assert_eq!(demo.sessions().len(), 3);
}

#[test]
fn s6_disabling_a_user_ends_its_session_at_once() {
    let demo = Demo::start();
    let mut kept = fill(&demo);
    demo.as_operator().replace(&demo.users[0].dn, "hcActive", &["FALSE"]);
    assert_told(&mut kept[0]);
    assert_eq!(bind(&demo, &demo.users[0]), 49);
    assert_eq!(bind(&demo, &demo.users[3]), 0);
}

#[test]
fn s6_deleting_a_user_ends_its_session_at_once() {
    let demo = Demo::start();
    let mut kept = fill(&demo);
    assert_eq!(demo.as_operator().ask(&delete_request(&demo.users[0].dn), &[]).code(), 0);
    assert_told(&mut kept[0]);
    assert_eq!(demo.sessions().len(), 2);
    assert_eq!(bind(&demo, &demo.users[3]), 0);
}

#[test]
fn s7_the_operator_and_services_need_no_seat() {
    let demo = Demo::start();
    let _kept = fill(&demo);
    let _operator = demo.as_operator();
    for service in &demo.services {
        let _service = demo.signed_in(service);
    }
    assert_eq!(demo.seated(), names(&demo.users[..3]));
}

#[test]
fn s7_no_other_proof_of_a_password_opens_a_session() {
    let demo = Demo::start();
    let user = &demo.users[0];
    let compare = tlv(0x6e, &[octets(&user.dn), sequence(&[&octets("userPassword"), &octets(&user.password)])].concat());
    assert_ne!(demo.as_operator().ask(&compare, &[]).code(), 6, "a compare proved a password");
    let fresh = "another password, long enough";
    let value = sequence(&[&tlv(0x80, user.dn.as_bytes()), &tlv(0x81, user.password.as_bytes()), &tlv(0x82, fresh.as_bytes())]);
    let answer = demo.as_operator().ask(&extended_request("1.3.6.1.4.1.4203.1.11.1", Some(&value)), &[]);
    assert_eq!(answer.code(), 0, "{}", answer.text());
    assert!(demo.sessions().is_empty());
    assert_eq!(demo.connect().bind(&user.dn, &user.password).code(), 49, "the old password");
    assert_eq!(demo.connect().bind(&user.dn, fresh).code(), 0);
}

#[test]
fn s10_after_kill_9_the_same_users_hold_the_same_seats() {
    let mut demo = Demo::start();
    drop(fill(&demo));
    let before = sorted(demo.sessions());
    demo.kill_and_restart();
    assert_eq!(sorted(demo.sessions()), before, "the same sessions");
    assert_eq!(demo.seated(), names(&demo.users[..3]));
    assert_eq!(bind(&demo, &demo.users[3]), ADMIN_LIMIT_EXCEEDED);
    let ended = session_of(&demo, &demo.users[0]);
    assert_eq!(demo.as_operator().ask(&delete_request(&ended), &[]).code(), 0);
    demo.kill_and_restart();
    assert_eq!(demo.seated(), names(&demo.users[1..3]), "a session that was ended stays so");
    assert_eq!(bind(&demo, &demo.users[3]), 0);
}

#[test]
fn s10_after_a_clean_restart_the_same_users_hold_the_same_seats() {
    let mut demo = Demo::start();
    let mut kept = fill(&demo);
    let before = sorted(demo.sessions());
    demo.stop_and_restart();
    assert!(kept[0].receive_all().last().is_some_and(crate::wire::Answer::is_notice), "a stop is announced");
    assert_eq!(sorted(demo.sessions()), before);
    assert_eq!(bind(&demo, &demo.users[5]), ADMIN_LIMIT_EXCEEDED);
}

fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort();
    list
}

#[test]
fn s11_hg4_two_hundred_binds_at_once_never_hold_more_than_three_seats() {
    let demo = Demo::start();
    let barrier = Barrier::new(40);
    let mut operator = demo.as_operator();
    let filter = crate::wire::equal("objectClass", b"hcSession");
    let started = Instant::now();
    let codes: Vec<(usize, u32)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..40)
            .map(|thread| {
                let (demo, barrier) = (&demo, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    let one = |round: usize| {
                        let at = (thread + round) % 6;
                        (at, bind(demo, &demo.users[at]))
                    };
                    (0..5).map(one).collect::<Vec<_>>()
                })
            })
            .collect();
        while threads.iter().any(|thread| !thread.is_finished()) {
            let seated = operator.entries(&demo.organisation(), &filter, &["1.1"]).len();
            assert!(seated <= 3, "{seated} seats are held");
        }
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(codes.len(), 200);
    let mut let_in: Vec<usize> = codes.iter().filter(|(_, code)| *code == 0).map(|(at, _)| *at).collect();
    let_in.sort_unstable();
    let_in.dedup();
    assert_eq!(let_in.len(), 3, "exactly three of the six users were let in");
    for (at, code) in &codes {
        assert!(matches!(*code, 0 | ADMIN_LIMIT_EXCEEDED | BUSY), "user {at} got {code}");
    }
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn s13_users_see_their_own_session_only() {
    let demo = Demo::start();
    let mut kept = fill(&demo);
    let filter = crate::wire::equal("objectClass", b"hcSession");
    let seen = kept[0].ask_all(&crate::wire::search_request(&demo.organisation(), 2, &filter, &["hcSessionUser"]), &[]);
    let whose: Vec<String> = seen.iter().filter(|answer| answer.tag == 0x64).flat_map(|entry| entry.values("hcSessionUser")).collect();
    assert_eq!(whose, [demo.users[0].dn.clone()]);
}

#[test]
fn s15_a_refused_seat_is_no_failed_login() {
    let demo = Demo::start();
    let _kept = fill(&demo);
    for _ in 0..30 {
        assert_eq!(bind(&demo, &demo.users[3]), ADMIN_LIMIT_EXCEEDED);
    }
    let session = session_of(&demo, &demo.users[0]);
    assert_eq!(demo.as_operator().ask(&delete_request(&session), &[]).code(), 0);
    assert_eq!(bind(&demo, &demo.users[3]), 0, "thirty refused seats lock nobody out");
}

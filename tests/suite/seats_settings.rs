//! What a licence can be set to (domain §2): each setting is changed at run time and holds for the next bind (O5).

use crate::demo::Demo;
use crate::wire::{SESSION_CONTROL, Wire, bind_request, control, sequence};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

const ADMIN_LIMIT_EXCEEDED: u32 = 11;

fn bind(demo: &Demo, at: usize) -> u32 {
    demo.connect().bind(&demo.users[at].dn, &demo.users[at].password).code()
}

/// Binds from another address of the loopback network: another client (S2).
fn bind_from(demo: &Demo, last: u8, at: usize) -> (u32, Wire) {
    let mut wire = Wire::connect_from(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), demo.ldap);
    (wire.bind(&demo.users[at].dn, &demo.users[at].password).code(), wire)
}

/// Waits until it holds, at most this long.
fn eventually(patience: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < patience, "{what}, not even after {patience:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn s2_counting_sessions_takes_a_seat_for_every_client() {
    let demo = Demo::start();
    demo.set_licence("hcCountingMode", "sessions");
    let kept: Vec<_> = [1, 2, 3].map(|last| bind_from(&demo, last, 0)).into_iter().collect();
    assert!(kept.iter().all(|(code, _)| *code == 0));
    assert_eq!(demo.sessions().len(), 3, "one user at three addresses");
    assert_eq!(bind_from(&demo, 4, 0).0, ADMIN_LIMIT_EXCEEDED);
    assert_eq!(bind_from(&demo, 2, 0).0, 0, "the same client again");
}

#[test]
fn s2_the_id_that_a_client_sends_stands_for_its_address() {
    let demo = Demo::start();
    demo.set_licence("hcCountingMode", "sessions");
    // SessionRequest: application [0], client [1], both optional.
    let named = |client: &str| {
        let value = sequence(&[&crate::wire::tlv(0x81, client.as_bytes())]);
        let request = bind_request(&demo.users[0].dn, demo.users[0].password.as_bytes());
        demo.connect().ask(&request, &[control(SESSION_CONTROL, false, Some(&value))]).code()
    };
    assert_eq!(["a", "b", "c", "a", "d"].map(named), [0, 0, 0, 0, ADMIN_LIMIT_EXCEEDED]);
}

#[test]
fn s2_a_user_can_be_held_to_a_number_of_sessions() {
    let demo = Demo::start();
    demo.set_licence("hcCountingMode", "sessions");
    demo.set_licence("hcPerUserLimit", "2");
    let codes = [1, 2, 3].map(|last| bind_from(&demo, last, 0).0);
    assert_eq!(codes, [0, 0, ADMIN_LIMIT_EXCEEDED]);
    assert_eq!(bind_from(&demo, 3, 1).0, 0, "the third seat is there for somebody else");
}

#[test]
fn s5_a_seat_can_be_released_on_disconnect() {
    let demo = Demo::start();
    demo.set_licence("hcReleaseMode", "disconnect");
    let first = demo.signed_in(&demo.users[0]);
    let second = demo.signed_in(&demo.users[0]);
    let others: Vec<Wire> = demo.users[1..3].iter().map(|user| demo.signed_in(user)).collect();
    assert_eq!(bind(&demo, 3), ADMIN_LIMIT_EXCEEDED);
    drop(first);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(bind(&demo, 3), ADMIN_LIMIT_EXCEEDED, "the user has another connection");
    drop(second);
    eventually(Duration::from_secs(5), "the seat is not free", || demo.sessions().len() == 2);
    let _fourth = demo.signed_in(&demo.users[3]);
    drop(others);
}

#[test]
fn s5_who_signs_in_again_as_the_last_connection_goes_stays_signed_in() {
    let demo = Demo::start();
    demo.set_licence("hcReleaseMode", "disconnect");
    let user = &demo.users[0];
    let mut held = demo.signed_in(user);
    for round in 0..60 {
        drop(held);
        held = demo.signed_in(user);
        assert_eq!(held.who_am_i(), format!("dn:{}", user.dn), "{round}");
    }
}

#[test]
fn s5_report_mode_counts_and_refuses_nobody() {
    let demo = Demo::start();
    demo.set_licence("hcReportOnly", "TRUE");
    for at in 0..6 {
        assert_eq!(bind(&demo, at), 0);
    }
    assert_eq!(demo.sessions().len(), 6, "all are counted");
    demo.set_licence("hcReportOnly", "FALSE");
    let found = demo.as_operator().entries(&demo.organisation(), &crate::wire::equal("objectClass", b"hcSession"), &["1.1"]);
    assert_eq!(found.len(), 6, "nobody is thrown out");
}

#[test]
fn s5_s6_an_idle_session_ends_and_an_active_one_does_not() {
    let demo = Demo::start();
    demo.set_licence("hcIdleTimeout", "2");
    let mut active = demo.signed_in(&demo.users[0]);
    let mut idle = demo.signed_in(&demo.users[1]);
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(5) {
        assert_eq!(active.who_am_i(), format!("dn:{}", demo.users[0].dn), "an operation is activity");
        std::thread::sleep(Duration::from_millis(200));
    }
    eventually(Duration::from_secs(5), "the idle one keeps its seat", || {
        demo.seated() == [demo.users[0].dn.clone()] || active.who_am_i().is_empty()
    });
    assert_eq!(demo.seated(), [demo.users[0].dn.clone()]);
    let told = idle.receive_all();
    assert!(told.last().is_some_and(crate::wire::Answer::is_notice), "{told:?}");
}

#[test]
fn s5_an_application_without_a_connection_renews_a_session() {
    let demo = Demo::start();
    demo.set_licence("hcIdleTimeout", "2");
    drop(demo.signed_in(&demo.users[0]));
    let mut operator = demo.as_operator();
    let found = operator.entries(&demo.organisation(), &crate::wire::equal("objectClass", b"hcSession"), &["hcSessionId"]);
    let id = found[0].values("hcSessionId").remove(0);
    let request = crate::wire::extended_request(RENEW_SESSION, Some(&sequence(&[&crate::wire::octets(&id)])));
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(5) {
        let answer = operator.ask(&request, &[]);
        assert_eq!(answer.code(), 0, "{}", answer.text());
        std::thread::sleep(Duration::from_millis(300));
    }
    assert_eq!(demo.sessions().len(), 1, "renewing is activity");
    eventually(Duration::from_secs(6), "it does not end", || demo.sessions().is_empty());
    assert_ne!(operator.ask(&request, &[]).code(), 0, "a session that is over cannot be renewed");
}

/// Ours (design §7): extended operations are arc 4.
const RENEW_SESSION: &str = "2.25.128590336736012936669972887359999261034.4.2";

#[test]
fn s6_a_session_has_a_maximum_age_where_one_is_set() {
    let demo = Demo::start();
    demo.set_licence("hcMaximumAge", "2");
    let mut wire = demo.signed_in(&demo.users[0]);
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(10) && !demo.sessions().is_empty() {
        wire.send(&crate::wire::message(50, &crate::wire::search_request("", 0, &crate::wire::present("cn"), &["1.1"]), &[]));
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(demo.sessions().is_empty(), "activity keeps a session beyond its maximum age");
    assert!(started.elapsed() >= Duration::from_secs(2));
}

#[test]
fn s8_the_longest_idle_session_gives_way_where_that_is_set() {
    let demo = Demo::start();
    demo.set_licence("hcMinimumIdle", "0");
    demo.set_licence("hcWhenFull", "end-oldest-idle");
    let mut kept: Vec<Wire> = demo.users[..3].iter().map(|user| demo.signed_in(user)).collect();
    std::thread::sleep(Duration::from_millis(50));
    for wire in &mut kept[1..] {
        wire.who_am_i();
    }
    assert_eq!(bind(&demo, 3), 0, "the fourth takes the place of the first");
    let seated = demo.seated();
    assert_eq!(seated.len(), 3);
    assert!(!seated.contains(&demo.users[0].dn), "{seated:?}");
    assert!(kept[0].receive_all().last().is_some_and(crate::wire::Answer::is_notice), "the one who gave way is told");
}

#[test]
fn s8_a_session_that_is_not_idle_long_enough_gives_way_to_nobody() {
    let demo = Demo::start();
    demo.set_licence("hcMinimumIdle", "3600");
    demo.set_licence("hcWhenFull", "end-oldest-idle");
    let codes: Vec<u32> = (0..4).map(|at| bind(&demo, at)).collect();
    assert_eq!(codes, [0, 0, 0, ADMIN_LIMIT_EXCEEDED]);
}

#[test]
fn s8_overdraft_lets_so_many_more_in() {
    let demo = Demo::start();
    demo.set_licence("hcOverdraft", "2");
    demo.set_licence("hcWhenFull", "overdraft");
    let codes: Vec<u32> = (0..6).map(|at| bind(&demo, at)).collect();
    assert_eq!(codes, [0, 0, 0, 0, 0, ADMIN_LIMIT_EXCEEDED]);
}

#[test]
fn s9_lowering_the_limit_ends_nobody_and_lets_nobody_in() {
    let demo = Demo::start();
    let _kept: Vec<Wire> = demo.users[..3].iter().map(|user| demo.signed_in(user)).collect();
    demo.set_licence("hcSessionLimit", "2");
    assert_eq!(demo.sessions().len(), 3);
    assert_eq!(bind(&demo, 0), 0, "who is seated gets in again");
    let answer = demo.connect().bind(&demo.users[3].dn, &demo.users[3].password);
    assert_eq!(answer.code(), ADMIN_LIMIT_EXCEEDED);
    assert!(answer.text().contains("3 of 2"), "{}", answer.text());
    demo.set_licence("hcSessionLimit", "4");
    assert_eq!(bind(&demo, 3), 0, "raising it counts at once (O5)");
    assert_eq!(bind(&demo, 4), ADMIN_LIMIT_EXCEEDED);
}

#[test]
fn o3_a_limit_of_nought_is_refused() {
    let demo = Demo::start();
    let licence = demo.licence();
    for value in ["0", "-1", "many"] {
        let answer = demo.as_operator().ask(&crate::wire::replace_request(&licence, "hcSessionLimit", &[value]), &[]);
        assert_ne!(answer.code(), 0, "{value}");
        assert!(!answer.text().is_empty(), "the refusal says why");
    }
    assert_eq!(bind(&demo, 0), 0);
}

#[test]
fn o3_an_expired_licence_admits_nobody_and_says_so_to_who_knows_the_password() {
    let demo = Demo::start();
    demo.set_licence("hcEndDate", "20200101000000Z");
    let answer = demo.connect().bind(&demo.users[0].dn, &demo.users[0].password);
    assert_eq!(answer.code(), 53, "{}", answer.text());
    assert!(answer.text().contains("expired"), "{}", answer.text());
    assert_eq!(demo.connect().bind(&demo.users[0].dn, "wrong").code(), 49);
    assert!(demo.sessions().is_empty());
}

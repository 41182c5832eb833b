//! Failed attempts to sign in make an account wait, and nobody is kept out for good (hardening HB1, HB3, HB4).

use crate::demo::{Demo, headcount};
use crate::wire::{Wire, bind_request, delete_request, extended_request, message, octets, present, search_request, sequence, tlv};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

const INVALID_CREDENTIALS: u32 = 49;
const NO_SUCH_ATTRIBUTE: u32 = 16;
/// Failures in a row that are free, by default.
const FREE: usize = 5;
const PASSWORD_MODIFY: &str = "1.3.6.1.4.1.4203.1.11.1";

fn from(demo: &Demo, last: u8) -> Wire {
    Wire::connect_from(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), demo.ldap)
}

/// What the operator reads of an attribute.
fn read(demo: &Demo, dn: &str, attribute: &str) -> Vec<String> {
    let found = demo.as_operator().ask_all(&search_request(dn, 0, &present("objectClass"), &[attribute]), &[]);
    assert_eq!(found.len(), 2, "{dn}");
    found[0].values(attribute)
}

/// Waits until what the operator reads is so: times are shown within a second or two.
fn until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what} did not come");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn lock(demo: &Demo, dn: &str) {
    for _ in 0..FREE {
        assert_eq!(demo.connect().bind(dn, "wrong").code(), INVALID_CREDENTIALS);
    }
}

#[test]
fn hb3_a_hundred_parallel_wrong_binds_count_a_hundred() {
    let demo = Demo::start();
    let user = &demo.users[0];
    let stamps = |name: &str| read(&demo, &user.dn, name);
    let before = (stamps("modifyTimestamp"), stamps("entryCSN"), stamps("modifiersName"));
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| assert_eq!(demo.connect().bind(&user.dn, "wrong").code(), INVALID_CREDENTIALS));
        }
    });
    until("a hundred failures", || stamps("pwdFailureTime").len() == 100);
    assert_eq!(stamps("pwdAccountLockedTime").len(), 1);
    assert_eq!((stamps("modifyTimestamp"), stamps("entryCSN"), stamps("modifiersName")), before, "nobody changed the entry");
    assert_eq!(demo.connect().bind(&user.dn, &user.password).code(), INVALID_CREDENTIALS, "it has to wait");
    let locked = demo.as_operator().entries(&demo.organisation(), &present("pwdAccountLockedTime"), &["1.1"]);
    assert!(locked.len() == 1 && locked[0].dn() == user.dn, "locked accounts can be found");
}

#[test]
fn hb1_a_locked_account_an_unknown_name_and_a_wrong_password_look_the_same() {
    let demo = Demo::start();
    let unknown = format!("uid=nobody,ou=users,{}", demo.organisation());
    let mut answers = Vec::new();
    for dn in [&demo.users[0].dn, &unknown] {
        for attempt in 0..FREE + 3 {
            let mut wire = demo.connect();
            let begun = Instant::now();
            wire.send(&message(5, &bind_request(dn, b"wrong"), &[]));
            answers.push((dn, attempt, wire.receive().expect("an answer").octets, begun.elapsed()));
        }
    }
    for (dn, attempt, octets, _) in &answers {
        assert_eq!(octets, &answers[0].2, "{dn}, attempt {attempt}");
    }
    let mut wire = demo.connect();
    wire.send(&message(5, &bind_request(&demo.users[0].dn, demo.users[0].password.as_bytes()), &[]));
    assert_eq!(wire.receive().expect("an answer").octets, answers[0].2, "the right password tells nothing while it has to wait");
}

#[test]
fn hb4_a_lock_survives_kill_9_and_an_administrator_ends_it() {
    let mut demo = Demo::start();
    let (dn, password) = (demo.users[0].dn.clone(), demo.users[0].password.clone());
    assert_eq!(from(&demo, 2).bind(&dn, &password).code(), 0);
    lock(&demo, &dn);
    demo.kill_and_restart();
    assert_eq!(demo.connect().bind(&dn, &password).code(), INVALID_CREDENTIALS, "it still has to wait");
    assert_eq!(from(&demo, 2).bind(&dn, &password).code(), 0, "where the user is known it does not");
    let unlocked = headcount().arg("--config").arg(demo.config()).args(["user", "unlock", &dn]).output().unwrap();
    assert!(unlocked.status.success(), "{}", String::from_utf8_lossy(&unlocked.stderr));
    assert_eq!(demo.connect().bind(&dn, &password).code(), 0);
    until("the last success", || read(&demo, &dn, "pwdLastSuccess").len() == 1 || read(&demo, &dn, "authTimestamp").len() == 1);
    assert!(read(&demo, &dn, "pwdFailureTime").is_empty());
}

#[test]
fn hb4_deleting_pwd_account_locked_time_unlocks_and_leaves_no_stamp() {
    let demo = Demo::start();
    let user = &demo.users[0];
    lock(&demo, &user.dn);
    let before = read(&demo, &user.dn, "entryCSN");
    let delete = sequence(&[&[0x0a, 0x01, 0x01], &sequence(&[&octets("pwdAccountLockedTime"), &tlv(0x31, &[])])]);
    let unlock = tlv(0x66, &[octets(&user.dn), tlv(0x30, &delete)].concat());
    assert_eq!(demo.as_operator().ask(&unlock, &[]).code(), 0);
    assert_eq!(read(&demo, &user.dn, "entryCSN"), before);
    assert_eq!(demo.connect().bind(&user.dn, &user.password).code(), 0);
    assert_eq!(demo.as_operator().ask(&unlock, &[]).code(), NO_SUCH_ATTRIBUTE);
    lock(&demo, &demo.users[1].dn);
    assert_ne!(
        demo.signed_in(user).ask(&tlv(0x66, &[octets(&demo.users[1].dn), tlv(0x30, &delete)].concat()), &[]).code(),
        0,
        "not by anybody"
    );
    demo.as_operator().replace(&demo.users[1].dn, "userPassword", &["a new one that is long enough"]);
    assert_eq!(demo.connect().bind(&demo.users[1].dn, "a new one that is long enough").code(), 0, "a new password unlocks too");
}

#[test]
fn hb4_who_guesses_elsewhere_does_not_keep_the_user_or_the_operator_out() {
    let demo = Demo::start();
    for person in [&demo.users[0], &demo.operator] {
        assert_eq!(from(&demo, 2).bind(&person.dn, &person.password).code(), 0);
        for _ in 0..4 * FREE {
            assert_eq!(from(&demo, 3).bind(&person.dn, "wrong").code(), INVALID_CREDENTIALS);
        }
        assert_eq!(from(&demo, 3).bind(&person.dn, &person.password).code(), INVALID_CREDENTIALS, "there it waits");
        assert_eq!(from(&demo, 2).bind(&person.dn, &person.password).code(), 0, "at home it does not");
        assert_eq!(from(&demo, 3).bind(&person.dn, &person.password).code(), INVALID_CREDENTIALS, "and that opens nothing elsewhere");
    }
}

#[test]
fn hb3_the_old_password_of_a_password_modify_counts_like_a_bind() {
    let demo = Demo::start();
    let user = &demo.users[0];
    let mut wire = demo.signed_in(user);
    let value = sequence(&[&tlv(0x81, b"wrong"), &tlv(0x82, b"a new one that is long enough")]);
    for _ in 0..FREE {
        assert_eq!(wire.ask(&extended_request(PASSWORD_MODIFY, Some(&value)), &[]).code(), INVALID_CREDENTIALS);
    }
    assert_eq!(demo.connect().bind(&user.dn, &user.password).code(), INVALID_CREDENTIALS);
}

#[test]
fn s15_refused_seats_never_count_towards_a_lockout() {
    const ADMIN_LIMIT: u32 = 11;
    let demo = Demo::start();
    let seated: Vec<Wire> = demo.users.iter().take(3).map(|user| demo.signed_in(user)).collect();
    for _ in 0..4 * FREE {
        assert_eq!(demo.connect().bind(&demo.users[3].dn, &demo.users[3].password).code(), ADMIN_LIMIT);
    }
    assert!(read(&demo, &demo.users[3].dn, "pwdAccountLockedTime").is_empty());
    drop(seated);
}

#[test]
fn an_account_that_is_gone_leaves_nothing_behind() {
    let demo = Demo::start();
    let user = &demo.users[3];
    lock(&demo, &user.dn);
    assert_eq!(demo.as_operator().ask(&delete_request(&user.dn), &[]).code(), 0);
    assert_eq!(demo.connect().bind(&user.dn, &user.password).code(), INVALID_CREDENTIALS);
}

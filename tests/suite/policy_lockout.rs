//! What a password policy adds to the waits of the config (draft-behera-ldap-password-policy-10 §5.2.9 to §5.2.12), and
//! that nobody sees it from outside (hardening HB1, HB3, HB4).

use crate::demo::Demo;
use crate::house::{ACME, House, SUFFIX, put, user};
use crate::monitor::{TOKEN, scrape};
use crate::server::{PASSWORD, free_port, write_private};
use crate::wire::{Wire, bind_request, control, message, present, search_request};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const CONTROL: &str = "1.3.6.1.4.1.42.2.27.8.5.1";

/// Adds a policy and answers its name.
fn policy(wire: &mut Wire, name: &str, under: &str, rules: &[(&str, &str)]) -> String {
    let dn = format!("cn={name},{under}");
    let class = [("objectClass", "applicationProcess"), ("objectClass", "pwdPolicy"), ("cn", name), ("pwdAttribute", "userPassword")];
    put(wire, &dn, &[&class[..], rules].concat());
    dn
}

/// A house whose user ann has a policy of its own that says this.
fn house(rules: &[(&str, &str)]) -> House {
    let house = House::start("");
    let mut wire = house.server.as_operator();
    let dn = policy(&mut wire, "policy", ACME, rules);
    wire.replace(&user("ann", ACME), "pwdPolicySubentry", &[&dn]);
    house
}

/// The answer to a bind as it came, from an address of this machine.
fn raw(house: &House, from: u8, dn: &str, password: &str, controls: &[Vec<u8>]) -> Vec<u8> {
    let mut wire = Wire::connect_from(IpAddr::V4(Ipv4Addr::new(127, 0, 0, from)), house.server.address());
    wire.send(&message(5, &bind_request(dn, password.as_bytes()), controls));
    wire.receive().expect("an answer").octets
}

fn bind(house: &House, uid: &str, password: &str) -> u32 {
    house.server.connect().bind(&user(uid, ACME), password).code()
}

fn wait(seconds: u64) {
    std::thread::sleep(Duration::from_millis(seconds * 1_000 + 300));
}

fn read(wire: &mut Wire, dn: &str, attribute: &str) -> Vec<String> {
    wire.ask_all(&search_request(dn, 0, &present("objectClass"), &[attribute]), &[])[0].values(attribute)
}

#[test]
fn hb3_a_policy_locks_after_its_own_number_of_failures_for_its_own_time() {
    let house = house(&[("pwdLockout", "TRUE"), ("pwdMaxFailure", "2"), ("pwdLockoutDuration", "4")]);
    let ann = user("ann", ACME);
    assert_eq!(bind(&house, "ann", PASSWORD), 0);
    let wrong = raw(&house, 2, &ann, "wrong", &[]);
    assert_eq!(raw(&house, 2, &ann, "wrong", &[]), wrong);
    let locked = raw(&house, 2, &ann, PASSWORD, &[control(CONTROL, false, None)]);
    assert_eq!(locked, wrong, "the right password tells nothing, the control neither");
    assert_eq!(bind(&house, "ann", PASSWORD), 0, "where it has signed in before nobody keeps it out (HB4)");
    assert_eq!(read(&mut house.server.as_operator(), &ann, "pwdAccountLockedTime").len(), 1);
    assert_eq!((bind(&house, "bob", "wrong"), bind(&house, "bob", "wrong"), bind(&house, "bob", PASSWORD)), (49, 49, 0), "no policy");
    wait(4);
    let elsewhere = |dn: &str| raw(&house, 2, dn, PASSWORD, &[]);
    assert_eq!(elsewhere(&ann)[..9], elsewhere(&user("sam", ACME))[..9], "success, when the time is over");
}

#[test]
fn a_policy_without_lockout_or_number_adds_nothing() {
    for rules in [&[("pwdMaxFailure", "1")][..], &[("pwdLockout", "FALSE"), ("pwdMaxFailure", "1")], &[("pwdLockout", "TRUE")]] {
        let house = house(rules);
        assert_eq!((bind(&house, "ann", "wrong"), bind(&house, "ann", PASSWORD)), (49, 0), "{rules:?}");
    }
}

#[test]
fn failures_are_forgotten_after_the_interval_of_the_policy() {
    let rules = [("pwdLockout", "TRUE"), ("pwdMaxFailure", "2"), ("pwdFailureCountInterval", "2")];
    let house = house(&rules);
    assert_eq!(bind(&house, "ann", "wrong"), 49);
    wait(2);
    assert_eq!((bind(&house, "ann", "wrong"), bind(&house, "ann", PASSWORD)), (49, 0));
    assert_eq!((bind(&house, "ann", "wrong"), bind(&house, "ann", "wrong"), bind(&house, "ann", PASSWORD)), (49, 49, 49));
}

#[test]
fn delays_of_a_policy_double_and_end_with_a_success() {
    let house = house(&[("pwdMinDelay", "1"), ("pwdMaxDelay", "2")]);
    assert_eq!((bind(&house, "ann", "wrong"), bind(&house, "ann", PASSWORD)), (49, 49));
    wait(1);
    assert_eq!((bind(&house, "ann", PASSWORD), bind(&house, "ann", PASSWORD)), (0, 0));
}

#[test]
fn hb4_a_lock_of_a_policy_survives_kill_9_and_a_new_password_ends_it() {
    let mut demo = Demo::start();
    let (organisation, dn, password) = (demo.organisation(), demo.users[0].dn.clone(), demo.users[0].password.clone());
    let mut wire = demo.as_operator();
    let rules = [("pwdLockout", "TRUE"), ("pwdMaxFailure", "1"), ("pwdLockoutDuration", "3600")];
    let policy = policy(&mut wire, "policy", &organisation, &rules);
    wire.replace(&organisation, "pwdPolicySubentry", &[&policy]);
    assert_eq!(demo.connect().bind(&dn, "wrong").code(), 49);
    demo.kill_and_restart();
    assert_eq!(demo.connect().bind(&dn, &password).code(), 49, "it still has to wait");
    demo.as_operator().replace(&dn, "userPassword", &["a new one that is long enough"]);
    assert_eq!(demo.connect().bind(&dn, "a new one that is long enough").code(), 0);
}

#[test]
fn hb4_nobody_is_locked_for_good_by_a_policy() {
    let house = House::start("");
    let mut wire = house.server.as_operator();
    let class = [("objectClass", "applicationProcess"), ("objectClass", "pwdPolicy"), ("cn", "p"), ("pwdAttribute", "userPassword")];
    for (duration, taken) in [("0", false), ("86401", false), ("-1", false), ("86400", true)] {
        let dn = format!("cn=p,{SUFFIX}");
        let rules = [("pwdLockout", "TRUE"), ("pwdMaxFailure", "3"), ("pwdLockoutDuration", duration)];
        let answer = wire.ask(&crate::house::add_request(&dn, &[&class[..], &rules].concat()), &[]);
        assert_eq!(answer.code(), if taken { 0 } else { 19 }, "{duration}: {}", answer.text());
        assert!(taken || answer.text().contains("pwdLockoutDuration"), "{}", answer.text());
    }
}

/// A house that counts, and where it is asked what.
pub(crate) fn counting(more: &str) -> (House, u16, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    write_private(&token, TOKEN);
    let port = free_port();
    let listener = format!("[[listener]]\nkind = \"http\"\naddress = \"127.0.0.1:{port}\"\n");
    (House::start(&format!("{listener}[metrics]\ntoken_file = {token:?}\n{more}")), port, folder)
}

#[test]
fn ha11_a_name_without_a_password_is_refused_without_a_hash_by_whatever_way_it_comes() {
    let (house, port, _folder) = counting("");
    house.server.as_operator();
    let hashes = || scrape(port)["headcount_password_hashes_total"] as u64;
    let before = hashes();
    for name in [user("bob", ACME), "cn=admin".to_owned(), "cn=nobody".to_owned()] {
        let mut wire = house.server.connect();
        assert_eq!(wire.bind(&name, "").code(), 53, "{name}");
        for form in [name.clone(), format!("dn:{name}"), "bob".to_owned()] {
            assert_eq!(wire.sasl("PLAIN", Some(format!("\0{form}\0").as_bytes())).code(), 53, "{form}");
        }
        assert_eq!(wire.who_am_i(), "");
    }
    assert_eq!(hashes(), before);
}

#[test]
fn hb2_whoever_is_refused_was_hashed_for_once() {
    let (house, port, _folder) = counting("[lockout]\nfailures = 0\n");
    let mut wire = house.server.as_operator();
    let old = "{ARGON2}$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    let two = [old, &crate::server::salted_hash("another password")];
    wire.replace(&user("bob", ACME), "userPassword", &[old]);
    wire.replace(&user("gil", ACME), "userPassword", &two);
    wire.replace(&user("sam", ACME), "userPassword", &["{CRYPT}*"]);
    wire.replace(&user("eve", crate::house::OTHER), "userPassword", &[]);
    wire.replace(&user("ada", ACME), "userPassword", &["a password that is hashed as they are today"]);
    let hashes = || scrape(port)["headcount_password_hashes_total"] as u64;
    let known = ["ann", "bob", "gil", "sam", "ada", "off", "svc", "nobody"].map(|uid| user(uid, ACME));
    let others = [user("eve", crate::house::OTHER), ACME.to_owned(), "cn=admin".to_owned(), "cn=nobody".to_owned(), SUFFIX.to_owned()];
    for dn in known.iter().chain(&others) {
        let before = hashes();
        assert_eq!(house.server.connect().bind(dn, "wrong").code(), 49, "{dn}");
        assert_eq!(hashes() - before, 1, "{dn}");
    }
}

#[test]
fn hb1_a_policy_is_not_seen_from_outside() {
    let (house, port, _folder) = counting("");
    let mut wire = house.server.as_operator();
    let of_all = policy(&mut wire, "all", ACME, &[("pwdLockout", "TRUE"), ("pwdMaxFailure", "3"), ("pwdLockoutDuration", "60")]);
    let own = policy(&mut wire, "own", ACME, &[("pwdLockout", "TRUE"), ("pwdMaxFailure", "1"), ("pwdLockoutDuration", "3600")]);
    wire.replace(ACME, "pwdPolicySubentry", &[&of_all]);
    wire.replace(&user("bob", ACME), "pwdPolicySubentry", &[&own]);
    // What is seen of each attempt: the answer, whether a password was hashed for it, whether it had to wait.
    let seen = |dn: &str| -> Vec<(Vec<u8>, u64, u64)> {
        let counts = || {
            let all = scrape(port);
            ["headcount_password_hashes_total", "headcount_logins_throttled_total"].map(|name| all[name] as u64)
        };
        let attempt = || {
            let before = counts();
            let octets = raw(&house, 3, dn, "wrong", &[]);
            let after = counts();
            (octets, after[0] - before[0], after[1] - before[1])
        };
        (0..8).map(|_| attempt()).collect()
    };
    let nobody = seen(&user("nobody", ACME));
    assert_eq!(
        nobody.iter().map(|(_, hashes, waits)| (*hashes, *waits)).collect::<Vec<_>>(),
        [[(1, 0); 5].as_slice(), &[(0, 1); 3]].concat()
    );
    for dn in [&user("ann", ACME), &user("bob", ACME), &user("off", ACME), &user("nobody", "o=Other,dc=example,dc=com"), ACME] {
        assert_eq!(seen(dn), nobody, "{dn}");
    }
}

/// The code of a bind with the control, and what it says.
fn told(house: &House, uid: &str, password: &str) -> (u32, Vec<u8>) {
    let request = bind_request(&user(uid, ACME), password.as_bytes());
    let answer = house.server.connect().ask(&request, &[control(CONTROL, false, None)]);
    let said = answer.controls.iter().find(|(oid, _)| oid == CONTROL).map(|(_, value)| value.clone());
    (answer.code(), said.unwrap_or_default())
}

/// accountLocked (1).
const LOCKED: &[u8] = &[0x30, 0x03, 0x81, 0x01, 0x01];
/// Nothing to say.
const NOTHING: &[u8] = &[0x30, 0x00];

#[test]
fn hb1_that_an_account_is_disabled_is_told_to_who_knows_the_password_and_asks() {
    let house = House::start("");
    let off = user("off", ACME);
    assert_eq!(told(&house, "off", PASSWORD), (49, LOCKED.to_vec()));
    let wrong = raw(&house, 1, &off, "wrong", &[]);
    assert_eq!(raw(&house, 1, &off, PASSWORD, &[]), wrong, "who does not ask");
    assert_eq!(raw(&house, 1, &off, "wrong", &[control(CONTROL, false, None)]), wrong, "who does not know it");
    assert_eq!((raw(&house, 1, &off, "wrong", &[]), raw(&house, 1, &off, "wrong", &[])), (wrong.clone(), wrong.clone()));
    assert_eq!(raw(&house, 1, &off, PASSWORD, &[control(CONTROL, false, None)]), wrong, "it counted as failures, and has to wait");
}

#[test]
fn a_password_works_from_its_start_to_its_end() {
    let house = House::start("");
    let mut wire = house.server.as_operator();
    let ann = user("ann", ACME);
    for (attribute, time, expected) in [
        ("pwdStartTime", "20990101000000Z", (49, LOCKED)),
        ("pwdStartTime", "20200101000000Z", (0, NOTHING)),
        ("pwdEndTime", "20200101000000Z", (49, LOCKED)),
        ("pwdEndTime", "20990101000000Z", (0, NOTHING)),
    ] {
        wire.replace(&ann, attribute, &[time]);
        assert_eq!(told(&house, "ann", PASSWORD), (expected.0, expected.1.to_vec()), "{attribute} {time}");
    }
}

#[test]
fn hb4_who_is_idle_too_long_is_locked_until_there_is_a_new_password_but_administrators_are_not() {
    let house = house(&[("pwdMaxIdle", "3")]);
    let mut wire = house.server.as_operator();
    wire.replace(ACME, "pwdPolicySubentry", &[&format!("cn=policy,{ACME}")]);
    for uid in ["bob", "ada"] {
        wire.replace(&user(uid, ACME), "userPassword", &[PASSWORD]);
    }
    assert_eq!((told(&house, "bob", PASSWORD), told(&house, "ada", PASSWORD)), ((0, NOTHING.to_vec()), (0, NOTHING.to_vec())));
    wait(4);
    assert_eq!(told(&house, "ada", PASSWORD), (0, NOTHING.to_vec()));
    assert_eq!(told(&house, "bob", PASSWORD), (49, LOCKED.to_vec()));
    wait(2);
    assert_eq!(told(&house, "bob", PASSWORD), (49, LOCKED.to_vec()), "trying is not using");
    wire.replace(&user("bob", ACME), "userPassword", &["a new one that is long enough"]);
    assert_eq!(told(&house, "bob", "a new one that is long enough"), (0, NOTHING.to_vec()));
}

#[test]
fn uses_of_an_expired_password_have_an_end() {
    let house = house(&[("pwdMaxAge", "2"), ("pwdGraceAuthNLimit", "9"), ("pwdGraceExpiry", "3")]);
    house.server.as_operator().replace(&user("ann", ACME), "userPassword", &[PASSWORD]);
    wait(2);
    let (code, said) = told(&house, "ann", PASSWORD);
    assert_eq!((code, said.len()), (0, 7), "in grace");
    wait(3);
    assert_eq!(told(&house, "ann", PASSWORD), (49, vec![0x30, 0x03, 0x81, 0x01, 0x00]));
}

#[test]
fn a_password_is_no_longer_than_the_policy_says_and_a_made_up_one_neither() {
    const LONG: &str = "Nine umbrellas, 4 storms and a boat";
    let house = house(&[("pwdMaxLength", "30")]);
    let mut ada = house.signed_in("ada", ACME);
    let ann = user("ann", ACME);
    let request = crate::wire::replace_request(&ann, "userPassword", &[LONG]);
    let refused = ada.ask(&request, &[]);
    assert_eq!(refused.code(), 19, "{}", refused.text());
    assert!(refused.text().contains("30"), "{}", refused.text());
    ada.replace(&ann, "userPassword", &["Nine umbrellas, 4 storms"]);
    let value = crate::wire::sequence(&[&crate::wire::tlv(0x80, ann.as_bytes())]);
    let made = ada.ask(&crate::wire::extended_request("1.3.6.1.4.1.4203.1.11.1", Some(&value)), &[]);
    let value = made.extended().1.expect("a password");
    let password = String::from_utf8(crate::wire::elements(crate::wire::elements(&value)[0].1)[0].1.to_vec()).unwrap();
    assert_eq!(password.len(), 30);
    assert_eq!(bind(&house, "ann", &password), 0);
}

#[test]
fn what_cannot_be_checked_is_refused_where_the_policy_insists() {
    let house = house(&[("pwdCheckQuality", "2")]);
    let (mut operator, mut ada) = (house.server.as_operator(), house.signed_in("ada", ACME));
    let hash = crate::server::salted_hash("another password of some length");
    let mut write = |uid: &str| ada.ask(&crate::wire::replace_request(&user(uid, ACME), "userPassword", &[&hash]), &[]).code();
    assert_eq!((write("ann"), write("bob")), (19, 0));
    operator.replace(&format!("cn=policy,{ACME}"), "pwdCheckQuality", &["1"]);
    assert_eq!(write("ann"), 0);
}

#[test]
fn a_policy_asks_for_nothing_that_would_not_be_done() {
    let house = house(&[]);
    let mut wire = house.server.as_operator();
    let dn = format!("cn=policy,{ACME}");
    for (attribute, value, taken) in [
        ("pwdAttribute", "2.5.4.35", true),
        ("pwdAttribute", "mail", false),
        ("pwdCheckQuality", "2", true),
        ("pwdCheckQuality", "3", false),
        ("pwdInHistory", "24", true),
        ("pwdInHistory", "25", false),
        ("pwdMinLength", "20", true),
        ("pwdMaxLength", "19", false),
        ("pwdMaxFailure", "2147483648", false),
        ("pwdMinDelay", "5", false),
        ("pwdMaxAge", "-1", false),
    ] {
        let answer = wire.ask(&crate::wire::replace_request(&dn, attribute, &[value]), &[]);
        assert_eq!(answer.code(), if taken { 0 } else { 19 }, "{attribute} {value}: {}", answer.text());
        assert!(taken || answer.text().contains(attribute), "{}", answer.text());
    }
}

//! Proxied authorisation (RFC 4370, hardening HB7).

use crate::demo::{Demo, Person};
use crate::schema::modify;
use crate::server::salted_hash;
use crate::wire::{Answer, Wire, control, delete_request, equal, extended_request, present, replace_request, search_request, tlv};
use std::io::Write;
use std::time::{Duration, Instant};

const PROXIED: &str = "2.16.840.1.113730.3.4.18";
const WHO_AM_I: &str = "1.3.6.1.4.1.4203.1.11.3";

fn acting_as(identity: &str) -> Vec<u8> {
    control(PROXIED, true, Some(identity.as_bytes()))
}

/// Who the server takes one for, asking for this identity.
fn who(wire: &mut Wire, identity: &str) -> Result<String, u32> {
    let answer = wire.ask(&extended_request(WHO_AM_I, None), &[acting_as(identity)]);
    match answer.code() {
        0 => Ok(answer.extended().1.map_or_else(String::new, |value| String::from_utf8(value).unwrap())),
        code => Err(code),
    }
}

/// A demo whose service account may act for the people of `ou=users`, and two people with different rights.
struct Scene {
    demo: Demo,
    service: Person,
    user: String,
    admin: String,
}

impl Scene {
    fn start() -> Self {
        let demo = Demo::start();
        let service = demo.services[0].clone();
        let named = |uid: &str| demo.users.iter().find(|user| user.dn.starts_with(uid)).unwrap().dn.clone();
        let (user, admin) = (named("uid=ben,"), named("uid=olivia,"));
        let mut config = std::fs::OpenOptions::new().append(true).open(demo.config()).unwrap();
        let subtree = format!("ou=users,{}", demo.organisation());
        writeln!(config, "\n[[access]]\nwho = [\"dn:{}\"]\nsubtree = \"{subtree}\"\nrights = [\"proxy\"]", service.dn).unwrap();
        drop(config);
        let scene = Self { demo, service, user, admin };
        let (mut wire, started) = (scene.wire(), Instant::now());
        while who(&mut wire, &format!("dn:{}", scene.user)).is_err() {
            assert!(started.elapsed() < Duration::from_secs(10), "the changed config is taken over");
            std::thread::sleep(Duration::from_millis(100));
        }
        scene
    }

    /// A connection of the service account.
    fn wire(&self) -> Wire {
        self.demo.signed_in(&self.service)
    }
}

/// The DNs that a search finds, asked for this identity.
fn found(wire: &mut Wire, base: &str, identity: &str) -> Vec<String> {
    let answers = wire.ask_all(&search_request(base, 2, &present("objectClass"), &["1.1"]), &[acting_as(identity)]);
    assert!(matches!(answers.last().unwrap().code(), 0 | 32), "{}", answers.last().unwrap().text());
    answers.iter().filter(|answer| answer.tag == 0x64).map(Answer::dn).collect()
}

#[test]
fn hb7_an_operation_is_done_as_the_person_and_takes_no_seat() {
    let scene = Scene::start();
    let before = scene.demo.sessions();
    let mut wire = scene.wire();
    for identity in [format!("dn:{}", scene.user), "u:ben".to_owned(), "u:BEN".to_owned()] {
        assert_eq!(who(&mut wire, &identity), Ok(format!("dn:{}", scene.user)));
    }
    assert_eq!(wire.who_am_i(), format!("dn:{}", scene.service.dn), "for that operation only");
    assert_eq!(who(&mut wire, ""), Ok(String::new()), "anonymous");
    let organisation = scene.demo.organisation();
    assert!(found(&mut wire, &organisation, "").is_empty());
    let seen = found(&mut wire, &organisation, "u:ben");
    assert!(seen.contains(&scene.user), "{seen:?}");
    assert_eq!(scene.demo.sessions(), before, "no seat was taken");
    // What the person sees is what it sees when it has signed in itself.
    let password = scene.demo.users.iter().find(|user| user.dn == scene.user).unwrap().clone();
    let mut own = scene.demo.signed_in(&password);
    let itself: Vec<String> = own.entries(&organisation, &present("objectClass"), &["1.1"]).iter().map(Answer::dn).collect();
    let is_person = |dn: &&String| !dn.contains("ou=sessions");
    assert_eq!(seen.iter().filter(is_person).collect::<Vec<_>>(), itself.iter().filter(is_person).collect::<Vec<_>>());
}

#[test]
fn hb7_nobody_else_acts_for_anybody_and_for_nobody_else() {
    let scene = Scene::start();
    let mut texts = Vec::new();
    let mut refused = |wire: &mut Wire, identity: &str| {
        let answer = wire.ask(&extended_request(WHO_AM_I, None), &[acting_as(identity)]);
        assert_eq!(answer.code(), 123, "{identity}: {}", answer.text());
        texts.push(answer.text());
    };
    let mut service = scene.wire();
    let suffix = scene.demo.organisation().split_once(',').unwrap().1.to_owned();
    let others = [
        format!("dn:{}", scene.admin),
        "u:olivia".to_owned(),
        format!("dn:{}", scene.demo.operator.dn),
        format!("dn:{}", scene.service.dn),
        format!("dn:uid=nobody,ou=users,{}", scene.demo.organisation()),
        format!("dn:{}", scene.demo.organisation()),
        format!("dn:{suffix}"),
        "dn:not a name".to_owned(),
        "u:nobody".to_owned(),
        "ben*".to_owned(),
    ];
    for identity in &others {
        refused(&mut service, identity);
    }
    let (user, ben) = (scene.demo.users.iter().find(|user| user.dn == scene.admin).unwrap(), format!("dn:{}", scene.user));
    refused(&mut scene.demo.signed_in(user), &ben);
    refused(&mut scene.demo.as_operator(), &ben);
    refused(&mut scene.demo.connect(), &ben);
    texts.dedup();
    assert_eq!(texts.len(), 1);
    scene.demo.as_operator().replace(&scene.user, "hcActive", &["FALSE"]);
    assert_eq!(who(&mut service, &ben), Err(123), "who is disabled is acted for by nobody");
}

#[test]
fn rfc4370_3_the_control_is_critical_and_goes_with_no_bind() {
    let scene = Scene::start();
    let mut wire = scene.wire();
    let value = format!("dn:{}", scene.user);
    let not_critical = control(PROXIED, false, Some(value.as_bytes()));
    assert_eq!(wire.ask(&extended_request(WHO_AM_I, None), &[not_critical]).code(), 2);
    assert!(wire.root_dse("supportedControl").contains(&PROXIED.to_owned()));
    let bind = crate::wire::bind_request(&scene.service.dn, scene.service.password.as_bytes());
    assert_eq!(wire.ask(&bind, &[acting_as(&value)]).code(), 12);
    assert_eq!(wire.who_am_i(), "", "a refused bind leaves nobody");
}

#[test]
fn hb7_changes_are_under_the_persons_rules_and_the_audit_names_both() {
    let scene = Scene::start();
    let mut wire = scene.wire();
    let ben = acting_as(&format!("dn:{}", scene.user));
    let refused = wire.ask(&replace_request(&scene.user, "description", &["x"]), std::slice::from_ref(&ben));
    assert_eq!(refused.code(), 50, "a user changes nothing of its own (U2): {}", refused.text());
    let other = scene.demo.users.iter().find(|user| ![&scene.user, &scene.admin].contains(&&user.dn)).unwrap();
    assert!(matches!(wire.ask(&delete_request(&other.dn), std::slice::from_ref(&ben)).code(), 32 | 50));
    let replaced = wire.ask(&replace_request(&scene.user, "userPassword", &["yet another long password"]), std::slice::from_ref(&ben));
    assert_eq!(replaced.code(), 50, "not by a modify either");
    let guessed = modify(&scene.user, &[(1, "userPassword", &["a guess"]), (2, "userPassword", &["yet another long password"])]);
    let permissive = control("1.2.840.113556.1.4.1413", true, None);
    assert_eq!(wire.ask(&guessed, &[ben.clone(), permissive]).code(), 16, "nor with an old one that is wrong");
    // A password is changed with the old one only.
    let password = &scene.demo.users.iter().find(|user| user.dn == scene.user).unwrap().password;
    let new = "a quite different long password";
    let modify = |old: Option<&str>| {
        let parts = [old.map_or_else(Vec::new, |old| tlv(0x81, old.as_bytes())), tlv(0x82, new.as_bytes())].concat();
        extended_request("1.3.6.1.4.1.4203.1.11.1", Some(&tlv(0x30, &parts)))
    };
    assert_eq!(wire.ask(&modify(None), std::slice::from_ref(&ben)).code(), 50);
    let answer = wire.ask(&modify(Some(password)), std::slice::from_ref(&ben));
    assert_eq!(answer.code(), 0, "{}", answer.text());
    let audit = || std::fs::read_to_string(scene.demo.folder().join("data").join("audit.jsonl")).unwrap_or_default();
    let started = Instant::now();
    let through = format!("through {}", scene.service.dn);
    while !audit().lines().any(|line| line.contains(&through) && line.contains(&scene.user)) {
        assert!(started.elapsed() < Duration::from_secs(10), "no line names both:\n{}", audit());
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn hb3_hb5_a_stored_hash_is_no_old_password_and_each_try_counts() {
    let scene = Scene::start();
    let hash = salted_hash("the one that ben has had");
    let mut operator = scene.demo.as_operator();
    operator.replace(&scene.user, "userPassword", &[&hash]);
    let exchange = |old: &str| modify(&scene.user, &[(1, "userPassword", &[old]), (0, "userPassword", &["yet another long password"])]);
    let failures = || {
        let found = scene.demo.as_operator().ask_all(&search_request(&scene.user, 0, &present("objectClass"), &["pwdFailureTime"]), &[]);
        found[0].values("pwdFailureTime").len()
    };
    let mut wire = scene.wire();
    let ben = acting_as(&format!("dn:{}", scene.user));
    assert_eq!(wire.ask(&exchange(&hash), std::slice::from_ref(&ben)).code(), 16);
    assert_eq!(failures(), 1);
    let admin = scene.demo.users.iter().find(|user| user.dn == scene.admin).unwrap();
    assert_eq!(scene.demo.signed_in(admin).ask(&exchange(&hash), &[]).code(), 16, "nor for an administrator");
    assert_eq!(failures(), 2);
    for old in ["a guess", "a guess", "a guess", &hash, "the one that ben has had"] {
        assert_eq!(wire.ask(&exchange(old), std::slice::from_ref(&ben)).code(), 16, "{old}");
    }
    assert_eq!(operator.ask(&exchange(&hash), &[]).code(), 0, "the operator names the value that is to go");
}

#[test]
fn a_paged_search_goes_on_for_whom_it_began_only() {
    let scene = Scene::start();
    let mut wire = scene.wire();
    let ben = acting_as(&format!("dn:{}", scene.user));
    let search = search_request(&scene.demo.organisation(), 2, &equal("objectClass", b"organizationalUnit"), &["1.1"]);
    let page = |cookie: &[u8]| {
        let value = crate::wire::sequence(&[&crate::wire::number(0x02, 1), &crate::wire::octets(cookie)]);
        control("1.2.840.113556.1.4.319", true, Some(&value))
    };
    let first = wire.ask(&search, &[ben.clone(), page(b"")]);
    assert_eq!(first.code(), 0, "{}", first.text());
    let cookie = |answer: &Answer| {
        let value = answer.controls[0].1.clone();
        let parts = crate::wire::elements(&value);
        crate::wire::elements(parts[0].1)[1].1.to_vec()
    };
    let after = cookie(&first);
    assert!(!after.is_empty());
    assert_ne!(wire.ask(&search, &[page(&after)]).code(), 0, "the cookie is of somebody else");
    let again = cookie(&wire.ask(&search, &[ben.clone(), page(b"")]));
    assert_eq!(wire.ask(&search, &[ben, page(&again)]).code(), 0);
}

#[test]
fn hb7_who_came_in_by_an_application_password_changes_no_credentials_through_another() {
    let scene = Scene::start();
    let mut config = std::fs::OpenOptions::new().append(true).open(scene.demo.config()).unwrap();
    config.write_all(b"\n[[application]]\nname = \"sync\"\n").unwrap();
    drop(config);
    let (given, started) = ("0123456789012345678901234567890123456789", Instant::now());
    let value = format!("sync${given}");
    let request = replace_request(&scene.service.dn, "hcApplicationPassword", &[&value]);
    while scene.demo.as_operator().ask(&request, &[]).code() != 0 {
        assert!(started.elapsed() < Duration::from_secs(10), "the changed config is taken over");
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut wire = scene.demo.connect();
    let from = control(crate::wire::SESSION_CONTROL, false, Some(&crate::wire::sequence(&[&tlv(0x80, b"sync")])));
    assert_eq!(wire.ask(&crate::wire::bind_request(&scene.service.dn, given.as_bytes()), &[from]).code(), 0);
    let ben = acting_as(&format!("dn:{}", scene.user));
    let old = &scene.demo.users.iter().find(|user| user.dn == scene.user).unwrap().password;
    let parts = [tlv(0x81, old.as_bytes()), tlv(0x82, b"a quite different long password")].concat();
    let modify = extended_request("1.3.6.1.4.1.4203.1.11.1", Some(&tlv(0x30, &parts)));
    let refused = wire.ask(&modify, std::slice::from_ref(&ben));
    assert_eq!(refused.code(), 50, "{}", refused.text());
    assert_eq!(scene.wire().ask(&modify, &[ben]).code(), 0, "with the password of the account it may");
}

#[test]
fn hb7_hc5_a_rule_for_the_whole_suffix_still_ends_at_the_own_organisation_and_before_its_administrators() {
    use crate::house::{ACME, House, OTHER, SUFFIX, user};
    let rule = format!("[[access]]\nwho = [\"dn:{}\"]\nsubtree = \"{SUFFIX}\"\nrights = [\"proxy\"]\n", user("svc", ACME));
    let house = House::start(&rule);
    let mut wire = house.signed_in("svc", ACME);
    assert_eq!(who(&mut wire, &format!("dn:{}", user("bob", ACME))), Ok(format!("dn:{}", user("bob", ACME))));
    for (uid, organisation) in [("eve", OTHER), ("nobody", OTHER), ("ada", ACME), ("off", ACME), ("svc", ACME), ("nobody", ACME)] {
        assert_eq!(who(&mut wire, &format!("dn:{}", user(uid, organisation))), Err(123), "{uid} of {organisation}");
    }
    assert_eq!(who(&mut wire, "dn:cn=admin"), Err(123), "the operator");
}

//! SCRAM-SHA-256 (RFC 5802, RFC 7677), by a client of the test's own.

use crate::demo::{Demo, Person};
use crate::house::{ACME, user};
use crate::monitor::scrape;
use crate::policy_lockout::counting;
use crate::server::PASSWORD;
use crate::transactions;
use crate::wire::{Answer, Wire, control, elements, octets, present, replace_request, sasl_request, search_request, sequence, tlv};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::time::{Duration, Instant};

const MECHANISM: &str = "SCRAM-SHA-256";

fn mac(key: &[u8], message: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().into()
}

/// `serverSaslCreds` of an answer.
fn said(answer: &Answer) -> String {
    let parts = elements(&answer.content);
    parts.iter().find(|(tag, _)| *tag == 0x87).map_or_else(String::new, |(_, value)| String::from_utf8(value.to_vec()).unwrap())
}

/// The salt and the rounds that the server asks this name for.
fn asked(wire: &mut Wire, name: &str) -> (String, String, String) {
    let answer = wire.sasl(MECHANISM, Some(format!("n,,n={name},r=clientnonce").as_bytes()));
    assert_eq!(answer.code(), 14, "{name}: {}", answer.text());
    let message = said(&answer);
    let parts: Vec<&str> = message.split(',').map(|part| &part[2..]).collect();
    assert!(parts[0].starts_with("clientnonce") && parts[0].len() > 30);
    (message.clone(), parts[1].to_owned(), parts[2].to_owned())
}

/// Signs in; checks the server's signature too.
pub(crate) fn sign_in(wire: &mut Wire, name: &str, password: &str) -> Answer {
    sign_in_and_ask(wire, name, password, &[])
}

/// The same with controls on the last message.
fn sign_in_and_ask(wire: &mut Wire, name: &str, password: &str, controls: &[Vec<u8>]) -> Answer {
    let (first, salt, rounds) = asked(wire, name);
    let salted = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password.as_bytes(), &STANDARD.decode(salt).unwrap(), rounds.parse().unwrap());
    let nonce = first.split(',').next().unwrap();
    let without_proof = format!("c=biws,{nonce}");
    let message = format!("n={name},r=clientnonce,{first},{without_proof}");
    let client = mac(&salted, "Client Key");
    let signature = mac(&Sha256::digest(client), &message);
    let proof: Vec<u8> = client.iter().zip(signature).map(|(left, right)| left ^ right).collect();
    let last = sasl_request(MECHANISM, Some(format!("{without_proof},p={}", STANDARD.encode(proof)).as_bytes()));
    let answer = wire.ask(&last, controls);
    if answer.code() == 0 {
        let expected = STANDARD.encode(mac(&mac(&salted, "Server Key"), &message));
        assert_eq!(said(&answer), format!("v={expected}"));
    }
    answer
}

/// A demo whose organisation has SCRAM on.
struct Scene {
    demo: Demo,
}

impl Scene {
    fn start() -> Self {
        let demo = Demo::start();
        let mut config = std::fs::OpenOptions::new().append(true).open(demo.config()).unwrap();
        writeln!(config, "\n[sasl]\nnames = [\"{}\"]\nscram = true", demo.organisation()).unwrap();
        drop(config);
        let scene = Self { demo };
        scene.eventually("the changed config is taken over", || {
            scene.demo.connect().root_dse("supportedSASLMechanisms").contains(&MECHANISM.to_owned())
        });
        scene.demo.as_operator().replace(&scene.demo.organisation(), "hcScram", &["TRUE"]);
        scene
    }

    fn eventually(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let started = Instant::now();
        while !holds() {
            assert!(started.elapsed() < Duration::from_secs(10), "{what}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn user(&self, at: usize) -> (&Person, String) {
        let person = &self.demo.users[at];
        (person, person.dn[4..].split(',').next().unwrap().to_owned())
    }

    /// A user whose password has passed once, so that it has keys.
    fn with_keys(&self, at: usize) -> (&Person, String) {
        let (person, name) = self.user(at);
        self.demo.signed_in(person);
        self.eventually("keys are made at a bind", || sign_in(&mut self.demo.connect(), &name, &person.password).code() == 0);
        (person, name)
    }
}

#[test]
fn a_password_that_was_right_once_is_proven_from_then_on() {
    let scene = Scene::start();
    let (person, name) = scene.user(0);
    let mut wire = scene.demo.connect();
    assert_eq!(sign_in(&mut wire, &name, &person.password).code(), 49, "no keys yet");
    scene.with_keys(0);
    for name in [name.as_str(), &name.to_uppercase(), &person.dn.replace('=', "=3D").replace(',', "=2C")] {
        assert_eq!(sign_in(&mut wire, name, &person.password).code(), 0, "{name}");
        assert_eq!(wire.who_am_i(), format!("dn:{}", person.dn));
    }
    assert_eq!(sign_in(&mut wire, &name, "wrong").code(), 49);
    assert_eq!(wire.who_am_i(), "", "a failed bind leaves nobody");
    assert_eq!(sign_in(&mut wire, &name, &person.password).code(), 0, "and the next one may be right");
}

#[test]
fn a_password_that_is_set_has_its_keys_and_the_former_none_at_once() {
    let scene = Scene::start();
    let (person, name) = scene.with_keys(1);
    let (new, mut wire) = ("a new and long enough password", scene.demo.connect());
    scene.demo.as_operator().replace(&person.dn, "userPassword", &[new]);
    assert_eq!(sign_in(&mut wire, &name, &person.password).code(), 49, "the former password");
    scene.eventually("keys are made when a password is set", || sign_in(&mut wire, &name, new).code() == 0);
    assert_eq!(scene.demo.connect().bind(&person.dn, new).code(), 0, "its hash is there as before");
    scene.demo.as_operator().replace(&scene.demo.organisation(), "hcScram", &["FALSE"]);
    assert_eq!(sign_in(&mut wire, &name, new).code(), 49, "off is off");
}

#[test]
fn who_signs_in_while_the_keys_of_a_new_password_are_made_is_let_in() {
    let scene = Scene::start();
    let mut config = std::fs::OpenOptions::new().append(true).open(scene.demo.config()).unwrap();
    writeln!(config, "\n[hashing]\nmemory = \"8MiB\"\npasses = 1").unwrap();
    drop(config);
    let (person, _) = scene.user(0);
    let mut operator = scene.demo.as_operator();
    for round in 0..60 {
        let new = format!("a long enough password of round {round}");
        operator.replace(&person.dn, "userPassword", &[&new]);
        assert_eq!(scene.demo.connect().bind(&person.dn, &new).code(), 0, "round {round}");
    }
}

#[test]
fn hb1_nobody_learns_who_exists() {
    let scene = Scene::start();
    let (person, name) = scene.with_keys(0);
    let salts = |name: &str| asked(&mut scene.demo.connect(), name);
    let (_, salt, rounds) = salts("nobody");
    let again = salts("nobody");
    assert_eq!((&again.1, &again.2), (&salt, &rounds), "made up, and always the same");
    let known = salts(&name);
    let mut wire = scene.demo.connect();
    assert_eq!((known.1.len(), &known.2), (salt.len(), &rounds));
    let mut refused = vec![sign_in(&mut wire, "nobody", &person.password), sign_in(&mut wire, &name, "wrong")];
    asked(&mut wire, &name);
    refused.push(wire.sasl(MECHANISM, Some(b"c=biws,r=other,p=AAAA")));
    scene.demo.as_operator().replace(&person.dn, "hcActive", &["FALSE"]);
    refused.push(sign_in(&mut wire, &name, &person.password));
    let contents: Vec<&[u8]> = refused.iter().map(|answer| answer.content.as_slice()).collect();
    assert!(refused.iter().all(|answer| answer.code() == 49) && contents.windows(2).all(|pair| pair[0] == pair[1]), "{refused:?}");
}

#[test]
fn hb1_a_name_and_its_dn_are_asked_for_the_same_salt_whether_there_is_such_a_user_or_not() {
    let scene = Scene::start();
    let (person, known) = scene.with_keys(0);
    let (without_keys, unproven) = scene.user(1);
    let container = person.dn.split_once(',').unwrap().1;
    let salt = |name: &str| asked(&mut scene.demo.connect(), &name.replace('=', "=3D").replace(',', "=2C")).1;
    let mut seen = Vec::new();
    for (name, dn) in [(&*known, &person.dn), (&*unproven, &without_keys.dn), ("nobody", &format!("uid=nobody,{container}"))] {
        seen.push(salt(name));
        assert_eq!((&salt(dn), &salt(&dn.to_uppercase())), (&seen[seen.len() - 1], &seen[seen.len() - 1]), "{name}");
        assert_ne!(salt(&dn.replace(container, "dc=elsewhere")), seen[seen.len() - 1], "{name}");
    }
    seen.dedup();
    assert_eq!(seen.len(), 3);
}

#[test]
fn s3_s4_a_seat_is_taken_by_scram_as_by_a_password() {
    let scene = Scene::start();
    let limit =
        scene.demo.as_operator().entries(&scene.demo.licence(), &present("objectClass"), &["hcSessionLimit"])[0].values("hcSessionLimit");
    let limit: usize = limit[0].parse().unwrap();
    let (person, name) = scene.with_keys(0);
    let (last, last_name) = scene.with_keys(limit);
    scene
        .demo
        .sessions()
        .iter()
        .for_each(|session| assert_eq!(scene.demo.as_operator().ask(&crate::wire::delete_request(session), &[]).code(), 0));
    assert_eq!(sign_in(&mut scene.demo.connect(), &name, "wrong").code(), 49);
    assert!(scene.demo.sessions().is_empty(), "a wrong proof takes no seat");
    assert_eq!(sign_in(&mut scene.demo.connect(), &name, &person.password).code(), 0);
    assert_eq!(scene.demo.seated(), std::slice::from_ref(&person.dn));
    for other in &scene.demo.users[1..limit] {
        scene.demo.signed_in(other);
    }
    let mut wire = scene.demo.connect();
    let refused = sign_in(&mut wire, &last_name, &last.password);
    assert_eq!(refused.code(), 11, "{}", refused.text());
    assert_eq!(wire.who_am_i(), "");
    assert_eq!(sign_in(&mut wire, &last_name, "wrong").code(), 49, "counts are told only to who knows the password");
}

#[test]
fn hc6_the_keys_are_read_by_nobody() {
    let scene = Scene::start();
    let (person, _) = scene.with_keys(0);
    for wire in [&mut scene.demo.as_operator(), &mut scene.demo.signed_in(person)] {
        let answers = wire.ask_all(&search_request(&person.dn, 0, &present("objectClass"), &["*", "+", "authPassword"]), &[]);
        assert!(answers[0].values("authPassword").is_empty() && answers[0].values("userPassword").is_empty());
        assert_eq!(wire.entries(&person.dn, &present("authPassword"), &["1.1"]).len(), 0);
    }
}

#[test]
fn scram_does_not_let_in_those_of_whom_a_one_time_code_is_asked() {
    let scene = Scene::start();
    let (person, name) = scene.with_keys(0);
    scene.demo.as_operator().replace(&person.dn, "hcOneTimeSecret", &["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"]);
    assert_eq!(sign_in(&mut scene.demo.connect(), &name, &person.password).code(), 49);
    scene.demo.as_operator().replace(&person.dn, "hcOneTimeSecret", &[]);
    assert_eq!(sign_in(&mut scene.demo.connect(), &name, &person.password).code(), 0);
}

/// A name as SCRAM carries it.
fn escaped(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

#[test]
fn hb1_every_form_of_a_name_is_asked_for_the_same_salt_and_always_the_same() {
    let mut scene = Scene::start();
    let (person, known) = scene.with_keys(0);
    let (person, without_keys) = (person.dn.clone(), scene.user(1).1);
    let (dn_without, container) = (scene.demo.users[1].dn.clone(), person.split_once(',').unwrap().1.to_owned());
    scene.demo.as_operator().replace(&person, "mail", &["another.beginning@example.com"]);
    let forms = |name: &str, dn: &str| {
        let mail = [format!("{name}@example.com"), format!("{name}@elsewhere.example")];
        let names = [name.to_owned(), name.to_uppercase(), format!("u:{name}"), format!(" {name}"), dn.to_owned(), format!("dn:{dn}")];
        names.into_iter().chain(mail).collect::<Vec<_>>()
    };
    let imagined = |name: &str| forms(name, &format!("uid={name},{container}"));
    let names = [
        ("with keys", forms(&known, &person)),
        ("without keys", forms(&without_keys, &dn_without)),
        ("nobody", imagined("nobody")),
        ("the beginning of an address", imagined("another.beginning")),
    ];
    let salts = |scene: &Scene| -> Vec<Vec<(String, String)>> {
        let ask = |name: &String| {
            let (_, salt, rounds) = asked(&mut scene.demo.connect(), &escaped(name));
            (salt, rounds)
        };
        names.iter().map(|(_, forms)| forms.iter().map(ask).collect()).collect()
    };
    let seen = salts(&scene);
    for ((what, forms), salts) in names.iter().zip(&seen) {
        for (form, salt) in forms.iter().zip(salts) {
            assert_eq!(salt, &salts[0], "{what}: {form}");
        }
    }
    assert!(seen[0][0] != seen[1][0] && seen[1][0] != seen[2][0] && seen[0][0] != seen[2][0]);
    scene.demo.kill_and_restart();
    assert_eq!(salts(&scene), seen, "after a restart");
    for name in [format!("{known}@elsewhere.example"), "another.beginning".to_owned()] {
        assert_eq!(sign_in(&mut scene.demo.connect(), &name, &scene.demo.users[0].password).code(), 49, "{name} is shown a salt only");
    }
}

#[test]
fn rfc5805_a_password_set_in_a_transaction_has_its_keys() {
    let scene = Scene::start();
    let (person, name) = scene.user(0);
    let (new, mut wire) = ("a new and long enough password", scene.demo.as_operator());
    let identifier = transactions::start(&mut wire);
    for (attribute, value) in [("userPassword", new), ("description", "changed once more")] {
        let request = replace_request(&person.dn, attribute, &[value]);
        assert_eq!(wire.ask(&request, &[transactions::within(&identifier)]).code(), 0);
    }
    assert_eq!(transactions::end(&mut wire, &identifier, true).code(), 0);
    scene.eventually("keys are made", || sign_in(&mut scene.demo.connect(), &name, new).code() == 0);
    assert_eq!(scene.demo.connect().bind(&person.dn, new).code(), 0);
}

#[test]
fn a_change_that_brings_the_new_password_before_the_old_one_goes_leaves_the_new_one() {
    let scene = Scene::start();
    let (person, name) = scene.user(0);
    let new = "a new and long enough password";
    let part = |kind: u8, value: &str| sequence(&[&[0x0a, 0x01, kind], &sequence(&[&octets("userPassword"), &tlv(0x31, &octets(value))])]);
    let changes = [part(0, new), part(1, &person.password)].concat();
    assert_eq!(scene.demo.as_operator().ask(&tlv(0x66, &[octets(&person.dn), tlv(0x30, &changes)].concat()), &[]).code(), 0);
    scene.eventually("keys of the new one are made", || sign_in(&mut scene.demo.connect(), &name, new).code() == 0);
    assert_eq!(scene.demo.connect().bind(&person.dn, new).code(), 0);
    assert_eq!(scene.demo.connect().bind(&person.dn, &person.password).code(), 49, "the old one is gone");
}

#[test]
fn hb3_one_count_for_simple_plain_scram_and_the_old_password_of_a_change() {
    let scene = Scene::start();
    let (person, name) = scene.with_keys(0);
    let mut signed_in = Wire::connect_from([127, 0, 0, 9].into(), scene.demo.ldap);
    assert_eq!(signed_in.bind(&person.dn, &person.password).code(), 0);
    let elsewhere = || Wire::connect_from([127, 0, 0, 8].into(), scene.demo.ldap);
    assert_eq!(elsewhere().bind(&person.dn, "wrong").code(), 49);
    assert_eq!(elsewhere().sasl("PLAIN", Some(format!("\0{name}\0wrong").as_bytes())).code(), 49);
    assert_eq!(sign_in(&mut elsewhere(), &name, "wrong").code(), 49);
    assert_eq!(sign_in(&mut elsewhere(), &escaped(&person.dn), "wrong").code(), 49);
    assert_eq!(elsewhere().sasl("PLAIN", Some(format!("\0dn:{}\0wrong", person.dn).as_bytes())).code(), 49);
    for refused in [
        elsewhere().bind(&person.dn, &person.password),
        elsewhere().sasl("PLAIN", Some(format!("\0{name}\0{}", person.password).as_bytes())),
        sign_in(&mut elsewhere(), &name, &person.password),
    ] {
        assert_eq!(refused.code(), 49, "all of them count together");
    }
    let part = sequence(&[&tlv(0x81, b"wrong"), &tlv(0x82, b"a new one that is long enough")]);
    for _ in 0..5 {
        assert_eq!(signed_in.ask(&crate::wire::extended_request("1.3.6.1.4.1.4203.1.11.1", Some(&part)), &[]).code(), 49);
    }
    let home = Wire::connect_from([127, 0, 0, 9].into(), scene.demo.ldap).bind(&person.dn, &person.password);
    assert_eq!(home.code(), 49, "a change from where it is known counts there");
}

/// Who asks is told of its account (draft-behera-ldap-password-policy-10 §6.1).
const PASSWORD_POLICY: &str = "1.3.6.1.4.1.42.2.27.8.5.1";

#[test]
fn hb3_the_right_proof_of_a_locked_account_counts_and_tells_nothing_while_it_has_to_wait() {
    let scene = Scene::start();
    for (at, attribute, value) in [(0, "pwdEndTime", "20200101000000Z"), (1, "hcActive", "FALSE")] {
        let (person, name) = scene.with_keys(at);
        scene.demo.as_operator().replace(&person.dn, attribute, &[value]);
        let attempt = |password: &str| {
            let mut wire = Wire::connect_from([127, 0, 0, 9].into(), scene.demo.ldap);
            let answer = sign_in_and_ask(&mut wire, &name, password, &[control(PASSWORD_POLICY, false, None)]);
            assert_eq!(answer.code(), 49, "{attribute}");
            answer.controls
        };
        let (told, wrong) = (attempt(&person.password), attempt("wrong"));
        assert_ne!(told, wrong, "{attribute}: who knows the password is told");
        assert_eq!((attempt("wrong"), attempt(&person.password), attempt("wrong")), (wrong.clone(), told, wrong.clone()), "{attribute}");
        for password in [&person.password, "wrong", &person.password] {
            assert_eq!(attempt(password), wrong, "{attribute}: all five have counted, and it has to wait");
        }
    }
}

#[test]
fn hb1_every_form_of_a_name_and_every_mechanism_count_together_whether_there_is_such_a_user_or_not() {
    let (house, port, _folder) = counting(&format!("[sasl]\nnames = [\"{ACME}\"]\nscram = true\n"));
    let mut operator = house.server.as_operator();
    operator.replace(ACME, "hcScram", &["TRUE"]);
    let waits = || scrape(port)["headcount_logins_throttled_total"] as u64;
    for uid in ["ann", "bob"] {
        house.signed_in(uid, ACME);
        let has_keys = || sign_in(&mut house.server.connect(), uid, PASSWORD).code() == 0;
        assert!(
            (0..100).any(|_| has_keys() || {
                std::thread::sleep(Duration::from_millis(100));
                false
            }),
            "{uid}"
        );
    }
    operator.replace(&user("bob", ACME), "hcActive", &["FALSE"]);
    let attempts = |uid: &str| -> Vec<u64> {
        let (dn, elsewhere) = (user(uid, ACME), || Wire::connect_from([127, 0, 0, 9].into(), house.server.address()));
        let plain = |name: &str| elsewhere().sasl("PLAIN", Some(format!("\0{name}\0wrong").as_bytes()));
        let forms: [&dyn Fn() -> Answer; 9] = [
            &|| sign_in(&mut elsewhere(), uid, "wrong"),
            &|| sign_in(&mut elsewhere(), &escaped(&dn), "wrong"),
            &|| plain(uid),
            &|| sign_in(&mut elsewhere(), &format!("{uid}@example.com"), "wrong"),
            &|| elsewhere().bind(&dn, "wrong"),
            &|| plain(&format!("u:{}", uid.to_uppercase())),
            &|| plain(&format!("dn:{}", dn.to_uppercase())),
            &|| plain(&format!("{uid}@example.com")),
            &|| elsewhere().sasl("PLAIN", Some(format!("u:somebody\0{uid}\0wrong").as_bytes())),
        ];
        let waited = |form: &dyn Fn() -> Answer| {
            let before = waits();
            assert_eq!(form().code(), 49);
            waits() - before
        };
        forms.iter().map(|form| waited(form)).collect()
    };
    let [keys, disabled, without_keys, nobody] = ["ann", "bob", "sam", "nobody"].map(attempts);
    assert_eq!(keys, [[0; 5].as_slice(), &[1; 4]].concat());
    assert_eq!([&disabled, &without_keys, &nobody], [&keys; 3]);
}

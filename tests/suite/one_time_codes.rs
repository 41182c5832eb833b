//! One-time codes behind the password (RFC 6238), by an authenticator of the test's own.

use crate::demo::{Demo, Person, headcount};
use crate::wire::{Wire, bind_request, equal, extended_request, message, octets, present, search_request, sequence, tlv};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use std::time::{SystemTime, UNIX_EPOCH};

const INVALID_CREDENTIALS: u32 = 49;
const CONSTRAINT_VIOLATION: u32 = 19;
const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const SECRET_OCTETS: &[u8] = b"12345678901234567890";

/// The step of now, and time enough left in it for a test's few binds.
fn step() -> u64 {
    loop {
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        if millis % 30_000 < 24_000 {
            return millis / 30_000;
        }
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
}

fn code(secret: &[u8], step: u64) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret).unwrap();
    mac.update(&step.to_be_bytes());
    let mac = mac.finalize().into_bytes();
    let at = (mac[19] & 15) as usize;
    let number = u32::from_be_bytes([mac[at] & 0x7f, mac[at + 1], mac[at + 2], mac[at + 3]]);
    format!("{:06}", number % 1_000_000)
}

fn with_code(user: &Person, step: u64) -> String {
    format!("{}{}", user.password, code(SECRET_OCTETS, step))
}

/// A demo whose first user has a secret.
fn enrolled() -> (Demo, Person) {
    let demo = Demo::start();
    let user = demo.users[0].clone();
    demo.as_operator().replace(&user.dn, "hcOneTimeSecret", &[SECRET]);
    (demo, user)
}

fn headcount_says(demo: &Demo, arguments: &[&str]) -> String {
    let output = headcount().arg("--config").arg(demo.config()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Adds or deletes one value of an attribute.
fn change(wire: &mut Wire, dn: &str, kind: u8, attribute: &str, value: &str) -> u32 {
    let change = sequence(&[&[0x0a, 0x01, kind], &sequence(&[&octets(attribute), &tlv(0x31, &octets(value))])]);
    wire.ask(&tlv(0x66, &[octets(dn), tlv(0x30, &change)].concat()), &[]).code()
}

#[test]
fn the_password_and_the_code_sign_in_together_only() {
    let (demo, user) = enrolled();
    let now = step();
    for wrong in [user.password.clone(), code(SECRET_OCTETS, now), format!("wrong{}", code(SECRET_OCTETS, now)), with_code(&user, now - 3)]
    {
        assert_eq!(demo.connect().bind(&user.dn, &wrong).code(), INVALID_CREDENTIALS, "{wrong}");
    }
    assert!(demo.sessions().is_empty(), "nobody has a seat");
    assert_eq!(demo.connect().bind(&user.dn, &with_code(&user, now)).code(), 0);
    assert_eq!(demo.sessions().len(), 1);
    let plain = format!("\0dn:{}\0{}", user.dn, user.password);
    assert_eq!(demo.connect().sasl("PLAIN", Some(plain.as_bytes())).code(), INVALID_CREDENTIALS);
    let plain = format!("\0dn:{}\0{}", user.dn, with_code(&user, now + 1));
    assert_eq!(demo.connect().sasl("PLAIN", Some(plain.as_bytes())).code(), 0, "PLAIN, by a clock that is ahead");
    assert_eq!(demo.connect().bind(&demo.users[1].dn, &demo.users[1].password).code(), 0, "others need none");
}

#[test]
fn a_code_is_good_once_for_one_of_many_and_after_kill_9() {
    let (mut demo, user) = enrolled();
    let given = with_code(&user, step());
    let admitted = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..4).map(|_| scope.spawn(|| demo.connect().bind(&user.dn, &given).code())).collect();
        tries.into_iter().map(|one| one.join().unwrap()).filter(|code| *code == 0).count()
    });
    assert_eq!(admitted, 1);
    demo.kill_and_restart();
    assert_eq!(demo.connect().bind(&user.dn, &given).code(), INVALID_CREDENTIALS);
    let before = with_code(&user, step() - 1);
    assert_eq!(demo.connect().bind(&user.dn, &before).code(), INVALID_CREDENTIALS, "nor one before it");
}

#[test]
fn hb1_hb3_a_wrong_code_is_a_wrong_password_and_counts() {
    let (demo, user) = enrolled();
    let answer = |name: &str, password: &str| {
        let mut wire = demo.connect();
        wire.send(&message(5, &bind_request(name, password.as_bytes()), &[]));
        wire.receive().expect("an answer").octets
    };
    let unknown = answer(&format!("uid=nobody,ou=users,{}", demo.organisation()), "wrong");
    for _ in 0..5 {
        assert_eq!(answer(&user.dn, &format!("{}000000", user.password)), unknown);
    }
    assert_eq!(answer(&user.dn, &with_code(&user, step())), unknown, "it has to wait");
}

#[test]
fn hb3_the_old_password_without_its_code_forgets_no_failures() {
    let (demo, user) = enrolled();
    let now = step();
    let mut wire = demo.connect();
    assert_eq!(wire.bind(&user.dn, &with_code(&user, now)).code(), 0);
    let wrong = || assert_eq!(demo.connect().bind(&user.dn, &format!("{}000000", user.password)).code(), INVALID_CREDENTIALS);
    (0..4).for_each(|_| wrong());
    let value = sequence(&[&tlv(0x81, user.password.as_bytes()), &tlv(0x82, b"short")]);
    assert_eq!(wire.ask(&extended_request("1.3.6.1.4.1.4203.1.11.1", Some(&value)), &[]).code(), CONSTRAINT_VIOLATION);
    wrong();
    assert_eq!(demo.connect().bind(&user.dn, &with_code(&user, now + 1)).code(), INVALID_CREDENTIALS, "it has to wait");
}

#[test]
fn a_new_secret_begins_anew_whatever_step_was_used_of_the_one_before() {
    let (demo, user) = enrolled();
    let now = step();
    assert_eq!(demo.connect().bind(&user.dn, &with_code(&user, now + 1)).code(), 0, "by a clock that is ahead");
    demo.as_operator().replace(&user.dn, "hcOneTimeSecret", &["GIZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"]);
    let given = |step| format!("{}{}", user.password, code(b"22345678901234567890", step));
    assert_eq!(demo.connect().bind(&user.dn, &given(now)).code(), 0);
    assert_eq!(demo.connect().bind(&user.dn, &given(now)).code(), INVALID_CREDENTIALS, "once");
    demo.as_operator().replace(&user.dn, "description", &["another"]);
    assert_eq!(demo.connect().bind(&user.dn, &given(now)).code(), INVALID_CREDENTIALS, "any other change leaves it at that");
}

#[test]
fn hc1_nobody_reads_searches_or_compares_the_secret() {
    let (demo, user) = enrolled();
    let mut operator = demo.as_operator();
    for filter in [present("hcOneTimeSecret"), equal("hcOneTimeSecret", SECRET.as_bytes())] {
        assert!(operator.entries(&user.dn, &filter, &["1.1"]).is_empty());
        assert!(operator.entries(&user.dn, &tlv(0xa2, &filter), &["1.1"]).is_empty());
    }
    let found = operator.ask_all(&search_request(&user.dn, 0, &present("objectClass"), &["hcOneTimeSecret", "*", "+"]), &[]);
    assert!(found[0].values("hcOneTimeSecret").is_empty());
    let exported = headcount_says(&demo, &["export", "--base", &user.dn]);
    assert!(!exported.contains(SECRET) && exported.contains("hcOneTimeSecret: {withheld}"), "{exported}");
    let mut own = demo.connect();
    assert_eq!(own.bind(&user.dn, &with_code(&user, step())).code(), 0);
    assert_ne!(change(&mut own, &user.dn, 1, "hcOneTimeSecret", SECRET), 0, "who has it cannot take it off");
}

#[test]
fn what_is_no_secret_is_refused_and_a_withheld_one_lets_nobody_in() {
    let (demo, user) = enrolled();
    let mut operator = demo.as_operator();
    for refused in ["short", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1"] {
        let answer = operator.ask(&crate::wire::replace_request(&user.dn, "hcOneTimeSecret", &[refused]), &[]);
        assert_eq!(answer.code(), CONSTRAINT_VIOLATION, "{refused}");
    }
    operator.replace(&user.dn, "hcOneTimeSecret", &["{withheld}"]);
    assert_eq!(demo.connect().bind(&user.dn, &user.password).code(), INVALID_CREDENTIALS);
    assert_eq!(demo.connect().bind(&user.dn, &with_code(&user, step())).code(), INVALID_CREDENTIALS);
}

#[test]
fn the_command_shows_a_uri_that_makes_codes_and_takes_them_off_again() {
    let demo = Demo::start();
    let user = &demo.users[0];
    let said = headcount_says(&demo, &["--json", "user", "one-time-code", &user.dn]);
    let row: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    let uri = row["uri"].as_str().unwrap();
    assert!(uri.starts_with("otpauth://totp/Headcount:"), "{uri}");
    let secret = uri.split("secret=").nth(1).unwrap().split('&').next().unwrap();
    let bits: String = secret
        .bytes()
        .map(|digit| if digit >= b'A' { digit - b'A' } else { digit - b'2' + 26 })
        .map(|digit| format!("{digit:05b}"))
        .collect();
    let octets: Vec<u8> = (0..bits.len() / 8).map(|at| u8::from_str_radix(&bits[8 * at..8 * at + 8], 2).unwrap()).collect();
    assert_eq!(demo.connect().bind(&user.dn, &user.password).code(), INVALID_CREDENTIALS);
    assert_eq!(demo.connect().bind(&user.dn, &format!("{}{}", user.password, code(&octets, step()))).code(), 0);
    headcount_says(&demo, &["user", "one-time-code", &user.dn, "--remove"]);
    assert_eq!(demo.connect().bind(&user.dn, &user.password).code(), 0);
}

//! Passwords that other programs hashed: each is imported, its user signs in with it, and from then on it is argon2id.

use crate::demo::headcount;
use crate::server::Server;
use crate::wire::{Wire, octets, sequence, tlv};
use base64::Engine;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

const KNOWN: &str = include_str!("passwords.txt");
const PASSWORD: &str = "Twelve boxers, 7 hits";
const BASE: &str = "ou=people,dc=example,dc=com";
const OURS: &str = "{ARGON2}$argon2id$v=19$m=19456,t=2,p=1$";

/// The lines of a family: program and hash.
fn family(name: &str) -> Vec<(&'static str, &'static str)> {
    let found: Vec<_> = KNOWN
        .lines()
        .filter_map(|line| {
            let mut fields = line.split('\t');
            (fields.next() == Some(name)).then_some((fields.next()?, fields.next()?))
        })
        .collect();
    assert!(!found.is_empty(), "no line for {name}");
    found
}

fn attribute(name: &str, values: &[&str]) -> Vec<u8> {
    let values: Vec<Vec<u8>> = values.iter().map(octets).collect();
    sequence(&[&octets(name), &tlv(0x31, &values.concat())])
}

fn add(wire: &mut Wire, dn: &str, attributes: &[Vec<u8>]) -> u32 {
    wire.ask(&tlv(0x68, &[octets(dn), tlv(0x30, &attributes.concat())].concat()), &[]).code()
}

fn add_person(wire: &mut Wire, name: &str, password: &str) -> String {
    let dn = format!("uid={name},{BASE}");
    let attributes = [
        attribute("objectClass", &["inetOrgPerson"]),
        attribute("cn", &[name]),
        attribute("sn", &[name]),
        attribute("userPassword", &[password]),
    ];
    assert_eq!(add(wire, &dn, &attributes), 0, "{name} {password}");
    dn
}

fn start(more: &str) -> Server {
    let server = Server::start(IpAddr::V4(Ipv4Addr::LOCALHOST), more);
    let mut wire = server.as_operator();
    assert_eq!(add(&mut wire, "dc=example,dc=com", &[attribute("objectClass", &["domain"])]), 0);
    assert_eq!(add(&mut wire, BASE, &[attribute("objectClass", &["organizationalUnit"])]), 0);
    server
}

/// What is kept of an entry: the lines of an export with everything, `userPassword` decoded.
fn kept(server: &Server, dn: &str) -> Vec<String> {
    let done = headcount().arg("--config").arg(server.config()).args(["export", "--operational", "--base", dn]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let unfolded = String::from_utf8(done.stdout).unwrap().replace("\n ", "");
    let decoded = |line: &str| match line.split_once(":: ") {
        Some((name, value)) => {
            let octets = base64::engine::general_purpose::STANDARD.decode(value).unwrap();
            format!("{name}: {}", String::from_utf8(octets).unwrap())
        }
        None => line.to_owned(),
    };
    unfolded.lines().map(decoded).collect()
}

fn stored(server: &Server, dn: &str) -> String {
    let lines = kept(server, dn);
    lines.iter().find_map(|line| line.strip_prefix("userPassword: ")).unwrap_or_default().to_owned()
}

/// Imports a hash, signs in with it, and sees it become ours without a trace on the entry.
fn takes_over(server: &Server, name: &str, program: &str, hash: &str) {
    let dn = add_person(&mut server.as_operator(), name, hash);
    assert_eq!(stored(server, &dn), hash, "{program}: imported as it is");
    let before = stamps(server, &dn);
    assert_eq!(server.connect().bind(&dn, "twelve boxers, 7 hits").code(), 49, "{program}");
    assert_eq!(server.connect().bind(&dn, hash).code(), 49, "{program}: the hash is no password");
    assert_eq!(stored(server, &dn), hash, "{program}: a wrong password changes nothing");
    assert_eq!(server.connect().bind(&dn, PASSWORD).code(), 0, "{program}\n{}", server.said());
    let begun = Instant::now();
    while !stored(server, &dn).starts_with(OURS) {
        assert!(begun.elapsed() < Duration::from_secs(20), "{program}: still {}", stored(server, &dn));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(stamps(server, &dn), before, "{program}: nobody changed the entry");
    assert_eq!(server.connect().bind(&dn, PASSWORD).code(), 0, "{program}");
    assert_eq!(server.connect().bind(&dn, "twelve boxers, 7 hits").code(), 49, "{program}");
}

fn stamps(server: &Server, dn: &str) -> Vec<String> {
    let names = ["modifyTimestamp", "modifiersName", "entryCSN", "pwdChangedTime"];
    kept(server, dn).into_iter().filter(|line| names.iter().any(|name| line.starts_with(name))).collect()
}

fn family_moves_in(name: &str, more: &str) {
    let server = start(more);
    for (number, (program, hash)) in family(name).into_iter().enumerate() {
        takes_over(&server, &format!("u{number}"), program, hash);
    }
}

#[test]
fn digests_of_slapd_389_and_passlib_move_in() {
    family_moves_in("digest", "");
}

#[test]
fn argon2_of_slapd_and_passlib_moves_in() {
    let server = start("");
    for (number, (program, hash)) in family("argon2").into_iter().enumerate() {
        // passlib's is argon2id and dearer than ours, so it stays as it is.
        if hash.contains("$argon2id$") {
            let dn = add_person(&mut server.as_operator(), "dearer", hash);
            assert_eq!(server.connect().bind(&dn, PASSWORD).code(), 0, "{program}");
            assert_eq!(server.connect().bind(&dn, "wrong").code(), 49, "{program}");
        } else {
            takes_over(&server, &format!("u{number}"), program, hash);
        }
    }
}

#[test]
fn pbkdf2_of_slapd_389_passlib_and_django_moves_in() {
    family_moves_in("pbkdf2", "");
}

#[test]
fn bcrypt_of_htpasswd_mkpasswd_and_python_moves_in() {
    family_moves_in("bcrypt", "");
}

#[test]
fn sha_crypt_of_openssl_mkpasswd_389_and_others_moves_in() {
    family_moves_in("sha-crypt", "");
}

#[test]
fn md5_crypt_of_openssl_mkpasswd_and_389_moves_in() {
    family_moves_in("md5-crypt", "");
}

#[test]
fn yescrypt_of_mkpasswd_moves_in() {
    family_moves_in("yescrypt", "");
}

#[test]
fn scrypt_of_mkpasswd_passlib_and_django_moves_in() {
    family_moves_in("scrypt", "");
}

#[test]
fn hb5_plain_and_des_are_verified_only_where_the_config_allows_them() {
    let server = start("");
    for (number, (program, hash)) in family("plain").into_iter().chain(family("des")).enumerate() {
        let dn = add_person(&mut server.as_operator(), &format!("u{number}"), hash);
        assert_eq!(server.connect().bind(&dn, PASSWORD).code(), 49, "{program}");
        assert_eq!(server.connect().bind(&dn, hash).code(), 49, "{program}: the hash is no password");
    }
    drop(server);
    family_moves_in("des", "[hashing]\nallow = [\"des\"]");
    family_moves_in("plain", "[hashing]\nallow = [\"plain\"]");
}

#[test]
fn hb5_what_is_out_of_bounds_never_authenticates_costs_nothing_and_is_reported() {
    let server = start("");
    let salt = "c29tZXNhbHQ";
    let digest = "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    let hostile = [
        format!("{{ARGON2}}$argon2id$v=19$m=4194304,t=1,p=1${salt}${digest}"),
        format!("{{ARGON2}}$argon2id$v=19$m=65536,t=1000000,p=1${salt}${digest}"),
        format!("{{PBKDF2-SHA256}}4000000000${salt}${digest}"),
        format!("{{PBKDF2_SHA256}}{}", base64::engine::general_purpose::STANDARD.encode([&[0xff; 4][..], &[1; 320]].concat())),
        format!("{{CRYPT}}$6$rounds=999999999$salt${}", "a".repeat(86)),
        format!("{{CRYPT}}$2b$31${}", "a".repeat(53)),
        format!("{{CRYPT}}$y$jzz9T$salt${}", "a".repeat(43)),
        format!("{{SCRYPT}}$scrypt$ln=30,r=8,p=1${salt}${digest}"),
        format!("{{SCRYPT}}$scrypt$ln=10,r=8,p=100000000${salt}${digest}"),
        "{CRYPT}*".to_owned(),
        "{CRYPT}!".to_owned(),
        "{SASL}somebody@EXAMPLE.COM".to_owned(),
        "{SSHA512}AAAA".to_owned(),
    ];
    let refused = family("refused").into_iter().map(|(_, hash)| hash.to_owned());
    for (number, hash) in hostile.into_iter().chain(refused).enumerate() {
        let dn = add_person(&mut server.as_operator(), &format!("u{number}"), &hash);
        let told = || server.said().lines().filter(|line| line.contains("not verified here") && line.contains(&dn)).count();
        assert_eq!(told(), 1, "{hash}: the line of the one who brings it names the entry:\n{}", server.said());
        let begun = Instant::now();
        for password in [PASSWORD, "*", hash.as_str()] {
            assert_eq!(server.connect().bind(&dn, password).code(), 49, "{hash}");
        }
        assert!(begun.elapsed() < Duration::from_secs(3), "{hash} took {:?}", begun.elapsed());
        assert!(told() > 1, "{hash}:\n{}", server.said());
    }
}

#[test]
fn a_rising_cost_reaches_those_who_sign_in() {
    let server = start("[hashing]\nmemory = \"8MiB\"\npasses = 1");
    let dn = add_person(&mut server.as_operator(), "ada", PASSWORD);
    assert!(stored(&server, &dn).contains("$m=8192,t=1,"));
    server.write_config("");
    server.signal("HUP");
    let begun = Instant::now();
    while !stored(&server, &dn).starts_with(OURS) {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", server.said());
        assert_eq!(server.connect().bind(&dn, PASSWORD).code(), 0);
        std::thread::sleep(Duration::from_millis(100));
    }
}

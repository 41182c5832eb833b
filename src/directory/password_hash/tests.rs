//! The schemes from the inside; hashes that other programs made are in `tests/suite/passwords.rs`.

use super::*;

fn hasher() -> PasswordHasher {
    PasswordHasher::new(&Hashing { memory: 64, passes: 2, ..Hashing::default() }).unwrap()
}

fn verify(stored: &str, password: &str) -> Verdict {
    hasher().verify(stored.as_bytes(), &Secret::new(password)).unwrap()
}

#[test]
fn what_is_made_is_argon2id_and_is_checked() {
    let stored = hasher().hash(&Secret::new("tüchtig")).unwrap();
    assert!(stored.starts_with("{ARGON2}$argon2id$v=19$m=64,t=2,p=1$"), "{stored}");
    assert_ne!(stored, hasher().hash(&Secret::new("tüchtig")).unwrap(), "the salt is new each time");
    assert_eq!(verify(&stored, "tüchtig"), Verdict::Right { rehash: false });
    assert_eq!(verify(&stored, "tu\u{308}chtig"), Verdict::Right { rehash: false }, "composed before it is compared");
    assert_eq!(verify(&stored, "Tüchtig"), Verdict::Wrong);
    assert_eq!(verify(&stored, ""), Verdict::Wrong);
    let octets = Secret::new([0xff, 0, 0xfe]);
    let stored = hasher().hash(&octets).unwrap();
    assert_eq!(hasher().verify(stored.as_bytes(), &octets).unwrap(), Verdict::Right { rehash: false });
}

/// Made with Python's hashlib and base64: digest of password and the salt 1 to 8, and the salt.
#[test]
fn values_of_rfc2307_and_salted_ones() {
    let known = [
        "{MD5}Ye/+XIIyPGycDTfmEsNkrQ==",
        "{SMD5}57x6C3W3MLWKNhkxSEHRPwECAwQFBgcI",
        "{SHA}i45oLa8XTSv0YIPjBL4UAL4kOMU=",
        "{SSHA}X7b01ivSrJhQV4/2W10dEmgNUIEBAgMEBQYHCA==",
        "{ssha}X7b01ivSrJhQV4/2W10dEmgNUIEBAgMEBQYHCA",
        "{SHA256}IPJI3LNkqQhEfQHUZIeTZNOuM2r/nLI9GtKu564NatM=",
        "{SSHA256}oppe2BvcT9etubebhr4F+cOInilK37hV8GCtbFCZYuEBAgMEBQYHCA==",
        "{SHA384}5dv9ndCfQN3nBISawRBzx4BuPmwxAGgadLoXjMOjhxpyhjUpKxXT1xB2S/fDADeb",
        "{SSHA384}YYUiCBOJ5GN5d3PvnfKPi+WeXxz0pOv8AJNDenL6FOW9YzH6IQksul3r4+csqJ9HAQIDBAUGBwg=",
        "{SHA512}gPbY4I2wcrcdcPRGMT+MdyY2Uwu2NTaHhATHM5d2u1qUg4cQA9Hb4HVLKagBnjAv39xdPX9yfZN4d/RPcxcnzg==",
        "{SSHA512}ub/PjQB7+n479KmlYCQENSK//bCIOxBDXqq5OwrylNZOFFhBwER/vj/epk8b1obq7zXSrI+fzt4+MOxQRd/Q8wECAwQFBgcI",
    ];
    for stored in known {
        assert_eq!(verify(stored, "secret-Passwort"), Verdict::Right { rehash: true }, "{stored}");
        assert_eq!(verify(stored, "secret-passwort"), Verdict::Wrong, "{stored}");
        assert!(!hasher().is_costly(stored.as_bytes()) && is_usable(stored.as_bytes()));
    }
}

/// From the test program of the reference implementation.
#[test]
fn values_of_the_reference_implementation() {
    let id = "{ARGON2}$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    assert_eq!(verify(id, "password"), Verdict::Right { rehash: false });
    assert_eq!(verify(id, "passwort"), Verdict::Wrong);
    let i = "{ARGON2}$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8";
    assert_eq!(verify(i, "password"), Verdict::Right { rehash: true }, "argon2i is made anew as argon2id");
    assert!(hasher().is_costly(id.as_bytes()) && hasher().is_costly(i.as_bytes()));
    let dearer = PasswordHasher::new(&Hashing { memory: 512, passes: 2, ..Hashing::default() }).unwrap();
    assert_eq!(dearer.verify(id.as_bytes(), &Secret::new("password")).unwrap(), Verdict::Right { rehash: true });
}

#[test]
fn hb5_what_is_not_on_the_list_never_authenticates_and_costs_nothing() {
    let digest = "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    let argon2 = |costs: &str| format!("{{ARGON2}}$argon2id$v=19${costs}$c29tZXNhbHQ${digest}");
    let mut refused = vec![
        "password".to_owned(),
        String::new(),
        "*".to_owned(),
        "{".to_owned(),
        "{}password".to_owned(),
        "{CLEARTEXT}password".to_owned(),
        "{CRYPT}$6$salt$x".to_owned(),
        "{CRYPT}*".to_owned(),
        "{PBKDF2}10000000000$AAAA$AAAA".to_owned(),
        "{SASL}user@realm".to_owned(),
        "{SSHA}".to_owned(),
        "{SSHA}i45oLa8XTSv0YIPjBL4UAL4kOMU=".to_owned(),
        "{SHA}X7b01ivSrJhQV4/2W10dEmgNUIEBAgMEBQYHCA==".to_owned(),
        "{SHA}i45oLa8XTSv0YIPjBL4UAL4kOMU= ".to_owned(),
        "{SHA}AAAA".to_owned(),
        "{MD5}not base64".to_owned(),
        " {SHA}i45oLa8XTSv0YIPjBL4UAL4kOMU=".to_owned(),
        format!("{{SSHA}}{}", "A".repeat(2_000)),
        format!("{{ARGON2}}$argon2d$v=19$m=256,t=2,p=1$c29tZXNhbHQ${digest}"),
        format!("{{ARGON2}}$argon2id$v=16$m=256,t=2,p=1$c29tZXNhbHQ${digest}"),
        format!("{{ARGON2}}$argon2id$m=256,t=2,p=1$c29tZXNhbHQ${digest}"),
        format!("{{ARGON2}}$argon2id$v=19$m=256,t=2,p=1$c29t${digest}"),
        "{ARGON2}$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$AAAA".to_owned(),
        "{ARGON2}$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$".to_owned(),
        "{ARGON2}$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ".to_owned(),
        argon2("m=256,t=2,p=1") + "$x",
    ];
    let costs = [
        "m=131073,t=1,p=1",
        "m=4294967295,t=1,p=1",
        "m=99999999999,t=1,p=1",
        "m=256,t=11,p=1",
        "m=256,t=0,p=1",
        "m=256,t=2,p=5",
        "m=256,t=2,p=0",
        "m=16,t=2,p=4",
        "m=+256,t=2,p=1",
        "m=256,t=2",
        "t=2,m=256,p=1",
        "m=256,t=2,p=1,keyid=AAAA",
    ];
    refused.extend(costs.map(argon2));
    for stored in &refused {
        assert_eq!(verify(stored, "password"), Verdict::Wrong, "{stored}");
        assert_eq!(verify(stored, stored), Verdict::Wrong, "{stored}");
        assert!(!hasher().is_costly(stored.as_bytes()) && !is_usable(stored.as_bytes()), "{stored}");
    }
    assert!(hasher().is_costly(argon2("m=131072,t=10,p=4").as_bytes()), "the bounds themselves are allowed");
}

#[test]
fn hb5_settings_are_held_to_the_same_bounds() {
    let with = |memory, passes| PasswordHasher::new(&Hashing { memory, passes, ..Hashing::default() });
    assert!(with(128 * 1024, 10).is_ok() && with(8, 1).is_ok());
    assert!(with(128 * 1024 + 1, 1).is_err() && with(64, 11).is_err() && with(64, 0).is_err() && with(7, 1).is_err());
}

#[test]
fn all_values_of_an_entry_are_tried_the_costly_ones_up_to_a_bound() {
    let hasher = hasher();
    let fast = b"{SSHA}X7b01ivSrJhQV4/2W10dEmgNUIEBAgMEBQYHCA==".to_vec();
    let made: Vec<Vec<u8>> = (0..5).map(|n| hasher.hash(&Secret::new(format!("number {n}"))).unwrap().into_bytes()).collect();
    let all: Vec<Vec<u8>> = made.iter().cloned().chain([b"plain".to_vec(), fast]).collect();
    let check = |password: &str| hasher.verify_all(&all, &Secret::new(password)).unwrap();
    assert_eq!(check("secret-Passwort"), Some(Match { index: 6, rehash: true }));
    assert_eq!(check("number 3"), Some(Match { index: 3, rehash: false }));
    assert_eq!(check("number 4"), None, "the fifth costly value is not tried");
    assert_eq!(check("plain"), None);
    assert_eq!(hasher.verify_cheap(&all, &Secret::new("secret-Passwort")), Some(Match { index: 6, rehash: true }));
    assert_eq!(hasher.verify_cheap(&all, &Secret::new("number 3")), None);
    assert_eq!(hasher.verify_all::<Vec<u8>>(&[], &Secret::new("x")).unwrap(), None);
}

#[test]
fn hb2_a_refusal_does_the_same_work_whatever_is_stored() {
    let hasher = PasswordHasher::new(&Hashing { memory: 4096, passes: 2, ..Hashing::default() }).unwrap();
    let older = PasswordHasher::new(&Hashing { memory: 1024, passes: 3, ..Hashing::default() }).unwrap();
    let right = Secret::new("right");
    let kinds: [(Vec<Vec<u8>>, u64); 5] = [
        (vec![], 0),
        (vec![b"plain".to_vec()], 0),
        (vec![b"{SSHA}X7b01ivSrJhQV4/2W10dEmgNUIEBAgMEBQYHCA==".to_vec()], 0),
        (vec![hasher.hash(&right).unwrap().into_bytes()], 4096 * 11),
        (vec![older.hash(&right).unwrap().into_bytes()], 1024 * 17),
    ];
    for (stored, own) in kinds {
        assert_eq!(hasher.verify_all(&stored, &Secret::new("wrong")).unwrap(), None);
        let done: u64 = stored
            .iter()
            .filter_map(|value| hasher.parse(value))
            .map(|stored| if let Stored::Argon2(hash) = stored { effort(&hash.params) } else { 0 })
            .sum();
        assert_eq!(done, own, "{stored:?}");
        let left: Vec<(u32, u32)> = hasher.pieces(hasher.left_to_do(done)).map(|piece| (piece.m_cost(), piece.t_cost())).collect();
        let effort: u64 = hasher.pieces(hasher.left_to_do(done)).map(|piece| effort(&piece)).sum();
        assert!((4096 * 11 - 5..=4096 * 11).contains(&(done + effort)), "{stored:?}: {left:?}");
        assert!(left.first().is_none_or(|(memory, _)| *memory == 4096), "passes through less memory are done sooner: {stored:?} {left:?}");
    }
}

//! Binding: what is told to whom (hardening §1 A, B; RFC 4513).

use crate::demo::Demo;
use crate::wire::{bind_request, message, octets, sequence, tlv};

const INVALID_CREDENTIALS: u32 = 49;

#[test]
fn ha9_a_failed_bind_leaves_the_connection_anonymous() {
    let demo = Demo::start();
    let mut wire = demo.as_operator();
    assert_eq!(wire.who_am_i(), format!("dn:{}", demo.operator.dn));
    assert_eq!(wire.bind(&demo.operator.dn, "wrong").code(), INVALID_CREDENTIALS);
    assert_eq!(wire.who_am_i(), "");
    assert_eq!(wire.bind(&demo.operator.dn, &demo.operator.password).code(), 0);
    assert_eq!(wire.bind("", "").code(), 0, "an anonymous bind");
    assert_eq!(wire.who_am_i(), "");
}

#[test]
fn ha11_a_name_without_a_password_is_refused_and_takes_no_seat() {
    let demo = Demo::start();
    for name in [&demo.users[0].dn, &demo.operator.dn, "cn=nobody"] {
        let mut wire = demo.connect();
        assert_eq!(wire.bind(name, "").code(), 53, "{name}");
        assert_eq!(wire.who_am_i(), "");
    }
    assert!(demo.sessions().is_empty());
}

/// Adds a user under the organisation and answers its DN.
fn add_user(demo: &Demo, uid: &str, password: Option<&str>) -> String {
    let dn = format!("uid={uid},ou=users,{}", demo.organisation());
    let attribute = |name: &str, values: &[&str]| {
        let values: Vec<Vec<u8>> = values.iter().map(octets).collect();
        sequence(&[&octets(name), &tlv(0x31, &values.concat())])
    };
    let mail = format!("{uid}@example.com");
    let mut attributes = vec![
        attribute("objectClass", &["inetOrgPerson", "hcUser"]),
        attribute("uid", &[uid]),
        attribute("cn", &[uid]),
        attribute("sn", &[uid]),
        attribute("mail", &[&mail]),
        attribute("hcUserType", &["app"]),
    ];
    if let Some(password) = password {
        attributes.push(attribute("userPassword", &[password]));
    }
    let add = tlv(0x68, &[octets(&dn), tlv(0x30, &attributes.concat())].concat());
    let answer = demo.as_operator().ask(&add, &[]);
    assert_eq!(answer.code(), 0, "{dn}: {}", answer.text());
    dn
}

#[test]
fn hb1_every_reason_not_to_let_somebody_in_looks_the_same() {
    let demo = Demo::start();
    let password = "a password of sufficient length 17";
    let not_activated = add_user(&demo, "notactivated", None);
    let disabled = add_user(&demo, "disabled", Some(password));
    demo.signed_in(&crate::demo::Person { dn: disabled.clone(), password: password.to_owned() });
    demo.as_operator().replace(&disabled, "hcActive", &["FALSE"]);
    let suffix = demo.organisation().split_once(',').unwrap().1.to_owned();
    let (other, staff) = (format!("o=other,{suffix}"), format!("cn=Staff,ou=staff,{}", demo.organisation()));
    let mut operator = demo.as_operator();
    operator.add(&other, &[("objectClass", "organization"), ("objectClass", "hcOrganisation")]);
    let class = ("objectClass", "inetOrgPerson");
    operator.add(&staff, &[class, ("objectClass", "hcStaffRecord"), ("cn", "Staff"), ("sn", "Staff"), ("userPassword", password)]);
    let of_other = format!("uid=other,ou=users,{other}");
    let user = [class, ("objectClass", "hcUser"), ("cn", "other"), ("sn", "other"), ("mail", "other@example.com")];
    operator.add(&of_other, &[&user[..], &[("hcUserType", "app"), ("userPassword", password)]].concat());
    let locked = &demo.users[2];
    for _ in 0..5 {
        assert_eq!(demo.connect().bind(&locked.dn, "wrong").code(), INVALID_CREDENTIALS);
    }
    let reasons = [
        ("locked, with the right password", locked.dn.as_str(), locked.password.as_str()),
        ("wrong password of another tenant", &of_other, "wrong"),
        ("staff, with the right password", &staff, password),
        ("a group", &format!("cn=nobody,ou=groups,{}", demo.organisation()), password),
        ("wrong password", demo.users[0].dn.as_str(), "wrong"),
        ("unknown user", "uid=nobody,ou=users,o=nowhere,dc=example,dc=com", password),
        ("unknown user of the organisation", &format!("uid=nobody,ou=users,{}", demo.organisation()), password),
        ("not activated", &not_activated, password),
        ("disabled", &disabled, password),
        ("no password set", &demo.organisation(), password),
        ("the root DSE's subschema", "cn=subschema", password),
        ("the operator, wrongly", &demo.operator.dn, password),
    ];
    let answers: Vec<(&str, Vec<u8>)> = reasons
        .iter()
        .map(|(reason, name, password)| {
            let mut wire = demo.connect();
            wire.send(&message(5, &bind_request(name, password.as_bytes()), &[]));
            let answer = wire.receive().expect("an answer");
            assert_eq!(answer.code(), INVALID_CREDENTIALS, "{reason}: {}", answer.text());
            assert_eq!(wire.who_am_i_after(6), "", "{reason}");
            (*reason, answer.octets)
        })
        .collect();
    for (reason, octets) in &answers {
        assert_eq!(octets, &answers[0].1, "{reason} can be told from {}", answers[0].0);
    }
}

#[test]
fn a_user_without_password_can_sign_in_once_it_has_one() {
    let demo = Demo::start();
    let dn = add_user(&demo, "later", None);
    let password = "quite long enough, this one";
    assert_eq!(demo.connect().bind(&dn, password).code(), INVALID_CREDENTIALS);
    demo.as_operator().replace(&dn, "userPassword", &[password]);
    let mut wire = demo.connect();
    assert_eq!(wire.bind(&dn, password).code(), 0);
    assert_eq!(wire.who_am_i(), format!("dn:{dn}"));
}

#[test]
fn hd5_a_password_over_the_limit_is_refused_and_a_long_one_is_not() {
    let demo = Demo::start();
    let dn = add_user(&demo, "long", None);
    let long = "0123456789 abcdef ".repeat(10);
    demo.as_operator().replace(&dn, "userPassword", &[&long]);
    assert_eq!(demo.connect().bind(&dn, &long).code(), 0, "180 characters");
    assert_ne!(demo.connect().bind(&dn, &long[..179]).code(), 0, "nothing is cut off");
    assert_ne!(demo.connect().bind(&dn, &"x".repeat(1_025)).code(), 0, "1 025 octets");
}

#[test]
fn hd5_nothing_is_hashed_for_a_password_over_the_limit() {
    use crate::house::ACME;
    let (house, port, _folder) = crate::policy_lockout::counting("");
    let hashes = || crate::monitor::scrape(port)["headcount_password_hashes_total"] as u64;
    let (longest, longer) = ("x".repeat(1_024), "x".repeat(1_025));
    let dn = crate::house::user("ann", ACME);
    let plain = |password: &str| format!("\0{dn}\0{password}");
    for (password, expected) in [(&longest, 1), (&longer, 0)] {
        let before = hashes();
        house.server.connect().bind(&dn, password);
        assert_eq!(hashes() - before, expected, "a simple bind");
        house.server.connect().sasl("PLAIN", Some(plain(password).as_bytes()));
        assert_eq!(hashes() - before, 2 * expected, "SASL PLAIN");
    }
    let before = hashes();
    let mut operator = house.server.as_operator();
    let signed_in = hashes() - before;
    let code = operator.ask(&crate::wire::replace_request(&dn, "userPassword", &[&longer]), &[]).code();
    assert_eq!((code, hashes() - before - signed_in), (19, 0), "a change");
}

#[test]
fn hc1_a_password_can_be_neither_read_nor_searched() {
    use crate::wire::{equal, present, search_request};
    let demo = Demo::start();
    let user = &demo.users[0].dn;
    let mut operator = demo.as_operator();
    let mut own = demo.signed_in(&demo.users[0]);
    for wire in [&mut operator, &mut own] {
        for filter in [present("userPassword"), equal("userPassword", b"x"), tlv(0xa2, &equal("userPassword", b"x"))] {
            assert!(wire.entries(user, &filter, &["1.1"]).is_empty(), "userPassword was searched");
        }
    }
    let found = own.ask_all(&search_request(user, 0, &present("objectClass"), &["userPassword", "*", "+"]), &[]);
    assert!(found.iter().filter(|answer| answer.tag == 0x64).all(|entry| entry.values("userPassword").is_empty()));
}

#[test]
fn hc4_anonymous_sees_the_root_and_the_schema_only() {
    use crate::wire::{equal, present, search_request};
    let demo = Demo::start();
    let mut wire = demo.connect();
    let root = wire.ask_all(&search_request("", 0, &present("objectClass"), &["*", "+"]), &[]);
    assert_eq!(root.len(), 2, "the root DSE");
    assert!(root[0].values("supportedLDAPVersion").contains(&"3".to_owned()));
    let subschema = root[0].values("subschemaSubentry").pop().expect("a subschemaSubentry");
    let schema = wire.ask_all(&search_request(&subschema, 0, &equal("objectClass", b"subschema"), &["attributeTypes"]), &[]);
    assert!(schema[0].values("attributeTypes").len() > 100, "the whole schema");
    for scope in 0..=2 {
        let found = wire.ask_all(&search_request(&demo.organisation(), scope, &present("objectClass"), &["*"]), &[]);
        assert_eq!(found.len(), 1, "anonymous sees entries at scope {scope}");
        assert_ne!(found[0].code(), 0);
    }
}

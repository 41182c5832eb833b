//! The reference of an account or an organisation to its password policy: it follows names, is never lost without a word, and
//! is the operator's to give.

use crate::house::{ACME, House, OTHER, SUFFIX, add_request, put, rename_request, user};
use crate::server::PASSWORD;
use crate::wire::{
    Answer, Wire, bind_request, control, delete_request, number, octets, present, replace_request, search_request, sequence, tlv,
};

/// A password policy control (draft-behera §6.1).
const CONTROL: &str = "1.3.6.1.4.1.42.2.27.8.5.1";
/// Relax rules.
const RELAX: &str = "1.3.6.1.4.1.4203.666.5.12";
const TREE_DELETE: &str = "1.2.840.113556.1.4.805";

/// Adds a policy by which what others set is changed first, so that a bind shows whether it holds.
fn policy(wire: &mut Wire, dn: &str) {
    let name = dn.split(['=', ',']).nth(1).expect("a name");
    put(
        wire,
        dn,
        &[
            ("objectClass", "applicationProcess"),
            ("objectClass", "pwdPolicy"),
            ("cn", name),
            ("pwdAttribute", "userPassword"),
            ("pwdMustChange", "TRUE"),
        ],
    );
}

/// Whether a policy as above holds for ann.
fn holds(house: &House) -> bool {
    let request = bind_request(&user("ann", ACME), PASSWORD.as_bytes());
    let answer = house.server.connect().ask(&request, &[control(CONTROL, false, None)]);
    assert_eq!(answer.code(), 0);
    answer.controls.iter().any(|(oid, value)| oid == CONTROL && value.ends_with(&[0x81, 0x01, 0x02]))
}

/// A house where ann's password was set by somebody else.
fn house() -> (House, Wire) {
    let house = House::start("");
    let mut wire = house.server.as_operator();
    wire.replace(&user("ann", ACME), "pwdReset", &["TRUE"]);
    (house, wire)
}

fn named(wire: &mut Wire, dn: &str) -> Vec<String> {
    wire.ask_all(&search_request(dn, 0, &present("pwdPolicySubentry"), &["pwdPolicySubentry"]), &[])[0].values("pwdPolicySubentry")
}

fn replace(wire: &mut Wire, dn: &str, value: &str, controls: &[Vec<u8>]) -> Answer {
    wire.ask(&replace_request(dn, "pwdPolicySubentry", &[value]), controls)
}

/// A ModifyRequest that replaces several attributes.
fn replace_all(dn: &str, changes: &[(&str, &[&str])]) -> Vec<u8> {
    let one = |(attribute, values): &(&str, &[&str])| {
        let values: Vec<Vec<u8>> = values.iter().map(octets).collect();
        sequence(&[&number(0x0a, 2), &sequence(&[&octets(attribute), &tlv(0x31, &values.concat())])])
    };
    let changes: Vec<Vec<u8>> = changes.iter().map(one).collect();
    tlv(0x66, &[octets(dn), tlv(0x30, &changes.concat())].concat())
}

#[test]
fn a_policy_holds_on_after_it_or_its_organisation_is_renamed() {
    let (house, mut wire) = house();
    let dn = format!("cn=first,{ACME}");
    policy(&mut wire, &dn);
    assert!(!holds(&house));
    wire.replace(ACME, "pwdPolicySubentry", &[&dn]);
    assert!(holds(&house));
    assert_eq!(wire.ask(&rename_request(&dn, "cn=second", None), &[]).code(), 0);
    assert_eq!(named(&mut wire, ACME), [format!("cn=second,{ACME}")]);
    assert!(holds(&house));
    assert_eq!(wire.ask(&rename_request(ACME, "o=Apex", None), &[]).code(), 0);
    assert_eq!(named(&mut wire, "o=Apex,dc=example,dc=com"), ["cn=second,o=Apex,dc=example,dc=com"]);
    assert_eq!(wire.ask(&rename_request("o=Apex,dc=example,dc=com", "o=Acme", None), &[]).code(), 0);
    assert!(holds(&house));
}

#[test]
fn a_policy_in_use_is_not_deleted_nor_made_anything_else_and_who_uses_it_is_told() {
    let (house, mut wire) = house();
    let dn = format!("cn=strict,{ACME}");
    policy(&mut wire, &dn);
    wire.replace(&user("ann", ACME), "pwdPolicySubentry", &[&dn]);
    let answer = wire.ask(&delete_request(&dn), &[]);
    assert_eq!(answer.code(), 53);
    assert!(answer.text().contains(&user("ann", ACME)), "{}", answer.text());
    let plain = replace_all(&dn, &[("objectClass", &["applicationProcess"]), ("pwdAttribute", &[]), ("pwdMustChange", &[])]);
    assert_eq!(wire.ask(&plain, &[]).code(), 53);
    assert!(holds(&house));
    wire.replace(&user("ann", ACME), "pwdPolicySubentry", &[]);
    assert!(!holds(&house));
    assert_eq!(wire.ask(&delete_request(&dn), &[]).code(), 0);
}

#[test]
fn an_organisation_goes_with_the_policy_that_it_uses() {
    let (_house, mut wire) = house();
    let third = format!("o=Third,{SUFFIX}");
    put(&mut wire, &third, &[("objectClass", "organization"), ("objectClass", "hcOrganisation"), ("o", "Third")]);
    let (dn, beside) = (format!("cn=strict,{third}"), format!("cn=beside,{SUFFIX}"));
    policy(&mut wire, &dn);
    policy(&mut wire, &beside);
    wire.replace(&third, "pwdPolicySubentry", &[&dn]);
    put(&mut wire, &format!("cn=desk,{third}"), &[("objectClass", "device"), ("cn", "desk"), ("pwdPolicySubentry", &beside)]);
    assert_eq!(wire.ask(&delete_request(&beside), &[]).code(), 53);
    let answer = wire.ask(&delete_request(&third), &[control(TREE_DELETE, true, None)]);
    assert_eq!(answer.code(), 0, "{}", answer.text());
    assert_eq!(wire.ask(&delete_request(&beside), &[]).code(), 0);
}

#[test]
fn what_is_no_policy_that_holds_there_is_refused() {
    let (house, mut wire) = house();
    let (elsewhere, beside) = (format!("cn=theirs,{OTHER}"), format!("cn=beside,{SUFFIX}"));
    policy(&mut wire, &elsewhere);
    policy(&mut wire, &beside);
    for dn in [ACME, &user("ann", ACME)] {
        for value in [format!("cn=none,{ACME}"), user("bob", ACME), elsewhere.clone()] {
            assert_eq!(replace(&mut wire, dn, &value, &[]).code(), 19, "{dn}: {value}");
        }
    }
    assert!(!holds(&house));
    assert_eq!(replace(&mut wire, ACME, &beside, &[]).code(), 0, "one beside the organisations is for all of them");
    assert!(holds(&house));
}

#[test]
fn an_import_may_name_a_policy_before_it_is_there() {
    let (house, mut wire) = house();
    let dn = format!("cn=later,{ACME}");
    assert_eq!(replace(&mut wire, ACME, &dn, &[control(RELAX, true, None)]).code(), 0);
    assert_eq!(named(&mut wire, ACME), std::slice::from_ref(&dn));
    assert!(!holds(&house));
    put(&mut wire, &dn, &[("objectClass", "applicationProcess"), ("cn", "later")]);
    assert!(!holds(&house), "it is no policy");
    let classes = ["applicationProcess", "pwdPolicy"];
    let policy = replace_all(&dn, &[("objectClass", &classes), ("pwdAttribute", &["userPassword"]), ("pwdMustChange", &["TRUE"])]);
    assert_eq!(wire.ask(&policy, &[]).code(), 0);
    assert!(holds(&house));
    assert_eq!(wire.ask(&delete_request(&dn), &[]).code(), 53, "the name has become a reference");
}

#[test]
fn an_administrator_of_an_organisation_does_not_slip_out_of_the_policy_of_the_operator() {
    let (house, mut wire) = house();
    let (dn, weak) = (format!("cn=strict,{ACME}"), format!("cn=weak,{ACME}"));
    policy(&mut wire, &dn);
    policy(&mut wire, &weak);
    wire.replace(ACME, "pwdPolicySubentry", &[&dn]);
    let mut ada = house.signed_in("ada", ACME);
    for of in [ACME.to_owned(), user("ann", ACME), user("ada", ACME)] {
        assert_eq!(replace(&mut ada, &of, &weak, &[]).code(), 50, "{of}");
    }
    assert_eq!(ada.ask(&replace_request(&dn, "pwdMustChange", &["FALSE"]), &[]).code(), 50, "nor changes it");
    assert_eq!(ada.ask(&delete_request(&dn), &[]).code(), 50);
    let new = [("objectClass", "applicationProcess"), ("objectClass", "pwdPolicy"), ("cn", "own"), ("pwdAttribute", "userPassword")];
    assert_eq!(ada.ask(&add_request(&format!("cn=own,{ACME}"), &new), &[]).code(), 50);
    assert!(holds(&house));
    let zoe = [
        ("objectClass", "inetOrgPerson"),
        ("objectClass", "hcUser"),
        ("uid", "zoe"),
        ("cn", "zoe"),
        ("sn", "zoe"),
        ("pwdPolicySubentry", &*weak),
    ];
    assert_eq!(ada.ask(&add_request(&user("zoe", ACME), &zoe), &[]).code(), 50);
    assert_eq!(ada.ask(&add_request(&user("zoe", ACME), &zoe[..5]), &[]).code(), 0);
}

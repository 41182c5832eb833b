//! Staff records by LDAP: the rules are those that SCIM follows.

use crate::house::{ACME, House, add_request, put, user};
use crate::wire::{delete_request, replace_request};

fn record(name: &str) -> String {
    format!("cn={name},ou=staff,{ACME}")
}

fn person<'a>(name: &'a str, number: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("objectClass", "inetOrgPerson"), ("objectClass", "hcStaffRecord"), ("cn", name), ("sn", name), ("employeeNumber", number)]
}

#[test]
fn t2_u7_t3_staff_are_linked_once_numbered_once_and_kept_while_referred_to() {
    let house = House::start("");
    let mut ada = house.signed_in("ada", ACME);
    put(&mut ada, &record("Anna"), &person("Anna", "1"));
    put(&mut ada, &record("Ben"), &person("Ben", "2"));
    let taken = ada.ask(&add_request(&record("Third"), &person("Third", "1")), &[]);
    assert_eq!(taken.code(), 19, "T3: {}", taken.text());
    assert_eq!(ada.ask(&replace_request(&user("ann", ACME), "hcStaff", &[&record("Anna")]), &[]).code(), 0);
    let twice = ada.ask(&replace_request(&user("bob", ACME), "hcStaff", &[&record("Anna")]), &[]);
    assert!(twice.code() != 0 && twice.text().contains("U7"), "{}", twice.text());
    let no_staff = ada.ask(&replace_request(&user("bob", ACME), "hcStaff", &[&user("ann", ACME)]), &[]);
    assert!(no_staff.code() == 19 && no_staff.text().contains("U7"), "{}", no_staff.text());
    let referred = ada.ask(&delete_request(&record("Anna")), &[]);
    assert!(referred.code() == 53 && referred.text().contains("inactive"), "{}", referred.text());
    assert_eq!(ada.ask(&replace_request(&record("Anna"), "hcActive", &["FALSE"]), &[]).code(), 0);
    drop(house.signed_in("ann", ACME));
    assert_eq!(ada.ask(&replace_request(&user("ann", ACME), "hcStaff", &[]), &[]).code(), 0);
    assert_eq!(ada.ask(&delete_request(&record("Anna")), &[]).code(), 0);
}

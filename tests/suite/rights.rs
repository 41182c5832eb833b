//! What roles, staff records and permissions come to for the people who have them (U8, T1, R3, G7).

use crate::house::{ACME, House, add_request, group, put, user};
use crate::server::{PASSWORD, salted_hash};
use crate::wire::{Wire, equal, present, replace_request};

const INVALID_CREDENTIALS: u32 = 49;
const INSUFFICIENT_ACCESS: u32 = 50;

fn role(name: &str) -> String {
    format!("cn={name},ou=roles,{ACME}")
}

fn finds(wire: &mut Wire, uid: &str) -> bool {
    !wire.entries(ACME, &equal("uid", uid.as_bytes()), &["uid"]).is_empty()
}

fn values(wire: &mut Wire, dn: &str, attribute: &str) -> Vec<String> {
    wire.entries(dn, &present("objectClass"), &[attribute]).first().map(|entry| entry.values(attribute)).unwrap_or_default()
}

fn gives(operator: &mut Wire, name: &str, permissions: &[&str]) -> String {
    let held = permissions.iter().map(|permission| ("hcRolePermission", *permission));
    let attributes: Vec<(&str, &str)> = std::iter::once(("objectClass", "hcRoleDefinition")).chain(held).collect();
    put(operator, &role(name), &attributes);
    role(name)
}

#[test]
fn u8_who_has_lost_all_roles_signs_in_and_may_do_nothing() {
    let house = House::start("");
    let (mut ada, mut sam) = (house.signed_in("ada", ACME), house.signed_in("sam", ACME));
    assert!(finds(&mut sam, "gil"));
    assert!(!values(&mut ada, &user("sam", ACME), "hcPermission").is_empty());
    assert_eq!(ada.ask(&replace_request(&user("sam", ACME), "hcRole", &[]), &[]).code(), 0);
    assert!(!finds(&mut sam, "gil"), "on the open connection too");
    let mut again = house.signed_in("sam", ACME);
    assert!(finds(&mut again, "sam") && !finds(&mut again, "gil"));
    assert_eq!(values(&mut ada, &user("sam", ACME), "hcPermission"), Vec::<String>::new());
}

#[test]
fn t1_a_staff_record_alone_never_signs_in() {
    let house = House::start("");
    let mut operator = house.server.as_operator();
    let record = format!("cn=Anna,ou=staff,{ACME}");
    let person =
        [("objectClass", "inetOrgPerson"), ("objectClass", "hcStaffRecord"), ("cn", "Anna"), ("sn", "Anna"), ("employeeNumber", "1")];
    put(&mut operator, &record, &person);
    operator.replace(&record, "userPassword", &[&salted_hash(PASSWORD)]);
    assert_eq!(house.server.connect().bind(&record, PASSWORD).code(), INVALID_CREDENTIALS);
    // A user that is linked to it signs in as the user, and as nobody else.
    operator.replace(&user("ann", ACME), "hcStaff", &[&record]);
    house.signed_in("ann", ACME);
    assert_eq!(house.server.connect().bind(&record, PASSWORD).code(), INVALID_CREDENTIALS);
}

#[test]
fn r3_system_roles_govern_the_directory_and_only_the_operator_makes_them() {
    let house = House::start("");
    let (mut operator, mut ada) = (house.server.as_operator(), house.signed_in("ada", ACME));
    let made = |wire: &mut Wire, name: &str| {
        wire.ask(&add_request(&role(name), &[("objectClass", "hcRoleDefinition"), ("hcRoleSystem", "hr-manager")]), &[]).code()
    };
    assert_eq!(made(&mut ada, "ours"), INSUFFICIENT_ACCESS);
    assert_eq!(made(&mut operator, "HR"), 0);
    // What it permits is what the catalog says of the system role.
    let record = format!("cn=Anna,ou=staff,{ACME}");
    let person =
        [("objectClass", "inetOrgPerson"), ("objectClass", "hcStaffRecord"), ("cn", "Anna"), ("sn", "Anna"), ("employeeNumber", "1")];
    let mut ann = house.signed_in("ann", ACME);
    assert_ne!(ann.ask(&add_request(&record, &person), &[]).code(), 0);
    assert_eq!(ada.ask(&replace_request(&user("ann", ACME), "hcRole", &[&role("HR")]), &[]).code(), 0);
    assert_eq!(ann.ask(&add_request(&record, &person), &[]).code(), 0, "at once");
    // It is of no package, so a licence with one governs it not.
    operator.replace(&format!("cn=main,ou=licences,{ACME}"), "hcPackage", &["Standard"]);
    assert_eq!(values(&mut operator, &user("ann", ACME), "hcEffectiveRole"), [role("HR")]);
}

#[test]
fn g7_own_groups_are_seen_with_one_permission_and_all_groups_with_another() {
    let house = House::start("");
    let mut operator = house.server.as_operator();
    let (own, any) =
        (gives(&mut operator, "own", &["groups.search-own"]), gives(&mut operator, "any", &["groups.search-own", "groups.search-any"]));
    put(&mut operator, &group("others", ACME), &[("objectClass", "hcGroup"), ("cn", "others"), ("member", &user("gil", ACME))]);
    let mut bob = house.signed_in("bob", ACME);
    let mut seen = |roles: &[&str]| {
        operator.replace(&user("bob", ACME), "hcRole", roles);
        let groups = bob.entries(ACME, &equal("objectClass", b"hcGroup"), &["cn"]);
        let mut names: Vec<String> = groups.iter().flat_map(|group| group.values("cn")).collect();
        names.sort();
        names
    };
    assert_eq!(seen(&[]), Vec::<String>::new(), "a member without the permission");
    assert_eq!(seen(&[&own]), ["team"]);
    assert_eq!(seen(&[&any]), ["others", "team"]);
    assert_eq!(seen(&[&own]), ["team"], "at once");
}

//! Who sees how much of a person (domain §8): what is for staff only, and what a directory shows.

use crate::house::{ACME, House, put, user};
use crate::wire::{Wire, equal};

/// What a user with these permissions and restrictions sees of bob, and whether a filter on a field for staff finds him.
fn seen(house: &House, permissions: &[&str], restrictions: &[&str]) -> (Vec<String>, bool) {
    let role = format!("cn=tried,ou=roles,{ACME}");
    let mut operator = house.server.as_operator();
    operator.replace(&role, "hcRolePermission", permissions);
    operator.replace(&role, "hcRoleRestriction", restrictions);
    let mut ann = house.signed_in("ann", ACME);
    let of_bob = |wire: &mut Wire, filter: &[u8]| wire.entries(ACME, filter, &["mail", "telephoneNumber", "employeeNumber", "homePhone"]);
    let entry = &of_bob(&mut ann, &equal("uid", b"bob"))[0];
    let names = ["mail", "telephoneNumber", "employeeNumber", "homePhone", "description"];
    let names = names.iter().filter(|name| !entry.values(name).is_empty()).map(|name| (*name).to_owned()).collect();
    (names, !of_bob(&mut ann, &equal("employeeNumber", b"7")).is_empty())
}

fn house() -> House {
    let house = House::start("");
    let mut operator = house.server.as_operator();
    put(&mut operator, &format!("cn=tried,ou=roles,{ACME}"), &[("objectClass", "hcRoleDefinition")]);
    operator.replace(&user("ann", ACME), "hcRole", &[&format!("cn=tried,ou=roles,{ACME}")]);
    operator.replace(&user("bob", ACME), "homePhone", &["+64 3 456"]);
    house
}

const SEARCH: [&str; 2] = ["people.search", "people.search-any"];
const STAFF_VIEW: [&str; 3] = ["people.search", "people.search-any", "people.staff-view"];

#[test]
fn staff_view_adds_the_fields_that_are_for_staff_only() {
    let house = house();
    assert_eq!(seen(&house, &SEARCH, &[]), (vec!["mail".to_owned(), "telephoneNumber".to_owned()], false));
    let (names, found) = seen(&house, &STAFF_VIEW, &[]);
    assert_eq!((names, found), (["mail", "telephoneNumber", "employeeNumber", "homePhone"].map(str::to_owned).to_vec(), true));
}

#[test]
fn directory_only_leaves_the_fields_that_are_marked_visible_whatever_else_is_granted() {
    let house = house();
    let mut operator = house.server.as_operator();
    operator.replace(&user("bob", ACME), "description", &["keeps bees"]);
    let (names, found) = seen(&house, &STAFF_VIEW, &["people.directory-only"]);
    assert_eq!((names, found), (vec!["mail".to_owned(), "telephoneNumber".to_owned()], false));
    let mut ann = house.signed_in("ann", ACME);
    assert!(ann.entries(ACME, &equal("description", b"keeps bees"), &["cn"]).is_empty());
    let own = &ann.entries(ACME, &equal("uid", b"ann"), &["hcPermission"])[0];
    assert!(own.values("hcPermission").contains(&"people.directory-only".to_owned()));
    operator.replace(&format!("cn=tried,ou=roles,{ACME}"), "hcRoleRestriction", &[]);
    assert_eq!(ann.entries(ACME, &equal("description", b"keeps bees"), &["cn"]).len(), 1, "at once, on the open connection (R7)");
}

#[test]
fn one_sees_all_of_oneself_without_any_permission() {
    let house = house();
    let mut bob = house.signed_in("bob", ACME);
    let own = &bob.entries(&user("bob", ACME), &equal("employeeNumber", b"7"), &["employeeNumber", "homePhone"])[0];
    assert_eq!((own.values("employeeNumber"), own.values("homePhone")), (vec!["7".to_owned()], vec!["+64 3 456".to_owned()]));
}

//! Who may change a group (G2, G3, G4).

use crate::house::{ACME, House, add_request, group, put, rename_request, user};
use crate::wire::{Wire, delete_request, present, replace_request};

const INSUFFICIENT_ACCESS: u32 = 50;
const NO_SUCH_OBJECT: u32 = 32;

/// Gil runs the team, Ada is Organisation Admin, and Sam keeps all groups.
fn house() -> House {
    let house = House::start("");
    let mut operator = house.server.as_operator();
    let keeper = format!("cn=keeper,ou=roles,{ACME}");
    let permissions = ["groups.search-own", "groups.search-any", "groups.maintain-all"].map(|name| ("hcRolePermission", name));
    put(&mut operator, &keeper, &[&[("objectClass", "hcRoleDefinition")], &permissions[..]].concat());
    operator.replace(&user("sam", ACME), "hcRole", &[&format!("cn=searcher,ou=roles,{ACME}"), &keeper]);
    house
}

fn set(wire: &mut Wire, attribute: &str, values: &[&str]) -> u32 {
    wire.ask(&replace_request(&group("team", ACME), attribute, values), &[]).code()
}

#[test]
fn g2_administrators_of_a_group_and_who_keeps_all_groups_change_levels_and_nobody_else() {
    let house = house();
    let levels = [("hcAdministrator", user("gil", ACME)), ("hcViewOnlyMember", user("ann", ACME)), ("member", user("bob", ACME))];
    for who in ["gil", "sam", "ada"] {
        let mut wire = house.signed_in(who, ACME);
        for (attribute, member) in &levels {
            assert_eq!(set(&mut wire, attribute, &[member]), 0, "{who} {attribute}");
        }
    }
    // Bob is a full member and may not see his groups; with the right to see them he may not change them either.
    let mut bob = house.signed_in("bob", ACME);
    assert_eq!(set(&mut bob, "hcViewOnlyMember", &[]), NO_SUCH_OBJECT);
    house.server.as_operator().replace(&user("bob", ACME), "hcRole", &[&format!("cn=searcher,ou=roles,{ACME}")]);
    assert_eq!(set(&mut bob, "hcViewOnlyMember", &[]), INSUFFICIENT_ACCESS);
}

#[test]
fn g3_a_locked_group_is_changed_by_its_own_administrators_only() {
    let house = house();
    assert_eq!(set(&mut house.signed_in("gil", ACME), "hcAdminOnly", &["TRUE"]), 0, "its administrator locks it");
    for who in ["sam", "ada"] {
        let mut wire = house.signed_in(who, ACME);
        for (attribute, value) in [("description", "ours now"), ("member", &*user("ann", ACME)), ("hcAdministrator", &user(who, ACME))] {
            assert_eq!(set(&mut wire, attribute, &[value]), INSUFFICIENT_ACCESS, "{who} {attribute}");
        }
        assert_eq!(wire.ask(&delete_request(&group("team", ACME)), &[]).code(), INSUFFICIENT_ACCESS, "{who}");
        assert_eq!(wire.ask(&rename_request(&group("team", ACME), "cn=theirs", None), &[]).code(), INSUFFICIENT_ACCESS, "{who}");
        assert_eq!(set(&mut wire, "hcAdminOnly", &["FALSE"]), INSUFFICIENT_ACCESS, "{who}");
    }
    let mut gil = house.signed_in("gil", ACME);
    assert_eq!(set(&mut gil, "description", &["still ours"]), 0);
    assert_eq!(set(&mut gil, "hcAdminOnly", &[]), 0);
    assert_eq!(set(&mut house.signed_in("sam", ACME), "description", &["anybody's"]), 0);
}

#[test]
fn g3_who_keeps_all_groups_neither_locks_one_nor_makes_one_that_is_locked() {
    let house = house();
    for who in ["sam", "ada"] {
        let mut wire = house.signed_in(who, ACME);
        assert_eq!(set(&mut wire, "hcAdminOnly", &["TRUE"]), INSUFFICIENT_ACCESS, "{who}");
    }
    let made = [("objectClass", "hcGroup"), ("hcAdminOnly", "TRUE"), ("hcAdministrator", &*user("bob", ACME))];
    assert_eq!(house.signed_in("ada", ACME).ask(&add_request(&group("vault", ACME), &made), &[]).code(), INSUFFICIENT_ACCESS);
}

#[test]
fn g4_its_administrator_moves_a_group_under_another_and_to_the_top() {
    let house = house();
    let mut operator = house.server.as_operator();
    put(
        &mut operator,
        &group("top", ACME),
        &[("objectClass", "hcGroup"), ("hcAdministrator", &user("gil", ACME)), ("member", &user("ann", ACME))],
    );
    let mut gil = house.signed_in("gil", ACME);
    assert_eq!(set(&mut gil, "hcParentGroup", &[&group("top", ACME)]), 0);
    let effective = operator.entries(&group("team", ACME), &present("objectClass"), &["hcEffectiveMember"])[0].values("hcEffectiveMember");
    assert!(effective.contains(&user("ann", ACME)), "levels flow down: {effective:?}");
    let circle = gil.ask(&replace_request(&group("top", ACME), "hcParentGroup", &[&group("team", ACME)]), &[]);
    assert!(circle.code() == 19 && circle.text().contains("G4"), "{} {}", circle.code(), circle.text());
    assert_eq!(set(&mut gil, "hcParentGroup", &[]), 0);
    assert_ne!(set(&mut house.signed_in("bob", ACME), "hcParentGroup", &[&group("top", ACME)]), 0);
}

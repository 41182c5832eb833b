//! Permissions that are ordered as levels (R2), and who says so (R9).

use crate::access::rows;
use crate::house::{ACME, House, put, user};
use crate::server::write_private;
use crate::wire::{Wire, present};

const CATALOG: &str = r#"
[[permission]]
name = "people.search"
[[permission]]
name = "sales.view"
[[permission]]
name = "sales.edit"
requires = ["people.search"]
[[permission]]
name = "sales.admin"
[[area]]
name = "sales"
levels = ["sales.view", "sales.edit", "sales.admin"]
[[role]]
name = "organisation-admin"
system = true
"#;

fn role(name: &str) -> String {
    format!("cn={name},ou=roles,{ACME}")
}

/// Acme with the catalog, and with roles that speak of one permission each.
fn house() -> House {
    let house = House::start("");
    write_private(&house.server.config().with_file_name("catalog.toml"), CATALOG);
    house.server.write_config("[catalog]\nfile = \"catalog.toml\"\n");
    house.server.signal("HUP");
    let mut operator = house.server.as_operator();
    for (name, attribute, permission) in [
        ("viewer", "hcRolePermission", "sales.view"),
        ("manager", "hcRolePermission", "sales.admin"),
        ("careful", "hcRoleRestriction", "sales.edit"),
        ("shy", "hcRoleRestriction", "people.search"),
    ] {
        put(&mut operator, &role(name), &[("objectClass", "hcRoleDefinition"), (attribute, permission)]);
    }
    operator.replace(&user("ann", ACME), "hcRole", &[&role("manager")]);
    crate::reload::eventually(&house.server, "the catalog is in force", || permissions(&mut operator).len() == 3);
    house
}

fn permissions(wire: &mut Wire) -> Vec<String> {
    wire.entries(&user("ann", ACME), &present("objectClass"), &["hcPermission"])[0].values("hcPermission")
}

#[test]
fn r2_of_two_roles_the_highest_level_wins_and_a_lower_one_that_is_restricted_takes_it_away() {
    let house = house();
    let mut operator = house.server.as_operator();
    let mut ann = house.signed_in("ann", ACME);
    let mut held = |roles: &[&str]| {
        let roles: Vec<String> = roles.iter().map(|name| role(name)).collect();
        operator.replace(&user("ann", ACME), "hcRole", &roles.iter().map(String::as_str).collect::<Vec<_>>());
        permissions(&mut ann)
    };
    assert_eq!(held(&["viewer"]), ["sales.view"]);
    assert_eq!(held(&["viewer", "manager"]), ["sales.admin", "sales.edit", "sales.view"], "at once, on the open connection (R7)");
    assert_eq!(held(&["viewer", "manager", "careful"]), ["sales.view"]);
    assert_eq!(held(&["manager", "shy"]), ["sales.view"], "what a lower level requires, a higher one cannot be without");
    assert!(held(&[]).is_empty());
}

#[test]
fn r9_access_explain_names_the_level_that_grants_and_the_one_that_restricts() {
    let house = house();
    let explained = |permission: &str| {
        let rows = rows(&house.server.config(), &["access", "explain", &user("ann", ACME)]);
        let row = rows.into_iter().find(|row| row["permission"] == permission).unwrap();
        ["in_effect", "granted_by", "restricted_by"].map(|column| row[column].as_str().unwrap().to_owned())
    };
    assert_eq!(explained("sales.admin"), ["yes", "manager", ""]);
    assert_eq!(explained("sales.edit"), ["yes", "manager (grants sales.admin)", ""]);
    house.server.as_operator().replace(&user("ann", ACME), "hcRole", &[&role("manager"), &role("careful")]);
    assert_eq!(explained("sales.admin"), ["no", "manager", "careful (restricts sales.edit)"]);
    assert_eq!(explained("sales.edit"), ["no", "manager (grants sales.admin)", "careful"]);
    assert_eq!(explained("sales.view"), ["yes", "manager (grants sales.admin)", ""]);
}

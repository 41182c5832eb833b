//! Packages and roles (R4 to R7): what cannot be given, what a downgrade takes from open connections and an upgrade gives back,
//! and who may change what decides it.

use crate::house::{ACME, House, OTHER, put, user};
use crate::server::write_private;
use crate::wire::{Wire, equal, present, replace_request};

const CONSTRAINT_VIOLATION: u32 = 19;
const INSUFFICIENT_ACCESS: u32 = 50;

fn role(name: &str) -> String {
    format!("cn={name},ou=roles,{ACME}")
}

fn licence(organisation: &str) -> String {
    format!("cn=main,ou=licences,{organisation}")
}

/// Acme with a package of the built-in catalog, and with the role Payroll, which Professional has and Standard has not.
fn house(package: &str) -> House {
    let house = House::start("");
    let mut operator = house.server.as_operator();
    operator.replace(&licence(ACME), "hcPackage", &[package]);
    let permissions = ["people.search", "people.search-any", "ledger.view", "payroll.run"].map(|name| ("hcRolePermission", name));
    put(&mut operator, &role("Payroll"), &[&[("objectClass", "hcRoleDefinition")], &permissions[..]].concat());
    house
}

fn sees_gil(wire: &mut Wire) -> bool {
    !wire.entries(ACME, &equal("uid", b"gil"), &["uid"]).is_empty()
}

fn values(wire: &mut Wire, dn: &str, attribute: &str) -> Vec<String> {
    wire.entries(dn, &present("objectClass"), &[attribute]).first().map(|entry| entry.values(attribute)).unwrap_or_default()
}

#[test]
fn r4_nobody_gives_a_role_of_another_package_and_the_refusal_says_who_has_it() {
    let house = house("Standard");
    for who in ["operator", "ada"] {
        let mut wire = house.signed_in(who, ACME);
        let refused = wire.ask(&replace_request(&user("ann", ACME), "hcRole", &[&role("Payroll")]), &[]);
        assert_eq!(refused.code(), CONSTRAINT_VIOLATION, "{who}: {}", refused.text());
        assert!(refused.text().contains("Standard") && refused.text().contains("the package Professional has it"), "{}", refused.text());
    }
    // Nothing governs roles where the licence has no package.
    let mut operator = house.server.as_operator();
    operator.replace(&licence(ACME), "hcPackage", &[]);
    operator.replace(&user("ann", ACME), "hcRole", &[&role("Payroll")]);
    assert_eq!(values(&mut operator, &user("ann", ACME), "hcEffectiveRole"), [role("Payroll")]);
}

#[test]
fn r4_a_package_that_leaves_the_catalog_has_no_roles_and_no_licence_gets_it() {
    let house = house("Professional");
    let mut operator = house.server.as_operator();
    operator.replace(&user("ann", ACME), "hcRole", &[&role("Payroll")]);
    let mut ann = house.signed_in("ann", ACME);
    assert!(sees_gil(&mut ann));
    let built_in = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config/catalog.toml")).unwrap();
    write_private(&house.server.config().with_file_name("catalog.toml"), &built_in.replace("\"Professional\"", "\"Ample\""));
    house.server.write_config("[catalog]\nfile = \"catalog.toml\"\n");
    house.server.signal("HUP");
    crate::reload::eventually(&house.server, "the package has no roles any more", || !sees_gil(&mut ann));
    assert_eq!(values(&mut operator, &user("ann", ACME), "hcEffectiveRole"), Vec::<String>::new());
    let refused = operator.ask(&replace_request(&licence(OTHER), "hcPackage", &["Professional"]), &[]);
    assert!(refused.code() == CONSTRAINT_VIOLATION && refused.text().contains("O3"), "{}", refused.text());
}

#[test]
fn r5_r7_a_downgrade_takes_rights_from_open_connections_at_once_and_an_upgrade_gives_them_back() {
    let house = house("Professional");
    let mut operator = house.server.as_operator();
    operator.replace(&user("ann", ACME), "hcRole", &[&role("Payroll")]);
    let mut ann = house.signed_in("ann", ACME);
    let member_of = |wire: &mut Wire| !wire.entries(ACME, &equal("memberOf", role("Payroll").as_bytes()), &["uid"]).is_empty();
    for (package, has) in [("Professional", true), ("Standard", false), ("Professional", true)] {
        operator.replace(&licence(ACME), "hcPackage", &[package]);
        assert_eq!(sees_gil(&mut ann), has, "{package}");
        assert_eq!(values(&mut ann, &user("ann", ACME), "hcPermission").contains(&"payroll.run".to_owned()), has, "{package}");
        assert_eq!(member_of(&mut operator), has, "{package}");
        assert_eq!(values(&mut operator, &role("Payroll"), "member").len(), usize::from(has), "{package}");
        assert_eq!(values(&mut operator, &user("ann", ACME), "hcRole"), [role("Payroll")], "it stays");
    }
}

#[test]
fn r5_a_catalog_that_moves_a_role_to_another_package_counts_from_its_reload() {
    let house = house("Professional");
    let mut operator = house.server.as_operator();
    operator.replace(&user("ann", ACME), "hcRole", &[&role("Payroll")]);
    let mut ann = house.signed_in("ann", ACME);
    assert!(sees_gil(&mut ann));
    let built_in = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config/catalog.toml")).unwrap();
    let catalog = built_in.replace("\"Accountant\", \"Payroll\", \"Auditor\"]", "\"Accountant\", \"Auditor\"]");
    assert_ne!(catalog, built_in);
    write_private(&house.server.config().with_file_name("catalog.toml"), &catalog);
    house.server.write_config("[catalog]\nfile = \"catalog.toml\"\n");
    house.server.signal("HUP");
    crate::reload::eventually(&house.server, "the package has not the role any more", || !sees_gil(&mut ann));
    let refused = operator.ask(&replace_request(&user("bob", ACME), "hcRole", &[&role("Payroll")]), &[]);
    assert!(refused.code() == CONSTRAINT_VIOLATION && refused.text().contains("no package has it"), "{}", refused.text());
}

#[test]
fn r4_the_licence_of_a_role_is_the_operators_to_set_by_link_and_by_a_name_of_nobody() {
    let house = house("Standard");
    let free = format!("cn=pos,ou=licences,{ACME}");
    put(&mut house.server.as_operator(), &free, &[("objectClass", "hcLicence"), ("cn", "pos"), ("hcSessionLimit", "1")]);
    let mut ada = house.signed_in("ada", ACME);
    let nobodys = format!("cn=later,ou=licences,{ACME}");
    for licence in [&free, &nobodys] {
        let refused = ada.ask(&replace_request(&role("Payroll"), "hcLicence", &[licence]), &[]);
        assert!(refused.code() == INSUFFICIENT_ACCESS && refused.text().contains("R4"), "{licence}: {}", refused.text());
        let own = [("objectClass", b"hcRoleDefinition".as_slice()), ("hcLicence", licence.as_bytes())];
        assert_eq!(ada.ask(&crate::wire::add_request(&role("mine"), &own), &[]).code(), INSUFFICIENT_ACCESS, "{licence}");
    }
    assert_eq!(ada.ask(&replace_request(&user("ann", ACME), "hcRole", &[&role("Payroll")]), &[]).code(), CONSTRAINT_VIOLATION);
    // What the operator says stays, and neither goes.
    let mut operator = house.server.as_operator();
    operator.replace(&role("Payroll"), "hcLicence", &[&licence(ACME)]);
    assert_eq!(ada.ask(&replace_request(&role("Payroll"), "hcLicence", &[]), &[]).code(), INSUFFICIENT_ACCESS);
    ada.replace(&role("Payroll"), "description", &["who pays"]);
}

#[test]
fn r5_o3_a_licence_that_has_ended_or_not_begun_lends_no_package() {
    let house = house("Standard");
    let large = format!("cn=pos,ou=licences,{ACME}");
    let mut operator = house.server.as_operator();
    let attributes = [("objectClass", "hcLicence"), ("cn", "pos"), ("hcSessionLimit", "1"), ("hcPackage", "Professional")];
    put(&mut operator, &large, &attributes);
    operator.replace(&role("Payroll"), "hcLicence", &[&large]);
    operator.replace(&user("ann", ACME), "hcRole", &[&role("Payroll")]);
    let mut ann = house.signed_in("ann", ACME);
    assert!(sees_gil(&mut ann));
    for (attribute, value) in [("hcEndDate", "20200101000000Z"), ("hcStartDate", "20900101000000Z")] {
        operator.replace(&large, attribute, &[value]);
        assert!(!sees_gil(&mut ann), "{attribute}");
        assert_eq!(values(&mut operator, &user("ann", ACME), "hcEffectiveRole"), Vec::<String>::new(), "{attribute}");
        assert_eq!(values(&mut operator, &user("ann", ACME), "hcPermission"), Vec::<String>::new(), "{attribute}");
        assert_eq!(values(&mut operator, &role("Payroll"), "member").len(), 0, "{attribute}");
        // It can be given before: it works from the day on which the licence begins.
        operator.replace(&user("bob", ACME), "hcRole", &[&role("Payroll")]);
        operator.replace(&large, attribute, &[]);
        assert!(sees_gil(&mut ann), "{attribute}");
    }
}

#[test]
fn r6_the_only_administrator_role_stays_one_whoever_asks() {
    let house = house("Standard");
    let mut operator = house.server.as_operator();
    let chief = role("chief");
    for values in [&[][..], &["hr-manager"]] {
        let refused = operator.ask(&replace_request(&chief, "hcRoleSystem", values), &[]);
        assert!(refused.code() == 53 && refused.text().contains("R6"), "{values:?}: {}", refused.text());
    }
    let gone = operator.ask(&crate::house::rename_request(&chief, "cn=chief", Some(&format!("ou=roles,{OTHER}"))), &[]);
    assert_ne!(gone.code(), 0, "it stays in its organisation");
    // Another one that nobody has would leave nobody.
    put(&mut operator, &role("second"), &[("objectClass", "hcRoleDefinition"), ("hcRoleSystem", "organisation-admin")]);
    assert_eq!(operator.ask(&replace_request(&chief, "hcRoleSystem", &[]), &[]).code(), 53);
    operator.replace(&user("bob", ACME), "hcRole", &[&role("second")]);
    operator.replace(&chief, "hcRoleSystem", &["hr-manager"]);
    assert_eq!(operator.ask(&replace_request(&role("second"), "hcRoleSystem", &[]), &[]).code(), 53);
}

#[test]
fn r1_a_role_restricts_no_permission_that_there_is_not() {
    let house = house("Standard");
    for who in ["operator", "ada"] {
        let mut wire = house.signed_in(who, ACME);
        let refused = wire.ask(&replace_request(&role("clerk"), "hcRoleRestriction", &["sales.edit", "sales.edti"]), &[]);
        assert!(refused.code() == CONSTRAINT_VIOLATION && refused.text().contains("sales.edti"), "{who}: {}", refused.text());
        wire.replace(&role("clerk"), "hcRoleRestriction", &["sales.edit", "people.directory-only"]);
    }
}

#[test]
fn r6_o3_an_administrator_gets_no_more_by_roles_of_its_own_nor_by_another_licence() {
    let house = house("Standard");
    let mut ada = house.signed_in("ada", ACME);
    let own = |name: &str, permission: &str| {
        let attributes = [("objectClass", b"hcRoleDefinition".as_slice()), ("hcRolePermission", permission.as_bytes())];
        crate::wire::add_request(&role(name), &attributes)
    };
    assert_eq!(ada.ask(&own("mine", "sales.edit"), &[]).code(), 0);
    assert_eq!(ada.ask(&own("greedy", "payroll.run"), &[]).code(), CONSTRAINT_VIOLATION);
    assert_eq!(
        ada.ask(&replace_request(&role("mine"), "hcRolePermission", &["sales.edit", "payroll.run"]), &[]).code(),
        CONSTRAINT_VIOLATION
    );
    // What the catalog knows may stand there as the catalog has it, and no more.
    let more = ["people.search", "payroll.run", "sales.edit", "rockets.fly"];
    assert_eq!(ada.ask(&replace_request(&role("Payroll"), "hcRolePermission", &more), &[]).code(), CONSTRAINT_VIOLATION);
    assert_eq!(ada.ask(&replace_request(&role("mine"), "hcRoleSystem", &["hr-manager"]), &[]).code(), INSUFFICIENT_ACCESS);
    // A licence of somebody else governs nothing here.
    let mut operator = house.server.as_operator();
    operator.replace(&licence(OTHER), "hcPackage", &["Professional"]);
    operator.replace(&role("Payroll"), "hcLicence", &[&licence(OTHER)]);
    let refused = operator.ask(&replace_request(&user("ann", ACME), "hcRole", &[&role("Payroll")]), &[]);
    assert_eq!(refused.code(), CONSTRAINT_VIOLATION, "{}", refused.text());
}

//! What refers to something else refers to what there is: names follow renames, aliases stay within their organisation, and
//! values that lead nowhere are refused.

use crate::house::{ACME, House, OTHER, SUFFIX, add_request, group, put, rename_request, user};
use crate::wire::{control, present, replace_request, search_request};

/// Relax rules.
const RELAX: &str = "1.3.6.1.4.1.4203.666.5.12";

#[test]
fn authors_and_related_entries_of_other_classes_follow_renames() {
    let house = House::start("");
    let mut wire = house.server.as_operator();
    let (document, domain) = (format!("cn=manual,{ACME}"), format!("dc=acme,{ACME}"));
    let (ann, anna) = (user("ann", ACME), user("anna", ACME));
    put(&mut wire, &document, &[("objectClass", "document"), ("cn", "manual"), ("documentIdentifier", "1"), ("documentAuthor", &ann)]);
    put(&mut wire, &domain, &[("objectClass", "domain"), ("dc", "acme"), ("associatedName", &ann)]);
    assert_eq!(wire.ask(&rename_request(&ann, "uid=anna", None), &[]).code(), 0);
    for (dn, attribute) in [(&document, "documentAuthor"), (&domain, "associatedName")] {
        let found = wire.ask_all(&search_request(dn, 0, &present(attribute), &[attribute]), &[]);
        assert_eq!(found[0].values(attribute), [anna.as_str()], "{dn}");
    }
}

#[test]
fn o1_an_alias_stands_for_an_entry_of_its_own_organisation() {
    let house = House::start("");
    let mut wire = house.server.as_operator();
    let mut ada = house.signed_in("ada", ACME);
    let attributes = |target: &str| {
        [("objectClass", "alias"), ("objectClass", "extensibleObject"), ("cn", "a"), ("aliasedObjectName", target)]
            .map(|(name, value)| (name, value.to_owned()))
    };
    let alias = |under: &str, target: &str| {
        let attributes = attributes(target);
        let attributes: Vec<(&str, &str)> = attributes.iter().map(|(name, value)| (*name, value.as_str())).collect();
        add_request(&format!("cn=a,{under}"), &attributes)
    };
    let told: Vec<(u32, bool)> = [user("eve", OTHER), user("nobody", OTHER), SUFFIX.to_owned(), format!("o=None,{SUFFIX}")]
        .iter()
        .map(|target| (ada.ask(&alias(ACME, target), &[]), target))
        .map(|(answer, target)| (answer.code(), answer.text().replace(target, "").contains("own organisation")))
        .collect();
    assert_eq!(told, [(19, true); 4], "whether it is there or not");
    assert_eq!(wire.ask(&alias(SUFFIX, &user("eve", OTHER)), &[]).code(), 19);
    assert_eq!(ada.ask(&alias(ACME, &user("later", ACME)), &[]).code(), 0, "one that is to come");
    assert_eq!(ada.ask(&replace_request(&format!("cn=a,{ACME}"), "aliasedObjectName", &[&user("ann", ACME)]), &[]).code(), 0);
    assert_eq!(ada.ask(&replace_request(&format!("cn=a,{ACME}"), "aliasedObjectName", &[&user("eve", OTHER)]), &[]).code(), 19);
    assert_eq!(wire.ask(&alias(SUFFIX, &user("eve", OTHER)), &[control(RELAX, true, None)]).code(), 0, "an import takes what it brings");
}

#[test]
fn a_dynamic_group_takes_urls_and_an_organisation_a_time_zone_that_there_is() {
    let house = House::start("");
    let mut wire = house.server.as_operator();
    let group = |url: &str, name: &str| {
        add_request(&format!("cn={name},{ACME}"), &[("objectClass", "groupOfURLs"), ("cn", name), ("memberURL", url)])
    };
    for wrong in ["this is no url", "http://example.com/", "ldap:///dc=example,dc=com??far?(cn=*)"] {
        assert_eq!(wire.ask(&group(wrong, "wrong"), &[]).code(), 21, "{wrong}");
    }
    assert_eq!(wire.ask(&group(&format!("ldap:///{ACME}??sub?(cn=*)"), "right"), &[]).code(), 0);
    assert_eq!(wire.ask(&replace_request(ACME, "hcTimeZone", &["Mars/Olympus"]), &[]).code(), 19);
    wire.replace(ACME, "hcTimeZone", &["Pacific/Auckland"]);
}

#[test]
fn g4_u7_what_somebody_wrote_elsewhere_keeps_nobody_from_a_name_and_stays_text() {
    let house = House::start("");
    let (mut operator, mut gil, mut ada) = (house.server.as_operator(), house.signed_in("gil", ACME), house.signed_in("ada", ACME));
    let (team, late, second) = (group("team", ACME), user("late", ACME), user("second", ACME));
    gil.replace(&team, "hcParentGroup", &[&late]);
    ada.replace(&user("ann", ACME), "hcStaff", &[&second]);
    let number = format!("employeeNumber=9,ou=staff,{ACME}");
    for holder in ["ann", "bob"] {
        operator.replace(&user(holder, ACME), "hcStaff", &[&number]);
    }
    let person = [("objectClass", "inetOrgPerson"), ("objectClass", "hcUser"), ("cn", "x"), ("sn", "x")];
    put(&mut ada, &late, &person);
    let output = crate::demo::headcount()
        .arg("--config")
        .arg(house.server.config())
        .args(["user", "add", "second", "--organisation", ACME, "--family-name", "Second", "--email", "second@example.com"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    put(&mut operator, &number, &[("objectClass", "inetOrgPerson"), ("objectClass", "hcStaffRecord"), ("cn", "x"), ("sn", "x")]);
    let shown = |dn: &str, attribute: &str| {
        let found = house.server.as_operator().ask_all(&search_request(dn, 0, &present("objectClass"), &[attribute]), &[]);
        found[0].values(attribute)
    };
    assert_eq!(shown(&team, "hcParentGroup"), [&*late], "as it was written");
    assert_eq!(shown(&user("bob", ACME), "hcStaff"), [&*number]);
    // The name follows no rename, since it is no reference.
    assert_eq!(operator.ask(&rename_request(&late, "uid=later", None), &[]).code(), 0);
    assert_eq!(shown(&team, "hcParentGroup"), [&*late]);
}

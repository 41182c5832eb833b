//! What an organisation opens to its users (U2), and organisations and licences that are made at run time (O4).

use crate::demo::headcount;
use crate::house::{ACME, House, OTHER, user};
use crate::wire::{present, replace_request};

const INSUFFICIENT_ACCESS: u32 = 50;

fn command(house: &House, arguments: &[&str]) -> (bool, String) {
    let output = headcount().arg("--config").arg(house.server.config()).args(arguments).output().unwrap();
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn u2_users_change_of_themselves_what_the_organisation_opens_and_nothing_else() {
    let house = House::start("");
    let set = |who: (&str, &str), of: (&str, &str), attribute: &str| {
        house.signed_in(who.0, who.1).ask(&replace_request(&user(of.0, of.1), attribute, &["+64 9 555"]), &[]).code()
    };
    let (ann, eve) = (("ann", ACME), ("eve", OTHER));
    assert_eq!(set(ann, ann, "telephoneNumber"), INSUFFICIENT_ACCESS);
    let mut open = house.signed_in("ann", ACME);
    let mut ada = house.signed_in("ada", ACME);
    let answer = ada.ask(&replace_request(ACME, "hcSelfServiceAttribute", &["telephoneNumber", "displayName"]), &[]);
    assert_eq!(answer.code(), 0, "the Organisation Admin opens it: {}", answer.text());
    assert_eq!(open.ask(&replace_request(&user("ann", ACME), "telephoneNumber", &["+64 9 1"]), &[]).code(), 0, "at once");
    assert_eq!((set(ann, ann, "displayName"), set(ann, ann, "cn")), (0, 0), "by SCIM one follows the other");
    assert_eq!(set(ann, ann, "title"), INSUFFICIENT_ACCESS);
    assert_ne!(set(ann, ("bob", ACME), "telephoneNumber"), 0, "nobody else's");
    assert_eq!(set(eve, eve, "telephoneNumber"), INSUFFICIENT_ACCESS, "of another organisation");
    let explained =
        crate::access::rows(&house.server.config(), &["access", "explain", &user("ann", ACME), &user("ann", ACME), "telephoneNumber"]);
    let write = explained.iter().find(|row| row["right"] == "write").unwrap();
    assert_eq!((&write["given"], &write["because"]), (&"yes".into(), &"its own entry".into()));
    assert_eq!(ada.ask(&replace_request(ACME, "hcSelfServiceAttribute", &[]), &[]).code(), 0);
    assert_eq!(set(ann, ann, "telephoneNumber"), INSUFFICIENT_ACCESS, "and closes it");
}

#[test]
fn u2_what_decides_who_somebody_is_cannot_be_opened() {
    let house = House::start("");
    let mut ada = house.signed_in("ada", ACME);
    for name in ["mail", "uid", "hcRole", "hcActive", "hcUserType", "hcStaff", "userPassword", "memberOf", "nonsense"] {
        let answer = ada.ask(&replace_request(ACME, "hcSelfServiceAttribute", &[name]), &[]);
        assert!(answer.code() == 19 && answer.text().contains("U2"), "{name}: {} {}", answer.code(), answer.text());
    }
    assert_eq!(ada.ask(&replace_request(ACME, "description", &["ours"]), &[]).code(), INSUFFICIENT_ACCESS, "the rest is the operator's");
    let mut bob = house.signed_in("bob", ACME);
    assert_eq!(bob.ask(&replace_request(ACME, "hcSelfServiceAttribute", &["title"]), &[]).code(), INSUFFICIENT_ACCESS);
}

#[test]
fn o4_organisations_and_licences_are_made_on_the_command_line() {
    let house = House::start("");
    let (made, said) = command(&house, &["organisation", "add", "o=New,dc=example,dc=com", "--description", "the new one"]);
    assert!(made, "{said}");
    let (made, said) =
        command(&house, &["licence", "add", "--organisation", "o=New,dc=example,dc=com", "main", "--session-limit", "2", "--default"]);
    assert!(made, "{said}");
    let (listed, said) = command(&house, &["organisation", "list"]);
    assert!(listed && said.contains("o=New,dc=example,dc=com") && said.contains(ACME), "{said}");
    let mut operator = house.server.as_operator();
    let licence = "cn=main,ou=licences,o=New,dc=example,dc=com";
    let found = &operator.entries(licence, &present("objectClass"), &["hcSessionLimit", "hcLicenceDefault"])[0];
    assert_eq!((found.values("hcSessionLimit"), found.values("hcLicenceDefault")), (vec!["2".to_owned()], vec!["TRUE".to_owned()]));
    let (again, said) = command(&house, &["organisation", "add", "o=New,dc=example,dc=com"]);
    assert!(!again && said.contains("exists"), "{said}");
}

#[test]
fn o1_the_command_line_gives_nobody_what_is_not_of_the_organisation() {
    let house = House::start("");
    let mut operator = house.server.as_operator();
    let held = |operator: &mut crate::wire::Wire| {
        operator
            .entries(&user("ann", ACME), &present("objectClass"), &["hcRole"])
            .first()
            .map(|entry| entry.values("hcRole"))
            .unwrap_or_default()
    };
    for role in [format!("cn=clerk,ou=roles,{OTHER}"), format!("cn=nobody,ou=roles,{ACME}"), "nobody".to_owned()] {
        let (done, said) = command(&house, &["role", "assign", &user("ann", ACME), &role]);
        assert!(!done && said.contains("the organisation has no role"), "{role}: {said}");
        assert!(held(&mut operator).is_empty());
    }
    let (done, said) = command(&house, &["role", "assign", &user("ann", ACME), &format!("CN=clerk, ou=roles,{ACME}")]);
    assert!(done && held(&mut operator).len() == 1, "{said}");
    let team = crate::house::group("team", ACME);
    for member in [user("eve", OTHER), user("nobody", ACME)] {
        let (done, said) = command(&house, &["group", "member", &team, &member, "--level", "full"]);
        assert!(!done && said.contains(&member), "{said}");
    }
    let (done, said) = command(&house, &["group", "member", &team, &user("ann", ACME), "--level", "full"]);
    assert!(done, "{said}");
}

#[test]
fn s14_a_share_says_what_of_the_seats_it_is_and_keeps_what_is_not_named() {
    let house = House::start("");
    let (licence, team) = (format!("cn=main,ou=licences,{ACME}"), crate::house::group("team", ACME));
    let share = |more: &[&str]| command(&house, &[&["licence", "share", &licence, "team", "--with", &team], more].concat());
    for wrong in [&[][..], &["--reserved", "3", "--most", "1"]] {
        let (done, said) = share(wrong);
        assert!(!done && said.contains("S14"), "{wrong:?}: {said}");
    }
    assert!(share(&["--reserved", "1", "--most", "3"]).0);
    assert!(share(&["--reserved", "2"]).0);
    let dn = format!("cn=team,ou=licences,{ACME}");
    let found = &house.server.as_operator().entries(&dn, &present("objectClass"), &["hcReservedSeats", "hcSeatLimit"])[0];
    assert_eq!((found.values("hcReservedSeats"), found.values("hcSeatLimit")), (vec!["2".to_owned()], vec!["3".to_owned()]));
}

//! Seats for some: reserved, and so many at most (S14). And one more seat with a new user (U3).

use crate::demo::headcount;
use crate::house::{ACME, House, OTHER, SUFFIX, add_request, group, person, user};
use crate::server::{PASSWORD, write_private};
use crate::wire::{Wire, delete_request, equal, present, replace_request};

const ADMIN_LIMIT_EXCEEDED: u32 = 11;

fn licence() -> String {
    format!("cn=main,ou=licences,{ACME}")
}

/// Acme with a licence of so many seats.
fn house(seats: &str) -> House {
    let house = House::start("");
    house.server.as_operator().replace(&licence(), "hcSessionLimit", &[seats]);
    house
}

fn command(house: &House, arguments: &[&str]) -> (bool, String) {
    let output = headcount().arg("--config").arg(house.server.config()).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// How a bind is answered: the code and the text.
fn bind(house: &House, uid: &str) -> (u32, String) {
    let answer = house.server.connect().bind(&user(uid, ACME), PASSWORD);
    (answer.code(), answer.text())
}

fn limit(wire: &mut Wire) -> Vec<String> {
    wire.entries(&licence(), &present("objectClass"), &["hcSessionLimit"])[0].values("hcSessionLimit")
}

#[test]
fn s14_seats_are_kept_for_a_role_and_for_a_group() {
    let house = house("3");
    let (shared, said) =
        command(&house, &["licence", "share", &licence(), "clerks", "--with", &format!("cn=clerk,ou=roles,{ACME}"), "--reserved", "1"]);
    assert!(shared, "{said}");
    let (shared, said) = command(&house, &["licence", "share", &licence(), "team", "--with", &group("team", ACME), "--reserved", "1"]);
    assert!(shared, "{said}");
    assert_eq!(bind(&house, "ann").0, 0);
    // Bob is a clerk and of the team, so he takes up what is kept for both; Gil runs the team.
    let (code, said) = bind(&house, "sam");
    assert!(code == ADMIN_LIMIT_EXCEEDED && said.contains("1 of 3") && said.contains("reserved"), "{code} {said}");
    assert_eq!(bind(&house, "gil").0, 0);
    assert_eq!(bind(&house, "sam").0, ADMIN_LIMIT_EXCEEDED, "the clerks' seat is still kept");
    let (listed, said) = command(&house, &["licence", "shares"]);
    assert!(listed && said.contains("cn=clerk,ou=roles") && said.contains("cn=team,ou=groups"), "{said}");
    assert!(command(&house, &["licence", "share", &licence(), "clerks", "--remove"]).0);
    assert_eq!(bind(&house, "sam").0, 0, "at once");
    assert_eq!(bind(&house, "bob").0, ADMIN_LIMIT_EXCEEDED, "the licence is full");
}

#[test]
fn s14_a_group_has_so_many_seats_at_most_and_the_answer_says_which() {
    let house = house("9");
    let share = |most: &str| command(&house, &["licence", "share", &licence(), "team", "--with", &group("team", ACME), "--most", most]);
    assert!(share("1").0);
    assert_eq!(bind(&house, "bob").0, 0);
    let (code, said) = bind(&house, "gil");
    assert!(code == ADMIN_LIMIT_EXCEEDED && said.contains("seat limit of team reached: 1 of 1"), "{code} {said}");
    assert_eq!(bind(&house, "ann").0, 0, "others are not held up");
    assert!(share("2").0, "a share is changed by the same command");
    assert_eq!(bind(&house, "gil").0, 0);
}

#[test]
fn s14_no_more_seats_are_reserved_than_there_are() {
    let house = house("3");
    let mut ada = house.signed_in("ada", ACME);
    let share =
        |seats: &str| command(&house, &["licence", "share", &licence(), "team", "--with", &group("team", ACME), "--reserved", seats]);
    let (shared, said) = share("50");
    assert!(!shared && said.contains("session limit of the licence is 3") && said.contains("S14"), "{said}");
    assert!(share("3").0);
    let dn = format!("cn=team,ou=licences,{ACME}");
    assert_eq!(ada.ask(&replace_request(&dn, "hcReservedSeats", &["4"]), &[]).code(), 19, "in every door");
    // A limit that was lowered under what is reserved keeps nobody from changing the rest (S9).
    house.server.as_operator().replace(&licence(), "hcSessionLimit", &["1"]);
    assert_eq!(ada.ask(&replace_request(&dn, "hcSeatLimit", &["3"]), &[]).code(), 0);
}

#[test]
fn o1_a_command_puts_nobody_of_another_organisation_in_a_group_at_any_level() {
    let house = house("9");
    let (eve, team) = (user("eve", OTHER), group("team", ACME));
    for level in ["view-only", "past", "administrator"] {
        let (done, said) = command(&house, &["group", "member", &team, &eve, "--level", level]);
        assert!(!done && said.contains(&format!("there is no entry \"{eve}\" to refer to")), "{said}");
    }
}

#[test]
fn o4_a_command_names_the_entry_that_is_not_there() {
    let house = house("9");
    let nowhere = "o=None,dc=example,dc=com";
    for line in [
        &["user", "add", "--organisation", nowhere, "new", "--family-name", "x", "--email", "x@example.com"][..],
        &["role", "add", "--organisation", nowhere, "new"],
        &["licence", "add", "--organisation", nowhere, "new", "--session-limit", "3"],
        &["licence", "list", "--organisation", nowhere],
        &["user", "disable", "uid=no,o=None,dc=example,dc=com"],
    ] {
        let (done, said) = command(&house, line);
        assert!(!done && said.contains("there is no entry ") && said.contains("o=None"), "{line:?}: {said}");
    }
}

#[test]
fn s14_administrators_share_out_their_own_licences_and_only_with_their_own() {
    let house = house("9");
    let share = |licence: &str, with: &str, seats: &str| {
        let attributes = [("objectClass", "hcSeatShare"), ("hcSharedLicence", licence), ("hcSharedWith", with), ("hcReservedSeats", seats)];
        add_request(&format!("cn=share,ou=licences,{ACME}"), &attributes)
    };
    let mut ada = house.signed_in("ada", ACME);
    for (licence, with, seats, rule) in [
        (licence(), user("bob", ACME), "1", "S14"),
        (licence(), group("team", OTHER), "1", "S14"),
        (format!("cn=main,ou=licences,{OTHER}"), group("team", ACME), "1", "S14"),
        (licence(), group("team", ACME), "-1", "S14"),
    ] {
        let answer = ada.ask(&share(&licence, &with, seats), &[]);
        assert!(answer.code() == 19 && answer.text().contains(rule), "{licence} {with} {seats}: {} {}", answer.code(), answer.text());
    }
    assert_eq!(ada.ask(&share(&licence(), &group("team", ACME), "9"), &[]).code(), 0);
    assert_eq!(bind(&house, "ann").0, ADMIN_LIMIT_EXCEEDED, "all others are kept for the team, and Ada has hers");
    let mut bob = house.signed_in("bob", ACME);
    assert!(bob.entries(ACME, &present("hcReservedSeats"), &["1.1"]).is_empty(), "who administers nothing sees nothing of it");
    // The group may go; what was kept for it is nobody's then.
    assert_eq!(ada.ask(&delete_request(&group("team", ACME)), &[]).code(), 0);
    assert_eq!(bind(&house, "ann").0, 0);
}

#[test]
fn u3_a_new_user_brings_a_seat_in_the_same_step_or_is_not_added() {
    let house = house("3");
    let mut operator = house.server.as_operator();
    let new = |uid: &str, more: &[(&str, &str)]| {
        let mut attributes = vec![("objectClass", "inetOrgPerson"), ("objectClass", "hcUser"), ("cn", uid), ("sn", uid)];
        attributes.push(("hcIncreaseSessionLimit", "TRUE"));
        attributes.extend(more);
        add_request(&user(uid, ACME), &attributes)
    };
    assert_eq!(operator.ask(&new("new", &[]), &[]).code(), 0);
    assert_eq!(limit(&mut operator), ["4"]);
    let kept = operator.entries(&user("new", ACME), &present("hcIncreaseSessionLimit"), &["1.1"]);
    assert!(kept.is_empty(), "it is no attribute of the user");
    let mut ada = house.signed_in("ada", ACME);
    assert_eq!(ada.ask(&new("other", &[]), &[]).code(), 50, "the licence is not self-service");
    assert!(operator.entries(ACME, &equal("uid", b"other"), &["1.1"]).is_empty(), "all or nothing");
    operator.replace(&licence(), "hcSelfService", &["TRUE"]);
    assert_eq!(ada.ask(&new("other", &[]), &[]).code(), 0);
    assert_eq!(limit(&mut operator), ["5"]);
    let service = operator.ask(&new("robot", &[("hcUserType", "service")]), &[]);
    assert!(service.code() == 53 && service.text().contains("U3"), "{} {}", service.code(), service.text());
    let later = operator.ask(&replace_request(&user("new", ACME), "hcIncreaseSessionLimit", &["TRUE"]), &[]);
    assert!(later.code() == 53 && later.text().contains("U3"), "{} {}", later.code(), later.text());
    assert_eq!(limit(&mut operator), ["5"]);
}

#[test]
fn u3_the_command_line_adds_a_user_and_a_seat() {
    let house = house("3");
    let add = |uid: &str| {
        let more = ["--family-name", uid, "--increase-session-limit", "--password-file", "password"];
        let password = house.server.config().with_file_name("password");
        write_private(&password, "a long and winding password");
        let more = more.map(|word| if word == "password" { password.to_str().unwrap() } else { word });
        command(&house, &[&["user", "add", "--organisation", ACME, uid][..], &more].concat())
    };
    let (added, said) = add("new");
    assert!(added, "{said}");
    assert_eq!(limit(&mut house.server.as_operator()), ["4"]);
}

#[test]
fn u3_who_can_be_sent_no_link_and_has_no_password_is_not_added_by_command_and_addresses_look_like_one() {
    let house = House::start("");
    let add = |uid: &str, more: &[&str]| {
        let command_line = [&["user", "add", "--organisation", ACME, uid, "--family-name", "x"][..], more].concat();
        command(&house, &command_line)
    };
    let (added, said) = add("alone", &[]);
    assert!(!added && said.contains("--email") && said.contains("U3"), "{said}");
    assert!(add("robot", &["--type", "service"]).0, "an application is sent none");
    let (added, said) = add("wrong", &["--email", "not an address"]);
    assert!(!added && said.contains("not an address is no e-mail address"), "{said}");
    assert!(add("right", &["--email", "o'neil+news@mail.example.com"]).0);
    let mut ada = house.signed_in("ada", ACME);
    for wrong in ["bob", "@example.com", "bob@", "bob@a@b", "bob@exa mple.com", "<bob@example.com>", "a@example.com,b@example.com"] {
        let refused = ada.ask(&replace_request(&user("bob", ACME), "mail", &["bob@example.com", wrong]), &[]);
        assert!(refused.code() == 19 && refused.text().contains("U3"), "{wrong}: {} {}", refused.code(), refused.text());
    }
    // By LDAP an address may come later, and other entries have what they have.
    let later = [("objectClass", "inetOrgPerson"), ("objectClass", "hcUser"), ("cn", "n"), ("sn", "n")];
    assert_eq!(ada.ask(&add_request(&user("later", ACME), &later), &[]).code(), 0);
    ada.replace(&user("later", ACME), "mail", &["later@example.com"]);
}

#[test]
fn u3_o4_where_a_file_owns_the_licence_the_user_is_not_added_and_the_file_is_named() {
    let house = House::start("");
    let declared = "dn = \"o=Declared,dc=example,dc=com\"\n[[licence]]\nname = \"main\"\nsession_limit = 3\n";
    write_private(&house.server.config().with_file_name("organisation.toml"), declared);
    house.server.write_config("[[organisation]]\nfile = \"organisation.toml\"\n");
    house.server.signal("HUP");
    let mut operator = house.server.as_operator();
    let is_declared = |wire: &mut Wire| !wire.entries(SUFFIX, &equal("o", b"Declared"), &["1.1"]).is_empty();
    crate::reload::eventually(&house.server, "it is declared", || is_declared(&mut operator));
    let attributes =
        [("objectClass", "inetOrgPerson"), ("objectClass", "hcUser"), ("cn", "n"), ("sn", "n"), ("hcIncreaseSessionLimit", "TRUE")];
    let answer = operator.ask(&add_request("uid=new,ou=users,o=Declared,dc=example,dc=com", &attributes), &[]);
    assert!(answer.code() == 53 && answer.text().contains("organisation.toml"), "{} {}", answer.code(), answer.text());
    // Without it, it is.
    person(&mut operator, "new", "o=Declared,dc=example,dc=com", &[]);
}

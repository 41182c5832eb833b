//! Content over LDAP (C1-C8): who wrote it, to whom it shows, and what becomes of it when people and groups go.

use crate::follow::persistent;
use crate::house::{ACME, House, OTHER, add_request, compare_request, group, person, put, rename_request, user};
use crate::oracles::modify_request;
use crate::wire::{Answer, Wire, delete_request, equal, message, present, replace_request, search_request};

/// A form may file what it likes and read what it is let.
const RULES: &str = "[[access]]\nwho = [\"services\"]\nsubtree = \"o=Acme,dc=example,dc=com\"\nrights = [\"read\", \"write\", \"add\"]\n\
    [[access]]\nwho = [\"users\"]\nsubtree = \"ou=content,o=Acme,dc=example,dc=com\"\nrights = [\"read\", \"search\"]\n\
    [[access]]\nwho = [\"anonymous\"]\nsubtree = \"ou=content,o=Acme,dc=example,dc=com\"\nrights = [\"read\", \"search\"]\n";

fn item(name: &str) -> String {
    format!("cn={name},ou=content,{ACME}")
}

/// A house in which sam, ann and ada read and write content; gil runs the team that bob is in; bob, gil and ann may search people
/// of their groups.
fn house() -> House {
    let house = House::start(RULES);
    let mut wire = house.server.as_operator();
    let role = |name: &str| format!("cn={name},ou=roles,{ACME}");
    let member = [
        ("objectClass", "hcRoleDefinition"),
        ("hcRolePermission", "people.search"),
        ("hcRolePermission", "content.write"),
        ("hcRolePermission", "groups.search-own"),
    ];
    put(&mut wire, &role("writer"), &member);
    put(&mut wire, &role("reader"), &[("objectClass", "hcRoleDefinition"), ("hcRolePermission", "content.read")]);
    for uid in ["bob", "gil", "ann"] {
        wire.replace(&user(uid, ACME), "hcRole", &[&role("writer")]);
    }
    wire.replace(&user("sam", ACME), "hcRole", &[&role("searcher"), &role("writer"), &role("reader")]);
    house
}

/// A note about bob, which says of itself that it is `name`.
fn note<'a>(about: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut attributes = vec![("objectClass", "hcContent"), ("hcContentType", "note"), ("hcSubject", about), ("hcBody", "seen")];
    attributes.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
    attributes.extend(more);
    attributes.sort_by_key(|(name, _)| *name);
    attributes
}

fn all(wire: &mut Wire) -> Vec<Answer> {
    let search = search_request(&format!("ou=content,{ACME}"), 2, &equal("objectClass", b"hcContent"), &["*", "+"]);
    let mut answers = wire.ask_all(&search, &[]);
    answers.pop();
    answers
}

fn names(wire: &mut Wire) -> Vec<String> {
    let mut names: Vec<String> = all(wire).iter().flat_map(|entry| entry.values("cn")).collect();
    names.sort();
    names
}

fn code(wire: &mut Wire, request: &[u8]) -> u32 {
    wire.ask(request, &[]).code()
}

#[test]
fn c2_just_me_shows_to_its_author_alone_whoever_asks() {
    let house = house();
    let bob = user("bob", ACME);
    let mut sam = house.signed_in("sam", ACME);
    put(&mut sam, &item("mine"), &note(&bob, &[]));
    let own = all(&mut sam);
    assert_eq!((own[0].values("hcVisibility"), own[0].values("hcAuthor")), (vec!["just-me".to_owned()], vec![user("sam", ACME)]));
    for (uid, organisation) in [("ada", ACME), ("bob", ACME), ("gil", ACME), ("svc", ACME), ("eve", OTHER), ("", ACME)] {
        let mut other = house.signed_in(uid, organisation);
        assert_eq!(names(&mut other), Vec::<String>::new(), "{uid}");
        let there = other.ask(&compare_request(&item("mine"), "hcBody", b"seen"), &[]);
        let absent = other.ask(&compare_request(&item("none"), "hcBody", b"seen"), &[]);
        assert_eq!((there.code(), there.text()), (absent.code(), absent.text()), "{uid}");
        assert_ne!(there.code(), 6);
        assert_eq!(code(&mut other, &delete_request(&item("mine"))), code(&mut other, &delete_request(&item("none"))), "{uid}");
        let changed = replace_request(&item("mine"), "hcBody", &["x"]);
        assert_eq!(code(&mut other, &changed), code(&mut other, &replace_request(&item("none"), "hcBody", &["x"])), "{uid}");
    }
    assert_eq!(names(&mut house.server.as_operator()), ["mine"]);
}

#[test]
fn c2_each_user_may_set_another_default() {
    let house = house();
    let bob = user("bob", ACME);
    let mut sam = house.signed_in("sam", ACME);
    sam.replace(&user("sam", ACME), "hcDefaultVisibility", &["anyone"]);
    put(&mut sam, &item("open"), &note(&bob, &[]));
    assert_eq!(all(&mut sam)[0].values("hcVisibility"), ["anyone"]);
    for refused in ["group", "everybody"] {
        assert_eq!(code(&mut sam, &replace_request(&user("sam", ACME), "hcDefaultVisibility", &[refused])), 19, "{refused}");
    }
    assert_eq!(code(&mut sam, &replace_request(&user("bob", ACME), "hcDefaultVisibility", &["anyone"])), 50);
}

#[test]
fn c3_group_shows_to_full_members_and_administrators_inherited_too() {
    let house = house();
    let mut operator = house.server.as_operator();
    put(&mut operator, &group("part", ACME), &[("objectClass", "hcGroup"), ("hcParentGroup", &group("team", ACME))]);
    put(&mut operator, &group("open", ACME), &[("objectClass", "hcGroup"), ("member", &user("ann", ACME)), ("member", &user("bob", ACME))]);
    operator.replace(&group("team", ACME), "hcViewOnlyMember", &[&user("ann", ACME)]);
    let mut sam = house.signed_in("sam", ACME);
    let (bob, part) = (user("bob", ACME), group("part", ACME));
    put(&mut sam, &item("for part"), &note(&bob, &[("hcVisibility", "group"), ("hcVisibleTo", &part)]));
    for (uid, sees) in [("gil", true), ("bob", true), ("ann", false), ("ada", false), ("sam", true)] {
        assert_eq!(names(&mut house.signed_in(uid, ACME)).len(), usize::from(sees), "{uid}");
    }
    // Full members of the group who may not see the person do not see it either (C5).
    let sam_dn = user("sam", ACME);
    put(&mut sam, &item("about sam"), &note(&sam_dn, &[("hcVisibility", "group"), ("hcVisibleTo", &part)]));
    assert_eq!(names(&mut house.signed_in("bob", ACME)), ["for part"]);
}

#[test]
fn c4_anyone_shows_to_whose_role_reads_content_and_who_sees_the_person() {
    let house = house();
    let bob = user("bob", ACME);
    let mut gil = house.signed_in("gil", ACME);
    put(&mut gil, &item("open"), &note(&bob, &[("hcVisibility", "anyone")]));
    assert_eq!(names(&mut house.signed_in("sam", ACME)), ["open"]);
    assert_eq!(names(&mut house.signed_in("ada", ACME)), ["open"]);
    // bob may not read content, not even about himself.
    assert_eq!(names(&mut house.signed_in("bob", ACME)), Vec::<String>::new());
    let mut operator = house.server.as_operator();
    let roles = ["writer", "reader"].map(|name| format!("cn={name},ou=roles,{ACME}"));
    operator.replace(&user("ann", ACME), "hcRole", &[&roles[0], &roles[1]]);
    let mut ann = house.signed_in("ann", ACME);
    assert_eq!(names(&mut ann), Vec::<String>::new(), "ann does not see bob");
    operator.replace(&group("team", ACME), "member", &[&bob, &user("ann", ACME)]);
    assert_eq!(names(&mut ann), ["open"], "at once, on the open connection");
}

#[test]
fn c5_what_is_about_several_people_shows_to_who_sees_all_of_them() {
    let house = house();
    let mut operator = house.server.as_operator();
    let roles = ["writer", "reader"].map(|name| format!("cn={name},ou=roles,{ACME}"));
    operator.replace(&user("gil", ACME), "hcRole", &[&roles[0], &roles[1]]);
    let (bob, ann) = (user("bob", ACME), user("ann", ACME));
    let mut sam = house.signed_in("sam", ACME);
    put(&mut sam, &item("both"), &note(&bob, &[("hcSubject", &bob), ("hcSubject", &ann), ("hcVisibility", "anyone")]));
    put(&mut sam, &item("bob"), &note(&bob, &[("hcVisibility", "anyone")]));
    assert_eq!(names(&mut house.signed_in("gil", ACME)), ["bob"]);
    assert_eq!(names(&mut house.signed_in("ada", ACME)), ["bob", "both"]);
}

#[test]
fn c6_a_form_sets_the_visibility_and_names_whose_it_is() {
    let house = house();
    let (bob, sam) = (user("bob", ACME), user("sam", ACME));
    let mut form = house.signed_in("svc", ACME);
    let refused = |form: &mut Wire, more: &[(&str, &str)]| {
        let answer = form.ask(&add_request(&item("x"), &note(&bob, more)), &[]);
        (answer.code(), answer.text().contains("C6"))
    };
    // Without a visibility, and for nobody alone.
    assert_eq!(refused(&mut form, &[]), (19, true));
    assert_eq!(refused(&mut form, &[("hcVisibility", "just-me")]), (19, true));
    assert_eq!(refused(&mut form, &[("hcVisibility", "just-me"), ("hcAuthor", &user("svc", ACME))]), (19, true));
    put(&mut form, &item("for sam"), &note(&bob, &[("hcVisibility", "just-me"), ("hcAuthor", &sam)]));
    put(&mut form, &item("for all"), &note(&bob, &[("hcVisibility", "anyone")]));
    assert_eq!(names(&mut form), ["for all"], "a form never reads what is for one alone");
    assert_eq!(names(&mut house.signed_in("sam", ACME)), ["for all", "for sam"]);
    assert_eq!(names(&mut house.signed_in("ada", ACME)), ["for all"]);
}

#[test]
fn c6_one_writes_in_ones_own_name() {
    let house = house();
    let (bob, ann) = (user("bob", ACME), user("ann", ACME));
    let mut sam = house.signed_in("sam", ACME);
    assert_eq!(code(&mut sam, &add_request(&item("x"), &note(&bob, &[("hcAuthor", &ann)]))), 50);
    put(&mut sam, &item("mine"), &note(&bob, &[]));
    assert_eq!(code(&mut sam, &replace_request(&item("mine"), "hcAuthor", &[&ann])), 50);
    assert_eq!(code(&mut sam, &modify_request(&item("mine"), &[(1, "hcAuthor", &[])])), 50);
}

#[test]
fn c6_a_to_do_needs_a_visibility_and_its_completion_note_one_of_its_own() {
    let house = house();
    let bob = user("bob", ACME);
    let mut sam = house.signed_in("sam", ACME);
    assert_eq!(code(&mut sam, &add_request(&item("x"), &note(&bob, &[("hcContentType", "to-do")]))), 19);
    put(&mut sam, &item("call"), &note(&bob, &[("hcContentType", "to-do"), ("hcVisibility", "anyone"), ("hcDue", "20270101000000Z")]));
    let done = |more: &[(i64, &str, &[&str])]| {
        let mut changes: Vec<(i64, &str, &[&str])> =
            vec![(2, "hcCompleted", &["20261231000000Z"]), (2, "hcCompletionNote", &["he was out"])];
        changes.extend(more);
        modify_request(&item("call"), &changes)
    };
    assert_eq!(code(&mut sam, &done(&[])), 19);
    assert_eq!(code(&mut sam, &done(&[(2, "hcCompletionVisibility", &["just-me"])])), 0);
    let seen = |uid: &str| all(&mut house.signed_in(uid, ACME))[0].values("hcCompletionNote");
    assert_eq!((seen("sam"), seen("ada")), (vec!["he was out".to_owned()], vec![]));
    let mut ada = house.signed_in("ada", ACME);
    assert!(ada.entries(ACME, &present("hcCompletionNote"), &["cn"]).is_empty());
    sam.replace(&item("call"), "hcCompletionVisibility", &["anyone"]);
    assert_eq!(seen("ada"), ["he was out"]);
    assert_eq!(code(&mut sam, &add_request(&item("n"), &note(&bob, &[("hcCompleted", "20261231000000Z")]))), 19);
}

#[test]
fn c1_content_is_about_people_and_stands_in_its_container() {
    let house = house();
    let bob = user("bob", ACME);
    let mut sam = house.signed_in("sam", ACME);
    let team = group("team", ACME);
    for more in [
        &[("hcSubject", "uid=nobody,ou=users,o=Acme,dc=example,dc=com")][..],
        &[("hcSubject", "uid=eve,ou=users,o=Other,dc=example,dc=com")],
        &[("hcSubject", &team)],
        &[("hcVisibility", "group")],
        &[("hcVisibility", "anyone"), ("hcVisibleTo", &team)],
        &[("hcVisibility", "all")],
        &[("hcContentType", "poem")],
    ] {
        let answer = sam.ask(&add_request(&item("x"), &note(&bob, more)), &[]);
        assert_eq!(answer.code(), 19, "{more:?} {}", answer.text());
    }
    let mut operator = house.server.as_operator();
    assert_eq!(code(&mut operator, &add_request(&format!("cn=x,ou=users,{ACME}"), &note(&bob, &[("hcVisibility", "anyone")]))), 19);
    // Who may not write content adds none, whatever there is.
    let mut clerk = house.server.as_operator();
    person(&mut clerk, "new", ACME, &[]);
    put(&mut sam, &item("first"), &note(&bob, &[]));
    let mut new = house.signed_in("new", ACME);
    assert_eq!(code(&mut new, &add_request(&item("x"), &note(&user("new", ACME), &[]))), 50);
}

#[test]
fn c7_content_one_may_not_see_is_not_counted_and_followers_hear_nothing_of_it() {
    let house = house();
    let bob = user("bob", ACME);
    let mut ada = house.signed_in("ada", ACME);
    let container = format!("ou=content,{ACME}");
    let counts = |ada: &mut Wire| {
        let entry = &ada.ask_all(&search_request(&container, 0, &present("objectClass"), &["+"]), &[])[0];
        (entry.values("numSubordinates"), entry.values("hasSubordinates"))
    };
    let mut sam = house.signed_in("sam", ACME);
    put(&mut sam, &item("first"), &note(&bob, &[]));
    let before = counts(&mut ada);
    let watch = search_request(ACME, 2, &equal("objectClass", b"hcContent"), &["1.1"]);
    let mut watching = house.signed_in("ada", ACME);
    watching.send(&message(77, &watch, &[persistent(15, true)]));
    watching.who_am_i_after(78);
    put(&mut sam, &item("second"), &note(&bob, &[]));
    sam.replace(&item("second"), "hcBody", &["other"]);
    assert_eq!(code(&mut sam, &delete_request(&item("first"))), 0);
    assert_eq!(counts(&mut ada), before);
    sam.replace(&item("second"), "hcVisibility", &["anyone"]);
    assert_eq!(watching.receive().map(|answer| answer.dn()), Some(item("second")), "the first thing that it hears");
    assert_eq!(code(&mut sam, &delete_request(&item("second"))), 0);
    assert_eq!(watching.receive().map(|answer| answer.dn()), Some(item("second")), "and that it went");
}

#[test]
fn c8_what_showed_to_a_group_falls_back_to_its_author_when_the_group_goes() {
    let house = house();
    let (bob, team) = (user("bob", ACME), group("team", ACME));
    let mut sam = house.signed_in("sam", ACME);
    put(&mut sam, &item("for team"), &note(&bob, &[("hcVisibility", "group"), ("hcVisibleTo", &team)]));
    assert_eq!(names(&mut house.signed_in("bob", ACME)), ["for team"]);
    assert_eq!(code(&mut house.server.as_operator(), &delete_request(&team)), 0);
    assert_eq!(names(&mut house.signed_in("bob", ACME)), Vec::<String>::new());
    assert_eq!(all(&mut sam)[0].values("hcVisibility"), ["just-me"]);
}

#[test]
fn c8_content_about_a_person_goes_with_the_person() {
    let house = house();
    let (bob, ann) = (user("bob", ACME), user("ann", ACME));
    let mut sam = house.signed_in("sam", ACME);
    put(&mut sam, &item("about bob"), &note(&bob, &[]));
    put(&mut sam, &item("about both"), &note(&bob, &[("hcSubject", &bob), ("hcSubject", &ann)]));
    assert_eq!(code(&mut house.server.as_operator(), &delete_request(&bob)), 0);
    assert_eq!(names(&mut sam), ["about both"]);
    assert_eq!(all(&mut sam)[0].values("hcSubject"), [ann]);
}

#[test]
fn c8_an_administrator_takes_over_what_its_author_left() {
    let house = house();
    let (bob, ada_dn) = (user("bob", ACME), user("ada", ACME));
    let mut gil = house.signed_in("gil", ACME);
    put(&mut gil, &item("left"), &note(&bob, &[]));
    put(&mut gil, &item("open"), &note(&bob, &[("hcVisibility", "anyone")]));
    let mut ada = house.signed_in("ada", ACME);
    assert_eq!(code(&mut ada, &replace_request(&item("left"), "hcAuthor", &[&ada_dn])), 32);
    assert_eq!(code(&mut house.server.as_operator(), &delete_request(&user("gil", ACME))), 0);
    assert_eq!(names(&mut house.signed_in("sam", ACME)), ["open"]);
    let left = ada.entries(ACME, &equal("hcContentType", b"note"), &["*"]);
    let left = left.iter().find(|entry| entry.dn() == item("left")).unwrap();
    assert_eq!((left.values("hcBody"), left.values("hcSubject")), (vec![], vec![]));
    assert_eq!(code(&mut ada, &replace_request(&item("left"), "hcAuthor", &[&user("sam", ACME)])), 50);
    assert_eq!(code(&mut ada, &replace_request(&item("left"), "hcVisibility", &["anyone"])), 50);
    ada.replace(&item("left"), "hcAuthor", &[&ada_dn]);
    assert_eq!(all(&mut ada).iter().find(|entry| entry.dn() == item("left")).unwrap().values("hcBody"), ["seen"]);
    // The audit log is written within a second or so.
    let told = || {
        let rows = crate::access::rows(&house.server.config(), &["audit", "show", "--operation", "modify", "--actor", &ada_dn]);
        rows.iter().any(|row| row["target"] == item("left"))
    };
    let began = std::time::Instant::now();
    while !told() {
        assert!(began.elapsed() < std::time::Duration::from_secs(20));
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

#[test]
fn u9_content_keeps_pointing_at_people_and_groups_that_are_renamed() {
    let house = house();
    let (bob, team) = (user("bob", ACME), group("team", ACME));
    let mut sam = house.signed_in("sam", ACME);
    put(&mut sam, &item("for team"), &note(&bob, &[("hcVisibility", "group"), ("hcVisibleTo", &team)]));
    let mut operator = house.server.as_operator();
    assert_eq!(code(&mut operator, &rename_request(&bob, "uid=robert", None)), 0);
    assert_eq!(code(&mut operator, &rename_request(&team, "cn=crew", None)), 0);
    let seen = &all(&mut sam)[0];
    assert_eq!((seen.values("hcSubject"), seen.values("hcVisibleTo")), (vec![user("robert", ACME)], vec![group("crew", ACME)]));
}

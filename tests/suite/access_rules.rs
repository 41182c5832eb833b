//! Whom the rules of the config speak of: roles and groups, as somebody who signed in meets them.

use crate::house::{ACME, House, OTHER, SUFFIX, add_request, compare_request, group, put, user};
use crate::wire::{Wire, delete_request, number, octets, present, replace_request, sequence, tlv};

const GENERIC: &str = "ou=generic,dc=example,dc=com";

fn rule(who: &str, subtree: &str, rights: &str) -> String {
    format!("[[access]]\nwho = [\"{who}\"]\nsubtree = \"{subtree}\"\nrights = [\"{rights}\"]\n")
}

/// A house with an entry that belongs to no organisation.
fn house(rules: &[String]) -> (House, Wire) {
    let house = House::start(&rules.concat());
    let mut operator = house.server.as_operator();
    put(&mut operator, GENERIC, &[("objectClass", "organizationalUnit")]);
    put(&mut operator, &format!("cn=printer,{GENERIC}"), &[("objectClass", "device")]);
    (house, operator)
}

/// Makes a role of the organisation's own and gives it to a user.
fn give_role(wire: &mut Wire, name: &str, uid: &str, organisation: &str) {
    let role = format!("cn={name},ou=roles,{organisation}");
    put(wire, &role, &[("objectClass", "hcRoleDefinition"), ("cn", name)]);
    wire.replace(&user(uid, organisation), "hcRole", &[&role]);
}

/// Whether somebody sees the entry that belongs to no organisation.
fn sees_printer(wire: &mut Wire) -> bool {
    !wire.entries(SUFFIX, &present("cn"), &["1.1"]).iter().all(|entry| !entry.dn().starts_with("cn=printer"))
}

fn members(wire: &mut Wire, name: &str, members: &[&str]) -> String {
    let dn = group(name, ACME);
    let mut attributes = vec![("objectClass", "groupOfNames"), ("cn", name)];
    attributes.extend(members.iter().map(|member| ("member", *member)));
    put(wire, &dn, &attributes);
    dn
}

#[test]
fn o1_a_role_that_another_organisation_made_is_not_the_one_a_rule_names() {
    let (house, mut operator) = house(&[rule("role:Helpdesk", GENERIC, "read"), rule("role:Helpdesk", ACME, "read")]);
    give_role(&mut operator, "Helpdesk", "eve", OTHER);
    assert!(!sees_printer(&mut house.signed_in("eve", OTHER)), "whoever may make roles could give itself the rule");
    let mut bob = house.signed_in("bob", ACME);
    let licence = format!("cn=main,ou=licences,{ACME}");
    assert_eq!(bob.ask(&crate::wire::search_request(&licence, 0, &present("cn"), &["cn"]), &[]).tag, 0x65, "not yet");
    give_role(&mut operator, "helpdesk", "bob", ACME);
    let found = bob.entries(&licence, &present("cn"), &["cn"]);
    assert_eq!(found.len(), 1, "the role of an organisation counts on what that organisation holds");
    assert!(!sees_printer(&mut bob), "and nowhere else");
}

#[test]
fn o1_a_built_in_role_is_named_by_the_name_that_only_the_operator_gives() {
    let (house, mut operator) = house(&[rule("role:organisation-admin", GENERIC, "read")]);
    assert!(sees_printer(&mut house.signed_in("ada", ACME)), "cn=chief is of the system");
    give_role(&mut operator, "organisation-admin", "eve", OTHER);
    assert!(!sees_printer(&mut house.signed_in("eve", OTHER)), "a role that is only called so");
}

#[test]
fn a_rule_names_one_role_by_its_dn() {
    let (house, mut operator) = house(&[rule(&format!("role:CN=Helpdesk, ou=roles,{ACME}"), GENERIC, "read")]);
    give_role(&mut operator, "Helpdesk", "eve", OTHER);
    give_role(&mut operator, "Helpdesk", "bob", ACME);
    assert!(!sees_printer(&mut house.signed_in("eve", OTHER)));
    assert!(sees_printer(&mut house.signed_in("bob", ACME)));
    let denied = rule("role:Helpdesk", GENERIC, "none") + &rule("users", GENERIC, "read");
    house.server.write_config(&denied);
    house.server.signal("HUP");
    let denies = |mut wire: Wire| {
        (0..500).any(|_| {
            !sees_printer(&mut wire) || {
                std::thread::sleep(std::time::Duration::from_millis(10));
                false
            }
        })
    };
    assert!(denies(house.signed_in("bob", ACME)), "a rule that gives nothing counts any role of that name");
}

#[test]
fn a_rule_for_a_group_counts_who_is_in_it_by_another_group() {
    let outer = group("outer", ACME);
    let (house, mut operator) = house(&[rule(&format!("group:{outer}"), GENERIC, "none"), rule("users", GENERIC, "read")]);
    let inner = members(&mut operator, "inner", &[&user("bob", ACME)]);
    members(&mut operator, "outer", &[&inner]);
    let mut bob = house.signed_in("bob", ACME);
    assert!(!sees_printer(&mut bob), "memberOf shows the group, so the rule that denies holds");
    assert!(sees_printer(&mut house.signed_in("ann", ACME)));
    // Memberships change for those who are signed in, too, in groups of whatever class.
    operator.replace(&inner, "member", &[&user("ann", ACME)]);
    assert!(sees_printer(&mut bob));
    let mut ann = house.signed_in("ann", ACME);
    assert!(!sees_printer(&mut ann));
    assert_eq!(operator.ask(&delete_request(&inner), &[]).code(), 0);
    assert!(sees_printer(&mut ann), "the group in between is gone");
}

#[test]
fn a_rule_for_a_dynamic_group_counts_who_its_url_finds() {
    let (dynamic, heavy) = (group("dyn", ACME), group("heavy", ACME));
    let (house, mut operator) = house(&[
        rule(&format!("group:{heavy}"), &format!("cn=scanner,{GENERIC}"), "read"),
        rule("users", &format!("cn=scanner,{GENERIC}"), "read"),
        rule(&format!("group:{dynamic}"), GENERIC, "read"),
    ]);
    put(&mut operator, &format!("cn=scanner,{GENERIC}"), &[("objectClass", "device")]);
    let url = format!("ldap:///{ACME}??sub?(description=boss)");
    put(&mut operator, &dynamic, &[("objectClass", "groupOfURLs"), ("cn", "dyn"), ("memberURL", &url)]);
    let mut gil = house.signed_in("gil", ACME);
    assert!(!sees_printer(&mut gil));
    operator.replace(&user("gil", ACME), "description", &["boss"]);
    assert!(sees_printer(&mut gil), "although gil may search nobody");
    assert!(!sees_printer(&mut house.signed_in("ann", ACME)));
    let other = format!("ldap:///{ACME}??sub?(description=clerk)");
    assert_eq!(operator.ask(&replace_request(&dynamic, "memberURL", &[&other]), &[]).code(), 0);
    assert!(!sees_printer(&mut gil));

    let scanner = |wire: &mut Wire| wire.entries(SUFFIX, &present("cn"), &["1.1"]).iter().any(|entry| entry.dn().starts_with("cn=scanner"));
    assert!(scanner(&mut gil), "of a group that is not there nobody is a member");
    let urls: Vec<String> = (0..6_000).map(|number| format!("ldap:///{ACME}??sub?(description={number})")).collect();
    let mut attributes = vec![("objectClass", "groupOfURLs"), ("cn", "heavy")];
    attributes.extend(urls.iter().map(|url| ("memberURL", url.as_str())));
    assert_eq!(operator.ask(&add_request(&heavy, &attributes), &[]).code(), 0);
    assert!(!scanner(&mut gil), "where a membership cannot be worked out, nothing is given by the rule or behind it");
    assert!(scanner(&mut house.signed_in("eve", OTHER)), "nobody of another organisation can be a member");
}

#[test]
fn a_rule_that_gives_one_right_only_gives_that_one() {
    let (writes, compares, holds) = (user("ann", ACME), user("bob", ACME), format!("ou=generic,{ACME}"));
    let rights =
        |uid: &str, subtree: &str, more: &str| format!("[[access]]\nwho = [\"dn:{}\"]\nsubtree = \"{subtree}\"\n{more}\n", user(uid, ACME));
    let house = House::start(
        &[
            rights("svc", &writes, "attributes = [\"description\"]\nrights = [\"write\"]"),
            rights("svc", &compares, "attributes = [\"telephoneNumber\"]\nrights = [\"compare\"]"),
            rights("svc", &holds, "attributes = [\"l\"]\nrights = [\"add\", \"delete\", \"write\"]"),
        ]
        .concat(),
    );
    let mut operator = house.server.as_operator();
    put(&mut operator, &holds, &[("objectClass", "organizationalUnit")]);
    let mut service = house.signed_in("svc", ACME);
    assert_eq!(service.ask(&replace_request(&writes, "description", &["changed"]), &[]).code(), 0, "write");
    assert_eq!(service.ask(&replace_request(&writes, "title", &["changed"]), &[]).code(), 50);
    let compare = |wire: &mut Wire, dn: &str, attribute: &str| wire.ask(&compare_request(dn, attribute, b"+64 3 123"), &[]).code();
    assert_eq!(compare(&mut service, &compares, "telephoneNumber"), 6, "compare");
    assert_eq!(compare(&mut service, &compares, "employeeNumber"), 16, "as if it were not there");
    assert_eq!(service.ask(&delete_request(&holds), &[]).code(), 0, "delete");
    // None of it shows: no search finds what may not be read, by whatever filter.
    let everything = tlv(0xa0, &[]);
    for (dn, scope) in [(ACME, 2), (writes.as_str(), 0), (compares.as_str(), 0)] {
        let found = service.ask_all(&crate::wire::search_request(dn, scope, &everything, &["1.1"]), &[]);
        let hidden = |answer: &crate::wire::Answer| answer.tag != 0x64 || ![&writes, &compares].contains(&&answer.dn());
        assert!(found.iter().all(hidden), "{dn}");
    }
    assert_eq!(compare(&mut service, &user("gil", ACME), "telephoneNumber"), 32);
    assert_eq!(service.ask(&replace_request(&user("gil", ACME), "description", &["x"]), &[]).code(), 32);
}

#[test]
fn an_anonymous_bind_is_refused_where_the_config_says_so() {
    let house = House::start("");
    let mut wire = house.signed_in("ann", ACME);
    assert_eq!(wire.bind("", "").code(), 0, "taken by default");
    let strict = crate::server::Server::start([127, 0, 0, 1].into(), "anonymous_bind = false");
    let mut wire = strict.as_operator();
    let refused = wire.bind("", "");
    assert_eq!(refused.code(), 48, "inappropriateAuthentication: {}", refused.text());
    assert_eq!(wire.who_am_i(), "", "and nobody is left of the bind before");
    assert_eq!(wire.root_dse("supportedLDAPVersion"), ["3"], "which shows to those who have not bound");
    assert_eq!(wire.bind(crate::server::OPERATOR, crate::server::PASSWORD).code(), 0);
}

#[test]
fn u2_users_change_their_own_password_by_modify_and_nothing_else() {
    let house = House::start("");
    let bob = user("bob", ACME);
    let mut wire = house.signed_in("bob", ACME);
    let (first, second) = ("the first password of bob", "the second password of bob");
    let binds = |password: &str| house.server.connect().bind(&bob, password).code() == 0;
    let modify = |wire: &mut Wire, changes: &[(i64, &str)]| {
        let one = |(kind, value): &(i64, &str)| {
            let values = if value.is_empty() { Vec::new() } else { octets(value) };
            sequence(&[&number(0x0a, *kind), &sequence(&[&octets("userPassword"), &tlv(0x31, &values)])])
        };
        let changes: Vec<u8> = changes.iter().flat_map(one).collect();
        wire.ask(&tlv(0x66, &[octets(&bob), tlv(0x30, &changes)].concat()), &[]).code()
    };
    let (add, delete, replace) = (0, 1, 2);
    assert_eq!(modify(&mut wire, &[(replace, first)]), 0);
    assert!(binds(first));
    assert_eq!(modify(&mut wire, &[(delete, first), (add, second)]), 0, "with the old one");
    assert!(binds(second) && !binds(first));
    assert_ne!(modify(&mut wire, &[(delete, "not the password it has"), (add, first)]), 0);
    assert_eq!(modify(&mut wire, &[(add, first)]), 19, "a second one");
    assert_eq!(modify(&mut wire, &[(delete, "")]), 19, "none");
    assert_eq!(modify(&mut wire, &[(replace, "short")]), 19, "the policy holds");
    assert!(binds(second) && !binds(first));
    assert_eq!(wire.ask(&replace_request(&bob, "description", &["x"]), &[]).code(), 50);
    assert_eq!(wire.ask(&replace_request(&user("ann", ACME), "userPassword", &[first]), &[]).code(), 32);
}

//! Who may do what with what: a small golden matrix over the domain's defaults, and rules of the config by example.

use super::*;
use crate::base::EntryId;
use crate::domain::groups;
use crate::domain::world::{World, id, schema};
use crate::model::{Dn, Facts, Level};
use std::sync::Arc;

struct Scene {
    world: World,
    named: Vec<(&'static str, EntryId)>,
}

impl Scene {
    fn new() -> Self {
        let mut world = World::default();
        let suffix = world.add(None, "dc=example,dc=com", &[("objectClass", "domain")]);
        let lab = world.add(Some(suffix), "ou=lab", &[("objectClass", "organizationalUnit")]);
        let printer = world.add(Some(lab), "cn=printer", &[("objectClass", "device"), ("description", "colour")]);
        let [acme, users, roles, groups, licences, sessions, staff] = world.organisation(suffix, "Acme");
        let [other, others, ..] = world.organisation(suffix, "Other");
        let ann = world.user(users, "ann", &[]);
        let bob = world.user(users, "bob", &[]);
        let off = world.user(users, "off", &[("hcActive", "FALSE")]);
        let root = world.user(users, "root", &[("hcUserType", "admin")]);
        let eve = world.user(others, "eve", &[]);
        let person = [("objectClass", "inetOrgPerson"), ("objectClass", "hcStaffRecord"), ("sn", "x")];
        let dora = world.add(Some(staff), "cn=dora", &person);
        let role = world.add(Some(roles), "cn=clerk", &[("objectClass", "hcRoleDefinition")]);
        let team = world.add(Some(groups), "cn=team", &[("objectClass", "hcGroup")]);
        let locked = world.add(Some(groups), "cn=locked", &[("objectClass", "hcGroup"), ("hcAdminOnly", "TRUE")]);
        let licence = world.add(Some(licences), "cn=main", &[("objectClass", "hcLicence"), ("hcSessionLimit", "3")]);
        let session = |world: &mut World, number: &str, user| {
            let session = [("objectClass", "hcSession")];
            let id = world.add(Some(sessions), &format!("hcSessionId={number}"), &session);
            world.join(id, "hcSessionUser", user, Level::Full);
            id
        };
        let (own, foreign) = (session(&mut world, "1", ann), session(&mut world, "2", bob));
        world.join(ann, "hcRole", role, Level::Full);
        let named = vec![
            ("suffix", suffix),
            ("printer", printer),
            ("organisation", acme),
            ("ou=users", users),
            ("herself", ann),
            ("bob", bob),
            ("disabled", off),
            ("operator's", root),
            ("staff", dora),
            ("role", role),
            ("group", team),
            ("locked group", locked),
            ("licence", licence),
            ("own session", own),
            ("session", foreign),
            ("other org", other),
            ("other user", eve),
        ];
        Self { world, named }
    }

    fn get(&self, name: &str) -> EntryId {
        self.named.iter().find(|(held, _)| *held == name).unwrap().1
    }

    /// Ann, with the standing and permissions given.
    fn ann(&self, standing: Standing, permissions: &[&str]) -> AccessSubject {
        let ann = self.get("herself");
        AccessSubject {
            standing,
            entry: (standing != Standing::Client).then_some(ann),
            organisation: Some(self.get("organisation")),
            client: (standing == Standing::Client).then(|| ProvisioningClient { id: "c1".into(), own_only: false }),
            permissions: permissions.iter().map(|name| (*name).into()).collect(),
            groups: groups::levels(schema(), &self.world, ann),
            roles: vec![HeldRole { entry: self.get("role"), name: Some("clerk".into()), system: None }],
            scopes: [Scope::Read, Scope::Users, Scope::Groups, Scope::Passwords, Scope::Sessions].iter().collect(),
            ..AccessSubject::anonymous("192.0.2.7".parse().ok(), true)
        }
    }

    /// One line per entry: `r` reads cn, `w` writes sn or cn, `+` adds under it, `-` deletes, `n` renames, `d` only disclosed.
    fn row(&self, policy: &Arc<Policy>, subject: AccessSubject) -> String {
        let grants = policy.grants(subject, &self.world);
        let mut row = Vec::new();
        for (name, entry) in &self.named {
            let access = grants.on(&self.world, &self.world.get(*entry));
            assert!(!access.read.contains(id("userPassword")) && !access.search.contains(id("userPassword")), "{name}");
            assert!(!access.compare.contains(id("userPassword")), "{name}");
            assert_within_extent(&grants, &self.world, (name, *entry), &access);
            let letter = |given: bool, letter: &str| if given { letter.to_owned() } else { String::new() };
            let rights = [
                letter(access.read.contains(id("cn")), "r"),
                letter(access.write.contains(id("cn")), "w"),
                letter(access.may_add_children, "+"),
                letter(access.may_delete, "-"),
                letter(access.may_rename, "n"),
            ]
            .concat();
            assert_eq!(access.disclosed, access.read.contains(id("objectClass")), "{name}");
            let rights = if rights.is_empty() && access.disclosed { "d".to_owned() } else { rights };
            if !rights.is_empty() {
                row.push(format!("{name}:{rights}"));
            }
        }
        row.join(" ")
    }
}

/// HC1: a search is planned within the extent of its grants, so nothing that they open on an entry may be beyond it.
fn assert_within_extent(grants: &Grants, world: &World, (name, entry): (&str, EntryId), access: &EntryAccess<'_>) {
    let extent = grants.extent();
    let here = |attribute| extent.is_far(attribute) || (extent.is_near(attribute) && grants.near(world).contains(&entry));
    for definition in schema().attribute_types().iter().filter(|definition| access.search.contains(definition.id)) {
        assert!(here(definition.id), "{} on {name}", definition.name());
    }
}

fn policy(rules: &[RuleSettings]) -> Arc<Policy> {
    Arc::new(Policy::compile(schema(), rules).unwrap())
}

fn rule(who: &[&str], subtree: &str, filter: Option<&str>, attributes: &[&str], rights: &[&str]) -> RuleSettings {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    RuleSettings {
        who: owned(who),
        subtree: subtree.to_owned(),
        filter: filter.map(str::to_owned),
        attributes: owned(attributes),
        rights: owned(rights),
        place: String::new(),
    }
}

#[test]
fn the_domain_gives_what_its_rules_say_and_nothing_of_another_organisation() {
    let scene = Scene::new();
    let policy = policy(&[]);
    let row = |subject| scene.row(&policy, subject);
    assert_eq!(row(AccessSubject::anonymous(None, true)), "");
    assert_eq!(row(scene.ann(Standing::Service, &[])), "suffix:d organisation:d ou=users:d herself:r");
    assert_eq!(row(scene.ann(Standing::User, &[])), "suffix:d organisation:d ou=users:d herself:r role:r own session:r-");
    assert_eq!(
        row(scene.ann(Standing::User, &["people.search-any", "groups.search-any"])),
        "suffix:d organisation:d ou=users:d herself:r bob:r operator's:r staff:r role:r group:r locked group:r own session:r-"
    );
    assert_eq!(
        row(scene.ann(Standing::User, &["people.search-any", "people.archived", "groups.maintain-all"])),
        "suffix:d organisation:d ou=users:d herself:r bob:r disabled:r operator's:r staff:r role:r group:rw+-n locked group:r own session:r-"
    );
    assert_eq!(
        row(scene.ann(Standing::User, &["staff.maintain"])),
        "suffix:d organisation:d ou=users:d herself:r staff:rw+-n role:r own session:r-",
        "T2"
    );
    assert_eq!(
        row(AccessSubject { organisation_admin: true, ..scene.ann(Standing::User, &[]) }),
        "suffix:d organisation:r+ ou=users:rw+ herself:rw+-n bob:rw+-n disabled:rw+-n operator's:r staff:rw+-n role:rw+-n group:rw+-n \
         locked group:r licence:r own session:r- session:r-"
    );
    assert_eq!(
        row(scene.ann(Standing::Client, &[])),
        "suffix:d organisation:r+ ou=users:r+ herself:rw+-n bob:rw+-n disabled:rw+-n operator's:r staff:rw+-n role:r group:rw+-n \
         locked group:r licence:r own session:r- session:r-"
    );
    let all: Vec<String> = scene.named.iter().map(|(name, _)| format!("{name}:rw+-n")).collect();
    assert_eq!(row(AccessSubject { standing: Standing::Operator, ..scene.ann(Standing::User, &[]) }), all.join(" "));
}

#[test]
fn he2_a_client_changes_what_it_made_or_was_given_and_never_an_administrator() {
    let mut scene = Scene::new();
    let policy = policy(&[]);
    let (users, groups) = (scene.get("ou=users"), scene.get("group"));
    let groups = scene.world.get(groups).parent.unwrap();
    let own = scene.world.user(users, "own", &[("hcProvisionedBy", "c1")]);
    let gone = scene.world.user(users, "gone", &[("hcProvisionedBy", "c1"), ("hcDeletedBy", "c1")]);
    let others = scene.world.user(users, "others", &[("hcProvisionedBy", "c2"), ("hcDeletedBy", "c2")]);
    let chief = scene.world.user(users, "chief", &[("hcProvisionedBy", "c1")]);
    let team = scene.world.add(Some(groups), "cn=own", &[("objectClass", "hcGroup"), ("hcProvisionedBy", "c1")]);
    let role = [("objectClass", "hcRoleDefinition"), ("hcRoleSystem", "hr-manager")];
    let role = scene.world.add(scene.world.get_child(scene.get("organisation"), "ou=roles"), "cn=hr", &role);
    scene.world.join(chief, "hcRole", role, Level::Full);
    scene.named = [("own", own), ("gone", gone), ("others", others), ("chief", chief), ("team", team), ("bob", scene.get("bob"))].into();
    let client = |own_only| AccessSubject {
        client: Some(ProvisioningClient { id: "c1".into(), own_only }),
        scopes: [Scope::Read, Scope::Users, Scope::Groups].iter().collect(),
        entry: None,
        organisation: scene.world.get(users).parent,
        standing: Standing::Client,
        ..AccessSubject::anonymous(None, true)
    };
    assert_eq!(scene.row(&policy, client(true)), "own:rw+-n others:r chief:r team:rw+-n bob:r");
    assert_eq!(scene.row(&policy, client(false)), "own:rw+-n others:rw+-n chief:r team:rw+-n bob:rw+-n");
    let unnamed = AccessSubject { client: None, ..client(false) };
    assert_eq!(scene.row(&policy, unnamed), "own:r gone:r others:r chief:r team:r bob:r");
}

#[test]
fn he3_a_client_does_what_its_scopes_open_and_nothing_else() {
    let scene = Scene::new();
    let policy = policy(&[]);
    let client = |scopes: &[Scope]| AccessSubject { scopes: scopes.iter().collect(), ..scene.ann(Standing::Client, &[]) };
    assert_eq!(scene.row(&policy, client(&[])), "suffix:d");
    let people = "herself:r bob:r disabled:r operator's:r staff:r";
    let seen = format!("suffix:d organisation:r ou=users:r {people} role:r group:r locked group:r licence:r");
    assert_eq!(scene.row(&policy, client(&[Scope::Read])), seen);
    assert_eq!(
        scene.row(&policy, client(&[Scope::Users])),
        "suffix:d organisation:r+ ou=users:r+ herself:rw+-n bob:rw+-n disabled:rw+-n staff:rw+-n"
    );
    let members = "suffix:d organisation:r+ ou=users:r+ herself:r bob:r disabled:r group:rw+-n locked group:r";
    assert_eq!(scene.row(&policy, client(&[Scope::Groups])), members);
    assert_eq!(scene.row(&policy, client(&[Scope::Roles])), "suffix:d organisation:r+ ou=users:r+ herself:r bob:r disabled:r role:rw+-n");
    assert_eq!(scene.row(&policy, client(&[Scope::Sessions])), "suffix:d organisation:r ou=users:r own session:r- session:r-");
    let written = |scopes: &[Scope], attribute| {
        let grants = policy.grants(client(scopes), &scene.world);
        grants.on(&scene.world, &scene.world.get(scene.get("bob"))).write.contains(id(attribute))
    };
    for attribute in ["hcUserType", "hcLicence", "hcApplicationPassword", "hcOneTimeSecret", "pwdPolicySubentry"] {
        assert!(!written(&Scope::ALL, attribute), "{attribute}");
    }
    for (attribute, scope) in
        [("sn", Scope::Users), ("hcActive", Scope::Users), ("hcRole", Scope::Roles), ("userPassword", Scope::Passwords)]
    {
        for other in Scope::ALL {
            assert_eq!(written(&[Scope::Read, other], attribute), other == scope, "{attribute} {}", other.word());
        }
    }
}

#[test]
fn g5_groups_and_people_by_membership() {
    let mut scene = Scene::new();
    let policy = policy(&[]);
    let (team, locked, ann, bob) = (scene.get("group"), scene.get("locked group"), scene.get("herself"), scene.get("bob"));
    scene.world.join(team, "member", bob, Level::ViewOnly);
    let seen = |scene: &Scene, permissions: &[&str], name: &str| {
        let grants = policy.grants(scene.ann(Standing::User, permissions), &scene.world);
        let access = grants.on(&scene.world, &scene.world.get(scene.get(name)));
        assert_within_extent(&grants, &scene.world, ("it", scene.get(name)), &access);
        (access.disclosed, access.write.contains(id("member")), access.may_delete)
    };
    for level in [Level::Past, Level::ViewOnly] {
        scene.world.join(team, "member", ann, level);
        assert_eq!(seen(&scene, &["groups.search-own", "people.search"], "group"), (false, false, false), "{level:?}");
        assert!(!seen(&scene, &["people.search"], "bob").0, "{level:?}");
    }
    scene.world.join(team, "member", ann, Level::Full);
    assert_eq!(seen(&scene, &[], "group"), (false, false, false), "G7");
    assert_eq!(seen(&scene, &["groups.search-own"], "group"), (true, false, false));
    assert!(seen(&scene, &["people.search"], "bob").0 && !seen(&scene, &[], "bob").0);
    assert!(!seen(&scene, &["people.search"], "staff").0);
    scene.world.join(team, "member", bob, Level::Past);
    assert!(!seen(&scene, &["people.search"], "bob").0);
    scene.world.join(locked, "member", ann, Level::Administrator);
    assert_eq!(seen(&scene, &[], "locked group"), (true, true, false), "G3: its own administrators");
    assert_eq!(seen(&scene, &["groups.maintain-all"], "group"), (true, true, true));
}

#[test]
fn rules_of_the_config_open_more_first_match_wins_and_organisations_stay_apart() {
    let scene = Scene::new();
    let rules = [
        rule(&["self"], "", None, &["telephoneNumber"], &["write"]),
        rule(&["anonymous"], "ou=lab,dc=example,dc=com", Some("(description=Colour)"), &["cn", "objectClass"], &["read"]),
        rule(&["services"], "o=Acme,dc=example,dc=com", None, &["mail"], &["none"]),
        rule(&["services", "encrypted", "address:192.0.2.0/24"], "o=Acme,dc=example,dc=com", None, &[], &["read"]),
        rule(&["users"], "o=Other,dc=example,dc=com", None, &[], &["read", "write", "delete"]),
    ];
    let policy = policy(&rules);
    assert_eq!(scene.row(&policy, AccessSubject::anonymous(None, false)), "printer:r");
    let service = scene.ann(Standing::Service, &[]);
    let on = |subject: &AccessSubject, name: &str| {
        let grants = policy.grants(subject.clone(), &scene.world);
        let access = grants.on(&scene.world, &scene.world.get(scene.get(name)));
        assert_within_extent(&grants, &scene.world, ("it", scene.get(name)), &access);
        let rights = |attribute| (access.read.contains(id(attribute)), access.write.contains(id(attribute)));
        (rights("mail"), rights("cn"), rights("telephoneNumber"))
    };
    assert_eq!(on(&service, "bob"), ((false, false), (true, false), (true, false)));
    assert_eq!(on(&service, "herself"), ((true, false), (true, false), (true, true)), "what the domain gives stays");
    assert_eq!(on(&service, "other user"), ((false, false), (false, false), (false, false)), "O1");
    for elsewhere in
        [AccessSubject { encrypted: false, ..service.clone() }, AccessSubject { address: "198.51.100.1".parse().ok(), ..service.clone() }]
    {
        assert_eq!(on(&elsewhere, "bob"), ((false, false), (false, false), (false, false)));
    }
    let outside = AccessSubject { organisation: None, entry: None, ..service };
    assert_eq!(on(&outside, "other user").0, (true, true), "an account of no organisation goes where its rules lead");
    let grants = policy.grants(outside, &scene.world);
    let eve = grants.on(&scene.world, &scene.world.get(scene.get("other user")));
    assert!(eve.may_delete && !eve.may_rename && !eve.may_add_children && !eve.read.contains(id("userPassword")));
}

#[test]
fn rules_that_cannot_be_meant_are_refused_by_number() {
    let good = rule(&["users"], "", None, &[], &["read"]);
    let bad = [
        rule(&[], "", None, &[], &["read"]),
        rule(&["everybody"], "", None, &[], &["read"]),
        rule(&["dn:not a name"], "", None, &[], &["read"]),
        rule(&["address:10.0.0.0/33"], "", None, &[], &["read"]),
        rule(&["users"], "nonsense", None, &[], &["read"]),
        rule(&["users"], "", Some("(cn=*x*)"), &[], &["read"]),
        rule(&["users"], "", Some("(userPassword=x)"), &[], &["read"]),
        rule(&["users"], "", None, &["noSuchAttribute"], &["read"]),
        rule(&["users"], "", None, &["@noSuchClass"], &["read"]),
        rule(&["users"], "", None, &[], &["own"]),
        rule(&["users"], "", None, &[], &["none", "read"]),
        rule(&["users"], "", None, &[], &[]),
        rule(&["users"], "", None, &["cn"], &["proxy"]),
        rule(&["subtree:x"], "", None, &[], &["read"]),
    ];
    for rule in bad {
        let error = Policy::compile(schema(), &[good.clone(), rule.clone()]).err().unwrap_or_else(|| panic!("{rule:?}"));
        assert_eq!(error.rule, 2, "{error}");
    }
    assert_eq!(Policy::compile(schema(), &vec![good; 65]).err().unwrap().rule, 65);
}

#[test]
fn a_subtree_that_appears_later_is_found_by_grants_made_before() {
    let mut scene = Scene::new();
    let policy = policy(&[rule(&["anonymous"], "ou=new,dc=example,dc=com", None, &[], &["read"])]);
    let grants = policy.grants(AccessSubject::anonymous(None, true), &scene.world);
    let suffix = scene.get("suffix");
    let new = scene.world.add(Some(suffix), "ou=new", &[("objectClass", "organizationalUnit")]);
    assert!(grants.on(&scene.world, &scene.world.entry(new).unwrap()).disclosed);
    assert!(!grants.on(&scene.world, &scene.world.get(suffix)).disclosed);
}

#[test]
fn hb7_proxying_is_for_a_named_service_and_its_own_users_that_are_no_administrators() {
    let mut scene = Scene::new();
    let acme = "o=Acme,dc=example,dc=com";
    let rules = [
        rule(&["services"], "cn=team,ou=groups,o=Acme,dc=example,dc=com", None, &[], &["none"]),
        rule(&["services", "dn:uid=ann,ou=users,o=Acme,dc=example,dc=com"], "", None, &[], &["proxy"]),
        rule(&["services"], acme, None, &["cn"], &["read"]),
        rule(&["users"], acme, None, &[], &["proxy"]),
    ];
    let policy = policy(&rules);
    let may = |scene: &Scene, subject: AccessSubject, name: &str| {
        let grants = policy.grants(subject, &scene.world);
        grants.may_proxy_as(&scene.world, &scene.world.get(scene.get(name)))
    };
    let named = |scene: &Scene, standing| AccessSubject {
        name_key: schema().name_key(&Dn::parse("uid=ann,ou=users,o=Acme,dc=example,dc=com").unwrap()),
        ..scene.ann(standing, &[])
    };
    let service = named(&scene, Standing::Service);
    let allowed: Vec<&str> = scene.named.iter().map(|(name, _)| *name).filter(|name| may(&scene, service.clone(), name)).collect();
    assert_eq!(allowed, ["herself", "bob"], "no operator's account, nobody disabled, no staff record, nobody of another organisation");
    assert!(!may(&scene, named(&scene, Standing::User), "bob") && !may(&scene, named(&scene, Standing::Client), "bob"));
    assert!(!may(&scene, AccessSubject { organisation: None, ..service.clone() }, "bob"), "from outside the organisation");
    let grants = policy.grants(service.clone(), &scene.world);
    assert!(grants.on(&scene.world, &scene.world.get(scene.get("bob"))).read.contains(id("cn")), "a proxy rule denies no reading");
    let (roles, bob) = (scene.world.get_child(scene.get("organisation"), "ou=roles").unwrap(), scene.get("bob"));
    let chief = scene.world.add(Some(roles), "cn=chief", &[("objectClass", "hcRoleDefinition"), ("hcRoleSystem", "organisation-admin")]);
    scene.world.join(bob, "hcRole", chief, Level::Full);
    assert!(!may(&scene, service, "bob"), "never as an administrator");
}

#[test]
fn who_may_be_a_subtree_and_must_have_a_certificate() {
    let scene = Scene::new();
    let rules = [rule(&["subtree:ou=users,o=Acme,dc=example,dc=com", "certificate"], "ou=lab,dc=example,dc=com", None, &[], &["read"])];
    let policy = policy(&rules);
    let sees = |subject: AccessSubject| {
        let grants = policy.grants(subject, &scene.world);
        grants.on(&scene.world, &scene.world.get(scene.get("printer"))).disclosed
    };
    let ann = AccessSubject { certificate: true, ..scene.ann(Standing::User, &[]) };
    assert!(sees(ann.clone()));
    assert!(!sees(AccessSubject { certificate: false, ..ann.clone() }));
    assert!(!sees(AccessSubject { encrypted: false, ..ann.clone() }), "a certificate counts under TLS only");
    assert!(!sees(AccessSubject { entry: Some(scene.get("staff")), ..ann }));
}

#[test]
fn r9_an_explanation_names_what_decided_and_never_differs_from_the_decision() {
    let scene = Scene::new();
    let mut rules = vec![
        rule(&["users"], "o=Acme,dc=example,dc=com", None, &["description"], &["none"]),
        rule(&["users"], "o=Acme,dc=example,dc=com", None, &["telephoneNumber", "description"], &["read"]),
        rule(&["services"], "", None, &[], &["read", "add"]),
    ];
    rules[1].place = "headcount.toml:7".to_owned();
    let policy = policy(&rules);
    let why = |subject: &AccessSubject, name: &str, right, attribute: &str| {
        let grants = policy.grants(subject.clone(), &scene.world);
        grants.explain(&scene.world, &scene.world.get(scene.get(name)), right, Some(id(attribute)))
    };
    let user = scene.ann(Standing::User, &["people.search"]);
    let no = |because| Explained { given: false, because };
    assert_eq!(why(&user, "bob", Right::Read, "cn"), no(Because::NothingGives(Ground::Lacks("people.search-any"))));
    assert_eq!(why(&user, "bob", Right::Read, "telephoneNumber"), Explained { given: true, because: Because::Rule(2) });
    assert_eq!(why(&user, "bob", Right::Search, "description"), no(Because::Rule(1)), "first match wins");
    assert_eq!(why(&user, "herself", Right::Read, "cn"), Explained { given: true, because: Because::Domain(Ground::Itself) });
    assert_eq!(why(&user, "herself", Right::Compare, "userPassword"), no(Because::Secret));
    assert_eq!(why(&user, "other user", Right::Read, "cn"), no(Because::NothingGives(Ground::OtherOrganisation)));
    let grants = policy.grants(user, &scene.world);
    assert_eq!(grants.place_of_rule(2), "headcount.toml:7");
    for standing in [Standing::Anonymous, Standing::Operator, Standing::Client, Standing::Service, Standing::User] {
        let grants = policy.grants(scene.ann(standing, &["people.search-any", "groups.maintain-all"]), &scene.world);
        for (name, entry) in &scene.named {
            let entry = scene.world.get(*entry);
            let access = grants.on(&scene.world, &entry);
            assert_within_extent(&grants, &scene.world, (name, entry.id), &access);
            let given = |right, attribute| grants.explain(&scene.world, &entry, right, attribute).given;
            assert_eq!(access.may_delete, given(Right::Delete, None), "{standing:?} {name}");
            assert_eq!(access.may_add_children, given(Right::Add, None), "{standing:?} {name}");
            for attribute in schema().attribute_types().iter().map(|definition| definition.id) {
                let rights = [
                    (access.read, Right::Read),
                    (access.search, Right::Search),
                    (access.compare, Right::Compare),
                    (access.write, Right::Write),
                ];
                for (set, right) in rights {
                    assert_eq!(set.contains(attribute), given(right, Some(attribute)), "{standing:?} {name} {right:?}");
                }
            }
        }
    }
}

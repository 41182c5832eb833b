//! The rules by example, over a small world.

use super::catalog::Package;
use super::check::{Actor, Breach, Proposal, check};
use super::lens::{AccountState, Licence, User};
use super::seats::{Counting, Release, WhenFull};
use super::world::{World, draft, edge, id, schema};
use super::{Catalog, activation, groups, structured};
use crate::base::{EntryId, Secret, Timestamp};
use crate::model::{Draft, Entry, Level, Link};
use std::time::Duration;

struct Scene {
    world: World,
    suffix: EntryId,
    users: EntryId,
    roles: EntryId,
    groups: EntryId,
    licences: EntryId,
    staff: EntryId,
    catalog: Catalog,
}

fn scene() -> Scene {
    let mut world = World::default();
    let suffix = world.add(None, "dc=example,dc=com", &[("objectClass", "domain")]);
    let [_, users, roles, groups, licences, _, staff] = world.organisation(suffix, "Acme");
    Scene { world, suffix, users, roles, groups, licences, staff, catalog: Catalog::default() }
}

fn rule<T: std::fmt::Debug>(outcome: Result<T, Breach>) -> &'static str {
    outcome.unwrap_err().rule
}

impl Scene {
    fn propose(
        &self,
        before: Option<EntryId>,
        after: Option<&Entry>,
        linked: &[Link],
        unlinked: &[Link],
        actor: Actor,
    ) -> Result<(), Breach> {
        let before = before.map(|id| self.world.get(id));
        let (before, opens) = (before.as_deref(), |stored: &[u8]| !stored.starts_with(b"{SASL}"));
        let proposal = Proposal {
            before,
            after,
            linked,
            unlinked,
            actor,
            operator_in_config: false,
            opens: &opens,
            catalog: &self.catalog,
            exported: false,
            now: now(),
        };
        check(schema(), &self.world, proposal)
    }

    fn change(&self, entry: EntryId, attributes: &[(&str, &str)], actor: Actor) -> Result<(), Breach> {
        self.propose(Some(entry), Some(&self.world.changed(entry, attributes)), &[], &[], actor)
    }

    fn add(&self, parent: EntryId, rdn: &str, attributes: &[(&str, &str)], actor: Actor) -> Result<(), Breach> {
        self.propose(None, Some(&self.world.seal(900, Some(parent), rdn, &draft(attributes))), &[], &[], actor)
    }

    fn administrator(&mut self, name: &str, more: &[(&str, &str)]) -> (EntryId, EntryId) {
        let roles = self.roles;
        let role = match self.world.get_child(roles, "cn=Admin") {
            Some(role) => role,
            None => self.world.add(Some(roles), "cn=Admin", &[("objectClass", "hcRoleDefinition"), ("hcRoleSystem", "organisation-admin")]),
        };
        let user = self.world.user(self.users, name, more);
        self.world.join(user, "hcRole", role, Level::Full);
        (user, role)
    }
}

const LICENCE: [(&str, &str); 2] = [("objectClass", "hcLicence"), ("hcSessionLimit", "3")];

#[test]
fn o3_a_licence_has_a_limit_of_at_least_one_and_sound_values() {
    let scene = scene();
    let with = |name: &str, value: &str| {
        let attributes = [("objectClass", "hcLicence"), ("hcSessionLimit", "3"), (name, value)];
        let mut attributes: Vec<_> = attributes.into();
        if name == "hcSessionLimit" {
            attributes.remove(1);
        }
        scene.add(scene.licences, "cn=Main", &attributes, Actor::Operator)
    };
    assert_eq!(scene.add(scene.licences, "cn=Main", &LICENCE, Actor::Operator), Ok(()));
    for (name, value) in [
        ("hcSessionLimit", "0"),
        ("hcSessionLimit", "-1"),
        ("hcSessionLimit", "4294967296"),
        ("hcIdleTimeout", "0"),
        ("hcCountingMode", "seats"),
        ("hcReleaseMode", "never"),
        ("hcWhenFull", "explode"),
        ("hcOverdraft", "-2"),
        ("hcPerUserLimit", "0"),
    ] {
        assert_eq!(rule(with(name, value)), "O3", "{name} {value}");
    }
    let dates = [("hcStartDate", "20260201000000Z"), ("hcEndDate", "20260101000000Z")];
    assert_eq!(rule(scene.add(scene.licences, "cn=Main", &[&LICENCE[..], &dates].concat(), Actor::Operator)), "O3");
}

#[test]
fn o3_terms_are_read_as_written_and_defaults_hold_otherwise() {
    let mut scene = scene();
    let plain = scene.world.add(Some(scene.licences), "cn=Plain", &LICENCE);
    let terms = Licence::of(schema(), &scene.world.get(plain)).unwrap().terms();
    assert_eq!((terms.limit, terms.counting, terms.release), (3, Counting::Users, Release::Idle));
    assert_eq!((terms.idle_timeout, terms.when_full, terms.report_only), (Duration::from_secs(1_800), WhenFull::Deny, false));
    let full = [
        ("hcCountingMode", "SESSIONS"),
        ("hcReleaseMode", "disconnect"),
        ("hcWhenFull", "end-oldest-idle"),
        ("hcMinimumIdle", "60"),
        ("hcPerUserLimit", "2"),
        ("hcMaximumAge", "7200"),
        ("hcReportOnly", "TRUE"),
        ("hcEndDate", "20270101000000Z"),
    ];
    let full = scene.world.add(Some(scene.licences), "cn=Full", &[&LICENCE[..], &full].concat());
    let terms = Licence::of(schema(), &scene.world.get(full)).unwrap().terms();
    assert_eq!((terms.counting, terms.release, terms.report_only), (Counting::Sessions, Release::Disconnect, true));
    assert_eq!(terms.when_full, WhenFull::EndOldestIdle(Duration::from_secs(60)));
    assert_eq!((terms.per_user, terms.maximum_age), (Some(2), Some(Duration::from_secs(7_200))));
    assert_eq!(terms.end, Timestamp::parse_generalized("20270101000000Z"));
}

#[test]
fn o3_only_the_operator_makes_and_changes_licences_except_where_self_service() {
    let mut scene = scene();
    assert_eq!(rule(scene.add(scene.licences, "cn=Main", &LICENCE, Actor::Other)), "O3");
    let licence = scene.world.add(Some(scene.licences), "cn=Main", &LICENCE);
    assert_eq!(rule(scene.change(licence, &[("hcSessionLimit", "9")], Actor::Other)), "O3");
    assert_eq!(rule(scene.change(licence, &[("hcSelfService", "TRUE")], Actor::Other)), "O3");
    assert_eq!(rule(scene.propose(Some(licence), None, &[], &[], Actor::Other)), "O4");
    assert_eq!(scene.change(licence, &[("hcSessionLimit", "9")], Actor::Operator), Ok(()));
    let open = scene.world.changed(licence, &[("hcSelfService", "TRUE")]);
    scene.world.put(open);
    assert_eq!(scene.change(licence, &[("hcSessionLimit", "9")], Actor::Other), Ok(()));
    assert_eq!(rule(scene.change(licence, &[("hcIdleTimeout", "9")], Actor::Other)), "O3");
}

#[test]
fn o3_the_package_of_a_licence_is_one_of_the_catalog_and_only_the_operator_takes_it_away() {
    let mut scene = scene();
    let package = |name: &str| Package { name: name.to_owned(), roles: Vec::new(), fee_cents: 30_00 };
    scene.catalog.packages = ["Standard", "Professional"].map(package).into();
    let open = [&LICENCE[..], &[("hcSelfService", "TRUE")]].concat();
    let licence = scene.world.add(Some(scene.licences), "cn=Main", &[&open[..], &[("hcPackage", "Standard")]].concat());
    for actor in [Actor::Other, Actor::Operator] {
        assert_eq!(scene.change(licence, &[("hcPackage", "professional")], actor), Ok(()));
        let unknown = scene.change(licence, &[("hcPackage", "Gold")], actor).unwrap_err();
        assert_eq!(unknown.rule, "O3");
        assert!(unknown.text.contains("Gold; there are Standard, Professional"), "{}", unknown.text);
    }
    let without = scene.world.seal(900, Some(scene.licences), "cn=Main", &draft(&open));
    assert_eq!(rule(scene.propose(Some(licence), Some(&without), &[], &[], Actor::Other)), "O3");
    assert_eq!(scene.propose(Some(licence), Some(&without), &[], &[], Actor::Operator), Ok(()));
    // What the catalog has lost since stays, and the licence can be changed.
    scene.catalog.packages.remove(0);
    assert_eq!(scene.change(licence, &[("hcSessionLimit", "9")], Actor::Other), Ok(()));
}

#[test]
fn o2_one_licence_is_the_default() {
    let mut scene = scene();
    let main = scene.world.add(Some(scene.licences), "cn=Main", &[&LICENCE[..], &[("hcLicenceDefault", "TRUE")]].concat());
    assert_eq!(scene.change(main, &[("hcSessionLimit", "4")], Actor::Operator), Ok(()));
    let second = scene.add(scene.licences, "cn=Second", &[&LICENCE[..], &[("hcLicenceDefault", "TRUE")]].concat(), Actor::Operator);
    assert_eq!(rule(second), "O2");
}

#[test]
fn s3_sessions_are_made_by_the_server_and_o1_organisations_by_the_operator() {
    let scene = scene();
    let session = [("objectClass", "hcSession"), ("hcSessionId", "x")];
    assert_eq!(rule(scene.add(scene.licences, "hcSessionId=x", &session, Actor::Operator)), "S3");
    assert_eq!(scene.add(scene.licences, "hcSessionId=x", &session, Actor::Server), Ok(()));
    let organisation = [("objectClass", "organization"), ("objectClass", "hcOrganisation")];
    assert_eq!(rule(scene.add(scene.suffix, "o=New", &organisation, Actor::Other)), "O1");
    assert_eq!(scene.add(scene.suffix, "o=New", &organisation, Actor::Operator), Ok(()));
}

#[test]
fn u3_mail_and_name_are_unique_within_the_organisation_and_o1_not_beyond() {
    let mut scene = scene();
    scene.world.user(scene.users, "ann", &[]);
    let user = |name, mail| [("objectClass", "inetOrgPerson"), ("objectClass", "hcUser"), ("cn", name), ("sn", name), ("mail", mail)];
    assert_eq!(rule(scene.add(scene.users, "uid=bob", &user("bob", "ANN@example.com"), Actor::Other)), "U3");
    assert_eq!(rule(scene.add(scene.groups, "uid=Ann", &user("ann", "new@example.com"), Actor::Other)), "U3");
    assert_eq!(scene.add(scene.users, "uid=bob", &user("bob", "bob@example.com"), Actor::Other), Ok(()));
    let [_, elsewhere, ..] = scene.world.organisation(scene.suffix, "Other");
    assert_eq!(scene.add(elsewhere, "uid=ann", &user("ann", "ann@example.com"), Actor::Other), Ok(()));
    let ann = scene.world.get_child(scene.users, "uid=ann").unwrap();
    assert_eq!(scene.change(ann, &[("mail", "Ann@example.com")], Actor::Other), Ok(()), "one's own is not in the way");
}

#[test]
fn u3_the_number_of_a_user_is_unique_within_the_organisation() {
    let mut scene = scene();
    let user = |name, mail, number| {
        let classes = [("objectClass", "inetOrgPerson"), ("objectClass", "posixAccount"), ("objectClass", "hcUser")];
        [&classes[..], &[("cn", name), ("sn", name), ("mail", mail), ("uidNumber", number), ("gidNumber", "1"), ("homeDirectory", "/")]]
            .concat()
    };
    scene.world.add(Some(scene.users), "uid=ann", &user("ann", "ann@example.com", "1001"));
    assert_eq!(rule(scene.add(scene.users, "uid=bob", &user("bob", "bob@example.com", "1001"), Actor::Other)), "U3");
    assert_eq!(scene.add(scene.users, "uid=bob", &user("bob", "bob@example.com", "1002"), Actor::Other), Ok(()));
    let bob = scene.world.add(Some(scene.users), "uid=bob", &user("bob", "bob@example.com", "1002"));
    assert_eq!(rule(scene.change(bob, &[("uidNumber", "1001")], Actor::Other)), "U3");
    let [_, elsewhere, ..] = scene.world.organisation(scene.suffix, "Other");
    assert_eq!(scene.add(elsewhere, "uid=cid", &user("cid", "cid@example.com", "1001"), Actor::Other), Ok(()), "O1: not beyond");
}

#[test]
fn u1_types_are_known_and_admins_belong_to_the_operator() {
    let mut scene = scene();
    let ann = scene.world.user(scene.users, "ann", &[]);
    assert_eq!(rule(scene.change(ann, &[("hcUserType", "guest")], Actor::Operator)), "U1");
    assert_eq!(rule(scene.change(ann, &[("hcUserType", "admin")], Actor::Other)), "U1");
    let root = scene.world.user(scene.users, "root", &[("hcUserType", "admin")]);
    assert_eq!(rule(scene.change(root, &[("hcUserType", "app")], Actor::Other)), "U1");
    assert_eq!(rule(scene.change(root, &[("userPassword", "{SSHA}other")], Actor::Client)), "U1");
    assert_eq!(rule(scene.propose(Some(root), None, &[], &[], Actor::Other)), "U1");
    assert_eq!(scene.change(root, &[("userPassword", "{SSHA}other")], Actor::Operator), Ok(()));
}

#[test]
fn u4_to_u6_states_follow_password_and_mark() {
    let mut scene = scene();
    let state = |scene: &Scene, user| User::of(schema(), &scene.world.get(user)).unwrap().state();
    let active = scene.world.user(scene.users, "active", &[]);
    let fresh = scene.world.user(scene.users, "fresh", &[("userPassword", "")]);
    let locked = scene.world.user(scene.users, "locked", &[("hcActive", "FALSE")]);
    assert_eq!(state(&scene, active), AccountState::Active);
    assert_eq!(state(&scene, fresh), AccountState::NotActivated);
    assert_eq!(state(&scene, locked), AccountState::Disabled);
}

#[test]
fn r6_u5_the_last_administrator_stays_whichever_way_it_would_go() {
    let mut scene = scene();
    let (ann, role) = scene.administrator("ann", &[]);
    let lose = [edge(ann, "hcRole", role)];
    let all_ways = |scene: &Scene| {
        [
            scene.propose(Some(ann), None, &[], &[], Actor::Operator),
            scene.change(ann, &[("hcActive", "FALSE")], Actor::Operator),
            scene.change(ann, &[("userPassword", "")], Actor::Operator),
            scene.change(ann, &[("userPassword", "{SASL}elsewhere")], Actor::Operator),
            scene.change(ann, &[("pwdStartTime", "20990101000000Z")], Actor::Operator),
            scene.change(ann, &[("pwdEndTime", "20000101000000Z")], Actor::Operator),
            scene.change(ann, &[("pwdEndTime", "20990101000000Z")], Actor::Operator),
            scene.change(ann, &[("hcUserType", "service")], Actor::Operator),
            scene.propose(Some(ann), Some(&scene.world.get(ann)), &[], &lose, Actor::Operator),
            scene.propose(
                Some(ann),
                Some(&scene.world.seal(ann.0, Some(scene.suffix), "uid=ann", &schema().unseal(&scene.world.get(ann)))),
                &[],
                &[],
                Actor::Operator,
            ),
        ]
    };
    for (way, outcome) in all_ways(&scene).into_iter().enumerate() {
        assert_eq!(rule(outcome), "R6", "way {way}");
    }
    assert_eq!(scene.change(ann, &[("sn", "Other")], Actor::Operator), Ok(()));
    assert_eq!(rule(scene.propose(Some(role), None, &[], &[], Actor::Operator)), "R6");
    // The look-ups may show the links as they will be.
    scene.world.unlink(ann, "hcRole", role);
    assert_eq!(rule(scene.propose(Some(ann), Some(&scene.world.get(ann)), &[], &lose, Actor::Operator)), "R6");
    scene.world.join(ann, "hcRole", role, Level::Full);
    // One who never chose a password, or is disabled, does not count as another.
    scene.administrator("new", &[("userPassword", "")]);
    scene.administrator("off", &[("hcActive", "FALSE")]);
    scene.administrator("elsewhere", &[("userPassword", "{SASL}elsewhere")]);
    scene.administrator("past", &[("pwdEndTime", "20000101000000Z")]);
    assert!(all_ways(&scene).iter().all(Result::is_err));
    scene.administrator("bob", &[]);
    assert!(all_ways(&scene).iter().all(Result::is_ok));
}

#[test]
fn hc8_the_last_user_of_type_admin_stays() {
    let mut scene = scene();
    let root = scene.world.user(scene.suffix, "root", &[("hcUserType", "admin")]);
    let ways = |scene: &Scene| {
        [
            scene.propose(Some(root), None, &[], &[], Actor::Operator),
            scene.change(root, &[("hcActive", "FALSE")], Actor::Operator),
            scene.change(root, &[("userPassword", "")], Actor::Operator),
            scene.change(root, &[("userPassword", "{SASL}elsewhere")], Actor::Operator),
            scene.change(root, &[("pwdStartTime", "20990101000000Z")], Actor::Operator),
            scene.change(root, &[("pwdEndTime", "20000101000000Z")], Actor::Operator),
            scene.change(root, &[("pwdEndTime", "20990101000000Z")], Actor::Operator),
            scene.change(root, &[("hcUserType", "app")], Actor::Operator),
        ]
    };
    assert!(ways(&scene).into_iter().all(|outcome| rule(outcome) == "U5"));
    assert_eq!(scene.change(root, &[("sn", "Other"), ("pwdStartTime", "20000101000000Z")], Actor::Operator), Ok(()));
    scene.world.user(scene.suffix, "off", &[("hcUserType", "admin"), ("hcActive", "FALSE")]);
    scene.world.user(scene.suffix, "later", &[("hcUserType", "admin"), ("pwdStartTime", "20990101000000Z")]);
    assert!(ways(&scene).iter().all(Result::is_err), "one who is disabled is no other");
    scene.world.user(scene.suffix, "second", &[("hcUserType", "admin")]);
    assert!(ways(&scene).iter().all(Result::is_ok));
}

#[test]
fn u2_a_client_neither_makes_nor_unmakes_administrators() {
    let mut scene = scene();
    let (ann, role) = scene.administrator("ann", &[]);
    scene.administrator("bob", &[]);
    let carl = scene.world.user(scene.users, "carl", &[]);
    let given = [edge(carl, "hcRole", role)];
    assert_eq!(rule(scene.propose(Some(carl), Some(&scene.world.get(carl)), &given, &[], Actor::Client)), "U2");
    assert_eq!(scene.propose(Some(carl), Some(&scene.world.get(carl)), &given, &[], Actor::Other), Ok(()));
    for change in [("mail", "evil@example.com"), ("userPassword", "{SSHA}evil"), ("hcActive", "FALSE")] {
        assert_eq!(rule(scene.change(ann, &[change], Actor::Client)), "U2", "{change:?}");
        assert_eq!(scene.change(carl, &[change], Actor::Client), Ok(()), "{change:?}");
    }
    assert_eq!(rule(scene.propose(Some(ann), None, &[], &[], Actor::Client)), "U2");
    assert_eq!(scene.change(ann, &[("sn", "Other")], Actor::Client), Ok(()));
}

#[test]
fn t2_staff_referred_to_stay_and_u7_are_linked_once() {
    let mut scene = scene();
    let person = [("objectClass", "inetOrgPerson"), ("objectClass", "hcStaffRecord"), ("sn", "x")];
    let dora = scene.world.add(Some(scene.staff), "cn=Dora", &person);
    let emil = scene.world.add(Some(scene.staff), "cn=Emil", &person);
    let (ann, bob) = (scene.world.user(scene.users, "ann", &[]), scene.world.user(scene.users, "bob", &[]));
    scene.world.join(ann, "hcStaff", dora, Level::Full);
    assert_eq!(rule(scene.propose(Some(dora), None, &[], &[], Actor::Operator)), "T2");
    assert_eq!(scene.propose(Some(emil), None, &[], &[], Actor::Operator), Ok(()));
    scene.world.join(dora, "manager", emil, Level::Full);
    assert_eq!(rule(scene.propose(Some(emil), None, &[], &[], Actor::Operator)), "T2");
    let taken = [edge(bob, "hcStaff", dora)];
    assert_eq!(rule(scene.propose(Some(bob), Some(&scene.world.get(bob)), &taken, &[], Actor::Other)), "U7");
}

#[test]
fn g4_no_circle_of_parents_and_levels_flow_down() {
    let mut scene = scene();
    let group = |scene: &mut Scene, name: &str| scene.world.add(Some(scene.groups), name, &[("objectClass", "hcGroup")]);
    let [top, middle, leaf] = ["cn=top", "cn=middle", "cn=leaf"].map(|name| group(&mut scene, name));
    scene.world.join(middle, "hcParentGroup", top, Level::Full);
    scene.world.join(leaf, "hcParentGroup", middle, Level::Full);
    for parent in [top, middle, leaf] {
        let link = [edge(top, "hcParentGroup", parent)];
        assert_eq!(rule(scene.propose(Some(top), Some(&scene.world.get(top)), &link, &[], Actor::Other)), "G4");
    }
    let link = [edge(leaf, "hcParentGroup", top)];
    assert_eq!(scene.propose(Some(leaf), Some(&scene.world.get(leaf)), &link, &[], Actor::Other), Ok(()));

    let ann = scene.world.user(scene.users, "ann", &[]);
    scene.world.join(top, "member", ann, Level::Full);
    scene.world.join(leaf, "member", ann, Level::Administrator);
    scene.world.join(middle, "member", ann, Level::ViewOnly);
    let levels = groups::levels(schema(), &scene.world, ann);
    assert_eq!((levels[&top], levels[&middle], levels[&leaf]), (Level::Full, Level::Full, Level::Administrator));
    let outer = group(&mut scene, "cn=outer");
    scene.world.join(outer, "member", leaf, Level::Full);
    scene.world.join(leaf, "member", outer, Level::Full);
    assert!(
        groups::containing(schema(), &scene.world, &Catalog::default(), ann).contains(&outer),
        "LDAP nesting goes up, and a circle ends"
    );
    assert!(!levels.contains_key(&outer));
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000)
}

fn link_for(scene: &Scene, user: EntryId) -> (Secret, activation::LinkRecord) {
    let entry = scene.world.get(user);
    let user = User::of(schema(), &entry).unwrap();
    activation::LinkRecord::issue(&user, activation::Purpose::Welcome, now(), Duration::from_secs(100 * 3_600)).unwrap()
}

#[test]
fn hf1_a_link_dies_of_age_use_address_password_and_lock() {
    let mut scene = scene();
    let ann = scene.world.user(scene.users, "ann", &[("userPassword", "")]);
    let (token, record) = link_for(&scene, ann);
    let check = |scene: &Scene, at| record.check(schema(), &scene.world, token.expose(), at);
    assert_eq!(check(&scene, now()), Ok(()));
    assert_eq!(record.key(), activation::LinkRecord::key_of(token.expose()));
    assert_eq!(record.expires, now().plus(activation::LONGEST_LIFETIME), "never longer than 72 h");
    assert_eq!(check(&scene, record.expires), Err(activation::Dead::Expired));
    assert_eq!(check(&scene, now().minus(Duration::from_secs(60))), Err(activation::Dead::Expired), "a clock set back lengthens nothing");
    assert_eq!(record.check(schema(), &scene.world, b"other", now()), Err(activation::Dead::Unknown));
    assert!(!serde_json::to_string(&record).unwrap().contains(std::str::from_utf8(token.expose()).unwrap()));
    for change in [("mail", "other@example.com"), ("userPassword", "{SSHA}set"), ("hcActive", "FALSE"), ("hcUserType", "service")] {
        let kept = scene.world.get(ann);
        let changed = scene.world.changed(ann, &[change]);
        scene.world.put(changed);
        assert_eq!(check(&scene, now()), Err(activation::Dead::Overtaken), "{change:?}");
        let back = scene.world.seal(ann.0, kept.parent, &kept.rdn, &schema().unseal(&kept));
        scene.world.put(back);
    }
    assert_eq!(check(&scene, now()), Ok(()));
    scene.world.remove(ann);
    assert_eq!(check(&scene, now()), Err(activation::Dead::Overtaken));
}

#[test]
fn u4_who_wants_a_welcome() {
    let mut scene = scene();
    let wants = |scene: &Scene, user| User::of(schema(), &scene.world.get(user)).unwrap().wants_welcome(None);
    let fresh = scene.world.user(scene.users, "fresh", &[("userPassword", "")]);
    let active = scene.world.user(scene.users, "active", &[]);
    let service = scene.world.user(scene.users, "service", &[("userPassword", ""), ("hcUserType", "service")]);
    let silent = scene.world.user(scene.users, "silent", &[("userPassword", ""), ("hcNoMail", "TRUE")]);
    assert!(wants(&scene, fresh));
    assert!(!wants(&scene, active) && !wants(&scene, service) && !wants(&scene, silent));
}

fn person(attributes: &[(&str, &str)]) -> Draft {
    let mut all = vec![("objectClass", "inetOrgPerson"), ("objectClass", "hcUser")];
    all.extend(attributes);
    draft(&all)
}

fn values(draft: &Draft, name: &str) -> Vec<String> {
    draft.values(id(name)).iter().map(|value| String::from_utf8(value.clone()).unwrap()).collect()
}

#[test]
fn structured_values_are_projected_primary_first() {
    let mut draft = person(&[
        ("hcEmail", r#"{"value":"home@x.example","type":"home"}"#),
        ("hcEmail", r#"{"value":"work@x.example","type":"work"}"#),
        ("hcEmail", r#"{"value":"main@x.example","type":"home","primary":true}"#),
        ("hcPhoneNumber", r#"{"value":"+1","type":"work"}"#),
        ("hcPhoneNumber", r#"{"value":"+2","type":"mobile"}"#),
        ("hcPhoneNumber", r#"{"value":"+3","type":"other"}"#),
        ("hcPostalAddress", r#"{"streetAddress":"1 Main St","locality":"Town","country":"NZ","type":"work"}"#),
    ]);
    structured::reconcile(schema(), None, &mut draft).unwrap();
    assert_eq!(values(&draft, "mail"), ["main@x.example", "work@x.example", "home@x.example"]);
    assert_eq!(
        (values(&draft, "telephoneNumber"), values(&draft, "mobile")),
        (vec!["+1".to_owned(), "+3".to_owned()], vec!["+2".to_owned()])
    );
    assert_eq!(
        (values(&draft, "street"), values(&draft, "l"), values(&draft, "st")),
        (vec!["1 Main St".to_owned()], vec!["Town".to_owned()], vec![])
    );
    let settled = draft.clone();
    structured::reconcile(schema(), Some(&settled), &mut draft).unwrap();
    assert_eq!(draft, settled, "nothing moves where nothing changed");
}

/// Quirk 18: of numbers and addresses that are equal under their rules each keeps its own spelling, whatever else changes.
#[test]
fn values_that_are_equal_stay_as_they_were_given() {
    let mut draft = person(&[
        ("hcEmail", r#"{"value":"Ann@x.example","type":"work"}"#),
        ("hcEmail", r#"{"value":"ann@x.example","type":"work"}"#),
        ("hcPhoneNumber", r#"{"value":"+64 11 9"}"#),
        ("hcPhoneNumber", r#"{"value":"+64 1 19"}"#),
    ]);
    structured::reconcile(schema(), None, &mut draft).unwrap();
    let settled = draft.clone();
    structured::reconcile(schema(), Some(&settled), &mut draft).unwrap();
    assert_eq!(draft, settled);
    let plain = crate::model::Description::plain(id("telephoneNumber"));
    draft.set(plain, vec![b"+64-119".to_vec()]);
    structured::reconcile(schema(), Some(&settled), &mut draft).unwrap();
    assert_eq!(values(&draft, "hcPhoneNumber"), [r#"{"value":"+64-119"}"#, r#"{"value":"+64 1 19"}"#]);
}

#[test]
fn plain_values_are_carried_back_with_their_structure() {
    let mut before = person(&[
        ("hcEmail", r#"{"value":"main@x.example","type":"home","primary":true,"display":"Main"}"#),
        ("hcEmail", r#"{"value":"gone@x.example","type":"work"}"#),
        ("hcPostalAddress", r#"{"formatted":"1 Main St\nTown","streetAddress":"1 Main St","locality":"Town","country":"NZ"}"#),
    ]);
    structured::reconcile(schema(), None, &mut before).unwrap();
    let mut after = before.clone();
    let set = |draft: &mut Draft, name: &str, values: &[&str]| {
        draft.set(crate::model::Description::plain(id(name)), values.iter().map(|value| value.as_bytes().to_vec()).collect());
    };
    set(&mut after, "mail", &["new@x.example", "MAIN@x.example"]);
    set(&mut after, "l", &["City"]);
    set(&mut after, "mobile", &["+9"]);
    structured::reconcile(schema(), Some(&before), &mut after).unwrap();
    assert_eq!(
        values(&after, "hcEmail"),
        [r#"{"value":"MAIN@x.example","type":"home","primary":true,"display":"Main"}"#, r#"{"value":"new@x.example","type":"work"}"#]
    );
    assert_eq!(values(&after, "mail"), ["MAIN@x.example", "new@x.example"]);
    assert_eq!(values(&after, "hcPhoneNumber"), [r#"{"value":"+9","type":"mobile"}"#]);
    assert_eq!(values(&after, "hcPostalAddress"), [r#"{"streetAddress":"1 Main St","locality":"City","country":"NZ"}"#]);
}

#[test]
fn certificates_are_der_in_ldap_and_base64_in_scim() {
    let certificates = schema().description("userCertificate").unwrap();
    let mut before = person(&[
        ("hcCertificate", r#"{"value":"MAMCAQE=","display":"Card","primary":true}"#),
        ("hcCertificate", r#"{"value":"AAEC","type":"other"}"#),
    ]);
    structured::reconcile(schema(), None, &mut before).unwrap();
    assert_eq!(before.get(&certificates), Some(&[b"\x30\x03\x02\x01\x01".to_vec()][..]), "what is no certificate is not shown");
    let mut after = before.clone();
    after.set(certificates.clone(), vec![b"\x30\x03\x02\x01\x02".to_vec(), b"\x30\x03\x02\x01\x01".to_vec()]);
    structured::reconcile(schema(), Some(&before), &mut after).unwrap();
    assert_eq!(
        values(&after, "hcCertificate"),
        [r#"{"value":"MAMCAQE=","display":"Card","primary":true}"#, r#"{"value":"AAEC","type":"other"}"#, r#"{"value":"MAMCAQI="}"#]
    );
    let mut after = before.clone();
    after.set(certificates.clone(), vec![b"text".to_vec()]);
    structured::reconcile(schema(), Some(&before), &mut after).unwrap();
    assert_eq!(after.get(&certificates), Some(&[b"text".to_vec()][..]), "left for sealing to refuse");
}

#[test]
fn telephone_numbers_that_ldap_cannot_show_stay() {
    let mut before = person(&[("hcPhoneNumber", r#"{"value":"tel:+64-4-1;ext=2","type":"work"}"#), ("hcPhoneNumber", r#"{"value":"+1"}"#)]);
    structured::reconcile(schema(), None, &mut before).unwrap();
    assert_eq!(values(&before, "telephoneNumber"), ["+1"]);
    let mut after = before.clone();
    after.set(crate::model::Description::plain(id("telephoneNumber")), vec![b"+2".to_vec()]);
    structured::reconcile(schema(), Some(&before), &mut after).unwrap();
    assert_eq!(values(&after, "hcPhoneNumber"), [r#"{"value":"tel:+64-4-1;ext=2","type":"work"}"#, r#"{"value":"+2","type":"work"}"#]);
}

#[test]
fn adoption_carries_what_is_there_and_plain_people_stay_plain() {
    let before = draft(&[("objectClass", "inetOrgPerson"), ("mail", "a@x.example"), ("street", "1 Main St"), ("street", "Back door")]);
    let mut plain = before.clone();
    structured::reconcile(schema(), None, &mut plain).unwrap();
    assert_eq!(plain, before);
    let mut adopted = before.clone();
    adopted.set(crate::model::Description::plain(id("objectClass")), vec![b"inetOrgPerson".to_vec(), b"hcUser".to_vec()]);
    structured::reconcile(schema(), Some(&before), &mut adopted).unwrap();
    assert_eq!(values(&adopted, "hcEmail"), [r#"{"value":"a@x.example","type":"work"}"#]);
    assert_eq!(values(&adopted, "street"), ["1 Main St", "Back door"]);
}

#[test]
fn structured_values_that_are_none_are_refused() {
    for bad in ["text", "[]", r#"{"value":1}"#] {
        assert!(structured::reconcile(schema(), None, &mut person(&[("hcEmail", bad)])).is_err(), "{bad}");
    }
    let two = [("hcEmail", r#"{"value":"a@x","primary":true}"#), ("hcEmail", r#"{"value":"b@x","primary":true}"#)];
    assert!(structured::reconcile(schema(), None, &mut person(&two)).is_err());
}

//! The directory from the inside: one store in a folder of its own, a clock that the test sets.

use super::*;
use crate::base::{Clock, ManualClock, Timestamp};
use crate::domain::password_rules::PasswordProblem;
use crate::model::{Filter, Modification, ModificationKind};
use std::time::Duration;

pub(super) const ORGANISATION: &str = "o=acme,dc=example,dc=com";

pub(super) struct Bench {
    pub(super) directory: Arc<Directory>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) folder: tempfile::TempDir,
    pub(super) operator: Caller,
}

pub(super) fn settings(folder: &std::path::Path) -> Settings {
    let mut settings = Settings::new(folder.to_owned(), &["dc=example,dc=com"]);
    settings.hashing.memory = 64;
    settings.hashing.passes = 1;
    settings.reserve = 0;
    settings
}

pub(super) fn caller(identity: Identity) -> Caller {
    Caller { identity: Arc::new(identity), origin: Arc::new(Origin::system()) }
}

impl Bench {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000)));
        let given = settings(folder.path());
        let hands = Arc::clone(&clock) as Arc<dyn Clock>;
        let directory = std::thread::spawn(move || Directory::open(given, hands).unwrap()).join().unwrap();
        Self { directory, clock, folder, operator: caller(Identity::operator("cn=operator")) }
    }

    /// Ends the directory and opens it again, with these settings.
    pub(super) async fn reopen(self, settings: Settings) -> Self {
        let Self { directory, clock, folder, operator } = self;
        let hands = Arc::clone(&clock) as Arc<dyn Clock>;
        let reopen = move || {
            directory.close();
            drop(directory);
            Directory::open(settings, hands).unwrap()
        };
        Self { directory: tokio::task::spawn_blocking(reopen).await.unwrap(), clock, folder, operator }
    }

    pub(super) async fn write(&self, write: Write) -> Result<WriteOutcome, Error> {
        self.directory.write(&self.operator, write, WriteOptions::default()).await
    }

    pub(super) async fn add(&self, dn: &str, attributes: &[(&str, &str)]) -> Result<WriteOutcome, Error> {
        let mut grouped: Vec<(String, Vec<Vec<u8>>)> = Vec::new();
        for (name, value) in attributes {
            match grouped.iter_mut().find(|(held, _)| held == name) {
                Some((_, values)) => values.push(value.as_bytes().to_vec()),
                None => grouped.push(((*name).to_owned(), vec![value.as_bytes().to_vec()])),
            }
        }
        self.write(Write::Add { dn: dn.to_owned(), attributes: grouped }).await
    }

    pub(super) async fn modify(&self, dn: &str, kind: ModificationKind, attribute: &str, values: &[&str]) -> Result<WriteOutcome, Error> {
        let values = values.iter().map(|value| value.as_bytes().to_vec()).collect();
        let modifications = vec![Modification { kind, attribute: attribute.to_owned(), values }];
        self.write(Write::Modify { dn: dn.to_owned(), modifications }).await
    }

    pub(super) async fn rename(&self, dn: &str, new_rdn: &str) {
        let rename = Write::Rename { dn: dn.to_owned(), new_rdn: new_rdn.to_owned(), delete_old_rdn: true, new_superior: None };
        self.write(rename).await.unwrap();
    }

    pub(super) fn search(
        &self,
        caller: &Caller,
        base: &str,
        scope: Scope,
        filter: &str,
        attributes: &[&str],
    ) -> Result<Vec<OwnedEntry>, Error> {
        struct Sink(Vec<OwnedEntry>);
        impl EntrySink for Sink {
            fn entry(&mut self, entry: &Visible<'_>) {
                self.0.push(entry.to_owned());
            }
            fn reference(&mut self, _: &[String]) {}
        }
        let request = SearchRequest::new(base, scope, Filter::parse(filter).unwrap(), attributes.to_vec());
        let mut search = self.directory.search(caller, &request)?;
        let mut sink = Sink(Vec::new());
        while search.step(&mut sink)? == Progress::More {}
        Ok(sink.0)
    }

    /// How many steps a search goes.
    fn steps(&self, base: &str, filter: &str, sort: &[SortKey<'_>]) -> usize {
        struct Nowhere;
        impl EntrySink for Nowhere {
            fn entry(&mut self, _: &Visible<'_>) {}
            fn reference(&mut self, _: &[String]) {}
        }
        let mut request = SearchRequest::new(base, Scope::Subtree, Filter::parse(filter).unwrap(), vec!["1.1"]);
        request.sort = sort.to_vec();
        let (mut search, mut progress) = self.directory.search_first(&self.operator, &request, &mut Nowhere).unwrap();
        let mut steps = 1;
        while progress.unwrap() == Progress::More {
            progress = search.step(&mut Nowhere);
            steps += 1;
        }
        steps
    }

    fn names(&self, base: &str, scope: Scope, filter: &str) -> Vec<String> {
        let mut names: Vec<String> =
            self.search(&self.operator, base, scope, filter, &["1.1"]).unwrap().into_iter().map(|entry| entry.dn).collect();
        names.sort();
        names
    }

    async fn with_people() -> Self {
        let bench = Self::new();
        bench.add("dc=example,dc=com", &[("objectClass", "domain"), ("dc", "example")]).await.unwrap();
        bench.add("ou=people,dc=example,dc=com", &[("objectClass", "organizationalUnit")]).await.unwrap();
        for name in ["ada", "bob", "cleo"] {
            let dn = format!("uid={name},ou=people,dc=example,dc=com");
            bench.add(&dn, &[("objectClass", "inetOrgPerson"), ("cn", &format!("{name} Smith")), ("sn", "Smith")]).await.unwrap();
        }
        bench
    }

    pub(super) async fn with_organisation(limit: &str) -> Self {
        let bench = Self::new();
        bench.add("dc=example,dc=com", &[("objectClass", "domain"), ("dc", "example")]).await.unwrap();
        bench.add(ORGANISATION, &[("objectClass", "organization"), ("objectClass", "hcOrganisation"), ("o", "acme")]).await.unwrap();
        let licence = [("objectClass", "hcLicence"), ("cn", "standard"), ("hcSessionLimit", limit), ("hcPackage", "basic")];
        bench.add(&format!("cn=standard,ou=licences,{ORGANISATION}"), &licence).await.unwrap();
        for name in ["ada", "bob", "cleo"] {
            let attributes = [
                ("objectClass", "inetOrgPerson"),
                ("objectClass", "hcUser"),
                ("cn", name),
                ("sn", name),
                ("hcUserType", "app"),
                ("mail", &format!("{name}@acme.example")),
                ("userPassword", "correct horse battery staple"),
            ];
            bench.add(&user(name), &attributes).await.unwrap();
        }
        bench
    }

    pub(super) async fn bind(&self, name: &str) -> Result<Bound, Error> {
        let password = Secret::new(b"correct horse battery staple".to_vec());
        self.directory.bind(&Origin::system(), &user(name), &password, SessionRequest::default()).await
    }
}

pub(super) fn user(name: &str) -> String {
    format!("uid={name},ou=users,{ORGANISATION}")
}

#[tokio::test]
async fn entries_are_added_found_changed_renamed_and_deleted() {
    let bench = Bench::with_people().await;
    let base = "dc=example,dc=com";
    assert_eq!(bench.names(base, Scope::Subtree, "(cn=ADA smith)"), ["uid=ada,ou=people,dc=example,dc=com"]);
    assert_eq!(bench.names(base, Scope::Subtree, "(&(sn=smith)(!(uid=bob))(objectClass=person))").len(), 2);
    assert_eq!(bench.names("ou=people,dc=example,dc=com", Scope::One, "(uid=*)").len(), 3);
    assert_eq!(bench.names(base, Scope::Subtree, "(cn=*le*sm*)"), ["uid=cleo,ou=people,dc=example,dc=com"]);
    bench.modify("uid=ada,ou=people,dc=example,dc=com", ModificationKind::Replace, "description", &["first"]).await.unwrap();
    assert_eq!(bench.names(base, Scope::Subtree, "(description=FIRST)").len(), 1);
    bench.rename("ou=people,dc=example,dc=com", "ou=humans").await;
    assert_eq!(bench.names(base, Scope::Subtree, "(uid=ada)"), ["uid=ada,ou=humans,dc=example,dc=com"]);
    bench.write(Write::Delete { dn: "uid=ada,ou=humans,dc=example,dc=com".to_owned() }).await.unwrap();
    assert!(bench.names(base, Scope::Subtree, "(uid=ada)").is_empty());
    let refused = bench.write(Write::Delete { dn: "ou=humans,dc=example,dc=com".to_owned() }).await.unwrap_err();
    assert!(matches!(refused, Error::NotAllowedOnNonLeaf(_)), "{refused:?}");
}

/// With a look at every pair of values this would take minutes.
#[tokio::test]
async fn ten_thousand_values_are_added_and_taken_away() {
    let bench = Bench::with_people().await;
    let ada = "uid=ada,ou=people,dc=example,dc=com";
    let values = |numbers: std::ops::Range<usize>| numbers.map(|number| format!("Value {number}")).collect::<Vec<_>>();
    let change = async |kind: ModificationKind, values: Vec<String>| {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        bench.modify(ada, kind, "description", &values).await
    };
    change(ModificationKind::Add, values(0..10_000)).await.unwrap();
    change(ModificationKind::Add, values(10_000..20_000)).await.unwrap();
    let there = change(ModificationKind::Add, vec!["value  19999".to_owned()]).await.unwrap_err();
    assert!(matches!(there, Error::AttributeOrValueExists(_)), "{there:?}");
    let twice = change(ModificationKind::Add, vec!["new".to_owned(), "NEW".to_owned()]).await.unwrap_err();
    assert!(matches!(twice, Error::AttributeOrValueExists(_)), "{twice:?}");
    let upper = values(0..19_999).into_iter().map(|value| value.to_uppercase()).collect();
    change(ModificationKind::Delete, upper).await.unwrap();
    let gone = change(ModificationKind::Delete, values(0..1)).await.unwrap_err();
    assert!(matches!(gone, Error::NoSuchAttribute(_)), "{gone:?}");
    assert_eq!(bench.names(ada, Scope::Base, "(description=value 19999)").len(), 1);
    assert_eq!(bench.names(ada, Scope::Base, "(description=value 19998)").len(), 0);
    let large = values(0..10_000);
    let mut attributes = vec![("objectClass", "person"), ("sn", "Large"), ("cn", "value 0")];
    attributes.extend(large.iter().map(|value| ("cn", value.as_str())).skip(1));
    bench.add("cn=Value 9999,ou=people,dc=example,dc=com", &attributes).await.unwrap();
}

#[tokio::test]
async fn members_are_links_that_follow_renames_and_wait_for_entries() {
    let bench = Bench::with_people().await;
    let group = "cn=team,dc=example,dc=com";
    let attributes = [
        ("objectClass", "groupOfNames"),
        ("member", "uid=ada,ou=people,dc=example,dc=com"),
        ("member", "uid=later,ou=people,dc=example,dc=com"),
    ];
    bench.add(group, &attributes).await.unwrap();
    bench.rename("uid=ada,ou=people,dc=example,dc=com", "uid=ada2").await;
    let later = [("objectClass", "inetOrgPerson"), ("cn", "Later"), ("sn", "Later")];
    bench.add("uid=later,ou=people,dc=example,dc=com", &later).await.unwrap();
    let read = bench.search(&bench.operator, group, Scope::Base, "(objectClass=*)", &["member"]).unwrap();
    let mut members: Vec<&[u8]> = read[0].values("member").collect();
    members.sort();
    let expected: [&[u8]; 2] = [b"uid=ada2,ou=people,dc=example,dc=com", b"uid=later,ou=people,dc=example,dc=com"];
    assert_eq!(members, expected);
    assert_eq!(bench.names("dc=example,dc=com", Scope::Subtree, "(memberOf=cn=team,dc=example,dc=com)").len(), 2);
    assert_eq!(bench.names("dc=example,dc=com", Scope::Subtree, "(member=uid=later,ou=people,dc=example,dc=com)"), [group]);
    bench.write(Write::Delete { dn: "uid=later,ou=people,dc=example,dc=com".to_owned() }).await.unwrap();
    let read = bench.search(&bench.operator, group, Scope::Base, "(objectClass=*)", &["member"]).unwrap();
    assert_eq!(read[0].values("member").count(), 1);
}

#[tokio::test]
async fn a_group_outlives_its_last_member_but_nobody_takes_the_last_one_out() {
    let bench = Bench::with_people().await;
    let group = "cn=team,dc=example,dc=com";
    let ada = "uid=ada,ou=people,dc=example,dc=com";
    bench.add(group, &[("objectClass", "groupOfUniqueNames"), ("uniqueMember", ada)]).await.unwrap();
    let refused = bench.modify(group, ModificationKind::Delete, "uniqueMember", &[ada]).await.unwrap_err();
    assert!(matches!(refused, Error::ObjectClass(_)), "{refused:?}");
    bench.write(Write::Delete { dn: ada.to_owned() }).await.unwrap();
    bench.modify(group, ModificationKind::Replace, "description", &["empty"]).await.unwrap();
    let bob = "uid=bob,ou=people,dc=example,dc=com";
    bench.modify(group, ModificationKind::Add, "uniqueMember", &[bob]).await.unwrap();
    assert_eq!(bench.names("dc=example,dc=com", Scope::Subtree, &format!("(uniqueMember={bob})")), [group]);
}

#[tokio::test]
async fn g4_g6_members_come_from_nested_groups_and_from_groups_above() {
    let bench = Bench::with_organisation("3").await;
    let group = |name: &str| format!("cn={name},ou=groups,{ORGANISATION}");
    bench.add(&group("inner"), &[("objectClass", "hcGroup"), ("member", &user("ada"))]).await.unwrap();
    bench.add(&group("outer"), &[("objectClass", "hcGroup"), ("member", &group("inner")), ("member", &user("bob"))]).await.unwrap();
    bench.add(&group("below"), &[("objectClass", "hcGroup"), ("hcParentGroup", &group("inner"))]).await.unwrap();
    let groups_of = |name: &str| {
        let read = bench.search(&bench.operator, &user(name), Scope::Base, "(objectClass=*)", &["memberOf"]).unwrap();
        let mut groups: Vec<String> = read[0].values("memberOf").map(|value| String::from_utf8(value.to_vec()).unwrap()).collect();
        groups.sort();
        groups
    };
    assert_eq!(groups_of("ada"), [group("below"), group("inner"), group("outer")]);
    assert_eq!(groups_of("bob"), [group("outer")]);
    let people = |name: &str| bench.names(ORGANISATION, Scope::Subtree, &format!("(&(objectClass=hcUser)(memberOf={}))", group(name)));
    assert_eq!(people("outer"), [user("ada"), user("bob")]);
    assert_eq!(people("below"), [user("ada")]);
    let read = bench.search(&bench.operator, &group("outer"), Scope::Base, "(objectClass=*)", &["hcEffectiveMember"]).unwrap();
    assert_eq!(read[0].values("hcEffectiveMember").count(), 3);
}

#[tokio::test]
async fn a_large_group_shows_renames_deletions_and_new_members_at_once() {
    let bench = Bench::with_people().await;
    let person = |n: usize| format!("uid=p{n},ou=people,dc=example,dc=com");
    for n in 0..40 {
        bench.add(&person(n), &[("objectClass", "inetOrgPerson"), ("cn", "P"), ("sn", "P")]).await.unwrap();
    }
    let group = "cn=large,dc=example,dc=com";
    let names: Vec<String> = (0..30).map(person).collect();
    let mut attributes = vec![("objectClass", "groupOfNames")];
    attributes.extend(names.iter().map(|name| ("member", name.as_str())));
    bench.add(group, &attributes).await.unwrap();
    let members = || {
        let read = bench.search(&bench.operator, group, Scope::Base, "(objectClass=*)", &["member"]).unwrap();
        let mut members: Vec<String> = read[0].values("member").map(|value| String::from_utf8(value.to_vec()).unwrap()).collect();
        members.sort();
        members
    };
    let sorted = |mut expected: Vec<String>| {
        expected.sort();
        expected
    };
    assert_eq!(members(), sorted(names.clone()));
    bench.modify(group, ModificationKind::Add, "member", &[&person(30)]).await.unwrap();
    assert_eq!(members(), sorted((0..31).map(person).collect()));
    bench.write(Write::Delete { dn: person(0) }).await.unwrap();
    assert_eq!(members(), sorted((1..31).map(person).collect()));
    bench.rename("ou=people,dc=example,dc=com", "ou=humans").await;
    let renamed = (1..31).map(|n| person(n).replace("people", "humans")).collect();
    assert_eq!(members(), sorted(renamed));
}

#[tokio::test]
async fn a_level_that_nobody_has_in_a_large_group_shows_nobody() {
    let bench = Bench::with_organisation("3").await;
    let group = format!("cn=large,ou=groups,{ORGANISATION}");
    let names: Vec<String> = (0..20).map(|n| format!("uid=p{n},ou=users,{ORGANISATION}")).collect();
    for (n, name) in names.iter().enumerate() {
        let mail = format!("p{n}@acme.example");
        bench
            .add(name, &[("objectClass", "inetOrgPerson"), ("objectClass", "hcUser"), ("cn", "P"), ("sn", "P"), ("mail", &mail)])
            .await
            .unwrap();
    }
    let mut attributes = vec![("objectClass", "hcGroup")];
    attributes.extend(names.iter().map(|name| ("member", name.as_str())));
    bench.add(&group, &attributes).await.unwrap();
    for _ in 0..2 {
        let read = bench.search(&bench.operator, &group, Scope::Base, "(objectClass=*)", &["*"]).unwrap();
        assert_eq!(read[0].values("member").count(), 20);
        assert_eq!(read[0].values("hcPastMember").count() + read[0].values("hcAdministrator").count(), 0);
    }
}

#[tokio::test]
async fn a_unique_member_waits_for_its_entry() {
    let bench = Bench::with_people().await;
    let later = "uid=later,ou=people,dc=example,dc=com";
    let group = "cn=team,dc=example,dc=com";
    bench.add(group, &[("objectClass", "groupOfUniqueNames"), ("uniqueMember", later)]).await.unwrap();
    assert_eq!(bench.names("dc=example,dc=com", Scope::Subtree, &format!("(uniqueMember={later})")), [group]);
    bench.add(later, &[("objectClass", "inetOrgPerson"), ("cn", "Later"), ("sn", "Later")]).await.unwrap();
    assert_eq!(bench.names("dc=example,dc=com", Scope::Subtree, &format!("(memberOf={group})")), [later]);
}

#[tokio::test]
async fn s1_s4_a_full_licence_refuses_the_next_user_and_s6_an_ended_session_lets_it_in() {
    let bench = Bench::with_organisation("2").await;
    let ada = bench.bind("ada").await.unwrap();
    bench.bind("bob").await.unwrap();
    bench.bind("ada").await.unwrap();
    let refused = bench.bind("cleo").await.unwrap_err();
    let text = "session limit reached: 2 of 2 sessions of licence standard are in use".to_owned();
    assert_eq!(refused, Error::SessionLimit { text, limit: 2, in_use: 2 });
    let session = ada.seat.unwrap().session_id;
    bench.directory.end_session(&bench.operator, &session, None).await.unwrap();
    assert!(bench.directory.refresh(&ada.identity).is_none());
    bench.bind("cleo").await.unwrap();
    assert_eq!(bench.directory.sessions(&bench.operator).len(), 2);
}

#[tokio::test]
async fn u1_s7_an_organisation_admin_makes_no_account_that_takes_no_seat() {
    let bench = Bench::with_organisation("3").await;
    let role = format!("cn=keepers,ou=roles,{ORGANISATION}");
    bench.add(&role, &[("objectClass", "hcRoleDefinition"), ("cn", "keepers"), ("hcRoleSystem", "organisation-admin")]).await.unwrap();
    bench.modify(&user("ada"), ModificationKind::Add, "hcRole", &[&role]).await.unwrap();
    let ada = bench.bind("ada").await.unwrap();
    let admin = Caller { identity: ada.identity, origin: Arc::new(Origin::system()) };
    let change = |value: &str| Write::Modify {
        dn: user("bob"),
        modifications: vec![Modification {
            kind: ModificationKind::Replace,
            attribute: "hcUserType".to_owned(),
            values: vec![value.as_bytes().to_vec()],
        }],
    };
    bench.directory.write(&admin, change("app"), WriteOptions::default()).await.unwrap();
    let refused = bench.directory.write(&admin, change("service"), WriteOptions::default()).await.unwrap_err();
    assert!(matches!(refused, Error::InsufficientAccess(_)), "{refused:?}");
    bench.write(change("service")).await.unwrap();
}

#[tokio::test]
async fn bootstrap_is_refused_once_an_admin_can_sign_in() {
    let bench = Bench::new();
    let dn = "uid=root,dc=example,dc=com";
    let token = bench.directory.bootstrap(&bench.operator, dn).await.unwrap();
    for weak in ["short", "aaaaaaaaaaaaaaaaaaaa", "root root root root"] {
        let refused = bench.directory.redeem_bootstrap(&bench.operator, &token, Secret::new(weak.as_bytes().to_vec())).await.unwrap_err();
        assert!(matches!(refused, Error::Password { .. }), "{weak}: {refused:?}");
    }
    let password = Secret::new(b"a first password of some length".to_vec());
    assert_eq!(bench.directory.redeem_bootstrap(&bench.operator, &token, password).await.unwrap(), dn);
    let refused = bench.directory.bootstrap(&bench.operator, dn).await.unwrap_err();
    assert!(matches!(refused, Error::Unwilling(_)), "{refused:?}");
}

#[tokio::test]
async fn s9_a_lower_limit_ends_nobody_until_it_is_enforced() {
    let bench = Bench::with_organisation("3").await;
    let licence = format!("cn=standard,ou=licences,{ORGANISATION}");
    let ada = bench.bind("ada").await.unwrap();
    bench.clock.advance(Duration::from_secs(60));
    bench.bind("bob").await.unwrap();
    bench.bind("cleo").await.unwrap();
    bench.modify(&licence, ModificationKind::Replace, "hcSessionLimit", &["2"]).await.unwrap();
    assert_eq!(bench.directory.sessions(&bench.operator).len(), 3);
    assert_eq!(bench.directory.enforce_limit(&bench.operator, &licence).await.unwrap(), 1);
    assert!(bench.directory.refresh(&ada.identity).is_none(), "the one idle longest gives way");
    assert_eq!(bench.directory.sessions(&bench.operator).len(), 2);
    assert!(matches!(bench.bind("ada").await, Err(Error::SessionLimit { .. })));
}

#[tokio::test]
async fn s5_an_idle_session_ends_and_frees_its_seat() {
    let bench = Bench::with_organisation("1").await;
    bench.bind("ada").await.unwrap();
    bench.clock.advance(Duration::from_secs(29 * 60));
    bench.directory.end_sessions_over().await.unwrap();
    assert!(bench.bind("bob").await.is_err());
    bench.clock.advance(Duration::from_secs(61));
    bench.directory.end_sessions_over().await.unwrap();
    assert!(bench.directory.sessions(&bench.operator).is_empty());
    bench.bind("bob").await.unwrap();
}

#[tokio::test]
async fn s5_who_signs_in_while_the_last_connection_goes_keeps_the_seat() {
    let bench = Bench::with_organisation("1").await;
    let licence = format!("cn=standard,ou=licences,{ORGANISATION}");
    bench.modify(&licence, ModificationKind::Replace, "hcReleaseMode", &["disconnect"]).await.unwrap();
    let first = bench.bind("ada").await.unwrap();
    drop(first);
    let second = bench.bind("ada").await.unwrap();
    bench.directory.end_sessions_over().await.unwrap();
    assert!(bench.directory.refresh(&second.identity).is_some(), "it was seated before its connection could say so");
    assert!(bench.bind("bob").await.is_err());
    drop(second);
    bench.directory.end_sessions_over().await.unwrap();
    bench.bind("bob").await.unwrap();
}

#[tokio::test]
async fn s10_sessions_survive_a_restart() {
    let bench = Bench::with_organisation("1").await;
    bench.bind("ada").await.unwrap();
    let again = settings(bench.folder.path());
    let bench = bench.reopen(again).await;
    assert!(matches!(bench.bind("bob").await, Err(Error::SessionLimit { .. })));
    bench.bind("ada").await.unwrap();
}

#[tokio::test]
async fn hb1_what_fails_looks_the_same() {
    let bench = Bench::with_organisation("3").await;
    bench.modify(&user("bob"), ModificationKind::Replace, "hcActive", &["FALSE"]).await.unwrap();
    bench.modify(&user("cleo"), ModificationKind::Delete, "userPassword", &[]).await.unwrap();
    let wrong = Secret::new(b"wrong".to_vec());
    for name in ["ada", "bob", "cleo", "nobody"] {
        let refused = bench.directory.bind(&Origin::system(), &user(name), &wrong, SessionRequest::default()).await.unwrap_err();
        assert_eq!(refused, Error::InvalidCredentials, "{name}");
    }
    for name in ["cleo", "nobody"] {
        assert_eq!(bench.bind(name).await.unwrap_err(), Error::InvalidCredentials, "{name}");
    }
    assert!(bench.directory.sessions(&bench.operator).is_empty());
}

#[tokio::test]
async fn hb1_who_proves_the_password_of_a_disabled_account_is_told_that_it_is_closed() {
    let bench = Bench::with_organisation("3").await;
    bench.modify(&user("bob"), ModificationKind::Replace, "hcActive", &["FALSE"]).await.unwrap();
    let refused = bench.bind("bob").await.unwrap_err();
    assert_eq!(refused, Error::from(PasswordProblem::AccountLocked));
    assert_eq!(refused.to_string(), Error::InvalidCredentials.to_string());
    assert!(bench.directory.sessions(&bench.operator).is_empty());
}

#[tokio::test]
async fn u6_disabling_a_user_ends_its_sessions_at_once() {
    let bench = Bench::with_organisation("3").await;
    let ada = bench.bind("ada").await.unwrap();
    bench.modify(&user("ada"), ModificationKind::Replace, "hcActive", &["FALSE"]).await.unwrap();
    assert!(bench.directory.refresh(&ada.identity).is_none());
    assert!(bench.directory.sessions(&bench.operator).is_empty());
}

#[tokio::test]
async fn hc4_anonymous_sees_nothing_but_the_root_dse_and_the_schema() {
    let bench = Bench::with_people().await;
    let nobody = caller(Identity::anonymous());
    let refused = bench.search(&nobody, "dc=example,dc=com", Scope::Subtree, "(objectClass=*)", &[]).unwrap_err();
    assert_eq!(refused, Error::NoSuchObject { matched: String::new() });
    assert_eq!(bench.search(&nobody, "", Scope::Base, "(objectClass=*)", &["+", "*"]).unwrap().len(), 1);
    assert_eq!(bench.search(&nobody, "cn=Subschema", Scope::Base, "(objectClass=subschema)", &["+", "*"]).unwrap().len(), 1);
}

#[tokio::test]
async fn u1_in_an_organisation_only_its_users_sign_in() {
    let bench = Bench::with_organisation("1").await;
    bench.bind("ada").await.unwrap();
    let person = [("objectClass", "inetOrgPerson"), ("cn", "p"), ("sn", "p"), ("userPassword", "correct horse battery staple")];
    bench.add(&user("person"), &person).await.unwrap();
    assert_eq!(bench.bind("person").await.unwrap_err(), Error::InvalidCredentials);
    bench.add("uid=person,dc=example,dc=com", &person).await.unwrap();
    let password = Secret::new(b"correct horse battery staple".to_vec());
    let outside = bench.directory.bind(&Origin::system(), "uid=person,dc=example,dc=com", &password, SessionRequest::default()).await;
    assert!(outside.unwrap().seat.is_none());
}

#[tokio::test]
async fn s11_who_was_let_in_without_a_seat_and_needs_one_now_has_to_sign_in_again() {
    let bench = Bench::with_organisation("1").await;
    bench.modify(&user("bob"), ModificationKind::Replace, "hcUserType", &["service"]).await.unwrap();
    let bob = bench.bind("bob").await.unwrap();
    assert!(bob.seat.is_none() && bench.directory.refresh(&bob.identity).is_some());
    bench.modify(&user("bob"), ModificationKind::Replace, "hcUserType", &["app"]).await.unwrap();
    assert!(bench.directory.refresh(&bob.identity).is_none());
}

#[tokio::test]
async fn g5_a_rename_writes_nothing_but_what_names_the_entry_without_the_right_to() {
    let bench = Bench::with_organisation("3").await;
    let group = format!("cn=team,ou=groups,{ORGANISATION}");
    bench.add(&group, &[("objectClass", "hcGroup"), ("cn", "team"), ("hcAdministrator", &user("ada"))]).await.unwrap();
    let ada = Caller { identity: bench.bind("ada").await.unwrap().identity, origin: Arc::new(Origin::system()) };
    let rename = |new_rdn: &str| {
        let write = Write::Rename { dn: group.clone(), new_rdn: new_rdn.to_owned(), delete_old_rdn: true, new_superior: None };
        bench.directory.write(&ada, write, WriteOptions::default())
    };
    assert!(matches!(rename("cn=crew+hcExternalId=x").await, Err(Error::InsufficientAccess(_))));
    rename("cn=crew").await.unwrap();
}

#[tokio::test]
async fn hc5_aliases_are_followed_once_each_and_those_of_others_do_not_count() {
    use crate::access::{AccessSubject, Standing};
    let bench = Bench::with_people().await;
    let (base, people) = ("dc=example,dc=com", "ou=people,dc=example,dc=com");
    bench.add("ou=links,dc=example,dc=com", &[("objectClass", "organizationalUnit")]).await.unwrap();
    for number in 0..350 {
        let holder = format!("ou=h{number},dc=example,dc=com");
        bench.add(&holder, &[("objectClass", "organizationalUnit")]).await.unwrap();
        let next = format!("ou=h{},dc=example,dc=com", number + 1);
        let target = if number == 349 { people } else { &next };
        let dn = format!("ou=next,{holder}");
        let values = [("objectClass", "alias"), ("objectClass", "extensibleObject"), ("ou", "next"), ("aliasedObjectName", target)];
        bench.add(&dn, &values).await.unwrap();
    }
    let values =
        [("objectClass", "alias"), ("objectClass", "extensibleObject"), ("ou", "one"), ("aliasedObjectName", "ou=h0,dc=example,dc=com")];
    bench.add("ou=one,ou=links,dc=example,dc=com", &values).await.unwrap();
    let find = |scope| {
        let dn = tree::parse_dn("ou=links,dc=example,dc=com").unwrap();
        let current = bench.directory.current();
        let memory = bench.directory.memory();
        let tree::Resolved::Found(id) = tree::resolve(bench.directory.schema(), &current.suffixes, memory, &dn) else { panic!("{base}") };
        (id, scope)
    };
    let follow = |grants: &crate::access::Grants, scope| {
        let (id, scope) = find(scope);
        bench.directory.follow_aliases(grants, id, scope).unwrap()
    };
    let operator = bench.directory.grants(&bench.operator);
    let all = follow(&operator, Scope::Subtree);
    assert_eq!(all.hidden.len(), 351, "a chain of places costs each alias once, and ends");
    assert_eq!(all.places.outermost(bench.directory.memory()).len(), 352);
    let one = follow(&operator, Scope::One);
    assert_eq!((one.hidden.len(), one.places.outermost(bench.directory.memory()).len()), (1, 2), "one level leads one step");
    let stranger = AccessSubject { standing: Standing::Anonymous, ..AccessSubject::anonymous(None, true) };
    let policy = Arc::new(crate::access::Policy::compile(bench.directory.schema(), &[]).unwrap());
    let none = follow(&policy.grants(stranger, bench.directory.memory()), Scope::Subtree);
    assert_eq!(none.hidden.len(), 0, "aliases that the caller may not know of are not counted");
}

#[tokio::test]
async fn ha5_a_step_of_a_search_ends_by_the_clock() {
    let bench = Bench::with_people().await;
    for number in 0..100 {
        let dn = format!("uid=p{number},ou=people,dc=example,dc=com");
        bench.add(&dn, &[("objectClass", "inetOrgPerson"), ("cn", "p"), ("sn", "p")]).await.unwrap();
    }
    let by_name = [SortKey { attribute: "cn", rule: None, reverse: false }];
    for (sort, still) in [(&[][..], 1), (&by_name[..], 1)] {
        assert_eq!(bench.steps("dc=example,dc=com", "(!(description=x))", sort), still, "no time goes by");
        bench.clock.hurry(Duration::from_millis(6));
        let steps = bench.steps("dc=example,dc=com", "(!(description=x))", sort);
        assert!(steps > 1, "{steps} steps, where it is later each time somebody looks");
        bench.clock.hurry(Duration::ZERO);
    }
}

//! Activation from the inside: outbox, links, what they open.

use super::activation::{Letter, LetterId, Posted, RedeemError};
use super::*;
use crate::base::{Clock, ManualClock, Secret, Timestamp};
use crate::domain::activation::Purpose;
use crate::model::{Modification, ModificationKind};
use std::time::Duration;

const ORGANISATION: &str = "o=acme,dc=example,dc=com";
pub(crate) const PASSWORD: &str = "violet harbour seven lanterns";

/// A directory with one organisation, and a public URL so that letters go out.
pub(crate) struct Scene {
    pub(crate) directory: Arc<Directory>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) folder: tempfile::TempDir,
}

fn settings(folder: &std::path::Path) -> Settings {
    let mut settings = Settings::new(folder.to_owned(), &["dc=example,dc=com"]);
    settings.hashing.memory = 64;
    settings.hashing.passes = 1;
    settings.reserve = 0;
    settings.activation.public_url = Some("https://id.example.com/".to_owned());
    settings
}

fn open(settings: Settings, clock: &Arc<ManualClock>) -> Arc<Directory> {
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    std::thread::spawn(move || Directory::open(settings, clock).unwrap()).join().unwrap()
}

fn origin(protocol: Protocol) -> Origin {
    Origin { protocol, ..Origin::system() }
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000)));
        let directory = open(settings(folder.path()), &clock);
        let scene = Self { directory, clock, folder };
        scene.add("dc=example,dc=com", &[("objectClass", "domain")]).await;
        let organisation = [("objectClass", "organization"), ("objectClass", "hcOrganisation"), ("displayName", "Acme & Sons")];
        scene.add(ORGANISATION, &organisation).await;
        scene
    }

    fn caller(protocol: Protocol) -> Caller {
        Caller { identity: Arc::new(Identity::operator("cn=operator")), origin: Arc::new(origin(protocol)) }
    }

    async fn write(&self, protocol: Protocol, write: Write) {
        self.directory.write(&Self::caller(protocol), write, WriteOptions::default()).await.unwrap();
    }

    async fn add(&self, dn: &str, attributes: &[(&str, &str)]) {
        let mut grouped: Vec<(String, Vec<Vec<u8>>)> = Vec::new();
        for (name, value) in attributes {
            match grouped.iter_mut().find(|(held, _)| held == name) {
                Some((_, values)) => values.push(value.as_bytes().to_vec()),
                None => grouped.push(((*name).to_owned(), vec![value.as_bytes().to_vec()])),
            }
        }
        self.write(Protocol::Ldap, Write::Add { dn: dn.to_owned(), attributes: grouped }).await;
    }

    /// Adds a user; its address is `NAME@acme.example`.
    pub(crate) async fn user(&self, name: &str, password: Option<&str>) {
        let mail = format!("{name}@acme.example");
        let mut attributes = vec![("objectClass", "inetOrgPerson"), ("objectClass", "hcUser"), ("cn", name), ("sn", name), ("mail", &mail)];
        attributes.extend(password.map(|password| ("userPassword", password)));
        attributes.push(("hcUserType", "app"));
        self.add(&dn(name), &attributes).await;
    }

    async fn replace(&self, protocol: Protocol, name: &str, attribute: &str, value: &str) {
        let values = vec![value.as_bytes().to_vec()];
        let modifications = vec![Modification { kind: ModificationKind::Replace, attribute: attribute.to_owned(), values }];
        self.write(protocol, Write::Modify { dn: dn(name), modifications }).await;
    }

    /// The one letter that is due, made and settled.
    async fn letter(&self) -> Letter {
        let due = self.directory.outbox_due(9);
        assert_eq!(due.len(), 1, "{due:?}");
        let letter = self.directory.outbox_letter(due[0]).await.unwrap().unwrap();
        self.directory.outbox_settled(due[0], Posted::Done).await.unwrap();
        letter
    }

    fn due(&self) -> Vec<LetterId> {
        self.directory.outbox_due(9)
    }

    async fn redeem(&self, token: &Secret, password: &str) -> Result<(), RedeemError> {
        self.directory.redeem_link(&origin(Protocol::Console), token, Secret::new(password)).await
    }

    async fn ask(&self, address: &str) {
        self.directory.request_link(&origin(Protocol::Console), address).await.unwrap();
    }

    /// Whether the password is taken: no licence stands in the way of being told so.
    async fn knows(&self, name: &str, password: &str) -> bool {
        let bound = self.directory.bind(&origin(Protocol::Ldap), &dn(name), &Secret::new(password), SessionRequest::default()).await;
        !matches!(bound, Err(Error::InvalidCredentials))
    }
}

fn dn(name: &str) -> String {
    format!("uid={name},ou=users,{ORGANISATION}")
}

pub(crate) fn token_of(letter: &Letter) -> Secret {
    Secret::new(letter.link.rsplit('/').next().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn u4_from_a_new_user_to_one_that_signs_in() {
    let scene = Scene::new().await;
    scene.user("ann", None).await;
    let letter = scene.letter().await;
    assert_eq!((letter.to.as_str(), letter.organisation.as_str()), ("ann@acme.example", "Acme & Sons"));
    assert!(letter.link.starts_with("https://id.example.com/activate/"), "{}", letter.link);
    assert!(scene.due().is_empty());
    let token = token_of(&letter);
    let preview = scene.directory.link_preview(&token).unwrap();
    assert_eq!((preview.user_name.as_str(), preview.mail.as_str(), preview.minimum_length), ("ann", "ann@acme.example", 15));
    assert!(matches!(scene.redeem(&token, "short").await, Err(RedeemError::Password(_))));
    assert!(!scene.knows("ann", "short").await);
    assert_eq!(scene.redeem(&token, PASSWORD).await, Ok(()));
    assert!(scene.knows("ann", PASSWORD).await);
    assert_eq!(scene.redeem(&token, "another passphrase, longer").await, Err(RedeemError::Dead));
    assert!(scene.directory.link_preview(&token).is_none());
    assert!(scene.due().is_empty(), "no letter about it");
}

#[tokio::test(flavor = "multi_thread")]
async fn hf1_of_many_redemptions_exactly_one_succeeds() {
    let scene = Scene::new().await;
    scene.user("ann", None).await;
    let token = token_of(&scene.letter().await);
    let tries = (0..20).map(|number| {
        let (directory, token) = (Arc::clone(&scene.directory), token.clone());
        let password = Secret::new(format!("correct horse battery {number}"));
        tokio::spawn(async move { directory.redeem_link(&origin(Protocol::Console), &token, password).await })
    });
    let mut outcomes = Vec::new();
    for task in tries.collect::<Vec<_>>() {
        outcomes.push(task.await.unwrap());
    }
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(()) | Err(RedeemError::Dead | RedeemError::Busy))), "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hf1_a_link_dies_when_a_newer_one_is_made_and_when_it_is_old() {
    let scene = Scene::new().await;
    scene.user("ann", None).await;
    let first = token_of(&scene.letter().await);
    scene.ask(" ANN@acme.example ").await;
    let letter = scene.letter().await;
    assert_eq!(letter.purpose, Purpose::Welcome, "she has no password to forget");
    let second = token_of(&letter);
    assert_eq!(scene.redeem(&first, PASSWORD).await, Err(RedeemError::Dead));
    assert!(scene.directory.link_preview(&second).is_some());
    scene.clock.advance(Duration::from_secs(24 * 3_600));
    assert_eq!(scene.redeem(&second, PASSWORD).await, Err(RedeemError::Dead));
    scene.directory.forget_old_links().await.unwrap();
    assert!(!scene.knows("ann", PASSWORD).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn u5_a_forgotten_password_is_set_anew_and_nobody_else_is_written_to() {
    let scene = Scene::new().await;
    scene.user("ann", Some(PASSWORD)).await;
    scene.user("off", Some(PASSWORD)).await;
    scene.replace(Protocol::Ldap, "off", "hcActive", "FALSE").await;
    for address in ["nobody@acme.example", "off@acme.example", "", "*", "ann@acme.example, x@example.com"] {
        scene.ask(address).await;
    }
    assert!(scene.due().is_empty());
    scene.ask("ann@acme.example").await;
    let letter = scene.letter().await;
    assert_eq!(letter.purpose, Purpose::Forgotten);
    assert!(scene.knows("ann", PASSWORD).await, "asking changes nothing");
    assert_eq!(scene.redeem(&token_of(&letter), "a quite different passphrase").await, Ok(()));
    assert!(!scene.knows("ann", PASSWORD).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn u5_a_link_lives_on_when_the_same_password_is_stored_anew() {
    let scene = Scene::new().await;
    scene.user("ann", Some("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=")).await;
    scene.ask("ann@acme.example").await;
    let link = token_of(&scene.letter().await);
    assert!(scene.knows("ann", "password").await);
    let changed = scene.directory.memory().revision();
    scene.directory.renew_credentials().await;
    assert_ne!(scene.directory.memory().revision(), changed, "its hash was made anew");
    assert!(scene.directory.link_preview(&link).is_some(), "nobody has set a password");
    assert_eq!(scene.redeem(&link, PASSWORD).await, Ok(()));
    assert!(scene.knows("ann", PASSWORD).await);
    assert_eq!(scene.redeem(&link, PASSWORD).await, Err(RedeemError::Dead));
}

#[tokio::test(flavor = "multi_thread")]
async fn u5_a_link_sets_no_password_that_the_policy_remembers() {
    let scene = Scene::new().await;
    let policy = format!("cn=policy,{ORGANISATION}");
    let class = [("objectClass", "applicationProcess"), ("objectClass", "pwdPolicy"), ("pwdAttribute", "userPassword")];
    scene.add(&policy, &[&class[..], &[("pwdInHistory", "1")]].concat()).await;
    scene.user("ann", Some(PASSWORD)).await;
    scene.replace(Protocol::Ldap, "ann", "pwdPolicySubentry", &policy).await;
    let second = "a quite different passphrase";
    for (password, taken) in [(PASSWORD, false), (second, true), (second, false), (PASSWORD, false), ("the third one of this test", true)] {
        scene.ask("ann@acme.example").await;
        let redeemed = scene.redeem(&token_of(&scene.letter().await), password).await;
        let refused = Err(RedeemError::Password("this password was used before".to_owned()));
        assert_eq!(redeemed, if taken { Ok(()) } else { refused }, "{password}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn u5_a_new_address_takes_the_old_credentials_except_by_scim() {
    let scene = Scene::new().await;
    scene.user("ann", Some(PASSWORD)).await;
    scene.replace(Protocol::Scim, "ann", "mail", "second@acme.example").await;
    assert!(scene.knows("ann", PASSWORD).await && scene.due().is_empty());
    scene.ask("second@acme.example").await;
    let link = token_of(&scene.letter().await);
    scene.replace(Protocol::Ldap, "ann", "mail", "third@acme.example").await;
    assert!(!scene.knows("ann", PASSWORD).await);
    assert_eq!(scene.redeem(&link, PASSWORD).await, Err(RedeemError::Dead), "it went to the old address");
    let letter = scene.letter().await;
    assert_eq!((letter.to.as_str(), letter.purpose), ("third@acme.example", Purpose::NewAddress));
    assert_eq!(scene.redeem(&token_of(&letter), PASSWORD).await, Ok(()));
    assert!(scene.knows("ann", PASSWORD).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn u5_the_last_administrator_keeps_the_credentials() {
    let scene = Scene::new().await;
    let role = format!("cn=Boss,ou=roles,{ORGANISATION}");
    scene.add(&role, &[("objectClass", "hcRoleDefinition"), ("hcRoleSystem", "organisation-admin")]).await;
    scene.user("ann", Some(PASSWORD)).await;
    scene.replace(Protocol::Ldap, "ann", "hcRole", &role).await;
    scene.replace(Protocol::Ldap, "ann", "mail", "new@acme.example").await;
    assert!(scene.knows("ann", PASSWORD).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_wait_over_a_restart_and_no_token_is_kept() {
    let scene = Scene::new().await;
    scene.user("ann", None).await;
    let [id] = scene.due()[..] else { panic!() };
    scene.directory.outbox_settled(id, Posted::Later).await.unwrap();
    assert!(scene.due().is_empty(), "not at once again");
    let Scene { directory, clock, folder } = scene;
    std::thread::spawn(move || directory.close()).join().unwrap();
    let scene = Scene { directory: open(settings(folder.path()), &clock), clock, folder };
    scene.clock.advance(Duration::from_secs(6));
    let letter = scene.letter().await;
    let token = token_of(&letter);
    let mut files = 0;
    for file in walk(scene.folder.path()) {
        let octets = std::fs::read(&file).unwrap_or_default();
        files += 1;
        assert!(memchr::memmem::find(&octets, token.expose()).is_none(), "the token is in {}", file.display());
    }
    assert!(files > 0);
    assert!(scene.directory.link_preview(&token).is_some());
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(walk(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn o1_who_shares_an_address_does_not_take_the_place_of_another_organisation() {
    let scene = Scene::new().await;
    scene.add("ou=others,dc=example,dc=com", &[("objectClass", "organizationalUnit")]).await;
    for number in 0..9 {
        let (dn, name) = (format!("uid=u{number},ou=others,dc=example,dc=com"), format!("u{number}"));
        let attributes =
            [("objectClass", "inetOrgPerson"), ("objectClass", "hcUser"), ("cn", &*name), ("sn", "x"), ("mail", "ann@acme.example")];
        scene.add(&dn, &attributes).await;
    }
    scene.user("ann", None).await;
    for letter in scene.directory.outbox_due(99) {
        scene.directory.outbox_settled(letter, Posted::Done).await.unwrap();
    }
    scene.ask("ann@acme.example").await;
    let due = scene.directory.outbox_due(99);
    assert_eq!(due.len(), 9, "eight of the others");
    let mut of_acme = 0;
    for letter in due {
        of_acme += usize::from(scene.directory.outbox_letter(letter).await.unwrap().unwrap().organisation == "Acme & Sons");
    }
    assert_eq!(of_acme, 1);
}

impl Scene {
    /// A client of the organisation with these settings, as it comes by SCIM.
    async fn client(&self, settings: serde_json::Value) -> Caller {
        let operator = Self::caller(Protocol::CommandLine);
        let token = self.directory.mint_token(&operator, ORGANISATION, "idp", None).await.unwrap();
        let mut settings = settings.as_object().unwrap().clone();
        settings.insert("reach".to_owned(), "organisation".into());
        self.directory.change_client(&operator, None, "idp", settings).await.unwrap();
        let identity = self.directory.authenticate_token(&Origin::system(), &token.secret).unwrap();
        Caller { identity, origin: Arc::new(origin(Protocol::Scim)) }
    }

    async fn set_mail(&self, client: &Caller, name: &str, mail: &str) {
        let values = vec![mail.as_bytes().to_vec()];
        let modifications = vec![Modification { kind: ModificationKind::Replace, attribute: "mail".to_owned(), values }];
        self.directory.write(client, Write::Modify { dn: dn(name), modifications }, WriteOptions::default()).await.unwrap();
    }

    /// All letters that are due, made and settled: to whom, and what for.
    async fn letters(&self) -> Vec<(String, Purpose)> {
        let mut letters = Vec::new();
        for id in self.due() {
            let letter = self.directory.outbox_letter(id).await.unwrap().unwrap();
            assert_eq!(letter.link.is_empty(), letter.purpose.is_notice());
            self.directory.outbox_settled(id, Posted::Done).await.unwrap();
            letters.push((letter.to, letter.purpose));
        }
        assert!(self.due().is_empty());
        letters
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn he2_a_client_that_changes_an_address_has_both_told_and_the_password_stays() {
    let scene = Scene::new().await;
    scene.user("ann", Some(PASSWORD)).await;
    let client = scene.client(serde_json::json!({})).await;
    scene.set_mail(&client, "ann", "new@acme.example").await;
    scene.set_mail(&client, "ann", "newer@acme.example").await;
    let told = |to: &str, purpose| (format!("{to}@acme.example"), purpose);
    let mut letters = scene.letters().await;
    letters.sort_by_key(|(to, purpose)| (to.clone(), *purpose == Purpose::AddressTaken));
    let expected = [
        told("ann", Purpose::AddressLeft),
        told("new", Purpose::AddressLeft),
        told("new", Purpose::AddressTaken),
        told("newer", Purpose::AddressTaken),
    ];
    assert_eq!(letters, expected);
    assert!(scene.knows("ann", PASSWORD).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn u5_a_client_may_be_set_to_renew_credentials_with_the_address() {
    let scene = Scene::new().await;
    scene.user("ann", Some(PASSWORD)).await;
    let client = scene.client(serde_json::json!({"address_change": "renew", "welcome_mail": false})).await;
    scene.set_mail(&client, "ann", "new@acme.example").await;
    let mut letters = scene.letters().await;
    letters.sort_by_key(|(to, _)| to.clone());
    let expected = [("ann@acme.example".to_owned(), Purpose::AddressLeft), ("new@acme.example".to_owned(), Purpose::NewAddress)];
    assert_eq!(letters, expected);
    assert!(!scene.knows("ann", PASSWORD).await);
    // Together with a new name it is a rename.
    scene.user("bob", Some(PASSWORD)).await;
    let mail = vec![b"robert@acme.example".to_vec()];
    let modifications = vec![Modification { kind: ModificationKind::Replace, attribute: "mail".to_owned(), values: mail }];
    let rename = Write::Rename { dn: dn("bob"), new_rdn: "uid=robert".to_owned(), delete_old_rdn: true, new_superior: None };
    scene.directory.write(&client, rename, WriteOptions { modifications, ..WriteOptions::default() }).await.unwrap();
    assert!(!scene.knows("robert", PASSWORD).await);
    assert_eq!(scene.letters().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn u4_a_client_that_welcomes_nobody_and_users_that_bring_a_password() {
    let scene = Scene::new().await;
    let add = async |client: &Caller, name: &str, password: Option<&str>| {
        let mut attributes = vec![
            ("objectClass".to_owned(), vec![b"inetOrgPerson".to_vec(), b"hcUser".to_vec()]),
            ("cn".to_owned(), vec![name.into()]),
            ("sn".to_owned(), vec![name.into()]),
            ("mail".to_owned(), vec![format!("{name}@acme.example").into_bytes()]),
        ];
        attributes.extend(password.map(|password| ("userPassword".to_owned(), vec![password.into()])));
        scene.directory.write(client, Write::Add { dn: dn(name), attributes }, WriteOptions::default()).await.unwrap();
    };
    let welcoming = scene.client(serde_json::json!({})).await;
    add(&welcoming, "ann", None).await;
    assert_eq!(scene.letters().await, [("ann@acme.example".to_owned(), Purpose::Welcome)]);
    add(&welcoming, "bob", Some(PASSWORD)).await;
    assert!(scene.letters().await.is_empty() && scene.knows("bob", PASSWORD).await);
    let silent = scene.client(serde_json::json!({"welcome_mail": false})).await;
    add(&silent, "cleo", None).await;
    assert!(scene.letters().await.is_empty());
    // Who asks is sent a link all the same.
    scene.ask("cleo@acme.example").await;
    assert_eq!(scene.letters().await, [("cleo@acme.example".to_owned(), Purpose::Welcome)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_are_told_that_a_client_was_paused() {
    let scene = Scene::new().await;
    scene.user("boss", Some(PASSWORD)).await;
    scene.user("ann", Some(PASSWORD)).await;
    let role = format!("cn=chief,ou=roles,{ORGANISATION}");
    scene.add(&role, &[("objectClass", "hcRoleDefinition"), ("hcRoleSystem", "organisation-admin")]).await;
    scene.replace(Protocol::Ldap, "boss", "hcRole", &role).await;
    let client = scene.client(serde_json::json!({"deactivation_ceiling": 0})).await;
    for _ in 0..2 {
        scene.directory.write(&client, Write::Delete { dn: dn("ann") }, WriteOptions::default()).await.unwrap_err();
    }
    assert_eq!(scene.letters().await, [("boss@acme.example".to_owned(), Purpose::ClientPaused)]);
}

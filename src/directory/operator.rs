//! What only the operator does: export with everything that is kept, tokens, the first credential, checking and backup.

use super::authenticate::one_time_code::WITHHELD;
use super::link_view;
use super::request::split_attribute;
pub use super::token::{TokenInfo, TokenState};
use super::tree::{self, Resolved};
use super::view::{Renderer, Selection};
use super::{Caller, Directory, Error, OwnedEntry, Write, WriteOptions};
use crate::access::AttributeSet;
use crate::base::{EntryId, Secret, Timestamp, ber, random};
use crate::domain::{AccountState, User, UserType};
use crate::model::entry::Values;
use crate::model::{Dn, Facts, Kind};
use crate::schema::Schema;
pub use crate::store::{AuditCheck, Compacted};
use crate::store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// Where the record of the one-time token is kept.
const BOOTSTRAP: &str = "bootstrap";
/// How long the one-time token is good.
const BOOTSTRAP_LIFETIME: Duration = Duration::from_secs(24 * 3_600);

/// What is kept of the one-time token.
#[derive(Serialize, Deserialize)]
struct Bootstrap {
    hash: [u8; 32],
    dn: String,
    expires: Timestamp,
}

/// What a check of everything found.
#[derive(Clone, Debug)]
pub struct VerifyReport {
    /// How many entries were looked at.
    pub entries: usize,
    /// What is wrong, one sentence each; the first of them.
    pub problems: Vec<String>,
    /// How much is wrong.
    pub count: usize,
}

/// An export under way. It holds no lock between steps.
pub struct Export {
    directory: Arc<Directory>,
    selection: Selection,
    /// Still to be given, the next one last.
    waiting: Vec<EntryId>,
}

impl Export {
    /// The next entries, at most `limit`, each after the one above it; none when all were given.
    pub fn step(&mut self, limit: usize) -> Vec<OwnedEntry> {
        let memory = self.directory.memory();
        let schema = self.directory.schema();
        let mut renderer = Renderer::new(Arc::clone(&self.directory.current().catalog));
        let everything = AttributeSet::all(schema.attribute_types().len());
        let mut found = Vec::new();
        while found.len() < limit {
            let Some(id) = self.waiting.pop() else { break };
            let Some(entry) = memory.entry(id) else { continue };
            // A seat is held where it was taken, and by nobody else (S3).
            if entry.kind == Kind::Session {
                continue;
            }
            let mut owned = renderer.render(schema, memory, &entry, &self.selection, &everything, |visible| visible.to_owned());
            withhold_codes(&mut owned);
            sort_references(schema, &mut owned);
            if entry.kind == Kind::Role {
                leave_out_holders(schema, &mut owned);
            }
            found.push(owned);
            self.waiting.extend(memory.children(id, None, usize::MAX).into_iter().rev());
        }
        found
    }
}

/// A password leaves as its hash; what codes are made from cannot, so it stays here.
fn withhold_codes(entry: &mut OwnedEntry) {
    let is_secret = |name: &str| name.split(';').next().is_some_and(|name| name.eq_ignore_ascii_case("hcOneTimeSecret"));
    rewrite(entry, |name, _| is_secret(name).then(|| vec![WITHHELD.to_vec()]));
}

/// References are kept in the order in which what they name was made; in that of their names, an export is the same again
/// wherever it was read in.
fn sort_references(schema: &Schema, entry: &mut OwnedEntry) {
    let is_link = |name: &str| schema.description(name).is_some_and(|named| schema.attribute_type(named.attribute).link.is_some());
    rewrite(entry, |name, values| {
        is_link(name).then(|| {
            let mut values: Vec<Vec<u8>> = values.map(<[u8]>::to_vec).collect();
            values.sort_unstable();
            values
        })
    });
}

/// Puts other values in the place of those of an attribute, where there are any to put.
fn rewrite(entry: &mut OwnedEntry, other: impl Fn(&str, Values<'_>) -> Option<Vec<Vec<u8>>>) {
    for attribute in &mut entry.attributes {
        let (name, held) = split_attribute(attribute);
        let Some(others) = other(name, held) else { continue };
        let (mut values, mut content) = (Vec::new(), Vec::new());
        others.iter().for_each(|value| ber::put(&mut values, ber::OCTET_STRING, value));
        ber::put(&mut content, ber::OCTET_STRING, name.as_bytes());
        ber::put(&mut content, ber::SET, &values);
        attribute.clear();
        ber::put(attribute, ber::SEQUENCE, &content);
    }
}

/// Who holds a role is kept with the holders; an import would take the members of a role for a change, and refuse it (R8).
fn leave_out_holders(schema: &Schema, entry: &mut OwnedEntry) {
    let view = |name: &str| schema.attribute_type(schema.attribute(name)?).link;
    let kept: Vec<bool> =
        entry.attributes().map(|(name, _)| view(name).is_none_or(|view| !link_view::shows_holders(schema, view))).collect();
    let mut kept = kept.into_iter();
    entry.attributes.retain(|_| kept.next().unwrap_or(true));
}

impl Directory {
    /// Begins an export of the subtree `base`, or of every suffix: what is stored, passwords as their hashes, links as
    /// DNs; what only the server writes where asked for, and no sessions. The operator may.
    pub fn export(self: &Arc<Self>, caller: &Caller, base: Option<&str>, operational: bool) -> Result<Export, Error> {
        only_operator(caller)?;
        let current = self.current();
        let memory = self.memory();
        let waiting = match base {
            None => current.suffixes.iter().rev().filter_map(|suffix| memory.child(None, &suffix.key)).collect(),
            Some(text) => match tree::resolve(self.schema(), &current.suffixes, memory, &tree::parse_dn(text)?) {
                Resolved::Found(id) => vec![id],
                Resolved::Missing { .. } | Resolved::Outside => return Err(Error::NoSuchObject { matched: String::new() }),
            },
        };
        Ok(Export { directory: Arc::clone(self), selection: Selection::stored(self.schema(), operational), waiting })
    }

    /// Makes the user `dn` of type `admin`, without a password, and answers a one-time token with which its password is
    /// set, once, within a day. Refused where a user of type `admin` can sign in already. A token made before is dead.
    pub async fn bootstrap(&self, caller: &Caller, dn: &str) -> Result<Secret, Error> {
        only_operator(caller)?;
        if self.has_active_admin() {
            return Err(Error::Unwilling("there is a user of type admin who can sign in; who is that can make others".to_owned()));
        }
        let parsed = tree::parse_dn(dn)?;
        self.make_suffix_entry(caller, &parsed).await?;
        match self.write(caller, add_admin(dn, &parsed), WriteOptions { no_mail: true, ..WriteOptions::default() }).await {
            Ok(_) | Err(Error::AlreadyExists(_)) => {}
            Err(error) => return Err(error),
        }
        let token = random::token();
        let record = Bootstrap { hash: digest(token.as_bytes()), dn: dn.to_owned(), expires: self.clock().now().plus(BOOTSTRAP_LIFETIME) };
        self.keep_bootstrap(serde_json::to_vec(&record).map_err(|_| Error::Internal)?).await?;
        Ok(Secret::new(token.as_bytes()))
    }

    /// Sets the password of the user a token of [`bootstrap`](Self::bootstrap) is for, and answers its DN. The token works
    /// once; where the password is refused it works again.
    pub async fn redeem_bootstrap(&self, caller: &Caller, token: &Secret, password: Secret) -> Result<String, Error> {
        only_operator(caller)?;
        let (hash, now) = (digest(token.expose()), self.clock().now());
        let taken = self.store().write(move |txn| {
            let octets = txn.meta(BOOTSTRAP).ok_or(Error::InvalidCredentials)?;
            let record: Bootstrap = serde_json::from_slice(&octets).map_err(|_| Error::Internal)?;
            if record.expires < now || !bool::from(record.hash.ct_eq(&hash)) {
                return Err(Error::InvalidCredentials);
            }
            txn.put_meta(BOOTSTRAP, None);
            Ok((record, octets))
        });
        let (record, octets) = taken.await?;
        let written = async {
            let entry = self.password_entry(&record.dn).ok_or(Error::NoSuchObject { matched: String::new() })?;
            // Not the operator sets it, but who will sign in with it.
            self.check_password(&password, Some(&entry), &self.password_rules(&entry))?;
            let write = Write::Password { dn: Some(record.dn.clone()), old: None, new: Some(password) };
            self.write(caller, write, WriteOptions::default()).await
        };
        if let Err(error) = written.await {
            self.keep_bootstrap(octets.to_vec()).await?;
            return Err(error);
        }
        Ok(record.dn)
    }

    /// Keeps the record of the one bootstrap token there can be.
    async fn keep_bootstrap(&self, octets: Vec<u8>) -> Result<(), Error> {
        self.store()
            .write(move |txn| {
                txn.put_meta(BOOTSTRAP, Some(octets));
                Ok(())
            })
            .await
    }

    fn has_active_admin(&self) -> bool {
        let (schema, memory) = (self.schema(), self.memory());
        let mut key = Vec::new();
        if schema.normalize(schema.known().hc_user_type, b"admin", &mut key).is_err() {
            return false;
        }
        memory.equal(schema.known().hc_user_type, &key).into_iter().filter_map(|id| memory.entry(id)).any(|entry| {
            let user = User::of(schema, &entry);
            user.is_some_and(|user| user.user_type() == UserType::Admin && user.state() == AccountState::Active)
        })
    }

    /// A new server has no entry for its suffix yet.
    async fn make_suffix_entry(&self, caller: &Caller, dn: &Dn) -> Result<(), Error> {
        let current = self.current();
        let Some(suffix) = tree::suffix_of(self.schema(), &current.suffixes, dn) else { return Ok(()) };
        if suffix.key == self.schema().name_key(dn) || self.memory().child(None, &suffix.key).is_some() {
            return Ok(());
        }
        self.write(caller, suffix.entry()?, WriteOptions::default()).await.map(drop)
    }

    /// Checks entries, indexes, links and what is kept on disk against each other. Changes wait for the time it takes.
    pub async fn verify(&self, caller: &Caller) -> Result<VerifyReport, Error> {
        only_operator(caller)?;
        let findings = self.store().verify().await?;
        Ok(VerifyReport { entries: findings.entries, problems: findings.told, count: findings.count })
    }

    /// Writes a snapshot of everything to a file that does not exist (mode 0600) and reads it back.
    pub async fn backup(&self, caller: &Caller, file: &Path) -> Result<(), Error> {
        only_operator(caller)?;
        if file.exists() {
            return Err(Error::Unwilling(format!("{} is there already", file.display())));
        }
        let written = self.store().snapshot(file.to_owned()).await.map(drop).map_err(for_operator);
        let result = if written.is_ok() { "success" } else { "failed" };
        self.note(caller, "backup", "", file.display().to_string(), result);
        written
    }

    /// Writes what is kept beside journal and snapshots anew from memory, in as little room as it takes; also where it had
    /// failed. The directory goes on meanwhile, and a power cut leaves what was there or what is new.
    pub async fn compact(&self, caller: &Caller) -> Result<Compacted, Error> {
        only_operator(caller)?;
        self.store().compact().await.map_err(for_operator)
    }

    /// Checks the chain of the audit log in a data folder, and of older files given, the oldest first.
    pub fn check_audit(folder: &Path, older: &[std::path::PathBuf], key: Option<&Secret>) -> Result<AuditCheck, Error> {
        Store::check_audit(folder, older, key).map_err(for_operator)
    }

    /// The same for the log of logins and refusals.
    pub fn check_security(folder: &Path, key: Option<&Secret>) -> Result<AuditCheck, Error> {
        Store::check_security(folder, key).map_err(for_operator)
    }

    /// The files of the log of logins and refusals in a data folder, the oldest first.
    pub fn security_files(folder: &Path) -> std::io::Result<Vec<std::path::PathBuf>> {
        Store::security_files(folder)
    }

    /// Begins both logs of a data folder that nobody has open anew, signed by the key: after one was set or changed, or when what
    /// was wrong has been looked into. Answers what the names of the former files begin with.
    pub fn renew_audit(folder: &Path, key: Option<&Secret>) -> Result<String, Error> {
        Store::renew_audit(folder, key).map_err(for_operator)
    }

    /// Whether a data folder is one already; where it is not, opening it begins a directory without entries.
    pub fn is_there(folder: &Path) -> Result<bool, Error> {
        match Store::is_there(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            found => found.map_err(|error| Error::Unavailable(error.to_string())),
        }
    }

    /// Puts a backup into a data folder that is empty or absent; the whole file is checked first. Nobody may have the
    /// folder open.
    pub fn restore(backup: &Path, folder: &Path, key: Option<&Secret>) -> Result<(), Error> {
        Store::restore(backup, folder, key).map(drop).map_err(for_operator)
    }
}

/// What is wrong with files, in the words meant for the operator.
fn for_operator(error: StoreError) -> Error {
    match error {
        StoreError::Unusable(text) | StoreError::ReadOnly(text) => Error::Unavailable(text),
        StoreError::Busy(_) | StoreError::TooLarge(_) | StoreError::Stopped => error.into(),
    }
}

impl Directory {
    /// Why changes are refused now; `None` where they are taken.
    pub fn read_only(&self) -> Option<String> {
        self.store().read_only()
    }
}

fn digest(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// The first administrator: its name is what the DN says.
fn add_admin(dn: &str, parsed: &Dn) -> Write {
    let naming = parsed.rdn().and_then(|rdn| rdn.0.first());
    let (attribute, name) = naming.map(|ava| (ava.attribute.clone(), ava.value.clone())).unwrap_or_default();
    let mut attributes = vec![
        ("objectClass".to_owned(), vec![b"inetOrgPerson".to_vec(), b"hcUser".to_vec()]),
        ("hcUserType".to_owned(), vec![b"admin".to_vec()]),
    ];
    attributes.extend(
        ["uid", "cn", "sn"]
            .into_iter()
            .filter(|other| !attribute.eq_ignore_ascii_case(other))
            .map(|other| (other.to_owned(), vec![name.clone()])),
    );
    attributes.push((attribute, vec![name]));
    Write::Add { dn: dn.to_owned(), attributes }
}

/// Refuses everybody else.
pub(super) fn only_operator(caller: &Caller) -> Result<(), Error> {
    match caller.identity.is_operator() {
        true => Ok(()),
        false => Err(Error::InsufficientAccess("only the operator may do that".to_owned())),
    }
}

//! Activation: letters in the outbox, the links they carry, and what a link opens (U4, U5, HF1).
//!
//! All of it is records outside the tree. `outbox/<user>` says that a letter is to be sent; it is written in the commit
//! of the change it belongs to. The link is made when the letter is: `link/<hash of the token>` holds its record and
//! `link-of/<user>` names the newest, so that no token is kept anywhere and a new link puts an end to the one before.

use super::client::AddressChange;
use super::write::Work;
use super::{Caller, Directory, Error, Identity, Method, Origin, Protocol, Write, WriteOptions, tree};
use crate::base::{EntryId, Secret, Timestamp};
use crate::domain::activation::{LinkRecord, Purpose};
use crate::domain::roles::organisation_admins;
use crate::domain::{AccountState, User, UserType, organisation_of};
use crate::model::{AttributeId, Draft, Entry, Facts, Kind};
use crate::schema::Schema;
use crate::store::Transaction;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

const OUTBOX: &str = "outbox/";
const LINK: &str = "link/";
const LINK_OF: &str = "link-of/";
/// A letter that could not leave for so long is given up.
const GIVES_UP_AFTER: Duration = Duration::from_secs(72 * 3_600);
/// The longest pause between two tries of one letter.
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);
/// Who acts where a link is used or asked for, as audit records name it.
pub(super) const ACTOR: &str = "activation link";

/// What is kept of a letter that waits.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Waiting {
    purpose: Purpose,
    posted: Timestamp,
    tries: u32,
    not_before: Timestamp,
    /// Where a notice goes.
    #[serde(default)]
    to: Option<String>,
    /// What a notice speaks of.
    #[serde(default)]
    about: Option<String>,
}

/// A letter in the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LetterId {
    user: EntryId,
    /// Tells a letter from one that took its place while it was sent.
    posted: Timestamp,
    /// What a notice tells; `None` for a letter with a link.
    notice: Option<Purpose>,
}

impl LetterId {
    /// Where it waits. Letters with links take one another's place, notices stand beside them.
    fn key(self) -> String {
        let user = format!("{OUTBOX}{:08x}", self.user.0);
        match self.notice {
            Some(purpose) => format!("{user}/{}-{purpose:?}", self.posted.millis()),
            None => user,
        }
    }
}

impl fmt::Display for LetterId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let notice = if self.notice.is_some() { "-notice" } else { "" };
        write!(formatter, "{}-{}{notice}", self.user.0, self.posted.millis())
    }
}

/// A letter, ready to be written.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The stored address of the user, and no other (HB8).
    pub to: String,
    /// What to call the user.
    pub name: String,
    /// What the organisation is called.
    pub organisation: String,
    /// What it is about.
    pub purpose: Purpose,
    /// What a notice speaks of.
    pub about: String,
    /// The link, empty in a notice; it begins with the public URL of the config (HF2).
    pub link: String,
    /// Until when it works, for people.
    pub until: String,
    /// Where a new link can be asked for.
    pub forgot: String,
}

/// How sending a letter ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// Sent, not needed any more, or given up.
    Done,
    /// To be tried again.
    Later,
}

/// What the page shows to who holds a link.
#[derive(Clone, Debug)]
pub struct LinkPreview {
    /// What the user is called.
    pub name: String,
    /// The name to sign in with.
    pub user_name: String,
    /// The e-mail address.
    pub mail: String,
    /// What the organisation is called.
    pub organisation: String,
    /// Characters a password has at least.
    pub minimum_length: usize,
}

/// Why a link did not set a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedeemError {
    /// Used, too old, overtaken or never made.
    Dead,
    /// The password is refused; the text says why. The link still works.
    Password(String),
    /// Too much going on. The link still works.
    Busy,
    /// Something broke; the log has it.
    Failed,
}

fn read<T: serde::de::DeserializeOwned>(facts: &dyn Facts, key: &str) -> Option<T> {
    serde_json::from_slice(&facts.meta(key)?).ok()
}

fn keep<T: Serialize>(txn: &mut Transaction<'_>, key: &str, record: &T) -> Result<(), Error> {
    let octets = serde_json::to_vec(record).map_err(|_| Error::Internal)?;
    txn.put_meta(key, Some(octets));
    Ok(())
}

/// What an organisation, or who belongs to none, is called in a letter.
fn organisation_name(schema: &Schema, facts: &dyn Facts, user: EntryId) -> String {
    let known = schema.known();
    let entry = organisation_of(facts, user).and_then(|id| facts.entry(id));
    let name = entry.as_ref().and_then(|entry| [known.display_name, known.o].into_iter().find_map(|attribute| entry.text(attribute)));
    name.unwrap_or("the directory").to_owned()
}

/// The user whose link the token is, if it works now.
fn live_link(schema: &Schema, facts: &dyn Facts, token: &Secret, now: Timestamp) -> Option<(LinkRecord, Arc<Entry>)> {
    let record: LinkRecord = read(facts, &format!("{LINK}{}", LinkRecord::key_of(token.expose())))?;
    let newest: String = read(facts, &format!("{LINK_OF}{:08x}", record.user.0))?;
    if newest != record.key() || record.check(schema, facts, token.expose(), now).is_err() {
        return None;
    }
    let entry = facts.entry(record.user)?;
    Some((record, entry))
}

fn forget_link(txn: &mut Transaction<'_>, user: EntryId) {
    let newest = format!("{LINK_OF}{:08x}", user.0);
    if let Some(key) = read::<String>(&*txn, &newest) {
        txn.put_meta(&format!("{LINK}{key}"), None);
        txn.put_meta(&newest, None);
    }
}

impl Work<'_, '_> {
    /// The password of a user was stored anew, and is the same: its link lives on.
    pub(super) fn keep_link(&mut self, before: &Entry, after: &Entry) -> Result<(), Error> {
        let newest: Option<String> = read(&*self.txn, &format!("{LINK_OF}{:08x}", before.id.0));
        let Some(key) = newest.map(|newest| format!("{LINK}{newest}")) else { return Ok(()) };
        let users = User::of(&self.core.schema, before).zip(User::of(&self.core.schema, after));
        let renewed = users.zip(read::<LinkRecord>(&*self.txn, &key)).and_then(|((before, after), record)| record.renewed(&before, &after));
        renewed.map_or(Ok(()), |record| keep(self.txn, &key, &record))
    }
}

fn caller(origin: &Origin) -> Caller {
    let identity = Identity { method: Method::Link, ..Identity::operator(ACTOR) };
    Caller { identity: Arc::new(identity), origin: Arc::new(origin.clone()) }
}

impl Directory {
    /// What the holder of a link is shown. Changes nothing: mail scanners look at links too.
    pub fn link_preview(&self, token: &Secret) -> Option<LinkPreview> {
        let (record, entry) = live_link(self.schema(), self.memory(), token, self.clock().now())?;
        let user = User::of(self.schema(), &entry)?;
        Some(LinkPreview {
            name: user.display_name().to_owned(),
            user_name: user.name().unwrap_or_default().to_owned(),
            mail: record.address,
            organisation: organisation_name(self.schema(), self.memory(), entry.id),
            minimum_length: self.settings().password_policy.minimum_length.max(self.password_rules(&entry).minimum_length),
        })
    }

    /// Sets the password of the link's user, once: whether the link works is decided again in the step that uses it up.
    pub async fn redeem_link(&self, origin: &Origin, token: &Secret, password: Secret) -> Result<(), RedeemError> {
        let Some((_, entry)) = live_link(self.schema(), self.memory(), token, self.clock().now()) else {
            self.note_login(origin, Method::Link, "an unknown link".to_owned(), "unknown link", String::new());
            return Err(RedeemError::Dead);
        };
        let caller = caller(origin);
        let mut clear = Vec::new();
        let hashed = async {
            self.check_password(&password, Some(&entry), &self.password_rules(&entry))?;
            // Whoever has the link needs no guess, and one that is none of the former uses it up.
            self.refuse_former(&caller, &entry, &password, true).await?;
            self.hash_password(origin.address, password, &mut clear).await
        };
        let hashed = hashed.await.map_err(|error| match error {
            Error::Busy(_) => RedeemError::Busy,
            Error::Constraint(reason) | Error::Password { text: reason, .. } => RedeemError::Password(reason),
            other => {
                tracing::error!(error = %other, "a password could not be hashed");
                RedeemError::Failed
            }
        })?;
        let core = Arc::clone(self.core());
        let token = token.clone();
        let outcome = self.store().write(move |txn| {
            let Some((record, _)) = live_link(&core.schema, &*txn, &token, core.clock.now()) else {
                return Err(Error::InvalidCredentials);
            };
            forget_link(txn, record.user);
            let dn = tree::dn_of(&*txn, record.user);
            let options = WriteOptions::default();
            let new = Some(Secret::new(hashed));
            Work::begin(&core, txn, &caller, &options)?.run(Write::Password { dn: Some(dn), old: None, new })?;
            Ok(())
        });
        outcome.await.map_err(|error| match error {
            Error::InvalidCredentials => RedeemError::Dead,
            other => {
                tracing::error!(error = %other, "a link was not redeemed");
                RedeemError::Failed
            }
        })?;
        self.make_scram_keys_later(origin, entry.id, &clear);
        Ok(())
    }

    /// Sends a link to the users of that address, where there are any. Whoever asked must not be told.
    pub async fn request_link(&self, origin: &Origin, address: &str) -> Result<(), Error> {
        let users = self.users_of(address);
        if users.is_empty() || self.settings().activation.public_url.is_none() {
            return Ok(());
        }
        let core = Arc::clone(self.core());
        let caller = caller(origin);
        let write = move |txn: &mut Transaction<'_>| {
            let options = WriteOptions::default();
            let mut work = Work::begin(&core, txn, &caller, &options)?;
            users.into_iter().try_for_each(|(user, purpose)| work.post(user, purpose))
        };
        self.store().write(write).await
    }

    /// Users whose address of record it is; more than one where organisations share people. None of these takes the places of
    /// another.
    fn users_of(&self, address: &str) -> Vec<(EntryId, Purpose)> {
        const MOST: usize = 64;
        const MOST_OF_ONE_ORGANISATION: usize = 8;
        let (schema, memory, mail) = (self.schema(), self.memory(), self.schema().known().mail);
        let key = |value: &str| {
            let mut key = Vec::new();
            schema.normalize(mail, value.as_bytes(), &mut key).ok().map(|()| key)
        };
        let Some(sought) = key(address.trim()) else { return Vec::new() };
        let found = memory.equal(mail, &sought).into_iter().filter_map(|id| {
            let entry = memory.entry(id)?;
            let user = User::of(schema, &entry)?;
            let of_record = user.mail().and_then(key).as_ref() == Some(&sought);
            let open = user.user_type() == UserType::App && user.takes_mail();
            match user.state() {
                AccountState::NotActivated if of_record && open => Some((id, Purpose::Welcome)),
                AccountState::Active if of_record && open => Some((id, Purpose::Forgotten)),
                AccountState::NotActivated | AccountState::Active | AccountState::Disabled => None,
            }
        });
        let mut taken: HashMap<Option<EntryId>, usize> = HashMap::new();
        let fair = found.filter(|(id, _)| {
            let count = taken.entry(organisation_of(memory, *id)).or_default();
            *count += 1;
            *count <= MOST_OF_ONE_ORGANISATION
        });
        fair.take(MOST).collect()
    }

    /// How many letters wait, and since when the oldest of them does.
    pub fn outbox_depth(&self) -> (usize, Option<Timestamp>) {
        let waiting: Vec<Waiting> =
            self.memory().meta_range(OUTBOX).iter().filter_map(|(_, octets)| serde_json::from_slice(octets).ok()).collect();
        (waiting.len(), waiting.iter().map(|waiting| waiting.posted).min())
    }

    /// The letters that are due, at most so many.
    pub fn outbox_due(&self, most: usize) -> Vec<LetterId> {
        let now = self.clock().now();
        let due = self.memory().meta_range(OUTBOX).into_iter().filter_map(|(key, octets)| {
            let number = key.strip_prefix(OUTBOX)?.split('/').next()?;
            let user = EntryId(u32::from_str_radix(number, 16).ok()?);
            let waiting: Waiting = serde_json::from_slice(&octets).ok()?;
            let notice = Some(waiting.purpose).filter(|purpose| purpose.is_notice());
            // A clock that was set back must not hold a letter longer than the longest pause.
            let due = now >= waiting.not_before || now.plus(LONGEST_PAUSE) < waiting.not_before;
            due.then_some(LetterId { user, posted: waiting.posted, notice })
        });
        due.take(most).collect()
    }

    /// Makes the link of a letter and the letter. `None` where none is needed any more: take it out of the outbox.
    pub async fn outbox_letter(&self, id: LetterId) -> Result<Option<Letter>, Error> {
        let settings = self.settings();
        let Some(url) = settings.activation.public_url.clone() else { return Ok(None) };
        let core = Arc::clone(self.core());
        let lifetime = settings.activation.link_lifetime;
        let work = move |txn: &mut Transaction<'_>| {
            let waiting: Option<Waiting> = read(&*txn, &id.key()).filter(|waiting: &Waiting| waiting.posted == id.posted);
            let (Some(waiting), Some(entry)) = (waiting, txn.entry(id.user)) else { return Ok(None) };
            let Some(user) = User::of(&core.schema, &entry) else { return Ok(None) };
            let url = url.trim_end_matches('/');
            if waiting.purpose.is_notice() {
                return Ok(waiting.to.map(|to| Letter {
                    to,
                    name: user.display_name().to_owned(),
                    organisation: organisation_name(&core.schema, &*txn, id.user),
                    purpose: waiting.purpose,
                    about: waiting.about.unwrap_or_default(),
                    link: String::new(),
                    until: String::new(),
                    forgot: format!("{url}/forgot"),
                }));
            }
            // Somebody who has a password by now needs no welcome.
            if waiting.purpose != Purpose::Forgotten && user.state() != AccountState::NotActivated {
                return Ok(None);
            }
            let Some((token, record)) = LinkRecord::issue(&user, waiting.purpose, core.clock.now(), lifetime) else { return Ok(None) };
            forget_link(txn, id.user);
            keep(txn, &format!("{LINK}{}", record.key()), &record)?;
            keep(txn, &format!("{LINK_OF}{:08x}", id.user.0), &record.key())?;
            Ok(Some(Letter {
                to: record.address.clone(),
                name: user.display_name().to_owned(),
                organisation: organisation_name(&core.schema, &*txn, id.user),
                purpose: waiting.purpose,
                about: String::new(),
                link: format!("{url}/activate/{}", String::from_utf8_lossy(token.expose())),
                until: record.expires.readable(),
                forgot: format!("{url}/forgot"),
            }))
        };
        self.store().write(work).await
    }

    /// Notes how sending a letter ended.
    pub async fn outbox_settled(&self, id: LetterId, posted: Posted) -> Result<(), Error> {
        let core = Arc::clone(self.core());
        let work = move |txn: &mut Transaction<'_>| {
            let key = id.key();
            let Some(mut waiting) = read::<Waiting>(&*txn, &key).filter(|waiting| waiting.posted == id.posted) else { return Ok(()) };
            let now = core.clock.now();
            if posted == Posted::Later && now.since(waiting.posted) < GIVES_UP_AFTER {
                let pause = Duration::from_secs(5 << waiting.tries.min(10)).min(LONGEST_PAUSE);
                waiting.tries += 1;
                waiting.not_before = now.plus(pause);
                return keep(txn, &key, &waiting);
            }
            if posted == Posted::Later {
                tracing::error!(letter = %id, "a letter could not be sent for three days and is given up");
            }
            txn.put_meta(&key, None);
            Ok(())
        };
        self.store().write(work).await
    }

    /// Forgets links that nobody can use any more. To be called now and then.
    pub async fn forget_old_links(&self) -> Result<(), Error> {
        let now = self.clock().now();
        let old = self.memory().meta_range(LINK).into_iter().filter_map(|(_, octets)| {
            let record: LinkRecord = serde_json::from_slice(&octets).ok()?;
            (now >= record.expires).then_some(record)
        });
        let old: Vec<LinkRecord> = old.collect();
        if old.is_empty() {
            return Ok(());
        }
        let work = move |txn: &mut Transaction<'_>| {
            for record in old {
                txn.put_meta(&format!("{LINK}{}", record.key()), None);
                let newest = format!("{LINK_OF}{:08x}", record.user.0);
                if read::<String>(&*txn, &newest).is_some_and(|key| key == record.key()) {
                    txn.put_meta(&newest, None);
                }
            }
            Ok::<_, Error>(())
        };
        self.store().write(work).await
    }
}

impl Work<'_, '_> {
    /// Whether letters about this change may go out at all.
    fn sends_letters(&self) -> bool {
        self.current.settings.activation.public_url.is_some() && !self.options.no_mail && !self.options.relax
    }

    /// Whether who is new is welcomed (U4).
    fn writes_letters(&self) -> bool {
        let by_scim = self.caller.origin.protocol != Protocol::Scim || self.current.settings.activation.mail_scim_users;
        self.sends_letters() && by_scim && self.client().is_none_or(|client| client.settings.welcome_mail)
    }

    /// Whether the credentials of a user end with its address (U5): for a SCIM client as its settings have it, and else because
    /// the provider vouches for the address.
    fn renews_credentials(&self) -> bool {
        match self.client() {
            Some(client) => client.settings.address_change == AddressChange::Renew && self.sends_letters(),
            None => self.caller.origin.protocol != Protocol::Scim && self.writes_letters(),
        }
    }

    /// Puts a letter to the user into the outbox. One that waits already makes room: the newer purpose counts.
    pub(crate) fn post(&mut self, user: EntryId, purpose: Purpose) -> Result<(), Error> {
        self.put_into_outbox(user, &Waiting { purpose, posted: self.now, tries: 0, not_before: self.now, to: None, about: None })
    }

    /// Puts a notice to that address of the user into the outbox.
    pub(super) fn post_notice(&mut self, user: EntryId, purpose: Purpose, to: &str, about: Option<String>) -> Result<(), Error> {
        if !self.sends_letters() {
            return Ok(());
        }
        // Several of one moment stand beside each other.
        let mut posted = self.now;
        while self.txn.meta(&LetterId { user, posted, notice: Some(purpose) }.key()).is_some() {
            posted = posted.plus(Duration::from_millis(1));
        }
        self.put_into_outbox(user, &Waiting { purpose, posted, tries: 0, not_before: self.now, to: Some(to.to_owned()), about })
    }

    /// Puts a notice to each administrator of the organisation into the outbox who can sign in and takes mail.
    pub(super) fn post_to_administrators(&mut self, organisation: EntryId, purpose: Purpose, about: &str) -> Result<(), Error> {
        let schema = Arc::clone(&self.core.schema);
        for administrator in organisation_admins(&schema, &*self.txn, organisation) {
            let Some(entry) = self.txn.entry(administrator) else { continue };
            let user = User::of(&schema, &entry).filter(|user| user.state() == AccountState::Active && user.takes_mail());
            if let Some(address) = user.and_then(|user| user.mail()) {
                self.post_notice(administrator, purpose, address, Some(about.to_owned()))?;
            }
        }
        Ok(())
    }

    fn put_into_outbox(&mut self, user: EntryId, waiting: &Waiting) -> Result<(), Error> {
        let notice = Some(waiting.purpose).filter(|purpose| purpose.is_notice());
        let (request, letter) = (self.caller.origin.request.clone(), LetterId { user, posted: waiting.posted, notice });
        // So that what the mail says of a letter leads to who asked for it.
        self.txn.when_settled(move |committed| {
            if committed {
                tracing::info!(%request, %letter, "a letter was put into the outbox");
            }
        });
        keep(self.txn, &letter.key(), waiting)
    }

    /// A client has changed the address of somebody who signs in: the old one is told, and the new one where it is not sent a
    /// link (U5, HE2).
    pub(super) fn tell_addresses(&mut self, before: &Entry, after: &Entry) -> Result<(), Error> {
        let schema = Arc::clone(&self.core.schema);
        let (Some(was), Some(is)) = (User::of(&schema, before), User::of(&schema, after)) else { return Ok(()) };
        let told = self.client().is_some() && was.user_type() == UserType::App && was.state() == AccountState::Active && is.takes_mail();
        let (old, new) = (was.mail(), is.mail());
        if !told || old == new {
            return Ok(());
        }
        if let Some(old) = old {
            self.post_notice(after.id, Purpose::AddressLeft, old, None)?;
        }
        match new.filter(|_| is.state() == AccountState::Active) {
            Some(new) => self.post_notice(after.id, Purpose::AddressTaken, new, None),
            None => Ok(()),
        }
    }

    /// A user that is new, or has a new address, and has no password is sent a link (U4, U5).
    pub(super) fn post_welcome(&mut self, before: Option<&Entry>, after: &Entry) -> Result<(), Error> {
        if after.kind != Kind::User || !self.sends_letters() {
            return Ok(());
        }
        let schema = Arc::clone(&self.core.schema);
        let was = before.and_then(|before| User::of(&schema, before));
        match User::of(&schema, after) {
            Some(user) if user.wants_welcome(was.as_ref()) => {
                let known = was.is_some_and(|was| was.state() == AccountState::Active);
                match known {
                    true => self.post(after.id, Purpose::NewAddress),
                    false if self.writes_letters() => self.post(after.id, Purpose::Welcome),
                    false => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// U5: whoever changes the address of a user by LDAP or on a page takes away the old credentials with it, all that open
    /// the account without what the new address is sent; the link to it gives new ones. What the same change sets anew stays.
    /// `None` where nothing is to be taken.
    pub(super) fn without_credentials(&self, entry: &Entry, before: &Draft, after: &Draft) -> Option<Draft> {
        let known = self.core.schema.known();
        let user = User::of(&self.core.schema, entry)?;
        let address = after.text(known.mail).is_some() && before.text(known.mail) != after.text(known.mail);
        let applies = user.user_type() == UserType::App && user.state() != AccountState::Disabled && user.takes_mail();
        if !(self.renews_credentials() && address && applies) {
            return None;
        }
        let credentials = [known.user_password, known.auth_password, known.hc_application_password];
        let kept = |attribute: &AttributeId| !after.values(*attribute).is_empty() && before.values(*attribute) == after.values(*attribute);
        let taken: Vec<AttributeId> = credentials.into_iter().filter(kept).collect();
        let mut without = after.clone();
        taken.iter().for_each(|attribute| without.remove(*attribute));
        (!taken.is_empty()).then_some(without)
    }
}

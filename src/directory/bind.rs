//! Binding (RFC 4513 §5): who is it, is the password right, and is there a seat. What fails looks the same and costs
//! the same whether the name is unknown, the password wrong, or the account not to be used (HB1, HB2).

use super::core::Core;
use super::error::Error;
use super::identity::{Caller, Identity, Method, Origin, Protocol, Standing};
use super::lockout::Account;
use super::logins::Claimed;
use super::tree::{self, Resolved};
use super::{Bound, Directory, SessionRequest};
use crate::base::{EntryId, SearchLimits, Secret};
use crate::domain::lockout::Merit;
use crate::domain::password_rules::PasswordUse;
use crate::domain::{AccountState, User, UserType, organisation_of};
use crate::model::{Dn, Entry, Facts, Kind};
use crate::schema::Schema;
use std::sync::Arc;

/// Why signing in failed, and whether the stored passwords changed meanwhile.
struct Attempt {
    error: Error,
    overtaken: bool,
}

impl From<Error> for Attempt {
    fn from(error: Error) -> Self {
        Self { error, overtaken: false }
    }
}

/// A name that may be signed in with, and what it is checked against.
pub(super) struct Candidate {
    pub(super) entry: Option<Arc<Entry>>,
    pub(super) hashes: Vec<Vec<u8>>,
    /// Whether the account may be used, if the password is right.
    pub(super) usable: bool,
    /// Whether it is one that was disabled: that is told to who knows the password, and asks (draft-behera §6.2).
    pub(super) disabled: bool,
}

/// How somebody has proven who it is. What that rests on must still hold when the seat is given, in the same commit: who is
/// refused keeps none (S4).
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Proof {
    /// By the password, which may be in grace.
    Password,
    /// By this value of `hcApplicationPassword`.
    ApplicationPassword(Arc<[u8]>),
    /// Outside LDAP.
    Outside,
}

impl Directory {
    /// Simple bind with a name and a password (RFC 4513 §5.1.3). Takes a seat where the user needs one. Empty name and
    /// password, and a name without password, are for the door to answer (§5.1.1, §5.1.2).
    pub async fn bind(&self, origin: &Origin, name: &str, password: &Secret, request: SessionRequest) -> Result<Bound, Error> {
        self.sign_in(origin, Method::Simple, Claimed::Name(name), self.bind_named(origin, name, password, request)).await
    }

    /// The same for any mechanism that gives a name and a password.
    pub(super) async fn bind_named(&self, origin: &Origin, name: &str, password: &Secret, request: SessionRequest) -> Result<Bound, Error> {
        let dn = tree::parse_dn(name)?;
        let current = self.current();
        if password.expose().len() > current.settings.limits.password {
            return Err(Error::InvalidCredentials);
        }
        if current.operator.as_ref().is_some_and(|operator| *operator == self.schema().name_key(&dn)) {
            return self.bind_operator(origin, name, password).await;
        }
        let first = self.try_password(origin, &dn, password, request.clone()).await;
        match first {
            // The stored value was made anew while this went on, and the seat is given for the one that was checked only.
            Err(Attempt { error: Error::InvalidCredentials, overtaken: true }) => {
                self.try_password(origin, &dn, password, request).await.map_err(|attempt| attempt.error)
            }
            other => other.map_err(|attempt| attempt.error),
        }
    }

    async fn try_password(&self, origin: &Origin, dn: &Dn, password: &Secret, request: SessionRequest) -> Result<Bound, Attempt> {
        let candidate = self.seen_from(origin, self.candidate(dn));
        let account = self.account(dn, candidate.entry.as_deref());
        if let Some(entry) = candidate.entry.as_deref().filter(|_| candidate.usable)
            && let Some(value) = self.opens(origin, &request, entry, password)
        {
            let found = self.count(origin, account, Merit::Application, |_| std::future::ready(Ok(Some(value)))).await?;
            let value = found.ok_or(Error::InvalidCredentials)?;
            return match self.admit_to_application(origin, entry, value, &candidate.hashes, request).await {
                Ok(bound) => Ok(bound),
                Err(error) => Err(self.attempt(entry.id, &candidate.hashes, error).await),
            };
        }
        let found = self.prove_candidate(origin, account, &candidate, password).await?;
        if found.is_none() && !candidate.hashes.iter().all(|stored| self.hasher().is_usable(stored)) {
            tracing::warn!(request = %origin.request, user = %dn, "a stored password is of a scheme, or has a cost, that is not verified here");
        }
        let (Some(entry), Some((found, password))) = (candidate.entry, found) else {
            return Err(Error::InvalidCredentials.into());
        };
        let bound = self.admit_by_password(&entry, self.admit(origin, &entry, &candidate.hashes, request, Proof::Password)).await;
        if let Some(verified) = candidate.hashes.get(found.index).filter(|_| found.rehash || self.lacks_scram_keys(&entry)) {
            self.renew_later(origin, entry.id, verified, &password);
        }
        match bound {
            Ok(bound) => Ok(bound),
            Err(error) => Err(self.attempt(entry.id, &candidate.hashes, error).await),
        }
    }

    /// Why somebody who gave what is right was refused all the same, and whether that was because of a change meanwhile.
    async fn attempt(&self, entry: EntryId, hashes: &[Vec<u8>], error: Error) -> Attempt {
        // The writer refuses at once, by what may not be published yet: it is when work that comes after it is done.
        if matches!(error, Error::InvalidCredentials)
            && let Err(error) = self.store().write(|_| Ok::<(), Error>(())).await
        {
            return error.into();
        }
        let now = self.memory().entry(entry);
        let stored = now.iter().flat_map(|entry| entry.values(self.schema().known().user_password));
        Attempt { error, overtaken: !stored.eq(hashes.iter().map(Vec::as_slice)) }
    }

    async fn bind_operator(&self, origin: &Origin, name: &str, password: &Secret) -> Result<Bound, Error> {
        // Read before the config, and so good for no later one.
        let identity = self.operator_identity(name);
        let current = self.current();
        let stored = current.settings.operator.as_ref().map(|operator| operator.password.as_str());
        let hashes: Vec<Vec<u8>> = stored.iter().map(|hash| hash.as_bytes().to_vec()).collect();
        match self.prove(origin, Account::Operator, &hashes, true, password).await?.is_some() {
            true => {
                let identity = Identity { operator_password: stored.map(Arc::from), ..identity };
                Ok(Bound { identity: Arc::new(identity), seat: None, hold: None, password: PasswordUse::Free })
            }
            false => Err(Error::InvalidCredentials),
        }
    }

    pub(super) fn operator_identity(&self, name: &str) -> Identity {
        Identity { generation: self.core().authority(), ..Identity::operator(name) }
    }

    pub(super) fn candidate(&self, dn: &Dn) -> Candidate {
        let nobody = Candidate { entry: None, hashes: Vec::new(), usable: false, disabled: false };
        let memory = self.memory();
        let Resolved::Found(id) = tree::resolve(self.schema(), &self.current().suffixes, memory, dn) else { return nobody };
        memory.entry(id).map_or(nobody, |entry| self.candidate_of(entry))
    }

    pub(super) fn candidate_of(&self, entry: Arc<Entry>) -> Candidate {
        let state = User::of(self.schema(), &entry).map_or(AccountState::Active, |user| user.state());
        let signs_in = self.may_sign_in(&entry);
        let (usable, disabled) = (signs_in && state == AccountState::Active, signs_in && state == AccountState::Disabled);
        let hashes = entry.values(self.schema().known().user_password).map(<[u8]>::to_vec).collect();
        Candidate { entry: Some(entry), hashes, usable, disabled }
    }

    /// What it is to who comes from there: elsewhere than in its networks nobody signs in as it, or is told more than that (U1).
    pub(super) fn seen_from(&self, origin: &Origin, candidate: Candidate) -> Candidate {
        match candidate.entry.as_deref().is_none_or(|entry| self.lets_in_from(origin, entry)) {
            true => candidate,
            false => Candidate { usable: false, disabled: false, ..candidate },
        }
    }

    /// Whether the entry may sign in from there.
    pub(super) fn lets_in_from(&self, origin: &Origin, entry: &Entry) -> bool {
        User::of(self.schema(), entry).is_none_or(|user| user.may_come_from(origin.address))
    }

    /// Whether the right password is refused, and that told to who asks.
    pub(super) fn is_locked_out(&self, candidate: &Candidate) -> bool {
        let is_locked = || candidate.entry.as_deref().is_some_and(|entry| self.is_locked(entry));
        candidate.disabled || (candidate.usable && is_locked())
    }

    /// Whether entries like this one sign in at all. Staff alone can never bind (T1); sessions, roles and the like have no
    /// password of their own. In an organisation only its users sign in (U1): a password on anything else would be a way
    /// in past the seats.
    pub(super) fn may_sign_in(&self, entry: &Entry) -> bool {
        match entry.kind {
            Kind::User => true,
            Kind::Generic | Kind::Person => organisation_of(self.memory(), entry.id).is_none(),
            Kind::Content | Kind::Group | Kind::Licence | Kind::Organisation | Kind::Role | Kind::Session | Kind::Staff => false,
        }
    }

    /// Lets in who has proven to be `entry`, with a seat where one is needed.
    pub(super) async fn admit(
        &self,
        origin: &Origin,
        entry: &Entry,
        hashes: &[Vec<u8>],
        request: SessionRequest,
        proof: Proof,
    ) -> Result<Bound, Error> {
        let (schema, memory) = (self.schema(), self.memory());
        let mut identity = self.core().identity(memory, entry.id).ok_or(Error::InvalidCredentials)?;
        let takes_seat = needs_seat(schema, entry, &identity) && !(identity.organisation_admin && self.is_administrative(origin));
        let (mut seat, mut held) = (None, None);
        if takes_seat {
            let (session, hold, report) = self.take_seat(origin, &identity, hashes, request, proof).await?;
            identity.session = Some(session);
            (seat, held) = (Some(report), Some(hold));
        } else {
            if proof == Proof::Password && self.has_expired(entry) {
                self.spend_grace(entry.id).await?;
            }
            identity.sign_in = Some(self.core().unseated.enter(entry.id));
            self.check_again(origin, entry.id, hashes)?;
        }
        Ok(Bound { identity: Arc::new(identity), seat, hold: held, password: PasswordUse::Free })
    }

    /// Account and credential as they were proven, where no seat is taken and the writer therefore does not look at them (S11).
    fn check_again(&self, origin: &Origin, id: EntryId, hashes: &[Vec<u8>]) -> Result<(), Error> {
        let candidate = self.memory().entry(id).map(|entry| self.seen_from(origin, self.candidate_of(entry)));
        match candidate.is_some_and(|now| now.usable && now.hashes == hashes) {
            true => Ok(()),
            false => Err(Error::InvalidCredentials),
        }
    }

    /// Lets in who has given an application password, if it is still there.
    async fn admit_to_application(
        &self,
        origin: &Origin,
        entry: &Entry,
        value: Arc<[u8]>,
        hashes: &[Vec<u8>],
        request: SessionRequest,
    ) -> Result<Bound, Error> {
        let proof = Proof::ApplicationPassword(Arc::clone(&value));
        let bound = self.admit(origin, entry, hashes, request, proof).await?;
        let identity = Identity { application_password: Some(value), ..(*bound.identity).clone() };
        match self.memory().entry(entry.id).is_some_and(|now| self.still_opens(&now, &identity)) {
            true => Ok(Bound { identity: Arc::new(identity), ..bound }),
            false => Err(Error::InvalidCredentials),
        }
    }

    /// Notes that a connection was used: its session's idle clock starts again (S5). Answers the identity as it is now
    /// (roles change at once, R7), or `None` where its session or account has ended and the connection must be told.
    pub fn refresh(&self, identity: &Arc<Identity>) -> Option<Arc<Identity>> {
        if let Some(session) = &identity.session {
            if session.has_ended() {
                return None;
            }
            session.touch(self.clock().monotonic());
        }
        self.review(identity)
    }

    /// The same for what the server does by itself, and what therefore is no activity of the user: pushing changes.
    pub fn review(&self, identity: &Arc<Identity>) -> Option<Arc<Identity>> {
        if identity.session.as_ref().is_some_and(|session| session.has_ended()) {
            return None;
        }
        if identity.generation == self.core().authority() {
            return Some(Arc::clone(identity));
        }
        self.renew(self.core(), identity).map(Arc::new)
    }

    fn renew(&self, core: &Core, identity: &Identity) -> Option<Identity> {
        let generation = core.authority();
        let _isolation = self.memory().isolated();
        if !self.token_is_live(identity) {
            return None;
        }
        let Some(id) = identity.entry else {
            let still_good = match identity.standing {
                Standing::Operator => self.is_still_operator(identity),
                Standing::Anonymous | Standing::Client | Standing::Service | Standing::User => true,
            };
            let same = Identity { generation, grants: std::sync::OnceLock::new(), ..identity.clone() };
            return still_good.then_some(same);
        };
        let entry = self.memory().entry(id)?;
        if User::of(core.schema.as_ref(), &entry).is_some_and(|user| user.state() != AccountState::Active) {
            return None;
        }
        if identity.sign_in.as_ref().is_some_and(|sign_in| sign_in.has_ended()) || !self.may_sign_in(&entry) {
            return None;
        }
        if !self.still_opens(&entry, identity) {
            return None;
        }
        let fresh = core.identity(self.memory(), id)?;
        // Who was let in without a seat, as a service account or to administer, and is that no longer, has to ask for one.
        let still_administers = identity.standing == Standing::User && identity.organisation_admin && fresh.organisation_admin;
        let still_free = still_administers || identity.token.is_some();
        if identity.session.is_none() && needs_seat(&core.schema, &entry, &fresh) && !still_free {
            return None;
        }
        Some(Identity {
            session: identity.session.clone(),
            sign_in: identity.sign_in.clone(),
            must_change: identity.must_change,
            method: identity.method,
            application_password: identity.application_password.clone(),
            token: identity.token.clone(),
            through: identity.through.clone().filter(|_| identity.token.is_some()),
            ..fresh
        })
    }

    /// Whether the config still has the name and the password that somebody is the operator by. Who owns the machine needs
    /// neither.
    fn is_still_operator(&self, identity: &Identity) -> bool {
        let Some(password) = &identity.operator_password else { return true };
        let current = self.current();
        let same_name = tree::parse_dn(&identity.name).is_ok_and(|name| current.operator == Some(self.schema().name_key(&name)));
        same_name && current.settings.operator.as_ref().is_some_and(|operator| *operator.password == **password)
    }

    /// The address and listener of an application that administrators use (S7).
    fn is_administrative(&self, origin: &Origin) -> bool {
        let current = self.current();
        match origin.protocol {
            Protocol::CommandLine | Protocol::Console | Protocol::Scim => true,
            Protocol::Ldap | Protocol::Ldapi => self.application_of(&current.settings, origin, None).is_some_and(|app| app.administrative),
        }
    }

    /// The bounds of what the caller asks for (HD6).
    pub fn limits(&self, caller: &Caller) -> SearchLimits {
        self.grants(caller).limits()
    }

    /// Whoever the caller is, what it may do now.
    pub(crate) fn grants(&self, caller: &Caller) -> Arc<crate::access::Grants> {
        self.core().grants(&self.current(), self.memory(), caller)
    }
}

/// Whether the entry takes a seat where it does not sign in to administer (S3, S7).
fn needs_seat(schema: &Schema, entry: &Entry, identity: &Identity) -> bool {
    identity.organisation.is_some() && User::of(schema, entry).is_some_and(|user| user.user_type() == UserType::App)
}

//! Seats at work (domain rules S1–S11): the seat book decides, the session entry is written in the same step, and
//! connections hold the live session. Taking and ending a seat is durable before anybody is told.

use super::bind::Proof;
use super::core::Core;
use super::error::Error;
use super::history;
use super::identity::{Caller, Identity, Origin, SessionHandle};
use super::request::{Write, WriteOptions};
use super::settings::{Application, Settings};
use super::tree;
use super::unseated::SignIn;
use super::write::Work;
use super::{Directory, SeatReport, SessionInfo, SessionRequest};
use crate::base::{EntryId, Network, Timestamp, random};
use crate::domain::seats::{Bound, Counting, Release};
use crate::domain::shares::Share;
use crate::domain::{AccountState, Decision, Licence, LicenceTerms, Seat, Session, User, UserType, licence};
use crate::model::entry::Place;
use crate::model::{Dn, Draft, Entry, Facts, Kind, Level, Link};
use crate::store::Transaction;
use std::fmt;
use std::sync::Arc;

/// The name under which the server itself changes things.
pub(super) const SERVER: &str = "cn=headcount";

/// Why a session ends that somebody asked to end.
pub(super) const ENDED_BY_REQUEST: &str = "ended by request";

/// Whoever signed in holds the session: while anybody does it is not released on disconnect (S5). It is held from the step
/// that seats somebody on it, so that it does not end before the connection has its answer.
pub struct SeatHold {
    core: Arc<Core>,
    session: Arc<SessionHandle>,
    /// Whether the licence released on disconnect at that time.
    releases: bool,
}

impl SeatHold {
    fn new(core: &Arc<Core>, session: &Arc<SessionHandle>, terms: &LicenceTerms) -> Arc<Self> {
        session.attach();
        Arc::new(Self { core: Arc::clone(core), session: Arc::clone(session), releases: terms.release == Release::Disconnect })
    }
}

impl Drop for SeatHold {
    /// Where licences have changed meanwhile, that is seen to at the next look.
    fn drop(&mut self) {
        if self.session.detach() && !self.session.has_ended() {
            self.core.released.lock().push(self.session.entry);
            if self.releases {
                self.core.wake.notify_one();
            }
        }
    }
}

impl fmt::Debug for SeatHold {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SeatHold").field("session", &self.session.id).finish_non_exhaustive()
    }
}

/// A session, what holds it, and what is said of its seat.
type Seated = (Arc<SessionHandle>, Arc<SeatHold>, SeatReport);

/// What a user asks of the seat book.
struct Seeker {
    user: EntryId,
    organisation: EntryId,
    /// The password hashes the user was checked against; another set means that the password has changed meanwhile.
    hashes: Vec<Vec<u8>>,
    proof: Proof,
    licence_name: Option<String>,
    application: Option<String>,
    client: String,
}

impl Directory {
    /// The application a request comes from (O7): the first of which all that the config says holds. One of which it says nothing is
    /// known by the name it sends.
    pub(super) fn application_of<'s>(&self, settings: &'s Settings, origin: &Origin, name: Option<&str>) -> Option<&'s Application> {
        let in_network =
            |network: &String| Network::parse(network).zip(origin.address).is_some_and(|(network, address)| network.contains(address));
        settings.applications.iter().find(|application| {
            let Application { listener, network, service, certificate, .. } = application;
            let by_name = listener.is_some() || network.is_some() || service.is_some() || certificate.is_some();
            listener.as_ref().is_none_or(|listener| *listener == origin.listener)
                && network.as_ref().is_none_or(in_network)
                && service.as_ref().is_none_or(|service| self.is_held_by(origin, service))
                && certificate.as_ref().is_none_or(|subject| self.has_subject(origin, subject))
                && (by_name || name.is_some_and(|name| name.eq_ignore_ascii_case(&application.name)))
        })
    }

    /// Whether that service account signed in on the connection before, and still could.
    fn is_held_by(&self, origin: &Origin, service: &str) -> bool {
        let (memory, schema) = (self.memory(), self.schema());
        let Some(entry) = origin.service.and_then(|id| memory.entry(id)) else { return false };
        let same = Dn::parse(service).is_ok_and(|dn| {
            let found = tree::resolve(schema, &self.current().suffixes, memory, &dn);
            matches!(found, tree::Resolved::Found(id) if id == entry.id)
        });
        let usable = |user: User<'_>| user.user_type() == UserType::Service && user.state() == AccountState::Active;
        same && User::of(schema, &entry).is_some_and(usable)
    }

    fn has_subject(&self, origin: &Origin, subject: &str) -> bool {
        let key = Dn::parse(subject).map(|dn| self.schema().name_key(&dn));
        origin.subject.as_deref().zip(key.ok()).is_some_and(|(held, key)| *held == *key)
    }

    /// Takes a seat for a user whose password was right, or finds the one it has.
    pub(super) async fn take_seat(
        &self,
        origin: &Origin,
        identity: &Identity,
        hashes: &[Vec<u8>],
        request: SessionRequest,
        proof: Proof,
    ) -> Result<Seated, Error> {
        let (Some(user), Some(organisation)) = (identity.entry, identity.organisation) else { return Err(Error::InvalidCredentials) };
        let settings = self.settings();
        let application = self.application_of(&settings, origin, request.application.as_deref());
        let address = origin.address.map_or_else(|| "local".to_owned(), |address| address.to_canonical().to_string());
        let name = application.map(|application| application.name.clone()).or(request.application);
        let client = request.client.unwrap_or_else(|| match &name {
            Some(name) => format!("{name}@{address}"),
            None => address,
        });
        let seeker = Seeker {
            user,
            organisation,
            hashes: hashes.to_vec(),
            proof,
            licence_name: application.and_then(|application| application.licence.clone()),
            application: name,
            client,
        };
        let spends = seeker.proof == Proof::Password && self.memory().entry(user).is_some_and(|entry| self.has_expired(&entry));
        if !spends && let Some(seated) = self.seated(&seeker) {
            return Ok(seated);
        }
        let core = Arc::clone(self.core());
        let caller = system_caller(origin);
        let options = WriteOptions::default();
        self.store()
            .write(move |txn| {
                txn.may_use_reserve();
                let mut work = Work::begin(&core, txn, &caller, &options)?;
                work.acquire(&seeker)
            })
            .await
    }

    /// The seat the user has already: nothing is taken then, and nothing written.
    fn seated(&self, seeker: &Seeker) -> Option<Seated> {
        let core = self.core();
        let licence = licence_for(core, self.memory(), seeker).ok()?;
        let terms = Licence::of(&core.schema, &licence)?.terms();
        let seats = core.seats.lock();
        match seats.acquire(core.clock.moment(), licence.id, &terms, seeker.user, &seeker.client, &[]) {
            Decision::Seated(session) => {
                // With the book in hand, as they are ended too.
                let hold = SeatHold::new(core, &session, &terms);
                session.touch(core.clock.monotonic());
                let report = report(&terms, seats.in_use(licence.id, terms.counting), &session);
                Some((session, hold, report))
            }
            Decision::Granted { .. } | Decision::Refused { .. } | Decision::Closed { .. } => None,
        }
    }

    /// The sessions the caller may see.
    pub fn sessions(&self, caller: &Caller) -> Vec<SessionInfo> {
        let grants = self.grants(caller);
        let memory = self.memory();
        let now = self.clock().moment();
        let seats: Vec<Seat> = self.core().seats.lock().iter().cloned().collect();
        let mut found: Vec<SessionInfo> = seats
            .iter()
            .filter_map(|seat| {
                let entry = memory.entry(seat.session.entry)?;
                grants.on(memory, &entry).disclosed.then(|| self.session_info(seat, &entry, now.wall))
            })
            .collect();
        found.sort_by(|left, right| left.started.cmp(&right.started).then_with(|| left.id.cmp(&right.id)));
        found
    }

    fn session_info(&self, seat: &Seat, entry: &Entry, wall: Timestamp) -> SessionInfo {
        let memory = self.memory();
        let schema = self.schema();
        let now = self.clock().moment();
        let session = Session::of(schema, entry);
        let terms = memory.entry(seat.licence).and_then(|licence| Licence::of(schema, &licence).map(|licence| licence.terms()));
        SessionInfo {
            id: seat.session.id.to_string(),
            user: tree::dn_of(memory, seat.user),
            licence: tree::dn_of(memory, seat.licence),
            application: session.and_then(|session| session.application().map(str::to_owned)),
            client: seat.client.to_string(),
            started: session.and_then(|session| session.started()).unwrap_or(wall),
            last_activity: seat.session.last_activity_at(now),
            expires: terms.map_or(wall, |terms| terms.over_at(&seat.session, now)),
        }
    }

    /// The DN of a session the caller may see.
    fn session_dn(&self, caller: &Caller, id: &str) -> Result<(EntryId, String), Error> {
        let memory = self.memory();
        let none = || Error::NoSuchObject { matched: String::new() };
        let mut key = Vec::new();
        self.schema().normalize(self.schema().known().hc_session_id, id.as_bytes(), &mut key).map_err(|_| none())?;
        let found = memory.equal(self.schema().known().hc_session_id, &key);
        let entry = found.first().and_then(|id| memory.entry(*id)).ok_or_else(none)?;
        match self.grants(caller).on(memory, &entry).disclosed {
            true => Ok((entry.id, tree::dn_of(memory, entry.id))),
            false => Err(none()),
        }
    }

    /// Ends a session (S6): its user, an Organisation Admin or the operator may.
    pub async fn end_session(&self, caller: &Caller, id: &str, message: Option<String>) -> Result<(), Error> {
        let (_, dn) = self.session_dn(caller, id)?;
        self.write(caller, Write::Delete { dn }, WriteOptions { message, ..WriteOptions::default() }).await.map(drop)
    }

    /// Counts as activity of a session, for applications that hold no connection (S5).
    pub async fn renew_session(&self, caller: &Caller, id: &str) -> Result<SessionInfo, Error> {
        let (entry, _) = self.session_dn(caller, id)?;
        let seat = self.core().seats.lock().get(entry).cloned().ok_or(Error::NoSuchObject { matched: String::new() })?;
        seat.session.touch(self.clock().monotonic());
        let entry = self.memory().entry(entry).ok_or(Error::NoSuchObject { matched: String::new() })?;
        Ok(self.session_info(&seat, &entry, self.clock().now()))
    }

    /// Ends the sessions that are over, and those released by their last connection (S5, S6).
    pub async fn end_sessions_over(&self) -> Result<(), Error> {
        let core = Arc::clone(self.core());
        let mut released = std::mem::take(&mut *core.released.lock());
        released.retain(|session| {
            let seat = core.seats.lock().get(*session).cloned();
            seat.and_then(|seat| terms_of(&core, self.memory(), seat.licence)).is_some_and(|terms| terms.release == Release::Disconnect)
        });
        if !released.is_empty() {
            self.end_now(released, "disconnected", |_, _, seat| seat.session.connections() == 0).await?;
        }
        let now = core.clock.moment();
        let over = core.seats.lock().expired(now, |licence| terms_of(&core, self.memory(), licence));
        if !over.is_empty() {
            let sessions = over.iter().map(|seat| seat.session.entry).collect();
            self.end_now(sessions, "idle or over", move |core: &Core, txn: &Transaction<'_>, seat: &Seat| {
                let terms = terms_of(core, txn, seat.licence);
                terms.is_none_or(|terms| terms.is_over(&seat.session, core.clock.monotonic()))
            })
            .await?;
        }
        Ok(())
    }

    /// Writes the activity of sessions down, so that their idle clocks survive a restart (S10).
    pub async fn save_activity(&self) -> Result<(), Error> {
        let core = Arc::clone(self.core());
        let now = core.clock.moment();
        let moved = core.seats.lock().take_unsaved(now);
        if moved.is_empty() {
            return Ok(());
        }
        self.store()
            .write(move |txn| {
                txn.may_use_reserve();
                for session in &moved {
                    let Some(entry) = txn.entry(session.entry) else { continue };
                    let mut draft = core.schema.unseal(&entry);
                    draft.set_one(core.schema.known().hc_last_activity, session.last_activity_at(now).generalized_millis());
                    let place = Place {
                        id: entry.id,
                        parent: entry.parent,
                        rdn: entry.rdn.clone(),
                        rdn_key: entry.rdn_key.clone(),
                        revision: entry.revision,
                    };
                    let edges = |_| 0;
                    if let Ok(sealed) = core.schema.seal(&draft, place, &edges, crate::schema::SealOptions { relax: true }) {
                        txn.put(sealed);
                    }
                }
                Ok::<_, Error>(())
            })
            .await
    }

    /// Ends the sessions idle longest until no more are in than the licence has seats (S9), and answers how many. For those
    /// who may change the licence.
    pub async fn enforce_limit(&self, caller: &Caller, licence: &str) -> Result<usize, Error> {
        let core = Arc::clone(self.core());
        let caller = caller.clone();
        let options = WriteOptions::default();
        let licence = licence.to_owned();
        self.store()
            .write(move |txn| {
                txn.may_use_reserve();
                Work::begin(&core, txn, &caller, &options)?.enforce_limit(&licence)
            })
            .await
    }

    async fn end_now(
        &self,
        sessions: Vec<EntryId>,
        why: &'static str,
        still: impl Fn(&Core, &Transaction<'_>, &Seat) -> bool + Send + 'static,
    ) -> Result<(), Error> {
        let core = Arc::clone(self.core());
        self.store().write(move |txn| end_sessions(&core, txn, &sessions, why, still)).await
    }

    /// Reads the sessions of the last run into the seat book (S10).
    pub(super) fn restore_sessions(&self) {
        let (core, memory) = (self.core(), self.memory());
        let known = core.schema.known();
        let now = core.clock.moment();
        let Some(present) = memory.present(known.hc_session_id) else { return };
        let mut seats = core.seats.lock();
        for id in present.ids {
            let Some(entry) = memory.entry(EntryId(id)).filter(|entry| entry.kind == Kind::Session) else { continue };
            let Some(session) = Session::of(&core.schema, &entry) else { continue };
            let (Some(user), Some(licence), Some(name)) = (session.user(memory), session.licence(memory), session.id()) else { continue };
            let started = session.started().unwrap_or(now.wall);
            let last_activity = session.last_activity().unwrap_or(started);
            let handle = SessionHandle::restored(entry.id, name, started, last_activity, now);
            seats.begin(Seat { session: Arc::new(handle), licence, user, client: session.client().into() });
        }
    }
}

fn end_sessions(
    core: &Arc<Core>,
    txn: &mut Transaction<'_>,
    sessions: &[EntryId],
    why: &str,
    still: impl Fn(&Core, &Transaction<'_>, &Seat) -> bool,
) -> Result<(), Error> {
    txn.may_use_reserve();
    let caller = system_caller(&Origin::system());
    let options = WriteOptions::default();
    let mut work = Work::begin(core, txn, &caller, &options)?;
    for session in sessions {
        let Some(entry) = work.txn.entry(*session) else { continue };
        // In one step with the book in hand: whoever comes now either has been seated before, or is not seated on it.
        let ends = {
            let seats = core.seats.lock();
            let seat = seats.get(*session);
            let ends = seat.is_none_or(|seat| still(core, work.txn, seat));
            seat.filter(|_| ends).into_iter().for_each(|seat| seat.session.begin_ending());
            ends
        };
        if ends {
            work.end_session(&entry, why);
        }
    }
    Ok(())
}

/// The server itself.
pub(super) fn system_caller(origin: &Origin) -> Caller {
    Caller { identity: Arc::new(Identity::server(SERVER)), origin: Arc::new(origin.clone()) }
}

fn terms_of(core: &Core, facts: &dyn Facts, licence: EntryId) -> Option<LicenceTerms> {
    facts.entry(licence).and_then(|entry| Licence::of(&core.schema, &entry).map(|licence| licence.terms()))
}

fn report(terms: &LicenceTerms, in_use: u32, session: &SessionHandle) -> SeatReport {
    SeatReport { limit: terms.limit, in_use, session_id: session.id.to_string() }
}

/// The licences of an organisation: the entries right under its `ou=licences`.
pub(super) fn licences_of(core: &Core, facts: &dyn Facts, organisation: EntryId) -> Vec<Arc<Entry>> {
    licence::licences_of(&core.schema, facts, organisation)
}

/// The licence a user draws on: the one the application names, else the default one, else the only one (O2, O7).
fn licence_for(core: &Core, facts: &dyn Facts, seeker: &Seeker) -> Result<Arc<Entry>, Error> {
    let licences = licences_of(core, facts, seeker.organisation);
    let named =
        |entry: &&Arc<Entry>, name: &str| Licence::of(&core.schema, entry).is_some_and(|licence| licence.name().eq_ignore_ascii_case(name));
    let found = match &seeker.licence_name {
        Some(name) => licences.iter().find(|entry| named(entry, name)).cloned(),
        None => licence::default_of(&core.schema, &licences),
    };
    found.ok_or_else(|| Error::Unwilling("the organisation has no licence for this application".to_owned()))
}

impl Work<'_, '_> {
    /// Account, credential, room and seat in one step (S3, S11).
    fn acquire(&mut self, seeker: &Seeker) -> Result<Seated, Error> {
        let core = Arc::clone(self.core);
        let known = core.schema.known();
        let user = self.txn.entry(seeker.user).ok_or(Error::InvalidCredentials)?;
        let active = User::of(&core.schema, &user).is_some_and(|user| user.state() == AccountState::Active);
        let same_password = user.values(known.user_password).eq(seeker.hashes.iter().map(Vec::as_slice));
        if !active || !same_password {
            return Err(Error::InvalidCredentials);
        }
        match &seeker.proof {
            Proof::Password => self.spend_grace(seeker.user)?,
            Proof::ApplicationPassword(value) if !user.values(known.hc_application_password).any(|held| *held == **value) => {
                return Err(Error::InvalidCredentials);
            }
            Proof::ApplicationPassword(_) | Proof::Outside => {}
        }
        let licence = licence_for(&core, &*self.txn, seeker)?;
        let terms = terms_of(&core, &*self.txn, licence.id).ok_or(Error::Internal)?;
        let name = Licence::of(&core.schema, &licence).map(|licence| licence.name().to_owned()).unwrap_or_default();
        let decision = {
            let current = Arc::clone(&self.current);
            let shares = Share::of_licence(&core.schema, &*self.txn, &current.settings.catalog, licence.id);
            let decision = core.seats.lock().acquire(core.clock.moment(), licence.id, &terms, seeker.user, &seeker.client, &shares);
            match decision {
                Decision::Refused { bound: bound @ Bound::Share(at), limit, in_use } => {
                    history::note_refusal(&core, &*self.txn, licence.id, bound, in_use);
                    let text = share_refusal(&name, shares.get(at), limit, in_use);
                    return Err(Error::SessionLimit { text, limit, in_use });
                }
                decision => decision,
            }
        };
        match decision {
            Decision::Seated(session) => {
                session.touch(core.clock.monotonic());
                let in_use = core.seats.lock().in_use(licence.id, terms.counting);
                let report = report(&terms, in_use, &session);
                let hold = SeatHold::new(&core, &session, &terms);
                Ok((session, hold, report))
            }
            Decision::Closed { not_begun } => {
                let state = if not_begun { "has not begun yet" } else { "has expired" };
                Err(Error::Unwilling(format!("licence {name} {state}; nobody is admitted (rule O3)")))
            }
            Decision::Refused { bound, limit, in_use } => {
                history::note_refusal(&core, &*self.txn, licence.id, bound, in_use);
                Err(refusal(&name, &terms, bound, limit, in_use))
            }
            Decision::Granted { end, over_limit } => {
                for session in end {
                    if let Some(entry) = self.txn.entry(session.entry) {
                        self.end_session(&entry, "gave way to another");
                    }
                }
                if over_limit {
                    tracing::warn!(request = %self.caller.origin.request, licence = name, user = tree::dn_of(&*self.txn, seeker.user), "a session beyond the session limit");
                }
                let session = self.begin_session(seeker, licence.id)?;
                let in_use = core.seats.lock().in_use(licence.id, terms.counting);
                let report = report(&terms, in_use, &session);
                let hold = SeatHold::new(&core, &session, &terms);
                Ok((session, hold, report))
            }
        }
    }

    /// Writes the session's entry and enters it into the book; struck out again if the commit fails.
    fn begin_session(&mut self, seeker: &Seeker, licence: EntryId) -> Result<Arc<SessionHandle>, Error> {
        let core = Arc::clone(self.core);
        let known = *core.schema.known();
        let container = format!("ou=sessions,{}", tree::dn_of(&*self.txn, seeker.organisation));
        let container = self.container(&tree::parse_dn(&container)?)?;
        let name = new_session_id();
        let now = core.clock.moment();
        let mut draft = Draft::default();
        draft.set_one(known.object_class, "hcSession");
        draft.set_one(known.hc_session_id, name.clone());
        draft.set_one(known.hc_session_client, seeker.client.clone());
        if let Some(application) = &seeker.application {
            draft.set_one(known.hc_session_application, application.clone());
        }
        draft.set_one(known.hc_session_started, now.wall.generalized_millis());
        draft.set_one(known.hc_last_activity, now.wall.generalized_millis());
        self.stamp_new(&mut draft);
        let id = self.txn.new_id();
        for (attribute, target) in [(known.hc_session_user, seeker.user), (known.hc_session_licence, licence)] {
            self.txn.set_link(Link { source: id, attribute, target, level: Level::Full });
        }
        let dn = Dn::parse(&format!("hcSessionId={name}")).map_err(|_| Error::Internal)?;
        let (rdn, rdn_key) = self.own_name(&dn, false)?;
        let revision = self.txn.new_revision();
        let entry = self.put(None, &draft, Place { id, parent: Some(container), rdn, rdn_key, revision })?;
        self.tell(None, Some(&entry));
        self.audit("session-start", &entry, Vec::new(), tree::dn_of(&*self.txn, seeker.user));
        let session = Arc::new(SessionHandle::new(id, &name, now));
        let seat = Seat { session: Arc::clone(&session), licence, user: seeker.user, client: seeker.client.as_str().into() };
        core.seats.lock().begin(seat);
        let counted = history::counted(&core, &*self.txn, licence);
        self.txn.when_settled(move |committed| match committed {
            true => counted.iter().for_each(|counted| history::note_taken(&core, licence, counted)),
            false => drop(core.seats.lock().end(id)),
        });
        Ok(session)
    }

    fn enforce_limit(&mut self, licence: &str) -> Result<usize, Error> {
        let entry = self.find(licence)?;
        let known = self.core.schema.known();
        if !self.access(&entry).write.contains(known.hc_session_limit) {
            return Err(Error::InsufficientAccess("no right to change the session limit of that licence".to_owned()));
        }
        let Some(terms) = terms_of(self.core, &*self.txn, entry.id) else {
            return Err(Error::Unwilling(format!("\"{}\" is no licence", tree::shorten(licence))));
        };
        let surplus = self.core.seats.lock().surplus(self.core.clock.moment(), entry.id, &terms);
        let mut ended = 0;
        for session in surplus {
            if let Some(entry) = self.txn.entry(session.entry) {
                self.end_session(&entry, "the session limit was enforced");
                ended += 1;
            }
        }
        Ok(ended)
    }

    /// Removes the entry of a session; the book and the connections follow when that is durable.
    pub(crate) fn end_session(&mut self, entry: &Entry, why: &str) {
        self.audit_session_end(entry, why);
        self.strike_out(entry.id, why);
        self.note_authority();
        self.txn.remove(entry.id);
    }

    /// The book and the connections follow the removal of a session's entry.
    pub(crate) fn strike_out(&mut self, session: EntryId, why: &str) {
        let core = Arc::clone(self.core);
        let (why, farewell, request) = (why.to_owned(), self.farewell(why), self.caller.origin.request.clone());
        let licence = core.seats.lock().get(session).map(|seat| {
            seat.session.begin_ending();
            seat.licence
        });
        let counted = licence.and_then(|licence| history::counted(&core, &*self.txn, licence));
        self.txn.when_settled(move |committed| {
            let mut seats = core.seats.lock();
            if !committed {
                return seats.get(session).into_iter().for_each(|seat| seat.session.go_on());
            }
            // First, so that whoever sees that it has ended sees why.
            seats.get(session).into_iter().for_each(|seat| seat.session.say(&farewell));
            if let Some(seat) = seats.end(session) {
                tracing::info!(%request, session = &*seat.session.id, why, "session ended");
                drop(seats);
                if let Some(counted) = &counted {
                    history::note_use(&core, seat.licence, counted);
                }
            }
        });
    }

    /// Who ends a session and why, for its user and the application (S16).
    fn farewell(&self, why: &str) -> String {
        let name = &self.caller.identity.name;
        let by = match (self.is_server(), Dn::parse(name).is_ok() || name.starts_with("token:")) {
            (true, _) => String::new(),
            (false, true) => format!(" by {name}"),
            (false, false) => " by the operator".to_owned(),
        };
        let message = self.options.message.as_deref().map(tree::shorten);
        match message.or_else(|| Some(why).filter(|why| *why != ENDED_BY_REQUEST)) {
            Some(reason) => format!("the session was ended{by}: {reason}"),
            None => format!("the session was ended{by}"),
        }
    }

    /// Whose session has ended and why; who has ended it is the actor.
    pub(crate) fn audit_session_end(&mut self, entry: &Entry, why: &str) {
        let user = self.txn.targets(entry.id, self.core.schema.known().hc_session_user, None, 1);
        let user = user.first().map(|(user, _)| tree::dn_of(&*self.txn, *user)).unwrap_or_default();
        let message = self.options.message.as_ref().map_or_else(String::new, |message| format!(": {message}"));
        self.tell(Some(entry), None);
        self.audit("session-end", entry, Vec::new(), format!("{why}, of {user}{message}"));
    }

    /// Ends all sessions of a user (S6), and who is signed in as it without one (HC7).
    pub(crate) fn end_sessions_of(&mut self, user: EntryId, why: &str) {
        self.end_sessions_but(user, None, why);
        self.end_sign_ins_but(user, None);
    }

    /// The same but for the one that the change is made on (ASVS 7.4.3).
    pub(crate) fn end_other_sessions_of(&mut self, user: EntryId, why: &str) {
        let own = self.caller.identity.session.as_ref().map(|session| session.entry);
        self.end_sessions_but(user, own, why);
        self.end_sign_ins_but(user, self.caller.identity.sign_in.clone());
    }

    fn end_sign_ins_but(&mut self, account: EntryId, kept: Option<Arc<SignIn>>) {
        let core = Arc::clone(self.core);
        self.txn.when_settled(move |committed| {
            if committed && core.unseated.end(account, kept.as_deref()) {
                core.authority_changed();
            }
        });
    }

    fn end_sessions_but(&mut self, user: EntryId, kept: Option<EntryId>, why: &str) {
        for (session, _) in self.txn.sources(user, self.core.schema.known().hc_session_user) {
            if let Some(entry) = self.txn.entry(session).filter(|entry| Some(entry.id) != kept) {
                self.end_session(&entry, why);
            }
        }
    }

    fn container(&mut self, dn: &Dn) -> Result<EntryId, Error> {
        match tree::resolve(&self.core.schema, &self.current.suffixes, &*self.txn, dn) {
            tree::Resolved::Found(id) => Ok(id),
            tree::Resolved::Missing { .. } | tree::Resolved::Outside => {
                self.add_container(dn)?.map(|entry| entry.id).ok_or(Error::Internal)
            }
        }
    }
}

/// 128 random bits in hexadecimal: the id is a name, the right to end a session is checked.
fn new_session_id() -> String {
    random::bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The share, not the licence, has no seat left (S14).
fn share_refusal(name: &str, share: Option<&Share<'_>>, limit: u32, in_use: u32) -> String {
    let share = share.map_or("", |share| &share.name);
    format!("seat limit of {share} reached: {in_use} of {limit} sessions that it may have of licence {name} are in use")
}

fn refusal(name: &str, terms: &LicenceTerms, bound: Bound, limit: u32, in_use: u32) -> Error {
    let what = match (bound, terms.counting) {
        (Bound::User | Bound::Share(_), _) => format!("session limit of the user reached: {in_use} of {limit} sessions"),
        (Bound::Reserved, _) => {
            format!("session limit reached: {in_use} of {limit} sessions of licence {name} are in use, and the others are reserved")
        }
        (Bound::Licence, Counting::Users | Counting::Sessions) => {
            format!("session limit reached: {in_use} of {limit} sessions of licence {name} are in use")
        }
    };
    Error::SessionLimit { text: what, limit, in_use }
}

//! Changing: one pipeline for every door. Outside the writer thread a change is read and its passwords are hashed;
//! on it, in one step: find, precondition, access, apply to a draft, domain rules, seal by the schema, put. What the
//! change brings with it (sessions that end, references that can be joined, mails) is in the same commit.

mod add;
pub(super) mod amount;
mod collective;
mod content;
mod delete;
mod effects;
mod held;
pub(super) mod links;
mod modify;
mod password;
mod record;
mod rename;
mod schema;
mod stamp;

use super::core::{Core, Current};
use super::dynamic::{GROUP_OF_URLS, MEMBER_URL, Reading};
use super::filter::{Matcher, Truth};
use super::lifecycle::Trial;
use super::referral::{self, of_class};
use super::request::{OwnedEntry, Write, WriteOptions, WriteOutcome, version_of};
use super::session::SERVER;
use super::tree::{self, Resolved};
use super::view::{Renderer, Selection};
use super::{Caller, Directory, Error, Standing};
use crate::access::{EntryAccess, Grants};
use crate::base::Timestamp;
use crate::domain::check::{Actor, Proposal, check};
use crate::model::entry::Place;
use crate::model::ldap_url::LdapUrl;
use crate::model::{AttributeId, Dn, Draft, Entry, Facts, Kind, Link};
use crate::schema::{SealOptions, Violation};
use crate::store::{StoreError, Transaction};
use std::cell::Cell;
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;

use password::{Company, Judgement, Prepared};

impl Directory {
    /// Makes one change.
    pub async fn write(&self, caller: &Caller, write: Write, options: WriteOptions) -> Result<WriteOutcome, Error> {
        let (operation, target) = (write.operation(), write.target().to_owned());
        let done = self.write_alone(caller, write, options).await;
        if matches!(done, Err(Error::Ceiling(_))) {
            self.pause(caller).await;
        }
        done.inspect_err(|error| self.note_refused_write(caller, operation, &target, error))
    }

    async fn write_alone(&self, caller: &Caller, write: Write, mut options: WriteOptions) -> Result<WriteOutcome, Error> {
        if let Some(modifications) = self.schema_change(&write) {
            return self.change_schema(caller, modifications.to_vec(), options).await;
        }
        let Prepared { write, generated, clear, judgement } = self.prepare(caller, write, &mut options, Company::Alone).await?;
        let turn = self.turn(caller, std::iter::once(&write)).await;
        let origin = Arc::clone(&caller.origin);
        let core = Arc::clone(self.core());
        let trial = Trial::of(caller);
        let (caller, within) = (caller.clone(), trial.within());
        let work = move |txn: &mut Transaction<'_>| {
            give_back(txn, turn);
            let mut work = Work::begin(&core, txn, &caller, &options)?;
            work.judgement = judgement;
            let done = work.run(write)?;
            // An error takes everything back.
            if options.no_operation { Err(Error::NoOperation) } else { within.keep(txn, done) }
        };
        let written = self.store().write(work).await;
        let mut outcome = match trial.told() {
            Some(outcome) => return Ok(outcome),
            None => written?,
        };
        outcome.generated_password = generated;
        self.make_scram_keys_later(&origin, outcome.id, &clear);
        Ok(outcome)
    }

    /// Many changes in one step, all or nothing: imports and bulk loads, by the operator.
    pub async fn write_all(&self, caller: &Caller, writes: Vec<Write>, mut options: WriteOptions) -> Result<usize, Error> {
        let mut ready = Vec::with_capacity(writes.len());
        for write in writes {
            ready.push(self.prepare(caller, write, &mut options, Company::Together).await?.write);
        }
        let core = Arc::clone(self.core());
        let caller = caller.clone();
        self.store()
            .write(move |txn| {
                let mut work = Work::begin(&core, txn, &caller, &options)?;
                work.bulk = true;
                let count = ready.len();
                for write in ready {
                    work.run(write)?;
                }
                Ok(count)
            })
            .await
    }

    /// Changes with options of their own in one step, all or nothing, each by what the ones before it left (RFC 5805).
    pub async fn write_together(&self, caller: &Caller, writes: Vec<(Write, WriteOptions)>) -> Result<Vec<WriteOutcome>, WriteFailed> {
        let done = self.write_step(caller, writes).await;
        if matches!(&done, Err(WriteFailed { error: Error::Ceiling(_), .. })) {
            self.pause(caller).await;
        }
        done.inspect_err(|failed| self.note_refused_write(caller, "transaction", "", &failed.error))
    }

    async fn write_step(&self, caller: &Caller, writes: Vec<(Write, WriteOptions)>) -> Result<Vec<WriteOutcome>, WriteFailed> {
        let mut ready = Vec::with_capacity(writes.len());
        let mut clear = Vec::new();
        for (at, (write, mut options)) in writes.into_iter().enumerate() {
            let prepared = self.prepare(caller, write, &mut options, Company::Together).await;
            let prepared = prepared.map_err(|error| WriteFailed { at: Some(at), error })?;
            clear.extend(prepared.clear);
            ready.push((prepared.write, options, prepared.judgement));
        }
        let turn = self.turn(caller, ready.iter().map(|(write, ..)| write)).await;
        let origin = Arc::clone(&caller.origin);
        let core = Arc::clone(self.core());
        let trial = Trial::of(caller);
        let (caller, within) = (caller.clone(), trial.within());
        let together = move |txn: &mut Transaction<'_>| {
            give_back(txn, turn);
            let mut outcomes = Vec::with_capacity(ready.len());
            let mut looked_at = 0;
            for (at, (write, options, judgement)) in ready.into_iter().enumerate() {
                let done = Work::begin(&core, txn, &caller, &options).and_then(|mut work| {
                    work.go_on_from(looked_at)?;
                    work.judgement = judgement;
                    let done = work.run(write)?;
                    looked_at = work.looked_at();
                    Ok(done)
                });
                outcomes.push(done.map_err(|error| WriteFailed { at: Some(at), error })?);
            }
            within.keep(txn, outcomes).map_err(|error| WriteFailed { at: None, error })
        };
        let made: Result<Vec<WriteOutcome>, WriteFailed> = self.store().write(together).await;
        let outcomes = match trial.told() {
            Some(outcomes) => return Ok(outcomes),
            None => made?,
        };
        for outcome in &outcomes {
            self.make_scram_keys_later(&origin, outcome.id, &clear);
        }
        Ok(outcomes)
    }
}

/// The next large change of the organisation joins no group that this one is in: others in it would wait for both.
fn give_back(txn: &mut Transaction<'_>, turn: Option<OwnedMutexGuard<()>>) {
    if let Some(turn) = turn {
        txn.when_settled(move |_| drop(turn));
    }
}

/// Why none of several changes was made.
#[derive(Clone, Debug)]
pub struct WriteFailed {
    /// The place of the change that failed; `None` where all failed together.
    pub at: Option<usize>,
    /// Why.
    pub error: Error,
}

impl From<StoreError> for WriteFailed {
    fn from(error: StoreError) -> Self {
        Self { at: None, error: error.into() }
    }
}

/// One change on the writer thread.
pub(crate) struct Work<'a, 't> {
    pub(crate) core: &'a Arc<Core>,
    pub(crate) current: Arc<Current>,
    pub(crate) txn: &'a mut Transaction<'t>,
    pub(crate) caller: &'a Caller,
    pub(crate) grants: Arc<Grants>,
    pub(crate) options: &'a WriteOptions,
    pub(crate) now: Timestamp,
    /// What a config file owns may be changed: only when the files themselves are reconciled.
    pub(crate) from_file: bool,
    /// One of many changes of a bulk load: what it brings stands in the file that is loaded, not in the audit log.
    bulk: bool,
    /// A user that was deleted comes back, with the roles that it had.
    pub(in crate::directory) brings_back: bool,
    /// What the passwords of this change were judged by.
    judgement: Option<Judgement>,
    /// Links that this change sets and removes, for the rules.
    linked: Vec<Link>,
    unlinked: Vec<Link>,
    /// Whether it is known already that somebody's rights change.
    authority_noted: bool,
    /// Octets that the step has looked at (HA5).
    looked_at: Cell<usize>,
}

impl<'a, 't> Work<'a, 't> {
    pub(crate) fn begin(
        core: &'a Arc<Core>,
        txn: &'a mut Transaction<'t>,
        caller: &'a Caller,
        options: &'a WriteOptions,
    ) -> Result<Self, Error> {
        let current = core.current();
        // The authority may have changed since the caller bound; what counts is what it may do now (R7).
        let grants = core.grants(&current, &*txn, caller);
        if options.relax && !caller.identity.is_operator() {
            return Err(Error::InsufficientAccess("only the operator may write operational attributes".to_owned()));
        }
        let work = Self {
            core,
            current,
            txn,
            caller,
            grants,
            options,
            now: core.clock.now(),
            from_file: false,
            bulk: false,
            brings_back: false,
            judgement: None,
            linked: Vec::new(),
            unlinked: Vec::new(),
            authority_noted: false,
            looked_at: Cell::default(),
        };
        work.refuse_paused()?;
        Ok(work)
    }

    pub(crate) fn run(&mut self, mut write: Write) -> Result<WriteOutcome, Error> {
        match &mut write {
            Write::Add { dn, attributes } => self.add(dn, std::mem::take(attributes)),
            Write::Delete { dn } => self.delete(dn),
            Write::Modify { dn, modifications } => self.modify(dn, modifications),
            Write::Password { dn, new, .. } => self.set_password(dn.as_deref(), new.take()),
            Write::Rename { dn, new_rdn, delete_old_rdn, new_superior } => {
                self.rename(dn, new_rdn, *delete_old_rdn, new_superior.as_deref())
            }
        }
    }

    pub(super) fn resolve(&self, dn: &Dn) -> Resolved {
        tree::resolve(&self.core.schema, &self.current.suffixes, &*self.txn, dn)
    }

    pub(crate) fn access(&self, entry: &Entry) -> EntryAccess<'_> {
        self.grants.on(&*self.txn, entry)
    }

    /// The entry of a name, if the caller may do anything with it.
    pub(crate) fn find(&self, text: &str) -> Result<Arc<Entry>, Error> {
        let dn = tree::parse_dn(text)?;
        self.refuse_declared(&dn)?;
        self.refuse_referred(&dn)?;
        self.find_parsed(&dn)
    }

    /// An entry at or below a referral is held elsewhere (RFC 3296 §5); an import takes referrals as entries.
    fn refuse_referred(&self, dn: &Dn) -> Result<(), Error> {
        if self.options.manage_dsa_it || self.options.relax {
            return Ok(());
        }
        match referral::referred(&self.core.schema, &*self.txn, &self.grants, (dn, &self.resolve(dn)), None) {
            Some(referral) => Err(referral),
            None => Ok(()),
        }
    }

    fn find_parsed(&self, dn: &Dn) -> Result<Arc<Entry>, Error> {
        let resolved = self.resolve(dn);
        if let Resolved::Found(id) = resolved
            && let Some(entry) = self.txn.entry(id)
            && self.access(&entry).is_within_reach()
        {
            return Ok(entry);
        }
        Err(self.no_such_object(&resolved))
    }

    fn no_such_object(&self, resolved: &Resolved) -> Error {
        tree::no_such_object(&*self.txn, resolved, |entry| self.access(entry).disclosed)
    }

    /// What a config file declares is owned by the file (O4).
    fn refuse_declared(&self, dn: &Dn) -> Result<(), Error> {
        if self.from_file || self.current.declared.is_empty() {
            return Ok(());
        }
        match self.current.declared.get(&self.core.schema.name_key(dn)) {
            Some(file) => Err(Error::Unwilling(format!("\"{dn}\" is declared in {file} and can only be changed there (rule O4)"))),
            None => Ok(()),
        }
    }

    /// The assertion control, If-Match, and the read before the change.
    fn precondition(&mut self, entry: &Entry) -> Result<Option<OwnedEntry>, Error> {
        let version = || version_of(entry.text(self.core.schema.known().entry_csn).unwrap_or_default());
        if self.options.expected_entry.is_some_and(|expected| expected != entry.id) {
            return Err(Error::AssertionFailed("the name is another entry's by now".to_owned()));
        }
        if self.options.expected_version.is_some_and(|expected| expected != version()) {
            return Err(Error::AssertionFailed("the entry has been changed since it was read".to_owned()));
        }
        if let Some(filter) = &self.options.assertion {
            let reading = self.reading();
            let mut matcher = Matcher::prepare(&reading.context, filter);
            matcher.follow(&reading, Some(entry))?;
            let access = self.access(entry);
            let shared = matcher.asks_shared(&self.core.schema).then(|| self.with_shared(entry)).flatten();
            let entry = shared.as_ref().unwrap_or(entry);
            self.look_at(matcher.assertions(), matcher.assertions().saturating_mul(entry.size()))?;
            if matcher.matches(&self.core.schema, &*self.txn, entry, access.search) != Truth::True {
                return Err(Error::AssertionFailed("the assertion does not hold for the entry".to_owned()));
            }
        }
        self.options.pre_read.as_deref().map(|attributes| self.read(entry, attributes)).transpose()
    }

    /// What the caller may read of it. All that is read in one step is kept until its end, so it counts too.
    fn read(&self, entry: &Entry, attributes: &[String]) -> Result<OwnedEntry, Error> {
        let names: Vec<&str> = attributes.iter().map(String::as_str).collect();
        let selection = Selection::parse(&self.core.schema, &names, false);
        let access = self.access(entry);
        let facts: &dyn Facts = &*self.txn;
        let shared = selection.takes_shared(&self.core.schema).then(|| self.with_shared(entry)).flatten();
        let entry = shared.as_ref().unwrap_or(entry);
        let mut renderer = Renderer::new(Arc::clone(&self.current.catalog));
        if let Err(error) = renderer.find_members(&self.reading(), &selection, entry) {
            tracing::warn!(%error, "an entry is shown without the members of dynamic groups");
        }
        let read = renderer.render(&self.core.schema, facts, entry, &selection, access.read, |visible| visible.to_owned());
        self.look_at(0, read.size())?;
        Ok(read)
    }

    fn reading(&self) -> Reading<'_> {
        Reading { context: self.current.context(&self.core.schema, &*self.txn), memory: None, grants: &self.grants }
    }

    fn outcome(&self, entry: &Entry, pre_read: Option<OwnedEntry>) -> Result<WriteOutcome, Error> {
        let post_read = self.options.post_read.as_deref().map(|attributes| self.read(entry, attributes)).transpose()?;
        Ok(WriteOutcome { id: entry.id, pre_read, post_read, generated_password: None })
    }

    /// Domain rules and schema on the finished draft, then put. Links have been changed already, so that both count them.
    pub(crate) fn put(&mut self, before: Option<&Entry>, draft: &Draft, place: Place) -> Result<Arc<Entry>, Error> {
        let id = place.id;
        let relax = SealOptions { relax: self.options.relax };
        let txn = &*self.txn;
        let taken_out = |edge: AttributeId| self.unlinked.iter().any(|link| link.source == id && link.attribute == edge);
        let was_empty = |before: &Entry, edge: AttributeId| self.core.schema.lacks_link(before, edge) && !taken_out(edge);
        let classes = draft.values(self.core.schema.known().object_class).iter().map(Vec::as_slice);
        let lacks = |(view, edge): (AttributeId, AttributeId)| draft.values(view).is_empty().then_some(edge);
        let lost: Vec<AttributeId> = match before {
            None if self.options.exported => self.core.schema.required_links(classes).filter_map(lacks).collect(),
            Some(_) | None => Vec::new(),
        };
        let edges = |attribute: AttributeId| match self.core.schema.attribute_type(attribute).link {
            Some(view) => match txn.target_count(id, view.edge) {
                // A group whose last member was deleted stays a group, read in again too: only taking the last one out is refused.
                0 if before.map_or_else(|| lost.contains(&view.edge), |before| was_empty(before, view.edge)) => 1,
                count => count,
            },
            None => 0,
        };
        self.refuse_too_large(before, draft)?;
        let sealed = self.core.schema.reseal(before, draft, place, &edges, relax).map_err(violation)?;
        self.note_look(0, sealed.octets().len());
        self.check(before, Some(&sealed))?;
        self.check_place(before, &sealed)?;
        self.check_urls(before, &sealed)?;
        self.note_shared(before, Some(&sealed))?;
        let entry = self.txn.put(sealed);
        self.note_charges(before, &entry)?;
        let is_named_anew = before.is_some_and(|before| before.rdn_key != entry.rdn_key || before.parent != entry.parent);
        if is_named_anew || self.rests_on_any_entry() || before.into_iter().chain([&*entry]).any(|of| is_authority(of.kind)) {
            self.note_authority();
        }
        Ok(entry)
    }

    /// The searches of a dynamic group are LDAP URLs: anything else would find nobody. An import takes what it brings.
    fn check_urls(&self, before: Option<&Entry>, after: &Entry) -> Result<(), Error> {
        let changed = |attribute: &AttributeId| before.is_none_or(|before| !before.values(*attribute).eq(after.values(*attribute)));
        let Some(attribute) = self.core.schema.attribute(MEMBER_URL).filter(changed).filter(|_| !self.options.relax) else {
            return Ok(());
        };
        let is_url = |value: &[u8]| std::str::from_utf8(value).is_ok_and(|text| LdapUrl::parse(text).is_some());
        match after.values(attribute).find(|value| !is_url(value)) {
            Some(value) => Err(Error::InvalidSyntax(format!("memberURL: {} is no LDAP URL", quoted(&String::from_utf8_lossy(value))))),
            None => Ok(()),
        }
    }

    /// Puts what the server itself notes down on an entry: no stamp and no revision of its own, since nobody changed it.
    pub(crate) fn put_unstamped(&mut self, before: &Entry, draft: &Draft) -> Result<(), Error> {
        let place = Place {
            id: before.id,
            parent: before.parent,
            rdn: before.rdn.clone(),
            rdn_key: before.rdn_key.clone(),
            revision: before.revision,
        };
        let sealed = self.core.schema.reseal(Some(before), draft, place, &|_| 0, SealOptions { relax: true }).map_err(violation)?;
        self.txn.put(sealed);
        Ok(())
    }

    /// The rules of the domain. Links of the change are set already, the entry itself is as it was.
    fn check(&self, before: Option<&Entry>, after: Option<&Entry>) -> Result<(), Error> {
        let actor = match self.caller.identity.standing {
            Standing::Operator if self.is_server() => Actor::Server,
            Standing::Operator => Actor::Operator,
            Standing::Client => Actor::Client,
            Standing::Anonymous | Standing::Service | Standing::User => Actor::Other,
        };
        let current = &self.current;
        let operator_in_config = current.operator.is_some();
        let opens = |stored: &[u8]| current.hasher.is_usable(stored);
        let (linked, unlinked) = (&self.linked[..], &self.unlinked[..]);
        let (catalog, exported) = (&current.settings.catalog, self.options.exported || self.brings_back);
        let proposal =
            Proposal { before, after, linked, unlinked, actor, operator_in_config, opens: &opens, catalog, exported, now: self.now };
        check(&self.core.schema, &*self.txn, proposal).map_err(Error::from)
    }

    /// Whether the server makes the change itself: sessions, and what config files declare.
    pub(super) fn is_server(&self) -> bool {
        self.from_file || self.caller.identity.name == SERVER
    }

    /// Changes to who may do what reach open connections at once (R7).
    pub(crate) fn note_authority(&mut self) {
        if !std::mem::replace(&mut self.authority_noted, true) {
            let core = Arc::clone(self.core);
            self.txn.when_settled(move |committed| {
                if committed {
                    core.authority_changed();
                }
            });
        }
    }

    /// Whether any entry may have to do with what somebody may do: rules speak of groups, and there are groups that ask what
    /// entries are.
    fn rests_on_any_entry(&self) -> bool {
        self.current.policy.names_groups() && !of_class(&self.core.schema, &*self.txn, GROUP_OF_URLS).is_empty()
    }

    /// The same when an entry goes: somebody may be bound as it, be in a group by it, or be spoken of by its name in a rule.
    fn note_authority_of_deleted(&mut self, entry: &Entry) {
        let known = self.core.schema.known();
        let concerns = is_authority(entry.kind)
            || entry.has(known.user_password)
            || self.txn.target_count(entry.id, known.member) > 0
            || self.current.policy.names(&*self.txn, entry.id)
            || self.rests_on_any_entry();
        if concerns {
            self.note_authority();
        }
    }

    fn insufficient(&self, what: &str, entry: &Entry) -> Error {
        Error::InsufficientAccess(format!("no right to {what} \"{}\"", tree::dn_of(&*self.txn, entry.id)))
    }

    pub(super) fn place_of(&mut self, entry: &Entry) -> Place {
        let revision = self.txn.new_revision();
        Place { id: entry.id, parent: entry.parent, rdn: entry.rdn.clone(), rdn_key: entry.rdn_key.clone(), revision }
    }
}

/// Whether entries of the kind say what somebody may do.
const fn is_authority(kind: Kind) -> bool {
    match kind {
        Kind::Content | Kind::Generic | Kind::Person | Kind::Staff => false,
        Kind::Group | Kind::Licence | Kind::Organisation | Kind::Role | Kind::Session | Kind::User => true,
    }
}

/// The cause of a schema violation.
pub(super) fn violation(violation: Violation) -> Error {
    match violation {
        Violation::InvalidSyntax(text) => Error::InvalidSyntax(text),
        Violation::Naming(text) => Error::Naming(text),
        Violation::ObjectClass(text) => Error::ObjectClass(text),
        Violation::SingleValue(text) => Error::Constraint(text),
        Violation::DuplicateValue(text) => Error::AttributeOrValueExists(text),
        Violation::UndefinedType(text) => Error::UndefinedType(text),
    }
}

/// The name of an attribute a client spelled, for messages.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", tree::shorten(text))
}

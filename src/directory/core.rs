//! What the directory shares between readers, the writer thread and its doors: schema, clock, the settings in force,
//! the seat book, and the generation of authority by which open connections notice that rights have changed.

use super::alerts::Alerts;
use super::client::{Activity, Client};
use super::collective::AreasCache;
use super::credentials::Renewal;
use super::error::Error;
use super::events::Events;
use super::filter::Context;
use super::follow::Followers;
use super::identity::{Caller, Identity, Origin};
use super::link_cache::LinkCache;
use super::lockout::Lockouts;
use super::memberships;
use super::password_hash::PasswordHasher;
use super::settings::Settings;
use super::sorted::Room;
use super::specials::SpecialsCache;
use super::tree::{self, Suffix};
use super::unseated::Unseated;
use super::view::Selection;
use super::write::amount::Turns;
use crate::access::{AccessSubject, Grants, Policy, Standing};
use crate::base::counts::Counter;
use crate::base::{Clock, EntryId, Moment};
use crate::domain::history::Tracker;
use crate::domain::lens::opened_to_users;
use crate::domain::{Catalog, Rights, SeatBook, User, UserType, groups, organisation_of};
use crate::model::Facts;
use crate::schema::{LiveSchema, Schema, Source};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// Shared by everything that works on the directory.
pub(crate) struct Core {
    pub(crate) schema: Arc<LiveSchema>,
    pub(crate) clock: Arc<dyn Clock>,
    /// When the directory was opened.
    pub(crate) started: Moment,
    current: ArcSwap<Current>,
    replacing: Mutex<()>,
    /// Who sits where. Changed on the writer thread only, so that counting and taking are one step.
    pub(crate) seats: Mutex<SeatBook>,
    /// How much licences are used.
    pub(crate) history: Mutex<Tracker>,
    /// What administrators are to be told of seats.
    pub(crate) alerts: Mutex<Alerts>,
    /// Who is signed in without a seat.
    pub(crate) unseated: Arc<Unseated>,
    /// Grows whenever somebody's rights may have changed.
    authority: AtomicU64,
    /// Sessions whose last connection is gone; they end where the licence releases on disconnect (S5).
    pub(crate) released: Mutex<Vec<EntryId>>,
    /// What provisioning clients do.
    pub(crate) clients: Activity,
    /// Failed attempts to sign in.
    pub(crate) lockouts: Lockouts,
    /// Stored passwords to be made anew.
    pub(crate) renewals: Mutex<Vec<Renewal>>,
    /// Wakes the maintenance before its time.
    pub(crate) wake: Notify,
    /// Whether there are aliases, referrals, dynamic groups and collective attributes.
    pub(super) specials: SpecialsCache,
    /// Where collective attributes are shared.
    pub(crate) areas: AreasCache,
    /// The names of members of large groups.
    pub(crate) links: Arc<LinkCache>,
    /// What sorts hold together.
    pub(crate) sorting: Arc<Room>,
    /// How many searches are followed.
    pub(crate) followers: Followers,
    /// Who changes large entries.
    pub(crate) turns: Turns,
    /// Octets of values that changes looked at on the writer thread.
    pub(crate) looked_at: Counter,
    /// What receivers are to be told.
    pub(crate) events: Events,
}

/// The settings in force, compiled.
pub(crate) struct Current {
    pub(crate) settings: Arc<Settings>,
    pub(crate) suffixes: Vec<Suffix>,
    pub(crate) policy: Arc<Policy>,
    /// The permissions, roles and packages of the settings.
    pub(crate) catalog: Arc<Catalog>,
    /// Entries that a config file declares, by the normal form of their DN, with the file.
    pub(crate) declared: HashMap<Vec<u8>, String>,
    /// The normal form of the operator's DN.
    pub(crate) operator: Option<Vec<u8>>,
    /// Makes and checks passwords.
    pub(crate) hasher: Arc<PasswordHasher>,
    /// All user attributes: what most searches ask for.
    all_user: Arc<Selection>,
}

/// The access rules and limits of the settings.
fn policy(schema: &Arc<LiveSchema>, settings: &Settings) -> Result<Policy, Error> {
    let policy = Policy::compile(schema, &settings.access).and_then(|policy| policy.with_limits(&settings.limits, &settings.limits_for));
    policy.map_err(|error| Error::Constraint(error.to_string()))
}

impl Current {
    /// Compiles settings; the error names what is wrong with them.
    pub(crate) fn compile(schema: &Arc<LiveSchema>, settings: Settings) -> Result<Self, Error> {
        let suffixes = settings.suffixes.iter().map(|text| Suffix::parse(schema, text)).collect::<Result<Vec<_>, _>>()?;
        settings.catalog.check().map_err(Error::Constraint)?;
        let policy = Arc::new(policy(schema, &settings)?);
        let declared = settings
            .organisations
            .iter()
            .map(|entry| Ok((schema.name_key(&tree::parse_dn(&entry.dn)?), entry.file.clone())))
            .collect::<Result<_, Error>>()?;
        let operator = match &settings.operator {
            Some(operator) => Some(schema.name_key(&tree::parse_dn(&operator.dn)?)),
            None => None,
        };
        let hasher = Arc::new(PasswordHasher::new(&settings.hashing).map_err(|error| Error::Constraint(error.to_string()))?);
        let catalog = Arc::new(settings.catalog.clone());
        let all_user = Arc::new(Selection::parse(schema, &["*"], false));
        Ok(Self { settings: Arc::new(settings), suffixes, policy, catalog, declared, operator, hasher, all_user })
    }

    /// The same settings, by the schema as it is now: what is compiled into sets of attribute types is made anew.
    fn recompile(&self, schema: &Arc<LiveSchema>) -> Result<Self, Error> {
        let policy = policy(schema, &self.settings)?;
        Ok(Self {
            settings: Arc::clone(&self.settings),
            suffixes: self.suffixes.clone(),
            policy: Arc::new(policy),
            catalog: Arc::clone(&self.catalog),
            declared: self.declared.clone(),
            operator: self.operator.clone(),
            hasher: Arc::clone(&self.hasher),
            all_user: Arc::new(Selection::parse(schema, &["*"], false)),
        })
    }

    /// What making a filter ready needs to know.
    pub(crate) fn context<'a>(&'a self, schema: &'a Schema, facts: &'a dyn Facts) -> Context<'a> {
        Context { schema, suffixes: &self.suffixes, facts, catalog: &self.catalog }
    }
}

impl Core {
    pub(crate) fn new(schema: Arc<LiveSchema>, clock: Arc<dyn Clock>, current: Current) -> Self {
        Self {
            links: Arc::default(),
            specials: SpecialsCache::default(),
            areas: AreasCache::default(),
            clients: Activity::default(),
            lockouts: Lockouts::default(),
            renewals: Mutex::default(),
            schema,
            started: clock.moment(),
            clock,
            current: ArcSwap::from_pointee(current),
            replacing: Mutex::default(),
            seats: Mutex::default(),
            history: Mutex::default(),
            alerts: Mutex::default(),
            unseated: Arc::default(),
            authority: AtomicU64::new(1),
            released: Mutex::default(),
            wake: Notify::new(),
            sorting: Arc::default(),
            followers: Followers::default(),
            turns: Turns::default(),
            looked_at: Counter::default(),
            events: Events::default(),
        }
    }

    /// The schema of the settings: ours and the extra files.
    pub(crate) fn load_schema(settings: &Settings) -> Result<Schema, Error> {
        let extra: Vec<Source> = settings.schema.iter().map(|(name, text)| Source { name: name.clone(), text: text.clone() }).collect();
        Schema::load(&extra).map_err(|error| Error::Constraint(error.to_string()))
    }

    /// The selection of a search.
    pub(crate) fn selection(&self, requested: &[&str], types_only: bool) -> Arc<Selection> {
        match requested {
            [] | ["*"] if !types_only => Arc::clone(&self.current.load().all_user),
            _ => Arc::new(Selection::parse(&self.schema, requested, types_only)),
        }
    }

    pub(crate) fn current(&self) -> Arc<Current> {
        self.current.load_full()
    }

    /// Puts new settings in force.
    pub(crate) fn replace(&self, current: Arc<Current>) {
        let _one_at_a_time = self.replacing.lock();
        self.put_in_force(current);
    }

    fn put_in_force(&self, current: Arc<Current>) {
        self.current.store(current);
        self.authority_changed();
    }

    /// The schema has changed: rights, selections and areas follow.
    pub(crate) fn schema_changed(&self) {
        let _one_at_a_time = self.replacing.lock();
        self.areas.changed();
        match self.current().recompile(&self.schema) {
            Ok(current) => self.put_in_force(Arc::new(current)),
            // No rule can rest on what is gone, since rules name what files define.
            Err(error) => tracing::error!(%error, "the access rules cannot be made anew after a change of the schema"),
        }
    }

    /// Somebody's rights may have changed: identities are made again at their next use (R7).
    pub(crate) fn authority_changed(&self) {
        self.authority.fetch_add(1, Ordering::AcqRel);
    }

    /// The generation an identity made now is good for.
    pub(crate) fn authority(&self) -> u64 {
        self.authority.load(Ordering::Acquire)
    }

    /// What the caller may do. Where rights may have changed since the identity was made, it is made again (R7).
    pub(crate) fn grants(&self, current: &Current, facts: &dyn Facts, caller: &Caller) -> Arc<Grants> {
        let identity = &caller.identity;
        if identity.generation == self.authority() {
            let make = || current.policy.grants(self.subject(current, facts, identity, &caller.origin), facts);
            return Arc::clone(identity.grants.get_or_init(make));
        }
        let fresh = identity.entry.map(|id| self.identity(facts, id).unwrap_or_else(Identity::anonymous));
        let subject = self.subject(current, facts, fresh.as_ref().unwrap_or(identity), &caller.origin);
        current.policy.grants(subject, facts)
    }

    fn subject(&self, current: &Current, facts: &dyn Facts, identity: &Identity, origin: &Origin) -> AccessSubject {
        let mut subject = AccessSubject::anonymous(origin.address, origin.encrypted);
        subject.standing = identity.standing;
        subject.certificate = origin.certificate;
        subject.entry = identity.entry;
        subject.organisation = identity.organisation;
        subject.client = identity.client.as_deref().filter(|_| identity.standing == Standing::Client).map(Client::as_subject);
        subject.organisation_admin = identity.organisation_admin;
        subject.permissions = Arc::clone(&identity.permissions);
        subject.scopes = identity.client.iter().flat_map(|client| &client.settings.scopes).collect();
        if let Some(organisation) = identity.organisation.filter(|_| identity.standing == Standing::User).and_then(|id| facts.entry(id)) {
            subject.opened = opened_to_users(&self.schema, &organisation);
        }
        let Some(entry) = identity.entry else { return subject };
        if let Ok(dn) = tree::parse_dn(&identity.name) {
            subject.name_key = self.schema.name_key(&dn);
        }
        subject.groups = groups::levels(&self.schema, facts, entry);
        subject.roles = Rights::of(&self.schema, facts, &current.settings.catalog, entry).roles;
        if subject.standing != Standing::Operator && current.policy.names_groups() {
            subject.memberships = memberships::of(current, current.context(&self.schema, facts), entry, &subject.groups);
        }
        subject
    }

    /// The identity of an entry, without a seat.
    pub(crate) fn identity(&self, facts: &dyn Facts, id: EntryId) -> Option<Identity> {
        // Before what it rests on: what changes meanwhile is for the next look.
        let generation = self.authority();
        let entry = facts.entry(id)?;
        let rights = Rights::of(&self.schema, facts, &self.current().settings.catalog, id);
        let standing = match User::of(&self.schema, &entry).map(|user| user.user_type()) {
            Some(UserType::Service) => Standing::Service,
            Some(UserType::Admin) => Standing::Operator,
            Some(UserType::App) | None => Standing::User,
        };
        Some(Identity {
            standing,
            entry: Some(id),
            name: tree::dn_of(facts, id),
            organisation: organisation_of(facts, id),
            organisation_admin: rights.organisation_admin,
            permissions: rights.permissions,
            generation,
            ..Identity::anonymous()
        })
    }
}

//! Opening and reloading: settings are compiled whole before anything of them is in force.

use super::authenticate::scram::keep_salt_secret;
use super::core::{Core, Current};
use super::error::Error;
use super::hash_pool::HashPool;
use super::password_hash::PasswordHasher;
use super::request::{Write, WriteOptions};
use super::session::system_caller;
use super::settings::{DeclaredEntry, Settings};
use super::tree::{self, Resolved, Suffix};
use super::write::Work;
use super::{Directory, Origin};
use crate::base::{Clock, EntryId, Secret};
use crate::domain::Licence;
use crate::model::{AttributeId, Dn, Entry, Facts, Modification, ModificationKind};
use crate::schema::{ClassKind, LiveSchema, Schema, is_numeric_oid};
use crate::store::{Memory, Store, StoreOptions, Transaction};
use std::sync::Arc;

/// Attributes that always have an index; links have theirs by nature.
const INDEXED: [&str; 24] = [
    "objectClass",
    "entryUUID",
    "uid",
    "mail",
    "cn",
    "sn",
    "givenName",
    "displayName",
    "ou",
    "o",
    "dc",
    "memberUid",
    "uidNumber",
    "gidNumber",
    "telephoneNumber",
    "employeeNumber",
    "departmentNumber",
    "hcExternalId",
    "hcSessionId",
    "hcUserType",
    "ipHostNumber",
    "hcRoleSystem",
    "hcActive",
    "modifyTimestamp",
];

impl Directory {
    /// Opens the directory of these settings.
    pub fn open(settings: Settings, clock: Arc<dyn Clock>) -> Result<Arc<Self>, Error> {
        let schema = Arc::new(LiveSchema::from(Core::load_schema(&settings)?));
        let indexes = indexes(&schema, &settings.indexes)?;
        let options = StoreOptions {
            folder: settings.folder.clone(),
            indexes,
            reserve: settings.reserve,
            audit_key: settings.audit_key.clone(),
            security: settings.security.clone(),
        };
        let pool = HashPool::new(&settings.hashing).map_err(|error| Error::Unavailable(error.to_string()))?;
        let current = Current::compile(&schema, settings)?;
        let store = Store::open(options, Arc::clone(&schema), Arc::clone(&clock))?;
        let core = Arc::new(Core::new(schema, clock, current));
        // The store has brought along what was changed at run time.
        core.schema_changed();
        let directory = Arc::new(Self { core, store, pool });
        directory.make_cookie_key()?;
        directory.restore_sessions();
        directory.begin_history();
        directory.store.write_blocking(directory.putting_in_force(directory.current()))?;
        directory.warn_of_void_rules();
        Ok(directory)
    }

    /// Takes new settings over, all or nothing: what they declare is written, and they are in force, in one step of the writer. What
    /// needs a restart is refused, and named.
    pub async fn reload(&self, settings: Settings) -> Result<(), Error> {
        let before = self.settings();
        let needs_restart = |what: &str| Error::Unwilling(format!("{what} changes at a restart only"));
        if before.folder != settings.folder {
            return Err(needs_restart("the data folder"));
        }
        if before.schema != settings.schema {
            return Err(needs_restart("the set of schema files"));
        }
        if before.audit_key.as_ref().map(Secret::expose) != settings.audit_key.as_ref().map(Secret::expose) {
            return Err(needs_restart("the key of the audit log"));
        }
        if before.security != settings.security {
            return Err(needs_restart("how logins and refusals are kept"));
        }
        if before.indexes != settings.indexes {
            return Err(needs_restart("the list of indexes"));
        }
        let version = self.schema().version();
        let current = Current::compile(self.schema(), settings)?;
        // By itself: no other change may come between what is declared and that it is known to be.
        self.store.write_alone(self.putting_in_force(Arc::new(current))).await?;
        if self.schema().version() != version {
            self.core.schema_changed();
        }
        self.warn_of_void_rules();
        Ok(())
    }

    /// A name that is no entry's makes a rule of no account, and nothing else shows that. Where there is no entry yet, all are to come.
    fn warn_of_void_rules(&self) {
        if self.memory().entry_count() == 0 {
            return;
        }
        for (rule, name) in self.current().policy.void_names(self.memory()) {
            tracing::warn!(rule, name, "an access rule names an entry that is not there; until it is, the rule does nothing");
        }
    }

    /// Ends the store after what is queued. Not to be called on a thread of the runtime.
    pub fn close(&self) {
        self.save_attempts_at_end();
        self.save_history_at_end();
        self.save_client_activity_at_end();
        self.store.close();
    }

    /// Work for the writer that brings the entries config files declare to what the files say (O4), and with that puts the
    /// settings in force.
    fn putting_in_force(&self, current: Arc<Current>) -> impl FnOnce(&mut Transaction<'_>) -> Result<(), Error> + Send + use<> {
        let core = Arc::clone(&self.core);
        move |txn: &mut Transaction<'_>| {
            let (caller, options) = (system_caller(&Origin::system()), WriteOptions::default());
            for declared in &current.settings.organisations {
                let mut work = Work::begin(&core, txn, &caller, &options)?;
                (work.from_file, work.current) = (true, Arc::clone(&current));
                work.declare(declared).map_err(|error| of_file(declared, &error))?;
            }
            let mut work = Work::begin(&core, txn, &caller, &options)?;
            (work.from_file, work.current) = (true, Arc::clone(&current));
            let staying = work.let_go_of_licences()?;
            // Also fees that the catalog changed, and licences from before charges were kept.
            let mut work = Work::begin(&core, txn, &caller, &options)?;
            (work.from_file, work.current) = (true, Arc::clone(&current));
            work.note_all_charges()?;
            if current.settings.sasl.scram {
                keep_salt_secret(txn);
            }
            txn.when_settled(move |committed| {
                if committed {
                    core.replace(current);
                    for (licence, file) in staying {
                        let text = "the file names the licence no longer, and there is what refers to it: it stays in force, and is charged, as one made at run time";
                        tracing::warn!(licence, file, "{text}");
                    }
                }
            });
            Ok(())
        }
    }

    /// The schema in force.
    pub fn schema(&self) -> &Arc<LiveSchema> {
        &self.core.schema
    }

    /// The settings in force.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.core.current().settings)
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.core.clock
    }

    /// Octets of values that changes looked at on the writer thread until now.
    #[cfg(test)]
    pub(crate) fn octets_looked_at(&self) -> u64 {
        self.core.looked_at.get()
    }

    pub(super) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    pub(super) fn current(&self) -> Arc<Current> {
        self.core.current()
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn memory(&self) -> &Memory {
        self.store.memory()
    }

    pub(super) fn hasher(&self) -> Arc<PasswordHasher> {
        Arc::clone(&self.current().hasher)
    }

    pub(super) fn pool(&self) -> &HashPool {
        &self.pool
    }

    pub(super) fn suffix_entry(&self, suffix: &Suffix) -> Option<Arc<Entry>> {
        self.memory().child(None, &suffix.key).and_then(|id| self.memory().entry(id))
    }

    /// The entry of the naming context, where there is only one: what a search below the root DSE is about.
    pub(super) fn only_suffix(&self) -> Option<EntryId> {
        match self.current().suffixes.as_slice() {
            [only] => self.memory().child(None, &only.key),
            _ => None,
        }
    }
}

/// The names of what is to have an index. An OID may be of a type that is defined at run time only.
fn indexes(schema: &Schema, extra: &[String]) -> Result<Vec<String>, Error> {
    let names: Vec<String> = INDEXED.iter().copied().chain(extra.iter().map(String::as_str)).map(str::to_owned).collect();
    match names.iter().find(|name| schema.attribute(name).is_none() && !is_numeric_oid(name)) {
        Some(name) => Err(Error::UndefinedType(format!("index: attribute type \"{}\" is not defined", tree::shorten(name)))),
        None => Ok(names),
    }
}

/// The record of the licences that files declared last, by their names: a file that names one no longer says nothing of it.
const DECLARED_LICENCES: &str = "declared/licences";

/// Why an entry cannot be what its file says.
fn of_file(declared: &DeclaredEntry, error: &Error) -> Error {
    let reason = match error {
        Error::NoSuchObject { .. } => "there is no entry to put it under".to_owned(),
        error => error.to_string(),
    };
    Error::Unwilling(format!("{}: \"{}\": {reason}", declared.file, declared.dn))
}

impl Work<'_, '_> {
    /// Makes or changes a declared entry: attributes the file names become what it says, others stay.
    fn declare(&mut self, declared: &DeclaredEntry) -> Result<(), Error> {
        let dn = tree::parse_dn(&declared.dn)?;
        let octets = |values: &[String]| values.iter().map(|value| value.clone().into_bytes()).collect::<Vec<_>>();
        let attributes = declared.attributes.iter().map(|(name, values)| (name.clone(), octets(values)));
        let found = match self.resolve(&dn) {
            Resolved::Found(id) => Some(id),
            Resolved::Missing { .. } | Resolved::Outside => None,
        };
        self.give_default_up(declared, dn.parent(), found)?;
        let Some(id) = found else {
            self.add_suffix_above(&dn)?;
            let attributes = attributes.filter(|(_, values)| !values.is_empty()).collect();
            return self.run(Write::Add { dn: declared.dn.clone(), attributes }).map(drop);
        };
        let entry = self.txn.entry(id).ok_or(Error::Internal)?;
        // What is there is adopted as it is (O1): it keeps its name, with what else that attribute has, and its classes.
        let named = |name: &str| dn.rdn().is_some_and(|rdn| rdn.0.iter().any(|ava| ava.attribute.eq_ignore_ascii_case(name)));
        let differs = |(name, values): &(String, Vec<Vec<u8>>)| {
            let held = self.core.schema.attribute(name).map(|attribute| entry.values(attribute).map(<[u8]>::to_vec).collect::<Vec<_>>());
            held.as_ref() != Some(values) && !named(name)
        };
        let modification = |(attribute, values): (String, Vec<Vec<u8>>)| match attribute.as_str() {
            "objectClass" => Modification { kind: ModificationKind::Add, values: self.classes_to_add(&entry, values), attribute },
            _ => Modification { kind: ModificationKind::Replace, attribute, values },
        };
        let modifications: Vec<Modification> = attributes
            .filter(differs)
            .map(modification)
            .filter(|modification| modification.kind == ModificationKind::Replace || !modification.values.is_empty())
            .collect();
        match modifications.is_empty() {
            true => Ok(()),
            false => self.run(Write::Modify { dn: declared.dn.clone(), modifications }).map(drop),
        }
    }

    /// The classes that an entry lacks of those; its structural class is the one that it has.
    fn classes_to_add(&self, entry: &Entry, classes: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let schema = &self.core.schema;
        let is_held = |class: &[u8]| entry.values(schema.known().object_class).any(|held| held.eq_ignore_ascii_case(class));
        let is_structural = |class: &[u8]| {
            let known = std::str::from_utf8(class).ok().and_then(|name| schema.class(name));
            known.is_some_and(|class| schema.object_class(class).kind == ClassKind::Structural)
        };
        classes.into_iter().filter(|class| !is_held(class) && !is_structural(class)).collect()
    }

    /// A licence that a file declared and names no longer goes, where the file still declares its organisation (O4). One that a session,
    /// a role or a share refers to stays, as one made at run time: those are answered, with their files.
    fn let_go_of_licences(&mut self) -> Result<Vec<(String, String)>, Error> {
        let current = Arc::clone(&self.current);
        let is_licence = |(name, values): &(String, Vec<String>)| name == "objectClass" && values.iter().any(|class| class == "hcLicence");
        let declared = current.settings.organisations.iter().filter(|entry| entry.attributes.iter().any(is_licence));
        let names = declared.map(|entry| entry.dn.as_str()).collect::<Vec<_>>();
        let record = serde_json::to_vec(&names).map_err(|_| Error::Internal)?;
        let last = self.txn.meta(DECLARED_LICENCES);
        if last.as_deref() == Some(record.as_slice()) || (last.is_none() && names.is_empty()) {
            return Ok(Vec::new());
        }
        let last: Vec<String> = last.map_or_else(|| Ok(Vec::new()), |last| serde_json::from_slice(&last)).map_err(|_| Error::Internal)?;
        let mut staying = Vec::new();
        for dn in last {
            let name = tree::parse_dn(&dn)?;
            let file_of = |dn: &Dn| current.declared.get(&self.core.schema.name_key(dn)).cloned();
            let file = name.parent().and_then(|container| file_of(&container)).filter(|_| file_of(&name).is_none());
            let (Some(file), Resolved::Found(id)) = (file, self.resolve(&name)) else { continue };
            let is_link =
                |attribute: AttributeId| self.core.schema.attribute_type(attribute).link.is_some_and(|link| link.edge == attribute);
            let mut links = self.core.schema.attribute_types().iter().map(|attribute| attribute.id).filter(|attribute| is_link(*attribute));
            match links.any(|attribute| !self.txn.sources(id, attribute).is_empty()) {
                true => staying.push((dn, file)),
                false => self.run(Write::Delete { dn }).map(drop)?,
            }
        }
        self.txn.put_meta(DECLARED_LICENCES, Some(record));
        Ok(staying)
    }

    /// Where the file says that this licence is the default one, no other is (O2): neither the one the file said before, nor one that
    /// was made at run time.
    fn give_default_up(&mut self, declared: &DeclaredEntry, parent: Option<Dn>, own: Option<EntryId>) -> Result<(), Error> {
        const DEFAULT: &str = "hcLicenceDefault";
        let is_default = |(name, values): &(String, Vec<String>)| name == DEFAULT && values.iter().any(|value| value == "TRUE");
        let Some(Resolved::Found(parent)) = parent.map(|parent| self.resolve(&parent)) else { return Ok(()) };
        if !declared.attributes.iter().any(is_default) {
            return Ok(());
        }
        for entry in self.txn.children(parent, None, usize::MAX).into_iter().filter_map(|id| self.txn.entry(id)).collect::<Vec<_>>() {
            if Some(entry.id) != own && Licence::of(&self.core.schema, &entry).is_some_and(|licence| licence.is_default()) {
                let values = vec![b"FALSE".to_vec()];
                let modifications = vec![Modification { kind: ModificationKind::Replace, attribute: DEFAULT.to_owned(), values }];
                self.run(Write::Modify { dn: tree::dn_of(&*self.txn, entry.id), modifications })?;
            }
        }
        Ok(())
    }

    /// A server whose first organisation is declared could never start without the entry above it.
    fn add_suffix_above(&mut self, dn: &Dn) -> Result<(), Error> {
        let current = Arc::clone(&self.current);
        match tree::suffix_of(&self.core.schema, &current.suffixes, dn) {
            Some(suffix) if !suffix.is(dn) && self.txn.child(None, &suffix.key).is_none() => self.run(suffix.entry()?).map(drop),
            Some(_) | None => Ok(()),
        }
    }
}

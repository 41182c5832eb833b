//! Opening and reloading: settings are compiled whole before anything of them is in force.

use super::core::{Core, Current};
use super::error::Error;
use super::hash_pool::HashPool;
use super::password_hash::PasswordHasher;
use super::request::{Write, WriteOptions};
use super::session::system_caller;
use super::settings::{DeclaredEntry, Settings};
use super::tree::{self, Suffix};
use super::write::Work;
use super::{Directory, Origin};
use crate::base::{Clock, EntryId, Secret};
use crate::model::{Entry, Facts, Modification, ModificationKind};
use crate::schema::{LiveSchema, Schema, is_numeric_oid};
use crate::store::{Memory, Store, StoreOptions, Transaction};
use std::sync::Arc;

/// Attributes that always have an index; links have theirs by nature.
const INDEXED: [&str; 22] = [
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
        directory.reconcile_declared()?;
        directory.scram_secret().map_or(Ok(()), |work| directory.store.write_blocking(work))?;
        Ok(directory)
    }

    /// Takes new settings over, all or nothing. What needs a restart is refused, and named.
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
        self.core.replace(current);
        if self.schema().version() != version {
            self.core.schema_changed();
        }
        for declaration in self.declarations() {
            self.store.write(declaration).await?;
        }
        if let Some(work) = self.scram_secret() {
            self.store.write(work).await?;
        }
        Ok(())
    }

    /// Ends the store after what is queued. Not to be called on a thread of the runtime.
    pub fn close(&self) {
        self.save_attempts_at_end();
        self.store.close();
    }

    /// Brings the entries that config files declare to what the files say (O4). Not to be called within the runtime.
    fn reconcile_declared(&self) -> Result<(), Error> {
        self.declarations().into_iter().try_for_each(|declaration| self.store.write_blocking(declaration))
    }

    /// One piece of work for the writer for each declared entry.
    fn declarations(&self) -> Vec<impl FnOnce(&mut Transaction<'_>) -> Result<(), Error> + Send + use<>> {
        let declare = |declared: &DeclaredEntry| {
            let octets = |values: &Vec<String>| values.iter().map(|value| value.clone().into_bytes()).collect();
            let attributes: Vec<(String, Vec<Vec<u8>>)> =
                declared.attributes.iter().map(|(name, values)| (name.clone(), octets(values))).collect();
            let (core, dn) = (Arc::clone(&self.core), declared.dn.clone());
            move |txn: &mut Transaction<'_>| {
                let caller = system_caller(&Origin::system());
                let options = WriteOptions::default();
                let mut work = Work::begin(&core, txn, &caller, &options)?;
                work.from_file = true;
                work.declare(dn, attributes)
            }
        };
        self.settings().organisations.iter().map(declare).collect()
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

impl Work<'_, '_> {
    /// Makes or changes a declared entry: attributes the file names become what it says, others stay.
    fn declare(&mut self, dn: String, attributes: Vec<(String, Vec<Vec<u8>>)>) -> Result<(), Error> {
        let resolved = tree::resolve(&self.core.schema, &self.current.suffixes, &*self.txn, &tree::parse_dn(&dn)?);
        let tree::Resolved::Found(id) = resolved else {
            return self.run(Write::Add { dn, attributes }).map(drop);
        };
        let entry = self.txn.entry(id).ok_or(Error::Internal)?;
        let differs = |(name, values): &(String, Vec<Vec<u8>>)| {
            let held = self.core.schema.attribute(name).map(|attribute| entry.values(attribute).map(<[u8]>::to_vec).collect::<Vec<_>>());
            held.as_ref() != Some(values)
        };
        let modifications: Vec<Modification> = attributes
            .into_iter()
            .filter(differs)
            .map(|(attribute, values)| Modification { kind: ModificationKind::Replace, attribute, values })
            .collect();
        match modifications.is_empty() {
            true => Ok(()),
            false => self.run(Write::Modify { dn, modifications }).map(drop),
        }
    }
}

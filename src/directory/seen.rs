//! What a door needs to keep what a search found, and to bring that up to date by looking at what has changed since and
//! at nothing else.

use super::core::Current;
use super::{Caller, Directory};
use crate::access::{ProvisioningClient, Scopes};
use crate::base::EntryId;
use crate::model::Facts;
use crate::store::Watch;
use std::sync::Arc;

/// A state of the directory as one caller sees it.
pub struct Seen {
    watch: Watch,
    /// The version of the schema.
    version: usize,
    current: Arc<Current>,
    /// The organisation of the caller, the client it is, its scopes, and the rules of the config that speak of it.
    subject: (Option<EntryId>, Option<ProvisioningClient>, Scopes, (u64, u64, u64)),
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.watch.fmt(formatter)
    }
}

impl Directory {
    /// The state of now, to be taken before what is kept is looked for. `None` where what the caller may see of an entry
    /// rests on more than that entry and its place: then nothing can be kept.
    pub fn state_for(&self, caller: &Caller) -> Option<Seen> {
        let watch = self.memory().watch();
        let grants = self.grants(caller);
        let who = grants.subject();
        let subject = (who.organisation, who.client.clone(), who.scopes, grants.rests_on_entries_alone()?);
        // Values that entries share change with others.
        let shared = self.areas().is_some();
        (!shared).then(|| Seen { watch, version: self.schema().version(), current: self.current(), subject })
    }

    /// The entries that have changed from one state to another, come or gone. `None` where everything is to be looked at
    /// again: they are too many to be remembered, what is allowed to whom has changed, or what stands above others has.
    pub fn changed_since(&self, seen: &Seen, now: &Seen) -> Option<Vec<EntryId>> {
        let same = seen.version == now.version && Arc::ptr_eq(&seen.current, &now.current) && seen.subject == now.subject;
        let mut changed = self.memory().changed_since(seen.watch).filter(|_| same)?;
        changed.sort_unstable();
        changed.dedup();
        let changed: Vec<EntryId> = changed.into_iter().map(EntryId).collect();
        changed.iter().all(|id| self.memory().child_count(*id) == 0).then_some(changed)
    }

    /// How many entries one search of the caller may look at that no index answers for (HD6).
    pub fn look_through(&self, caller: &Caller) -> usize {
        self.grants(caller).limits().look_through
    }
}

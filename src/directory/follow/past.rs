//! Names as they were when a change was made. A follower may be some changes behind, and what it tells must fit what it
//! told before: an entry is not sent under a name that its consumer will hear of only later.

use crate::base::{EntryId, Timestamp};
use crate::model::{AttributeId, Entry, Facts, Level, Link};
use crate::store::{Change, ChangeEvent, Memory, Revision, Subscription};
use std::collections::HashMap;
use std::sync::Arc;

/// The committed state, with the entries that move or go later where they still are.
pub(super) struct Past {
    memory: Arc<Memory>,
    /// Up to where the changes to come were looked at.
    seen: Revision,
    /// Entries that move or go later: as they are now, and when that happens for the last time.
    later: HashMap<EntryId, (Arc<Entry>, Revision)>,
    /// The links of entries that went with the event that was taken last.
    gone: HashMap<EntryId, Vec<Link>>,
    /// Entries that were sent as they are after changes that have yet to be told, with their revision.
    ahead: HashMap<EntryId, u64>,
}

impl Past {
    pub(super) fn new(memory: &Arc<Memory>) -> Self {
        Self { memory: Arc::clone(memory), seen: Revision(0), later: HashMap::new(), gone: HashMap::new(), ahead: HashMap::new() }
    }

    /// Takes note that an entry was sent as it is in memory.
    pub(super) fn sent_ahead(&mut self, entry: &Entry) {
        self.ahead.insert(entry.id, entry.revision);
    }

    /// Whether something newer of the entry was sent already.
    pub(super) fn is_outdated(&mut self, entry: &Entry) -> bool {
        match self.ahead.get(&entry.id) {
            Some(sent) if *sent > entry.revision => true,
            Some(_) => {
                self.ahead.remove(&entry.id);
                false
            }
            None => false,
        }
    }

    /// Reads something of one entry as it was, whatever is changed meanwhile: in a lane, so that no change is seen in half.
    pub(super) fn read<T>(&mut self, subscription: &Subscription, read: impl Fn(&Self) -> T) -> T {
        loop {
            self.look_at_coming(subscription);
            let found = {
                let _isolation = self.memory.isolated();
                read(self)
            };
            if !subscription.is_coming(self.seen) {
                return found;
            }
        }
    }

    fn look_at_coming(&mut self, subscription: &Subscription) {
        for coming in subscription.coming(self.seen.max(subscription.position())) {
            self.seen = coming.revision;
            coming.changes.iter().for_each(|change| self.look_ahead(change, coming.revision));
        }
        self.seen = self.seen.max(subscription.position());
    }

    /// Goes on to the state right after an event that was just taken.
    pub(super) fn advance(&mut self, event: &ChangeEvent, subscription: &Subscription) {
        self.look_at_coming(subscription);
        self.gone.clear();
        for change in &event.changes {
            if let Change::Removed { removed, links, .. } = change {
                self.gone.insert(removed.id, links.clone());
            }
            let (id, after) = match change {
                Change::Put { entry, .. } => (entry.id, Some(entry)),
                Change::Removed { removed, .. } => (removed.id, None),
                Change::Linked(_) | Change::Unlinked(..) | Change::Meta(_) => continue,
            };
            match (self.later.get_mut(&id), after) {
                (Some((now, last)), Some(after)) if *last > event.revision => *now = Arc::clone(after),
                (Some(_), _) => drop(self.later.remove(&id)),
                (None, _) => {}
            }
        }
    }

    fn look_ahead(&mut self, change: &Change, revision: Revision) {
        let (id, now) = match change {
            Change::Put { entry, before: Some(before), moved: true } => {
                if self.ahead.get(&entry.id).is_some_and(|sent| *sent >= entry.revision) {
                    return;
                }
                (entry.id, before)
            }
            Change::Removed { removed, before: Some(before), .. } => (removed.id, before),
            Change::Put { .. } | Change::Removed { .. } | Change::Linked(_) | Change::Unlinked(..) | Change::Meta(_) => return,
        };
        self.later.entry(id).or_insert_with(|| (Arc::clone(now), revision)).1 = revision;
    }
}

impl Facts for Past {
    fn now(&self) -> Timestamp {
        self.memory.now()
    }

    fn entry(&self, id: EntryId) -> Option<Arc<Entry>> {
        match self.later.get(&id) {
            Some((entry, _)) => Some(Arc::clone(entry)),
            None => self.memory.entry(id),
        }
    }

    fn child(&self, parent: Option<EntryId>, key: &[u8]) -> Option<EntryId> {
        self.memory.child(parent, key)
    }

    fn children(&self, parent: EntryId, after: Option<EntryId>, limit: usize) -> Vec<EntryId> {
        self.memory.children(parent, after, limit)
    }

    fn child_count(&self, parent: EntryId) -> usize {
        self.memory.child_count(parent)
    }

    fn equal(&self, attribute: AttributeId, key: &[u8]) -> Vec<EntryId> {
        self.memory.equal(attribute, key)
    }

    fn targets(&self, source: EntryId, attribute: AttributeId, after: Option<EntryId>, limit: usize) -> Vec<(EntryId, Level)> {
        let Some(links) = self.gone.get(&source) else { return self.memory.targets(source, attribute, after, limit) };
        let of = links.iter().filter(|link| link.attribute == attribute && after.is_none_or(|after| link.target > after));
        of.map(|link| (link.target, link.level)).take(limit).collect()
    }

    fn sources(&self, target: EntryId, attribute: AttributeId) -> Vec<(EntryId, Level)> {
        self.memory.sources(target, attribute)
    }

    fn link(&self, source: EntryId, attribute: AttributeId, target: EntryId) -> Option<Level> {
        let Some(links) = self.gone.get(&source) else { return self.memory.link(source, attribute, target) };
        links.iter().find(|link| link.attribute == attribute && link.target == target).map(|link| link.level)
    }

    fn target_count(&self, source: EntryId, attribute: AttributeId) -> usize {
        self.memory.target_count(source, attribute)
    }

    fn link_attributes(&self, source: EntryId) -> Vec<AttributeId> {
        self.memory.link_attributes(source)
    }

    fn meta(&self, key: &str) -> Option<Arc<[u8]>> {
        self.memory.meta(key)
    }

    fn meta_range(&self, prefix: &str) -> Vec<(String, Arc<[u8]>)> {
        self.memory.meta_range(prefix)
    }
}

//! The change feed: the journal read by those who follow the store (persistent search, content sync). Who was away
//! too long is told that the changes are compacted, and lists everything anew. Those who are there follow
//! [live](super::Subscription).

use super::change_set::{self, Operation, Removed};
use super::shared::Shared;
use super::{Revision, StoreError, journal};
use crate::base::EntryId;
use crate::model::{AttributeId, Entry, Link};
use std::sync::Arc;

/// What is after a revision.
#[derive(Clone, Debug)]
pub enum Changes {
    /// The oldest of them are gone: list everything, and go on from [`Memory::revision`](super::Memory::revision) as it
    /// was before the listing.
    Compacted,
    /// The changes in order; empty where there is none yet.
    Events(Vec<ChangeEvent>),
}

/// One change set.
#[derive(Clone, Debug)]
pub struct ChangeEvent {
    /// Its revision; ask for what is after it next.
    pub revision: Revision,
    /// The id it was committed under.
    pub id: [u8; 16],
    /// What it did.
    pub changes: Vec<Change>,
}

/// One step of a change set. The entries are as they were stored; names above them and links are read from memory.
#[derive(Clone, Debug)]
pub enum Change {
    /// An entry was added, changed or renamed.
    Put {
        /// As it is from then on.
        entry: Arc<Entry>,
        /// As it was. A live follower gets it for every entry that was there; the journal does not keep it.
        before: Option<Arc<Entry>>,
        /// Whether it, and all below it, got another name.
        moved: bool,
    },
    /// An entry was removed with all its links.
    Removed {
        /// What the journal keeps of it.
        removed: Removed,
        /// As it was; only for live followers.
        before: Option<Arc<Entry>>,
        /// The links that went with it, on which rights to it may have rested; only for live followers, and not of what has many.
        links: Vec<Link>,
    },
    /// A link was set.
    Linked(Link),
    /// A link was removed: source, attribute, target.
    Unlinked(EntryId, AttributeId, EntryId),
    /// A record outside the tree was set or removed.
    Meta(String),
}

pub(super) fn changes_after(shared: &Shared, revision: Revision, limit: usize) -> Result<Changes, StoreError> {
    let applied = shared.memory.applied();
    let after = u64::try_from(revision.0).unwrap_or(u64::MAX);
    if after >= applied {
        return Ok(Changes::Events(Vec::new()));
    }
    let mut events = Vec::new();
    let scanned = journal::scan(&*shared.disk, &shared.folder, after, |sequence, body| {
        if sequence <= applied && events.len() < limit {
            events.push(event(sequence, change_set::decode(body, shared.memory.schema())?));
        }
        Ok(())
    });
    let complete = |events: &Vec<ChangeEvent>| events.first().is_none_or(|first| first.revision.0 == revision.0 + 1);
    match scanned {
        Ok(Some(extent)) if extent.first <= after + 1 && complete(&events) => Ok(Changes::Events(events)),
        Ok(_) => Ok(Changes::Compacted),
        // A segment may have been removed while it was read: that is compaction too.
        Err(error) => match journal::segments(&*shared.disk, &shared.folder) {
            Ok(segments) if segments.first().is_none_or(|first| *first > after + 1) => Ok(Changes::Compacted),
            Ok(_) | Err(_) => Err(StoreError::Unusable(error)),
        },
    }
}

fn event(sequence: u64, read: change_set::ChangeSet) -> ChangeEvent {
    let changes = read.operations.into_iter().map(|operation| change(operation, None)).collect();
    ChangeEvent { revision: Revision(u128::from(sequence)), id: read.id, changes }
}

/// The step that an operation is, with the entry as it was where that is known.
pub(super) fn change(operation: Operation, before: Option<Arc<Entry>>) -> Change {
    match operation {
        Operation::PutEntry(entry) => Change::Put { entry, before, moved: false },
        Operation::MoveEntry(entry) => Change::Put { entry, before, moved: true },
        Operation::DeleteEntry(removed) => Change::Removed { removed, before, links: Vec::new() },
        Operation::PutLink(link) => Change::Linked(link),
        Operation::DeleteLink(source, attribute, target) => Change::Unlinked(source, attribute, target),
        Operation::PutMeta(key, _) => Change::Meta(key),
    }
}

//! Following the store while it changes. As long as anybody follows, the writer lays each change set into one ring that
//! all followers read; nobody holds a copy. The ring is bounded, and who falls out of it is told so. Where nobody
//! follows the writer looks at one number.
//!
//! A change set is laid into the ring before readers see what it does, and told when its effects are done. So a follower
//! can know that what it just read belongs to a change it has yet to take.

use super::Revision;
use super::change_set::Operation;
use super::feed::{self, Change, ChangeEvent};
use super::memory::Memory;
use super::shared::Shared;
use crate::base::EntryId;
use crate::model::{Entry, Facts, Link};
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Context;

/// Change sets kept at most.
const MOST_EVENTS: usize = if cfg!(test) { 64 } else { 1 << 16 };
/// Octets of entries that only the ring may keep alive, at most.
const MOST_OCTETS: usize = 32 << 20;

/// Links of an entry that goes, at most; of what has more followers get none.
const MOST_LINKS: usize = 64;

/// The change sets of late, for those who follow.
#[derive(Default)]
pub(super) struct Live {
    ring: Mutex<Ring>,
    /// How many follow. Changed under the lock that the writer publishes under.
    followers: AtomicU64,
    /// The revision of the newest event that may be taken.
    newest: AtomicU64,
    /// The revision of the newest event in the ring.
    laid: AtomicU64,
}

#[derive(Default)]
struct Ring {
    events: VecDeque<(Arc<ChangeEvent>, usize)>,
    octets: usize,
    wakers: Vec<Arc<AtomicWaker>>,
}

impl Live {
    /// Whether anybody follows.
    pub(super) fn is_followed(&self) -> bool {
        self.followers.load(Ordering::Relaxed) > 0
    }

    /// Lays a change set into the ring.
    pub(super) fn lay(&self, event: ChangeEvent) {
        let mut ring = self.ring.lock();
        let (size, sequence) = (size(&event), sequence(event.revision));
        ring.octets += size;
        ring.events.push_back((Arc::new(event), size));
        // The newest always stays: whoever keeps up gets it, however large it is.
        while ring.events.len() > 1 && (ring.events.len() > MOST_EVENTS || ring.octets > MOST_OCTETS) {
            ring.octets -= ring.events.pop_front().map_or(0, |(_, size)| size);
        }
        self.laid.store(sequence, Ordering::Release);
    }

    /// Wakes all who follow for what was laid up to `sequence`.
    pub(super) fn tell(&self, sequence: u64) {
        self.newest.store(sequence, Ordering::Release);
        self.ring.lock().wakers.iter().for_each(|waker| waker.wake());
    }
}

/// Puts together what followers are told of one group, from what is in memory before it.
#[derive(Default)]
pub(super) struct Images(HashMap<EntryId, Option<Arc<Entry>>>);

impl Images {
    /// The step that an operation is, with the entry as it was before it.
    pub(super) fn change(&mut self, memory: &Memory, operation: &Operation) -> Change {
        let (id, after) = match operation {
            Operation::PutEntry(entry) | Operation::MoveEntry(entry) => (entry.id, Some(Arc::clone(entry))),
            Operation::DeleteEntry(removed) => (removed.id, None),
            Operation::PutLink(_) | Operation::DeleteLink(..) | Operation::PutMeta(..) => return feed::change(operation.clone(), None),
        };
        let before = self.0.insert(id, after).unwrap_or_else(|| memory.entry(id));
        let mut change = feed::change(operation.clone(), before);
        if let Change::Removed { removed, links, .. } = &mut change {
            *links = links_of(memory, removed.id);
        }
        change
    }
}

/// The links of an entry, where they are few.
fn links_of(memory: &Memory, source: EntryId) -> Vec<Link> {
    let of = |attribute| {
        let targets = memory.targets(source, attribute, None, MOST_LINKS + 1).into_iter();
        targets.map(move |(target, level)| Link { source, attribute, target, level })
    };
    let links: Vec<Link> = memory.link_attributes(source).into_iter().flat_map(of).take(MOST_LINKS + 1).collect();
    if links.len() > MOST_LINKS { Vec::new() } else { links }
}

fn sequence(revision: Revision) -> u64 {
    u64::try_from(revision.0).unwrap_or(u64::MAX)
}

/// What the event may keep alive.
fn size(event: &ChangeEvent) -> usize {
    let of_change = |change: &Change| match change {
        Change::Put { entry, before, .. } => entry.size() + before.as_ref().map_or(0, |before| before.size()),
        Change::Removed { removed, before, links } => {
            size_of_val(&links[..]) + 4 * removed.referred_by.len() + before.as_ref().map_or(0, |before| before.size())
        }
        Change::Linked(_) | Change::Unlinked(..) | Change::Meta(_) => 0,
    };
    size_of::<ChangeEvent>() + event.changes.iter().map(|change| size_of::<Change>() + of_change(change)).sum::<usize>()
}

/// What comes next for a follower.
#[derive(Clone, Debug)]
pub enum Next {
    /// The next change set.
    Event(Arc<ChangeEvent>),
    /// It fell too far behind: changes it has not seen are gone.
    Lost,
    /// There is none yet.
    Nothing,
}

/// One who follows the store.
pub struct Subscription {
    shared: Arc<Shared>,
    waker: Arc<AtomicWaker>,
    position: u64,
    began_with: u64,
}

impl Subscription {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let waker = Arc::new(AtomicWaker::new());
        // The writer publishes under this lock, so that a change is either counted in the position or told.
        let _publishing = shared.pending.lock();
        let mut ring = shared.live.ring.lock();
        ring.wakers.push(Arc::clone(&waker));
        if shared.live.followers.fetch_add(1, Ordering::Relaxed) == 0 {
            // What the last one left behind is not continued by what comes.
            ring.events.clear();
            ring.octets = 0;
        }
        drop(ring);
        let (_, began_with) = shared.memory.highest();
        Self { shared: Arc::clone(shared), waker, position: shared.memory.applied(), began_with }
    }

    /// The revision up to which everything was seen.
    pub fn position(&self) -> Revision {
        Revision(u128::from(self.position))
    }

    /// Whether there is something to take; where not, the task is woken when there is.
    pub fn poll(&self, context: &Context<'_>) -> bool {
        self.waker.register(context.waker());
        self.has_news()
    }

    /// Whether there is something to take.
    pub fn has_news(&self) -> bool {
        self.shared.live.newest.load(Ordering::Acquire) > self.position
    }

    /// The newest revision of an entry when the subscription began.
    pub const fn began_with(&self) -> u64 {
        self.began_with
    }

    /// Whether a change set after `revision` is there or on its way: what was read before this was asked belongs to
    /// `revision` where not.
    pub fn is_coming(&self, revision: Revision) -> bool {
        self.shared.live.laid.load(Ordering::Acquire) > sequence(revision)
    }

    /// The change sets after `revision`, those included that cannot be taken yet.
    pub fn coming(&self, revision: Revision) -> Vec<Arc<ChangeEvent>> {
        if !self.is_coming(revision) {
            return Vec::new();
        }
        let ring = self.shared.live.ring.lock();
        let first = ring.events.front().map_or(u64::MAX, |(event, _)| sequence(event.revision));
        let from = (sequence(revision) + 1).saturating_sub(first);
        ring.events.iter().skip(usize::try_from(from).unwrap_or(usize::MAX)).map(|(event, _)| Arc::clone(event)).collect()
    }

    /// Takes the next change set.
    pub fn take(&mut self) -> Next {
        if !self.has_news() {
            return Next::Nothing;
        }
        let ring = self.shared.live.ring.lock();
        let Some(first) = ring.events.front().map(|(event, _)| sequence(event.revision)) else { return Next::Nothing };
        // Events that were under way when the subscription began are counted in its position already.
        let Some(ahead) = (self.position + 1).checked_sub(first) else { return Next::Lost };
        match usize::try_from(ahead).ok().and_then(|ahead| ring.events.get(ahead)) {
            Some((event, _)) if sequence(event.revision) <= self.shared.live.newest.load(Ordering::Acquire) => {
                self.position = sequence(event.revision);
                Next::Event(Arc::clone(event))
            }
            Some(_) | None => Next::Nothing,
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let live = &self.shared.live;
        let mut ring = live.ring.lock();
        ring.wakers.retain(|waker| !Arc::ptr_eq(waker, &self.waker));
        if live.followers.fetch_sub(1, Ordering::Relaxed) == 1 {
            ring.events = VecDeque::new();
            ring.octets = 0;
        }
    }
}

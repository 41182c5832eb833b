//! Persistent search (draft-ietf-ldapext-psearch-03): after its results, a search goes on with the changes to entries
//! that match. What a caller may see is asked anew for every entry (HA12).

use super::FollowRequest;
use super::content::Content;
use super::digest::{Digest, Step};
use crate::directory::request::Visible;
use crate::directory::{Caller, Directory, Error, tree};
use crate::model::{Entry, Facts};
use crate::store::Next;
use std::sync::Arc;
use std::task::Context;

/// Change sets and entries looked at in one step.
const STEP: usize = 256;

/// What was done to an entry; the number is its bit among changeTypes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was added.
    Add = 1,
    /// It was deleted.
    Delete = 2,
    /// It was modified.
    Modify = 4,
    /// It was renamed or moved.
    ModDn = 8,
}

/// The kinds of changes a client wants to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeKinds(u8);

impl ChangeKinds {
    /// From the bits of a request; `None` where there are none, or unknown ones.
    pub fn from_bits(bits: i64) -> Option<Self> {
        u8::try_from(bits).ok().filter(|bits| (1..=15).contains(bits)).map(Self)
    }

    const fn contains(self, kind: ChangeKind) -> bool {
        self.0 & kind as u8 != 0
    }
}

/// A change of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryChange {
    /// What was done.
    pub kind: ChangeKind,
    /// The DN before, of an entry that was renamed and that the client could see there.
    pub previous_dn: Option<String>,
}

/// Takes the changes that a persistent search finds.
pub trait ChangeSink {
    /// An entry as it is after the change; as it was before where it was deleted.
    fn changed(&mut self, change: &EntryChange, entry: &Visible<'_>);
    /// Whether the search should pause and let the sink be emptied.
    fn is_full(&self) -> bool;
}

/// The part of a persistent search that goes on. It holds no lock between steps.
pub struct PersistentSearch {
    content: Content,
    kinds: ChangeKinds,
    /// What is left of the change set in hand.
    digest: Digest,
}

impl Directory {
    /// Follows from now on what a search finds. Begin it before the search itself, so that nothing falls between them.
    pub fn persistent_search(
        self: &Arc<Self>,
        caller: &Caller,
        request: &FollowRequest<'_>,
        kinds: ChangeKinds,
    ) -> Result<PersistentSearch, Error> {
        let content = Content::begin(self, caller, request.search, false)?;
        Ok(PersistentSearch { content, kinds, digest: Digest::default() })
    }
}

impl PersistentSearch {
    /// Whether a step has anything to do; where not, the task is woken when it has.
    pub fn poll(&self, context: &Context<'_>) -> bool {
        !self.digest.steps.is_empty() || self.content.subscription.poll(context)
    }

    /// Goes on until the sink is full or nothing is left for now. An error ends the search.
    pub fn step(&mut self, caller: &Caller, sink: &mut dyn ChangeSink) -> Result<(), Error> {
        self.content.refresh(caller);
        for _ in 0..STEP {
            if sink.is_full() {
                return Ok(());
            }
            if let Some(step) = self.digest.steps.pop_front() {
                self.tell(&step, sink);
                continue;
            }
            match self.content.take() {
                Next::Nothing => return Ok(()),
                Next::Lost => return Err(Error::Busy("the client fell too far behind the changes".to_owned())),
                Next::Event(event) => {
                    self.digest = Digest::of(&event, self.content.schema(), self.content.memory());
                    self.digest.add_links_alone(self.content.memory());
                    self.look_at_base()?;
                }
            }
        }
        Ok(())
    }

    /// The search is about a name: where that is no more, so is the search.
    fn look_at_base(&self) -> Result<(), Error> {
        let (base, memory) = (self.content.base, self.content.memory());
        let lost = |step: &Step| match step.after {
            Some(_) => step.moved && tree::is_within(memory, base, step.id),
            None => step.id == base,
        };
        match self.digest.steps.iter().any(lost) {
            true => Err(Error::NoSuchObject { matched: String::new() }),
            false => Ok(()),
        }
    }

    fn tell(&mut self, step: &Step, sink: &mut dyn ChangeSink) {
        let (kind, entry) = match (&step.before, &step.after) {
            (_, Some(after)) if step.moved => (ChangeKind::ModDn, after),
            (None, Some(after)) => (ChangeKind::Add, after),
            (Some(_), Some(after)) => (ChangeKind::Modify, after),
            (Some(before), None) => (ChangeKind::Delete, before),
            (None, None) => return,
        };
        if !self.kinds.contains(kind) || !self.content.holds(entry) {
            return;
        }
        let previous = step.before.as_ref().filter(|before| kind == ChangeKind::ModDn && self.content.holds(before));
        let previous_dn = previous.map(|before| self.name(before));
        self.content.show(entry, |visible| sink.changed(&EntryChange { kind, previous_dn }, visible));
    }

    /// The DN of an entry as it was.
    fn name(&self, entry: &Entry) -> String {
        let mut name = entry.rdn.to_string();
        if let Some(parent) = entry.parent.and_then(|parent| self.content.past.entry(parent)) {
            name.push(',');
            name.push_str(&tree::dn_of(&self.content.past, parent.id));
        }
        name
    }
}

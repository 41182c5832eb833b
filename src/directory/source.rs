//! Where the candidates of a search come from, and where they must stand.

use super::alias::Places;
use super::collective::Reach;
use super::filter::Matcher;
use super::plan;
use super::request::Scope;
use super::root;
use super::sorted::SortedList;
use super::tree;
use crate::base::EntryId;
use crate::model::{Entry, Facts};
use crate::schema::Schema;
use crate::store::{Memory, Watch};
use roaring::RoaringBitmap;
use std::sync::Arc;

/// Children read at a time.
const CHUNK: usize = 256;

/// Where candidates come from, in order of number.
pub(super) enum Source {
    /// The root DSE, the subschema, or entries of the monitor.
    Virtual(Vec<root::VirtualEntry>),
    /// One entry.
    One(Option<EntryId>),
    /// Found by the indexes, or by walking the tree.
    Ids { ids: RoaringBitmap, next: u32 },
    /// The entries right below one, read piece by piece.
    Children { parent: EntryId, after: Option<EntryId>, chunk: std::vec::IntoIter<EntryId> },
    /// What was sorted, from a rank up to another.
    Sorted { list: Arc<SortedList>, next: usize, end: usize },
}

/// Where an entry must stand.
pub(super) enum Place {
    Anywhere,
    In(EntryId, Scope),
    /// In one of several: the subtrees that aliases lead to.
    InOne(Places),
}

/// The candidates of a search, and what is known of them.
pub(super) struct Sought {
    pub(super) source: Source,
    pub(super) place: Place,
    /// Whether all of them stand there.
    pub(super) placed: bool,
    /// Whether the indexes answered for each of them, as long as nothing has changed since.
    pub(super) exact: bool,
    pub(super) since: Watch,
    /// One that is to come again.
    again: Option<EntryId>,
    /// Whether they rest on names of other entries than the base: of what was walked, or of aliases and referrals.
    pub(super) walked: bool,
    /// Whether they were given, so that no others become candidates.
    given: bool,
}

impl Sought {
    /// What is no matter of indexes and places.
    pub(super) const fn plainly(source: Source, since: Watch) -> Self {
        Self { source, place: Place::Anywhere, placed: true, exact: false, since, again: None, walked: false, given: false }
    }

    /// These entries, as far as they are in scope and not hidden.
    pub(super) fn given(among: &[EntryId], (base, scope): (EntryId, Scope), hidden: &RoaringBitmap, since: Watch) -> Self {
        let ids = among.iter().map(|id| id.0).filter(|id| !hidden.contains(*id)).collect();
        let source = Source::Ids { ids, next: 0 };
        Self { place: Place::In(base, scope), placed: false, given: true, ..Self::plainly(source, since) }
    }

    /// Asks the indexes, or walks the tree where they cannot narrow the filter. What the filter rests on was looked up after
    /// `since`.
    pub(super) fn plan(
        (schema, memory): (&Schema, &Memory),
        matcher: &Matcher,
        reach: &Reach<'_>,
        places: Places,
        hidden: &RoaringBitmap,
        since: Watch,
    ) -> Self {
        let only = places.only();
        if let Some((base, Scope::Base)) = only {
            return Self::plainly(Source::One(Some(base)), since);
        }
        let shown = |ids: RoaringBitmap| Source::Ids { ids: if hidden.is_empty() { ids } else { ids - hidden }, next: 0 };
        let special = only.is_none() || !hidden.is_empty();
        let place = |places| only.map_or_else(|| Place::InOne(places), |(base, scope)| Place::In(base, scope));
        match (plan::plan(schema, memory, matcher, reach), only) {
            (Some(plan), _) => Self {
                source: shown(plan.ids),
                place: place(places),
                placed: false,
                exact: plan.exact,
                since,
                again: None,
                walked: special,
                given: false,
            },
            (None, Some((base, Scope::One))) if hidden.is_empty() => {
                Self::plainly(Source::Children { parent: base, after: None, chunk: Vec::new().into_iter() }, since)
            }
            (None, _) => {
                let mut ids = RoaringBitmap::new();
                for (base, scope) in places.outermost(memory) {
                    ids |= walk(memory, base, scope);
                }
                Self {
                    source: shown(ids),
                    place: place(places),
                    placed: true,
                    exact: false,
                    since,
                    again: None,
                    walked: true,
                    given: false,
                }
            }
        }
    }

    /// The next candidate.
    pub(super) fn next(&mut self, memory: &Memory) -> Option<EntryId> {
        if let Some(id) = self.again.take() {
            return Some(id);
        }
        match &mut self.source {
            Source::Virtual(_) => None,
            Source::One(id) => id.take(),
            Source::Ids { ids, next } => {
                let found = ids.range(*next..).next()?;
                *next = found.checked_add(1)?;
                Some(EntryId(found))
            }
            Source::Children { parent, after, chunk } => {
                if chunk.as_slice().is_empty() {
                    *chunk = memory.children(*parent, *after, CHUNK).into_iter();
                }
                let found = chunk.next()?;
                *after = Some(found);
                Some(found)
            }
            Source::Sorted { list, next, end } => {
                let found = list.get(*next).filter(|_| next < end)?;
                *next += 1;
                Some(found)
            }
        }
    }

    /// Goes on after a candidate: a rank where they are sorted, a number where not.
    pub(super) fn continue_after(&mut self, last: u32) {
        match &mut self.source {
            Source::Virtual(_) => {}
            Source::One(id) => *id = None,
            Source::Ids { next, .. } => *next = last.saturating_add(1),
            Source::Children { after, chunk, .. } => {
                *after = Some(EntryId(last));
                *chunk = Vec::new().into_iter();
            }
            Source::Sorted { next, .. } => *next = last as usize,
        }
    }

    /// Takes in entries that have changed since: each may have become a candidate.
    pub(super) fn add(&mut self, changed: Vec<u32>) {
        if let (Source::Ids { ids, .. }, false) = (&mut self.source, self.given) {
            ids.extend(changed);
            (self.placed, self.exact) = (false, false);
        }
    }

    /// Whether the candidate that came last has changed, and so comes again.
    pub(super) fn comes_again(&mut self, memory: &Memory, entry: &Entry) -> bool {
        let same = memory.with_entry(entry.id, |now| now.revision) == Some(entry.revision);
        self.again = (!same).then_some(entry.id);
        !same
    }

    /// Whether a candidate stands where it must.
    pub(super) fn holds(&self, memory: &Memory, entry: &Entry) -> bool {
        self.placed
            || match &self.place {
                Place::Anywhere => true,
                Place::In(base, scope) => in_scope(memory, entry, *base, *scope),
                Place::InOne(places) => places.hold(memory, entry),
            }
    }
}

/// Whether the entry stands in the scope of a search at `base`.
pub(super) fn in_scope(facts: &dyn Facts, entry: &Entry, base: EntryId, scope: Scope) -> bool {
    match scope {
        Scope::Base => entry.id == base,
        Scope::One => entry.parent == Some(base),
        Scope::Subtree => tree::is_within(facts, entry.id, base),
        Scope::Children => entry.id != base && tree::is_within(facts, entry.id, base),
    }
}

/// Everything in the scope of the base, in order of number once it is in the set.
pub(super) fn walk(memory: &Memory, base: EntryId, scope: Scope) -> RoaringBitmap {
    let mut found = RoaringBitmap::new();
    if scope == Scope::Subtree || scope == Scope::Base {
        found.insert(base.0);
    }
    if scope == Scope::Base {
        return found;
    }
    let mut parents = vec![base];
    while let Some(parent) = parents.pop() {
        if memory.child_count(parent) == 0 {
            continue;
        }
        let mut after = None;
        loop {
            let chunk = memory.children(parent, after, 4096);
            found.extend(chunk.iter().map(|id| id.0));
            let last = chunk.last().copied();
            let full = chunk.len() == 4096;
            if scope != Scope::One {
                parents.extend(chunk);
            }
            if !full {
                break;
            }
            after = last;
        }
    }
    found
}

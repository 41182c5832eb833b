//! A change set entry by entry: all its steps on one entry together, and the entries that show something else because
//! of it.

use crate::base::EntryId;
use crate::model::{AttributeId, Entry, Facts, Kind};
use crate::schema::Schema;
use crate::store::{Change, ChangeEvent, Memory};
use roaring::RoaringBitmap;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// What became of one entry.
pub(super) struct Step {
    pub(super) id: EntryId,
    /// As it was; `None` where it is new.
    pub(super) before: Option<Arc<Entry>>,
    /// As it is; `None` where it is gone.
    pub(super) after: Option<Arc<Entry>>,
    /// Whether it got another name.
    pub(super) moved: bool,
}

/// A change set, put in order.
#[derive(Default)]
pub(super) struct Digest {
    /// The entries that were changed, in the order in which they were first.
    pub(super) steps: VecDeque<Step>,
    /// Entries that were not, but show other names: below one that moved, or with a link to one that moved or is gone.
    pub(super) touched: RoaringBitmap,
    /// Entries that others began or ceased to refer to.
    pub(super) targets: RoaringBitmap,
    /// Of those, the ones whose own links were set or removed.
    relinked: RoaringBitmap,
    /// By these memberships may have changed of entries that are not among the changed ones.
    upsetting: Vec<EntryId>,
    /// Whether an entry that was there became an organisation or ceased to be one: what is below it came to belong elsewhere.
    adopts: bool,
    /// Those that are gone, as they were.
    gone: HashMap<EntryId, Arc<Entry>>,
}

impl Digest {
    pub(super) fn of(event: &ChangeEvent, schema: &Schema, memory: &Memory) -> Self {
        let mut digest = Self::default();
        let mut places = HashMap::new();
        for change in &event.changes {
            match change {
                Change::Put { entry, before, moved } => {
                    let is_dynamic = |entry: &Arc<Entry>| schema.attribute("memberURL").is_some_and(|attribute| entry.has(attribute));
                    let is_organisation = |entry: &Arc<Entry>| entry.kind == Kind::Organisation;
                    digest.adopts |= before.as_ref().is_some_and(|before| is_organisation(before) != is_organisation(entry));
                    let dynamic = is_dynamic(entry) || before.as_ref().is_some_and(is_dynamic);
                    digest.upset(entry.id, dynamic || matches!(entry.kind, Kind::Organisation | Kind::Role));
                    if *moved {
                        touch_below(memory, entry.id, &mut digest.touched);
                    }
                    digest.step(&mut places, entry.id, before.as_ref(), Some(entry), *moved);
                }
                Change::Removed { removed, before, .. } => {
                    digest.upset(removed.id, before.as_ref().is_none_or(|before| upsets_when_gone(schema, before)));
                    digest.gone.extend(before.as_ref().map(|before| (removed.id, Arc::clone(before))));
                    digest.touched.extend(removed.referred_by.iter().map(|id| id.0));
                    digest.step(&mut places, removed.id, before.as_ref(), None, false);
                }
                Change::Linked(link) => digest.link(schema, memory, link.source, link.attribute, link.target),
                Change::Unlinked(source, attribute, target) => digest.link(schema, memory, *source, *attribute, *target),
                Change::Meta(_) => {}
            }
        }
        for step in &digest.steps {
            digest.touched.remove(step.id.0);
            digest.targets.remove(step.id.0);
        }
        digest.targets -= &digest.touched;
        digest
    }

    /// Counts entries of which nothing but links changed among the changed ones.
    pub(super) fn add_links_alone(&mut self, memory: &Memory) {
        for id in &self.relinked & &self.touched {
            let entry = memory.entry(EntryId(id));
            self.steps.push_back(Step { id: EntryId(id), before: entry.clone(), after: entry, moved: false });
        }
    }

    /// How many entries have to be looked at.
    pub(super) fn len(&self) -> u64 {
        self.steps.len() as u64 + self.touched.len() + self.targets.len()
    }

    fn step(
        &mut self,
        places: &mut HashMap<EntryId, usize>,
        id: EntryId,
        before: Option<&Arc<Entry>>,
        after: Option<&Arc<Entry>>,
        moved: bool,
    ) {
        let place = *places.entry(id).or_insert(self.steps.len());
        match self.steps.get_mut(place) {
            Some(step) => {
                step.after = after.cloned();
                step.moved |= moved;
            }
            None => self.steps.push_back(Step { id, before: before.cloned(), after: after.cloned(), moved }),
        }
    }

    fn link(&mut self, schema: &Schema, memory: &Memory, source: EntryId, attribute: AttributeId, target: EntryId) {
        let member = schema.known().member;
        self.touched.insert(source.0);
        self.relinked.insert(source.0);
        self.targets.insert(target.0);
        // A group in a group: the members of one become members of the other.
        let nests = attribute == member && memory.target_count(target, member) > 0;
        self.upset(source, nests || schema.attribute("hcParentGroup") == Some(attribute));
    }

    fn upset(&mut self, id: EntryId, upsets: bool) {
        self.upsetting.extend(upsets.then_some(id));
    }

    /// Whether what some entry belongs to has changed without a change of that entry (O1).
    pub(super) const fn adopts(&self) -> bool {
        self.adopts
    }

    /// Whether memberships may have changed of entries that are not among these, as far as they concern who belongs to the
    /// organisation: those of another organisation do not (O1).
    pub(super) fn upsets(&self, memory: &Memory, organisation: Option<EntryId>) -> bool {
        let Some(own) = organisation else { return self.adopts || !self.upsetting.is_empty() };
        self.adopts || self.upsetting.iter().any(|id| self.concerns(memory, *id, own))
    }

    fn concerns(&self, memory: &Memory, id: EntryId, own: EntryId) -> bool {
        let mut at = Some(id);
        while let Some(id) = at {
            // What went by a later change set, nobody knows whose it was.
            let Some(entry) = memory.entry(id).or_else(|| self.gone.get(&id).cloned()) else { return true };
            if entry.kind == Kind::Organisation {
                return id == own;
            }
            at = entry.parent;
        }
        true
    }
}

/// Whether memberships of others may end with the entry.
fn upsets_when_gone(schema: &Schema, before: &Entry) -> bool {
    let member = schema.known().member;
    let mut views = schema.link_types().filter(|definition| definition.link.is_some_and(|view| view.edge == member));
    matches!(before.kind, Kind::Organisation | Kind::Role) || views.any(|definition| schema.shows_link(before, definition.id))
}

/// Everything below an entry that moved, and all that refer to any of it.
pub(super) fn touch_below(memory: &Memory, top: EntryId, touched: &mut RoaringBitmap) {
    let mut next = vec![top];
    while let Some(id) = next.pop() {
        touched.insert(id.0);
        touched.extend(memory.referring_to(id).iter().map(|id| id.0));
        if memory.child_count(id) > 0 {
            next.extend(memory.children(id, None, usize::MAX));
        }
    }
}

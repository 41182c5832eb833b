//! Searching (RFC 4511 §4.5): plan, then look at entries in steps, so that back-pressure, abandon, limits and
//! fairness come from one loop. Nothing is locked between steps.

use super::filter::{Context, Matcher, Truth};
use super::plan;
use super::request::{EntrySink, Page, Progress, Scope, SearchRequest, Visible};
use super::root;
use super::tree::{self, Resolved};
use super::view::{Renderer, Selection};
use super::{Caller, Directory, Error};
use crate::access::{AttributeSet, Grants};
use crate::base::EntryId;
use crate::model::{Entry, Facts};
use crate::schema::Schema;
use crate::store::Memory;
use roaring::RoaringBitmap;
use std::sync::Arc;
use std::time::Duration;

/// Entries looked at in one step.
const STEP: usize = 256;

/// A search under way. It holds no lock between steps.
pub struct Search {
    directory: Arc<Directory>,
    grants: Arc<Grants>,
    matcher: Matcher,
    selection: Arc<Selection>,
    source: Source,
    /// Where an entry must stand, when the source does not say so.
    place: Place,
    exact: bool,
    renderer: Renderer,
    page: Option<Page>,
    sent: usize,
    looked_at: usize,
    size_limit: usize,
    look_through: usize,
    deadline: Duration,
    estimate: usize,
}

/// Where candidates come from, in order of number.
enum Source {
    /// The root DSE or the subschema.
    Virtual(root::VirtualEntry),
    /// One entry.
    One(Option<EntryId>),
    /// Found by the indexes, or by walking the tree.
    Ids { ids: RoaringBitmap, next: u32 },
    /// The entries right below one, read piece by piece.
    Children { parent: EntryId, after: Option<EntryId>, chunk: std::vec::IntoIter<EntryId> },
}

#[derive(Clone, Copy)]
enum Place {
    Anywhere,
    Child(EntryId),
    Within(EntryId),
    Below(EntryId),
}

impl Directory {
    /// Begins a search.
    pub fn search(self: &Arc<Self>, caller: &Caller, request: &SearchRequest<'_>) -> Result<Search, Error> {
        let current = self.current();
        let memory = self.memory();
        let context = Context { schema: self.schema(), suffixes: &current.suffixes, facts: memory };
        let grants = self.grants(caller);
        let matcher = Matcher::prepare(&context, &request.filter);
        let selection = self.core().selection(&request.attributes, request.types_only);
        let base = self.find_base(caller, &grants, request)?;
        let (source, place, exact) = match base {
            Base::Virtual(entry) => (Source::Virtual(entry), Place::Anywhere, false),
            Base::Nothing => (Source::One(None), Place::Anywhere, false),
            Base::Entry(id) => plan_source(self.schema(), memory, &matcher, request.scope, id),
        };
        let limits = &current.settings.limits;
        let bounded = |client: u32, server: usize| match (client as usize, caller.identity.is_operator()) {
            (0, true) => usize::MAX,
            (0, false) => server,
            (client, true) => client,
            (client, false) => client.min(server),
        };
        let seconds = bounded(request.time_limit, usize::try_from(limits.time.as_secs()).unwrap_or(usize::MAX));
        let deadline = self.clock().monotonic().saturating_add(Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX)));
        let estimate = match &source {
            Source::Ids { ids, .. } => usize::try_from(ids.len()).unwrap_or(usize::MAX),
            _ => 0,
        };
        let mut search = Search {
            directory: Arc::clone(self),
            grants,
            matcher,
            selection,
            source,
            place,
            exact,
            renderer: Renderer::with_cache(Arc::clone(&self.core().links)),
            page: request.page.clone(),
            sent: 0,
            looked_at: 0,
            size_limit: bounded(request.size_limit, limits.size),
            look_through: if caller.identity.is_operator() { usize::MAX } else { limits.look_through },
            deadline,
            estimate,
        };
        if let Some(after) = request.page.as_ref().and_then(|page| page.after) {
            search.continue_after(after);
        }
        Ok(search)
    }

    /// Finds the base, or says that there is none as far as the caller may know.
    fn find_base(&self, caller: &Caller, grants: &Grants, request: &SearchRequest<'_>) -> Result<Base, Error> {
        let current = self.current();
        if request.base.is_empty() {
            return Ok(match request.scope {
                Scope::Base => Base::Virtual(root::root_dse(self, caller, &request.mechanisms)),
                // Below the root DSE there is no entry of its own: the naming contexts are (RFC 4512 §5.1).
                Scope::One | Scope::Subtree | Scope::Children => match self.only_suffix() {
                    Some(id) if request.scope != Scope::One => Base::Entry(id),
                    _ => Base::Nothing,
                },
            });
        }
        let dn = tree::parse_dn(request.base)?;
        if root::is_subschema(self.schema(), &dn) {
            return Ok(match request.scope {
                Scope::Base | Scope::Subtree => Base::Virtual(root::subschema(self)),
                Scope::One | Scope::Children => Base::Nothing,
            });
        }
        let memory = self.memory();
        let resolved = tree::resolve(self.schema(), &current.suffixes, memory, &dn);
        if let Resolved::Found(id) = resolved
            && memory.entry(id).is_some_and(|entry| self.discloses(grants, &entry))
        {
            return Ok(Base::Entry(id));
        }
        Err(self.no_such_object(grants, &resolved))
    }

    /// Whether the caller may know that the entry exists: it may see it, or something of it.
    pub(crate) fn discloses(&self, grants: &Grants, entry: &Entry) -> bool {
        grants.on(self.memory(), entry).disclosed
    }

    /// The answer for what is not there or not visible (HC2).
    pub(crate) fn no_such_object(&self, grants: &Grants, resolved: &Resolved) -> Error {
        tree::no_such_object(self.memory(), resolved, |entry| self.discloses(grants, entry))
    }
}

enum Base {
    Entry(EntryId),
    Nothing,
    Virtual(root::VirtualEntry),
}

fn plan_source(schema: &Schema, memory: &Memory, matcher: &Matcher, scope: Scope, base: EntryId) -> (Source, Place, bool) {
    if scope == Scope::Base {
        return (Source::One(Some(base)), Place::Anywhere, false);
    }
    let place = match scope {
        Scope::Base | Scope::One => Place::Child(base),
        Scope::Subtree => Place::Within(base),
        Scope::Children => Place::Below(base),
    };
    match plan::plan(schema, memory, matcher) {
        Some(plan) => (Source::Ids { ids: plan.ids, next: 0 }, place, plan.exact),
        None if scope == Scope::One => {
            (Source::Children { parent: base, after: None, chunk: Vec::new().into_iter() }, Place::Anywhere, false)
        }
        None => (Source::Ids { ids: walk(memory, base, scope), next: 0 }, Place::Anywhere, false),
    }
}

/// Everything below the base, in order of number once it is in the set.
fn walk(memory: &Memory, base: EntryId, scope: Scope) -> RoaringBitmap {
    let mut found = RoaringBitmap::new();
    if scope == Scope::Subtree {
        found.insert(base.0);
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
            parents.extend(chunk);
            if !full {
                break;
            }
            after = last;
        }
    }
    found
}

impl Search {
    /// Goes on until the sink is full, the page is full, or all is found. Errors are those that end a search after
    /// some entries were sent: size, time and look-through limits.
    pub fn step(&mut self, sink: &mut dyn EntrySink) -> Result<Progress, Error> {
        let directory = Arc::clone(&self.directory);
        let memory = directory.memory();
        let grants = Arc::clone(&self.grants);
        for looked_at in 0..STEP {
            if looked_at % 64 == 63 && directory.clock().monotonic() > self.deadline {
                return Err(Error::TimeLimit);
            }
            if sink.is_full() {
                return Ok(Progress::More);
            }
            if let Source::Virtual(_) = self.source {
                return self.send_virtual(sink);
            }
            let Some(id) = self.next_candidate(memory) else { return Ok(Progress::Done) };
            self.looked_at += 1;
            if self.looked_at > self.look_through && !self.exact {
                return Err(Error::AdminLimit("the search would look at more entries than the look-through limit allows".to_owned()));
            }
            let Some(entry) = memory.entry(id) else { continue };
            if !self.is_in_place(memory, &entry) {
                continue;
            }
            let access = grants.on(memory, &entry);
            if !access.disclosed || !self.is_wanted(directory.schema(), memory, &entry, access.search) {
                continue;
            }
            if self.sent >= self.size_limit {
                return Err(Error::SizeLimit);
            }
            self.renderer.bonds = memory.bonds();
            let take = |visible: &Visible<'_>| sink.entry(visible);
            self.renderer.render(directory.schema(), memory, &entry, &self.selection, access.read, take);
            self.sent += 1;
            if self.page.as_ref().is_some_and(|page| self.sent >= page.size) {
                return Ok(self.end_of_page(memory, id));
            }
        }
        if directory.clock().monotonic() > self.deadline {
            return Err(Error::TimeLimit);
        }
        Ok(Progress::More)
    }

    /// The page is full; it is the last one where no candidate is left.
    fn end_of_page(&mut self, memory: &Memory, last: EntryId) -> Progress {
        match self.next_candidate(memory) {
            Some(_) => Progress::Paged { after: last, estimate: self.estimate },
            None => Progress::Done,
        }
    }

    fn continue_after(&mut self, last: EntryId) {
        match &mut self.source {
            Source::Virtual(_) => {}
            Source::One(id) => *id = None,
            Source::Ids { next, .. } => *next = last.0.saturating_add(1),
            Source::Children { after, chunk, .. } => {
                *after = Some(last);
                *chunk = Vec::new().into_iter();
            }
        }
    }

    fn next_candidate(&mut self, memory: &Memory) -> Option<EntryId> {
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
                    *chunk = memory.children(*parent, *after, STEP).into_iter();
                }
                let found = chunk.next()?;
                *after = Some(found);
                Some(found)
            }
        }
    }

    fn is_in_place(&self, memory: &Memory, entry: &Entry) -> bool {
        match self.place {
            Place::Anywhere => true,
            Place::Child(base) => entry.parent == Some(base),
            Place::Within(base) => tree::is_within(memory, entry.id, base),
            Place::Below(base) => entry.id != base && tree::is_within(memory, entry.id, base),
        }
    }

    /// Where the indexes were exact, only the right to assert is left to ask.
    fn is_wanted(&self, schema: &Schema, memory: &Memory, entry: &Entry, searchable: &AttributeSet) -> bool {
        (self.exact && self.matcher.is_about(searchable)) || self.matcher.matches(schema, memory, entry, searchable) == Truth::True
    }

    fn send_virtual(&mut self, sink: &mut dyn EntrySink) -> Result<Progress, Error> {
        if let Source::Virtual(entry) = std::mem::replace(&mut self.source, Source::One(None)) {
            entry.send(self.directory.schema(), self.directory.memory(), &self.matcher, &self.selection, sink);
        }
        Ok(Progress::Done)
    }
}

//! Searching (RFC 4511 §4.5): plan, then look at entries in steps, so that back-pressure, abandon, limits and
//! fairness come from one loop. Nothing is locked between steps.

use super::alias::Places;
use super::collective::Reach;
use super::dress::Dress;
use super::dynamic::{DynamicGroups, Reading, most_shown};
use super::filter::{Matcher, Truth};
use super::list_view::{self, Target, View};
use super::monitor;
use super::plan;
use super::request::{EntrySink, Page, Position, Progress, Scope, SearchRequest, SortReport, ViewProblem, ViewReport, Visible};
use super::sharing::Sharing;
use super::sorted::{Gathering, Order, SortedList, Stamp};
use super::tree::{self, Resolved};
use super::view::{Renderer, Selection};
use super::{Caller, Directory, Error};
use super::{referral, root};
use crate::access::{AttributeSet, EntryAccess, Grants};
use crate::base::EntryId;
use crate::model::{Entry, Facts};
use crate::schema::Schema;
use crate::store::{Memory, Watch};
use roaring::RoaringBitmap;
use std::sync::Arc;
use std::time::Duration;

/// Entries looked at after a full page, to find out whether it is the last.
const LOOK_AHEAD: usize = 4_096;
/// Entries looked at in one step.
const STEP: usize = 256;
/// What dynamic groups may ask in one step before it ends.
const STEP_QUESTIONS: usize = 2_000;

/// A search under way. It holds no lock between steps.
pub struct Search {
    directory: Arc<Directory>,
    grants: Arc<Grants>,
    /// The version of the schema that the filter is by: what entries say is compared with it by the same.
    version: usize,
    matcher: Matcher,
    selection: Arc<Selection>,
    source: Source,
    /// Where an entry must stand, when the source does not say so.
    place: Place,
    /// Whether the indexes answered for every candidate, as long as nothing has changed since.
    exact: bool,
    since: Watch,
    /// Continuation references still to be told, the next one last.
    references: Vec<Vec<String>>,
    /// Whether there are dynamic groups.
    any_dynamic: bool,
    /// Those that the filter asks about each entry.
    asking: Option<Box<DynamicGroups>>,
    renderer: Renderer,
    page: Option<Page>,
    /// What is asked for beyond finding entries.
    wishes: Wishes,
    sent: usize,
    looked_at: usize,
    size_limit: usize,
    /// The client's own size limit, which is for all pages together.
    size_limit_of_all: usize,
    look_through: usize,
    /// Whether the indexes answer all of the filter, so that no more is looked at than is found.
    indexed: bool,
    deadline: Duration,
    estimate: usize,
}

/// Where candidates come from, in order of number.
enum Source {
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

/// What a search is to do with what it finds, besides sending it.
#[derive(Default)]
struct Wishes {
    order: Option<Arc<Order>>,
    sort_critical: bool,
    /// Entries found until now, while they are gathered to be sorted.
    gathering: Option<Gathering>,
    /// A part of the list; taken when the list is there.
    view: Option<View>,
    sort_report: Option<SortReport>,
    view_report: Option<ViewReport>,
    /// What is shown beyond the attributes.
    dress: Option<Box<Dress>>,
    subentries: Subentries,
}

/// Which entries are not shown for being subentries, or for being none (RFC 3672 §3).
#[derive(Default)]
enum Subentries {
    #[default]
    All,
    None(RoaringBitmap),
    Only(RoaringBitmap),
}

/// What became of one candidate.
enum Look<'g> {
    /// The entry with what it shares, and the rights on it.
    Found(Arc<Entry>, EntryAccess<'g>),
    None,
    Passed,
}

enum Place {
    Anywhere,
    In(EntryId, Scope),
    /// In one of several: the subtrees that aliases lead to.
    InOne(Places),
}

impl Directory {
    /// Begins a search.
    pub fn search(self: &Arc<Self>, caller: &Caller, request: &SearchRequest<'_>) -> Result<Search, Error> {
        let _isolation = self.memory().isolated();
        self.begin_search(caller, request)
    }

    /// Begins a search and lets it go its first step, both in one state of the directory: what a search finds in so much is
    /// never a part of a change of many entries (RFC 5805 §1).
    pub fn search_first(
        self: &Arc<Self>,
        caller: &Caller,
        request: &SearchRequest<'_>,
        sink: &mut dyn EntrySink,
    ) -> Result<(Search, Result<Progress, Error>), Error> {
        let _isolation = self.memory().isolated();
        let mut search = self.begin_search(caller, request)?;
        let progress = search.go_on(sink);
        Ok((search, progress))
    }

    fn begin_search(self: &Arc<Self>, caller: &Caller, request: &SearchRequest<'_>) -> Result<Search, Error> {
        let current = self.current();
        let memory = self.memory();
        let grants = self.grants(caller);
        let reading = Reading { context: current.context(self.schema(), memory), memory: Some(memory), grants: &grants };
        let mut matcher = Matcher::prepare(&reading.context, &request.filter);
        let selection = self.core().selection(&request.attributes, request.types_only);
        let base = self.find_base(caller, &grants, request)?;
        if matches!(base, Base::Entry(_)) {
            matcher.confine(&grants, memory);
        }
        let one = match &base {
            Base::Entry(id) if request.scope == Scope::Base => memory.entry(*id),
            Base::Entry(_) | Base::Nothing | Base::Virtual(_) | Base::Monitor(_) => None,
        };
        let asks_each = matcher.follow(&reading, one.as_deref())?;
        let asking = if asks_each { DynamicGroups::prepare(&reading, most_shown(&grants)).map(Box::new) } else { None };
        let areas = self.areas();
        let mut references = Vec::new();
        let mut since = memory.watch();
        let (source, place, exact) = match base {
            Base::Virtual(entry) => (Source::Virtual(vec![entry]), Place::Anywhere, false),
            Base::Monitor(entries) => (Source::Virtual(entries), Place::Anywhere, false),
            Base::Nothing => (Source::One(None), Place::Anywhere, false),
            Base::Entry(id) => {
                let special = self.special(&grants, request, id)?;
                references = special.references;
                let base = special.places.only().map(|(base, _)| base);
                let reach = Reach { areas: areas.as_deref(), organisation: grants.subject().organisation, base };
                plan_source((self.schema(), memory), &matcher, &reach, special.places, &special.hidden, &mut since)
            }
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
        // What the indexes count is of all organisations, so only the operator is told (O1, HC5).
        let estimate = match &source {
            Source::Ids { ids, .. } if caller.identity.is_operator() => usize::try_from(ids.len()).unwrap_or(usize::MAX),
            _ => 0,
        };
        let mut search = Search {
            directory: Arc::clone(self),
            grants,
            version: self.schema().version(),
            matcher,
            selection,
            source,
            place,
            exact,
            since,
            references,
            any_dynamic: self.specials().dynamic_groups(),
            asking,
            renderer: Renderer::with_cache(Arc::clone(&current.catalog), Arc::clone(&self.core().links)),
            page: request.page.clone(),
            wishes: Wishes::default(),
            sent: 0,
            looked_at: 0,
            size_limit: bounded(request.size_limit, limits.size),
            size_limit_of_all: if request.size_limit == 0 { usize::MAX } else { request.size_limit as usize },
            look_through: if caller.identity.is_operator() { usize::MAX } else { limits.look_through },
            indexed: false,
            deadline,
            estimate,
        };
        if let Some(page) = &mut search.page {
            // A page larger than a search may return is a page as large as it may.
            page.size = page.size.min(bounded(0, limits.size));
        }
        search.indexed = search.look_through == usize::MAX || search.matcher.is_indexed(self.schema(), memory);
        search.wishes.dress = Dress::of(self, caller, request, search.look_through)?;
        search.wishes.subentries = self.subentries(request);
        search.arrange(request);
        if let Some(after) = request.page.as_ref().and_then(|page| page.after.as_ref()) {
            search.continue_after(after);
        }
        Ok(search)
    }

    /// Subentries are hidden from searches of more than one entry unless the control asks for them; one that is asked for by
    /// name is shown unless the control says otherwise.
    fn subentries(&self, request: &SearchRequest<'_>) -> Subentries {
        if request.subentries.is_none() && request.scope == Scope::Base {
            return Subentries::All;
        }
        let object_class = self.schema().known().object_class;
        let mut key = Vec::new();
        let normal = self.schema().normalize(object_class, b"subentry", &mut key).is_ok();
        let found = self.memory().equal_bitmap(object_class, &key).filter(|_| normal).map(|found| found.ids).unwrap_or_default();
        match request.subentries {
            Some(true) => Subentries::Only(found),
            Some(false) | None if found.is_empty() => Subentries::All,
            Some(false) | None => Subentries::None(found),
        }
    }

    /// What a list made now is good for.
    fn stamp(&self) -> Stamp {
        (self.memory().revision(), self.core().authority())
    }

    /// Finds the base, or says that there is none as far as the caller may know.
    pub(super) fn find_base(&self, caller: &Caller, grants: &Grants, request: &SearchRequest<'_>) -> Result<Base, Error> {
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
                Scope::Base | Scope::Subtree => Base::Virtual(root::subschema(self.schema(), self.core().started.wall)),
                Scope::One | Scope::Children => Base::Nothing,
            });
        }
        if let Some(place) = monitor::place_of(self.schema(), &dn).filter(|_| grants.may_monitor()) {
            return self.monitor(&place, request.scope);
        }
        self.locate(grants, dn, request).map(Base::Entry)
    }

    /// What aliases and referrals make of a scope; where there are none it stays as it is.
    fn special(&self, grants: &Grants, request: &SearchRequest<'_>, base: EntryId) -> Result<Special, Error> {
        let mut special = Special { places: Places::of(base, request.scope), hidden: RoaringBitmap::new(), references: Vec::new() };
        if request.scope == Scope::Base {
            return Ok(special);
        }
        let (schema, memory) = (self.schema(), self.memory());
        let specials = self.specials();
        if request.dereference.for_scope() && specials.aliases() {
            let followed = self.follow_aliases(grants, base, request.scope)?;
            (special.places, special.hidden) = (followed.places, followed.hidden);
        }
        if !request.manage_dsa_it && specials.referrals() {
            let found = referral::continuations(schema, memory, grants, &special.places);
            special.hidden |= found.hidden;
            // The pages after the first do not tell of them again.
            if request.page.as_ref().is_none_or(|page| page.after.is_none()) {
                special.references = found.urls;
            }
        }
        Ok(special)
    }

    /// The entries of the monitor that are in scope.
    fn monitor(&self, base: &monitor::Place, scope: Scope) -> Result<Base, Error> {
        let entries = monitor::entries(self).into_iter().map(|(dn, entry)| (monitor::place_of(self.schema(), &dn), entry));
        let mut found = Vec::new();
        let mut exists = false;
        for (place, entry) in entries.filter_map(|(place, entry)| Some((place?, entry))) {
            let is_base = place == *base;
            exists |= is_base;
            let below = place.depth > base.depth && place.is_below(base);
            let wanted = match scope {
                Scope::Base => is_base,
                Scope::One => below && place.depth == base.depth + 1,
                Scope::Subtree => is_base || below,
                Scope::Children => below,
            };
            if wanted {
                found.push(entry);
            }
        }
        match exists {
            true => Ok(Base::Monitor(found)),
            false => Err(Error::NoSuchObject { matched: monitor::MONITOR.to_owned() }),
        }
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

pub(super) enum Base {
    Entry(EntryId),
    Nothing,
    Virtual(root::VirtualEntry),
    Monitor(Vec<root::VirtualEntry>),
}

/// Where a search looks, what it leaves out, and what it tells of instead.
struct Special {
    places: Places,
    hidden: RoaringBitmap,
    references: Vec<Vec<String>>,
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

/// Where candidates come from; `since` learns the moment that they are of.
fn plan_source(
    (schema, memory): (&Schema, &Memory),
    matcher: &Matcher,
    reach: &Reach<'_>,
    places: Places,
    hidden: &RoaringBitmap,
    since: &mut Watch,
) -> (Source, Place, bool) {
    let only = places.only();
    if let Some((base, Scope::Base)) = only {
        return (Source::One(Some(base)), Place::Anywhere, false);
    }
    let shown = |ids: RoaringBitmap| Source::Ids { ids: if hidden.is_empty() { ids } else { ids - hidden }, next: 0 };
    let plan = plan::plan(schema, memory, matcher, reach);
    *since = plan.as_ref().map_or(*since, |plan| plan.since);
    match (plan, only) {
        (Some(plan), Some((base, scope))) => (shown(plan.ids), Place::In(base, scope), plan.exact),
        (Some(plan), None) => (shown(plan.ids), Place::InOne(places), plan.exact),
        (None, Some((base, Scope::One))) if hidden.is_empty() => {
            (Source::Children { parent: base, after: None, chunk: Vec::new().into_iter() }, Place::Anywhere, false)
        }
        (None, _) => {
            let mut ids = RoaringBitmap::new();
            for (base, scope) in places.outermost(memory) {
                ids |= walk(memory, base, scope);
            }
            (shown(ids), Place::Anywhere, false)
        }
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

impl Search {
    /// Makes ready for sorting, and for a view of what is sorted.
    fn arrange(&mut self, request: &SearchRequest<'_>) {
        if request.sort.is_empty() || matches!(self.source, Source::Virtual(_)) {
            return;
        }
        let directory = Arc::clone(&self.directory);
        let order = Arc::new(Order::new(directory.schema(), &directory.current().catalog, &request.sort));
        self.wishes.order = Some(Arc::clone(&order));
        self.wishes.sort_critical = request.sort_critical;
        self.wishes.gathering = Some(Gathering::new(order, &directory.core().sorting));
        if let Some(view) = &request.view {
            self.wishes.view = Some(View::of(view));
            if let Some(list) = view.list.as_ref().filter(|list| list.stamp == directory.stamp()) {
                self.wishes.gathering = None;
                self.show(Arc::clone(list));
            }
        }
    }

    /// Goes on until the sink is full, the page is full, or all is found. Errors are those that end a search after
    /// some entries were sent: size, time and look-through limits.
    pub fn step(&mut self, sink: &mut dyn EntrySink) -> Result<Progress, Error> {
        let directory = Arc::clone(&self.directory);
        let _isolation = directory.memory().isolated();
        self.go_on(sink)
    }

    fn go_on(&mut self, sink: &mut dyn EntrySink) -> Result<Progress, Error> {
        let directory = Arc::clone(&self.directory);
        let memory = directory.memory();
        let grants = Arc::clone(&self.grants);
        if let Some(gathering) = self.wishes.gathering.take() {
            self.gather(memory, &grants, gathering)?;
            if self.wishes.gathering.is_some() {
                return Ok(Progress::More);
            }
        }
        self.refuse_if_not_as_asked()?;
        let asked = self.questions();
        let mut sharing = self.sharing(&grants);
        for looked_at in 0..STEP {
            // Dynamic groups may be much work for one entry, and others wait for the end of the step (HA5).
            if self.questions().saturating_sub(asked) > STEP_QUESTIONS || is_enough(sharing.as_ref()) {
                break;
            }
            if looked_at % 64 == 63 && directory.clock().monotonic() > self.deadline {
                return Err(Error::TimeLimit);
            }
            if sink.is_full() {
                return Ok(Progress::More);
            }
            if let Source::Virtual(_) = self.source {
                return self.send_virtual(sink);
            }
            if let Some(urls) = self.references.pop() {
                sink.reference(&urls);
                continue;
            }
            let (entry, access) = match self.look(memory, &grants, &mut sharing)? {
                Look::Found(entry, access) => (entry, access),
                Look::None => return Ok(Progress::Done),
                Look::Passed => continue,
            };
            let before = self.page.as_ref().and_then(|page| page.after.as_ref()).map_or(0, |after| after.sent);
            if self.sent >= self.size_limit || before + self.sent >= self.size_limit_of_all {
                return Err(Error::SizeLimit);
            }
            self.renderer.bonds = memory.bonds();
            if self.any_dynamic {
                let current = directory.current();
                let reading = Reading { context: current.context(directory.schema(), memory), memory: Some(memory), grants: &grants };
                self.renderer.find_members(&reading, &self.selection, &entry)?;
            }
            let dress = &mut self.wishes.dress;
            let take = |visible: &Visible<'_>| match dress {
                Some(dress) => dress.send(&directory, &grants, (&entry, &access), visible, sink),
                None => {
                    sink.entry(visible);
                    Ok(())
                }
            };
            self.renderer.render(directory.schema(), memory, &entry, &self.selection, access.read, take)?;
            self.sent += 1;
            if self.page.as_ref().is_some_and(|page| self.sent >= page.size) {
                return Ok(self.end_of_page(memory, entry.id, before + self.sent));
            }
        }
        if directory.clock().monotonic() > self.deadline {
            return Err(Error::TimeLimit);
        }
        Ok(Progress::More)
    }

    /// How the sort went; `None` where none was asked for, or nothing was found that could be sorted (RFC 2891 §2).
    pub const fn sort_report(&self) -> Option<&SortReport> {
        self.wishes.sort_report.as_ref()
    }

    /// What a view shows; `None` where none was asked for.
    pub const fn view_report(&self) -> Option<&ViewReport> {
        self.wishes.view_report.as_ref()
    }

    /// Looks at the next candidate.
    fn look<'g>(&mut self, memory: &Memory, grants: &'g Grants, sharing: &mut Option<Sharing<'_>>) -> Result<Look<'g>, Error> {
        let Some(id) = self.next_candidate(memory) else { return Ok(Look::None) };
        let Some(entry) = memory.entry(id) else { return Ok(Look::Passed) };
        let access = self.is_in_place(memory, &entry).then(|| grants.on(memory, &entry)).filter(|access| access.disclosed);
        let Some(access) = access.filter(|_| self.wishes.subentries.shows(id)) else { return Ok(Look::Passed) };
        let schema = self.directory.schema().at(self.version);
        if let Some(groups) = &mut self.asking {
            let current = self.directory.current();
            let reading = Reading { context: current.context(schema, memory), memory: Some(memory), grants: &self.grants };
            self.matcher.ask(&reading, groups, &entry)?;
        }
        let is_matched = sharing.as_ref().is_some_and(|sharing| sharing.is_matched);
        let put_on = |sharing: &mut Option<Sharing<'_>>, entry: Arc<Entry>| match sharing {
            Some(sharing) => sharing.put_on(schema, memory, entry),
            None => entry,
        };
        let entry = if is_matched { put_on(sharing, entry) } else { entry };
        let wanted = self.is_wanted(schema, memory, &entry, access.search);
        // What is hidden is not counted: how much of it there is would show (O1, HC1).
        let is_candidate = || self.matcher.is_candidate((schema, memory), memory, &entry, access.search);
        self.looked_at += usize::from(wanted || (!self.indexed && is_candidate()));
        if !self.indexed && self.looked_at > self.look_through {
            return Err(Error::AdminLimit("the search would look at more entries than the look-through limit allows".to_owned()));
        }
        match wanted {
            true => Ok(Look::Found(if is_matched { entry } else { put_on(sharing, entry) }, access)),
            false => Ok(Look::Passed),
        }
    }

    /// What puts on entries what they share; `None` too where nothing of that is asked for.
    pub(super) fn sharing<'g>(&self, grants: &'g Grants) -> Option<Sharing<'g>> {
        let schema = self.directory.schema();
        let mut sharing = self.directory.sharing(grants)?;
        let wishes = &self.wishes;
        sharing.is_matched = self.matcher.asks_shared(schema);
        let asked = sharing.is_matched
            || self.selection.takes_shared(schema)
            || wishes.order.as_ref().is_some_and(|order| order.asks_shared(schema))
            || wishes.dress.as_ref().is_some_and(|dress| dress.tells_of_all());
        asked.then_some(sharing)
    }

    /// What dynamic groups have asked until now.
    fn questions(&self) -> usize {
        self.renderer.asked() + self.asking.as_ref().map_or(0, |groups| groups.asked())
    }

    /// Gathers for a step; when all is found, sorts it, and puts the list in the place of the candidates.
    fn gather(&mut self, memory: &Memory, grants: &Grants, mut gathering: Gathering) -> Result<(), Error> {
        let mut sharing = self.sharing(grants);
        for _ in 0..STEP {
            if is_enough(sharing.as_ref()) {
                break;
            }
            match self.look(memory, grants, &mut sharing)? {
                Look::Found(entry, access) if self.looked_at <= self.look_through => {
                    let no_room = |_| Error::AdminLimit("the search finds more entries than can be sorted".to_owned());
                    gathering.take(memory, &entry, access.search).map_err(no_room)?;
                }
                // To sort is to look at all, whatever the indexes say.
                Look::Found(..) => return Err(Error::AdminLimit("more entries to sort than the look-through limit allows".to_owned())),
                Look::Passed => {}
                Look::None => {
                    let list = gathering.finish(self.directory.stamp());
                    self.show(Arc::new(list));
                    return Ok(());
                }
            }
        }
        if self.directory.clock().monotonic() > self.deadline {
            return Err(Error::TimeLimit);
        }
        self.wishes.gathering = Some(gathering);
        Ok(())
    }

    /// Sends from a list from now on: all of it, or the part that a view shows.
    fn show(&mut self, list: Arc<SortedList>) {
        self.wishes.sort_report = (list.len() > 0).then(|| list.report.clone());
        let mut shown = 0..list.len();
        if let Some(view) = self.wishes.view.take() {
            let (range, mut report) = match (list.report.problem, self.target(&view.target, &list)) {
                (None, Ok(position)) => view.around(position, list.len()),
                (None, Err(problem)) => View::none(list.len(), problem),
                (Some(_), _) => View::none(list.len(), ViewProblem::NotSorted),
            };
            report.list = Some(Arc::clone(&list)).filter(|_| report.problem.is_none());
            shown = range;
            self.wishes.view_report = Some(report);
        }
        self.looked_at = 0;
        // What has changed since is asked again.
        self.exact = false;
        self.source = Source::Sorted { list, next: shown.start, end: shown.end };
    }

    /// The rank of the target from 1; one more than there are entries where there is none.
    fn target(&self, target: &Target, list: &SortedList) -> Result<usize, ViewProblem> {
        match target {
            Target::Offset { offset, count } => list_view::offset_of(*offset, *count, list.len()),
            Target::AtLeast(value) => {
                let memory = self.directory.memory();
                let order = self.wishes.order.as_ref().ok_or(ViewProblem::NotSorted)?;
                let key_of = |id, key: &mut Vec<u8>| {
                    if let Some(entry) = memory.entry(id) {
                        let access = self.grants.on(memory, &entry);
                        let shared = self.sharing(&self.grants).and_then(|mut sharing| sharing.of(self.directory.schema(), memory, &entry));
                        order.put_first(memory, shared.as_ref().unwrap_or(&entry), access.search, key);
                    }
                };
                list.rank_of(order, value, key_of).map(|rank| rank + 1).ok_or(ViewProblem::InappropriateMatching)
            }
        }
    }

    /// Where the sort was critical and could not be, nothing is sent (RFC 2891 §2.3), nor where the view cannot be given.
    fn refuse_if_not_as_asked(&self) -> Result<(), Error> {
        if self.wishes.view_report.as_ref().is_some_and(|report| report.problem.is_some()) {
            return Err(Error::ListView("this view of the list cannot be given".to_owned()));
        }
        let unsorted = self.wishes.sort_report.as_ref().is_some_and(|report| report.problem.is_some());
        match unsorted && self.wishes.sort_critical {
            true => Err(Error::CriticalExtension("the search cannot be sorted as asked".to_owned())),
            false => Ok(()),
        }
    }

    /// The page is full; it is the last one where no candidate is left.
    fn end_of_page(&mut self, memory: &Memory, last: EntryId, sent: usize) -> Progress {
        if let Source::Sorted { list, next, end } = &self.source {
            let at = u32::try_from(*next).unwrap_or(u32::MAX);
            return match next < end {
                true => Progress::Paged { after: Position { at, sent, list: Some(Arc::clone(list)) }, estimate: list.len() },
                false => Progress::Done,
            };
        }
        // Whether there is more to see, and not whether there is more that is hidden.
        let grants = Arc::clone(&self.grants);
        let mut sharing = self.sharing(&grants);
        for _ in 0..LOOK_AHEAD {
            if is_enough(sharing.as_ref()) {
                break;
            }
            match self.look(memory, &grants, &mut sharing) {
                Ok(Look::None) => return Progress::Done,
                Ok(Look::Passed) => {}
                Ok(Look::Found(..)) | Err(_) => break,
            }
        }
        Progress::Paged { after: Position { at: last.0, sent, list: None }, estimate: self.estimate }
    }

    fn continue_after(&mut self, last: &Position) {
        if let Some(list) = &last.list {
            self.wishes.gathering = None;
            self.show(Arc::clone(list));
        }
        match &mut self.source {
            Source::Virtual(_) => {}
            Source::One(id) => *id = None,
            Source::Ids { next, .. } => *next = last.at.saturating_add(1),
            Source::Children { after, chunk, .. } => {
                *after = Some(EntryId(last.at));
                *chunk = Vec::new().into_iter();
            }
            Source::Sorted { next, .. } => *next = last.at as usize,
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
            Source::Sorted { list, next, end } => {
                let found = list.get(*next).filter(|_| next < end)?;
                *next += 1;
                Some(found)
            }
        }
    }

    fn is_in_place(&self, memory: &Memory, entry: &Entry) -> bool {
        match &self.place {
            Place::Anywhere => true,
            Place::In(base, scope) => in_scope(memory, entry, *base, *scope),
            Place::InOne(places) => places.hold(memory, entry),
        }
    }

    /// Where the indexes were exact, only the right to assert is left to ask.
    fn is_wanted(&self, schema: &Schema, memory: &Memory, entry: &Entry, searchable: &AttributeSet) -> bool {
        (self.exact && memory.is_as_at(self.since) && self.matcher.is_about(searchable))
            || self.matcher.matches(schema, memory, entry, searchable) == Truth::True
    }

    fn send_virtual(&mut self, sink: &mut dyn EntrySink) -> Result<Progress, Error> {
        if let Source::Virtual(entries) = std::mem::replace(&mut self.source, Source::One(None)) {
            for entry in entries {
                entry.send(self.directory.schema(), self.directory.memory(), &self.matcher, &self.selection, sink);
            }
        }
        Ok(Progress::Done)
    }
}

/// Whether a step has put on enough.
fn is_enough(sharing: Option<&Sharing<'_>>) -> bool {
    sharing.is_some_and(Sharing::is_enough)
}

impl Subentries {
    fn shows(&self, id: EntryId) -> bool {
        match self {
            Self::All => true,
            Self::None(found) => !found.contains(id.0),
            Self::Only(found) => found.contains(id.0),
        }
    }
}

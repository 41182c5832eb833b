//! Searching (RFC 4511 §4.5): plan, then look at entries in steps, so that back-pressure, abandon, limits and
//! fairness come from one loop. Nothing is locked between steps.

use super::alias::Places;
use super::begun::{Begun, Overtaken};
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
use super::source::{Sought, Source};
pub(super) use super::source::{in_scope, walk};
use super::tree::{self, Resolved};
use super::view::{Renderer, Selection, is_dynamic};
use super::{Caller, Directory, Error};
use super::{referral, root};
use crate::access::{AttributeSet, EntryAccess, Grants};
use crate::base::EntryId;
use crate::model::{AttributeId, Entry, Facts, Filter};
use crate::schema::Schema;
use crate::store::{Isolation, Memory};
use roaring::RoaringBitmap;
use std::sync::Arc;
use std::time::Duration;

/// Entries looked at in one step.
const STEP: usize = 256;
/// What dynamic groups may ask in one step before it ends.
const STEP_QUESTIONS: usize = 2_000;
/// How long a step goes on, and how long may be planned while others wait for it.
pub(super) const STEP_TIME: Duration = Duration::from_millis(10);
/// Keys that are looked at in less than a step.
const MOST_KEYS: usize = 50_000;
/// Entries looked at between two looks at the clock.
const LOOKS: usize = 8;
/// Entries that a step looks at however long it takes: where the machine lets the thread wait a small search is not split by it.
const LEAST: usize = 64;
/// Assertions times octets of an entry from which on it is matched, and links from which on they are shown, outside of the
/// lane: that alone may take as long as a step.
const DEAR_MATCH: usize = 1 << 20;
const DEAR_LINKS: usize = 4_096;

/// A search under way. It holds no lock between steps.
pub struct Search {
    directory: Arc<Directory>,
    grants: Arc<Grants>,
    /// The version of the schema that the filter is by: what entries say is compared with it by the same.
    version: usize,
    matcher: Matcher,
    selection: Arc<Selection>,
    sought: Sought,
    /// The base, where that is an entry.
    base: Option<EntryId>,
    /// The state it was planned in.
    begun: Begun,
    /// How many assertions the filter makes of an entry.
    weight: usize,
    /// Continuation references still to be told, the next one last.
    references: Vec<Vec<String>>,
    /// Whether there are dynamic groups.
    any_dynamic: bool,
    /// Those that the filter asks about each entry.
    asking: Option<Box<DynamicGroups>>,
    /// Whether what dynamic groups say of the filter was worked out when it was planned.
    foretold: bool,
    renderer: Renderer,
    page: Option<Page>,
    /// The end of the page, once it is full: it is not known yet whether it is the last.
    page_end: Option<Position>,
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

/// What a step has done until now.
struct Step {
    looked_at: usize,
    asked: usize,
    end: Option<Duration>,
}

/// What became of one candidate.
enum Look<'g> {
    /// The entry with what it shares, and the rights on it.
    Found(Arc<Entry>, EntryAccess<'g>),
    None,
    Passed,
}

impl Directory {
    /// Begins a search.
    pub fn search(self: &Arc<Self>, caller: &Caller, request: &SearchRequest<'_>) -> Result<Search, Error> {
        self.begin_search(caller, request, self.begun())
    }

    /// Begins a search and lets it go its first step, both in one state of the directory: what a search finds in so much is
    /// never a part of a change of many entries (RFC 5805 §1). Such changes wait for no more than a step: it is planned before,
    /// and again where it does not hold any more. Where planning takes long, and others go on to change what it rests on, it is
    /// taken as it is in the end, and what it finds is of the state of the step alone.
    pub fn search_first(
        self: &Arc<Self>,
        caller: &Caller,
        request: &SearchRequest<'_>,
        sink: &mut dyn EntrySink,
    ) -> Result<(Search, Result<Progress, Error>), Error> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let begun = self.begun();
            let mut planned = self.begin_search(caller, request, begun);
            let mut lane = self.memory().isolated();
            let holds = match &mut planned {
                Ok(search) => search.still_holds(self, caller, request),
                Err(_) => begun.is_now(self),
            };
            if !holds {
                let took = self.clock().monotonic().saturating_sub(begun.at);
                match Overtaken::of(attempt, took, self.schema().version() == begun.version) {
                    Overtaken::Kept => {}
                    Overtaken::Again => continue,
                    Overtaken::AgainHere => {
                        planned = self.begin_search(caller, request, self.begun());
                        if let Ok(search) = &mut planned {
                            search.still_holds(self, caller, request);
                        }
                    }
                }
            }
            let mut search = planned?;
            let progress = search.go_on(self, &mut lane, sink);
            return Ok((search, progress));
        }
    }

    /// Whether to plan the search takes so long that nobody else on the thread should wait for it.
    pub fn takes_long_to_plan(&self, caller: &Caller, filter: &Filter<'_>) -> bool {
        let takes_long =
            |wanted: &dyn Fn(AttributeId) -> bool| plan::keys_to_look_at(self.schema(), self.memory(), filter, wanted) > MOST_KEYS;
        // What may be searched nowhere is not planned with.
        takes_long(&|_| true) && takes_long(&|attribute| self.grants(caller).extent().is_far(attribute))
    }

    fn begin_search(self: &Arc<Self>, caller: &Caller, request: &SearchRequest<'_>, begun: Begun) -> Result<Search, Error> {
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
        let any_dynamic = self.specials().dynamic_groups();
        let asks_each = matcher.follow(&reading, one.as_deref())?;
        let asking = if asks_each { DynamicGroups::prepare(&reading, most_shown(&grants)).map(Box::new) } else { None };
        let areas = self.areas();
        let mut references = Vec::new();
        let plainly = |source| Sought::plainly(source, begun.watch);
        let (sought, base) = match base {
            Base::Virtual(entry) => (plainly(Source::Virtual(vec![entry])), None),
            Base::Monitor(entries) => (plainly(Source::Virtual(entries)), None),
            Base::Nothing => (plainly(Source::One(None)), None),
            Base::Entry(id) => {
                let special = self.special(&grants, request, id)?;
                references = special.references;
                let base = special.places.only().map(|(base, _)| base);
                let reach = Reach { areas: areas.as_deref(), organisation: grants.subject().organisation, base };
                let sought = match &request.among {
                    Some(among) => Sought::given(among, (id, request.scope), &special.hidden, begun.watch),
                    None => Sought::plan((self.schema(), memory), &matcher, &reach, special.places, &special.hidden, begun.watch),
                };
                (sought, Some(id))
            }
        };
        let limits = grants.limits();
        // The client only lowers them.
        let size_asked = if request.size_limit == 0 { usize::MAX } else { request.size_limit as usize };
        let time_asked = if request.time_limit == 0 { Duration::MAX } else { Duration::from_secs(request.time_limit.into()) };
        let deadline = begun.at.saturating_add(limits.time.min(time_asked));
        let of_all_pages = if request.page.is_some() { limits.paged_size } else { usize::MAX };
        // What the indexes count is of all organisations, so only the operator is told (O1, HC5).
        let estimate = match &sought.source {
            Source::Ids { ids, .. } if caller.identity.is_operator() => usize::try_from(ids.len()).unwrap_or(usize::MAX),
            _ => 0,
        };
        let mut search = Search {
            directory: Arc::clone(self),
            grants,
            version: begun.version,
            weight: matcher.assertions(),
            foretold: any_dynamic && matcher.is_foretold(self.schema()),
            matcher,
            selection,
            sought,
            base,
            begun,
            references,
            any_dynamic,
            asking,
            renderer: Renderer::with_cache(Arc::clone(&current.catalog), Arc::clone(&self.core().links)),
            page: request.page.clone(),
            page_end: None,
            wishes: Wishes::default(),
            sent: 0,
            looked_at: 0,
            size_limit: limits.size.min(size_asked),
            size_limit_of_all: of_all_pages.min(size_asked),
            look_through: limits.look_through,
            indexed: false,
            deadline,
            estimate,
        };
        if let Some(page) = &mut search.page {
            // A page larger than a search may return is a page as large as it may.
            page.size = page.size.min(limits.size);
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
    pub(super) fn stamp(&self) -> Stamp {
        (self.memory().revision(), self.core().authority())
    }

    /// Finds the base, or says that there is none as far as the caller may know.
    pub(super) fn find_base(&self, caller: &Caller, grants: &Grants, request: &SearchRequest<'_>) -> Result<Base, Error> {
        if request.base.is_empty() {
            return Ok(match request.scope {
                Scope::Base => Base::Virtual(root::root_dse(self, caller, &request.offered)),
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
            return self.monitored(&place, request.scope);
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

impl Search {
    /// Makes ready for sorting, and for a view of what is sorted.
    fn arrange(&mut self, request: &SearchRequest<'_>) {
        if request.sort.is_empty() || matches!(self.sought.source, Source::Virtual(_)) {
            return;
        }
        let directory = Arc::clone(&self.directory);
        let order = Arc::new(Order::new(directory.schema(), &directory.current().catalog, &request.sort));
        self.wishes.order = Some(Arc::clone(&order));
        self.wishes.sort_critical = request.sort_critical;
        self.wishes.gathering = Some(Gathering::new(order, &directory.core().sorting));
        if let Some(view) = &request.view {
            self.wishes.view = Some(View::of(view));
            if let Some(list) = view.list.as_ref().filter(|list| list.stamp == self.begun.stamp) {
                self.wishes.gathering = None;
                self.show(Arc::clone(list));
            }
        }
    }

    /// Whether what was planned holds, once what has changed since is among the candidates.
    fn still_holds(&mut self, directory: &Directory, caller: &Caller, request: &SearchRequest<'_>) -> bool {
        if self.begun.is_now(directory) {
            return true;
        }
        let memory = directory.memory();
        let bound = memory.bonds() == self.begun.bonds || !(self.sought.walked || self.matcher.rests_on_links());
        let is_base = |base| matches!(directory.find_base(caller, &self.grants, request), Ok(Base::Entry(id)) if id == base);
        if self.foretold || !bound || !self.begun.is_of_rules(directory) || !self.base.is_none_or(is_base) {
            return false;
        }
        let changed = memory.changed_since(self.begun.watch);
        let known = changed.is_some();
        self.sought.add(changed.unwrap_or_default());
        known
    }

    /// Goes on until the sink is full, the page is full, or all is found. Errors are those that end a search after
    /// some entries were sent: size, time and look-through limits.
    pub fn step(&mut self, sink: &mut dyn EntrySink) -> Result<Progress, Error> {
        let directory = Arc::clone(&self.directory);
        if let Some(gathering) = self.wishes.gathering.take_if(|gathering| gathering.is_complete) {
            self.sort(gathering);
        }
        let mut lane = directory.memory().isolated();
        self.go_on(&directory, &mut lane, sink)
    }

    fn go_on(&mut self, directory: &Directory, lane: &mut Isolation<'_>, sink: &mut dyn EntrySink) -> Result<Progress, Error> {
        let grants = Arc::clone(&self.grants);
        let mut step = Step { looked_at: 0, asked: self.questions(), end: None };
        if let Some(gathering) = self.wishes.gathering.take() {
            self.gather(directory, &grants, lane, (&mut step, gathering))?;
            if self.wishes.gathering.is_some() {
                return Ok(Progress::More);
            }
        }
        self.refuse_if_not_as_asked()?;
        let mut sharing = self.sharing(&grants);
        loop {
            match (self.is_enough(&mut step, sharing.as_ref()), &self.page_end) {
                (Err(_), Some(after)) => return Ok(self.page_to(after.clone())),
                (Err(error), None) => return Err(error),
                (Ok(true), _) => return Ok(Progress::More),
                (Ok(false), _) if sink.is_full() => return Ok(Progress::More),
                (Ok(false), _) => {}
            }
            if let Source::Virtual(_) = self.sought.source {
                return self.send_virtual(sink);
            }
            if let Some(urls) = self.references.pop() {
                sink.reference(&urls);
                continue;
            }
            let (entry, access) = match (self.look(directory, lane, &grants, &mut sharing), &self.page_end) {
                (Ok(Look::Found(..)) | Err(_), Some(after)) => return Ok(self.page_to(after.clone())),
                (Err(error), None) => return Err(error),
                (Ok(Look::Found(entry, access)), None) => (entry, access),
                (Ok(Look::None), _) => return Ok(Progress::Done),
                (Ok(Look::Passed), _) => continue,
            };
            let (before, _) = self.sent();
            if self.sent >= self.size_limit || before + self.sent >= self.size_limit_of_all {
                return Err(Error::SizeLimit);
            }
            if !self.send(directory, (&entry, &access), &grants, lane, sink)? {
                continue;
            }
            self.sent += 1;
            if self.page.as_ref().is_some_and(|page| self.sent >= page.size) {
                if let Source::Sorted { list, next, end } = &self.sought.source {
                    let at = u32::try_from(*next).unwrap_or(u32::MAX);
                    let after = Position { at, sent: before + self.sent, list: Some(Arc::clone(list)) };
                    return Ok(if next < end { Progress::Paged { after, estimate: list.len() } } else { Progress::Done });
                }
                // Whether there is more to see is found out by looking on, and not by whether there is more that is hidden.
                self.page_end = Some(Position { at: entry.id.0, sent: before + self.sent, list: None });
            }
        }
    }

    fn page_to(&self, after: Position) -> Progress {
        Progress::Paged { after, estimate: self.estimate }
    }

    /// Whether others should come first now. An error where the time of the search is up.
    fn is_enough(&self, step: &mut Step, sharing: Option<&Sharing<'_>>) -> Result<bool, Error> {
        let looked_at = step.looked_at;
        step.looked_at += 1;
        // Dynamic groups may be much work for one entry, and others wait for the end of the step (HA5).
        let asked = self.questions().saturating_sub(step.asked);
        let enough = looked_at >= STEP || asked > STEP_QUESTIONS || sharing.is_some_and(Sharing::is_enough);
        if !enough && (looked_at == 0 || !looked_at.is_multiple_of(LOOKS)) {
            return Ok(false);
        }
        let now = self.directory.clock().monotonic();
        match now > self.deadline {
            true => Err(Error::TimeLimit),
            false => Ok(enough || (now > *step.end.get_or_insert_with(|| now.saturating_add(STEP_TIME)) && looked_at >= LEAST)),
        }
    }

    /// Sends an entry. What of that may take long alone is done outside of the lane; where the entry has changed meanwhile
    /// nothing is sent, and it comes again.
    fn send(
        &mut self,
        directory: &Directory,
        (entry, access): (&Entry, &EntryAccess<'_>),
        grants: &Arc<Grants>,
        lane: &mut Isolation<'_>,
        sink: &mut dyn EntrySink,
    ) -> Result<bool, Error> {
        let (schema, memory) = (directory.schema(), directory.memory());
        self.renderer.bonds = memory.bonds();
        if self.any_dynamic {
            let current = directory.current();
            let reading = Reading { context: current.context(schema, memory), memory: Some(memory), grants };
            let (renderer, selection) = (&mut self.renderer, &self.selection);
            let seeks = renderer.seeks_members(schema, selection, entry);
            lane.outside_if(seeks, || renderer.find_members(&reading, selection, entry))?;
            if seeks && self.sought.comes_again(memory, entry) {
                return Ok(false);
            }
        }
        let dress = &mut self.wishes.dress;
        let take = |visible: &Visible<'_>| match dress {
            Some(dress) => dress.send(directory, grants, (entry, access), visible, sink),
            None => {
                sink.entry(visible);
                Ok(())
            }
        };
        let dear = self.selection.has_links() && memory.link_count(entry.id) > DEAR_LINKS;
        lane.outside_if(dear, || self.renderer.render(schema, memory, entry, &self.selection, access.read, take))?;
        Ok(true)
    }

    /// The entries sent until now: on the pages before, and by this search.
    pub fn sent(&self) -> (usize, usize) {
        (self.page.as_ref().and_then(|page| page.after.as_ref()).map_or(0, |after| after.sent), self.sent)
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
    fn look<'g>(
        &mut self,
        directory: &Directory,
        lane: &mut Isolation<'_>,
        grants: &'g Grants,
        sharing: &mut Option<Sharing<'_>>,
    ) -> Result<Look<'g>, Error> {
        let (schema, memory) = (directory.schema().at(self.version), directory.memory());
        let Some(id) = self.sought.next(memory) else { return Ok(Look::None) };
        let Some(entry) = memory.entry(id) else { return Ok(Look::Passed) };
        let access = self.sought.holds(memory, &entry).then(|| grants.on(memory, &entry)).filter(|access| access.disclosed);
        let Some(access) = access.filter(|_| self.wishes.subentries.shows(id)) else { return Ok(Look::Passed) };
        let is_matched = sharing.as_ref().is_some_and(|sharing| sharing.is_matched);
        let put_on = |sharing: &mut Option<Sharing<'_>>, entry: Arc<Entry>| match sharing {
            Some(sharing) => sharing.put_on(schema, memory, entry),
            None => entry,
        };
        let dear = self.weight.saturating_mul(entry.size()) > DEAR_MATCH || (self.asking.is_some() && is_dynamic(schema, &entry));
        let entry = if is_matched { put_on(sharing, entry) } else { entry };
        let wanted = lane.outside_if(dear, || self.match_it(directory, &entry, access.search))?;
        if dear && self.sought.comes_again(memory, &entry) {
            return Ok(Look::Passed);
        }
        if !self.indexed && self.looked_at > self.look_through {
            return Err(Error::AdminLimit("the search would look at more entries than the look-through limit allows".to_owned()));
        }
        match wanted {
            true => Ok(Look::Found(if is_matched { entry } else { put_on(sharing, entry) }, access)),
            false => Ok(Look::Passed),
        }
    }

    /// Whether the entry matches; counts it where that may be known.
    fn match_it(&mut self, directory: &Directory, entry: &Entry, searchable: &AttributeSet) -> Result<bool, Error> {
        let (schema, memory) = (directory.schema().at(self.version), directory.memory());
        // What was foretold of an entry that has changed since is asked again.
        let anew = self.foretold && entry.revision >= self.begun.revision;
        if anew || self.asking.is_some() {
            let current = directory.current();
            let reading = Reading { context: current.context(schema, memory), memory: Some(memory), grants: &self.grants };
            if self.asking.is_none() {
                self.asking = DynamicGroups::prepare(&reading, most_shown(&self.grants)).map(Box::new);
            }
            if let Some(groups) = &mut self.asking {
                self.matcher.ask(&reading, groups, entry, anew)?;
            }
        }
        let wanted = self.is_wanted(schema, memory, entry, searchable);
        // What is hidden is not counted: how much of it there is would show (O1, HC1).
        let is_candidate = || self.matcher.is_candidate((schema, memory), memory, entry, searchable);
        self.looked_at += usize::from(wanted || (!self.indexed && is_candidate()));
        Ok(wanted)
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

    /// Gathers for a step; when all is found, sorts it, and puts the list in the place of the candidates. Of much, that is
    /// done before the next step, since nobody needs to wait for it.
    fn gather(
        &mut self,
        directory: &Directory,
        grants: &Grants,
        lane: &mut Isolation<'_>,
        (step, mut gathering): (&mut Step, Gathering),
    ) -> Result<(), Error> {
        let mut sharing = self.sharing(grants);
        while !self.is_enough(step, sharing.as_ref())? {
            match self.look(directory, lane, grants, &mut sharing)? {
                Look::Found(entry, access) if self.looked_at <= self.look_through => {
                    let no_room = |_| Error::AdminLimit("the search finds more entries than can be sorted".to_owned());
                    gathering.take(directory.memory(), &entry, access.search).map_err(no_room)?;
                }
                // To sort is to look at all, whatever the indexes say.
                Look::Found(..) => return Err(Error::AdminLimit("more entries to sort than the look-through limit allows".to_owned())),
                Look::Passed => {}
                Look::None => {
                    gathering.is_complete = true;
                    break;
                }
            }
        }
        match gathering.is_complete && gathering.len() <= STEP {
            true => self.sort(gathering),
            false => self.wishes.gathering = Some(gathering),
        }
        Ok(())
    }

    fn sort(&mut self, gathering: Gathering) {
        let list = gathering.finish(self.begun.stamp);
        self.show(Arc::new(list));
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
        self.sought.exact = false;
        self.sought.source = Source::Sorted { list, next: shown.start, end: shown.end };
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

    fn continue_after(&mut self, last: &Position) {
        if let Some(list) = &last.list {
            self.wishes.gathering = None;
            self.show(Arc::clone(list));
        }
        self.sought.continue_after(last.at);
    }

    /// Where the indexes were exact, only the right to assert is left to ask.
    fn is_wanted(&self, schema: &Schema, memory: &Memory, entry: &Entry, searchable: &AttributeSet) -> bool {
        (self.sought.exact && memory.is_as_at(self.sought.since) && self.matcher.is_about(searchable))
            || self.matcher.matches(schema, memory, entry, searchable) == Truth::True
    }

    fn send_virtual(&mut self, sink: &mut dyn EntrySink) -> Result<Progress, Error> {
        if let Source::Virtual(entries) = std::mem::replace(&mut self.sought.source, Source::One(None)) {
            for entry in entries {
                entry.send(self.directory.schema(), self.directory.memory(), &self.matcher, &self.selection, sink);
            }
        }
        Ok(Progress::Done)
    }
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

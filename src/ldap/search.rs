//! Search (RFC 4511 §4.5), whole, in pages (RFC 2696), sorted (RFC 2891) or as a view of a sorted list, step by step.

use super::connection::Connection;
use super::controls::{self, Controls, PageControl, ViewCode, ViewControl};
use super::decode;
use super::encode::Outcome;
use super::follow::Following;
use super::frame::{Frame, Operation};
use super::paging::{Cookies, Kept};
use super::persistent::PERSISTENT_SEARCH;
use super::result::Failure;
use super::sync::SYNC_REQUEST;
use crate::directory::{
    Caller, EntrySink, Error, Identity, ListView, Page, Position, Progress, Scope, Search, SearchRequest, SortedList, Visible,
};
use crate::model::Filter;
use ldap3_proto::proto::LdapResultCode;
use std::sync::Arc;
use tokio::task::block_in_place;

/// Sorted searches of one connection under way at a time.
const SORTS_AT_ONCE: usize = 4;

/// Steps after which a search is long, and others come first.
const SHORT: u32 = 8;

/// A search under way.
pub(crate) struct Running {
    /// Its message id.
    pub(crate) id: i32,
    search: Search,
    /// Who asked: under proxied authorisation not who the connection is.
    who: Caller,
    base: Box<str>,
    steps: u32,
    /// The digest of the request, where cookies go with it.
    query: [u8; 32],
    paged: bool,
    sorted: bool,
    rights: bool,
    former: Option<Former>,
    /// How it goes on when all is found, where it is persistent.
    follow: Option<Following>,
}

impl Running {
    /// Whether it goes on when all is found.
    pub(super) const fn is_followed(&self) -> bool {
        self.follow.is_some()
    }
}

/// The list of the view before this one, and the context that stands for it.
struct Former {
    list: Arc<SortedList>,
    context: Vec<u8>,
}

impl Connection {
    /// Begins a search and lets it go its first step; most need no other.
    pub(super) fn search(&mut self, frame: &Frame<'_>, controls: Controls<'_>) -> Result<(), Failure> {
        let mut request = decode::search(frame.content, &self.settings.limits)?;
        check_followed(&controls)?;
        request.manage_dsa_it = controls.manage_dsa_it;
        if request.base.is_empty() {
            request.offered = self.offered();
        }
        let mut running =
            Wanted { query: [0; 32], paged: controls.page.is_some(), sorted: !controls.sort.is_empty(), rights: false, former: None };
        if controls.page.is_some() || controls.view.is_some() {
            running.query = controls.query(frame.content);
        }
        if let Some(view) = &controls.view {
            running.former = self.check_view(view, &controls, &running.query)?;
            let list = running.former.as_ref().map(|former| Arc::clone(&former.list));
            request.view = Some(ListView { before: view.before, after: view.after, target: view.target, list });
        }
        if running.sorted && self.searches.iter().filter(|search| search.sorted).count() >= SORTS_AT_ONCE {
            return Err(Failure::new(LdapResultCode::Busy, "other sorted searches of this connection are under way"));
        }
        if let Some(control) = &controls.page {
            request.page = Some(self.page(control, &running.query)?);
        }
        request.sort_critical = controls.is_critical(controls::SORT);
        request.sort = controls.sort;
        request.matched_values = controls.matched_values;
        request.subentries = controls.subentries;
        request.links = controls.links;
        running.rights = controls.rights.is_some();
        request.rights = controls.rights;
        request.usability = controls.usability;
        if let Some(filter) = controls.assertion {
            self.assert(request.base, filter)?;
        }
        if let Some(sync) = controls.sync {
            return self.begin_sync(frame, &request, sync);
        }
        let follow = controls.persistent.map(|control| self.begin_persistent(frame, &request, control)).transpose()?;
        if controls.persistent.is_some_and(|control| control.changes_only) {
            self.followers.extend(follow);
            return Ok(());
        }
        if request.page.as_ref().is_some_and(|page| page.size == 0) {
            self.door.directory.search(&self.caller, &request)?;
            self.answer_page_of_nothing(frame.id);
            return Ok(());
        }
        let directory = &self.door.directory;
        let mut begin = || directory.search_first(&self.caller, &request, &mut self.output.sink(frame.id));
        // The other connections of the thread go on meanwhile.
        let (search, progress) =
            if directory.takes_long_to_plan(&self.caller, &request.filter) { block_in_place(begin)? } else { begin()? };
        let Wanted { query, paged, sorted, rights, former } = running;
        let (who, base) = (self.caller.clone(), request.base.into());
        let running = Running { id: frame.id, search, who, base, steps: 0, query, paged, sorted, rights, former, follow };
        self.stepped(running, progress);
        Ok(())
    }

    /// Lets searches under way go one step each, in turn, as long as there is room for what they find and the turn lasts.
    /// Answers whether one of them goes on for long.
    pub(super) fn step_searches(&mut self) -> bool {
        if !self.searches.is_empty() && !self.review() {
            return false;
        }
        let mut long = false;
        for _ in 0..self.searches.len() {
            if !self.output.has_room() {
                break;
            }
            if let Some(mut running) = self.searches.pop_front() {
                running.steps += 1;
                long |= running.steps > SHORT;
                self.step(running);
            }
            if self.is_turn_over() {
                return true;
            }
        }
        long
    }

    fn step(&mut self, mut running: Running) {
        let progress = running.search.step(&mut self.output.sink(running.id));
        self.stepped(running, progress);
    }

    /// Puts a search back, or answers it.
    fn stepped(&mut self, running: Running, progress: Result<Progress, Error>) {
        let progress = match progress {
            Ok(Progress::More) => return self.searches.push_back(running),
            Ok(Progress::Done) if running.follow.is_some() => return self.followers.extend(running.follow),
            Ok(Progress::Done) => Ok(None),
            Ok(Progress::Paged { after, estimate }) => Ok(Some((after, estimate))),
            Err(error) => Err(Failure::from(error)),
        };
        self.door.directory.note_read(&running.who, &running.base, running.search.sent());
        let controls = self.response_controls(&running, &progress);
        let failure = progress.err();
        let outcome = failure.as_ref().map_or(Outcome::SUCCESS, Outcome::from);
        self.answer(running.id, Operation::Search, &Outcome { controls: &controls, ..outcome });
    }

    /// The controls of a search's answer: how the sort went, what the view shows, where the next page begins.
    fn response_controls(&mut self, running: &Running, progress: &Result<Option<(Position, usize)>, Failure>) -> Vec<u8> {
        let mut out = Vec::new();
        if running.rights && progress.is_ok() {
            controls::put_effective_rights(&mut out);
        }
        if let Some(report) = running.search.sort_report() {
            controls::put_sort(&mut out, report);
        }
        let issue = |cookies: &mut Cookies, kept| cookies.issue(&bound_to(&running.who.identity), &running.query, kept, self.now);
        if let Some(report) = running.search.view_report() {
            // As long as the list is the same, so is what stands for it.
            let former = running.former.as_ref().zip(report.list.as_ref()).filter(|(former, list)| Arc::ptr_eq(&former.list, list));
            let context = match (former, &report.list) {
                (Some((former, _)), _) => former.context.clone(),
                (None, Some(list)) => issue(&mut self.cookies, Kept::View(Arc::clone(list))),
                (None, None) => Vec::new(),
            };
            controls::put_view(&mut out, ViewCode::of(report), report.position, report.count, &context);
        }
        match progress {
            Ok(Some((after, estimate))) => {
                let cookie = issue(&mut self.cookies, Kept::Page(after.clone()));
                controls::put_page(&mut out, *estimate, &cookie);
            }
            Ok(None) if running.paged => controls::put_page(&mut out, 0, &[]),
            Ok(None) | Err(_) => {}
        }
        out
    }

    /// A page size of 0 with a cookie abandons the paged search (RFC 2696 §3); without one nothing was asked for.
    fn answer_page_of_nothing(&mut self, id: i32) {
        let mut controls = Vec::new();
        controls::put_page(&mut controls, 0, &[]);
        self.answer(id, Operation::Search, &Outcome { controls: &controls, ..Outcome::SUCCESS });
    }

    /// Where the page that was asked for begins.
    fn page(&mut self, control: &PageControl<'_>, query: &[u8]) -> Result<Page, Failure> {
        let after = match control.cookie {
            [] => None,
            cookie => Some(self.cookies.redeem(cookie, &bound_to(&self.caller.identity), query, self.now)?),
        };
        Ok(Page { size: usize::try_from(control.size).unwrap_or(usize::MAX), after })
    }

    /// The list that a view's context stands for. A view needs a sort, and pages itself.
    fn check_view(&self, view: &ViewControl<'_>, controls: &Controls<'_>, query: &[u8]) -> Result<Option<Former>, Failure> {
        if controls.sort.is_empty() {
            return Err(ViewCode::SortMissing.failure("a virtual list view needs a sort control"));
        }
        if controls.page.is_some() {
            return Err(ViewCode::Unwilling.failure("a virtual list view does not go with paged results"));
        }
        let Some(context) = view.context else { return Ok(None) };
        let list = self.cookies.list(context, &bound_to(&self.caller.identity), query, self.now);
        let list = list.ok_or_else(|| ViewCode::Protocol.failure("the context is not one of this list"))?;
        Ok(Some(Former { list, context: context.to_owned() }))
    }

    /// The assertion control of an operation that changes nothing (RFC 4528 §3): the entry must match.
    pub(super) fn assert(&self, base: &str, filter: Filter<'_>) -> Result<(), Failure> {
        let request = SearchRequest { types_only: true, manage_dsa_it: true, ..SearchRequest::new(base, Scope::Base, filter, vec!["1.1"]) };
        let mut found = Found(false);
        let (mut search, mut progress) = self.door.directory.search_first(&self.caller, &request, &mut found)?;
        while progress? == Progress::More {
            progress = search.step(&mut found);
        }
        match found.0 {
            true => Ok(()),
            false => Err(Error::AssertionFailed("the entry does not match the assertion".to_owned()).into()),
        }
    }
}

/// What a search is to be run as.
struct Wanted {
    query: [u8; 32],
    paged: bool,
    sorted: bool,
    rights: bool,
    former: Option<Former>,
}

/// Who a cookie is for: nobody else's is good, nor one's own in another organisation (HA7).
fn bound_to(identity: &Identity) -> String {
    let organisation = identity.organisation.map_or(0, |organisation| organisation.0);
    format!("{:?} {organisation} {}", identity.standing, identity.name)
}

/// A search that is followed has no order, no pages and no other identity, and shows entries as they are.
fn check_followed(controls: &Controls<'_>) -> Result<(), Failure> {
    let (synced, persistent) = (controls.sync.is_some(), controls.persistent.is_some());
    if !synced && !persistent {
        return Ok(());
    }
    let otherwise = controls.page.is_some() || controls.view.is_some() || !controls.sort.is_empty() || controls.proxied.is_some();
    match otherwise || (synced && persistent) {
        true => Err(Failure::protocol("a search that is followed has no order, no pages, and no other identity")),
        false => controls.refuse_critical_beside(&[SYNC_REQUEST, PERSISTENT_SEARCH, controls::MANAGE_DSA_IT, controls::ASSERTION]),
    }
}

/// Whether a search found anything.
struct Found(bool);

impl EntrySink for Found {
    fn entry(&mut self, _: &Visible<'_>) {
        self.0 = true;
    }

    fn reference(&mut self, _: &[String]) {}
}

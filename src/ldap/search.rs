//! Search (RFC 4511 §4.5), whole or in pages (RFC 2696), step by step.

use super::connection::Connection;
use super::controls::{self, Controls, PageControl};
use super::decode;
use super::encode::Outcome;
use super::frame::{Frame, Operation};
use super::result::Failure;
use crate::directory::{EntrySink, Error, Page, Progress, Scope, Search, SearchRequest, Visible};
use crate::model::Filter;
use sha2::{Digest, Sha256};

/// A search under way.
pub(crate) struct Running {
    /// Its message id.
    pub(crate) id: i32,
    search: Search,
    /// The digest of the request, where a page was asked for.
    page: Option<[u8; 32]>,
}

impl Connection {
    /// Begins a search and lets it go its first step; most need no other.
    pub(super) fn search(&mut self, frame: &Frame<'_>, controls: Controls<'_>) -> Result<(), Failure> {
        let mut request = decode::search(frame.content, &self.settings.limits)?;
        request.manage_dsa_it = controls.manage_dsa_it;
        if request.base.is_empty() {
            request.mechanisms = self.mechanisms();
        }
        if let Some(filter) = controls.assertion {
            self.assert(request.base, filter)?;
        }
        let mut page = None;
        if let Some(control) = controls.page {
            let query: [u8; 32] = Sha256::digest(frame.content).into();
            page = Some(query);
            request.page = Some(self.page(&control, &query)?);
        }
        let search = self.door.directory.search(&self.caller, &request)?;
        if request.page.as_ref().is_some_and(|page| page.size == 0) {
            self.end_search(frame.id, Some(&[]));
        } else {
            self.step(Running { id: frame.id, search, page });
        }
        Ok(())
    }

    /// Lets each search under way go one step, in turn, as long as there is room for what it finds.
    pub(super) fn step_searches(&mut self) {
        for _ in 0..self.searches.len() {
            if !self.output.has_room() {
                return;
            }
            if let Some(running) = self.searches.pop_front() {
                self.step(running);
            }
        }
    }

    fn step(&mut self, mut running: Running) {
        match running.search.step(&mut self.output.sink(running.id)) {
            Ok(Progress::More) => self.searches.push_back(running),
            Ok(Progress::Done) => self.end_search(running.id, running.page.map(|_| &[][..])),
            Ok(Progress::Paged { after, estimate }) => {
                let query = running.page.unwrap_or_default();
                let cookie = self.cookies.issue(&self.caller.identity.name, &query, after, self.now);
                let mut controls = Vec::new();
                controls::put_page(&mut controls, estimate, &cookie);
                self.answer(running.id, Operation::Search, &Outcome { controls: &controls, ..Outcome::SUCCESS });
            }
            Err(error) => self.answer(running.id, Operation::Search, &Outcome::from(&Failure::from(error))),
        }
    }

    /// Answers a search that has found all; a paged one gets the cookie.
    fn end_search(&mut self, id: i32, cookie: Option<&[u8]>) {
        let mut controls = Vec::new();
        if let Some(cookie) = cookie {
            controls::put_page(&mut controls, 0, cookie);
        }
        self.answer(id, Operation::Search, &Outcome { controls: &controls, ..Outcome::SUCCESS });
    }

    /// Where the page that was asked for begins. A size of 0 ends the paged search, or asks for no entry at all.
    fn page(&mut self, control: &PageControl<'_>, query: &[u8]) -> Result<Page, Failure> {
        let after = match control.cookie {
            [] => None,
            cookie => Some(self.cookies.redeem(cookie, &self.caller.identity.name, query, self.now)?),
        };
        Ok(Page { size: usize::try_from(control.size).unwrap_or(usize::MAX), after })
    }

    /// The assertion control of an operation that changes nothing (RFC 4528 §3): the entry must match.
    pub(super) fn assert(&self, base: &str, filter: Filter<'_>) -> Result<(), Failure> {
        let request = SearchRequest { types_only: true, manage_dsa_it: true, ..SearchRequest::new(base, Scope::Base, filter, vec!["1.1"]) };
        let mut found = Found(false);
        let mut search = self.door.directory.search(&self.caller, &request)?;
        while search.step(&mut found)? == Progress::More {}
        match found.0 {
            true => Ok(()),
            false => Err(Error::AssertionFailed("the entry does not match the assertion".to_owned()).into()),
        }
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

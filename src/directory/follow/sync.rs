//! Content sync as a provider (RFC 4533): a consumer is brought up to date (the refresh stage), and then, if it wants
//! that, kept so (the persist stage).
//!
//! Refresh goes through the content of now, and leaves out what the consumer's cookie says it has. What left the content
//! meanwhile is told as deletes to the operator, who may know of everything; all others are told what is still there
//! (the present phase), because a UUID of what they never saw is nobody's to send. Where the journal does not reach back
//! to the cookie, or what is found rests on memberships, every entry is sent anew.

use super::content::{Content, FollowRequest, Found, read_uuid, uuid_of};
use super::cookie::{Cookies, Redeemed};
use super::digest::{Digest, Step, touch_below};
use crate::base::EntryId;
use crate::directory::request::{Visible, VisibleAttribute};
use crate::directory::{Caller, Directory, Error};
use crate::model::entry::put_attribute;
use crate::model::{Entry, Facts};
use crate::store::{Change, Changes, Next, Revision, StoreError};
use roaring::RoaringBitmap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::task::JoinHandle;

/// An entryUUID.
pub type Uuid = [u8; 16];

/// Entries looked at, and change sets taken, in one step.
const STEP: usize = 256;
/// UUIDs in one message.
const SET: usize = 256;
/// Change sets read from the journal at a time.
const PIECE: usize = 4_096;
/// Change sets that a consumer may be behind; with more it is sent everything.
const MOST_BEHIND: usize = 1 << 18;
/// Revisions after which the operator's consumer gets a new cookie though nothing concerned it.
const COOKIE_EVERY: u128 = 1_000;

/// What a consumer asks for besides the search.
#[derive(Clone, Copy, Debug)]
pub struct SyncRequest<'a> {
    /// What it got last time.
    pub cookie: Option<&'a [u8]>,
    /// Whether it wants to be kept up to date.
    pub persist: bool,
    /// Whether it takes everything anew where its cookie is stale, and is not refused then.
    pub reload_hint: bool,
}

/// What a message says about its entry (RFC 4533 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncState {
    /// It is in the content, and may be new to the consumer.
    Add,
    /// It was in the content, and has changed.
    Modify,
}

/// Takes what a consumer is to be told.
pub trait SyncSink {
    /// An entry as it is now.
    fn entry(&mut self, state: SyncState, uuid: &Uuid, cookie: Option<&str>, entry: &Visible<'_>);
    /// Entries that are in the content and unchanged, or that are not in it any more.
    fn set(&mut self, deleted: bool, uuids: &[Uuid], cookie: Option<&str>);
    /// The refresh stage is over and the persist stage begins. `deletes`: what left the content was told.
    fn refreshed(&mut self, deletes: bool, cookie: &str);
    /// A cookie and nothing else.
    fn cookie(&mut self, cookie: &str);
    /// Whether the sync should pause and let the sink be emptied.
    fn is_full(&self) -> bool;
}

/// How a step of a sync ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyncProgress {
    /// There is more; ask again when the sink has room.
    More,
    /// There is nothing more for now.
    Waiting,
    /// The refresh was all that was asked for.
    Done {
        /// For the next time.
        cookie: String,
        /// Whether what left the content was told; where not, what was not mentioned is gone.
        deletes: bool,
    },
}

/// A content sync under way. It holds no lock between steps.
pub struct ContentSync {
    content: Content,
    cookies: Cookies,
    persist: bool,
    stage: Stage,
    /// What the consumer has.
    held: RoaringBitmap,
    /// The rights it all rests on.
    rights: [u8; 32],
    /// The position of the last cookie that was sent.
    told: Revision,
}

enum Stage {
    /// The journal is read on another thread.
    Reading(JoinHandle<Result<News, StoreError>>),
    Refresh(Box<Refresh>),
    Persist(Box<Persist>),
}

/// What the consumer may lack.
enum News {
    All,
    /// Only what is here.
    Some {
        changed: RoaringBitmap,
        gone: Vec<Uuid>,
    },
}

struct Refresh {
    candidates: RoaringBitmap,
    next: u32,
    visited: RoaringBitmap,
    news: News,
    /// Whether what left the content is told.
    deletes: bool,
    /// Waiting to be told in one message.
    set: Vec<Uuid>,
    sent: usize,
    looked_at: usize,
}

#[derive(Default)]
struct Persist {
    digest: Digest,
    /// The revision of the digest; `None` where all of it is done.
    revision: Option<Revision>,
    /// Whether anything was said about it yet that carries no cookie.
    said: bool,
    gone: Vec<Uuid>,
}

impl Directory {
    /// Begins a content sync. A cookie that does not fit is refused with [`Error::RefreshRequired`] where the consumer
    /// does not take a reload.
    pub fn sync(self: &Arc<Self>, caller: &Caller, request: &FollowRequest<'_>, sync: SyncRequest<'_>) -> Result<ContentSync, Error> {
        let content = Content::begin(self, caller, request.search, true)?;
        let mut cookies = Cookies::new(self.cookie_key()?, content.context(&request.digest), Arc::clone(self.clock()));
        let position = content.subscription.position();
        let stage = match cookies.redeem(sync.cookie.unwrap_or_default(), position) {
            Redeemed::Known(known) if content.rests_on_entries_alone() => {
                Stage::Reading(read(self, known, position, content.is_of_operator()))
            }
            Redeemed::Known(_) | Redeemed::Nothing => Stage::refresh(&content, News::All),
            Redeemed::Stale if sync.reload_hint => Stage::refresh(&content, News::All),
            Redeemed::Stale => return Err(Error::RefreshRequired("the cookie is not good for this content any more")),
        };
        let rights = content.rights();
        Ok(ContentSync { content, cookies, persist: sync.persist, stage, held: RoaringBitmap::new(), rights, told: position })
    }
}

/// Reads the journal between two revisions, on a thread that may wait.
fn read(directory: &Arc<Directory>, from: Revision, to: Revision, of_operator: bool) -> JoinHandle<Result<News, StoreError>> {
    let directory = Arc::clone(directory);
    tokio::task::spawn_blocking(move || news(&directory, from, to, of_operator))
}

fn news(directory: &Directory, from: Revision, to: Revision, of_operator: bool) -> Result<News, StoreError> {
    let (mut changed, mut gone, mut moved) = (RoaringBitmap::new(), Vec::new(), RoaringBitmap::new());
    // It may have ceased to be an organisation, so that what is below it is shown to others: the journal does not say what it was.
    let released = |entry: &Entry| !of_operator && directory.memory().child_count(entry.id) > 0;
    let (mut at, mut count) = (from, 0);
    while at < to {
        let Changes::Events(events) = directory.store().changes_after(at, PIECE)? else { return Ok(News::All) };
        count += events.len();
        let Some(last) = events.last().filter(|_| count <= MOST_BEHIND) else { return Ok(News::All) };
        at = last.revision;
        for change in events.iter().flat_map(|event| &event.changes) {
            match change {
                Change::Put { entry, moved: has_moved, .. } => {
                    changed.insert(entry.id.0);
                    if *has_moved || released(entry) {
                        moved.insert(entry.id.0);
                    }
                }
                Change::Removed { removed, .. } => {
                    let Some(uuid) = read_uuid(&removed.uuid) else { return Ok(News::All) };
                    changed.extend(removed.referred_by.iter().map(|id| id.0));
                    gone.push(uuid);
                }
                Change::Linked(link) => drop(changed.insert(link.source.0)),
                Change::Unlinked(source, ..) => drop(changed.insert(source.0)),
                Change::Meta(_) => {}
            }
        }
    }
    for id in moved {
        touch_below(directory.memory(), EntryId(id), &mut changed);
    }
    Ok(News::Some { changed, gone })
}

impl Stage {
    fn refresh(content: &Content, news: News) -> Self {
        let deletes = matches!(news, News::Some { .. }) && content.is_of_operator();
        let candidates = content.candidates();
        let (visited, set) = (RoaringBitmap::new(), Vec::new());
        Self::Refresh(Box::new(Refresh { candidates, next: 0, visited, news, deletes, set, sent: 0, looked_at: 0 }))
    }
}

impl ContentSync {
    /// Whether a step has anything to do; where not, the task is woken when it has.
    pub fn poll(&mut self, context: &mut Context<'_>) -> bool {
        match &mut self.stage {
            Stage::Reading(reading) => match Pin::new(reading).poll(context) {
                Poll::Pending => false,
                Poll::Ready(read) => {
                    // Where the journal cannot be read everything is sent.
                    let news = read.ok().and_then(Result::ok).unwrap_or(News::All);
                    self.stage = Stage::refresh(&self.content, news);
                    true
                }
            },
            Stage::Refresh(_) => true,
            Stage::Persist(persist) => persist.revision.is_some() || self.content.subscription.poll(context),
        }
    }

    /// Whether the refresh stage is over.
    pub const fn persists(&self) -> bool {
        matches!(self.stage, Stage::Persist(_))
    }

    /// Goes on until the sink is full or nothing is left for now. An error ends the sync.
    pub fn step(&mut self, caller: &Caller, sink: &mut dyn SyncSink) -> Result<SyncProgress, Error> {
        if self.content.refresh(caller) && self.content.rights() != self.rights {
            return Err(Error::RefreshRequired("what may be seen has changed"));
        }
        self.refuse_reinterpreted()?;
        match std::mem::replace(&mut self.stage, Stage::Persist(Box::default())) {
            Stage::Reading(reading) => {
                self.stage = Stage::Reading(reading);
                Ok(SyncProgress::Waiting)
            }
            Stage::Refresh(mut refresh) => match self.step_refresh(&mut refresh, sink)? {
                true => Ok(self.end_refresh(&refresh, sink)),
                false => {
                    self.stage = Stage::Refresh(refresh);
                    Ok(SyncProgress::More)
                }
            },
            Stage::Persist(mut persist) => {
                let progress = self.step_persist(&mut persist, sink);
                self.stage = Stage::Persist(persist);
                progress
            }
        }
    }

    /// Answers whether the content was gone through.
    fn step_refresh(&mut self, refresh: &mut Refresh, sink: &mut dyn SyncSink) -> Result<bool, Error> {
        for _ in 0..STEP {
            if sink.is_full() {
                return Ok(false);
            }
            let Some(id) = refresh.candidates.range(refresh.next..).next() else { return Ok(true) };
            let Some(next) = id.checked_add(1) else { return Ok(true) };
            refresh.next = next;
            self.visit(refresh, EntryId(id), sink)?;
        }
        Ok(false)
    }

    /// Sends an entry, after those above it: a consumer has to put it somewhere.
    fn visit(&mut self, refresh: &mut Refresh, id: EntryId, sink: &mut dyn SyncSink) -> Result<(), Error> {
        let mut chain = Vec::new();
        let mut at = Some(id);
        while let Some(id) = at.filter(|id| refresh.candidates.contains(id.0) && refresh.visited.insert(id.0)) {
            let Some(entry) = self.content.entry(id) else { break };
            at = entry.parent;
            chain.push(entry);
        }
        for entry in chain.iter().rev() {
            let found = self.content.look(entry);
            // What is hidden is not counted: how much of it there is would show (HC1).
            refresh.looked_at += usize::from(found != Found::Nothing);
            self.within_limits(refresh, found)?;
            if found == Found::Held {
                self.send_once(refresh, entry, sink);
            }
        }
        Ok(())
    }

    fn within_limits(&self, refresh: &Refresh, found: Found) -> Result<(), Error> {
        let limits = self.content.grants.limits();
        if refresh.sent >= limits.size && found == Found::Held {
            return Err(Error::SizeLimit);
        }
        if refresh.looked_at > limits.look_through {
            return Err(Error::AdminLimit("the sync would look at more entries than the look-through limit allows".to_owned()));
        }
        Ok(())
    }

    fn send_once(&mut self, refresh: &mut Refresh, entry: &Entry, sink: &mut dyn SyncSink) {
        let Some(uuid) = self.uuid(entry) else { return };
        self.held.insert(entry.id.0);
        if entry.revision > self.content.subscription.began_with() {
            self.content.past.sent_ahead(entry);
        }
        refresh.sent += 1;
        let has_it = matches!(&refresh.news, News::Some { changed, .. } if !changed.contains(entry.id.0));
        if !has_it {
            self.send(SyncState::Add, entry, &uuid, None, sink);
        } else if !refresh.deletes {
            refresh.set.push(uuid);
            if refresh.set.len() >= SET {
                sink.set(false, &refresh.set, None);
                refresh.set.clear();
            }
        }
    }

    fn end_refresh(&mut self, refresh: &Refresh, sink: &mut dyn SyncSink) -> SyncProgress {
        let deletes = refresh.deletes;
        let position = self.content.subscription.position();
        if !refresh.set.is_empty() {
            sink.set(false, &refresh.set, None);
        }
        if let (true, News::Some { changed, gone }) = (deletes, &refresh.news) {
            let left = (changed - &self.held).into_iter().filter_map(|id| {
                let entry = self.content.memory().entry(EntryId(id))?;
                self.uuid(&entry)
            });
            let gone: Vec<Uuid> = left.chain(gone.iter().copied()).collect();
            for set in gone.chunks(SET) {
                let cookie = self.cookies.issue(self.told);
                sink.set(true, set, Some(&cookie));
            }
        }
        let cookie = self.cookies.issue(position);
        self.told = position;
        if !self.persist {
            return SyncProgress::Done { cookie, deletes };
        }
        if deletes {
            self.hold_what_is_changing(position);
        }
        sink.refreshed(deletes, &cookie);
        SyncProgress::More
    }

    /// What changed while the content was gone through may have been in it before, and with the consumer: it is looked at
    /// as if it were, so that it is told if it is not in the content any more.
    fn hold_what_is_changing(&mut self, position: Revision) {
        for event in self.content.subscription.coming(position) {
            for change in &event.changes {
                match change {
                    Change::Put { entry, moved: true, .. } => touch_below(self.content.memory(), entry.id, &mut self.held),
                    Change::Put { entry, .. } => drop(self.held.insert(entry.id.0)),
                    Change::Removed { removed, .. } => drop(self.held.insert(removed.id.0)),
                    Change::Linked(_) | Change::Unlinked(..) | Change::Meta(_) => {}
                }
            }
        }
    }

    fn step_persist(&mut self, persist: &mut Persist, sink: &mut dyn SyncSink) -> Result<SyncProgress, Error> {
        for _ in 0..STEP {
            if sink.is_full() {
                return Ok(SyncProgress::More);
            }
            if let Some(revision) = persist.revision {
                if !self.tell_next(persist, revision, sink) {
                    self.end_event(persist, revision, sink);
                }
                continue;
            }
            match self.content.take() {
                Next::Nothing => return Ok(SyncProgress::Waiting),
                Next::Lost => return Err(Error::RefreshRequired("the consumer fell too far behind")),
                Next::Event(event) => {
                    let digest = Digest::of(&event, self.content.schema(), self.content.memory());
                    self.refuse_reinterpreted()?;
                    self.refuse_upset(&digest)?;
                    *persist = Persist { digest, revision: Some(event.revision), ..Persist::default() };
                }
            }
        }
        Ok(SyncProgress::More)
    }

    fn refuse_reinterpreted(&self) -> Result<(), Error> {
        match self.content.is_reinterpreted() {
            true => Err(Error::RefreshRequired("the filter means something else by a change of the schema or of rights")),
            false => Ok(()),
        }
    }

    /// A change after which other entries may be found than the changed ones ends the sync, as does one to the base.
    fn refuse_upset(&self, digest: &Digest) -> Result<(), Error> {
        let base = self.content.base;
        let above = |id: EntryId| id == base || crate::directory::tree::is_within(self.content.memory(), base, id);
        if digest.steps.iter().any(|step| (step.moved && above(step.id)) || (step.after.is_none() && step.id == base)) {
            return Err(Error::RefreshRequired("the base of the content was renamed or deleted"));
        }
        if digest.adopts() && !self.content.is_of_operator() {
            return Err(Error::RefreshRequired("an entry became an organisation, or ceased to be one"));
        }
        let upset = || digest.upsets(self.content.memory(), self.content.grants.subject().organisation);
        if !self.content.rests_on_entries_alone() && upset() {
            return Err(Error::RefreshRequired("memberships have changed"));
        }
        Ok(())
    }

    /// Tells about the next entry of the change set; answers whether there was one.
    fn tell_next(&mut self, persist: &mut Persist, revision: Revision, sink: &mut dyn SyncSink) -> bool {
        // The one message that a change set needs carries its cookie.
        let alone = (persist.digest.len() == 1 && !persist.said).then_some(revision);
        if let Some(Step { before, after, .. }) = persist.digest.steps.pop_front() {
            match (before, after) {
                (_, Some(entry)) if self.content.past.is_outdated(&entry) => {}
                (_, Some(entry)) => self.tell(persist, &entry, alone, true, sink),
                (Some(entry), None) => self.tell_gone(persist, &entry, sink),
                (None, None) => {}
            }
            return true;
        }
        let (id, always) = match (persist.digest.touched.min(), persist.digest.targets.min()) {
            (Some(id), _) => (id, true),
            (None, Some(id)) => (id, self.content.shows_derived()),
            (None, None) => return false,
        };
        persist.digest.touched.remove(id);
        persist.digest.targets.remove(id);
        if let Some(entry) = self.content.entry(EntryId(id)) {
            self.tell(persist, &entry, alone, always, sink);
        }
        true
    }

    /// Tells about an entry that is there: it came in, changed, or left. With `always` off a change within is no news.
    fn tell(&mut self, persist: &mut Persist, entry: &Arc<Entry>, alone: Option<Revision>, always: bool, sink: &mut dyn SyncSink) {
        let Some(uuid) = self.uuid(entry) else { return };
        let was_in = self.held.contains(entry.id.0);
        if !self.content.holds(entry) {
            if was_in {
                self.held.remove(entry.id.0);
                persist.gone.push(uuid);
            }
            return;
        }
        if was_in && !always {
            return;
        }
        self.flush_gone(persist, sink);
        self.tell_above(persist, entry, sink);
        self.held.insert(entry.id.0);
        let state = if was_in { SyncState::Modify } else { SyncState::Add };
        let alone = alone.filter(|_| !persist.said);
        let cookie = alone.map(|revision| self.cookies.issue(revision));
        self.send(state, entry, &uuid, cookie.as_deref(), sink);
        match alone {
            Some(revision) => self.told = revision,
            None => persist.said = true,
        }
    }

    /// Sends what stands above an entry, is in the content, and was not sent yet.
    fn tell_above(&mut self, persist: &mut Persist, entry: &Entry, sink: &mut dyn SyncSink) {
        let mut missing = Vec::new();
        let mut at = entry.parent;
        while let Some(above) = at.filter(|id| !self.held.contains(id.0)).and_then(|id| self.content.entry(id)) {
            at = above.parent;
            missing.push(above);
        }
        for above in missing.iter().rev() {
            let Some(uuid) = self.uuid(above).filter(|_| self.content.holds(above)) else { continue };
            self.held.insert(above.id.0);
            persist.said = true;
            self.send(SyncState::Add, above, &uuid, None, sink);
        }
    }

    fn tell_gone(&mut self, persist: &mut Persist, entry: &Entry, sink: &mut dyn SyncSink) {
        if self.held.remove(entry.id.0)
            && let Some(uuid) = self.uuid(entry)
        {
            persist.gone.push(uuid);
            if persist.gone.len() >= SET {
                self.flush_gone(persist, sink);
            }
        }
    }

    fn flush_gone(&mut self, persist: &mut Persist, sink: &mut dyn SyncSink) {
        if !persist.gone.is_empty() {
            let cookie = self.cookies.issue(self.told);
            sink.set(true, &persist.gone, Some(&cookie));
            persist.gone.clear();
            persist.said = true;
        }
    }

    fn end_event(&mut self, persist: &mut Persist, revision: Revision, sink: &mut dyn SyncSink) {
        self.flush_gone(persist, sink);
        // To others than the operator it would say how much happens elsewhere (O1).
        let is_due = revision.0.saturating_sub(self.told.0) >= COOKIE_EVERY && self.content.is_of_operator();
        if persist.said || is_due {
            sink.cookie(&self.cookies.issue(revision));
            self.told = revision;
        }
        persist.revision = None;
    }

    fn uuid(&self, entry: &Entry) -> Option<Uuid> {
        uuid_of(entry, self.content.schema().known().entry_uuid)
    }

    fn send(&mut self, state: SyncState, entry: &Entry, uuid: &Uuid, cookie: Option<&str>, sink: &mut dyn SyncSink) {
        let known = *self.content.schema().known();
        let csn = entry.text(known.entry_csn).and_then(|csn| self.cookies.exchanged_csn(csn));
        let mut encoded = Vec::new();
        if let Some(csn) = &csn {
            put_attribute(&mut encoded, "entryCSN", &[csn.as_bytes()]);
        }
        self.content.show(entry, |visible| {
            let stamped = |attribute: &VisibleAttribute<'_>| {
                csn.is_some() && attribute.description() == "entryCSN" && attribute.values().next().is_some()
            };
            if !visible.attributes.iter().any(stamped) {
                return sink.entry(state, uuid, cookie, visible);
            }
            let mut attributes = visible.attributes.to_vec();
            for attribute in attributes.iter_mut().filter(|attribute| stamped(attribute)) {
                *attribute = VisibleAttribute { encoded: &encoded };
            }
            sink.entry(state, uuid, cookie, &Visible { attributes: &attributes, ..*visible });
        });
    }
}

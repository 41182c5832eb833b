//! Searches that go on with changes: persistent searches and content syncs. They are stepped as searches are, whenever
//! there is something to tell and room to tell it; the writer of the store wakes the connection.

use super::connection::Connection;
use super::encode::Outcome;
use super::frame::{Frame, Operation};
use super::persistent::{self, PersistentControl};
use super::result::Failure;
use super::sync;
use crate::directory::{ContentSync, Error, FollowRequest, PersistentSearch, SearchRequest, SyncProgress, SyncRequest};
use ldap3_proto::proto::LdapResultCode;
use sha2::{Digest, Sha256};
use std::task::Context;

/// A search that is followed.
pub(crate) struct Following {
    /// Its message id.
    pub(crate) id: i32,
    follower: Follower,
}

enum Follower {
    Persistent { search: Box<PersistentSearch>, explain: bool },
    Sync(Box<ContentSync>),
}

/// What became of a follower in a step.
enum Outlook {
    Ended(Result<Vec<u8>, Error>),
    Goes,
}

impl Following {
    /// Whether a step has anything to do; where not, the task is woken when it has.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> bool {
        match &mut self.follower {
            Follower::Persistent { search, .. } => search.poll(context),
            Follower::Sync(sync) => sync.poll(context),
        }
    }

    /// Whether it ends by itself, or has yet to tell what there is.
    pub(super) const fn has_to_finish(&self) -> bool {
        match &self.follower {
            Follower::Persistent { .. } => false,
            Follower::Sync(sync) => !sync.persists(),
        }
    }
}

impl Connection {
    /// Begins a content sync (RFC 4533).
    pub(super) fn begin_sync(&mut self, frame: &Frame<'_>, search: &SearchRequest<'_>, request: SyncRequest<'_>) -> Result<(), Failure> {
        self.admit_follower()?;
        let digest = Sha256::digest(frame.content).into();
        let sync = self.door.directory.sync(&self.caller, &FollowRequest { search, digest }, request)?;
        self.note_follow(search, "content sync");
        self.followers.push(Following { id: frame.id, follower: Follower::Sync(Box::new(sync)) });
        Ok(())
    }

    /// Begins to follow what a persistent search is about; from now on no change is missed.
    pub(super) fn begin_persistent(
        &self,
        frame: &Frame<'_>,
        search: &SearchRequest<'_>,
        control: PersistentControl,
    ) -> Result<Following, Failure> {
        self.admit_follower()?;
        let request = FollowRequest { search, digest: [0; 32] };
        let followed = Box::new(self.door.directory.persistent_search(&self.caller, &request, control.kinds)?);
        self.note_follow(search, "persistent search");
        Ok(Following { id: frame.id, follower: Follower::Persistent { search: followed, explain: control.explain } })
    }

    /// Who follows gets whatever there is and whatever comes.
    fn note_follow(&self, search: &SearchRequest<'_>, by: &str) {
        self.door.directory.note(&self.caller, "follow", search.base, by.to_owned(), "success");
    }

    /// One connection has so many of them and no more (HA12).
    fn admit_follower(&self) -> Result<(), Failure> {
        let waiting = self.searches.iter().filter(|running| running.is_followed()).count();
        match self.followers.len() + waiting < self.settings.limits.followers_per_connection {
            true => Ok(()),
            false => Err(Failure::new(LdapResultCode::AdminLimitExceeded, "the connection follows too many searches already")),
        }
    }

    /// Lets each follower go one step. Who may be told is looked at anew each time (HA12); the peer is not active by that.
    pub(super) fn step_followers(&mut self) {
        if self.followers.is_empty() || !self.review() {
            return;
        }
        for mut following in std::mem::take(&mut self.followers) {
            match self.step_follower(&mut following) {
                Outlook::Goes => self.followers.push(following),
                Outlook::Ended(Ok(controls)) => {
                    self.answer(following.id, Operation::Search, &Outcome { controls: &controls, ..Outcome::SUCCESS });
                }
                Outlook::Ended(Err(error)) => {
                    self.answer(following.id, Operation::Search, &Outcome::from(&Failure::from(error)));
                }
            }
        }
    }

    fn step_follower(&mut self, following: &mut Following) -> Outlook {
        let id = following.id;
        match &mut following.follower {
            Follower::Persistent { search, explain } => {
                match search.step(&self.caller, &mut persistent::Teller::new(&mut self.output, id, *explain)) {
                    Ok(()) => Outlook::Goes,
                    Err(error) => Outlook::Ended(Err(error)),
                }
            }
            Follower::Sync(sync) => match sync.step(&self.caller, &mut sync::Teller::new(&mut self.output, id)) {
                Ok(SyncProgress::More | SyncProgress::Waiting) => Outlook::Goes,
                Ok(SyncProgress::Done { cookie, deletes }) => {
                    let mut controls = Vec::new();
                    sync::put_done(&mut controls, &cookie, deletes);
                    Outlook::Ended(Ok(controls))
                }
                Err(error) => Outlook::Ended(Err(error)),
            },
        }
    }

    /// Looks up who the peer is by now, as a message from it would. Searches under way end with its session (S6, HC7).
    pub(super) fn review(&mut self) -> bool {
        let reviewed = self.door.directory.review(&self.caller.identity);
        self.take_identity(reviewed)
    }
}

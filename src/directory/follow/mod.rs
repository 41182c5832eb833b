//! Following a search after it has found all there is: persistent search, and content sync (RFC 4533). A follower reads
//! the store's feed. Each change is held against what the caller may see and the filter finds at that moment, so what
//! comes into the content, leaves it, moves or is renamed is noticed whatever the cause.
//!
//! A follower holds no change: the store keeps those of late once for all of them, and who falls behind them is cut
//! off (HA12).

mod content;
mod cookie;
mod digest;
mod past;
mod persistent;
mod sync;

pub use content::FollowRequest;
pub use persistent::{ChangeKind, ChangeKinds, ChangeSink, EntryChange, PersistentSearch};
pub use sync::{ContentSync, SyncProgress, SyncRequest, SyncSink, SyncState, Uuid};

use super::core::Core;
use super::{Directory, Error, Identity};
use crate::access::Standing;
use crate::base::{EntryId, random};
use crate::model::Facts;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// The record outside the tree that holds the key of the cookies.
const KEY: &str = "follow/key";

/// How many follow.
#[derive(Default)]
pub(crate) struct Followers(Mutex<HashMap<Crowd, usize>>);

/// Those who share places.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Crowd {
    /// All who are not bound: they must not take the places of those who are.
    Anonymous,
    /// The members of an organisation, or those who belong to none.
    Of(Option<EntryId>),
}

/// A place among the followers, given back when it is dropped. The operator needs none.
struct FollowerPlace {
    core: Arc<Core>,
    crowd: Option<Crowd>,
}

impl FollowerPlace {
    /// Takes a place; refused where the crowd of the caller has as many as it may (HA12).
    fn take(core: &Arc<Core>, identity: &Identity) -> Result<Self, Error> {
        let current = core.current();
        let limits = &current.settings.limits;
        let (crowd, most) = match identity.standing {
            Standing::Operator => return Ok(Self { core: Arc::clone(core), crowd: None }),
            Standing::Anonymous => (Crowd::Anonymous, limits.followers_anonymous),
            Standing::Client | Standing::Service | Standing::User => (Crowd::Of(identity.organisation), limits.followers_per_organisation),
        };
        let mut held = core.followers.0.lock();
        let count = held.entry(crowd).or_default();
        if *count >= most {
            return Err(Error::AdminLimit("too many searches are followed already".to_owned()));
        }
        *count += 1;
        Ok(Self { core: Arc::clone(core), crowd: Some(crowd) })
    }
}

impl Drop for FollowerPlace {
    fn drop(&mut self) {
        let Some(crowd) = self.crowd else { return };
        let mut held = self.core.followers.0.lock();
        if let Some(count) = held.get_mut(&crowd) {
            *count -= 1;
            if *count == 0 {
                held.remove(&crowd);
            }
        }
    }
}

impl Directory {
    /// Makes the key of the cookies where there is none, or where the store was made from a snapshot: changes that
    /// consumers have seen may be missing in it, so they have to start anew.
    pub(super) fn make_cookie_key(&self) -> Result<(), Error> {
        if self.memory().meta(KEY).is_some() && !self.store().report().from_snapshot {
            return Ok(());
        }
        let key = random::bytes::<32>().to_vec();
        self.store().submit(move |txn| {
            txn.put_meta(KEY, Some(key));
            Ok(())
        })?;
        Ok(())
    }

    /// The key of what clients keep for us and send back. Busy where the directory has just been opened.
    pub fn cookie_key(&self) -> Result<[u8; 32], Error> {
        self.memory()
            .meta(KEY)
            .and_then(|key| <[u8; 32]>::try_from(&*key).ok())
            .ok_or_else(|| Error::Busy("the directory has just been opened".to_owned()))
    }
}

//! Identifiers.

use super::clock::Timestamp;
use super::random;
use serde::{Deserialize, Serialize};

/// The number of an entry inside one store. Given once and never used again, so that a stale
/// reference can never reach another entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntryId(pub u32);

/// A new entryUUID (RFC 4530), version 7 of RFC 9562: sorted by creation time, which createTimestamp shows anyway.
pub fn new_uuid(now: Timestamp) -> uuid::Uuid {
    uuid::Builder::from_unix_timestamp_millis(now.millis(), &random::bytes::<10>()).into_uuid()
}

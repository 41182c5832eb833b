//! What every layer may use: the clock, randomness, identifiers, secrets, limits, BER primitives and
//! the preparation of text for comparison. Nothing here knows what a directory is.

pub mod ber;
pub mod clock;
pub mod connections;
pub mod counts;
pub mod ids;
pub mod json;
pub mod jwk;
pub mod jwt;
#[cfg(test)]
pub(crate) mod jwt_tests;
pub mod limits;
pub mod line;
pub mod network;
pub mod outgoing;
pub mod prepare;
pub mod proxy_protocol;
pub mod random;
pub mod secret;

pub use clock::{Clock, ManualClock, Moment, SystemClock, Timestamp};
pub use ids::EntryId;
pub use limits::{Limits, SearchLimits};
pub use network::Network;
pub use secret::Secret;

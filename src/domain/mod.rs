//! Users, staff, seats, roles, groups, activation: the rules of the domain as pure functions over entries and
//! facts. Nothing here writes or waits.
//!
//! [`seats::SeatBook`] says who may be in at one time, [`check::check`] is the one rule point of every write,
//! [`lens`] reads entries as what they are to the domain, [`roles`] and [`groups`] follow links to what somebody
//! may do and where they belong, [`structured`] keeps structured values and their plain projection in step, and
//! [`activation`] holds the rules of links in mails.

pub mod activation;
pub mod catalog;
pub mod charges;
pub mod check;
pub mod content;
pub mod groups;
pub mod history;
pub mod lens;
pub mod licence;
pub mod lockout;
pub mod packages;
pub mod password_policy;
pub mod password_rules;
pub mod roles;
pub mod seats;
pub mod session;
pub mod shares;
pub mod structured;

pub use catalog::Catalog;
pub use check::{Actor, Breach, Cause, Proposal, check};
pub use content::Content;
pub use lens::{AccountState, Group, Licence, Role, Session, User, UserType, organisation_of};
pub use roles::Rights;
pub use seats::{Decision, LicenceTerms, Seat, SeatBook};
pub use session::SessionHandle;

#[cfg(test)]
mod rules_tests;
#[cfg(test)]
pub(crate) mod world;

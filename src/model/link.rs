//! Links: references from one entry to another, kept by id as edges and readable from both ends.
//! Which attributes are links is said in the schema (`X-LINK`).

use super::AttributeId;
use crate::base::EntryId;
use serde::{Deserialize, Serialize};

/// The level of a membership (domain rule G1); every other link is of level `Full`.
/// The order is the order of power: the highest wins where several apply (G4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Level {
    /// Was a member once.
    Past,
    /// May only be seen as a member.
    ViewOnly,
    /// A full member, and every link that has no levels.
    #[default]
    Full,
    /// Runs the group.
    Administrator,
}

/// One edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// The entry that holds the attribute.
    pub source: EntryId,
    /// The link attribute that keeps the edge; attributes that show the same edges in another form
    /// (`uniqueMember`, `memberUid` of the same group) are views of it.
    pub attribute: AttributeId,
    /// The entry pointed to.
    pub target: EntryId,
    /// The level of the edge.
    pub level: Level,
}

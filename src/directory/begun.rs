//! What the plan of a search rests on, and what becomes of the plan where others change that.

use super::Directory;
use super::search::STEP_TIME;
use super::sorted::Stamp;
use crate::store::Watch;
use std::time::Duration;

/// How often a search that takes long to plan is planned before it is taken as it is.
const ATTEMPTS: usize = 3;

/// A moment, and what a plan made from then on rests on.
#[derive(Clone, Copy)]
pub(super) struct Begun {
    pub(super) at: Duration,
    pub(super) watch: Watch,
    /// The version of the schema.
    pub(super) version: usize,
    /// The generations of names and links, and of authority.
    pub(super) bonds: u64,
    authority: u64,
    /// The highest revision of an entry.
    pub(super) revision: u64,
    /// What a list made from then on is good for.
    pub(super) stamp: Stamp,
}

/// What becomes of a plan that does not hold any more.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Overtaken {
    /// It is taken as it is.
    Kept,
    /// It is made again, while others may change what it rests on.
    Again,
    /// It is made again while nobody does.
    AgainHere,
}

impl Directory {
    /// What a plan that is made from now on rests on.
    pub(super) fn begun(&self) -> Begun {
        let memory = self.memory();
        Begun {
            at: self.clock().monotonic(),
            watch: memory.watch(),
            version: self.schema().version(),
            bonds: memory.bonds(),
            authority: self.core().authority(),
            revision: memory.highest_revision(),
            stamp: self.stamp(),
        }
    }
}

impl Overtaken {
    /// By the number of the attempt, how long it took to plan, and whether the schema is still the same.
    pub(super) fn of(attempt: usize, took: Duration, same_schema: bool) -> Self {
        match attempt < ATTEMPTS || !same_schema {
            // Rights change with every seat that is taken; whoever asked had those that it was planned with.
            false => Self::Kept,
            true if took > STEP_TIME => Self::Again,
            true => Self::AgainHere,
        }
    }
}

impl Begun {
    /// Whether nothing has changed since.
    pub(super) fn is_now(&self, directory: &Directory) -> bool {
        let memory = directory.memory();
        memory.is_as_at(self.watch) && memory.bonds() == self.bonds && self.is_of_rules(directory)
    }

    /// Whether the schema and what is allowed to whom are still the same.
    pub(super) fn is_of_rules(&self, directory: &Directory) -> bool {
        directory.schema().version() == self.version && directory.core().authority() == self.authority
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hd7_whatever_others_change_a_search_is_planned_so_often_and_then_answered() {
        let (soon, late) = (Duration::ZERO, Duration::from_secs(1));
        for attempt in 1..ATTEMPTS {
            assert_eq!([soon, late].map(|took| Overtaken::of(attempt, took, true)), [Overtaken::AgainHere, Overtaken::Again]);
        }
        assert_eq!([soon, late].map(|took| Overtaken::of(ATTEMPTS, took, true)), [Overtaken::Kept, Overtaken::Kept]);
        assert_eq!([soon, late].map(|took| Overtaken::of(ATTEMPTS, took, false)), [Overtaken::AgainHere, Overtaken::Again]);
    }
}

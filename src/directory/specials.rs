//! Whether there are entries that searches treat in a special way: aliases, referrals, dynamic
//! groups, collective attribute subentries. Asked once for each
//! state of the directory, so that a directory without any pays nothing.

use super::Directory;
use super::alias::ALIAS;
use super::dynamic::GROUP_OF_URLS;
use super::referral::{REFERRAL, of_class};
use crate::schema::COLLECTIVE_SUBENTRY;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many classes there are.
const BITS: u32 = 4;

/// The answer for one state, packed: its number, and one bit for each class.
pub(super) struct SpecialsCache(AtomicU64);

impl Default for SpecialsCache {
    fn default() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }
}

/// Which special entries there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Specials(u64);

impl Specials {
    /// Whether there is any alias.
    pub(super) const fn aliases(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether there is any referral.
    pub(super) const fn referrals(self) -> bool {
        self.0 & 2 != 0
    }

    /// Whether there is any dynamic group.
    pub(super) const fn dynamic_groups(self) -> bool {
        self.0 & 4 != 0
    }

    /// Whether there is any collective attribute subentry.
    pub(super) const fn collective(self) -> bool {
        self.0 & 8 != 0
    }
}

impl Directory {
    /// Which special entries the committed state has.
    pub(super) fn specials(&self) -> Specials {
        let memory = self.memory();
        let cache = &self.core().specials.0;
        // The number of a state is far below 2^60. A state that is being published counts as the one before it.
        let state = u64::try_from(memory.revision().0).unwrap_or(u64::MAX) << BITS;
        let held = cache.load(Ordering::Relaxed);
        if held >> BITS << BITS == state {
            return Specials(held ^ state);
        }
        let any = |class: &str| u64::from(!of_class(self.schema(), memory, class).is_empty());
        let bits = any(ALIAS) | any(REFERRAL) << 1 | any(GROUP_OF_URLS) << 2 | any(COLLECTIVE_SUBENTRY) << 3;
        cache.store(state | bits, Ordering::Relaxed);
        Specials(bits)
    }
}

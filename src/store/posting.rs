//! A set of entry numbers that takes little room while it is small: most keys of an index lead to one entry, and a
//! group of 100 000 still takes and loses a member in logarithmic time.

use roaring::RoaringBitmap;

/// How many numbers are kept as a sorted list before a bitmap takes over.
const FEW: usize = 32;

/// A set of entry numbers.
#[derive(Clone, Debug)]
pub(super) enum Posting {
    /// Exactly one.
    One(u32),
    /// Some, sorted; also none.
    Few(Vec<u32>),
    /// Many.
    Many(Box<RoaringBitmap>),
}

impl Default for Posting {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Posting {
    /// Puts a number in; whether it was new.
    pub(super) fn insert(&mut self, id: u32) -> bool {
        match self {
            Self::One(held) if *held == id => false,
            Self::One(held) => {
                let pair = [id.min(*held), id.max(*held)];
                *self = Self::Few(pair.to_vec());
                true
            }
            Self::Few(held) => {
                let Err(at) = held.binary_search(&id) else { return false };
                if held.is_empty() {
                    *self = Self::One(id);
                } else if held.len() < FEW {
                    held.insert(at, id);
                } else {
                    let mut many: RoaringBitmap = held.iter().copied().collect();
                    many.insert(id);
                    *self = Self::Many(Box::new(many));
                }
                true
            }
            Self::Many(held) => held.insert(id),
        }
    }

    /// Takes a number out; whether it was in.
    pub(super) fn remove(&mut self, id: u32) -> bool {
        match self {
            Self::One(held) if *held == id => {
                *self = Self::default();
                true
            }
            Self::One(_) => false,
            Self::Few(held) => held.binary_search(&id).map(|at| held.remove(at)).is_ok(),
            Self::Many(held) => {
                let was_in = held.remove(id);
                if was_in && held.len() as usize <= FEW / 2 {
                    *self = Self::Few(held.iter().collect());
                }
                was_in
            }
        }
    }

    /// Whether a number is in it.
    pub(super) fn contains(&self, id: u32) -> bool {
        match self {
            Self::One(held) => *held == id,
            Self::Few(held) => held.binary_search(&id).is_ok(),
            Self::Many(held) => held.contains(id),
        }
    }

    /// How many are in it.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Few(held) => held.len(),
            Self::Many(held) => held.len() as usize,
        }
    }

    /// Whether none is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers from `from` on, in order.
    pub(super) fn iter_from(&self, from: u32) -> PostingIter<'_> {
        match self {
            Self::One(held) => PostingIter::One((*held >= from).then_some(*held)),
            Self::Few(held) => PostingIter::Few(held.get(held.partition_point(|id| *id < from)..).unwrap_or_default().iter()),
            Self::Many(held) => PostingIter::Many(Box::new(held.range(from..))),
        }
    }

    /// All numbers, in order.
    pub(super) fn iter(&self) -> PostingIter<'_> {
        self.iter_from(0)
    }

    /// Puts all numbers into `bitmap`.
    pub(super) fn add_to(&self, bitmap: &mut RoaringBitmap) {
        match self {
            Self::One(held) => {
                bitmap.insert(*held);
            }
            Self::Few(held) => bitmap.extend(held.iter().copied()),
            Self::Many(held) => *bitmap |= &**held,
        }
    }

    /// About how many octets it takes beyond itself.
    pub(super) fn heap_size(&self) -> usize {
        match self {
            Self::One(_) => 0,
            Self::Few(held) => held.capacity() * 4,
            Self::Many(held) => held.serialized_size(),
        }
    }
}

/// The numbers of a posting, in order.
pub(super) enum PostingIter<'a> {
    One(Option<u32>),
    Few(std::slice::Iter<'a, u32>),
    Many(Box<roaring::bitmap::Iter<'a>>),
}

impl Iterator for PostingIter<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        match self {
            Self::One(held) => held.take(),
            Self::Few(held) => held.next().copied(),
            Self::Many(held) => held.next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn a_posting_is_a_set(steps in prop::collection::vec((any::<bool>(), 0..100_u32), 0..300), from in 0..100_u32) {
            let (mut posting, mut model) = (Posting::default(), BTreeSet::new());
            for (put, id) in steps {
                match put {
                    true => prop_assert_eq!(posting.insert(id), model.insert(id)),
                    false => prop_assert_eq!(posting.remove(id), model.remove(&id)),
                }
                prop_assert_eq!(posting.len(), model.len());
                prop_assert_eq!(posting.contains(id), model.contains(&id));
            }
            prop_assert!(posting.iter().eq(model.iter().copied()));
            prop_assert!(posting.iter_from(from).eq(model.range(from..).copied()));
            let mut bitmap = RoaringBitmap::new();
            posting.add_to(&mut bitmap);
            prop_assert!(bitmap.iter().eq(model.iter().copied()));
        }
    }
}

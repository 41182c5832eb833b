//! Look-up by name in any case, without allocation: it stands on the way of every search.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// What a name stands for, names in any case.
#[derive(Clone, Debug)]
pub(super) struct Names<T> {
    map: HashMap<Box<[u8]>, T, BuildHasherDefault<Multiply>>,
}

/// The longest name that is looked up without allocation.
const SHORT: usize = 64;

impl<T: Copy> Names<T> {
    pub(super) fn new() -> Self {
        Self { map: HashMap::default() }
    }

    /// Adds a name; answers what it stood for before, and keeps that.
    pub(super) fn insert(&mut self, name: &str, value: T) -> Option<T> {
        let key = name.to_ascii_lowercase().into_bytes().into_boxed_slice();
        if let Some(held) = self.map.get(&key) {
            return Some(*held);
        }
        self.map.insert(key, value);
        None
    }

    pub(super) fn get(&self, name: &str) -> Option<T> {
        let mut buffer = [0; SHORT];
        match buffer.get_mut(..name.len()) {
            Some(lower) => {
                lower.copy_from_slice(name.as_bytes());
                lower.make_ascii_lowercase();
                self.map.get(&*lower).copied()
            }
            None => self.map.get(name.to_ascii_lowercase().as_bytes()).copied(),
        }
    }
}

/// Eight octets at a time by multiplication. The names in the table come from the operator, so nobody can fill it
/// with collisions.
#[derive(Default)]
struct Multiply(u64);

/// 2^64 divided by the golden ratio, odd.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for Multiply {
    fn write(&mut self, octets: &[u8]) {
        for chunk in octets.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(place, octet)| *place = *octet);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

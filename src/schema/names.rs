//! Look-up by name in any case, without allocation: it stands on the way of every search.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// What a name stands for, names in any case.
#[derive(Clone, Debug)]
pub(super) struct Names<T> {
    map: HashMap<Box<[u8]>, T, BuildHasherDefault<Fnv>>,
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

/// FNV-1a. The names in the table come from the operator, so nobody can fill it with collisions.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = (self.0 ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

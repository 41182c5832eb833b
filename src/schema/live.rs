//! The schema in force, which the operator changes at run time. Versions are only ever added, so who reads one keeps it by
//! a plain reference for as long as it likes: no lock, no counting. The number of an attribute type is the same in every
//! version that has it, and a version that is older than the number answers with a type nobody sees.

use super::Schema;
use parking_lot::Mutex;
use std::ops::Deref;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Chunks of versions, each twice as long as the one before.
const CHUNKS: usize = 24;

/// The schema in force. It stands for its newest version.
#[derive(Debug)]
pub struct LiveSchema {
    first: Schema,
    /// Those after the first.
    later: [OnceLock<Box<[OnceLock<Schema>]>>; CHUNKS],
    newest: AtomicUsize,
    adopting: Mutex<()>,
}

impl LiveSchema {
    /// How often the schema was changed since it was loaded.
    pub fn version(&self) -> usize {
        self.newest.load(Ordering::Acquire)
    }

    /// A version of the schema, the one as loaded being 0.
    pub fn at(&self, version: usize) -> &Schema {
        if version == 0 {
            return &self.first;
        }
        let (chunk, place) = place(version);
        let slots = self.later.get(chunk).and_then(OnceLock::get);
        slots.and_then(|slots| slots.get(place)).and_then(OnceLock::get).unwrap_or(&self.first)
    }

    /// Puts a schema in force that was made from this one by a change. Who reads keeps what it has, and finds the new one
    /// when it looks again.
    pub fn adopt(&self, schema: Schema) {
        let _one_at_a_time = self.adopting.lock();
        let version = self.version() + 1;
        let (chunk, place) = place(version);
        let slots = self.later.get(chunk).map(|slots| slots.get_or_init(|| (0..1_usize << chunk).map(|_| OnceLock::new()).collect()));
        // 2^24 versions would not fit into memory; nothing changes then.
        if let Some(slot) = slots.and_then(|slots| slots.get(place))
            && slot.set(schema).is_ok()
        {
            self.newest.store(version, Ordering::Release);
        }
    }
}

/// The chunk of a later version, from 1 on, and its place in there.
const fn place(version: usize) -> (usize, usize) {
    let chunk = version.ilog2() as usize;
    (chunk, version - (1 << chunk))
}

impl Deref for LiveSchema {
    type Target = Schema;

    fn deref(&self) -> &Schema {
        self.at(self.version())
    }
}

impl From<Schema> for LiveSchema {
    fn from(first: Schema) -> Self {
        Self { first, later: [const { OnceLock::new() }; CHUNKS], newest: AtomicUsize::new(0), adopting: Mutex::new(()) }
    }
}

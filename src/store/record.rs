//! The state as records: one per entry, one per chunk of links, one per record outside the tree. Sled and snapshots
//! keep the same. Each has a checksum over key and value. What is longer than sled takes gladly is cut into parts,
//! each under the key with the number of the part behind it.

use super::change_set::{EntryRecord, Octets};
use super::checkpoint::CHUNK_BITS;
use super::kv::Batch;
use super::memory::Memory;
use crate::base::EntryId;
use crate::model::{AttributeId, Entry, Facts, Level, Link};
use crate::schema::Schema;
use crate::schema::additions::RECORD;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// The most octets of a part; with key and head it stays below 4 KiB.
const PART: usize = 3_968;
const FORMAT: u8 = 1;

const ENTRY: u8 = b'e';
const LINKS: u8 = b'l';
const META: u8 = b'm';
/// The record of schema changes: it is read before entries, since they are written by it.
const SCHEMA: u8 = b'd';

/// The name of a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Name {
    Entry(EntryId),
    /// Source, upper bits of the target, attribute.
    Links(EntryId, u32, AttributeId),
    Meta(String),
}

impl Name {
    pub(super) fn key(&self, schema: &Schema) -> Vec<u8> {
        match self {
            Self::Entry(id) => [&[ENTRY][..], &id.0.to_be_bytes()].concat(),
            Self::Links(source, chunk, attribute) => {
                let name = schema.attribute_type(*attribute).name().as_bytes();
                [&[LINKS][..], &source.0.to_be_bytes(), &chunk.to_be_bytes(), name].concat()
            }
            Self::Meta(key) if key == RECORD => [&[SCHEMA][..], key.as_bytes()].concat(),
            Self::Meta(key) => [&[META][..], key.as_bytes()].concat(),
        }
    }

    /// The record of that name as memory has it now; `None` where there is none (any more).
    pub(super) fn read(&self, memory: &Memory, key: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Entry(id) => memory.entry(*id).map(|entry| sealed(key, &EntryRecord::of(&entry))),
            Self::Meta(name) => memory.meta(name).map(|value| sealed(key, &Octets(&value))),
            Self::Links(source, chunk, attribute) => {
                let first = chunk << CHUNK_BITS;
                let after = first.checked_sub(1).map(EntryId);
                let found = memory.targets(*source, *attribute, after, 1 << CHUNK_BITS);
                let packed: Vec<u8> = found
                    .iter()
                    .filter(|(target, _)| target.0 >> CHUNK_BITS == *chunk)
                    .flat_map(|(target, level)| ((target.0 - first) as u16 | level_bits(*level) << CHUNK_BITS).to_le_bytes())
                    .collect();
                (!packed.is_empty()).then(|| sealed(key, &Octets(&packed)))
            }
        }
    }
}

const fn level_bits(level: Level) -> u16 {
    match level {
        Level::Past => 0,
        Level::ViewOnly => 1,
        Level::Full => 2,
        Level::Administrator => 3,
    }
}

const fn level_of(bits: u16) -> Option<Level> {
    Some(match bits {
        0 => Level::Past,
        1 => Level::ViewOnly,
        2 => Level::Full,
        3 => Level::Administrator,
        4.. => return None,
    })
}

/// Checksum over key and rest, format, body.
fn sealed(key: &[u8], body: &impl Serialize) -> Vec<u8> {
    let start = vec![0, 0, 0, 0, FORMAT];
    // A Vec takes everything; an empty record would be found damaged when it is read.
    let mut out = postcard::to_extend(body, start).unwrap_or_default();
    let sum = checksum(key, out.get(4..).unwrap_or_default());
    for (to, from) in out.iter_mut().zip(sum.to_le_bytes()) {
        *to = from;
    }
    out
}

fn checksum(key: &[u8], rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(rest);
    hasher.finalize()
}

/// The body of a record after its checksum is found right.
fn opened<'a, T: Deserialize<'a>>(key: &[u8], value: &'a [u8]) -> Result<T, String> {
    let damaged = || format!("the record {} is damaged", key.escape_ascii());
    let (sum, rest) = value.split_first_chunk::<4>().ok_or_else(damaged)?;
    if checksum(key, rest) != u32::from_le_bytes(*sum) {
        return Err(damaged());
    }
    let (&format, body) = rest.split_first().ok_or_else(damaged)?;
    if format != FORMAT {
        return Err(format!("the record {} is of format {format}, which this version does not know", key.escape_ascii()));
    }
    postcard::from_bytes(body).map_err(|_| damaged())
}

/// Whether a record must be taken in before others are read.
pub(super) fn is_first(key: &[u8]) -> bool {
    key.first() == Some(&SCHEMA)
}

/// What a record holds.
#[derive(Debug)]
pub(super) enum Record {
    Entry(Arc<Entry>),
    Links(Vec<Link>),
    Meta(String, Arc<[u8]>),
}

/// Looks at the checksum of a record only.
pub(super) fn check(key: &[u8], value: &[u8]) -> Result<(), String> {
    let (sum, rest) = value.split_first_chunk::<4>().unwrap_or((&[0; 4], &[]));
    let right = !rest.is_empty() && checksum(key, rest) == u32::from_le_bytes(*sum);
    right.then_some(()).ok_or_else(|| format!("the record {} is damaged", key.escape_ascii()))
}

/// Reads a record.
pub(super) fn decode(key: &[u8], value: &[u8], schema: &Schema) -> Result<Record, String> {
    let unknown = || format!("a record of no known kind: {}", key.escape_ascii());
    let (&kind, name) = key.split_first().ok_or_else(unknown)?;
    match kind {
        ENTRY => {
            let record: EntryRecord<'_> = opened(key, value)?;
            let entry = record.restore(schema).ok_or_else(|| format!("the schema cannot read the record {}", key.escape_ascii()))?;
            Ok(Record::Entry(Arc::new(entry)))
        }
        LINKS => decode_links(key, name, value, schema).map(Record::Links),
        META | SCHEMA => {
            let held: Octets<'_> = opened(key, value)?;
            let name = std::str::from_utf8(name).map_err(|_| unknown())?;
            Ok(Record::Meta(name.to_owned(), held.0.into()))
        }
        _ => Err(unknown()),
    }
}

fn decode_links(key: &[u8], name: &[u8], value: &[u8], schema: &Schema) -> Result<Vec<Link>, String> {
    let held: Octets<'_> = opened(key, value)?;
    let unknown = || format!("the links {} are of an attribute that the schema lacks", key.escape_ascii());
    let (source, rest) = name.split_first_chunk::<4>().ok_or_else(unknown)?;
    let (chunk, attribute) = rest.split_first_chunk::<4>().ok_or_else(unknown)?;
    let source = EntryId(u32::from_be_bytes(*source));
    let first = u32::from_be_bytes(*chunk) << CHUNK_BITS;
    let attribute = std::str::from_utf8(attribute).ok().and_then(|name| schema.attribute(name)).ok_or_else(unknown)?;
    let (pairs, _) = held.0.as_chunks::<2>();
    let link = |pair: &[u8; 2]| {
        let packed = u16::from_le_bytes(*pair);
        let target = EntryId(first | u32::from(packed & ((1 << CHUNK_BITS) - 1)));
        level_of(packed >> CHUNK_BITS).map(|level| Link { source, attribute, target, level })
    };
    pairs.iter().map(link).collect::<Option<_>>().ok_or_else(|| format!("the record {} is damaged", key.escape_ascii()))
}

/// Key and value of a record.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// Knows which records of sled have several parts, so that none is left behind when one gets shorter.
#[derive(Default)]
pub(super) struct Parts(HashMap<Vec<u8>, u16>);

impl Parts {
    /// Adds to `batch` what makes sled hold `value` under `key`. The first part begins with the count of parts.
    pub(super) fn put(&mut self, key: &[u8], value: Option<&[u8]>, batch: &mut Batch) {
        let count = value.map_or(0, |value| value.len().div_ceil(PART).max(1)) as u16;
        let before = if count > 1 { self.0.insert(key.to_vec(), count) } else { self.0.remove(key) };
        for (part, octets) in (0..).zip(value.unwrap_or_default().chunks(PART)) {
            let head: &[u8] = if part == 0 { &count.to_be_bytes() } else { &[] };
            batch.push((part_key(key, part), Some([head, octets].concat())));
        }
        for part in count..before.unwrap_or(1) {
            batch.push((part_key(key, part), None));
        }
    }
}

fn part_key(key: &[u8], part: u16) -> Vec<u8> {
    [key, &part.to_be_bytes()].concat()
}

/// Puts records together from parts that come in order of key.
#[derive(Default)]
pub(super) struct Assembler {
    open: HashMap<Vec<u8>, (u16, u16, Vec<u8>)>,
    parts: Parts,
}

impl Assembler {
    /// Takes a part; answers key and value of the record where it is whole now.
    pub(super) fn take(&mut self, key: &[u8], octets: &[u8]) -> Result<Option<Pair>, String> {
        let damaged = || format!("the parts of the record {} do not belong together", key.escape_ascii());
        let (name, part) = key.split_last_chunk::<2>().ok_or_else(damaged)?;
        let part = u16::from_be_bytes(*part);
        if part == 0 {
            let (count, value) = octets.split_first_chunk::<2>().ok_or_else(damaged)?;
            match u16::from_be_bytes(*count) {
                0 => return Err(damaged()),
                1 => return Ok(Some((name.to_vec(), value.to_vec()))),
                count => self.open.insert(name.to_vec(), (count, 1, value.to_vec())),
            };
            return Ok(None);
        }
        let (count, seen, value) = self.open.get_mut(name).ok_or_else(damaged)?;
        if *seen != part {
            return Err(damaged());
        }
        *seen += 1;
        value.extend_from_slice(octets);
        if *seen < *count {
            return Ok(None);
        }
        self.parts.0.insert(name.to_vec(), *count);
        Ok(self.open.remove(name).map(|(_, _, value)| (name.to_vec(), value)))
    }

    /// All parts were taken: nothing may be left open.
    pub(super) fn finish(self) -> Result<Parts, String> {
        match self.open.keys().next() {
            Some(key) => Err(format!("the record {} lacks a part", key.escape_ascii())),
            None => Ok(self.parts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn parts_come_together_again_and_none_is_left_behind(
            writes in prop::collection::vec(("[a-c\u{0}]{1,3}", prop::option::of(0..15_000_usize)), 1..12),
        ) {
            let (mut parts, mut kept, mut model) = (Parts::default(), BTreeMap::new(), BTreeMap::new());
            for (at, (key, length)) in writes.into_iter().enumerate() {
                let value = length.map(|length| vec![at as u8; length.max(1)]);
                let mut batch = Batch::new();
                parts.put(key.as_bytes(), value.as_deref(), &mut batch);
                for (key, value) in batch {
                    prop_assert!(value.as_ref().is_none_or(|value| value.len() <= 4_096));
                    match value {
                        Some(value) => kept.insert(key, value),
                        None => kept.remove(&key),
                    };
                }
                match value {
                    Some(value) => model.insert(key.into_bytes(), value),
                    None => model.remove(key.as_bytes()),
                };
            }
            let (mut assembler, mut read) = (Assembler::default(), BTreeMap::new());
            for (key, octets) in &kept {
                read.extend(assembler.take(key, octets).unwrap());
            }
            prop_assert_eq!(&read, &model);
            prop_assert_eq!(assembler.finish().unwrap().0, parts.0);
        }
    }

    #[test]
    fn a_flipped_bit_in_a_record_is_noticed() {
        let value = sealed(b"mkey", &Octets(b"some octets"));
        assert!(check(b"mkey", &value).is_ok());
        assert!(check(b"mother", &value).is_err());
        for at in 0..value.len() * 8 {
            let mut damaged = value.clone();
            damaged[at / 8] ^= 1 << (at % 8);
            assert!(check(b"mkey", &damaged).is_err(), "bit {at}");
        }
    }
}

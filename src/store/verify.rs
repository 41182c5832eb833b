//! Holds everything against everything: indexes against entries, links against each other and against entries,
//! names against places, sled against memory. It answers what does not agree, in words for the operator.

use super::checkpoint::{self, Dirty};
use super::kv::Kv;
use super::memory::Memory;
use super::record::{self, Assembler, Name, Record};
use crate::model::{Facts, Link};
use std::collections::BTreeSet;

/// The most findings that are told one by one.
const TOLD: usize = 100;

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What does not agree; the first hundred.
    pub told: Vec<String>,
    /// How many there are in all.
    pub count: usize,
    /// Entries looked at.
    pub entries: usize,
}

impl Findings {
    pub(super) fn push(&mut self, text: String) {
        self.count += 1;
        if self.told.len() < TOLD {
            self.told.push(text);
        }
    }
}

/// Compares what memory holds with itself. Nothing may be published meanwhile.
pub(super) fn memory(memory: &Memory) -> Findings {
    let mut findings = Findings::default();
    names(memory, &mut findings);
    links(memory, &mut findings);
    indexes(memory, &mut findings);
    findings
}

fn names(memory: &Memory, findings: &mut Findings) {
    let ids = memory.ids_after(None, usize::MAX);
    findings.entries = ids.len();
    if ids.len() != memory.entry_count() {
        findings.push(format!("{} entries are counted and {} are there", memory.entry_count(), ids.len()));
    }
    let mut children = 0;
    for id in ids {
        let Some(entry) = memory.entry(id) else { continue };
        if memory.child(entry.parent, &entry.rdn_key) != Some(id) {
            findings.push(format!("entry {} ({}) is not found by its name", id.0, entry.rdn));
        }
        if let Some(parent) = entry.parent {
            if memory.with_entry(parent, |_| ()).is_none() {
                findings.push(format!("entry {} ({}) stands under entry {}, which is not there", id.0, entry.rdn, parent.0));
            }
            if !memory.has_child(parent, id) {
                findings.push(format!("entry {} ({}) is not among the entries under {}", id.0, entry.rdn, parent.0));
            }
            children += 1;
        }
    }
    let listed: usize = memory.parents().into_iter().map(|parent| memory.child_count(parent)).sum();
    if listed != children {
        findings.push(format!("{listed} entries are listed under others and {children} stand there"));
    }
}

fn links(memory: &Memory, findings: &mut Findings) {
    let all = memory.links();
    let (mut forward, mut backward) = (0, 0);
    for link in all.all_sources().into_iter().flat_map(|source| all.from(source)) {
        forward += 1;
        let Link { source, attribute, target, level } = link;
        if !all.to_has(link) {
            findings.push(format!("the link from entry {} to entry {} is not found from its target", source.0, target.0));
        }
        for end in [source, target] {
            if memory.with_entry(end, |_| ()).is_none() {
                let name = memory.schema().attribute_type(attribute).name();
                findings.push(format!("a link {name} ({level:?}) leads from {} to {}, and {} is not there", source.0, target.0, end.0));
            }
        }
    }
    for target in all.all_targets() {
        backward += all.to(target).len();
    }
    if forward != backward {
        findings.push(format!("there are {forward} links by source and {backward} by target"));
    }
}

fn indexes(memory: &Memory, findings: &mut Findings) {
    for attribute in memory.indexed() {
        let Some(index) = memory.index(attribute) else { continue };
        if index.pairs() != memory.pairs_from_entries(attribute) {
            let name = memory.schema().attribute_type(attribute).name();
            findings.push(format!("the index of {name} does not agree with the entries"));
        }
    }
}

/// Compares sled with memory, except for what is still to be written.
pub(super) fn kept(kv: &dyn Kv, memory: &Memory, dirty: &Dirty, findings: &mut Findings) {
    match differing(kv, memory) {
        Ok(differing) => standing(differing, memory, dirty).for_each(|text| findings.push(text)),
        Err(error) => findings.push(error),
    }
}

/// Of what differs, what is not still to be written.
pub(super) fn standing(differing: Vec<Differing>, memory: &Memory, dirty: &Dirty) -> impl Iterator<Item = String> {
    let pending: BTreeSet<Vec<u8>> = dirty.names().iter().map(|name| name.key(memory.schema())).collect();
    differing.into_iter().filter(move |(key, _)| !pending.contains(key)).map(|(_, text)| text)
}

/// The key of a record that sled has otherwise than memory, and that in words.
pub(super) type Differing = (Vec<u8>, String);

/// Every record that sled has otherwise than memory; an error where sled cannot be read.
pub(super) fn differing(kv: &dyn Kv, memory: &Memory) -> Result<Vec<Differing>, String> {
    let schema = memory.schema();
    let mut expected: BTreeSet<Vec<u8>> = Dirty::all(memory).names().iter().map(|name| name.key(schema)).collect();
    let (mut assembler, mut found) = (Assembler::default(), Vec::new());
    checkpoint::read(kv, &mut |key, part| {
        let Some((key, value)) = assembler.take(key, part)? else { return Ok(()) };
        let expected = expected.remove(&key);
        if !expected || !agrees(memory, &key, &value)? {
            let text = format!("the record {} of sled does not agree with memory", key.escape_ascii());
            found.push((key, text));
        }
        Ok(())
    })?;
    assembler.finish()?;
    found.extend(expected.into_iter().map(|key| {
        let text = format!("sled lacks the record {}", key.escape_ascii());
        (key, text)
    }));
    Ok(found)
}

fn agrees(memory: &Memory, key: &[u8], value: &[u8]) -> Result<bool, String> {
    let name = match record::decode(key, value, memory.schema())? {
        Record::Entry(entry) => Some(Name::Entry(entry.id)),
        Record::Links(links) => links.first().map(|link| Name::Links(link.source, link.target.0 >> checkpoint::CHUNK_BITS, link.attribute)),
        Record::Meta(key, _) => Some(Name::Meta(key)),
    };
    Ok(name.and_then(|name| name.read(memory, key)).is_some_and(|held| held == value))
}

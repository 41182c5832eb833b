//! What one piece of work changed, as the journal keeps it: after-images per key, so that replaying twice is harmless.
//! Attribute types are kept by name, because their numbers are good for one loaded schema only.

use super::{AuditRecord, StoreError};
use crate::base::EntryId;
use crate::model::entry::Place;
use crate::model::{AttributeId, Entry, Level, Link};
use crate::schema::Schema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::Arc;

/// The most octets one change set may take.
pub(super) const LARGEST: usize = 64 << 20;

/// The format of a change set; its first octet.
const FORMAT: u8 = 2;

/// One step of a change.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    /// An entry is so from now on, where it stood or as a new one.
    PutEntry(Arc<Entry>),
    /// An entry is so from now on, and it and all below it have another name.
    MoveEntry(Arc<Entry>),
    /// An entry is gone, and every link from it and to it.
    DeleteEntry(Removed),
    /// A link has this level from now on.
    PutLink(Link),
    /// A link is gone.
    DeleteLink(EntryId, AttributeId, EntryId),
    /// A record outside the tree; `None`: it is gone.
    PutMeta(String, Option<Arc<[u8]>>),
}

impl Operation {
    /// The entry it is about; `None` for a record outside the tree.
    pub(super) fn entry(&self) -> Option<EntryId> {
        match self {
            Self::PutEntry(entry) | Self::MoveEntry(entry) => Some(entry.id),
            Self::DeleteEntry(removed) => Some(removed.id),
            Self::PutLink(link) => Some(link.source),
            Self::DeleteLink(source, ..) => Some(*source),
            Self::PutMeta(..) => None,
        }
    }
}

/// An entry that is gone: what those who follow the store have to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Its number.
    pub id: EntryId,
    /// Its entryUUID; empty where it had none.
    pub uuid: Box<str>,
    /// The entries that had a link to it, and have it no more.
    pub referred_by: Vec<EntryId>,
}

/// A change set read from the journal.
#[derive(Clone, Debug)]
pub(super) struct ChangeSet {
    /// The id the writer gave it; no two are equal.
    pub id: [u8; 16],
    /// The steps, in order.
    pub operations: Vec<Operation>,
    /// Who changed what.
    pub audit: Vec<AuditRecord>,
}

/// Octets that are written and read in one go; serde takes them one by one otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Octets<'a>(pub &'a [u8]);

impl Serialize for Octets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Octets<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&'de [u8]>::deserialize(deserializer).map(Octets)
    }
}

/// An entry as the journal, sled and snapshots keep it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EntryRecord<'a> {
    id: u32,
    parent: Option<u32>,
    rdn: &'a str,
    #[serde(borrow)]
    rdn_key: Octets<'a>,
    revision: u64,
    #[serde(borrow)]
    octets: Octets<'a>,
}

impl<'a> EntryRecord<'a> {
    pub(super) fn of(entry: &'a Entry) -> Self {
        Self {
            id: entry.id.0,
            parent: entry.parent.map(|parent| parent.0),
            rdn: &entry.rdn,
            rdn_key: Octets(&entry.rdn_key),
            revision: entry.revision,
            octets: Octets(entry.octets()),
        }
    }

    /// The entry again; `None` where the schema cannot read it.
    pub(super) fn restore(&self, schema: &Schema) -> Option<Entry> {
        let place = Place {
            id: EntryId(self.id),
            parent: self.parent.map(EntryId),
            rdn: self.rdn.into(),
            rdn_key: self.rdn_key.0.into(),
            revision: self.revision,
        };
        schema.restore(self.octets.0, place)
    }
}

#[derive(Debug, Serialize, Deserialize)]
enum StoredOperation<'a> {
    PutEntry(#[serde(borrow)] EntryRecord<'a>),
    DeleteEntry(u32),
    PutLink(u32, &'a str, u32, Level),
    DeleteLink(u32, &'a str, u32),
    PutMeta(&'a str, #[serde(borrow)] Octets<'a>),
    DeleteMeta(&'a str),
    MoveEntry(#[serde(borrow)] EntryRecord<'a>),
    RemoveEntry(u32, &'a str, Vec<u32>),
}

/// Written as a [`StoredChangeSet`] is.
#[derive(Serialize)]
struct NewChangeSet<'a> {
    id: [u8; 16],
    operations: Vec<StoredOperation<'a>>,
    audit: &'a [AuditRecord],
}

#[derive(Deserialize)]
struct StoredChangeSet<'a> {
    id: [u8; 16],
    #[serde(borrow)]
    operations: Vec<StoredOperation<'a>>,
    audit: Vec<AuditRecord>,
}

/// Appends the change set to `out`. Where it is too large `out` is left as it was.
pub(super) fn encode(
    id: [u8; 16],
    operations: &[Operation],
    audit: &[AuditRecord],
    schema: &Schema,
    out: Vec<u8>,
) -> (Vec<u8>, Result<(), StoreError>) {
    let start = out.len();
    let size: usize = operations.iter().map(size_hint).sum();
    if size > LARGEST {
        return (out, Err(StoreError::TooLarge(LARGEST)));
    }
    let operations = operations.iter().map(|operation| stored(operation, schema)).collect();
    let mut out = out;
    out.push(FORMAT);
    match postcard::to_extend(&NewChangeSet { id, operations, audit }, out) {
        Ok(mut out) if out.len() - start > LARGEST => {
            out.truncate(start);
            (out, Err(StoreError::TooLarge(LARGEST)))
        }
        Ok(out) => (out, Ok(())),
        // A Vec takes everything and the types are plain, so this is not reached; nothing is kept if it is.
        Err(error) => (Vec::new(), Err(StoreError::ReadOnly(error.to_string()))),
    }
}

/// A lower bound of what the operation takes.
fn size_hint(operation: &Operation) -> usize {
    match operation {
        Operation::PutEntry(entry) | Operation::MoveEntry(entry) => entry.octets().len(),
        Operation::PutMeta(_, Some(value)) => value.len(),
        Operation::PutMeta(_, None) | Operation::DeleteEntry(_) | Operation::PutLink(_) | Operation::DeleteLink(..) => 1,
    }
}

fn stored<'a>(operation: &'a Operation, schema: &'a Schema) -> StoredOperation<'a> {
    let name = |attribute| schema.attribute_type(attribute).name();
    match operation {
        Operation::PutEntry(entry) => StoredOperation::PutEntry(EntryRecord::of(entry)),
        Operation::MoveEntry(entry) => StoredOperation::MoveEntry(EntryRecord::of(entry)),
        Operation::DeleteEntry(removed) => {
            let referred_by = removed.referred_by.iter().map(|id| id.0).collect();
            StoredOperation::RemoveEntry(removed.id.0, &removed.uuid, referred_by)
        }
        Operation::PutLink(link) => StoredOperation::PutLink(link.source.0, name(link.attribute), link.target.0, link.level),
        Operation::DeleteLink(source, attribute, target) => StoredOperation::DeleteLink(source.0, name(*attribute), target.0),
        Operation::PutMeta(key, Some(value)) => StoredOperation::PutMeta(key, Octets(value)),
        Operation::PutMeta(key, None) => StoredOperation::DeleteMeta(key),
    }
}

/// Reads what [`encode`] wrote. The text of the error says what the schema or the octets lack.
pub(super) fn decode(octets: &[u8], schema: &Schema) -> Result<ChangeSet, String> {
    let (&format, body) = octets.split_first().ok_or("an empty change set")?;
    if format != FORMAT {
        return Err(format!("a change set of format {format}, which this version does not know"));
    }
    let read: StoredChangeSet<'_> = postcard::from_bytes(body).map_err(|error| format!("a change set that cannot be read: {error}"))?;
    let operations = read.operations.iter().map(|operation| restored(operation, schema)).collect::<Result<_, _>>()?;
    Ok(ChangeSet { id: read.id, operations, audit: read.audit })
}

fn restored(operation: &StoredOperation<'_>, schema: &Schema) -> Result<Operation, String> {
    let attribute = |name: &str| schema.attribute(name).ok_or_else(|| format!("a link attribute {name} that the schema lacks"));
    let entry = |record: &EntryRecord<'_>| {
        let entry = record.restore(schema).ok_or_else(|| format!("an entry {} that the schema cannot read", record.rdn));
        entry.map(Arc::new)
    };
    Ok(match operation {
        StoredOperation::PutEntry(record) => Operation::PutEntry(entry(record)?),
        StoredOperation::MoveEntry(record) => Operation::MoveEntry(entry(record)?),
        StoredOperation::DeleteEntry(id) => Operation::DeleteEntry(Removed { id: EntryId(*id), uuid: "".into(), referred_by: Vec::new() }),
        StoredOperation::RemoveEntry(id, uuid, referred_by) => {
            let referred_by = referred_by.iter().copied().map(EntryId).collect();
            Operation::DeleteEntry(Removed { id: EntryId(*id), uuid: (*uuid).into(), referred_by })
        }
        StoredOperation::PutLink(source, name, target, level) => {
            Operation::PutLink(Link { source: EntryId(*source), attribute: attribute(name)?, target: EntryId(*target), level: *level })
        }
        StoredOperation::DeleteLink(source, name, target) => Operation::DeleteLink(EntryId(*source), attribute(name)?, EntryId(*target)),
        StoredOperation::PutMeta(key, value) => Operation::PutMeta((*key).to_owned(), Some(value.0.into())),
        StoredOperation::DeleteMeta(key) => Operation::PutMeta((*key).to_owned(), None),
    })
}

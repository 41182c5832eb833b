//! Which records sled does not have yet, and up to which change it is good.

use super::audit::Position;
use super::disk::{self, Disk};
use super::kv::{Batch, Each, Kv};
use super::memory::Memory;
use super::record::{Name, Parts};
use crate::base::EntryId;
use crate::model::AttributeId;
use crate::schema::additions::RECORD;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::io;
use std::path::Path;

const FILE: &str = "checkpoint";
const MAGIC: &[u8; 8] = b"hcchkp\x00\x02";
/// The key in sled under which it says itself up to where it is good. No record has one like it.
const STAMP: &[u8] = b"\0upto";
/// Parts of records in one step of sled.
const BATCH: usize = 1_000;

/// Targets of one chunk of links: so many that a chunk stays below 4 KiB.
pub(super) const CHUNK_BITS: u32 = 10;

/// The records that changed since the last background step.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    pub entries: HashSet<EntryId>,
    /// Source, attribute, and the upper bits of the target.
    pub links: HashSet<(EntryId, AttributeId, u32)>,
    pub meta: HashSet<String>,
}

impl Dirty {
    pub(super) fn entry(&mut self, id: EntryId) {
        self.entries.insert(id);
    }

    pub(super) fn link(&mut self, source: EntryId, attribute: AttributeId, target: EntryId) {
        self.links.insert((source, attribute, target.0 >> CHUNK_BITS));
    }

    pub(super) fn meta(&mut self, key: &str) {
        if !self.meta.contains(key) {
            self.meta.insert(key.to_owned());
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len() + self.links.len() + self.meta.len()
    }
}

impl Dirty {
    /// Whether sled has everything.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes in what another has: its records could not be written.
    pub(super) fn merge(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.links.extend(other.links);
        self.meta.extend(other.meta);
    }

    /// Everything that memory holds.
    pub(super) fn all(memory: &Memory) -> Self {
        let mut all = Self::default();
        all.entries.extend(memory.ids_after(None, usize::MAX));
        for source in memory.links().all_sources() {
            memory.links().from(source).iter().for_each(|link| all.link(link.source, link.attribute, link.target));
        }
        all.meta.extend(crate::model::Facts::meta_range(memory, "").into_iter().map(|(key, _)| key));
        all
    }

    /// The names of the records, in the order of their keys so that sled writes neighbours together.
    pub(super) fn names(&self) -> Vec<Name> {
        let entries = self.entries.iter().map(|id| Name::Entry(*id));
        let links = self.links.iter().map(|(source, attribute, chunk)| Name::Links(*source, *chunk, *attribute));
        let meta = self.meta.iter().map(|key| Name::Meta(key.clone()));
        let mut names: Vec<Name> = entries.chain(links).chain(meta).collect();
        names.sort_unstable();
        names
    }
}

/// Writes the records of these names as memory has them now, then that sled is good up to `upto`, and makes them last.
pub(super) fn write(kv: &dyn Kv, parts: &mut Parts, names: &[Name], memory: &Memory, upto: u64) -> Result<(), String> {
    let mut batch = Batch::new();
    let mut version = 0;
    let mut put = |name: &Name, batch: &mut Batch| {
        let key = name.key(memory.schema());
        parts.put(&key, name.read(memory, &key).as_deref(), batch);
    };
    // An entry may have been written by a schema that is newer than the record of it among `names`. So the record goes with
    // every step that may need it; names of types that are gone stay in it.
    let mut with_schema = |batch: &mut Batch, put: &mut dyn FnMut(&Name, &mut Batch)| {
        let now = memory.schema().version();
        if now != version {
            version = now;
            put(&Name::Meta(RECORD.to_owned()), batch);
        }
    };
    for name in names {
        put(name, &mut batch);
        if batch.len() >= BATCH {
            with_schema(&mut batch, &mut put);
            kv.apply(std::mem::take(&mut batch))?;
        }
    }
    with_schema(&mut batch, &mut put);
    batch.push((STAMP.to_vec(), Some(upto.to_be_bytes().to_vec())));
    kv.apply(batch)?;
    kv.flush()
}

/// Reads all records of sled, and answers up to which change it says it is good; `None` where it does not say.
pub(super) fn read(kv: &dyn Kv, record: Each<'_>) -> Result<Option<u64>, String> {
    let mut upto = None;
    kv.range(&mut |key, value| match key {
        STAMP => {
            upto = value.try_into().ok().map(u64::from_be_bytes);
            Ok(())
        }
        key => record(key, value),
    })?;
    Ok(upto)
}

/// Says up to where sled is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    /// Sled holds every change up to this one, and maybe some after it; so does the audit file.
    pub upto: u64,
    /// The highest entry number and entry revision ever given.
    pub highest: (u32, u64),
    /// The last records that are in the log of changes, and in that of logins and refusals, for sure.
    pub logged: [Position; 2],
}

impl Checkpoint {
    /// Puts it in the place of the former one.
    pub(super) fn save(&self, disk: &dyn Disk, folder: &Path) -> Result<(), String> {
        let mut octets = MAGIC.to_vec();
        octets.extend(postcard::to_allocvec(self).map_err(|error| error.to_string())?);
        octets.extend(crc32fast::hash(&octets).to_le_bytes());
        disk::replace(disk, &folder.join(FILE), &octets).map_err(|error| format!("the checkpoint cannot be written: {error}"))
    }

    /// Reads it. `None` where there is none; an error where it is damaged.
    pub(super) fn read(disk: &dyn Disk, folder: &Path) -> Result<Option<Self>, String> {
        let octets = disk::read_whole(disk, &folder.join(FILE)).map_err(|error| format!("the checkpoint cannot be read: {error}"))?;
        let Some(octets) = octets else { return Ok(None) };
        let whole = || {
            let (body, sum) = octets.split_last_chunk::<4>()?;
            let read = postcard::from_bytes(body.strip_prefix(MAGIC)?).ok()?;
            (crc32fast::hash(body) == u32::from_le_bytes(*sum)).then_some(read)
        };
        whole().map(Some).ok_or_else(|| "the checkpoint is damaged".to_owned())
    }

    /// Removes it: what is in sled is not to be believed any more.
    pub(super) fn remove(disk: &dyn Disk, folder: &Path) -> Result<(), String> {
        let removed = match disk.remove(&folder.join(FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        };
        removed.and_then(|()| disk.sync_folder(folder)).map_err(|error| format!("the checkpoint cannot be removed: {error}"))
    }
}

//! Opening a store.

use super::disk::{Disk, MachineDisk};
use super::journal::{self, Journal};
use super::memory::Memory;
use super::shared::{Counts, Pending, Shared, Status, Tuning};
use super::writer::Writer;
use super::{Store, StoreError, StoreOptions, change_set};
use crate::base::Clock;
use crate::schema::Schema;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::mpsc;

/// What a store stands on; a test takes others than the machine's.
pub(super) struct Ground {
    pub disk: Arc<dyn Disk>,
    pub tuning: Tuning,
}

impl Default for Ground {
    fn default() -> Self {
        Self { disk: Arc::new(MachineDisk), tuning: Tuning::default() }
    }
}

pub(super) fn open(options: StoreOptions, schema: Arc<Schema>, clock: Arc<dyn Clock>) -> Result<Store, StoreError> {
    open_on(Ground::default(), options, schema, clock)
}

pub(super) fn open_on(ground: Ground, options: StoreOptions, schema: Arc<Schema>, clock: Arc<dyn Clock>) -> Result<Store, StoreError> {
    let Ground { disk, tuning } = ground;
    let StoreOptions { folder, indexes, reserve } = options;
    disk.create_folder(&folder).map_err(|error| StoreError::Unusable(format!("{}: {error}", folder.display())))?;
    let memory = Arc::new(Memory::new(schema.clone(), &indexes));
    let mut pending = Pending::default();
    let extent = journal::scan(&*disk, &folder, 0, |sequence, body| {
        let read = change_set::decode(body, &schema)?;
        for operation in &read.operations {
            memory.apply(operation, &mut pending.dirty);
        }
        pending.upto = sequence;
        Ok(())
    })
    .map_err(StoreError::Unusable)?;
    memory.set_applied(pending.upto);
    let journal = Journal::open(disk.clone(), &folder, tuning.segment_size, extent, 1).map_err(StoreError::Unusable)?;
    let (queue, receiver) = mpsc::channel(tuning.queue);
    let (pending, status, counts) = (Mutex::new(pending), Mutex::new(Status::default()), Counts::default());
    let shared = Arc::new(Shared { disk, folder, reserve, tuning, clock, memory, pending, status, counts });
    let writer = Writer::new(shared.clone(), journal, receiver);
    let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || writer.run());
    let thread = thread.map_err(|error| StoreError::Unusable(format!("no thread for the writer: {error}")))?;
    Ok(Store { shared, queue, writer: Mutex::new(Some(thread)) })
}

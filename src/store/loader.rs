//! Filling an empty memory from records, on all processors: one thread reads, the others decode.

use super::change_set::{ChangeSet, Operation};
use super::checkpoint::Dirty;
use super::memory::Memory;
use super::record::{self, Pair, Record};
use crate::schema::additions::RECORD;
use parking_lot::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Records handed over at once.
const BATCH: usize = 256;
/// Batches that wait.
const QUEUE: usize = 16;

/// Takes records one by one and passes them on in batches.
pub(super) struct Feed<'a> {
    memory: &'a Memory,
    batch: Vec<Pair>,
    queue: SyncSender<Vec<Pair>>,
}

impl Feed<'_> {
    pub(super) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<(), String> {
        if record::is_first(&key) {
            return load_record(self.memory, &key, &value);
        }
        self.batch.push((key, value));
        if self.batch.len() < BATCH { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<(), String> {
        self.queue.send(std::mem::take(&mut self.batch)).map_err(|_| "the loading of records stopped".to_owned())
    }
}

/// Runs `read`, which feeds records, and loads them into `memory`; then builds the indexes. A record that cannot be
/// read ends it, and leaves the memory half filled.
pub(super) fn load<T>(memory: &Memory, read: impl FnOnce(&mut Feed<'_>) -> Result<T, String>) -> Result<T, String> {
    let failure: Mutex<Option<String>> = Mutex::new(None);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (queue, receiver) = sync_channel(QUEUE);
    let receiver = Mutex::new(receiver);
    let read = std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                if let Err(error) = work(memory, &receiver) {
                    failure.lock().get_or_insert(error);
                }
            });
        }
        let mut feed = Feed { memory, batch: Vec::new(), queue };
        let read = read(&mut feed);
        // Where a worker failed it says why; that the queue broke is not worth saying then.
        let flushed = feed.flush();
        read.and_then(|read| flushed.map(|()| read))
    });
    if let Some(error) = failure.into_inner() {
        return Err(error);
    }
    let read = read?;
    memory.build_indexes();
    Ok(read)
}

fn work(memory: &Memory, receiver: &Mutex<Receiver<Vec<Pair>>>) -> Result<(), String> {
    loop {
        let Ok(batch) = receiver.lock().recv() else { return Ok(()) };
        if let Err(error) = batch.iter().try_for_each(|(key, value)| load_record(memory, key, value)) {
            // The others, and the reader, must not wait for this thread.
            while receiver.lock().recv().is_ok() {}
            return Err(error);
        }
    }
}

fn load_record(memory: &Memory, key: &[u8], value: &[u8]) -> Result<(), String> {
    match record::decode(key, value, memory.schema())? {
        Record::Entry(entry) => memory.load(entry),
        Record::Links(links) => links.into_iter().for_each(|link| memory.links().set(link)),
        Record::Meta(key, value) => {
            if key == RECORD {
                memory.adopt(&value)?;
            }
            memory.put_meta(&key, Some(value));
        }
    }
    Ok(())
}

/// Takes over what a change set says of the schema before it is replayed: those after it are written by that.
pub(super) fn learn(memory: &Memory, changes: &ChangeSet) -> Result<(), String> {
    let said = changes.operations.iter().filter_map(|operation| match operation {
        Operation::PutMeta(key, Some(value)) if key == RECORD => Some(value),
        _ => None,
    });
    said.into_iter().try_for_each(|record| memory.adopt(record))
}

/// Applies a change set read from the journal or from a snapshot.
pub(super) fn replay(memory: &Memory, changes: &ChangeSet, dirty: &mut Dirty) {
    for operation in &changes.operations {
        memory.apply(operation, dirty);
    }
}

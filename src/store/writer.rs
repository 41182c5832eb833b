//! The writer thread. It takes all work that waits, runs it piece by piece over the committed state and what the
//! group has changed so far, appends what came of it as one frame, syncs once, publishes, and only then answers.
//! While it syncs the next group queues up.

use super::background::Order;
use super::change_set::{self, Operation};
use super::feed::ChangeEvent;
use super::journal::{AppendError, Group, Journal};
use super::live;
use super::overlay::Overlay;
use super::shared::Shared;
use super::transaction::{Counters, Effect, Staged, Transaction};
use super::{AuditRecord, Revision, StoreError};
use crate::base::counts::COUNTS;
use crate::base::random;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// The most pieces of work in a group.
const GROUP_WORK: usize = 512;
/// The size of a group, in octets, after which no further work joins it.
const GROUP_SIZE: usize = 8 << 20;
/// Steps of change sets that are published together, unless one alone has more: so that few publications keep readers out, and
/// none of them for long.
const TOGETHER: usize = 64;
/// How long the free space of the disk is taken as known.
const SPACE_KNOWN: Duration = Duration::from_millis(100);

/// What is handed to the writer.
pub(super) enum Message {
    Work(Box<dyn Work>),
    /// Work that shares its group with no other.
    Alone(Box<dyn Work>),
    /// Sent when the store closes; what was queued before it is still done.
    Close,
}

/// A piece of work with its caller.
pub(super) trait Work: Send {
    /// Runs it; whether what it staged is to be kept.
    fn run(&mut self, transaction: &mut Transaction<'_>) -> bool;
    /// Answers the caller: with what the work answered, or with why nothing of it is kept.
    fn answer(self: Box<Self>, failure: Option<StoreError>);
}

/// Work as a closure, with the channel its answer goes through.
pub(super) struct Request<T, E, W> {
    work: Option<W>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, W> Request<T, E, W> {
    pub(super) fn new(work: W) -> (Box<Self>, oneshot::Receiver<Result<T, E>>) {
        let (reply, answer) = oneshot::channel();
        (Box::new(Self { work: Some(work), result: None, reply }), answer)
    }
}

impl<T, E, W> Work for Request<T, E, W>
where
    T: Send,
    E: From<StoreError> + Send,
    W: FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send,
{
    fn run(&mut self, transaction: &mut Transaction<'_>) -> bool {
        self.result = self.work.take().map(|work| work(transaction));
        matches!(self.result, Some(Ok(_)))
    }

    fn answer(self: Box<Self>, failure: Option<StoreError>) {
        let result = match (failure, self.result) {
            (Some(failure), _) => Err(failure.into()),
            (None, Some(result)) => result,
            (None, None) => Err(StoreError::Stopped.into()),
        };
        // Whoever does not wait any more is not told.
        drop(self.reply.send(result));
    }
}

/// Work that ran, waiting for the sync of its group.
struct Waiting {
    work: Box<dyn Work>,
    effects: Vec<Effect>,
}

/// What one change set of the group did.
struct Done {
    id: [u8; 16],
    operations: Vec<Operation>,
    audit: Vec<AuditRecord>,
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    journal: Journal,
    queue: mpsc::Receiver<Message>,
    /// Wakes the background step.
    orders: SyncSender<Order>,
    overlay: Overlay,
    counters: Counters,
    group: Group,
    waiting: Vec<Waiting>,
    done: Vec<Done>,
    /// Up to where followers are told once the effects of the group are done; `None` where nobody follows.
    told: Option<u64>,
    space_looked_at: Option<Duration>,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, journal: Journal, queue: mpsc::Receiver<Message>, orders: SyncSender<Order>) -> Self {
        let (id, revision) = shared.memory.highest();
        let (overlay, group, counters) = (Overlay::default(), Group::default(), Counters { id, revision });
        let (waiting, done) = (Vec::new(), Vec::new());
        Self { shared, journal, queue, orders, overlay, counters, group, waiting, done, told: None, space_looked_at: None }
    }

    /// Runs until the store closes.
    pub(super) fn run(mut self) {
        let mut open = true;
        while open {
            let Some(mut message) = self.queue.blocking_recv() else { return };
            self.look_at_space();
            loop {
                match message {
                    Message::Work(work) => self.take(work),
                    Message::Alone(work) => {
                        self.commit();
                        self.take(work);
                        self.commit();
                    }
                    Message::Close => {
                        open = false;
                        self.queue.close();
                    }
                }
                if self.waiting.len() >= GROUP_WORK || self.group.size() >= GROUP_SIZE {
                    break;
                }
                let Ok(next) = self.queue.try_recv() else { break };
                message = next;
            }
            self.commit();
        }
        // What came in while the door closed.
        while let Ok(message) = self.queue.try_recv() {
            if let Message::Work(work) | Message::Alone(work) = message {
                work.answer(Some(StoreError::Stopped));
            }
        }
    }

    fn look_at_space(&mut self) {
        let now = self.shared.clock.monotonic();
        if self.space_looked_at.is_none_or(|then| now.saturating_sub(then) >= SPACE_KNOWN) {
            self.space_looked_at = Some(now);
            self.shared.look_at_space();
        }
    }

    /// Runs one piece of work and stages what it did; where it fails it is answered at once.
    fn take(&mut self, mut work: Box<dyn Work>) {
        let mut staged = Staged::default();
        let mut transaction = Transaction::new(&self.shared.memory, &mut self.overlay, &mut self.counters, &mut staged);
        let failure = match catch_unwind(AssertUnwindSafe(|| work.run(&mut transaction))) {
            Ok(true) => self.stage(&mut staged).err(),
            Ok(false) => {
                self.overlay.roll_back();
                settle(staged.effects, false);
                return work.answer(None);
            }
            Err(_) => {
                self.shared.counts.panics.fetch_add(1, Ordering::Relaxed);
                tracing::error!("work on the writer thread panicked; nothing of it is kept");
                Some(StoreError::Stopped)
            }
        };
        if failure.is_some() {
            self.overlay.roll_back();
            settle(staged.effects, false);
            return work.answer(failure);
        }
        self.overlay.keep();
        self.waiting.push(Waiting { work, effects: staged.effects });
    }

    /// Puts what work staged into the group.
    fn stage(&mut self, staged: &mut Staged) -> Result<(), StoreError> {
        if staged.is_empty() {
            return Ok(());
        }
        self.refusal(staged.may_use_reserve)?;
        let (operations, audit) = (std::mem::take(&mut staged.operations), std::mem::take(&mut staged.audit));
        let schema = self.shared.memory.schema();
        let id = random::bytes();
        self.group.push(|out| change_set::encode(id, &operations, &audit, schema, out))?;
        self.done.push(Done { id, operations, audit });
        Ok(())
    }

    /// Whether a change may be made now.
    fn refusal(&self, may_use_reserve: bool) -> Result<(), StoreError> {
        if let Some(text) = self.journal.poison() {
            return Err(StoreError::ReadOnly(text.to_owned()));
        }
        match &self.shared.status.lock().low {
            Some(text) if !may_use_reserve => Err(StoreError::ReadOnly(text.clone())),
            Some(_) | None => Ok(()),
        }
    }

    /// Makes the group last, publishes it, and answers.
    fn commit(&mut self) {
        let failure = match self.group.count() {
            0 => None,
            count => match self.append() {
                Ok(first) => {
                    self.publish(first);
                    self.shared.counts.groups.fetch_add(1, Ordering::Relaxed);
                    self.shared.counts.changes.fetch_add(u64::from(count), Ordering::Relaxed);
                    None
                }
                Err(error) => Some(self.failed(error)),
            },
        };
        self.done.clear();
        self.group.clear();
        self.overlay.clear();
        let committed = failure.is_none();
        let mut waiting = std::mem::take(&mut self.waiting);
        // Later effects may rest on earlier ones, so they are taken back from the end.
        let effects = |waiting: &mut Waiting| settle(std::mem::take(&mut waiting.effects), committed);
        match committed {
            true => waiting.iter_mut().for_each(effects),
            false => waiting.iter_mut().rev().for_each(effects),
        }
        // After the effects, so that whoever is woken sees the rights as they are from now on.
        if let Some(sequence) = self.told.take() {
            self.shared.live.tell(sequence);
        }
        for waiting in waiting.drain(..) {
            waiting.work.answer(failure.clone());
        }
        self.waiting = waiting;
    }

    /// Writes the group to the journal, syncs, and notes how long that took.
    fn append(&mut self) -> Result<u64, AppendError> {
        let began = self.shared.clock.monotonic();
        let appended = self.journal.append(&mut self.group);
        COUNTS.flush.observe(self.shared.clock.monotonic().saturating_sub(began));
        appended
    }

    /// Shows the group to readers and to the background step.
    fn publish(&mut self, first: u64) {
        let memory = &self.shared.memory;
        let mut pending = self.shared.pending.lock();
        if self.shared.live.is_followed() {
            self.told = self.lay(first);
        }
        for together in pieces(&self.done) {
            let sets: Vec<&[Operation]> = together.iter().map(|done| done.operations.as_slice()).collect();
            memory.publish(&sets, &mut pending.dirty);
        }
        for (sequence, done) in (first..).zip(self.done.drain(..)) {
            if !done.audit.is_empty() {
                pending.audit.push((sequence, done.audit));
            }
            pending.upto = sequence;
        }
        memory.set_applied(pending.upto);
        if pending.dirty.len() >= self.shared.tuning.step_records {
            // A full queue means that it is awake.
            drop(self.orders.try_send(Order::Wake));
        }
    }

    /// Lays the group before those who follow; answers the sequence number of its last change set.
    fn lay(&self, first: u64) -> Option<u64> {
        let memory = &self.shared.memory;
        let mut images = live::Images::default();
        let mut last = None;
        for (sequence, done) in (first..).zip(&self.done) {
            let changes = done.operations.iter().map(|operation| images.change(memory, operation)).collect();
            self.shared.live.lay(ChangeEvent { revision: Revision(u128::from(sequence)), id: done.id, changes });
            last = Some(sequence);
        }
        last
    }

    fn failed(&self, error: AppendError) -> StoreError {
        match error {
            AppendError::Busy(text) => {
                tracing::warn!(%text, "changes were refused: there is no descriptor for a segment of the journal");
                StoreError::Busy(text)
            }
            AppendError::Full(text) => {
                self.shared.refuse(text.clone());
                StoreError::ReadOnly(text)
            }
            AppendError::Poisoned(text) => {
                tracing::error!(%text, "the store is read-only until it is started again");
                self.shared.status.lock().poison = Some(text.clone());
                StoreError::ReadOnly(text)
            }
        }
    }
}

/// The change sets of a group in pieces that are published one after another.
fn pieces(done: &[Done]) -> impl Iterator<Item = &[Done]> {
    let mut steps = 0;
    done.chunk_by(move |done, next| {
        steps += done.operations.len();
        let joins = steps + next.operations.len() <= TOGETHER;
        if !joins {
            steps = 0;
        }
        joins
    })
}

/// Runs what was to happen at the end of work; a panic there must not stop the writer.
fn settle(effects: Vec<Effect>, committed: bool) {
    for effect in effects {
        if catch_unwind(AssertUnwindSafe(|| effect(committed))).is_err() {
            tracing::error!("an effect of a change panicked");
        }
    }
}

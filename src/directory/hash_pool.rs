//! A few threads that hash passwords, and the short queue before them (hardening §2.3).
//!
//! A hash takes tens of milliseconds and megabytes, so no more run at one time than the pool has threads, and a
//! bind that would wait too long is told busy at once or at its deadline. Nothing else runs on these threads, and no
//! hash runs elsewhere, so a storm of binds leaves searches alone.
//!
//! Fair share: where the queue is full, the youngest waiting job of the address that holds the most places gives way
//! to an address that holds at least two fewer. And a free thread takes the oldest job of another address than the
//! last one, where there is one. So an address has the whole queue only as long as nobody else wants in. Of IPv6 it
//! is the network of 64 bits that counts, since one peer has all of it.

use super::settings::Hashing;
use crate::base::counts::COUNTS;
use crate::base::network::peer_network;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// More passwords wait to be checked than can be: busy (51), 503 with Retry-After.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked; try again later")]
pub struct Busy;

/// The threads and the queue. Dropping it lets the running jobs end; those that wait are told busy.
pub struct HashPool {
    shared: Arc<Shared>,
    deadline: Duration,
}

/// How busy a [`HashPool`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Jobs that run.
    pub running: usize,
    /// Jobs that wait.
    pub waiting: usize,
}

struct Shared {
    state: Mutex<State>,
    work: Condvar,
    threads: usize,
    queue: usize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    running: usize,
    next_number: u64,
    last_source: Option<Source>,
    stopped: bool,
}

/// Whom a place in the queue counts for, by [`peer_network`]; what comes from no address counts together.
type Source = Option<IpAddr>;

/// Hands the result over. It is called when the thread counts as free again, so that who has an answer finds the place
/// it took empty.
type Answer = Box<dyn FnOnce() + Send>;

type Work = Box<dyn FnOnce() -> Answer + Send>;

struct Job {
    number: u64,
    source: Source,
    work: Work,
}

impl HashPool {
    /// Starts the threads; an error is the machine's refusal of one.
    pub fn new(settings: &Hashing) -> io::Result<Self> {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if settings.at_once == 0 { processors() } else { settings.at_once };
        let shared = Shared { state: Mutex::default(), work: Condvar::new(), threads, queue: settings.queue };
        let pool = Self { shared: Arc::new(shared), deadline: settings.deadline };
        for number in 0..threads {
            let shared = Arc::clone(&pool.shared);
            std::thread::Builder::new().name(format!("hash-{number}")).spawn(move || shared.serve())?;
        }
        Ok(pool)
    }

    /// Runs `work` on one of the threads. Busy where the queue is full, where no thread was free before the deadline,
    /// and where `work` panicked. A job that nobody waits for any more leaves the queue; one that runs goes on.
    pub async fn run<T: Send + 'static>(&self, address: Option<IpAddr>, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        let (sender, mut receiver) = oneshot::channel();
        let job = Box::new(move || {
            COUNTS.hashes.one();
            let result = work();
            let answer: Answer = Box::new(move || {
                // The one who asked may be gone; then the answer is for nobody.
                let _ = sender.send(result);
            });
            answer
        });
        let place = self.shared.enter(address.map(peer_network), job).inspect_err(|_| COUNTS.shed.one())?;
        match tokio::time::timeout(self.deadline, &mut receiver).await {
            Ok(answer) => answer.map_err(|_| Busy),
            Err(_) if place.leave() => {
                COUNTS.shed.one();
                Err(Busy)
            }
            Err(_) => receiver.await.map_err(|_| Busy),
        }
    }

    /// How busy it is now.
    pub fn load(&self) -> Load {
        let state = self.shared.state.lock();
        Load { running: state.running, waiting: state.waiting.len() }
    }
}

impl Drop for HashPool {
    fn drop(&mut self) {
        let waiting = {
            let mut state = self.shared.state.lock();
            state.stopped = true;
            std::mem::take(&mut state.waiting)
        };
        drop(waiting);
        self.shared.work.notify_all();
    }
}

impl Shared {
    /// Puts a job into the queue.
    fn enter(&self, source: Source, work: Work) -> Result<Place<'_>, Busy> {
        let mut state = self.state.lock();
        let room = self.queue + self.threads.saturating_sub(state.running);
        // What gives way is dropped after the lock, since its drop wakes a task.
        let displaced = if state.waiting.len() < room { None } else { Some(state.displace(source).ok_or(Busy)?) };
        let number = state.next_number;
        state.next_number += 1;
        state.waiting.push_back(Job { number, source, work });
        drop(state);
        drop(displaced);
        self.work.notify_one();
        Ok(Place { shared: self, number })
    }

    /// What each thread does until the pool is dropped.
    fn serve(&self) {
        let mut state = self.state.lock();
        while !state.stopped {
            let Some(job) = state.take_next() else {
                self.work.wait(&mut state);
                continue;
            };
            state.running += 1;
            drop(state);
            let done = catch_unwind(AssertUnwindSafe(job.work));
            self.state.lock().running -= 1;
            match done {
                Ok(answer) => answer(),
                Err(_) => tracing::error!("checking a password panicked"),
            }
            state = self.state.lock();
        }
    }
}

impl State {
    /// The oldest job of another source than the last one, else the oldest.
    fn take_next(&mut self) -> Option<Job> {
        let other = self.waiting.iter().position(|job| Some(job.source) != self.last_source);
        let job = self.waiting.remove(other.unwrap_or_default())?;
        self.last_source = Some(job.source);
        Some(job)
    }

    /// Takes out the youngest job of the source with the most places, if that still leaves it no worse off than `source`.
    fn displace(&mut self, source: Source) -> Option<Job> {
        let places = |source: Source| self.waiting.iter().filter(|job| job.source == source).count();
        let greediest = self.waiting.iter().map(|job| job.source).max_by_key(|source| places(*source))?;
        if places(greediest) < places(source) + 2 {
            return None;
        }
        let youngest = self.waiting.iter().rposition(|job| job.source == greediest)?;
        self.waiting.remove(youngest)
    }
}

/// A place in the queue, given up when the one who asked goes away.
struct Place<'a> {
    shared: &'a Shared,
    number: u64,
}

impl Place<'_> {
    /// Leaves the queue. False where the job is no longer in it.
    fn leave(&self) -> bool {
        let mut state = self.shared.state.lock();
        let found = state.waiting.iter().position(|job| job.number == self.number);
        let job = found.and_then(|index| state.waiting.remove(index));
        drop(state);
        job.is_some()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    fn pool(at_once: usize, queue: usize, deadline: Duration) -> Arc<HashPool> {
        Arc::new(HashPool::new(&Hashing { at_once, queue, deadline, ..Hashing::default() }).unwrap())
    }

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    const LONG: Duration = Duration::from_secs(60);

    /// Fills the only thread, and answers what lets it go.
    async fn occupy(pool: &Arc<HashPool>) -> mpsc::Sender<()> {
        let (release, released) = mpsc::channel::<()>();
        let (started, is_started) = oneshot::channel();
        let pool = Arc::clone(pool);
        tokio::spawn(async move {
            pool.run(None, move || {
                let _ = started.send(());
                let _ = released.recv();
            })
            .await
        });
        is_started.await.unwrap();
        release
    }

    async fn until_waiting(pool: &HashPool, count: usize) {
        while pool.load().waiting != count {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn hd4_never_more_than_n_at_once_and_the_excess_is_told_busy() {
        let pool = pool(2, 8, LONG);
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..100)
            .map(|number| {
                let (pool, now, most) = (Arc::clone(&pool), Arc::clone(&now), Arc::clone(&most));
                tokio::spawn(async move {
                    pool.run(address(number), move || {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_millis(20));
                        now.fetch_sub(1, Ordering::SeqCst);
                    })
                    .await
                })
            })
            .collect();
        let mut done = 0;
        for task in tasks {
            done += usize::from(task.await.unwrap().is_ok());
        }
        assert_eq!(most.load(Ordering::SeqCst), 2);
        assert!((10..100).contains(&done), "{done} of 100 were done");
        assert_eq!(pool.load(), Load { running: 0, waiting: 0 });
    }

    #[tokio::test]
    async fn hd4_the_deadline_ends_the_waiting_but_not_the_work() {
        let pool = pool(1, 8, Duration::from_millis(30));
        let release = occupy(&pool).await;
        assert_eq!(pool.run(None, || 1).await, Err(Busy));
        assert_eq!(pool.load().waiting, 0);
        release.send(()).unwrap();
        while pool.load().running > 0 {
            tokio::task::yield_now().await;
        }
        let slow = || {
            std::thread::sleep(Duration::from_millis(90));
            2
        };
        assert_eq!(pool.run(None, slow).await, Ok(2));
    }

    #[tokio::test]
    async fn hd4_a_full_queue_refuses_at_once_and_one_who_goes_frees_the_place() {
        let pool = pool(1, 1, LONG);
        let release = occupy(&pool).await;
        let waiting = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.run(None, || 1).await }
        });
        until_waiting(&pool, 1).await;
        assert_eq!(pool.run(None, || 2).await, Err(Busy));
        waiting.abort();
        until_waiting(&pool, 0).await;
        let next = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.run(None, || 3).await }
        });
        until_waiting(&pool, 1).await;
        release.send(()).unwrap();
        assert_eq!(next.await.unwrap(), Ok(3));
    }

    #[tokio::test]
    async fn one_address_cannot_keep_the_queue_to_itself() {
        let pool = pool(1, 4, LONG);
        let release = occupy(&pool).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let ask = |last: u8| {
            let (pool, order) = (Arc::clone(&pool), Arc::clone(&order));
            tokio::spawn(async move { pool.run(address(last), move || order.lock().push(last)).await })
        };
        let mut flood: Vec<_> = Vec::new();
        for count in 1..=4 {
            flood.push(ask(1));
            until_waiting(&pool, count).await;
        }
        assert_eq!(pool.run(address(1), || ()).await, Err(Busy), "its own place is no better");
        let others = [ask(2), ask(3)];
        // Each displaces one of the flood, youngest first.
        assert_eq!(flood.pop().unwrap().await.unwrap(), Err(Busy));
        assert_eq!(flood.pop().unwrap().await.unwrap(), Err(Busy));
        assert_eq!(pool.run(address(1), || ()).await, Err(Busy));
        release.send(()).unwrap();
        for task in flood.into_iter().chain(others) {
            assert_eq!(task.await.unwrap(), Ok(()));
        }
        assert_eq!(*order.lock(), [1, 2, 1, 3], "sources take turns");
    }

    #[tokio::test]
    async fn hb4_the_addresses_of_one_network_are_one() {
        let pool = pool(1, 4, LONG);
        let release = occupy(&pool).await;
        let of_network = |last: u16| Some(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, last]));
        let mut flood: Vec<_> = Vec::new();
        for last in 1..=4 {
            flood.push(tokio::spawn({
                let pool = Arc::clone(&pool);
                async move { pool.run(of_network(last), || ()).await }
            }));
            until_waiting(&pool, last.into()).await;
        }
        assert_eq!(pool.run(of_network(5), || ()).await, Err(Busy), "another address of it is no other peer");
        let other = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.run(address(1), || ()).await }
        });
        assert_eq!(flood.pop().unwrap().await.unwrap(), Err(Busy));
        release.send(()).unwrap();
        for task in flood.into_iter().chain([other]) {
            assert_eq!(task.await.unwrap(), Ok(()));
        }
    }

    #[tokio::test]
    async fn a_panic_costs_its_own_answer_only() {
        let pool = pool(1, 4, LONG);
        assert_eq!(pool.run(None, || panic!("a panic of this test")).await, Err::<(), _>(Busy));
        assert_eq!(pool.run(None, || 1).await, Ok(1));
    }

    #[tokio::test]
    async fn a_pool_without_queue_still_takes_what_a_thread_is_free_for() {
        let pool = pool(1, 0, LONG);
        assert_eq!(pool.run(None, || 1).await, Ok(1));
        let release = occupy(&pool).await;
        assert_eq!(pool.run(None, || 2).await, Err(Busy));
        release.send(()).unwrap();
    }
}

//! Queries take turns: those of one organisation run a few at one time, so that what one asks for takes neither the threads nor
//! the memory of the others, and what is given up takes no more than its turn (HD7).

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Queries of one organisation that run at one time.
const AT_ONE_TIME: usize = 4;

/// The turns of all organisations, by their DNs.
#[derive(Debug, Default)]
pub struct Turns(Mutex<HashMap<Box<str>, Arc<Semaphore>>>);

impl Turns {
    /// Waits for a turn, which ends when what is answered is dropped. `None` never comes: nothing closes a semaphore here.
    pub async fn take(&self, organisation: &str) -> Option<OwnedSemaphorePermit> {
        let semaphore = {
            let mut held = self.0.lock();
            // Those whom nobody waits for are made anew when they are needed.
            held.retain(|_, semaphore| Arc::strong_count(semaphore) > 1);
            let semaphore = held.entry(organisation.into()).or_insert_with(|| Arc::new(Semaphore::new(AT_ONE_TIME)));
            Arc::clone(semaphore)
        };
        semaphore.acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test]
    async fn hd7_an_organisation_has_a_few_turns_and_takes_none_of_another() {
        let turns = Turns::default();
        let mut taken = Vec::new();
        for _ in 0..AT_ONE_TIME {
            taken.push(turns.take("o=a").await);
        }
        let more = || timeout(Duration::from_millis(20), turns.take("o=a"));
        assert!(more().await.is_err(), "the fifth waits");
        assert!(timeout(Duration::from_millis(20), turns.take("o=b")).await.is_ok(), "another organisation does not");
        taken.pop();
        assert!(more().await.is_ok());
        drop(taken);
        drop(turns.take("o=c").await);
        assert_eq!(turns.0.lock().len(), 1, "who has no query takes no room");
    }
}

//! Clients on trial: everything is checked and answered as if it were done, and nothing is.

use super::super::client::Client;
use super::super::error::Error;
use super::super::identity::{Caller, Standing};
use parking_lot::Mutex;
use std::sync::Arc;

/// Takes what a change came to out of the step that is taken back.
pub(in super::super) struct Trial<T>(Option<Arc<Mutex<Option<T>>>>);

impl<T> Trial<T> {
    /// Where the caller is a client on trial.
    pub(in super::super) fn of(caller: &Caller) -> Self {
        let client = caller.identity.client.as_deref().filter(|_| caller.identity.standing == Standing::Client);
        Self(client.is_some_and(Client::is_on_trial).then(Arc::default))
    }

    /// The same for the step of the writer.
    pub(in super::super) fn within(&self) -> Self {
        Self(self.0.clone())
    }

    /// The last of the step: on trial an error takes everything back.
    pub(in super::super) fn keep(&self, done: T) -> Result<T, Error> {
        match &self.0 {
            None => Ok(done),
            Some(kept) => {
                *kept.lock() = Some(done);
                Err(Error::NoOperation)
            }
        }
    }

    /// What the step came to, as the caller is told it.
    pub(in super::super) fn told(&self) -> Option<T> {
        self.0.as_ref().and_then(|kept| kept.lock().take())
    }
}

//! What the server asks of the machine it runs on: file descriptors, and telling the service manager how it goes.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sd_notify::NotifyState;
use std::time::Duration;

/// Takes as many file descriptors as the machine lets us have, and answers how many; every connection is one.
pub fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "the limit of file descriptors stays as it is");
        }
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Tells the service manager, where there is one, that we serve.
pub fn tell_ready() {
    tell(&[NotifyState::Ready, NotifyState::Status("serving")]);
}

/// … that the config is being taken over; [`tell_ready`] ends it.
pub fn tell_reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// … that we are stopping.
pub fn tell_stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// … that we are alive.
pub fn tell_alive() {
    tell(&[NotifyState::Watchdog]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, states) {
        tracing::warn!(%error, "the service manager does not listen");
    }
}

/// How often the service manager wants to hear that we are alive; `None` where it does not.
pub fn watchdog_interval() -> Option<Duration> {
    let mut microseconds = 0;
    let wanted = sd_notify::watchdog_enabled(false, &mut microseconds);
    // Twice as often as it must be, so that one late beat is not taken for death.
    wanted.then(|| Duration::from_micros(microseconds / 2)).filter(|interval| !interval.is_zero())
}

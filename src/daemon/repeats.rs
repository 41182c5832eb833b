//! Events of one kind that come thick and fast: the first of them are logged, the others counted, and the count is told.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// For so long events of one kind are counted together.
const WINDOW: Duration = Duration::from_secs(10);

/// How many of one kind there were in this window, and of those not logged what they say.
#[derive(Default)]
struct Kind {
    logged: usize,
    left_out: usize,
    message: String,
}

/// Lets so many events of one kind through in ten seconds. Those below info are for who looks for something, and all logged.
pub(super) struct Repeats {
    /// 0 for all.
    most: AtomicUsize,
    kinds: Mutex<HashMap<Identifier, Kind>>,
}

impl Repeats {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most: AtomicUsize::new(most), kinds: Mutex::default() })
    }

    pub(super) fn set(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// Tells how many were left out and begins anew.
    pub(super) fn tell(&self) {
        let kinds = std::mem::take(&mut *self.kinds.lock());
        for Kind { left_out, message, .. } in kinds.into_values().filter(|kind| kind.left_out > 0) {
            tracing::warn!(left_out, like = message, "events were left out of the log");
        }
    }

    /// Tells after each window, as long as the daemon runs.
    pub(super) async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(WINDOW).await;
            self.tell();
        }
    }

    fn admits(&self, event: &Event<'_>) -> bool {
        let most = self.most.load(Ordering::Relaxed);
        if most == 0 || *event.metadata().level() > Level::INFO {
            return true;
        }
        let kinds = &mut *self.kinds.lock();
        let kind = kinds.entry(event.metadata().callsite()).or_default();
        if kind.logged < most {
            kind.logged += 1;
            return true;
        }
        if kind.left_out == 0 {
            event.record(&mut Message(&mut kind.message));
        }
        kind.left_out += 1;
        false
    }
}

/// Takes the words of an event.
struct Message<'a>(&'a mut String);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0.push_str(&format!("{value:?}"));
        }
    }
}

/// The layer of [`Repeats`].
pub(super) struct Limit(pub(super) Arc<Repeats>);

impl<S: Subscriber> Layer<S> for Limit {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        self.0.admits(event)
    }
}

impl Debug for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Limit")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    /// What arrived.
    #[derive(Clone, Default)]
    struct Arrived(Arc<Mutex<Vec<String>>>);

    impl<S: Subscriber> Layer<S> for Arrived {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            struct All(String);
            impl Visit for All {
                fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                    self.0.push_str(&format!("{field}={value:?} "));
                }
            }
            let mut all = All(String::new());
            event.record(&mut all);
            self.0.lock().push(all.0.trim().to_owned());
        }
    }

    #[test]
    fn the_first_of_a_kind_are_logged_and_the_others_counted() {
        let (repeats, arrived) = (Repeats::new(2), Arrived::default());
        let subscriber = tracing_subscriber::registry().with(Limit(Arc::clone(&repeats))).with(arrived.clone());
        tracing::subscriber::with_default(subscriber, || {
            for number in 0..5 {
                tracing::warn!(number, "the peer is rude");
                tracing::debug!(number, "a detail");
            }
            tracing::info!("another kind");
            repeats.tell();
            repeats.tell();
            tracing::warn!("once more, elsewhere");
        });
        let arrived = arrived.0.lock();
        let of = |words: &str| arrived.iter().filter(|line| line.contains(words)).count();
        assert_eq!((of("message=the peer is rude"), of("a detail"), of("another kind")), (2, 5, 1));
        let told: Vec<&String> = arrived.iter().filter(|line| line.contains("left out")).collect();
        assert_eq!(told, ["message=events were left out of the log left_out=3 like=\"the peer is rude\""]);
    }
}

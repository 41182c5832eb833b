//! What the directory does by itself while it runs: sessions that are over end, and the activity of the others is
//! saved, so that their idle clocks survive a restart.

use super::Directory;
use super::referral::of_class;
use crate::base::Timestamp;
use crate::domain::Licence;
use crate::model::Facts;
use std::sync::Arc;
use std::time::Duration;

/// How often sessions are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often the activity of sessions is saved (S10: at most 60 s apart).
const SAVE_EVERY: Duration = Duration::from_secs(30);
/// How often tokens that end soon are told of.
const WARN_EVERY: Duration = Duration::from_secs(24 * 3_600);
/// How often users are forgotten that were kept for long enough.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);

impl Directory {
    /// Runs for as long as the daemon does.
    pub async fn maintain(self: Arc<Self>) {
        let mut saved = self.clock().monotonic();
        let mut warned = None;
        let mut forgot = None;
        let mut looked = self.clock().now();
        loop {
            // Either something was released, or the time has come; both mean: look.
            drop(tokio::time::timeout(LOOK_EVERY, self.core().wake.notified()).await);
            if let Err(error) = self.end_sessions_over().await {
                tracing::warn!(%error, "sessions that are over could not be ended yet");
            }
            if let Err(error) = self.post_alerts().await {
                tracing::warn!(%error, "alerts about seats could not be put into the outbox yet");
            }
            if !self.core().renewals.lock().is_empty() {
                let directory = Arc::clone(&self);
                tokio::spawn(async move { directory.renew_credentials().await });
            }
            let now = self.clock().monotonic();
            if let Err(error) = self.save_attempts_due(now.saturating_sub(saved) >= SAVE_EVERY).await {
                tracing::warn!(%error, "attempts to sign in could not be saved yet");
            }
            if forgot.is_none_or(|forgot| now.saturating_sub(forgot) >= FORGET_EVERY) {
                forgot = Some(now);
                if let Err(error) = self.forget_old_history().await {
                    tracing::warn!(%error, "old use of licences could not be forgotten yet");
                }
                if let Err(error) = self.forget_pending_references().await {
                    tracing::warn!(%error, "references of clients that wait for nobody could not be forgotten yet");
                }
                if let Err(error) = self.forget_kept_users().await {
                    tracing::warn!(%error, "deleted users that were kept for long enough could not be forgotten yet");
                }
            }
            if now.saturating_sub(saved) >= SAVE_EVERY {
                saved = now;
                let since = std::mem::replace(&mut looked, self.clock().now());
                if self.licence_begins_or_ends(since, looked) {
                    self.core().authority_changed();
                }
                if let Err(error) = self.save_history().await {
                    tracing::warn!(%error, "the use of licences could not be saved yet");
                }
                if let Err(error) = self.save_activity().await {
                    tracing::warn!(%error, "the activity of sessions could not be saved yet");
                }
                if let Err(error) = self.save_client_activity().await {
                    tracing::warn!(%error, "the activity of clients could not be saved yet");
                }
            }
            if warned.is_none_or(|warned| now.saturating_sub(warned) >= WARN_EVERY) {
                warned = Some(now);
                self.warn_of_tokens_ending();
            }
        }
    }

    /// Whether a licence began or ended in between, and with it what roles of its package give (O3).
    fn licence_begins_or_ends(&self, since: Timestamp, now: Timestamp) -> bool {
        let (schema, memory) = (self.schema(), self.memory());
        let licences = of_class(schema, memory, "hcLicence").into_iter().filter_map(|id| memory.entry(id));
        licences
            .into_iter()
            .any(|entry| Licence::of(schema, &entry).is_some_and(|licence| licence.is_in_force(since) != licence.is_in_force(now)))
    }
}

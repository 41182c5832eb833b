//! What the directory does by itself while it runs: sessions that are over end, and the activity of the others is
//! saved, so that their idle clocks survive a restart.

use super::Directory;
use std::sync::Arc;
use std::time::Duration;

/// How often sessions are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often the activity of sessions is saved (S10: at most 60 s apart).
const SAVE_EVERY: Duration = Duration::from_secs(30);

impl Directory {
    /// Runs for as long as the daemon does.
    pub async fn maintain(self: Arc<Self>) {
        let mut saved = self.clock().monotonic();
        loop {
            // Either something was released, or the time has come; both mean: look.
            drop(tokio::time::timeout(LOOK_EVERY, self.core().wake.notified()).await);
            if let Err(error) = self.end_sessions_over().await {
                tracing::warn!(%error, "sessions that are over could not be ended yet");
            }
            if !self.core().renewals.lock().is_empty() {
                let directory = Arc::clone(&self);
                tokio::spawn(async move { directory.renew_credentials().await });
            }
            let now = self.clock().monotonic();
            if let Err(error) = self.save_attempts_due(now.saturating_sub(saved) >= SAVE_EVERY).await {
                tracing::warn!(%error, "attempts to sign in could not be saved yet");
            }
            if now.saturating_sub(saved) >= SAVE_EVERY {
                saved = now;
                if let Err(error) = self.save_activity().await {
                    tracing::warn!(%error, "the activity of sessions could not be saved yet");
                }
            }
        }
    }
}

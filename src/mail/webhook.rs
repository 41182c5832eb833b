//! Alerts for a webhook (S12): each waits in the directory until it was taken over, for three days at most, so it is posted at least
//! once; its `id` tells it from others.

use crate::base::Secret;
use crate::base::outgoing::Way;
use crate::directory::Directory;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Where alerts are posted.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// The address.
    pub url: String,
    /// The bearer token.
    pub token: Secret,
    /// A file of authorities that its certificate may come from, besides those that everybody trusts.
    pub authorities: Option<PathBuf>,
}

/// How often it is looked whether there is something to post.
const PERIOD: Duration = Duration::from_secs(1);
/// The longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Alerts that are taken at one time.
const BATCH: usize = 32;

/// Posts what waits until the task is dropped. Nothing is lost by dropping it.
pub async fn run(directory: Arc<Directory>, settings: WebhookSettings) {
    let way = Way::new(&settings.url, &settings.token, settings.authorities.as_deref());
    let Some(way) = way.inspect_err(|reason| tracing::error!(reason, "no alerts are posted")).ok() else { return };
    let mut pause = PERIOD;
    loop {
        tokio::time::sleep(pause).await;
        pause = match deliver(&directory, &way).await {
            Ok(()) => PERIOD,
            Err(reason) => {
                tracing::warn!(reason, "an alert did not reach the webhook; it is tried again");
                (pause * 2).min(LONGEST_PAUSE)
            }
        };
    }
}

/// Posts what waits, the oldest first.
async fn deliver(directory: &Directory, way: &Way) -> Result<(), String> {
    for alert in directory.webhook_waiting(BATCH) {
        let answer = way.post("application/json", alert.body).await?;
        if !answer.status.is_success() {
            return Err(format!("it was answered with {}", answer.status.as_u16()));
        }
        directory.webhook_settled(vec![alert.key]).await.map_err(|error| error.to_string())?;
    }
    Ok(())
}

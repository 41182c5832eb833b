//! The audit log is looked through at the start and at times, so that somebody is told when it was changed (`/metrics`, the
//! log), and not only who asks.

use crate::base::Timestamp;
use crate::base::counts::COUNTS;
use crate::directory::{AuditCheck, Directory, Error};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// How long to wait before a finding counts: a file may have been laid aside while it was read.
const SECOND_LOOK: Duration = Duration::from_secs(3);

/// Looks every so often, as long as the daemon runs.
pub(super) async fn watch(directory: Arc<Directory>, every: Duration) {
    loop {
        let last = Timestamp::from_millis(COUNTS.audit_verified_at.get());
        let wait = every.saturating_sub(directory.clock().now().since(last));
        tokio::time::sleep(wait).await;
        let mut found = look(&directory).await;
        if !matches!(found, Ok(None)) {
            tokio::time::sleep(SECOND_LOOK).await;
            found = look(&directory).await;
        }
        match found {
            Ok(None) => COUNTS.audit_verified_at.set(directory.clock().now().millis()),
            Err(error) => {
                tracing::error!(error, "the audit log cannot be looked through");
                tokio::time::sleep(every).await;
            }
            Ok(Some(problem)) => {
                COUNTS.audit_broken.set(1);
                tracing::error!(problem, "the audit log was changed or cut off");
                tokio::time::sleep(every).await;
            }
        }
    }
}

/// What is wrong with the logs; `None` where they are good.
async fn look(directory: &Arc<Directory>) -> Result<Option<String>, String> {
    let settings = directory.settings();
    let looked = tokio::task::spawn_blocking(move || {
        let (folder, key) = (&*settings.folder, settings.audit_key.as_ref());
        // Records that are moved away are nothing wrong, nor is a log that nothing was written to yet; its checkpoint stays.
        let is_moved = !folder.join("audit.jsonl").try_exists()? && folder.join("audit.checkpoint").try_exists()?;
        let changes = if !is_moved { problem(Directory::check_audit(folder, &[], key))? } else { None };
        Ok::<_, io::Error>(changes.or(problem(Directory::check_security(folder, key))?))
    });
    let found = looked.await.map_err(|error| error.to_string())?;
    found.map_err(|error| error.to_string())
}

fn problem(found: Result<AuditCheck, Error>) -> io::Result<Option<String>> {
    found.map(|found| found.problem).map_err(io::Error::other)
}

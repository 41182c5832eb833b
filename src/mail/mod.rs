//! Mail: takes what the outbox of the directory holds and sends it. A letter enters the outbox in the same commit as
//! the change it belongs to, and leaves it only when a mail server has taken it over, so it is sent at least once and
//! no request ever waits for it. Links are made at the moment of sending: no token is kept anywhere.

mod message;
mod transport;
pub mod webhook;

use crate::base::Secret;
use crate::directory::Directory;
use crate::directory::activation::Posted;
use lettre::message::Mailbox;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use transport::{SendError, Transport};

/// How mail leaves.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// The sender.
    pub from: String,
    /// By what way.
    pub way: MailWay,
}

/// By what way mail leaves.
#[derive(Clone, Debug)]
pub enum MailWay {
    /// Put in a folder, one file each.
    Drop(PathBuf),
    /// Sent to a server.
    Smtp {
        /// The server's name or address.
        host: String,
        /// Its port.
        port: u16,
        /// TLS from the first octet; StartTLS otherwise.
        implicit_tls: bool,
        /// Who signs in, and the password.
        credentials: Option<(String, Secret)>,
    },
}

/// How often the outbox is looked at.
const PERIOD: Duration = Duration::from_millis(500);
/// The longest pause after failures of the way out.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How often links that are too old are forgotten.
const SWEEP: Duration = Duration::from_secs(3_600);
/// Letters taken from the outbox at one time.
const BATCH: usize = 32;

/// Sends what the outbox holds until the task is dropped. Nothing is lost by dropping it.
pub async fn run(directory: Arc<Directory>, settings: MailSettings) {
    let (from, transport) = match transport::open(&settings) {
        Ok(ready) => ready,
        Err(reason) => {
            tracing::error!(%reason, "no mail is sent: the settings do not allow it");
            return;
        }
    };
    let mut pause = PERIOD;
    let mut swept = directory.clock().monotonic();
    loop {
        tokio::time::sleep(pause).await;
        if directory.clock().monotonic().saturating_sub(swept) >= SWEEP {
            swept = directory.clock().monotonic();
            if let Err(error) = directory.forget_old_links().await {
                tracing::error!(%error, "old links are not forgotten");
            }
        }
        pause = match deliver(&directory, &from, &transport).await {
            true => PERIOD,
            false => (pause * 2).min(LONGEST_PAUSE),
        };
    }
}

/// Sends what is due; answers whether the way out works.
async fn deliver(directory: &Directory, from: &Mailbox, transport: &Transport) -> bool {
    for id in directory.outbox_due(BATCH) {
        let outcome = match directory.outbox_letter(id).await {
            Ok(Some(letter)) => match message::compose(from, &letter) {
                Ok(mail) => {
                    let sent = transport.send(&**directory.clock(), mail).await;
                    sent.inspect(|()| tracing::info!(letter = %id, "a letter has left the outbox"))
                }
                Err(unsendable) => Err(SendError::Never(unsendable.to_string())),
            },
            // The account needs no letter any more.
            Ok(None) => Ok(()),
            Err(error) => Err(SendError::Later(error.to_string())),
        };
        let (posted, works) = match outcome {
            Ok(()) => (Posted::Done, true),
            Err(SendError::Never(reason)) => {
                tracing::warn!(letter = %id, %reason, "a mail was refused and is given up");
                (Posted::Done, true)
            }
            Err(SendError::Later(reason)) => {
                tracing::warn!(letter = %id, %reason, "a mail did not leave; it is tried again");
                (Posted::Later, false)
            }
        };
        if let Err(error) = directory.outbox_settled(id, posted).await {
            tracing::error!(letter = %id, %error, "the outbox cannot be written; the mail may be sent again");
            return false;
        }
        if !works {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::activation_tests::Scene;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_letter_becomes_one_file_and_leaves_the_outbox() {
        let scene = Scene::new().await;
        scene.user("ann", None).await;
        let folder = scene.folder.path().join("mail");
        let settings = MailSettings { from: "Directory <directory@example.com>".to_owned(), way: MailWay::Drop(folder.clone()) };
        let (from, transport) = transport::open(&settings).unwrap();
        assert!(deliver(&scene.directory, &from, &transport).await);
        assert!(deliver(&scene.directory, &from, &transport).await);
        let files: Vec<_> = std::fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        let mail = std::fs::read_to_string(&files[0]).unwrap();
        assert!(mail.contains("To: ann <ann@acme.example>") && mail.contains("https://id.example.com/activate/"), "{mail}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_way_out_that_does_not_work_loses_nothing() {
        let scene = Scene::new().await;
        scene.user("ann", None).await;
        let file = scene.folder.path().join("no-folder");
        std::fs::write(&file, "in the way").unwrap();
        let settings = MailSettings { from: "directory@example.com".to_owned(), way: MailWay::Drop(file.clone()) };
        let (from, transport) = transport::open(&settings).unwrap();
        assert!(!deliver(&scene.directory, &from, &transport).await);
        std::fs::remove_file(&file).unwrap();
        scene.clock.advance(Duration::from_secs(60));
        assert!(deliver(&scene.directory, &from, &transport).await);
        assert_eq!(std::fs::read_dir(&file).unwrap().count(), 1);
    }
}

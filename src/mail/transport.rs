//! How a mail leaves: to an SMTP server, or as a file in a folder.

use super::{MailSettings, MailWay};
use crate::base::{Clock, random};
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long one SMTP command may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A way out that is ready.
pub(super) enum Transport {
    Drop(PathBuf),
    Smtp(Box<AsyncSmtpTransport<Tokio1Executor>>),
}

/// Why a mail did not leave.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// It may leave later.
    #[error("{0}")]
    Later(String),
    /// It never will: the server refused this very mail.
    #[error("{0}")]
    Never(String),
}

/// The settings, checked: the sender and the way out.
pub(super) fn open(settings: &MailSettings) -> Result<(Mailbox, Transport), String> {
    let from: Mailbox = settings.from.parse().map_err(|error| format!("the sender {} is not a mail address: {error}", settings.from))?;
    let transport = match &settings.way {
        MailWay::Drop(folder) => Transport::Drop(folder.clone()),
        MailWay::Smtp { host, port, implicit_tls, credentials } => {
            let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host.clone())
                .port(*port)
                .timeout(Some(PATIENCE))
                .tls(tls(host, *implicit_tls)?);
            if let Some((user, password)) = credentials {
                let password = String::from_utf8(password.expose().to_vec()).map_err(|_| "the SMTP password is not UTF-8".to_owned())?;
                builder = builder.credentials(Credentials::new(user.clone(), password));
            }
            Transport::Smtp(Box::new(builder.build()))
        }
    };
    Ok((from, transport))
}

/// TLS is insisted on, except on loopback.
fn tls(host: &str, implicit: bool) -> Result<Tls, String> {
    let parameters = || TlsParameters::new(host.to_owned()).map_err(|error| format!("TLS to {host}: {error}"));
    let loopback = host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    match (implicit, loopback) {
        (true, _) => parameters().map(Tls::Wrapper),
        (false, true) => Ok(Tls::None),
        (false, false) => parameters().map(Tls::Required),
    }
}

impl Transport {
    /// Sends one mail; when it answers, the mail has been taken over.
    pub(super) async fn send(&self, clock: &dyn Clock, message: Message) -> Result<(), SendError> {
        match self {
            Self::Drop(folder) => {
                let name = format!("{:013}-{}", clock.now().millis(), random::token().get(..8).unwrap_or_default());
                let (folder, octets) = (folder.clone(), message.formatted());
                let kept = tokio::task::spawn_blocking(move || keep(&folder, &name, &octets)).await;
                kept.map_err(|error| SendError::Later(error.to_string()))?.map_err(|error| SendError::Later(error.to_string()))
            }
            Self::Smtp(smtp) => match smtp.send(message).await {
                Ok(_) => Ok(()),
                // 55z speaks of this very mail (RFC 5321 §4.2.3); 53z of our sign-in, which may be put right.
                Err(error) if speaks_of_the_mail(&error) => Err(SendError::Never(error.to_string())),
                Err(error) => Err(SendError::Later(error.to_string())),
            },
        }
    }
}

fn speaks_of_the_mail(error: &lettre::transport::smtp::Error) -> bool {
    error.is_permanent() && error.status().is_some_and(|status| status.to_string().starts_with("55"))
}

/// Readable for the owner only, and there under its name only when it is whole.
fn keep(folder: &Path, name: &str, octets: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let unfinished = folder.join(format!(".{name}"));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(octets)?;
    file.sync_data()?;
    std::fs::rename(unfinished, folder.join(format!("{name}.eml")))
}

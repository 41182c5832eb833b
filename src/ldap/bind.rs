//! Bind (RFC 4511 §4.2, RFC 4513 §5): simple, and SASL EXTERNAL on a local socket.

use super::connection::{Connection, Done, Intake, Reply};
use super::controls::{self, Controls};
use super::decode::{self, Authentication};
use super::encode::Outcome;
use super::fields;
use super::frame::{Frame, Operation};
use super::result::Failure;
use crate::base::Secret;
use crate::directory::{Bound, Error};
use ldap3_proto::proto::LdapResultCode;
use std::future::Future;
use std::sync::Arc;

/// The SASL mechanisms that work.
pub(crate) const SASL_MECHANISMS: &[&str] = &["EXTERNAL"];

impl Connection {
    /// Begins a bind. The connection is anonymous from its first octet on, and stays so unless the bind succeeds (HA9).
    pub(super) fn bind(&mut self, frame: &Frame<'_>, controls: Controls<'_>) -> Result<(), Failure> {
        let request = decode::bind(frame.content)?;
        if request.version != 3 {
            return Err(Failure::protocol("only version 3 of LDAP is spoken here"));
        }
        match request.authentication {
            Authentication::Simple(password) => self.simple(frame.id, request.name, password, controls),
            Authentication::Sasl("EXTERNAL", credentials) => self.external(frame.id, credentials, controls.session.is_some()),
            Authentication::Sasl(..) | Authentication::Other => Err(unsupported("the authentication method is not supported")),
        }
    }

    fn simple(&mut self, id: i32, name: &str, password: &[u8], controls: Controls<'_>) -> Result<(), Failure> {
        match (name.is_empty(), password.is_empty()) {
            (true, true) => {
                self.answer(id, Operation::Bind, &Outcome::SUCCESS);
                return Ok(());
            }
            // Clients took this for a login (HA11); it cannot be switched on.
            (false, true) => return Err(Failure::new(LdapResultCode::UnwillingToPerform, "a name without a password is no bind")),
            (_, false) => {}
        }
        self.require_confidentiality()?;
        if password.len() > self.settings.limits.password {
            return Err(Error::InvalidCredentials.into());
        }
        let (name, password) = (name.to_owned(), Secret::new(password));
        let (directory, origin) = (Arc::clone(&self.door.directory), Arc::clone(&self.caller.origin));
        let asked = controls.session.is_some();
        let request = controls.session.unwrap_or_default();
        self.bind_later(id, asked, async move { directory.bind(&origin, &name, &password, request).await });
        Ok(())
    }

    /// EXTERNAL (RFC 4422 appendix A): who the peer is, the system says.
    fn external(&mut self, id: i32, credentials: Option<&[u8]>, asked: bool) -> Result<(), Failure> {
        let user = self.peer_user.ok_or_else(|| unsupported("nothing outside LDAP says who the peer is"))?;
        let authorization = match credentials.filter(|credentials| !credentials.is_empty()) {
            Some(credentials) => Some(fields::text(credentials, "the authorization identity is not UTF-8")?.to_owned()),
            None => None,
        };
        let (directory, origin) = (Arc::clone(&self.door.directory), Arc::clone(&self.caller.origin));
        self.bind_later(id, asked, async move { directory.bind_external(&origin, user, authorization.as_deref()).await });
        Ok(())
    }

    fn bind_later(&mut self, id: i32, asked: bool, work: impl Future<Output = Result<Bound, Error>> + Send + 'static) {
        self.intake = Intake::Binding;
        self.later(async move {
            let result = work.await.map(|bound| done(bound, asked)).map_err(Failure::from);
            Reply { id, operation: Operation::Bind, result }
        });
    }

    /// A password comes only where nobody can read along (HB6).
    pub(super) fn require_confidentiality(&self) -> Result<(), Failure> {
        let origin = &self.caller.origin;
        let near = origin.address.is_none_or(|address| address.to_canonical().is_loopback());
        match near || origin.encrypted || self.settings.allow_cleartext_passwords {
            true => Ok(()),
            false => Err(Failure::new(LdapResultCode::ConfidentialityRequired, "a password needs TLS")),
        }
    }
}

/// What a successful bind says: the seat, to a client that asked.
fn done(bound: Bound, asked: bool) -> Done {
    let mut done = Done::default();
    if let Some(seat) = bound.seat.filter(|_| asked) {
        controls::put_session(&mut done.controls, seat.limit, seat.in_use, Some(&seat.session_id));
    }
    Done { identity: Some(bound.identity), ..done }
}

fn unsupported(text: &'static str) -> Failure {
    Failure::new(LdapResultCode::AuthMethodNotSupported, text)
}

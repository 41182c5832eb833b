//! Bind (RFC 4511 §4.2, RFC 4513 §5): simple, and by the [mechanisms](super::sasl) of SASL.

use super::connection::{Connection, Done, Intake, Reply};
use super::controls::{self, Controls};
use super::decode::{self, Authentication};
use super::encode::Outcome;
use super::extended::START_TLS;
use super::fields;
use super::frame::{Frame, Operation};
use super::result::Failure;
use super::sasl::{Exchange, Mechanism, ScramProof, plain, scram};
use crate::base::ber::put;
use crate::base::{Secret, random};
use crate::directory::{Bound, Error, Method, Offered};
use crate::domain::password_rules::PasswordUse;
use ldap3_proto::proto::LdapResultCode;
use std::future::Future;
use std::sync::Arc;

/// `serverSaslCreds` of a BindResponse (RFC 4511 §4.2.2).
const SERVER_SASL_CREDENTIALS: u8 = 0x87;

/// What a step of a SASL bind leaves for the next one.
type Step = Result<Option<Exchange>, Failure>;

impl Connection {
    /// Begins a bind, or goes on with the one `begun`. The connection is anonymous from its first octet on, and stays so
    /// unless the bind succeeds (HA9). What is begun is over after anything but the next step of the same mechanism.
    pub(super) fn bind(&mut self, frame: &Frame<'_>, controls: Controls<'_>, begun: Option<Exchange>) -> Result<(), Failure> {
        let request = decode::bind(frame.content)?;
        if request.version != 3 {
            return Err(Failure::protocol("only version 3 of LDAP is spoken here"));
        }
        match request.authentication {
            Authentication::Simple(password) => self.simple(frame.id, request.name, password, controls),
            Authentication::Sasl(mechanism, credentials) => {
                self.exchange = self.sasl(frame.id, mechanism, credentials, controls, begun)?;
                Ok(())
            }
            Authentication::Other => Err(unsupported("the authentication method is not supported")),
        }
    }

    fn simple(&mut self, id: i32, name: &str, password: &[u8], controls: Controls<'_>) -> Result<(), Failure> {
        match (name.is_empty(), password.is_empty()) {
            (true, true) if !self.settings.anonymous_bind => {
                self.door.directory.note_refused_login(&self.caller.origin, Method::None, "", "anonymous bind");
                return Err(Error::InappropriateAuthentication("a bind needs a name and a password here".to_owned()).into());
            }
            (true, true) => {
                let mut said = Vec::new();
                if controls.authorization_identity {
                    controls::put_authorization_identity(&mut said, "");
                }
                if controls.password_policy {
                    controls::put_password_use(&mut said, PasswordUse::Free, true);
                }
                self.answer(id, Operation::Bind, &Outcome { controls: &said, ..Outcome::SUCCESS });
                return Ok(());
            }
            (false, true) => return Err(without_password()),
            (_, false) => {}
        }
        if let Err(failure) = self.require_confidentiality() {
            self.door.directory.note_refused_login(&self.caller.origin, Method::Simple, name, "password without TLS");
            return Err(failure);
        }
        if password.len() > self.settings.limits.password {
            self.door.directory.note_refused_login(&self.caller.origin, Method::Simple, name, "wrong password");
            return Err(Error::InvalidCredentials.into());
        }
        let (name, password) = (name.to_owned(), Secret::new(password));
        let (directory, origin) = (Arc::clone(&self.door.directory), Arc::clone(&self.caller.origin));
        let asked = Asked::of(&controls);
        let request = controls.session.unwrap_or_default();
        self.bind_later(id, asked, async move { directory.bind(&origin, &name, &password, request).await });
        Ok(())
    }

    /// One step of a SASL bind. `begun` is what is left of the step before; another mechanism than its own aborts it, an
    /// empty one does nothing else (RFC 4513 §5.2.1.2). The name of the request has no meaning (§5.2.1.1).
    fn sasl(&mut self, id: i32, mechanism: &str, credentials: Option<&[u8]>, controls: Controls<'_>, begun: Option<Exchange>) -> Step {
        let known = Mechanism::named(mechanism).filter(|known| self.mechanisms().contains(&known.name()));
        let mechanism = known.ok_or_else(|| unsupported("the SASL mechanism is not known here, or not on this connection"))?;
        let begun = begun.filter(|begun| begun.mechanism() == mechanism);
        match (mechanism, credentials) {
            (Mechanism::External, credentials) => self.external(id, credentials.unwrap_or_default(), controls),
            (Mechanism::Plain, None) if begun.is_none() => {
                self.challenge(id, &[]);
                Ok(Some(Exchange::Plain))
            }
            (Mechanism::Plain, credentials) => self.plain(id, credentials.unwrap_or_default(), controls),
            (Mechanism::ScramSha256, None) if begun.is_none() => {
                self.challenge(id, &[]);
                Ok(Some(Exchange::Scram))
            }
            (Mechanism::ScramSha256, credentials) => match begun {
                Some(Exchange::ScramProof(proof)) => self.scram_proof(id, *proof, credentials.unwrap_or_default(), controls),
                Some(_) | None => self.scram_first(id, credentials.unwrap_or_default()),
            },
        }
    }

    /// What the root DSE lists of this connection.
    pub(super) fn offered(&self) -> Offered {
        let extensions = if self.offers_start_tls() { vec![START_TLS] } else { Vec::new() };
        Offered { mechanisms: self.mechanisms(), extensions }
    }

    /// The mechanisms that this connection may use now.
    fn mechanisms(&self) -> Vec<&'static str> {
        let offered = |mechanism: &Mechanism| match mechanism {
            Mechanism::External => self.peer_user.is_some() || self.transport.client_certificate().is_some(),
            Mechanism::Plain => self.require_confidentiality().is_ok(),
            Mechanism::ScramSha256 => self.settings.sasl.scram,
        };
        Mechanism::ALL.into_iter().filter(offered).map(Mechanism::name).collect()
    }

    /// EXTERNAL (RFC 4422 appendix A): who the peer is, the system or its certificate says. No credentials and empty ones
    /// are the same: no authorization identity is asked for (RFC 4513 §5.2.3).
    fn external(&mut self, id: i32, credentials: &[u8], controls: Controls<'_>) -> Step {
        let authorization = fields::text(credentials, "the authorization identity is not UTF-8")?.to_owned();
        let (directory, origin) = (Arc::clone(&self.door.directory), Arc::clone(&self.caller.origin));
        let asked = Asked::of(&controls);
        let request = controls.session.unwrap_or_default();
        if let Some(user) = self.peer_user {
            self.bind_later(id, asked, async move { directory.bind_external(&origin, user, &authorization, request).await });
        } else if let Some(certificate) = self.transport.client_certificate().map(<[u8]>::to_vec) {
            let work = async move { directory.bind_certificate(&origin, &certificate, &authorization, request).await };
            self.bind_later(id, asked, work);
        }
        Ok(None)
    }

    fn plain(&mut self, id: i32, message: &[u8], controls: Controls<'_>) -> Step {
        let message = plain::parse(message).ok_or_else(|| Failure::from(Error::InvalidCredentials))?;
        if message.password.is_empty() {
            return Err(without_password());
        }
        if message.password.len() > self.settings.limits.password {
            return Err(Error::InvalidCredentials.into());
        }
        let (authentication, authorization) = (message.authentication.to_owned(), message.authorization.to_owned());
        let password = Secret::new(message.password);
        let (directory, origin) = (Arc::clone(&self.door.directory), Arc::clone(&self.caller.origin));
        let asked = Asked::of(&controls);
        let request = controls.session.unwrap_or_default();
        let work = async move { directory.bind_plain(&origin, &authentication, &authorization, &password, request).await };
        self.bind_later(id, asked, work);
        Ok(None)
    }

    /// The first message of SCRAM. The answer has a salt whether there is such a user or not.
    fn scram_first(&mut self, id: i32, message: &[u8]) -> Step {
        let invalid = || Failure::from(Error::InvalidCredentials);
        let first = scram::client_first(message).ok_or_else(invalid)?;
        let claim = self.door.directory.scram_claim(&first.name)?;
        let (answer, conversation) = scram::server_first(&first, &random::token(), &claim.keys.salt, claim.keys.iterations);
        self.challenge(id, answer.as_bytes());
        Ok(Some(Exchange::ScramProof(Box::new(ScramProof { conversation, claim, authorization: first.authorization }))))
    }

    /// The last message of SCRAM. Whatever is wrong with it looks like a wrong password.
    fn scram_proof(&mut self, id: i32, begun: ScramProof, message: &[u8], controls: Controls<'_>) -> Step {
        let last = scram::client_final(&begun.conversation, message);
        let signature = last.and_then(|last| begun.claim.keys.prove(&last.message, &last.proof));
        let (directory, origin) = (Arc::clone(&self.door.directory), Arc::clone(&self.caller.origin));
        let asked = Asked::of(&controls);
        let request = controls.session.unwrap_or_default();
        self.intake = Intake::Binding;
        self.later(async move {
            let ScramProof { claim, authorization, .. } = begun;
            let bound = directory.bind_scram(&origin, &claim, signature.is_some(), &authorization, request).await;
            let result = bound.map_err(|error| asked.refusal(error)).map(|bound| {
                let mut done = done(bound, asked);
                let answer = scram::server_final(&signature.unwrap_or_default());
                put(&mut done.extra, SERVER_SASL_CREDENTIALS, answer.as_bytes());
                done
            });
            Reply { id, operation: Operation::Bind, result }
        });
        Ok(None)
    }

    /// Asks for the next message of the mechanism.
    fn challenge(&mut self, id: i32, message: &[u8]) {
        let mut extra = Vec::new();
        put(&mut extra, SERVER_SASL_CREDENTIALS, message);
        let outcome = Outcome { code: &LdapResultCode::SaslBindInProgress, extra: &extra, ..Outcome::SUCCESS };
        self.answer(id, Operation::Bind, &outcome);
    }

    fn bind_later(&mut self, id: i32, asked: Asked, work: impl Future<Output = Result<Bound, Error>> + Send + 'static) {
        self.intake = Intake::Binding;
        self.later(async move {
            let result = work.await.map(|bound| done(bound, asked)).map_err(|error| asked.refusal(error));
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

/// What the client wants to be told.
#[derive(Clone, Copy)]
struct Asked {
    session: bool,
    password_policy: bool,
}

impl Asked {
    const fn of(controls: &Controls<'_>) -> Self {
        Self { session: controls.session.is_some(), password_policy: controls.password_policy }
    }

    fn refusal(self, error: Error) -> Failure {
        Failure::from(error).with_password_policy(self.password_policy)
    }
}

/// What a successful bind says: the seat, to a client that asked, and what the policy for passwords has to say.
fn done(bound: Bound, asked: Asked) -> Done {
    let mut done = Done::default();
    if let Some(seat) = bound.seat.filter(|_| asked.session) {
        controls::put_session(&mut done.controls, seat.limit, seat.in_use, Some(&seat.session_id));
    }
    controls::put_password_use(&mut done.controls, bound.password, asked.password_policy);
    Done { identity: Some(bound.identity), hold: bound.hold, ..done }
}

/// Clients took this for a login (HA11); it cannot be switched on.
fn without_password() -> Failure {
    Failure::new(LdapResultCode::UnwillingToPerform, "a name without a password is no bind")
}

fn unsupported(text: &'static str) -> Failure {
    Failure::new(LdapResultCode::AuthMethodNotSupported, text)
}

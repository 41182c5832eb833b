//! Extended operations (RFC 4511 §4.12), in one table that the root DSE lists too.

use super::cancel::CANCEL;
use super::connection::{Connection, Done, Intake, Reply};
use super::controls::Controls;
use super::decode;
use super::encode::Outcome;
use super::fields::{self, Fields};
use super::frame::{Frame, Operation};
use super::result::Failure;
use super::transaction;
use super::transport::Transport;
use crate::base::Secret;
use crate::base::ber::{OCTET_STRING, SEQUENCE, element_size, put, put_header};
use crate::directory::{Error, Write, WriteOptions};
use ldap3_proto::proto::LdapResultCode;
use std::future::Future;
use std::sync::Arc;
use zeroize::Zeroizing;

/// StartTLS (RFC 4511 §4.14).
pub const START_TLS: &str = "1.3.6.1.4.1.1466.20037";
/// Password modify (RFC 3062).
pub const PASSWORD_MODIFY: &str = "1.3.6.1.4.1.4203.1.11.1";
/// Who am I (RFC 4532).
pub const WHO_AM_I: &str = "1.3.6.1.4.1.4203.1.11.3";
/// Ends a session (rule S6): its user, an Organisation Admin or the operator may. Without a value, the session of this
/// connection. The response has no value.
///
/// ```asn1
/// EndSessionRequestValue ::= SEQUENCE {
///      sessionId  OCTET STRING,                 -- hcSessionId
///      message    [0] OCTET STRING OPTIONAL }   -- UTF-8, for the user whose session ends (S16)
/// ```
pub const END_SESSION: &str = "2.25.128590336736012936669972887359999261034.4.1";
/// Counts as activity of a session (rule S5). Without a value, the session of this connection.
///
/// ```asn1
/// RenewSessionRequestValue ::= SEQUENCE {
///      sessionId  OCTET STRING }                -- hcSessionId
///
/// RenewSessionResponseValue ::= SEQUENCE {
///      sessionId  OCTET STRING,
///      expires    OCTET STRING }                -- GeneralizedTime; when it ends if nothing happens
/// ```
pub const RENEW_SESSION: &str = "2.25.128590336736012936669972887359999261034.4.2";

/// What an extended operation begins with: message id and value.
type Begin = fn(&mut Connection, i32, Option<&[u8]>) -> Result<(), Failure>;

/// One extended operation we know.
struct Known {
    oid: &'static str,
    begin: Begin,
}

/// The table.
const TABLE: &[Known] = &[
    Known { oid: START_TLS, begin: Connection::begin_start_tls },
    Known { oid: PASSWORD_MODIFY, begin: Connection::password_modify },
    Known { oid: WHO_AM_I, begin: Connection::who_am_i },
    Known { oid: END_SESSION, begin: Connection::end_session },
    Known { oid: RENEW_SESSION, begin: Connection::renew_session },
    Known { oid: CANCEL, begin: Connection::cancel },
    Known { oid: transaction::START, begin: Connection::start_transaction },
    Known { oid: transaction::END, begin: Connection::end_transaction },
];

/// The OIDs of the extended operations that work on every connection, for the root DSE.
pub fn supported() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|known| known.oid).filter(|oid| *oid != START_TLS)
}

/// Whose password, the old one and the new one (RFC 3062 §2).
type PasswordModify<'v> = (Option<&'v str>, Option<&'v [u8]>, Option<&'v [u8]>);

fn password_modify_request(value: Option<&[u8]>) -> Result<PasswordModify<'_>, Failure> {
    const DAMAGED: &str = "damaged password modify request";
    let Some(value) = value else { return Ok((None, None, None)) };
    let mut parts = Fields::sequence(value, DAMAGED)?;
    let identity = parts.optional(0x80, DAMAGED)?.map(|octets| fields::text(octets, DAMAGED)).transpose()?;
    let (old, new) = (parts.optional(0x81, DAMAGED)?, parts.optional(0x82, DAMAGED)?);
    match parts.is_empty() {
        true => Ok((identity.map(|identity| identity.strip_prefix("dn:").unwrap_or(identity)), old, new)),
        false => Err(Failure::protocol(DAMAGED)),
    }
}

impl Connection {
    /// Whether who must change its password first may ask for this (draft-behera-ldap-password-policy-10 §8.1.2.1): TLS, and
    /// a password of its own.
    pub(super) fn may_precede_change(&self, frame: &Frame<'_>) -> Result<bool, Failure> {
        let request = decode::extended(frame.content)?;
        if request.name != PASSWORD_MODIFY {
            return Ok(request.name == START_TLS);
        }
        let (whose, _, _) = password_modify_request(request.value)?;
        Ok(whose.is_none_or(|dn| self.door.directory.is_own_account(&self.caller.identity, dn)))
    }

    /// Begins an extended operation; an unknown one gets protocolError (RFC 4511 §4.12).
    pub(super) fn extended(&mut self, frame: &Frame<'_>, controls: &Controls<'_>) -> Result<(), Failure> {
        let request = decode::extended(frame.content)?;
        if let Some(identifier) = controls.transaction {
            return self.specify_extended(frame, identifier, &request);
        }
        let known = TABLE.iter().find(|known| known.oid == request.name);
        (known.ok_or_else(|| Failure::protocol("unknown extended operation"))?.begin)(self, frame.id, request.value)
    }

    /// Whether StartTLS can do anything on this connection.
    pub(super) fn offers_start_tls(&self) -> bool {
        self.door.tls.is_some() && matches!(self.transport, Transport::Tcp(_))
    }

    /// Takes a StartTLS up: once the answer is out, TLS begins. What came in one piece with the request was not protected,
    /// is never looked at, and ends the connection (HA10).
    fn begin_start_tls(&mut self, id: i32, value: Option<&[u8]>) -> Result<(), Failure> {
        if value.is_some() {
            return Err(Failure::protocol("StartTLS has no value"));
        }
        if !self.is_at_rest() || !self.followers.is_empty() || matches!(self.transport, Transport::Tls(_)) {
            let text = "TLS cannot begin while operations are under way, nor twice";
            return Err(Failure::new(LdapResultCode::OperationsError, text));
        }
        if !self.offers_start_tls() {
            return Err(Failure::protocol("StartTLS is not offered here"));
        }
        if self.pipelined {
            self.disconnect(&LdapResultCode::ProtocolError, "something follows StartTLS before TLS began");
            return Ok(());
        }
        self.transactions.clear();
        self.answer_extended(id, START_TLS);
        self.intake = Intake::StartTls;
        Ok(())
    }

    fn who_am_i(&mut self, id: i32, value: Option<&[u8]>) -> Result<(), Failure> {
        if value.is_some() {
            return Err(Failure::protocol("who am I has no value"));
        }
        let mut extra = Vec::new();
        put(&mut extra, 0x8b, self.authorization_identity().as_bytes());
        self.answer(id, Operation::Extended, &Outcome { extra: &extra, ..Outcome::SUCCESS });
        Ok(())
    }

    /// Who the peer is (RFC 4513 §5.2.1.8); empty for anonymous.
    pub(super) fn authorization_identity(&self) -> String {
        let name = &self.caller.identity.name;
        let form = match name {
            name if !self.is_bound() || name.is_empty() => return String::new(),
            name if name.contains('=') => "dn:",
            _ => "u:",
        };
        [form, name].concat()
    }

    /// Of extended operations the transaction specification goes with password modify only (RFC 5805 §2.2).
    fn specify_extended(&mut self, frame: &Frame<'_>, identifier: &[u8], request: &decode::Extended<'_>) -> Result<(), Failure> {
        if request.name != PASSWORD_MODIFY {
            let text = "of extended operations only password modify is part of a transaction";
            return Err(Failure::new(LdapResultCode::UnavailableCriticalExtension, text));
        }
        let write = self.password_write(request.value)?;
        if matches!(write, Write::Password { new: None, .. }) {
            // It is answered now, and set when the transaction ends.
            return Err(Failure::new(LdapResultCode::UnwillingToPerform, "no password is made up within a transaction"));
        }
        self.specify(frame, identifier, write, WriteOptions::default())
    }

    /// The change that a password modify asks for.
    fn password_write(&self, value: Option<&[u8]>) -> Result<Write, Failure> {
        self.require_confidentiality()?;
        let (identity, old, new) = password_modify_request(value)?;
        let at_most = self.settings.limits.password;
        if [old, new].into_iter().flatten().any(|password| password.len() > at_most) {
            return Err(Failure::new(LdapResultCode::ConstraintViolation, format!("a password has at most {at_most} octets")));
        }
        if new.is_some_and(<[u8]>::is_empty) {
            return Err(Failure::new(LdapResultCode::ConstraintViolation, "the new password is empty"));
        }
        Ok(Write::Password { dn: identity.map(str::to_owned), old: old.map(Secret::new), new: new.map(Secret::new) })
    }

    fn password_modify(&mut self, id: i32, value: Option<&[u8]>) -> Result<(), Failure> {
        let write = self.password_write(value)?;
        let (directory, caller) = (Arc::clone(&self.door.directory), self.caller.clone());
        self.extended_later(id, async move {
            let outcome = directory.write(&caller, write, WriteOptions::default()).await?;
            let mut value = Vec::new();
            if let Some(password) = outcome.generated_password {
                // The client asked for a password to be made up; this answer is where it is shown.
                let password = password.expose();
                put_header(&mut value, SEQUENCE, element_size(password.len()));
                put(&mut value, 0x80, password);
            }
            Ok(value)
        });
        Ok(())
    }

    fn end_session(&mut self, id: i32, value: Option<&[u8]>) -> Result<(), Failure> {
        const DAMAGED: &str = "damaged end session request";
        let (session, message) = match value {
            None => (self.own_session()?, None),
            Some(value) => {
                let mut parts = Fields::sequence(value, DAMAGED)?;
                let session = parts.text(OCTET_STRING, DAMAGED)?.to_owned();
                let message = parts.optional(0x80, DAMAGED)?.map(|octets| fields::text(octets, DAMAGED)).transpose()?;
                (session, message.map(str::to_owned))
            }
        };
        let (directory, caller) = (Arc::clone(&self.door.directory), self.caller.clone());
        self.extended_later(id, async move { directory.end_session(&caller, &session, message).await.map(|()| Vec::new()) });
        Ok(())
    }

    fn renew_session(&mut self, id: i32, value: Option<&[u8]>) -> Result<(), Failure> {
        const DAMAGED: &str = "damaged renew session request";
        let session = match value {
            None => self.own_session()?,
            Some(value) => Fields::sequence(value, DAMAGED)?.text(OCTET_STRING, DAMAGED)?.to_owned(),
        };
        let (directory, caller) = (Arc::clone(&self.door.directory), self.caller.clone());
        self.extended_later(id, async move {
            let session = directory.renew_session(&caller, &session).await?;
            let expires = session.expires.generalized();
            let mut value = Vec::new();
            put_header(&mut value, SEQUENCE, element_size(session.id.len()) + element_size(expires.len()));
            put(&mut value, OCTET_STRING, session.id.as_bytes());
            put(&mut value, OCTET_STRING, expires.as_bytes());
            Ok(value)
        });
        Ok(())
    }

    fn own_session(&self) -> Result<String, Failure> {
        let none = || Failure::new(LdapResultCode::UnwillingToPerform, "this connection has no session");
        self.caller.identity.session.as_ref().map(|session| session.id.to_string()).ok_or_else(none)
    }

    fn answer_extended(&mut self, id: i32, name: &str) {
        let mut extra = Vec::new();
        put(&mut extra, 0x8a, name.as_bytes());
        self.answer(id, Operation::Extended, &Outcome { extra: &extra, ..Outcome::SUCCESS });
    }

    /// Answers when `work` is done, with the value it gives; an empty one is left out.
    fn extended_later(&mut self, id: i32, work: impl Future<Output = Result<Vec<u8>, Error>> + Send + 'static) {
        let asked = self.tells_password_policy;
        self.later(async move {
            let refusal = |error| Failure::from(error).with_password_policy(asked);
            let result = work.await.map_err(refusal).map(|value| {
                let value = Zeroizing::new(value);
                let mut done = Done::default();
                if !value.is_empty() {
                    put(&mut done.extra, 0x8b, &value);
                }
                done
            });
            Reply { id, operation: Operation::Extended, result }
        });
    }
}

//! Transactions (RFC 5805): updates that are kept until the client ends the transaction, and are then made in one step,
//! all or none. What is kept is bounded (HD7), only for those who are bound, and a bind or StartTLS forgets it.

use super::connection::{Connection, Done, Reply};
use super::encode::{Outcome, integer_size, put_integer, put_result};
use super::fields::{BOOLEAN, Fields, INTEGER, boolean};
use super::frame::{Frame, Operation};
use super::result::Failure;
use super::update;
use crate::base::ber::{OCTET_STRING, SEQUENCE, element_size, put, put_header};
use crate::base::random;
use crate::directory::{Write, WriteOptions, WriteOutcome};
use ldap3_proto::proto::LdapResultCode;
use std::sync::Arc;

/// Start Transaction (RFC 5805 §2.1).
pub(super) const START: &str = "1.3.6.1.1.21.1";
/// Transaction Specification control (RFC 5805 §2.2).
pub(super) const SPECIFICATION: &str = "1.3.6.1.1.21.2";
/// End Transaction (RFC 5805 §2.3).
pub(super) const END: &str = "1.3.6.1.1.21.3";
/// Aborted Transaction Notice (RFC 5805 §2.4).
const ABORTED: &str = "1.3.6.1.1.21.4";

/// Transactions of one connection at a time.
const AT_ONCE: usize = 4;
/// Updates of one transaction.
const UPDATES: usize = 1_000;

/// A transaction that has not ended.
pub(crate) struct OpenTransaction {
    identifier: [u8; 16],
    /// Message id, change and options of each update, in order.
    updates: Vec<(i32, Write, WriteOptions)>,
    /// Octets of all requests together.
    octets: usize,
}

impl Connection {
    pub(super) fn start_transaction(&mut self, id: i32, value: Option<&[u8]>) -> Result<(), Failure> {
        if value.is_some() {
            return Err(Failure::protocol("start transaction has no value"));
        }
        if !self.is_bound() {
            // What is kept may be as large as a message of somebody bound.
            return Err(Failure::new(LdapResultCode::StrongerAuthRequired, "transactions are for those who are bound"));
        }
        if self.caller.identity.through.is_some() {
            return Err(Failure::new(LdapResultCode::UnwillingToPerform, "a transaction is one's own here, without proxied authorisation"));
        }
        if self.transactions.len() >= AT_ONCE {
            return Err(Failure::new(LdapResultCode::AdminLimitExceeded, "the connection has too many transactions already"));
        }
        let identifier = random::bytes();
        self.transactions.push(OpenTransaction { identifier, updates: Vec::new(), octets: 0 });
        let mut extra = Vec::new();
        put(&mut extra, 0x8b, &identifier);
        self.answer(id, Operation::Extended, &Outcome { extra: &extra, ..Outcome::SUCCESS });
        Ok(())
    }

    /// Keeps an update until its transaction ends. Where there is no room for it, the transaction is over.
    pub(super) fn specify(&mut self, frame: &Frame<'_>, identifier: &[u8], write: Write, options: WriteOptions) -> Result<(), Failure> {
        self.refuse_proxied()?;
        if options.no_operation {
            return Err(Failure::new(LdapResultCode::UnwillingToPerform, "an update of a transaction cannot be a no-op"));
        }
        let at_most = self.settings.limits.message_bound;
        let kept: usize = self.transactions.iter().map(|open| open.octets).sum();
        let place = self.place(identifier)?;
        let Some(open) = self.transactions.get_mut(place) else { return Err(unknown()) };
        if open.updates.iter().any(|(id, ..)| *id == frame.id) {
            return Err(Failure::protocol("each update of a transaction has a message id of its own"));
        }
        if open.updates.len() >= UPDATES || kept + frame.length > at_most {
            let open = self.transactions.swap_remove(place);
            self.tell_aborted(&open.identifier);
            return Err(Failure::new(LdapResultCode::AdminLimitExceeded, "the transaction is too large; it was aborted"));
        }
        open.octets += frame.length;
        open.updates.push((frame.id, write, options));
        self.answer(frame.id, frame.operation, &Outcome::SUCCESS);
        Ok(())
    }

    pub(super) fn end_transaction(&mut self, id: i32, value: Option<&[u8]>) -> Result<(), Failure> {
        const DAMAGED: &str = "damaged end transaction request";
        self.refuse_proxied()?;
        let mut fields = Fields::sequence(value.ok_or_else(|| Failure::protocol(DAMAGED))?, DAMAGED)?;
        let commit = match fields.optional(BOOLEAN, DAMAGED)? {
            Some(octets) => boolean(octets).ok_or_else(|| Failure::protocol(DAMAGED))?,
            None => true,
        };
        let place = self.place(fields.octets(OCTET_STRING, DAMAGED)?)?;
        let open = self.transactions.swap_remove(place);
        if !commit {
            self.answer(id, Operation::Extended, &Outcome::SUCCESS);
            return Ok(());
        }
        let (ids, writes): (Vec<i32>, Vec<_>) = open.updates.into_iter().map(|(id, write, options)| (id, (write, options))).unzip();
        let (directory, caller) = (Arc::clone(&self.door.directory), self.caller.clone());
        self.later(async move {
            let result = match directory.write_together(&caller, writes).await {
                Ok(outcomes) => Ok(Done { extra: response(None, &updates_controls(&ids, &outcomes)).into(), ..Done::default() }),
                Err(failed) => {
                    let guilty = failed.at.and_then(|at| ids.get(at)).copied();
                    Err(Failure { extra: response(guilty, &[]), ..Failure::from(failed.error) })
                }
            };
            Reply { id, operation: Operation::Extended, result }
        });
        Ok(())
    }

    /// Within a transaction proxied authorisation is a protocol error (RFC 5805 §4.4).
    fn refuse_proxied(&self) -> Result<(), Failure> {
        match &self.caller.identity.through {
            Some(_) => Err(Failure::protocol("a transaction has one identity")),
            None => Ok(()),
        }
    }

    fn place(&self, identifier: &[u8]) -> Result<usize, Failure> {
        self.transactions.iter().position(|open| open.identifier == identifier).ok_or_else(unknown)
    }

    /// Tells of a transaction that the server gave up.
    fn tell_aborted(&mut self, identifier: &[u8]) {
        let mut extra = Vec::new();
        put(&mut extra, 0x8a, ABORTED.as_bytes());
        put(&mut extra, 0x8b, identifier);
        let code = &LdapResultCode::AdminLimitExceeded;
        let outcome = Outcome { code, text: "the transaction is too large", extra: &extra, ..Outcome::SUCCESS };
        if let Some(tag) = Operation::Extended.response_tag() {
            put_result(&mut self.output.octets, 0, tag, &outcome);
        }
    }
}

fn unknown() -> Failure {
    Failure::new(LdapResultCode::UnwillingToPerform, "there is no such transaction")
}

/// The responseValue of an End Transaction Response; empty where it has nothing to say.
fn response(guilty: Option<i32>, updates_controls: &[u8]) -> Vec<u8> {
    let (mut content, mut value, mut extra) = (Vec::new(), Vec::new(), Vec::new());
    if let Some(id) = guilty {
        put_integer(&mut content, INTEGER, i64::from(id));
    }
    if !updates_controls.is_empty() {
        put(&mut content, SEQUENCE, updates_controls);
    }
    if !content.is_empty() {
        put(&mut value, SEQUENCE, &content);
        put(&mut extra, 0x8b, &value);
    }
    extra
}

/// The response controls of the updates, each list with the message id of its update.
fn updates_controls(ids: &[i32], outcomes: &[WriteOutcome]) -> Vec<u8> {
    let mut out = Vec::new();
    for (id, outcome) in ids.iter().zip(outcomes) {
        let controls = update::done(outcome).controls;
        if !controls.is_empty() {
            put_header(&mut out, SEQUENCE, integer_size(i64::from(*id)) + element_size(controls.len()));
            put_integer(&mut out, INTEGER, i64::from(*id));
            // `Controls` without the tag it has in an LDAPMessage (RFC 5805 §2.3, RFC 4511 §4.1.11).
            put(&mut out, SEQUENCE, &controls);
        }
    }
    out
}

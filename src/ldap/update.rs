//! Add, modify, delete and modifyDN (RFC 4511 §4.6–4.9): from the request to the directory's [`Write`], and from
//! what was done to the answer. Add and modify are decoded by `ldap3_proto`.

use super::connection::{Connection, Done, Reply};
use super::controls::{self, Controls};
use super::decode;
use super::frame::{Frame, Operation};
use super::result::Failure;
use crate::base::ber::{SEQUENCE, put_header};
use crate::base::limits::Limits;
use crate::directory::{Error, Write, WriteOptions, WriteOutcome};
use crate::domain::password_rules::PasswordProblem;
use crate::model::{Filter, Modification, ModificationKind};
use bytes::BytesMut;
use ldap3_proto::LdapCodec;
use ldap3_proto::proto::{LdapModify, LdapModifyType, LdapOp};
use std::sync::Arc;
use tokio_util::codec::Decoder;

impl Connection {
    /// Begins a change; the answer comes when it is durable.
    pub(super) fn update(&mut self, frame: &Frame<'_>, controls: Controls<'_>) -> Result<(), Failure> {
        let write = decode(frame, &self.settings.limits)?;
        let transaction = controls.transaction;
        let asked = controls.password_policy;
        let options = options(controls);
        if let Some(identifier) = transaction {
            return self.specify(frame, identifier, write, options);
        }
        let (id, operation) = (frame.id, frame.operation);
        let (directory, caller) = (Arc::clone(&self.door.directory), self.caller.clone());
        self.later(async move {
            let result = directory.write(&caller, write, options).await;
            let refusal = |error| Failure::from(error).with_password_policy(asked);
            Reply { id, operation, result: result.map(|outcome| done(&outcome)).map_err(refusal) }
        });
        Ok(())
    }
}

impl Connection {
    /// Whose password was set by somebody else may change it, bind anew and begin TLS, and nothing else
    /// (draft-behera-ldap-password-policy-10 §8.1.2.1); and that for nobody else, so never `proxied`.
    pub(super) fn require_own_password(&self, frame: &Frame<'_>, proxied: bool) -> Result<(), Failure> {
        let identity = &self.caller.identity;
        if frame.operation == Operation::Bind || !self.door.directory.must_change_password(identity) {
            return Ok(());
        }
        let changes_it = match frame.operation {
            _ if proxied => false,
            Operation::Modify => match decode(frame, &self.settings.limits)? {
                Write::Modify { dn, modifications } => self.door.directory.is_own_password_change(identity, &dn, &modifications),
                Write::Add { .. } | Write::Delete { .. } | Write::Password { .. } | Write::Rename { .. } => false,
            },
            Operation::Extended => self.may_precede_change(frame)?,
            Operation::Abandon
            | Operation::Add
            | Operation::Bind
            | Operation::Compare
            | Operation::Delete
            | Operation::ModifyDn
            | Operation::Search
            | Operation::Unbind => false,
        };
        match changes_it {
            true => Ok(()),
            false => Err(Failure::from(Error::from(PasswordProblem::ChangeAfterReset)).with_password_policy(self.tells_password_policy)),
        }
    }
}

/// What was done, for the answer.
pub(super) fn done(outcome: &WriteOutcome) -> Done {
    let mut done = Done::default();
    if let Some(entry) = &outcome.pre_read {
        controls::put_read(&mut done.controls, controls::PRE_READ, entry);
    }
    if let Some(entry) = &outcome.post_read {
        controls::put_read(&mut done.controls, controls::POST_READ, entry);
    }
    done
}

/// The change that a request asks for.
pub(crate) fn decode(frame: &Frame<'_>, limits: &Limits) -> Result<Write, Failure> {
    match frame.operation {
        Operation::Delete => Ok(Write::Delete { dn: decode::delete(frame.content)?.to_owned() }),
        Operation::ModifyDn => {
            let request = decode::modify_dn(frame.content)?;
            Ok(Write::Rename {
                dn: request.name.to_owned(),
                new_rdn: request.new_rdn.to_owned(),
                delete_old_rdn: request.delete_old_rdn,
                new_superior: request.new_superior.map(str::to_owned),
            })
        }
        Operation::Add | Operation::Modify => add_or_modify(frame, limits),
        Operation::Abandon | Operation::Bind | Operation::Compare | Operation::Extended | Operation::Search | Operation::Unbind => {
            Err(Failure::protocol("not an update"))
        }
    }
}

fn add_or_modify(frame: &Frame<'_>, limits: &Limits) -> Result<Write, Failure> {
    match foreign(frame, limits) {
        Some(LdapOp::AddRequest(request)) => Ok(Write::Add {
            dn: request.dn,
            attributes: request.attributes.into_iter().map(|attribute| (attribute.atype, attribute.vals)).collect(),
        }),
        Some(LdapOp::ModifyRequest(request)) => {
            Ok(Write::Modify { dn: request.dn, modifications: request.changes.into_iter().map(modification).collect() })
        }
        _ => Err(Failure::protocol("damaged add or modify request")),
    }
}

/// Decodes the operation alone by `ldap3_proto`. Message id and controls are read by us, so it gets a message with
/// id 1 and without controls.
fn foreign(frame: &Frame<'_>, limits: &Limits) -> Option<LdapOp> {
    const ID: [u8; 3] = [0x02, 0x01, 0x01];
    let size = frame.element.len() + ID.len();
    let mut message = Vec::with_capacity(size + 6);
    put_header(&mut message, SEQUENCE, size);
    message.extend_from_slice(&ID);
    message.extend_from_slice(frame.element);
    let mut codec = LdapCodec::new(Some(message.len()), Some(limits.ber_depth));
    codec.decode(&mut BytesMut::from(message.as_slice())).ok().flatten().map(|message| message.op)
}

fn modification(change: LdapModify) -> Modification {
    let kind = match change.operation {
        LdapModifyType::Add => ModificationKind::Add,
        LdapModifyType::Delete => ModificationKind::Delete,
        LdapModifyType::Replace => ModificationKind::Replace,
        LdapModifyType::Increment => ModificationKind::Increment,
    };
    Modification { kind, attribute: change.modification.atype, values: change.modification.vals }
}

/// What the controls of an update ask for.
pub(crate) fn options(controls: Controls<'_>) -> WriteOptions {
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    WriteOptions {
        assertion: controls.assertion.map(Filter::into_owned),
        pre_read: controls.pre_read.map(owned),
        post_read: controls.post_read.map(owned),
        manage_dsa_it: controls.manage_dsa_it,
        no_operation: controls.no_operation,
        permissive: controls.permissive,
        relax: controls.relax,
        tree: controls.tree_delete,
        ..WriteOptions::default()
    }
}

//! Add, modify, delete and modifyDN (RFC 4511 §4.6–4.9): from the request to the directory's [`Write`], and from
//! what was done to the answer.

use super::connection::{Connection, Done, Reply};
use super::controls::{self, Controls};
use super::decode;
use super::frame::{Frame, Operation};
use super::result::Failure;
use crate::directory::{Error, Write, WriteOptions, WriteOutcome};
use crate::domain::password_rules::PasswordProblem;
use crate::model::{Filter, Modification};
use std::sync::Arc;

impl Connection {
    /// Begins a change; the answer comes when it is durable.
    pub(super) fn update(&mut self, frame: &Frame<'_>, controls: Controls<'_>) -> Result<(), Failure> {
        let write = decode(frame)?;
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
            Operation::Modify => match &decode(frame)? {
                Write::Modify { dn, modifications } => self.door.directory.is_own_password_change(identity, dn, modifications),
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
pub(crate) fn decode(frame: &Frame<'_>) -> Result<Write, Failure> {
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
        Operation::Add => add(frame.content),
        Operation::Modify => modify(frame.content),
        Operation::Abandon | Operation::Bind | Operation::Compare | Operation::Extended | Operation::Search | Operation::Unbind => {
            Err(Failure::protocol("not an update"))
        }
    }
}

fn add(content: &[u8]) -> Result<Write, Failure> {
    let request = decode::add(content)?;
    Ok(Write::Add { dn: request.name.to_owned(), attributes: request.attributes.into_iter().map(owned).collect() })
}

fn modify(content: &[u8]) -> Result<Write, Failure> {
    let request = decode::modify(content)?;
    let modification = |(kind, attribute)| {
        let (attribute, values) = owned(attribute);
        Modification { kind, attribute, values }
    };
    Ok(Write::Modify { dn: request.name.to_owned(), modifications: request.changes.into_iter().map(modification).collect() })
}

fn owned((description, values): decode::Attribute<'_>) -> (String, Vec<Vec<u8>>) {
    (description.to_owned(), values.into_iter().map(<[u8]>::to_vec).collect())
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

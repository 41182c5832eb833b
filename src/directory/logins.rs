//! Who signed in, who was refused and why: noted for the log of logins and refusals, never on the way of an answer. What a
//! client typed as a name is only noted where it is the name of something here: people type passwords there (OWASP).

use super::bind::Candidate;
use super::client::TokenRefused;
use super::error::Error;
use super::identity::{Caller, Identity, Method, Origin, Standing};
use super::lockout::Account;
use super::session::SERVER;
use super::tree;
use super::{Bound, Directory};
use crate::base::EntryId;
use crate::domain::{AccountState, User};
use crate::model::Dn;
use crate::store::AuditRecord;
use std::sync::Arc;

/// Stands for names that are none here.
const STRANGER: &str = "an unknown name";

/// Who somebody says to be.
pub(super) enum Claimed<'a> {
    /// By an entry: its certificate, its keys.
    Entry(EntryId),
    /// By a DN, which may be of nothing.
    Name(&'a str),
    /// By something that leads nowhere.
    Stranger,
}

/// The record of an attempt to sign in.
fn login(origin: &Origin, method: Method, actor: String, result: &str) -> AuditRecord {
    let caller = Caller { identity: Identity { method, ..Identity::anonymous() }.into(), origin: Arc::new(origin.clone()) };
    AuditRecord { actor, operation: "login".to_owned(), result: result.to_owned(), ..caller.record() }
}

impl Directory {
    /// Notes how an attempt to sign in ends, and with whom the method. Who is refused is noted with the class of the reason,
    /// which the client never gets to know (HB1).
    pub(super) async fn sign_in(
        &self,
        origin: &Origin,
        method: Method,
        claimed: Claimed<'_>,
        work: impl Future<Output = Result<Bound, Error>>,
    ) -> Result<Bound, Error> {
        let done = work.await;
        let (actor, result) = match &done {
            Ok(bound) => (bound.identity.name.clone(), "success"),
            Err(error) => self.failed_login(origin, &claimed, error),
        };
        let detail = match &done {
            Err(error @ (Error::Password { .. } | Error::SessionLimit { .. })) => error.to_string(),
            Err(_) | Ok(_) => String::new(),
        };
        self.note_login(origin, method, actor, result, detail);
        let mut bound = done?;
        Arc::make_mut(&mut bound.identity).method = method;
        Ok(bound)
    }

    /// Notes a password that was not even looked at: it came where others can read along, or is longer than any may be.
    pub fn note_refused_login(&self, origin: &Origin, method: Method, name: &str, result: &str) {
        let (actor, _) = self.failed_login(origin, &Claimed::Name(name), &Error::InvalidCredentials);
        self.note_login(origin, method, actor, result, String::new());
    }

    /// Notes what became of a bearer token.
    pub fn note_token(&self, origin: &Origin, identity: Result<&Identity, &TokenRefused>) {
        let (actor, result, target) = match identity {
            Ok(identity) => (identity.name.clone(), "success", None),
            Err(TokenRefused { reason, client }) => ("an unknown token".to_owned(), reason.as_str(), client.clone()),
        };
        let record = AuditRecord { target: target.unwrap_or_default(), ..login(origin, Method::Token, actor, result) };
        self.note_record(record);
    }

    pub(super) fn note_login(&self, origin: &Origin, method: Method, actor: String, result: &str, detail: String) {
        self.note_record(AuditRecord { detail, ..login(origin, method, actor, result) });
    }

    /// Notes what a caller did that changes nothing, or was not let do.
    pub fn note(&self, caller: &Caller, operation: &str, target: &str, detail: String, result: &str) {
        let record = AuditRecord {
            operation: operation.to_owned(),
            target: tree::shorten(target).to_string(),
            detail,
            result: result.to_owned(),
            ..caller.record()
        };
        self.note_record(record);
    }

    /// Notes that a search gave many entries, `before` on pages before and `now`: once for all its pages.
    pub fn note_read(&self, caller: &Caller, base: &str, (before, now): (usize, usize)) {
        let many = self.settings().audit_reads;
        if many > 0 && before < many && before + now >= many {
            self.note(caller, "read", base, format!("{} entries", before + now), "success");
        }
    }

    /// Notes that the config was read anew, and is in force where nothing is wrong with it. What is wrong is for the log alone: it
    /// may quote the file.
    pub fn note_reload(&self, config: &str, problems: usize) {
        let (result, detail) = match problems {
            0 => ("success", config.to_owned()),
            _ => ("refused", format!("{config}: {problems} problems, which the log tells")),
        };
        let server = Caller { identity: Identity::server(SERVER).into(), origin: Origin::system().into() };
        self.note(&server, "reload", "", detail, result);
    }

    fn note_record(&self, record: AuditRecord) {
        self.store().note(AuditRecord { time: self.clock().now().millis(), ..record });
    }

    /// Notes that an account has to wait.
    pub(super) fn note_lockout(&self, origin: &Origin, account: Account) {
        let actor = match account {
            Account::Entry(id) => tree::dn_of(self.memory(), id),
            Account::Operator => self.settings().operator.as_ref().map_or_else(String::new, |operator| operator.dn.clone()),
            Account::Stranger(_) => STRANGER.to_owned(),
        };
        tracing::warn!(request = %origin.request, origin = %origin.describe(), user = actor, "further attempts to sign in to an account have to wait");
        let caller = Caller { identity: Identity::anonymous().into(), origin: Arc::new(origin.clone()) };
        self.note_record(AuditRecord { actor, operation: "lockout".to_owned(), ..caller.record() });
    }

    /// Who it was as far as that may be told, and the class of the reason.
    fn failed_login(&self, origin: &Origin, claimed: &Claimed<'_>, error: &Error) -> (String, &'static str) {
        let name = match claimed {
            Claimed::Entry(id) => Dn::parse(&tree::dn_of(self.memory(), *id)).ok(),
            Claimed::Name(name) => Dn::parse(name).ok(),
            Claimed::Stranger => None,
        };
        let Some(name) = name else { return (STRANGER.to_owned(), "unknown name") };
        let is_operator = self.current().operator.as_ref().is_some_and(|operator| *operator == self.schema().name_key(&name));
        let candidate = self.candidate(&name);
        if candidate.entry.is_none() && !is_operator {
            return (STRANGER.to_owned(), "unknown name");
        }
        let account = self.account(&name, candidate.entry.as_deref());
        (name.to_string(), self.reason(origin, error, &candidate, account))
    }

    fn reason(&self, origin: &Origin, error: &Error, candidate: &Candidate, account: Account) -> &'static str {
        match error {
            // A client that knows the password and asked for it is told more than others.
            Error::InvalidCredentials | Error::Password { .. } => {}
            Error::SessionLimit { .. } => return "session limit",
            Error::Busy(_) => return "busy",
            Error::Unwilling(_) => return "not admitted",
            _ => return "failed",
        }
        let state = candidate.entry.as_deref().and_then(|entry| User::of(self.schema(), entry).map(|user| user.state()));
        match state {
            Some(AccountState::Disabled) => "account disabled",
            Some(AccountState::NotActivated) => "account not activated",
            _ if candidate.entry.as_deref().is_some_and(|entry| !self.may_sign_in(entry)) => "no account",
            _ if candidate.entry.as_deref().is_some_and(|entry| !self.lets_in_from(origin, entry)) => "address not allowed",
            _ if matches!(error, Error::Password { .. }) => "password policy",
            _ if self.has_to_wait(account) => "wrong password, or it has to wait",
            _ => "wrong password",
        }
    }

    /// Notes that a change was refused for want of a right.
    pub(super) fn note_refused_write(&self, caller: &Caller, operation: &str, target: &str, error: &Error) {
        match error {
            Error::InsufficientAccess(_) | Error::AuthorizationDenied if caller.identity.standing != Standing::Anonymous => {
                self.note(caller, operation, target, String::new(), "insufficient access");
            }
            // Nobody's attempts are no more than noise, and counted together.
            Error::InsufficientAccess(_) | Error::AuthorizationDenied => {
                self.note(caller, operation, "", String::new(), "insufficient access")
            }
            _ => {}
        }
    }
}

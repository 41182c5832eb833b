//! Commands about provisioning clients and their tokens.

use super::execute::{Execution, count};
use super::{Bearer, Failure, NewToken, Reply, WhichClient, Within};
use crate::directory::Provisioned;
use crate::directory::client::{ClientInfo, Exchanged, SettingsChange};
use crate::directory::operator::TokenState;
use crate::scim::explain::Asked;
use crate::scim::request::MAX_BODY;
use crate::scim::routes::Scim;
use serde_json::{Value, json};
use std::io::{BufRead, Read};
use std::sync::Arc;
use std::time::Duration;

impl Execution<'_> {
    pub(super) fn add_client(
        &mut self,
        organisation: &str,
        name: &str,
        id: Option<&str>,
        settings: &SettingsChange,
    ) -> Result<String, Failure> {
        let client = self.handle.block_on(self.directory.add_client(&self.caller, organisation, name, id, settings))?;
        self.row(whole(&client))?;
        Ok(format!("client {name} is added; `headcount token mint` makes a token for it"))
    }

    pub(super) fn clients(&mut self, within: &Within) -> Result<String, Failure> {
        let clients = self.directory.clients(&self.caller, within.organisation.as_deref())?;
        for client in &clients {
            self.row(json!({
                "name": client.name, "id": client.id, "organisation": client.organisation, "profile": client.settings.profile,
                "scopes": client.settings.scopes, "dry_run": client.settings.dry_run, "tokens": client.tokens,
                "paused": client.paused.map(|since| since.rfc3339()),
            }))?;
        }
        Ok(count(clients.len(), "client", "clients"))
    }

    pub(super) fn show_client(&mut self, which: &WhichClient) -> Result<String, Failure> {
        let client = self.directory.client_named(&self.caller, which.organisation.as_deref(), &which.name)?;
        self.row(whole(&client))?;
        Ok(String::new())
    }

    pub(super) fn change_client(&mut self, which: &WhichClient, settings: &SettingsChange) -> Result<String, Failure> {
        let change = self.directory.change_client(&self.caller, which.organisation.as_deref(), &which.name, settings.clone());
        let client = self.handle.block_on(change).map_err(|error| Failure::nothing(format!("client {}: {error}", which.name)))?;
        self.row(whole(&client))?;
        Ok(format!("client {} is changed", client.name))
    }

    pub(super) fn remove_client(
        &mut self,
        which: &WhichClient,
        provisioned: Provisioned,
        expect: Option<usize>,
    ) -> Result<String, Failure> {
        let part = self.directory.part_with_client(&self.caller, which.organisation.as_deref(), &which.name, provisioned, expect);
        let parting = self.handle.block_on(part)?;
        for (dn, why) in &parting.left {
            self.row(json!({"left": dn, "why": why}))?;
        }
        let removed = format!("client {} is removed, and its tokens are revoked", which.name);
        let converted = count(parting.converted, "entry is", "entries are");
        Ok(match provisioned {
            Provisioned::Keep => removed,
            Provisioned::Convert => format!("{removed}; {converted} the organisation's own"),
            Provisioned::Remove => {
                let gone = count(parting.removed, "user or group is", "users and groups are");
                format!("{removed}; {gone} deleted or disabled, and {converted} the organisation's own")
            }
        })
    }

    pub(super) fn give_to_client(&self, which: &WhichClient, entries: &[String]) -> Result<String, Failure> {
        let give = self.directory.give_to_client(&self.caller, which.organisation.as_deref(), &which.name, entries);
        let given = self.handle.block_on(give)?;
        Ok(format!("{} given to client {}", count(given, "entry is", "entries are"), which.name))
    }

    pub(super) fn resume_client(&self, which: &WhichClient) -> Result<String, Failure> {
        self.handle.block_on(self.directory.resume_client(&self.caller, which.organisation.as_deref(), &which.name))?;
        Ok(format!("client {} goes on", which.name))
    }

    /// One row for each attribute that would change, or one that says why nothing would.
    pub(super) fn explain_request(
        &mut self,
        which: &WhichClient,
        method: &str,
        path: &str,
        input: &mut dyn BufRead,
    ) -> Result<String, Failure> {
        let mut body = Vec::new();
        let read = input.take(MAX_BODY as u64 + 1).read_to_end(&mut body);
        read.map_err(|error| Failure::nothing(error.to_string()))?;
        let (caller, witness) = self.directory.on_trial(&self.caller, which.organisation.as_deref(), &which.name)?;
        let scim = Scim::new(Arc::clone(self.directory), "").map_err(|error| Failure::nothing(error.to_string()))?;
        let asked = Asked { method: method.to_owned(), path: path.to_owned(), body };
        let explained = self.handle.block_on(scim.explain(caller, &witness, asked)).map_err(Failure::nothing)?;
        if explained.changes.is_empty() {
            self.row(json!({
                "status": explained.status, "scim_type": explained.scim_type, "detail": explained.detail, "ignored": explained.ignored,
            }))?;
            return Ok(String::new());
        }
        for (change, shown) in &explained.changes {
            self.row(json!({
                "status": explained.status, "operation": change.operation, "entry": change.entry, "attribute": change.attribute,
                "shown_as": shown, "before": change.before, "after": change.after, "more_values": change.left_out,
                "secret": change.secret, "detail": change.detail, "ignored": explained.ignored,
            }))?;
        }
        Ok("nothing of this is done".to_owned())
    }

    pub(super) fn pending_references(&mut self, which: &WhichClient) -> Result<String, Failure> {
        let pending = self.directory.pending_references(&self.caller, which.organisation.as_deref(), &which.name)?;
        for reference in &pending {
            self.row(json!({
                "entry": reference.holder, "attribute": reference.attribute, "names": reference.value, "since": reference.since.rfc3339(),
                "until": reference.until.rfc3339(),
            }))?;
        }
        Ok(count(pending.len(), "pending reference", "pending references"))
    }

    pub(super) fn deleted_users(&mut self) -> Result<String, Failure> {
        let users = self.directory.kept_users(&self.caller);
        for user in &users {
            self.row(json!({
                "id": user.id, "dn": user.dn, "deleted": user.deleted.rfc3339(), "by": user.by, "kept_until": user.until.rfc3339(),
            }))?;
        }
        Ok(count(users.len(), "deleted user", "deleted users"))
    }

    /// Where it is followed it ends with who follows: they are told every second that it goes on.
    pub(super) fn client_log(&mut self, which: &WhichClient, follow: bool) -> Result<String, Failure> {
        let mut after = 0;
        loop {
            let log = self.directory.client_log(&self.caller, which.organisation.as_deref(), &which.name, after)?;
            for (number, exchanged) in log {
                after = number;
                self.row(line(&exchanged))?;
            }
            if !follow || !(self.reply)(Reply::Progress(after)) {
                return Ok(String::new());
            }
            self.handle.block_on(async { tokio::time::sleep(Duration::from_secs(1)).await });
        }
    }

    pub(super) fn mint(&mut self, new: &NewToken) -> Result<String, Failure> {
        let lifetime = new.lifetime.map(Duration::from_secs);
        let token = match &new.bearer {
            Bearer::Client { organisation, profile } => {
                let profile = profile.as_ref().map(|word| serde_json::from_value(Value::from(word.as_str())));
                let profile = profile.transpose().map_err(|error| Failure::nothing(format!("client {}: {error}", new.name)))?;
                self.handle.block_on(self.directory.mint_client_token(&self.caller, organisation, &new.name, lifetime, profile))?
            }
            Bearer::User(user) => {
                let minted = self.directory.mint_personal_token(&self.caller, user, &new.name, lifetime);
                self.handle.block_on(minted).map_err(|error| Failure::nothing(format!("{user}: {error}")))?
            }
        };
        self.show_once(json!({"id": token.id}), "token", &token.secret)?;
        Ok("the token is shown this once".to_owned())
    }

    pub(super) fn mint_secret(&mut self, which: &WhichClient, lifetime: Option<u64>) -> Result<String, Failure> {
        let organisation = which.organisation.as_deref();
        let client = self.directory.client_named(&self.caller, organisation, &which.name)?;
        let lifetime = lifetime.map(Duration::from_secs);
        let minted = self.handle.block_on(self.directory.mint_client_secret(&self.caller, organisation, &which.name, lifetime))?;
        self.show_once(json!({"id": minted.id, "client_id": client.id}), "client_secret", &minted.secret)?;
        Ok("the secret is shown this once; `headcount token revoke` takes its id".to_owned())
    }

    pub(super) fn tokens(&mut self) -> Result<String, Failure> {
        let tokens = self.directory.tokens(&self.caller)?;
        for token in &tokens {
            self.row(json!({
                "id": token.id, "name": token.name, "client": token.client, "user": token.user, "secret": token.is_secret, "signed": token.is_signed, "organisation": token.organisation,
                "created": token.created.rfc3339(), "expires": token.expires.map(|time| time.rfc3339()), "state": token.state.word(),
                "last_used": token.last_used.map(|time| time.rfc3339()),
            }))?;
            if token.state == TokenState::EndsSoon {
                let ends = token.expires.map(|time| time.rfc3339()).unwrap_or_default();
                (self.reply)(Reply::Warning(format!(
                    "token {} of {} ends at {ends}: make another one and put it in use",
                    token.id, token.name
                )));
            }
        }
        Ok(count(tokens.len(), "token", "tokens"))
    }
}

/// A request as it is shown: what it was answered stands before what is seldom there.
fn line(exchanged: &Exchanged) -> Value {
    json!({
        "time": exchanged.time.rfc3339(), "method": exchanged.method, "path": exchanged.path, "status": exchanged.status,
        "scim_type": exchanged.scim_type, "detail": exchanged.detail, "ignored": exchanged.ignored, "dry_run": exchanged.dry_run,
        "received": exchanged.received, "sent": exchanged.sent, "milliseconds": exchanged.micros as f64 / 1e3, "token": exchanged.token, "request": exchanged.request,
    })
}

/// A client with all its settings.
fn whole(client: &ClientInfo) -> Value {
    let mut row = json!({
        "name": client.name, "id": client.id, "organisation": client.organisation, "created": client.created.rfc3339(),
        "tokens": client.tokens, "paused": client.paused.map(|since| since.rfc3339()),
        "pending": client.pending,
    });
    if let (Value::Object(row), Ok(Value::Object(settings))) = (&mut row, serde_json::to_value(&client.settings)) {
        row.extend(settings);
        // Their names say which they are.
        row.insert("keys".to_owned(), json!(client.settings.keys.as_ref().map(|keys| keys.names())));
    }
    row
}

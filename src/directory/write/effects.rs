//! What a change brings with it, in the same commit: sessions that end (S6), links of activation that are sent or die
//! (U4, U5).

use super::Work;
use crate::base::EntryId;
use crate::directory::Error;
use crate::directory::lifecycle::disables;
use crate::directory::session::ENDED_BY_REQUEST;
use crate::domain::{AccountState, User};
use crate::model::{Entry, Kind};

const PASSWORD_CHANGED: &str = "password changed";

impl Work<'_, '_> {
    pub(super) fn after_add(&mut self, entry: &Entry) -> Result<(), Error> {
        if entry.kind == Kind::Session {
            return Err(Error::Unwilling("sessions are made by signing in, not by adding entries".to_owned()));
        }
        self.keep_accounts(None, entry)?;
        self.settle_application_passwords(None, entry)?;
        self.post_welcome(None, entry)
    }

    pub(in crate::directory) fn after_modify(&mut self, before: &Entry, after: &Entry) -> Result<(), Error> {
        self.keep_accounts(Some(before), after)?;
        if disables(&self.core.schema, before, after) {
            self.count_deactivation()?;
        }
        let schema = std::sync::Arc::clone(&self.core.schema);
        let user_password = schema.known().user_password;
        let another_password = !before.values(user_password).eq(after.values(user_password));
        if another_password {
            self.unlock(after.id);
        }
        self.settle_application_passwords(Some(before), after)?;
        let secret = schema.known().hc_one_time_secret;
        if !before.values(secret).eq(after.values(secret)) {
            self.forget_codes(after.id);
        }
        self.settle_policy(before, after)?;
        let Some(was) = User::of(&schema, before) else {
            if another_password {
                self.end_other_sessions_of(after.id, PASSWORD_CHANGED);
            }
            return self.post_welcome(Some(before), after);
        };
        let Some(is) = User::of(&schema, after) else {
            self.end_all_of(before.id, "no longer a user");
            return Ok(());
        };
        if is.state() == AccountState::Disabled && was.state() != AccountState::Disabled {
            self.end_all_of(after.id, "account disabled");
        } else if was.mail() != is.mail() {
            self.end_all_of(after.id, "e-mail changed");
            self.tell_addresses(before, after)?;
        } else if another_password && was.state() == AccountState::Active {
            self.end_other_sessions_of(after.id, PASSWORD_CHANGED);
        }
        let networks = schema.known().hc_allowed_address;
        if after.has(networks) && !before.values(networks).eq(after.values(networks)) {
            // From where each came is not kept.
            self.end_sessions_of(after.id, "allowed addresses changed");
        }
        self.post_welcome(Some(before), after)
    }

    /// Ends its sessions, and its personal tokens (HE10).
    fn end_all_of(&mut self, user: EntryId, why: &str) {
        self.end_tokens_of(user);
        self.end_sessions_of(user, why);
    }

    pub(super) fn before_delete(&mut self, entry: &Entry) -> Result<(), Error> {
        if entry.has(self.core.schema.known().user_password) {
            self.forget_attempts(entry.id);
        }
        if entry.has(self.core.schema.known().hc_one_time_secret) {
            self.forget_codes(entry.id);
        }
        match entry.kind {
            Kind::Session => self.strike_out(entry.id, ENDED_BY_REQUEST),
            Kind::Generic | Kind::Person | Kind::User => self.end_all_of(entry.id, "user deleted"),
            Kind::Licence => self.note_charge(entry, false)?,
            Kind::Content | Kind::Group | Kind::Organisation | Kind::Role | Kind::Staff => {}
        }
        Ok(())
    }
}

//! The password policy at work (draft-behera-ldap-password-policy-10): which policy applies to an account, what a bind
//! with the right password meets, and what a change of it is asked for and leaves behind on the entry.

use super::activation::ACTOR;
use super::lockout::{self, Account};
use super::referral::is_of_class;
use super::session::system_caller;
use super::tree::{self, Resolved, Suffix};
use super::write::Work;
use super::write::links::LinkValues;
use super::{Bound, Caller, Directory, Error, Identity, Origin, WriteOptions};
use crate::base::{EntryId, Secret};
use crate::domain::lockout::Merit;
use crate::domain::password_rules::{
    POLICY, PasswordNotes, PasswordProblem, PasswordRules, PasswordUse, Usability, history, stored_in_history,
};
use crate::domain::{AccountState, Rights, User, organisation_of};
use crate::model::{Description, Draft, Entry, Facts};
use crate::schema::Schema;
use std::sync::{Arc, OnceLock};

/// Entries of those under a policy that are looked at for one to name.
const MOST_ASKED: usize = 1_000;

/// The rules of the policy `named` of the account, else of the one that `pwdPolicySubentry` of its organisation says, else none
/// but those of the settings. A policy of another organisation is none (O1).
fn rules(schema: &Schema, facts: &dyn Facts, named: Option<EntryId>, organisation: Option<EntryId>) -> PasswordRules {
    let policy = |id: EntryId| {
        let theirs = organisation_of(facts, id);
        let usable = |policy: &Arc<Entry>| is_of_class(schema, policy, POLICY) && (theirs.is_none() || theirs == organisation);
        facts.entry(id).filter(usable)
    };
    let of_organisation = || policy(named_by(schema, facts, organisation?)?);
    let found = named.and_then(policy).or_else(of_organisation);
    found.map_or_else(PasswordRules::default, |policy| PasswordRules::of(schema, &policy))
}

/// What `pwdPolicySubentry` of the entry refers to.
fn named_by(schema: &Schema, facts: &dyn Facts, entry: EntryId) -> Option<EntryId> {
    facts.targets(entry, schema.known().pwd_policy_subentry, None, 1).first().map(|(policy, _)| *policy)
}

/// The entry of the name that `pwdPolicySubentry` of an entry to be added has.
fn resolved(schema: &Schema, suffixes: &[Suffix], facts: &dyn Facts, named: &[u8]) -> Option<EntryId> {
    let dn = tree::parse_dn(std::str::from_utf8(named).ok()?).ok()?;
    match tree::resolve(schema, suffixes, facts, &dn) {
        Resolved::Found(id) => Some(id),
        Resolved::Missing { .. } | Resolved::Outside => None,
    }
}

impl Directory {
    /// The rules for the password of an entry.
    pub(super) fn password_rules(&self, entry: &Entry) -> PasswordRules {
        let memory = self.memory();
        rules(self.schema(), memory, named_by(self.schema(), memory, entry.id), organisation_of(memory, entry.id))
    }

    /// The rules for the password of an entry that is to be added.
    pub(super) fn password_rules_of_new(&self, dn: &str, named: Option<&[u8]>) -> PasswordRules {
        let (current, memory) = (self.current(), self.memory());
        let named = named.and_then(|named| resolved(self.schema(), &current.suffixes, memory, named));
        let above = tree::parse_dn(dn).ok().and_then(|dn| match tree::resolve(self.schema(), &current.suffixes, memory, &dn) {
            Resolved::Found(id) => Some(id),
            Resolved::Missing { nearest, .. } => nearest,
            Resolved::Outside => None,
        });
        rules(self.schema(), memory, named, above.and_then(|id| organisation_of(memory, id)))
    }

    fn password_use(&self, entry: &Entry) -> PasswordUse {
        let rules = self.password_rules(entry);
        rules.at_bind(&self.password_notes(entry, &rules), self.clock().now())
    }

    /// Whether the policy locks the account out, whatever password is given.
    pub(super) fn is_locked(&self, entry: &Entry) -> bool {
        self.password_use(entry) == PasswordUse::Locked
    }

    /// What is noted for an account. Administrators are never locked for being idle: the last one would be (HB4).
    fn password_notes(&self, entry: &Entry, rules: &PasswordRules) -> PasswordNotes {
        let noted = PasswordNotes::of(self.schema(), entry);
        let memory = self.memory();
        let administers = || Rights::of(self.schema(), memory, &self.current().settings.catalog, entry.id).organisation_admin;
        if rules.maximum_idle.is_zero() || administers() {
            return noted;
        }
        let last_success = lockout::saved(memory, entry.id).and_then(|attempts| attempts.last_success());
        PasswordNotes { used: last_success.max(noted.changed), ..noted }
    }

    /// Whether an account can be used; `None` for what is none.
    pub(super) fn usability(&self, entry: &Entry) -> Option<Usability> {
        let schema = self.schema();
        if !self.may_sign_in(entry) || !entry.has(schema.known().user_password) {
            return None;
        }
        let active = User::of(schema, entry).is_none_or(|user| user.state() == AccountState::Active);
        let now = self.clock().now();
        let waits = lockout::saved(self.memory(), entry.id).and_then(|attempts| attempts.waits_for(now));
        let rules = self.password_rules(entry);
        Some(Usability::of(&rules, &self.password_notes(entry, &rules), active, waits, now))
    }

    /// Whether the caller may do nothing but change its password (draft §8.1.2.1).
    pub fn must_change_password(&self, identity: &Identity) -> bool {
        let entry = identity.entry.filter(|_| identity.must_change).and_then(|id| self.memory().entry(id));
        entry.is_some_and(|entry| self.password_use(&entry) == PasswordUse::MustChange)
    }

    /// Whether the DN is that of the caller's own entry.
    pub fn is_own_account(&self, identity: &Identity, dn: &str) -> bool {
        let Ok(dn) = tree::parse_dn(dn) else { return false };
        let found = tree::resolve(self.schema(), &self.current().suffixes, self.memory(), &dn);
        identity.entry.is_some_and(|own| matches!(found, Resolved::Found(id) if id == own))
    }

    /// Lets in who has given the right password, if that still works. An expired one is refused like a wrong one; what the
    /// door may tell about it is in the error.
    pub(super) async fn admit_by_password(
        &self,
        entry: &Entry,
        admitted: impl Future<Output = Result<Bound, Error>>,
    ) -> Result<Bound, Error> {
        let met = self.password_use(entry);
        match met {
            PasswordUse::Expired => return Err(PasswordProblem::Expired.into()),
            PasswordUse::Locked => return Err(PasswordProblem::AccountLocked.into()),
            PasswordUse::Expires { .. } | PasswordUse::Free | PasswordUse::Grace { .. } | PasswordUse::MustChange => {}
        }
        let mut bound = admitted.await?;
        match met {
            PasswordUse::MustChange => bound.identity = Arc::new(Identity { must_change: true, ..(*bound.identity).clone() }),
            PasswordUse::Expired | PasswordUse::Expires { .. } | PasswordUse::Free | PasswordUse::Grace { .. } | PasswordUse::Locked => {}
        }
        Ok(Bound { password: met, ..bound })
    }

    /// Whether the password of the entry has expired, so that each bind with it spends one of the uses that may be left.
    pub(super) fn has_expired(&self, entry: &Entry) -> bool {
        matches!(self.password_use(entry), PasswordUse::Expired | PasswordUse::Grace { .. })
    }

    /// Notes a use of an expired password, where there is one left: many at one time get no more than one after another.
    pub(super) async fn spend_grace(&self, entry: EntryId) -> Result<(), Error> {
        let core = Arc::clone(self.core());
        let work = move |txn: &mut crate::store::Transaction<'_>| {
            txn.may_use_reserve();
            let (caller, options) = (system_caller(&Origin::system()), WriteOptions::default());
            Work::begin(&core, txn, &caller, &options)?.spend_grace(entry)
        };
        self.store().write(work).await
    }

    /// Whether the caller may change its own password now.
    pub(super) fn check_own_change(&self, caller: &Caller, entry: &Entry, with_old: bool) -> Result<(), Error> {
        if caller.identity.entry != Some(entry.id) {
            return Ok(());
        }
        let noted = PasswordNotes::of(self.schema(), entry);
        Ok(self.password_rules(entry).own_change(&noted, with_old, self.clock().now())?)
    }

    /// A password that its user had before is not taken again, nor the one it has, where the policy remembers any. Where the old
    /// one was not `proven` with the change, each that is compared is an attempt like a bind, whatever comes of it, and none is
    /// while the account has to wait: who has the session of somebody could guess the password so, with changes that fail. A
    /// change that is made forgets what was counted.
    pub(super) async fn refuse_former(&self, caller: &Caller, entry: &Entry, password: &Secret, proven: bool) -> Result<(), Error> {
        let keep = self.password_rules(entry).in_history;
        let own = caller.identity.entry == Some(entry.id) || caller.identity.name == ACTOR;
        if keep == 0 || !own {
            return Ok(());
        }
        let found = match proven {
            true => Some(self.is_former(caller, entry, password, keep).await?),
            false => {
                let compared = &OnceLock::new();
                let proof = |held: bool| async move {
                    if !held {
                        let _ = compared.set(self.is_former(caller, entry, password, keep).await?);
                    }
                    Ok(None::<()>)
                };
                self.count(&caller.origin, Account::Entry(entry.id), Merit::Part, proof).await?;
                compared.get().copied()
            }
        };
        match found {
            Some(true) => Err(PasswordProblem::InHistory.into()),
            Some(false) => Ok(()),
            None => Err(Error::Unwilling("after so many failed attempts the password cannot be changed yet; try again later".to_owned())),
        }
    }

    /// Whether it is the password of the entry, or one of the `keep` last ones before.
    async fn is_former(&self, caller: &Caller, entry: &Entry, password: &Secret, keep: usize) -> Result<bool, Error> {
        let known = self.schema().known();
        // Each begins with its time, and they are kept in that order.
        let mut former: Vec<&[u8]> = entry.values(known.pwd_history).collect();
        former.sort_unstable();
        let remembered = former.into_iter().rev().take(keep).filter_map(stored_in_history);
        for stored in entry.values(known.user_password).chain(remembered) {
            if self.match_password(&caller.origin, &[stored.to_vec()], password).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Work<'_, '_> {
    pub(super) fn spend_grace(&mut self, entry: EntryId) -> Result<(), Error> {
        let core = Arc::clone(self.core);
        let entry = self.txn.entry(entry).ok_or(Error::InvalidCredentials)?;
        let rules = self.rules_of(&entry);
        match rules.at_bind(&PasswordNotes::of(&core.schema, &entry), self.now) {
            PasswordUse::Expired => return Err(PasswordProblem::Expired.into()),
            PasswordUse::Locked => return Err(PasswordProblem::AccountLocked.into()),
            PasswordUse::Expires { .. } | PasswordUse::Free | PasswordUse::MustChange => return Ok(()),
            PasswordUse::Grace { .. } => {}
        }
        let used = core.schema.known().pwd_grace_use_time;
        let mut draft = core.schema.unseal(&entry);
        let mut values = draft.values(used).to_vec();
        // Two uses within a millisecond are two.
        let mut time = self.now;
        while values.contains(&time.generalized_millis().into_bytes()) {
            time = time.plus(std::time::Duration::from_millis(1));
        }
        values.push(time.generalized_millis().into_bytes());
        draft.set(Description::plain(used), values);
        self.put_unstamped(&entry, &draft)
    }

    fn rules_of(&self, entry: &Entry) -> PasswordRules {
        self.rules_at(named_by(&self.core.schema, &*self.txn, entry.id), Some(entry.id))
    }

    fn rules_at(&self, named: Option<EntryId>, at: Option<EntryId>) -> PasswordRules {
        let organisation = at.and_then(|id| organisation_of(&*self.txn, id));
        rules(&self.core.schema, &*self.txn, named, organisation)
    }

    fn rules_of_new(&self, parent: Option<EntryId>, links: &[LinkValues]) -> PasswordRules {
        let subentry = self.core.schema.known().pwd_policy_subentry;
        let given = links.iter().find(|links| links.attribute == subentry).and_then(|links| links.values.first());
        let named = given.and_then(|named| resolved(&self.core.schema, &self.current.suffixes, &*self.txn, named));
        self.rules_at(named, parent)
    }

    /// A policy that is in use is not deleted, nor made anything else: nothing would hold for those under it. What goes with it,
    /// below `top`, does not use it any more.
    pub(super) fn refuse_policy_in_use(&self, policy: &Entry, top: EntryId) -> Result<(), Error> {
        let users = self.txn.sources(policy.id, self.core.schema.known().pwd_policy_subentry);
        let mut users = users.into_iter().map(|(id, _)| id).filter(|id| !tree::is_within(&*self.txn, *id, top)).peekable();
        if users.peek().is_none() {
            return Ok(());
        }
        let seen = |id: &EntryId| self.txn.entry(*id).is_some_and(|entry| self.access(&entry).disclosed);
        let named: Vec<String> =
            users.take(MOST_ASKED).filter(seen).take(3).map(|id| format!("\"{}\"", tree::dn_of(&*self.txn, id))).collect();
        let by = if named.is_empty() { String::new() } else { format!(": pwdPolicySubentry of {} and perhaps others", named.join(", ")) };
        Err(Error::Unwilling(format!("the password policy is in use{by}")))
    }

    /// The same for one that would be a policy no more; one that became one is what references were waiting for.
    pub(super) fn settle_policy(&mut self, before: &Entry, after: &Entry) -> Result<(), Error> {
        let is_policy = |entry: &Entry| is_of_class(&self.core.schema, entry, POLICY);
        match (is_policy(before), is_policy(after)) {
            (true, false) => self.refuse_policy_in_use(before, before.id),
            (false, true) => self.join_references(&tree::parse_dn(&tree::dn_of(&*self.txn, after.id))?, after.id),
            (true, true) | (false, false) => Ok(()),
        }
    }

    /// Notes on the finished draft that its password has changed: when, who, and what it was before. `parent` is where a
    /// new entry goes, with these links. An import keeps what it brings. Refused where other rules hold than the password was
    /// judged by.
    pub(super) fn note_password(
        &self,
        before: Option<&Entry>,
        draft: &mut Draft,
        (parent, links): (Option<EntryId>, &[LinkValues]),
    ) -> Result<(), Error> {
        let known = *self.core.schema.known();
        let held: Vec<Vec<u8>> = before.map(|entry| entry.values(known.user_password).map(<[u8]>::to_vec).collect()).unwrap_or_default();
        let new = draft.values(known.user_password).to_vec();
        if held == new || self.options.relax {
            return Ok(());
        }
        let rules = before.map_or_else(|| self.rules_of_new(parent, links), |before| self.rules_of(before));
        self.keep_judgement(before, &rules)?;
        let gone: Vec<Vec<u8>> = held.into_iter().filter(|stored| !new.contains(stored)).collect();
        match history(draft.values(known.pwd_history), &gone, rules.in_history, self.now) {
            former if former.is_empty() => draft.remove(known.pwd_history),
            former => draft.set(Description::plain(known.pwd_history), former),
        }
        draft.remove(known.pwd_grace_use_time);
        if new.is_empty() {
            draft.remove(known.pwd_changed_time);
            draft.remove(known.pwd_reset);
            return Ok(());
        }
        draft.set_one(known.pwd_changed_time, self.now.generalized());
        // Whoever follows a link sets the password of its own account.
        let own = self.is_server()
            || self.caller.identity.name == ACTOR
            || before.is_some_and(|entry| self.caller.identity.entry == Some(entry.id));
        let said = draft.text(known.pwd_reset) != before.and_then(|entry| entry.text(known.pwd_reset));
        if own {
            draft.remove(known.pwd_reset);
        } else if rules.must_change && !said {
            draft.set_one(known.pwd_reset, "TRUE");
        }
        Ok(())
    }
}

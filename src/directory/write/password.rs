//! Passwords on their way in (RFC 3062, RFC 4511 §4.6): never stored as they come, and hashed before the writer
//! thread sees them.

use super::modify::not_there;
use super::{Work, quoted};
use crate::base::{EntryId, Secret, random};
use crate::directory::authenticate::one_time_code;
use crate::directory::credentials::ClearPassword;
use crate::directory::lockout::Account;
use crate::directory::password_hash::names_a_scheme;
use crate::directory::tree::{self, Resolved};
use crate::directory::{Caller, Directory, Error, Identity, Write, WriteOptions, WriteOutcome};
use crate::domain::User;
use crate::domain::lockout::Merit;
use crate::domain::password_policy::{self, Demands, Weakness};
use crate::domain::password_rules::{PasswordNotes, PasswordProblem, PasswordRules};
use crate::model::{Description, Entry, Facts, Modification, ModificationKind};
use std::sync::Arc;
use zeroize::{Zeroize, Zeroizing};

/// Characters of a made-up password at most, but for the last piece: what is longer than 1 024 octets is not hashed.
const MADE_UP_LIMIT: usize = 900;

/// Passwords that one change may bring: each costs a hash.
const MOST_PASSWORDS: usize = 16;

/// Whether a change is made alone, or by what others before it in the same step left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Company {
    Alone,
    Together,
}

/// A change that is ready for the writer.
pub(super) struct Prepared {
    pub(super) write: Write,
    /// A password that was made up for it.
    pub(super) generated: Option<Secret>,
    /// The passwords it sets.
    pub(super) clear: Vec<ClearPassword>,
    /// What they were judged by; `None` where it sets none.
    pub(super) judgement: Option<Judgement>,
}

/// What a change of a password was judged by outside the writer, where names may be those of other entries by then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judgement {
    /// The entry that had the name, if its password is for the caller to write.
    entry: Option<EntryId>,
    rules: PasswordRules,
}

/// Whose password a change sets.
#[derive(Clone, Copy)]
struct Whose<'a> {
    dn: &'a str,
    entry: Option<&'a Entry>,
    /// Whether the old one came with the change, and was right.
    proven: bool,
}

impl Directory {
    /// What takes time is done here, outside the writer thread: hashing, and checking an old password.
    pub(super) async fn prepare(
        &self,
        caller: &Caller,
        mut write: Write,
        options: &mut WriteOptions,
        company: Company,
    ) -> Result<Prepared, Error> {
        let mut clear = Vec::new();
        self.check_credentials_change(caller, &write, options)?;
        let judgement = match &mut write {
            Write::Add { dn, attributes } => {
                let named = self.named_policy(attributes);
                let rules = self.rules_to_come(caller, dn, named.as_deref());
                let refused = company == Company::Alone && !self.may_add_under(caller, dn);
                let whose = Whose { dn, entry: None, proven: false };
                for (name, values) in attributes {
                    match self.is_password(name) {
                        true if refused => values.zeroize(),
                        true => *values = self.hashed(caller, std::mem::take(values), options, whose, &rules, &mut clear).await?,
                        false => self.prepare_secrets(caller, name, values)?,
                    }
                }
                Some(Judgement { entry: None, rules })
            }
            Write::Modify { dn, modifications } => {
                self.prepare_modifications(caller, dn, modifications, options, company, &mut clear).await?
            }
            Write::Password { dn: Some(dn), old: None, new: Some(new) }
                if company == Company::Together && self.account_in_reach(caller, dn).is_none() =>
            {
                return self.prepare_password_to_come(caller, std::mem::take(dn), new.clone()).await;
            }
            Write::Password { dn, old, new } => return self.prepare_password(caller, dn.take(), old.take(), new.take()).await,
            Write::Rename { dn, .. } => {
                let mut modifications = Zeroizing::new(std::mem::take(&mut options.modifications));
                let judgement = self.prepare_modifications(caller, dn, &mut modifications, options, company, &mut clear).await?;
                options.modifications = std::mem::take(&mut *modifications);
                judgement
            }
            Write::Delete { .. } => None,
        };
        Ok(Prepared { write, generated: None, clear, judgement })
    }

    async fn prepare_modifications(
        &self,
        caller: &Caller,
        dn: &str,
        modifications: &mut [Modification],
        options: &WriteOptions,
        company: Company,
        clear: &mut Vec<ClearPassword>,
    ) -> Result<Option<Judgement>, Error> {
        if !modifications.iter().any(|change| self.is_password(&change.attribute)) {
            for change in modifications {
                self.prepare_other(caller, dn, change)?;
            }
            return Ok(None);
        }
        // In a transaction an entry that is hidden is judged as one that is yet to come (HC2).
        let entry = self.password_entry(dn).filter(|entry| self.may_write_password(caller, entry));
        if company == Company::Alone && entry.is_none() {
            // The writer refuses it, as it refuses any attribute. Nothing is hashed for it, the policy says nothing of an entry
            // that may be hidden (HC2), and should the right come in between, an addition of no value is refused as well.
            for change in modifications.iter_mut().filter(|change| self.is_password(&change.attribute)) {
                change.kind = ModificationKind::Add;
                change.values.zeroize();
            }
        }
        let entry = entry.as_deref();
        let rules = entry.map_or_else(|| self.rules_to_come(caller, dn, None), |entry| self.password_rules(entry));
        self.check_own_modifications(caller, entry, modifications)?;
        let whose = Whose { dn, entry, proven: self.prepare_old_passwords(caller, entry, modifications).await? };
        for change in modifications {
            match self.is_password(&change.attribute) {
                true => self.prepare_new_passwords(caller, whose, change, options, &rules, clear).await?,
                false => self.prepare_other(caller, dn, change)?,
            }
        }
        Ok(Some(Judgement { entry: entry.map(|entry| entry.id), rules }))
    }

    fn may_write_password(&self, caller: &Caller, entry: &Entry) -> bool {
        self.grants(caller).on(self.memory(), entry).write.contains(self.schema().known().user_password)
    }

    /// The rules for an entry that is to be added, or that a change before this one may add. Nobody learns those of a place
    /// where it may not add.
    fn rules_to_come(&self, caller: &Caller, dn: &str, named: Option<&[u8]>) -> PasswordRules {
        match self.may_add_under(caller, dn) {
            true => self.password_rules_of_new(dn, named),
            false => PasswordRules::default(),
        }
    }

    /// Whether the caller may add under the nearest entry above the name: containers of an organisation are made as needed.
    fn may_add_under(&self, caller: &Caller, dn: &str) -> bool {
        let (grants, mut at) = (self.grants(caller), tree::parse_dn(dn).ok().and_then(|dn| dn.parent()));
        while let Some(dn) = at {
            if let Some(parent) = self.password_entry(&dn.to_string()) {
                return grants.on(self.memory(), &parent).may_add_children;
            }
            at = dn.parent();
        }
        caller.identity.is_operator()
    }

    fn is_password(&self, name: &str) -> bool {
        self.schema().description(name).is_some_and(|description| description.attribute == self.schema().known().user_password)
    }

    /// Whether these modifications change the password of `identity` and nothing else.
    pub fn is_own_password_change(&self, identity: &Identity, dn: &str, modifications: &[Modification]) -> bool {
        let own = self.password_entry(dn).is_some_and(|entry| identity.entry == Some(entry.id));
        own && !modifications.is_empty() && modifications.iter().all(|change| self.is_password(&change.attribute))
    }

    /// The policy that a new entry names.
    fn named_policy(&self, attributes: &[(String, Vec<Vec<u8>>)]) -> Option<Vec<u8>> {
        let subentry = self.schema().known().pwd_policy_subentry;
        let named = attributes.iter().find(|(name, _)| self.schema().attribute(name) == Some(subentry));
        named.and_then(|(_, values)| values.first().cloned())
    }

    /// The policy on users who change their own passwords.
    fn check_own_modifications(&self, caller: &Caller, entry: Option<&Entry>, modifications: &[Modification]) -> Result<(), Error> {
        let mut changes = modifications.iter().filter(|change| self.is_password(&change.attribute));
        // An old one that is wrong is found missing when it is to be deleted.
        let with_old = changes.any(|change| change.kind == ModificationKind::Delete && !change.values.is_empty());
        if caller.identity.through.is_some() && !with_old {
            return Err(without_old());
        }
        entry.map_or(Ok(()), |entry| self.check_own_change(caller, entry, with_old))
    }

    /// Secrets of one-time codes and application passwords in the form they are kept in.
    fn prepare_secrets(&self, caller: &Caller, name: &str, values: &mut [Vec<u8>]) -> Result<(), Error> {
        let known = self.schema().known();
        let attribute = self.schema().description(name).map(|description| description.attribute);
        for value in values {
            if attribute == Some(known.hc_one_time_secret) {
                *value = one_time_code::taken(value)?;
            } else if attribute == Some(known.hc_application_password) {
                let kept = self.application_password(caller, value)?;
                value.zeroize();
                *value = kept;
            }
        }
        Ok(())
    }

    /// An application password is deleted by the name of its application, by those who may write it.
    fn prepare_revocation(&self, caller: &Caller, dn: &str, change: &mut Modification) {
        let attribute = self.schema().known().hc_application_password;
        if self.schema().description(&change.attribute).is_none_or(|description| description.attribute != attribute) {
            return;
        }
        let entry = self.password_entry(dn);
        let entry = entry.filter(|entry| self.grants(caller).on(self.memory(), entry).write.contains(attribute));
        let Some(entry) = entry else { return };
        for value in &mut change.values {
            *value = self.application_password_named(&entry, std::mem::take(value));
        }
    }

    pub(crate) fn password_entry(&self, dn: &str) -> Option<Arc<Entry>> {
        let dn = tree::parse_dn(dn).ok()?;
        match tree::resolve(self.schema(), &self.current().suffixes, self.memory(), &dn) {
            Resolved::Found(id) => self.memory().entry(id),
            Resolved::Missing { .. } | Resolved::Outside => None,
        }
    }

    /// The same, where it is the caller's own or the caller may do anything with it.
    fn account_in_reach(&self, caller: &Caller, dn: &str) -> Option<Arc<Entry>> {
        self.password_entry(dn).filter(|entry| self.is_in_reach(caller, entry))
    }

    pub(super) fn is_in_reach(&self, caller: &Caller, entry: &Entry) -> bool {
        caller.identity.entry == Some(entry.id) || self.grants(caller).on(self.memory(), entry).is_within_reach()
    }

    fn prepare_other(&self, caller: &Caller, dn: &str, change: &mut Modification) -> Result<(), Error> {
        match change.kind {
            ModificationKind::Add | ModificationKind::Replace => self.prepare_secrets(caller, &change.attribute, &mut change.values)?,
            ModificationKind::Delete => self.prepare_revocation(caller, dn, change),
            ModificationKind::Increment => {}
        }
        Ok(())
    }

    /// "Delete the old one, add the new one": the value to delete is the stored hash of what the client names. This comes before
    /// anything is said of a new one, and nothing is where the old one is wrong. Answers whether one came.
    async fn prepare_old_passwords(
        &self,
        caller: &Caller,
        entry: Option<&Entry>,
        modifications: &mut [Modification],
    ) -> Result<bool, Error> {
        let mut proven = false;
        let deleted = |change: &&mut Modification| change.kind == ModificationKind::Delete && self.is_password(&change.attribute);
        for change in modifications.iter_mut().filter(deleted) {
            for value in &mut change.values {
                let given = Secret::new(std::mem::take(value));
                // The writer sees no password, and finds what is right for none as little as that.
                *value = match entry {
                    Some(entry) => self.stored_form(caller, entry, &given).await?.ok_or_else(|| not_there(&change.attribute))?,
                    None => random::token().as_bytes().to_vec(),
                };
                proven |= entry.is_some();
            }
        }
        Ok(proven)
    }

    async fn prepare_new_passwords(
        &self,
        caller: &Caller,
        whose: Whose<'_>,
        change: &mut Modification,
        options: &WriteOptions,
        rules: &PasswordRules,
        clear: &mut Vec<ClearPassword>,
    ) -> Result<(), Error> {
        match change.kind {
            ModificationKind::Add | ModificationKind::Replace => {
                let values = std::mem::take(&mut change.values);
                change.values = self.hashed(caller, values, options, whose, rules, clear).await?;
            }
            ModificationKind::Delete => {}
            // There is no such change, and the values are none to keep.
            ModificationKind::Increment => change.values.zeroize(),
        }
        Ok(())
    }

    /// The stored value that a password is right for. Only the operator in person may name it by what is stored: a hash that
    /// somebody got hold of is no password, and would be one that no count of attempts holds back (HB3, HB5).
    async fn stored_form(&self, caller: &Caller, entry: &Entry, given: &Secret) -> Result<Option<Vec<u8>>, Error> {
        let in_person = caller.identity.is_operator() && caller.identity.through.is_none();
        let mut stored = entry.values(self.schema().known().user_password);
        if let Some(named) = stored.find(|stored| in_person && *stored == given.expose()) {
            return Ok(Some(named.to_vec()));
        }
        self.prove_old(caller, entry, given).await
    }

    /// The stored value that the old password is right for, where the account may be tried now.
    async fn prove_old(&self, caller: &Caller, entry: &Entry, given: &Secret) -> Result<Option<Vec<u8>>, Error> {
        let stored: Vec<Vec<u8>> = entry.values(self.schema().known().user_password).map(<[u8]>::to_vec).collect();
        let stored = &stored;
        let proof = |held: bool| async move {
            let tried = if held { &[] } else { stored.as_slice() };
            let found = self.match_password(&caller.origin, tried, given).await?;
            Ok(found.and_then(|found| stored.get(found.index).cloned()))
        };
        self.count(&caller.origin, Account::Entry(entry.id), Merit::Part, proof).await
    }

    /// Hashes what is not a hash yet. A hash of a known scheme is taken from those who may import accounts (HB5).
    async fn hashed(
        &self,
        caller: &Caller,
        values: Vec<Vec<u8>>,
        options: &WriteOptions,
        Whose { dn, entry, proven }: Whose<'_>,
        rules: &PasswordRules,
        clear: &mut Vec<ClearPassword>,
    ) -> Result<Vec<Vec<u8>>, Error> {
        // Where one is refused the others are wiped.
        let mut values = Zeroizing::new(values);
        if values.len() > MOST_PASSWORDS {
            return Err(Error::Constraint(format!("userPassword: at most {MOST_PASSWORDS} values at one time")));
        }
        let hasher = self.hasher();
        let mut out = Vec::with_capacity(values.len());
        for value in values.iter_mut().map(std::mem::take) {
            if hasher.is_usable(&value) {
                self.refuse_unchecked(caller, options, rules)?;
                let own = caller.identity.entry.is_some() && caller.identity.entry == entry.map(|entry| entry.id);
                if own {
                    return Err(Error::Constraint("a password of one's own is set as it is, not as a hash".to_owned()));
                }
                out.push(value);
                continue;
            }
            if names_a_scheme(&value) {
                self.refuse_foreign_hash(caller, options, dn)?;
                out.push(value);
                continue;
            }
            let password = Secret::new(value);
            if !options.relax && !caller.identity.is_operator() {
                self.check_password(&password, entry, rules)?;
            }
            if let Some(entry) = entry {
                self.refuse_former(caller, entry, &password, proven).await?;
            }
            out.push(self.hash_password(caller.origin.address, password, clear).await?);
        }
        Ok(out)
    }

    /// What came as a hash cannot be judged; with `pwdCheckQuality` 2 it is then refused (draft-behera §5.2.5).
    fn refuse_unchecked(&self, caller: &Caller, options: &WriteOptions, rules: &PasswordRules) -> Result<(), Error> {
        match rules.must_check_quality && !options.relax && !caller.identity.is_operator() {
            true => Err(Error::Password {
                problem: PasswordProblem::InsufficientQuality,
                text: "a password comes in the clear here, so that its quality can be checked".to_owned(),
            }),
            false => Ok(()),
        }
    }

    /// A hash that is never verified here (HB5) comes with the imports of the operator; it is kept as it is, since hashing it
    /// would make a password of it.
    fn refuse_foreign_hash(&self, caller: &Caller, options: &WriteOptions, dn: &str) -> Result<(), Error> {
        if !options.relax && !caller.identity.is_operator() {
            return Err(Error::Constraint("this is a hash of a scheme, or with a cost, that is not verified here".to_owned()));
        }
        tracing::warn!(request = %caller.origin.request, by = caller.identity.name, user = tree::shorten(dn), "a stored password is of a scheme, or has a cost, that is not verified here");
        Ok(())
    }

    /// The policy for passwords that people choose (hardening §2.1).
    pub(crate) fn check_password(&self, password: &Secret, entry: Option<&Entry>, rules: &PasswordRules) -> Result<(), Error> {
        let user = entry.and_then(|entry| User::of(self.schema(), entry));
        let words: Vec<&str> = user.iter().flat_map(|user| [user.name(), Some(user.display_name()), user.mail()]).flatten().collect();
        let settings = self.settings();
        let demands = Demands {
            minimum_length: settings.password_policy.minimum_length.max(rules.minimum_length),
            maximum_length: rules.maximum_length,
            blocked: &settings.password_policy.blocked,
            own_words: &words,
        };
        password_policy::check(password, &demands).map_err(|weakness| {
            let problem = match weakness {
                Weakness::TooShort(_) => PasswordProblem::TooShort,
                Weakness::Blocked
                | Weakness::Common
                | Weakness::Guessable(_)
                | Weakness::OwnWord
                | Weakness::TooLong
                | Weakness::TooManyCharacters(_) => PasswordProblem::InsufficientQuality,
            };
            Error::Password { problem, text: weakness.to_string() }
        })
    }

    async fn prepare_password(
        &self,
        caller: &Caller,
        dn: Option<String>,
        old: Option<Secret>,
        new: Option<Secret>,
    ) -> Result<Prepared, Error> {
        let dn = dn.unwrap_or_else(|| caller.identity.name.clone());
        if old.is_none() && caller.identity.through.is_some() {
            return Err(without_old());
        }
        let Some(entry) = self.account_in_reach(caller, &dn) else { return Err(Error::NoSuchObject { matched: String::new() }) };
        let own = caller.identity.entry == Some(entry.id);
        if !own && !self.may_write_password(caller, &entry) {
            return Err(Error::InsufficientAccess("no right to set that password".to_owned()));
        }
        self.check_own_change(caller, &entry, old.is_some())?;
        let rules = self.password_rules(&entry);
        let proven = old.is_some();
        if let Some(old) = old
            && self.prove_old(caller, &entry, &old).await?.is_none()
        {
            return Err(Error::InvalidCredentials);
        }
        let (new, generated) = match new {
            Some(new) => {
                if !caller.identity.is_operator() {
                    self.check_password(&new, Some(&entry), &rules)?;
                }
                self.refuse_former(caller, &entry, &new, proven).await?;
                (new, None)
            }
            None => {
                let made = made_up(rules.minimum_length.max(self.settings().password_policy.minimum_length), rules.maximum_length);
                (made.clone(), Some(made))
            }
        };
        self.ready_password(caller, dn, new, generated, Judgement { entry: Some(entry.id), rules }).await
    }

    /// For an entry that a change before this one in the same step may add; where none does, the writer says so.
    async fn prepare_password_to_come(&self, caller: &Caller, dn: String, new: Secret) -> Result<Prepared, Error> {
        let rules = self.rules_to_come(caller, &dn, None);
        if !caller.identity.is_operator() {
            self.check_password(&new, None, &rules)?;
        }
        self.ready_password(caller, dn, new, None, Judgement { entry: None, rules }).await
    }

    async fn ready_password(
        &self,
        caller: &Caller,
        dn: String,
        new: Secret,
        generated: Option<Secret>,
        judgement: Judgement,
    ) -> Result<Prepared, Error> {
        let mut clear = Vec::new();
        let hashed = self.hash_password(caller.origin.address, new, &mut clear).await?;
        let write = Write::Password { dn: Some(dn), old: None, new: Some(Secret::new(hashed)) };
        Ok(Prepared { write, generated, clear, judgement: Some(judgement) })
    }
}

/// By proxied authorisation; else an application would have the account for good.
fn without_old() -> Error {
    Error::InsufficientAccess("a password is set for others with the old one only".to_owned())
}

/// A password that nobody guesses and every policy takes: at least `length` characters, and no more than `most` unless that
/// is 0.
fn made_up(length: usize, most: usize) -> Secret {
    // Room for all of it, so that no copy is left behind where the buffer grew.
    let mut made = Zeroizing::new(String::with_capacity(2 * MADE_UP_LIMIT));
    made.push_str(&random::token());
    while made.chars().count() < length.min(MADE_UP_LIMIT) {
        made.push_str(&random::token());
    }
    let end = if most == 0 { made.len() } else { most.max(length) };
    Secret::new(made.as_bytes().get(..end).unwrap_or(made.as_bytes()))
}

impl Work<'_, '_> {
    /// A password was judged before the writer had its hash. That counts if the entry is the one it was judged for, or a new
    /// one, and is under the same rules. What the operator sets is under none.
    pub(in crate::directory) fn keep_judgement(&self, before: Option<&Entry>, rules: &PasswordRules) -> Result<(), Error> {
        if self.caller.identity.is_operator() {
            return Ok(());
        }
        let is_judged = |entry: Option<EntryId>| before.is_none_or(|before| entry == Some(before.id) || self.txn.is_new(before.id));
        if !self.judgement.is_some_and(|judgement| judgement.rules == *rules && is_judged(judgement.entry)) {
            let text =
                "userPassword: the name became that of another entry, or another policy holds for it; send the change once more, by itself";
            return Err(Error::Unwilling(text.to_owned()));
        }
        match before.filter(|before| self.caller.identity.entry == Some(before.id)) {
            // Whether the old one came with it is settled. A change before this one may have been made in the same step.
            Some(own) => Ok(rules.own_change(&PasswordNotes::of(&self.core.schema, own), true, self.now)?),
            None => Ok(()),
        }
    }

    /// Who changes its own password has one after that: with none it is shut out, and a second one would go on opening when
    /// the first is changed.
    pub(super) fn keep_one_own_password(&self, before: &Entry, after: &Entry) -> Result<(), Error> {
        let attribute = self.core.schema.known().user_password;
        let own = self.caller.identity.entry == Some(after.id);
        match own && after.values(attribute).count() != 1 && !after.values(attribute).eq(before.values(attribute)) {
            true => {
                Err(Error::Constraint("userPassword: one's own is exchanged for one other, by replace or by delete and add".to_owned()))
            }
            false => Ok(()),
        }
    }

    /// Puts a hash in the place of the passwords there are.
    pub(super) fn set_password(&mut self, dn: Option<&str>, hashed: Option<Secret>) -> Result<WriteOutcome, Error> {
        let (Some(dn), Some(hashed)) = (dn, hashed) else { return Err(Error::Internal) };
        let parsed = tree::parse_dn(dn)?;
        let Resolved::Found(id) = self.resolve(&parsed) else { return Err(Error::NoSuchObject { matched: String::new() }) };
        let entry = self.txn.entry(id).ok_or(Error::Internal)?;
        let known = *self.core.schema.known();
        let own = self.caller.identity.entry == Some(entry.id);
        if !own && !self.access(&entry).is_within_reach() {
            return Err(Error::NoSuchObject { matched: String::new() });
        }
        if !own && !self.access(&entry).write.contains(known.user_password) {
            return Err(Error::InsufficientAccess(format!("no right to set the password of {}", quoted(dn))));
        }
        let pre_read = self.precondition(&entry)?;
        let mut draft = self.core.schema.unseal(&entry);
        draft.set(Description::plain(known.user_password), vec![hashed.expose().to_vec()]);
        self.note_password(Some(&entry), &mut draft, (None, &[]))?;
        self.stamp_changed(&mut draft);
        let place = self.place_of(&entry);
        let after = self.put(Some(&entry), &draft, place)?;
        self.after_modify(&entry, &after)?;
        self.audit_change("password", (Some(&entry), Some(&after)), vec!["userPassword".to_owned()]);
        self.outcome(&after, pre_read)
    }
}

//! Who has to wait before another password is tried (HB3, HB4): the state machine of the domain for each account, kept in
//! memory, and as records outside the tree, `lock/<entry>`, so that it survives a restart and leaves no mark on entries.
//! There is one count for an account, whichever door the attempts come through.
//!
//! Nobody learns from outside whether there is an account, and what its policy says (HB1): the rules of the config hold for
//! every name alike, what a policy refuses besides costs what a wrong password does, and every failure is written down before
//! its answer, whatever it was counted for: those of one moment together, so that who guesses a lot writes little.

use super::core::Core;
use super::hash_pool::Busy;
use super::password_hash::Match;
use super::write::Work;
use super::{Directory, Error, Origin};
use crate::base::counts::COUNTS;
use crate::base::{EntryId, Secret, random};
use crate::domain::lockout::{Attempts, Begun, Lockout, LockoutRules, Merit, Place, PolicyLockouts};
use crate::domain::password_rules::PasswordProblem;
use crate::model::{Dn, Entry, Facts};
use crate::store::Transaction;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// Accounts kept in memory; what is saved is read again when it is needed.
const ACCOUNTS: usize = 100_000;
/// Failures are written down at most so often.
const WRITE_EVERY: Duration = Duration::from_millis(100);
/// Names without an account that are counted at least; the longest unused are forgotten first.
const STRANGERS: usize = 32_768;

/// What attempts are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Account {
    /// An entry that may sign in.
    Entry(EntryId),
    /// The operator of the config.
    Operator,
    /// Any other name, by a keyed digest of it, so that it cannot be told from an account.
    Stranger([u8; 16]),
}

impl Account {
    fn key(self) -> String {
        match self {
            Self::Entry(id) => format!("lock/{:08x}", id.0),
            Self::Operator => "lock/operator".to_owned(),
            // One record for all: it is written so that a stranger's answer takes as long, and is never read.
            Self::Stranger(_) => "lock/stranger".to_owned(),
        }
    }
}

/// The attempts of an entry as they were saved last.
pub(crate) fn saved(facts: &dyn Facts, entry: EntryId) -> Option<Attempts> {
    serde_json::from_slice(&facts.meta(&Account::Entry(entry).key())?).ok()
}

/// The attempts of all accounts.
pub(crate) struct Lockouts {
    key: [u8; 32],
    state: Mutex<State>,
    /// Held by who writes failures down, for all that wait for it.
    written: tokio::sync::Mutex<Written>,
}

/// How far failures are written down.
#[derive(Default)]
struct Written {
    /// How many of them.
    failures: u64,
    /// When that was begun last.
    at: Option<Duration>,
}

#[derive(Default)]
struct State {
    accounts: HashMap<Account, Attempts>,
    strangers: HashMap<Account, Attempts>,
    /// Those of the generation before; who is found here moves on.
    older_strangers: HashMap<Account, Attempts>,
    /// Accounts to be saved soon, and those of which only the last success is newer than what is saved.
    changed: HashSet<Account>,
    seen: HashSet<Account>,
    /// Accounts with failures that somebody waits to see written down, and how many failures there were.
    failed: HashSet<Account>,
    failures: u64,
    /// Where attempts wait to see what becomes of others under way: a line for each place, so that who comes from one does not
    /// wait for those who guess elsewhere.
    lines: HashMap<Account, HashMap<Place, Arc<Line>>>,
}

/// Attempts that wait, the oldest first.
#[derive(Default)]
struct Line {
    /// Held by the first.
    first: tokio::sync::Mutex<()>,
    /// An attempt under way has ended since the first one looked.
    ended: Notify,
}

impl Default for Lockouts {
    fn default() -> Self {
        Self { key: random::bytes(), state: Mutex::default(), written: tokio::sync::Mutex::default() }
    }
}

impl Lockouts {
    pub(super) fn stranger(&self, name_key: &[u8]) -> Account {
        let digest: [u8; 32] = Sha256::new().chain_update(self.key).chain_update(name_key).finalize().into();
        let mut short = [0; 16];
        short.iter_mut().zip(digest).for_each(|(short, octet)| *short = octet);
        Account::Stranger(short)
    }

    /// What nobody outside can know; new at each start.
    pub(super) const fn secret(&self) -> [u8; 32] {
        self.key
    }

    /// Works on the attempts of an account.
    fn with<T>(&self, facts: &dyn Facts, account: Account, work: impl FnOnce(&mut Attempts) -> T) -> T {
        let state = &mut *self.state.lock();
        if let Account::Stranger(_) = account {
            if state.strangers.len() >= STRANGERS {
                state.older_strangers = std::mem::take(&mut state.strangers);
            }
            let older = state.older_strangers.remove(&account);
            return work(state.strangers.entry(account).or_insert_with(|| older.unwrap_or_default()));
        }
        if state.accounts.len() >= ACCOUNTS {
            let State { accounts, changed, seen, .. } = state;
            accounts.retain(|account, _| changed.contains(account) || seen.contains(account));
        }
        let read = || facts.meta(&account.key()).and_then(|octets| serde_json::from_slice(&octets).ok()).unwrap_or_default();
        work(state.accounts.entry(account).or_insert_with(read))
    }

    fn note(&self, account: Account, only_seen: bool) {
        let state = &mut *self.state.lock();
        match (account, only_seen) {
            (Account::Stranger(_), _) => {}
            (_, true) => drop(state.seen.insert(account)),
            (_, false) => drop(state.changed.insert(account)),
        }
    }

    /// A failure that is to be written down; answers its number.
    fn note_failure(&self, account: Account) -> u64 {
        self.note(account, false);
        let state = &mut *self.state.lock();
        state.failed.insert(account);
        state.failures += 1;
        state.failures
    }

    /// An attempt under way has ended: the first of those that wait for it look again.
    fn ended(&self, account: Account) {
        for line in self.state.lock().lines.get(&account).into_iter().flat_map(HashMap::values) {
            line.ended.notify_one();
        }
    }

    /// Whether others wait, behind whom a new one has to go.
    fn has_line(&self, account: Account, place: &Place) -> bool {
        self.state.lock().lines.get(&account).is_some_and(|lines| lines.contains_key(place))
    }

    fn line_up(&self, account: Account, place: &Place) -> Waiting<'_> {
        let line = Arc::clone(self.state.lock().lines.entry(account).or_default().entry(place.clone()).or_default());
        Waiting { lockouts: self, account, place: place.clone(), line }
    }

    /// How many accounts there are for which attempts wait.
    #[cfg(test)]
    pub(super) fn queues(&self) -> usize {
        self.state.lock().lines.len()
    }

    /// The record of an account as it is now.
    fn record(&self, facts: &dyn Facts, account: Account) -> Option<Vec<u8>> {
        self.with(facts, account, |attempts| serde_json::to_vec(attempts).ok())
    }

    /// Takes the accounts with failures to be written down, one for all strangers, and answers how many failures there were.
    fn due_failures(&self) -> (u64, Vec<Account>) {
        let state = &mut *self.state.lock();
        let mut stranger = false;
        let failed = std::mem::take(&mut state.failed).into_iter();
        let due = failed.filter(|account| !matches!(account, Account::Stranger(_)) || !std::mem::replace(&mut stranger, true));
        (state.failures, due.collect())
    }

    /// Takes the accounts that are to be saved.
    fn due(&self, seen_too: bool) -> Vec<Account> {
        let state = &mut *self.state.lock();
        let mut due = std::mem::take(&mut state.changed);
        if seen_too {
            due.extend(state.seen.drain());
        }
        due.into_iter().collect()
    }
}

/// An attempt that waits to see what becomes of others. The last one that leaves takes their line away.
struct Waiting<'a> {
    lockouts: &'a Lockouts,
    account: Account,
    place: Place,
    line: Arc<Line>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let lines = &mut self.lockouts.state.lock().lines;
        let Some(of_account) = lines.get_mut(&self.account) else { return };
        // Besides this one only the map holds it.
        if of_account.get(&self.place).is_some_and(|line| Arc::strong_count(line) == 2) {
            of_account.remove(&self.place);
        }
        if of_account.is_empty() {
            lines.remove(&self.account);
        }
    }
}

/// An attempt that was admitted. One that nobody waits for any more is a failure.
struct UnderWay<'a> {
    directory: &'a Directory,
    account: Account,
    policy: PolicyLockouts,
    place: Place,
    begun: Begun,
    ended: bool,
}

impl UnderWay<'_> {
    /// Whether the policy of the account refuses it, so that nothing is to be verified.
    const fn is_held(&self) -> bool {
        matches!(self.begun, Begun::Admitted { held: true, .. })
    }

    fn end<T>(&mut self, outcome: impl FnOnce(&mut Attempts, &PolicyLockouts, &Place) -> T) -> T {
        self.ended = true;
        let lockouts = &self.directory.core().lockouts;
        let found = lockouts.with(self.directory.memory(), self.account, |attempts| outcome(attempts, &self.policy, &self.place));
        lockouts.ended(self.account);
        found
    }

    fn failed(&mut self) {
        let now = self.directory.clock().now();
        self.end(|attempts, policy, place| attempts.failed(policy, place, now));
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.failed();
            self.directory.core().lockouts.note(self.account, false);
        }
    }
}

impl Directory {
    /// What attempts with this name, which is that of `entry`, count for, by whatever mechanism. Entries that cannot sign in
    /// are as good as none.
    pub(super) fn account(&self, dn: &Dn, entry: Option<&Entry>) -> Account {
        let signs_in = |entry: &&Entry| self.may_sign_in(entry);
        if let Some(entry) = entry.filter(signs_in) {
            return Account::Entry(entry.id);
        }
        if self.current().operator.as_ref().is_some_and(|operator| *operator == self.schema().name_key(dn)) {
            return Account::Operator;
        }
        let taken_for = self.taken_for(dn);
        let alike = self.candidate(&taken_for).entry;
        let stranger = || self.core().lockouts.stranger(&self.schema().name_key(&taken_for));
        alike.as_deref().filter(signs_in).map_or_else(stranger, |alike| Account::Entry(alike.id))
    }

    /// Which of the stored values the password matches, where the account may be tried now. The attempt is counted before
    /// anything is verified; it is a failure unless the password is right and the account `usable`.
    pub(super) async fn prove(
        &self,
        origin: &Origin,
        account: Account,
        stored: &[Vec<u8>],
        usable: bool,
        password: &Secret,
    ) -> Result<Option<Match>, Error> {
        let proof = |held: bool| async move {
            let stored = if held { &[] } else { stored };
            Ok(self.match_password(origin, stored, password).await?.filter(|_| usable))
        };
        self.count(origin, account, Merit::Whole, proof).await
    }

    /// The same for any proof, of whatever worth: what it gives, where the account may be tried now. The proof is told whether it
    /// is held: then it verifies nothing, and takes as long.
    pub(super) async fn count<T, P: Future<Output = Result<Option<T>, Error>>>(
        &self,
        origin: &Origin,
        account: Account,
        merit: Merit,
        proof: impl FnOnce(bool) -> P,
    ) -> Result<Option<T>, Error> {
        let lockouts = &self.core().lockouts;
        let Some(mut under_way) = self.begin_attempt(origin, account).await? else {
            tracing::info!(request = %origin.request, origin = %origin.describe(), "an attempt to sign in has to wait");
            return Ok(None);
        };
        let found = match proof(under_way.is_held()).await {
            Ok(found) => found,
            Err(error) => {
                let begun = under_way.begun;
                under_way.end(|attempts, _, place| attempts.withdraw(place, begun));
                return Err(error);
            }
        };
        let Some(found) = found else {
            under_way.failed();
            return self.failed_durably(origin, account, under_way.begun).await.map(|()| None);
        };
        let (now, begun) = (self.clock().now(), under_way.begun);
        match under_way.end(|attempts, policy, place| attempts.proven(merit, policy, place, begun, now)) {
            Some(changed) => {
                lockouts.note(account, !changed);
                Ok(Some(found))
            }
            None => self.failed_durably(origin, account, under_way.begun).await.map(|()| None),
        }
    }

    /// The same for an account that may be `locked`: the right proof fails then too, and counts, and who gave it is told.
    pub(super) async fn count_unless<T, P: Future<Output = Result<Option<T>, Error>>>(
        &self,
        locked: bool,
        origin: &Origin,
        account: Account,
        proof: impl FnOnce(bool) -> P,
    ) -> Result<Option<T>, Error> {
        let told = &AtomicBool::new(false);
        let proof = |held: bool| async move {
            let found = proof(held).await?;
            told.store(found.is_some() && locked, Ordering::Relaxed);
            Ok(found.filter(|_| !locked))
        };
        match self.count(origin, account, Merit::Whole, proof).await? {
            _ if told.load(Ordering::Relaxed) => Err(PasswordProblem::AccountLocked.into()),
            found => Ok(found),
        }
    }

    /// A failure is written down before it is answered, whether it makes the next attempt wait or not: how long it takes tells
    /// nothing of the rules. The first of those that wait here writes for all.
    async fn failed_durably(&self, origin: &Origin, account: Account, begun: Begun) -> Result<(), Error> {
        if matches!(begun, Begun::Admitted { locks: true, .. }) {
            self.note_lockout(origin, account);
        }
        let lockouts = &self.core().lockouts;
        let number = lockouts.note_failure(account);
        let mut written = lockouts.written.lock().await;
        if written.failures >= number {
            return Ok(());
        }
        let since = written.at.map(|at| self.clock().monotonic().saturating_sub(at));
        tokio::time::sleep(since.map_or(Duration::ZERO, |since| WRITE_EVERY.saturating_sub(since))).await;
        written.at = Some(self.clock().monotonic());
        let (failures, mut due) = lockouts.due_failures();
        // Whoever took it to write it down did not live to see that done.
        if due.iter().all(|due| due.key() != account.key()) {
            due.push(account);
        }
        self.save_attempts(due).await?;
        written.failures = failures;
        Ok(())
    }

    /// What the policy of an account adds to the rules of the config.
    fn policy_lockouts(&self, account: Account, general: &Lockout) -> PolicyLockouts {
        match account {
            Account::Entry(id) => self.memory().entry(id).map(|entry| self.password_rules(&entry).lockouts(general)),
            Account::Operator | Account::Stranger(_) => None,
        }
        .unwrap_or_default()
    }

    /// Counts an attempt; `None` where it has to wait, busy where others under way do not end in time.
    async fn begin_attempt(&self, origin: &Origin, account: Account) -> Result<Option<UnderWay<'_>>, Error> {
        let (lockouts, facts) = (&self.core().lockouts, self.memory());
        let (place, settings) = (Place::of(origin.address), self.settings());
        let policy = self.policy_lockouts(account, &settings.lockout);
        let rules = LockoutRules { general: settings.lockout.clone(), policy };
        let begin = || {
            let now = self.clock().now();
            lockouts.with(facts, account, |attempts| attempts.begin(&rules, &place, now))
        };
        let in_turn = async {
            let waiting = lockouts.line_up(account, &place);
            let _first = waiting.line.first.lock().await;
            loop {
                match begin() {
                    Begun::Later => waiting.line.ended.notified().await,
                    begun => return begun,
                }
            }
        };
        let at_once = if lockouts.has_line(account, &place) { Begun::Later } else { begin() };
        let begun = match at_once {
            Begun::Later => tokio::time::timeout(settings.hashing.deadline, in_turn).await.map_err(|_| Busy)?,
            begun => begun,
        };
        lockouts.note(account, false);
        match begun {
            Begun::Admitted { .. } => {
                Ok(Some(UnderWay { directory: self, account, policy: rules.policy.clone(), place: place.clone(), begun, ended: false }))
            }
            Begun::Refused | Begun::Later => {
                COUNTS.throttled.one();
                Ok(None)
            }
        }
    }

    /// Whether somebody has to wait before another attempt.
    pub(super) fn has_to_wait(&self, account: Account) -> bool {
        let now = self.clock().now();
        self.core().lockouts.with(self.memory(), account, |attempts| attempts.waits_since(now).is_some())
    }

    /// Saves what changed; with `seen_too` also the times of the last success. To be called every second or so.
    pub(super) async fn save_attempts_due(&self, seen_too: bool) -> Result<(), Error> {
        let due = self.core().lockouts.due(seen_too);
        match due.is_empty() {
            true => Ok(()),
            false => self.save_attempts(due).await,
        }
    }

    async fn save_attempts(&self, accounts: Vec<Account>) -> Result<(), Error> {
        let core = Arc::clone(self.core());
        self.store().write(move |txn| keep(&core, txn, accounts)).await
    }

    /// The same before the store is closed. Not to be called within the runtime.
    pub(super) fn save_attempts_at_end(&self) {
        let (core, due) = (Arc::clone(self.core()), self.core().lockouts.due(true));
        let saved: Result<(), Error> = self.store().write_blocking(move |txn| keep(&core, txn, due));
        if let Err(error) = saved {
            tracing::warn!(%error, "the last attempts to sign in could not be saved");
        }
    }
}

fn keep(core: &Core, txn: &mut Transaction<'_>, accounts: Vec<Account>) -> Result<(), Error> {
    txn.may_use_reserve();
    for account in accounts {
        if let Account::Entry(id) = account
            && txn.entry(id).is_none()
        {
            continue;
        }
        let record = core.lockouts.record(&*txn, account);
        txn.put_meta(&account.key(), record);
    }
    Ok(())
}

impl Work<'_, '_> {
    /// Forgets the failures of an account: its password was set, or somebody with the right unlocked it. Answers whether it
    /// had to wait.
    pub(super) fn unlock(&mut self, entry: EntryId) -> bool {
        let account = Account::Entry(entry);
        let core = Arc::clone(self.core);
        let now = self.now;
        let (waited, record) = core.lockouts.with(&*self.txn, account, |attempts| {
            let mut cleared = attempts.clone();
            cleared.clear();
            let changed = cleared != *attempts;
            (attempts.waits_since(now).is_some(), serde_json::to_vec(&cleared).ok().filter(|_| changed))
        });
        if record.is_some() {
            self.txn.put_meta(&account.key(), record);
            self.txn.when_settled(move |committed| {
                let state = &mut *core.lockouts.state.lock();
                if committed && let Some(attempts) = state.accounts.get_mut(&account) {
                    attempts.clear();
                }
            });
        }
        waited
    }

    /// The account is gone, and what was counted for it.
    pub(super) fn forget_attempts(&mut self, entry: EntryId) {
        let account = Account::Entry(entry);
        self.txn.put_meta(&account.key(), None);
        let core = Arc::clone(self.core);
        self.txn.when_settled(move |committed| {
            if committed {
                core.lockouts.state.lock().accounts.remove(&account);
            }
        });
    }
}

//! Who is signed in without a seat: service accounts, administrators, accounts outside of organisations. What ends the sessions
//! of an account ends these too (HC7). They have no entry that could be struck out, so each account counts how often it happened.

use crate::base::EntryId;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The accounts that somebody is signed in as without a seat.
#[derive(Default)]
pub(crate) struct Unseated(Mutex<HashMap<EntryId, Account>>);

#[derive(Default)]
struct Account {
    signed_in: usize,
    /// How often those who were signed in were ended.
    ended: u64,
}

/// Somebody who is signed in without a seat. Whoever came by one bind shares it.
pub(super) struct SignIn {
    unseated: Arc<Unseated>,
    account: EntryId,
    /// How often its account was ended before, and without it since.
    outlived: AtomicU64,
}

impl Unseated {
    /// Somebody signs in. What was proven has to be looked at again after this: whatever changes later ends it.
    pub(super) fn enter(self: &Arc<Self>, account: EntryId) -> Arc<SignIn> {
        let mut accounts = self.0.lock();
        let held = accounts.entry(account).or_default();
        held.signed_in += 1;
        Arc::new(SignIn { unseated: Arc::clone(self), account, outlived: AtomicU64::new(held.ended) })
    }

    /// Ends all who are signed in as the account but `kept`, and answers whether there was anybody.
    pub(super) fn end(&self, account: EntryId, kept: Option<&SignIn>) -> bool {
        let mut accounts = self.0.lock();
        let Some(held) = accounts.get_mut(&account) else { return false };
        held.ended += 1;
        if let Some(kept) = kept.filter(|kept| kept.account == account) {
            kept.outlived.fetch_add(1, Ordering::Relaxed);
        }
        true
    }
}

impl SignIn {
    /// Whether it was ended.
    pub(super) fn has_ended(&self) -> bool {
        let ended = self.unseated.0.lock().get(&self.account).map(|account| account.ended);
        ended != Some(self.outlived.load(Ordering::Relaxed))
    }
}

impl Drop for SignIn {
    fn drop(&mut self) {
        let mut accounts = self.unseated.0.lock();
        if let Some(held) = accounts.get_mut(&self.account) {
            held.signed_in -= 1;
            if held.signed_in == 0 {
                accounts.remove(&self.account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hc7_all_sign_ins_of_an_account_end_but_the_one_that_is_kept() {
        let unseated = Arc::new(Unseated::default());
        let (one, other) = (EntryId(1), EntryId(2));
        let (kept, ended, elsewhere) = (unseated.enter(one), unseated.enter(one), unseated.enter(other));
        assert!(unseated.end(one, Some(&kept)));
        assert_eq!([&kept, &ended, &elsewhere].map(|sign_in| sign_in.has_ended()), [false, true, false]);
        let later = unseated.enter(one);
        assert!(unseated.end(one, Some(&elsewhere)), "one of another account keeps nobody");
        assert_eq!([&kept, &later, &elsewhere].map(|sign_in| sign_in.has_ended()), [true, true, false]);
        drop((kept, ended, later));
        assert!(!unseated.end(one, None) && unseated.end(other, Some(&elsewhere)));
        assert!(!unseated.enter(one).has_ended());
    }
}

//! What only the operator does: export with everything that is kept, tokens, the first credential, checking and backup.

use super::{Caller, Directory, Error, OwnedEntry};
use crate::base::{Secret, Timestamp};
use std::path::Path;
use std::sync::Arc;

/// A token, as it is listed; the token itself is not kept.
#[derive(Clone, Debug)]
pub struct TokenInfo {
    /// Its public id.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// The organisation's DN.
    pub organisation: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends; never where absent.
    pub expires: Option<Timestamp>,
}

/// What a check of everything found.
#[derive(Clone, Debug)]
pub struct VerifyReport {
    /// How many entries were looked at.
    pub entries: u64,
    /// What is wrong, one sentence each.
    pub problems: Vec<String>,
}

/// An export under way. It holds no lock between steps.
pub struct Export {}

impl Export {
    /// The next entries, at most `limit`, each after the one above it; none when all were given.
    pub fn step(&mut self, limit: usize) -> Vec<OwnedEntry> {
        let _ = limit;
        todo!()
    }
}

impl Directory {
    /// Begins an export of the subtree `base`, or of every suffix: what is stored, passwords as their hashes, links as
    /// DNs; operational attributes only where asked for. The operator may.
    pub fn export(self: &Arc<Self>, caller: &Caller, base: Option<&str>, operational: bool) -> Result<Export, Error> {
        let _ = (caller, base, operational);
        todo!()
    }

    /// The tokens there are.
    pub fn tokens(&self, caller: &Caller) -> Result<Vec<TokenInfo>, Error> {
        let _ = caller;
        todo!()
    }

    /// Revokes a token: the next request with it is refused (HE9).
    pub async fn revoke_token(&self, caller: &Caller, id: &str) -> Result<(), Error> {
        let _ = (caller, id);
        todo!()
    }

    /// Makes the user `dn` of type `admin`, not activated, and answers a one-time token with which its password is set.
    /// Refused where there is a user of type `admin` that is active already.
    pub async fn bootstrap(&self, caller: &Caller, dn: &str) -> Result<Secret, Error> {
        let _ = (caller, dn);
        todo!()
    }

    /// Checks entries, indexes, links and what is kept on disk against each other.
    pub fn verify(&self, caller: &Caller) -> Result<VerifyReport, Error> {
        let _ = caller;
        todo!()
    }

    /// Writes a snapshot of everything to a file that does not exist (mode 0600), reads it back, and answers its size.
    pub async fn backup(&self, caller: &Caller, file: &Path) -> Result<u64, Error> {
        let _ = (caller, file);
        todo!()
    }

    /// Makes many changes in one step, all or nothing, and answers how many.
    pub async fn write_all(&self, caller: &Caller, writes: Vec<super::Write>, options: super::WriteOptions) -> Result<usize, Error> {
        let _ = (caller, writes, options);
        todo!()
    }
}

//! What only the operator does: export with everything that is kept, tokens, the first credential, checking and backup.

pub use super::token::TokenInfo;
use super::tree::{self, Resolved};
use super::view::{Renderer, Selection};
use super::{Caller, Directory, Error, OwnedEntry};
use crate::access::AttributeSet;
use crate::base::{EntryId, Secret};
use crate::model::Facts;
use std::path::Path;
use std::sync::Arc;

/// What a check of everything found.
#[derive(Clone, Debug)]
pub struct VerifyReport {
    /// How many entries were looked at.
    pub entries: u64,
    /// What is wrong, one sentence each.
    pub problems: Vec<String>,
}

/// An export under way. It holds no lock between steps.
pub struct Export {
    directory: Arc<Directory>,
    selection: Selection,
    /// Still to be given, the next one last.
    waiting: Vec<EntryId>,
}

impl Export {
    /// The next entries, at most `limit`, each after the one above it; none when all were given.
    pub fn step(&mut self, limit: usize) -> Vec<OwnedEntry> {
        let memory = self.directory.memory();
        let schema = self.directory.schema();
        let mut renderer = Renderer::default();
        let everything = AttributeSet::all(schema.attribute_types().len());
        let mut found = Vec::new();
        while found.len() < limit {
            let Some(id) = self.waiting.pop() else { break };
            let Some(entry) = memory.entry(id) else { continue };
            found.push(renderer.render(schema, memory, &entry, &self.selection, &everything, |visible| visible.to_owned()));
            self.waiting.extend(memory.children(id, None, usize::MAX).into_iter().rev());
        }
        found
    }
}

impl Directory {
    /// Begins an export of the subtree `base`, or of every suffix: what is stored, passwords as their hashes, links as
    /// DNs; operational attributes only where asked for. The operator may.
    pub fn export(self: &Arc<Self>, caller: &Caller, base: Option<&str>, operational: bool) -> Result<Export, Error> {
        only_operator(caller)?;
        let current = self.current();
        let memory = self.memory();
        let waiting = match base {
            None => current.suffixes.iter().rev().filter_map(|suffix| memory.child(None, &suffix.key)).collect(),
            Some(text) => match tree::resolve(self.schema(), &current.suffixes, memory, &tree::parse_dn(text)?) {
                Resolved::Found(id) => vec![id],
                Resolved::Missing { .. } | Resolved::Outside => return Err(Error::NoSuchObject { matched: String::new() }),
            },
        };
        Ok(Export { directory: Arc::clone(self), selection: Selection::stored(self.schema(), operational), waiting })
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
}

fn only_operator(caller: &Caller) -> Result<(), Error> {
    match caller.identity.is_operator() {
        true => Ok(()),
        false => Err(Error::InsufficientAccess("only the operator may do that".to_owned())),
    }
}

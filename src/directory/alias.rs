//! Aliases (RFC 4512 §2.6, RFC 4511 §4.5.1.3): entries that stand for another one of the same organisation. What an alias
//! names is a link, so it follows renames; one whose entry is gone, or that the caller may not see, names nothing.

use super::error::Error;
use super::referral::{is_of_class, of_class, referred};
use super::request::Scope;
use super::search::in_scope;
use super::tree::{self, Resolved};
use super::{Directory, request::SearchRequest};
use crate::access::Grants;
use crate::base::EntryId;
use crate::model::{Dn, Entry, Facts};
use crate::schema::Schema;
use roaring::RoaringBitmap;
use std::sync::Arc;

/// The class of aliases.
pub(super) const ALIAS: &str = "2.5.6.1";
/// Aliases that may lead one to another.
const LONGEST_CHAIN: usize = 16;
/// How often a search asks whether an alias is in its scope; more is too much work.
const MOST_QUESTIONS: usize = 100_000;

/// Where a search looks once the aliases in its scope are followed.
pub(super) struct Followed {
    /// The bases with their scopes.
    pub(super) places: Vec<(EntryId, Scope)>,
    /// The aliases, which are not given as entries.
    pub(super) hidden: RoaringBitmap,
}

impl Directory {
    /// The entry a search begins at: aliases on the way are followed if asked, and a referral there ends it.
    pub(super) fn locate(&self, grants: &Grants, dn: Dn, request: &SearchRequest<'_>) -> Result<EntryId, Error> {
        let (schema, memory, current) = (self.schema(), self.memory(), self.current());
        let specials = self.specials();
        let follows = request.dereference.for_base() && specials.aliases();
        let mut name = dn;
        let mut passed = Vec::new();
        loop {
            let resolved = tree::resolve(schema, &current.suffixes, memory, &name);
            if !request.manage_dsa_it
                && specials.referrals()
                && let Some(referral) = referred(schema, memory, grants, (&name, &resolved), Some(request.scope))
            {
                return Err(referral);
            }
            let (nearest, below) = match resolved {
                Resolved::Found(id) => (Some(id), 0),
                Resolved::Missing { nearest, missing } => (nearest, missing),
                Resolved::Outside => (None, 0),
            };
            let alias = nearest.filter(|_| follows).and_then(|id| memory.entry(id));
            match alias.filter(|entry| is_of_class(schema, entry, ALIAS) && self.discloses(grants, entry)) {
                Some(alias) => {
                    let at = tree::dn_of(memory, alias.id);
                    if passed.contains(&alias.id) || passed.len() >= LONGEST_CHAIN {
                        return Err(Error::AliasProblem { text: "the alias leads back to itself".to_owned(), matched: at });
                    }
                    passed.push(alias.id);
                    let target = tree::dn_of(memory, self.aliased(grants, &alias, at)?);
                    let target = Dn::parse(&target).map_err(|_| Error::Internal)?;
                    name = Dn(name.0.iter().take(below).cloned().chain(target.0).collect());
                }
                None => return self.seen(grants, &resolved),
            }
        }
    }

    fn seen(&self, grants: &Grants, resolved: &Resolved) -> Result<EntryId, Error> {
        match resolved {
            Resolved::Found(id) if self.memory().entry(*id).is_some_and(|entry| self.discloses(grants, &entry)) => Ok(*id),
            _ => Err(self.no_such_object(grants, resolved)),
        }
    }

    /// What one alias stands for.
    fn aliased(&self, grants: &Grants, alias: &Entry, at: String) -> Result<EntryId, Error> {
        let (schema, memory) = (self.schema(), self.memory());
        let attribute = schema.known().aliased_object_name;
        if !grants.on(memory, alias).read.contains(attribute) {
            return Err(Error::AliasDereferencing { text: "the alias cannot be followed".to_owned(), matched: at });
        }
        let target = memory.targets(alias.id, attribute, None, 1).first().and_then(|(target, _)| memory.entry(*target));
        match target.filter(|target| self.discloses(grants, target)) {
            Some(target) => Ok(target.id),
            None => Err(Error::AliasProblem { text: "the alias names no entry".to_owned(), matched: at }),
        }
    }

    /// Follows the aliases in a scope, and those in the subtrees they lead to. One that leads nowhere is passed over; an
    /// entry that is reached twice is found once.
    pub(super) fn follow_aliases(&self, grants: &Grants, base: EntryId, scope: Scope) -> Result<Followed, Error> {
        let (schema, memory) = (self.schema(), self.memory());
        let mut followed = Followed { places: vec![(base, scope)], hidden: RoaringBitmap::new() };
        let mut aliases: Vec<Arc<Entry>> = of_class(schema, memory, ALIAS).into_iter().filter_map(|id| memory.entry(id)).collect();
        let mut questions = 0;
        let mut next = 0;
        while let Some((root, scope)) = followed.places.get(next).copied() {
            next += 1;
            questions += aliases.len();
            if questions > MOST_QUESTIONS {
                return Err(Error::AdminLimit("there are too many aliases to follow".to_owned()));
            }
            let inside = |alias: &Arc<Entry>| alias.id != base && in_scope(memory, alias, root, scope);
            for alias in aliases.extract_if(.., |alias| inside(alias)).collect::<Vec<_>>() {
                followed.hidden.insert(alias.id.0);
                if let Some(target) = self.end_of_chain(schema, grants, &alias) {
                    let scope = if scope == Scope::One || scope == Scope::Base { Scope::Base } else { Scope::Subtree };
                    let covered = |(root, held): &(EntryId, Scope)| {
                        (*root, *held) == (target, scope) || (*held == Scope::Subtree && tree::is_within(memory, target, *root))
                    };
                    if !followed.places.iter().any(covered) {
                        followed.places.push((target, scope));
                    }
                }
            }
        }
        Ok(followed)
    }

    fn end_of_chain(&self, schema: &Schema, grants: &Grants, alias: &Entry) -> Option<EntryId> {
        let mut at = self.aliased(grants, alias, String::new()).ok()?;
        for _ in 0..LONGEST_CHAIN {
            let entry = self.memory().entry(at)?;
            if !is_of_class(schema, &entry, ALIAS) {
                return Some(at);
            }
            at = self.aliased(grants, &entry, String::new()).ok()?;
        }
        None
    }
}

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
use crate::model::{Dn, Entry, Facts, upwards};
use crate::schema::Schema;
use roaring::RoaringBitmap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The class of aliases.
pub(super) const ALIAS: &str = "2.5.6.1";
/// Aliases that may lead one to another.
const LONGEST_CHAIN: usize = 16;
/// Aliases that one search follows.
const MOST_ALIASES: u64 = 10_000;

/// Where a search looks once the aliases in its scope are followed.
pub(super) struct Followed {
    /// The bases with their scopes.
    pub(super) places: Places,
    /// The aliases, which are not given as entries.
    pub(super) hidden: RoaringBitmap,
}

/// The base of a search with its scope, and what aliases lead to.
pub(super) struct Places {
    base: EntryId,
    scope: Scope,
    /// The roots of subtrees, or the entries themselves where the scope is one level.
    reached: RoaringBitmap,
}

impl Places {
    /// A base alone.
    pub(super) fn of(base: EntryId, scope: Scope) -> Self {
        Self { base, scope, reached: RoaringBitmap::new() }
    }

    /// The base and its scope, where there is nothing else.
    pub(super) fn only(&self) -> Option<(EntryId, Scope)> {
        self.reached.is_empty().then_some((self.base, self.scope))
    }

    /// Whether the entry stands in one of the places; this costs the depth of the entry, however many places there are.
    pub(super) fn hold(&self, facts: &dyn Facts, entry: &Entry) -> bool {
        in_scope(facts, entry, self.base, self.scope) || self.reach(facts, entry)
    }

    /// The scope in which the entry stands, if any.
    pub(super) fn scope_of(&self, facts: &dyn Facts, entry: &Entry) -> Option<Scope> {
        match in_scope(facts, entry, self.base, self.scope) {
            true => Some(self.scope),
            false => self.reach(facts, entry).then(|| self.scope_of_reached()),
        }
    }

    /// The places, without those that stand within others.
    pub(super) fn outermost(&self, facts: &dyn Facts) -> Vec<(EntryId, Scope)> {
        let inner =
            |id: EntryId| facts.entry(id).and_then(|entry| facts.entry(entry.parent?)).is_some_and(|above| self.reach(facts, &above));
        let reached = self.reached.iter().map(EntryId).filter(|id| !self.has_trees() || !inner(*id));
        [(self.base, self.scope)].into_iter().chain(reached.map(|id| (id, self.scope_of_reached()))).collect()
    }

    /// Answers whether the place is new.
    fn add(&mut self, facts: &dyn Facts, target: &Entry) -> bool {
        let in_base = self.scope == Scope::Subtree && tree::is_within(facts, target.id, self.base);
        !in_base && !self.reach(facts, target) && self.reached.insert(target.id.0)
    }

    fn reach(&self, facts: &dyn Facts, entry: &Entry) -> bool {
        let holds = |id: EntryId| self.reached.contains(id.0);
        !self.reached.is_empty() && (holds(entry.id) || (self.has_trees() && upwards(facts, entry.id).any(|above| holds(above.id))))
    }

    fn has_trees(&self) -> bool {
        matches!(self.scope, Scope::Subtree | Scope::Children)
    }

    fn scope_of_reached(&self) -> Scope {
        if self.has_trees() { Scope::Subtree } else { Scope::Base }
    }
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
    /// entry that is reached twice is found once. Each alias is taken once, and those that the caller may not know of are
    /// neither followed nor counted (HC5).
    pub(super) fn follow_aliases(&self, grants: &Grants, base: EntryId, scope: Scope) -> Result<Followed, Error> {
        let (schema, memory) = (self.schema(), self.memory());
        let mut followed = Followed { places: Places::of(base, scope), hidden: RoaringBitmap::new() };
        let mut below = self.aliases_below(grants, base, scope);
        let mut waiting = vec![base];
        while let Some(root) = waiting.pop() {
            for alias in below.remove(&root).unwrap_or_default() {
                if !followed.hidden.insert(alias.id.0) {
                    continue;
                }
                if followed.hidden.len() > MOST_ALIASES {
                    return Err(Error::AdminLimit("there are too many aliases to follow".to_owned()));
                }
                let target = self.end_of_chain(schema, grants, &alias).and_then(|target| memory.entry(target));
                if let Some(target) = target.filter(|target| followed.places.add(memory, target)) {
                    // What stands below the target is in no scope of one level.
                    waiting.extend(followed.places.has_trees().then_some(target.id));
                }
            }
        }
        Ok(followed)
    }

    /// The aliases that the caller may know of, by the entries that they stand below: by the one right above them where the
    /// scope is one level. The base is none of them.
    fn aliases_below(&self, grants: &Grants, base: EntryId, scope: Scope) -> BTreeMap<EntryId, Vec<Arc<Entry>>> {
        let memory = self.memory();
        let mut below: BTreeMap<EntryId, Vec<Arc<Entry>>> = BTreeMap::new();
        let aliases = of_class(self.schema(), memory, ALIAS).into_iter().filter(|id| *id != base);
        for alias in aliases.filter_map(|id| memory.entry(id)).filter(|alias| self.discloses(grants, alias)) {
            let steps = if scope == Scope::One { 1 } else { usize::MAX };
            for root in upwards(memory, alias.id).filter_map(|entry| entry.parent).take(steps) {
                below.entry(root).or_default().push(Arc::clone(&alias));
            }
        }
        below
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

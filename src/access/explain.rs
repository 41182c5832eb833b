//! Which rule decided (R9): the same look-ups as [`Grants::on`], with the reason kept.

use super::domain::Ground;
use super::{EntryAccess, Grants};
use crate::model::{AttributeId, Entry, Facts};

/// A right, as the config calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Add an entry under it.
    Add,
    /// Compare values.
    Compare,
    /// Delete it.
    Delete,
    /// Act for it (RFC 4370).
    Proxy,
    /// See values.
    Read,
    /// Rename or move it.
    Rename,
    /// Use in a filter.
    Search,
    /// Change values.
    Write,
}

impl Right {
    /// All of them: those on attributes, then those on the entry.
    pub const ALL: [Self; 8] = [Self::Read, Self::Search, Self::Compare, Self::Write, Self::Add, Self::Delete, Self::Rename, Self::Proxy];

    /// The word of the config.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Compare => "compare",
            Self::Delete => "delete",
            Self::Proxy => "proxy",
            Self::Read => "read",
            Self::Rename => "rename",
            Self::Search => "search",
            Self::Write => "write",
        }
    }

    /// Whether it is about attributes.
    pub const fn is_of_attributes(self) -> bool {
        matches!(self, Self::Read | Self::Search | Self::Compare | Self::Write)
    }
}

/// Why a right is given or is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// The rules of the domain give it.
    Domain(Ground),
    /// Neither the domain nor any rule of the config gives it; what the domain had to say.
    NothingGives(Ground),
    /// This rule of the config decides, by its number from 1.
    Rule(usize),
    /// The attribute is secret: nobody reads, searches or compares it.
    Secret,
}

/// A right with what decided it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explained {
    /// Whether it is given.
    pub given: bool,
    /// Why.
    pub because: Because,
}

impl Grants {
    /// Whether `right` is given on `entry`, on this attribute where the right is about attributes, and what decided.
    pub fn explain(&self, facts: &dyn Facts, entry: &Entry, right: Right, attribute: Option<AttributeId>) -> Explained {
        let policy = &self.policy;
        let found = self.look(facts, entry);
        let reads = matches!(right, Right::Read | Right::Search | Right::Compare);
        if reads && attribute.is_some_and(|attribute| policy.secret.contains(attribute)) {
            return Explained { given: false, because: Because::Secret };
        }
        if gives(self.by_domain(&found).view(), right, attribute) {
            return Explained { given: true, because: Because::Domain(found.ground) };
        }
        let speaks = |index: &usize| {
            let Some(rule) = policy.rules.get(*index).filter(|_| found.mask >> index & 1 == 1) else { return false };
            match right {
                Right::Proxy => rule.of_proxy,
                Right::Add | Right::Delete | Right::Rename => rule.of_entry,
                Right::Read | Right::Search | Right::Compare | Right::Write => {
                    attribute.is_some_and(|attribute| rule.attributes.contains(attribute))
                }
            }
        };
        match (0..policy.rules.len()).find(speaks) {
            None => Explained { given: false, because: Because::NothingGives(found.ground) },
            // What the rules come to is asked of the decision itself, so that the explanation cannot differ from it.
            Some(index) => {
                let given = match right {
                    Right::Proxy => self.may_proxy_as(facts, entry),
                    _ => gives(self.on(facts, entry), right, attribute),
                };
                Explained { given, because: Because::Rule(index + 1) }
            }
        }
    }

    /// Where rule `number` (from 1) stands in the config: file and line; empty where that is not known.
    pub fn place_of_rule(&self, number: usize) -> &str {
        number.checked_sub(1).and_then(|index| self.policy.rules.get(index)).map_or("", |rule| &rule.place)
    }
}

fn gives(access: EntryAccess<'_>, right: Right, attribute: Option<AttributeId>) -> bool {
    let holds = |set: &super::AttributeSet| attribute.is_some_and(|attribute| set.contains(attribute));
    match right {
        Right::Add => access.may_add_children,
        Right::Compare => holds(access.compare),
        Right::Delete => access.may_delete,
        Right::Proxy => false,
        Right::Read => holds(access.read),
        Right::Rename => access.may_rename,
        Right::Search => holds(access.search),
        Right::Write => holds(access.write),
    }
}

//! Compiling the rules of the config, and finding those that speak of an identity.

use super::domain::DomainAccess;
use super::limits::Limit;
use super::rule_filter::RuleFilter;
use super::who::{Condition, Holds};
use super::{Access, AccessSubject, AttributeSet, Grants, RuleSettings};
use crate::base::{EntryId, Limits};
use crate::model::{Dn, Facts, Filter};
use crate::schema::{LiveSchema, Schema, Usage};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Rules are told apart by one bit each.
const MOST_RULES: usize = 64;
/// As errors call one.
const RULE: &str = "access rule";

/// Why a rule of the config cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{list} {rule}: {reason}")]
pub struct PolicyError {
    /// What it is one of: `access rule` or `limit`.
    pub list: &'static str,
    /// Which of them, from 1.
    pub rule: usize,
    /// Which part of it.
    pub part: RulePart,
    /// What is wrong with it.
    pub reason: String,
}

/// A part of a rule, for the caret under what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RulePart {
    /// The attribute at this place of the list.
    Attribute(usize),
    /// The filter.
    Filter,
    /// The rights.
    Rights,
    /// The subtree.
    Subtree,
    /// The rule as a whole.
    Whole,
    /// The condition at this place of `who`.
    Who(usize),
}

/// Keys of RDNs from the top down.
type RdnKeys = Vec<Box<[u8]>>;

/// A name compiled so that it is found by look-ups: where it may begin at a suffix, and the keys below.
#[derive(Debug)]
pub(super) struct CompiledName {
    /// As the config spells it.
    pub(super) text: Box<str>,
    /// The normal form of the whole name.
    pub(super) key: Vec<u8>,
    monitor: bool,
    /// From the longest to the shortest ending that may be a suffix: its key, and the RDN keys from there down.
    paths: Vec<(Vec<u8>, RdnKeys)>,
}

impl CompiledName {
    pub(super) fn compile(schema: &Schema, text: &str) -> Result<Self, String> {
        let dn = Dn::parse(text).map_err(|error| format!("{text}: {error}"))?;
        let paths = (0..dn.0.len()).map(|below| {
            let (leaf, suffix) = dn.0.split_at(below);
            let keys = leaf.iter().rev().map(|rdn| schema.rdn_key(rdn)).collect();
            (schema.name_key(&Dn(suffix.to_vec())), keys)
        });
        let monitor = Dn::parse("cn=Monitor").is_ok_and(|monitor| schema.name_key(&monitor) == schema.name_key(&dn));
        Ok(Self { text: text.into(), key: schema.name_key(&dn), monitor, paths: paths.collect() })
    }

    /// Whether it is the name of the server's monitor, which is made up of no entries.
    pub(super) fn is_monitor(&self) -> bool {
        self.monitor
    }

    /// The entry of that name, if it exists now.
    pub(super) fn resolve(&self, facts: &dyn Facts) -> Option<EntryId> {
        self.paths.iter().find_map(|(suffix, below)| {
            let top = facts.child(None, suffix)?;
            below.iter().try_fold(top, |at, key| facts.child(Some(at), key))
        })
    }
}

/// The rights a rule gives.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RuleRights {
    pub(super) read: bool,
    pub(super) search: bool,
    pub(super) compare: bool,
    pub(super) write: bool,
    pub(super) add: bool,
    pub(super) delete: bool,
    pub(super) rename: bool,
    pub(super) proxy: bool,
}

/// A rule of the config, compiled.
#[derive(Debug)]
pub(super) struct Rule {
    who: Vec<Condition>,
    /// The subtree; `None` for everything.
    pub(super) subtree: Option<CompiledName>,
    pub(super) filter: Option<RuleFilter>,
    pub(super) attributes: AttributeSet,
    /// Whether it speaks of the entry itself: adding under it, deleting, renaming.
    pub(super) of_entry: bool,
    /// Whether it speaks of acting for the entry (RFC 4370). Only a rule that names `proxy`, or denies everything, does.
    pub(super) of_proxy: bool,
    pub(super) rights: RuleRights,
    /// Whether `self` is among its conditions.
    pub(super) only_itself: bool,
    /// Where it stands: file and line.
    pub(super) place: Box<str>,
}

/// The rules that speak of somebody, one bit each.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Speaking {
    /// All of them.
    pub(super) mask: u64,
    /// Those that do so on what the subject's own organisation holds only.
    pub(super) at_home: u64,
    /// Those of which nobody knows whether they hold.
    pub(super) undecided: u64,
}

impl Speaking {
    fn add(&mut self, bit: u64, holds: Holds) {
        match holds {
            Holds::Never => {}
            Holds::Undecided => (self.mask, self.undecided) = (self.mask | bit, self.undecided | bit),
            Holds::AtHome => (self.mask, self.at_home) = (self.mask | bit, self.at_home | bit),
            Holds::Everywhere => self.mask |= bit,
        }
    }
}

/// The compiled policy.
pub struct Policy {
    pub(super) schema: Arc<LiveSchema>,
    pub(super) rules: Vec<Rule>,
    /// Attributes that no rule opens for reading, searching or comparing.
    pub(super) secret: AttributeSet,
    pub(super) domain: DomainAccess,
    /// Bounds of those of whom no limit speaks.
    pub(super) everybody: Limits,
    pub(super) limits: Vec<Limit>,
}

impl Policy {
    /// Compiles the rules of the config. Errors name the rule by its number, from 1.
    pub fn compile(schema: &Arc<LiveSchema>, rules: &[RuleSettings]) -> Result<Self, PolicyError> {
        if rules.len() > MOST_RULES {
            let reason = format!("there may be at most {MOST_RULES} rules");
            return Err(PolicyError { list: RULE, rule: MOST_RULES + 1, part: RulePart::Whole, reason });
        }
        let rules = rules.iter().zip(1..).map(|(rule, number)| Rule::compile(schema, number, rule)).collect::<Result<Vec<_>, _>>()?;
        let mut secret = AttributeSet::none(schema.attribute_types().len());
        schema.attribute_types().iter().filter(|definition| definition.secret).for_each(|definition| secret.insert(definition.id));
        let domain = DomainAccess::new(schema, &secret);
        Ok(Self { schema: Arc::clone(schema), rules, secret, domain, everybody: Limits::default(), limits: Vec::new() })
    }

    /// Checks one rule by itself; `number` is its number, from 1.
    pub fn check(schema: &Schema, number: usize, rule: &RuleSettings) -> Result<(), PolicyError> {
        Rule::compile(schema, number, rule).map(drop)
    }

    /// What an identity may do. Names in rules are looked up now: make it anew where a subtree was renamed or the
    /// authority the identity rests on has changed.
    pub fn grants(self: &Arc<Self>, subject: AccessSubject, facts: &dyn Facts) -> Arc<Grants> {
        let mut speaking = Speaking::default();
        for (index, rule) in self.rules.iter().enumerate() {
            speaking.add(1 << index, rule.holds(&subject, facts));
        }
        let limits = self.limits_of(&subject, facts);
        Arc::new(Grants::new(Arc::clone(self), subject, (speaking, limits), facts))
    }

    /// Every condition of rules and limits.
    fn conditions(&self) -> impl Iterator<Item = &Condition> {
        let rules = self.rules.iter().map(|rule| &rule.who);
        rules.chain(self.limits.iter().map(|limit| &limit.who)).flatten()
    }

    /// The groups that rules speak of, as far as they exist now.
    pub fn named_groups(&self, facts: &dyn Facts) -> BTreeSet<EntryId> {
        self.conditions().filter_map(|condition| if let Condition::Group(name) = condition { name.resolve(facts) } else { None }).collect()
    }

    /// Whether any rule speaks of a group.
    pub fn names_groups(&self) -> bool {
        self.conditions().any(|condition| matches!(condition, Condition::Group(_)))
    }

    /// Whether a rule names the entry, in its `who` or as its subtree.
    pub fn names(&self, facts: &dyn Facts, id: EntryId) -> bool {
        let subtrees = self.rules.iter().filter_map(|rule| rule.subtree.as_ref());
        let mut names = self.conditions().filter_map(Condition::name).chain(subtrees);
        names.any(|name| name.resolve(facts) == Some(id))
    }

    /// The names in rules and limits that are no entry's now, each with where the rule stands: until there is such an entry it
    /// speaks of nobody, or of nothing.
    pub fn void_names(&self, facts: &dyn Facts) -> Vec<(String, String)> {
        let rules = self.rules.iter().map(|rule| (rule.place.to_string(), &rule.who, rule.subtree.as_ref()));
        let limits = self.limits.iter().enumerate().map(|(index, limit)| (format!("limit {}", index + 1), &limit.who, None));
        let mut void = Vec::new();
        for (place, who, subtree) in rules.chain(limits) {
            let names = who.iter().filter_map(Condition::name).chain(subtree);
            let missing = names.filter(|name| !name.is_monitor() && name.resolve(facts).is_none());
            void.extend(missing.map(|name| (place.clone(), name.text.to_string())));
        }
        void
    }

    /// What the rules of `mask` give together: for each attribute, and for the entry, the first that speaks of it. Of those of
    /// `undecided` nobody knows whether they hold, so they decide and give nothing.
    pub(super) fn combine(&self, mask: u64, undecided: u64) -> Access {
        let count = self.schema.attribute_types().len();
        let mut access = Access::none(count);
        let mut decided = AttributeSet::none(count);
        let (mut entry_decided, mut proxy_decided) = (false, false);
        for (index, rule) in self.rules.iter().enumerate().filter(|(index, _)| mask >> index & 1 == 1) {
            let rights = if undecided >> index & 1 == 1 { RuleRights::default() } else { rule.rights };
            let mut open = rule.attributes.clone();
            open.subtract(&decided);
            decided.unite(&open);
            if rights.write {
                access.write.unite(&open);
            }
            open.subtract(&self.secret);
            for (given, set) in
                [(rights.read, &mut access.read), (rights.search, &mut access.search), (rights.compare, &mut access.compare)]
            {
                if given {
                    set.unite(&open);
                }
            }
            if rule.of_entry && !entry_decided {
                entry_decided = true;
                (access.may_add_children, access.may_delete, access.may_rename) = (rights.add, rights.delete, rights.rename);
            }
            if rule.of_proxy && !proxy_decided {
                (proxy_decided, access.may_proxy) = (true, rights.proxy);
            }
        }
        access.disclosed = !(access.read.is_empty() && access.search.is_empty());
        access
    }
}

impl Rule {
    /// On what it holds for the subject: where all of its conditions do.
    fn holds(&self, subject: &AccessSubject, facts: &dyn Facts) -> Holds {
        let holds = Holds::all(&self.who, subject, facts);
        // Whoever makes a role can take away by it, and only that: what denies, denies by any role of the name.
        if holds == Holds::AtHome && self.rights.is_nothing() { Holds::Everywhere } else { holds }
    }

    /// Errors name the rule by its number, from 1.
    fn compile(schema: &Schema, number: usize, settings: &RuleSettings) -> Result<Self, PolicyError> {
        Self::read(schema, settings).map_err(|(part, reason)| PolicyError { list: RULE, rule: number, part, reason })
    }

    fn read(schema: &Schema, settings: &RuleSettings) -> Result<Self, (RulePart, String)> {
        let who = Condition::compile_all(schema, &settings.who)?;
        let subtree = match settings.subtree.as_str() {
            "" => None,
            text => Some(CompiledName::compile(schema, text).map_err(|reason| (RulePart::Subtree, reason))?),
        };
        let filter = settings.filter.as_ref().map(|text| {
            let parsed = Filter::parse(text).map_err(|error| error.to_string())?;
            RuleFilter::compile(schema, &parsed)
        });
        let filter = filter.transpose().map_err(|reason| (RulePart::Filter, reason))?;
        let rights = RuleRights::compile(&settings.rights).map_err(|reason| (RulePart::Rights, reason))?;
        let all = settings.attributes.is_empty();
        // Who may only act for others by it is told nothing about attributes by it, and nothing is denied either.
        let attributes = match rights.only_proxy() {
            true if !all => return Err((RulePart::Attribute(0), "`proxy` is not about attributes".to_owned())),
            true => AttributeSet::none(schema.attribute_types().len()),
            false => attributes(schema, &settings.attributes)?,
        };
        Ok(Self {
            only_itself: who.iter().any(|condition| matches!(condition, Condition::Itself)),
            who,
            subtree,
            filter,
            attributes,
            of_entry: (all && !rights.only_proxy()) || rights.add || rights.delete || rights.rename,
            of_proxy: rights.proxy || (all && rights.is_nothing()),
            rights,
            place: settings.place.as_str().into(),
        })
    }
}

impl RuleRights {
    fn compile(names: &[String]) -> Result<Self, String> {
        let mut rights = Self::default();
        for name in names {
            match name.as_str() {
                "read" => (rights.read, rights.search, rights.compare) = (true, true, true),
                "search" => (rights.search, rights.compare) = (true, true),
                "compare" => rights.compare = true,
                "write" => rights.write = true,
                "add" => rights.add = true,
                "delete" => rights.delete = true,
                "rename" => rights.rename = true,
                "proxy" => rights.proxy = true,
                "none" if names.len() == 1 => {}
                "none" => return Err("`none` stands alone".to_owned()),
                other => {
                    return Err(format!(
                        "{other} is no right; the rights are read, search, compare, write, add, delete, rename, proxy, none"
                    ));
                }
            }
        }
        if names.is_empty() {
            return Err("it gives no rights; say `none` where that is meant".to_owned());
        }
        Ok(rights)
    }

    /// Whether it gives nothing at all.
    const fn is_nothing(self) -> bool {
        !self.proxy && self.gives_nothing_else()
    }

    /// Whether acting for others is all it gives.
    const fn only_proxy(self) -> bool {
        self.proxy && self.gives_nothing_else()
    }

    const fn gives_nothing_else(self) -> bool {
        let Self { read, search, compare, write, add, delete, rename, proxy: _ } = self;
        !(read || search || compare || write || add || delete || rename)
    }
}

/// The attributes a rule speaks of.
fn attributes(schema: &Schema, names: &[String]) -> Result<AttributeSet, (RulePart, String)> {
    let types = schema.attribute_types();
    if names.is_empty() {
        return Ok(AttributeSet::all(types.len()));
    }
    let mut set = AttributeSet::none(types.len());
    for (index, name) in names.iter().enumerate() {
        let unknown = |what: &str, name: &str| (RulePart::Attribute(index), format!("{what} {name} is not defined"));
        match (name.as_str(), name.strip_prefix('@')) {
            ("*" | "+", _) => {
                let usage = if name == "*" { Usage::User } else { Usage::Operational };
                types.iter().filter(|definition| definition.usage == usage).for_each(|definition| set.insert(definition.id));
            }
            (_, Some(class)) => {
                let class = schema.class(class).ok_or_else(|| unknown("object class", class))?;
                let class = schema.object_class(class);
                class.must.iter().chain(&class.may).for_each(|attribute| set.insert(*attribute));
            }
            (name, None) => {
                let attribute = schema.attribute(name).ok_or_else(|| unknown("attribute type", name))?;
                schema.with_subtypes(attribute).iter().for_each(|attribute| set.insert(*attribute));
            }
        }
    }
    Ok(set)
}

//! `who` of a rule: the conditions under which it speaks of somebody.

use super::policy::{CompiledName, RulePart};
use super::{AccessSubject, Standing};
use crate::base::{EntryId, Network};
use crate::domain::organisation_of;
use crate::model::{Facts, upwards};
use crate::schema::Schema;

/// One condition of `who`.
#[derive(Debug)]
pub(super) enum Condition {
    Anonymous,
    Users,
    Itself,
    Named(CompiledName),
    Group(CompiledName),
    /// A built-in role, or one of the organisation that holds the entry asked for, by its name.
    Role(Box<str>),
    /// One role.
    RoleNamed(CompiledName),
    Services,
    Network(Network),
    Encrypted,
    Certificate,
    Subtree(CompiledName),
}

/// On what a condition holds for somebody. Of several that must all hold, the least counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holds {
    /// On nothing.
    Never,
    /// It could not be worked out.
    Undecided,
    /// On what the subject's own organisation holds.
    AtHome,
    /// On everything.
    Everywhere,
}

impl Holds {
    /// On what all of the conditions hold.
    pub(super) fn all(who: &[Condition], subject: &AccessSubject, facts: &dyn Facts) -> Self {
        who.iter().map(|condition| condition.holds(subject, facts)).min().unwrap_or(Self::Never)
    }
}

impl From<bool> for Holds {
    fn from(holds: bool) -> Self {
        if holds { Self::Everywhere } else { Self::Never }
    }
}

impl Condition {
    /// All of a `who`; there is one at least.
    pub(super) fn compile_all(schema: &Schema, who: &[String]) -> Result<Vec<Self>, (RulePart, String)> {
        if who.is_empty() {
            return Err((RulePart::Whole, "it does not say who".to_owned()));
        }
        let compiled = who.iter().enumerate();
        compiled.map(|(index, text)| Self::compile(schema, text).map_err(|reason| (RulePart::Who(index), reason))).collect()
    }

    fn compile(schema: &Schema, text: &str) -> Result<Self, String> {
        if let Some((kind, rest)) = text.split_once(':') {
            return match kind {
                "dn" => CompiledName::compile(schema, rest).map(Self::Named),
                "subtree" => CompiledName::compile(schema, rest).map(Self::Subtree),
                "group" => CompiledName::compile(schema, rest).map(Self::Group),
                "role" if rest.trim().is_empty() => Err("it names no role".to_owned()),
                "role" if rest.contains('=') => CompiledName::compile(schema, rest).map(Self::RoleNamed),
                "role" => Ok(Self::Role(rest.trim().into())),
                "address" => Network::parse(rest).map(Self::Network).ok_or_else(|| format!("{rest} is no network such as 10.0.0.0/8")),
                other => Err(format!("{other}: is not known; known are dn:, subtree:, group:, role:, address:")),
            };
        }
        match text {
            "anonymous" => Ok(Self::Anonymous),
            "users" => Ok(Self::Users),
            "self" => Ok(Self::Itself),
            "services" => Ok(Self::Services),
            "encrypted" => Ok(Self::Encrypted),
            "certificate" => Ok(Self::Certificate),
            other => Err(format!(
                "{other} is nobody known; known are anonymous, users, self, services, encrypted, certificate, dn:, subtree:, group:, \
                 role:, address:"
            )),
        }
    }

    /// The entry it names.
    pub(super) const fn name(&self) -> Option<&CompiledName> {
        match self {
            Self::Named(name) | Self::Group(name) | Self::RoleNamed(name) | Self::Subtree(name) => Some(name),
            Self::Anonymous
            | Self::Users
            | Self::Itself
            | Self::Role(_)
            | Self::Services
            | Self::Network(_)
            | Self::Encrypted
            | Self::Certificate => None,
        }
    }

    /// On what it holds for the subject; `self` is decided entry by entry.
    pub(super) fn holds(&self, subject: &AccessSubject, facts: &dyn Facts) -> Holds {
        match self {
            Self::Anonymous => (subject.standing == Standing::Anonymous).into(),
            Self::Users => (subject.standing != Standing::Anonymous).into(),
            Self::Itself => subject.entry.is_some().into(),
            Self::Named(name) => (!subject.name_key.is_empty() && subject.name_key == name.key).into(),
            Self::Group(name) => name.resolve(facts).map_or(Holds::Never, |group| is_member(subject, group)),
            Self::Role(name) => by_role(subject, facts, name),
            Self::RoleNamed(name) => name.resolve(facts).is_some_and(|role| subject.roles.iter().any(|held| held.entry == role)).into(),
            Self::Services => (subject.standing == Standing::Service).into(),
            Self::Network(network) => subject.address.is_some_and(|address| network.contains(address)).into(),
            Self::Encrypted => subject.encrypted.into(),
            Self::Certificate => (subject.encrypted && subject.certificate).into(),
            Self::Subtree(name) => subject.entry.zip(name.resolve(facts)).is_some_and(|(entry, top)| is_within(facts, entry, top)).into(),
        }
    }
}

fn is_member(subject: &AccessSubject, group: EntryId) -> Holds {
    let memberships = &subject.memberships;
    let undecided = !memberships.held.contains(&group) && memberships.undecided.contains(&group);
    if undecided { Holds::Undecided } else { memberships.held.contains(&group).into() }
}

/// What a role is called its organisation decides, so that counts there only; which role of the system it is, the operator.
fn by_role(subject: &AccessSubject, facts: &dyn Facts, name: &str) -> Holds {
    let named = |held: Option<&str>| held.is_some_and(|held| held.eq_ignore_ascii_case(name));
    if subject.roles.iter().any(|role| named(role.system.as_deref())) {
        return Holds::Everywhere;
    }
    let at_home = |role: EntryId| subject.organisation.is_some() && organisation_of(facts, role) == subject.organisation;
    if subject.roles.iter().any(|role| named(role.name.as_deref()) && at_home(role.entry)) { Holds::AtHome } else { Holds::Never }
}

/// Whether the entry is `top` or stands below it.
fn is_within(facts: &dyn Facts, entry: EntryId, top: EntryId) -> bool {
    upwards(facts, entry).any(|at| at.id == top)
}

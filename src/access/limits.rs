//! Bounds by who asks (hardening HD6): the first limit of the config's list that speaks of somebody counts, and before it nothing;
//! where none does, those of everybody. They are worked out with the rights, so a search only looks them up.

use super::policy::{PolicyError, RulePart};
use super::who::{Condition, Holds};
use super::{AccessSubject, Policy, Standing};
use crate::base::{Limits, SearchLimits};
use crate::model::Facts;
use crate::schema::Schema;
use std::time::Duration;

/// Bounds of the config for some. What is not given is as for everybody.
#[derive(Clone, Debug, Default)]
pub struct LimitSettings {
    /// Who, in the words of [`RuleSettings::who`](super::RuleSettings::who) but `self`, which is about entries. A role by its name is
    /// that of any organisation.
    pub who: Vec<String>,
    /// Entries one search returns, or one page.
    pub size: Option<usize>,
    /// Entries all pages of one search return together.
    pub paged_size: Option<usize>,
    /// Entries one search looks at.
    pub look_through: Option<usize>,
    /// How long one search runs.
    pub time: Option<Duration>,
    /// Operations of one connection under way.
    pub pending: Option<usize>,
}

/// A limit of the config, compiled.
#[derive(Debug)]
pub(super) struct Limit {
    pub(super) who: Vec<Condition>,
    settings: LimitSettings,
}

impl Limit {
    /// Errors name the limit by its number, from 1.
    fn compile(schema: &Schema, number: usize, settings: &LimitSettings) -> Result<Self, PolicyError> {
        Self::read(schema, settings).map_err(|(part, reason)| PolicyError { list: "limit", rule: number, part, reason })
    }

    fn read(schema: &Schema, settings: &LimitSettings) -> Result<Self, (RulePart, String)> {
        let who = Condition::compile_all(schema, &settings.who)?;
        if let Some(index) = who.iter().position(|condition| matches!(condition, Condition::Itself)) {
            return Err((RulePart::Who(index), "`self` is about entries, and a limit is not".to_owned()));
        }
        let LimitSettings { who: _, size, paged_size, look_through, time, pending } = settings;
        if size.or(*paged_size).or(*look_through).or(*pending).is_none() && time.is_none() {
            return Err((RulePart::Whole, "it bounds nothing; there are size, paged_size, look_through, time and pending".to_owned()));
        }
        Ok(Self { who, settings: settings.clone() })
    }

    /// What it makes of the bounds of everybody.
    fn over(&self, everybody: SearchLimits) -> SearchLimits {
        let LimitSettings { who: _, size, paged_size, look_through, time, pending } = &self.settings;
        SearchLimits {
            size: size.unwrap_or(everybody.size),
            paged_size: paged_size.unwrap_or(everybody.paged_size),
            look_through: look_through.unwrap_or(everybody.look_through),
            time: time.unwrap_or(everybody.time),
            pending: pending.unwrap_or(everybody.pending),
        }
    }
}

impl Policy {
    /// With these bounds for everybody, and those of the list for some. Errors name the limit by its number, from 1.
    pub fn with_limits(self, everybody: &Limits, list: &[LimitSettings]) -> Result<Self, PolicyError> {
        let limits =
            list.iter().zip(1..).map(|(settings, number)| Limit::compile(&self.schema, number, settings)).collect::<Result<_, _>>()?;
        Ok(Self { everybody: everybody.clone(), limits, ..self })
    }

    /// Checks one limit by itself; `number` is its number, from 1.
    pub fn check_limit(schema: &Schema, number: usize, settings: &LimitSettings) -> Result<(), PolicyError> {
        Limit::compile(schema, number, settings).map(drop)
    }

    /// The bounds of somebody. The operator's searches have none.
    pub(super) fn limits_of(&self, subject: &AccessSubject, facts: &dyn Facts) -> SearchLimits {
        let everybody = self.everybody.of_searches(subject.standing != Standing::Anonymous);
        if subject.standing == Standing::Operator {
            return SearchLimits { pending: everybody.pending, ..SearchLimits::NONE };
        }
        let mut holding = self.limits.iter().map(|limit| (limit, Holds::all(&limit.who, subject, facts)));
        match holding.find(|(_, holds)| *holds != Holds::Never) {
            None => everybody,
            // A limit of which nobody knows whether it holds gives nothing that would not be there without it.
            Some((limit, Holds::Undecided)) => limit.over(everybody).at_most(everybody),
            Some((limit, _)) => limit.over(everybody),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Memberships;
    use crate::domain::world::{World, schema};
    use std::collections::BTreeSet;

    #[test]
    fn hd6_the_first_limit_that_may_hold_decides() {
        let mut world = World::default();
        let suffix = world.add(None, "dc=example,dc=com", &[("objectClass", "domain")]);
        let team = world.add(Some(suffix), "cn=team", &[("objectClass", "groupOfNames")]);
        let of_group = LimitSettings {
            who: vec!["group:cn=team,dc=example,dc=com".to_owned()],
            size: Some(5_000),
            look_through: Some(7),
            ..LimitSettings::default()
        };
        let of_users = LimitSettings { who: vec!["users".to_owned()], size: Some(77), ..LimitSettings::default() };
        let policy = Policy::compile(schema(), &[]).unwrap().with_limits(&Limits::default(), &[of_group, of_users]).unwrap();
        let limits = |standing, held: &[_], undecided: &[_]| {
            let set = |groups: &[_]| groups.iter().copied().collect::<BTreeSet<_>>();
            let memberships = Memberships { held: set(held), undecided: set(undecided) };
            policy.limits_of(&AccessSubject { standing, memberships, ..AccessSubject::anonymous(None, true) }, &world)
        };
        let everybody = Limits::default().of_searches(true);
        assert_eq!(limits(Standing::User, &[team], &[]), SearchLimits { size: 5_000, look_through: 7, ..everybody });
        assert_eq!(limits(Standing::User, &[], &[team]), SearchLimits { look_through: 7, ..everybody }, "nothing is raised by it");
        assert_eq!(limits(Standing::User, &[], &[]), SearchLimits { size: 77, ..everybody });
        assert_eq!(limits(Standing::Anonymous, &[], &[]), Limits::default().of_searches(false));
        assert_eq!(limits(Standing::Operator, &[], &[]), SearchLimits { pending: everybody.pending, ..SearchLimits::NONE });
    }
}

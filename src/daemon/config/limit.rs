//! `[[limit]]`: bounds by who asks (HD6). Who it is is looked at as in access rules.

use super::access::{Surroundings, texts, who_can_match, words_of_who};
use super::check::Checker;
use super::file::{LimitTable, LimitsTable, unbounded_if_zero};
use super::problem::Problem;
use super::units::Period;
use crate::access::{LimitSettings, Policy, RulePart};
use toml::Spanned;

/// The least that `entry` may be, in octets: with less, accounts could not be kept up, and nobody could sign in.
const LEAST_ENTRY: u64 = 64 << 10;
const ENTRY: &str = "at least one entry";
const OPERATION: &str = "at least one operation";

/// Bounds under which nothing at all would be done are no bounds.
pub(super) fn check(checker: &mut Checker, table: &LimitsTable) {
    let searches = Searches { size: Some(&table.size), look_through: Some(&table.look_through), time: Some(&table.time) };
    searches.check(checker);
    at_least_one(checker, Some(&table.pending_anonymous), OPERATION);
    at_least_one(checker, Some(&table.pending_bound), OPERATION);
    if table.entry.get_ref().0 < LEAST_ENTRY {
        checker.at(&table.entry, "at least 64KiB: accounts grow, and nobody could sign in");
    }
}

/// What `[limits]` and `[[limit]]` say of searches.
struct Searches<'a> {
    size: Option<&'a Spanned<usize>>,
    look_through: Option<&'a Spanned<usize>>,
    time: Option<&'a Spanned<Period>>,
}

impl Searches<'_> {
    fn check(&self, checker: &mut Checker) {
        at_least_one(checker, self.size, ENTRY);
        at_least_one(checker, self.look_through, ENTRY);
        if let Some(time) = self.time.filter(|time| time.get_ref().0.is_zero()) {
            checker.at(time, "longer than 0s");
        }
    }
}

fn at_least_one(checker: &mut Checker, given: Option<&Spanned<usize>>, what: &str) {
    if let Some(given) = given.filter(|given| *given.get_ref() == 0) {
        checker.at(given, what);
    }
}

/// The limits in order.
pub(super) fn limits(checker: &mut Checker, tables: &[Spanned<LimitTable>], around: &Surroundings<'_>) -> Vec<LimitSettings> {
    let mut limits = Vec::new();
    for table in tables {
        let known = checker.count();
        let limit = limit(checker, table.get_ref());
        if let Some(schema) = around.schema.filter(|_| checker.count() == known)
            && let Err(error) = Policy::check_limit(schema, limits.len() + 1, &limit)
        {
            let word = if let RulePart::Who(index) = error.part { table.get_ref().who.get(index) } else { None };
            let span = word.map_or_else(|| table.span(), Spanned::span);
            checker.problem(Problem::at(&checker.source, &span, error.to_string()));
        }
        if checker.count() == known {
            who_can_match(checker, &table.get_ref().who, around);
        }
        limits.push(limit);
    }
    limits
}

fn limit(checker: &mut Checker, table: &LimitTable) -> LimitSettings {
    words_of_who(checker, &table.who);
    let searches = Searches { size: table.size.as_ref(), look_through: table.look_through.as_ref(), time: table.time.as_ref() };
    searches.check(checker);
    at_least_one(checker, table.pending.as_ref(), OPERATION);
    LimitSettings {
        who: texts(&table.who),
        size: table.size.as_ref().map(|size| *size.get_ref()),
        paged_size: table.paged_size.map(unbounded_if_zero),
        look_through: table.look_through.as_ref().map(|entries| *entries.get_ref()),
        time: table.time.as_ref().map(|time| time.get_ref().0),
        pending: table.pending.as_ref().map(|pending| *pending.get_ref()),
    }
}

//! `[[limit]]`: bounds by who asks (HD6). Who it is is looked at as in access rules.

use super::access::{Surroundings, texts, who_can_match, words_of_who};
use super::check::Checker;
use super::file::{LimitTable, unbounded_if_zero};
use super::problem::Problem;
use crate::access::{LimitSettings, Policy, RulePart};
use toml::Spanned;

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
    if let Some(pending) = table.pending.as_ref().filter(|pending| *pending.get_ref() == 0) {
        checker.at(pending, "at least one operation");
    }
    LimitSettings {
        who: texts(&table.who),
        size: table.size,
        paged_size: table.paged_size.map(unbounded_if_zero),
        look_through: table.look_through,
        time: table.time.map(|time| time.0),
        pending: table.pending.as_ref().map(|pending| *pending.get_ref()),
    }
}

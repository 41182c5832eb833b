//! Access rules: every word is looked at, and then the rule as a whole as the policy will compile it.

use super::check::{Checker, inside, known_attribute};
use super::file::AccessTable;
use super::problem::{Problem, SourceFile};
use crate::access::{Policy, RulePart, RuleSettings};
use crate::base::Network;
use crate::directory::settings::Catalog;
use crate::model::{Dn, Filter};
use crate::schema::Schema;
use std::ops::Range;
use toml::Spanned;

/// What may stand before the colon of a rule's `who`, and what may stand alone.
const WHO_WITH_VALUE: [&str; 5] = ["dn", "subtree", "group", "role", "address"];
const WHO_ALONE: [&str; 6] = ["anonymous", "users", "self", "services", "encrypted", "certificate"];

/// Of these nobody can be anonymous.
const SIGNED_IN: [&str; 7] = ["users", "self", "services", "dn", "subtree", "group", "role"];

/// What the other parts of the config say that rules rest on.
pub(super) struct Surroundings<'a> {
    pub(super) schema: Option<&'a Schema>,
    pub(super) suffixes: &'a [String],
    pub(super) catalog: &'a Catalog,
}

/// The rules in order, each with where it stands.
pub(super) fn rules(checker: &mut Checker, tables: &[Spanned<AccessTable>], around: &Surroundings<'_>) -> Vec<RuleSettings> {
    let schema = around.schema;
    let mut rules = Vec::new();
    for table in tables {
        let known = checker.count();
        let rule = RuleSettings { place: place(&checker.source, &table.span()), ..rule(checker, table.get_ref(), schema) };
        // What is wrong with single words is told already, with what was probably meant; this is what is left.
        if let Some(schema) = schema.filter(|_| checker.count() == known)
            && let Err(error) = Policy::check(schema, rules.len() + 1, &rule)
        {
            let span = span_of(table, error.part);
            checker.problem(Problem::at(&checker.source, &span, error.to_string()));
        }
        if checker.count() == known {
            can_match(checker, table.get_ref(), around);
        }
        rules.push(rule);
    }
    rules
}

/// Refuses a rule that can never speak of anybody, or of anything.
fn can_match(checker: &mut Checker, table: &AccessTable, around: &Surroundings<'_>) {
    who_can_match(checker, &table.who, around);
    for who in table.who.iter().filter(|_| table.subtree.as_ref().is_some_and(|subtree| is_monitor(subtree.get_ref()))) {
        let (word, value) = split(who.get_ref());
        let of_system = || around.catalog.roles.iter().any(|role| role.system && role.name.eq_ignore_ascii_case(value.trim()));
        if word == "role" && !value.contains('=') && !of_system() {
            let message = format!(
                "`{value}` is no system role of the catalog, so it counts on what its organisation holds, and cn=Monitor belongs to no organisation"
            );
            checker.at(who, message);
        }
    }
    if let Some(subtree) = table.subtree.as_ref().filter(|subtree| !is_monitor(subtree.get_ref()) && !around.holds(subtree.get_ref())) {
        checker.at(subtree, format!("`{}` is under no suffix of the server file, so there is nothing there", subtree.get_ref()));
    }
}

/// Refuses a `who` that nobody can be.
pub(super) fn who_can_match(checker: &mut Checker, listed: &[Spanned<String>], around: &Surroundings<'_>) {
    let anonymous = listed.iter().any(|who| who.get_ref() == "anonymous");
    for who in listed {
        let (word, value) = split(who.get_ref());
        if anonymous && SIGNED_IN.contains(&word) {
            checker.at(who, format!("nobody is `anonymous` and `{word}`: all that `who` lists must hold"));
        }
        let names = matches!(word, "dn" | "subtree" | "group") || (word == "role" && value.contains('='));
        if names && !around.holds(value) {
            checker.at(who, format!("`{value}` is under no suffix of the server file, so nobody is that"));
        }
    }
}

/// The word and what is behind its colon.
fn split(who: &str) -> (&str, &str) {
    who.split_once(':').unwrap_or((who, ""))
}

fn is_monitor(name: &str) -> bool {
    name.trim().eq_ignore_ascii_case("cn=Monitor")
}

impl Surroundings<'_> {
    /// Whether a name is or stands below one of the suffixes; what could not be read is told elsewhere.
    fn holds(&self, name: &str) -> bool {
        let (Some(schema), Ok(dn)) = (self.schema, Dn::parse(name)) else { return true };
        let holds = |suffix: &String| {
            let Ok(suffix) = Dn::parse(suffix) else { return true };
            let top = dn.0.len().checked_sub(suffix.0.len()).and_then(|below| dn.0.get(below..));
            top.is_some_and(|top| schema.name_key(&Dn(top.to_vec())) == schema.name_key(&suffix))
        };
        self.suffixes.iter().any(holds)
    }
}

/// `headcount.toml:57`.
fn place(source: &SourceFile, span: &Range<usize>) -> String {
    let line = source.text.get(..span.start).unwrap_or_default().matches('\n').count() + 1;
    format!("{}:{line}", source.path.file_name().unwrap_or_default().to_string_lossy())
}

/// Where the part of a rule stands; the head of its table where the part is not there.
fn span_of(table: &Spanned<AccessTable>, part: RulePart) -> Range<usize> {
    let rule = table.get_ref();
    let found = match part {
        RulePart::Attribute(index) => rule.attributes.get(index).map(Spanned::span),
        RulePart::Filter => rule.filter.as_ref().map(Spanned::span),
        RulePart::Rights => rule.rights.first().map(Spanned::span),
        RulePart::Subtree => rule.subtree.as_ref().map(Spanned::span),
        RulePart::Whole => None,
        RulePart::Who(index) => rule.who.get(index).map(Spanned::span),
    };
    found.unwrap_or_else(|| table.span())
}

fn rule(checker: &mut Checker, table: &AccessTable, schema: Option<&Schema>) -> RuleSettings {
    words_of_who(checker, &table.who);
    if let Some(subtree) = &table.subtree {
        checker.own_dn(subtree);
    }
    if let Some(given) = &table.filter
        && let Err(error) = Filter::parse(given.get_ref())
    {
        let span = inside(&checker.source, given, error.at);
        checker.problem(Problem::at(&checker.source, &span, format!("not a filter: {}", error.reason)));
    }
    for attribute in &table.attributes {
        known_attribute(checker, attribute, schema);
    }
    RuleSettings {
        who: texts(&table.who),
        subtree: table.subtree.as_ref().map(|subtree| subtree.get_ref().clone()).unwrap_or_default(),
        filter: table.filter.as_ref().map(|filter| filter.get_ref().clone()),
        attributes: texts(&table.attributes),
        rights: table.rights.iter().map(|right| right.get_ref().word().to_owned()).collect(),
        place: String::new(),
    }
}

/// The words of a list.
pub(super) fn texts(given: &[Spanned<String>]) -> Vec<String> {
    given.iter().map(|spanned| spanned.get_ref().clone()).collect()
}

/// Looks at each word of a `who`.
pub(super) fn words_of_who(checker: &mut Checker, listed: &[Spanned<String>]) {
    for who in listed {
        let (word, value) = match who.get_ref().split_once(':') {
            Some((word, value)) => (word, Some(value)),
            None => (who.get_ref().as_str(), None),
        };
        let right_form = if value.is_some() { WHO_WITH_VALUE.contains(&word) } else { WHO_ALONE.contains(&word) };
        if !right_form {
            let forms = WHO_ALONE.into_iter().chain(["dn:…", "subtree:…", "group:…", "role:…", "address:…"]);
            checker.problem(Problem::at(&checker.source, &who.span(), format!("nobody is `{word}`")).suggest(word, forms));
        } else if word == "address" && value.and_then(Network::parse).is_none() {
            checker.at(who, "not a network as 10.0.0.0/8");
        } else if word == "role" && value.is_some_and(|value| value.trim().is_empty()) {
            checker.at(who, "`role:` names no role");
        } else if (matches!(word, "dn" | "subtree" | "group") || value.is_some_and(|value| word == "role" && value.contains('=')))
            && let Some(Err(error)) = value.map(Dn::parse)
        {
            checker.at(who, format!("not a DN: {}", error.reason));
        }
    }
}

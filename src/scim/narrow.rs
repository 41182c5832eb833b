//! How a filter is answered by indexes: the LDAP filter that finds at least what it asks for.

use super::error::ScimError;
use super::evaluate::{self, Location, Operand, Predicate};
use super::filter::Operator;
use super::gateway::equals;
use super::mapping::{Finds, Lookup, Searchable};
use super::schema::ResourceType;
use crate::base::Timestamp;
use crate::model::Filter;
use crate::model::filter::Substrings;
use std::borrow::Cow;

/// What is found by indexes, and what is left to ask of each resource.
#[derive(Debug)]
pub struct Narrowed {
    /// Finds at least what was asked for; `None` where it would find everything.
    pub filter: Option<Filter<'static>>,
    /// What is to be tested again.
    pub rest: Option<Predicate>,
    /// Whether each condition found what it could by an index, so that not many are tested in vain.
    pub indexed: bool,
}

impl Narrowed {
    /// What is not said by an LDAP filter at all.
    const fn unknown(rest: Predicate) -> Self {
        Self { filter: None, rest: Some(rest), indexed: false }
    }

    /// Exactly this.
    const fn exactly(filter: Filter<'static>) -> Self {
        Self { filter: Some(filter), rest: None, indexed: true }
    }

    fn at_least(filter: Option<Filter<'static>>, rest: Predicate) -> Self {
        Self { indexed: filter.is_some(), filter, rest: Some(rest) }
    }

    const fn everything() -> Self {
        Self { filter: None, rest: None, indexed: true }
    }

    const fn nothing() -> Self {
        Self::exactly(Filter::Or(Vec::new()))
    }
}

/// The LDAP filter that finds at least what the predicate asks for, and what is left to test on the resource.
pub fn narrow(predicate: Predicate, resource_type: &ResourceType, lookup: &dyn Lookup) -> Result<Narrowed, ScimError> {
    Ok(match predicate {
        Predicate::And(parts) => {
            let (mut filters, mut rest, mut indexed) = (Vec::new(), Vec::new(), true);
            for part in parts {
                let narrowed = narrow(part, resource_type, lookup)?;
                filters.extend(narrowed.filter);
                rest.extend(narrowed.rest);
                indexed &= narrowed.indexed;
            }
            Narrowed {
                filter: (!filters.is_empty()).then_some(Filter::And(filters)),
                rest: (!rest.is_empty()).then_some(Predicate::And(rest)),
                indexed,
            }
        }
        Predicate::Or(parts) => any(parts, resource_type, lookup)?,
        Predicate::Element(location, inner) => element(location, inner, resource_type, lookup)?,
        Predicate::Compare(location, operator, operand) => comparison(location, operator, operand, resource_type, lookup)?,
        Predicate::Present(location) => {
            let present = |name: &&'static str| Filter::Present(Cow::Borrowed(*name));
            let by_text = |held: &&Searchable| matches!(held.finds, Finds::Text | Finds::Ascii);
            let filter = searchable(&location, resource_type).filter(by_text).map(|held| one_of(held.ldap.iter().map(present).collect()));
            Narrowed::at_least(filter, Predicate::Present(location))
        }
        Predicate::Not(inner) => Narrowed::unknown(Predicate::Not(inner)),
    })
}

/// Whether what is asked for is found by a value that one resource has, or a few: then looking takes no longer than reading one.
pub fn is_look_up(predicate: &Predicate, resource_type: &ResourceType) -> bool {
    match predicate {
        Predicate::And(parts) => parts.iter().any(|part| is_look_up(part, resource_type)),
        Predicate::Element(location, inner) => equal_value(inner).is_some() && place(location) == Some(("emails", None)),
        Predicate::Compare(location, Operator::Equal, Operand::Text(..)) => match place(location) {
            Some(("id" | "externalId", None) | ("emails", Some("value"))) => true,
            Some((name, None)) => resource_type.mapping.naming.is_unique && name == resource_type.mapping.naming.name,
            _ => false,
        },
        Predicate::Compare(..) | Predicate::Or(_) | Predicate::Not(_) | Predicate::Present(_) => false,
    }
}

fn any(parts: Vec<Predicate>, resource_type: &ResourceType, lookup: &dyn Lookup) -> Result<Narrowed, ScimError> {
    let (mut filters, mut exact, mut indexed, mut all) = (Vec::new(), true, true, false);
    for part in &parts {
        let narrowed = narrow(part.clone(), resource_type, lookup)?;
        exact &= narrowed.rest.is_none();
        indexed &= narrowed.indexed;
        match narrowed.filter {
            Some(filter) => filters.push(filter),
            None => all = true,
        }
    }
    let filter = (!all).then_some(Filter::Or(filters));
    Ok(Narrowed { filter, rest: Some(Predicate::Or(parts)).filter(|_| !exact), indexed })
}

/// `emails[value eq "x" and type eq "work"]`: some value is x, and the element is tested again.
fn element(location: Location, inner: Box<Predicate>, resource_type: &ResourceType, lookup: &dyn Lookup) -> Result<Narrowed, ScimError> {
    let Some(Operand::Text(value, exact)) = equal_value(&inner).cloned() else {
        return Ok(Narrowed::unknown(Predicate::Element(location, inner)));
    };
    let alone = matches!(*inner, Predicate::Compare(..));
    let of_value = Location { sub: Some("value".to_owned()), ..location.clone() };
    let found = comparison(of_value, Operator::Equal, Operand::Text(value, exact), resource_type, lookup)?;
    let rest = Some(Predicate::Element(location, inner)).filter(|_| found.rest.is_some() || !alone);
    Ok(Narrowed { rest, ..found })
}

/// What `value` is to be equal to, alone or together with other conditions.
fn equal_value(inner: &Predicate) -> Option<&Operand> {
    match inner {
        Predicate::And(parts) => parts.iter().find_map(equal_value),
        Predicate::Compare(location, Operator::Equal, operand) if location.sub.as_deref() == Some("value") => Some(operand),
        Predicate::Compare(..) | Predicate::Or(_) | Predicate::Not(_) | Predicate::Present(_) | Predicate::Element(..) => None,
    }
}

fn place(location: &Location) -> Option<(&str, Option<&str>)> {
    match (&location.extension, &location.attribute) {
        (None, Some(attribute)) => Some((attribute, location.sub.as_deref())),
        (Some(_), _) | (None, None) => None,
    }
}

/// How entries are found by what is in that place.
fn searchable<'t>(location: &Location, resource_type: &'t ResourceType) -> Option<&'t Searchable> {
    let (name, sub) = (location.attribute.as_deref()?, location.sub.as_deref());
    let is_it = |held: &&Searchable| held.extension == location.extension.as_deref() && held.name == name && held.sub == sub;
    resource_type.mapping.searchable.iter().find(is_it)
}

fn comparison(
    location: Location,
    operator: Operator,
    operand: Operand,
    resource_type: &ResourceType,
    lookup: &dyn Lookup,
) -> Result<Narrowed, ScimError> {
    let held = searchable(&location, resource_type);
    let found = match (operator, &operand, held.map(|held| held.finds)) {
        (Operator::Equal, Operand::Text(value, exact), _) if place(&location) == Some(("meta", Some("resourceType"))) => {
            let same = evaluate::folded(value, *exact) == evaluate::folded(resource_type.name, *exact);
            return Ok(if same { Narrowed::everything() } else { Narrowed::nothing() });
        }
        (Operator::Equal, Operand::Text(value, _), _) if place(&location) == Some(("id", None)) => {
            if uuid::Uuid::try_parse(value).is_err() {
                return Ok(Narrowed::nothing());
            }
            Some(equals("entryUUID", value))
        }
        (Operator::Equal, Operand::Text(value, _), Some(Finds::Link)) => {
            let Some(dn) = lookup.person_dn(value)? else { return Ok(Narrowed::nothing()) };
            return Ok(Narrowed::exactly(by(held, |name| equals(name, &dn))));
        }
        (Operator::Equal, Operand::Text(value, _), Some(Finds::Text)) => Some(by(held, |name| equals(name, value))),
        (Operator::Equal, Operand::Text(value, _), Some(Finds::Ascii)) if value.is_ascii() => Some(by(held, |name| equals(name, value))),
        (Operator::StartsWith, Operand::Text(value, _), Some(Finds::Text)) if held.is_some_and(|held| held.by_prefix) => {
            prefix(held, value)
        }
        (Operator::Equal, Operand::Boolean(false), Some(Finds::False)) => Some(by(held, |name| equals(name, "FALSE"))),
        // What is not said to be false is true, which no index knows; but then most are, and few are tested in vain.
        (Operator::Equal, Operand::Boolean(true), Some(Finds::False)) => {
            return Ok(Narrowed { filter: None, rest: Some(Predicate::Compare(location, operator, operand)), indexed: true });
        }
        (_, Operand::Instant(instant), Some(Finds::Instant)) => instants(operator, *instant, held),
        _ => None,
    };
    Ok(Narrowed::at_least(found, Predicate::Compare(location, operator, operand)))
}

/// The filter of each attribute that may hold it.
fn by(held: Option<&Searchable>, filter: impl Fn(&'static str) -> Filter<'static>) -> Filter<'static> {
    one_of(held.into_iter().flat_map(|held| held.ldap).map(|name| filter(name)).collect())
}

/// Times are compared to the second here, which takes in whatever is as close.
fn instants(operator: Operator, instant: i128, held: Option<&Searchable>) -> Option<Filter<'static>> {
    // Nothing was changed before the epoch.
    let second = u64::try_from(instant.max(0) / 1_000_000_000).ok()?;
    let text = |second: u64| Cow::Owned(Timestamp::from_millis(second.saturating_mul(1_000)).generalized().into_bytes());
    let from = || by(held, |name| Filter::GreaterOrEqual(Cow::Borrowed(name), text(second)));
    let to = || by(held, |name| Filter::LessOrEqual(Cow::Borrowed(name), text(second.saturating_add(1))));
    match operator {
        Operator::Equal => Some(Filter::And(vec![from(), to()])),
        Operator::Greater | Operator::GreaterOrEqual => Some(from()),
        Operator::Less | Operator::LessOrEqual => Some(to()),
        Operator::NotEqual | Operator::Contains | Operator::StartsWith | Operator::EndsWith => None,
    }
}

fn prefix(held: Option<&Searchable>, value: &str) -> Option<Filter<'static>> {
    let starts = |attribute: &'static str| {
        let parts = Substrings { initial: Some(Cow::Owned(value.as_bytes().to_vec())), ..Substrings::default() };
        Filter::Substrings(Cow::Borrowed(attribute), parts)
    };
    // A space at either end means something else to LDAP (RFC 4518 §2.6.1).
    (!value.is_empty() && value.trim() == value).then(|| by(held, starts))
}

/// Any of the filters; a single one as it is.
fn one_of(mut filters: Vec<Filter<'static>>) -> Filter<'static> {
    match (filters.len(), filters.pop()) {
        (1, Some(single)) => single,
        (_, last) => {
            filters.extend(last);
            Filter::Or(filters)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::list::{Query, predicate};
    use super::super::mapping::Reference;
    use super::*;
    use crate::scim::schema::Catalogue;

    struct People;

    impl Lookup for People {
        fn reference(&self, _: &str) -> Option<Reference> {
            None
        }
        fn person_dn(&self, id: &str) -> Result<Option<String>, ScimError> {
            Ok((id == "u1").then(|| "uid=u1".to_owned()))
        }
    }

    fn narrowed(filter: &str, resource_type: &ResourceType) -> (Option<String>, bool) {
        let query = Query { filter: Some(filter.to_owned()), ..Query::default() };
        let found = narrow(predicate(&query, resource_type).unwrap().unwrap(), resource_type, &People).unwrap();
        (found.filter.map(|filter| filter.to_string()), found.rest.is_some())
    }

    #[test]
    fn filters_narrow_by_what_is_indexed() {
        let catalogue = Catalogue::load().unwrap();
        let id = "0192f0c0-0000-7000-8000-000000000001";
        let cases = [
            (r#"userName eq "a""#.to_owned(), Some("(uid=a)".to_owned()), true),
            (r#"userName sw "a" and active eq true"#.to_owned(), Some("(&(uid=a*))".to_owned()), true),
            (r#"emails[type eq "work" and value eq "a@x"]"#.to_owned(), Some("(mail=a@x)".to_owned()), true),
            (r#"emails eq "a@x" or title pr"#.to_owned(), None, true),
            (r#"not (userName eq "a")"#.to_owned(), None, true),
            (format!("id eq \"{id}\" or externalId eq \"x\""), Some(format!("(|(entryUUID={id})(hcExternalId=x))")), true),
            (r#"id eq "17""#.to_owned(), Some("(|)".to_owned()), false),
            ("active eq false".to_owned(), Some("(hcActive=FALSE)".to_owned()), true),
            ("displayName pr".to_owned(), Some("(|(displayName=*)(cn=*))".to_owned()), true),
            (r#"meta.resourceType eq "User""#.to_owned(), None, false),
            (r#"meta.resourceType eq "Group""#.to_owned(), Some("(|)".to_owned()), false),
            (
                r#"meta.lastModified gt "2026-01-02T03:04:05.9999999+02:00""#.to_owned(),
                Some("(modifyTimestamp>=20260102010405Z)".to_owned()),
                true,
            ),
            (r#"meta.lastModified le "2026-01-02T03:04:05.5Z""#.to_owned(), Some("(modifyTimestamp<=20260102030406Z)".to_owned()), true),
            (
                r#"meta.lastModified ge "0001-01-03T00:00:00.0000000Z""#.to_owned(),
                Some("(modifyTimestamp>=19700101000000Z)".to_owned()),
                true,
            ),
        ];
        for (filter, expected, tested_again) in cases {
            assert_eq!(narrowed(&filter, &catalogue.user), (expected, tested_again), "{filter}");
        }
        // Quirk 12: members are not loaded to be tested.
        let members = r#"members eq "u1""#;
        assert_eq!(narrowed(members, &catalogue.group), (Some("(|(member=uid=u1)(hcViewOnlyMember=uid=u1))".to_owned()), false));
        assert_eq!(narrowed(r#"members[value eq "nobody"]"#, &catalogue.group), (Some("(|)".to_owned()), false));
    }
}

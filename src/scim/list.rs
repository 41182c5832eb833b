//! Queries (RFC 7644 §3.4.2): filter, sort, page.
//!
//! The filter becomes an LDAP filter that finds at least what it asks for, by indexed attributes where it can; what
//! the LDAP filter does not say exactly is tested again on the resource. Order is that of creation, which does not change
//! between pages.

use super::error::{ScimError, ScimType};
use super::evaluate::{self, Location, Operand, Predicate};
use super::filter::{Filter as ScimFilter, Operator};
use super::gateway::{Gateway, equals};
use super::json::{self, Object};
use super::mapping::{Computed, Finds, Lookup, Searchable};
use super::path::Path;
use super::project::Projection;
use super::resource::is_primary;
use super::schema::{DataType, ResourceType, Returned, Source, Target};
use super::sessions;
use crate::directory::{OwnedEntry, Scope};
use crate::model::Filter;
use crate::model::filter::Substrings;
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::cmp::Ordering;

/// Resources on a page where the client names no number.
pub const DEFAULT_RESULTS: usize = 100;
/// Resources on a page at most.
pub const MAX_RESULTS: usize = 1_000;

/// What a query asks for.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// The filter as text.
    pub filter: Option<String>,
    /// The attribute to sort by.
    pub sort_by: Option<String>,
    /// From the greatest to the least.
    pub descending: bool,
    /// The first result of the page, from 1.
    pub start_index: usize,
    /// Results on the page at most.
    pub count: usize,
    /// `attributes`.
    pub attributes: Vec<String>,
    /// `excludedAttributes`.
    pub excluded: Vec<String>,
}

impl Query {
    /// Out of the parameters of a GET.
    pub fn of_parameters(parameters: &[(String, String)]) -> Result<Self, ScimError> {
        let body = parameters.iter().rev().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
        Self::of_body(&body)
    }

    /// Out of a SearchRequest (RFC 7644 §3.4.3).
    pub fn of_body(body: &Object) -> Result<Self, ScimError> {
        let text = |name: &str| -> Result<Option<String>, ScimError> {
            match json::get(body, name) {
                None | Some(Value::Null) => Ok(None),
                Some(Value::String(text)) => Ok(Some(text.clone())),
                Some(_) => Err(ScimError::value(format!("{name} is not a string"))),
            }
        };
        let descending = match text("sortOrder")?.map(|order| order.to_ascii_lowercase()).as_deref() {
            None | Some("ascending") => false,
            Some("descending") => true,
            Some(_) => return Err(ScimError::value("sortOrder is ascending or descending")),
        };
        Ok(Self {
            filter: text("filter")?,
            sort_by: text("sortBy")?.filter(|name| !name.is_empty()),
            descending,
            start_index: number(body, "startIndex")?.unwrap_or(1).max(1),
            count: number(body, "count")?.unwrap_or(DEFAULT_RESULTS).min(MAX_RESULTS),
            attributes: names(body, "attributes")?,
            excluded: names(body, "excludedAttributes")?,
        })
    }
}

/// A whole number as JSON or text; what is out of range is brought into it (HE8).
fn number(body: &Object, name: &str) -> Result<Option<usize>, ScimError> {
    let wrong = || ScimError::value(format!("{name} is not a whole number"));
    let text = match json::get(body, name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => return Err(wrong()),
    };
    let (negative, digits) = text.strip_prefix('-').map_or((false, text.as_str()), |digits| (true, digits));
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(wrong());
    }
    Ok(Some(if negative { 0 } else { digits.parse().unwrap_or(usize::MAX) }))
}

/// Names as an array, or as text with commas between them, but not those inside brackets or quotes.
fn names(body: &Object, name: &str) -> Result<Vec<String>, ScimError> {
    let wrong = || ScimError::value(format!("{name} is not a list of names"));
    let text = match json::get(body, name) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(names)) => return names.iter().map(|name| name.as_str().map(str::to_owned).ok_or_else(wrong)).collect(),
        Some(Value::String(text)) => text,
        Some(Value::Bool(_) | Value::Number(_) | Value::Object(_)) => return Err(wrong()),
    };
    let mut depth = 0_usize;
    let parts = text.split(|character| {
        match character {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    });
    Ok(parts.map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// A ListResponse.
pub fn response(total: usize, query: &Query, resources: &[Object]) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": total,
        "startIndex": query.start_index,
        "itemsPerPage": resources.len(),
        "Resources": resources,
    })
}

/// The filter of a query, with its names looked up.
pub fn predicate(query: &Query, resource_type: &ResourceType) -> Result<Option<Predicate>, ScimError> {
    let Some(text) = &query.filter else { return Ok(None) };
    let filter = ScimFilter::parse(text).map_err(|error| ScimError::filter(format!("filter {error}")))?;
    Predicate::compile(&filter, resource_type).map(Some)
}

/// Answers a query of the endpoint of a type. Runs as long as the search takes.
pub fn of_type(gateway: &Gateway, resource_type: &ResourceType, query: &Query) -> Result<Value, ScimError> {
    match resource_type.source {
        Source::Entries => stored(gateway, &[resource_type], query),
        Source::Sessions => at_hand(sessions::all(gateway, resource_type), resource_type, query),
    }
}

/// Answers a query over one type, or over several as one list (RFC 7644 §3.4.2.1). Runs as long as the search takes.
pub fn stored(gateway: &Gateway, types: &[&ResourceType], query: &Query) -> Result<Value, ScimError> {
    let mut found = Found { query, total: 0, resources: Vec::new() };
    let mut refused = None;
    for resource_type in types {
        match predicate(query, resource_type) {
            Ok(predicate) => found.of_type(gateway, resource_type, predicate)?,
            // Over several types a name that one of them does not have matches nothing of it.
            Err(error) if types.len() > 1 => refused = Some(error),
            Err(error) => return Err(error),
        }
    }
    match refused {
        Some(error) if types.iter().all(|resource_type| predicate(query, resource_type).is_err()) => return Err(error),
        Some(_) | None => {}
    }
    found.finish(types)
}

/// Answers a query over resources that are at hand.
pub fn at_hand(resources: Vec<Object>, resource_type: &ResourceType, query: &Query) -> Result<Value, ScimError> {
    let predicate = predicate(query, resource_type)?;
    let mut found = Found { query, total: 0, resources: Vec::new() };
    for resource in resources.into_iter().filter(|resource| predicate.as_ref().is_none_or(|predicate| predicate.matches(resource))) {
        found.push(|| resource);
    }
    found.finish(&[resource_type])
}

struct Found<'q> {
    query: &'q Query,
    total: usize,
    /// Those of the page; all of them where they are sorted afterwards.
    resources: Vec<Object>,
}

impl Found<'_> {
    fn is_on_page(&self) -> bool {
        self.query.sort_by.is_some() || (self.total >= self.query.start_index && self.resources.len() < self.query.count)
    }

    fn push(&mut self, make: impl FnOnce() -> Object) {
        self.total += 1;
        if self.is_on_page() {
            self.resources.push(make());
        }
    }

    fn of_type(&mut self, gateway: &Gateway, resource_type: &ResourceType, predicate: Option<Predicate>) -> Result<(), ScimError> {
        let projection = Projection::new(&self.query.attributes, &self.query.excluded, resource_type)?;
        let (narrowed, rest) = match predicate {
            None => (None, None),
            Some(predicate) => narrow(predicate, resource_type, gateway)?,
        };
        let mapping = resource_type.mapping;
        let class = equals("objectClass", mapping.object_class);
        let filter = Filter::And(std::iter::once(class).chain(narrowed).collect());
        let sorted = self.query.sort_by.clone();
        let wants = |computed: &Computed| {
            projection.wants(resource_type, computed)
                || rest.as_ref().is_some_and(|rest| mentions(rest, computed))
                || sorted.as_ref().is_some_and(|sorted| sorted.to_ascii_lowercase().contains(&computed.name.to_ascii_lowercase()))
        };
        let mut attributes = mapping.attributes_to_read();
        attributes.extend(mapping.also(&wants));
        let too_many = |error: ScimError| match error.status {
            StatusCode::PAYLOAD_TOO_LARGE => ScimError::of(ScimType::TooMany, "the filter selects too many entries to look at: narrow it"),
            _ => error,
        };
        let mut page: Vec<OwnedEntry> = Vec::new();
        gateway
            .for_each(&gateway.organisation, Scope::Subtree, &filter, &attributes, &mut |entry| {
                if rest.is_some() {
                    page.push(entry.to_owned());
                    return;
                }
                self.total += 1;
                if self.query.sort_by.is_some()
                    || (self.total >= self.query.start_index && page.len() + self.resources.len() < self.query.count)
                {
                    page.push(entry.to_owned());
                }
            })
            .map_err(too_many)?;
        for entry in page {
            let Some(rest) = &rest else {
                self.resources.push(gateway.resource(resource_type, &entry, &wants)?);
                continue;
            };
            let resource = gateway.resource(resource_type, &entry, &wants)?;
            if rest.matches(&resource) {
                self.push(|| resource);
            }
        }
        Ok(())
    }

    fn finish(mut self, types: &[&ResourceType]) -> Result<Value, ScimError> {
        if let Some(sort_by) = &self.query.sort_by {
            sort(&mut self.resources, sort_by, self.query.descending, types)?;
            let from = (self.query.start_index - 1).min(self.resources.len());
            self.resources.drain(..from);
            self.resources.truncate(self.query.count);
        }
        let mut resources = Vec::with_capacity(self.resources.len());
        for resource in self.resources {
            let name = resource.get("meta").and_then(|meta| meta.get("resourceType")).and_then(Value::as_str);
            let Some(resource_type) = types.iter().find(|held| Some(held.name) == name) else { continue };
            let projection = Projection::new(&self.query.attributes, &self.query.excluded, resource_type)?;
            resources.push(projection.apply(resource, resource_type));
        }
        Ok(response(self.total, self.query, &resources))
    }
}

/// What a resource is sorted by.
#[derive(PartialEq, PartialOrd)]
enum Key {
    Boolean(bool),
    Instant(i128),
    Number(f64),
    Text(String),
}

fn sort(resources: &mut Vec<Object>, sort_by: &str, descending: bool, types: &[&ResourceType]) -> Result<(), ScimError> {
    let path = Path::parse(sort_by).map_err(|error| ScimError::path(format!("sortBy {error}")))?;
    let targets = types.iter().find_map(|resource_type| resource_type.resolve(&path.attribute));
    let Some(Target::Attribute(extension, attribute, sub)) = targets.filter(|_| path.filter.is_none()) else {
        return Err(ScimError::path(format!("sortBy {sort_by} is no attribute")));
    };
    if attribute.returned == Returned::Never {
        return Err(ScimError::filter(format!("{sort_by} cannot be sorted by")));
    }
    let leaf = sub.or_else(|| attribute.sub("value")).unwrap_or(attribute);
    let key = |resource: &Object| -> Option<Key> {
        let holder = match extension {
            None => resource,
            Some(extension) => resource.get(&extension.id)?.as_object()?,
        };
        let held = holder.get(&attribute.name)?;
        // Of several values the primary one counts, or else the first (RFC 7644 §3.4.2.3).
        let held = held.as_array().map_or(Some(held), |values| values.iter().find(|value| is_primary(value)).or_else(|| values.first()))?;
        let held = if attribute.is_complex() { held.get(&leaf.name)? } else { held };
        match leaf.data_type {
            DataType::Boolean => held.as_bool().map(Key::Boolean),
            DataType::DateTime => held.as_str().and_then(evaluate::instant).map(Key::Instant),
            DataType::Decimal | DataType::Integer => held.as_f64().map(Key::Number),
            DataType::Binary | DataType::Reference | DataType::String => {
                held.as_str().map(|text| Key::Text(evaluate::folded(text, leaf.case_exact).into_owned()))
            }
            DataType::Complex => None,
        }
    };
    let mut keyed: Vec<(Option<Key>, Object)> = std::mem::take(resources).into_iter().map(|resource| (key(&resource), resource)).collect();
    keyed.sort_by(|(left, _), (right, _)| {
        // What has no value comes last, and first where the order is descending.
        let order = match (left, right) {
            (Some(left), Some(right)) => left.partial_cmp(right).unwrap_or(Ordering::Equal),
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
        };
        if descending { order.reverse() } else { order }
    });
    resources.extend(keyed.into_iter().map(|(_, resource)| resource));
    Ok(())
}

/// Whether a predicate asks about what is computed.
fn mentions(predicate: &Predicate, computed: &Computed) -> bool {
    match predicate {
        Predicate::And(parts) | Predicate::Or(parts) => parts.iter().any(|part| mentions(part, computed)),
        Predicate::Not(inner) => mentions(inner, computed),
        Predicate::Compare(location, ..) | Predicate::Present(location) | Predicate::Element(location, _) => {
            location.extension.as_deref() == computed.extension
                && location.attribute.as_ref().is_none_or(|attribute| attribute == computed.name)
        }
    }
}

/// The LDAP filter that finds at least what the predicate asks for, and what is left to test on the resource.
fn narrow(
    predicate: Predicate,
    resource_type: &ResourceType,
    lookup: &dyn Lookup,
) -> Result<(Option<Filter<'static>>, Option<Predicate>), ScimError> {
    match predicate {
        Predicate::And(parts) => {
            let (mut filters, mut rest) = (Vec::new(), Vec::new());
            for part in parts {
                let (filter, left) = narrow(part, resource_type, lookup)?;
                filters.extend(filter);
                rest.extend(left);
            }
            Ok((
                Some(Filter::And(filters)),
                Some(Predicate::And(rest)).filter(|rest| !matches!(rest, Predicate::And(parts) if parts.is_empty())),
            ))
        }
        Predicate::Or(parts) => {
            let mut filters = Vec::new();
            let mut exact = true;
            for part in &parts {
                let (filter, left) = narrow(part.clone(), resource_type, lookup)?;
                let Some(filter) = filter else { return Ok((None, Some(Predicate::Or(parts)))) };
                exact &= left.is_none();
                filters.push(filter);
            }
            Ok((Some(Filter::Or(filters)), Some(Predicate::Or(parts)).filter(|_| !exact)))
        }
        Predicate::Element(location, inner) if is_simple(&inner) => {
            // `emails[value eq "x" and type eq "work"]`: some value is x, and the element is tested again.
            let value = equal_value(&inner).map(str::to_owned);
            let exact = matches!(*inner, Predicate::Compare(..));
            let found = match value {
                Some(value) => comparison(&Location { sub: Some("value".to_owned()), ..location.clone() }, &value, resource_type, lookup)?,
                None => None,
            };
            let rest = Predicate::Element(location, inner);
            Ok(match found {
                Some((filter, equal)) => (Some(filter), Some(rest).filter(|_| !(equal && exact))),
                None => (None, Some(rest)),
            })
        }
        Predicate::Compare(location, Operator::Equal, Operand::Text(value, exact)) => {
            let found = comparison(&location, &value, resource_type, lookup)?;
            let rest = Predicate::Compare(location, Operator::Equal, Operand::Text(value, exact));
            Ok(match found {
                Some((filter, true)) => (Some(filter), None),
                Some((filter, false)) => (Some(filter), Some(rest)),
                None => (None, Some(rest)),
            })
        }
        Predicate::Compare(location, Operator::StartsWith, Operand::Text(value, exact)) => {
            let filter = prefix(&location, &value, resource_type);
            Ok((filter, Some(Predicate::Compare(location, Operator::StartsWith, Operand::Text(value, exact)))))
        }
        other @ (Predicate::Not(_) | Predicate::Compare(..) | Predicate::Present(_) | Predicate::Element(..)) => Ok((None, Some(other))),
    }
}

/// A condition on `value`, alone or together with others.
fn is_simple(inner: &Predicate) -> bool {
    equal_value(inner).is_some()
}

fn equal_value(inner: &Predicate) -> Option<&str> {
    match inner {
        Predicate::And(parts) => parts.iter().find_map(equal_value),
        Predicate::Compare(location, Operator::Equal, Operand::Text(value, _)) if location.sub.as_deref() == Some("value") => Some(value),
        Predicate::Compare(..) | Predicate::Or(_) | Predicate::Not(_) | Predicate::Present(_) | Predicate::Element(..) => None,
    }
}

fn place(location: &Location) -> Option<(&str, Option<&str>)> {
    match (&location.extension, &location.attribute) {
        (None, Some(attribute)) => Some((attribute, location.sub.as_deref())),
        (Some(_), _) | (None, None) => None,
    }
}

/// An equality as LDAP filter, and whether it finds exactly what is asked for.
fn comparison(
    location: &Location,
    value: &str,
    resource_type: &ResourceType,
    lookup: &dyn Lookup,
) -> Result<Option<(Filter<'static>, bool)>, ScimError> {
    let nothing = Some((Filter::Or(Vec::new()), true));
    let by = |searchable: &Searchable, value: &str| one_of(searchable.ldap.iter().map(|&name| equals(name, value)).collect());
    if place(location) == Some(("id", None)) {
        return Ok(if uuid::Uuid::try_parse(value).is_err() { nothing } else { Some((equals("entryUUID", value), false)) });
    }
    let Some(searchable) = searchable(location, resource_type) else { return Ok(None) };
    Ok(match searchable.finds {
        Finds::Link => lookup.person_dn(value)?.map_or(nothing, |dn| Some((by(searchable, &dn), true))),
        Finds::Ascii if !value.is_ascii() => None,
        Finds::Ascii | Finds::Text => Some((by(searchable, value), false)),
    })
}

/// How entries are found by what is in that place.
fn searchable<'t>(location: &Location, resource_type: &'t ResourceType) -> Option<&'t Searchable> {
    let (name, sub) = place(location)?;
    resource_type.mapping.searchable.iter().find(|held| held.name == name && held.sub == sub)
}

fn prefix(location: &Location, value: &str, resource_type: &ResourceType) -> Option<Filter<'static>> {
    let starts = |attribute: &'static str| {
        let parts = Substrings { initial: Some(Cow::Owned(value.as_bytes().to_vec())), ..Substrings::default() };
        Filter::Substrings(Cow::Borrowed(attribute), parts)
    };
    // A space at either end means something else to LDAP (RFC 4518 §2.6.1).
    if value.is_empty() || value.trim() != value {
        return None;
    }
    let searchable = searchable(location, resource_type).filter(|held| held.by_prefix)?;
    Some(one_of(searchable.ldap.iter().map(|&attribute| starts(attribute)).collect()))
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
        let (filter, rest) = narrow(predicate(&query, resource_type).unwrap().unwrap(), resource_type, &People).unwrap();
        (filter.map(|filter| filter.to_string()), rest.is_some())
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
        ];
        for (filter, expected, tested_again) in cases {
            assert_eq!(narrowed(&filter, &catalogue.user), (expected, tested_again), "{filter}");
        }
        // Quirk 12: members are not loaded to be tested.
        let members = r#"members eq "u1""#;
        assert_eq!(narrowed(members, &catalogue.group), (Some("(|(member=uid=u1)(hcViewOnlyMember=uid=u1))".to_owned()), false));
        assert_eq!(narrowed(r#"members[value eq "nobody"]"#, &catalogue.group), (Some("(|)".to_owned()), false));
    }

    fn listed(parameters: &[(&str, &str)]) -> Result<Value, ScimError> {
        let catalogue = Catalogue::load().unwrap();
        let parameters: Vec<(String, String)> = parameters.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let resources = [("a", Some("Zoe")), ("B", None), ("c", Some("adam"))].map(|(name, title)| {
            let mut resource = json!({"id": name, "userName": name, "meta": {"resourceType": "User"}});
            if let Some(title) = title {
                resource["title"] = title.into();
            }
            resource.as_object().unwrap().clone()
        });
        at_hand(resources.to_vec(), &catalogue.user, &Query::of_parameters(&parameters)?)
    }

    fn ids(list: &Value) -> Vec<&str> {
        list["Resources"].as_array().unwrap().iter().map(|resource| resource["id"].as_str().unwrap()).collect()
    }

    #[test]
    fn he8_pages_are_clamped_and_counted() {
        let page = listed(&[("startIndex", "2"), ("count", "1")]).unwrap();
        assert_eq!((ids(&page), &page["totalResults"], &page["itemsPerPage"]), (vec!["B"], &json!(3), &json!(1)));
        assert_eq!(listed(&[("count", "0")]).unwrap()["totalResults"], json!(3));
        assert_eq!(ids(&listed(&[("count", "-5")]).unwrap()), Vec::<&str>::new());
        assert_eq!(ids(&listed(&[("startIndex", "-9223372036854775809")]).unwrap()).len(), 3);
        assert_eq!(ids(&listed(&[("startIndex", "99999999999999999999999")]).unwrap()).len(), 0);
        assert_eq!(ids(&listed(&[("startIndex", "3"), ("sortBy", "userName")]).unwrap()), ["c"]);
        assert!(listed(&[("count", "x")]).is_err());
    }

    #[test]
    fn what_has_no_value_sorts_last_and_first_in_reverse() {
        assert_eq!(ids(&listed(&[("sortBy", "userName")]).unwrap()), ["a", "B", "c"]);
        assert_eq!(ids(&listed(&[("sortBy", "title")]).unwrap()), ["c", "a", "B"]);
        assert_eq!(ids(&listed(&[("sortBy", "TITLE"), ("sortOrder", "descending")]).unwrap()), ["B", "a", "c"]);
        assert!(listed(&[("sortBy", "password")]).is_err());
        assert!(listed(&[("sortBy", "nothing")]).is_err());
    }
}

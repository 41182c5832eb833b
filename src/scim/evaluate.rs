//! Filters over resources: names are looked up in the schema and operands brought to the type of their attribute
//! once ([`Predicate::compile`]); after that a test is a walk.

use super::error::ScimError;
use super::filter::{AttributePath, Filter, Operator};
use super::json::{self, Object};
use super::schema::{Attribute, DataType, ResourceType, Returned, Target};
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;

/// Where values are: in a resource, or in one element of a multi-valued attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The URN of the extension.
    pub extension: Option<String>,
    /// The attribute; `None` for the element itself.
    pub attribute: Option<String>,
    /// The sub-attribute.
    pub sub: Option<String>,
}

/// What values are compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// `true` or `false`.
    Boolean(bool),
    /// A point in time, in nanoseconds since 1970.
    Instant(i128),
    /// `null`: no value.
    Nothing,
    /// A number.
    Number(f64),
    /// Text, as given, and whether its case counts.
    Text(String, bool),
}

/// A filter that is ready to be tested.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicate {
    /// All of them.
    And(Vec<Self>),
    /// One of them.
    Or(Vec<Self>),
    /// The opposite.
    Not(Box<Self>),
    /// A comparison.
    Compare(Location, Operator, Operand),
    /// There is a value.
    Present(Location),
    /// One element matches.
    Element(Location, Box<Self>),
}

/// Nanoseconds since 1970 of an xsd:dateTime.
pub(super) fn instant(text: &str) -> Option<i128> {
    text.trim().parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_nanosecond)
}

/// A boolean, also where it came as text: Entra ID sends "True" (quirks 2 and 3).
pub(super) fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Text by which values are compared where case does not count.
pub(super) fn folded(text: &str, case_exact: bool) -> Cow<'_, str> {
    match case_exact {
        true => Cow::Borrowed(text),
        false => Cow::Owned(text.to_lowercase()),
    }
}

impl Predicate {
    /// Looks the names of a filter up. What cannot be filtered by is 400 invalidFilter: unknown names, secrets
    /// (HE5), and comparisons that the type does not have (RFC 7644, table 3).
    pub fn compile(filter: &Filter, resource: &ResourceType) -> Result<Self, ScimError> {
        Self::with(filter, &|path| {
            let Some(Target::Attribute(extension, attribute, sub)) = resource.resolve(path) else {
                return Err(ScimError::filter(format!("{path} is no attribute of {}", resource.name)));
            };
            let location = Location {
                extension: extension.map(|extension| extension.id.clone()),
                attribute: Some(attribute.name.clone()),
                sub: sub.map(|sub| sub.name.clone()),
            };
            if attribute.returned == Returned::Never || sub.is_some_and(|sub| sub.returned == Returned::Never) {
                return Err(ScimError::filter(format!("{path} cannot be filtered by")));
            }
            Ok((location, sub.unwrap_or(attribute), sub.is_none()))
        })
    }

    /// As [`compile`](Self::compile), for what stands in the brackets after `attribute`.
    pub fn compile_element(filter: &Filter, attribute: &Attribute) -> Result<Self, ScimError> {
        Self::with(filter, &|path| {
            let unknown = || ScimError::filter(format!("{path} is no sub-attribute of {}", attribute.name));
            if path.urn.is_some() || path.sub.is_some() {
                return Err(unknown());
            }
            if !attribute.is_complex() && path.name.eq_ignore_ascii_case("value") {
                return Ok((Location { extension: None, attribute: None, sub: None }, attribute, true));
            }
            let sub = attribute.sub(&path.name).ok_or_else(unknown)?;
            Ok((Location { extension: None, attribute: None, sub: Some(sub.name.clone()) }, sub, false))
        })
    }

    fn with<'s>(filter: &Filter, resolve: &Resolve<'s, '_>) -> Result<Self, ScimError> {
        let all = |parts: &[Filter]| parts.iter().map(|part| Self::with(part, resolve)).collect::<Result<Vec<_>, _>>();
        Ok(match filter {
            Filter::And(parts) => Self::And(all(parts)?),
            Filter::Or(parts) => Self::Or(all(parts)?),
            Filter::Not(inner) => Self::Not(Box::new(Self::with(inner, resolve)?)),
            Filter::Present(path) => Self::Present(resolve(path)?.0),
            Filter::Compare(path, operator, value) => {
                let (mut location, mut attribute, whole) = resolve(path)?;
                if let Some(sub) = attribute.sub("value").filter(|_| whole) {
                    // A bare name of a complex attribute means its `value` (RFC 7644 §3.4.2.2).
                    location.sub = Some(sub.name.clone());
                    attribute = sub;
                }
                let operand = operand(attribute, *operator, value)
                    .map_err(|reason| ScimError::filter(format!("{path} {} {value}: {reason}", operator.text())))?;
                Self::Compare(location, *operator, operand)
            }
            Filter::Element(path, inner) => {
                let (location, attribute, _) = resolve(path)?;
                if !attribute.multi_valued && !attribute.is_complex() {
                    return Err(ScimError::filter(format!("{path} has no elements to select")));
                }
                Self::Element(location, Box::new(Self::compile_element(inner, attribute)?))
            }
        })
    }

    /// Where it looks, added to `found`.
    pub fn locations<'p>(&'p self, found: &mut Vec<&'p Location>) {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.locations(found)),
            Self::Not(inner) => inner.locations(found),
            Self::Compare(location, ..) | Self::Present(location) | Self::Element(location, _) => found.push(location),
        }
    }

    /// Whether the resource matches.
    pub fn matches(&self, resource: &Object) -> bool {
        self.test(&|location| {
            let holder = match &location.extension {
                None => Some(resource),
                Some(urn) => resource.get(urn).and_then(Value::as_object),
            };
            let found = location.attribute.as_ref().and_then(|name| holder?.get(name));
            values(found, location.sub.as_deref())
        })
    }

    /// Whether one element of a multi-valued attribute matches.
    pub fn matches_element(&self, element: &Value) -> bool {
        self.test(&|location| values(Some(element), location.sub.as_deref()))
    }

    fn test<'v>(&self, find: &dyn Fn(&Location) -> Vec<&'v Value>) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.test(find)),
            Self::Or(parts) => parts.iter().any(|part| part.test(find)),
            Self::Not(inner) => !inner.test(find),
            Self::Present(location) => find(location).into_iter().any(|value| !json::is_unassigned(value)),
            Self::Element(location, inner) => find(location).into_iter().any(|element| inner.matches_element(element)),
            Self::Compare(location, operator, operand) => compare(&find(location), *operator, operand),
        }
    }
}

/// What a name is: where, its definition, and whether it was named without a sub-attribute.
type Resolve<'s, 'f> = dyn Fn(&AttributePath) -> Result<(Location, &'s Attribute, bool), ScimError> + 'f;

/// Brings the operand to the type of the attribute.
fn operand(attribute: &Attribute, operator: Operator, value: &Value) -> Result<Operand, &'static str> {
    use Operator::{Contains, EndsWith, Equal, NotEqual, StartsWith};
    let equality = matches!(operator, Equal | NotEqual);
    let substring = matches!(operator, Contains | StartsWith | EndsWith);
    if value.is_null() {
        return if equality { Ok(Operand::Nothing) } else { Err("null can only be equal or not") };
    }
    match attribute.data_type {
        DataType::Complex => Err("the attribute has parts: name one of them"),
        DataType::Boolean if !equality => Err("a boolean can only be equal or not"),
        DataType::Boolean => boolean(value).map(Operand::Boolean).ok_or("true or false was expected"),
        DataType::Integer | DataType::Decimal if substring => Err("a number has no parts"),
        DataType::Integer | DataType::Decimal => value.as_f64().map(Operand::Number).ok_or("a number was expected"),
        DataType::DateTime if !substring => value.as_str().and_then(instant).map(Operand::Instant).ok_or("a dateTime was expected"),
        DataType::Binary if !equality && !substring => Err("binary values have no order"),
        DataType::Binary | DataType::DateTime | DataType::Reference | DataType::String => {
            let text = value.as_str().ok_or("a string was expected")?;
            Ok(Operand::Text(text.to_owned(), attribute.case_exact))
        }
    }
}

/// The values of an attribute, or of a sub-attribute of each element.
fn values<'v>(found: Option<&'v Value>, sub: Option<&str>) -> Vec<&'v Value> {
    let elements = match found {
        None => &[],
        Some(Value::Array(elements)) => elements.as_slice(),
        Some(single) => std::slice::from_ref(single),
    };
    match sub {
        None => elements.iter().collect(),
        Some(sub) => elements.iter().filter_map(|element| element.get(sub)).collect(),
    }
}

fn compare(values: &[&Value], operator: Operator, operand: &Operand) -> bool {
    let any = |test: &dyn Fn(&Value) -> bool| values.iter().any(|value| test(value));
    let present = || any(&|value| !json::is_unassigned(value));
    match (operator, operand) {
        (Operator::NotEqual, Operand::Nothing) => present(),
        (_, Operand::Nothing) => !present(),
        // An attribute without a value is not equal to any.
        (Operator::NotEqual, _) => !any(&|value| order(value, operand) == Some(Ordering::Equal)),
        (Operator::Contains, Operand::Text(text, exact)) => any(&|value| part(value, text, *exact, |held, text| held.contains(text))),
        (Operator::StartsWith, Operand::Text(text, exact)) => any(&|value| part(value, text, *exact, |held, text| held.starts_with(text))),
        (Operator::EndsWith, Operand::Text(text, exact)) => any(&|value| part(value, text, *exact, |held, text| held.ends_with(text))),
        (Operator::Contains | Operator::StartsWith | Operator::EndsWith, _) => false,
        (Operator::Equal, _) => any(&|value| order(value, operand) == Some(Ordering::Equal)),
        (Operator::Greater, _) => any(&|value| order(value, operand) == Some(Ordering::Greater)),
        (Operator::GreaterOrEqual, _) => any(&|value| order(value, operand).is_some_and(Ordering::is_ge)),
        (Operator::Less, _) => any(&|value| order(value, operand) == Some(Ordering::Less)),
        (Operator::LessOrEqual, _) => any(&|value| order(value, operand).is_some_and(Ordering::is_le)),
    }
}

fn part(value: &Value, text: &str, exact: bool, test: fn(&str, &str) -> bool) -> bool {
    value.as_str().is_some_and(|held| test(&folded(held, exact), &folded(text, exact)))
}

/// How a value stands to the operand; `None` where they cannot be compared.
fn order(value: &Value, operand: &Operand) -> Option<Ordering> {
    match operand {
        Operand::Boolean(wanted) => boolean(value).map(|held| held.cmp(wanted)),
        Operand::Instant(wanted) => value.as_str().and_then(instant).map(|held| held.cmp(wanted)),
        Operand::Nothing => None,
        Operand::Number(wanted) => value.as_f64()?.partial_cmp(wanted),
        Operand::Text(wanted, exact) => value.as_str().map(|held| folded(held, *exact).cmp(&folded(wanted, *exact))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::schema::Catalogue;
    use serde_json::json;

    fn resource() -> Object {
        let Value::Object(resource) = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "id": "2819c223",
            "externalId": "701984",
            "userName": "bjensen@example.com",
            "name": {"familyName": "O'Malley", "givenName": "Barbara"},
            "title": "Vice President",
            "active": true,
            "emails": [
                {"value": "bjensen@example.com", "type": "work", "primary": true},
                {"value": "babs@jensen.org", "type": "home"}
            ],
            "meta": {"resourceType": "User", "lastModified": "2011-05-13T04:42:34.000Z"},
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Tour", "manager": {"value": "26118915"}}
        }) else {
            unreachable!()
        };
        resource
    }

    fn test(filter: &str) -> Result<bool, ScimError> {
        let catalogue = Catalogue::load().unwrap();
        let filter = Filter::parse(filter).map_err(|error| ScimError::filter(error.to_string()))?;
        Ok(Predicate::compile(&filter, &catalogue.user)?.matches(&resource()))
    }

    #[test]
    fn filters_select_as_rfc7644_says() {
        let cases = [
            (r#"userName eq "BJensen@Example.com""#, true),
            (r#"externalId eq "701984""#, true),
            (r#"id eq "2819C223""#, false),
            (r#"name.familyName co "o'm""#, true),
            (r#"username SW "bj" AND Title PR"#, true),
            (r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "bj""#, true),
            (r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "tour""#, true),
            (r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager eq "26118915""#, true),
            ("nickName pr", false),
            (r#"nickName ne "x""#, true),
            ("nickName eq null", true),
            ("title ne null", true),
            (r#"emails co "jensen.org""#, true),
            (r#"emails.type eq "home" and emails.value eq "bjensen@example.com""#, true),
            (r#"emails[type eq "home" and value eq "bjensen@example.com"]"#, false),
            (r#"emails[type eq "home"].value eq "babs@jensen.org""#, true),
            (r#"emails[not (type eq "work")]"#, true),
            (r#"not (emails[type eq "work"])"#, false),
            ("emails pr", true),
            ("active eq true", true),
            (r#"active eq "False""#, false),
            (r#"meta.lastModified eq "2011-05-13T06:42:34+02:00""#, true),
            (r#"meta.lastModified ge "0001-01-03T00:00:00.0000000Z""#, true),
            (r#"meta.lastModified gt "2011-05-13T04:42:34Z""#, false),
            (r#"meta.resourceType eq "User""#, true),
            (r#"schemas eq "urn:ietf:params:scim:schemas:core:2.0:User""#, true),
            (r#"title gt "Vice" and title lt "Vicf""#, true),
            (r#"roles pr or groups.display eq "x""#, false),
        ];
        for (filter, expected) in cases {
            assert_eq!(test(filter), Ok(expected), "{filter}");
        }
    }

    #[test]
    fn he5_what_cannot_be_filtered_by_is_refused() {
        let refused = [
            r#"password eq "x""#,
            "password pr",
            r#"nothing eq "x""#,
            r#"department eq "x""#,
            "active gt true",
            r#"active co "t""#,
            r#"name eq "x""#,
            "userName eq 5",
            r#"meta.created gt "yesterday""#,
            r#"emails[nothing eq "x"]"#,
            r#"userName[value eq "x"]"#,
            "title gt null",
        ];
        for filter in refused {
            assert_eq!(test(filter).unwrap_err().kind, Some(crate::scim::error::ScimType::InvalidFilter), "{filter}");
        }
    }
}

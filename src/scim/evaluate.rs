//! Filters over resources: names are looked up in the schema and operands brought to the type of their attribute
//! once ([`Predicate::compile`]); after that a test is a walk.

use super::error::ScimError;
use super::filter::{AttributePath, Filter, Operator};
use super::json::{self, Object};
use super::schema::{Attribute, DataType, ResourceType, Returned, Target};
use crate::base::prepare::{Case, Insignificant, prepare};
use jiff::civil::{Date, Time};
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

/// Nanoseconds since 1970 of an xsd:dateTime (RFC 7643 §2.3.5), in UTC where it names no zone. What is finer than a
/// nanosecond is cut off.
pub(super) fn instant(text: &str) -> Option<i128> {
    let (date, time) = text.split_once(['T', 't'])?;
    let mut parts = date.splitn(3, '-');
    let date = Date::new(digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?).ok()?;
    let (time, zone) = match time.find(['Z', 'z', '+', '-']) {
        Some(at) => time.split_at_checked(at)?,
        None => (time, "Z"),
    };
    let (time, fraction) = time.split_once('.').map_or((time, None), |(time, fraction)| (time, Some(fraction)));
    let (hour, minute, second): (i8, i8, i8) = clock(time)?;
    let nanosecond = match fraction {
        None => 0,
        Some(fraction) if !fraction.is_empty() && fraction.bytes().all(|digit| digit.is_ascii_digit()) => {
            format!("{fraction:0<9}").get(..9)?.parse().ok()?
        }
        Some(_) => return None,
    };
    // 24:00:00 is the midnight at the end of the day.
    let (date, hour) = match (hour, minute, second, nanosecond) {
        (24, 0, 0, 0) => (date.tomorrow().ok()?, 0),
        _ => (date, hour),
    };
    let local = date.to_datetime(Time::new(hour, minute, second, nanosecond).ok()?);
    // Days are counted without a time zone: the last day of 9999 is none that an instant can be made of.
    let since = local.duration_since(Date::constant(1970, 1, 1).to_datetime(Time::midnight()));
    Some(since.as_nanos() - i128::from(offset(zone)?) * 60_000_000_000)
}

/// A number of so many digits.
fn digits<N: std::str::FromStr>(text: &str, length: usize) -> Option<N> {
    (text.len() == length && text.bytes().all(|digit| digit.is_ascii_digit())).then(|| text.parse().ok())?
}

/// `hh:mm:ss`.
fn clock<N: std::str::FromStr>(text: &str) -> Option<(N, N, N)> {
    let mut parts = text.splitn(3, ':');
    Some((digits(parts.next()?, 2)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?))
}

/// Minutes east of Greenwich, of `Z` or `+hh:mm`; 14 hours at most.
fn offset(zone: &str) -> Option<i32> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let (hours, minutes): (i32, i32) = (digits(hours, 2)?, digits(minutes, 2)?);
    let east = hours * 60 + minutes;
    (minutes < 60 && east <= 14 * 60).then_some(if zone.starts_with('-') { -east } else { east })
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

/// Text by which values are compared. Where case does not count it is prepared as LDAP prepares it (RFC 4518), so that both
/// doors agree on what is the same; that tells fewer names apart than UsernameCaseMapped (RFC 8265 §3.3), never more.
pub(super) fn folded(text: &str, case_exact: bool) -> Cow<'_, str> {
    folded_part(text, case_exact, Insignificant::Spaces)
}

/// The same of a part of a value.
fn folded_part(text: &str, case_exact: bool, part: Insignificant) -> Cow<'_, str> {
    if case_exact {
        return Cow::Borrowed(text);
    }
    let mut prepared = Vec::with_capacity(text.len() + 2);
    let prepared = prepare(text.as_bytes(), Case::Ignore, part, &mut prepared).is_ok().then_some(prepared);
    Cow::Owned(prepared.and_then(|prepared| String::from_utf8(prepared).ok()).unwrap_or_else(|| text.to_lowercase()))
}

impl Predicate {
    /// Looks the names of a filter up. What cannot be filtered by is 400 invalidFilter: unknown names, secrets
    /// (HE5), and comparisons that the type does not have (RFC 7644, table 3).
    pub fn compile(filter: &Filter, resource: &ResourceType) -> Result<Self, ScimError> {
        Self::with(filter, &|path| match find(path, resource)? {
            None => Err(ScimError::filter(format!("{path} is no attribute of {}", resource.name))),
            found => Ok(found),
        })
    }

    /// As [`compile`](Self::compile), where several types are asked: an attribute that one of them does not have is one
    /// without a value (RFC 7644 §3.4.2.1).
    pub fn compile_among(filter: &Filter, resource: &ResourceType) -> Result<Self, ScimError> {
        Self::with(filter, &|path| find(path, resource))
    }

    /// As [`compile`](Self::compile), for what stands in the brackets after `attribute`.
    pub fn compile_element(filter: &Filter, attribute: &Attribute) -> Result<Self, ScimError> {
        Self::with(filter, &|path| {
            let unknown = || ScimError::filter(format!("{path} is no sub-attribute of {}", attribute.name));
            if path.urn.is_some() || path.sub.is_some() {
                return Err(unknown());
            }
            if !attribute.is_complex() && path.name.eq_ignore_ascii_case("value") {
                return Ok(Some((Location { extension: None, attribute: None, sub: None }, attribute, true)));
            }
            let sub = attribute.sub(&path.name).ok_or_else(unknown)?;
            if sub.returned == Returned::Never {
                return Err(ScimError::filter(format!("{path} cannot be filtered by")));
            }
            Ok(Some((Location { extension: None, attribute: None, sub: Some(sub.name.clone()) }, sub, false)))
        })
    }

    /// What is so of everything, or of nothing.
    fn constant(so: bool) -> Self {
        if so { Self::And(Vec::new()) } else { Self::Or(Vec::new()) }
    }

    fn with<'s>(filter: &Filter, resolve: &Resolve<'s, '_>) -> Result<Self, ScimError> {
        let all = |parts: &[Filter]| parts.iter().map(|part| Self::with(part, resolve)).collect::<Result<Vec<_>, _>>();
        Ok(match filter {
            Filter::And(parts) => Self::And(all(parts)?),
            Filter::Or(parts) => Self::Or(all(parts)?),
            Filter::Not(inner) => Self::Not(Box::new(Self::with(inner, resolve)?)),
            Filter::Present(path) => resolve(path)?.map_or_else(|| Self::constant(false), |(location, ..)| Self::Present(location)),
            Filter::Compare(path, operator, value) => {
                let Some((mut location, mut attribute, whole)) = resolve(path)? else {
                    // What has no value is equal to null, and not to anything else.
                    let wanted = if value.is_null() { Operator::Equal } else { Operator::NotEqual };
                    return Ok(Self::constant(*operator == wanted));
                };
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
                let Some((location, attribute, _)) = resolve(path)? else { return Ok(Self::constant(false)) };
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

/// What a name is: where, its definition, and whether it was named without a sub-attribute; `None` where it is taken for an
/// attribute without a value.
type Resolve<'s, 'f> = dyn Fn(&AttributePath) -> Result<Option<Found<'s>>, ScimError> + 'f;
type Found<'s> = (Location, &'s Attribute, bool);

/// Looks a name up in the schemas of a type.
fn find<'s>(path: &AttributePath, resource: &'s ResourceType) -> Result<Option<Found<'s>>, ScimError> {
    let Some(Target::Attribute(extension, attribute, sub)) = resource.resolve(path) else { return Ok(None) };
    let location = Location {
        extension: extension.map(|extension| extension.id.clone()),
        attribute: Some(attribute.name.clone()),
        sub: sub.map(|sub| sub.name.clone()),
    };
    if attribute.returned == Returned::Never || sub.is_some_and(|sub| sub.returned == Returned::Never) {
        return Err(ScimError::filter(format!("{path} cannot be filtered by")));
    }
    Ok(Some((location, sub.unwrap_or(attribute), sub.is_none())))
}

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
            match text.contains('\0') {
                true => Err("no value holds NUL"),
                false => Ok(Operand::Text(text.to_owned(), attribute.is_case_exact())),
            }
        }
    }
}

/// The values of an attribute, or of a sub-attribute of each element.
fn values<'v>(found: Option<&'v Value>, sub: Option<&str>) -> Vec<&'v Value> {
    let elements = found.map(each).unwrap_or_default();
    match sub {
        None => elements.iter().collect(),
        Some(sub) => elements.iter().filter_map(|element| element.get(sub)).flat_map(each).collect(),
    }
}

/// The elements of a value that is a list, or the value.
fn each(value: &Value) -> &[Value] {
    match value {
        Value::Array(elements) => elements,
        single => std::slice::from_ref(single),
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
        (Operator::Contains, Operand::Text(text, exact)) => {
            let part = folded_part(text, *exact, Insignificant::SpacesAny);
            any(&|value| value.as_str().is_some_and(|held| folded(held, *exact).contains(&*part)))
        }
        (Operator::StartsWith, Operand::Text(text, exact)) => {
            let part = folded_part(text, *exact, Insignificant::SpacesInitial);
            any(&|value| value.as_str().is_some_and(|held| folded(held, *exact).starts_with(&*part)))
        }
        (Operator::EndsWith, Operand::Text(text, exact)) => {
            let part = folded_part(text, *exact, Insignificant::SpacesFinal);
            any(&|value| value.as_str().is_some_and(|held| folded(held, *exact).ends_with(&*part)))
        }
        (Operator::Contains | Operator::StartsWith | Operator::EndsWith, _) => false,
        (Operator::Equal, _) => any(&|value| order(value, operand) == Some(Ordering::Equal)),
        (Operator::Greater, _) => any(&|value| order(value, operand) == Some(Ordering::Greater)),
        (Operator::GreaterOrEqual, _) => any(&|value| order(value, operand).is_some_and(Ordering::is_ge)),
        (Operator::Less, _) => any(&|value| order(value, operand) == Some(Ordering::Less)),
        (Operator::LessOrEqual, _) => any(&|value| order(value, operand).is_some_and(Ordering::is_le)),
    }
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

    #[test]
    fn instants_are_read_with_any_offset_and_fraction() {
        let second = 1_000_000_000;
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01T00:00:01.5z", Some(second * 3 / 2)),
            ("1970-01-01t14:00:00+14:00", Some(0)),
            ("1969-12-31T23:30:00-00:30", Some(0)),
            ("1970-01-01T00:00:00", Some(0)),
            ("1969-12-31T24:00:00Z", Some(0)),
            ("1970-01-01T00:00:00.1234567Z", Some(123_456_700)),
            ("1970-01-01T00:00:00.12345678987654321Z", Some(123_456_789)),
            ("0001-01-03T00:00:00.0000000Z", Some(-62_135_424_000 * second)),
            ("0000-01-01T00:00:00+14:00", Some((-62_167_219_200 - 14 * 3_600) * second)),
            ("2024-02-29T00:00:00Z", Some(1_709_164_800 * second)),
            ("9999-12-31T23:59:59.9999999Z", Some(253_402_300_799 * second + 999_999_900)),
            ("9999-12-31T23:59:59-14:00", Some((253_402_300_799 + 14 * 3_600) * second)),
            ("2023-02-29T00:00:00Z", None),
            ("1970-01-01", None),
            ("1970-01-01 00:00:00Z", None),
            ("1970-1-1T00:00:00Z", None),
            ("1970-01-01T00:00Z", None),
            ("1970-01-01T24:00:01Z", None),
            ("1970-01-01T00:60:00Z", None),
            ("1970-01-01T00:00:00.Z", None),
            ("1970-01-01T00:00:00.-1Z", None),
            ("1970-01-01T00:00:00+15:00", None),
            ("1970-01-01T00:00:00+0100", None),
            ("1970-01-01T00:00:00Z[UTC]", None),
            ("1970-01-01T00:00:00Zx", None),
            ("ä970-01-01T00:00:00Z", None),
            ("", None),
        ] {
            assert_eq!(instant(text), expected, "{text}");
        }
    }

    /// Each corner of RFC 7644 §3.4.2.2 that clients come across.
    #[test]
    fn corners_of_filters() {
        let urn = "urn:ietf:params:scim:schemas:core:2.0:User";
        let cases = [
            // Names with their URN, with and without a sub-attribute, in any case, also before brackets.
            (format!("{urn}:name.familyName sw \"o\""), true),
            (format!("{}:EMAILS[TYPE eq \"work\"]", urn.to_uppercase().replacen("URN", "urn", 1)), true),
            (format!("{urn}:meta.resourceType eq \"User\""), true),
            // Conditions with dots do not join on one element, those in brackets do.
            (r#"emails.type eq "home" and emails.primary eq true"#.to_owned(), true),
            (r#"emails[type eq "home" and primary eq true]"#.to_owned(), false),
            (r#"emails[type eq "home" or primary eq true].value co "bjensen""#.to_owned(), true),
            (r#"emails[type eq "home"].value pr and emails[type eq "home"].display pr"#.to_owned(), false),
            (r#"not (emails[type eq "fax"])"#.to_owned(), true),
            // Quirks 16, 17 and 21 of identity providers.
            (r#"emails[type eq "work"].value eq "BJENSEN@example.com""#.to_owned(), true),
            (r#"active eq true and (meta.lastModified ge "0001-01-03T00:00:00.0000000Z" and meta.lastModified le "2011-05-13T06:42:34.0000000+02:00")"#.to_owned(), true),
            (r#"meta.lastModified lt "2011-05-13T04:42:34.0000001Z""#.to_owned(), true),
            (r#"meta.lastModified ne "2011-05-13T05:42:34+01:00""#.to_owned(), false),
            // Case counts for ids, and for nothing that people type.
            (r#"externalId eq "701984" and not (id eq "2819C223")"#.to_owned(), true),
            (r#"userName co "JENSEN@EXAMPLE""#.to_owned(), true),
            (r#"userName ew "example.COM""#.to_owned(), true),
            // As LDAP compares text, so does SCIM: forms of letters and spaces beside each other do not count.
            (r#"title eq "vice   PRESIDENT ""#.to_owned(), true),
            (r#"title eq "\uff36ice President""#.to_owned(), true),
            (r#"title co "e p" and title sw "vice " and title ew " president""#.to_owned(), true),
            (r#"title co "ep""#.to_owned(), false),
            // Escapes of JSON.
            (r#"name.familyName eq "O\u0027Malley""#.to_owned(), true),
            (r#"name.familyName eq "O\"Malley""#.to_owned(), false),
            // Words in any case, and how tightly they bind.
            (r#"title PR AND NOT (nickName pr) Or active EQ False"#.to_owned(), true),
            (r#"nickName pr and title pr or active eq true"#.to_owned(), true),
            (r#"nickName pr and (title pr or active eq true)"#.to_owned(), false),
            // Null is no value.
            (r#"nickName eq null and not (title eq null) and emails ne null"#.to_owned(), true),
            (r#"title ne "x" and nickName ne "x""#.to_owned(), true),
            (r#"schemas eq "urn:ietf:params:scim:schemas:core:2.0:User" and schemas pr"#.to_owned(), true),
        ];
        for (filter, expected) in cases {
            assert_eq!(test(&filter), Ok(expected), "{filter}");
        }
    }

    #[test]
    fn corners_of_filters_that_are_refused() {
        let deep = format!("{}title pr{}", "(".repeat(5_000), ")".repeat(5_000));
        for filter in [
            "active gt true",
            "active le false",
            "emails.primary sw true",
            "x509Certificates.value gt \"MAMCAQE=\"",
            "x509Certificates lt \"MAMCAQE=\"",
            "userName eq ada",
            "userName eq \"a\\u0000\"",
            "userName eq \"\\ud800\"",
            "userName eq \"\\udc00\\ud800\"",
            "",
            " ",
            "urn:ietf:params:scim:schemas:core:2.0:User pr",
            "urn:x:y:userName pr",
            "password eq null",
            "urn:ietf:params:scim:schemas:core:2.0:User:password sw \"a\"",
            "emails[password pr]",
            "emails[emails.type eq \"work\"]",
            "addresses eq \"x\"",
            "meta.lastModified gt 5",
            &deep,
            &format!("title eq \"{}\"", "x".repeat(4_096)),
        ] {
            assert_eq!(test(filter).unwrap_err().kind, Some(crate::scim::error::ScimType::InvalidFilter), "{filter:.80}");
        }
    }

    #[test]
    fn over_several_types_a_strange_name_is_one_without_a_value() {
        let user = Catalogue::load().unwrap().user;
        let among = |text: &str| Predicate::compile_among(&Filter::parse(text).unwrap(), &user).map(|held| held.matches(&resource()));
        for (filter, expected) in [
            ("strange pr", false),
            ("not (strange pr)", true),
            ("strange eq \"x\"", false),
            ("strange ne \"x\"", true),
            ("strange eq null", true),
            ("strange ne null", false),
            ("strange gt 5", false),
            ("strange[value pr]", false),
            ("strange pr or userName sw \"bj\"", true),
        ] {
            assert_eq!(among(filter), Ok(expected), "{filter}");
        }
        assert!(among("password pr or strange pr").is_err());
    }

    /// Under `entra` a bare word is a string (quirk 16).
    #[test]
    fn quirk_16_bare_words() {
        use crate::scim::filter::Words;
        let read = |text: &str| Filter::read(text, Words::Strings).map(|filter| filter.to_string());
        assert_eq!(read("externalId eq jyoung").as_deref(), Ok("externalId eq \"jyoung\""));
        assert_eq!(read("(userName sw O) and active eq true").as_deref(), Ok("userName sw \"O\" and active eq true"));
        assert_eq!(
            read("emails[type eq work and value co @x.example]").as_deref(),
            Ok("emails[type eq \"work\" and value co \"@x.example\"]")
        );
        for refused in ["userName eq", "userName eq 'x'", "userName eq a\"b", "userName eq [a]", "userName eq a b"] {
            assert!(read(refused).is_err(), "{refused}");
        }
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

//! Filters beside a model of RFC 7644 §3.4.2.2: a tree of its own, tested on plain JSON by the words of the RFC, and printed as the
//! text that the parser gets. Both must select the same resources.

use super::evaluate::Predicate;
use super::filter::Filter;
use super::patch_model_tests::cases;
use super::schema::{Catalogue, ResourceType};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use std::sync::{Arc, LazyLock};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

static USER: LazyLock<Arc<ResourceType>> = LazyLock::new(|| Catalogue::load().unwrap().user);

/// One instant a line, each in several spellings.
const INSTANTS: [&[&str]; 3] = [
    &["2026-03-01T10:00:00Z", "2026-03-01T23:00:00.000+13:00", "2026-03-01T09:30:00.0000000-00:30"],
    &["2026-03-01T10:00:00.0000001Z", "2026-03-01T11:00:00.00000010+01:00"],
    &["2026-03-02T00:00:00Z", "2026-03-01T24:00:00Z", "2026-03-01T12:00:00-12:00"],
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Exact,
    Folded,
    Flag,
    Instant,
}

/// Name in a filter, where its values are, and of what kind they are.
type Leaf = (&'static str, &'static [&'static str], Kind);

const LEAVES: &[Leaf] = &[
    ("userName", &["userName"], Kind::Folded),
    ("URN:ietf:params:scim:schemas:core:2.0:User:TITLE", &["title"], Kind::Folded),
    ("externalId", &["externalId"], Kind::Exact),
    ("active", &["active"], Kind::Flag),
    ("name.familyName", &["name", "familyName"], Kind::Folded),
    ("emails", &["emails", "value"], Kind::Folded),
    ("emails.type", &["emails", "type"], Kind::Folded),
    ("emails.primary", &["emails", "primary"], Kind::Flag),
    ("meta.lastModified", &["meta", "lastModified"], Kind::Instant),
    ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", &[ENTERPRISE, "department"], Kind::Folded),
];

const OF_EMAILS: &[Leaf] = &[("value", &["value"], Kind::Folded), ("type", &["type"], Kind::Folded), ("primary", &["primary"], Kind::Flag)];

#[derive(Clone, Debug)]
enum Test {
    All(Vec<Self>),
    Any(Vec<Self>),
    No(Box<Self>),
    Has(Leaf),
    Is(Leaf, &'static str, Value),
    Email(Box<Self>),
}

impl Test {
    fn text(&self) -> String {
        let join = |parts: &[Self], word: &str| format!("({})", parts.iter().map(Self::text).collect::<Vec<_>>().join(word));
        match self {
            Self::All(parts) => join(parts, " and "),
            Self::Any(parts) => join(parts, " OR "),
            Self::No(part) => format!("not ({})", part.text()),
            Self::Has((name, ..)) => format!("{name} pr"),
            Self::Is((name, ..), operator, value) => format!("{name} {operator} {value}"),
            Self::Email(part) => format!("emails[{}]", part.text()),
        }
    }

    fn holds(&self, resource: &Value) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(resource)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(resource)),
            Self::No(part) => !part.holds(resource),
            Self::Has((_, place, _)) => !values(resource, place).is_empty(),
            Self::Email(part) => resource["emails"].as_array().is_some_and(|emails| emails.iter().any(|email| part.holds(email))),
            Self::Is((_, place, kind), operator, wanted) => {
                let held = values(resource, place);
                let equal = |held: &&Value| rank(*kind, held) == rank(*kind, wanted);
                match (*operator, wanted.is_null()) {
                    ("eq", true) => held.is_empty(),
                    ("ne", true) => !held.is_empty(),
                    ("eq", false) => held.iter().any(equal),
                    ("ne", false) => !held.iter().any(equal),
                    (operator, _) => held.iter().any(|held| compares(*kind, held, operator, wanted)),
                }
            }
        }
    }
}

/// The values at a place, those of all elements where there are several.
fn values<'v>(value: &'v Value, place: &[&str]) -> Vec<&'v Value> {
    match (value, place) {
        (Value::Array(elements), _) => elements.iter().flat_map(|element| values(element, place)).collect(),
        (Value::Null, _) => Vec::new(),
        (single, []) => vec![single],
        (single, [first, rest @ ..]) => values(&single[first], rest),
    }
}

/// What values are compared by.
fn rank(kind: Kind, value: &Value) -> String {
    match (kind, value.as_str()) {
        (Kind::Instant, Some(text)) => INSTANTS.iter().position(|spellings| spellings.contains(&text)).unwrap().to_string(),
        (Kind::Exact, Some(text)) => text.to_owned(),
        (_, Some(text)) => text.to_lowercase(),
        (_, None) => value.to_string(),
    }
}

fn compares(kind: Kind, held: &Value, operator: &str, wanted: &Value) -> bool {
    let (held, wanted) = (rank(kind, held), rank(kind, wanted));
    match operator {
        "co" => held.contains(&wanted),
        "sw" => held.starts_with(&wanted),
        "ew" => held.ends_with(&wanted),
        "gt" => held > wanted,
        "ge" => held >= wanted,
        "lt" => held < wanted,
        "le" => held <= wanted,
        _ => unreachable!("{operator}"),
    }
}

fn word() -> impl Strategy<Value = Value> {
    select(vec!["a", "A", "ab", "Ba", "b", "wORK", "work", "Ünï"]).prop_map(Value::from)
}

fn instant() -> impl Strategy<Value = Value> {
    select(INSTANTS.concat()).prop_map(Value::from)
}

fn leaf(leaves: &'static [Leaf]) -> impl Strategy<Value = Test> {
    select(leaves).prop_flat_map(|leaf| {
        let (operators, value) = match leaf.2 {
            Kind::Flag => (vec!["eq", "ne"], any::<bool>().prop_map(Value::from).boxed()),
            Kind::Instant => (vec!["eq", "ne", "gt", "ge", "lt", "le"], instant().boxed()),
            Kind::Exact | Kind::Folded => (vec!["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"], word().boxed()),
        };
        prop_oneof![
            1 => Just(Test::Has(leaf)),
            1 => select(vec!["eq", "ne"]).prop_map(move |operator| Test::Is(leaf, operator, Value::Null)),
            8 => (select(operators), value).prop_map(move |(operator, value)| Test::Is(leaf, operator, value)),
        ]
    })
}

fn nested(leaf: BoxedStrategy<Test>) -> BoxedStrategy<Test> {
    let deeper = |inner: BoxedStrategy<Test>| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Test::All),
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Test::Any),
            inner.prop_map(|part| Test::No(Box::new(part))),
        ]
    };
    leaf.prop_recursive(3, 12, 3, deeper).boxed()
}

fn filter() -> impl Strategy<Value = Test> {
    let email = nested(leaf(OF_EMAILS).boxed()).prop_map(|part| Test::Email(Box::new(part)));
    nested(prop_oneof![4 => leaf(LEAVES), 1 => email].boxed())
}

fn resource() -> impl Strategy<Value = Value> {
    let email = (word(), proptest::option::of(word()), proptest::option::of(any::<bool>()))
        .prop_map(|(value, kind, primary)| without_nothing(json!({"value": value, "type": kind, "primary": primary})));
    let emails = proptest::collection::vec(email, 0..3).prop_map(|emails| if emails.is_empty() { Value::Null } else { emails.into() });
    let maybe = || proptest::option::of(word());
    (word(), maybe(), maybe(), any::<bool>(), maybe(), emails, instant(), maybe()).prop_map(
        |(user, title, external, active, family, emails, modified, department)| {
            let family = family.map(|family| json!({"familyName": family}));
            let extension = department.map(|department| json!({"department": department}));
            without_nothing(json!({
                "userName": user, "title": title, "externalId": external, "active": active, "name": family, "emails": emails,
                "meta": {"lastModified": modified}, ENTERPRISE: extension
            }))
        },
    )
}

fn without_nothing(mut value: Value) -> Value {
    let members: &mut Map<String, Value> = value.as_object_mut().unwrap();
    members.retain(|_, value| !value.is_null());
    value
}

proptest! {
    #![proptest_config(cases(2_000, 100_000))]

    #[test]
    fn any_filter_selects_what_the_model_selects(filter in filter(), resources in proptest::collection::vec(resource(), 1..5)) {
        let text = filter.text();
        let parsed = Filter::parse(&text).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        let predicate = Predicate::compile(&parsed, &USER).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        for resource in &resources {
            prop_assert_eq!(predicate.matches(resource.as_object().unwrap()), filter.holds(resource), "{} on {}", text, resource);
        }
    }
}

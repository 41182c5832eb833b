//! Beside the crate `scim_v2`: what it reads of filters, paths, PATCH bodies and users, is read here with the same meaning. It
//! reads more in two places, which are named where they are left out: brackets behind a sub-attribute (`name.x[…]`, though
//! complex values do not nest), and names under URIs that are no URNs, of which there are no schemas here.

use super::filter::{AttributePath, Filter, Operator};
use super::json::Object;
use super::patch;
use super::patch_model_tests::cases;
use super::path::Path;
use super::resource::normalize;
use super::schema::{Catalogue, ResourceType};
use crate::directory::client::Profile;
use proptest::prelude::*;
use proptest::sample::select;
use scim_v2::filter::{AttrExp, AttrPath, CompValue, CompareOp, PatchPath, ValFilter};
use scim_v2::models::others::PatchOp;
use scim_v2::models::user::User;
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

static USER: LazyLock<Arc<ResourceType>> = LazyLock::new(|| Catalogue::load().unwrap().user);

fn of_path(path: &AttrPath) -> AttributePath {
    AttributePath { urn: path.uri.clone(), name: path.name.clone(), sub: path.sub_attr.clone() }
}

fn of_comparison(theirs: &AttrExp) -> Filter {
    let (path, operator, value) = match theirs {
        AttrExp::Present(path) => return Filter::Present(of_path(path)),
        AttrExp::Comparison(path, operator, value) => (of_path(path), operator, value),
    };
    let operator = match operator {
        CompareOp::Eq => Operator::Equal,
        CompareOp::Ne => Operator::NotEqual,
        CompareOp::Co => Operator::Contains,
        CompareOp::Sw => Operator::StartsWith,
        CompareOp::Ew => Operator::EndsWith,
        CompareOp::Gt => Operator::Greater,
        CompareOp::Ge => Operator::GreaterOrEqual,
        CompareOp::Lt => Operator::Less,
        CompareOp::Le => Operator::LessOrEqual,
    };
    let value = match value {
        CompValue::True => json!(true),
        CompValue::False => json!(false),
        CompValue::Null => Value::Null,
        CompValue::Number(number) => Value::Number(number.clone()),
        CompValue::Str(text) => json!(text),
    };
    Filter::Compare(path, operator, value)
}

fn of_element(theirs: &ValFilter) -> Filter {
    match theirs {
        ValFilter::Attr(comparison) => of_comparison(comparison),
        ValFilter::Not(inner) => Filter::Not(Box::new(of_element(inner))),
        ValFilter::And(parts) => Filter::And(parts.as_slice().iter().map(of_element).collect()),
        ValFilter::Or(parts) => Filter::Or(parts.as_slice().iter().map(of_element).collect()),
    }
}

fn of_filter(theirs: &scim_v2::filter::Filter) -> Filter {
    use scim_v2::filter::Filter as Theirs;
    match theirs {
        Theirs::Attr(comparison) => of_comparison(comparison),
        Theirs::ValuePath(path) => Filter::Element(of_path(&path.attr), Box::new(of_element(&path.filter))),
        Theirs::Not(inner) => Filter::Not(Box::new(of_filter(inner))),
        Theirs::And(parts) => Filter::And(parts.as_slice().iter().map(of_filter).collect()),
        Theirs::Or(parts) => Filter::Or(parts.as_slice().iter().map(of_filter).collect()),
    }
}

/// `a and (b and c)` is the same as `a and b and c`: each reads what the other may have joined.
fn joined(filter: Filter) -> Filter {
    let flat = |parts: Vec<Filter>, and: bool| {
        let parts = parts.into_iter().map(joined).flat_map(|part| match part {
            Filter::And(inner) if and => inner,
            Filter::Or(inner) if !and => inner,
            other => vec![other],
        });
        parts.collect()
    };
    match filter {
        Filter::And(parts) => Filter::And(flat(parts, true)),
        Filter::Or(parts) => Filter::Or(flat(parts, false)),
        Filter::Not(inner) => Filter::Not(Box::new(joined(*inner))),
        Filter::Element(path, inner) => Filter::Element(path, Box::new(joined(*inner))),
        other => other,
    }
}

fn name() -> impl Strategy<Value = String> {
    let names =
        vec!["userName", "a-b_9", "not", "and", "pr", "emails", "name.givenName", "x.eq", "urn:a:b:2.0:User:name", "urn:a:b:name.x"];
    select(names).prop_map(str::to_owned)
}

fn operand() -> impl Strategy<Value = String> {
    let texts = vec![r#""a""#, r#""a \" b""#, r#""\\""#, r#""\u00fc\n""#, r#""and (""#, r#""""#];
    let others = vec!["true", "false", "null", "0", "-1", "1.5", "1e3", "-2.5E-7", "12345678901234567890"];
    select([texts, others].concat()).prop_map(str::to_owned)
}

fn expression() -> BoxedStrategy<String> {
    let operator = || select(vec!["eq", "NE", "co", "Sw", "ew", "gt", "ge", "lt", "le"]);
    let comparison = || {
        let compares = (name(), operator(), operand()).prop_map(|(name, operator, value)| format!("{name} {operator} {value}"));
        prop_oneof![4 => compares, 1 => name().prop_map(|name| format!("{name} pr"))]
    };
    let over = |leaf: BoxedStrategy<String>| {
        leaf.prop_recursive(4, 16, 2, |inner| {
            let word = select(vec![" and ", " or ", " AND ", "  Or  "]);
            prop_oneof![
                3 => (inner.clone(), word, inner.clone()).prop_map(|(left, word, right)| format!("{left}{word}{right}")),
                1 => inner.clone().prop_map(|inner| format!("({inner})")),
                1 => inner.prop_map(|inner| format!("NOT ({inner})")),
            ]
        })
    };
    let element = (name(), over(comparison().boxed())).prop_filter_map("brackets behind a sub-attribute", |(name, inner)| {
        let has_sub = name.rsplit(':').next()?.contains('.');
        (!has_sub).then(|| format!("{name}[{inner}]"))
    });
    over(prop_oneof![4 => comparison(), 1 => element].boxed()).boxed()
}

/// Pieces of filters in any order: most are none.
fn soup() -> impl Strategy<Value = String> {
    let pieces =
        vec!["a", "b", " ", " ", " ", "eq", "pr", "and", "or", "not ", "(", ")", "[", "]", ".", "\"x\"", "1", "true", " urn:x:y:z"];
    proptest::collection::vec(select(pieces), 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(cases(2_000, 100_000))]

    #[test]
    fn filters_have_the_same_meaning(text in prop_oneof![4 => expression(), 1 => soup()]) {
        if let Ok(theirs) = text.parse::<scim_v2::filter::Filter>() {
            let behind_sub = text.split('[').rev().skip(1).any(|before| before.rsplit([' ', '(']).next().is_some_and(|name| name.contains('.')));
            let ours = Filter::parse(&text);
            if !(ours.is_err() && behind_sub) {
                prop_assert_eq!(ours.map(joined), Ok(joined(of_filter(&theirs))), "{}", text);
            }
        }
    }

    #[test]
    fn paths_have_the_same_meaning(name in name(), inner in proptest::option::of(expression()), sub in proptest::option::of("[a-z]{1,3}")) {
        let text = match (&inner, &sub) {
            (None, _) => name,
            (Some(inner), None) => format!("{name}[{inner}]"),
            (Some(inner), Some(sub)) => format!("{name}[{inner}].{sub}"),
        };
        match text.parse::<PatchPath>() {
            Ok(PatchPath::Attr(path)) => prop_assert_eq!(Path::parse(&text), Ok(Path { attribute: of_path(&path), filter: None })),
            Ok(PatchPath::Value(path)) if path.attr.sub_attr.is_none() => {
                let read = Path::parse(&text).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
                let attribute = AttributePath { sub: path.sub_attr.clone(), ..of_path(&path.attr) };
                prop_assert_eq!((read.attribute, read.filter.map(joined)), (attribute, Some(joined(of_element(&path.filter)))), "{}", text);
            }
            Ok(PatchPath::Value(_)) | Err(_) => {}
        }
    }

    #[test]
    fn users_have_the_same_meaning(body in user()) {
        if let Ok(read) = serde_json::from_value::<User>(body.clone()) {
            let again = serde_json::to_value(read).unwrap();
            let ours = |value: &Value| normalize(value.as_object().unwrap(), &USER);
            prop_assert_eq!(ours(&body), ours(&again), "{}", body);
        }
    }

    #[test]
    fn patches_have_the_same_meaning(operations in proptest::collection::vec(operation(), 0..3)) {
        let body = json!({"schemas": [patch::PATCH_SCHEMA], "Operations": operations});
        let ours = patch::parse(body.as_object().unwrap(), Profile::Rfc);
        if let (Ok(theirs), Ok(ours)) = (serde_json::from_value::<PatchOp>(body.clone()), &ours) {
            let again = serde_json::to_value(theirs).unwrap();
            prop_assert_eq!(Ok(ours.clone()), patch::parse(again.as_object().unwrap(), Profile::Rfc), "{}", body);
        }
    }
}

fn user() -> impl Strategy<Value = Value> {
    let text = || select(vec![json!("a"), json!("Ä b"), json!(""), json!(null)]);
    let flag = || select(vec![json!(true), json!(false), json!("True"), json!("false"), json!(null)]);
    let element = (text(), text(), flag()).prop_map(|(value, kind, _)| json!({"value": value, "type": kind, "display": "d", "strange": 1}));
    let elements = move || proptest::collection::vec(element.clone(), 0..3).prop_map(Value::Array);
    let simple =
        proptest::collection::vec((select(vec!["displayName", "nickName", "title", "locale", "externalId", "password"]), text()), 0..4);
    let lists = proptest::collection::vec((select(vec!["emails", "phoneNumbers", "ims", "entitlements"]), elements()), 0..3);
    let name = (text(), text()).prop_map(|(family, given)| json!({"familyName": family, "givenName": given, "strange": 1}));
    (simple, lists, name, flag(), text()).prop_map(|(simple, lists, name, active, department)| {
        let mut body = Object::new();
        body.extend(simple.into_iter().chain(lists).map(|(name, value)| (name.to_owned(), value)));
        let fixed =
            json!({"schemas": [USER.schema.id, ENTERPRISE], "userName": "ada", "name": name, "active": active, "strange": {"a": 1}});
        body.extend(fixed.as_object().unwrap().clone());
        body.insert(ENTERPRISE.to_owned(), json!({"department": department, "manager": {"value": "m1"}}));
        Value::Object(body)
    })
}

fn operation() -> impl Strategy<Value = Value> {
    let op = select(vec!["add", "Add", "replace", "Replace", "REMOVE", "remove", "move"]);
    let path = select(vec![json!("title"), json!("emails[type eq \"work\"].value"), json!(format!("{ENTERPRISE}:manager")), json!("a..b")]);
    let value = select(vec![json!("x"), json!({"title": "x"}), json!([{"value": "x"}]), json!(true), json!(null)]);
    (op, proptest::option::of(path), proptest::option::of(value)).prop_map(|(op, path, value)| {
        let mut operation = json!({"op": op});
        path.into_iter().for_each(|path| operation["path"] = path);
        value.into_iter().for_each(|value| operation["value"] = value);
        operation
    })
}

/// Every example that RFC 7644 gives of a PATCH is read by both.
#[test]
fn the_patches_of_rfc7644_are_read_by_both() {
    let member = json!({"display": "Babs Jensen", "$ref": "https://example.com/v2/Users/2819c223", "value": "2819c223"});
    let address =
        json!({"type": "work", "streetAddress": "911 Universal City Plaza", "locality": "Hollywood", "region": "CA", "primary": true});
    for operation in [
        json!({"op": "add", "path": "members", "value": [member]}),
        json!({"op": "add", "value": {"emails": [{"value": "babs@jensen.org", "type": "home"}], "nickname": "Babs"}}),
        json!({"op": "remove", "path": "members"}),
        json!({"op": "remove", "path": "members[value eq \"2819c223\"]"}),
        json!({"op": "remove", "path": "emails[type eq \"work\" and value ew \"example.com\"]"}),
        json!({"op": "replace", "path": "members", "value": [member]}),
        json!({"op": "replace", "path": "addresses[type eq \"work\"]", "value": address}),
        json!({"op": "replace", "path": "addresses[type eq \"work\"].streetAddress", "value": "1010 Broadway Ave"}),
        json!({"op": "replace", "value": {"emails": [{"value": "bjensen@example.com", "type": "work", "primary": true}], "nickname": "Babs"}}),
    ] {
        let body = json!({"schemas": [patch::PATCH_SCHEMA], "Operations": [operation]});
        assert!(serde_json::from_value::<PatchOp>(body.clone()).is_ok(), "{body}");
        assert_eq!(patch::parse(body.as_object().unwrap(), Profile::Rfc).map(|operations| operations.len()), Ok(1), "{body}");
    }
}

//! HE3 and HE4: every attribute of every schema, by each verb and each way to name it, does what its characteristics say;
//! and names that are none reach nothing.

use super::error::{ScimError, ScimType};
use super::evaluate::Predicate;
use super::filter::Filter;
use super::json::Object;
use super::patch;
use super::project::Projection;
use super::resource::{check_required, keep_immutable, normalize, unknown};
use super::schema::{Attribute, Catalogue, DataType, Mutability, ResourceType, Returned, Schema};
use crate::directory::client::Profile;
use serde_json::{Value, json};
use std::sync::Arc;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A type with every kind of attribute: each mutability, each time of return, simple, complex and of many values.
fn synthetic() -> Arc<ResourceType> {
    let mut attributes = Vec::new();
    for mutability in ["readOnly", "readWrite", "immutable", "writeOnly"] {
        for returned in ["always", "default", "request", "never"] {
            for kind in ["string", "boolean", "integer", "decimal", "dateTime", "binary", "reference", "complex"] {
                for multi_valued in [false, true] {
                    let leaf = |name: &str, multi_valued| {
                        json!({"name": name, "type": if kind == "complex" { "string" } else { kind }, "multiValued": multi_valued,
                            "required": false, "mutability": mutability, "returned": returned})
                    };
                    let name = format!("{mutability}-{returned}-{kind}-{multi_valued}");
                    let mut attribute = leaf(&name, multi_valued);
                    if kind == "complex" {
                        attribute["type"] = json!("complex");
                        attribute["subAttributes"] = json!([leaf("value", false), leaf("other", false)]);
                    }
                    attributes.push(attribute);
                }
            }
        }
    }
    let mut held = (*Catalogue::load().unwrap().user).clone();
    held.schema = Schema::load(&json!({"id": "urn:example:Test", "attributes": attributes}).to_string()).unwrap();
    held.extensions.clear();
    Arc::new(held)
}

fn all_types() -> Vec<Arc<ResourceType>> {
    let mut types = Catalogue::load().unwrap().types;
    types.push(synthetic());
    types
}

/// A value of the attribute, another for each number.
fn sample(attribute: &Attribute, number: usize) -> Value {
    let single = match attribute.data_type {
        DataType::Complex => {
            let whole = attribute.mutability == Mutability::ReadOnly;
            let subs = attribute.sub_attributes.iter().filter(|sub| whole || sub.mutability != Mutability::ReadOnly);
            Value::Object(subs.map(|sub| (sub.name.clone(), sample(sub, number))).collect())
        }
        DataType::Boolean => json!(number.is_multiple_of(2)),
        DataType::Decimal => json!(number as f64 + 0.5),
        DataType::Integer => json!(number),
        DataType::DateTime => json!(format!("2026-01-0{number}T00:00:00Z")),
        DataType::Binary => json!(["MAMCAQE=", "MAMCAQI=", "MAMCAQM="][number]),
        DataType::Reference => json!(format!("https://example.com/{number}")),
        DataType::String => json!(format!("text {number}")),
    };
    if attribute.multi_valued { json!([single]) } else { single }
}

/// Every attribute of the type with the URN of its extension, what the server alone keeps of every resource among them.
fn places(held: &ResourceType) -> Vec<(Option<&str>, &Attribute)> {
    let core = held.schema.attributes.iter().chain(&held.common.attributes).map(|attribute| (None, attribute));
    let extended = held.extensions.iter().flat_map(|extension| extension.attributes.iter().map(|held| (Some(extension.id.as_str()), held)));
    core.chain(extended).filter(|(_, attribute)| attribute.name != "schemas").collect()
}

fn body(urn: Option<&str>, name: &str, value: &Value) -> Object {
    let members = json!({name: value});
    let whole = urn.map_or_else(|| members.clone(), |urn| json!({urn: members}));
    whole.as_object().unwrap().clone()
}

fn found<'r>(resource: &'r Object, urn: Option<&str>, name: &str) -> Option<&'r Value> {
    let holder = urn.map_or(Some(resource), |urn| resource.get(urn)?.as_object());
    holder?.get(name)
}

/// What one operation makes of a resource.
fn patched(held: &ResourceType, before: &Object, operation: &Value) -> Result<Object, Option<ScimType>> {
    let mut after = before.clone();
    let applied = patch::parse(json!({"Operations": [operation]}).as_object().unwrap(), Profile::Rfc)
        .and_then(|operations| patch::apply(&mut after, &operations[..1], held, Profile::Rfc));
    applied.map(|()| after).map_err(|error| error.kind)
}

#[test]
fn he3_post_and_put_take_what_the_client_may_set() {
    for held in all_types() {
        for (urn, attribute) in places(&held) {
            let name = &attribute.name;
            let (one, two) = (sample(attribute, 1), sample(attribute, 2));
            let made = normalize(&body(urn, &name.to_uppercase(), &one), &held).unwrap();
            let expected = (attribute.mutability != Mutability::ReadOnly).then_some(&one);
            assert_eq!(found(&made, urn, name), expected, "{} {name}", held.name);
            if attribute.mutability != Mutability::Immutable {
                continue;
            }
            let mut silent = Object::new();
            keep_immutable(&made, &mut silent, &held).unwrap();
            assert_eq!(found(&silent, urn, name), Some(&one), "what is set once stays");
            assert_eq!(keep_immutable(&made, &mut made.clone(), &held), Ok(()));
            let refused = keep_immutable(&made, &mut body(urn, name, &two), &held).unwrap_err();
            assert_eq!(refused.kind, Some(ScimType::Mutability), "{name}");
        }
    }
}

#[test]
fn he3_patch_takes_what_the_client_may_set_by_every_kind_of_path() {
    for held in all_types() {
        for (urn, attribute) in places(&held) {
            let (name, urn_of_core) = (&attribute.name, &held.schema.id);
            let (one, two) = (sample(attribute, 1), sample(attribute, 2));
            let path = format!("{}:{name}", urn.unwrap_or(urn_of_core));
            let operation = |op: &str, value: &Value| -> Vec<Value> {
                let nested = Value::Object(body(urn, name, value));
                let mut forms = vec![json!({"op": op, "path": path, "value": value})];
                if op != "remove" {
                    forms.push(json!({"op": op, "value": {path.clone(): value}}));
                    forms.push(json!({"op": op, "value": nested}));
                    forms.extend(urn.map(|urn| json!({"op": op, "path": urn, "value": {name: value}})));
                }
                forms
            };
            let set = body(urn, name, &one);
            let each = |before: &Object, op: &str, value: &Value, expected: Result<Option<&Value>, ScimType>| {
                for form in operation(op, value) {
                    let outcome = patched(&held, before, &form);
                    let outcome = outcome.as_ref().map(|after| found(after, urn, name)).map_err(|kind| kind.unwrap());
                    assert_eq!(outcome, expected, "{} {form}", held.name);
                }
            };
            use Mutability::{Immutable, ReadOnly, ReadWrite, WriteOnly};
            let refused = Err(ScimType::Mutability);
            let mutability = attribute.mutability;
            each(&Object::new(), "add", &one, if mutability == ReadOnly { refused } else { Ok(Some(&one)) });
            each(&Object::new(), "replace", &one, if mutability == ReadOnly { refused } else { Ok(Some(&one)) });
            each(&set, "replace", &two, if matches!(mutability, ReadOnly | Immutable) { refused } else { Ok(Some(&two)) });
            each(&set, "remove", &Value::Null, if mutability == ReadWrite { Ok(None) } else { refused });
            if mutability == Immutable {
                each(&set, "replace", &one, Ok(Some(&one)));
            }
            if mutability == WriteOnly {
                each(&set, "replace", &one, Ok(Some(&one)));
            }
        }
    }
}

#[test]
fn he3_sub_attributes_have_characteristics_of_their_own() {
    for held in all_types() {
        for (urn, attribute) in places(&held).into_iter().filter(|(_, attribute)| attribute.mutability == Mutability::ReadWrite) {
            for sub in &attribute.sub_attributes {
                let value = sample(sub, 1);
                let given = json!({sub.name.clone(): value});
                let made = normalize(&body(urn, &attribute.name, &given), &held).unwrap();
                let path = format!("{}:{}.{}", urn.unwrap_or(&held.schema.id), attribute.name, sub.name);
                let outcome = patched(&held, &Object::new(), &json!({"op": "add", "path": path, "value": value}));
                match sub.mutability {
                    Mutability::ReadOnly => {
                        assert_eq!(found(&made, urn, &attribute.name), None, "{path}");
                        assert_eq!(outcome, Err(Some(ScimType::Mutability)), "{path}");
                    }
                    _ => {
                        assert!(found(&made, urn, &attribute.name).is_some(), "{path}");
                        assert!(outcome.is_ok(), "{path}: {outcome:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn he3_what_is_answered_follows_the_schema() {
    for held in all_types() {
        for (urn, attribute) in places(&held) {
            let name = &attribute.name;
            // What the server writes may have every part.
            let mut value = sample(attribute, 1);
            if let (true, false) = (attribute.is_complex(), attribute.multi_valued) {
                value = Value::Object(attribute.sub_attributes.iter().map(|sub| (sub.name.clone(), sample(sub, 1))).collect());
            }
            let resource = body(urn, name, &value);
            let path = urn.map_or_else(|| name.clone(), |urn| format!("{urn}:{name}"));
            let answered = |attributes: &[&str], excluded: &[&str]| -> Result<bool, ScimError> {
                let list = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
                let projection = Projection::new(&list(attributes), &list(excluded), &held)?;
                Ok(found(&projection.apply(resource.clone(), &held), urn, name).is_some())
            };
            let (usual, asked, excluded, others) =
                (answered(&[], &[]), answered(&[&path], &[]), answered(&[], &[&path]), answered(&["meta"], &[]));
            let expected = match attribute.returned {
                Returned::Always => [true, true, true, true],
                Returned::Default => [true, true, false, name == "meta"],
                Returned::Request => [false, true, false, false],
                Returned::Never => {
                    assert_eq!((usual, others), (Ok(false), Ok(false)), "{name}");
                    for refused in [asked, excluded] {
                        assert_eq!(refused.unwrap_err().kind, Some(ScimType::InvalidFilter), "{name}");
                    }
                    continue;
                }
            };
            // A part that is only shown on request leaves nothing of a value that has no other.
            let empty = attribute.is_complex()
                && attribute.sub_attributes.iter().all(|sub| matches!(sub.returned, Returned::Request | Returned::Never));
            if !empty {
                assert_eq!([usual, asked, excluded, others], expected.map(Ok), "{} {name}", held.name);
            }
        }
    }
}

#[test]
fn he5_what_is_never_returned_is_no_way_to_guess() {
    let held = synthetic();
    let compiled = |text: &str| Predicate::compile(&Filter::parse(text).unwrap(), &held);
    for attribute in held.schema.attributes.iter().filter(|attribute| attribute.returned == Returned::Never) {
        let mut filters = vec![format!("{} pr", attribute.name), format!("not ({} eq null)", attribute.name)];
        if attribute.is_complex() {
            filters.push(format!("{}.value sw \"a\"", attribute.name));
            filters.push(format!("{}[value sw \"a\"]", attribute.name));
        }
        for filter in filters {
            assert_eq!(compiled(&filter).unwrap_err().kind, Some(ScimType::InvalidFilter), "{filter}");
        }
    }
}

#[test]
fn required_parts_are_required_and_the_servers_own_are_not() {
    let mut held = (*Catalogue::load().unwrap().user).clone();
    let schema = |id: &str| {
        let simple = |name: &str, required: bool, mutability: &str| json!({"name": name, "type": "string", "multiValued": false, "required": required, "mutability": mutability, "returned": "default"});
        let mut values = simple("values", false, "readWrite");
        values["type"] = json!("complex");
        values["multiValued"] = json!(true);
        values["subAttributes"] = json!([simple("value", true, "readWrite"), simple("type", false, "readWrite")]);
        let attributes = json!([simple("name", true, "readWrite"), simple("number", true, "readOnly"), values]);
        Schema::load(&json!({"id": id, "attributes": attributes}).to_string()).unwrap()
    };
    (held.schema, held.extensions) = (schema("urn:example:Core"), vec![schema("urn:example:More")]);
    let missing = |resource: Value| check_required(resource.as_object().unwrap(), &held).err().map(|error| error.detail);
    assert_eq!(missing(json!({"name": "a"})), None);
    assert_eq!(missing(json!({})).as_deref(), Some("name is required"));
    assert_eq!(missing(json!({"name": "a", "values": [{"value": "b"}, {"type": "c"}]})).as_deref(), Some("values.value is required"));
    assert_eq!(missing(json!({"name": "a", "urn:example:More": {"values": [{"value": "b"}]}})).as_deref(), Some("name is required"));
}

#[test]
fn he4_strange_names_reach_nothing_by_post() {
    let user = Catalogue::load().unwrap().user;
    let core = user.schema.id.clone();
    let strange = json!({
        "__proto__": {"admin": true}, "constructor": {"prototype": {"admin": true}}, "meta.version": "x", "name.givenName": "x",
        "emails[type eq \"work\"].value": "x", "members": ["x"], "hcRole": "x", "userPassword": "x", "": 1, "id ": "x",
        core.clone(): {"id": "x", "title": "x"}, format!("{core}:id"): "x", format!("{ENTERPRISE}:department"): "x"
    });
    let mut given = strange.as_object().unwrap().clone();
    assert_eq!(unknown(&given, &user).len(), given.len());
    given.extend([
        ("userName".to_owned(), json!("ada")),
        ("name".to_owned(), json!({"familyName.x": 1, "__proto__": {"x": 1}, "meta.version": 1})),
        (ENTERPRISE.to_owned(), json!({"manager.displayName": "x", "__proto__": 1, "id": "x"})),
        ("id".to_owned(), json!("x")),
        ("groups".to_owned(), json!([{"value": "admins"}])),
    ]);
    assert_eq!(normalize(&given, &user).map(Value::Object), Ok(json!({"userName": "ada"})));
}

#[test]
fn he4_strange_names_reach_nothing_by_patch() {
    let user = Catalogue::load().unwrap().user;
    let before = json!({"id": "u1", "userName": "ada", "meta": {"version": "1"}, "groups": [{"value": "g"}], "name": {"familyName": "L"}});
    let before = before.as_object().unwrap().clone();
    let core = user.schema.id.clone();
    // Names that are none, and names of what the server keeps, as keys and as paths.
    let bad_paths = [
        "__proto__",
        "__proto__.admin",
        "a..b",
        "name.",
        ".name",
        "name.givenName.x",
        "name[",
        "emails[0]",
        "emails[].value",
        "groups[value]",
        "id ",
        "",
    ];
    let unknown = ["constructor", "constructor.prototype", "userName.x", "hcRole", "members", "name.constructor", "urn:x:y:title"];
    let read_only = [
        "id".to_owned(),
        "ID".to_owned(),
        "meta".to_owned(),
        "meta.version".to_owned(),
        "groups".to_owned(),
        "groups.value".to_owned(),
        "groups[value eq \"g\"]".to_owned(),
        "groups[value eq \"g\"].display".to_owned(),
        "schemas".to_owned(),
        format!("{core}:id"),
        format!("{core}:meta.created"),
        format!("{ENTERPRISE}:manager.displayName"),
    ];
    for op in ["add", "replace", "remove"] {
        let by_path = |path: &str| patched(&user, &before, &json!({"op": op, "path": path, "value": "x"}));
        for path in bad_paths.iter().filter(|path| !path.is_empty()).chain(&unknown) {
            assert_eq!(by_path(path), Err(Some(ScimType::InvalidPath)), "{op} {path}");
        }
        for path in &read_only {
            assert_eq!(by_path(path), Err(Some(ScimType::Mutability)), "{op} {path}");
        }
    }
    for op in ["add", "replace"] {
        let by_key = |value: Value| patched(&user, &before, &json!({"op": op, "value": value}));
        for key in bad_paths {
            assert_eq!(by_key(json!({key: "x"})), Err(Some(ScimType::InvalidPath)), "{op} {key}");
        }
        for key in unknown {
            assert_eq!(by_key(json!({key: "x"})), Ok(before.clone()), "{op} {key}");
        }
        for key in read_only.iter().filter(|key| !key.eq_ignore_ascii_case("schemas")) {
            assert_eq!(by_key(json!({key: "x"})), Err(Some(ScimType::Mutability)), "{op} {key}");
        }
        // Inside of values: dotted names, URNs and names of objects' insides are no sub-attributes.
        for inside in ["familyName.x", "__proto__", "constructor", "name.familyName", "meta.version", "urn:x:familyName"] {
            assert_eq!(by_key(json!({"name": {inside: "x"}})), Ok(before.clone()), "{op} {inside}");
            let by_path = patched(&user, &before, &json!({"op": op, "path": "name", "value": {inside: "x"}}));
            assert_eq!(by_path, Ok(before.clone()), "{op} {inside}");
        }
        assert_eq!(by_key(json!({ENTERPRISE: {"manager.displayName": "x"}})), Err(Some(ScimType::Mutability)));
        assert_eq!(by_key(json!({ENTERPRISE: {"__proto__": "x"}})), Err(Some(ScimType::InvalidPath)));
        assert_eq!(by_key(json!({ENTERPRISE: {"id": "x", "urn:a:b": "x"}})), Ok(before.clone()));
    }
}

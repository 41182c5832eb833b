//! Every cell of the table of RFC 7644 §3.5.2, what the profiles make of it, and what is refused.

use super::patch::*;
use crate::directory::client::Profile;
use crate::scim::error::{ScimError, ScimType};
use crate::scim::resource::{check_required, normalize};
use crate::scim::schema::Catalogue;
use proptest::prelude::*;
use serde_json::{Value, json};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn start() -> Value {
    json!({
        "id": "u1", "userName": "bjensen", "active": true,
        "name": {"familyName": "Jensen", "givenName": "Barbara"},
        "emails": [{"value": "w@x", "type": "work", "primary": true}, {"value": "h@x", "type": "home"}],
        "addresses": [{"type": "work", "locality": "Hollywood"}]
    })
}

fn patched(operations: Value) -> Result<Value, ScimError> {
    patched_under(operations, Profile::Rfc)
}

fn patched_under(operations: Value, profile: Profile) -> Result<Value, ScimError> {
    let catalogue = Catalogue::load().unwrap();
    let mut resource = start().as_object().unwrap().clone();
    apply(&mut resource, &parse(json!({"Operations": operations}).as_object().unwrap(), profile)?, &catalogue.user, profile)?;
    check_required(&resource, &catalogue.user)?;
    Ok(Value::Object(resource))
}

/// Applies the operations and compares what they changed.
fn changes(operations: Value, expected: Value) {
    let mut wanted = start();
    for (name, value) in expected.as_object().unwrap() {
        match value.is_null() {
            true => drop(wanted.as_object_mut().unwrap().shift_remove(name)),
            false => drop(wanted.as_object_mut().unwrap().insert(name.clone(), value.clone())),
        }
    }
    assert_eq!(patched(operations.clone()), Ok(wanted), "{operations}");
}

fn refused(operations: Value, kind: ScimType) {
    assert_eq!(patched(operations.clone()).map_err(|error| error.kind), Err(Some(kind)), "{operations}");
}

#[test]
fn add_by_every_kind_of_path() {
    changes(
        json!([{"op": "add", "value": {"title": "VP", "emails": [{"value": "n@x"}]}}]),
        json!({
            "title": "VP",
            "emails": [{"value": "w@x", "type": "work", "primary": true}, {"value": "h@x", "type": "home"}, {"value": "n@x"}]
        }),
    );
    changes(json!([{"op": "Add", "path": "title", "value": "VP"}]), json!({"title": "VP"}));
    changes(
        json!([{"op": "add", "path": "name.middleName", "value": "J"}]),
        json!({
            "name": {"familyName": "Jensen", "givenName": "Barbara", "middleName": "J"}
        }),
    );
    changes(
        json!([{"op": "add", "path": "name", "value": {"givenName": "Babs"}}]),
        json!({"name": {"familyName": "Jensen", "givenName": "Babs"}}),
    );
    changes(json!([{"op": "add", "path": "emails", "value": [{"value": "w@x", "type": "work"}]}]), json!({}));
    changes(
        json!([{"op": "add", "path": "emails", "value": {"value": "p@x", "primary": true}}]),
        json!({
            "emails": [{"value": "w@x", "type": "work", "primary": false}, {"value": "h@x", "type": "home"}, {"value": "p@x", "primary": true}]
        }),
    );
    changes(
        json!([{"op": "add", "path": "emails[type eq \"home\"]", "value": {"display": "Home"}}]),
        json!({
            "emails": [{"value": "w@x", "type": "work", "primary": true}, {"value": "h@x", "type": "home", "display": "Home"}]
        }),
    );
    changes(json!([{"op": "add", "path": ENTERPRISE, "value": {"department": "Tour"}}]), json!({ENTERPRISE: {"department": "Tour"}}));
}

#[test]
fn replace_by_every_kind_of_path() {
    changes(json!([{"op": "replace", "value": {"active": "False", "id": "u1", "unknown": 1}}]), json!({"active": false}));
    changes(
        json!([{"op": "replace", "path": "name", "value": {"givenName": "B"}}]),
        json!({"name": {"familyName": "Jensen", "givenName": "B"}}),
    );
    changes(json!([{"op": "replace", "path": "emails", "value": [{"value": "n@x"}]}]), json!({"emails": [{"value": "n@x"}]}));
    changes(
        json!([{"op": "replace", "path": "emails[type eq \"work\"].value", "value": "W@x"}]),
        json!({
            "emails": [{"value": "W@x", "type": "work", "primary": true}, {"value": "h@x", "type": "home"}]
        }),
    );
    changes(
        json!([{"op": "replace", "path": "emails[type eq \"home\"]", "value": {"value": "z@x", "type": "other"}}]),
        json!({
            "emails": [{"value": "w@x", "type": "work", "primary": true}, {"value": "z@x", "type": "other"}]
        }),
    );
    changes(
        json!([{"op": "replace", "path": "emails[type eq \"home\"].primary", "value": true}]),
        json!({
            "emails": [{"value": "w@x", "type": "work", "primary": false}, {"value": "h@x", "type": "home", "primary": true}]
        }),
    );
    changes(json!([{"op": "replace", "path": "title", "value": "VP"}, {"op": "replace", "path": "title", "value": ""}]), json!({}));
}

#[test]
fn remove_by_every_kind_of_path() {
    changes(json!([{"op": "remove", "path": "emails"}]), json!({"emails": null}));
    changes(json!([{"op": "remove", "path": "emails[type eq \"work\"]"}]), json!({"emails": [{"value": "h@x", "type": "home"}]}));
    changes(
        json!([{"op": "remove", "path": "emails[type eq \"work\"].primary"}]),
        json!({
            "emails": [{"value": "w@x", "type": "work"}, {"value": "h@x", "type": "home"}]
        }),
    );
    changes(
        json!([{"op": "Remove", "path": "emails", "value": [{"value": "h@x"}]}]),
        json!({
            "emails": [{"value": "w@x", "type": "work", "primary": true}]
        }),
    );
    changes(json!([{"op": "remove", "path": "name.givenName"}]), json!({"name": {"familyName": "Jensen"}}));
    changes(json!([{"op": "remove", "path": "nickName"}]), json!({}));
    changes(
        json!([{"op": "add", "path": format!("{ENTERPRISE}:division"), "value": "x"}, {"op": "remove", "path": ENTERPRISE}]),
        json!({}),
    );
}

#[test]
fn what_identity_providers_send_is_understood() {
    // Quirk 4: dotted and URN keys.
    changes(
        json!([{"op": "replace", "value": {"displayName": "B", "name.givenName": "K", format!("{ENTERPRISE}:employeeNumber"): "A"}}]),
        json!({
            "displayName": "B", "name": {"familyName": "Jensen", "givenName": "K"}, ENTERPRISE: {"employeeNumber": "A"}
        }),
    );
    // Quirks 5 and 6: an element that is not there yet is made of the filter.
    changes(
        json!([
            {"op": "Add", "path": "addresses[type eq \"home\"].streetAddress", "value": "1 Road"},
            {"op": "Replace", "path": "addresses[type eq \"home\"].locality", "value": "Town"}
        ]),
        json!({"addresses": [{"type": "work", "locality": "Hollywood"}, {"type": "home", "streetAddress": "1 Road", "locality": "Town"}]}),
    );
    // Quirk 7: the manager as a bare id, and cleared by an empty string.
    changes(
        json!([{"op": "Add", "path": format!("{ENTERPRISE}:manager"), "value": "m1"}]),
        json!({ENTERPRISE: {"manager": {"value": "m1"}}}),
    );
    changes(
        json!([
            {"op": "Add", "path": format!("{ENTERPRISE}:manager"), "value": "m1"},
            {"op": "Replace", "path": format!("{ENTERPRISE}:manager"), "value": ""}
        ]),
        json!({}),
    );
    // Quirk 15: a text for a boolean in a filter.
    changes(
        json!([{"op": "Add", "path": "phoneNumbers[primary eq \"True\"].value", "value": "1"}]),
        json!({
            "phoneNumbers": [{"primary": true, "value": "1"}]
        }),
    );
}

#[test]
fn he4_what_must_not_be_is_refused() {
    refused(json!([{"op": "remove"}]), ScimType::NoTarget);
    refused(json!([{"op": "replace", "path": "emails[type eq \"other\"]", "value": {"value": "x"}}]), ScimType::NoTarget);
    refused(json!([{"op": "remove", "path": "emails[type eq \"other\"]"}]), ScimType::NoTarget);
    refused(json!([{"op": "replace", "path": "emails[type ne \"work\" and value co \"zz\"].value", "value": "x"}]), ScimType::NoTarget);
    refused(json!([{"op": "replace", "path": "id", "value": "2"}]), ScimType::Mutability);
    refused(json!([{"op": "replace", "value": {"id": "2"}}]), ScimType::Mutability);
    refused(json!([{"op": "add", "path": "groups", "value": [{"value": "g"}]}]), ScimType::Mutability);
    refused(json!([{"op": "add", "path": "meta.version", "value": "1"}]), ScimType::Mutability);
    refused(json!([{"op": "remove", "path": "password"}]), ScimType::Mutability);
    refused(json!([{"op": "remove", "path": "userName"}]), ScimType::InvalidValue);
    refused(json!([{"op": "add", "path": "nothing", "value": 1}]), ScimType::InvalidPath);
    refused(json!([{"op": "add", "path": "a..b", "value": 1}]), ScimType::InvalidPath);
    refused(json!([{"op": "add", "path": "title[value eq 1]", "value": 1}]), ScimType::InvalidPath);
    refused(json!([{"op": "add", "value": {"__proto__": {"x": 1}}}]), ScimType::InvalidPath);
    refused(json!([{"op": "move", "path": "title", "value": 1}]), ScimType::InvalidSyntax);
    refused(json!([]), ScimType::InvalidSyntax);
    refused(json!([{"op": "add", "path": "title"}]), ScimType::InvalidValue);
    refused(json!([{"op": "add", "path": "title", "value": 1}]), ScimType::InvalidValue);
    refused(
        json!([{"op": "add", "path": "emails", "value": [{"value": "a", "primary": true}, {"value": "b", "primary": true}]}]),
        ScimType::InvalidValue,
    );
}

fn changes_under(profile: Profile, operations: Value, expected: Value) {
    let mut wanted = start();
    for (name, value) in expected.as_object().unwrap() {
        wanted.as_object_mut().unwrap().insert(name.clone(), value.clone());
    }
    assert_eq!(patched_under(operations.clone(), profile), Ok(wanted), "{operations}");
}

fn refused_under(profile: Profile, operations: Value, kind: ScimType) {
    let catalogue = Catalogue::load().unwrap();
    let parsed = parse(json!({"Operations": operations}).as_object().unwrap(), profile);
    let checked = parsed.and_then(|parsed| check_strict(&parsed, &catalogue.user));
    let outcome = checked.and_then(|()| patched_under(operations.clone(), profile).map(drop));
    assert_eq!(outcome.map_err(|error| error.kind), Err(Some(kind)), "{operations}");
}

#[test]
fn a_replaced_complex_value_is_whole_under_strict_and_merged_elsewhere() {
    let name = json!([{"op": "replace", "path": "name", "value": {"givenName": "B"}}]);
    for profile in [Profile::Rfc, Profile::Entra, Profile::Okta] {
        changes_under(profile, name.clone(), json!({"name": {"familyName": "Jensen", "givenName": "B"}}));
    }
    changes_under(Profile::Strict, name, json!({"name": {"givenName": "B"}}));
    let extension = json!([
        {"op": "add", "path": ENTERPRISE, "value": {"department": "D", "division": "E"}},
        {"op": "replace", "path": ENTERPRISE, "value": {"division": "F"}}
    ]);
    changes_under(Profile::Rfc, extension.clone(), json!({ENTERPRISE: {"department": "D", "division": "F"}}));
    changes_under(Profile::Strict, extension, json!({ENTERPRISE: {"division": "F"}}));
    // Nothing in the place of something is the end of it, whatever the profile.
    for profile in [Profile::Rfc, Profile::Strict] {
        for nothing in [json!({}), json!(null)] {
            let emptied = json!([
                {"op": "add", "path": ENTERPRISE, "value": {"department": "D"}},
                {"op": "replace", "path": ENTERPRISE, "value": nothing}
            ]);
            changes_under(profile, emptied, json!({}));
        }
    }
}

#[test]
fn strict_refuses_what_the_interoperability_profile_does_not_have() {
    let strict = |operation: Value, kind| refused_under(Profile::Strict, json!([operation]), kind);
    strict(json!({"op": "replace", "value": {"active": false}}), ScimType::InvalidSyntax);
    strict(json!({"op": "add", "path": "name", "value": {"givenName": "a", "strange": 1}}), ScimType::InvalidSyntax);
    strict(json!({"op": "add", "path": ENTERPRISE, "value": {"strange": 1}}), ScimType::InvalidSyntax);
    strict(json!({"op": "add", "path": "emails", "value": [{"value": "a", "strange": 1}]}), ScimType::InvalidSyntax);
    strict(json!({"op": "replace", "path": "active", "value": "False"}), ScimType::InvalidValue);
    strict(json!({"op": "add", "path": "emails", "value": ["a@x"]}), ScimType::InvalidValue);
    strict(json!({"op": "add", "path": format!("{ENTERPRISE}:manager"), "value": "m1"}), ScimType::InvalidValue);
    strict(json!({"op": "replace", "path": "emails[type eq \"other\"].value", "value": "a"}), ScimType::NoTarget);
    strict(json!({"op": "add", "path": "strange", "value": 1}), ScimType::InvalidPath);
}

/// Quirk 16: a bare word is a string under `entra`, in paths as in filters.
#[test]
fn quirk_16_bare_words_in_a_path() {
    let work = json!([{"op": "replace", "path": "emails[type eq work].value", "value": "W"}]);
    let after = json!({"emails": [{"value": "W", "type": "work", "primary": true}, {"value": "h@x", "type": "home"}]});
    changes_under(Profile::Entra, work.clone(), after);
    assert_eq!(patched_under(work, Profile::Rfc).unwrap_err().kind, Some(ScimType::InvalidPath));
}

#[test]
fn values_that_are_the_same_are_there_once() {
    // The e-mail's case does not count; what comes later is how it is spelled.
    changes(
        json!([{"op": "add", "path": "emails", "value": [{"value": "H@X", "type": "Home", "display": "D"}]}]),
        json!({"emails": [{"value": "w@x", "type": "work", "primary": true}, {"value": "H@X", "type": "Home", "display": "D"}]}),
    );
    // Of another type it is another value.
    changes(
        json!([{"op": "add", "path": "emails", "value": {"value": "w@x", "type": "other"}}]),
        json!({"emails": [
            {"value": "w@x", "type": "work", "primary": true}, {"value": "h@x", "type": "home"}, {"value": "w@x", "type": "other"}
        ]}),
    );
    changes(
        json!([{"op": "replace", "path": "emails", "value": [
            {"value": "a@x", "type": "work"}, {"value": "A@x", "type": "WORK", "primary": true, "display": "D"}
        ]}]),
        json!({"emails": [{"value": "a@x", "type": "work", "primary": true, "display": "D"}]}),
    );
    changes(
        json!([{"op": "remove", "path": "emails", "value": [{"value": "W@X"}, {"value": "h@x", "type": "work"}]}]),
        json!({"emails": [{"value": "h@x", "type": "home"}]}),
    );
}

#[test]
fn a_reference_follows_what_was_given_of_it() {
    let manager = format!("{ENTERPRISE}:manager");
    let first = json!({"op": "add", "path": manager, "value": {"value": "m1", "$ref": "https://h/Users/m1"}});
    for (operation, after) in [
        (json!({"op": "replace", "path": manager, "value": {"$ref": "https://h/Users/m2"}}), json!({"$ref": "https://h/Users/m2"})),
        (json!({"op": "replace", "path": manager, "value": {"value": "m2"}}), json!({"value": "m2"})),
        (json!({"op": "replace", "path": format!("{manager}.value"), "value": "m2"}), json!({"value": "m2"})),
        (json!({"op": "replace", "path": manager, "value": {"$ref": null, "value": "m2"}}), json!({"value": "m2"})),
    ] {
        changes(json!([first, operation]), json!({ENTERPRISE: {"manager": after}}));
    }
}

#[test]
fn paths_with_urns_reach_every_depth() {
    let core = "urn:ietf:params:scim:schemas:core:2.0:User";
    changes(json!([{"op": "add", "path": format!("{core}:title"), "value": "VP"}]), json!({"title": "VP"}));
    changes(
        json!([{"op": "replace", "path": format!("{core}:emails[type eq \"home\"].value"), "value": "n@x"}]),
        json!({"emails": [{"value": "w@x", "type": "work", "primary": true}, {"value": "n@x", "type": "home"}]}),
    );
    changes(
        json!([{"op": "add", "path": format!("{ENTERPRISE}:manager.value").to_uppercase().replacen("URN", "urn", 1), "value": "m"}]),
        json!({ENTERPRISE: {"manager": {"value": "m"}}}),
    );
    changes(
        json!([{"op": "add", "value": {ENTERPRISE: {"manager.value": "m", "department": "D"}}}]),
        json!({ENTERPRISE: {"manager": {"value": "m"}, "department": "D"}}),
    );
}

fn any_operation() -> impl Strategy<Value = Value> {
    let path = proptest::sample::select(vec![
        "emails",
        "emails[type eq \"work\"]",
        "emails[type eq \"home\"].value",
        "emails.primary",
        "emails[primary eq true].type",
        "emails[not (type eq \"work\")]",
        "name",
        "name.givenName",
        "title",
        "active",
        "userName",
        "addresses[type eq \"x\"].locality",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
    ]);
    let value = proptest::sample::select(vec![
        json!("x"),
        json!(true),
        json!(null),
        json!(""),
        json!([]),
        json!({}),
        json!({"value": "a", "primary": true}),
        json!({"givenName": "G"}),
        json!([{"value": "a", "type": "work"}, {"value": "b", "primary": true}]),
        json!({"department": "D", "manager": "m"}),
        json!(7),
    ]);
    let action = proptest::sample::select(vec!["add", "remove", "replace"]);
    (action, path, value).prop_map(|(op, path, value)| json!({"op": op, "path": path, "value": value}))
}

proptest! {
    /// Whatever is patched: the result is in form (bringing it into form again changes nothing), so that
    /// one value at most is primary, nothing is empty, and every type fits.
    #[test]
    fn patches_keep_the_form(operations in proptest::collection::vec(any_operation(), 1..8)) {
        let catalogue = Catalogue::load().unwrap();
        if let Ok(Value::Object(mut patched)) = patched(Value::Array(operations)) {
            patched.shift_remove("id");
            let normal = normalize(&patched, &catalogue.user);
            prop_assert_eq!(normal, Ok(patched));
        }
    }
}

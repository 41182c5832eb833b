//! What a client sends, brought into the form of the schema: names in the schema's spelling, values of the right
//! type, nothing that is read-only or unknown (RFC 7643 §2, §7; HE3).
//!
//! Accepted beyond the RFC, because identity providers send it: booleans as text, one value where an array
//! belongs, a bare string where an object with `value` belongs, and an empty string for no value.

use super::error::ScimError;
use super::evaluate::{boolean, folded, instant};
use super::json::{self, Object};
use super::schema::{Attribute, DataType, Mutability, ResourceType, Schema};
use base64::Engine;
use serde_json::Value;

/// Brings the body of a POST or PUT into form. What is read-only is left out, and so is what no schema knows.
pub fn normalize(body: &Object, resource_type: &ResourceType) -> Result<Object, ScimError> {
    let mut resource = Object::new();
    for (name, value) in body {
        if let Some(extension) = resource_type.extension(name) {
            if let Some(members) = extension_members(extension, value)? {
                put(&mut resource, &extension.id, Value::Object(members))?;
            }
            continue;
        }
        let Some(attribute) = resource_type.core_attribute(name) else { continue };
        if attribute.mutability == Mutability::ReadOnly || attribute.name == "schemas" {
            continue;
        }
        if let Some(value) = shape(attribute, value)? {
            put(&mut resource, &attribute.name, value)?;
        }
    }
    Ok(resource)
}

/// The names in a body that no schema of the type knows, as paths (HE3).
pub fn unknown(body: &Object, resource_type: &ResourceType) -> Vec<String> {
    let mut found = Vec::new();
    each_attribute(body, resource_type, &mut |name, attribute, value| match attribute {
        Some(attribute) => found.extend(unknown_parts(attribute, value)),
        None => found.push(name.to_owned()),
    });
    found
}

/// The names in a value of an attribute that are no sub-attributes of it.
fn unknown_parts(attribute: &Attribute, value: &Value) -> Vec<String> {
    let objects = elements(value).iter().filter_map(Value::as_object).filter(|_| attribute.is_complex());
    let strange = objects.flat_map(Object::keys).filter(|name| attribute.sub(name).is_none());
    strange.map(|name| format!("{}.{name}", attribute.name)).collect()
}

/// Refuses in the body of a POST or PUT what the profile `strict` does not let pass: names that no schema knows (400
/// invalidSyntax), and values of another form than the schema's (400 invalidValue).
pub fn check_strict(body: &Object, resource_type: &ResourceType) -> Result<(), ScimError> {
    refuse_unknown(&unknown(body, resource_type))?;
    let mut checked = check_schemas(body, resource_type);
    each_attribute(body, resource_type, &mut |_, attribute, value| {
        if let (Some(attribute), Ok(())) = (attribute, &checked) {
            checked = check_form(attribute, value);
        }
    });
    checked
}

/// Refuses `schemas` that do not name the type's own (RFC 7643 §3); a body that is silent on them is of the endpoint's type.
fn check_schemas(body: &Object, resource_type: &ResourceType) -> Result<(), ScimError> {
    let own = &resource_type.schema.id;
    let names = |given: &Value| elements(given).iter().any(|urn| urn.as_str().is_some_and(|urn| urn.eq_ignore_ascii_case(own)));
    match json::get(body, "schemas").is_none_or(names) {
        true => Ok(()),
        false => Err(ScimError::syntax(format!("schemas does not hold {own}"))),
    }
}

/// The same of the value of one attribute.
pub fn check_value_strict(attribute: &Attribute, value: &Value) -> Result<(), ScimError> {
    refuse_unknown(&unknown_parts(attribute, value))?;
    check_form(attribute, value)
}

/// Refuses text for a boolean, and a bare value where an object belongs.
fn check_form(attribute: &Attribute, value: &Value) -> Result<(), ScimError> {
    let wrong = |wanted: &str| Err(ScimError::value(format!("{}: {wanted} was expected", attribute.name)));
    for element in elements(value).iter().filter(|element| !element.is_null()) {
        match (attribute.data_type, element) {
            (DataType::Boolean, element) if !element.is_boolean() => return wrong("true or false"),
            (DataType::Complex, Value::Object(members)) => {
                let subs = members.iter().filter_map(|(name, value)| Some((attribute.sub(name)?, value)));
                subs.filter(|(sub, _)| sub.mutability != Mutability::ReadOnly).try_for_each(|(sub, value)| check_form(sub, value))?;
            }
            (DataType::Complex, _) => return wrong("an object"),
            _ => {}
        }
    }
    Ok(())
}

/// Hands each attribute of a body over: its name, what it is, and its value; those of extensions one by one.
fn each_attribute(body: &Object, resource_type: &ResourceType, each: &mut dyn FnMut(&str, Option<&Attribute>, &Value)) {
    for (name, value) in body {
        match (resource_type.extension(name), value) {
            (Some(extension), Value::Object(members)) => {
                members.iter().for_each(|(name, value)| each(name, extension.attribute(name), value));
            }
            (Some(_), _) => {}
            (None, _) => each(name, resource_type.core_attribute(name), value),
        }
    }
}

fn elements(value: &Value) -> &[Value] {
    value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice)
}

/// 400 invalidSyntax where there is such a name.
fn refuse_unknown(names: &[String]) -> Result<(), ScimError> {
    match names.is_empty() {
        true => Ok(()),
        false => Err(ScimError::syntax(format!("no schema of the resource has {}", names.join(", ")))),
    }
}

/// The members of an extension in form; `None` where none has a value.
fn extension_members(extension: &Schema, value: &Value) -> Result<Option<Object>, ScimError> {
    if json::is_unassigned(value) {
        return Ok(None);
    }
    let given = value.as_object().ok_or_else(|| ScimError::value(format!("{} is not an object", extension.id)))?;
    let mut members = Object::new();
    for (name, value) in given {
        let Some(attribute) = extension.attribute(name).filter(|attribute| attribute.mutability != Mutability::ReadOnly) else { continue };
        if let Some(value) = shape(attribute, value)? {
            put(&mut members, &attribute.name, value)?;
        }
    }
    Ok(Some(members).filter(|members| !members.is_empty()))
}

/// The value of an attribute in form; `None` where it stands for no value.
pub fn shape(attribute: &Attribute, value: &Value) -> Result<Option<Value>, ScimError> {
    if !attribute.multi_valued {
        return shape_single(attribute, value);
    }
    let given = match value {
        Value::Array(values) => values.as_slice(),
        single => std::slice::from_ref(single),
    };
    let mut values: Vec<Value> = Vec::new();
    for value in given {
        if let Some(value) = shape_single(attribute, value)? {
            values.push(value);
        }
    }
    if values.iter().filter(|value| is_primary(value)).count() > 1 {
        return Err(ScimError::value(format!("{}: more than one value is primary", attribute.name)));
    }
    let values = distinct(attribute, values);
    Ok(Some(Value::Array(values)).filter(|values| !json::is_unassigned(values)))
}

/// Each value once for each type (RFC 7643 §2.4): of one that is repeated the first stays, with what the others add.
pub fn distinct(attribute: &Attribute, values: Vec<Value>) -> Vec<Value> {
    let mut places = std::collections::HashMap::new();
    let mut kept: Vec<Value> = Vec::with_capacity(values.len());
    for value in values {
        match places.entry(same_key(attribute, &value)) {
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(kept.len());
                kept.push(value);
            }
            std::collections::hash_map::Entry::Occupied(place) => {
                let primary = is_primary(&value);
                if let (Some(Value::Object(held)), Value::Object(new)) = (kept.get_mut(*place.get()), value) {
                    for (name, value) in new {
                        held.entry(name).or_insert(value);
                    }
                    if primary {
                        held.insert("primary".to_owned(), Value::Bool(true));
                    }
                }
            }
        }
    }
    kept
}

/// What two values of one attribute share that are the same: value and type, or all of them where they have no value.
pub fn same_key(attribute: &Attribute, value: &Value) -> String {
    let part = |name: &str| value.get(name).map(|part| comparable(attribute.sub(name), part));
    match part("value") {
        Some(held) if attribute.is_complex() => format!("{held}\n{}", part("type").unwrap_or_default()),
        Some(_) | None => comparable(Some(attribute), value),
    }
}

/// Text by which values are the same, case told apart where the schema does.
pub fn comparable(attribute: Option<&Attribute>, value: &Value) -> String {
    match (value, attribute) {
        (Value::String(text), Some(attribute)) if !attribute.is_case_exact() => format!("\"{}", folded(text, false)),
        _ => json::canonical(value),
    }
}

/// What of a complex value the schema knows.
pub fn in_form(attribute: &Attribute, value: &Value) -> Option<Value> {
    let known = |(name, value): (&String, &Value)| {
        let sub = attribute.sub(name).filter(|sub| sub.name == *name)?;
        Some((name.clone(), shape(sub, value).ok()??))
    };
    let members: Object = value.as_object()?.iter().filter_map(known).collect();
    (!members.is_empty()).then_some(Value::Object(members))
}

/// One value of an attribute, or one element of a multi-valued one.
pub fn shape_single(attribute: &Attribute, value: &Value) -> Result<Option<Value>, ScimError> {
    if json::is_unassigned(value) {
        return Ok(None);
    }
    let wrong = |wanted: &str| ScimError::value(format!("{}: {wanted} was expected", attribute.name));
    let shaped = match attribute.data_type {
        DataType::Complex => return complex(attribute, value),
        DataType::Boolean => Value::Bool(boolean(value).ok_or_else(|| wrong("true or false"))?),
        DataType::Decimal => value.is_number().then(|| value.clone()).ok_or_else(|| wrong("a number"))?,
        DataType::Integer => value.as_i64().map(Value::from).ok_or_else(|| wrong("a whole number"))?,
        DataType::Binary | DataType::DateTime | DataType::Reference | DataType::String => {
            let text = value.as_str().ok_or_else(|| wrong("a string"))?;
            if text.contains('\0') {
                return Err(wrong("a string without NUL"));
            }
            if attribute.data_type == DataType::DateTime && instant(text).is_none() {
                return Err(wrong("a dateTime"));
            }
            if attribute.data_type == DataType::Binary && base64::engine::general_purpose::STANDARD.decode(text).is_err() {
                return Err(wrong("base64"));
            }
            value.clone()
        }
    };
    Ok(Some(shaped))
}

fn complex(attribute: &Attribute, value: &Value) -> Result<Option<Value>, ScimError> {
    let mut members = Object::new();
    match value {
        Value::Object(given) => {
            for (name, value) in given {
                let Some(sub) = attribute.sub(name).filter(|sub| sub.mutability != Mutability::ReadOnly) else { continue };
                if let Some(value) = shape(sub, value)? {
                    put(&mut members, &sub.name, value)?;
                }
            }
        }
        single => {
            let sub = attribute.sub("value").ok_or_else(|| ScimError::value(format!("{}: an object was expected", attribute.name)))?;
            if let Some(value) = shape_single(sub, single)? {
                members.insert(sub.name.clone(), value);
            }
        }
    }
    Ok(Some(Value::Object(members)).filter(|members| !json::is_unassigned(members)))
}

/// Whether an element is the primary one.
pub fn is_primary(element: &Value) -> bool {
    element.get("primary") == Some(&Value::Bool(true))
}

/// Refuses a resource without what the schema requires, in its values with parts too: 400 invalidValue.
pub fn check_required(resource: &Object, resource_type: &ResourceType) -> Result<(), ScimError> {
    let of_extensions = resource_type.extensions.iter().filter_map(|extension| {
        let members = resource.get(&extension.id)?.as_object()?;
        missing(&extension.attributes, members)
    });
    match missing(&resource_type.schema.attributes, resource).into_iter().chain(of_extensions).next() {
        Some(name) => Err(ScimError::value(format!("{name} is required"))),
        None => Ok(()),
    }
}

fn missing(attributes: &[Attribute], holder: &Object) -> Option<String> {
    attributes.iter().filter(|attribute| attribute.mutability != Mutability::ReadOnly).find_map(|attribute| {
        let Some(value) = holder.get(&attribute.name) else { return attribute.required.then(|| attribute.name.clone()) };
        let absent = elements(value).iter().filter_map(Value::as_object).find_map(|members| missing(&attribute.sub_attributes, members));
        absent.map(|sub| format!("{}.{sub}", attribute.name))
    })
}

/// What a PUT leaves of attributes that are set once: they stay where it is silent, and it says the same or is refused
/// (RFC 7644 §3.5.1).
pub fn keep_immutable(before: &Object, after: &mut Object, resource_type: &ResourceType) -> Result<(), ScimError> {
    keep_in(&resource_type.schema.attributes, before, after)?;
    for extension in &resource_type.extensions {
        let Some(held) = before.get(&extension.id).and_then(Value::as_object) else { continue };
        let mut members = after.get(&extension.id).and_then(Value::as_object).cloned().unwrap_or_default();
        keep_in(&extension.attributes, held, &mut members)?;
        if !members.is_empty() {
            after.insert(extension.id.clone(), Value::Object(members));
        }
    }
    Ok(())
}

fn keep_in(attributes: &[Attribute], before: &Object, after: &mut Object) -> Result<(), ScimError> {
    for attribute in attributes {
        let Some(held) = before.get(&attribute.name) else { continue };
        match (attribute.mutability, after.get_mut(&attribute.name), held) {
            (Mutability::Immutable, None, _) => drop(after.insert(attribute.name.clone(), held.clone())),
            (Mutability::Immutable, Some(given), _) if given != held => {
                return Err(ScimError::mutability(format!("{} cannot be changed once it is set", attribute.name)));
            }
            (_, Some(Value::Object(given)), Value::Object(held)) => keep_in(&attribute.sub_attributes, held, given)?,
            _ => {}
        }
    }
    Ok(())
}

/// Says which schemas a resource has: its own, and each extension that holds something.
pub fn set_schemas(resource: &mut Object, resource_type: &ResourceType) {
    let extensions = resource_type.extensions.iter().filter(|extension| resource.contains_key(&extension.id));
    let schemas: Vec<Value> = std::iter::once(&resource_type.schema).chain(extensions).map(|schema| schema.id.clone().into()).collect();
    resource.shift_insert(0, "schemas".to_owned(), Value::Array(schemas));
}

fn put(object: &mut Object, name: &str, value: Value) -> Result<(), ScimError> {
    match object.insert(name.to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(ScimError::syntax(format!("{name} is there twice"))),
    }
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json! makes values")]
mod tests {
    use super::*;
    use crate::scim::schema::Catalogue;
    use serde_json::json;

    fn normalized(body: Value) -> Result<Value, ScimError> {
        let catalogue = Catalogue::load().unwrap();
        normalize(body.as_object().unwrap(), &catalogue.user).map(Value::Object)
    }

    #[test]
    fn he1_he3_what_the_server_owns_and_what_nobody_knows_is_left_out() {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "http://schemas.microsoft.com/x"],
            "id": "1", "meta": {"resourceType": "x"}, "groups": [{"value": "admins"}], "hcUserType": "admin", "isAdmin": true,
            "USERNAME": "bjensen", "externalId": "1", "roles": [], "middleName": "",
            "Name": {"FamilyName": "Jensen", "unknown": 1},
            "emails": {"Value": "B@example.com", "primary": "True"},
            "active": "False",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:user": {"manager": "26118915", "department": null}
        });
        let expected = json!({
            "userName": "bjensen", "externalId": "1", "name": {"familyName": "Jensen"},
            "emails": [{"value": "B@example.com", "primary": true}], "active": false,
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": {"value": "26118915"}}
        });
        assert_eq!(normalized(body), Ok(expected));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for body in [
            json!({"userName": 5}),
            json!({"userName": ["a"]}),
            json!({"active": "perhaps"}),
            json!({"name": "Barbara"}),
            json!({"emails": [{"value": "a", "primary": true}, {"value": "b", "primary": true}]}),
            json!({"userName": "a\u{0}b"}),
            json!({"userName": "a", "USERNAME": "b"}),
            json!({"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": "x"}),
        ] {
            assert!(normalized(body.clone()).is_err(), "{body}");
        }
    }

    #[test]
    fn required_attributes_and_schemas_follow_the_data() {
        let catalogue = Catalogue::load().unwrap();
        assert!(check_required(&Object::new(), &catalogue.user).is_err());
        let mut resource = Object::new();
        resource.insert("userName".to_owned(), "a".into());
        resource.insert("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User".to_owned(), json!({"department": "x"}));
        assert!(check_required(&resource, &catalogue.user).is_ok());
        set_schemas(&mut resource, &catalogue.user);
        assert_eq!(resource.get("schemas").and_then(Value::as_array).map(Vec::len), Some(2));
    }
}

//! What a client sends, brought into the form of the schema: names in the schema's spelling, values of the right
//! type, nothing that is read-only or unknown (RFC 7643 §2, §7; HE3).
//!
//! Accepted beyond the RFC, because identity providers send it: booleans as text, one value where an array
//! belongs, a bare string where an object with `value` belongs, and an empty string for no value.

use super::error::ScimError;
use super::evaluate::{boolean, instant};
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

/// The members of an extension in form; `None` where none has a value.
pub fn extension_members(extension: &Schema, value: &Value) -> Result<Option<Object>, ScimError> {
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
    // A value that is repeated word for word counts once.
    let mut seen = std::collections::HashSet::new();
    values.retain(|value| seen.insert(value.to_string()));
    Ok(Some(Value::Array(values)).filter(|values| !json::is_unassigned(values)))
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

/// Refuses a resource without what the schema requires: 400 invalidValue.
pub fn check_required(resource: &Object, resource_type: &ResourceType) -> Result<(), ScimError> {
    let missing = resource_type.schema.attributes.iter().find(|attribute| attribute.required && !resource.contains_key(&attribute.name));
    match missing {
        Some(attribute) => Err(ScimError::value(format!("{} is required", attribute.name))),
        None => Ok(()),
    }
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

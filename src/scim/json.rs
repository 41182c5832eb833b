//! What requests are made of: JSON, read as strictly as [`crate::base::json`] does.

use super::error::ScimError;
use crate::base::json;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub use crate::base::json::{MAX_DEPTH, Object};

/// Reads an object out of a body. The text of the error is for the client.
pub fn parse(body: &[u8]) -> Result<Object, String> {
    match json::read(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("the body is not a JSON object".to_owned()),
        Err(error) => Err(format!("the body is not JSON that is accepted here: {error}")),
    }
}

/// The member of that name, in any case.
pub fn get<'a>(object: &'a Object, name: &str) -> Option<&'a Value> {
    object.get(name).or_else(|| object.iter().find(|(held, _)| held.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// Refuses a message whose `schemas` names others than the one it must have; clients that leave it out are understood.
pub fn require_schema(body: &Object, urn: &str) -> Result<(), ScimError> {
    let Some(schemas) = get(body, "schemas") else { return Ok(()) };
    let is_it = |held: &Value| held.as_str().is_some_and(|held| held.eq_ignore_ascii_case(urn));
    match schemas.as_array().is_some_and(|held| held.iter().any(is_it)) {
        true => Ok(()),
        false => Err(ScimError::syntax(format!("schemas does not hold {urn}"))),
    }
}

/// Whether a value stands for no value (RFC 7643 §2.5). Identity providers clear an attribute with an empty string too.
pub fn is_unassigned(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A value as text, names in order and no spaces, so that equal values are equal octets.
pub fn canonical(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let ordered: BTreeMap<&String, &Value> = members.iter().collect();
            let members: Vec<String> = ordered.into_iter().map(|(name, value)| format!("{}:{}", json!(name), canonical(value))).collect();
            format!("{{{}}}", members.join(","))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hd8_depth_and_duplicate_names_are_refused() {
        let nested = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert!(parse(nested(MAX_DEPTH + 1).as_bytes()).is_err());
        assert!(parse(format!("{{\"a\":{}{}}}", "[".repeat(40), "]".repeat(40)).as_bytes()).is_err());
        for refused in
            ["", "[]", "1", "{\"a\":1,\"a\":2}", "{\"a\":{\"b\":1,\"b\":1}}", "{\"a\":1} x", "{\"a\":\"\\ud800\"}", "{\"a\":1e999}"]
        {
            assert!(parse(refused.as_bytes()).is_err(), "{refused}");
        }
        assert!(parse(b"{\"a\":\"\xff\"}").is_err());
        assert_eq!(
            Value::Object(parse(b"{\"a\":[1,-2,1.5,true,null,\"x\"]}").unwrap()),
            serde_json::json!({"a": [1, -2, 1.5, true, null, "x"]})
        );
    }

    #[test]
    fn structured_values_are_written_in_one_form() {
        assert_eq!(
            canonical(&json!({"value": "a\"b", "primary": true, "type": "work"})),
            r#"{"primary":true,"type":"work","value":"a\"b"}"#
        );
    }
}

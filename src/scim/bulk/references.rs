//! `bulkId:x` where the id of a resource belongs that another operation of the same request makes (RFC 7644 §3.7.2): as a
//! value, at the end of a `$ref`, and within the filter of a PATCH path.

use crate::scim::json::Object;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What stands before the id.
pub(super) const PREFIX: &str = "bulkId:";

/// Tells the id that a reference stands for, or `None` to leave it as it is.
type Resolve<'r> = dyn FnMut(&str) -> Option<String> + 'r;

/// Puts ids in the place of references, everywhere in the data of an operation.
pub(super) fn replace(data: &mut Object, resolve: &mut Resolve<'_>) {
    data.iter_mut().for_each(|(name, value)| replace_in(name, value, resolve));
}

fn replace_in(name: &str, value: &mut Value, resolve: &mut Resolve<'_>) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(|element| replace_in(name, element, resolve)),
        Value::Object(members) => replace(members, resolve),
        Value::String(text) => {
            let replaced = match name.to_ascii_lowercase().as_str() {
                "path" => in_filter(text, resolve),
                "$ref" => at_end(text, resolve),
                _ => text.strip_prefix(PREFIX).and_then(resolve),
            };
            if let Some(replaced) = replaced {
                *text = replaced;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// `members[value eq "bulkId:x"]`.
fn in_filter(path: &str, resolve: &mut Resolve<'_>) -> Option<String> {
    let mut parts = path.split("\"bulkId:");
    let mut replaced = parts.next()?.to_owned();
    for part in parts {
        let (reference, rest) = part.split_once('"')?;
        let id = resolve(reference).unwrap_or_else(|| format!("{PREFIX}{reference}"));
        replaced.push_str(&format!("\"{id}\"{rest}"));
    }
    Some(replaced)
}

/// `https://example.com/v2/Users/bulkId:x`, `/Users/bulkId:x` or `bulkId:x`.
fn at_end(uri: &str, resolve: &mut Resolve<'_>) -> Option<String> {
    let last = uri.rsplit('/').next()?;
    let id = resolve(last.strip_prefix(PREFIX)?)?;
    Some(format!("{}{id}", uri.strip_suffix(last)?))
}

/// The references in the data of an operation.
pub(super) fn all(data: &Object) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    replace(&mut data.clone(), &mut |reference| {
        found.insert(reference.to_owned());
        None
    });
    found
}

fn within(name: &str, value: &Value, missing: &BTreeSet<String>) -> bool {
    let held = Object::from_iter([(name.to_owned(), value.clone())]);
    all(&held).iter().any(|reference| missing.contains(reference))
}

/// Whether the session limit is to grow with what is made of this.
pub(super) fn asks_for_seat(data: &Object) -> bool {
    const NAME: &str = "increasesessionlimit";
    data.iter().any(|(name, value)| match value {
        Value::Object(members) => asks_for_seat(members),
        Value::Bool(asked) => *asked && name.to_ascii_lowercase().ends_with(NAME),
        Value::String(asked) => asked.eq_ignore_ascii_case("true") && name.to_ascii_lowercase().ends_with(NAME),
        _ => false,
    })
}

/// Takes out of a new resource what refers to resources that do not exist yet: elements of arrays, else the attribute. Answers
/// the operations of a PATCH that put it there later.
pub(super) fn take_out(data: &mut Object, missing: &BTreeSet<String>) -> Vec<Value> {
    let mut later = Vec::new();
    take_out_of(data, "", missing, &mut later);
    later
}

fn take_out_of(data: &mut Object, extension: &str, missing: &BTreeSet<String>, later: &mut Vec<Value>) {
    let mut kept = Object::new();
    for (name, mut value) in std::mem::take(data) {
        if !within(&name, &value, missing) {
            kept.insert(name, value);
            continue;
        }
        match &mut value {
            Value::Object(members) if extension.is_empty() && name.contains(':') => {
                take_out_of(members, &format!("{name}:"), missing, later);
                kept.insert(name, value);
            }
            Value::Array(elements) => {
                let (wait, stay): (Vec<Value>, Vec<Value>) = elements.drain(..).partition(|element| within(&name, element, missing));
                later.push(json!({"op": "add", "path": format!("{extension}{name}"), "value": wait}));
                if !stay.is_empty() {
                    kept.insert(name, Value::Array(stay));
                }
            }
            _ => later.push(json!({"op": "add", "path": format!("{extension}{name}"), "value": value})),
        }
    }
    *data = kept;
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json! makes values")]
mod tests {
    use super::*;

    const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

    fn object(value: Value) -> Object {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn references_are_found_wherever_an_id_can_stand() {
        let mut data = object(json!({
            "members": [{"type": "User", "value": "bulkId:a"}, "bulkId:b"],
            ENTERPRISE: {"manager": {"$ref": "https://h/scim/v2/Users/bulkId:c"}},
            "Operations": [{"op": "remove", "Path": "members[value eq \"bulkId:d\" or value eq \"x\"]"}],
            "displayName": "about bulkId:e", "nickName": "Users/bulkId:f"
        }));
        assert_eq!(all(&data), ["a", "b", "c", "d"].map(str::to_owned).into());
        replace(&mut data, &mut |reference| (reference != "b").then(|| format!("id-{reference}")));
        assert_eq!(
            Value::Object(data),
            json!({
                "members": [{"type": "User", "value": "id-a"}, "bulkId:b"],
                ENTERPRISE: {"manager": {"$ref": "https://h/scim/v2/Users/id-c"}},
                "Operations": [{"op": "remove", "Path": "members[value eq \"id-d\" or value eq \"x\"]"}],
                "displayName": "about bulkId:e", "nickName": "Users/bulkId:f"
            })
        );
    }

    #[test]
    fn what_refers_to_what_is_not_there_yet_is_put_off() {
        let mut data = object(json!({
            "displayName": "g", "members": [{"value": "bulkId:a"}, {"value": "bulkId:b"}],
            ENTERPRISE: {"department": "d", "manager": {"value": "bulkId:a"}}
        }));
        let later = take_out(&mut data, &BTreeSet::from(["a".to_owned()]));
        assert_eq!(Value::Object(data), json!({"displayName": "g", "members": [{"value": "bulkId:b"}], ENTERPRISE: {"department": "d"}}));
        assert_eq!(
            Value::Array(later),
            json!([
                {"op": "add", "path": "members", "value": [{"value": "bulkId:a"}]},
                {"op": "add", "path": format!("{ENTERPRISE}:manager"), "value": {"value": "bulkId:a"}}
            ])
        );
    }
}

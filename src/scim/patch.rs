//! PATCH (RFC 7644 §3.5.2): operations read, and applied to a resource in memory. The caller writes the result
//! as a whole or not at all. `members` of a group go another way, see `members.rs`.

use super::error::ScimError;
use super::evaluate::Predicate;
use super::filter::{Filter, Operator};
use super::json::{self, Object};
use super::path::Path;
use super::resource::{is_primary, shape, shape_single};
use super::schema::{Attribute, Mutability, ResourceType, Schema, Target};
use serde_json::Value;

/// What a PATCH body must name as its schema, where it names any.
pub const PATCH_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Put values to what is there.
    Add,
    /// Take away.
    Remove,
    /// Put values in the place of what is there.
    Replace,
}

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// What to do.
    pub action: Action,
    /// Where; the resource itself where it is absent.
    pub path: Option<Path>,
    /// The value; null where it is absent.
    pub value: Value,
}

/// Reads the body of a PATCH.
pub fn parse(body: &Object) -> Result<Vec<Operation>, ScimError> {
    json::require_schema(body, PATCH_SCHEMA)?;
    let operations = json::get(body, "Operations").and_then(Value::as_array).filter(|held| !held.is_empty());
    operations.ok_or_else(|| ScimError::syntax("Operations must be an array with an operation at least"))?.iter().map(operation).collect()
}

fn operation(given: &Value) -> Result<Operation, ScimError> {
    let given = given.as_object().ok_or_else(|| ScimError::syntax("an operation is not an object"))?;
    let action = json::get(given, "op").and_then(Value::as_str).map(str::to_ascii_lowercase);
    let action = match action.as_deref() {
        Some("add") => Action::Add,
        Some("remove") => Action::Remove,
        Some("replace") => Action::Replace,
        Some(_) | None => return Err(ScimError::syntax("op must be add, remove or replace")),
    };
    let path = match json::get(given, "path") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.is_empty() => None,
        Some(Value::String(text)) => Some(Path::parse(text).map_err(|error| ScimError::path(format!("path {text}: {error}")))?),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            return Err(ScimError::path("path is not a string"));
        }
    };
    let value = json::get(given, "value").cloned();
    match (action, &path, &value) {
        (Action::Remove, None, _) => Err(ScimError::no_target("remove needs a path")),
        (Action::Add | Action::Replace, _, None) => Err(ScimError::value("add and replace need a value")),
        _ => Ok(Operation { action, path, value: value.unwrap_or_default() }),
    }
}

/// Applies one operation. `resource` is in form (names as in the schema), and stays so.
pub fn apply(resource: &mut Object, operation: &Operation, resource_type: &ResourceType) -> Result<(), ScimError> {
    let Operation { action, path, value } = operation;
    if let Some(path) = path {
        let target = resource_type.resolve(&path.attribute);
        let target = target.ok_or_else(|| ScimError::path(format!("{path} is no attribute of {}", resource_type.name)))?;
        return at_target(resource, *action, target, path.filter.as_ref(), value);
    }
    let members = value.as_object().ok_or_else(|| ScimError::value("without a path the value must be an object"))?;
    for (name, value) in members {
        if let Some(extension) = resource_type.extension(name) {
            at_target(resource, *action, Target::Extension(extension), None, value)?;
            continue;
        }
        // Names are paths: Entra ID sends `name.givenName` and `urn:…:User:department` as keys (quirk 4).
        let path = Path::parse(name).map_err(|error| ScimError::path(format!("{name}: {error}")))?;
        let Some(target) = resource_type.resolve(&path.attribute) else { continue };
        if name.eq_ignore_ascii_case("schemas") || repeats(resource, target, value) {
            continue;
        }
        at_target(resource, *action, target, path.filter.as_ref(), value)?;
    }
    Ok(())
}

/// Whether a value without a path only says what is so: Okta sends the id along (quirk 32).
fn repeats(resource: &Object, target: Target<'_>, value: &Value) -> bool {
    match target {
        Target::Attribute(None, attribute, None) if attribute.mutability == Mutability::ReadOnly => {
            resource.get(&attribute.name) == Some(value)
        }
        Target::Attribute(..) | Target::Extension(_) => false,
    }
}

fn at_target(resource: &mut Object, action: Action, target: Target<'_>, filter: Option<&Filter>, value: &Value) -> Result<(), ScimError> {
    let (extension, attribute, sub) = match target {
        Target::Extension(extension) => return at_extension(resource, action, extension, value),
        Target::Attribute(extension, attribute, sub) => (extension, attribute, sub),
    };
    let name = sub.map_or_else(|| attribute.name.clone(), |sub| format!("{}.{}", attribute.name, sub.name));
    if attribute.mutability == Mutability::ReadOnly
        || sub.is_some_and(|sub| sub.mutability == Mutability::ReadOnly)
        || attribute.name == "schemas"
    {
        return Err(ScimError::mutability(format!("{name} is read-only")));
    }
    if action == Action::Remove && attribute.mutability == Mutability::WriteOnly {
        return Err(ScimError::mutability(format!("{name} can be replaced, not removed")));
    }
    if filter.is_some() && !attribute.multi_valued {
        return Err(ScimError::path(format!("{name} has no elements to select")));
    }
    let place = Place { attribute, sub, filter };
    match extension {
        None => place.apply(resource, action, value),
        Some(extension) => in_extension(resource, extension, |members| place.apply(members, action, value)),
    }
}

fn at_extension(resource: &mut Object, action: Action, extension: &Schema, value: &Value) -> Result<(), ScimError> {
    if action == Action::Remove {
        resource.shift_remove(&extension.id);
        return Ok(());
    }
    let given = value.as_object().ok_or_else(|| ScimError::value(format!("{}: an object was expected", extension.id)))?;
    for (name, value) in given {
        let path = Path::parse(name).map_err(|error| ScimError::path(format!("{name}: {error}")))?;
        let Some(attribute) = extension.attribute(&path.attribute.name).filter(|_| path.attribute.urn.is_none()) else { continue };
        let sub = match &path.attribute.sub {
            None => None,
            Some(name) => match attribute.sub(name) {
                None => continue,
                found => found,
            },
        };
        at_target(resource, action, Target::Attribute(Some(extension), attribute, sub), path.filter.as_ref(), value)?;
    }
    Ok(())
}

/// Works on the members of an extension, which is there only while it holds something.
fn in_extension(
    resource: &mut Object,
    extension: &Schema,
    change: impl FnOnce(&mut Object) -> Result<(), ScimError>,
) -> Result<(), ScimError> {
    let mut members = match resource.get_mut(&extension.id) {
        Some(Value::Object(members)) => std::mem::take(members),
        Some(_) | None => Object::new(),
    };
    change(&mut members)?;
    match members.is_empty() {
        true => drop(resource.shift_remove(&extension.id)),
        false => drop(resource.insert(extension.id.clone(), Value::Object(members))),
    }
    Ok(())
}

/// What an operation changes, its names looked up.
struct Place<'s> {
    attribute: &'s Attribute,
    sub: Option<&'s Attribute>,
    filter: Option<&'s Filter>,
}

impl Place<'_> {
    fn apply(&self, holder: &mut Object, action: Action, value: &Value) -> Result<(), ScimError> {
        if self.attribute.multi_valued && (self.filter.is_some() || self.sub.is_some()) {
            return self.elements(holder, action, value);
        }
        let name = &self.attribute.name;
        let current = holder.get(name);
        let next = match (self.sub, action) {
            (Some(sub), _) => {
                let mut members = current.and_then(Value::as_object).cloned().unwrap_or_default();
                set(&mut members, sub, action, value)?;
                Some(Value::Object(members))
            }
            (None, Action::Remove) if self.attribute.multi_valued && !json::is_unassigned(value) => self.without(current, value)?,
            (None, Action::Remove) => None,
            (None, Action::Add) if self.attribute.multi_valued => self.appended(current, value)?,
            (None, Action::Replace) if self.attribute.multi_valued => shape(self.attribute, value)?,
            (None, Action::Add | Action::Replace) if self.attribute.is_complex() && !json::is_unassigned(value) => {
                Some(Value::Object(merged(self.attribute, current, action, value)?))
            }
            (None, Action::Add) => shape(self.attribute, value)?.or_else(|| current.cloned()),
            (None, Action::Replace) => shape(self.attribute, value)?,
        };
        put(holder, name, next);
        Ok(())
    }

    /// What is there, and the new values: one that is there with the same value and type is brought up to date.
    fn appended(&self, current: Option<&Value>, value: &Value) -> Result<Option<Value>, ScimError> {
        let mut elements = current.and_then(Value::as_array).cloned().unwrap_or_default();
        let Some(Value::Array(added)) = shape(self.attribute, value)? else { return Ok(current.cloned()) };
        let mut touched = Vec::new();
        for element in added {
            let same = elements.iter().position(|held| same_value(held, &element));
            match (same.and_then(|at| elements.get_mut(at)), element) {
                (Some(Value::Object(held)), Value::Object(new)) => held.extend(new),
                (Some(held), new) => *held = new,
                (None, new) => elements.push(new),
            }
            touched.push(same.unwrap_or(elements.len() - 1));
        }
        hand_over(self.attribute, &mut elements, &touched)?;
        Ok(Some(Value::Array(elements)))
    }

    /// What is there, but the values given (quirk 8).
    fn without(&self, current: Option<&Value>, value: &Value) -> Result<Option<Value>, ScimError> {
        let Some(Value::Array(gone)) = shape(self.attribute, value)? else { return Ok(current.cloned()) };
        let mut elements = current.and_then(Value::as_array).cloned().unwrap_or_default();
        elements.retain(|held| !gone.iter().any(|gone| covers(gone, held)));
        Ok(Some(Value::Array(elements)))
    }

    /// Elements of a multi-valued attribute, selected by a filter or all of them.
    fn elements(&self, holder: &mut Object, action: Action, value: &Value) -> Result<(), ScimError> {
        let name = &self.attribute.name;
        let predicate = self.filter.map(|filter| Predicate::compile_element(filter, self.attribute)).transpose()?;
        let mut elements = holder.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        let chosen = |element: &Value| predicate.as_ref().is_none_or(|predicate| predicate.matches_element(element));
        let mut touched: Vec<usize> = elements.iter().enumerate().filter(|(_, element)| chosen(element)).map(|(at, _)| at).collect();
        if touched.is_empty() {
            if action == Action::Remove && predicate.is_none() {
                return Ok(());
            }
            elements.push(self.upserted(action)?);
            touched.push(elements.len() - 1);
        }
        if action == Action::Remove && self.sub.is_none() {
            elements.retain(|element| !chosen(element));
            put(holder, name, Some(Value::Array(elements)));
            return Ok(());
        }
        for &at in &touched {
            if let Some(element) = elements.get_mut(at) {
                self.element(element, action, value)?;
            }
        }
        hand_over(self.attribute, &mut elements, &touched)?;
        elements.retain(|element| !json::is_unassigned(element));
        // Elements that were set alike are one.
        put(holder, name, shape(self.attribute, &Value::Array(elements))?);
        Ok(())
    }

    fn element(&self, element: &mut Value, action: Action, value: &Value) -> Result<(), ScimError> {
        match (self.sub, element) {
            (Some(sub), Value::Object(members)) => set(members, sub, action, value),
            (None, held @ Value::Object(_)) if action == Action::Add => {
                *held = Value::Object(merged(self.attribute, Some(held), action, value)?);
                Ok(())
            }
            (_, held) => {
                *held = shape_single(self.attribute, value)?.unwrap_or_default();
                Ok(())
            }
        }
    }

    /// The element that an operation makes where its filter matches none: the values the filter asks for, where it
    /// only asks for equal values and the operation sets (quirks 5, 6, 15). Otherwise 400 noTarget.
    fn upserted(&self, action: Action) -> Result<Value, ScimError> {
        let none = || ScimError::no_target(format!("no value of {} matches the filter", self.attribute.name));
        let creates = action == Action::Add || (action == Action::Replace && self.sub.is_some());
        if !creates {
            return Err(none());
        }
        let terms = match self.filter {
            None => &[],
            Some(Filter::And(terms)) => terms.as_slice(),
            Some(term) => std::slice::from_ref(term),
        };
        let mut members = Object::new();
        for term in terms {
            let Filter::Compare(path, Operator::Equal, value) = term else { return Err(none()) };
            let sub = self.attribute.sub(&path.name).filter(|sub| sub.mutability != Mutability::ReadOnly).ok_or_else(none)?;
            set(&mut members, sub, Action::Add, value)?;
        }
        Ok(Value::Object(members))
    }
}

/// Sets or takes away one sub-attribute.
fn set(members: &mut Object, sub: &Attribute, action: Action, value: &Value) -> Result<(), ScimError> {
    let next = if action == Action::Remove { None } else { shape(sub, value)? };
    let held = members.get(&sub.name);
    if sub.mutability == Mutability::Immutable && held.is_some() && held != next.as_ref() {
        return Err(ScimError::mutability(format!("{} cannot be changed once it is set", sub.name)));
    }
    if next.is_none() && action == Action::Add {
        return Ok(());
    }
    put(members, &sub.name, next);
    Ok(())
}

/// A complex value with the sub-attributes given set, and the others as they were (RFC 7644 §3.5.2.3).
fn merged(attribute: &Attribute, current: Option<&Value>, action: Action, value: &Value) -> Result<Object, ScimError> {
    let mut members = current.and_then(Value::as_object).cloned().unwrap_or_default();
    let Value::Object(given) = value else {
        if let Some(Value::Object(new)) = shape_single(attribute, value)? {
            members.extend(new);
        }
        return Ok(members);
    };
    for (name, value) in given {
        if let Some(sub) = attribute.sub(name).filter(|sub| sub.mutability != Mutability::ReadOnly) {
            set(&mut members, sub, action, value)?;
        }
    }
    Ok(members)
}

fn put(holder: &mut Object, name: &str, value: Option<Value>) {
    match value.filter(|value| !json::is_unassigned(value)) {
        Some(value) => drop(holder.insert(name.to_owned(), value)),
        None => drop(holder.shift_remove(name)),
    }
}

/// Whether two elements are the same value for the same use.
fn same_value(held: &Value, new: &Value) -> bool {
    match (held.get("value"), new.get("value")) {
        (Some(held_value), Some(new_value)) => {
            held_value == new_value && (new.get("type").is_none() || held.get("type") == new.get("type"))
        }
        _ => held == new,
    }
}

/// Whether everything that `gone` says is so of `held`; only the value where `gone` has one.
fn covers(gone: &Value, held: &Value) -> bool {
    match (gone.get("value"), gone, held) {
        (Some(value), ..) => held.get("value") == Some(value),
        (None, Value::Object(gone), Value::Object(held)) => gone.iter().all(|(name, value)| held.get(name) == Some(value)),
        (None, ..) => gone == held,
    }
}

/// Where a changed element is primary now, no other is (RFC 7644 §3.5.2).
fn hand_over(attribute: &Attribute, elements: &mut [Value], touched: &[usize]) -> Result<(), ScimError> {
    let mut new: Vec<usize> =
        elements.iter().enumerate().filter(|(at, element)| touched.contains(at) && is_primary(element)).map(|(at, _)| at).collect();
    new.dedup();
    match new.as_slice() {
        [] => Ok(()),
        [new] => {
            let others = elements.iter_mut().enumerate().filter(|(at, element)| at != new && is_primary(element));
            for (_, element) in others {
                if let Value::Object(members) = element {
                    members.insert("primary".to_owned(), Value::Bool(false));
                }
            }
            Ok(())
        }
        _ => Err(ScimError::value(format!("{}: more than one value is primary", attribute.name))),
    }
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json! makes values")]
mod tests {
    use super::*;
    use crate::scim::error::ScimType;
    use crate::scim::resource::{check_required, normalize};
    use crate::scim::schema::Catalogue;
    use proptest::prelude::*;
    use serde_json::json;

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
        let catalogue = Catalogue::load().unwrap();
        let mut resource = start().as_object().unwrap().clone();
        for operation in parse(json!({"Operations": operations}).as_object().unwrap())? {
            apply(&mut resource, &operation, &catalogue.user)?;
        }
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
}

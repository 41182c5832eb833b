//! PATCH (RFC 7644 §3.5.2): operations read, and applied to a resource in memory. The caller writes the result
//! as a whole or not at all. `members` of a group go another way, see `members.rs`.

use super::error::ScimError;
use super::evaluate::Predicate;
use super::filter::{Filter, Operator, Words};
use super::json::{self, Object};
use super::path::Path;
use super::resource::{check_value_strict, comparable, is_primary, same_key, shape, shape_single};
use super::schema::{Attribute, Mutability, ResourceType, Schema, Target};
use crate::directory::client::Profile;
use axum::http::StatusCode;
use serde_json::Value;
use std::cell::Cell;
use std::collections::{HashMap, HashSet};

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
pub fn parse(body: &Object, profile: Profile) -> Result<Vec<Operation>, ScimError> {
    json::require_schema(body, PATCH_SCHEMA)?;
    let operations = json::get(body, "Operations").and_then(Value::as_array).filter(|held| !held.is_empty());
    operations
        .ok_or_else(|| ScimError::syntax("Operations must be an array with an operation at least"))?
        .iter()
        .map(|given| operation(given, profile))
        .collect()
}

fn operation(given: &Value, profile: Profile) -> Result<Operation, ScimError> {
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
        Some(Value::String(text)) => Some(read_path(text, profile)?),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            return Err(ScimError::path("path is not a string"));
        }
    };
    let value = json::get(given, "value").cloned();
    match (action, &path, &value) {
        (Action::Remove, None, _) => Err(ScimError::no_target("remove needs a path")),
        (_, None, _) if profile == Profile::Strict => Err(ScimError::syntax("path is missing")),
        (Action::Add | Action::Replace, _, None) => Err(ScimError::value("add and replace need a value")),
        _ => Ok(Operation { action, path, value: value.unwrap_or_default() }),
    }
}

fn read_path(text: &str, profile: Profile) -> Result<Path, ScimError> {
    Path::read(text, Words::of(profile)).map_err(|error| ScimError::path(format!("path {text}: {error}")))
}

/// Refuses in operations what the profile `strict` does not let pass: names that no schema knows (400 invalidSyntax), and
/// values of another form than the schema's (400 invalidValue).
pub fn check_strict(operations: &[Operation], resource_type: &ResourceType) -> Result<(), ScimError> {
    for Operation { action, path, value } in operations {
        let Some(path) = path.as_ref().filter(|_| *action != Action::Remove) else { continue };
        match resource_type.resolve(&path.attribute) {
            Some(Target::Attribute(_, attribute, sub)) => check_value_strict(sub.unwrap_or(attribute), value)?,
            Some(Target::Extension(extension)) => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    let unknown = || ScimError::syntax(format!("{} has no {name}", extension.id));
                    check_value_strict(extension.attribute(name).ok_or_else(unknown)?, value)?;
                }
            }
            // Applying it says so.
            None => {}
        }
    }
    Ok(())
}

/// What the operations of one request may come to, counted in values that are looked at (HA5): one that selects among the values
/// of an attribute looks at all of them, and each may do so.
const MOST_LOOKED_AT: usize = 200_000;

/// Applies operations one after another. `resource` is in form (names as in the schema), and stays so.
pub fn apply(resource: &mut Object, operations: &[Operation], resource_type: &ResourceType, profile: Profile) -> Result<(), ScimError> {
    let looked_at = Cell::new(0);
    operations.iter().try_for_each(|operation| {
        let how = How { action: operation.action, profile, looked_at: &looked_at };
        apply_one(resource, operation, resource_type, how)
    })
}

fn apply_one(resource: &mut Object, operation: &Operation, resource_type: &ResourceType, how: How<'_>) -> Result<(), ScimError> {
    let Operation { path, value, .. } = operation;
    if let Some(path) = path {
        let target = resource_type.resolve(&path.attribute);
        let target = target.ok_or_else(|| ScimError::path(format!("{path} is no attribute of {}", resource_type.name)))?;
        return at_target(resource, how, target, path.filter.as_ref(), value);
    }
    let members = value.as_object().ok_or_else(|| ScimError::value("without a path the value must be an object"))?;
    for (name, value) in members {
        if let Some(extension) = resource_type.extension(name) {
            at_target(resource, how, Target::Extension(extension), None, value)?;
            continue;
        }
        // Names are paths: Entra ID sends `name.givenName` and `urn:…:User:department` as keys (quirk 4).
        let path = read_path(name, how.profile)?;
        let Some(target) = resource_type.resolve(&path.attribute) else { continue };
        if name.eq_ignore_ascii_case("schemas") || repeats(resource, target, value) {
            continue;
        }
        at_target(resource, how, target, path.filter.as_ref(), value)?;
    }
    Ok(())
}

/// What to do, and how the profile wants it.
#[derive(Clone, Copy)]
struct How<'c> {
    action: Action,
    profile: Profile,
    /// By all operations until now.
    looked_at: &'c Cell<usize>,
}

impl How<'_> {
    /// Looks at a value `times` times: 413 where that is too much.
    fn look_at(self, value: Option<&Value>, times: usize) -> Result<(), ScimError> {
        let more = value.map_or(0, weight).saturating_mul(times).saturating_add(1);
        self.looked_at.set(self.looked_at.get().saturating_add(more));
        match self.looked_at.get() > MOST_LOOKED_AT {
            true => {
                let detail = "the operations look at more values than those of one request may: send them in several";
                Err(ScimError::new(StatusCode::PAYLOAD_TOO_LARGE, detail))
            }
            false => Ok(()),
        }
    }

    /// Whether a complex value takes the place of the old one; else its sub-attributes are set and the others stay
    /// (RFC 7644 §3.5.2.3).
    fn replaces_whole(self) -> bool {
        self.action == Action::Replace && self.profile == Profile::Strict
    }
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

fn at_target(resource: &mut Object, how: How<'_>, target: Target<'_>, filter: Option<&Filter>, value: &Value) -> Result<(), ScimError> {
    let (extension, attribute, sub) = match target {
        Target::Extension(extension) => return at_extension(resource, how, extension, value),
        Target::Attribute(extension, attribute, sub) => (extension, attribute, sub),
    };
    let name = sub.map_or_else(|| attribute.name.clone(), |sub| format!("{}.{}", attribute.name, sub.name));
    if attribute.mutability == Mutability::ReadOnly
        || sub.is_some_and(|sub| sub.mutability == Mutability::ReadOnly)
        || attribute.name == "schemas"
    {
        return Err(ScimError::mutability(format!("{name} is read-only")));
    }
    if how.action == Action::Remove && attribute.mutability == Mutability::WriteOnly {
        return Err(ScimError::mutability(format!("{name} can be replaced, not removed")));
    }
    if filter.is_some() && !attribute.multi_valued {
        return Err(ScimError::path(format!("{name} has no elements to select")));
    }
    let place = Place { attribute, sub, filter, how };
    match extension {
        None => place.apply(resource, value),
        Some(extension) => in_extension(resource, extension, |members| place.apply(members, value)),
    }
}

fn at_extension(resource: &mut Object, how: How<'_>, extension: &Schema, value: &Value) -> Result<(), ScimError> {
    let emptied = how.action == Action::Remove || (how.action == Action::Replace && json::is_unassigned(value));
    if emptied || how.replaces_whole() {
        for attribute in &extension.attributes {
            let held = resource.get(&extension.id).is_some_and(|members| members.get(&attribute.name).is_some());
            // What the server keeps of the extension is not the client's to remove.
            if held && attribute.mutability != Mutability::ReadOnly {
                let removed = How { action: Action::Remove, ..how };
                at_target(resource, removed, Target::Attribute(Some(extension), attribute, None), None, &Value::Null)?;
            }
        }
    }
    if emptied || json::is_unassigned(value) {
        return Ok(());
    }
    let given = value.as_object().ok_or_else(|| ScimError::value(format!("{}: an object was expected", extension.id)))?;
    for (name, value) in given {
        let path = read_path(name, how.profile)?;
        let Some(attribute) = extension.attribute(&path.attribute.name).filter(|_| path.attribute.urn.is_none()) else { continue };
        let sub = match &path.attribute.sub {
            None => None,
            Some(name) => match attribute.sub(name) {
                None => continue,
                found => found,
            },
        };
        at_target(resource, how, Target::Attribute(Some(extension), attribute, sub), path.filter.as_ref(), value)?;
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
    how: How<'s>,
}

impl Place<'_> {
    fn apply(&self, holder: &mut Object, value: &Value) -> Result<(), ScimError> {
        let name = &self.attribute.name;
        // A text of a filter's length has no more terms than that.
        self.how.look_at(holder.get(name), 1 + self.filter.map_or(0, |filter| filter.to_string().len() / 8))?;
        let set_once = holder.get(name).filter(|_| self.attribute.mutability == Mutability::Immutable).cloned();
        if self.attribute.multi_valued && (self.filter.is_some() || self.sub.is_some()) {
            self.elements(holder, value)?;
        } else {
            let next = self.next(holder.get(name), value)?;
            put(holder, name, next);
        }
        match set_once {
            Some(held) if holder.get(name) != Some(&held) => Err(set_for_good(name)),
            Some(_) | None => Ok(()),
        }
    }

    /// The whole value of the attribute afterwards.
    fn next(&self, current: Option<&Value>, value: &Value) -> Result<Option<Value>, ScimError> {
        let Self { attribute, how, .. } = *self;
        Ok(match (self.sub, how.action) {
            (Some(sub), _) => {
                let mut members = current.and_then(Value::as_object).cloned().unwrap_or_default();
                set(&mut members, sub, how.action, value)?;
                settle_reference(attribute, &mut members, &|name| name == sub.name);
                Some(Value::Object(members))
            }
            (None, Action::Remove) if attribute.multi_valued && !json::is_unassigned(value) => self.without(current, value)?,
            (None, Action::Remove) => None,
            (None, Action::Add) if attribute.multi_valued => self.appended(current, value)?,
            (None, Action::Add | Action::Replace)
                if !attribute.multi_valued && attribute.is_complex() && !json::is_unassigned(value) && !how.replaces_whole() =>
            {
                Some(Value::Object(merged(attribute, current, how.action, value)?))
            }
            (None, Action::Add) => shape(attribute, value)?.or_else(|| current.cloned()),
            (None, Action::Replace) => self.kept_parts(current, shape(attribute, value)?)?,
        })
    }

    /// A complex value that takes the place of the old one, with those parts of it that are not the client's.
    fn kept_parts(&self, current: Option<&Value>, next: Option<Value>) -> Result<Option<Value>, ScimError> {
        let (Some(Value::Object(held)), Some(Value::Object(mut members))) = (current, next.clone()) else { return Ok(next) };
        for sub in &self.attribute.sub_attributes {
            let Some(part) = held.get(&sub.name) else { continue };
            match sub.mutability {
                Mutability::Immutable if members.get(&sub.name).is_some_and(|given| given != part) => {
                    return Err(set_for_good(&sub.name));
                }
                Mutability::Immutable | Mutability::ReadOnly => drop(members.insert(sub.name.clone(), part.clone())),
                Mutability::ReadWrite | Mutability::WriteOnly => {}
            }
        }
        Ok(Some(Value::Object(members)))
    }

    /// What is there, and the new values: one that is there with the same value and type is brought up to date.
    fn appended(&self, current: Option<&Value>, value: &Value) -> Result<Option<Value>, ScimError> {
        let mut elements = current.and_then(Value::as_array).cloned().unwrap_or_default();
        let Some(Value::Array(added)) = shape(self.attribute, value)? else { return Ok(current.cloned()) };
        let mut touched = Vec::new();
        let mut places = Places::of(self.attribute, &elements);
        for element in added {
            let same = places.find(self.attribute, &element);
            if same.is_none() {
                places.note(self.attribute, &element, elements.len());
            }
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
        self.how.look_at(current, gone.len())?;
        let mut elements = current.and_then(Value::as_array).cloned().unwrap_or_default();
        elements.retain(|held| !gone.iter().any(|gone| self.covers(gone, held)));
        Ok(Some(Value::Array(elements)))
    }

    /// Whether what tells values apart in `gone` is so of `held`: value and type where it has a value, or else all of it.
    fn covers(&self, gone: &Value, held: &Value) -> bool {
        let (Value::Object(gone), Value::Object(held)) = (gone, held) else {
            return comparable(Some(self.attribute), gone) == comparable(Some(self.attribute), held);
        };
        let has_value = gone.contains_key("value");
        let mut telling = gone.iter().filter(|(name, _)| !has_value || matches!(name.as_str(), "value" | "type"));
        telling.all(|(name, value)| {
            let sub = self.attribute.sub(name);
            held.get(name).is_some_and(|held| comparable(sub, held) == comparable(sub, value))
        })
    }

    /// Elements of a multi-valued attribute, selected by a filter or all of them.
    fn elements(&self, holder: &mut Object, value: &Value) -> Result<(), ScimError> {
        let (name, action) = (&self.attribute.name, self.how.action);
        let predicate = self.filter.map(|filter| Predicate::compile_element(filter, self.attribute)).transpose()?;
        let mut elements = holder.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        let chosen = |element: &Value| predicate.as_ref().is_none_or(|predicate| predicate.matches_element(element));
        let mut touched: Vec<usize> = elements.iter().enumerate().filter(|(_, element)| chosen(element)).map(|(at, _)| at).collect();
        if touched.is_empty() {
            if action == Action::Remove && predicate.is_none() {
                return Ok(());
            }
            elements.push(self.upserted()?);
            touched.push(elements.len() - 1);
        }
        if action == Action::Remove && self.sub.is_none() {
            elements.retain(|element| !chosen(element));
            put(holder, name, Some(Value::Array(elements)));
            return Ok(());
        }
        for &at in &touched {
            if let Some(element) = elements.get_mut(at) {
                self.element(element, value)?;
            }
        }
        hand_over(self.attribute, &mut elements, &touched)?;
        elements.retain(|element| !json::is_unassigned(element));
        // Elements that were set alike are one.
        put(holder, name, shape(self.attribute, &Value::Array(elements))?);
        Ok(())
    }

    fn element(&self, element: &mut Value, value: &Value) -> Result<(), ScimError> {
        let action = self.how.action;
        match (self.sub, element) {
            (Some(sub), Value::Object(members)) => {
                set(members, sub, action, value)?;
                settle_reference(self.attribute, members, &|name| name == sub.name);
                Ok(())
            }
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
    fn upserted(&self) -> Result<Value, ScimError> {
        let none = || ScimError::no_target(format!("no value of {} matches the filter", self.attribute.name));
        let creates = match self.how.action {
            Action::Add => true,
            Action::Replace => self.sub.is_some() && self.how.profile != Profile::Strict,
            Action::Remove => false,
        };
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

fn set_for_good(name: &str) -> ScimError {
    ScimError::mutability(format!("{name} cannot be changed once it is set"))
}

/// Of a reference, drops the id where only its URI was set, and the URI where only the id was.
fn settle_reference(attribute: &Attribute, members: &mut Object, is_set: &dyn Fn(&str) -> bool) {
    match (attribute.sub("$ref").is_some(), is_set("value"), is_set("$ref")) {
        (true, true, false) => drop(members.shift_remove("$ref")),
        (true, false, true) => drop(members.shift_remove("value")),
        _ => {}
    }
}

/// Sets or takes away one sub-attribute.
fn set(members: &mut Object, sub: &Attribute, action: Action, value: &Value) -> Result<(), ScimError> {
    let next = if action == Action::Remove { None } else { shape(sub, value)? };
    let held = members.get(&sub.name);
    if next.is_none() && action == Action::Add {
        return Ok(());
    }
    if sub.mutability == Mutability::Immutable && held.is_some() && held != next.as_ref() {
        return Err(set_for_good(&sub.name));
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
    settle_reference(attribute, &mut members, &|name| json::get(given, name).is_some_and(|value| !json::is_unassigned(value)));
    Ok(members)
}

/// Where elements are, to be found by what they are.
struct Places {
    by_value: HashMap<String, usize>,
    by_key: HashMap<String, usize>,
}

impl Places {
    fn of(attribute: &Attribute, elements: &[Value]) -> Self {
        let mut places = Self { by_value: HashMap::new(), by_key: HashMap::new() };
        elements.iter().enumerate().for_each(|(at, element)| places.note(attribute, element, at));
        places
    }

    fn note(&mut self, attribute: &Attribute, element: &Value, at: usize) {
        if let Some(value) = value_of(attribute, element) {
            self.by_value.entry(value).or_insert(at);
        }
        self.by_key.entry(same_key(attribute, element)).or_insert(at);
    }

    /// The same value for the same use; one that names no use is for any.
    fn find(&self, attribute: &Attribute, element: &Value) -> Option<usize> {
        let found = match value_of(attribute, element).filter(|_| element.get("type").is_none()) {
            Some(value) => self.by_value.get(&value),
            None => self.by_key.get(&same_key(attribute, element)),
        };
        found.copied()
    }
}

fn value_of(attribute: &Attribute, element: &Value) -> Option<String> {
    element.get("value").map(|value| comparable(attribute.sub("value"), value))
}

/// How much there is to look at in a value: long texts count as several.
fn weight(value: &Value) -> usize {
    match value {
        Value::Array(values) => values.iter().map(weight).sum(),
        Value::Object(members) => members.values().map(weight).sum(),
        Value::String(text) => 1 + text.len() / 64,
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}

fn put(holder: &mut Object, name: &str, value: Option<Value>) {
    match value.filter(|value| !json::is_unassigned(value)) {
        Some(value) => drop(holder.insert(name.to_owned(), value)),
        None => drop(holder.shift_remove(name)),
    }
}

/// Where a changed element is primary now, no other is (RFC 7644 §3.5.2).
fn hand_over(attribute: &Attribute, elements: &mut [Value], touched: &[usize]) -> Result<(), ScimError> {
    let touched: HashSet<usize> = touched.iter().copied().collect();
    let new: Vec<usize> =
        elements.iter().enumerate().filter(|(at, element)| touched.contains(at) && is_primary(element)).map(|(at, _)| at).collect();
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

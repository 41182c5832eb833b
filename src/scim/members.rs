//! Members of a group in a PATCH or PUT: what is written is what changes, so that the cost does not depend on how
//! many members the group has, and two writers who add different members never get in each other's way.

use super::error::ScimError;
use super::evaluate::Predicate;
use super::filter::{Filter, Operator};
use super::gateway::Gateway;
use super::json::{self, Object};
use super::patch::{Action, Operation};
use super::schema::{ResourceType, Target};
use crate::directory::OwnedEntry;
use crate::model::{Level, Modification, ModificationKind};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};

/// One step, in the order of the request.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// These are members.
    Add(Vec<String>),
    /// These are not.
    Remove(Vec<String>),
    /// Those that match are not.
    RemoveMatching(Box<Predicate>),
    /// These are the members, and nobody else.
    Replace(Vec<String>),
}

/// The ids in the value of `members`: objects with `value`, bare ids, one or several (quirks 8, 23, 47).
pub fn ids(value: &Value) -> Result<Vec<String>, ScimError> {
    let elements = match value {
        Value::Null => &[],
        Value::Array(elements) => elements.as_slice(),
        single => std::slice::from_ref(single),
    };
    let id = |element: &Value| match element {
        Value::String(id) => Some(id.clone()),
        Value::Object(members) => json::get(members, "value").and_then(Value::as_str).map(str::to_owned),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    };
    elements.iter().map(|element| id(element).ok_or_else(|| ScimError::value("members: an id is missing"))).collect()
}

/// Takes what concerns members out of an operation. Answers the step, and the operation that is left.
pub fn split(operation: Operation, group: &ResourceType) -> Result<(Option<Step>, Option<Operation>), ScimError> {
    let Operation { action, path, value } = operation;
    let Some(path) = path else {
        let Value::Object(mut members) = value else { return Ok((None, Some(Operation { action, path: None, value }))) };
        let name = members.keys().find(|name| is_members(name, group)).cloned();
        let step = name.and_then(|name| members.shift_remove(&name)).map(|value| ids(&value)).transpose()?;
        let step = step.map(|ids| if action == Action::Replace { Step::Replace(ids) } else { Step::Add(ids) });
        let rest = Some(Operation { action, path: None, value: Value::Object(members) });
        return Ok((step, rest));
    };
    let Some(Target::Attribute(_, attribute, sub)) = group.resolve(&path.attribute) else {
        return Ok((None, Some(Operation { action, path: Some(path), value })));
    };
    if attribute.name != "members" {
        return Ok((None, Some(Operation { action, path: Some(path), value })));
    }
    if sub.is_some() {
        return Err(ScimError::mutability("a member is added or removed, not changed"));
    }
    let step = match (action, &path.filter) {
        (Action::Remove, None) if json::is_unassigned(&value) => Step::Replace(Vec::new()),
        (Action::Remove, None) => Step::Remove(ids(&value)?),
        (Action::Remove, Some(Filter::Compare(name, Operator::Equal, Value::String(id)))) if name.name.eq_ignore_ascii_case("value") => {
            Step::Remove(vec![id.clone()])
        }
        (Action::Remove, Some(filter)) => Step::RemoveMatching(Box::new(Predicate::compile_element(filter, attribute)?)),
        (Action::Add, None) => Step::Add(ids(&value)?),
        (Action::Replace, None) => Step::Replace(ids(&value)?),
        (Action::Add | Action::Replace, Some(_)) => return Err(ScimError::mutability("a member is added or removed, not changed")),
    };
    Ok((Some(step), None))
}

fn is_members(name: &str, group: &ResourceType) -> bool {
    let urn = name.rsplit_once(':');
    let (urn, name) = urn.map_or((None, name), |(urn, name)| (Some(urn), name));
    name.eq_ignore_ascii_case("members") && urn.is_none_or(|urn| urn.eq_ignore_ascii_case(&group.schema.id))
}

/// Takes `members` out of a body, for a POST or PUT: the ids, or `None` where it is absent.
pub fn take(body: &mut Object, group: &ResourceType) -> Result<Option<Vec<String>>, ScimError> {
    let name = body.keys().find(|name| is_members(name, group)).cloned();
    name.and_then(|name| body.shift_remove(&name)).map(|value| ids(&value)).transpose()
}

/// Which ids are to be members and which not, after all steps; nobody else is touched. `current` is asked for the
/// members there are only where a step needs to know.
fn outcome(steps: &[Step], current: &mut dyn FnMut() -> Result<Vec<Value>, ScimError>) -> Result<BTreeMap<String, bool>, ScimError> {
    let mut wanted: BTreeMap<String, bool> = BTreeMap::new();
    for step in steps {
        match step {
            Step::Add(ids) => wanted.extend(ids.iter().map(|id| (id.to_ascii_lowercase(), true))),
            Step::Remove(ids) => wanted.extend(ids.iter().map(|id| (id.to_ascii_lowercase(), false))),
            Step::RemoveMatching(predicate) => {
                let added: Vec<String> = wanted.iter().filter(|(_, is_member)| **is_member).map(|(id, _)| id.clone()).collect();
                let added = added.into_iter().map(|id| serde_json::json!({"value": id}));
                for member in current()?.into_iter().chain(added).filter(|member| predicate.matches_element(member)) {
                    wanted.extend(member.get("value").and_then(Value::as_str).map(|id| (id.to_owned(), false)));
                }
            }
            Step::Replace(ids) => {
                wanted.values_mut().for_each(|is_member| *is_member = false);
                for member in current()? {
                    wanted.extend(member.get("value").and_then(Value::as_str).map(|id| (id.to_owned(), false)));
                }
                wanted.extend(ids.iter().map(|id| (id.to_ascii_lowercase(), true)));
            }
        }
    }
    Ok(wanted)
}

/// The members of a new group, as values of `member`; one that is not there is 400 invalidValue.
pub fn names(gateway: &Gateway, ids: &[String]) -> Result<Vec<Vec<u8>>, ScimError> {
    let mut names: Vec<Vec<u8>> = Vec::new();
    let mut seen = HashSet::new();
    for id in ids.iter().filter(|id| seen.insert(id.to_ascii_lowercase())) {
        names.push(known(gateway, id)?.into_bytes());
    }
    Ok(names)
}

fn known(gateway: &Gateway, id: &str) -> Result<String, ScimError> {
    gateway.dn_of(id)?.ok_or_else(|| unknown(id))
}

fn unknown(id: &str) -> ScimError {
    ScimError::value(format!("members: there is no {id}"))
}

/// What to write for the steps: an addition for who is not yet a member, a removal for who is one. What is so already
/// is left alone, so repeating a request changes nothing (quirks 34, 39), and a list of thousands costs look-ups for
/// those alone that differ.
pub fn modifications(gateway: &Gateway, group: &OwnedEntry, steps: &[Step]) -> Result<Vec<Modification>, ScimError> {
    let mut all: Option<HashSet<String>> = None;
    let mut current = || -> Result<Vec<Value>, ScimError> {
        let members = gateway.members(group.id)?;
        all = Some(members.iter().map(|member| member.uuid.to_ascii_lowercase()).collect());
        Ok(members.iter().map(|member| gateway.member_value(member)).collect())
    };
    let wanted = outcome(steps, &mut current)?;
    let is_so = |id: &str, is_member: bool| all.as_ref().is_some_and(|all| all.contains(id) == is_member);
    let mut changes: BTreeMap<(bool, &str), Vec<Vec<u8>>> = BTreeMap::new();
    for (id, is_member) in wanted.into_iter().filter(|(id, is_member)| !is_so(id, *is_member)) {
        let Some((entry, dn)) = gateway.entry_of(&id)? else {
            if is_member {
                return Err(unknown(&id));
            }
            // Who is not there is no member.
            continue;
        };
        let held = gateway.directory.member_level(&gateway.caller, group.id, entry)?;
        match (is_member, held) {
            (true, None | Some(Level::Past)) => changes.entry((true, "member")).or_default().push(dn.into_bytes()),
            (false, Some(Level::ViewOnly)) => changes.entry((false, "hcViewOnlyMember")).or_default().push(dn.into_bytes()),
            (false, Some(Level::Full | Level::Administrator)) => changes.entry((false, "member")).or_default().push(dn.into_bytes()),
            (true, Some(Level::ViewOnly | Level::Full | Level::Administrator)) | (false, None | Some(Level::Past)) => {}
        }
    }
    let modification = |((add, attribute), values): ((bool, &str), Vec<Vec<u8>>)| Modification {
        kind: if add { ModificationKind::Add } else { ModificationKind::Delete },
        attribute: attribute.to_owned(),
        values,
    };
    Ok(changes.into_iter().map(modification).collect())
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json! makes values")]
mod tests {
    use super::*;
    use crate::directory::client::Profile;
    use crate::scim::patch;
    use crate::scim::schema::Catalogue;
    use serde_json::json;

    fn steps(operations: Value) -> Result<(Vec<Step>, usize), ScimError> {
        let catalogue = Catalogue::load().unwrap();
        let (mut steps, mut left) = (Vec::new(), 0);
        for operation in patch::parse(json!({"operations": operations}).as_object().unwrap(), Profile::Rfc)? {
            let (step, rest) = split(operation, &catalogue.group)?;
            steps.extend(step);
            left += usize::from(rest.is_some());
        }
        Ok((steps, left))
    }

    fn members_after(operations: Value) -> Vec<String> {
        let current = ["a", "b"].map(|id| json!({"value": id, "display": format!("Name {id}"), "type": "User"}));
        let (steps, _) = steps(operations).unwrap();
        let wanted = outcome(&steps, &mut || Ok(current.to_vec())).unwrap();
        let mut members: std::collections::BTreeSet<String> = ["a", "b"].map(str::to_owned).into();
        for (id, is_member) in wanted {
            if is_member {
                members.insert(id)
            } else {
                members.remove(&id)
            };
        }
        members.into_iter().collect()
    }

    #[test]
    fn what_identity_providers_send_for_members_is_understood() {
        let cases = [
            // Quirks 8 and 39: removal by value takes only that one.
            (json!([{"op": "Remove", "path": "members", "value": [{"$ref": null, "value": "a"}]}]), vec!["b"]),
            (json!([{"op": "remove", "path": "members", "value": "a"}]), vec!["b"]),
            // Quirk 9.
            (json!([{"op": "remove", "path": "members[value eq \"a\"]"}]), vec!["b"]),
            (json!([{"op": "remove", "path": "members[display eq \"name A\" or value eq \"z\"]"}]), vec!["b"]),
            // Quirks 10, 22, 47.
            (json!([{"op": "Add", "path": "members", "name": "addMember", "value": [{"$ref": null, "value": "c"}]}]), vec!["a", "b", "c"]),
            (json!([{"op": "add", "path": "members", "value": {"displayName": "C", "value": "c"}}]), vec!["a", "b", "c"]),
            (json!([{"op": "add", "value": {"members": [{"value": "c"}], "displayName": "x"}}]), vec!["a", "b", "c"]),
            // Quirk 33: the whole list, nobody, and both in one request.
            (json!([{"op": "replace", "path": "members", "value": [{"value": "c"}]}]), vec!["c"]),
            (json!([{"op": "replace", "path": "members", "value": []}]), vec![]),
            (json!([{"op": "remove", "path": "members"}]), vec![]),
            (json!([{"op": "remove", "path": "members"}, {"op": "add", "path": "members", "value": [{"value": "b"}]}]), vec!["b"]),
            (
                json!([{"op": "add", "path": "members", "value": ["c"]}, {"op": "remove", "path": "members[value eq \"c\"]"}]),
                vec!["a", "b"],
            ),
            // Quirk 34.
            (json!([{"op": "remove", "path": "members[value eq \"zz\"]"}]), vec!["a", "b"]),
        ];
        for (operations, expected) in cases {
            assert_eq!(members_after(operations.clone()), expected, "{operations}");
        }
    }

    #[test]
    fn members_are_not_changed_in_place_and_other_attributes_go_their_way() {
        assert!(steps(json!([{"op": "replace", "path": "members[value eq \"a\"].display", "value": "x"}])).is_err());
        assert!(steps(json!([{"op": "add", "path": "members", "value": [{"display": "x"}]}])).is_err());
        assert_eq!(steps(json!([{"op": "replace", "path": "displayName", "value": "x"}])).unwrap(), (vec![], 1));
        assert_eq!(steps(json!([{"op": "replace", "value": {"displayName": "x"}}])).unwrap(), (vec![], 1));
    }
}

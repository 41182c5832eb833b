//! The operations of a bulk request, read, and the order in which they run (RFC 7644 §3.7).
//!
//! They run in the order of the request, but for one thing: what an operation refers to is made before it. Where resources
//! refer to each other in a circle, one of them is made without the references that lead back, and completed as soon as
//! all of them exist.

use super::references;
use crate::scim::error::ScimError;
use crate::scim::json::{self, Object};
use axum::http::{Method, StatusCode};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One operation that can be tried.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    /// Its method.
    pub(super) method: Method,
    /// Where: an endpoint such as `/Users`.
    pub(super) endpoint: String,
    /// The resource there; `None` for a POST.
    pub(super) id: Option<String>,
    /// The version that the resource must have.
    pub(super) version: Option<String>,
    /// Its body.
    pub(super) data: Object,
    /// The bulkIds that path and data refer to.
    pub(super) references: BTreeSet<String>,
}

/// One element of `Operations`.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// The method as it was given, for the answer.
    pub(super) method: Option<Value>,
    /// The bulkId as it was given, for the answer.
    pub(super) bulk_id: Option<String>,
    /// The operation, or why there is none.
    pub(super) operation: Result<Operation, ScimError>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Run the operation at this place; references that cannot be resolved yet are put off.
    Run {
        /// Its place in the request.
        at: usize,
        /// The references.
        without: BTreeSet<String>,
    },
    /// Complete what was made at this place without some references; they are as far as they will get.
    Complete {
        /// Its place in the request.
        at: usize,
    },
}

/// Reads one element of `Operations`. `endpoints`: those of the types of resources.
pub(super) fn read(given: &Value, endpoints: &[&str]) -> Item {
    let none = Object::new();
    let members = given.as_object().unwrap_or(&none);
    let text = |name: &str| json::get(members, name).and_then(Value::as_str);
    Item {
        method: json::get(members, "method").filter(|method| method.is_string()).cloned(),
        bulk_id: text("bulkId").map(str::to_owned),
        operation: operation(members, endpoints),
    }
}

fn operation(members: &Object, endpoints: &[&str]) -> Result<Operation, ScimError> {
    let text = |name: &'static str| match json::get(members, name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(ScimError::syntax(format!("{name} is not a string"))),
    };
    let method = text("method")?.unwrap_or_default().to_ascii_uppercase();
    let allowed = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let method = allowed.into_iter().find(|allowed| allowed.as_str() == method);
    let method = method.ok_or_else(|| ScimError::syntax("method must be POST, PUT, PATCH or DELETE"))?;
    let (endpoint, id) = target(text("path")?.unwrap_or_default(), &method, endpoints)?;
    if method == Method::POST && text("bulkId")?.is_none_or(str::is_empty) {
        return Err(ScimError::syntax("a POST needs a bulkId"));
    }
    let data = match json::get(members, "data") {
        Some(Value::Object(data)) => data.clone(),
        None | Some(Value::Null) if method == Method::DELETE => Object::new(),
        Some(_) | None => return Err(ScimError::syntax("data must be an object")),
    };
    let mut references = references::all(&data);
    references.extend(id.as_deref().and_then(|id| id.strip_prefix(references::PREFIX)).map(str::to_owned));
    Ok(Operation { method, endpoint, id, version: text("version")?.map(str::to_owned), data, references })
}

/// `/Users` for a POST, `/Users/id` for the others.
fn target(path: &str, method: &Method, endpoints: &[&str]) -> Result<(String, Option<String>), ScimError> {
    let trimmed = path.trim_matches('/');
    let (endpoint, id) = trimmed.split_once('/').map_or((trimmed, None), |(endpoint, id)| (endpoint, Some(id)));
    let endpoint = format!("/{endpoint}");
    let plain = id.is_none_or(|id| !id.is_empty() && !id.contains(['/', '?', '#', '\\']));
    if !plain || id.is_none() != (*method == Method::POST) {
        return Err(ScimError::path("path must be that of a type of resources for a POST, and that of a resource otherwise"));
    }
    if !endpoints.contains(&endpoint.as_str()) {
        return Err(ScimError::new(StatusCode::NOT_FOUND, "there is no such endpoint"));
    }
    Ok((endpoint, id.map(str::to_owned)))
}

/// Refuses operations that make different resources under one bulkId: what refers to it could mean either.
pub(super) fn refuse_contradictions(items: &mut [Item]) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    items.iter().filter_map(made_id).for_each(|id| *seen.entry(id.to_owned()).or_default() += 1);
    for item in items {
        if made_id(item).is_some_and(|id| seen.get(id).is_some_and(|count| *count > 1)) {
            item.operation = Err(ScimError::new(StatusCode::CONFLICT, "the bulkId is that of more than one POST"));
        }
    }
}

/// The bulkId of what the operation makes.
pub(super) fn made_id(item: &Item) -> Option<&str> {
    let operation = item.operation.as_ref().ok()?;
    item.bulk_id.as_deref().filter(|_| operation.method == Method::POST)
}

/// The order in which operations run. Those that cannot be tried are in it too, at their place.
pub(super) fn order(items: &[Item]) -> Vec<Step> {
    let makers = items.iter().enumerate().filter_map(|(at, item)| Some((made_id(item)?, at))).collect();
    let mut planner =
        Planner { items, makers, begun: vec![false; items.len()], done: BTreeSet::new(), waiting: Vec::new(), steps: Vec::new() };
    (0..items.len()).for_each(|at| planner.visit(at));
    planner.steps
}

struct Planner<'i> {
    items: &'i [Item],
    makers: BTreeMap<&'i str, usize>,
    begun: Vec<bool>,
    done: BTreeSet<usize>,
    /// What was made without the resources of other places.
    waiting: Vec<(usize, BTreeSet<usize>)>,
    steps: Vec<Step>,
}

impl Planner<'_> {
    /// No deeper than there are operations.
    fn visit(&mut self, at: usize) {
        if self.begun.get_mut(at).is_none_or(|begun| std::mem::replace(begun, true)) {
            return;
        }
        let items = self.items;
        let references = items.get(at).and_then(|item| item.operation.as_ref().ok()).map(|operation| &operation.references);
        let (mut without, mut wanted) = (BTreeSet::new(), BTreeSet::new());
        for reference in references.into_iter().flatten() {
            let Some(&maker) = self.makers.get(reference.as_str()) else { continue };
            self.visit(maker);
            if !self.done.contains(&maker) {
                without.insert(reference.clone());
                wanted.insert(maker);
            }
        }
        self.steps.push(Step::Run { at, without });
        self.done.insert(at);
        if !wanted.is_empty() {
            self.waiting.push((at, wanted));
        }
        let (ready, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(|(_, wanted)| wanted.is_subset(&self.done));
        self.waiting = waiting;
        let ready: Vec<(usize, BTreeSet<usize>)> = ready;
        self.steps.extend(ready.into_iter().map(|(at, _)| Step::Complete { at }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn items(operations: &Value) -> Vec<Item> {
        let mut items: Vec<Item> = operations.as_array().unwrap().iter().map(|given| read(given, &["/Users", "/Groups"])).collect();
        refuse_contradictions(&mut items);
        items
    }

    fn group(id: &str, members: &[&str]) -> Value {
        let members: Vec<Value> = members.iter().map(|member| json!({"value": format!("bulkId:{member}")})).collect();
        json!({"method": "post", "path": "/Groups", "bulkId": id, "data": {"displayName": id, "members": members}})
    }

    fn run(at: usize) -> Step {
        Step::Run { at, without: BTreeSet::new() }
    }

    #[test]
    fn what_is_referred_to_comes_first_and_the_rest_keeps_its_order() {
        let patch = json!({"method": "PATCH", "path": "/Users/bulkId:u", "data": {"Operations": []}});
        let user = json!({"method": "POST", "path": "Users", "bulkId": "u", "data": {"userName": "u"}});
        let delete = json!({"method": "DELETE", "path": "/Users/x/"});
        assert_eq!(order(&items(&json!([delete, patch, group("g", &["u", "nobody"]), user]))), [run(0), run(3), run(1), run(2)]);
    }

    #[test]
    fn he6_circles_are_opened_once_and_closed_as_soon_as_they_can_be() {
        let without = |at, missing: &str| Step::Run { at, without: BTreeSet::from([missing.to_owned()]) };
        assert_eq!(
            order(&items(&json!([group("a", &["b"]), group("b", &["a"]), group("c", &[])]))),
            [without(1, "a"), run(0), Step::Complete { at: 1 }, run(2)]
        );
        assert_eq!(order(&items(&json!([group("a", &["a"])]))), [without(0, "a"), Step::Complete { at: 0 }]);
    }

    #[test]
    fn what_cannot_be_an_operation_is_refused_by_itself() {
        for (given, status) in [
            (json!("x"), 400),
            (json!({"method": "GET", "path": "/Users/x"}), 400),
            (json!({"method": "POST", "path": "/Users", "data": {}}), 400),
            (json!({"method": "POST", "path": "/Users/x", "bulkId": "a", "data": {}}), 400),
            (json!({"method": "PUT", "path": "/Users", "data": {}}), 400),
            (json!({"method": "PUT", "path": "/Users/x"}), 400),
            (json!({"method": "PATCH", "path": "/Users/x", "data": []}), 400),
            (json!({"method": "DELETE", "path": "/Users/x?y=z"}), 400),
            (json!({"method": "DELETE", "path": "/Users/x/y"}), 400),
            (json!({"method": "DELETE", "path": "/Users/x", "version": 1}), 400),
            (json!({"method": "POST", "path": "/Bulk", "bulkId": "a", "data": {}}), 404),
            (json!({"method": "POST", "path": "/Users/.search", "bulkId": "a", "data": {}}), 400),
        ] {
            let refused = read(&given, &["/Users"]).operation.unwrap_err();
            assert_eq!(refused.status.as_u16(), status, "{given}");
        }
        let twice = items(&json!([group("a", &[]), group("a", &[]), group("b", &[])]));
        assert_eq!(twice.iter().map(|item| item.operation.is_ok()).collect::<Vec<_>>(), [false, false, true]);
    }

    proptest! {
        /// Whatever refers to whatever: each runs once, nothing is missing that could have been there, and what is put off is
        /// completed after it.
        #[test]
        fn any_graph_of_references_has_an_order(graph in proptest::collection::vec(proptest::collection::btree_set(0usize..12, 0..6), 1..12)) {
            let names: Vec<String> = (0..graph.len()).map(|at| at.to_string()).collect();
            let operations: Vec<Value> = graph.iter().zip(&names).map(|(members, name)| {
                let members: Vec<String> = members.iter().map(ToString::to_string).collect();
                group(name, &members.iter().map(String::as_str).collect::<Vec<_>>())
            }).collect();
            let (mut made, mut incomplete) = (BTreeSet::new(), BTreeMap::new());
            for step in order(&items(&Value::Array(operations))) {
                match step {
                    Step::Run { at, without } => {
                        let there = graph[at].iter().filter(|member| **member < graph.len() && !without.contains(&member.to_string()));
                        prop_assert!(there.into_iter().all(|member| made.contains(member)));
                        prop_assert!(made.insert(at));
                        if !without.is_empty() {
                            incomplete.insert(at, without);
                        }
                    }
                    Step::Complete { at } => {
                        let without = incomplete.remove(&at).unwrap();
                        prop_assert!(without.iter().all(|member| made.contains(&member.parse::<usize>().unwrap())));
                    }
                }
            }
            prop_assert_eq!(made.len(), graph.len());
            prop_assert!(incomplete.is_empty());
        }
    }
}

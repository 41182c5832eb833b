//! Runs the operations of a bulk request, each as a request of its own.

use super::plan::{self, Item, Operation, Step};
use super::references;
use crate::scim::error::{MEDIA_TYPE, ScimError};
use crate::scim::json::Object;
use crate::scim::patch::PATCH_SCHEMA;
use crate::scim::request::{Part, Peer};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tower::ServiceExt;

/// Octets of an error.
const LONGEST_ERROR: usize = 64 << 10;

/// The endpoints as one client uses them.
pub(super) struct Endpoints {
    router: Router,
    base_url: Arc<str>,
    headers: HeaderMap,
    peer: Option<Peer>,
}

/// What came of a request.
struct Reply {
    status: StatusCode,
    location: Option<String>,
    version: Option<String>,
    body: Value,
}

impl Endpoints {
    /// For requests with the token and the preference of these headers, from this peer.
    pub(super) fn new(router: Router, base_url: Arc<str>, headers: &HeaderMap, peer: Option<Peer>) -> Self {
        let passed = [header::AUTHORIZATION, HeaderName::from_static("prefer")].into_iter();
        let headers = passed.filter_map(|name| headers.get(&name).cloned().map(|value| (name, value))).collect();
        Self { router, base_url, headers, peer }
    }

    /// Sends a request, or answers why there is none.
    async fn send(&self, method: &Method, path: &str, version: Option<&str>, data: &Object) -> Result<Reply, ScimError> {
        let body = if *method == Method::DELETE { Body::empty() } else { Body::from(Value::Object(data.clone()).to_string()) };
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(header::CONTENT_TYPE, MEDIA_TYPE);
        if let Some(version) = version {
            request = request.header(header::IF_MATCH, version);
        }
        let mut request = request.body(body).map_err(|_| ScimError::path("path or version cannot be read"))?;
        request.headers_mut().extend(self.headers.clone());
        request.extensions_mut().insert(Part);
        if let Some(peer) = self.peer.clone() {
            request.extensions_mut().insert(peer);
        }
        let answer = match self.router.clone().oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        let (parts, body) = answer.into_parts();
        let text = |name| parts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::to_owned);
        let (location, version) = (text(header::LOCATION), text(header::ETAG));
        // Of what was done, the answer to a bulk request tells where it is and its version.
        let body = match parts.status.is_success() {
            true => Value::Null,
            false => serde_json::from_slice(&axum::body::to_bytes(body, LONGEST_ERROR).await.unwrap_or_default()).unwrap_or_default(),
        };
        Ok(Reply { status: parts.status, location, version, body })
    }
}

/// What came of an operation.
struct Outcome {
    status: StatusCode,
    location: Option<String>,
    version: Option<String>,
    /// The error.
    response: Option<Value>,
}

/// What has to be put into a resource that was made without it.
struct Missing {
    references: BTreeSet<String>,
    operations: Vec<Value>,
}

/// A bulk request under way.
pub(super) struct Run {
    items: Vec<Item>,
    endpoints: Endpoints,
    /// How many operations may still fail.
    errors_left: usize,
    outcomes: BTreeMap<usize, Outcome>,
    /// The ids of what was made, by bulkId.
    ids: BTreeMap<String, String>,
    missing: BTreeMap<usize, Missing>,
}

impl Run {
    /// Nothing has run yet.
    pub(super) const fn new(items: Vec<Item>, fail_on_errors: usize, endpoints: Endpoints) -> Self {
        Self { items, endpoints, errors_left: fail_on_errors, outcomes: BTreeMap::new(), ids: BTreeMap::new(), missing: BTreeMap::new() }
    }

    /// Runs the operations until too many have failed. Answers what came of those that ran, in the order of the request.
    pub(super) async fn all(mut self) -> Vec<Value> {
        for step in plan::order(&self.items) {
            match step {
                Step::Run { at, without } => {
                    if self.errors_left > 0 {
                        self.run(at, without).await;
                    }
                }
                Step::Complete { at } => self.complete(at).await,
            }
        }
        self.outcomes.iter().filter_map(|(at, outcome)| Some(answer(self.items.get(*at)?, outcome))).collect()
    }

    async fn run(&mut self, at: usize, without: BTreeSet<String>) {
        match self.attempt(at, without).await {
            Ok(reply) if reply.status.is_success() => self.succeeded(at, reply),
            Ok(reply) => self.failed(at, reply.status, reply.body),
            Err(error) => self.failed(at, error.status, error.to_value()),
        }
    }

    async fn attempt(&mut self, at: usize, without: BTreeSet<String>) -> Result<Reply, ScimError> {
        let Some(item) = self.items.get(at) else { return Err(ScimError::not_found()) };
        let mut operation = item.operation.clone()?;
        // What refers to others may be deleted again, and the seat would stay (U3).
        if !operation.references.is_empty() && references::asks_for_seat(&operation.data) {
            return Err(ScimError::value(
                "increaseSessionLimit: the user refers to others of the request; make it in a request of its own",
            ));
        }
        let operations = references::take_out(&mut operation.data, &without);
        self.resolve(operation.references.iter().filter(|reference| !without.contains(*reference)), &mut operation.data)?;
        if !without.is_empty() {
            self.missing.insert(at, Missing { references: without, operations });
        }
        let path = self.path_of(&operation);
        self.endpoints.send(&operation.method, &path, operation.version.as_deref(), &operation.data).await
    }

    /// Puts ids in the place of references; 409 where one has none.
    fn resolve<'r>(&self, mut references: impl Iterator<Item = &'r String>, data: &mut Object) -> Result<(), ScimError> {
        if let Some(nothing) = references.find(|reference| !self.ids.contains_key(*reference)) {
            let detail = format!("bulkId:{nothing} stands for no resource that this request has made");
            return Err(ScimError::new(StatusCode::CONFLICT, detail));
        }
        references::replace(data, &mut |reference| self.ids.get(reference).cloned());
        Ok(())
    }

    /// With the id in the place of a bulkId, where that has one.
    fn path_of(&self, operation: &Operation) -> String {
        let Some(id) = &operation.id else { return operation.endpoint.clone() };
        let id = id.strip_prefix(references::PREFIX).and_then(|reference| self.ids.get(reference)).unwrap_or(id);
        format!("{}/{id}", operation.endpoint)
    }

    fn succeeded(&mut self, at: usize, reply: Reply) {
        let Some(item) = self.items.get(at) else { return };
        let location = reply.location.or_else(|| self.location_of(item));
        let id = location.as_deref().and_then(|location| location.rsplit('/').next());
        if let (Some(bulk_id), Some(id)) = (plan::made_id(item), id) {
            self.ids.insert(bulk_id.to_owned(), id.to_owned());
        }
        self.outcomes.insert(at, Outcome { status: reply.status, location, version: reply.version, response: None });
    }

    fn failed(&mut self, at: usize, status: StatusCode, response: Value) {
        let location = self.items.get(at).and_then(|item| self.location_of(item));
        self.missing.remove(&at);
        self.errors_left = self.errors_left.saturating_sub(1);
        self.outcomes.insert(at, Outcome { status, location, version: None, response: Some(response) });
    }

    /// Where the resource of an operation is that makes none.
    fn location_of(&self, item: &Item) -> Option<String> {
        let operation = item.operation.as_ref().ok().filter(|operation| operation.id.is_some())?;
        Some(format!("{}{}", self.endpoints.base_url, self.path_of(operation)))
    }

    /// The path of what an operation has made.
    fn made(&self, at: usize) -> Option<(String, String)> {
        let item = self.items.get(at)?;
        let bulk_id = plan::made_id(item)?;
        Some((bulk_id.to_owned(), format!("{}/{}", item.operation.as_ref().ok()?.endpoint, self.ids.get(bulk_id)?)))
    }

    async fn complete(&mut self, at: usize) {
        let (Some(missing), Some((_, path))) = (self.missing.remove(&at), self.made(at)) else { return };
        let mut data =
            Object::from_iter([("schemas".to_owned(), json!([PATCH_SCHEMA])), ("Operations".to_owned(), missing.operations.into())]);
        let done = match self.resolve(missing.references.iter(), &mut data) {
            Ok(()) => self.endpoints.send(&Method::PATCH, &path, None, &data).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(reply) if reply.status.is_success() => {
                if let Some(outcome) = self.outcomes.get_mut(&at) {
                    outcome.version = reply.version;
                }
            }
            Ok(reply) => self.take_back(at, reply.status, reply.body).await,
            Err(error) => self.take_back(at, error.status, error.to_value()).await,
        }
    }

    /// Deletes what an operation has made, and what was made by others to refer to it.
    async fn take_back(&mut self, at: usize, status: StatusCode, response: Value) {
        let mut doomed = vec![(at, status, response)];
        while let Some((at, status, mut response)) = doomed.pop() {
            let Some((bulk_id, path)) = self.made(at) else { continue };
            let deleted = self.endpoints.send(&Method::DELETE, &path, None, &Object::new()).await;
            let is_gone = deleted.is_ok_and(|reply| reply.status.is_success());
            let made = self.outcomes.get(&at).and_then(|outcome| outcome.location.clone());
            if !is_gone && let Some(Value::String(detail)) = response.get_mut("detail") {
                detail.push_str("; the resource was made without it and could not be deleted again");
            }
            self.failed(at, status, response);
            if !is_gone {
                if let Some(outcome) = self.outcomes.get_mut(&at) {
                    outcome.location = made;
                }
                continue;
            }
            self.ids.remove(&bulk_id);
            let error = ScimError::new(StatusCode::CONFLICT, format!("bulkId:{bulk_id} stands for a resource that could not be completed"));
            let refer = |at: &usize| {
                let operation = self.items.get(*at).and_then(|item| item.operation.as_ref().ok());
                operation.is_some_and(|operation| operation.references.contains(&bulk_id))
            };
            doomed.extend(self.outcomes.keys().filter(|at| refer(at)).map(|at| (*at, error.status, error.to_value())));
        }
    }
}

/// One element of `Operations` in the answer.
fn answer(item: &Item, outcome: &Outcome) -> Value {
    let mut members = Object::new();
    let text = |text: &Option<String>| text.clone().map(Value::String);
    for (name, value) in [
        ("location", text(&outcome.location)),
        ("method", item.method.clone()),
        ("bulkId", text(&item.bulk_id)),
        ("version", text(&outcome.version)),
        ("status", Some(outcome.status.as_str().into())),
        ("response", outcome.response.clone()),
    ] {
        members.extend(value.map(|value| (name.to_owned(), value)));
    }
    Value::Object(members)
}

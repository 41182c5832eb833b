//! `POST /Bulk` (RFC 7644 §3.7): many operations in one request. Each is sent to its endpoint as if it had come alone, so
//! whatever holds for the endpoint holds here: who may do it, versions, rules, errors. A bulk request is no transaction:
//! each operation is all or nothing by itself, and the others go on where one fails, until there are `failOnErrors` of them.
//!
//! An operation has succeeded only where all that it refers to has. If a reference cannot be put into what was made
//! without it, because its resource could not be made, then what was made is deleted again and its operation failed, and so
//! did those that refer to it. Where even the deletion is refused the answer says what is left, and where.

mod plan;
mod references;
mod run;
#[cfg(test)]
mod tests;

use super::error::ScimError;
use super::gateway::Gateway;
use super::json::{self, Object};
use super::request::{Peer, body_of};
use super::routes;
use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use plan::Item;
use run::{Endpoints, Run};
use serde_json::Value;

/// Operations that a request may have.
pub const MAX_OPERATIONS: usize = 100;
/// Octets that a request may have.
pub const MAX_PAYLOAD: usize = 1 << 20;

const REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
const RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";

/// `POST /Bulk`. `endpoints` are those of single requests.
pub async fn bulk(endpoints: Router, gateway: Gateway, request: Request) -> Result<Response, ScimError> {
    let peer = request.extensions().get::<Peer>().cloned();
    let endpoints = Endpoints::new(endpoints, gateway.base_url.clone(), request.headers(), peer);
    let body = json::parse(&body_of(request, MAX_PAYLOAD).await?).map_err(ScimError::syntax)?;
    let (items, fail_on_errors) = read(&body, &gateway)?;
    // What is begun is ended, even where the client does not wait: nothing may stay incomplete.
    let done = tokio::spawn(Run::new(items, fail_on_errors, endpoints).all()).await;
    let operations = done.map_err(|error| {
        tracing::error!(%error, "a bulk request broke off");
        ScimError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
    })?;
    Ok(routes::scim(StatusCode::OK, &serde_json::json!({"schemas": [RESPONSE], "Operations": operations})))
}

/// The operations, and how many may fail.
fn read(body: &Object, gateway: &Gateway) -> Result<(Vec<Item>, usize), ScimError> {
    json::require_schema(body, REQUEST)?;
    let fail_on_errors = match json::get(body, "failOnErrors") {
        None | Some(Value::Null) => usize::MAX,
        Some(value) => {
            let count = value.as_u64().filter(|count| *count > 0).and_then(|count| usize::try_from(count).ok());
            count.ok_or_else(|| ScimError::value("failOnErrors is not a whole number above zero"))?
        }
    };
    let operations = json::get(body, "Operations").and_then(Value::as_array);
    let operations = operations.ok_or_else(|| ScimError::syntax("Operations must be an array"))?;
    if operations.len() > MAX_OPERATIONS {
        let detail = format!("the bulk request has more than maxOperations ({MAX_OPERATIONS}) operations");
        return Err(ScimError::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    let endpoints: Vec<&str> = gateway.catalogue.types.iter().map(|held| held.endpoint).collect();
    let mut items: Vec<Item> = operations.iter().map(|given| plan::read(given, &endpoints)).collect();
    plan::refuse_contradictions(&mut items);
    Ok((items, fail_on_errors))
}

//! `/Me` (RFC 7644 §3.11): the user that a personal token acts as, served as the resource that it is. Nothing is decided here:
//! what users may change of themselves is for the rules of access to say (U2). The token of a client is nobody's.

use super::error::ScimError;
use super::gateway::Gateway;
use super::mapping::Lookup;
use super::request::{Json, Parameters};
use super::resources;
use super::routes::Scim;
use super::schema::ResourceType;
use crate::model::Kind;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use std::sync::Arc;

/// The methods of `/Me`.
pub(super) fn methods() -> MethodRouter<Arc<Scim>> {
    get(read).put(replace).patch(patch).delete(delete).post(create)
}

/// The type and the id of who asks.
fn own(gateway: &Gateway) -> Result<(Arc<ResourceType>, String), ScimError> {
    let nobody = || ScimError::new(StatusCode::NOT_FOUND, "the token acts as no user");
    let identity = &gateway.caller.identity;
    let own = identity.entry.and_then(|_| gateway.reference(&identity.name)).filter(|own| own.kind == Kind::User);
    Ok((Arc::clone(&gateway.catalogue.user), own.ok_or_else(nobody)?.id))
}

async fn read(gateway: Gateway, Parameters(parameters): Parameters, headers: HeaderMap) -> Result<Response, ScimError> {
    let (user, id) = own(&gateway)?;
    resources::read(&gateway, &user, &id, &parameters, &headers)
}

async fn replace(
    gateway: Gateway,
    Parameters(parameters): Parameters,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Response, ScimError> {
    let (user, id) = own(&gateway)?;
    resources::replace(&gateway, &user, &id, body, &parameters, &headers).await
}

async fn patch(gateway: Gateway, Parameters(parameters): Parameters, headers: HeaderMap, Json(body): Json) -> Result<Response, ScimError> {
    let (user, id) = own(&gateway)?;
    resources::patch(&gateway, &user, &id, &body, &parameters, &headers).await
}

async fn delete(gateway: Gateway, headers: HeaderMap) -> Result<Response, ScimError> {
    let (user, id) = own(&gateway)?;
    resources::delete(&gateway, &user, &id, &headers).await
}

/// Users are made by who keeps them (U2).
async fn create(gateway: Gateway) -> Result<Response, ScimError> {
    own(&gateway)?;
    Err(ScimError::new(StatusCode::NOT_IMPLEMENTED, "nobody makes an account of its own here"))
}

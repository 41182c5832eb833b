//! Sessions: the SCIM resource (list, read, end), and the calls for applications that hold no LDAP connection.

use super::error::ScimError;
use super::gateway::Gateway;
use super::json::{self, Object};
use super::list::{self, Query};
use super::mapping::Lookup;
use super::project::Projection;
use super::request::{Authenticated, Json, Parameters};
use super::resource::set_schemas;
use super::routes::{self, Scim};
use crate::directory::SessionInfo;
use crate::model::Dn;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post};
use serde_json::{Value, json};
use std::sync::Arc;

/// A session as a resource.
fn resource(gateway: &Gateway, session: &SessionInfo) -> Object {
    let held = &gateway.catalogue.session;
    let mut resource = Object::new();
    resource.insert("id".to_owned(), session.id.clone().into());
    if let Some(user) = gateway.reference(&session.user) {
        resource.insert("user".to_owned(), Value::Object(user.to_value(&gateway.base_url, "display")));
    }
    resource.insert("licence".to_owned(), leaf(&session.licence).into());
    if let Some(application) = &session.application {
        resource.insert("application".to_owned(), application.clone().into());
    }
    resource.insert("clientAddress".to_owned(), session.client.clone().into());
    for (name, time) in [("startedAt", session.started), ("lastSeen", session.last_activity), ("expiresAt", session.expires)] {
        resource.insert(name.to_owned(), time.rfc3339().into());
    }
    let location = format!("{}{}/{}", gateway.base_url, held.endpoint, session.id);
    let created = session.started.rfc3339();
    resource.insert("meta".to_owned(), json!({"resourceType": held.name, "created": created, "location": location}));
    set_schemas(&mut resource, held);
    resource
}

/// The value of the leaf of a name.
fn leaf(dn: &str) -> String {
    let rdn = Dn::parse(dn).ok().and_then(|dn| dn.rdn().cloned());
    let value = rdn.and_then(|rdn| rdn.0.first().map(|ava| String::from_utf8_lossy(&ava.value).into_owned()));
    value.unwrap_or_else(|| dn.to_owned())
}

fn query(gateway: &Gateway, query: &Query) -> Result<Response, ScimError> {
    let sessions = gateway.directory.sessions(&gateway.caller);
    let resources = sessions.iter().map(|session| resource(gateway, session)).collect();
    Ok(routes::scim(StatusCode::OK, &list::at_hand(resources, &gateway.catalogue.session, query)?))
}

/// `GET /Sessions`.
pub(super) async fn list(gateway: Gateway, Parameters(parameters): Parameters) -> Result<Response, ScimError> {
    query(&gateway, &Query::of_parameters(&parameters)?)
}

/// `POST /Sessions/.search`.
pub(super) async fn search(gateway: Gateway, Json(body): Json) -> Result<Response, ScimError> {
    query(&gateway, &routes::search_request(&body)?)
}

/// `GET /Sessions/{id}`.
pub(super) async fn read(gateway: Gateway, Path(id): Path<String>, Parameters(parameters): Parameters) -> Result<Response, ScimError> {
    let asked = Query::of_parameters(&parameters)?;
    let projection = Projection::new(&asked.attributes, &asked.excluded, &gateway.catalogue.session)?;
    let sessions = gateway.directory.sessions(&gateway.caller);
    let session = sessions.iter().find(|session| session.id == id).ok_or_else(ScimError::not_found)?;
    let resource = projection.apply(resource(&gateway, session), &gateway.catalogue.session);
    Ok(routes::scim(StatusCode::OK, &Value::Object(resource)))
}

/// `DELETE /Sessions/{id}` (S6).
pub(super) async fn end(gateway: Gateway, Path(id): Path<String>) -> Result<Response, ScimError> {
    gateway.directory.end_session(&gateway.caller, &id, None).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The calls for applications: `POST /sessions/{id}/renew`, `POST /sessions/{id}/end`, `DELETE /sessions/{id}`.
pub(super) fn calls() -> Router<Arc<Scim>> {
    let calls = Router::new().route("/{id}", delete(end_plain)).route("/{id}/renew", post(renew)).route("/{id}/end", post(end_told));
    routes::finish(calls)
}

async fn renew(
    State(state): State<Arc<Scim>>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Response, ScimError> {
    let session = state.directory.renew_session(&caller, &id).await?;
    let body = json!({
        "id": session.id,
        "user": session.user,
        "licence": session.licence,
        "startedAt": session.started.rfc3339(),
        "lastSeen": session.last_activity.rfc3339(),
        "expiresAt": session.expires.rfc3339(),
    });
    Ok(axum::Json(body).into_response())
}

async fn end_plain(
    State(state): State<Arc<Scim>>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Response, ScimError> {
    state.directory.end_session(&caller, &id, None).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Ends a session with a message to its user (S16): `{"message": "…"}`, or no body.
async fn end_told(
    State(state): State<Arc<Scim>>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    Json(body): Json,
) -> Result<Response, ScimError> {
    let message = match json::get(&body, "message") {
        None | Some(Value::Null) => None,
        Some(Value::String(message)) => Some(message.clone()),
        Some(_) => return Err(ScimError::value("message is not a string")),
    };
    state.directory.end_session(&caller, &id, message).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

//! Sessions: the SCIM resource (list, read, end), and the calls for applications that hold no LDAP connection.

use super::error::ScimError;
use super::gateway::Gateway;
use super::json::{self, Object};
use super::mapping::Lookup;
use super::request::{Authenticated, Id, Json};
use super::resource::set_schemas;
use super::routes::{self, Scim};
use super::schema::ResourceType;
use super::scopes::demand;
use crate::access::Scope;
use crate::directory::SessionInfo;
use crate::model::Dn;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post};
use serde_json::{Value, json};
use std::sync::Arc;

/// A session as a resource.
fn resource(gateway: &Gateway, held: &ResourceType, session: &SessionInfo) -> Object {
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
pub(super) fn leaf(dn: &str) -> String {
    let rdn = Dn::parse(dn).ok().and_then(|dn| dn.rdn().cloned());
    let value = rdn.and_then(|rdn| rdn.0.first().map(|ava| String::from_utf8_lossy(&ava.value).into_owned()));
    value.unwrap_or_else(|| dn.to_owned())
}

/// The sessions that the caller may see.
pub(super) fn all(gateway: &Gateway, held: &ResourceType) -> Vec<Object> {
    gateway.directory.sessions(&gateway.caller).iter().map(|session| resource(gateway, held, session)).collect()
}

/// One of them, or 404.
pub(super) fn one(gateway: &Gateway, held: &ResourceType, id: &str) -> Result<Object, ScimError> {
    let sessions = gateway.directory.sessions(&gateway.caller);
    let session = sessions.iter().find(|session| session.id == id).ok_or_else(ScimError::not_found)?;
    Ok(resource(gateway, held, session))
}

/// The calls for applications: `POST /sessions/{id}/renew`, `POST /sessions/{id}/end`, `DELETE /sessions/{id}`.
pub(super) fn calls(state: &Arc<Scim>) -> Router<Arc<Scim>> {
    let calls = Router::new().route("/{id}", delete(end_plain)).route("/{id}/renew", post(renew)).route("/{id}/end", post(end_told));
    routes::finish(calls, state)
}

async fn renew(State(state): State<Arc<Scim>>, Authenticated(caller): Authenticated, Id(id): Id) -> Result<Response, ScimError> {
    demand(&caller.identity, &[Scope::Sessions])?;
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

async fn end_plain(State(state): State<Arc<Scim>>, Authenticated(caller): Authenticated, Id(id): Id) -> Result<Response, ScimError> {
    demand(&caller.identity, &[Scope::Sessions])?;
    state.directory.end_session(&caller, &id, None).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Ends a session with a message to its user (S16): `{"message": "…"}`, or no body.
async fn end_told(
    State(state): State<Arc<Scim>>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    Json(body): Json,
) -> Result<Response, ScimError> {
    let message = match json::get(&body, "message") {
        None | Some(Value::Null) => None,
        Some(Value::String(message)) => Some(message.clone()),
        Some(_) => return Err(ScimError::value("message is not a string")),
    };
    demand(&caller.identity, &[Scope::Sessions])?;
    state.directory.end_session(&caller, &id, message).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

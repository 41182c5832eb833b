//! The endpoints (RFC 7644 §3.2), and the two calls beside SCIM for applications (docs/http-sessions.md).

use super::bulk::bulk;
use super::discovery;
use super::error::{MEDIA_TYPE, ScimError};
use super::events;
use super::exchange;
use super::gateway::Gateway;
use super::json::Object;
use super::list::{self, Query};
use super::listing::Listings;
use super::me;
use super::oauth;
use super::request::{Id, Json, Parameters, if_none_match, negotiate};
use super::resources;
use super::schema::{Catalogue, ResourceType};
use super::scopes::{self, Deed};
use super::sessions;
use crate::access::Scope;
use crate::directory::Directory;
use crate::directory::client::{Client, Profile};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use serde_json::Value;
use std::sync::Arc;

/// What all endpoints share.
pub struct Scim {
    /// The directory.
    pub directory: Arc<Directory>,
    /// The types of resources.
    pub catalogue: Arc<Catalogue>,
    /// The same for clients that are not to give roles.
    without_roles: Arc<Catalogue>,
    /// Both for Okta.
    for_okta: [Arc<Catalogue>; 2],
    /// What locations begin with, such as `https://directory.example.com/scim/v2`; no slash at the end.
    pub base_url: Arc<str>,
    /// What queries have found of late.
    pub listings: Arc<Listings>,
    /// What events are signed with.
    pub(super) signing: events::Signing,
}

impl Scim {
    /// Loads the schema data; fails only where that data is damaged.
    pub fn new(directory: Arc<Directory>, base_url: &str) -> Result<Arc<Self>, serde_json::Error> {
        let catalogue = Arc::new(Catalogue::load()?);
        let signing = events::Signing::default();
        let without_roles = Arc::new(catalogue.without_giving_roles());
        let for_okta = [Arc::new(catalogue.for_okta()?), Arc::new(without_roles.for_okta()?)];
        Ok(Arc::new(Self {
            directory,
            catalogue,
            without_roles,
            for_okta,
            base_url: base_url.trim_end_matches('/').into(),
            listings: Arc::default(),
            signing,
        }))
    }
}

impl Scim {
    /// The types of resources as a caller has them. What a person may do is decided for each change.
    pub(super) fn catalogue_of(&self, client: Option<&Client>) -> &Arc<Catalogue> {
        let may = client.is_none_or(|client| client.settings.scopes.contains(&Scope::Roles));
        let is_okta = client.is_some_and(|client| client.settings.profile == Profile::Okta);
        let [okta, okta_without_roles] = &self.for_okta;
        match (is_okta, may) {
            (false, true) => &self.catalogue,
            (false, false) => &self.without_roles,
            (true, true) => okta,
            (true, false) => okta_without_roles,
        }
    }
}

/// All of SCIM under `/scim/v2` (and `/scim`, for clients that leave the version out), and the calls for applications
/// under `/sessions`.
pub fn router(state: Arc<Scim>) -> Router {
    // The base with a slash is no path of the nested router.
    let base = finish(Routes::new().route("/scim/v2/", get(list_all)).route("/scim/", get(list_all)), &state);
    let nested = Routes::new().nest("/scim/v2", served(&state)).nest("/scim", served(&state)).nest("/sessions", sessions::calls(&state));
    let oauth = Routes::new().route(oauth::TOKEN, post(oauth::token)).route(oauth::METADATA, get(oauth::metadata));
    base.reset_fallback().merge(nested).merge(oauth).with_state(state)
}

type Routes = Router<Arc<Scim>>;

/// A route with and without a slash at its end.
fn at(routes: Routes, path: &str, methods: MethodRouter<Arc<Scim>>) -> Routes {
    routes.route(&format!("{path}/"), methods.clone()).route(path, methods)
}

/// The endpoints of single requests, and the one that sends many to them.
fn served(state: &Arc<Scim>) -> Routes {
    let single = finish(endpoints(&state.catalogue), state).with_state(Arc::clone(state));
    let bulk = async move |gateway: Gateway, request: Request| bulk(single.clone(), gateway, request).await;
    let routes = at(endpoints(&state.catalogue), "/Bulk", post(bulk));
    let routes = at(routes, "/SecurityEvents/keys", get(events::keys));
    finish(at(routes, "/SecurityEvents/{id}", post(events::poll)), state)
}

fn endpoints(catalogue: &Catalogue) -> Routes {
    let mut routes = catalogue.types.iter().fold(Routes::new(), of_type);
    routes = at(routes, "/Me", me::methods());
    routes = at(routes, "/.search", post(search_all));
    routes = routes.route("/", get(list_all));
    routes = at(routes, "/ServiceProviderConfig", get(service_provider_config));
    routes = at(routes, "/ResourceTypes", get(resource_types));
    routes = at(routes, "/ResourceTypes/{id}", get(resource_type));
    routes = at(routes, "/Schemas", get(schemas));
    at(routes, "/Schemas/{id}", get(schema))
}

/// Errors of routing in the form of SCIM, and the log of what clients ask.
pub(super) fn finish(routes: Routes, state: &Arc<Scim>) -> Routes {
    routes
        .fallback(async || ScimError::new(StatusCode::NOT_FOUND, "there is no such endpoint"))
        .method_not_allowed_fallback(async || ScimError::new(StatusCode::METHOD_NOT_ALLOWED, "the endpoint does not have this method"))
        .layer(axum::middleware::from_fn(negotiate))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(state), exchange::keep))
}

/// The endpoints of a type, with the methods that it has.
fn of_type(routes: Routes, held: &Arc<ResourceType>) -> Routes {
    let of = Arc::clone(held);
    let list = async move |gateway: Gateway, Parameters(parameters): Parameters| {
        query(gateway, of.clone(), Query::of_parameters(&parameters)?).await
    };
    let of = Arc::clone(held);
    let search = async move |gateway: Gateway, Json(body): Json| query(gateway, of.clone(), search_request(&body)?).await;
    let mut collection = get(list);
    if held.verbs.create {
        let of = Arc::clone(held);
        collection =
            collection.post(async move |gateway: Gateway, Parameters(parameters): Parameters, headers: HeaderMap, Json(body): Json| {
                gateway.told(resources::create(&gateway, &of, body, &parameters, &headers).await)
            });
    }
    let routes = at(routes, held.endpoint, collection);
    let routes = at(routes, &format!("{}/.search", held.endpoint), post(search));
    at(routes, &format!("{}/{{id}}", held.endpoint), of_resource(held))
}

fn of_resource(held: &Arc<ResourceType>) -> MethodRouter<Arc<Scim>> {
    let of = Arc::clone(held);
    let mut single = get(async move |gateway: Gateway, Id(id): Id, Parameters(parameters): Parameters, headers: HeaderMap| {
        resources::read(&gateway, &of, &id, &parameters, &headers)
    });
    if held.verbs.change {
        let of = Arc::clone(held);
        single = single.put(
            async move |gateway: Gateway, Id(id): Id, Parameters(parameters): Parameters, headers: HeaderMap, Json(body): Json| {
                gateway.told(resources::replace(&gateway, &of, &id, body, &parameters, &headers).await)
            },
        );
        let of = Arc::clone(held);
        single = single.patch(
            async move |gateway: Gateway, Id(id): Id, Parameters(parameters): Parameters, headers: HeaderMap, Json(body): Json| {
                gateway.told(resources::patch(&gateway, &of, &id, &body, &parameters, &headers).await)
            },
        );
    }
    if held.verbs.delete {
        let of = Arc::clone(held);
        single = single.delete(async move |gateway: Gateway, Id(id): Id, headers: HeaderMap| {
            gateway.told(resources::delete(&gateway, &of, &id, &headers).await)
        });
    }
    single
}

/// A SearchRequest (RFC 7644 §3.4.3).
pub(super) fn search_request(body: &Object) -> Result<Query, ScimError> {
    const SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
    super::json::require_schema(body, SCHEMA)?;
    Query::of_body(body)
}

/// Large searches run beside the tasks that serve connections, and in turns.
async fn aside<T, W>(gateway: Gateway, work: W) -> Result<T, ScimError>
where
    T: Send + 'static,
    W: FnOnce(&Gateway) -> Result<T, ScimError> + Send + 'static,
{
    let turn = gateway.listings.turns.take(&gateway.organisation).await;
    let searched = tokio::task::spawn_blocking(move || {
        // Whether or not somebody still waits for the answer.
        let _turn = turn;
        work(&gateway)
    });
    match searched.await {
        Ok(done) => done,
        Err(error) => {
            tracing::error!(%error, "a SCIM query broke off");
            Err(ScimError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error"))
        }
    }
}

async fn query(gateway: Gateway, held: Arc<ResourceType>, query: Query) -> Result<Response, ScimError> {
    scopes::permit(&gateway, &held, Deed::Read)?;
    let query = query.under(gateway.settings.profile)?;
    let few = if list::is_look_up(gateway.served(&held), &query)? { list::look_up(&gateway, &held, &query)? } else { None };
    let found = match few {
        Some(found) => found,
        None => aside(gateway, move |gateway| list::of_type(gateway, &held, &query)).await?,
    };
    Ok(as_scim(StatusCode::OK, found))
}

async fn all(gateway: Gateway, query: Query) -> Result<Response, ScimError> {
    scopes::demand(&gateway.caller.identity, &[Scope::Read])?;
    let query = query.under(gateway.settings.profile)?;
    let found = aside(gateway, move |gateway| list::stored(gateway, &gateway.catalogue.stored(), &query)).await?;
    Ok(as_scim(StatusCode::OK, found))
}

async fn list_all(gateway: Gateway, Parameters(parameters): Parameters) -> Result<Response, ScimError> {
    all(gateway, Query::of_parameters(&parameters)?).await
}

async fn search_all(gateway: Gateway, Json(body): Json) -> Result<Response, ScimError> {
    all(gateway, search_request(&body)?).await
}

/// An answer with a body.
pub(super) fn scim(status: StatusCode, body: &Value) -> Response {
    as_scim(status, body.to_string())
}

fn as_scim(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response()
}

/// 304 where the client has this version, else the resource with its version and location.
pub(super) fn versioned(
    status: StatusCode,
    version: u64,
    resource: impl FnOnce() -> Response,
    location: &str,
    headers: &HeaderMap,
) -> Response {
    let tag = super::mapping::version(version);
    if status == StatusCode::OK && if_none_match(headers, version) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    let headers = [(header::ETAG, tag), (header::LOCATION, location.to_owned())];
    (status, headers, resource()).into_response()
}

/// A filter makes no sense here and is refused (RFC 7644 §4); the rest of the query is ignored.
fn unfiltered(parameters: &[(String, String)]) -> Result<(), ScimError> {
    match parameters.iter().any(|(name, _)| name.eq_ignore_ascii_case("filter")) {
        true => Err(ScimError::forbidden("the endpoints of discovery take no filter")),
        false => Ok(()),
    }
}

async fn service_provider_config(State(state): State<Arc<Scim>>, Parameters(parameters): Parameters) -> Result<Response, ScimError> {
    unfiltered(&parameters)?;
    Ok(scim(StatusCode::OK, &discovery::service_provider_config(&state.base_url, &state.directory.settings())))
}

async fn resource_types(
    State(state): State<Arc<Scim>>,
    gateway: Result<Gateway, ScimError>,
    Parameters(parameters): Parameters,
) -> Result<Response, ScimError> {
    unfiltered(&parameters)?;
    let catalogue = gateway.as_ref().map_or(&state.catalogue, |gateway| &gateway.catalogue);
    Ok(scim(StatusCode::OK, &discovery::list(&discovery::resource_types(catalogue, &state.base_url))))
}

async fn resource_type(State(state): State<Arc<Scim>>, gateway: Result<Gateway, ScimError>, Id(id): Id) -> Result<Response, ScimError> {
    let catalogue = gateway.as_ref().map_or(&state.catalogue, |gateway| &gateway.catalogue);
    let held = catalogue.types.iter().find(|held| held.name == id).ok_or_else(ScimError::not_found)?;
    Ok(scim(StatusCode::OK, &discovery::resource_type(held, &state.base_url)))
}

async fn schemas(
    State(state): State<Arc<Scim>>,
    gateway: Result<Gateway, ScimError>,
    Parameters(parameters): Parameters,
) -> Result<Response, ScimError> {
    unfiltered(&parameters)?;
    let catalogue = gateway.as_ref().map_or(&state.catalogue, |gateway| &gateway.catalogue);
    Ok(scim(StatusCode::OK, &discovery::list(&discovery::schemas(catalogue, &state.base_url))))
}

async fn schema(State(state): State<Arc<Scim>>, gateway: Result<Gateway, ScimError>, Id(id): Id) -> Result<Response, ScimError> {
    let catalogue = gateway.as_ref().map_or(&state.catalogue, |gateway| &gateway.catalogue);
    let held = catalogue.schemas().find(|held| held.id.eq_ignore_ascii_case(&id)).ok_or_else(ScimError::not_found)?;
    Ok(scim(StatusCode::OK, &discovery::schema(held, &state.base_url)))
}

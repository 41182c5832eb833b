//! Resources: made, read, replaced, patched and deleted (RFC 7644 §3.3–§3.6).

use super::error::{ScimError, ScimType};
use super::external_id;
use super::gateway::Gateway;
use super::json::Object;
use super::licensing::{self, Made};
use super::list::Query;
use super::mapping::{self, Changes, Computed, Part};
use super::members::{self, Step};
use super::memberships::{self, Edge};
use super::patch::{self, Operation};
use super::project::Projection;
use super::request::{Preference, if_match};
use super::resource::{check_required, check_strict, keep_immutable, normalize};
use super::routes::{scim, versioned};
use super::schema::{ResourceType, Source};
use super::scopes::{self, Deed};
use super::sessions;
use super::stream;
use crate::directory::client::Profile;
use crate::directory::{Error, OwnedEntry, Write, WriteOptions};
use crate::model::Dn;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// What the URNs of our own extensions begin with.
const OWN: &str = "urn:headcount:";

/// How often a change is tried again that met another one.
pub(super) const ATTEMPTS: usize = 16;

/// A PATCH of a group with more members than this is answered without them (204); of any group where the client is Entra ID's.
const MEMBERS_SHOWN: usize = 50;

/// The members of a larger group are sent in pieces.
const MEMBERS_HELD: usize = 1_000;

const EXTERNAL_ID: &str = "externalId";

type Parameters = [(String, String)];

fn projection(gateway: &Gateway, parameters: &Parameters, resource_type: &ResourceType) -> Result<Projection, ScimError> {
    let query = Query::of_parameters(parameters)?.under(gateway.settings.profile)?;
    Projection::new(&query.attributes, &query.excluded, resource_type)
}

/// Who writes levels is shown them (RFC 7643 §7, `returned`).
fn show_levels(projection: &mut Projection, resource_type: &ResourceType, steps: &[Step]) {
    let levels = resource_type.mapping.computed.iter().filter(|computed| computed.part == Part::Memberships);
    levels.filter(|_| steps.iter().any(Step::is_of_levels)).for_each(|computed| projection.and(computed));
}

fn respond(
    gateway: &Gateway,
    resource_type: &ResourceType,
    entry: &OwnedEntry,
    projection: &Projection,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Response, ScimError> {
    let wants = |computed: &Computed| projection.wants(resource_type, computed);
    let is_large = resource_type.mapping.has_members() && gateway.directory.member_count(entry.id) > MEMBERS_HELD;
    let in_pieces = is_large && resource_type.mapping.computed.iter().any(|computed| computed.part == Part::Members && wants(computed));
    let resource = gateway.resource(resource_type, entry, &|computed| wants(computed) && !(in_pieces && computed.part == Part::Members))?;
    let resource = projection.apply(resource, resource_type);
    let body = || match in_pieces {
        true => stream::group(gateway, resource_type.name, projection, entry.id, resource),
        false => scim(status, &resource.into()),
    };
    Ok(versioned(status, mapping::state(entry), body, &location(gateway, resource_type, entry), headers))
}

/// The answer to a change, with the resource unless the client prefers to have none of it; if it names attributes, it has them.
fn answer(
    gateway: &Gateway,
    resource_type: &ResourceType,
    entry: &OwnedEntry,
    projection: &Projection,
    status: StatusCode,
    preference: Option<Preference>,
) -> Result<Response, ScimError> {
    match preference {
        Some(Preference::Minimal) if projection.is_default() => {
            let mut response = without_body(entry);
            if status == StatusCode::CREATED {
                *response.status_mut() = status;
                if let Ok(location) = HeaderValue::try_from(location(gateway, resource_type, entry)) {
                    response.headers_mut().insert(header::LOCATION, location);
                }
            }
            Ok(Preference::Minimal.applied(response))
        }
        Some(Preference::Minimal) | None => respond(gateway, resource_type, entry, projection, status, &HeaderMap::new()),
        Some(Preference::Representation) => {
            let response = respond(gateway, resource_type, entry, projection, status, &HeaderMap::new())?;
            Ok(Preference::Representation.applied(response))
        }
    }
}

/// 204 with the version.
fn without_body(entry: &OwnedEntry) -> Response {
    (StatusCode::NO_CONTENT, [(header::ETAG, mapping::version(mapping::state(entry)))]).into_response()
}

fn location(gateway: &Gateway, resource_type: &ResourceType, entry: &OwnedEntry) -> String {
    format!("{}{}/{}", gateway.base_url, resource_type.endpoint, entry.text("entryUUID").unwrap_or_default())
}

/// `POST /Users` and the like.
pub async fn create(
    gateway: &Gateway,
    resource_type: &ResourceType,
    mut body: Object,
    parameters: &Parameters,
    headers: &HeaderMap,
) -> Result<Response, ScimError> {
    let resource_type = gateway.served(resource_type);
    scopes::permit(gateway, resource_type, Deed::Write)?;
    gateway.exchange.review(&body, resource_type);
    let mut projection = projection(gateway, parameters, resource_type)?;
    if gateway.settings.profile == Profile::Strict {
        check_strict(&body, resource_type)?;
    }
    if resource_type.source == Source::Memberships {
        let edge = memberships::create(gateway, resource_type, &body).await?;
        return Ok(of_edge(gateway, resource_type, &edge, &projection, StatusCode::CREATED, &HeaderMap::new()));
    }
    let steps = if resource_type.mapping.has_members() { members::take(&mut body, resource_type)? } else { Vec::new() };
    show_levels(&mut projection, resource_type, &steps);
    let mut resource = normalize(&body, resource_type)?;
    for name in resource_type.mapping.true_by_default {
        resource.entry(*name).or_insert(true.into());
    }
    check_required(&resource, resource_type)?;
    // Whoever has the name may be the one that comes back.
    if !gateway.settings.restore_on_create {
        check_unique(gateway, resource_type, &resource, None)?;
    }
    let changes = mapping::changes(&Object::new(), &resource, resource_type, gateway)?;
    let mut changes = scopes::within(gateway, resource_type, changes)?;
    let (members, mut pending) = members::of_new(gateway, &steps)?;
    changes.extend(members);
    pending.extend(gateway.pending_links(resource_type, &Object::new(), &resource)?);
    let beside_it = |dn: &str| beside(gateway, resource_type, dn, &Object::new(), &resource);
    let without_password = without_password(gateway, &changes);
    let mut added = gateway.add(resource_type, changes, pending.clone(), &beside_it).await;
    if let (Err(ScimError { kind: Some(ScimType::InvalidValue), .. }), Some(changes)) = (&added, without_password) {
        added = gateway.add(resource_type, changes, pending, &beside_it).await;
    }
    if added.as_ref().is_err_and(|error| error.status == StatusCode::CONFLICT) {
        check_unique(gateway, resource_type, &resource, None)?;
    }
    answer(gateway, resource_type, &added?, &projection, StatusCode::CREATED, Preference::of(headers))
}

/// What is left without the password that Okta makes up for every user (quirk 28): it serves where the policy refuses that one.
fn without_password(gateway: &Gateway, changes: &Changes) -> Option<Changes> {
    let kept: Changes = changes.iter().filter(|(name, _)| *name != "userPassword").cloned().collect();
    (gateway.settings.profile == Profile::Okta && kept.len() < changes.len()).then_some(kept)
}

/// What changes in other entries with a resource.
fn beside(gateway: &Gateway, resource_type: &ResourceType, dn: &str, before: &Object, after: &Object) -> Result<Vec<Write>, ScimError> {
    resource_type.mapping.login().map_or_else(|| Ok(Vec::new()), |login| gateway.relink(dn, before, after, login))
}

/// 409 where the name is in use, with the id of who has it.
fn check_unique(gateway: &Gateway, resource_type: &ResourceType, resource: &Object, own: Option<&str>) -> Result<(), ScimError> {
    let naming = resource_type.mapping.naming.name;
    let text = |name: &str| resource.get(name).and_then(serde_json::Value::as_str);
    let name = text(naming).filter(|_| resource_type.mapping.naming.is_unique);
    let by_name = name.map(|name| gateway.holder(resource_type, name)).transpose()?.flatten();
    let by_external_id = text(EXTERNAL_ID).map(|value| gateway.holder_of_external_id(resource_type, value)).transpose()?.flatten();
    let held = [(naming, by_name), (EXTERNAL_ID, by_external_id)];
    match held.into_iter().find_map(|(what, holder)| Some((what, holder.filter(|holder| Some(holder.as_str()) != own)?))) {
        Some((what, holder)) => Err(ScimError::of(ScimType::Uniqueness, format!("{what} is in use by {holder}"))),
        None => Ok(()),
    }
}

/// `GET /Users/{id}` and the like.
pub fn read(
    gateway: &Gateway,
    resource_type: &ResourceType,
    id: &str,
    parameters: &Parameters,
    headers: &HeaderMap,
) -> Result<Response, ScimError> {
    let resource_type = gateway.served(resource_type);
    scopes::permit(gateway, resource_type, Deed::Read)?;
    let projection = projection(gateway, parameters, resource_type)?;
    match resource_type.source {
        Source::Entries => {
            let also = resource_type.mapping.also(&|computed| projection.wants(resource_type, computed));
            let entry = gateway.get(resource_type, id, &also)?;
            respond(gateway, resource_type, &entry, &projection, StatusCode::OK, headers)
        }
        Source::Memberships => {
            let edge = Edge::find(gateway, id)?;
            Ok(of_edge(gateway, resource_type, &edge, &projection, StatusCode::OK, headers))
        }
        Source::Licences | Source::Packages | Source::Roles => {
            let Made { resource, version } = licensing::one(gateway, resource_type, id, &Query::of_parameters(parameters)?)?;
            let location = format!("{}{}/{id}", gateway.base_url, resource_type.endpoint);
            let body = || scim(StatusCode::OK, &projection.apply(resource, resource_type).into());
            Ok(match version {
                Some(version) => versioned(StatusCode::OK, version, body, &location, headers),
                None => body(),
            })
        }
        Source::Sessions => {
            let session = sessions::one(gateway, resource_type, id)?;
            Ok(scim(StatusCode::OK, &projection.apply(session, resource_type).into()))
        }
    }
}

/// `DELETE /Users/{id}` and the like; of a session it is its end (S6).
pub async fn delete(gateway: &Gateway, resource_type: &ResourceType, id: &str, headers: &HeaderMap) -> Result<Response, ScimError> {
    scopes::permit(gateway, resource_type, Deed::Write)?;
    match resource_type.source {
        Source::Entries => {
            delete_entry(gateway, resource_type, id, headers).await?;
        }
        Source::Memberships => {
            let edge = Edge::find(gateway, id)?;
            let conditional = if_match(headers, edge.version())?;
            edge.write(gateway, edge.end(), conditional).await?;
        }
        Source::Licences | Source::Packages | Source::Roles => {
            return Err(ScimError::new(StatusCode::METHOD_NOT_ALLOWED, "the endpoint does not have this method"));
        }
        Source::Sessions => gateway.directory.end_session(&gateway.caller, id, None).await?,
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn delete_entry(gateway: &Gateway, resource_type: &ResourceType, id: &str, headers: &HeaderMap) -> Result<(), ScimError> {
    for _ in 0..ATTEMPTS {
        let entry = gateway.get(resource_type, id, &[])?;
        let conditional = if_match(headers, mapping::state(&entry))?;
        let expected_version = conditional.then_some(entry.version);
        let options = WriteOptions { expected_version, expected_entry: Some(entry.id), ..WriteOptions::default() };
        match gateway.directory.write(&gateway.caller, Write::Delete { dn: entry.dn }, options).await {
            Err(Error::AssertionFailed(_)) if conditional => return Err(ScimError::version()),
            // It has another name meanwhile.
            Err(Error::AssertionFailed(_) | Error::NoSuchObject { .. }) => {}
            done => return Ok(done.map(drop)?),
        }
    }
    Err(ScimError::busy())
}

/// What a PUT or PATCH makes of a resource, and what becomes of its members.
enum Change {
    /// Everything a client may change is as here; `active`, members and our own extensions stay where the body is silent
    /// on them.
    Replace(Object, Vec<Step>),
    /// Operations one after another.
    Patch(Vec<Operation>, Vec<Step>),
}

impl Change {
    fn apply(&self, before: &Object, resource_type: &ResourceType, profile: Profile) -> Result<Object, ScimError> {
        let after = match self {
            Self::Replace(resource, _) => {
                let mut after = resource.clone();
                keep_immutable(before, &mut after, resource_type)?;
                // Our own extensions are nothing that identity providers know of, and nobody loses rights by silence.
                let own = resource_type.extensions.iter().map(|extension| extension.id.as_str()).filter(|id| id.starts_with(OWN));
                for name in own.chain(["active", "roles"]) {
                    if let (false, Some(held)) = (after.contains_key(name), before.get(name)) {
                        after.insert(name.to_owned(), held.clone());
                    }
                }
                after
            }
            Self::Patch(operations, _) => {
                let mut after = before.clone();
                patch::apply(&mut after, operations, resource_type, profile)?;
                mapping::refuse_licences(&after)?;
                after
            }
        };
        // Who may not see what is required did not take it away.
        if check_required(before, resource_type).is_ok() {
            check_required(&after, resource_type)?;
        }
        Ok(after)
    }

    fn steps(&self) -> &[Step] {
        match self {
            Self::Replace(_, steps) | Self::Patch(_, steps) => steps,
        }
    }
}

/// `PUT /Users/{id}` and the like.
pub async fn replace(
    gateway: &Gateway,
    resource_type: &ResourceType,
    id: &str,
    mut body: Object,
    parameters: &Parameters,
    headers: &HeaderMap,
) -> Result<Response, ScimError> {
    let resource_type = gateway.served(resource_type);
    gateway.exchange.review(&body, resource_type);
    let mut projection = projection(gateway, parameters, resource_type)?;
    if gateway.settings.profile == Profile::Strict {
        check_strict(&body, resource_type)?;
    }
    let steps = if resource_type.mapping.has_members() { members::take(&mut body, resource_type)? } else { Vec::new() };
    show_levels(&mut projection, resource_type, &steps);
    let mut resource = normalize(&body, resource_type)?;
    if resource_type.source == Source::Memberships {
        memberships::reduce(gateway, &mut resource);
    }
    let change = Change::Replace(resource, steps);
    if resource_type.source == Source::Memberships {
        return change_edge(gateway, resource_type, id, &change, &projection, headers).await;
    }
    let entry = update(gateway, resource_type, id, &change, headers).await?;
    answer(gateway, resource_type, &entry, &projection, StatusCode::OK, Preference::of(headers))
}

/// `PATCH /Users/{id}` and the like.
pub async fn patch(
    gateway: &Gateway,
    resource_type: &ResourceType,
    id: &str,
    body: &Object,
    parameters: &Parameters,
    headers: &HeaderMap,
) -> Result<Response, ScimError> {
    let resource_type = gateway.served(resource_type);
    gateway.exchange.review(body, resource_type);
    let mut projection = projection(gateway, parameters, resource_type)?;
    let (mut operations, mut steps) = (patch::parse(body, gateway.settings.profile)?, Vec::new());
    if gateway.settings.profile == Profile::Strict {
        patch::check_strict(&operations, resource_type)?;
    }
    if resource_type.mapping.has_members() {
        let split = operations.into_iter().map(|operation| members::split(operation, resource_type));
        let (found, left): (Vec<_>, Vec<_>) = split.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        steps = found.into_iter().flatten().collect();
        operations = left.into_iter().flatten().collect();
    }
    show_levels(&mut projection, resource_type, &steps);
    let change = Change::Patch(operations, steps);
    if resource_type.source == Source::Memberships {
        return change_edge(gateway, resource_type, id, &change, &projection, headers).await;
    }
    let entry = update(gateway, resource_type, id, &change, headers).await?;
    let brief = || gateway.settings.profile == Profile::Entra || gateway.directory.member_count(entry.id) > MEMBERS_SHOWN;
    let preference = Preference::of(headers);
    if projection.is_default() && preference.is_none() && resource_type.mapping.has_members() && brief() {
        return Ok(without_body(&entry));
    }
    answer(gateway, resource_type, &entry, &projection, StatusCode::OK, preference)
}

fn of_edge(
    gateway: &Gateway,
    resource_type: &ResourceType,
    edge: &Edge,
    projection: &Projection,
    status: StatusCode,
    headers: &HeaderMap,
) -> Response {
    let resource = projection.apply(edge.resource(gateway, resource_type), resource_type);
    versioned(status, edge.version(), || scim(status, &resource.into()), &edge.location(gateway, resource_type), headers)
}

/// PUT and PATCH of a membership.
async fn change_edge(
    gateway: &Gateway,
    resource_type: &ResourceType,
    id: &str,
    change: &Change,
    projection: &Projection,
    headers: &HeaderMap,
) -> Result<Response, ScimError> {
    scopes::permit(gateway, resource_type, Deed::Write)?;
    let edge = Edge::find(gateway, id)?;
    let conditional = if_match(headers, edge.version())?;
    let before = edge.ends();
    let step = edge.change(&before, &change.apply(&before, resource_type, gateway.settings.profile)?)?;
    edge.write(gateway, step, conditional).await?;
    let edge = Edge::find(gateway, id)?;
    Ok(of_edge(gateway, resource_type, &edge, projection, StatusCode::OK, &HeaderMap::new()))
}

/// Reads, computes and writes, all or nothing. Where somebody else was faster it begins again, unless the client
/// said which version it means: then it is told (412).
async fn update(
    gateway: &Gateway,
    resource_type: &ResourceType,
    id: &str,
    change: &Change,
    headers: &HeaderMap,
) -> Result<OwnedEntry, ScimError> {
    scopes::permit(gateway, resource_type, Deed::Write)?;
    for _ in 0..ATTEMPTS {
        let entry = gateway.get(resource_type, id, &resource_type.mapping.also(&|_| true))?;
        let conditional = if_match(headers, mapping::state(&entry))?;
        let before = gateway.resource(resource_type, &entry, &|computed| computed.part == Part::Login)?;
        let before = gateway.with_pending(resource_type, &entry, before);
        let after = change.apply(&before, resource_type, gateway.settings.profile)?;
        let changes = scopes::within(gateway, resource_type, mapping::changes(&before, &after, resource_type, gateway)?)?;
        let beside = beside(gateway, resource_type, &entry.dn, &before, &after)?;
        if changes.iter().any(|(name, _)| [resource_type.mapping.naming.ldap, external_id::LDAP].contains(name)) {
            check_unique(gateway, resource_type, &after, Some(id))?;
        }
        let (modifications, mut pending) = members::modifications(gateway, &entry, change.steps())?;
        pending.extend(gateway.pending_links(resource_type, &before, &after)?);
        if changes.is_empty() && modifications.is_empty() && beside.is_empty() && pending.is_empty() {
            return Ok(entry);
        }
        let parent = Dn::parse(&entry.dn).ok().and_then(|dn| dn.parent()).unwrap_or_default();
        let changes = gateway.with_free_name(resource_type, changes, &parent, Some(entry.id))?;
        let is_beside = !change.steps().is_empty() || !beside.is_empty();
        // Members come and go beside each other; only a change of the rest rests on what was read.
        let expected_version = (conditional || !changes.is_empty()).then_some(entry.version);
        let replaces = matches!(change, Change::Replace(..));
        let options = WriteOptions { expected_version, replaces, pending, ..WriteOptions::default() };
        match gateway.change(resource_type, &entry, changes, modifications, options, beside).await {
            Ok(entry) => return Ok(entry),
            Err(Error::AssertionFailed(_)) if conditional => return Err(ScimError::version()),
            // Somebody else was faster, or it has another name meanwhile.
            Err(Error::AssertionFailed(_) | Error::NoSuchObject { .. }) => {}
            Err(Error::AttributeOrValueExists(_) | Error::NoSuchAttribute(_)) if is_beside => {}
            // Somebody else took the name that was free.
            Err(Error::AlreadyExists(_)) if !resource_type.mapping.naming.is_unique => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(ScimError::busy())
}

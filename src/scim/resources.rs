//! Users and groups: made, read, replaced, patched and deleted (RFC 7644 §3.3–§3.6).

use super::error::{ScimError, ScimType};
use super::gateway::Gateway;
use super::json::Object;
use super::list::Query;
use super::mapping;
use super::members::{self, Step};
use super::patch::{self, Operation};
use super::project::Projection;
use super::request::{if_match, prefers_minimal};
use super::resource::{check_required, normalize};
use super::routes::{Family, versioned};
use super::schema::ResourceType;
use crate::directory::{Error, OwnedEntry, Write, WriteOptions};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// How often a change is tried again that met another one.
const ATTEMPTS: usize = 16;

/// A PATCH of a group with more members than this is answered without them (204).
const MEMBERS_SHOWN: usize = 100;

type Parameters = [(String, String)];

fn projection(parameters: &Parameters, resource_type: &ResourceType) -> Result<Projection, ScimError> {
    let query = Query::of_parameters(parameters)?;
    Projection::new(&query.attributes, &query.excluded, resource_type)
}

/// Attributes read beyond those of the table, where they are asked for.
fn also(projection: &Projection, resource_type: &ResourceType) -> &'static [&'static str] {
    let groups = resource_type.name == "User" && resource_type.core_attribute("groups").is_some_and(|groups| projection.wants(groups));
    if groups { &["memberOf"] } else { &[] }
}

fn respond(
    gateway: &Gateway,
    resource_type: &ResourceType,
    entry: &OwnedEntry,
    projection: &Projection,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Response, ScimError> {
    let wants = |name: &str| resource_type.core_attribute(name).is_some_and(|attribute| projection.wants(attribute));
    let resource = gateway.resource(resource_type, entry, &wants)?;
    let location = format!("{}{}/{}", gateway.base_url, resource_type.endpoint, entry.text("entryUUID").unwrap_or_default());
    Ok(versioned(status, entry.version, projection.apply(resource, resource_type), &location, headers))
}

/// `POST /Users`, `POST /Groups`.
pub async fn create(gateway: &Gateway, family: Family, mut body: Object, parameters: &Parameters) -> Result<Response, ScimError> {
    let resource_type = family.of(&gateway.catalogue);
    let projection = projection(parameters, resource_type)?;
    let member_ids = if family == Family::Group { members::take(&mut body, resource_type)? } else { None };
    let mut resource = normalize(&body, resource_type)?;
    if family == Family::User {
        // Said outright, so that clients that look for it find it (U6).
        resource.entry("active").or_insert(true.into());
    }
    check_required(&resource, resource_type)?;
    check_unique(gateway, resource_type, &resource, None)?;
    let mut changes = mapping::changes(&Object::new(), &resource, resource_type, gateway)?;
    let names = members::names(gateway, &member_ids.unwrap_or_default())?;
    if !names.is_empty() {
        changes.push(("member", names));
    }
    let entry = gateway.add(resource_type, changes).await?;
    respond(gateway, resource_type, &entry, &projection, StatusCode::CREATED, &HeaderMap::new())
}

/// 409 where the name is in use, with the id of who has it.
fn check_unique(gateway: &Gateway, resource_type: &ResourceType, resource: &Object, own: Option<&str>) -> Result<(), ScimError> {
    let naming = if resource_type.name == "Group" { "displayName" } else { "userName" };
    let Some(name) = resource.get(naming).and_then(serde_json::Value::as_str) else { return Ok(()) };
    match gateway.holder(resource_type, name)?.filter(|holder| Some(holder.as_str()) != own) {
        Some(holder) => Err(ScimError::of(ScimType::Uniqueness, format!("{naming} is in use by {holder}"))),
        None => Ok(()),
    }
}

/// `GET /Users/{id}`, `GET /Groups/{id}`.
pub fn read(gateway: &Gateway, family: Family, id: &str, parameters: &Parameters, headers: &HeaderMap) -> Result<Response, ScimError> {
    let resource_type = family.of(&gateway.catalogue);
    let projection = projection(parameters, resource_type)?;
    let entry = gateway.get(resource_type, id, also(&projection, resource_type))?;
    respond(gateway, resource_type, &entry, &projection, StatusCode::OK, headers)
}

/// `DELETE /Users/{id}`, `DELETE /Groups/{id}`.
pub async fn delete(gateway: &Gateway, family: Family, id: &str, headers: &HeaderMap) -> Result<Response, ScimError> {
    let entry = gateway.get(family.of(&gateway.catalogue), id, &[])?;
    let expected_version = if_match(headers, entry.version)?.then_some(entry.version);
    let options = WriteOptions { expected_version, ..WriteOptions::default() };
    gateway.directory.write(&gateway.caller, Write::Delete { dn: entry.dn }, options).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What a PUT or PATCH makes of a resource, and what becomes of its members.
enum Change {
    /// Everything a client may change is as here; `active` and members stay where the body is silent on them.
    Replace(Object, Vec<Step>),
    /// Operations one after another.
    Patch(Vec<Operation>, Vec<Step>),
}

impl Change {
    fn apply(&self, before: &Object, resource_type: &ResourceType) -> Result<Object, ScimError> {
        let after = match self {
            Self::Replace(resource, _) => {
                let mut after = resource.clone();
                if let (false, Some(held)) = (after.contains_key("active"), before.get("active")) {
                    after.insert("active".to_owned(), held.clone());
                }
                after
            }
            Self::Patch(operations, _) => {
                let mut after = before.clone();
                operations.iter().try_for_each(|operation| patch::apply(&mut after, operation, resource_type))?;
                after
            }
        };
        check_required(&after, resource_type)?;
        Ok(after)
    }

    fn steps(&self) -> &[Step] {
        match self {
            Self::Replace(_, steps) | Self::Patch(_, steps) => steps,
        }
    }
}

/// `PUT /Users/{id}`, `PUT /Groups/{id}`.
pub async fn replace(
    gateway: &Gateway,
    family: Family,
    id: &str,
    mut body: Object,
    parameters: &Parameters,
    headers: &HeaderMap,
) -> Result<Response, ScimError> {
    let resource_type = family.of(&gateway.catalogue);
    let projection = projection(parameters, resource_type)?;
    let member_ids = if family == Family::Group { members::take(&mut body, resource_type)? } else { None };
    let change = Change::Replace(normalize(&body, resource_type)?, member_ids.into_iter().map(Step::Replace).collect());
    let entry = update(gateway, resource_type, id, &change, headers).await?;
    respond(gateway, resource_type, &entry, &projection, StatusCode::OK, &HeaderMap::new())
}

/// `PATCH /Users/{id}`, `PATCH /Groups/{id}`.
pub async fn patch(
    gateway: &Gateway,
    family: Family,
    id: &str,
    body: &Object,
    parameters: &Parameters,
    headers: &HeaderMap,
) -> Result<Response, ScimError> {
    let resource_type = family.of(&gateway.catalogue);
    let projection = projection(parameters, resource_type)?;
    let (mut operations, mut steps) = (patch::parse(body)?, Vec::new());
    if family == Family::Group {
        let split = operations.into_iter().map(|operation| members::split(operation, resource_type));
        let (found, left): (Vec<_>, Vec<_>) = split.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        steps = found.into_iter().flatten().collect();
        operations = left.into_iter().flatten().collect();
    }
    let entry = update(gateway, resource_type, id, &Change::Patch(operations, steps), headers).await?;
    let large = || Ok::<_, ScimError>(family == Family::Group && gateway.members(&entry, MEMBERS_SHOWN + 1)?.len() > MEMBERS_SHOWN);
    if projection.is_default() && (prefers_minimal(headers) || large()?) {
        return Ok((StatusCode::NO_CONTENT, [(header::ETAG, mapping::version(entry.version))]).into_response());
    }
    respond(gateway, resource_type, &entry, &projection, StatusCode::OK, &HeaderMap::new())
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
    for _ in 0..ATTEMPTS {
        let entry = gateway.get(resource_type, id, &["memberOf"])?;
        let conditional = if_match(headers, entry.version)?;
        let before = gateway.resource(resource_type, &entry, &|_| false)?;
        let after = change.apply(&before, resource_type)?;
        let changes = mapping::changes(&before, &after, resource_type, gateway)?;
        if changes.iter().any(|(name, _)| *name == mapping::naming(resource_type).0) {
            check_unique(gateway, resource_type, &after, Some(id))?;
        }
        let modifications = members::modifications(gateway, &entry, change.steps())?;
        if changes.is_empty() && modifications.is_empty() {
            return Ok(entry);
        }
        // Members come and go beside each other; only a change of the rest rests on what was read.
        let expected = (conditional || !changes.is_empty()).then_some(entry.version);
        match gateway.change(resource_type, &entry, changes, modifications, expected).await {
            Ok(entry) => return Ok(entry),
            Err(Error::AssertionFailed(_)) if conditional => return Err(ScimError::version()),
            Err(Error::AssertionFailed(_)) => {}
            Err(Error::AttributeOrValueExists(_) | Error::NoSuchAttribute(_)) if !change.steps().is_empty() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(ScimError::new(StatusCode::SERVICE_UNAVAILABLE, "others change the resource all the time: try again"))
}

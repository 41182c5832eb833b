//! An event as a Security Event Token (RFC 8417, RFC 9967 §2).

use crate::directory::events::{Event, EventReceiver, EventUri};
use crate::scim::error::ScimError;
use crate::scim::gateway::Gateway;
use crate::scim::json::Object;
use crate::scim::schema::{ResourceType, Source};
use crate::scim::types::of_kind;
use serde_json::{Value, json};

/// The claims; `None` where there is nothing to tell: no type serves the resource, nothing of it that SCIM shows has changed, or the
/// resource that was to be told whole is gone again.
pub(super) fn claims(gateway: &Gateway, receiver: &EventReceiver, event: &Event) -> Result<Option<Value>, ScimError> {
    let held = of_kind(event.kind()).and_then(|served| gateway.catalogue.at(served.endpoint));
    let Some(held) = held else { return Ok(None) };
    let Some(payload) = payload(gateway, held, event)? else { return Ok(None) };
    let mut subject = json!({"format": "scim", "uri": format!("{}/{}", held.endpoint, event.subject), "id": event.subject});
    if let (Some(external), Some(members)) = (&event.external_id, subject.as_object_mut()) {
        members.insert("externalId".into(), external.as_str().into());
    }
    Ok(Some(json!({
        "iss": &*gateway.base_url,
        "iat": event.at.millis() / 1_000,
        "jti": event.id,
        "aud": receiver.audience,
        "txn": event.transaction,
        "sub_id": subject,
        "events": {event.uri.text(): payload},
    })))
}

fn payload(gateway: &Gateway, held: &ResourceType, event: &Event) -> Result<Option<Value>, ScimError> {
    match event.uri {
        EventUri::Activate | EventUri::Deactivate | EventUri::Delete => Ok(Some(Value::Object(Object::new()))),
        EventUri::CreateFull if held.source != Source::Entries => Ok(None),
        EventUri::CreateFull => {
            let Some(entry) = gateway.find(held, &event.subject, &held.mapping.also(&|_| true))? else { return Ok(None) };
            Ok(Some(json!({"data": gateway.resource(held, &entry, &|_| true)?})))
        }
        EventUri::CreateNotice => Ok(Some(json!({"attributes": shown(held, event, &["id", "meta"])}))),
        EventUri::PatchNotice | EventUri::PutNotice => {
            let attributes = shown(held, event, &[]);
            Ok((!attributes.is_empty()).then(|| json!({"attributes": attributes})))
        }
    }
}

/// The attributes of the event as SCIM calls them.
fn shown(held: &ResourceType, event: &Event, also: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = match held.source {
        Source::Entries => event.attributes.iter().flat_map(|ldap| held.mapping.shown_as(ldap)).collect(),
        _ => held.schema.attributes.iter().map(|attribute| attribute.name.clone()).collect(),
    };
    names.extend(also.iter().map(|&name| name.to_owned()));
    names.sort_unstable();
    names.dedup();
    names
}

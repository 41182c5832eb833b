//! What the server can do and which schemas it has (RFC 7644 §4), out of the data it works by.

use super::bulk::{MAX_OPERATIONS, MAX_PAYLOAD};
use super::cursor::CURSOR_TIMEOUT;
use super::list::{DEFAULT_RESULTS, MAX_RESULTS};
use super::mapping::LICENCE;
use super::schema::{Catalogue, ResourceType, Schema};
use crate::directory::events::EventUri;
use crate::directory::settings::Settings;
use serde_json::{Value, json};

/// `/ServiceProviderConfig` (RFC 7643 §5, RFC 9865 §4).
pub fn service_provider_config(base_url: &str, settings: &Settings) -> Value {
    let mut config = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": true},
        "bulk": {"supported": true, "maxOperations": MAX_OPERATIONS, "maxPayloadSize": MAX_PAYLOAD},
        "filter": {"supported": true, "maxResults": MAX_RESULTS},
        "changePassword": {"supported": true},
        "sort": {"supported": true},
        "etag": {"supported": true},
        "pagination": {
            "cursor": true,
            "index": true,
            "defaultPaginationMethod": "index",
            "defaultPageSize": DEFAULT_RESULTS,
            "maxPageSize": MAX_RESULTS,
            "cursorTimeout": CURSOR_TIMEOUT,
        },
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Bearer token",
            "description": "A token of one organisation, sent as Authorization: Bearer (RFC 6750)",
            "specUri": "https://www.rfc-editor.org/info/rfc6750",
            "primary": true,
        }, {
            "type": "oauth2",
            "name": "OAuth 2.0 client credentials",
            "description": "An access token given at /oauth/token for the secret of a client (RFC 6749) or for what it signs (RFC 7523)",
            "specUri": "https://www.rfc-editor.org/info/rfc6749",
        }],
        "meta": {"resourceType": "ServiceProviderConfig", "location": format!("{base_url}/ServiceProviderConfig")},
    });
    // Some clients give up on members that they do not know (RFC 9967 §4).
    let Some(members) = config.as_object_mut() else { return config };
    if !settings.events.is_empty() {
        let uris: Vec<&str> = EventUri::ALL.iter().map(|uri| uri.text()).collect();
        members.insert("securityEvents".into(), json!({"asyncRequest": "none", "eventUris": uris}));
    }
    if settings.roles_and_entitlements {
        members.insert("RolesAndEntitlements".into(), roles_and_entitlements());
    }
    config
}

/// What is done with roles and entitlements of users (draft-ietf-scim-roles-entitlements-01). Entitlements are what clients give,
/// so there is no list of them.
fn roles_and_entitlements() -> Value {
    json!({
        "roles": {
            "supported": true, "multipleRolesSupported": true, "primarySupported": true, "typeSupported": true,
            "types": ["current", "otherPackage"],
        },
        "entitlements": {
            "supported": false, "multipleEntitlementsSupported": true, "primarySupported": true, "typeSupported": true,
            "types": [LICENCE],
        },
    })
}

/// One of `/ResourceTypes` (RFC 7643 §6).
pub fn resource_type(held: &ResourceType, base_url: &str) -> Value {
    let extensions: Vec<Value> = held.extensions.iter().map(|schema| json!({"schema": schema.id, "required": false})).collect();
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": held.name,
        "name": held.name,
        "endpoint": held.endpoint,
        "description": held.description,
        "schema": held.schema.id,
        "schemaExtensions": extensions,
        "meta": {"resourceType": "ResourceType", "location": format!("{base_url}/ResourceTypes/{}", held.name)},
    })
}

/// One of `/Schemas` (RFC 7643 §7).
pub fn schema(held: &Schema, base_url: &str) -> Value {
    let mut published = held.published.clone();
    if let Value::Object(members) = &mut published {
        members.shift_insert(0, "schemas".to_owned(), json!(["urn:ietf:params:scim:schemas:core:2.0:Schema"]));
        let location = format!("{base_url}/Schemas/{}", held.id);
        members.insert("meta".to_owned(), json!({"resourceType": "Schema", "location": location}));
    }
    published
}

/// All resources of a discovery endpoint as a list.
pub fn list(resources: &[Value]) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": resources.len(),
        "startIndex": 1,
        "itemsPerPage": resources.len(),
        "Resources": resources,
    })
}

/// `/ResourceTypes`.
pub fn resource_types(catalogue: &Catalogue, base_url: &str) -> Vec<Value> {
    catalogue.types.iter().map(|held| resource_type(held, base_url)).collect()
}

/// `/Schemas`.
pub fn schemas(catalogue: &Catalogue, base_url: &str) -> Vec<Value> {
    catalogue.schemas().map(|held| schema(held, base_url)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r8_roles_are_announced_where_the_config_says_so() {
        let mut settings = Settings::new(std::path::PathBuf::new(), &[]);
        let told = |settings: &Settings| service_provider_config("https://h/scim/v2", settings);
        assert!(told(&settings).get("RolesAndEntitlements").is_none());
        settings.roles_and_entitlements = true;
        let told = told(&settings);
        let roles = &told["RolesAndEntitlements"]["roles"];
        assert_eq!((&roles["supported"], &roles["types"]), (&json!(true), &json!(["current", "otherPackage"])));
        assert_eq!(told["RolesAndEntitlements"]["entitlements"]["supported"], json!(false), "there is no /Entitlements");
    }
}

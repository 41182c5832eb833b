//! The log of requests that each client has: what it asked, what it was answered and why, and what of it was ignored. Names
//! of attributes only, never values: those in filters are left out.

use super::error::ScimError;
use super::explain::Ignored;
use super::gateway::DRY_RUN;
use super::json::{self, Object};
use super::routes::Scim;
use super::schema::{Mutability, ResourceType};
use crate::directory::Identity;
use crate::directory::client::Exchanged;
use axum::body::HttpBody;
use axum::extract::{OriginalUri, Query, Request, State};
use axum::http::{HeaderMap, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is noted of one request while it is dealt with.
#[derive(Debug, Default)]
pub struct Exchange(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    identity: Option<Arc<Identity>>,
    request: Arc<str>,
    ignored: BTreeSet<String>,
}

impl Exchange {
    /// Who asks, and the id of the request.
    pub fn of(&self, identity: &Arc<Identity>, request: &Arc<str>) {
        let mut noted = self.0.lock();
        noted.identity = Some(Arc::clone(identity));
        noted.request = Arc::clone(request);
    }

    /// Something that the client sent was ignored.
    pub fn ignored(&self, name: &str) {
        self.0.lock().ignored.insert(name.to_owned());
    }

    /// Notes what a body has that the schema does not know, or that only the server writes.
    pub fn review(&self, body: &Object, resource_type: &ResourceType) {
        let operations = json::get(body, "Operations").and_then(Value::as_array);
        // With a path it is the path that counts, and what is wrong with it is an error.
        let pathless = |operation: &'_ Value| operation.as_object().is_some_and(|held| json::get(held, "path").is_none());
        match operations {
            None => self.review_members(body, resource_type),
            Some(operations) => {
                let values = operations.iter().filter(|operation| pathless(operation)).filter_map(Value::as_object);
                values
                    .filter_map(|operation| json::get(operation, "value")?.as_object())
                    .for_each(|value| self.review_members(value, resource_type));
            }
        }
    }

    fn review_members(&self, members: &Object, resource_type: &ResourceType) {
        for (name, value) in members.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("schemas")) {
            let known = resource_type.core_attribute(name);
            match (resource_type.extension(name), value.as_object()) {
                (Some(extension), Some(members)) => {
                    let unknown = members
                        .keys()
                        .filter(|name| extension.attribute(name).is_none_or(|attribute| attribute.mutability == Mutability::ReadOnly));
                    unknown.for_each(|unknown| self.ignored(&format!("{}:{unknown}", extension.id)));
                }
                (Some(_), None) => {}
                // A name that is a path is taken as one (quirk 4).
                (None, _) if known.is_none() && name.contains(['.', '[', ':']) => {}
                (None, _) if known.is_none_or(|attribute| attribute.mutability == Mutability::ReadOnly) => self.ignored(name),
                (None, _) => {}
            }
        }
    }
}

/// Keeps the log: notes each request of a client once it is answered.
pub async fn keep(State(state): State<Arc<Scim>>, mut request: Request, next: Next) -> Response {
    let exchange = Arc::new(Exchange::default());
    request.extensions_mut().insert(Arc::clone(&exchange));
    let uri = request.extensions().get::<OriginalUri>().map_or_else(|| request.uri().clone(), |uri| uri.0.clone());
    let (method, received) = (request.method().to_string(), octets(request.headers()));
    let clock = state.directory.clock();
    let (time, began) = (clock.now(), clock.monotonic());
    let mut response = next.run(request).await;
    let noted = std::mem::take(&mut *exchange.0.lock());
    let Some(identity) = noted.identity else {
        response.extensions_mut().insert(Ignored(noted.ignored.into_iter().collect()));
        return response;
    };
    let error = response.extensions().get::<ScimError>();
    state.directory.log_exchange(
        &identity,
        Exchanged {
            time,
            request: noted.request.to_string(),
            token: identity.name.clone(),
            method,
            path: redacted(&uri),
            status: response.status().as_u16(),
            scim_type: error.and_then(|error| error.kind).map(|kind| kind.text().to_owned()),
            detail: error.map(|error| error.detail.clone()),
            received,
            sent: response.body().size_hint().exact().unwrap_or_default(),
            micros: u64::try_from(clock.monotonic().saturating_sub(began).as_micros()).unwrap_or(u64::MAX),
            dry_run: response.headers().contains_key(DRY_RUN),
            ignored: noted.ignored.into_iter().collect(),
        },
    );
    response
}

fn octets(headers: &HeaderMap) -> u64 {
    headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or_default()
}

/// Path and query without the values that a filter compares with.
fn redacted(uri: &Uri) -> String {
    let Ok(Query(parameters)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else { return uri.path().to_owned() };
    let parameters = parameters.into_iter().map(|(name, value)| match name.to_ascii_lowercase().as_str() {
        "filter" | "attributes" | "excludedattributes" => format!("{name}={}", without_values(&value)),
        "sortby" | "sortorder" | "startindex" | "count" => format!("{name}={value}"),
        // A cursor, or what the client thought of: some put their token there.
        _ => format!("{name}=…"),
    });
    let query = parameters.collect::<Vec<_>>().join("&");
    if query.is_empty() { uri.path().to_owned() } else { format!("{}?{query}", uri.path()) }
}

/// A filter with … in the place of all that it compares with.
fn without_values(filter: &str) -> String {
    const COMPARING: [&str; 9] = ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"];
    let mut text = String::new();
    let mut rest = filter;
    while let Some((word, after)) = rest.split_once(' ') {
        text.push_str(word);
        text.push(' ');
        rest = after;
        if COMPARING.iter().any(|operator| word.eq_ignore_ascii_case(operator)) {
            text.push('…');
            rest = after_value(after.trim_start());
        }
    }
    text + rest
}

/// What stands behind the value that a text begins with: quoted, or a word.
fn after_value(text: &str) -> &str {
    let mut escaped = false;
    let end = match text.strip_prefix('"') {
        Some(inner) => inner
            .find(|character| {
                let ends = character == '"' && !escaped;
                escaped = character == '\\' && !escaped;
                ends
            })
            .map(|at| at + 2),
        None => text.find([' ', ')', ']']),
    };
    end.and_then(|end| text.get(end..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::schema::Catalogue;
    use serde_json::json;

    #[test]
    fn values_of_filters_are_not_kept() {
        for (filter, kept) in [
            (r#"userName eq "ann@example.com""#, "userName eq …"),
            (
                r#"(userName eq "a b" and emails[value sw "x\" or \\"]) or externalId eq jyoung"#,
                "(userName eq … and emails[value sw …]) or externalId eq …",
            ),
            ("active eq true and title pr", "active eq … and title pr"),
            (r#"name EQ "never closed"#, "name EQ …"),
            (r#"not (a co "eq b")"#, "not (a co …)"),
        ] {
            assert_eq!(without_values(filter), kept);
        }
        let uri: Uri = "/scim/v2/Users?filter=userName%20eq%20%22ann%22&count=1&cursor=abc".parse().unwrap();
        assert_eq!(redacted(&uri), "/scim/v2/Users?filter=userName eq …&count=1&cursor=…");
        for (query, kept) in [
            ("access_token=hc_1_secret&q=ann", "access_token=…&q=…"),
            ("Filter=id%20eq%20%22x%22&startIndex=2&sortBy=userName", "Filter=id eq …&startIndex=2&sortBy=userName"),
            ("attributes=emails%5Btype%20eq%20%22home%22%5D", "attributes=emails[type eq …]"),
        ] {
            let uri: Uri = format!("/scim/v2/Users?{query}").parse().unwrap();
            assert_eq!(redacted(&uri), format!("/scim/v2/Users?{kept}"));
        }
    }

    #[test]
    fn he3_what_is_ignored_is_named() {
        let catalogue = Catalogue::load().unwrap();
        let ignored = |body: Value| {
            let exchange = Exchange::default();
            exchange.review(body.as_object().unwrap(), &catalogue.user);
            exchange.0.into_inner().ignored.into_iter().collect::<Vec<_>>()
        };
        let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        let body = json!({"schemas": [], "userName": "a", "shoeSize": 9, "GROUPS": [], enterprise: {"department": "x", "floor": 2}});
        assert_eq!(ignored(body), ["GROUPS".to_owned(), "shoeSize".to_owned(), format!("{enterprise}:floor")]);
        let patch = json!({"Operations": [
            {"op": "replace", "value": {"name.givenName": "K", "hat": 1}}, {"op": "replace", "path": "title", "value": {"coat": 1}},
        ]});
        assert_eq!(ignored(patch), ["hat"]);
    }
}

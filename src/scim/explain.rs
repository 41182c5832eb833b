//! What a request of a client would come to, for whoever keeps the client: it is dealt with as the client's, on trial, and by
//! the same endpoints.

use super::error::{MEDIA_TYPE, ScimError};
use super::request::MAX_BODY;
use super::routes::{Scim, router};
use crate::directory::{Caller, Witness, WouldChange};
use axum::body::Body;
use axum::http::{Method, Request, header};
use std::sync::Arc;
use tower::ServiceExt;

/// In whose name a request is made without a token: of this process only.
#[derive(Clone, Debug)]
pub(super) struct OnBehalf(pub(super) Caller);

/// What of a request was ignored, for who made it on behalf of a client.
#[derive(Clone, Debug)]
pub(super) struct Ignored(pub(super) Vec<String>);

/// A request as a client would make it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// GET, POST, PUT, PATCH or DELETE.
    pub method: String,
    /// Under the base, with its query: `/Users/ID`.
    pub path: String,
    /// What it sends; empty for nothing.
    pub body: Vec<u8>,
}

/// What it would come to.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The status of the answer.
    pub status: u16,
    /// Of an error, where it has one.
    pub scim_type: Option<&'static str>,
    /// Why it would be refused.
    pub detail: Option<String>,
    /// Names of attributes that would be ignored.
    pub ignored: Vec<String>,
    /// What would change, in the order in which it would, and where it shows in SCIM.
    pub changes: Vec<(WouldChange, Option<String>)>,
}

impl Scim {
    /// Says what a request would come to. `caller` is the client on trial, and `witness` sees what it does. The error says what
    /// cannot be asked.
    pub async fn explain(self: &Arc<Self>, caller: Caller, witness: &Witness, asked: Asked) -> Result<Explained, String> {
        let method = Method::from_bytes(asked.method.to_ascii_uppercase().as_bytes()).map_err(|error| error.to_string())?;
        if asked.body.len() > MAX_BODY {
            return Err(format!("the body is longer than {MAX_BODY} octets"));
        }
        let path = asked.path.strip_prefix("/scim/v2").unwrap_or(&asked.path);
        let endpoint = path.split(['/', '?']).nth(1).unwrap_or_default();
        if !path.starts_with('/') || endpoint.eq_ignore_ascii_case("bulk") {
            return Err(
                "the path begins with / and is that of one resource or type; the operations of a bulk request are asked one by one"
                    .to_owned(),
            );
        }
        let request = Request::builder()
            .method(method)
            .uri(format!("/scim/v2{path}"))
            .header(header::CONTENT_TYPE, MEDIA_TYPE)
            .extension(OnBehalf(caller))
            .body(Body::from(asked.body))
            .map_err(|error| error.to_string())?;
        let Ok(answer) = router(Arc::clone(self)).oneshot(request).await;
        let error = answer.extensions().get::<ScimError>();
        let shown = |change: &WouldChange| {
            let name = change.attribute.split(';').next().unwrap_or_default();
            let mut types: Vec<_> = self.catalogue.types.iter().collect();
            types.sort_by_key(|held| !held.endpoint.trim_start_matches('/').eq_ignore_ascii_case(endpoint));
            types.into_iter().find_map(|held| held.mapping.shown_as(name).into_iter().next())
        };
        Ok(Explained {
            status: answer.status().as_u16(),
            scim_type: error.and_then(|error| error.kind).map(super::error::ScimType::text),
            detail: error.map(|error| error.detail.clone()),
            ignored: answer.extensions().get::<Ignored>().map(|ignored| ignored.0.clone()).unwrap_or_default(),
            changes: witness.told().into_iter().map(|change| (change.clone(), shown(&change))).collect(),
        })
    }
}

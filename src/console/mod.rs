//! The pages of activation: the link of a welcome or forgotten-password mail, and asking for one. A link is looked at
//! with GET and used with POST only, because mail scanners follow links (HF1). Asking answers the same, as fast, for
//! any address (HF4). Pages have no script, send no referrer, are kept by no cache, and load one style sheet of ours.
//!
//! Whoever serves the router puts an `Arc<Origin>` among the extensions of each request, so that limits count the
//! true peer and not a header.

mod guard;
mod limit;
mod page;

use crate::base::Secret;
use crate::directory::activation::{LinkPreview, RedeemError};
use crate::directory::{Directory, Origin};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Extension, Form, Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use limit::Limits;
use serde::Deserialize;
use std::sync::Arc;

const STYLE: &str = include_str!("../../templates/console/console.css");
/// A form here is a password twice, each octet of it escaped.
const LARGEST_FORM: usize = 16 << 10;

/// What the pages share.
struct Pages {
    directory: Arc<Directory>,
    limits: Limits,
}

#[derive(Deserialize)]
struct PasswordForm {
    password: String,
    again: String,
}

#[derive(Deserialize)]
struct AddressForm {
    email: String,
}

/// The pages, to be served at the root of the public URL.
pub fn router(directory: Arc<Directory>) -> Router {
    let pages = Arc::new(Pages { directory, limits: Limits::default() });
    Router::new()
        .route("/activate/{token}", get(show_link).post(use_link))
        .route("/forgot", get(show_forgot).post(ask_for_link))
        .route("/console.css", get(style))
        .layer(middleware::from_fn_with_state(Arc::clone(&pages), guard::same_site))
        .layer(middleware::map_response(guard::headers))
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        .with_state(pages)
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"))], STYLE).into_response()
}

async fn show_link(State(pages): State<Arc<Pages>>, Path(token): Path<String>) -> Response {
    match pages.directory.link_preview(&Secret::new(token.clone())) {
        Some(preview) => page::activate(&preview, &token, None),
        None => page::dead_link(),
    }
}

async fn use_link(
    State(pages): State<Arc<Pages>>,
    Extension(origin): Extension<Arc<Origin>>,
    Path(token): Path<String>,
    Form(form): Form<PasswordForm>,
) -> Response {
    if !pages.limits.may_try(origin.address) {
        return page::too_many();
    }
    // A password does not travel where others can read it (HB6), unless the config lets it.
    let near = origin.address.is_none_or(|address| address.to_canonical().is_loopback());
    if !(origin.encrypted || near || pages.directory.settings().allow_cleartext_passwords) {
        return page::cleartext();
    }
    let (password, again) = (Secret::new(form.password), Secret::new(form.again));
    let secret = Secret::new(token.clone());
    let Some(preview) = pages.directory.link_preview(&secret) else { return page::dead_link() };
    if password.expose() != again.expose() {
        return page::activate(&preview, &token, Some("The two passwords are not the same."));
    }
    match pages.directory.redeem_link(&origin, &secret, password).await {
        Ok(()) => page::notice(StatusCode::OK, "Your password is set", "You can sign in with it now.", false),
        Err(error) => refused(&preview, &token, error),
    }
}

fn refused(preview: &LinkPreview, token: &str, error: RedeemError) -> Response {
    match error {
        RedeemError::Dead => page::dead_link(),
        RedeemError::Password(reason) => page::activate(preview, token, Some(&reason)),
        RedeemError::Busy => page::busy(),
        RedeemError::Failed => page::failed(),
    }
}

async fn show_forgot() -> Response {
    page::forgot()
}

async fn ask_for_link(
    State(pages): State<Arc<Pages>>,
    Extension(origin): Extension<Arc<Origin>>,
    Form(form): Form<AddressForm>,
) -> Response {
    if !pages.limits.may_ask(origin.address) {
        return page::too_many();
    }
    // Beyond its share an address gets no more mails, and whoever asks is told nothing of it.
    if pages.limits.may_mail(&form.email)
        && let Some(permit) = pages.limits.begin()
    {
        // Nobody waits for it, so that the time of the answer tells nothing either.
        tokio::spawn(async move {
            if let Err(error) = pages.directory.request_link(&origin, &form.email).await {
                tracing::error!(%error, "a link that was asked for could not be sent");
            }
            drop(permit);
        });
    }
    page::notice(
        StatusCode::OK,
        "Look into your mail",
        "If there is an account with that address, a link to choose a new password is on its way to it.",
        false,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Protocol;
    use crate::directory::activation::Posted;
    use crate::directory::activation_tests::{PASSWORD, Scene, token_of};
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt;

    async fn call(router: &Router, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (StatusCode, Response, String) {
        let mut request = Request::builder().method(method).uri(path);
        if method == "POST" {
            request = request.header("content-type", "application/x-www-form-urlencoded");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::from(body.to_owned())).unwrap();
        request.extensions_mut().insert(Arc::new(Origin { protocol: Protocol::Console, ..Origin::system() }));
        let mut response = router.clone().oneshot(request).await.unwrap();
        let body = to_bytes(std::mem::take(response.body_mut()), 1 << 20).await.unwrap();
        (response.status(), response, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn scene_with_link() -> (Scene, Router, String) {
        let scene = Scene::new().await;
        scene.user("ann", None).await;
        let [id] = scene.directory.outbox_due(1)[..] else { panic!() };
        let letter = scene.directory.outbox_letter(id).await.unwrap().unwrap();
        scene.directory.outbox_settled(id, Posted::Done).await.unwrap();
        let path = format!("/activate/{}", std::str::from_utf8(token_of(&letter).expose()).unwrap());
        let router = router(Arc::clone(&scene.directory));
        (scene, router, path)
    }

    const OURS: [(&str, &str); 1] = [("sec-fetch-site", "same-origin")];

    #[tokio::test(flavor = "multi_thread")]
    async fn hf1_looking_uses_nothing_up_and_sending_the_form_does() {
        let (_scene, router, path) = scene_with_link().await;
        for _ in 0..3 {
            let (status, _, page) = call(&router, "GET", &path, &[], "").await;
            assert_eq!(status, StatusCode::OK);
            assert!(
                page.contains("ann@acme.example") && page.contains("Acme &#38; Sons") && page.matches("type=\"password\"").count() == 2,
                "{page}"
            );
        }
        let form = |one: &str, two: &str| format!("password={}&again={}&username=ann", one.replace(' ', "+"), two.replace(' ', "+"));
        let (status, _, page) = call(&router, "POST", &path, &OURS, &form("short", "short")).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{page}");
        let (status, _, page) = call(&router, "POST", &path, &OURS, &form(PASSWORD, "something else entirely")).await;
        assert!(status == StatusCode::UNPROCESSABLE_ENTITY && page.contains("not the same") && !page.contains(PASSWORD), "{page}");
        assert_eq!(call(&router, "POST", &path, &OURS, &form(PASSWORD, PASSWORD)).await.0, StatusCode::OK);
        assert_eq!(call(&router, "POST", &path, &OURS, &form(PASSWORD, PASSWORD)).await.0, StatusCode::NOT_FOUND);
        assert_eq!(call(&router, "GET", &path, &[], "").await.0, StatusCode::NOT_FOUND);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn hf3_hf6_every_answer_has_the_headers_and_foreign_forms_are_refused() {
        let (scene, router, path) = scene_with_link().await;
        let form = format!("password={0}&again={0}", PASSWORD.replace(' ', "+"));
        for (method, path, headers) in [
            ("GET", path.as_str(), &[][..]),
            ("GET", "/activate/nothing", &[]),
            ("GET", "/forgot", &[]),
            ("GET", "/console.css", &[]),
            ("GET", "/elsewhere", &[]),
            ("DELETE", path.as_str(), &OURS),
            ("POST", path.as_str(), &[("sec-fetch-site", "cross-site")]),
            ("POST", path.as_str(), &[("origin", "https://evil.example"), ("host", "evil.example")]),
        ] {
            let (status, response, _) = call(&router, method, path, headers, &form).await;
            for name in ["content-security-policy", "referrer-policy", "cache-control", "x-content-type-options"] {
                assert!(
                    response.headers().contains_key(name) || status == StatusCode::NOT_FOUND && path == "/elsewhere",
                    "{method} {path}: {name}"
                );
            }
            if method == "POST" {
                assert_eq!(status, StatusCode::FORBIDDEN);
            }
        }
        assert_eq!(call(&router, "GET", &path, &[], "").await.0, StatusCode::OK, "the link is as good as before");
        drop(scene);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn hf4_asking_answers_the_same_for_any_address() {
        let (scene, router, _) = scene_with_link().await;
        let mut answers = Vec::new();
        for email in ["ann%40acme.example", "nobody%40acme.example", "", "%3Cscript%3E"] {
            let (status, _, page) = call(&router, "POST", "/forgot", &OURS, &format!("email={email}")).await;
            answers.push((status, page));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]));
        for _ in 0..100 {
            if !scene.directory.outbox_due(9).is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(scene.directory.outbox_due(9).len(), 1);
    }
}

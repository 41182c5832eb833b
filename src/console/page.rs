//! The pages themselves.

use crate::directory::activation::LinkPreview;
use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Links inside the pages are relative to this: the router is served at the root.
const ROOT: &str = "";

#[derive(Template)]
#[template(path = "console/activate.html")]
struct Activate<'a> {
    root: &'a str,
    preview: &'a LinkPreview,
    token: &'a str,
    problem: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "console/forgot.html")]
struct Forgot<'a> {
    root: &'a str,
}

#[derive(Template)]
#[template(path = "console/notice.html")]
struct Notice<'a> {
    root: &'a str,
    heading: &'a str,
    text: &'a str,
    ask_again: bool,
}

fn html(status: StatusCode, rendered: askama::Result<String>) -> Response {
    let content_type = [(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))];
    match rendered {
        Ok(text) => (status, content_type, text).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page does not render");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The form to choose a password, with what was wrong at the last try.
pub(super) fn activate(preview: &LinkPreview, token: &str, problem: Option<&str>) -> Response {
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    html(status, Activate { root: ROOT, preview, token, problem }.render())
}

/// The form to ask for a link.
pub(super) fn forgot() -> Response {
    html(StatusCode::OK, Forgot { root: ROOT }.render())
}

/// A page that says one thing.
pub(super) fn notice(status: StatusCode, heading: &str, text: &str, ask_again: bool) -> Response {
    html(status, Notice { root: ROOT, heading, text, ask_again }.render())
}

/// Used, too old, overtaken or never made: nobody is told which.
pub(super) fn dead_link() -> Response {
    let text = "It was used already, it is too old, or it was replaced by a newer one.";
    notice(StatusCode::NOT_FOUND, "This link does not work", text, true)
}

pub(super) fn too_many() -> Response {
    let mut answer = notice(StatusCode::TOO_MANY_REQUESTS, "Too many tries", "Please wait a minute and try again.", false);
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
    answer
}

pub(super) fn busy() -> Response {
    let text = "The server is busy. Your link still works: please go back and try again.";
    let mut answer = notice(StatusCode::SERVICE_UNAVAILABLE, "Not at this moment", text, false);
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    answer
}

pub(super) fn failed() -> Response {
    let text = "The password was not set. Please try again later, or tell your administrators.";
    notice(StatusCode::INTERNAL_SERVER_ERROR, "That did not work", text, false)
}

/// A password that came without TLS.
pub(super) fn cleartext() -> Response {
    let text = "Passwords are only taken over https. Please open the link of the mail again.";
    notice(StatusCode::FORBIDDEN, "Not without encryption", text, false)
}

/// A form that was sent from somewhere else.
pub(super) fn foreign() -> Response {
    let text = "The form came from another site. Please open the link of the mail again.";
    notice(StatusCode::FORBIDDEN, "Not from here", text, false)
}

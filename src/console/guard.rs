//! What holds for every page: headers (HF3, HF7) and that a form comes from a page of ours (HF6).

use super::{Pages, page};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Puts the headers on every answer, refusals included.
pub(super) async fn headers(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Refuses a form that another site sent.
pub(super) async fn same_site(State(pages): State<Arc<Pages>>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if reads {
        return next.run(request).await;
    }
    let settings = pages.directory.settings();
    if comes_from_us(request.headers(), settings.activation.public_url.as_deref()) { next.run(request).await } else { page::foreign() }
}

/// Browsers say where a form comes from in Sec-Fetch-Site. Older ones say it in Origin, which must then be our public
/// URL, never what the Host header claims (HF2). A client that sends neither is no browser, and has nobody's rights.
fn comes_from_us(headers: &HeaderMap, public_url: Option<&str>) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin";
    }
    match headers.get(header::ORIGIN) {
        None => true,
        Some(origin) => public_url.is_some_and(|url| origin_of(url).as_bytes() == origin.as_bytes()),
    }
}

/// Scheme, host and port of a URL.
fn origin_of(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(host..).and_then(|rest| rest.find('/')).map_or(url.len(), |at| host + at);
    url.get(..end).unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn hf6_only_forms_of_our_own_pages_are_taken() {
        let ours = Some("https://id.example.com/base");
        assert!(comes_from_us(&sent(&[("sec-fetch-site", "same-origin"), ("origin", "null")]), ours));
        assert!(comes_from_us(&sent(&[("origin", "https://id.example.com")]), ours));
        assert!(comes_from_us(&sent(&[]), ours));
        for site in ["cross-site", "same-site", "none", ""] {
            assert!(!comes_from_us(&sent(&[("sec-fetch-site", site), ("origin", "https://id.example.com")]), ours), "{site}");
        }
        for origin in ["null", "https://id.example.com.evil.example", "http://id.example.com", "https://evil.example"] {
            assert!(!comes_from_us(&sent(&[("origin", origin), ("host", "evil.example")]), ours), "{origin}");
            assert!(!comes_from_us(&sent(&[("origin", origin)]), None), "{origin}");
        }
    }
}

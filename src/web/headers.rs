//! Headers that every answer carries, whoever made it.

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use super::WebState;

/// Everything from our own origin, nothing inline, no frames (W3C Content Security Policy Level 3).
pub(super) const POLICY: &str = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; \
                                 frame-ancestors 'none'";

const FIXED: [(&str, &str); 6] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(self), payment=(), usb=()"),
];

/// One year (RFC 6797 §6.1.1).
const HSTS: (&str, &str) = ("strict-transport-security", "max-age=31536000");

/// Adds them.
pub(super) async fn secure(State(state): State<WebState>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in FIXED.into_iter().chain(state.secure.then_some(HSTS)) {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

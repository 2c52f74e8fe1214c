//! The words of tus 1.0.0.

use actix_web::dev::RequestHead;
use actix_web::http::Method;
use actix_web::http::header::HeaderName;

/// The version that is spoken.
pub(crate) const VERSION: &str = "1.0.0";

/// The type of a body whose bytes go to an offset.
pub(crate) const OFFSET_STREAM: &str = "application/offset+octet-stream";

pub(crate) const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
pub(crate) const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");

const METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");

/// The method that is meant: what environments cannot send stands in a header, and counts.
pub(crate) fn method(head: &RequestHead) -> Method {
    let Some(meant) = head.headers().get(METHOD_OVERRIDE) else { return head.method.clone() };
    // What is no method is none that anything answers to.
    Method::from_bytes(meant.as_bytes().trim_ascii()).unwrap_or(Method::TRACE)
}

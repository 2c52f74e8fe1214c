use actix_web::{HttpMessage, HttpRequest};

/// How many slashes stood at the end of the path.
pub(crate) struct Trailing(pub(crate) usize);

/// Where the relative addresses of a page begin that knows its own path without a slash at its end: `../` for `/docs/`.
pub(crate) fn base_of(request: &HttpRequest) -> String {
    "../".repeat(request.extensions().get::<Trailing>().map_or(0, |trailing| trailing.0))
}

use actix_web::{HttpMessage, HttpRequest};

/// How many slashes stood at the end of the path.
pub(crate) struct Trailing(pub(crate) usize);

/// Whether the path ended in a slash.
pub(crate) fn has_trailing(request: &HttpRequest) -> bool {
    request.extensions().get::<Trailing>().is_some_and(|trailing| trailing.0 > 0)
}

/// Where the relative addresses of a page begin that knows its own path without a slash at its end: `../` for `/docs/`.
pub(crate) fn base_of(request: &HttpRequest) -> String {
    "../".repeat(request.extensions().get::<Trailing>().map_or(0, |trailing| trailing.0))
}

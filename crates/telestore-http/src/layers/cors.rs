use actix_cors::Cors;

use crate::shared::options::is_any;

/// Lets pages of `origins` call, or all pages if it is empty or holds `*`.
pub fn cors(origins: &[String]) -> Cors {
    let cors = Cors::default()
        .allow_any_method()
        .allow_any_header()
        .expose_headers(["ETag", "Retry-After", "X-Request-Id"])
        .max_age(3600);
    if is_any(origins) {
        return cors.allow_any_origin().send_wildcard();
    }
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}

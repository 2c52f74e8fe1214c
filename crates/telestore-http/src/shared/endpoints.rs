//! The endpoints, each path once, and how a request finds out at which one it arrives.

use actix_web::HttpRequest;

/// A method and a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoint {
    /// `GET`, `POST`, …
    pub method: &'static str,
    /// As documented, with `{uploadId}`, `{id}` or `{ids}` where the id goes, `{fileName}` for the name of a file, and `{version}` and `{file}` for
    /// whatever a page is made of.
    pub path: &'static str,
}

const fn get(path: &'static str) -> Endpoint {
    Endpoint { method: "GET", path }
}

const fn post(path: &'static str) -> Endpoint {
    Endpoint { method: "POST", path }
}

const fn of(method: &'static str, path: &'static str) -> Endpoint {
    Endpoint { method, path }
}

pub(crate) const INDEX: Endpoint = get("/");
pub(crate) const HEALTH: Endpoint = get("/health");
pub(crate) const READY: Endpoint = get("/ready");
pub(crate) const METRICS: Endpoint = get("/metrics");
pub(crate) const INIT: Endpoint = post("/init-upload");
pub(crate) const CHUNK: Endpoint = post("/upload-chunk");
pub(crate) const COMPLETE: Endpoint = post("/complete-upload");
pub(crate) const PROGRESS: Endpoint = get("/upload-progress/{uploadId}");
pub(crate) const EVENTS: Endpoint = get("/upload-events/{uploadId}");
pub(crate) const SOCKET: Endpoint = get("/ws/upload-progress/{uploadId}");
pub(crate) const STATUS: Endpoint = get("/upload-status/{uploadId}");
pub(crate) const CANCEL: Endpoint = post("/cancel-upload");
pub(crate) const UPLOAD: Endpoint = post("/upload");
pub(crate) const FROM_URL: Endpoint = post("/uploads/from-url");
pub(crate) const SHAREX: Endpoint = get("/sharex.sxcu");
pub(crate) const PUT: Endpoint = of("PUT", "/upload/{fileName}");
pub(crate) const TUS_OPTIONS: Endpoint = of("OPTIONS", "/tus");
pub(crate) const TUS_CREATE: Endpoint = post("/tus");
pub(crate) const TUS_STATUS: Endpoint = of("HEAD", "/tus/{uploadId}");
pub(crate) const TUS_APPEND: Endpoint = of("PATCH", "/tus/{uploadId}");
pub(crate) const TUS_END: Endpoint = of("DELETE", "/tus/{uploadId}");
pub(crate) const FILES: Endpoint = get("/files");
pub(crate) const FILE: Endpoint = get("/files/{id}");
pub(crate) const DELETE_FILE: Endpoint = of("DELETE", "/files/{id}");
pub(crate) const CONTENT: Endpoint = get("/files/{id}/content");
pub(crate) const LINK: Endpoint = post("/files/{id}/link");
pub(crate) const MESSAGES: Endpoint = get("/messages/{ids}/content");
pub(crate) const DOCUMENT: Endpoint = get("/openapi.json");
pub(crate) const PAGE: Endpoint = get("/docs");
pub(crate) const ASSET: Endpoint = get("/docs/{file}");
pub(crate) const APP: Endpoint = get("/app");
pub(crate) const APP_FILE: Endpoint = get("/app/{version}/{file}");

/// What the names of the resources begin with that [`routes`](crate::routes) mounts. actix finds a resource's name from
/// the path of a request, so that middlewares know before routing, and below any scope, what is asked for.
const NAMED: &str = "telestore-http ";

/// The name of the resource at an endpoint's path.
pub(crate) fn name_of(path: &str) -> String {
    format!("{NAMED}{path}")
}

/// The path of the endpoint at which `request` arrives, as documented and without the scope that it is mounted in.
/// `None` if the path belongs to somebody else's route, or to none.
pub(crate) fn asked_for(request: &HttpRequest) -> Option<&str> {
    request.match_name()?.strip_prefix(NAMED)
}

/// Whether `request` arrives at an endpoint of tus.
pub(crate) fn is_tus(request: &HttpRequest) -> bool {
    asked_for(request).is_some_and(|path| path == TUS_CREATE.path || path == TUS_STATUS.path)
}

/// Where the routes are mounted: the part of the path of `request` before that of its endpoint, without a slash at its
/// end. Empty at the root.
pub(crate) fn mounted_at(request: &HttpRequest) -> &str {
    let (Some(endpoint), path) = (asked_for(request), request.path()) else { return "" };
    if endpoint == INDEX.path {
        return path.trim_end_matches('/');
    }
    // No segment of an endpoint can hold a slash: one that is escaped stays so in the path.
    let slashes = endpoint.matches('/').count();
    path.rmatch_indices('/').nth(slashes - 1).map_or("", |(at, _)| &path[..at])
}

#[cfg(test)]
mod tests {
    use actix_web::test::{TestRequest, call_and_read_body, init_service};
    use actix_web::{App, web};

    use super::*;

    #[actix_web::test]
    async fn a_request_knows_its_endpoint_and_where_that_is_mounted() {
        let tell = |config: &mut web::ServiceConfig| {
            let told = async |request: HttpRequest| {
                format!("{} at {:?}", asked_for(&request).unwrap_or("none"), mounted_at(&request))
            };
            for endpoint in [UPLOAD, PROGRESS, PAGE] {
                let resource = web::resource(endpoint.path).name(&name_of(endpoint.path));
                config.service(resource.default_service(web::to(told)));
            }
            config.service(web::resource("/hello").default_service(web::to(told)));
        };
        let tenants = web::scope("/of/{tenant}").configure(tell);
        let app = App::new().service(web::scope("/api").configure(tell)).service(tenants).configure(tell);
        let app = init_service(app).await;
        for (path, expected) in [
            ("/upload", r#"/upload at """#),
            ("/api/upload", r#"/upload at "/api""#),
            ("/api/upload-progress/a%2Fb", r#"/upload-progress/{uploadId} at "/api""#),
            ("/of/alice/docs", r#"/docs at "/of/alice""#),
            ("/hello", r#"none at """#),
            ("/api/hello", r#"none at """#),
        ] {
            let body = call_and_read_body(&app, TestRequest::get().uri(path).to_request()).await;
            assert_eq!(body, expected, "{path}");
        }
    }
}

use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource, Route, guard};
use telestore::Telestore;

use crate::calls::index::Listed;
use crate::calls::{
    app, chunked, direct, health, index, metrics_page, openapi, progress, sharex, socket, sse,
};
use crate::layers::old_http::without_chunks;
use crate::shared::endpoints::{
    APP, APP_FILE, ASSET, CANCEL, CHUNK, COMPLETE, DOCUMENT, EVENTS, Endpoint, HEALTH, INDEX, INIT, METRICS,
    PAGE, PROGRESS, READY, SHAREX, SOCKET, STATUS, UPLOAD, name_of,
};
use crate::shared::options::HttpOptions;
use crate::shared::{answer, token};

/// What answers at an endpoint.
type Answers = fn() -> Route;

/// Each endpoint and its handler.
const TABLE: [(Endpoint, Answers); 19] = [
    (INDEX, || get().to(index::index)),
    (HEALTH, || get().to(health::alive)),
    (READY, || get().to(health::ready)),
    (METRICS, || get().to(metrics_page::metrics)),
    (INIT, || web::post().to(chunked::init)),
    (CHUNK, || web::post().to(chunked::chunk)),
    (COMPLETE, || web::post().to(chunked::complete)),
    (PROGRESS, || get().to(progress::progress)),
    // No HEAD: its answer would end with the upload.
    (EVENTS, || web::get().to(sse::events)),
    (SOCKET, || web::get().to(socket::progress_socket)),
    (STATUS, || get().to(chunked::status)),
    (CANCEL, || web::post().to(chunked::cancel)),
    (UPLOAD, || web::post().to(direct::upload)),
    (SHAREX, || get().to(sharex::sharex)),
    (DOCUMENT, || get().to(openapi::document)),
    (PAGE, || get().to(openapi::page)),
    (ASSET, || get().to(openapi::asset)),
    (APP, || get().to(app::app)),
    (APP_FILE, || get().to(app::file)),
];

static ENDPOINTS: [Endpoint; TABLE.len()] = {
    let (mut endpoints, mut at) = ([INDEX; TABLE.len()], 0);
    while at < TABLE.len() {
        endpoints[at] = TABLE[at].0;
        at += 1;
    }
    endpoints
};

fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Method(Method::HEAD)))
}

/// Everything that [`routes`] mounts.
pub fn endpoints() -> &'static [Endpoint] {
    &ENDPOINTS
}

/// The routes over `engine`, for [`App::configure`](actix_web::App::configure).
///
/// They may be mounted at the root or within a scope, beside routes of other services.
pub fn routes(engine: Telestore, options: HttpOptions) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        config
            .app_data(Data::new(engine))
            .app_data(Data::new(options))
            .app_data(Data::new(Listed(&ENDPOINTS)));
        for (endpoint, answers) in &TABLE {
            mount(config, endpoint.path, endpoint, *answers);
        }
        // Within a scope, `/api` and `/api/` are two paths, of which clients take either.
        mount(config, "", &INDEX, TABLE[0].1);
    }
}

fn mount(config: &mut ServiceConfig, path: &str, endpoint: &Endpoint, answers: Answers) {
    let method = endpoint.method;
    let wrong_method = move |request: HttpRequest| async move { answer::wrong_method(&request, method) };
    let resource: Resource = web::resource(path).name(&name_of(endpoint.path)).route(answers());
    // What comes with the routes stands here; the rest is for those who mount them.
    config.service(
        resource
            .default_service(web::to(wrong_method))
            .wrap(from_fn(token::explain))
            .wrap(from_fn(without_chunks)),
    );
}

/// The answer for every other path, for a service that mounts nothing else.
pub async fn no_such_endpoint(request: HttpRequest) -> HttpResponse {
    answer::no_such_endpoint(&request)
}

use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource, Route, guard};
use telestore::Telestore;

use crate::calls::index::Listed;
use crate::calls::{
    app, chunked, content, deletion, direct, files, from_url, health, index, links, metrics_page, openapi,
    progress, put, sharex, socket, sse, tus,
};
use crate::layers::old_http::without_chunks;
use crate::layers::tus::as_tus;
use crate::shared::endpoints::{
    APP, APP_FILE, ASSET, CANCEL, CHUNK, COMPLETE, CONTENT, DELETE_FILE, DOCUMENT, EVENTS, Endpoint, FILE,
    FILES, FROM_URL, HEALTH, INDEX, INIT, LINK, MESSAGES, METRICS, PAGE, PROGRESS, PUT, READY, SHAREX,
    SOCKET, STATUS, TUS_APPEND, TUS_CREATE, TUS_END, TUS_OPTIONS, TUS_STATUS, UPLOAD, name_of,
};
use crate::shared::options::HttpOptions;
use crate::shared::{answer, token, tus as words_of_tus};

/// What answers at an endpoint.
type Answers = fn() -> Route;

/// Each endpoint and its handler.
const TABLE: [(Endpoint, Answers); 32] = [
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
    (FROM_URL, || web::post().to(from_url::from_url)),
    (SHAREX, || get().to(sharex::sharex)),
    (PUT, || web::put().to(put::put)),
    (TUS_OPTIONS, || meant(Method::OPTIONS).to(tus::options)),
    (TUS_CREATE, || meant(Method::POST).to(tus::create)),
    (TUS_STATUS, || meant(Method::HEAD).to(tus::status)),
    (TUS_APPEND, || meant(Method::PATCH).to(tus::append)),
    (TUS_END, || meant(Method::DELETE).to(tus::end)),
    (FILES, || get().to(files::list)),
    (FILE, || get().to(files::show)),
    (CONTENT, || get().to(content::content)),
    (LINK, || web::post().to(links::link)),
    (MESSAGES, || get().to(content::messages)),
    (DELETE_FILE, || web::delete().to(deletion::delete)),
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

/// For the method that is meant, which is not always the one that is sent.
fn meant(method: Method) -> Route {
    web::route().guard(guard::fn_guard(move |context| method == words_of_tus::method(context.head())))
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
        let mut paths: Vec<&str> = TABLE.iter().map(|(endpoint, _)| endpoint.path).collect();
        paths.dedup();
        for path in paths {
            mount(config, path, path);
        }
        // Within a scope, `/api` and `/api/` are two paths, of which clients take either.
        mount(config, "", INDEX.path);
    }
}

/// Mounts all endpoints of a path.
fn mount(config: &mut ServiceConfig, path: &str, documented: &'static str) {
    let at = || TABLE.iter().filter(|(endpoint, _)| endpoint.path == documented);
    let methods: Vec<&str> = at().map(|(endpoint, _)| endpoint.method).collect();
    let wrong_method = move |request: HttpRequest| {
        let answer = answer::wrong_method(&request, &methods);
        async move { answer }
    };
    let mut resource: Resource = web::resource(path).name(&name_of(documented));
    for (_, answers) in at() {
        resource = resource.route(answers());
    }
    let of_tus = documented.starts_with(TUS_CREATE.path);
    if of_tus {
        // Any address of a server tells what is spoken.
        resource = resource.route(meant(Method::OPTIONS).to(tus::options));
    }
    // What comes with the routes stands here; the rest is for those who mount them.
    let resource = resource
        .default_service(web::to(wrong_method))
        .wrap(from_fn(token::explain))
        .wrap(from_fn(without_chunks));
    if of_tus {
        config.service(resource.wrap(from_fn(as_tus)))
    } else {
        config.service(resource)
    };
}

/// The answer for every other path, for a service that mounts nothing else.
pub async fn no_such_endpoint(request: HttpRequest) -> HttpResponse {
    answer::no_such_endpoint(&request)
}

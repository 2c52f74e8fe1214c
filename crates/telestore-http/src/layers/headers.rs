use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{RequestHead, ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    ACCESS_CONTROL_REQUEST_METHOD, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap,
    HeaderName, HeaderValue, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};

use crate::shared::answer::{self, Made};
use crate::shared::client::is_secure;
use crate::shared::endpoints::{self, METRICS};
use crate::shared::error::ErrorBody;

/// What every answer carries, unless its handler has set something else.
const ALWAYS: [(HeaderName, &str); 6] = [
    // All but the page's parts is state.
    (CACHE_CONTROL, "no-store"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (X_FRAME_OPTIONS, "DENY"),
    // Calls with CORS, which pages of other origins make, are not held to it.
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// A year.
const HSTS: &str = "max-age=31536000";

/// Puts security headers and `Cache-Control: no-store` on each answer of this crate that has none of its own, HSTS on those
/// that go by HTTPS, takes the headers of CORS from the metrics, and makes JSON of errors that are none, for
/// [`from_fn`](actix_web::middleware::from_fn).
///
/// Answers of this crate are those of the [`routes`](crate::routes()), wherever they are mounted, those of its middlewares,
/// and those to preflights of CORS. What other routes of the same app answer, and its own 404, stay as they are.
///
/// # Errors
/// Those of the services within; their answers have the headers, too.
pub async fn headers<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse, Error> {
    let secure = is_secure(&request);
    let asked_for = endpoints::asked_for(request.request());
    // What no page of another origin may read, whatever the origins that may call.
    let private = asked_for == Some(METRICS.path);
    let ours = asked_for.is_some() || is_preflight(request.head());
    let answer = next.call(request).await;
    answer::map(answer, move |answer| {
        if !ours && !answer.extensions().contains::<Made>() {
            return answer;
        }
        let mut answer = in_json(answer);
        if private {
            without_cors(answer.headers_mut());
        }
        add(answer.headers_mut(), secure);
        answer
    })
}

/// Whether [`cors`](crate::cors()) answers it: a browser asks whether a page may call.
fn is_preflight(head: &RequestHead) -> bool {
    head.method == Method::OPTIONS && head.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

fn without_cors(headers: &mut HeaderMap) {
    let of_cors = |name: &&HeaderName| name.as_str().starts_with("access-control-");
    let names: Vec<_> = headers.keys().filter(of_cors).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

fn add(headers: &mut HeaderMap, secure: bool) {
    let mut missing = |name: &HeaderName, value| {
        if !headers.contains_key(name) {
            headers.insert(name.clone(), HeaderValue::from_static(value));
        }
    };
    ALWAYS.iter().for_each(|(name, value)| missing(name, value));
    if secure {
        missing(&STRICT_TRANSPORT_SECURITY, HSTS);
    }
}

/// Errors of actix and its middlewares are plain text, or nothing. Clients look for `error` in JSON.
fn in_json(answer: HttpResponse) -> HttpResponse {
    let status = answer.status();
    if !status.is_client_error() && !status.is_server_error() || is_json(answer.headers()) {
        return answer;
    }
    let (head, body) = answer.into_parts();
    let text = match body.try_into_bytes() {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        // Whatever still flows is meant as it is.
        Err(body) => return head.set_body(body),
    };
    let body = serde_json::to_string(&ErrorBody::new(words(status, &text))).unwrap_or_default();
    let mut answer = head.set_body(BoxBody::new(body));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
}

fn words(status: StatusCode, text: &str) -> String {
    match (text.trim(), status.canonical_reason()) {
        ("", Some(reason)) => reason.to_lowercase(),
        ("", None) => status.as_str().to_owned(),
        (text, _) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, call_service, init_service, read_body, read_body_json};
    use actix_web::{App, Resource, error, web};
    use serde_json::{Value, json};

    use super::*;
    use crate::shared::client::ClientScheme;

    /// One of the endpoints, as far as its name goes.
    fn ours(path: &str) -> Resource {
        web::resource(path).name(&endpoints::name_of(path))
    }

    #[actix_web::test]
    async fn a_handlers_own_headers_stay() {
        let own = async || HttpResponse::Ok().insert_header((CACHE_CONTROL, "max-age=5")).finish();
        let app = App::new().wrap(from_fn(headers)).service(ours("/").route(web::get().to(own)));
        let app = init_service(app).await;
        let answer = call_service(&app, TestRequest::get().uri("/").to_request()).await;
        assert_eq!(answer.headers().get(CACHE_CONTROL).unwrap(), "max-age=5");
        assert_eq!(answer.headers().get(X_CONTENT_TYPE_OPTIONS).unwrap(), "nosniff");
        assert!(!answer.headers().contains_key(STRICT_TRANSPORT_SECURITY));
    }

    #[actix_web::test]
    async fn https_is_kept_to_it() {
        let said_so = async |request: ServiceRequest, next: Next<BoxBody>| {
            use actix_web::HttpMessage;
            request.extensions_mut().insert(ClientScheme { secure: true });
            next.call(request).await
        };
        let app = App::new().wrap(from_fn(headers)).wrap(from_fn(said_so));
        let app = init_service(app.service(ours("/").route(web::get().to(HttpResponse::Ok)))).await;
        let answer = call_service(&app, TestRequest::get().uri("/").to_request()).await;
        assert_eq!(answer.headers().get(STRICT_TRANSPORT_SECURITY).unwrap(), HSTS);
    }

    #[actix_web::test]
    async fn errors_of_actix_become_json() {
        let app = App::new()
            .wrap(from_fn(headers))
            .service(
                ours("/words").route(web::get().to(async || HttpResponse::BadRequest().body("say please"))),
            )
            .service(
                ours("/error")
                    .route(web::get().to(async || Err::<HttpResponse, _>(error::ErrorGone("it went")))),
            )
            .service(ours("/nothing").route(web::get().to(HttpResponse::Conflict)))
            .default_service(web::to(crate::no_such_endpoint));
        let app = init_service(app).await;
        for (path, status, words) in [
            ("/words", 400, "say please"),
            ("/error", 410, "it went"),
            ("/nothing", 409, "conflict"),
            ("/nowhere", 404, "no such endpoint: /nowhere; GET / lists them"),
        ] {
            let answer = call_service(&app, TestRequest::get().uri(path).to_request()).await;
            assert_eq!(answer.status().as_u16(), status, "{path}");
            assert_eq!(answer.headers().get(X_CONTENT_TYPE_OPTIONS).unwrap(), "nosniff", "{path}");
            assert_eq!(read_body_json::<Value, _>(answer).await, json!({ "error": words }), "{path}");
        }
    }

    #[actix_web::test]
    async fn what_others_answer_stays_as_it_is() {
        let page = async || HttpResponse::NotFound().content_type("text/html").body("<h1>gone</h1>");
        let app = App::new()
            .wrap(from_fn(headers))
            .service(web::scope("/api").service(ours("/words").route(web::get().to(HttpResponse::Conflict))))
            .route("/page", web::get().to(page))
            .route("/error", web::get().to(async || Err::<HttpResponse, _>(error::ErrorGone("it went"))))
            .default_service(web::to(page));
        let app = init_service(app).await;
        for (path, body) in [("/page", "<h1>gone</h1>"), ("/nowhere", "<h1>gone</h1>"), ("/error", "it went")]
        {
            let answer = call_service(&app, TestRequest::get().uri(path).to_request()).await;
            for (name, _) in &ALWAYS {
                assert!(!answer.headers().contains_key(name), "{path}: {name}");
            }
            assert_eq!(read_body(answer).await, body, "{path}");
        }
        let answer = call_service(&app, TestRequest::get().uri("/api/words").to_request()).await;
        assert!(answer.headers().contains_key(CONTENT_SECURITY_POLICY));
        assert_eq!(read_body_json::<Value, _>(answer).await, json!({ "error": "conflict" }));
    }
}

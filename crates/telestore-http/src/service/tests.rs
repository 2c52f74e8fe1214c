use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE, HeaderMap, ORIGIN, UPGRADE};
use actix_web::test::{TestRequest, call_service, init_service, read_body, read_body_json};
use actix_web::{App, Error, HttpResponse, web};
use serde_json::{Value, json};

use super::*;
use crate::testing::Told;
use crate::{LimitedAddresses, RequestLimits};

/// The routes below `/api`, beside a page and a 404 of the app's own.
async fn mounted(
    settings: ServiceSettings,
) -> impl Service<actix_http::Request, Response = ServiceResponse<impl MessageBody>, Error = Error> {
    let service = HttpService::new(&Told::new().await.engine, settings);
    let page = async || HttpResponse::Ok().content_type("text/html").body("<h1>hello</h1>");
    let missing = async || HttpResponse::NotFound().content_type("text/html").body("<h1>not here</h1>");
    let app = App::new()
        .service(web::scope("/api").configure(service.routes()))
        .route("/hello", web::get().to(page))
        .default_service(web::to(missing));
    init_service(service.wrap(app)).await
}

fn get(path: &str) -> TestRequest {
    TestRequest::get().uri(path).peer_addr("192.0.2.1:4711".parse().unwrap())
}

fn is_ours(headers: &HeaderMap) -> bool {
    headers.contains_key("content-security-policy")
}

#[actix_web::test]
async fn below_a_scope_answers_name_the_paths_that_are_there() {
    let app = mounted(ServiceSettings::default()).await;
    let form = "--b\r\ncontent-disposition: form-data; name=\"chunk\"; filename=\"blob\"\r\n\r\nabc\r\n"
        .to_owned()
        + &[
            ("uploadId", "b"),
            ("chunkIndex", "0"),
            ("totalChunks", "1"),
            ("fileName", "a.txt"),
            ("fileSize", "3"),
        ]
        .map(|(name, value)| {
            format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        })
        .concat()
        + "--b--\r\n";
    let chunk = TestRequest::post().uri("/api/upload-chunk").insert_header(("authorization", "Bearer token"));
    let chunk = chunk.insert_header((CONTENT_TYPE, "multipart/form-data; boundary=b")).set_payload(form);
    let answer = call_service(&app, chunk.to_request()).await;
    assert_eq!(read_body_json::<Value, _>(answer).await["complete"], true);
    let complete = TestRequest::post().uri("/api/complete-upload").set_json(json!({ "uploadId": "b" }));
    let answer: Value = read_body_json(call_service(&app, complete.to_request()).await).await;
    assert_eq!(answer["checkProgressAt"], "/api/upload-progress/b");
    let progress = call_service(&app, get("/api/upload-progress/b").to_request()).await;
    assert_eq!(progress.status(), StatusCode::OK);
    let document: Value =
        read_body_json(call_service(&app, get("/api/openapi.json").to_request()).await).await;
    assert_eq!(document["servers"], json!([{ "url": "/api" }]));
    for path in ["/api", "/api/", "//api//"] {
        let index: Value = read_body_json(call_service(&app, get(path).to_request()).await).await;
        assert_eq!(index["status"], "ok", "{path}");
    }
}

#[actix_web::test]
async fn all_layers_are_around_the_routes() {
    let settings = ServiceSettings::default().with_origins(["https://a.example"]);
    let app = mounted(settings).await;
    let asked = get("/api/upload-status/none").insert_header((ORIGIN, "https://a.example"));
    let answer = call_service(&app, asked.insert_header(("x-request-id", "mine")).to_request()).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_eq!(answer.headers().get("x-request-id").unwrap(), "mine");
    assert_eq!(answer.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN).unwrap(), "https://a.example");
    assert!(is_ours(answer.headers()));
    // Such as HTML pages, errors and sockets: they are of the app around.
    for (path, status, body) in [("/hello", 200, "<h1>hello</h1>"), ("/none", 404, "<h1>not here</h1>")] {
        let answer = call_service(&app, get(path).to_request()).await;
        assert_eq!(answer.status().as_u16(), status, "{path}");
        assert!(!is_ours(answer.headers()), "{path}");
        assert_eq!(read_body(answer).await, body);
    }
    let socket = |path| get(path).insert_header((UPGRADE, "websocket")).to_request();
    assert_eq!(call_service(&app, socket("/hello")).await.status(), StatusCode::OK);
    assert_eq!(call_service(&app, socket("/api/health")).await.status(), StatusCode::BAD_REQUEST);
}

#[actix_web::test]
async fn below_a_scope_who_watches_over_the_service_is_not_limited() {
    let limits = RequestLimits {
        address_requests_per_second: 1,
        addresses: LimitedAddresses::All,
        ..RequestLimits::default()
    };
    let app = mounted(ServiceSettings::default().with_request_limits(limits)).await;
    let mut refused = None;
    for _ in 0..20 {
        let answer = call_service(&app, get("/api/upload-status/none").to_request()).await;
        // The last one can be let in, if a second went by.
        refused = Some(answer).filter(|answer| answer.status() == StatusCode::TOO_MANY_REQUESTS).or(refused);
    }
    assert!(is_ours(refused.expect("one address has a limit").headers()));
    for path in ["/api", "/api/health", "/api/ready"] {
        let status = call_service(&app, get(path).to_request()).await.status();
        assert_ne!(status, StatusCode::TOO_MANY_REQUESTS, "{path}");
    }
    let own = call_service(&app, get("/hello").to_request()).await;
    assert_eq!(own.status(), StatusCode::TOO_MANY_REQUESTS, "the limit is the service's, not the routes'");
    let error: Value = read_body_json(own).await;
    assert!(error["error"].as_str().is_some_and(|error| error.starts_with("too many")), "{error}");
}

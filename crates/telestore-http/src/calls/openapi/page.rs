use std::borrow::Cow;
use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue};
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use utoipa_swagger_ui::Config;

use crate::shared::answer;
use crate::shared::endpoints;
use crate::shared::{encodings, slashes};

/// Paths are relative, so that the page works below any path that the routes are mounted at.
const PAGE: &str = r##"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>TeleStore Worker: the HTTP API</title>
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"##;

/// Swagger UI has a dark mode, and leaves it to the page to turn it on.
const START: &str = r##"const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();
window.ui = SwaggerUIBundle({
  url: new URL("openapi.json", document.baseURI).href,
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
});
"##;

/// Swagger UI sets styles on elements, and draws with images that stand in its style sheet.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What the page needs, of Swagger UI and of its own, and the types.
const FILES: [(&str, &str); 4] = [
    ("swagger-ui.css", "text/css"),
    ("swagger-ui-bundle.js", "text/javascript"),
    ("start.js", "text/javascript"),
    ("favicon-32x32.png", "image/png"),
];

/// The API as a page
///
/// Swagger UI over `/openapi.json`. It needs nothing from elsewhere.
#[utoipa::path(
    get,
    path = endpoints::PAGE.path,
    tag = "service",
    responses((status = 200, description = "The page", body = str, content_type = "text/html; charset=utf-8"))
)]
pub(crate) async fn page(request: HttpRequest) -> HttpResponse {
    let base = slashes::base_of(&request);
    let (page, policy) = match base.as_str() {
        "" => (PAGE.to_owned(), POLICY.to_owned()),
        // Asked for as `/docs/`.
        base => (
            PAGE.replacen("<title>", &format!("<base href=\"{base}\">\n<title>"), 1),
            POLICY.replace("base-uri 'none'", "base-uri 'self'"),
        ),
    };
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, policy))
        .body(page)
}

/// What the page is made of
#[utoipa::path(
    get,
    path = endpoints::ASSET.path,
    tag = "service",
    params(("file" = String, Path, description = "Its name", example = "swagger-ui.css")),
    responses(
        (status = 200, description = "The file", content(
            (str = "text/css"),
            (str = "text/javascript"),
            (Vec<u8> = "image/png"),
        )),
        (status = 404, description = "There is no such file", body = crate::shared::error::ErrorBody,
         example = json!({ "error": "no such endpoint: /docs/other; GET / lists them" }))
    )
)]
pub(crate) async fn asset(request: HttpRequest, file: Path<String>) -> HttpResponse {
    let found = FILES.iter().find(|(name, _)| *name == file.as_str());
    let Some((name, kind, bytes)) = found.and_then(|(name, kind)| Some((*name, *kind, bytes_of(name)?)))
    else {
        return answer::no_such_endpoint(&request);
    };
    let mut answer = encodings::kept(&request, name, kind, bytes).await;
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400"));
    answer
}

fn bytes_of(name: &str) -> Option<Bytes> {
    if name == "start.js" {
        return Some(Bytes::from_static(START.as_bytes()));
    }
    let file = utoipa_swagger_ui::serve(name, Arc::new(Config::<'static>::from(""))).ok()??;
    Some(match file.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    })
}

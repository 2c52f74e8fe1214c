use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::shared::answer;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request, in its extensions: what a client or a proxy sent as `X-Request-Id`, or one of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// 1-128 of `A-Z a-z 0-9 . _ -`.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    fn of(headers: &HeaderMap) -> Self {
        Self(headers.get(X_REQUEST_ID).filter(|id| is_sane(id.as_bytes())).cloned().unwrap_or_else(made))
    }
}

/// Whatever else a client sends must not get into logs and answers.
fn is_sane(id: &[u8]) -> bool {
    (1..=128).contains(&id.len()) && id.iter().all(|c| c.is_ascii_alphanumeric() || b"._-".contains(c))
}

fn made() -> HeaderValue {
    let id = format!("{:016x}", rand::random::<u64>());
    HeaderValue::try_from(id).unwrap_or_else(|_| HeaderValue::from_static("none"))
}

/// Gives each request an id and a tracing span, for [`from_fn`](actix_web::middleware::from_fn).
///
/// The id is the client's `X-Request-Id` if that is sane, and stands in every answer. The span `request` has the
/// fields `request_id`, `method` and `route` (the pattern: a path has ids in it, a query may have a token); handlers may
/// record `user` and `upload`. Each answer is one line on the level debug, with its status and the time it took.
///
/// # Errors
/// Those of the services within; their answers have the id, too.
pub async fn request_id<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse, Error> {
    let id = RequestId::of(request.headers());
    let span = span(&request, &id);
    request.extensions_mut().insert(id.clone());
    let began = Instant::now();
    let answer = next.call(request).instrument(span.clone()).await;
    let status = answer
        .as_ref()
        .map_or_else(|error| error.as_response_error().status_code(), |answer| answer.status());
    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::debug!(parent: &span, status = status.as_u16(), ms, "answered");
    answer::map(answer, move |mut answer| {
        answer.headers_mut().insert(X_REQUEST_ID, id.0.clone());
        answer
    })
}

fn span(request: &ServiceRequest, id: &RequestId) -> Span {
    tracing::info_span!(
        "request",
        request_id = id.as_str(),
        method = %request.method(),
        route = request.match_pattern().as_deref().unwrap_or("none"),
        user = Empty,
        upload = Empty,
    )
}

#[cfg(test)]
mod tests {
    use actix_web::http::StatusCode;
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, call_service, init_service};
    use actix_web::{App, HttpResponse, error, web};

    use super::*;

    async fn answered(path: &str, id: &[u8]) -> (StatusCode, String) {
        let app = App::new()
            .wrap(from_fn(async |_: ServiceRequest, _: Next<actix_web::body::BoxBody>| {
                Err::<ServiceResponse, _>(error::ErrorImATeapot("inside"))
            }))
            .wrap(from_fn(request_id));
        let fails = init_service(app).await;
        let works =
            init_service(App::new().wrap(from_fn(request_id)).route("/ok", web::get().to(HttpResponse::Ok)))
                .await;
        let id = HeaderValue::from_bytes(id).unwrap();
        let request = TestRequest::get().uri(path).insert_header((X_REQUEST_ID, id)).to_request();
        let answer = if path == "/fails" {
            // An error that no service made an answer of is made one by the server.
            let error = actix_web::dev::Service::call(&fails, request).await.unwrap_err();
            error.error_response().map_into_boxed_body()
        } else {
            call_service(&works, request).await.into_parts().1
        };
        let id = answer.headers().get(X_REQUEST_ID).unwrap().to_str().unwrap().to_owned();
        (answer.status(), id)
    }

    #[actix_web::test]
    async fn a_sane_id_is_taken_and_stands_in_every_answer() {
        for (path, status) in [("/ok", 200), ("/nowhere", 404), ("/fails", 418)] {
            let (answered, id) = answered(path, b"a-Z.0_9").await;
            assert_eq!((answered.as_u16(), id.as_str()), (status, "a-Z.0_9"), "{path}");
        }
    }

    #[actix_web::test]
    async fn another_is_replaced() {
        for sent in [&b""[..], b"a b", b"<script>", b"\xff\xfe", &[b'a'; 129]] {
            let (_, id) = answered("/ok", sent).await;
            assert!(id.len() == 16 && id.bytes().all(|c| c.is_ascii_hexdigit()), "{sent:?}: {id}");
        }
        assert_eq!(answered("/ok", &[b'a'; 128]).await.1.len(), 128);
    }
}

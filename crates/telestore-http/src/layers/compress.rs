use actix_http::encoding::Encoder;
use actix_web::Error;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, VARY};
use actix_web::middleware::Next;

use crate::layers::old_http::is_old;
use crate::shared::encodings::{TEXT, negotiate};

/// Smaller bodies fit into a packet as they are.
const WORTH_IT: u64 = 1024;

/// Compresses answers of text from 1 KiB on with br or gzip, if the client takes it, for
/// [`from_fn`](actix_web::middleware::from_fn). An `Accept-Encoding` that makes no sense gets the plain text.
///
/// # Errors
/// Those of the services within.
pub async fn compress<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse, Error> {
    // As nginx does (`gzip_http_version`): what is compressed on its way has no length, which HTTP/1.0 needs to keep a
    // connection.
    let encoding = negotiate(request.headers()).filter(|_| !is_old(request.version()));
    let answer = next.call(request).await?.map_into_boxed_body();
    if !is_worth_it(&answer) {
        return Ok(answer);
    }
    let Some(encoding) = encoding else {
        let mut answer = answer;
        answer.headers_mut().append(VARY, HeaderValue::from_static("accept-encoding"));
        return Ok(answer);
    };
    Ok(answer.map_body(|head, body| BoxBody::new(Encoder::response(encoding, head, body))))
}

fn is_worth_it(answer: &ServiceResponse) -> bool {
    let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    let large = matches!(answer.response().body().size(), BodySize::Sized(length) if length >= WORTH_IT);
    large && TEXT.contains(&kind) && !answer.headers().contains_key(CONTENT_ENCODING)
}

//! What every answer of tus has, whoever makes it.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderValue;
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};

use crate::shared::endpoints;
use crate::shared::{answer, tus};

/// Puts `Tus-Resumable` on each answer of an endpoint of tus, and `Tus-Version` on a 412; and answers 423 if a client should
/// ask again: whatever else comes on a HEAD takes its clients the address of the upload, and a 429 ends them.
///
/// It stands around whatever may refuse, and around the endpoints themselves, which may be mounted without it.
///
/// # Errors
/// Those of the services within; their answers have the headers, too.
pub async fn as_tus<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse, Error> {
    if !endpoints::is_tus(request.request()) {
        return next.call(request).await.map(ServiceResponse::map_into_boxed_body);
    }
    let method = tus::method(request.head());
    let of_upload = endpoints::asked_for(request.request()) == Some(endpoints::TUS_STATUS.path);
    let answer = next.call(request).await;
    answer::map(answer, move |mut answer| {
        if of_upload && is_to_be_asked_again(&method, answer.status()) {
            answer.head_mut().status = StatusCode::LOCKED;
        }
        add(&mut answer);
        answer
    })
}

fn is_to_be_asked_again(method: &Method, status: StatusCode) -> bool {
    let slowly = [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(&status);
    match *method {
        Method::HEAD => slowly || status.is_server_error(),
        _ => status == StatusCode::TOO_MANY_REQUESTS,
    }
}

fn add(answer: &mut HttpResponse) {
    let version = HeaderValue::from_static(tus::VERSION);
    if answer.status() == StatusCode::PRECONDITION_FAILED {
        answer.headers_mut().insert(tus::TUS_VERSION, version.clone());
    }
    answer.headers_mut().insert(tus::TUS_RESUMABLE, version);
    // A client that is a script looks for `Location` by that very spelling.
    answer.head_mut().set_camel_case_headers(true);
}

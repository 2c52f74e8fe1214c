use std::cell::RefCell;
use std::future::{Ready, poll_fn, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody, to_bytes_limited};
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::error::PayloadError;
use actix_web::http::header::RETRY_AFTER;
use actix_web::http::{StatusCode, Version};
use actix_web::middleware::Next;
use actix_web::rt::time::{Sleep, sleep};
use actix_web::{Error, HttpMessage, ResponseError};
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt, Stream};

use crate::layers::upgrade;
use crate::shared::answer;
use crate::shared::connections::{Connection, ConnectionLimits, Connections, Crowd, Running};
use crate::shared::error::ApiError;
use crate::shared::error::Reason;
use crate::shared::patience::{Patience, PatientBody};
use crate::shared::told;

/// How much of a refused body is read away. The connection of a client that sends more is closed.
const MOST_READ_AWAY: u64 = 64 * 1024 * 1024;

/// For how long a refused body without an end is read away: until the client has its answer.
const ENDLESS: Duration = Duration::from_secs(1);

/// Answers are collected up to this size to be sent before the rest of a body is read away.
const MOST_COLLECTED: usize = 64 * 1024;

/// When to try again on a connection with too many requests.
const BUSY: Duration = Duration::from_secs(1);

type SharedBody = Rc<RefCell<PatientBody>>;

impl Connections {
    /// The middleware for slow clients, the outermost one: it gives up on a body that comes too slowly (its reader sees
    /// [`std::io::ErrorKind::TimedOut`]), knows which connections are at work, and reads away the rest of a body that
    /// was refused, so that the client comes to read the answer.
    pub fn watch(&self) -> Watch {
        Watch(self.limits().clone())
    }
}

/// See [`Connections::watch`].
#[derive(Debug, Clone)]
pub struct Watch(ConnectionLimits);

impl<S, B> Transform<S, ServiceRequest> for Watch
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<Watched>;
    type Error = Error;
    type Transform = WatchService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let patience = Patience { timeout: self.0.body_timeout, min_rate: self.0.body_min_rate };
        ready(Ok(WatchService { service, patience }))
    }
}

/// See [`Connections::watch`].
#[derive(Debug)]
pub struct WatchService<S> {
    service: S,
    patience: Patience,
}

impl<S, B> Service<ServiceRequest> for WatchService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<Watched>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(service);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let running = Connection::of(request.request()).map(|connection| connection.begin());
        let body = watched(&mut request, self.patience);
        // A body that is all that follows has no end to wait for.
        let endless = upgrade::is_asked_for(request.head());
        let time = if endless { ENDLESS } else { self.patience.timeout };
        let answer = self.service.call(request);
        async move {
            let response = answer.await?.map_into_boxed_body();
            let rest = body.filter(is_unread);
            let (response, rest) = match rest {
                Some(body) => make_way(response, body, time).await,
                None => (response, None),
            };
            Ok(response.map_body(|_, body| Watched { body, rest, _running: running }))
        }
        .boxed_local()
    }
}

/// Puts a watched body into the request, if it has one.
fn watched(request: &mut ServiceRequest, patience: Patience) -> Option<SharedBody> {
    // What a WebSocket's client sends, and when, is not for here.
    let socket = upgrade::is_socket(request.request());
    let body = request.take_payload();
    if socket || matches!(body, Payload::None) {
        request.set_payload(body);
        return None;
    }
    let body = PatientBody::new(body, patience);
    request.extensions_mut().insert(body.received());
    let body = Rc::new(RefCell::new(body));
    let stream: Pin<Box<dyn Stream<Item = _>>> = Box::pin(Body(Rc::clone(&body)));
    request.set_payload(stream.into());
    Some(body)
}

struct Body(SharedBody);

impl Stream for Body {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.borrow_mut().poll_next(cx)
    }
}

/// Whether the client may still be sending. A form's reader mostly does not look for the end of the body.
fn is_unread(body: &SharedBody) -> bool {
    let mut body = body.borrow_mut();
    while let Some(Some(Ok(_))) = poll_fn(|cx| body.poll_next(cx)).now_or_never() {}
    body.is_open()
}

/// Makes an answer one that is sent before the rest of the body is read away.
async fn make_way(
    response: ServiceResponse<BoxBody>,
    body: SharedBody,
    time: Duration,
) -> (ServiceResponse<BoxBody>, Option<Rest>) {
    // An HTTP/2 client need not send on, and an answer that is no refusal is not held up.
    let refusal = response.status().is_client_error() || response.status().is_server_error();
    if !refusal || response.request().version() >= Version::HTTP_2 {
        return (response, None);
    }
    // Of unknown length it would end for the client only with the connection.
    let (request, head) = response.into_parts();
    let (head, answer) = head.into_parts();
    let answer = match answer.size() {
        BodySize::Stream => match to_bytes_limited(answer, MOST_COLLECTED).await {
            Ok(Ok(bytes)) => BoxBody::new(bytes),
            Ok(Err(_)) | Err(_) => BoxBody::new(Bytes::new()),
        },
        _ => answer,
    };
    let rest = Rest { body, left: MOST_READ_AWAY, end: Box::pin(sleep(time)) };
    (ServiceResponse::new(request, head.set_body(answer)), Some(rest))
}

/// What is left of a refused body.
struct Rest {
    body: SharedBody,
    left: u64,
    end: Pin<Box<Sleep>>,
}

impl Rest {
    fn poll_read_away(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.left > 0 {
            match self.body.borrow_mut().poll_next(cx) {
                Poll::Ready(Some(Ok(bytes))) => self.left = self.left.saturating_sub(bytes.len() as u64),
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.end.as_mut().poll(cx),
            }
        }
        Poll::Ready(())
    }
}

/// The body of an answer. The request runs until this is dropped.
pub struct Watched {
    body: BoxBody,
    rest: Option<Rest>,
    _running: Option<Running>,
}

impl MessageBody for Watched {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let end = match self.body.as_pin_mut().poll_next(cx) {
            Poll::Ready(None) => Poll::Ready(None),
            other => return other,
        };
        match self.rest.as_mut().map(|rest| rest.poll_read_away(cx)) {
            Some(Poll::Pending) => Poll::Pending,
            _ => end,
        }
    }
}

/// The middleware that refuses what comes on connections beyond the [limits](ConnectionLimits), what is too much for one
/// connection, and what asks for a WebSocket where there is none. It stands inside of whatever lets pages of other
/// origins read its answers.
///
/// # Errors
/// Those of the service behind it.
pub async fn turn_away_crowds(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if let Some(refusal) = upgrade::refuse_stray(request.request()) {
        return Ok(request.into_response(refusal));
    }
    let connection = Connection::of(request.request());
    let crowd = connection.as_ref().and_then(|connection| connection.crowd);
    let (status, message) = match crowd {
        None if connection.is_some_and(|connection| connection.is_busy()) => {
            let what = "requests at a time on this connection";
            let error = ApiError::from(telestore::Error::TooManyRequests { what, retry_after: BUSY });
            return Ok(request.into_response(error.error_response()));
        }
        None => return Ok(next.call(request).await?.map_into_boxed_body()),
        Some(Crowd::All) => {
            (StatusCode::SERVICE_UNAVAILABLE, "worker has too many connections; try again in a moment")
        }
        Some(Crowd::Address) => (
            StatusCode::TOO_MANY_REQUESTS,
            "too many connections from your address; close some and try again",
        ),
    };
    if status == StatusCode::SERVICE_UNAVAILABLE {
        told::tell(
            status,
            "there are as many connections as TELESTORE_MAX_CONNECTIONS, or as many as open files allow",
        );
    }
    let mut response = answer::error(status, message);
    response.extensions_mut().insert(Reason("too_many"));
    response.headers_mut().insert(RETRY_AFTER, actix_web::http::header::HeaderValue::from_static("5"));
    response.head_mut().set_connection_type(actix_web::http::ConnectionType::Close);
    Ok(request.into_response(response))
}

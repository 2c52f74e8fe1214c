//! HTTP/2 within bounds.
//!
//! actix-http tells its HTTP/2 clients no limit of streams and takes 16 MiB of headers for each, before any middleware
//! sees them: one connection can have as much memory as it likes. So its services are called from here instead.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};
use std::{io, mem};

use actix_http::{Request, Response, ResponseHead};
use actix_service::Service;
use actix_web::HttpMessage;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{self, HeaderName, HeaderValue, HttpDate};
use actix_web::http::{Method, StatusCode, Uri, Version};
use bytes::Bytes;
use futures_util::Stream;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::shared::connections::{Connection, ConnectionLimits};

/// The most bytes of a request's head, as HTTP/2 counts them; more get 431.
const MAX_HEAD_BYTES: u32 = 64 * 1024;

/// The most headers of a request; more get 431. As many as by HTTP/1.
const MAX_HEADERS: usize = 96;

/// How much of one body may be on its way.
const STREAM_WINDOW: u32 = 1024 * 1024;

/// How much of all bodies of a connection may be on its way, which is what it may have of memory: at first, and once a
/// valid token was shown on it.
const STRANGERS_WINDOW: u32 = 256 * 1024;
const WINDOW: u32 = 2 * 1024 * 1024;

/// How much of an answer is handed over at a time, and waits for each stream at most.
const PIECE: usize = 16 * 1024;

/// The most streams of a trusted proxy's connection, which is one of many clients.
const PROXY_STREAMS: u32 = 10_000;

fn builder(connection: &Connection, limits: &ConnectionLimits) -> Builder {
    let streams = u32::try_from(limits.connection_requests).unwrap_or(u32::MAX);
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(if connection.is_proxy() { PROXY_STREAMS } else { streams })
        .max_header_list_size(MAX_HEAD_BYTES)
        .max_send_buffer_size(2 * PIECE)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(STRANGERS_WINDOW);
    builder
}

/// Serves one connection until it ends. `stop` ends when no new requests are to be taken.
pub(crate) async fn serve<T, S, B>(
    io: T,
    peer: Option<SocketAddr>,
    app: Rc<S>,
    connection: Rc<Connection>,
    stop: impl Future<Output = ()>,
) where
    T: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request> + 'static,
    S::Response: Into<Response<B>>,
    S::Error: Into<Response<BoxBody>>,
    B: MessageBody + 'static,
{
    let limits = connection.limits().clone();
    let handshake = builder(&connection, &limits).handshake::<_, Bytes>(io);
    let Ok(Ok(mut client)) = timeout(limits.header_timeout, handshake).await else { return };
    // With the connection, its requests go, too.
    let mut requests = JoinSet::new();
    let mut stop = pin!(stop);
    let (mut stopping, mut known) = (false, false);
    loop {
        let accepted = tokio::select! {
            accepted = client.accept() => accepted,
            Some(_) = requests.join_next() => continue,
            () = &mut stop, if !stopping => {
                stopping = true;
                client.graceful_shutdown();
                continue;
            }
        };
        let Some(Ok((request, respond))) = accepted else { return };
        if !known && connection.was_known() {
            known = true;
            client.set_target_window_size(WINDOW);
        }
        let answer = Answer { respond, patience: limits.body_timeout, head_only: request.method() == "HEAD" };
        let Some(request) = request_of(request, peer, &connection) else {
            answer.refuse(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
            continue;
        };
        requests.spawn_local(answer.by(Rc::clone(&app), request));
    }
}

/// The same request for actix; `None` if it has too many headers.
fn request_of(
    request: http::Request<RecvStream>,
    peer: Option<SocketAddr>,
    connection: &Rc<Connection>,
) -> Option<Request> {
    let (parts, body) = request.into_parts();
    if parts.headers.len() > MAX_HEADERS {
        return None;
    }
    let payload = if body.is_end_stream() {
        Payload::None
    } else {
        let body: Pin<Box<dyn Stream<Item = _>>> = Box::pin(Body(body));
        Payload::Stream { payload: body }
    };
    let mut request = Request::with_payload(payload);
    let head = request.head_mut();
    head.version = Version::HTTP_2;
    head.peer_addr = peer;
    head.method = Method::from_bytes(parts.method.as_str().as_bytes()).ok()?;
    head.uri = Uri::try_from(parts.uri.to_string()).ok()?;
    for (name, value) in &parts.headers {
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
        head.headers.append(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
    }
    request.extensions_mut().insert(Rc::clone(connection));
    Some(request)
}

/// The body of a request. What was read makes room for more.
struct Body(RecvStream);

impl Stream for Body {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let failed = |error| PayloadError::Io(io::Error::other(error));
        let Some(piece) = ready!(self.0.poll_data(cx)) else { return Poll::Ready(None) };
        let piece = piece.and_then(|piece| {
            self.0.flow_control().release_capacity(piece.len())?;
            Ok(piece)
        });
        Poll::Ready(Some(piece.map_err(failed)))
    }
}

/// Where the answer of one request goes.
struct Answer {
    respond: SendResponse<Bytes>,
    /// How long a client may take none of it.
    patience: Duration,
    head_only: bool,
}

impl Answer {
    fn refuse(mut self, status: StatusCode) {
        let mut response = http::Response::new(());
        *response.status_mut() = status_of(status);
        // A client that is gone needs no answer.
        let _ = self.respond.send_response(response, true);
    }

    /// Has it made, for as long as the client waits for it.
    async fn by<S, B>(mut self, app: Rc<S>, request: Request)
    where
        S: Service<Request>,
        S::Response: Into<Response<B>>,
        S::Error: Into<Response<BoxBody>>,
        B: MessageBody,
    {
        let answered = tokio::select! {
            biased;
            _ = poll_fn(|cx| self.respond.poll_reset(cx)) => return,
            answered = app.call(request) => answered,
        };
        let sent = match answered {
            Ok(response) => self.send(response.into()).await,
            Err(error) => self.send(error.into()).await,
        };
        if let Err(error) = sent {
            tracing::trace!(%error, "client does not take an answer");
        }
    }

    async fn send<B: MessageBody>(mut self, response: Response<B>) -> Result<(), h2::Error> {
        let (response, body) = response.into_parts();
        let head = head(response.head(), body.size());
        let empty = self.head_only || body.size().is_eof() || has_no_body(response.status());
        let mut stream = self.respond.send_response(head, empty)?;
        if empty {
            return Ok(());
        }
        let mut body = pin!(body);
        loop {
            let piece = tokio::select! {
                biased;
                reset = poll_fn(|cx| stream.poll_reset(cx)) => return reset.map(drop),
                piece = poll_fn(|cx| body.as_mut().poll_next(cx)) => piece,
            };
            match piece {
                Some(Ok(bytes)) => send_all(&mut stream, bytes, self.patience).await?,
                Some(Err(_)) => {
                    stream.send_reset(Reason::INTERNAL_ERROR);
                    return Ok(());
                }
                None => return stream.send_data(Bytes::new(), true),
            }
        }
    }
}

/// Sends bytes as the client makes room for them; one that makes none for too long is given up.
async fn send_all(
    stream: &mut SendStream<Bytes>,
    mut bytes: Bytes,
    patience: Duration,
) -> Result<(), h2::Error> {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len().min(PIECE));
        let room = match timeout(patience, poll_fn(|cx| stream.poll_capacity(cx))).await {
            Ok(Some(room)) => room?,
            Ok(None) => return Err(Reason::CANCEL.into()),
            Err(_) => {
                stream.send_reset(Reason::CANCEL);
                return Err(Reason::CANCEL.into());
            }
        };
        let rest = bytes.split_off(bytes.len().min(room));
        stream.send_data(mem::replace(&mut bytes, rest), false)?;
    }
    Ok(())
}

fn status_of(status: StatusCode) -> http::StatusCode {
    http::StatusCode::from_u16(status.as_u16()).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR)
}

fn has_no_body(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// The same head without what is HTTP/1's alone, and with a length and a date.
fn head(head: &ResponseHead, size: BodySize) -> http::Response<()> {
    const HTTP_1: [HeaderName; 3] = [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE];
    let mut response = http::Response::new(());
    *response.status_mut() = status_of(head.status);
    let mut add = |name: &HeaderName, value: &[u8]| {
        let name = http::HeaderName::from_bytes(name.as_str().as_bytes());
        if let (Ok(name), Ok(value)) = (name, http::HeaderValue::from_bytes(value)) {
            response.headers_mut().append(name, value);
        }
    };
    if let BodySize::Sized(length) = size
        && !has_no_body(head.status)
    {
        add(&header::CONTENT_LENGTH, length.to_string().as_bytes());
    }
    for (name, value) in head.headers() {
        if !HTTP_1.contains(name) && *name != header::CONTENT_LENGTH {
            add(name, value.as_bytes());
        }
    }
    if !head.headers().contains_key(header::DATE) {
        add(&header::DATE, HttpDate::from(SystemTime::now()).to_string().as_bytes());
    }
    response
}

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::ORIGIN;
use actix_web::web::{Path, Payload};
use actix_web::{Error, FromRequest, HttpRequest, HttpResponse, dev};
use actix_ws::{CloseCode, Closed, Message, MessageStream, Session};
use futures_util::StreamExt;
use telestore::types::UploadId;
use tokio::time::timeout;

use crate::HttpOptions;
use crate::calls::call::Call;
use crate::calls::live::{Beat, Listener, Pace};
use crate::calls::openapi::refusals::{NoHandshake, NoListener, NotStarted, Storage, TooMany, Unauthorized};
use crate::calls::progress::Progress;
use crate::shared::answer;
use crate::shared::endpoints;
use crate::shared::error::{ApiError, ApiResult, ErrorBody};
use crate::shared::measures::Ongoing;

/// The largest frame that is read; what clients send is ignored.
const MAX_FRAME_BYTES: usize = 4 * 1024;

/// How many bytes may come without making a frame. A frame is only measured against [`MAX_FRAME_BYTES`] when it is whole, and
/// is in memory until then. What has come at once, many small frames of it, fits in.
const MAX_UNREAD_BYTES: usize = 512 * 1024;

const FOREIGN: &str = "pages of this origin may not call: allow it in TELESTORE_CORS_ORIGINS";

/// A peer that is silent for so many heartbeats, each of them a ping, is gone.
const SILENT_BEATS: u32 = 3;

/// Listens to an upload by WebSocket
///
/// Each text message is what `/upload-progress` answers: first the current state, then each change, ten a second at most,
/// and at the end the final one. Then the connection is closed with code 1000, or with 1001 if the worker stops.
#[utoipa::path(
    get,
    path = endpoints::SOCKET.path,
    tag = "chunked",
    params(
        ("uploadId" = String, Path, description = "The upload", example = "1763790000000_k3j9x0abc"),
        ("token" = Option<String>, Query, description = "The auth token, for clients that can send no header"),
    ),
    security((), ("token" = [])),
    responses(
        (status = 101, description = "The connection is a WebSocket from now on"),
        (status = 403, description = "The upload belongs to another user, or pages of this origin may not call",
         body = ErrorBody, examples(
            ("another_user" = (value = json!({ "error": "this upload belongs to another user" }))),
            ("foreign_page" = (value = json!({ "error": FOREIGN }))),
        )),
        NoHandshake, Unauthorized, NotStarted, TooMany, Storage, NoListener,
    )
)]
pub(crate) async fn progress_socket(call: Call, payload: Payload, id: Path<String>) -> ApiResult {
    let Call { engine, options, request } = &call;
    if let Some(refusal) = foreign(request, options) {
        return Ok(refusal);
    }
    let id = UploadId::new(id.into_inner()).map_err(ApiError::from)?;
    let caller = call.listener().await?;
    let watch = engine.watch(&id, &caller).await?;
    let listener = Listener::admit(engine, options, request, &caller, Ongoing::by_socket).await?;
    let unread = Rc::default();
    let payload = bounded(request, payload, &unread).await.map_err(no_handshake)?;
    let (response, session, messages) = actix_ws::handle(request, payload).map_err(no_handshake)?;
    let pace = Pace::new(watch, options.heartbeat, listener);
    actix_web::rt::spawn(converse(pace, session, messages, unread, options.heartbeat * SILENT_BEATS));
    Ok(response)
}

/// The same bytes, counted in `unread`, until they are too many.
async fn bounded(
    request: &HttpRequest,
    payload: Payload,
    unread: &Rc<Cell<usize>>,
) -> Result<Payload, Error> {
    let unread = Rc::clone(unread);
    let bounded = payload.map(move |bytes| {
        let bytes = bytes?;
        unread.set(unread.get() + bytes.len());
        if unread.get() > MAX_UNREAD_BYTES { Err(PayloadError::Overflow) } else { Ok(bytes) }
    });
    Payload::from_request(request, &mut dev::Payload::from(bounded.boxed_local())).await
}

pub(crate) fn no_handshake(error: impl fmt::Display) -> ApiError {
    ApiError::invalid(format!(
        "not a WebSocket handshake: {error}; GET /upload-events/{{uploadId}} tells the same over plain HTTP"
    ))
}

/// The refusal of a page that may not call. Browsers ask for no permission before they open a WebSocket.
fn foreign(request: &HttpRequest, options: &HttpOptions) -> Option<HttpResponse> {
    let origin = request.headers().get(ORIGIN)?;
    let may = options.any_origin() || options.origins.iter().any(|allowed| origin == allowed.as_str());
    (!may).then(|| answer::error(StatusCode::FORBIDDEN, FOREIGN))
}

async fn converse(
    mut pace: Pace,
    session: Session,
    messages: MessageStream,
    unread: Rc<Cell<usize>>,
    silence: Duration,
) {
    let mut answering = session.clone();
    let mut telling = session.clone();
    let end = tokio::select! {
        end = tell(&mut pace, &mut telling) => end,
        () = listen(messages, &unread, &mut answering, silence) => Ok(CloseCode::Normal),
    };
    if let Ok(code) = end {
        // If the peer reads no more, there is no room for a farewell.
        let _ = timeout(silence, session.close(Some(code.into()))).await;
    }
}

/// Tells all there is to tell, and how to part.
async fn tell(pace: &mut Pace, session: &mut Session) -> Result<CloseCode, Closed> {
    let mut end = CloseCode::Away;
    loop {
        match pace.next().await {
            Beat::State(state) => {
                if state.is_final() {
                    end = CloseCode::Normal;
                }
                session.text(Progress::from(&state).to_string()).await?;
            }
            Beat::Alive => session.ping(b"").await?,
            Beat::Over => return Ok(end),
        }
    }
}

/// Returns when the peer says goodbye, breaks the protocol or is gone.
async fn listen(messages: MessageStream, unread: &Cell<usize>, session: &mut Session, silence: Duration) {
    let mut messages = messages.max_frame_size(MAX_FRAME_BYTES);
    while let Ok(Some(Ok(message))) = timeout(silence, messages.recv()).await {
        unread.set(0);
        match message {
            Message::Ping(bytes) => match timeout(silence, session.pong(&bytes)).await {
                Ok(Ok(())) => {}
                _ => return,
            },
            Message::Close(_) => return,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;

    use actix_web::body::{BoxBody, MessageBody};
    use actix_web::test::TestRequest;
    use actix_web::web::Bytes;
    use futures_util::stream;
    use telestore::Caller;
    use tokio::sync::mpsc;

    use super::*;
    use crate::testing::{ID, Told};

    const HEARTBEAT: Duration = Duration::from_secs(15);
    const PING: &[u8] = &[0x89, 0];
    const PONG: &[u8] = &[0x8a, 0x80, 0, 0, 0, 0];
    const FAREWELL: &[u8] = &[0x88, 2, 0x03, 0xe8];

    /// A peer whose frames are written by hand, in a time that goes by only while everybody waits.
    struct Peer {
        says: mpsc::UnboundedSender<Result<Bytes, PayloadError>>,
        hears: BoxBody,
    }

    impl Peer {
        async fn new(told: &Told) -> Self {
            tokio::time::pause();
            let request = TestRequest::get()
                .insert_header(("connection", "upgrade"))
                .insert_header(("upgrade", "websocket"))
                .insert_header(("sec-websocket-version", "13"))
                .insert_header(("sec-websocket-key", "MDEyMzQ1Njc4OWFiY2RlZg=="))
                .to_http_request();
            let (says, said) = mpsc::unbounded_channel();
            let said = stream::unfold(said, async |mut said| said.recv().await.map(|bytes| (bytes, said)));
            let mut payload = dev::Payload::from(said.boxed_local());
            let payload = Payload::from_request(&request, &mut payload).await.unwrap();
            let unread = Rc::default();
            let payload = bounded(&request, payload, &unread).await.unwrap();
            let (answer, session, messages) = actix_ws::handle(&request, payload).unwrap();
            assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
            let watch = told.engine.watch(&UploadId::new(ID).unwrap(), &Caller::nobody()).await.unwrap();
            let pace = Pace::new(watch, HEARTBEAT, Listener::of_nobody());
            actix_web::rt::spawn(converse(pace, session, messages, unread, HEARTBEAT * SILENT_BEATS));
            Self { says, hears: answer.into_body() }
        }

        fn say(&self, bytes: &'static [u8]) {
            self.says.send(Ok(Bytes::from_static(bytes))).unwrap();
        }

        async fn hear(&mut self) -> Option<Bytes> {
            let mut hears = pin!(&mut self.hears);
            poll_fn(|cx| hears.as_mut().poll_next(cx)).await.map(|frame| frame.unwrap())
        }

        async fn hear_all(&mut self) -> Vec<u8> {
            let mut all = Vec::new();
            while let Some(frame) = self.hear().await {
                all.extend_from_slice(&frame);
            }
            all
        }
    }

    #[actix_web::test]
    async fn a_silent_peer_is_dropped() {
        let frames = Peer::new(&Told::new().await).await.hear_all().await;
        assert!(frames.starts_with(PING), "{frames:?}");
        assert!(frames.ends_with(FAREWELL), "{frames:?}");
    }

    #[actix_web::test]
    async fn a_peer_that_answers_pings_is_kept_and_what_it_says_is_ignored() {
        let told = Told::new().await;
        let mut peer = Peer::new(&told).await;
        for _ in 0..3 * SILENT_BEATS {
            assert_eq!(peer.hear().await.unwrap(), PING);
            // Also a text frame of one byte.
            peer.say(&[0x81, 0x81, 0, 0, 0, 0, b'x']);
            peer.say(PONG);
        }
    }

    #[actix_web::test]
    async fn a_frame_over_the_limit_ends_the_conversation() {
        let mut peer = Peer::new(&Told::new().await).await;
        // A text frame of 5000 bytes.
        peer.say(&[0x81, 0xfe, 0x13, 0x88, 0, 0, 0, 0]);
        peer.say(&[0; 5000]);
        assert_eq!(peer.hear_all().await, FAREWELL);
    }

    #[actix_web::test]
    async fn a_frame_that_does_not_end_ends_the_conversation() {
        let mut peer = Peer::new(&Told::new().await).await;
        // A text frame that says that it has 1 GiB.
        peer.say(&[0x81, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0]);
        peer.say(&[0; MAX_UNREAD_BYTES]);
        assert_eq!(peer.hear_all().await, FAREWELL);
    }

    #[actix_web::test]
    async fn many_small_frames_are_no_large_one() {
        const FRAME: [u8; 7] = [0x81, 0x81, 0, 0, 0, 0, b'x'];
        let mut peer = Peer::new(&Told::new().await).await;
        for _ in 0..3 {
            for _ in 0..MAX_UNREAD_BYTES / 2 / FRAME.len() {
                peer.say(&FRAME);
            }
            assert_eq!(peer.hear().await.unwrap(), PING);
        }
    }
}

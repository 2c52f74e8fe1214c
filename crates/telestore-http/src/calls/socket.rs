use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::ORIGIN;
use actix_web::web::{Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use actix_ws::{CloseCode, Closed, Message, MessageStream, Session};
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
    let (response, session, messages) = actix_ws::handle(request, payload).map_err(no_handshake)?;
    let pace = Pace::new(watch, options.heartbeat, listener);
    actix_web::rt::spawn(converse(pace, session, messages, options.heartbeat * SILENT_BEATS));
    Ok(response)
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

async fn converse(mut pace: Pace, session: Session, messages: MessageStream, silence: Duration) {
    let mut answering = session.clone();
    let mut telling = session.clone();
    let end = tokio::select! {
        end = tell(&mut pace, &mut telling) => end,
        () = listen(messages, &mut answering, silence) => Ok(CloseCode::Normal),
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
async fn listen(messages: MessageStream, session: &mut Session, silence: Duration) {
    let mut messages = messages.max_frame_size(MAX_FRAME_BYTES);
    while let Ok(Some(Ok(message))) = timeout(silence, messages.recv()).await {
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
    use actix_web::{App, HttpServer};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::testing::Told;

    const HEARTBEAT: Duration = Duration::from_millis(50);
    const PING: [u8; 2] = [0x89, 0];
    const PONG: [u8; 6] = [0x8a, 0x80, 0, 0, 0, 0];

    /// A peer whose frames are written by hand.
    async fn connect(told: &Told) -> TcpStream {
        let (engine, options) =
            (told.engine.clone(), HttpOptions { heartbeat: HEARTBEAT, ..HttpOptions::default() });
        let server =
            HttpServer::new(move || App::new().configure(crate::routes(engine.clone(), options.clone())));
        let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
        let address = server.addrs()[0];
        actix_web::rt::spawn(server.run());
        let mut peer = TcpStream::connect(address).await.unwrap();
        let head = "GET /ws/upload-progress/a HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n";
        peer.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(peer.read_u8().await.unwrap());
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
        peer
    }

    #[actix_web::test]
    async fn a_silent_peer_is_dropped() {
        let mut peer = connect(&Told::new().await).await;
        let mut frames = Vec::new();
        peer.read_to_end(&mut frames).await.unwrap();
        assert!(frames.starts_with(&PING), "{frames:?}");
        assert!(frames.ends_with(&[0x88, 2, 0x03, 0xe8]), "a farewell: {frames:?}");
    }

    #[actix_web::test]
    async fn a_peer_that_answers_pings_is_kept_and_what_it_says_is_ignored() {
        let told = Told::new().await;
        let mut peer = connect(&told).await;
        for _ in 0..3 * SILENT_BEATS {
            let mut ping = [0; 2];
            peer.read_exact(&mut ping).await.unwrap();
            assert_eq!(ping, PING);
            // Also a text frame of one byte.
            peer.write_all(&[0x81, 0x81, 0, 0, 0, 0, b'x']).await.unwrap();
            peer.write_all(&PONG).await.unwrap();
        }
    }

    #[actix_web::test]
    async fn a_frame_over_the_limit_ends_the_conversation() {
        let mut peer = connect(&Told::new().await).await;
        // A text frame that says that it has 1 GiB.
        peer.write_all(&[0x81, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0]).await.unwrap();
        let mut frames = Vec::new();
        peer.read_to_end(&mut frames).await.unwrap();
        assert!(frames.ends_with(&[0x88, 2, 0x03, 0xe8]), "{frames:?}");
    }
}

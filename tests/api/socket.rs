//! Live progress by WebSocket.

use futures_util::StreamExt;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::sse::held;
use crate::support::{File, Stage, soon};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn open(stage: &Stage, path: &str, origin: Option<&str>) -> Result<Socket, u16> {
    let url = stage.url(&format!("/ws/upload-progress/{path}")).replace("http://", "ws://");
    let mut request = url.into_client_request().unwrap();
    if let Some(origin) = origin {
        request.headers_mut().insert("Origin", origin.parse().unwrap());
    }
    match connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(answer)) => {
            let body: Value = serde_json::from_slice(answer.body().as_deref().unwrap()).unwrap();
            assert!(body["error"].is_string(), "{body}");
            Err(answer.status().as_u16())
        }
        Err(error) => panic!("{error}"),
    }
}

/// All states that come, and the code of the farewell.
async fn all(mut socket: Socket) -> (Vec<Value>, Option<CloseCode>) {
    let mut states = Vec::new();
    while let Some(message) = soon("a message", socket.next()).await {
        match message {
            Ok(Message::Text(text)) => states.push(serde_json::from_str(&text).unwrap()),
            Ok(Message::Close(frame)) => return (states, frame.map(|frame| frame.code)),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    (states, None)
}

#[tokio::test]
async fn messages_are_what_polls_tell_and_end_with_the_final_one() {
    let stage = Stage::new().await;
    let file = File::new(1000);
    let sending = held(&stage, &file).await;
    let mut socket = open(&stage, &file.id, None).await.unwrap();
    let first = soon("the first message", socket.next()).await.unwrap().unwrap().into_text().unwrap();
    assert_eq!(serde_json::from_str::<Value>(&first).unwrap(), stage.progress(&file.id).await.ok());
    stage.sandbox.faults().release(sending);
    let (states, code) = all(socket).await;
    assert_eq!(states.last(), Some(&stage.end(&file.id).await));
    assert_eq!(code, Some(CloseCode::Normal));
    let (states, code) = all(open(&stage, &file.id, None).await.unwrap()).await;
    assert_eq!((states.len(), code), (1, Some(CloseCode::Normal)), "an upload that is over");
}

#[tokio::test]
async fn who_may_not_listen_is_told_so_before_the_handshake() {
    let stage = Stage::new().await;
    let file = File::new(1000);
    stage.send(&file).await;
    assert_eq!(open(&stage, "unknown", None).await.unwrap_err(), 404);
    assert_eq!(open(&stage, &format!("{}?token=wrong", file.id), None).await.unwrap_err(), 401);
    open(&stage, &format!("{}?token={}", file.id, stage.user.auth_token), None).await.unwrap();
    let plain = stage.get(&format!("/ws/upload-progress/{}", file.id)).await.error(400);
    assert!(plain.contains("/upload-events/"), "{plain}");
}

#[tokio::test]
async fn only_pages_of_the_named_origins_may_connect() {
    let stage = Stage::with(&[("TELESTORE_CORS_ORIGINS", "https://a.example")]).await;
    let file = File::new(1000);
    stage.send(&file).await;
    assert_eq!(open(&stage, &file.id, Some("https://b.example")).await.unwrap_err(), 403);
    assert_eq!(open(&stage, &file.id, Some("null")).await.unwrap_err(), 403);
    open(&stage, &file.id, Some("https://a.example")).await.unwrap();
    open(&stage, &file.id, None).await.expect("programs send no origin");
    let everyone = Stage::new().await;
    everyone.send(&file).await;
    open(&everyone, &file.id, Some("https://b.example")).await.expect("as CORS does");
}

#[tokio::test]
async fn a_stop_says_goodbye() {
    let mut stage = Stage::new().await;
    let file = File::new(1000);
    stage.chunks(&file).await;
    let socket = open(&stage, &file.id, None).await.unwrap();
    stage.signal("TERM").await;
    assert_eq!(all(socket).await, (vec![], Some(CloseCode::Away)));
    assert!(stage.ended().await.success());
}

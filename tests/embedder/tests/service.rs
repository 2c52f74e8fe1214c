//! The whole service over HTTP, with each choice of parts.

use actix_web::{App, HttpResponse, web};
use embedder::counting::Calls;
use embedder::folder::{CHANNEL, FolderUploader};
use embedder::service::{Kept, Parts};
use reqwest::Client;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use telestore::backend::StaticCredentialProvider;
use telestore::types::{ChatId, Secret, TelegramCredentials, UserId};
use telestore_http::{HttpService, ServiceSettings};

const TOKEN: &str = "a-token-of-somebody";

const ID: &str = "1763790000000_embedded";

/// A file of three chunks, and where each of them ends.
fn file() -> (Vec<u8>, [usize; 3]) {
    let bytes = (0..700_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>();
    let ends = [1_000_000, 2_500_000, bytes.len()];
    (bytes, ends)
}

fn users() -> StaticCredentialProvider {
    let sends = TelegramCredentials::new(UserId::new("somebody"), ChatId::new(CHANNEL).expect("a chat"));
    StaticCredentialProvider::new(&sends, [Secret::new(TOKEN)])
}

/// Sends a file by the documented flow, and gives what its progress says at the end.
async fn send(url: &str) -> Value {
    let (client, (bytes, ends)) = (Client::new(), file());
    let mut start = 0;
    for (index, end) in ends.into_iter().enumerate() {
        let form = Form::new()
            .part("chunk", Part::bytes(bytes[start..end].to_vec()).file_name("blob"))
            .text("uploadId", ID)
            .text("chunkIndex", index.to_string())
            .text("totalChunks", ends.len().to_string())
            .text("fileName", "numbers.bin")
            .text("fileSize", bytes.len().to_string())
            .text("authToken", TOKEN);
        let chunk = client.post(format!("{url}/upload-chunk")).multipart(form).send().await;
        chunk.expect("an answer").error_for_status().expect("it is taken");
        start = end;
    }
    let complete = client.post(format!("{url}/complete-upload")).json(&json!({"uploadId": ID})).send().await;
    complete.expect("an answer").error_for_status().expect("it is queued");
    loop {
        // The answer comes with the next change, of which the bus tells.
        let progress = client.get(format!("{url}/upload-progress/{ID}?wait=30")).send().await;
        let progress: Value = progress.expect("an answer").json().await.expect("JSON");
        if progress["status"] != "uploading" {
            return progress;
        }
    }
}

async fn serves(kept: Kept) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (data, channel) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let calls = Calls::default();
    let parts = Parts::open(kept, data.path(), channel.path(), &calls).await.expect("the parts open");
    let engine = parts.engine(users()).expect("an engine");
    let running = engine.start().await.expect("it starts");

    let service = HttpService::new(&engine, ServiceSettings::default());
    let files = service.clone();
    let app = move || {
        let app = App::new().route("/hello", web::get().to(async || HttpResponse::Ok().body("hello")));
        files.wrap(app.service(web::scope("/files").configure(files.routes())))
    };
    let listeners = telestore_http::listeners("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listeners[0].local_addr().expect("an address"));
    let server = service.serve(listeners, None, app).expect("a server");
    let handle = server.handle();
    let server = tokio::spawn(server);

    let hello = reqwest::get(format!("{url}/hello")).await.expect("an answer");
    assert!(hello.headers().contains_key("x-request-id"), "the layers are around all routes");
    assert_eq!(hello.text().await.expect("text"), "hello");
    let end = send(&format!("{url}/files")).await;
    assert_eq!((&end["status"], &end["fileId"]), (&json!("completed"), &json!("folder:1")), "{end}");
    let arrived = FolderUploader::new(channel.path()).path(1);
    assert!(std::fs::read(arrived).expect("a file") == file().0, "other bytes arrived");

    assert_eq!((calls.of("record_chunk"), calls.of("finish")), (3, 1));

    handle.stop(true).await;
    server.await.expect("no panic").expect("it stops");
    running.shutdown().await;
    for made in ["uploads.db", "pack"] {
        assert_eq!(data.path().join(made).exists(), kept == Kept::Safely, "{made}");
    }
}

#[tokio::test]
async fn it_serves_from_memory() {
    serves(Kept::Briefly).await;
}

#[tokio::test]
async fn it_serves_from_sqlite_and_the_pack() {
    serves(Kept::Safely).await;
}

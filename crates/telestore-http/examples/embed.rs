//! Somebody else's actix service that mounts the worker's routes next to its own.
//!
//! It runs against the sandbox: `cargo run -p telestore-http --example embed`, then try the printed commands. With
//! `-- --once` it sends a file to itself and ends.

use std::error::Error;
use std::sync::Arc;

use actix_web::{App, HttpResponse, web};
use telestore::backend::{CachedCredentialProvider, HttpConfig, HttpCredentialProvider, HttpWebhookSender};
use telestore::store::{LocalChunkStore, SqliteSessionStore};
use telestore::types::SystemClock;
use telestore::uploader::{AllowedAddresses, BotApiConfig, BotApiUploader, MtprotoConfig, MtprotoUploader};
use telestore::{Sealer, Telestore};
use telestore_http::{HttpService, ServiceSettings};
use telestore_sandbox::Sandbox;

/// A route of the service's own.
async fn hello() -> HttpResponse {
    HttpResponse::Ok().body("hello from the service\n")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let sandbox = Sandbox::start().await?;
    let data = tempfile::tempdir()?;
    let backend = HttpConfig::new(sandbox.backend_url());
    let bot_api = BotApiConfig::at(sandbox.bot_api_url());
    // The sandbox is on this machine, where users' session strings must not lead otherwise.
    let mut mtproto = MtprotoConfig::default();
    mtproto.allowed = AllowedAddresses::any();
    let engine = Telestore::builder()
        .sessions(SqliteSessionStore::open(data.path().join("uploads.db")).await?)
        .chunks(LocalChunkStore::open(data.path())?)
        .sealer(Sealer::from_file(&data.path().join("secret.key"))?)
        .credentials(CachedCredentialProvider::new(
            HttpCredentialProvider::new(&backend)?,
            Arc::new(SystemClock),
        ))
        .webhooks(HttpWebhookSender::new(&backend)?)
        .uploader(BotApiUploader::new(bot_api)?)
        .uploader(MtprotoUploader::new(mtproto))
        .build()?;
    let running = engine.start().await?;

    // All layers of the worker are around both; the service's own pages keep their headers and errors.
    let service = HttpService::new(&engine, ServiceSettings::default());
    let files = service.clone();
    let app = move || {
        let app = App::new().route("/hello", web::get().to(hello));
        files.wrap(app.service(web::scope("/files").configure(files.routes())))
    };
    let listeners = telestore_http::listeners("127.0.0.1:0")?;
    let address = listeners[0].local_addr()?;
    let server = service.serve(listeners, None, app)?;
    let handle = server.handle();
    let server = tokio::spawn(server);

    let token = sandbox.user().auth_token;
    if std::env::args().any(|argument| argument == "--once") {
        try_it(&format!("http://{address}"), &token).await?;
        let messages = sandbox.messages_of(&sandbox.user());
        assert_eq!(std::fs::read(&messages[0].path)?, b"hello, channel");
        println!("both routes answered, and message {} is in the channel", messages[0].message_id);
    } else {
        println!("curl http://{address}/hello");
        println!("curl -F file=@README.md -F authToken={token} http://{address}/files/upload");
        tokio::signal::ctrl_c().await?;
    }
    handle.stop(true).await;
    server.await??;
    running.shutdown().await;
    Ok(())
}

async fn try_it(url: &str, token: &str) -> Result<(), Box<dyn Error>> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::new();
    let hello = client.get(format!("{url}/hello")).send().await?.error_for_status()?.text().await?;
    assert_eq!(hello, "hello from the service\n");
    let index = client.get(format!("{url}/files")).send().await?;
    assert!(index.headers().contains_key("x-request-id"), "the layers are there");
    let form = reqwest::multipart::Form::new()
        .part("file", reqwest::multipart::Part::bytes(b"hello, channel".to_vec()).file_name("hello.txt"))
        .text("authToken", token.to_owned());
    client.post(format!("{url}/files/upload")).multipart(form).send().await?.error_for_status()?;
    Ok(())
}

//! The engine without HTTP: chunks go in, a message in the channel comes out.
//!
//! It runs against the sandbox, so it needs neither a Telegram account nor the internet:
//! `cargo run -p telestore --example engine`

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use telestore::backend::{CachedCredentialProvider, HttpConfig, HttpCredentialProvider, HttpWebhookSender};
use telestore::store::{LocalChunkStore, SqliteSessionStore};
use telestore::types::{FileName, Secret, SystemClock, UploadId, UploadStatus};
use telestore::uploader::{AllowedAddresses, BotApiConfig, BotApiUploader, MtprotoConfig, MtprotoUploader};
use telestore::{Caller, FileInfo, IncomingChunk, Sealer, Telestore};
use telestore_sandbox::Sandbox;

const CHUNK: usize = 4 * 1024 * 1024;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let sandbox = Sandbox::start().await?;
    let user = sandbox.user();
    let data = tempfile::tempdir()?;

    // Everything is a trait: put your own stores, backends or credentials in.
    let backend = HttpConfig::new(sandbox.backend_url());
    let bot_api = BotApiConfig::at(sandbox.bot_api_url()).with(|config| config.max_bytes = 1024 * 1024);
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

    let bytes: Vec<u8> = (0..10 * 1024 * 1024_u32).map(|n| n.to_le_bytes()[1]).collect();
    let token = Secret::new(user.auth_token.as_str());
    let (id, name) = (UploadId::new("example-1")?, FileName::new("pattern.bin")?);
    let chunks = u32::try_from(bytes.len().div_ceil(CHUNK))?;
    let file = FileInfo::new(id, name, bytes.len() as u64, chunks);
    for (index, piece) in (0..).zip(bytes.chunks(CHUNK)) {
        let mut spool = engine.spool().await?;
        spool.write(Bytes::copy_from_slice(piece)).await?;
        let chunk = IncomingChunk::new(file.clone(), index);
        let receipt = engine.write_chunk(&chunk, spool.finish().await?, &Caller::from(&token)).await?;
        println!("chunk {index} is safe; {} of {} are there", receipt.received_chunks, receipt.total_chunks);
    }

    let mut events = engine.subscribe(&file.id);
    engine.complete(&file.id, &Caller::nobody()).await?;
    let end = loop {
        let event = events.next().await.ok_or("the engine stopped")?;
        println!("{:?} {}%", event.stage, event.progress);
        if event.status != UploadStatus::Uploading {
            break event;
        }
    };
    assert_eq!(end.status, UploadStatus::Completed, "{:?}", end.error);

    let messages = sandbox.messages_of(&user);
    assert_eq!(std::fs::read(&messages[0].path)?, bytes);
    sandbox.wait_for_webhooks(1).await;
    println!("message {} holds the same bytes, and the backend knows", messages[0].message_id);
    running.shutdown().await;
    Ok(())
}

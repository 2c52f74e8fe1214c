//! Requests of tus in any order, right and wrong, through the real routes and all layers: each is answered as a model of a few
//! lines says, none by 5xx, and each file that is whole is in the channel once, byte by byte.
#![no_main]

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use actix_web::App;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::rt::{System, SystemRunner};
use actix_web::test::{TestRequest, call_service, init_service};
use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};
use telestore::backend::{NoWebhook, StaticCredentialProvider};
use telestore::store::{MemoryChunkStore, MemorySessionStore};
use telestore::types::{ChatId, Secret, StoredAs, StoredFile, StoredMessage, TelegramCredentials, UserId};
use telestore::uploader::{Capability, Error, ProgressSink, Requirement, TelegramUploader, UploadRequest};
use telestore::{EngineConfig, Telestore};
use telestore_http::{HttpService, ServiceSettings};

const TOKEN: &str = "token";

/// The longest file.
const LONGEST: u64 = 12;

/// As many as a model shows anything with.
const UPLOADS: usize = 6;

/// Files by their names, as they came to the channel.
type Channel = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

fuzz_target!(|input: &[u8]| {
    thread_local!(static SYSTEM: OnceCell<SystemRunner> = const { OnceCell::new() });
    SYSTEM.with(|system| {
        let system = system.get_or_init(System::new);
        let _ = system.block_on(run(&mut Unstructured::new(input)));
    });
});

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Streamed,
    Partial,
    Final,
}

/// An upload as its client sees it.
#[derive(Debug)]
struct Upload {
    path: String,
    name: String,
    kind: Kind,
    length: Option<u64>,
    bytes: Vec<u8>,
    /// Whether its client has ended it.
    ended: bool,
    /// Whether its message is in the channel, for sure.
    sent: bool,
    /// Of a final one, its parts.
    parts: Vec<usize>,
}

impl Upload {
    /// One that was just made at this place.
    fn new(at: usize, location: &str, kind: Kind, length: Option<u64>, bytes: Vec<u8>) -> Self {
        let (path, name) = (format!("/{location}"), name(at));
        Self { path, name, kind, length, bytes, ended: false, sent: false, parts: Vec::new() }
    }

    /// Whether a HEAD finds it: not once it was ended, nor without a byte, which is no file that Telegram takes.
    fn is_there(&self) -> bool {
        !self.ended && (self.kind == Kind::Partial || self.length != Some(0))
    }

    fn offset(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn is_whole(&self) -> bool {
        self.length == Some(self.offset())
    }
}

#[derive(Debug)]
struct Uploader(Channel);

#[async_trait]
impl TelegramUploader for Uploader {
    fn name(&self) -> &'static str {
        "model"
    }

    fn capability(&self) -> Capability {
        Capability::new(1_000, Requirement::Nothing)
    }

    async fn upload(
        &self,
        request: UploadRequest,
        progress: Arc<dyn ProgressSink>,
    ) -> std::result::Result<StoredFile, Error> {
        let bytes = request.source.read_at(0, request.source.len() as usize).await?.to_vec();
        progress.commit(None).await?;
        let id = {
            let mut channel = self.0.lock().unwrap();
            channel.push((request.file_name.as_str().to_owned(), bytes));
            channel.len() as i64
        };
        let message = StoredMessage::new(id, StoredAs::Mtproto { document_id: id }, request.source.len());
        Ok(StoredFile::new(message))
    }
}

fn engine(channel: &Channel) -> Telestore {
    let credentials = TelegramCredentials::new(UserId::new("u"), ChatId::new("-1001").unwrap());
    Telestore::builder()
        .sessions(MemorySessionStore::new())
        .chunks(MemoryChunkStore::new())
        .credentials(StaticCredentialProvider::new(&credentials, [Secret::new(TOKEN)]))
        .webhooks(NoWebhook)
        .uploader(Uploader(channel.clone()))
        .config(EngineConfig::default().with(|config| config.alone = true))
        .build()
        .unwrap()
}

async fn run(input: &mut Unstructured<'_>) -> Result<()> {
    let channel = Channel::default();
    let engine = engine(&channel);
    let service = HttpService::new(&engine, ServiceSettings::default());
    let worker = init_service(service.wrap(App::new().configure(service.routes()))).await;
    let mut uploads: Vec<Upload> = Vec::new();
    let mut done = Ok(());
    while !input.is_empty() && done.is_ok() {
        done = step(&worker, &engine, &mut uploads, input).await;
    }
    send(&engine, &mut uploads).await;
    check(&uploads, &channel.lock().unwrap());
    done
}

async fn step(
    worker: &impl Worker,
    engine: &Telestore,
    uploads: &mut Vec<Upload>,
    input: &mut Unstructured<'_>,
) -> Result<()> {
    let step = input.int_in_range(0..=9)?;
    match step {
        0 | 1 if uploads.len() < UPLOADS => return create(worker, uploads, input).await,
        2 if uploads.len() < UPLOADS && !uploads.is_empty() => return join(worker, uploads, input).await,
        9 => send(engine, uploads).await,
        _ => {}
    }
    if !(3..=8).contains(&step) || uploads.is_empty() {
        return Ok(());
    }
    let at = input.choose_index(uploads.len())?;
    if is_spent(uploads, at) {
        return Ok(());
    }
    let upload = &mut uploads[at];
    match step {
        7 => look(worker, upload).await,
        8 => {
            let (status, _) = worker.answer(tus(Method::DELETE, &upload.path)).await;
            assert_eq!(status, if upload.ended { 404 } else { 204 }, "{upload:?}");
            upload.ended = true;
        }
        _ => append(worker, upload, input).await?,
    }
    Ok(())
}

fn tus(method: Method, path: &str) -> TestRequest {
    TestRequest::with_uri(path)
        .method(method)
        .insert_header(("Tus-Resumable", "1.0.0"))
        .insert_header(("Authorization", format!("Bearer {TOKEN}")))
}

/// What the file at this place is called.
fn name(at: usize) -> String {
    format!("{at}.bin")
}

fn creation(at: usize) -> TestRequest {
    let name = BASE64_STANDARD.encode(name(at));
    tus(Method::POST, "/tus").insert_header(("Upload-Metadata", format!("filename {name}")))
}

/// The routes in their layers.
trait Worker {
    /// The status and the headers of an answer, which is never one of a fault.
    async fn answer(&self, request: TestRequest) -> (u16, BTreeMap<String, String>);
}

impl<S, B> Worker for S
where
    S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody,
{
    async fn answer(&self, request: TestRequest) -> (u16, BTreeMap<String, String>) {
        let answer = call_service(self, request.to_request()).await;
        assert!(!answer.status().is_server_error(), "{:?}", answer.status());
        assert_eq!(answer.headers().get("tus-resumable").unwrap(), "1.0.0");
        let text = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.as_str().to_owned(), value.to_str().unwrap().to_owned())
        };
        (answer.status().as_u16(), answer.headers().iter().map(text).collect())
    }
}

fn some_bytes(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let length = input.int_in_range(0..=LONGEST as usize)?;
    (0..length).map(|_| input.arbitrary()).collect()
}

/// Bytes as a body, with a digest now and then; says whether that is another one's.
fn with_body(
    request: TestRequest,
    bytes: &[u8],
    input: &mut Unstructured<'_>,
) -> Result<(TestRequest, bool)> {
    let request = request
        .insert_header(("Content-Type", "application/offset+octet-stream"))
        .insert_header(("Content-Length", bytes.len()))
        .set_payload(bytes.to_vec());
    if bytes.is_empty() || !input.ratio(1, 4)? {
        return Ok((request, false));
    }
    let is_wrong = input.arbitrary()?;
    let sum = Sha256::digest(if is_wrong { b"others" } else { bytes });
    let sum = BASE64_STANDARD.encode(sum);
    Ok((request.insert_header(("Upload-Checksum", format!("sha256 {sum}"))), is_wrong))
}

async fn create(worker: &impl Worker, uploads: &mut Vec<Upload>, input: &mut Unstructured<'_>) -> Result<()> {
    let mut request = creation(uploads.len());
    let (length, deferred): (Option<u64>, bool) =
        (if input.arbitrary()? { Some(input.int_in_range(0..=LONGEST)?) } else { None }, input.arbitrary()?);
    let kind = if input.arbitrary()? { Kind::Partial } else { Kind::Streamed };
    if let Some(length) = length {
        request = request.insert_header(("Upload-Length", length));
    }
    if deferred {
        request = request.insert_header(("Upload-Defer-Length", "1"));
    }
    if kind == Kind::Partial {
        request = request.insert_header(("Upload-Concat", "partial"));
    }
    let (mut bytes, mut is_wrong) = (Vec::new(), false);
    let has_body = input.arbitrary()?;
    if has_body {
        bytes = some_bytes(input)?;
        (request, is_wrong) = with_body(request, &bytes, input)?;
    }
    let (status, headers) = worker.answer(request).await;
    let too_long = length.is_some_and(|length| bytes.len() as u64 > length);
    let expected = match (length.is_some() == deferred, too_long, is_wrong) {
        (true, ..) => 400,
        (_, true, _) => 413,
        (.., true) => 460,
        _ => 201,
    };
    assert_eq!(status, expected, "{length:?} {deferred} {bytes:?}");
    if status == 201 {
        let offset = has_body.then(|| bytes.len().to_string());
        assert_eq!(headers.get("upload-offset"), offset.as_ref());
        uploads.push(Upload::new(uploads.len(), &headers["location"], kind, length, bytes));
    }
    Ok(())
}

/// Puts two together, which may be one, or none that can be put together.
async fn join(worker: &impl Worker, uploads: &mut Vec<Upload>, input: &mut Unstructured<'_>) -> Result<()> {
    let parts = vec![input.choose_index(uploads.len())?, input.choose_index(uploads.len())?];
    if parts.iter().any(|part| is_spent(uploads, *part)) {
        return Ok(());
    }
    let named = format!("final;{} {}", uploads[parts[0]].path, uploads[parts[1]].path);
    let request = creation(uploads.len()).insert_header(("Upload-Concat", named));
    let (status, headers) = worker.answer(request).await;
    let usable = |at: &usize| {
        let part = &uploads[*at];
        part.is_there() && part.kind == Kind::Partial && part.is_whole()
    };
    assert_eq!(status, if parts.iter().all(usable) { 201 } else { 400 }, "{parts:?} of {uploads:?}");
    if status == 201 {
        let bytes: Vec<u8> = parts.iter().flat_map(|at| uploads[*at].bytes.clone()).collect();
        let length = Some(bytes.len() as u64);
        let whole = Upload::new(uploads.len(), &headers["location"], Kind::Final, length, bytes);
        uploads.push(Upload { parts, ..whole });
    }
    Ok(())
}

/// Whether a part belongs to a file that is over, so that it may be gone.
fn is_spent(uploads: &[Upload], part: usize) -> bool {
    uploads.iter().any(|upload| upload.parts.contains(&part) && (upload.sent || !upload.is_there()))
}

async fn append(worker: &impl Worker, upload: &mut Upload, input: &mut Unstructured<'_>) -> Result<()> {
    let bytes = some_bytes(input)?;
    let offset = if input.ratio(1, 8)? { input.int_in_range(0..=LONGEST)? } else { upload.offset() };
    let length = if input.ratio(1, 4)? { Some(input.int_in_range(0..=2 * LONGEST)?) } else { None };
    let mut request = tus(Method::PATCH, &upload.path).insert_header(("Upload-Offset", offset));
    if let Some(length) = length {
        request = request.insert_header(("Upload-Length", length));
    }
    let (request, is_wrong) = with_body(request, &bytes, input)?;
    let (status, headers) = worker.answer(request).await;
    let received = offset + bytes.len() as u64;
    let expected = match upload.length.or(length) {
        _ if !upload.is_there() => 404,
        _ if upload.kind == Kind::Final => 403,
        _ if offset != upload.offset() => 409,
        Some(known) if length.is_some_and(|length| length != known) => 400,
        Some(known) if received > known => 413,
        _ if is_wrong => 460,
        _ => 204,
    };
    assert_eq!(status, expected, "{length:?} {offset} {bytes:?} to {upload:?}");
    if matches!(status, 204 | 460) {
        upload.length = upload.length.or(length);
    }
    if status == 204 {
        upload.bytes.extend(bytes);
        assert_eq!(headers["upload-offset"], upload.offset().to_string());
    }
    Ok(())
}

async fn look(worker: &impl Worker, upload: &Upload) {
    let (status, headers) = worker.answer(tus(Method::HEAD, &upload.path)).await;
    if !upload.is_there() {
        assert_eq!(status, 404, "{upload:?}");
        return;
    }
    assert_eq!(status, 200, "{upload:?}");
    assert_eq!(headers["upload-offset"], upload.offset().to_string());
    assert_eq!(headers.get("upload-length").cloned(), upload.length.map(|length| length.to_string()));
    assert_eq!(headers.contains_key("upload-defer-length"), upload.length.is_none());
    assert_eq!(headers["cache-control"], "no-store");
}

/// Sends all that is whole.
async fn send(engine: &Telestore, uploads: &mut [Upload]) {
    while engine.step().await.unwrap() {}
    for upload in uploads {
        upload.sent |= upload.kind != Kind::Partial && upload.is_there() && upload.is_whole();
    }
}

fn check(uploads: &[Upload], channel: &[(String, Vec<u8>)]) {
    for upload in uploads {
        let found: Vec<_> = channel.iter().filter(|(name, _)| *name == upload.name).collect();
        assert_eq!(found.len(), usize::from(upload.sent), "{upload:?}");
        assert!(found.iter().all(|(_, bytes)| *bytes == upload.bytes), "{upload:?} is {found:?}");
    }
}

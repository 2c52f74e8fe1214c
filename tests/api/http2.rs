//! Clients that speak HTTP/2 in bad faith: one connection does not get more than its part, and others go on.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{File, MIB, Stage, soon};
use crate::tls::Files;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

/// The payload of a ping that follows what is to be read.
const ASK: &[u8] = b"all read";

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// `GET path`, in HPACK, without an index that remembers it.
fn get(path: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [&[0x82, 0x87, 0x04][..], &text(path), &[0x01], &text("localhost")].concat()
}

/// A connection by TLS on which this protocol is spoken by hand.
pub(crate) async fn connect_by(protocol: &[u8], files: &Files, stage: &Stage) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(files.cert()).unwrap()).unwrap();
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let address = stage.url("").trim_start_matches("https://").to_owned();
    let socket = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
    stream
}

/// Its kind, its stream and its payload.
type Frame = (u8, u32, Vec<u8>);

/// A connection whose frames are written by hand.
struct Raw(TlsStream<TcpStream>);

impl Raw {
    async fn connect(files: &Files, stage: &Stage) -> Self {
        Self(connect_by(b"h2", files, stage).await)
    }

    /// Sends all of it, or as much as the worker takes, and reads on meanwhile; then the frames that came until they are `enough`
    /// or the worker closed.
    async fn exchange(self, bytes: Vec<u8>, enough: impl Fn(&[Frame]) -> bool) -> Vec<Frame> {
        let (mut read, mut write) = split(self.0);
        let mut got = Vec::new();
        let reading = async {
            while read.read_buf(&mut got).await.unwrap_or(0) > 0 {
                if enough(&frames(&got)) {
                    break;
                }
            }
        };
        let writing = async {
            let _ = write.write_all(&bytes).await;
            std::future::pending::<()>().await;
        };
        let either = async {
            tokio::select! {
                () = reading => {}
                () = writing => {}
            }
        };
        soon("the worker's frames", either).await;
        frames(&got)
    }
}

/// Whether what was sent before [`ASK`] has been read.
fn is_all_read(frames: &[Frame]) -> bool {
    frames.iter().any(|(kind, _, payload)| (*kind, payload.as_slice()) == (PING, ASK))
}

fn count(frames: &[Frame], wanted: u8) -> usize {
    frames.iter().filter(|(kind, ..)| *kind == wanted).count()
}

fn frames(mut bytes: &[u8]) -> Vec<Frame> {
    let mut found = Vec::new();
    while let Some(head) = bytes.get(..9) {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let Some(payload) = bytes.get(9..9 + length) else { break };
        found.push((head[3], u32::from_be_bytes(head[5..9].try_into().unwrap()), payload.to_vec()));
        bytes = &bytes[9 + length..];
    }
    found
}

/// A client's beginning; `window` is what it lets the worker send of each answer.
fn begin(window: u32) -> Vec<u8> {
    let settings = [&[0, 4][..], &window.to_be_bytes()].concat();
    [PREFACE, &frame(SETTINGS, 0, 0, &settings), &frame(SETTINGS, 1, 0, &[])].concat()
}

/// Others are served while `what` goes on, and the worker does not grow much.
async fn others_go_on<T>(stage: &Stage, memory: u64, what: impl Future<Output = T>) -> T {
    let is_over = Cell::new(false);
    let what = async {
        let result = what.await;
        is_over.set(true);
        result
    };
    let others = async {
        loop {
            let begin = Instant::now();
            stage.direct(&File::new(MIB)).await.ok();
            // Some seconds, if the machine is busy, too.
            assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
            let grown = stage.memory();
            assert!(grown < memory + 40 * MIB as u64, "{grown} bytes with it, {memory} without");
            if is_over.get() {
                return;
            }
        }
    };
    tokio::join!(what, others).0
}

/// A stage that has served before, and its memory.
async fn stage(files: &Files) -> (Stage, u64) {
    let stage = files.stage_with(&[("TELESTORE_BODY_TIMEOUT", "2s")]).await;
    stage.direct(&File::new(MIB)).await.ok();
    let memory = stage.memory();
    (stage, memory)
}

#[tokio::test]
async fn answers_that_nobody_takes_are_few_and_are_given_up() {
    let files = Files::new();
    let (stage, memory) = stage(&files).await;
    let mut bytes = begin(0);
    for n in 0..40_000 {
        bytes.extend(frame(HEADERS, END_STREAM | END_HEADERS, 2 * n + 1, &get("/")));
    }
    let is_told_to_stop = |frames: &[Frame]| count(frames, GOAWAY) > 0;
    let exchange = Raw::connect(&files, &stage).await.exchange(bytes, is_told_to_stop);
    let frames = others_go_on(&stage, memory, exchange).await;
    let begun = count(&frames, HEADERS);
    assert!(begun <= 128, "{begun} answers were begun");
    assert!(is_told_to_stop(&frames), "{frames:?}");

    // As many as may be, by a client that otherwise keeps to the rules.
    let mut bytes = begin(0);
    for n in 0..100 {
        bytes.extend(frame(HEADERS, END_STREAM | END_HEADERS, 2 * n + 1, &get("/")));
    }
    let are_given_up = |frames: &[Frame]| count(frames, RST_STREAM) == 100;
    let frames = Raw::connect(&files, &stage).await.exchange(bytes, are_given_up).await;
    assert!(are_given_up(&frames), "{frames:?}");
    assert!(!frames.iter().any(|(kind, _, payload)| *kind == DATA && !payload.is_empty()));
}

#[tokio::test]
async fn heads_of_millions_of_headers_take_no_memory() {
    let files = Files::new();
    let (stage, memory) = stage(&files).await;
    // `accept-encoding: gzip, deflate` is one byte.
    let block = vec![0x90; 16_000];
    let mut bytes = begin(65_535);
    for n in 0..16 {
        let head = [get("/"), block.clone()].concat();
        bytes.extend(frame(HEADERS, END_STREAM, 2 * n + 1, &head));
        for _ in 0..27 {
            bytes.extend(frame(CONTINUATION, 0, 2 * n + 1, &block));
        }
        bytes.extend(frame(CONTINUATION, END_HEADERS, 2 * n + 1, &[]));
    }
    bytes.extend(frame(PING, 0, 0, ASK));
    let raws =
        (0..4).map(async |_| Raw::connect(&files, &stage).await.exchange(bytes.clone(), is_all_read).await);
    let frames = others_go_on(&stage, memory, join_all(raws)).await;
    for frames in frames {
        assert!(!frames.iter().any(|(kind, ..)| *kind == DATA), "none of them is served");
    }
}

#[tokio::test]
async fn a_head_with_too_many_headers_is_refused_and_the_connection_goes_on() {
    let files = Files::new();
    let (stage, _) = stage(&files).await;
    let header = |n: usize| [&[0x00, 5][..], format!("x-{n:03}").as_bytes(), &[1, b'y']].concat();
    let many: Vec<u8> = (0..97).flat_map(header).collect();
    let fits: Vec<u8> = (0..90).flat_map(header).collect();
    let mut bytes = begin(65_535);
    bytes.extend(frame(HEADERS, END_STREAM | END_HEADERS, 1, &[get("/health"), many].concat()));
    bytes.extend(frame(HEADERS, END_STREAM | END_HEADERS, 3, &[get("/health"), fits].concat()));
    let is_refused = |frames: &[Frame]| frames.iter().any(|(kind, at, _)| (*kind, *at) == (HEADERS, 1));
    let enough = |frames: &[Frame]| is_refused(frames) && count(frames, DATA) > 0;
    let frames = Raw::connect(&files, &stage).await.exchange(bytes, enough).await;
    let bodies: Vec<_> = frames.iter().filter(|(kind, _, body)| *kind == DATA && !body.is_empty()).collect();
    assert!(matches!(bodies.as_slice(), [(_, 3, body)] if body == b"{\"status\":\"ok\"}"), "{frames:?}");
    assert!(is_refused(&frames), "{frames:?}");
}

#[tokio::test]
async fn requests_that_are_taken_back_leave_nothing_behind() {
    let files = Files::new();
    let (stage, memory) = stage(&files).await;
    let file = File::new(1000);
    stage.chunks(&file).await;
    let wait = get(&format!("/upload-progress/{}?wait=30", file.id));
    let mut bytes = begin(65_535);
    let cancel = 8_u32.to_be_bytes();
    for n in 0..5000 {
        bytes.extend(frame(HEADERS, END_STREAM | END_HEADERS, 2 * n + 1, &wait));
        bytes.extend(frame(RST_STREAM, 0, 2 * n + 1, &cancel));
    }
    bytes.extend(frame(PING, 0, 0, ASK));
    let exchange = Raw::connect(&files, &stage).await.exchange(bytes, is_all_read);
    others_go_on(&stage, memory, exchange).await;
    let in_flight = async {
        loop {
            let metrics = stage.client.get(stage.url("/metrics")).send().await.unwrap().text().await.unwrap();
            // This one.
            if metrics.contains("telestore_http_requests_in_flight 1\n") {
                return;
            }
        }
    };
    let begin = Instant::now();
    soon("the requests to end", in_flight).await;
    assert!(
        begin.elapsed() < Duration::from_secs(25),
        "those who wait would have done so for 30: {:?}",
        begin.elapsed()
    );
}

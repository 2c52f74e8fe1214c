//! HTTPS by the worker itself.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use reqwest::{Certificate, Client, ClientBuilder, Version};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::config::fails;
use crate::sse::Events;
use crate::support::{File, MIB, Stage, allow_open_files, program, soon};

/// A certificate for this machine and its key, in files.
pub(crate) struct Files {
    dir: TempDir,
}

impl Files {
    pub(crate) fn new() -> Self {
        let files = Self { dir: tempfile::tempdir().unwrap() };
        files.write(&pair());
        files
    }

    fn write(&self, (cert, key): &(String, String)) {
        std::fs::write(self.cert(), cert).unwrap();
        std::fs::write(self.key(), key).unwrap();
    }

    pub(crate) fn cert(&self) -> PathBuf {
        self.dir.path().join("cert.pem")
    }

    fn key(&self) -> PathBuf {
        self.dir.path().join("key.pem")
    }

    pub(crate) async fn stage(&self) -> Stage {
        self.stage_with(&[]).await
    }

    pub(crate) async fn stage_with(&self, settings: &[(&str, &str)]) -> Stage {
        let (cert, key) = (self.cert(), self.key());
        let tls =
            [("TELESTORE_TLS_CERT", cert.to_str().unwrap()), ("TELESTORE_TLS_KEY", key.to_str().unwrap())];
        let mut stage = Stage::with(&[&tls, settings].concat()).await;
        stage.client = trusting(&self.cert()).build().unwrap();
        stage
    }
}

/// A certificate and its key in PEM.
fn pair() -> (String, String) {
    let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    (pair.cert.pem(), pair.signing_key.serialize_pem())
}

/// A client that trusts nobody else.
pub(crate) fn trusting(cert: &Path) -> ClientBuilder {
    let cert = Certificate::from_pem(&std::fs::read(cert).unwrap()).unwrap();
    Client::builder().tls_certs_only([cert])
}

#[tokio::test]
async fn files_go_by_http_2_and_by_http_1() {
    let files = Files::new();
    let mut stage = files.stage().await;
    assert!(stage.url("/").starts_with("https://"));
    let index = stage.client.get(stage.url("/")).send().await.unwrap();
    assert_eq!(index.version(), Version::HTTP_2);
    assert!(index.headers()["strict-transport-security"].to_str().unwrap().starts_with("max-age="));
    let chunked = File::new(11 * MIB);
    assert_eq!(stage.send(&chunked).await["status"], "completed");
    let direct = File::new(3 * MIB);
    stage.direct(&direct).await.ok();

    stage.client = trusting(&files.cert()).http1_only().build().unwrap();
    let index = stage.client.get(stage.url("/")).send().await.unwrap();
    assert_eq!(index.version(), Version::HTTP_11);
    let again = File::new(11 * MIB);
    assert_eq!(stage.send(&again).await["status"], "completed");
    let messages = stage.sandbox.messages_of(&stage.user);
    assert_eq!(messages.len(), 3);
    for (file, message) in [chunked, direct, again].iter().zip(&messages) {
        file.assert_is(message);
    }
}

#[tokio::test]
async fn a_refused_upload_can_be_read_by_http_2() {
    let stage = Files::new().stage().await;
    let form = File::new(8 * MIB).direct("nobody");
    let request = stage.client.post(stage.url("/upload")).bearer_auth("nobody").multipart(form);
    assert!(stage.ask(request).await.error(401).contains("invalid authToken"));
    // The connection is good for more.
    stage.direct(&File::new(10)).await.ok();
}

#[tokio::test]
async fn many_listen_on_one_connection_by_http_2() {
    let mut stage = Files::new().stage().await;
    let (file, waiting) = (File::new(1000), File::new(1000));
    stage.chunks(&file).await;
    stage.chunks(&waiting).await;
    let mut listeners = Vec::new();
    for _ in 0..20 {
        let events = Events::open(&stage, &file.id, None).await;
        assert_eq!(events.response.version(), Version::HTTP_2);
        listeners.push(events);
    }
    stage.complete(&file.id).await.ok();
    for events in listeners {
        assert_eq!(events.all().await.last().unwrap().data["status"], "completed");
    }
    let left = Events::open(&stage, &waiting.id, None).await;
    stage.signal("TERM").await;
    assert_eq!(left.all().await, []);
    assert!(stage.ended().await.success());
}

#[tokio::test]
async fn one_connection_carries_so_many_requests_and_no_more() {
    let files = Files::new();
    let mut stage = files.stage().await;
    let file = File::new(1000);
    stage.chunks(&file).await;
    let mut listeners = Vec::new();
    for _ in 0..128 {
        let events = Events::open(&stage, &file.id, None).await;
        assert_eq!(events.response.status(), 200);
        listeners.push(events);
    }
    // The client was told how many there may be, and waits.
    let next = tokio::spawn(stage.client.get(stage.url("/health")).send());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!next.is_finished());

    let other = trusting(&files.cert()).build().unwrap();
    let busy = std::mem::replace(&mut stage.client, other);
    stage.complete(&file.id).await.ok();
    for events in listeners {
        assert_eq!(events.all().await.last().unwrap().data["status"], "completed");
    }
    let next = soon("the one that waits", next).await.unwrap().unwrap();
    assert_eq!((next.status().as_u16(), next.version()), (200, Version::HTTP_2));
    drop(busy);

    let stage = files.stage_with(&[("TELESTORE_TRUSTED_PROXIES", "loopback")]).await;
    stage.chunks(&file).await;
    let mut listeners = Vec::new();
    for count in 0..140 {
        let events = Events::open(&stage, &file.id, None).await;
        assert_eq!(events.response.status(), 200, "a proxy's clients share a connection: {count}");
        listeners.push(events);
    }
}

#[tokio::test]
async fn a_body_that_stops_is_given_up_by_http_2() {
    let stage = Files::new().stage_with(&[("TELESTORE_BODY_TIMEOUT", "1s")]).await;
    let begin = "--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nbytes";
    let stops = stream::iter([Ok::<_, std::io::Error>(begin)]).chain(stream::pending());
    let upload = stage.client.post(stage.url("/upload")).body(reqwest::Body::wrap_stream(stops));
    let upload = upload.header("Content-Type", "multipart/form-data; boundary=X");
    let answer = stage.ask(upload).await;
    assert!(answer.error(408).contains("too slowly"));
    stage.emptied(&["spool"]).await;
    stage.direct(&File::new(10)).await.ok();
}

#[tokio::test]
async fn silent_handshakes_keep_nobody_out() {
    allow_open_files(1024);
    let stage = Files::new().stage_with(&[("TELESTORE_HTTP_THREADS", "1")]).await;
    let address = stage.url("").trim_start_matches("https://").to_owned();
    // A worker that is kept from its work by them takes three seconds, the time of a handshake, each time. A busy machine
    // may take as long, but not always.
    let mut quickest = Duration::MAX;
    for _ in 0..5 {
        let mut silent = Vec::new();
        for _ in 0..400 {
            silent.push(TcpStream::connect(&address).await.unwrap());
        }
        let begin = Instant::now();
        stage.get("/").await.ok();
        quickest = quickest.min(begin.elapsed());
        for mut socket in silent {
            let _ = soon("the worker to close", socket.read_u8()).await;
        }
        if quickest < Duration::from_secs(2) {
            return;
        }
    }
    panic!("never quicker than {quickest:?}");
}

#[tokio::test]
async fn a_renewed_certificate_needs_no_restart() {
    let files = Files::new();
    let stage = files.stage().await;
    let (old, new) = (files.dir.path().join("old.pem"), files.dir.path().join("new.pem"));
    std::fs::copy(files.cert(), &old).unwrap();
    let renewed = pair();
    std::fs::write(&new, &renewed.0).unwrap();
    // Each question is a connection of its own.
    let serves = async |cert: &Path| {
        let client = trusting(cert).build().unwrap();
        client.get(stage.url("/")).send().await.is_ok()
    };
    assert!(serves(&old).await && !serves(&new).await);
    // Without its key it is not taken; with it, soon.
    std::fs::write(files.cert(), &renewed.0).unwrap();
    let mut ticks = tokio::time::interval(Duration::from_millis(300));
    for _ in 0..5 {
        ticks.tick().await;
        assert!(serves(&old).await && !serves(&new).await);
    }
    files.write(&renewed);
    let taken = async {
        while !serves(&new).await {
            ticks.tick().await;
        }
    };
    soon("the renewed certificate", taken).await;
    assert!(!serves(&old).await);
}

#[tokio::test]
async fn files_that_do_not_fit_are_named_at_the_start() {
    let (files, other) = (Files::new(), Files::new());
    let empty = files.dir.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let missing = files.dir.path().join("missing.pem");
    for (cert, key, named) in [
        (&missing, &files.key(), "TELESTORE_TLS_CERT: cannot read"),
        (&files.cert(), &missing, "TELESTORE_TLS_KEY: cannot read"),
        (&empty, &files.key(), "holds no certificate"),
        (&files.cert(), &empty, "holds no private key"),
        (&files.cert(), &files.cert(), "holds no private key"),
        (&files.cert(), &other.key(), "does not belong to the first certificate"),
    ] {
        let data = tempfile::tempdir().unwrap();
        let mut command = program();
        command
            .env("BACKEND_URL", "http://127.0.0.1:1")
            .env("TELESTORE_DATA_DIR", data.path())
            .env("PORT", "0");
        let said = fails(command.env("TELESTORE_TLS_CERT", cert).env("TELESTORE_TLS_KEY", key)).await;
        assert!(said.contains(named), "{named}: {said}");
        let secret = std::fs::read_to_string(files.key()).unwrap();
        assert!(!said.contains(secret.lines().nth(1).unwrap()), "{said}");
    }
}

#[tokio::test]
async fn the_command_that_sends_trusts_the_named_certificate() {
    let files = Files::new();
    let stage = files.stage().await;
    let path = files.dir.path().join("hello.bin");
    std::fs::write(&path, vec![7; 9 * MIB]).unwrap();
    let send = || {
        let mut command = program();
        command.arg("send").arg(&path).args(["--to", &stage.url(""), "--token", &stage.user.auth_token]);
        command
    };
    let refused = fails(&mut send()).await;
    assert!(refused.contains("certificate") && !refused.contains("tried for"), "{refused}");
    let sent = send().arg("--ca").arg(files.cert()).output().await.unwrap();
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    assert_eq!(stage.sandbox.messages_of(&stage.user)[0].size, 9 * MIB as u64);
    let unfit = fails(send().arg("--ca").arg(&path)).await;
    assert!(unfit.contains("--ca"), "{unfit}");
}

#[tokio::test]
async fn http_2_can_be_turned_off() {
    let stage = Files::new().stage_with(&[("TELESTORE_HTTP2", "off")]).await;
    let index = stage.client.get(stage.url("/")).send().await.unwrap();
    assert_eq!(index.version(), Version::HTTP_11);
    stage.direct(&File::new(10)).await.ok();
}

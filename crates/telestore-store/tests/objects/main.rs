//! The object store against S3 servers: `moto`, which plays many of S3's ways, and `s3s-fs`, which checks signatures.
//!
//! `.ci/objects` starts both and names them in the environment.

mod proxy;

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use proxy::{Fault, Proxy};
use telestore_store::{BlobName, ChunkStore, Digest, Error, ObjectChunkStore, ObjectOptions, testsuite};
use telestore_types::{ChunkIndex, StorageKey, Verdict};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const KEY: &str = "AKIATELESTORETEST";
const SECRET: &str = "a-secret-of-the-tests";

/// The server that a variable names.
fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run .ci/objects"))
}

fn servers() -> [String; 2] {
    ["TELESTORE_TEST_MOTO", "TELESTORE_TEST_S3S"].map(server)
}

fn options(server: &str) -> ObjectOptions {
    ObjectOptions::default()
        .set("AWS_ENDPOINT_URL", server)
        .set("AWS_REGION", "us-east-1")
        .set("AWS_ACCESS_KEY_ID", KEY)
        .set("AWS_SECRET_ACCESS_KEY", SECRET)
}

/// A prefix that no other test uses.
fn prefix() -> String {
    static LAST: AtomicUsize = AtomicUsize::new(0);
    format!("s3://telestore-test/{}/{}", std::process::id(), LAST.fetch_add(1, Ordering::Relaxed))
}

fn open(server: &str) -> ObjectChunkStore {
    ObjectChunkStore::open(&prefix(), options(server)).unwrap()
}

fn bytes(length: usize, seed: usize) -> Bytes {
    (0..length).map(|at| u8::try_from((at * 7 + at / 251 + seed) % 251).unwrap()).collect::<Vec<u8>>().into()
}

async fn put(store: &ObjectChunkStore, whole: &Bytes) -> Result<BlobName, Error> {
    let mut spool = store.spool().await?;
    for piece in whole.chunks(50_000) {
        spool.write(whole.slice_ref(piece)).await?;
    }
    let spooled = spool.finish().await?;
    assert_eq!((spooled.length, spooled.crc32c), (whole.len() as u64, Digest::of(whole)));
    store.put(&StorageKey::from_random([1; 16]), ChunkIndex::new(0, 1).unwrap(), spooled).await
}

/// As a sender does: parts, one behind the other.
async fn read(store: &ObjectChunkStore, blob: &BlobName, length: usize, part: usize) -> Result<Bytes, Error> {
    let mut read = Vec::new();
    while read.len() < length {
        let part = part.min(length - read.len());
        read.extend_from_slice(&store.read_at(blob, read.len() as u64, part).await?);
    }
    Ok(read.into())
}

async fn eventually(is_so: impl AsyncFn() -> bool) {
    let waited = timeout(Duration::from_secs(30), async {
        while !is_so().await {
            sleep(Duration::from_millis(20)).await;
        }
    });
    waited.await.expect("it has not come about");
}

#[tokio::test]
async fn servers_keep_the_contract() {
    for server in servers() {
        testsuite::chunk_store(|| {
            let prefix = prefix();
            let open =
                |memory| ObjectChunkStore::open(&prefix, options(&server).memory_bytes(memory)).unwrap();
            // One of them cuts all as small as can be.
            let workers = (open(24 << 20), open(0));
            async { workers }
        })
        .await;
    }
}

#[tokio::test]
async fn chunks_of_many_pieces_are_read_in_any_way() {
    for server in servers() {
        let store = ObjectChunkStore::open(&prefix(), options(&server).memory_bytes(4 << 20)).unwrap();
        let whole = bytes(9_000_001, 1);
        let blob = put(&store, &whole).await.unwrap();
        for part in [64 * 1024, 512 * 1024, 3_000_000, whole.len()] {
            assert!(read(&store, &blob, whole.len(), part).await.unwrap() == whole, "in parts of {part}");
        }
        for (offset, length) in [(1, 1), (2_097_151, 2), (8_999_999, 2), (1_000_000, 7_000_000)] {
            let read = store.read_at(&blob, offset as u64, length).await.unwrap();
            assert!(read == whole.slice(offset..offset + length), "{length} from {offset}");
        }
        store.delete(&[blob]).await.unwrap();
        assert_eq!(store.list(None, 10).await.unwrap(), []);
    }
}

/// A server that says what a bucket's owner may have forgotten.
#[tokio::test]
async fn what_is_missing_is_named() {
    for server in servers() {
        let trial = async |url: &str, options: ObjectOptions| {
            let error = ObjectChunkStore::open(url, options).unwrap().try_out().await.unwrap_err();
            assert_eq!(error.verdict(), Verdict::Permanent, "{error}");
            let text = format!("{error} {error:?}");
            for secret in [KEY, SECRET, "127.0.0.1", "telestore-test"] {
                assert!(!text.contains(secret), "{text}");
            }
            text
        };
        // s3s-fs makes the bucket.
        if server == self::server("TELESTORE_TEST_MOTO") {
            let no_bucket = trial("s3://no-such-bucket", options(&server)).await;
            assert!(no_bucket.contains("writing an object"), "{no_bucket}");
            assert!(no_bucket.contains("make the bucket"), "{no_bucket}");
        }
        for (method, target, right) in [
            ("PUT", "", "writing an object: s3:PutObject"),
            ("GET", "trials/", "reading an object: s3:GetObject"),
            ("GET", "list-type=2", "listing objects: s3:ListBucket"),
            ("POST", "delete", "deleting an object: s3:DeleteObject"),
        ] {
            let proxy = Proxy::start(&server, move |request| {
                let is_it = request.method == method && request.target.contains(target);
                // A listing names its prefix, too.
                let is_list = request.target.contains("list-type") && target == "trials/";
                (is_it && !is_list).then_some(Fault::Answer { status: "403 Forbidden", code: "AccessDenied" })
            })
            .await;
            let denied = trial(&prefix(), options(&proxy.url)).await;
            let (step, right) = right.split_once(": ").unwrap();
            assert!(denied.contains(step) && denied.contains(right), "{denied}");
        }
    }
    let wrong = options(&server("TELESTORE_TEST_S3S")).set("AWS_SECRET_ACCESS_KEY", "not-the-secret");
    let wrong = ObjectChunkStore::open(&prefix(), wrong).unwrap().try_out().await.unwrap_err().to_string();
    assert!(wrong.contains("correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"), "{wrong}");
    // Nobody listens on port 1.
    let away = options("http://127.0.0.1:1").patience(Duration::from_millis(300));
    let away = ObjectChunkStore::open(&prefix(), away).unwrap().try_out().await.unwrap_err();
    assert_eq!(away.verdict(), Verdict::Temporary);
    assert!(away.to_string().starts_with("object store: cannot connect: "), "{away}");
}

/// To a client it is a store that does not do it now: somebody may put it right meanwhile.
#[tokio::test]
async fn a_right_that_is_taken_away_is_a_passing_error() {
    let proxy = Proxy::start(&server("TELESTORE_TEST_MOTO"), |request| {
        (request.method == "PUT").then_some(Fault::Answer { status: "403 Forbidden", code: "AccessDenied" })
    })
    .await;
    let error = put(&open(&proxy.url), &bytes(1000, 8)).await.unwrap_err();
    assert_eq!(error.verdict(), Verdict::Temporary);
    assert!(matches!(error, Error::Unavailable { .. }));
    let error = error.to_string();
    assert!(error.contains("writing an object fails") && error.contains("s3:PutObject"), "{error}");
    assert_eq!(proxy.asked.lock().unwrap().len(), 1, "asking again would not help");
}

/// Each object's first requests go wrong, each in another way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_on_a_bad_line() {
    for server in servers() {
        let faults = [
            Fault::Answer { status: "503 Slow Down", code: "SlowDown" },
            Fault::CutRequest(40_000),
            Fault::LoseAnswer,
            Fault::CutAnswer(100),
            Fault::Answer { status: "500 Internal Server Error", code: "InternalError" },
            Fault::CutAnswer(70_000),
            Fault::Wait(Duration::from_millis(300)),
        ];
        let (seen, count) = (Mutex::new(HashMap::new()), AtomicUsize::new(0));
        let proxy = Proxy::start(&server, move |request| {
            let target =
                format!("{} {}", request.method, request.target.split('?').next().unwrap_or_default());
            let mut seen = seen.lock().unwrap();
            let times: &mut usize = seen.entry(target).or_default();
            *times += 1;
            (*times <= 2).then(|| faults[count.fetch_add(1, Ordering::Relaxed) % faults.len()].clone())
        })
        .await;
        let store = ObjectChunkStore::open(&prefix(), options(&proxy.url).memory_bytes(2 << 20)).unwrap();
        let mut running = JoinSet::new();
        for seed in 0..6 {
            let store = store.clone();
            running.spawn(async move {
                let whole = bytes(1_700_000 + seed, seed);
                let blob = put(&store, &whole).await.unwrap();
                assert!(read(&store, &blob, whole.len(), 200_000).await.unwrap() == whole);
                blob
            });
        }
        let blobs = running.join_all().await;
        assert_eq!(store.list(None, 100).await.unwrap().len(), blobs.len());
        store.delete(&blobs).await.unwrap();
        assert_eq!(store.list(None, 100).await.unwrap(), []);
    }
}

/// Each body breaks after 300 kB, however often it is asked for.
#[tokio::test]
async fn a_broken_body_is_gone_on_with() {
    for server in servers() {
        let whole = bytes(5_000_000, 3);
        let proxy = Proxy::start(&server, |request| {
            let is_read = request.method == "GET" && !request.target.contains("list-type");
            is_read.then_some(Fault::CutAnswer(300_000))
        })
        .await;
        let store = ObjectChunkStore::open(&prefix(), options(&proxy.url)).unwrap();
        let blob = put(&store, &whole).await.unwrap();
        assert!(read(&store, &blob, whole.len(), 512 * 1024).await.unwrap() == whole);
        let reads = proxy.asked.lock().unwrap().iter().filter(|asked| asked.starts_with("GET")).count();
        assert!((15..40).contains(&reads), "{reads} requests for 5 MB");
    }
}

/// A reader that goes on asks once for each piece.
#[tokio::test]
async fn a_sender_reads_each_piece_by_one_request() {
    let proxy = Proxy::start(&server("TELESTORE_TEST_MOTO"), |_| None).await;
    let store = open(&proxy.url);
    let whole = bytes(10 << 20, 4);
    let blob = put(&store, &whole).await.unwrap();
    proxy.asked.lock().unwrap().clear();
    assert!(read(&store, &blob, whole.len(), 512 * 1024).await.unwrap() == whole);
    let asked = proxy.asked.lock().unwrap().len();
    assert_eq!(asked, 3, "one for each of three pieces");
}

/// For half of the patience nothing goes: clients wait, and get their 200.
#[tokio::test]
async fn an_outage_is_waited_for() {
    for server in servers() {
        let began = Instant::now();
        let proxy = Proxy::start(&server, move |_| {
            let is_out = began.elapsed() < Duration::from_secs(4);
            is_out.then_some(Fault::Answer { status: "503 Service Unavailable", code: "ServiceUnavailable" })
        })
        .await;
        let store =
            ObjectChunkStore::open(&prefix(), options(&proxy.url).patience(Duration::from_secs(20))).unwrap();
        let whole = bytes(3_000_000, 5);
        let blob = put(&store, &whole).await.unwrap();
        assert!(began.elapsed() >= Duration::from_secs(4));
        assert!(read(&store, &blob, whole.len(), 512 * 1024).await.unwrap() == whole);
    }
}

/// It lasts longer than the patience: the client may come again, and what did arrive goes.
#[tokio::test]
async fn a_longer_outage_is_told_and_leaves_nothing() {
    let server = server("TELESTORE_TEST_S3S");
    let is_out = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let rule = std::sync::Arc::clone(&is_out);
    let proxy = Proxy::start(&server, move |_| {
        rule.load(Ordering::Relaxed).then_some(Fault::Answer { status: "503 Slow Down", code: "SlowDown" })
    })
    .await;
    let (prefix, quick) = (prefix(), options(&proxy.url).patience(Duration::from_millis(500)));
    let store = ObjectChunkStore::open(&prefix, quick.memory_bytes(1 << 20)).unwrap();
    let patient = ObjectChunkStore::open(&prefix, options(&proxy.url)).unwrap();
    let mut spool = store.spool().await.unwrap();
    spool.write(bytes(3_000_000, 6)).await.unwrap();
    is_out.store(true, Ordering::Relaxed);
    let error = match spool.write(bytes(3_000_000, 6)).await {
        Ok(()) => spool.finish().await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.verdict(), Verdict::Temporary);
    assert_eq!(error.to_string(), "object store: HTTP 503 SlowDown Said by the test");
    is_out.store(false, Ordering::Relaxed);
    // What could not be taken away during the outage is found.
    eventually(async || {
        let blobs = patient.list(None, 100).await.unwrap();
        let names: Vec<BlobName> = blobs.into_iter().map(|blob| blob.name).collect();
        patient.delete(&names).await.unwrap();
        names.is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing() {
    for server in servers() {
        let store = ObjectChunkStore::open(&prefix(), options(&server).memory_bytes(1 << 20)).unwrap();
        let mut spool = store.spool().await.unwrap();
        spool.write(bytes(3_000_000, 7)).await.unwrap();
        eventually(async || !store.list(None, 10).await.unwrap().is_empty()).await;
        drop(spool);
        eventually(async || store.list(None, 10).await.unwrap().is_empty()).await;
    }
}

/// Sixteen clients with 50 MiB each, at once: what the process takes more than before is the budget and what connections
/// need.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg(target_os = "linux")]
async fn memory_is_bounded_whatever_comes() {
    let status = |name: &str| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    };
    let store = open(&server("TELESTORE_TEST_S3S"));
    store.try_out().await.unwrap();
    // Begins the count of the peak anew.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmRSS:");
    let mut running = JoinSet::new();
    for seed in 0..16 {
        let store = store.clone();
        running.spawn(async move {
            let (mut spool, piece) = (store.spool().await.unwrap(), bytes(64 * 1024, seed));
            for _ in 0..800 {
                spool.write(Bytes::copy_from_slice(&piece)).await.unwrap();
            }
            let spooled = spool.finish().await.unwrap();
            assert_eq!(spooled.length, 50 << 20);
            let name = spooled.spool.clone();
            store
                .put(&StorageKey::from_random([1; 16]), ChunkIndex::new(0, 1).unwrap(), spooled)
                .await
                .unwrap();
            name
        });
    }
    let blobs = running.join_all().await;
    let peak = status("VmHWM:");
    println!("{before} MiB before, {peak} MiB at most");
    assert!(peak - before <= 48, "{before} MiB before, {peak} MiB at most");
    store.delete(&blobs).await.unwrap();
}

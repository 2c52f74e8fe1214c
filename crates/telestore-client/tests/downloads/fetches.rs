//! One process that fetches a file, whatever breaks.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use telestore_client::{DownloadOptions, DownloadPhase, ErrorKind, Target};
use tokio::io::AsyncWrite;

use super::mock::Fault;
use super::{MIB, Scene, content};

/// The bytes of the scene's file.
const CONTENT: &str = "GET /files/00000000000000000000000000000001/content";

fn status(status: u16) -> Fault {
    Fault::Status(status, "", "")
}

/// A stream that keeps what it was given.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl AsyncWrite for Kept {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_file_comes_in_one_request_and_is_compared() {
    for length in [1, MIB, 3 * MIB + 7] {
        let scene = Scene::of(length).await;
        let download = scene.begin(scene.options()).await;
        let states = download.progress();
        let downloaded = download.await.unwrap();
        scene.arrived();
        let length = length as u64;
        assert_eq!(
            (downloaded.length, downloaded.fetched, downloaded.digest_checked),
            (length, length, true)
        );
        assert_eq!(scene.ranges(), [None]);
        assert_eq!(*scene.versions.lock().unwrap(), [scene.mock.files()[0].tag.clone()]);
        let last = states.collect::<Vec<_>>().await.pop().unwrap();
        assert_eq!((last.phase, last.received, last.total), (DownloadPhase::Done, length, Some(length)));
    }
}

#[tokio::test]
async fn it_goes_on_from_the_byte_where_it_was() {
    let places: Vec<(Vec<Fault>, Vec<usize>)> = vec![
        (vec![Fault::Drop], vec![0, 0]),
        (vec![Fault::LoseAnswer, status(502)], vec![0, 0, 0]),
        (vec![Fault::CutAnswer(0)], vec![0, 0]),
        (vec![Fault::CutAnswer(1)], vec![0, 1]),
        (vec![Fault::CutAnswer(MIB), Fault::CutAnswer(1)], vec![0, MIB, MIB + 1]),
        (vec![Fault::CutAnswer(MIB), Fault::Drop, status(503)], vec![0, MIB, MIB, MIB]),
        (vec![Fault::CutAnswer(2 * MIB + 8)], vec![0, 2 * MIB + 8]),
    ];
    let mut running = tokio::task::JoinSet::new();
    for (faults, asked) in places {
        running.spawn(async move {
            let scene = Scene::of(2 * MIB + 9).await;
            scene.mock.fault(CONTENT, &faults);
            let came = scene.fetch().await;
            assert!(came.is_ok(), "{faults:?}: {came:?}");
            scene.arrived();
            let asked: Vec<_> = asked.iter().map(|at| (*at > 0).then(|| format!("bytes={at}-"))).collect();
            assert_eq!(scene.ranges(), asked, "{faults:?}");
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test]
async fn a_stream_goes_on_too() {
    let scene = Scene::of(2 * MIB).await;
    scene.mock.fault(CONTENT, &[Fault::CutAnswer(MIB), Fault::Drop]);
    let (file, kept) = (scene.client.file(&scene.id).await.unwrap(), Kept::default());
    scene.client.download(&file, Target::stream(kept.clone()), DownloadOptions::new()).await.unwrap();
    assert!(*kept.0.lock().unwrap() == scene.bytes);
}

#[tokio::test]
async fn two_versions_are_never_mixed() {
    for into_a_stream in [false, true] {
        let mut scene = Scene::of(2 * MIB).await;
        // As large as the other one, and of another digest, which the index does not tell.
        scene.mock.change(&scene.id, |file| file.sha256 = None);
        scene.mock.fault(CONTENT, &[Fault::StallAnswer(MIB)]);
        scene.client = telestore_client::Client::builder(&scene.mock.url)
            .token(super::TOKEN)
            .stall(Duration::from_secs(2))
            .build()
            .unwrap();
        let (file, kept) = (scene.client.file(&scene.id).await.unwrap(), Kept::default());
        let target = if into_a_stream { Target::stream(kept.clone()) } else { scene.target() };
        let download = scene.client.download(&file, target, scene.options());
        scene.mock.asked(CONTENT, 1).await;
        let mut states = download.progress();
        while states.next().await.unwrap().received < MIB as u64 {}
        scene.bytes = content(7, 2 * MIB);
        let bytes = scene.bytes.clone();
        scene.mock.change(&scene.id, |file| (file.bytes, file.tag) = (bytes, Some("\"other\"".to_owned())));
        let ended = download.await;
        if into_a_stream {
            assert_eq!(ended.unwrap_err().kind(), ErrorKind::Changed);
            assert!(*kept.0.lock().unwrap() == content(0, MIB));
        } else {
            ended.unwrap();
            scene.arrived();
            assert_eq!(scene.versions.lock().unwrap().last().unwrap().as_deref(), Some("\"other\""));
        }
        let requests = scene.mock.requests(CONTENT);
        assert!(requests[1].header("if-range").is_some_and(|tag| tag.len() == 18), "{requests:?}");
    }
}

#[tokio::test]
async fn a_connection_that_stands_still_is_given_up() {
    let scene = Scene::with(2 * MIB, |builder| builder.stall(Duration::from_secs(2))).await;
    let faults = [Fault::Hang, Fault::StallAnswer(MIB)];
    scene.mock.fault(CONTENT, &faults);
    scene.fetch().await.unwrap();
    scene.arrived();
    assert_eq!(scene.ranges()[2].as_deref(), Some("bytes=1048576-"));
}

#[tokio::test]
async fn who_asks_for_patience_gets_it() {
    let scene = Scene::of(1000).await;
    let faults = [Fault::Status(503, "Retry-After", "1")];
    scene.mock.fault(CONTENT, &faults);
    let begun = Instant::now();
    scene.fetch().await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1), "it waited as long as it was asked to");
    let scene = Scene::with(1000, |builder| builder.patience(Duration::from_secs(1))).await;
    scene.mock.fault(CONTENT, &vec![status(503); 50]);
    let error = scene.fetch().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}

#[tokio::test]
async fn without_strong_tags_or_ranges_it_comes_nevertheless() {
    for tag in [None, Some("W/\"weak\"".to_owned())] {
        let scene = Scene::of(2 * MIB).await;
        scene.mock.change(&scene.id, |file| file.tag = tag);
        scene.mock.fault(CONTENT, &[Fault::CutAnswer(MIB)]);
        scene.fetch().await.unwrap();
        scene.arrived();
        assert_eq!(*scene.versions.lock().unwrap(), [None]);
        assert_eq!(scene.ranges().len(), 2);
    }
    let scene = Scene::of(2 * MIB).await;
    scene.mock.change(&scene.id, |file| file.ranges = false);
    scene.mock.fault(CONTENT, &[Fault::CutAnswer(MIB)]);
    let (file, kept) = (scene.client.file(&scene.id).await.unwrap(), Kept::default());
    scene.client.download(&file, Target::stream(kept.clone()), DownloadOptions::new()).await.unwrap();
    assert!(*kept.0.lock().unwrap() == scene.bytes, "what was there was left out of the second answer");
}

#[tokio::test]
async fn what_is_not_what_was_sent_is_no_success() {
    let scene = Scene::of(1000).await;
    scene.mock.change(&scene.id, |file| file.bytes[7] ^= 1);
    let error = scene.fetch().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    assert_eq!(scene.ranges().len(), 1, "it would come as the same once more");
    scene.mock.change(&scene.id, |file| file.bytes.truncate(999));
    let error = scene.fetch().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    assert!(error.to_string().contains("999 bytes"), "{error}");
    // A photo is another file than was sent.
    let file = scene.client.file(&scene.id).await.unwrap();
    let options = DownloadOptions::new().check(false);
    let downloaded = scene.client.download(&file, scene.target(), options).await.unwrap();
    assert_eq!((downloaded.length, downloaded.digest_checked), (999, false));
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let scene = Scene::of(1000).await;
    for (code, kind) in [
        (401, ErrorKind::Unauthorized),
        (404, ErrorKind::Gone),
        (400, ErrorKind::Refused),
        (302, ErrorKind::Protocol),
    ] {
        scene.mock.fault(CONTENT, &[status(code)]);
        assert_eq!(scene.fetch().await.unwrap_err().kind(), kind, "{code}");
    }
    let file = scene.client.file(&scene.id).await.unwrap();
    let closed = std::fs::File::open("/dev/null").unwrap();
    let error = scene.client.download(&file, Target::file(closed), DownloadOptions::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Target, "{error}");
    let options = DownloadOptions::new().began(|_| Err(std::io::Error::other("the disk is gone")));
    let error = scene.begin(options).await.await.unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::State, "the disk is gone".to_owned()));
}

#[tokio::test]
async fn one_that_is_dropped_stops() {
    let scene = Scene::of(2 * MIB).await;
    scene.mock.fault(CONTENT, &[Fault::StallAnswer(MIB)]);
    let download = scene.begin(scene.options()).await;
    let mut states = download.progress();
    while states.next().await.unwrap().received < MIB as u64 {}
    drop(download);
    assert!(states.next().await.is_none());
    assert_eq!(scene.ranges().len(), 1);
}

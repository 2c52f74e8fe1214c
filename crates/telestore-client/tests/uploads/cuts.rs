//! What may pass: connections that break at every kind of place, and workers that ask for patience.

use std::time::{Duration, Instant};

use telestore_client::{ErrorKind, Source, UploadOptions};

use super::mock::Fault;
use super::{MIB, Scene};

const NO_HEADER: (&str, &str) = ("", "");

fn status(status: u16) -> Fault {
    Fault::Status(status, NO_HEADER.0, NO_HEADER.1)
}

#[tokio::test]
async fn a_file_goes_in_parts_with_digests() {
    let scene = Scene::of(3 * MIB + 7).await;
    let delivered = scene.send().await.unwrap();
    assert_eq!((delivered.message_id, delivered.file_id.as_str()), (1, "file-1"));
    scene.arrived();
    let patches = scene.mock.requests("PATCH /tus/");
    assert_eq!(patches.len(), 4);
    assert!(patches.iter().all(|patch| patch.header("upload-checksum").unwrap().starts_with("sha256 ")));
    let created = scene.mock.uploads()[&delivered.upload_id].clone();
    assert_eq!(created.metadata["sha256"], hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&scene.bytes)));
}

#[tokio::test]
async fn it_goes_on_after_a_cut_at_every_place() {
    let places: Vec<(&'static str, Vec<Fault>)> = vec![
        ("POST /tus", vec![Fault::Drop]),
        ("POST /tus", vec![Fault::LoseAnswer]),
        ("POST /tus", vec![Fault::LoseAnswer, Fault::Drop, status(503)]),
        ("PATCH /tus/", vec![Fault::Drop]),
        ("PATCH /tus/", vec![Fault::CutBody(0)]),
        ("PATCH /tus/", vec![Fault::CutBody(MIB / 2)]),
        ("PATCH /tus/", vec![Fault::CutBody(MIB)]),
        ("PATCH /tus/", vec![Fault::LoseAnswer]),
        ("PATCH /tus/", vec![Fault::LoseAnswer, Fault::LoseAnswer, Fault::LoseAnswer]),
        ("PATCH /tus/", vec![status(409)]),
        ("PATCH /tus/", vec![status(460), status(460)]),
        ("GET /upload-progress/", vec![Fault::Drop]),
        ("GET /upload-progress/", vec![Fault::LoseAnswer]),
        ("GET /upload-progress/", vec![status(502), Fault::Drop]),
    ];
    let mut running = tokio::task::JoinSet::new();
    for (what, faults) in places {
        running.spawn(async move {
            let scene = Scene::of(2 * MIB + 9).await;
            scene.mock.fault(what, &faults);
            let sent = scene.send().await;
            assert!(sent.is_ok(), "{what} {faults:?}: {sent:?}");
            scene.arrived();
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test]
async fn a_cut_is_followed_by_a_question_and_never_by_a_guess() {
    let scene = Scene::of(2 * MIB).await;
    scene.mock.fault("PATCH /tus/", &[Fault::LoseAnswer]);
    scene.mock.fault("HEAD /tus/", &[Fault::Drop, status(423)]);
    scene.send().await.unwrap();
    scene.arrived();
    assert_eq!(scene.mock.requests("HEAD /tus/").len(), 3);
    assert_eq!(scene.mock.requests("PATCH /tus/").len(), 2, "what came is not sent again");
}

#[tokio::test]
async fn a_lost_last_answer_makes_no_second_message() {
    let scene = Scene::of(1000).await;
    scene.mock.fault("PATCH /tus/", &[Fault::LoseAnswer]);
    scene.send().await.unwrap();
    scene.arrived();
    assert_eq!(scene.mock.requests("PATCH /tus/").len(), 1);
}

#[tokio::test]
async fn who_asks_for_patience_gets_it() {
    for code in [408, 423, 429, 500, 502, 503, 504, 507] {
        let scene = Scene::of(1000).await;
        scene.mock.fault("POST /tus", &[status(code)]);
        scene.mock.fault("PATCH /tus/", &[status(code)]);
        scene.mock.fault("HEAD /tus/", &[status(code)]);
        scene.send().await.unwrap();
        scene.arrived();
    }
    let scene = Scene::of(1000).await;
    scene.mock.fault("POST /tus", &[Fault::Status(429, "Retry-After", "1")]);
    let begun = Instant::now();
    scene.send().await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1), "it waited as long as it was asked to");
}

#[tokio::test]
async fn a_connection_that_stands_still_is_given_up() {
    let scene = Scene::with(1000, |builder| builder.stall(Duration::from_millis(300))).await;
    scene.mock.fault("PATCH /tus/", &[Fault::Hang]);
    scene.send().await.unwrap();
    scene.arrived();
}

#[tokio::test]
async fn a_proxy_that_takes_little_gets_little() {
    let scene = Scene::of(3 * MIB).await;
    // Eight, four, and two MiB are too much for it.
    scene.mock.fault("PATCH /tus/", &[status(413), status(413), status(413)]);
    scene.client.upload(scene.source(), UploadOptions::new()).await.unwrap();
    scene.arrived();
    let sizes: Vec<_> = scene
        .mock
        .requests("PATCH /tus/")
        .iter()
        .map(|patch| patch.header("content-length").unwrap().to_owned())
        .collect();
    assert_eq!(sizes[..4], [3 * MIB, 3 * MIB, 2 * MIB, MIB].map(|size| size.to_string()));
}

#[tokio::test]
async fn an_upload_that_the_worker_lost_before_its_end_begins_anew() {
    let scene = Scene::of(2 * MIB).await;
    scene.mock.fault("PATCH /tus/", &[Fault::Status(404, "Tus-Resumable", "1.0.0")]);
    scene.send().await.unwrap();
    scene.arrived();
    assert_eq!(scene.mock.requests("POST /tus").len(), 2);
}

#[tokio::test]
async fn another_process_goes_on_where_the_first_one_was() {
    let scene = Scene::of(4 * MIB).await;
    scene.mock.fault("PATCH /tus/", &[Fault::LoseAnswer, Fault::Hang]);
    let options = UploadOptions::new().segment_bytes(MIB as u64);
    let first = scene.client.upload(scene.source(), options.clone());
    let url = first.url().await.unwrap();
    scene.mock.asked("PATCH /tus/", 2).await;
    drop(first);
    let stored = serde_json::to_string(&url).unwrap();
    let delivered = scene
        .client
        .resume(&serde_json::from_str(&stored).unwrap(), scene.source(), options.clone())
        .await
        .unwrap();
    scene.arrived();
    assert_eq!(delivered.upload_id, url.upload_id());
    // Once more: it has ended, and is told so.
    assert_eq!(scene.client.resume(&url, scene.source(), options).await.unwrap(), delivered);
    scene.arrived();
}

#[tokio::test]
async fn a_stream_of_unknown_length_outlives_cuts() {
    for length in [1, MIB, 3 * MIB + 5] {
        let scene = Scene::of(length).await;
        scene.mock.fault("PATCH /tus/", &[Fault::CutBody(1), Fault::LoseAnswer]);
        let source = Source::stream(std::io::Cursor::new(scene.bytes.clone()));
        let options = UploadOptions::new().file_name("film é.mkv").unwrap().segment_bytes(MIB as u64);
        scene.client.upload(source, options).await.unwrap();
        scene.arrived();
    }
}

#[tokio::test]
async fn patience_ends() {
    let scene = Scene::with(1000, |builder| builder.patience(Duration::from_secs(1))).await;
    scene.mock.fault("PATCH /tus/", &vec![status(507); 50]);
    let error = scene.send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("507") && error.to_string().contains("tried for"), "{error}");
    assert_eq!(scene.mock.uploads().len(), 1, "it may go on later");
}

//! What does not pass, and what is said on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use telestore_client::{Cancelled, Client, ErrorKind, Phase, SendAs, Source, Status, UploadOptions};

use super::mock::{Fault, Mock};
use super::{MIB, Scene};

#[tokio::test]
async fn what_is_final_is_asked_once() {
    for (code, kind) in [
        (400, ErrorKind::Refused),
        (401, ErrorKind::Unauthorized),
        (403, ErrorKind::Unauthorized),
        (412, ErrorKind::Refused),
        (413, ErrorKind::TooLarge),
        (302, ErrorKind::Protocol),
        (404, ErrorKind::Protocol),
    ] {
        let scene = Scene::of(1000).await;
        scene.mock.fault("POST /tus", &[Fault::Status(code, "Location", "http://127.0.0.1:9/else")]);
        let error = scene.send().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{code}: {error}");
        assert_eq!(scene.mock.requests("").len(), 1, "{code}");
    }
    let scene = Scene::of(1000).await;
    scene.mock.fault("PATCH /tus/", &[Fault::Status(413, "Tus-Resumable", "1.0.0")]);
    assert_eq!(scene.send().await.unwrap_err().kind(), ErrorKind::TooLarge);
    assert_eq!(scene.mock.requests("PATCH /tus/").len(), 1);
}

#[tokio::test]
async fn a_wrong_token_is_in_no_error() {
    let mock = Mock::start().await;
    let client = Client::builder(&mock.url).token("hush-hush").build().unwrap();
    let error = client.upload(Source::bytes("bytes"), UploadOptions::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert!(
        error.to_string().contains("invalid authToken") && !format!("{error:?}").contains("hush"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_failure_is_told_in_the_workers_words() {
    let scene = Scene::of(1000).await;
    scene.mock.fails(Some("Could not resolve channel ID"));
    let upload = scene.client.upload(scene.source(), UploadOptions::new());
    let url = upload.url().await.unwrap();
    let error = upload.await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Failed, "Could not resolve channel ID")
    );
    // Later as well, although tus knows no upload that has failed.
    let error = scene.client.resume(&url, scene.source(), UploadOptions::new()).await.unwrap_err();
    assert_eq!(error.to_string(), "Could not resolve channel ID");
    assert_eq!(
        scene.client.status(&url).await.unwrap(),
        Status::Failed("Could not resolve channel ID".to_owned())
    );
    scene.mock.fails(None);
    assert!(scene.client.send_again(&url).await.unwrap());
    scene.client.resume(&url, scene.source(), UploadOptions::new()).await.unwrap();
    scene.arrived();
}

#[tokio::test]
async fn what_changes_while_it_is_sent_is_given_up_and_its_upload_ends() {
    let scene = Scene::of(3 * MIB).await;
    scene.mock.fault("PATCH /tus/", &[Fault::Status(503, "Retry-After", "1")]);
    let upload = scene.client.upload(scene.source(), UploadOptions::new().segment_bytes(MIB as u64));
    scene.mock.asked("PATCH /tus/", 1).await;
    std::fs::File::options().append(true).open(&scene.path).unwrap().set_len(4 * MIB as u64).unwrap();
    let error = upload.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
    assert!(scene.mock.uploads().is_empty() && scene.mock.messages().is_empty());
}

#[tokio::test]
async fn nothing_is_not_sent() {
    let scene = Scene::of(0).await;
    assert_eq!(scene.send().await.unwrap_err().kind(), ErrorKind::Empty);
    assert!(scene.mock.requests("").is_empty());
    let nothing = Source::stream(tokio::io::empty());
    assert_eq!(
        scene.client.upload(nothing, UploadOptions::new()).await.unwrap_err().kind(),
        ErrorKind::Empty
    );
    assert!(scene.mock.uploads().is_empty(), "what was begun has ended");
}

#[tokio::test]
async fn whether_the_file_may_be_in_the_channel_is_known_when_the_worker_forgets() {
    let scene = Scene::of(2 * MIB).await;
    let options = UploadOptions::new().segment_bytes(MIB as u64);
    let url = scene.begun().await;
    scene.mock.forget();
    let before = scene.client.resume(&url, scene.source(), options.clone()).await.unwrap_err();
    assert_eq!(before.kind(), ErrorKind::Gone);
    // Forgotten while the last bytes are on their way.
    let url = scene.begun().await;
    scene.mock.fault("PATCH /tus/", &[Fault::Status(503, "", ""), Fault::Status(404, "", "")]);
    let calls = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&calls);
    let whole = UploadOptions::new().before_last(move || {
        counts.fetch_add(1, Ordering::SeqCst);
        Ok(())
    });
    let after = scene.client.resume(&url, scene.source(), whole).await.unwrap_err();
    assert_eq!(after.kind(), ErrorKind::Lost, "{after}");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    let refuses = options.before_last(|| Err(std::io::Error::other("no space for it")));
    let error = scene.client.upload(scene.source(), refuses).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::State, "no space for it"));
    assert!(scene.mock.messages().is_empty());
}

#[tokio::test]
async fn an_address_is_kept_before_a_byte_goes_out_or_nothing_does() {
    let scene = Scene::of(1000).await;
    let (kept, mock) = (Arc::new(std::sync::Mutex::new(Vec::new())), scene.mock.clone());
    let keeps = Arc::clone(&kept);
    let options = UploadOptions::new().created(move |url| {
        keeps.lock().unwrap().push((url.clone(), mock.requests("PATCH /tus/").len()));
        Ok(())
    });
    let delivered = scene.client.upload(scene.source(), options).await.unwrap();
    let url = scene.client.url_of(&delivered.upload_id).unwrap();
    assert_eq!(*kept.lock().unwrap(), [(url, 0)]);
    let refuses = UploadOptions::new().created(|_| Err(std::io::Error::other("no space for it")));
    let error = scene.client.upload(scene.source(), refuses).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::State, "no space for it"));
    assert_eq!(scene.mock.uploads().len(), 1, "what was begun has ended");
    scene.arrived();
}

#[tokio::test]
async fn bytes_that_change_on_their_way_again_and_again_are_no_matter_of_patience() {
    let scene = Scene::of(1000).await;
    scene.mock.fault("PATCH /tus/", &vec![Fault::Status(460, "", ""); 20]);
    assert_eq!(scene.send().await.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn progress_is_a_stream_from_the_start_to_the_message() {
    let scene = Scene::of(4 * MIB).await;
    let upload = scene.client.upload(scene.source(), UploadOptions::new().segment_bytes(MIB as u64));
    let states: Vec<_> = upload.progress().collect().await;
    upload.await.unwrap();
    assert!(
        states.windows(2).all(|two| two[0].phase <= two[1].phase && two[0].sent <= two[1].sent),
        "{states:?}"
    );
    let last = states.last().unwrap();
    let all = 4 * MIB as u64;
    assert_eq!((last.phase, last.sent, last.kept, last.total), (Phase::Done, all, all, Some(all)));
    assert!(states.iter().any(|state| state.phase == Phase::Uploading && state.sent > 0), "{states:?}");
}

#[tokio::test]
async fn options_reach_the_worker() {
    let scene = Scene::of(1000).await;
    let options =
        UploadOptions::new().caption("two\nlines").silent(true).send_as(SendAs::Video).mime_type("video/x");
    let sent = scene.client.upload(scene.source(), options.topic(7).unwrap()).await.unwrap();
    let metadata = scene.mock.uploads()[&sent.upload_id].metadata.clone();
    for (name, value) in [
        ("filename", "film é.mkv"),
        ("filetype", "video/x"),
        ("caption", "two\nlines"),
        ("topicId", "7"),
        ("silent", "true"),
        ("sendAs", "video"),
    ] {
        assert_eq!(metadata.get(name).map(String::as_str), Some(value), "{name}");
    }
    let url = scene.client.url_of(&sent.upload_id).unwrap();
    let told = scene.client.metadata(&url).await.unwrap().unwrap();
    assert_eq!(told, metadata.into_iter().collect());
    assert_eq!(scene.client.metadata(&scene.client.url_of("unknown").unwrap()).await.unwrap(), None);
}

#[tokio::test]
async fn an_upload_is_looked_at_and_cancelled() {
    let scene = Scene::of(2 * MIB).await;
    let url = scene.begun().await;
    let total = Some(2 * MIB as u64);
    assert_eq!(scene.client.status(&url).await.unwrap(), Status::Receiving { kept: 0, total });
    assert_eq!(scene.client.cancel(&url).await.unwrap(), Cancelled::Yes);
    assert_eq!(scene.client.status(&url).await.unwrap(), Status::Unknown);
    let sent = scene.send().await.unwrap();
    let url = scene.client.url_of(&sent.upload_id).unwrap();
    assert_eq!(scene.client.cancel(&url).await.unwrap(), Cancelled::Delivered(1));
    assert_eq!(scene.client.status(&url).await.unwrap(), Status::Delivered(sent));
}

#[tokio::test]
async fn all_uploads_share_the_rate() {
    let scene = Scene::with(512 * 1024, |builder| builder.bytes_per_second(512 * 1024)).await;
    let begun = std::time::Instant::now();
    let (one, other) = tokio::join!(scene.send(), scene.send());
    assert!(one.is_ok() && other.is_ok());
    assert!(
        begun.elapsed().as_millis() >= 1800,
        "1 MiB at 512 KiB/s takes two seconds: {:?}",
        begun.elapsed()
    );
}

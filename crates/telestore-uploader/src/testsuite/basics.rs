use futures_util::future::join_all;
use telestore_types::Stage;

use super::{Recorder, Subject, arrives, bytes, check, part_size, request_of};

pub(super) async fn sizes(subject: &dyn Subject) {
    let part = part_size(subject);
    for (seed, length) in
        [1, 4097, part - 1, part, part + 1, 3 * part, 5 * part + 12_345].into_iter().enumerate()
    {
        let bytes = bytes(seed as u64, length);
        arrives(subject, request_of(subject, &format!("size-{length}.bin"), &bytes), &bytes).await;
    }
}

pub(super) async fn names_types_and_captions(subject: &dyn Subject) {
    let bytes = bytes(7, 1000);
    for (name, mime_type, caption) in [
        ("фото отчёт.jpg", "image/jpeg", "Uploaded: фото отчёт.jpg"),
        ("a 'b' (1);c=d%20&e.txt", "text/plain", "<b>*not* _markup_</b> & more"),
        ("say \"hi\".pdf", "application/pdf", "two\nlines"),
        ("名前 🎉.mp4", "video/mp4", "🎉"),
        ("no-extension", "application/octet-stream", "plain"),
    ] {
        let mut request = request_of(subject, name, &bytes);
        request.mime_type = mime_type.to_owned();
        request.caption = caption.into();
        arrives(subject, request, &bytes).await;
    }
}

pub(super) async fn progress(subject: &dyn Subject) {
    let bytes = bytes(8, 4 * part_size(subject) + 1);
    let (listener, request) = (Recorder::new(), request_of(subject, "progress.bin", &bytes));
    subject.uploader().upload(request, listener.clone()).await.expect("the file is sent");
    let stages = listener.stages();
    let known = [Stage::Connecting, Stage::Resolving, Stage::Sending, Stage::Finishing];
    let places: Vec<_> = stages.iter().map(|stage| known.iter().position(|known| known == stage)).collect();
    assert!(places.iter().all(Option::is_some), "only the stages of an attempt are told: {stages:?}");
    assert!(places.is_sorted_by(|a, b| a < b), "each stage comes once, in order: {stages:?}");
    for stage in [Stage::Connecting, Stage::Sending, Stage::Finishing] {
        assert!(stages.contains(&stage), "{stage:?} is told: {stages:?}");
    }
    let acknowledged = listener.acknowledged();
    assert!(acknowledged.is_sorted(), "acknowledged bytes never go back: {acknowledged:?}");
    assert_eq!(acknowledged.last(), Some(&(bytes.len() as u64)), "acknowledged bytes end at the length");
}

pub(super) async fn in_parallel(subject: &dyn Subject) {
    let before = subject.message_count().await;
    let files: Vec<_> =
        (0..5).map(|seed| bytes(100 + seed, part_size(subject) * seed as usize + 333)).collect();
    let uploader = subject.uploader();
    let sent = join_all(files.iter().enumerate().map(async |(index, bytes)| {
        let request = request_of(subject, &format!("parallel-{index}.bin"), bytes);
        (request.clone(), uploader.upload(request, Recorder::new()).await.expect("each file is sent"))
    }))
    .await;
    for ((request, stored), bytes) in sent.iter().zip(&files) {
        check(subject, stored, request, bytes).await;
    }
    assert_eq!(subject.message_count().await, before + files.len(), "each file is one message");
}

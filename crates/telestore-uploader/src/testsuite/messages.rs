use std::sync::Arc;

use bytes::Bytes;
use telestore_types::{
    CAPTION_MAX, Caption, CaptionTemplate, CaptionValues, Entity, EntityKind, SendAs, Timestamp, TopicId,
};

use super::{How, Subject, bytes, request_of, sha256};
use crate::{NoProgress, UploadRequest};

/// Sends `request`, and says how its message looks.
async fn sent(subject: &dyn Subject, request: UploadRequest) -> (String, How) {
    let stored = subject.uploader().upload(request, Arc::new(NoProgress)).await.expect("the file is sent");
    let received = subject.received(&stored).await.expect("the message holds the file");
    (received.caption, subject.how(&stored).await.expect("it is known how each message looks"))
}

fn caption(template: &str, request: &UploadRequest) -> Caption {
    let template: CaptionTemplate = template.parse().expect("a template");
    let user = &request.credentials.user_id;
    template.render(&CaptionValues::new(&request.file_name, 5, user, Timestamp::from_millis(0)))
}

pub(super) async fn captions_look_as_they_should(subject: &dyn Subject) {
    let request = request_of(subject, "a<b>👍.txt", &bytes(20, 5));
    let link = "https://example.org/?a=1&b=2";
    let template = "👍<b>{userId}<i>&amp;</i></b> <u>u</u> <s>s</s> <tg-spoiler>x</tg-spoiler> <code>c</code>\n\
                    <pre language=\"rust\">p</pre>\n<blockquote>q</blockquote>\n\
                    <blockquote expandable>e</blockquote> <a href=\"https://example.org/?a=1&amp;b=2\">l</a>  ";
    let caption = caption(template, &request);
    assert_eq!(caption.entities().len(), 10, "{caption:?}");
    let (text, how) = sent(subject, request.with_caption(caption.clone())).await;
    assert_eq!(text, caption.text());
    assert_eq!(how.entities, caption.entities(), "each part looks as it should");
    let is_link = |entity: &Entity| matches!(&entity.kind, EntityKind::Link { url } if url == link);
    assert!(how.entities.iter().any(is_link), "{how:?}");
}

pub(super) async fn long_captions_are_cut(subject: &dyn Subject) {
    let request = request_of(subject, "long.txt", &bytes(21, 5));
    let caption = caption(&format!("a<b>{}</b>", "👍".repeat(CAPTION_MAX)), &request);
    let (text, how) = sent(subject, request.with_caption(caption)).await;
    assert_eq!(text, format!("a{}", "👍".repeat(CAPTION_MAX / 2 - 1)), "no character is torn apart");
    assert_eq!(how.entities, [Entity::new(1, CAPTION_MAX - 2, EntityKind::Bold)]);
}

pub(super) async fn silence_and_topics(subject: &dyn Subject) {
    for (name, silent) in [("silent.txt", true), ("loud.txt", false)] {
        let request = request_of(subject, name, &bytes(22, 5)).silently(silent);
        let (_, how) = sent(subject, request).await;
        assert_eq!((how.silent, how.topic), (silent, None), "{name}");
    }
    let Some(topic) = subject.topic() else { return };
    for (topic, shown) in [(topic, Some(topic)), (TopicId::GENERAL, None)] {
        let request = request_of(subject, "topic.txt", &bytes(23, 5)).in_topic(Some(topic));
        let (_, how) = sent(subject, request).await;
        assert_eq!(how.topic, shown, "a message in \"General\" names no topic");
    }
}

pub(super) async fn files_are_sent_as_asked(subject: &dyn Subject) {
    for (name, mime_type, bytes, asked, sent_as) in [
        ("a.mp4", "video/mp4", bytes(24, 500), SendAs::Document, SendAs::Document),
        ("a.gif", "image/gif", bytes(25, 500), SendAs::Document, SendAs::Document),
        ("b.mp4", "video/mp4", bytes(26, 500), SendAs::Video, SendAs::Video),
        ("b.mp3", "audio/mpeg", bytes(27, 500), SendAs::Audio, SendAs::Audio),
        ("b.jpg", "image/jpeg", picture(640, 480), SendAs::Photo, SendAs::Photo),
        ("long.jpg", "image/jpeg", picture(2100, 100), SendAs::Photo, SendAs::Document),
        ("no.jpg", "image/jpeg", bytes(28, 500), SendAs::Photo, SendAs::Document),
    ] {
        let request = request_of(subject, name, &bytes).with_mime_type(mime_type).sent_as(asked);
        let stored = subject.uploader().upload(request, Arc::new(NoProgress)).await;
        let stored = stored.unwrap_or_else(|error| panic!("{name} is sent as {asked}: {error:?}"));
        assert_eq!(subject.how(&stored).await.expect("it is known how it looks").sent_as, sent_as, "{name}");
        let received = subject.received(&stored).await.expect("the message holds the file");
        assert_eq!(received.sha256, sha256(&bytes), "{name}");
    }
}

/// The beginning of a JPEG picture, which is all that is looked at.
fn picture(width: u16, height: u16) -> Bytes {
    let mut bytes = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xc0\0\x11\x08".to_vec();
    bytes.extend(height.to_be_bytes());
    bytes.extend(width.to_be_bytes());
    bytes.extend([3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1, 0xff, 0xd9]);
    bytes.into()
}

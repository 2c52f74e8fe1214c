//! What a file of video or music says of itself: MP4, MOV, Matroska, WebM; MP3, FLAC and Ogg.

use std::sync::Arc;
use std::time::{Duration, Instant};

use symphonia::core::codecs::CodecParameters;
use symphonia::core::common::Limit;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, Track, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::{MetadataOptions, StandardTag, Tag};
use symphonia::core::units::{Duration as Ticks, TimeBase};
use telestore_types::ByteSource;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::reader::Reader;
use super::{Audio, Video};

/// How long it is tried.
const TIME_MAX: Duration = Duration::from_secs(10);

/// The most bytes of a tag that is read, and the most characters that are told of it.
const TAG_MAX: usize = 16 * 1024;
const SHOWN: usize = 128;

/// No video is longer, in seconds, or larger, in pixels: the Bot API takes no more.
const SECONDS_MAX: f64 = 1e8;
const SIDE_MAX: u32 = 10_000;

/// What is known of a file; nothing of one that cannot be read.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Tracks {
    pub(super) video: Option<Video>,
    pub(super) audio: Audio,
}

/// Reads a file from its ends, on a thread of its own, since a parser may take long over what means no good. If that panics,
/// nothing is known.
pub(super) async fn read(source: Arc<dyn ByteSource>) -> Tracks {
    let reader = Reader::new(source, Handle::current(), Instant::now() + TIME_MAX);
    let reading = spawn_blocking(move || tracks(reader));
    // What it waits for may be longer in coming than it may take.
    match timeout(TIME_MAX, reading).await {
        Ok(Ok(found)) => found.unwrap_or_default(),
        Ok(Err(_)) | Err(_) => Tracks::default(),
    }
}

/// Reads a file on this thread.
///
/// # Panics
/// If what is known of it is not within its bounds.
#[cfg(feature = "fuzzing")]
pub(crate) fn check(source: Arc<dyn ByteSource>, runtime: &Handle) {
    let found = tracks(Reader::new(source, runtime.clone(), Instant::now() + TIME_MAX)).unwrap_or_default();
    if let Some(Video { seconds, width, height }) = found.video {
        assert!((0.0..=SECONDS_MAX).contains(&seconds), "{seconds} seconds");
        assert!([width, height].iter().all(|side| (1..=SIDE_MAX).contains(side)), "{width}x{height}");
    }
    for text in [found.audio.title, found.audio.performer].into_iter().flatten() {
        assert!(text.chars().count() <= SHOWN && !text.contains(char::is_control), "a tag is shown as it is");
    }
}

fn tracks(reader: Reader) -> Option<Tracks> {
    let stream = MediaSourceStream::new(Box::new(reader), Default::default());
    let tags = MetadataOptions::default().limit_tag_bytes(Limit::Maximum(TAG_MAX));
    let tags = tags.limit_visual_bytes(Limit::Maximum(0));
    let probe = symphonia::default::get_probe();
    let mut format = probe.probe(&Hint::new(), stream, FormatOptions::default(), tags).ok()?;
    let whole = format.media_info();
    let whole = seconds(whole.time_base, whole.duration);
    let video = format.first_track(TrackType::Video).and_then(|track| video(track, whole));
    let seconds = format.first_track(TrackType::Audio).and_then(seconds_of).or(whole);
    let mut audio = Audio { seconds: seconds.map(|seconds| seconds.round() as u32), ..Audio::default() };
    if let Some(latest) = format.metadata().skip_to_latest() {
        audio.title = latest.media.tags.iter().find_map(title);
        audio.performer = latest.media.tags.iter().find_map(performer);
    }
    Some(Tracks { video, audio })
}

fn video(track: &Track, whole: Option<f64>) -> Option<Video> {
    let Some(CodecParameters::Video(of_codec)) = &track.codec_params else { return None };
    let (width, height) = (of_codec.width?.into(), of_codec.height?.into());
    let fits = (1..=SIDE_MAX).contains(&width) && (1..=SIDE_MAX).contains(&height);
    // A recording that was broken off does not say how long it is.
    let seconds = seconds_of(track).or(whole).unwrap_or_default();
    fits.then_some(Video { seconds, width, height })
}

fn seconds_of(track: &Track) -> Option<f64> {
    seconds(track.time_base, track.duration)
}

fn seconds(unit: Option<TimeBase>, count: Option<Ticks>) -> Option<f64> {
    let length = unit?.calc_duration(count?)?.as_secs_f64();
    Some(length).filter(|seconds| (0.0..=SECONDS_MAX).contains(seconds))
}

fn title(tag: &Tag) -> Option<String> {
    match tag.std.as_ref()? {
        StandardTag::TrackTitle(text) => shown(text),
        _ => None,
    }
}

fn performer(tag: &Tag) -> Option<String> {
    match tag.std.as_ref()? {
        StandardTag::Artist(text) | StandardTag::Performer(text) => shown(text),
        _ => None,
    }
}

/// A tag on one line, and not at any length.
fn shown(text: &str) -> Option<String> {
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN);
    Some(line.collect::<String>().trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use telestore_types::BytesSource;

    use super::*;

    async fn of(bytes: &'static [u8]) -> Tracks {
        read(Arc::new(BytesSource::new(bytes))).await
    }

    #[tokio::test]
    async fn videos_tell_their_length_and_their_sides() {
        for (name, bytes) in [
            ("mp4, its index behind", &include_bytes!("samples/behind.mp4")[..]),
            ("mp4, its index in front", include_bytes!("samples/front.mp4")),
            ("mov", include_bytes!("samples/video.mov")),
            ("mkv", include_bytes!("samples/video.mkv")),
            ("webm", include_bytes!("samples/video.webm")),
        ] {
            let video = of(bytes).await.video.unwrap_or_else(|| panic!("{name} is read"));
            assert_eq!((video.width, video.height), (64, 48), "{name}");
            assert!((1.9..=2.2).contains(&video.seconds), "{name}: {video:?}");
        }
    }

    #[tokio::test]
    async fn music_tells_its_length_and_its_tags() {
        for (name, bytes) in [
            ("mp3", &include_bytes!("samples/music.mp3")[..]),
            ("m4a", include_bytes!("samples/music.m4a")),
            ("flac", include_bytes!("samples/music.flac")),
            ("ogg", include_bytes!("samples/music.ogg")),
        ] {
            let audio = of(bytes).await.audio;
            assert_eq!(audio.title.as_deref(), Some("A 👍 title"), "{name}");
            assert_eq!(audio.performer.as_deref(), Some("Somebody"), "{name}");
            assert_eq!(audio.seconds, Some(2), "{name}");
        }
    }

    #[tokio::test]
    async fn whatever_is_cut_or_changed_ends_well() {
        let all = [
            &include_bytes!("samples/behind.mp4")[..],
            include_bytes!("samples/video.mkv"),
            include_bytes!("samples/music.mp3"),
            include_bytes!("samples/music.ogg"),
            include_bytes!("samples/music.flac"),
        ];
        for whole in all {
            for at in (0..whole.len()).step_by(whole.len() / 60) {
                of(&whole[..at]).await;
                for value in [0x00, 0xff] {
                    let mut changed = whole.to_vec();
                    changed[at..(at + 8).min(whole.len())].fill(value);
                    read(Arc::new(BytesSource::new(changed))).await;
                }
            }
        }
        assert_eq!(of(b"no film at all").await, Tracks::default());
    }
}

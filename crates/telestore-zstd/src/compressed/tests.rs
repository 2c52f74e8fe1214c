use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{FutureExt, try_join_all};
use sha2::{Digest, Sha256};
use telestore_types::BytesSource;

use super::*;
use crate::frames::scan_anyway;
use crate::testing::{mixed, numbers, random, text};
use crate::{DEFAULT_LEVEL, FRAME_SIZE, SeekTable, decompress_frame};

const KIB_64: usize = 64 * 1024;
const SIZES: [usize; 9] =
    [0, 1, KIB_64 - 1, KIB_64, KIB_64 + 1, FRAME_SIZE - 1, FRAME_SIZE, FRAME_SIZE + 1, 3 * FRAME_SIZE + 5];

async fn compressed(plain: &[u8]) -> Compressed {
    let source: Arc<dyn ByteSource> = Arc::new(BytesSource::new(plain.to_vec()));
    let frames = scan_anyway(Arc::clone(&source), DEFAULT_LEVEL).await.unwrap();
    Compressed::new(source, Arc::new(frames))
}

async fn whole(compressed: &Compressed) -> Bytes {
    compressed.read_at(0, compressed.len() as usize).await.unwrap()
}

fn files() -> impl Iterator<Item = Vec<u8>> {
    SIZES.into_iter().flat_map(|size| [text(size), random(size), mixed(size)])
}

#[tokio::test]
async fn what_is_compressed_comes_back() {
    for plain in files() {
        let compressed = compressed(&plain).await;
        let bytes = whole(&compressed).await;
        assert_eq!(bytes.len() as u64, compressed.len());
        assert_eq!(<[u8; 32]>::from(Sha256::digest(&bytes)), compressed.frames().sha256());

        // By whoever knows nothing of frames and tables.
        assert_eq!(zstd::decode_all(&bytes[..]).unwrap(), plain);

        let table = SeekTable::parse(&bytes, compressed.len()).unwrap();
        assert_eq!((table.len(), table.frames()), (plain.len() as u64, compressed.frames().count()));
        let mut back = Vec::new();
        for frame in table.frames_of(0..u64::MAX) {
            let range = frame.compressed.start as usize..frame.compressed.end as usize;
            let length = (frame.plain.end - frame.plain.start) as usize;
            back.extend(decompress_frame(&bytes[range], length).unwrap());
        }
        assert_eq!(back, plain);
    }
}

#[tokio::test]
async fn any_range_is_the_range_of_the_whole() {
    let compressed = compressed(&mixed(3 * FRAME_SIZE + 5)).await;
    let bytes = whole(&compressed).await;
    let mut numbers = numbers(7);
    for _ in 0..300 {
        let begin = numbers.next().unwrap() as usize % (bytes.len() + 1);
        let length = numbers.next().unwrap() as usize % (bytes.len() - begin + 1);
        // Small ones, too.
        let length = if length.is_multiple_of(2) { length } else { length % 100 };
        let length = length.min(bytes.len() - begin);
        let read = compressed.read_at(begin as u64, length).await.unwrap();
        assert_eq!(read, bytes[begin..begin + length], "{length} bytes from {begin}");
    }
    let end = compressed.len();
    for (offset, length) in [(end, 1), (0, bytes.len() + 1), (end + 1, 0), (u64::MAX, 2)] {
        let outside = compressed.read_at(offset, length).await;
        assert_eq!(outside, Err(SourceError::OutOfRange { offset, length }));
    }
    assert_eq!(compressed.read_at(end, 0).await.unwrap(), Bytes::new());
}

#[tokio::test]
async fn another_instance_gives_the_same_bytes() {
    let plain = mixed(3 * FRAME_SIZE + 5);
    let (one, other) = (compressed(&plain).await, compressed(&plain).await);
    assert_eq!(one.frames(), other.frames());
    // The other one begins at the end, so that no frame is made after the same ones.
    let half = other.len() / 2;
    let second = other.read_at(half, (other.len() - half) as usize).await.unwrap();
    let first = other.read_at(0, half as usize).await.unwrap();
    assert_eq!(whole(&one).await, [first, second].concat());
}

/// What another process made, with this version of the library. A new version may change it, and with it files that are half sent
/// begin anew.
#[tokio::test]
async fn another_process_gives_the_same_bytes() {
    let mark = compressed(&text(2 * FRAME_SIZE + 300_000)).await.frames().mark();
    let made = "1:10507:3:1048576:558445:39eb0f48ee5ea05cd9345c0918277adca58b6741b7e725e20190ed8b30679477";
    assert_eq!(mark.to_string(), made);
}

/// Counts what is read.
#[derive(Debug)]
struct Counted {
    inner: BytesSource,
    reads: AtomicUsize,
}

#[async_trait]
impl ByteSource for Counted {
    fn len(&self) -> u64 {
        self.inner.len()
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, SourceError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        // Others have their turn, as if there were a disk.
        tokio::task::yield_now().await;
        self.inner.read_at(offset, length).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_that_are_read_at_a_time_make_each_frame_once() {
    for plain in [text(40 * FRAME_SIZE), mixed(12 * FRAME_SIZE + 1), random(6 * FRAME_SIZE)] {
        let inner = BytesSource::new(plain);
        let source = Arc::new(Counted { inner, reads: AtomicUsize::new(0) });
        let frames = Arc::new(scan_anyway(source.clone(), 1).await.unwrap());
        source.reads.store(0, Ordering::Relaxed);
        let compressed = Arc::new(Compressed::new(source.clone(), Arc::clone(&frames)));
        let parts: Vec<u64> = (0..compressed.len()).step_by(512 * 1024).collect();
        let mut hash = Sha256::new();
        // Eight at a time, as an uploader with a window has them.
        for several in parts.chunks(8) {
            let reads = several.iter().map(|offset| {
                let (compressed, offset) = (Arc::clone(&compressed), *offset);
                let length = (compressed.len() - offset).min(512 * 1024) as usize;
                tokio::spawn(async move { compressed.read_at(offset, length).await.unwrap() })
            });
            for part in try_join_all(reads).await.unwrap() {
                hash.update(&part);
            }
        }
        assert_eq!(<[u8; 32]>::from(hash.finalize()), frames.sha256());
        assert_eq!(source.reads.load(Ordering::Relaxed), frames.count());
        assert_eq!(compressed.kept().len(), 0, "what was read is not kept");
    }
}

#[tokio::test]
async fn a_reader_that_goes_away_leaves_the_frame_to_others() {
    let compressed = compressed(&text(FRAME_SIZE)).await;
    let polled_once = compressed.read_at(0, 10).now_or_never();
    assert!(polled_once.is_none(), "it is made elsewhere");
    assert_eq!(whole(&compressed).await.len() as u64, compressed.len());
}

#[tokio::test]
async fn a_source_that_changed_is_damaged() {
    let plain = mixed(2 * FRAME_SIZE);
    let good = compressed(&plain).await;
    let changed = |change: fn(&mut Vec<u8>)| {
        let mut other = plain.clone();
        change(&mut other);
        Compressed::new(Arc::new(BytesSource::new(other)), Arc::clone(good.frames()))
    };
    let first = good.frames().compressed_range(0).end as usize;
    // One bit of bytes that cannot be compressed: the length stays.
    for changed in [
        changed(|bytes| bytes[FRAME_SIZE / 2 + 5] ^= 1),
        changed(|bytes| bytes[..FRAME_SIZE].fill(0)),
        changed(|bytes| bytes.truncate(FRAME_SIZE + 1)),
        changed(|bytes| bytes.push(0)),
    ] {
        let read = changed.read_at(0, first).await;
        assert!(matches!(read, Err(SourceError::Damaged(_))), "{read:?}");
    }
    // Another frame is as it was.
    let second = changed(|bytes| bytes[5] ^= 1);
    assert!(second.read_at(first as u64, 100).await.is_ok());
}

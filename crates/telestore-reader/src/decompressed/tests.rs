use std::sync::atomic::{AtomicU64, Ordering};

use telestore_types::{ByteSource, BytesSource, Verdict};
use telestore_zstd::{Compressed, FRAME_SIZE, Frames};

use super::*;

fn numbers(seed: u64) -> impl FnMut() -> usize {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) as usize
    }
}

/// Lines, with bytes that cannot be compressed between them.
fn plain(length: usize) -> Vec<u8> {
    let (mut number, mut bytes) = (numbers(3), Vec::with_capacity(length + 64));
    while bytes.len() < length {
        match bytes.len() / 100_000 % 3 {
            0 => bytes.extend_from_slice(&number().to_le_bytes()),
            _ => bytes.extend_from_slice(format!("line {}\n", number() % 1000).as_bytes()),
        }
    }
    bytes.truncate(length);
    bytes
}

async fn compressed(plain: &[u8]) -> Vec<u8> {
    let source = Arc::new(BytesSource::new(plain.to_vec()));
    let frames = Frames::scan(source.clone(), 1, |_| {}).await.unwrap().expect("it gains");
    let file = Compressed::new(source, Arc::new(frames));
    file.read_at(0, file.len() as usize).await.unwrap().to_vec()
}

/// A message in memory, whose stream brings pieces of up to so many bytes.
#[derive(Debug)]
struct Message {
    bytes: Bytes,
    name: &'static str,
    largest: usize,
    /// How many bytes were asked for.
    read: AtomicU64,
    /// Where the stream breaks.
    breaks_at: u64,
}

impl Message {
    fn new(bytes: impl Into<Bytes>, largest: usize) -> Arc<Self> {
        let bytes = bytes.into();
        Arc::new(Self { bytes, name: "a.txt.zst", largest, read: AtomicU64::new(0), breaks_at: u64::MAX })
    }
}

impl MessageBytes for Message {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn file_name(&self) -> Option<String> {
        Some(self.name.to_owned())
    }

    fn mime_type(&self) -> Option<String> {
        Some("application/zstd".to_owned())
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> ByteStream {
        self.read.fetch_add(range.end - range.start, Ordering::Relaxed);
        let (mut at, mut number) = (range.start, numbers(range.start + 1));
        let pieces = std::iter::from_fn(move || {
            let length = (number() as u64 % self.largest as u64 + 1).min(range.end - at);
            let piece = self.bytes.slice(at as usize..(at + length) as usize);
            at += length;
            let broken = at > self.breaks_at;
            (length > 0)
                .then(|| if broken { Err(Error::new(ErrorKind::Unavailable, "cut")) } else { Ok(piece) })
        });
        stream::iter(pieces).boxed()
    }
}

async fn opened(message: &Arc<Message>) -> Result<Content> {
    Content::of([Arc::clone(message) as Arc<dyn MessageBytes>]).decompressed().await
}

async fn read(content: &Content, range: Range<u64>) -> Result<Vec<u8>> {
    let pieces: Vec<Bytes> = content.read(range).try_collect().await?;
    Ok(pieces.concat())
}

const SIZES: [usize; 6] = [1000, 65_537, FRAME_SIZE - 1, FRAME_SIZE, FRAME_SIZE + 1, 3 * FRAME_SIZE + 5];

#[tokio::test]
async fn files_of_all_sizes_come_back() {
    for size in SIZES {
        // Of the lines alone, in the smallest.
        let plain = if size == 1000 { vec![b'x'; size] } else { plain(size) };
        let content = opened(&Message::new(compressed(&plain).await, 300_000)).await.unwrap();
        assert_eq!(content.len(), size as u64);
        assert!(read(&content, 0..size as u64).await.unwrap() == plain, "{size} bytes");
        assert_eq!((content.file_name().as_deref(), content.mime_type()), (Some("a.txt"), None));
    }
}

#[tokio::test]
async fn a_file_without_bytes_has_none() {
    let nothing = [0x5e, 0x2a, 0x4d, 0x18, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0xb1, 0xea, 0x92, 0x8f];
    let content = opened(&Message::new(nothing.to_vec(), 5)).await.unwrap();
    assert!(content.is_empty());
    assert!(read(&content, 0..0).await.unwrap().is_empty());
}

#[tokio::test]
async fn any_range_is_that_of_the_plain_file_however_the_stream_is_cut() {
    let plain = plain(3 * FRAME_SIZE + 5);
    let compressed = compressed(&plain).await;
    let mut number = numbers(11);
    for largest in [100, 70_000, 3_000_000] {
        let content = opened(&Message::new(compressed.clone(), largest)).await.unwrap();
        for turn in 0..60 {
            let begin = number() % plain.len();
            let most = if turn % 2 == 0 { plain.len() - begin } else { (plain.len() - begin).min(2000) };
            let range = begin..begin + number() % (most + 1);
            let came = read(&content, range.start as u64..range.end as u64).await.unwrap();
            assert!(came == plain[range.clone()], "{range:?} in pieces of {largest}");
        }
        assert!(read(&content, 0..u64::MAX).await.unwrap() == plain, "what is behind the end is left out");
    }
}

#[tokio::test]
async fn a_range_asks_for_its_frames_alone_once_it_is_polled() {
    let plain = plain(5 * FRAME_SIZE);
    let message = Message::new(compressed(&plain).await, 50_000);
    let content = opened(&message).await.unwrap();
    assert_eq!(message.read.swap(0, Ordering::Relaxed), TAIL, "the table is at the end");
    let begin = 2 * FRAME_SIZE as u64 + 7;
    assert_eq!(
        read(&content, begin..begin + 100).await.unwrap(),
        plain[begin as usize..begin as usize + 100]
    );
    let asked = message.read.load(Ordering::Relaxed);
    assert!(asked < FRAME_SIZE as u64, "{asked} bytes");
}

#[tokio::test]
async fn a_file_in_pieces_is_one() {
    let plain = plain(2 * FRAME_SIZE);
    let compressed = compressed(&plain).await;
    let pieces = compressed.chunks(400_000).map(|piece| {
        let bytes = Bytes::copy_from_slice(piece);
        let (read, breaks_at) = (AtomicU64::new(0), u64::MAX);
        Arc::new(Message { bytes, name: "b.csv.zst.001", largest: 99_999, read, breaks_at })
            as Arc<dyn MessageBytes>
    });
    let content = Content::of(pieces.collect::<Vec<_>>()).decompressed().await.unwrap();
    assert_eq!(content.file_name().as_deref(), Some("b.csv"));
    assert!(read(&content, 0..plain.len() as u64).await.unwrap() == plain);
}

/// A file of this many frames that are all alike, each of one byte.
fn many_frames(count: u32) -> Vec<u8> {
    // Raw, one byte long: what `zstd` writes for it, without a checksum.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 1, 9, 0, 0, b'x'];
    let mut file = frame.repeat(count as usize);
    file.extend_from_slice(&0x184D_2A5E_u32.to_le_bytes());
    file.extend_from_slice(&(8 * count + 9).to_le_bytes());
    file.extend((0..count).flat_map(|_| [10_u32, 1].map(u32::to_le_bytes).concat()));
    file.extend_from_slice(&count.to_le_bytes());
    file.push(0);
    file.extend_from_slice(&0x8F92_EAB1_u32.to_le_bytes());
    file
}

#[tokio::test]
async fn a_table_that_is_longer_than_the_first_read_is_read_again() {
    let message = Message::new(many_frames(10_000), 9999);
    let content = opened(&message).await.unwrap();
    assert_eq!(message.read.load(Ordering::Relaxed), TAIL + 80_017);
    assert_eq!(content.len(), 10_000);
    assert_eq!(read(&content, 4000..4100).await.unwrap(), vec![b'x'; 100]);
}

async fn damaged_by(bytes: Vec<u8>) -> Error {
    let failed = opened(&Message::new(bytes, 9999)).await.unwrap_err();
    assert_eq!((failed.kind(), failed.verdict()), (ErrorKind::Damaged, Verdict::Permanent));
    failed
}

#[tokio::test]
async fn a_table_that_is_none_of_this_file_is_damaged() {
    let good = compressed(&plain(2 * FRAME_SIZE)).await;
    let length = good.len();
    damaged_by(Vec::new()).await;
    damaged_by(plain(100_000)).await;
    damaged_by(good[..length - 1].to_vec()).await;
    damaged_by(good[1..].to_vec()).await;
    damaged_by([&good[..], &good].concat()).await;
    for at in [length - 1, length - 5, length - 7, length - 9, length - 30] {
        let mut changed = good.clone();
        changed[at] ^= 0x40;
        let said = damaged_by(changed).await.to_string();
        assert!(said.starts_with("the file in the channel is damaged"), "{said}");
    }
}

#[tokio::test]
async fn a_damaged_frame_ends_the_stream_behind_right_bytes() {
    let plain = plain(3 * FRAME_SIZE);
    let mut bytes = compressed(&plain).await;
    let table = SeekTable::parse(&bytes, bytes.len() as u64).unwrap();
    let second = table.frame(1).unwrap();
    bytes[second.compressed.start as usize + 5000] ^= 1;
    let content = opened(&Message::new(bytes, 70_000)).await.unwrap();
    let came: Vec<Result<Bytes>> = content.read(0..content.len()).collect().await;
    let (last, right) = came.split_last().unwrap();
    assert!(
        right.iter().map(|piece| piece.clone().unwrap()).collect::<Vec<_>>().concat() == plain[..FRAME_SIZE]
    );
    assert_eq!(last.as_ref().unwrap_err().kind(), ErrorKind::Damaged);
    // The others are as they were.
    let third = 2 * FRAME_SIZE..3 * FRAME_SIZE;
    assert!(read(&content, third.start as u64..third.end as u64).await.unwrap() == plain[third]);
}

#[tokio::test]
async fn an_error_of_the_reader_comes_through_behind_right_bytes() {
    let plain = plain(3 * FRAME_SIZE);
    let bytes = compressed(&plain).await;
    let table = SeekTable::parse(&bytes, bytes.len() as u64).unwrap();
    let breaks_at = table.frame(2).unwrap().compressed.start + 1000;
    let compressed = Message { breaks_at, ..Arc::into_inner(Message::new(bytes, 500)).unwrap() };
    // The table was read before it broke.
    let content = Content::of([Arc::new(Decompressed {
        compressed: Content::of([Arc::new(compressed) as Arc<dyn MessageBytes>]),
        table,
    }) as Arc<dyn MessageBytes>]);
    let came: Vec<Result<Bytes>> = content.read(0..content.len()).collect().await;
    let (last, right) = came.split_last().unwrap();
    assert!(
        right.iter().map(|piece| piece.clone().unwrap()).collect::<Vec<_>>().concat()
            == plain[..2 * FRAME_SIZE]
    );
    assert_eq!(last.as_ref().unwrap_err().kind(), ErrorKind::Unavailable);
}

#[test]
fn a_name_loses_what_zstd_put_behind_it() {
    for (name, plain) in [
        ("a.txt.zst", "a.txt"),
        ("a.ZST", "a"),
        ("a.zst.001", "a"),
        ("a.zst.1000", "a"),
        ("файл.zst", "файл"),
        ("a.zst.zst", "a.zst"),
        (".zst", ".zst"),
        ("a.txt", "a.txt"),
        ("a.001", "a.001"),
        ("a.zst.01", "a.zst.01"),
        ("a.zst.x01", "a.zst.x01"),
        ("", ""),
        ("ы", "ы"),
        ("ыы.", "ыы."),
    ] {
        assert_eq!(plain_name(name), plain);
    }
}

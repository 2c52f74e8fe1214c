use std::ops::Range;

use futures_util::future::join_all;
use rand::RngExt;
use telestore_types::BytesSource;

use super::*;
use crate::{Header, Identity, Parsed};

/// A source that writes down what is read of it.
#[derive(Debug)]
struct Watched {
    inner: BytesSource,
    reads: Mutex<Vec<Range<u64>>>,
    /// What each read fails with.
    fault: Option<SourceError>,
    /// How many bytes each read lacks.
    lacks: usize,
}

#[async_trait]
impl ByteSource for Watched {
    fn len(&self) -> u64 {
        self.inner.len()
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, SourceError> {
        self.reads.lock().unwrap().push(offset..offset + length as u64);
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let bytes = self.inner.read_at(offset, length).await?;
        Ok(bytes.slice(..bytes.len() - self.lacks))
    }
}

fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rand::rng().fill(&mut bytes[..]);
    bytes
}

fn watched(plain: Vec<u8>) -> Watched {
    Watched { inner: BytesSource::new(plain), reads: Mutex::default(), fault: None, lacks: 0 }
}

fn encrypted(plain: impl ByteSource) -> (Encrypted, Identity) {
    let me = Identity::generate().unwrap();
    let others = Identity::generate().unwrap().recipient();
    let sealing = Sealing::draw(&[others, me.recipient()]).unwrap();
    (Encrypted::new(Arc::new(plain), Arc::new(sealing)), me)
}

/// Opens a file as somebody would who has no more than it and the identity.
fn opened(file: &[u8], me: &Identity) -> Vec<u8> {
    let Parsed::Whole(header) = Header::parse(file).unwrap() else { panic!("the header is cut off") };
    let (payload, length) = (header.open(std::slice::from_ref(me)).unwrap(), file.len() as u64);
    let mut plain = Vec::new();
    for index in 0..count(payload.plain_len(length).unwrap()) {
        let range = payload.chunk_range(index, length);
        let mut chunk = BytesMut::from(&file[range.start as usize..range.end as usize]);
        payload.decrypt_chunk(index, payload.is_last(index, length), &mut chunk).unwrap();
        plain.extend_from_slice(&chunk);
    }
    plain
}

const SIZES: [usize; 12] =
    [0, 1, 100, 65_535, 65_536, 65_537, 131_071, 131_072, 131_073, 524_288, 1_000_000, 3_300_000];

#[tokio::test]
async fn what_is_encrypted_is_opened_again() {
    for size in SIZES {
        let plain = random(size);
        let (file, me) = encrypted(BytesSource::new(plain.clone()));
        let whole = file.read_at(0, file.len() as usize).await.unwrap();
        assert_eq!(whole.len() as u64, file.len(), "{size}");
        assert_eq!(whole.len(), 70 + 2 * 98 + 16 + size + 16 * size.div_ceil(CHUNK).max(1));
        assert!(opened(&whole, &me) == plain, "{size}");
    }
}

#[tokio::test]
async fn any_range_is_the_same_bytes_in_any_order() {
    for size in SIZES {
        let plain = random(size);
        let (file, _) = encrypted(BytesSource::new(plain.clone()));
        let whole = file.read_at(0, file.len() as usize).await.unwrap();
        // After a crash: from what was kept.
        let again = Sealing::from_bytes(&file.sealing.to_bytes()).unwrap();
        let again = Encrypted::new(Arc::new(BytesSource::new(plain)), Arc::new(again));
        let edges = [0, 1, 281, 282, 283, 65_833, 65_834, 65_835, 131_385, 131_386, 131_387];
        let edges = edges.into_iter().chain([whole.len(), whole.len() - 1, whole.len() - 17]);
        let edges: Vec<_> = edges.filter(|edge| *edge <= whole.len()).collect();
        for begin in &edges {
            for end in edges.iter().filter(|end| begin <= *end) {
                let read = again.read_at(*begin as u64, end - begin).await.unwrap();
                assert!(read == whole[*begin..*end], "{size}: {begin}..{end}");
            }
        }
        for _ in 0..200 {
            let begin = rand::random_range(0..whole.len());
            let longest = (whole.len() - begin).min(if rand::random() { 1000 } else { 600_000 });
            let length = rand::random_range(0..=longest);
            let read = again.read_at(begin as u64, length).await.unwrap();
            assert!(read == whole[begin..begin + length], "{size}: {begin}+{length}");
        }
        for (offset, length) in [(file.len(), 1), (file.len() + 1, 0), (0, whole.len() + 1), (u64::MAX, 2)] {
            let outside = SourceError::OutOfRange { offset, length };
            assert_eq!(file.read_at(offset, length).await, Err(outside));
        }
    }
}

/// The parts of a file.
fn parts(file: &Encrypted, part: usize) -> Vec<(u64, usize)> {
    let whole = file.len();
    let part_at = |offset: u64| (offset, (whole - offset).min(part as u64) as usize);
    (0..whole).step_by(part).map(part_at).collect()
}

#[tokio::test]
async fn parts_in_order_read_and_encrypt_each_chunk_once() {
    for part in [1000, 64 * 1024, 512 * 1024, 700_000] {
        let (file, source) = with_watched(3_300_000);
        for (offset, length) in parts(&file, part) {
            file.read_at(offset, length).await.unwrap();
        }
        let reads = source.reads.lock().unwrap();
        let mut next = 0;
        for read in &*reads {
            assert_eq!(read.start, next, "of {part}: a chunk was read twice, or left out");
            next = read.end;
        }
        assert_eq!(next, 3_300_000);
        assert!(part < 512 * 1024 || reads.len() <= parts(&file, part).len() * 2, "{} reads", reads.len());
        assert!(part != 512 * 1024 || reads.len() == parts(&file, part).len(), "{} reads", reads.len());
    }
}

#[tokio::test]
async fn several_readers_keep_their_own_rests() {
    let (file, source) = with_watched(16 * 1024 * 1024);
    let whole = file.read_at(0, file.len() as usize).await.unwrap();
    source.reads.lock().unwrap().clear();
    let stretches: Vec<_> = parts(&file, 4 * 1024 * 1024);
    // In turn, as pieces of a file are sent side by side.
    for step in 0..8 {
        let read_one = async |(begin, length): &(u64, usize)| {
            let offset = begin + step * 512 * 1024;
            let length = ((begin + *length as u64).saturating_sub(offset)).min(512 * 1024) as usize;
            if length > 0 {
                let read = file.read_at(offset, length).await.unwrap();
                assert!(read == whole[offset as usize..offset as usize + length]);
            }
        };
        join_all(stretches.iter().map(read_one)).await;
    }
    let read: u64 = source.reads.lock().unwrap().iter().map(|read| read.end - read.start).sum();
    let edges = stretches.len() as u64 * CHUNK as u64;
    assert!(read <= 16 * 1024 * 1024 + edges, "{read} bytes were read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tasks_that_read_at_a_time_have_the_same_bytes() {
    let (file, _) = encrypted(BytesSource::new(random(5_000_000)));
    let file = Arc::new(file);
    let whole = file.read_at(0, file.len() as usize).await.unwrap();
    let reads = parts(&file, 512 * 1024).into_iter().cycle().take(60).map(|(offset, length)| {
        let (file, whole) = (file.clone(), whole.clone());
        tokio::spawn(async move {
            let read = file.read_at(offset, length).await.unwrap();
            assert!(read == whole[offset as usize..][..length], "{offset}");
        })
    });
    for read in join_all(reads).await {
        read.unwrap();
    }
    assert!(file.rests.lock().unwrap().len() <= KEPT_RESTS);
}

#[tokio::test]
async fn little_is_kept() {
    let (file, _) = encrypted(BytesSource::new(random(3_000_000)));
    for _ in 0..200 {
        let length = rand::random_range(1..5000);
        file.read_at(rand::random_range(0..file.len() - 5000), length).await.unwrap();
        let rests = file.rests.lock().unwrap();
        assert!(rests.len() <= KEPT_RESTS);
        assert!(rests.iter().all(|(_, bytes)| bytes.len() < SEALED_CHUNK && !bytes.is_empty()));
    }
}

#[tokio::test]
async fn errors_of_the_source_are_passed_on() {
    for fault in [SourceError::Io("the disk".to_owned()), SourceError::Damaged("chunk 3".to_owned())] {
        let mut source = watched(random(70_000));
        source.fault = Some(fault.clone());
        let (file, _) = encrypted(source);
        assert_eq!(file.read_at(200, 1000).await, Err(fault.clone()));
        // The header needs none of it.
        assert_eq!(file.read_at(0, 100).await.unwrap().len(), 100);
        assert_eq!(file.read_at(0, 1000).await, Err(fault));
    }
}

#[tokio::test]
async fn a_source_that_gives_too_little_is_not_encrypted() {
    let mut source = watched(random(70_000));
    source.lacks = 1;
    let (file, _) = encrypted(source);
    assert!(matches!(file.read_at(0, 70_000).await, Err(SourceError::Damaged(_))));
}

fn with_watched(size: usize) -> (Encrypted, Arc<Watched>) {
    let source = Arc::new(watched(random(size)));
    let sealing = Sealing::draw(&[Identity::generate().unwrap().recipient()]).unwrap();
    (Encrypted::new(source.clone(), Arc::new(sealing)), source)
}

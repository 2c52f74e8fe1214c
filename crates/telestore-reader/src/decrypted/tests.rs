use std::sync::Mutex;

use telestore_age::{Encrypted, Recipient, Sealing};
use telestore_types::{ByteSource, BytesSource};

use super::*;

/// A message in memory, which comes in pieces, and writes down what is read of it.
#[derive(Debug)]
struct Memory {
    bytes: Bytes,
    name: &'static str,
    piece: usize,
    reads: Arc<Mutex<Vec<Range<u64>>>>,
    /// How many pieces were taken.
    taken: Arc<Mutex<usize>>,
}

impl MessageBytes for Memory {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn file_name(&self) -> Option<String> {
        Some(self.name.to_owned())
    }

    fn mime_type(&self) -> Option<String> {
        Some("application/octet-stream".to_owned())
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> ByteStream {
        self.reads.lock().unwrap().push(range.clone());
        let bytes = self.bytes.slice(range.start as usize..range.end as usize);
        let (piece, taken) = (self.piece, self.taken.clone());
        let pieces = (0..bytes.len()).step_by(piece).map(move |at| {
            *taken.lock().unwrap() += 1;
            Ok(bytes.slice(at..bytes.len().min(at + piece)))
        });
        stream::iter(pieces).boxed()
    }
}

fn memory(bytes: Bytes, piece: usize) -> Memory {
    Memory { bytes, name: "film.mp4.age", piece, reads: Arc::default(), taken: Arc::default() }
}

fn content(bytes: &Bytes, piece: usize) -> Content {
    let message: Arc<dyn MessageBytes> = Arc::new(memory(bytes.clone(), piece));
    Content::of([message])
}

fn plain(size: usize) -> Bytes {
    (0..size as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

async fn encrypted_for(plain: &Bytes, recipients: &[Recipient]) -> Bytes {
    let sealing = Arc::new(Sealing::draw(recipients).unwrap());
    let file = Encrypted::new(Arc::new(BytesSource::new(plain.clone())), sealing);
    file.read_at(0, file.len() as usize).await.unwrap()
}

async fn encrypted(plain: &Bytes) -> (Bytes, Vec<Identity>) {
    let me = Identity::generate().unwrap();
    (encrypted_for(plain, &[me.recipient()]).await, vec![me])
}

/// What comes, and why no more of it does.
async fn read(content: &Content, range: Range<u64>) -> (Vec<u8>, Option<ErrorKind>) {
    let (mut bytes, mut pieces) = (Vec::new(), content.read(range));
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(piece) => bytes.extend_from_slice(&piece),
            Err(error) => {
                assert!(pieces.next().await.is_none(), "something came behind an error");
                return (bytes, Some(error.kind()));
            }
        }
    }
    (bytes, None)
}

#[tokio::test]
async fn any_range_of_any_size_is_read() {
    for size in [0, 1, 65_535, 65_536, 65_537, 131_072, 131_073, 1_000_000] {
        let plain = plain(size);
        let (file, me) = encrypted(&plain).await;
        // A header that comes byte by byte, pieces that no chunk fits into, and all in one.
        for piece in [7, 50_000, 65_552, 262_144, 4_000_000] {
            if piece == 7 && size > 131_073 {
                continue;
            }
            let content = content(&file, piece).decrypted(&me).await.unwrap();
            assert_eq!(content.len(), size as u64);
            assert!(read(&content, 0..size as u64).await == (plain.to_vec(), None), "{size} in {piece}");
            let mut state = 12_345_u64;
            let mut random = |below: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % below
            };
            let edges = [0, 1, 65_535, 65_536, 65_537, 131_071, 131_072, size as u64];
            for at in 0..60 {
                let mut edge =
                    || if at % 2 == 0 { edges[random(8) as usize] } else { random(size as u64 + 1) };
                let (one, two) = (edge().min(size as u64), edge().min(size as u64));
                let range = one.min(two)..one.max(two);
                let expected = plain[range.start as usize..range.end as usize].to_vec();
                assert!(
                    read(&content, range.clone()).await == (expected, None),
                    "{size} in {piece}: {range:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_range_needs_its_chunks_and_no_others() {
    let plain = plain(1_000_000);
    let (file, me) = encrypted(&plain).await;
    let message = memory(file.clone(), 100_000);
    let (reads, taken) = (message.reads.clone(), message.taken.clone());
    let message: Arc<dyn MessageBytes> = Arc::new(message);
    let content = Content::of([message]).decrypted(&me).await.unwrap();
    let opened: u64 = reads.lock().unwrap().drain(..).map(|range| range.end - range.start).sum();
    assert_eq!(opened, HEAD + SEALED_CHUNK as u64);
    for (range, chunks) in [
        (0..1, Some(0..1)),
        (65_535..65_537, Some(0..2)),
        (200_000..200_001, Some(3..4)),
        (990_000..1_000_000, None),
    ] {
        read(&content, range.clone()).await;
        let expected = chunks.map(|chunks: Range<u64>| {
            184 + chunks.start * SEALED_CHUNK as u64..184 + chunks.end * SEALED_CHUNK as u64
        });
        let asked: Vec<_> = reads.lock().unwrap().drain(..).collect();
        assert_eq!(asked, expected.into_iter().collect::<Vec<_>>(), "{range:?}");
    }
    // No more is taken than what is given out needs.
    *taken.lock().unwrap() = 0;
    let mut slow = content.read(0..1_000_000);
    assert_eq!(slow.next().await.unwrap().unwrap().len(), CHUNK);
    assert_eq!(*taken.lock().unwrap(), 1);
}

#[tokio::test]
async fn pieces_of_a_file_are_one() {
    let plain = plain(300_000);
    let (file, me) = encrypted(&plain).await;
    let pieces = [0..100, 100..70_000, 70_000..file.len()].map(|range| -> Arc<dyn MessageBytes> {
        let mut piece = memory(file.slice(range), 10_000);
        piece.name = "film.mp4.age.001";
        Arc::new(piece)
    });
    let content = Content::of(pieces).decrypted(&me).await.unwrap();
    assert!(read(&content, 0..300_000).await == (plain.to_vec(), None));
    assert_eq!((content.file_name().as_deref(), content.mime_type()), (Some("film.mp4"), None));
}

#[tokio::test]
async fn a_damaged_chunk_ends_the_stream_behind_right_bytes() {
    let plain = plain(400_000);
    let (file, me) = encrypted(&plain).await;
    for (chunk, at) in [(0, 0), (0, SEALED_CHUNK - 1), (2, 1), (5, 70)] {
        let mut changed = file.to_vec();
        changed[184 + chunk * SEALED_CHUNK + at] ^= 1;
        let content = content(&changed.into(), 30_000).decrypted(&me).await.unwrap();
        let (bytes, error) = read(&content, 10..400_000).await;
        assert_eq!(error, Some(ErrorKind::Damaged));
        assert!(bytes == plain[10.min(chunk * CHUNK)..chunk * CHUNK], "chunk {chunk}");
        // What lies beside it can be read.
        let beside = (chunk as u64 + 1) * CHUNK as u64;
        assert!(read(&content, beside..400_000).await == (plain[beside as usize..].to_vec(), None));
    }
    // Two chunks that were exchanged.
    let mut changed = file.to_vec();
    let (one, two) = changed[184..184 + 2 * SEALED_CHUNK].split_at_mut(SEALED_CHUNK);
    one.swap_with_slice(two);
    let content = content(&changed.into(), 30_000).decrypted(&me).await.unwrap();
    assert_eq!(read(&content, 0..100).await, (Vec::new(), Some(ErrorKind::Damaged)));
}

async fn refused(file: &Bytes, identities: &[Identity]) -> (ErrorKind, String) {
    let error = content(file, 1000).decrypted(identities).await.unwrap_err();
    (error.kind(), error.to_string())
}

#[tokio::test]
async fn a_file_that_was_cut_off_or_changed_at_its_end_is_not_opened() {
    let (file, me) = encrypted(&plain(400_000)).await;
    let chunk = |count: usize| 184 + count * SEALED_CHUNK;
    for end in [0, 10, 100, 183, 184, 199, chunk(1), chunk(2) - 1, chunk(6), chunk(6) + 16, file.len() - 1] {
        let (kind, text) = refused(&file.slice(..end), &me).await;
        assert_eq!(kind, ErrorKind::Damaged, "{end}");
        assert!(text.contains("changed or damaged"), "{text}");
    }
    let mut longer = file.to_vec();
    longer.push(0);
    assert_eq!(refused(&longer.into(), &me).await.0, ErrorKind::Damaged);
    for at in [0, 30, 100, 150, 170, file.len() - 1] {
        let mut changed = file.to_vec();
        changed[at] ^= 1;
        let kind = refused(&changed.into(), &me).await.0;
        // A changed stanza may as well be one for somebody else.
        assert!(
            kind == ErrorKind::Damaged || [30, 100].contains(&at) && kind == ErrorKind::Refused,
            "{at}: {kind:?}"
        );
    }
    assert_eq!(refused(&plain(100_000), &me).await.0, ErrorKind::Damaged);
}

#[tokio::test]
async fn who_has_no_key_is_told_what_is_missing() {
    let (file, _) = encrypted(&plain(10)).await;
    let stranger = Identity::generate().unwrap();
    let (kind, text) = refused(&file, &[stranger]).await;
    assert!(kind == ErrorKind::Refused && text.contains("give it the identity"), "{text}");
    let (kind, text) = refused(&file, &[]).await;
    assert!(kind == ErrorKind::Refused && text.contains("no age identity"), "{text}");
    let body = "A".repeat(43);
    let scrypt = format!(
        "age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA 18\n{body}\n--- {body}\n{}",
        "x".repeat(40)
    );
    let (kind, text) = refused(&scrypt.into(), &[Identity::generate().unwrap()]).await;
    assert!(kind == ErrorKind::Refused && text.contains("passphrase"), "{text}");
}

#[tokio::test]
async fn a_long_header_is_read_in_two_steps() {
    let people: Vec<_> = (0..100).map(|_| Identity::generate().unwrap()).collect();
    let recipients: Vec<_> = people.iter().map(Identity::recipient).collect();
    for size in [5, 200_000] {
        let plain = plain(size);
        let file = encrypted_for(&plain, &recipients).await;
        let content = content(&file, 1000).decrypted(&people[99..]).await.unwrap();
        assert!(read(&content, 0..size as u64).await == (plain.to_vec(), None));
    }
}

#[test]
fn names_lose_what_age_puts_behind_them() {
    for (name, plain) in [
        ("a.mp4.age", "a.mp4"),
        ("a.AGE", "a"),
        ("a.age.001", "a"),
        ("a.age.1234", "a"),
        ("a.age.01", "a.age.01"),
        ("a.001", "a.001"),
        (".age", ".age"),
        ("age", "age"),
        ("ä", "ä"),
        ("", ""),
    ] {
        assert_eq!(plain_name(name), plain);
    }
}

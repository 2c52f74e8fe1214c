//! Encrypted files over attempts, kills and chunks that become others: the same bytes where something goes on, and never two plain
//! texts under one key and nonce.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use telestore::age::audit::Audit;
use telestore::age::{Identity, Payload};
use telestore::store::SessionStore;
use telestore::types::{ResumeState, StoredAs, StoredFile, StoredMessage, UploadState};
use telestore::uploader::{
    Capability, Error, ErrorKind, ProgressSink, Requirement, Result, TelegramUploader, UploadRequest,
};
use telestore::{Caller, EngineConfig};

use crate::support::{HOUR, TOKEN, World, config, file, id, send_chunk, token};

const CHUNK: usize = 70_000;
const PART: usize = 50_000;

/// A backend that reads some parts, in any order, keeps what it saw, and then ends as it is told.
#[derive(Debug, Clone, Default)]
struct Reader(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    random: Option<StdRng>,
    /// What was read of each attempt.
    attempts: Vec<Vec<(u64, Vec<u8>)>>,
    /// How the next one ends; `None` if it sends the file.
    ends: Option<ErrorKind>,
    /// The whole files that were sent.
    sent: Vec<Vec<u8>>,
}

impl Reader {
    fn change<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }
}

#[async_trait]
impl TelegramUploader for Reader {
    fn name(&self) -> &'static str {
        "reader"
    }

    fn capability(&self) -> Capability {
        Capability::new(10_000_000, Requirement::Nothing).resumable().idempotent().early_from(8)
    }

    async fn upload(&self, request: UploadRequest, sink: Arc<dyn ProgressSink>) -> Result<StoredFile> {
        let length = usize::try_from(request.source.len()).unwrap();
        let ends = self.change(|seen| seen.ends.take());
        let mut read = vec![(0, request.source.read_at(0, length.min(1000)).await?.to_vec())];
        for part in 0..length.div_ceil(PART) {
            let skips = ends.is_some() && self.change(|seen| seen.random.as_mut().unwrap().random());
            if !skips {
                let (from, to) = (part * PART, length.min((part + 1) * PART));
                read.push((from as u64, request.source.read_at(from as u64, to - from).await?.to_vec()));
            }
        }
        sink.checkpoint(ResumeState::new("reader", length.to_string())).await?;
        let whole: Vec<u8> = read[1..].iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        self.change(|seen| seen.attempts.push(read));
        match ends {
            Some(kind) => Err(Error::new(kind, "as it was told")),
            None => {
                let number = self.change(|seen| {
                    seen.sent.push(whole);
                    seen.sent.len() as i64
                });
                let kind = StoredAs::Other { kind: "reader".into(), file_id: number.to_string() };
                Ok(StoredFile::new(StoredMessage::new(number, kind, length as u64)))
            }
        }
    }
}

fn encrypting(me: &Identity) -> EngineConfig {
    config().with(|config| {
        config.encoding.encrypt = true;
        config.encoding.recipients = vec![me.recipient()];
        config.encoding.identities = vec![me.clone()];
    })
}

/// What an encrypted file holds.
fn opened(file: &[u8], me: &Identity) -> Vec<u8> {
    let telestore::age::Parsed::Whole(header) = telestore::age::Header::parse(file).unwrap() else {
        panic!()
    };
    let payload: Payload = header.open(std::slice::from_ref(me)).unwrap();
    let (all, mut plain) = (file.len() as u64, Vec::new());
    for index in 0.. {
        let (range, last) = (payload.chunk_range(index, all), payload.is_last(index, all));
        let mut chunk = bytes::BytesMut::from(&file[range.start as usize..range.end as usize]);
        payload.decrypt_chunk(index, last, &mut chunk).unwrap();
        plain.extend_from_slice(&chunk);
        if last {
            break;
        }
    }
    plain
}

#[tokio::test]
async fn no_key_and_nonce_are_ever_used_for_two_plain_texts() {
    for seed in 0..40 {
        let mut random = StdRng::seed_from_u64(seed);
        let (me, reader) = (Identity::generate().unwrap(), Reader::default());
        reader.change(|seen| seen.random = Some(StdRng::seed_from_u64(seed)));
        let world = World::sending_with(crate::uploader::Scripted::new(), |builder| {
            builder.uploader(reader.clone()).config(encrypting(&me))
        });
        let mut engine = world.engine.clone();
        let info = file("a", (CHUNK * 3) as u64, 3);
        let mut plain = vec![vec![1; CHUNK], vec![2; CHUNK], vec![3; CHUNK]];
        for (index, bytes) in (0..).zip(&plain) {
            send_chunk(&engine, &info, index, bytes).await.unwrap();
        }
        let mut audit = Audit::default();
        for _ in 0..random.random_range(2..7) {
            engine.complete(&id("a"), &Caller::from(token(TOKEN))).await.unwrap();
            let kind = if random.random() { ErrorKind::Rejected } else { ErrorKind::Unavailable };
            reader.change(|seen| seen.ends = Some(kind));
            assert!(engine.step().await.unwrap());
            if random.random() {
                // As after a kill.
                engine = world.another(reader.clone()).config(encrypting(&me)).build().unwrap();
                engine.recover().await.unwrap();
            }
            let state = world.sessions.inner.get(&id("a")).await.unwrap().unwrap().state;
            if state == UploadState::Failed && random.random_range(0..3) > 0 {
                let index = random.random_range(0..3_u32);
                let bytes = &mut plain[index as usize];
                // Often the same again.
                if random.random() {
                    let at = random.random_range(0..CHUNK);
                    bytes[at] ^= 1;
                }
                send_chunk(&engine, &info, index, bytes).await.unwrap();
            }
            world.clock.advance(HOUR * 2);
        }
        engine.complete(&id("a"), &Caller::from(token(TOKEN))).await.unwrap();
        while engine.step().await.unwrap() {}
        let (attempts, sent) = reader.change(|seen| (seen.attempts.clone(), seen.sent.clone()));
        assert_eq!(sent.len(), 1, "seed {seed}");
        assert!(opened(&sent[0], &me) == plain.concat(), "seed {seed}");
        for attempt in &attempts {
            let pieces: Vec<_> = attempt.iter().map(|(offset, bytes)| (*offset, bytes.as_slice())).collect();
            audit.look_at_file(std::slice::from_ref(&me), sent[0].len() as u64, &pieces);
        }
        assert!(audit.chunks() >= 4, "seed {seed}");
    }
}

#[tokio::test]
async fn the_next_attempt_and_the_next_process_make_the_same_bytes() {
    let (me, reader) = (Identity::generate().unwrap(), Reader::default());
    reader.change(|seen| seen.random = Some(StdRng::seed_from_u64(7)));
    let world = World::sending_with(crate::uploader::Scripted::new(), |builder| {
        builder.uploader(reader.clone()).config(encrypting(&me))
    });
    world.queue("a").await;
    reader.change(|seen| seen.ends = Some(ErrorKind::Unavailable));
    world.engine.step().await.unwrap();
    let row = world.stored("a").await;
    let kept = row.encoding.expect("it is in the row");
    assert_eq!(kept.size, reader.change(|seen| seen.attempts[0][0].1.len()) as u64);
    assert!(
        kept.sealed.is_some_and(|sealed| !sealed.windows(14).any(|bytes| bytes == b"age-encryption")),
        "and sealed"
    );
    world.clock.advance(HOUR * 2);
    // Another recipient by now: what has begun goes on.
    let other = Identity::generate().unwrap();
    let next = world.another(reader.clone()).config(encrypting(&other)).build().unwrap();
    assert!(next.step().await.unwrap());
    let (attempts, sent) = reader.change(|seen| (seen.attempts.clone(), seen.sent.clone()));
    assert_eq!(attempts[0][0], attempts[1][0]);
    assert_eq!(opened(&sent[0], &me), crate::support::BODY);
    let row = world.stored("a").await;
    assert_eq!(
        (row.state, row.encoding.unwrap().sealed),
        (UploadState::Completed, None),
        "its keys are gone"
    );
}

#[tokio::test]
async fn a_file_is_never_sent_as_it_is_for_want_of_a_recipient() {
    let reader = Reader::default();
    let world = World::sending_with(crate::uploader::Scripted::new(), |builder| {
        builder.uploader(reader.clone()).config(config().with(|config| config.encoding.encrypt = true))
    });
    world.queue("a").await;
    world.drain().await;
    let row = world.stored("a").await;
    assert_eq!(row.state, UploadState::Failed);
    assert!(row.error.unwrap().contains("nobody is named"));
    assert_eq!(reader.change(|seen| seen.attempts.len()), 0);
}

#[tokio::test]
async fn a_file_that_is_to_be_encrypted_is_not_sent_while_it_arrives() {
    let (me, reader) = (Identity::generate().unwrap(), Reader::default());
    let world = World::sending_with(crate::uploader::Scripted::new(), |builder| {
        builder.uploader(reader.clone()).config(encrypting(&me))
    });
    let running = world.engine.start().await.unwrap();
    let info = file("a", (CHUNK * 3) as u64, 3);
    for index in 0..2 {
        send_chunk(&world.engine, &info, index, &vec![1; CHUNK]).await.unwrap();
    }
    running.shutdown().await;
    let row = world.stored("a").await;
    assert_eq!((row.early, row.resume, row.encoding), (false, None, None));
}

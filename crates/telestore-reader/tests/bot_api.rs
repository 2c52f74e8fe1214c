//! Reading by the Bot API, against the sandbox: with a bot's token and nothing else.

mod common;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::{bytes, nobody, read};
use futures_util::TryStreamExt;
use telestore_reader::{BotApiConfig, BotApiReader, ByteStream, Content, ErrorKind, Result, TelegramReader};
use telestore_sandbox::{
    Fault, FaultAction, FloodShape, HostileFile, HostileHttp, Sandbox, SandboxUser, UserSpec,
};
use telestore_types::{
    BytesSource, FileName, Secret, StoredAs, StoredFile, StoredMessage, TelegramCredentials, UploadId,
};
use telestore_uploader::{BotApiUploader, NoProgress, TelegramUploader, UploadRequest};

const FILE: &str = "file";
const GET_FILE: &str = "getFile";
const MIB: usize = 1024 * 1024;

/// A sandbox with a user who has a bot, and a reader.
struct World {
    sandbox: Sandbox,
    user: SandboxUser,
    uploader: BotApiUploader,
    readers: Vec<Arc<dyn TelegramReader>>,
}

impl World {
    async fn new() -> Self {
        Self::with(Sandbox::start().await.unwrap(), |_| {})
    }

    fn with(sandbox: Sandbox, change: impl FnOnce(&mut BotApiConfig)) -> Self {
        let config = BotApiConfig::at(sandbox.bot_api_url()).with(|config| config.max_bytes = 1 << 30);
        let uploader = BotApiUploader::new(config.clone()).unwrap();
        let reader = BotApiReader::new(config.with(change)).unwrap();
        Self { user: sandbox.user(), sandbox, uploader, readers: vec![Arc::new(reader)] }
    }

    fn credentials(&self) -> TelegramCredentials {
        nobody(&self.user).with_bot(Secret::new(&self.user.bot_token))
    }

    async fn send(&self, bytes: &Bytes) -> StoredFile {
        let file_name = FileName::new("file.bin").unwrap();
        let source = Arc::new(BytesSource::new(bytes.clone()));
        let id = UploadId::new("test").unwrap();
        let request = UploadRequest::new(id, Arc::new(self.credentials()), file_name, source);
        self.uploader.upload(request, Arc::new(NoProgress)).await.unwrap()
    }

    async fn open(&self, stored: &StoredFile) -> Result<Content> {
        Content::open(&self.readers, &self.credentials(), stored.messages()).await
    }

    /// A file that was sent, opened.
    async fn opened(&self, seed: u64, length: usize) -> (Bytes, Content) {
        let sent = bytes(seed, length);
        let content = self.open(&self.send(&sent).await).await.unwrap();
        (sent, content)
    }

    fn calls(&self, of: &str) -> u64 {
        self.sandbox.stats().calls(of)
    }

    fn hostile(&self, file: HostileFile) -> Fault {
        Fault::new(FILE, FaultAction::HostileFile(file))
    }
}

/// All that comes of a stream, and how it ends.
async fn taken(mut stream: ByteStream) -> (Vec<u8>, Result<()>) {
    let mut came = Vec::new();
    loop {
        match stream.try_next().await {
            Ok(Some(piece)) => came.extend_from_slice(&piece),
            Ok(None) => return (came, Ok(())),
            Err(error) => return (came, Err(error)),
        }
    }
}

#[tokio::test]
async fn what_a_bot_has_sent_comes_back_whole_and_by_any_range() {
    let world = World::new().await;
    for length in [1, 2, 65_535, 65_536, 65_537, 5 * MIB + 77] {
        let (sent, content) = world.opened(length as u64, length).await;
        assert_eq!(content.len(), length as u64);
        assert_eq!(read(&content, 0..u64::MAX).await.unwrap(), sent);
        for (from, to) in [(0, 1), (length / 2, length), (length - 1, length), (length / 3, length / 3 * 2)] {
            assert_eq!(read(&content, from as u64..to as u64).await.unwrap(), sent[from..to], "{from}..{to}");
        }
    }
}

#[tokio::test]
async fn random_ranges_are_those_of_the_original_and_cost_one_question() {
    let world = World::new().await;
    let sent = bytes(1, MIB + 12_345);
    let stored = world.send(&sent).await;
    let mut state = 7_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for _ in 0..200 {
        let from = random(sent.len());
        let to = from + 1 + random(sent.len() - from);
        let content = world.open(&stored).await.unwrap();
        assert_eq!(read(&content, from as u64..to as u64).await.unwrap(), sent[from..to]);
    }
    assert_eq!((world.calls(GET_FILE), world.calls(FILE)), (1, 200));
}

#[tokio::test]
async fn pieces_are_joined() {
    let world = World::new().await;
    let (mut messages, mut offset, mut whole) = (Vec::new(), 0, Vec::new());
    for number in 0..3 {
        let piece = bytes(number, 200_001 + number as usize);
        messages.push(world.send(&piece).await.first().clone().at(offset));
        offset += piece.len() as u64;
        whole.extend_from_slice(&piece);
    }
    let content = world.open(&StoredFile::of(messages).unwrap()).await.unwrap();
    assert_eq!(read(&content, 0..u64::MAX).await.unwrap(), whole);
    assert_eq!(read(&content, 199_990..400_020).await.unwrap(), whole[199_990..400_020]);
}

#[tokio::test]
async fn what_passes_is_waited_for_or_asked_again() {
    let world = World::new().await;
    let stored = world.send(&bytes(2, MIB)).await;
    let content = world.open(&stored).await.unwrap();
    let whole = read(&content, 0..u64::MAX).await.unwrap();
    let bad_gateway = FaultAction::HttpStatus(502, serde_json::Value::Null);
    for action in [
        FaultAction::DropConnection,
        FaultAction::LoseAnswer,
        FaultAction::FloodWait(1),
        FaultAction::FloodAs(FloodShape::Header, 1),
        FaultAction::FloodAs(FloodShape::BadRequest, 1),
        FaultAction::RpcError(500, "Internal Server Error".to_owned()),
        bad_gateway,
        FaultAction::DropBodyAfter(0),
        FaultAction::DropBodyAfter(100_000),
        FaultAction::HostileFile(HostileFile::Whole),
        FaultAction::HostileFile(HostileFile::TooShort(1)),
        FaultAction::HostileFile(HostileFile::TooShort(400_000)),
    ] {
        for from in [0, 300_000] {
            let fault = world.sandbox.faults().inject(Fault::new(FILE, action.clone()).once());
            let got = read(&content, from..u64::MAX).await;
            assert!(got.unwrap() == whole[from as usize..], "{action:?} from {from}");
            assert_eq!(world.sandbox.faults().fired(fault), 1, "{action:?}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_again_and_again_ends_no_stream() {
    let world = World::new().await;
    let (sent, content) = world.opened(3, 3 * MIB).await;
    let fault = world.sandbox.faults().inject(Fault::new(FILE, FaultAction::DropBodyAfter(100_000)));
    assert!(read(&content, 5..u64::MAX).await.unwrap() == sent[5..]);
    assert!(world.sandbox.faults().fired(fault) > 20);
}

#[tokio::test]
async fn a_stream_that_gets_nothing_ends_behind_right_bytes_and_not_at_once() {
    let world = World::new().await;
    let (sent, content) = world.opened(4, MIB).await;
    world.sandbox.faults().inject(Fault::new(FILE, FaultAction::DropBodyAfter(300_000)).once());
    let refused = world.sandbox.faults().inject(Fault::drop_connection(FILE));
    let (came, ended) = taken(content.read(0..u64::MAX)).await;
    assert!(came.len() <= 300_000 && came == sent[..came.len()]);
    let error = ended.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    // Behind the one that was cut.
    assert_eq!(world.sandbox.faults().fired(refused), 5);
    let secret = world.user.bot_token.split_once(':').unwrap().1;
    assert!(!format!("{error} {error:?}").contains(secret), "{error:?}");
}

#[tokio::test]
async fn links_that_expire_are_asked_for_anew() {
    let world = World::new().await;
    let (sent, content) = world.opened(5, 3 * MIB).await;
    // It breaks in the middle, and the link is none any more.
    let cut =
        world.sandbox.faults().inject(Fault::new(FILE, FaultAction::DropBodyAfter(2 * MIB as u64)).once());
    let mut stream = content.read(0..u64::MAX);
    let mut came = stream.try_next().await.unwrap().unwrap().to_vec();
    world.sandbox.expire_file_links();
    let (rest, ended) = taken(stream).await;
    came.extend(rest);
    assert!(ended.is_ok() && came == sent);
    assert_eq!((world.sandbox.faults().fired(cut), world.calls(GET_FILE)), (1, 2));
    // One that is known for a moment expires before it is used.
    world.sandbox.expire_file_links();
    assert_eq!(read(&content, 7..9).await.unwrap(), sent[7..9]);
    assert_eq!(world.calls(GET_FILE), 3);
    // The second time it is not the age of the link.
    let fault = world.sandbox.faults().inject(Fault::rpc_error(FILE, 404, "Not Found"));
    let error = read(&content, 0..1).await.unwrap_err();
    assert_eq!((error.kind(), world.sandbox.faults().fired(fault)), (ErrorKind::Unavailable, 2));
    assert!(error.to_string().contains("link"), "{error}");
}

#[tokio::test]
async fn a_link_is_renewed_when_telegram_lets_it_be() {
    let world = World::new().await;
    let (sent, content) = world.opened(6, 1000).await;
    world.sandbox.expire_file_links();
    world.sandbox.faults().inject(Fault::flood_wait(GET_FILE, 1).once());
    world.sandbox.faults().inject(Fault::drop_connection(GET_FILE).skip(1).once());
    assert_eq!(read(&content, 0..u64::MAX).await.unwrap(), sent);
}

#[tokio::test]
async fn no_body_is_taken_for_another_one() {
    let world = World::new().await;
    for (hostile, kind) in [
        (HostileFile::OtherTotal(400_001), ErrorKind::Gone),
        (HostileFile::TooLong(1), ErrorKind::Unavailable),
        (HostileFile::TooLong(100_000), ErrorKind::Unavailable),
    ] {
        let (sent, content) = world.opened(7, 400_000).await;
        let fault = world.sandbox.faults().inject(world.hostile(hostile));
        for from in [0, 1000] {
            let (came, ended) = taken(content.read(from..u64::MAX)).await;
            let error = ended.expect_err(&format!("{hostile:?}"));
            assert_eq!(error.kind(), kind, "{hostile:?}: {error}");
            let from = from as usize;
            assert!(came.len() < 400_000 - from && came == sent[from..from + came.len()], "{hostile:?}");
        }
        world.sandbox.faults().release(fault);
        world.sandbox.faults().clear();
    }
    // It ends early for ever.
    let (sent, content) = world.opened(8, 1000).await;
    world.sandbox.faults().inject(world.hostile(HostileFile::TooShort(1)));
    let (came, ended) = taken(content.read(0..u64::MAX)).await;
    assert_eq!((&came[..], ended.unwrap_err().kind()), (&sent[..999], ErrorKind::Unavailable));
}

#[tokio::test]
async fn a_server_without_ranges_gives_them_all_the_same() {
    let world = World::new().await;
    let (sent, content) = world.opened(9, 2 * MIB).await;
    world.sandbox.faults().inject(world.hostile(HostileFile::Whole));
    for (from, to) in [(0, 2 * MIB), (MIB + 1, MIB + 5), (2 * MIB - 1, 2 * MIB), (0, 1)] {
        assert!(read(&content, from as u64..to as u64).await.unwrap() == sent[from..to], "{from}..{to}");
    }
}

#[tokio::test]
async fn strange_answers_to_a_question_are_errors_that_hold_no_token() {
    let world = World::new().await;
    let secret = world.user.bot_token.split_once(':').unwrap().1;
    for hostile in [
        HostileHttp::Endless,
        HostileHttp::Words(3_000_000),
        HostileHttp::Nested(100_000),
        HostileHttp::Elements(100_000),
        HostileHttp::WrongTypes,
        HostileHttp::GzipOfGzip(1000),
        HostileHttp::Redirect("http://127.0.0.1:9/".to_owned()),
        HostileHttp::RetryAfter(serde_json::json!(-1)),
    ] {
        for at in [GET_FILE, FILE] {
            let fault = Fault::hostile_http(at, hostile.clone());
            if at == FILE && matches!(hostile, HostileHttp::RetryAfter(_)) {
                continue;
            }
            let stored = world.send(&bytes(10, 10)).await;
            world.sandbox.faults().inject(fault);
            let ended = match world.open(&stored).await {
                Ok(content) => read(&content, 0..u64::MAX).await.map(drop),
                Err(error) => Err(error),
            };
            let error = ended.expect_err(&format!("{hostile:?} at {at}"));
            let said = format!("{error} {error:?}");
            assert!(
                said.len() < 2000 && !said.contains(secret) && !said.contains("/bot"),
                "{hostile:?}: {said}"
            );
            world.sandbox.faults().clear();
        }
    }
}

#[tokio::test]
async fn twenty_mebibytes_are_the_most_and_more_is_told_in_words() {
    let world = World::new().await;
    let (sent, content) = world.opened(11, 20 * MIB).await;
    assert!(read(&content, 0..u64::MAX).await.unwrap() == sent);
    let larger = world.send(&bytes(12, 20 * MIB + 1)).await;
    let error = world.open(&larger).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("20 MB") && error.to_string().contains("api_id"), "{error}");
}

#[tokio::test]
async fn of_telegrams_own_server_nothing_larger_is_asked_for() {
    let reader = BotApiReader::new(BotApiConfig::default()).unwrap();
    let world = World::new().await;
    let message = |size| StoredMessage::new(2, StoredAs::BotApi { file_id: "f".to_owned() }, size);
    let most = 20 * MIB as u64;
    assert!(reader.takes(&world.credentials(), &message(most)));
    assert!(!reader.takes(&world.credentials(), &message(most + 1)));
    assert!(!reader.takes(&nobody(&world.user), &message(1)), "there is no bot");
    let others = StoredMessage::new(2, StoredAs::Mtproto { document_id: 7 }, 1);
    assert!(!reader.takes(&world.credentials(), &others));
    let readers: Vec<Arc<dyn TelegramReader>> = vec![Arc::new(reader)];
    let error = Content::open(&readers, &world.credentials(), &[message(most + 1)]).await.unwrap_err();
    assert!(error.to_string().contains("20 MB"), "{error}");
    let error = Content::look(&readers, &world.credentials(), &[2]).await.unwrap_err();
    assert!(error.to_string().contains("Telegram session"), "{error}");
}

#[tokio::test]
async fn the_bot_that_has_sent_a_file_is_found_among_several() {
    let world = World::new().await;
    let sent = bytes(13, 1000);
    let stored = world.send(&sent).await;
    let other = world.sandbox.add_user(UserSpec::new("bob").channel(Some(&*world.user.channel_id)));
    let wrong = nobody(&world.user).with_bot(Secret::new(&other.bot_token));
    let error = Content::open(&world.readers, &wrong, stored.messages()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("another bot"), "{error}");
    let unknown = format!("4711:{}", "A".repeat(35));
    let several = wrong.with_bot(Secret::new("no token")).with_bot(Secret::new(unknown));
    let several = several.with_bot(Secret::new(&world.user.bot_token));
    for questions in [3, 0] {
        let before = world.calls(GET_FILE);
        let content = Content::open(&world.readers, &several, stored.messages()).await.unwrap();
        assert_eq!(read(&content, 0..u64::MAX).await.unwrap(), sent);
        assert_eq!(world.calls(GET_FILE) - before, questions);
    }
    // What one user's bot has found is nothing to those who do not have it.
    let stranger = nobody(&other).with_bot(Secret::new(&other.bot_token));
    let error = Content::open(&world.readers, &stranger, stored.messages()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}

#[tokio::test]
async fn a_bot_that_has_to_wait_is_no_reason_to_give_a_file_up() {
    let world = World::new().await;
    let stored = world.send(&bytes(14, 10)).await;
    let other = world.sandbox.add_user(UserSpec::new("bob"));
    let both = world.credentials().with_bot(Secret::new(&other.bot_token));
    world.sandbox.faults().inject(Fault::flood_wait(GET_FILE, 77).user(&world.user.user_id));
    let error = Content::open(&world.readers, &both, stored.messages()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Wait(Duration::from_secs(77)), "{error}");
}

#[tokio::test]
async fn what_was_deleted_or_is_another_file_is_told() {
    let world = World::new().await;
    let stored = world.send(&bytes(15, 1000)).await;
    let mut other = stored.first().clone();
    other.size = 999;
    assert_eq!(world.open(&StoredFile::new(other)).await.unwrap_err().kind(), ErrorKind::Gone);
    assert!(world.uploader.withdraw(&world.credentials(), &stored).await.unwrap());
    let error = world.open(&stored).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("deleted"), "{error}");
}

#[tokio::test]
async fn a_stream_asks_for_nothing_before_it_is_read_or_once_it_is_gone() {
    let world = World::new().await;
    let (sent, content) = world.opened(16, 20 * MIB).await;
    let unread = content.read(0..u64::MAX);
    assert_eq!(world.calls(FILE), 0);
    // Those who take one piece and no more have no more sent to them than connections hold.
    let mut slow = content.read(0..u64::MAX);
    let first = slow.try_next().await.unwrap().unwrap();
    assert!(!first.is_empty() && first == sent[..first.len()]);
    assert!(read(&content, 0..5 * MIB as u64).await.unwrap() == sent[..5 * MIB]);
    let others = world.sandbox.stats().bytes_sent - 5 * MIB as u64;
    assert!(others < 15 * MIB as u64, "{others} bytes were sent to who reads nothing");
    assert_eq!(world.calls(FILE), 2);
    drop((slow, unread));
    assert_eq!(read(&content, 3..4).await.unwrap(), sent[3..4]);
    assert_eq!(world.calls(FILE), 3);
}

#[tokio::test]
async fn files_of_a_local_server_are_read_from_its_disk_if_that_is_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let local = async || Sandbox::builder().local_bot_api(true).dir(dir.path()).start().await.unwrap();
    let world = World::with(local().await, |config| config.files_dir = Some(dir.path().to_owned()));
    let (sent, content) = world.opened(17, 21 * MIB).await;
    assert!(read(&content, 0..u64::MAX).await.unwrap() == sent);
    assert!(read(&content, 300_000..21_000_001).await.unwrap() == sent[300_000..21_000_001]);
    assert_eq!(read(&content, 5..5).await.unwrap(), b"");
    let stored = world.send(&sent).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let missing = elsewhere.path().join("missing");
    for (folder, words) in
        [(None, "--local"), (Some(elsewhere.path().to_owned()), "outside"), (Some(missing), "mounted")]
    {
        let config = BotApiConfig::at(world.sandbox.bot_api_url()).with(|config| config.files_dir = folder);
        let readers: Vec<Arc<dyn TelegramReader>> = vec![Arc::new(BotApiReader::new(config).unwrap())];
        let error = Content::open(&readers, &world.credentials(), stored.messages()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_bot_with_an_application_reads_by_mtproto_and_else_by_the_bot_api() {
    let world = common::World::new().await;
    let bots = World::with(Sandbox::start().await.unwrap(), |_| {});
    let message = StoredMessage::new(2, StoredAs::BotApi { file_id: "f".to_owned() }, 5);
    let mtproto = &world.readers[0];
    assert!(mtproto.takes(&common::bot_of(&world.user), &message));
    assert!(!mtproto.takes(&bots.credentials(), &message));
    assert!(bots.readers[0].takes(&bots.credentials(), &message));
}

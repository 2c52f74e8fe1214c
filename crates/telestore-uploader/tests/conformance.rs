//! Both backends through the one suite, against the sandbox.

mod common;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use telestore_sandbox::{
    Fault, FaultAction, FloodShape, HostileHttp, HostileMtproto, Kind, Sandbox, SandboxBuilder,
    SandboxEntity, SandboxUser, Topic, UserSpec,
};
use telestore_types::{Entity, EntityKind, SendAs, StoredFile, TelegramCredentials, TopicId};
use telestore_uploader::testsuite::{
    How, Received, Strangers, Subject, Waits, conformance, strangers, waits,
};
use telestore_uploader::{
    AllowedAddresses, BotApiConfig, BotApiUploader, MtprotoConfig, MtprotoUploader, TelegramUploader,
};

use common::{bot_of, credentials_of};

struct Tested {
    sandbox: Sandbox,
    user: SandboxUser,
    uploader: Arc<dyn TelegramUploader>,
    credentials: fn(&SandboxUser) -> TelegramCredentials,
}

#[async_trait]
impl Subject for Tested {
    fn uploader(&self) -> Arc<dyn TelegramUploader> {
        self.uploader.clone()
    }

    fn credentials(&self) -> TelegramCredentials {
        (self.credentials)(&self.user)
    }

    async fn received(&self, stored: &StoredFile) -> Option<Received> {
        let messages = self.sandbox.messages_of(&self.user);
        let named =
            |id: &str, document: i64| id == stored.file_id() || document.to_string() == stored.file_id();
        let message = messages.into_iter().find(|message| {
            i64::from(message.message_id) == stored.message_id()
                && named(&message.file_id, message.document_id)
        })?;
        assert_eq!(message.force_file, message.kind == Kind::Document, "a document stays what it is");
        Some(Received {
            length: message.size,
            sha256: message.sha256,
            file_name: message.sent_name,
            mime_type: message.mime_type,
            caption: message.caption,
        })
    }

    async fn message_count(&self) -> usize {
        self.sandbox.messages_of(&self.user).len()
    }

    fn tells_how(&self) -> bool {
        true
    }

    async fn how(&self, stored: &StoredFile) -> Option<How> {
        let messages = self.sandbox.messages_of(&self.user);
        let message =
            messages.into_iter().find(|message| i64::from(message.message_id) == stored.message_id())?;
        Some(How::default().with(|how| {
            how.entities = message.entities.iter().map(entity).collect();
            how.topic = message.topic_id.and_then(|id| TopicId::new(id as u64).ok());
            how.silent = message.silent;
            how.sent_as = match message.kind {
                Kind::Document => SendAs::Document,
                Kind::Video => SendAs::Video,
                Kind::Audio => SendAs::Audio,
                Kind::Photo => SendAs::Photo,
                kind => panic!("{kind:?} was not asked for"),
            };
        }))
    }

    fn topic(&self) -> Option<TopicId> {
        TopicId::new(7).ok()
    }
}

fn entity(seen: &SandboxEntity) -> Entity {
    let kind = match seen.kind.as_str() {
        "bold" => EntityKind::Bold,
        "italic" => EntityKind::Italic,
        "underline" => EntityKind::Underline,
        "strikethrough" => EntityKind::Strike,
        "spoiler" => EntityKind::Spoiler,
        "code" => EntityKind::Code,
        "pre" => EntityKind::Pre { language: seen.language.clone().unwrap_or_default() },
        "text_link" => EntityKind::Link { url: seen.url.clone().unwrap_or_default() },
        "blockquote" => EntityKind::Blockquote { collapsed: false },
        "expandable_blockquote" => EntityKind::Blockquote { collapsed: true },
        kind => panic!("{kind} was not asked for"),
    };
    Entity::new(seen.offset as usize, seen.length as usize, kind)
}

/// What the sandbox does to one user: a name, a method, and what happens there.
type Trick = (&'static str, &'static str, FaultAction);

struct Tricks {
    victim: SandboxUser,
    tricks: Vec<Trick>,
}

/// A backend whose sandbox plays something: tricks of strangers, or waits.
struct Played<T> {
    tested: Tested,
    play: T,
}

#[async_trait]
impl<T: Send + Sync> Subject for Played<T> {
    fn uploader(&self) -> Arc<dyn TelegramUploader> {
        self.tested.uploader()
    }

    fn credentials(&self) -> TelegramCredentials {
        self.tested.credentials()
    }

    async fn received(&self, stored: &StoredFile) -> Option<Received> {
        self.tested.received(stored).await
    }

    async fn message_count(&self) -> usize {
        self.tested.message_count().await
    }
}

#[async_trait]
impl Strangers for Played<Tricks> {
    fn tricks(&self) -> Vec<String> {
        self.play.tricks.iter().map(|(name, ..)| (*name).to_owned()).collect()
    }

    fn victim(&self) -> TelegramCredentials {
        credentials_of(&self.play.victim)
    }

    async fn play(&self, trick: Option<&str>) {
        let faults = self.tested.sandbox.faults();
        faults.clear();
        if let Some((_, method, action)) = self.play.tricks.iter().find(|(name, ..)| Some(*name) == trick) {
            faults.inject(Fault::new(*method, action.clone()).user(&self.play.victim.user_id));
        }
    }
}

/// A shape in which the sandbox asks to wait: a name, a method, and the fault.
type Shape = (String, &'static str, Box<dyn Fn(u32) -> FaultAction + Send + Sync>);

#[async_trait]
impl Waits for Played<Vec<Shape>> {
    fn shapes(&self) -> Vec<String> {
        self.play.iter().map(|(name, ..)| name.clone()).collect()
    }

    async fn ask(&self, shape: Option<&str>, seconds: u32) {
        let faults = self.tested.sandbox.faults();
        faults.clear();
        if let Some((_, method, action)) = self.play.iter().find(|(name, ..)| Some(name.as_str()) == shape) {
            faults.inject(Fault::new(*method, action(seconds)));
        }
    }
}

async fn tricked(tested: Tested, tricks: Vec<Trick>) {
    let victim = tested.sandbox.add_user(UserSpec::new("victim"));
    let play = Tricks { victim, tricks };
    strangers(&Played { tested, play }, Duration::from_secs(60)).await;
}

async fn tested(uploader: impl FnOnce(&Sandbox) -> Arc<dyn TelegramUploader>) -> Tested {
    tested_on(Sandbox::builder().enforce_single_connection(true), uploader).await
}

async fn tested_on(
    sandbox: SandboxBuilder,
    uploader: impl FnOnce(&Sandbox) -> Arc<dyn TelegramUploader>,
) -> Tested {
    let sandbox = sandbox.start().await.unwrap();
    sandbox.set_supergroup(&sandbox.user().channel_id, true);
    sandbox.set_topic(&sandbox.user().channel_id, 7, Topic::Open);
    Tested { user: sandbox.user(), uploader: uploader(&sandbox), sandbox, credentials: credentials_of }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bot_api_backend_conforms() {
    let subject = tested(|sandbox| {
        let config = BotApiConfig::at(sandbox.bot_api_url());
        Arc::new(BotApiUploader::new(config).unwrap())
    });
    conformance(&subject.await).await;
}

/// The sandbox is on this machine, where session strings must not lead otherwise.
fn anywhere() -> MtprotoConfig {
    let mut config = MtprotoConfig::default();
    config.allowed = AllowedAddresses::any();
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mtproto_backend_conforms() {
    let config = anywhere();
    let subject = tested(|_| Arc::new(MtprotoUploader::new(config))).await;
    conformance(&subject).await;
    assert_eq!(subject.sandbox.stats().max_connections(&subject.user.user_id), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mtproto_backend_conforms_with_a_bot_alone() {
    let uploader = |sandbox: &Sandbox| -> Arc<dyn TelegramUploader> {
        let mut config = anywhere();
        config.address = Some(sandbox.mtproto_addr());
        config.server_keys = vec![sandbox.server_key().parse().unwrap()];
        Arc::new(MtprotoUploader::new(config))
    };
    let subject = Tested { credentials: bot_of, ..tested(uploader).await };
    conformance(&subject).await;
    let stats = subject.sandbox.stats();
    assert_eq!(stats.bot_sign_ins(&subject.user.user_id), 1, "it stays signed in");
    assert_eq!(stats.max_connections(&subject.user.user_id), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mtproto_backend_stands_strangers() {
    let quick = Duration::from_millis(2);
    let mut config = anywhere();
    config.call_timeout = Duration::from_secs(2);
    config.stall_timeout = Duration::from_secs(5);
    config.longest_wait = Duration::from_secs(2);
    (config.backoff_base, config.backoff_max) = (quick, quick);
    let send = "messages.sendMedia";
    let hostile = FaultAction::HostileMtproto;
    let tricks = vec![
        ("nested answers", send, hostile(HostileMtproto::Nested(10_000))),
        ("a vector of a million", send, hostile(HostileMtproto::Vector(1_000_000))),
        ("gzip of gzip", send, hostile(HostileMtproto::GzipOfGzip(100_000_000))),
        ("a text of megabytes", send, hostile(HostileMtproto::Words(3_000_000))),
        ("waits without end", "upload.saveFilePart", FaultAction::FloodWait(1)),
        ("an answer that trickles", send, hostile(HostileMtproto::Trickle(500))),
        ("an answer that never ends", send, hostile(HostileMtproto::Unending(1_000_000))),
        ("silence", send, FaultAction::NoExecuteSilence),
        ("packets that nobody asked for", send, hostile(HostileMtproto::Unasked(20_000))),
        ("failures without end", send, FaultAction::RpcError(500, "RPC_CALL_FAIL".to_owned())),
    ];
    // A connection that a trick has broken may still be open on the sandbox's side when the next one comes.
    let tested = tested_on(Sandbox::builder(), |_| Arc::new(MtprotoUploader::new(config)));
    tricked(tested.await, tricks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bot_api_backend_waits_as_it_is_told() {
    use FloodShape::{BadRequest, Date, Header, Name, Parameters, Text};
    let shapes = [Parameters, Text, BadRequest, Name, Header].map(|shape| -> Shape {
        let action = move |seconds| FaultAction::FloodAs(shape, seconds);
        (format!("{shape:?}"), "sendDocument", Box::new(action))
    });
    // A date has no fractions, so that one of now is a second ahead.
    let date = |seconds| FaultAction::FloodAs(if seconds == 0 { FloodShape::Unsaid } else { Date }, seconds);
    let shapes =
        shapes.into_iter().chain([("Date".to_owned(), "sendDocument", Box::new(date) as _)]).collect();
    let tested = tested(|sandbox| {
        let config = BotApiConfig::at(sandbox.bot_api_url());
        Arc::new(BotApiUploader::new(config).unwrap())
    });
    waits(&Played { tested: tested.await, play: shapes }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mtproto_backend_waits_as_it_is_told() {
    let shape = |method: &'static str, name: &'static str| -> Shape {
        let action = move |seconds| FaultAction::RpcError(420, format!("{name}_{seconds}"));
        (format!("{name} at {method}"), method, Box::new(action))
    };
    let names = ["FLOOD_WAIT", "FLOOD_PREMIUM_WAIT", "SLOWMODE_WAIT", "FLOOD_TEST_PHONE_WAIT"];
    let methods = ["upload.saveFilePart", "messages.sendMedia"];
    let shapes = methods.into_iter().flat_map(|method| names.map(|name| shape(method, name))).collect();
    let mut config = anywhere();
    config.longest_wait = Duration::from_secs(1);
    let tested = tested(|_| Arc::new(MtprotoUploader::new(config))).await;
    waits(&Played { tested, play: shapes }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bot_api_backend_stands_strangers() {
    let hostile = |answer| ("sendDocument", FaultAction::HostileHttp(answer));
    let tricks = [
        ("nested answers", hostile(HostileHttp::Nested(100_000))),
        ("an array of a million", hostile(HostileHttp::Elements(1_000_000))),
        ("gzip of gzip", hostile(HostileHttp::GzipOfGzip(100_000_000))),
        ("a text of megabytes", hostile(HostileHttp::Words(3_000_000))),
        ("an answer without end", hostile(HostileHttp::Endless)),
        ("other types", hostile(HostileHttp::WrongTypes)),
        ("a long wait", hostile(HostileHttp::RetryAfter(serde_json::json!(u64::MAX)))),
    ];
    let tricks = tricks.into_iter().map(|(name, (method, action))| (name, method, action)).collect();
    let tested = tested(|sandbox| {
        let config = BotApiConfig::at(sandbox.bot_api_url());
        Arc::new(BotApiUploader::new(config).unwrap())
    });
    tricked(tested.await, tricks).await;
}

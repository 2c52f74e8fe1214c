//! What is left when all is done: nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use regex_lite::Regex;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions};
use telestore::backend::StaticCredentialProvider;
use telestore::store::{ObjectChunkStore, ObjectOptions, PostgresOptions, PostgresSessionStore};
use telestore::types::{ChatId, TelegramCredentials, UserId};
use telestore::uploader::{BotApiConfig, BotApiUploader};
use telestore::{EngineConfig, Telestore};

use crate::cluster::Cluster;
use crate::support::soon;

impl Cluster {
    /// A number that the database tells.
    pub(crate) async fn number(&self, question: &str) -> i64 {
        let options: PgConnectOptions = self.database.parse().expect("the address of a database");
        let mut connection = options.connect().await.expect("the database answers");
        let asked = sqlx::query_scalar(AssertSqlSafe(question.to_owned()));
        asked.fetch_one(&mut connection).await.unwrap_or_else(|error| panic!("{question}: {error}"))
    }

    async fn rows(&self, table: &str) -> i64 {
        self.number(&format!("SELECT COUNT(*) FROM {table}")).await
    }

    /// The keys of all objects that belong to chunks. What a worker that is killed tries out goes when it is an hour old.
    pub(crate) async fn objects(&self) -> Vec<String> {
        let (mut keys, mut after) = (Vec::new(), String::new());
        let key = Regex::new("<Key>([^<]*)</Key>").expect("an expression");
        loop {
            let url = format!(
                "{}/telestore-test?list-type=2&prefix={}/chunks/&start-after={after}",
                crate::cluster::needed("TELESTORE_TEST_MOTO"),
                self.name
            );
            let page = self.client.get(url).send().await.unwrap().text().await.unwrap();
            let found: Vec<String> = key.captures_iter(&page).map(|found| found[1].to_owned()).collect();
            let Some(last) = found.last() else { return keys };
            after.clone_from(last);
            keys.extend(found);
        }
    }

    /// Waits until all is delivered. Each event has one id then, however often it was delivered, and each file one event.
    /// Gives the names of the files of which the backend was told.
    pub(crate) async fn told(&self) -> BTreeSet<String> {
        self.all_delivered().await;
        let mut events: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut taken = BTreeSet::new();
        for call in self.sandbox.webhooks() {
            let id = call.headers.iter().find(|(name, _)| name == "x-telestore-event-id");
            let file = call.body["fileName"].as_str().expect("a webhook names its file").to_owned();
            events.entry(file.clone()).or_default().insert(id.expect("an event has an id").1.clone());
            if call.status == 200 {
                taken.insert(file);
            }
        }
        for (file, ids) in &events {
            assert_eq!(ids.len(), 1, "one event of {file}, however often it is delivered");
        }
        taken
    }

    /// Waits until nothing is on its way, and nothing is left to be told.
    async fn all_delivered(&self) {
        for what in ["uploads WHERE state IN ('queued', 'sending')", "outbox"] {
            soon(what, async {
                while self.rows(what).await > 0 {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            })
            .await;
        }
    }

    /// Waits until all is delivered, stops the workers, and looks that nothing is left: of each account there was one
    /// connection at a time, all objects but so many are gone, and days later so are those, and all rows.
    pub(crate) async fn leaves_nothing(&self, orphans: usize) {
        self.all_delivered().await;
        for (user, most) in self.sandbox.stats().max_connections {
            assert_eq!(most, 1, "connections of {user} at once");
        }
        self.leaves_nothing_after_restarts(orphans).await;
    }

    /// The same where killed workers were started again at once: they may connect before the sandbox has seen their old
    /// connections end. Those send nothing more, as the sandbox's own rule knows.
    pub(crate) async fn leaves_nothing_after_restarts(&self, orphans: usize) {
        self.all_delivered().await;
        let ended = self.sandbox.stats().logins_ended;
        assert!(ended.is_empty(), "accounts that two connections sent with: {ended:?}");
        self.stop_all().await;
        assert_eq!(self.rows("accounts").await, 0, "accounts that somebody holds");
        // Of a file that came in one request, and may be in the channel, nobody has a name to cancel it by.
        let over = "uploads WHERE state NOT IN ('completed', 'cancelled') AND (state <> 'failed' OR kind = 'chunked')";
        assert_eq!(self.rows(over).await, 0, "uploads that are not over");
        let objects = self.objects().await;
        assert!(objects.len() <= orphans, "{} objects instead of {orphans}: {objects:?}", objects.len());
        self.days_later().await;
        for table in ["uploads", "chunks", "outbox"] {
            assert_eq!(self.rows(table).await, 0, "{table}");
        }
        assert_eq!(self.objects().await, Vec::<String>::new());
    }

    /// Does what workers do when results are past their time and objects without a record are old.
    async fn days_later(&self) {
        let options = PostgresOptions::new(&self.database).unwrap();
        let aws = [
            "AWS_ENDPOINT_URL",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_REGION",
            "AWS_ALLOW_HTTP",
        ];
        let objects =
            aws.iter().fold(ObjectOptions::default(), |options, name| options.set(name, self.setting(name)));
        let nobody = TelegramCredentials::new(UserId::new(""), ChatId::new("@nobody").unwrap());
        let config = EngineConfig::default().with(|config| {
            (config.result_ttl, config.failed_ttl, config.alone) = (Duration::ZERO, Duration::ZERO, true);
        });
        let engine = Telestore::builder()
            .sessions(PostgresSessionStore::connect(&options).await.unwrap())
            .chunks(ObjectChunkStore::open(self.setting("TELESTORE_CHUNKS_URL"), objects).unwrap())
            .credentials(StaticCredentialProvider::new(&nobody, []))
            .uploader(BotApiUploader::new(BotApiConfig::default()).unwrap())
            .config(config)
            .build()
            .unwrap();
        engine.recover().await.unwrap();
        engine.sweep().await.unwrap();
        engine.leave().await.unwrap();
    }
}

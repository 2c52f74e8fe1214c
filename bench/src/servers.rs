//! The database and the bucket that many workers share. `bench/run` starts them; without them nothing of many workers is
//! measured.

use std::process::Command;

use crate::Result;
use crate::proc::{Usage, cpu_of_family};

/// The bucket, which is there.
const BUCKET: &str = "telestore-test";

/// A PostgreSQL server and an S3 server.
pub(crate) struct Servers {
    database: String,
    database_pid: u32,
    bucket: String,
    bucket_pid: u32,
    key: String,
    secret: String,
}

/// What the servers used, in CPU seconds, and how often the database committed.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Used {
    pub(crate) database: f64,
    pub(crate) bucket: f64,
    pub(crate) commits: f64,
}

/// What workers share: a database of their own, and a prefix of the bucket.
pub(crate) struct Shared {
    pub(crate) settings: Vec<(String, String)>,
    name: String,
}

impl Servers {
    /// Those that the environment names; `None` if it names none.
    pub(crate) fn running() -> Result<Option<Self>> {
        let get = |name: &str| std::env::var(format!("TELESTORE_BENCH_{name}"));
        let Ok(database) = get("DATABASE") else { return Ok(None) };
        Ok(Some(Self {
            database,
            database_pid: get("DATABASE_PID")?.parse()?,
            bucket: get("BUCKET")?,
            bucket_pid: get("BUCKET_PID")?.parse()?,
            key: get("BUCKET_KEY")?,
            secret: get("BUCKET_SECRET")?,
        }))
    }

    /// An empty database, and a prefix with nothing below it, as settings of workers.
    pub(crate) fn share(&self) -> Result<Shared> {
        let name = format!("bench_{:08x}", rand::random::<u32>());
        self.ask("postgres", &format!("CREATE DATABASE {name}"))?;
        let settings = [
            ("TELESTORE_DATABASE_URL", format!("{}/{name}", self.database)),
            ("TELESTORE_CHUNKS_URL", format!("s3://{BUCKET}/{name}")),
            ("TELESTORE_SECRET_KEY", "the same for all".to_owned()),
            ("AWS_ENDPOINT_URL", self.bucket.clone()),
            ("AWS_ACCESS_KEY_ID", self.key.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.secret.clone()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
        ];
        Ok(Shared { settings: settings.map(|(name, value)| (name.to_owned(), value)).into(), name })
    }

    /// What was used up to now.
    pub(crate) fn used(&self, shared: Option<&Shared>) -> Result<Used> {
        let commits = match shared {
            Some(Shared { name, .. }) => {
                // The server's own statistics are flushed by each of its processes once a second at most.
                let count = format!("SELECT xact_commit FROM pg_stat_database WHERE datname = '{name}'");
                self.ask("postgres", &count)?.trim().parse()?
            }
            None => 0.0,
        };
        let bucket = Usage::of(self.bucket_pid)?.cpu;
        Ok(Used { database: cpu_of_family(self.database_pid)?, bucket, commits })
    }

    /// Has `psql` say something to a database, and gives its answer.
    pub(crate) fn ask(&self, database: &str, statement: &str) -> Result<String> {
        let url = format!("{}/{database}", self.database);
        let answer = Command::new("psql").args(["-XAtq", "-d", &url, "-c", statement]).output()?;
        if !answer.status.success() {
            return Err(format!("psql: {}", String::from_utf8_lossy(&answer.stderr)).into());
        }
        Ok(String::from_utf8(answer.stdout)?)
    }
}

impl Shared {
    /// The name of the database.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl Used {
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            database: self.database - earlier.database,
            bucket: self.bucket - earlier.bucket,
            commits: self.commits - earlier.commits,
        }
    }
}

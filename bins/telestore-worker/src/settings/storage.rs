use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use telestore::store::Durability;
use telestore::types::Secret;

use super::values;

/// The API document promises that results are kept for an hour.
const MIN_RESULT_TTL: Duration = Duration::from_secs(60 * 60);

/// No server takes more.
const MAX_CONNECTIONS: usize = 10_000;

/// Where the worker's data is: all that work on it needs.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Data")]
pub(crate) struct DataSettings {
    /// Directory of uploads, chunks and the key file
    #[arg(long, env = "TELESTORE_DATA_DIR", value_name = "DIR", default_value = "telestore-data")]
    pub(crate) data_dir: PathBuf,

    /// What an acknowledged chunk survives: `process` a killed worker, `disk` a power cut
    #[arg(long, env = "TELESTORE_DURABILITY", value_name = "process|disk", default_value = "process", value_parser = values::one_of([("process", Durability::Process), ("disk", Durability::Disk)]))]
    pub(crate) durability: Durability,

    /// The PostgreSQL database of many workers, `postgres://user:password@host/name` [default: SQLite in the data directory]
    ///
    /// Needs `TELESTORE_CHUNKS_URL` and `TELESTORE_SECRET_KEY`; see [Many workers](#many-workers).
    #[arg(long, env = "TELESTORE_DATABASE_URL", value_name = "URL")]
    pub(crate) database_url: Option<Secret>,

    /// The same database without a pooler in between, for the listener and updates of its tables [default: the same URL]
    ///
    /// Needed if `TELESTORE_DATABASE_URL` leads to a PgBouncer in transaction mode.
    #[arg(long, env = "TELESTORE_DATABASE_LISTEN_URL", value_name = "URL")]
    pub(crate) database_listen_url: Option<Secret>,

    /// Connections to PostgreSQL that each worker may have, and one more to listen; at least 2
    #[arg(long, env = "TELESTORE_DATABASE_CONNECTIONS", value_name = "N", default_value = "10", value_parser = values::count(2..=MAX_CONNECTIONS))]
    pub(crate) database_connections: usize,

    /// Where chunks are: `s3://bucket/prefix`, `gs://…`, `az://…`, or a shared directory, `file:///…` [default: the data directory]
    ///
    /// Each cloud's usual variables say how it is reached, such as `AWS_ACCESS_KEY_ID` and `AWS_ENDPOINT_URL`.
    #[arg(long, env = "TELESTORE_CHUNKS_URL", value_name = "URL")]
    pub(crate) chunks_url: Option<String>,
}

impl DataSettings {
    /// Whether other workers may be at work on the same uploads.
    pub(crate) fn is_shared(&self) -> bool {
        self.database_url.is_some()
    }
}

/// How much is kept, and for how long.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Data")]
pub(crate) struct StorageSettings {
    /// Free space to keep on the data disk; with less, new bytes get 507, also those of a body under way
    ///
    /// Running work finishes.
    #[arg(long, env = "TELESTORE_MIN_FREE_BYTES", value_name = "BYTES", default_value = "512 MiB", value_parser = values::size)]
    pub(crate) min_free_bytes: u64,

    /// How much of the data disk the data directory may fill, if others use the disk, too [default: all of it]
    ///
    /// The worker takes the disk for one of that size. Must be more than `TELESTORE_MIN_FREE_BYTES`, which is kept free of
    /// it.
    #[arg(long, env = "TELESTORE_DISK_BYTES", value_name = "BYTES", value_parser = values::size)]
    pub(crate) disk_bytes: Option<u64>,

    /// The largest file that is taken; above: 413
    #[arg(long, env = "TELESTORE_MAX_FILE_BYTES", value_name = "BYTES", default_value = "2000 MiB", value_parser = values::some_size)]
    pub(crate) max_file_bytes: u64,

    /// The largest chunk that is taken; above: 413
    #[arg(long, env = "TELESTORE_MAX_CHUNK_BYTES", value_name = "BYTES", default_value = "50 MiB", value_parser = values::some_size)]
    pub(crate) max_chunk_bytes: u64,

    /// How long an upload that was never completed is kept after its last chunk
    #[arg(long, env = "TELESTORE_SESSION_TTL", value_name = "TIME", default_value = "7d", value_parser = values::some_time)]
    pub(crate) session_ttl: Duration,

    /// How long a failed upload is kept, for completing it again
    #[arg(long, env = "TELESTORE_FAILED_TTL", value_name = "TIME", default_value = "3d", value_parser = values::time)]
    pub(crate) failed_ttl: Duration,

    /// How long the result of a finished upload is kept; at least 1h
    #[arg(long, env = "TELESTORE_RESULT_TTL", value_name = "TIME", default_value = "24h", value_parser = values::time_of_at_least(MIN_RESULT_TTL, "clients poll for the result"))]
    pub(crate) result_ttl: Duration,
}

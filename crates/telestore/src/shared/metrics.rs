//! What the engine measures. Names, units and meanings stand in `docs/OPERATIONS.md`.

use std::sync::LazyLock;
use std::time::Duration;

use metrics::{
    Counter, Gauge, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use telestore_store::Counts;
use telestore_types::{Timestamp, Upload, UploadState, UserId};
use telestore_uploader::pool::{Counts as BotCounts, Why};

const CHUNKS: &str = "telestore_chunks_received_total";
const RECEIVED: &str = "telestore_received_bytes_total";
const COMPLETED: &str = "telestore_uploads_completed_total";
const FAILED: &str = "telestore_uploads_failed_total";
const CANCELLED: &str = "telestore_uploads_cancelled_total";
const RETRIES: &str = "telestore_retries_total";
const DURATION: &str = "telestore_upload_duration_seconds";
const WAITED: &str = "telestore_delivery_duration_seconds";
const FLOOD_WAITS: &str = "telestore_flood_waits_total";
const FLOOD_WAITED: &str = "telestore_flood_wait_seconds_total";
const BOTS: &str = "telestore_bots";
const TAKEN_OVER: &str = "telestore_sender_changes_total";
const WEBHOOKS: &str = "telestore_webhooks_total";
const SENDS: &str = "telestore_sends_in_progress";
const EARLY: &str = "telestore_early_sends_in_progress";
const UPLOADS: &str = "telestore_uploads";
const STORED: &str = "telestore_stored_bytes";
const OLDEST: &str = "telestore_queue_oldest_seconds";
const OUTBOX: &str = "telestore_outbox_events";
const USER_COMPLETED: &str = "telestore_user_uploads_completed_total";
const USER_SENT: &str = "telestore_user_sent_bytes_total";
const DUPLICATES: &str = "telestore_duplicates_total";
const SPARED: &str = "telestore_duplicate_bytes_total";
const FREE: &str = "telestore_disk_free_bytes";

const STATES: [UploadState; 6] = [
    UploadState::Receiving,
    UploadState::Queued,
    UploadState::Sending,
    UploadState::Completed,
    UploadState::Failed,
    UploadState::Cancelled,
];

/// Tells the installed recorder what the engine and the crates below it measure.
///
/// What is measured goes through the `metrics` crate. Install a recorder, call this, and only then build the engine:
/// handles are made once, with the recorder of that time.
pub fn describe_metrics() {
    telestore_store::describe_metrics();
    telestore_backend::describe_metrics();
    telestore_uploader::describe_metrics();
    describe_counter!(CHUNKS, Unit::Count, "Chunks that were recorded");
    describe_counter!(RECEIVED, Unit::Bytes, "Bytes of chunks that were recorded");
    describe_counter!(COMPLETED, Unit::Count, "Uploads that are in the channel, by backend");
    describe_counter!(FAILED, Unit::Count, "Uploads that were given up, by kind of error");
    describe_counter!(CANCELLED, Unit::Count, "Uploads that their clients stopped");
    describe_counter!(RETRIES, Unit::Count, "Attempts that failed and are repeated later, by kind of error");
    describe_histogram!(DURATION, Unit::Seconds, "From an upload's first chunk to its message, by backend");
    describe_histogram!(WAITED, Unit::Seconds, "From an upload's completion to its message, by backend");
    describe_counter!(FLOOD_WAITS, Unit::Count, "How often Telegram asked to wait");
    describe_counter!(FLOOD_WAITED, Unit::Seconds, "For how long Telegram asked to wait");
    describe_gauge!(BOTS, Unit::Count, "Bots that files were sent with, by state");
    describe_counter!(
        TAKEN_OVER,
        Unit::Count,
        "How often another bot or session has taken a file over, by what stopped the one before"
    );
    describe_counter!(WEBHOOKS, Unit::Count, "Deliveries of webhooks, by result");
    describe_gauge!(SENDS, Unit::Count, "Completed uploads that are being sent");
    describe_gauge!(EARLY, Unit::Count, "Uploads that are sent while they arrive");
    describe_gauge!(UPLOADS, Unit::Count, "Uploads, by state");
    describe_gauge!(STORED, Unit::Bytes, "Bytes of chunks of uploads that are not over");
    describe_gauge!(OLDEST, Unit::Seconds, "For how long the oldest queued upload waits");
    describe_gauge!(OUTBOX, Unit::Count, "Webhooks that wait for their delivery");
    describe_counter!(USER_COMPLETED, Unit::Count, "Uploads that are in the channel, by user with a name");
    describe_counter!(USER_SENT, Unit::Bytes, "Bytes of these uploads, by user with a name");
    describe_counter!(
        DUPLICATES,
        Unit::Count,
        "Uploads of files that were in the channel, which needed no bytes"
    );
    describe_counter!(SPARED, Unit::Bytes, "Bytes of these files");
    describe_gauge!(FREE, Unit::Bytes, "Bytes that are free on the data disk");
    for kind in ErrorKind::ALL {
        failed(kind).increment(0);
        retried(kind).increment(0);
    }
    for result in [Webhook::Delivered, Webhook::Failed, Webhook::GivenUp] {
        webhook(result).increment(0);
    }
    for why in [Why::Flood, Why::Rights, Why::Login, Why::Busy] {
        counter!(TAKEN_OVER, "reason" => why.as_str()).increment(0);
    }
    flood_wait(Duration::ZERO, 0);
    LazyLock::force(&METRICS);
}

pub(crate) static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics {
    chunks: counter!(CHUNKS),
    received: counter!(RECEIVED),
    cancelled: counter!(CANCELLED),
    duplicates: counter!(DUPLICATES),
    spared: counter!(SPARED),
    sends: gauge!(SENDS),
    early: gauge!(EARLY),
});

/// The handles of what is measured often.
pub(crate) struct Metrics {
    pub(crate) chunks: Counter,
    pub(crate) received: Counter,
    pub(crate) cancelled: Counter,
    pub(crate) duplicates: Counter,
    pub(crate) spared: Counter,
    sends: Gauge,
    early: Gauge,
}

/// Something that is going on, for as long as this lives.
pub(crate) struct Ongoing(Gauge);

impl Ongoing {
    fn begin(gauge: &Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge.clone())
    }

    pub(crate) fn send() -> Self {
        Self::begin(&METRICS.sends)
    }

    pub(crate) fn early_send() -> Self {
        Self::begin(&METRICS.early)
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// Why a file is not in the channel: the `kind` of metrics. There are only these, so that no client's words become a
/// label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    Token,
    Backend,
    NotConfigured,
    NotAuthorized,
    Channel,
    TooLarge,
    Rejected,
    FloodWait,
    Unavailable,
    AnswerLost,
    Damaged,
    Storage,
    Other,
}

impl ErrorKind {
    const ALL: [Self; 13] = [
        Self::Token,
        Self::Backend,
        Self::NotConfigured,
        Self::NotAuthorized,
        Self::Channel,
        Self::TooLarge,
        Self::Rejected,
        Self::FloodWait,
        Self::Unavailable,
        Self::AnswerLost,
        Self::Damaged,
        Self::Storage,
        Self::Other,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Backend => "backend",
            Self::NotConfigured => "not_configured",
            Self::NotAuthorized => "not_authorized",
            Self::Channel => "channel",
            Self::TooLarge => "too_large",
            Self::Rejected => "rejected",
            Self::FloodWait => "flood_wait",
            Self::Unavailable => "telegram_unavailable",
            Self::AnswerLost => "answer_lost",
            Self::Damaged => "damaged",
            Self::Storage => "storage",
            Self::Other => "other",
        }
    }
}

impl From<telestore_uploader::ErrorKind> for ErrorKind {
    fn from(kind: telestore_uploader::ErrorKind) -> Self {
        use telestore_uploader::ErrorKind as Kind;
        match kind {
            Kind::TooLarge => Self::TooLarge,
            Kind::NotAuthorized => Self::NotAuthorized,
            Kind::ChannelUnresolved | Kind::GroupUpgraded => Self::Channel,
            Kind::FloodWait(_) => Self::FloodWait,
            Kind::Rejected => Self::Rejected,
            Kind::Unavailable => Self::Unavailable,
            Kind::AnswerLost => Self::AnswerLost,
            Kind::SourceDamaged => Self::Damaged,
            Kind::Storage => Self::Storage,
            _ => Self::Other,
        }
    }
}

/// How the delivery of a webhook went.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Webhook {
    Delivered,
    Failed,
    GivenUp,
}

pub(crate) fn webhook(result: Webhook) -> Counter {
    let result = match result {
        Webhook::Delivered => "delivered",
        Webhook::Failed => "failed",
        Webhook::GivenUp => "given_up",
    };
    counter!(WEBHOOKS, "result" => result)
}

pub(crate) fn failed(kind: ErrorKind) -> Counter {
    counter!(FAILED, "kind" => kind.label())
}

pub(crate) fn retried(kind: ErrorKind) -> Counter {
    counter!(RETRIES, "kind" => kind.label())
}

/// Telegram asked `times` times to wait.
pub(crate) fn flood_wait(wait: Duration, times: u64) {
    counter!(FLOOD_WAITS).increment(times);
    counter!(FLOOD_WAITED).increment(wait.as_secs());
}

/// Another sender has taken a file over from one that was stopped by this, and that Telegram may have asked to wait.
pub(crate) fn taken_over(why: &'static str, wait: Option<Duration>) {
    counter!(TAKEN_OVER, "reason" => why).increment(1);
    if let Some(wait) = wait {
        flood_wait(wait, 1);
    }
}

/// What bots do.
pub(crate) fn bots(counts: &BotCounts) {
    for (state, bots) in [
        ("free", counts.free),
        ("busy", counts.busy),
        ("waiting", counts.waiting),
        ("refused", counts.refused),
    ] {
        gauge!(BOTS, "state" => state).set(bots as f64);
    }
}

/// An upload is in the channel since `now`, by `backend`.
pub(crate) fn completed(upload: &Upload, backend: &'static str, now: Timestamp) {
    counter!(COMPLETED, "backend" => backend).increment(1);
    histogram!(DURATION, "backend" => backend).record(now.since(upload.created_at));
    if let Some(queued_at) = upload.queued_at {
        histogram!(WAITED, "backend" => backend).record(now.since(queued_at));
    }
}

/// Counts files of a user whom metrics tell apart.
pub(crate) fn completed_of(user: &UserId, uploads: u64, bytes: u64) {
    counter!(USER_COMPLETED, "user" => user.to_string()).increment(uploads);
    counter!(USER_SENT, "user" => user.to_string()).increment(bytes);
}

pub(crate) fn show(counts: &Counts, now: Timestamp) {
    for state in STATES {
        let uploads = counts.uploads.get(&state).copied().unwrap_or(0);
        gauge!(UPLOADS, "state" => state.as_str()).set(uploads as f64);
    }
    gauge!(STORED).set(counts.stored_bytes as f64);
    gauge!(OUTBOX).set(counts.outbox as f64);
    gauge!(OLDEST).set(counts.oldest_queued.map_or(0.0, |since| now.since(since).as_secs_f64()));
}

/// So much is free on the data disk.
pub(crate) fn free(bytes: u64) {
    gauge!(FREE).set(bytes as f64);
}

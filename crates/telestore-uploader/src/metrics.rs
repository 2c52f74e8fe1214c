//! What is measured of Telegram.

#[cfg(any(feature = "bot-api", feature = "mtproto"))]
use std::sync::LazyLock;

use metrics::Unit;
#[cfg(any(feature = "bot-api", feature = "mtproto"))]
use metrics::{Counter, counter};
#[cfg(feature = "mtproto")]
use metrics::{Gauge, gauge};

const SENT: &str = "telestore_sent_bytes_total";
const IN_FLIGHT: &str = "telestore_parts_in_flight";

/// Tells the installed recorder what this crate measures; to be called before the first file is sent.
pub fn describe_metrics() {
    metrics::describe_counter!(SENT, Unit::Bytes, "Bytes of files that Telegram took, by backend");
    metrics::describe_gauge!(IN_FLIGHT, Unit::Count, "Parts on their way by MTProto");
    #[cfg(feature = "bot-api")]
    LazyLock::force(&BOT_API_BYTES);
    #[cfg(feature = "mtproto")]
    {
        LazyLock::force(&MTPROTO_BYTES);
        LazyLock::force(&PARTS_IN_FLIGHT);
    }
}

#[cfg(feature = "bot-api")]
pub(crate) static BOT_API_BYTES: LazyLock<Counter> = LazyLock::new(|| counter!(SENT, "backend" => "Bot API"));
#[cfg(feature = "mtproto")]
pub(crate) static MTPROTO_BYTES: LazyLock<Counter> = LazyLock::new(|| counter!(SENT, "backend" => "MTProto"));
#[cfg(feature = "mtproto")]
pub(crate) static PARTS_IN_FLIGHT: LazyLock<Gauge> = LazyLock::new(|| gauge!(IN_FLIGHT));

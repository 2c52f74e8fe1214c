use std::time::Duration;

use crate::shared::budget::SpoolBudget;
use crate::shared::limiter::LimitedAddresses;

/// What the routes need beside the engine. To be changed from the default:
///
/// ```
/// let mut limits = telestore_http::HttpOptions::default();
/// limits.max_json_bytes = 16 * 1024;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpOptions {
    /// Whose addresses are held to the limits of addresses.
    pub limited_addresses: LimitedAddresses,
    /// The largest JSON body, in bytes.
    pub max_json_bytes: usize,
    /// The largest text field of a form, in bytes.
    pub max_field_bytes: usize,
    /// The most parts of a form.
    pub max_fields: usize,
    /// The origins whose pages may open WebSockets, as for [`cors`](crate::cors()): all if it is empty or holds `*`.
    pub origins: Vec<String>,
    /// What may be spooled for callers of whom nothing is known yet. Clones share it.
    pub spool_budget: SpoolBudget,
    /// How often a listener hears something when nothing changes. A WebSocket that is silent for three times as long
    /// is closed.
    pub heartbeat: Duration,
    /// Whether there is a page for people at `/app`, which sends files by tus.
    pub app: bool,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            limited_addresses: LimitedAddresses::default(),
            max_json_bytes: 64 * 1024,
            max_field_bytes: 16 * 1024,
            max_fields: 32,
            origins: Vec::new(),
            spool_budget: SpoolBudget::default(),
            heartbeat: Duration::from_secs(15),
            app: false,
        }
    }
}

impl HttpOptions {
    pub(crate) fn any_origin(&self) -> bool {
        is_any(&self.origins)
    }
}

pub(crate) fn is_any(origins: &[String]) -> bool {
    origins.is_empty() || origins.iter().any(|origin| origin == "*")
}

//! What the engine tells: of one upload, and of itself.

pub(crate) mod check;
pub(crate) mod ending;
pub(crate) mod gauges;
pub(crate) mod observed;
pub(crate) mod ready;
pub(crate) mod report;
pub(crate) mod standing;
pub(crate) mod watch;

use std::sync::Arc;

use crate::shared::access::Access;
use crate::shared::base::Base;
use crate::shared::events::Events;
use crate::watching::observed::Observed;

/// Tells how uploads get on.
#[derive(Debug, Clone)]
pub(crate) struct Watching {
    pub(crate) base: Arc<Base>,
    pub(crate) access: Arc<Access>,
    pub(crate) events: Arc<Events>,
    pub(crate) observed: Arc<Observed>,
}

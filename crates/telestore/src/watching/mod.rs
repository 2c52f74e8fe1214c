//! What the engine tells: of one upload, and of itself.

pub(crate) mod ready;
pub(crate) mod report;
pub(crate) mod standing;
pub(crate) mod watch;

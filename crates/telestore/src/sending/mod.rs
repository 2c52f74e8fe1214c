//! What goes out to Telegram: the attempts of queued uploads, and files that are sent while they still arrive.

pub(crate) mod early;
pub(crate) mod runner;
pub(crate) mod sink;
mod stop;

//! What goes out to Telegram: the attempts of queued uploads, and files that are sent while they still arrive.

mod copied;
mod digest;
pub(crate) mod early;
mod encoded;
mod record;
pub(crate) mod runner;
mod send;
mod service;
mod settle;
mod sink;
mod slots;
mod stop;

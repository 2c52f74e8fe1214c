//! The engine as a library: stepped by hand, with a clock that stands still, against stores that fail on demand.

mod appended;
mod asked;
mod cancel;
mod chunks;
mod direct;
mod early;
mod early_refusals;
mod failures;
mod fairness;
mod handed_over;
mod hooks;
mod leases;
mod peers;
mod ready;
mod recovery;
mod requests;
mod resume;
mod retries;
mod standing;
mod strangers;
mod support;
mod tokens;
mod uploader;
mod watch;
mod webhooks;
mod working;

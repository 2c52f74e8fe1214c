//! What follows a send: webhooks are delivered, and messages that nobody wants are taken back.

pub(crate) mod outbox;
mod recalls;
mod taking_back;
mod withdrawals;

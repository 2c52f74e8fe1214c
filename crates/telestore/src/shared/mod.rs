//! What the rooms above stand on. Nothing here knows a room.

pub(crate) mod access;
pub(crate) mod backends;
pub(crate) mod base;
pub(crate) mod bytes;
pub(crate) mod caller;
pub(crate) mod config;
pub(crate) mod encoding;
pub(crate) mod error;
pub(crate) mod events;
pub(crate) mod fetches;
pub(crate) mod job;
pub(crate) mod keys;
pub(crate) mod logins;
pub(crate) mod lost;
pub(crate) mod metrics;
pub(crate) mod ports;
pub(crate) mod quotas;
pub(crate) mod seal;
pub(crate) mod sendable;
pub(crate) mod sends;
pub(crate) mod source;
pub(crate) mod tasks;
pub(crate) mod uncopied;

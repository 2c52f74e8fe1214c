//! The way to a data centre: a stream of bytes, straight or through the operator's proxy, and how packets are framed on it.
//!
//! All that a connection is opened with is here, so nothing is dialled past a proxy. A proxy is a stranger: what it answers
//! is bounded in length and time.

mod connect;
mod failure;
mod framing;
mod mtproxy;
mod race;
mod reach;
mod route;
mod socks;
mod stream;

pub(crate) use framing::{Frame, Framing, KEY_HEADER, LENGTH, TAG};
pub(crate) use route::{Target, Way};
pub(crate) use stream::Stream;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use connect::read_head;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use mtproxy::read_hello;

//! The wire: one connection with its socket, its envelope and its calls. <https://core.telegram.org/mtproto>

mod cipher;
mod connection;
mod envelope;
mod event;
mod flight;
mod ige;
mod inbound;
mod lost;
mod packet;
mod request;
mod seen;
mod state;
mod term;
mod unasked;

pub(crate) use connection::{Connection, Timing};
#[cfg(feature = "testsuite")]
pub(crate) use envelope::Envelope;
#[cfg(feature = "fuzzing")]
pub(crate) use inbound::message;
pub use packet::Body;
pub(crate) use request::Hold;

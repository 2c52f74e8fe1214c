#![doc = include_str!("../README.md")]

mod account;
mod addresses;
mod allowance;
mod allowed;
pub mod answers;
mod bot;
mod calls;
mod chats;
mod client;
mod config;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod key_exchange;
mod logins;
mod messages;
#[cfg(feature = "testsuite")]
mod packing;
mod password;
mod relay;
mod session;
mod users;
mod way;
mod wire;

/// The types of Telegram's schema: calls and what is in them.
pub use grammers_tl_types as tl;

pub use account::{Account, Allowance, Chat, Location, SentMessages};
pub use addresses::address_of;
pub use calls::{Calls, Failures, Step, Waits};
pub use chats::{Dialogs, NextDialogs, Refusal, VisibleChannel, VisibleGroup};
pub use client::Client;
pub use config::MtprotoConfig;
pub use error::{Error, ErrorKind, Remedy, Result, RpcError};
pub use key_exchange::{BadServerKey, ServerKey};
pub use logins::Logins;
pub use messages::{Document, Look, Message, Scheduled, Sent, Wanted, media_message};
#[cfg(feature = "testsuite")]
#[doc(hidden)]
pub use packing::Packing;
pub use password::prove_password;
pub use relay::Relay;
pub use session::{Session, known_address};
pub use telestore_net::AllowedAddresses;
pub use users::User;
pub use wire::Body;

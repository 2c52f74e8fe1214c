#![doc = include_str!("../README.md")]

mod builder;
mod channel;
mod channel_id;
mod data_centres;
mod error;
mod faults;
mod hostile;
mod http;
mod keys;
mod logins;
mod message;
mod mtproto;
mod names;
mod network;
mod pulse;
mod sandbox;
mod shared;
mod standing;
mod stats;
mod users;

pub use builder::SandboxBuilder;
pub use channel_id::ChannelId;
pub use error::{Error, Result};
pub use faults::{Fault, FaultAction, FaultId, Faults};
pub use hostile::{HostileHttp, HostileMtproto};
pub use http::FloodShape;
pub use logins::{CodeKind, SentCode, SignInRules};
pub use message::{SandboxMessage, Via};
pub use network::Network;
pub use sandbox::Sandbox;
pub use shared::WebhookCall;
pub use standing::Standing;
pub use stats::{PartStats, Stats};
pub use users::{SandboxUser, UserSpec};

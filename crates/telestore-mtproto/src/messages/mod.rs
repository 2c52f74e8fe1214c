//! Messages: making, reading, finding and deleting them.

mod delete;
mod message;
mod newest;
mod scheduled;
mod search;
mod sent;

use grammers_tl_types as tl;
use tl::enums::InputChannel;

pub use message::{Document, Message};
#[cfg(feature = "fuzzing")]
pub(crate) use search::page;
pub use search::{Look, Wanted};
pub use sent::{Scheduled, Sent, media_message};

fn input_channel(peer: &tl::types::InputPeerChannel) -> InputChannel {
    tl::types::InputChannel { channel_id: peer.channel_id, access_hash: peer.access_hash }.into()
}

//! Reads by the Bot API.

mod answer;
mod body;
mod calls;
mod disk;
mod flow;
mod known;
mod link;
mod open;

pub use open::BotApiReader;

//! Channels and groups: finding them, and what the account may do there.

mod read;
mod resolve;
mod rights;

#[cfg(test)]
mod tests;

pub use read::{Dialogs, NextDialogs, VisibleChannel, VisibleGroup};
#[cfg(feature = "fuzzing")]
pub(crate) use resolve::first_page;
pub use rights::Refusal;

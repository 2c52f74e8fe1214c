#![doc = include_str!("../README.md")]

mod bus;
mod forward;
#[cfg(feature = "testsuite")]
pub mod testsuite;
mod tracker;

pub use bus::{LocalProgressBus, ProgressBus, Subscription};
pub use tracker::{Tracker, percentage};

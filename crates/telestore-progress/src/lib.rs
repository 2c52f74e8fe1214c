#![doc = include_str!("../README.md")]

mod bus;
mod forward;
mod tracker;

pub use bus::{LocalProgressBus, ProgressBus, Subscription};
pub use tracker::{Tracker, percentage};

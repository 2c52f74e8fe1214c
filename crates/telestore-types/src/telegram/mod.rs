//! What Telegram says, by whichever API it says it: faults of an account or of an application, missing rights
//! and waits. Names and numbers only; nothing here asks anybody.

mod account_fault;
mod application;
mod missing_right;
mod wait;

pub use account_fault::AccountFault;
pub use application::application_fault;
pub use missing_right::MissingRight;
pub use wait::{LEAST_WAIT, LONGEST_WAIT, wait_of_seconds, wait_words};

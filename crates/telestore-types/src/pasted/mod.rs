//! One place reads what users paste: session strings, bot tokens, channels, `api_id` and `api_hash`, addresses,
//! proxies.
//!
//! Values reach the worker through env files, web forms, chats and terminals, which add quotes, blanks, invisible
//! characters, the name of the setting, or a line break. Each reader here takes those off, repairs what can be read in one
//! way only, and refuses the rest with a text that names what it saw and what to do.
//!
//! - Nothing is looked up: a value that reads well may still be wrong, which only Telegram can tell.
//! - No text and no `Debug` of this module holds a session string, a bot token, a hash, or a login of a proxy. A channel is no secret and is
//!   shown.
//! - A reader given what it made itself gives the same again.
//!
//! ```
//! use telestore_types::pasted;
//!
//! let channel = pasted::channel("\"https://t.me/c/1953958128/5\"").unwrap();
//! assert_eq!(channel.chat.as_str(), "-1001953958128");
//! assert_eq!(pasted::bot_token("bot110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw5\n").unwrap().len(), 45);
//! assert!(pasted::session("110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw5").unwrap_err().to_string().contains("bot token"));
//! ```

mod application;
mod bot_token;
mod channel;
mod clean;
mod link;
mod proxy;
mod session;
mod url;

pub use application::{ApplicationFault, api_hash, api_id, application};
pub use bot_token::{BOT_TOKEN_SECRET, BotTokenFault, bot_token, bot_token_hint};
pub(crate) use channel::instead_of_group;
pub use channel::{ChannelFault, PastedChannel, bare_number, channel};
pub use proxy::{MtproxySecretFault, ProxyFault, ProxyShape, proxy};
pub use session::{Foreign, PastedSession, SessionFault, SessionKind, session};
pub use url::{UrlFault, base_url};

//! Session strings: one login, as the libraries of several languages write it.

mod fault;
mod foreign;
mod layout;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;
use std::net::SocketAddr;

pub use fault::SessionFault;
pub use foreign::Foreign;

/// The length of an authorisation key in bytes.
const KEY_LEN: usize = 256;

/// Who wrote a session string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionKind {
    /// Telethon's `StringSession`.
    Telethon,
    /// GramJS's `StringSession`, which begins as Telethon's and goes on otherwise.
    GramJs,
    /// Pyrogram's, in any of its three forms; Pyrofork's and Kurigram's are the same.
    Pyrogram,
}

/// What a session string holds.
#[derive(Clone, PartialEq, Eq)]
pub struct PastedSession {
    /// Who wrote it.
    pub kind: SessionKind,
    /// The data centre that the account lives in, from 1 to 5.
    pub dc_id: u8,
    /// Whether that is one of Telegram's test servers.
    pub test: bool,
    /// Where to connect to, if the string says so: Pyrogram's name a data centre only, and so do GramJS's that name it by
    /// Telegram's host names.
    pub address: Option<SocketAddr>,
    /// The application that made it, if the string says so.
    pub api_id: Option<i32>,
    /// The key that stands for the login. It is as good as a password.
    pub auth_key: [u8; KEY_LEN],
}

impl fmt::Debug for PastedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PastedSession")
            .field("kind", &self.kind)
            .field("dc_id", &self.dc_id)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Reads a session string of Telethon, GramJS or Pyrogram.
///
/// | written by | form |
/// | --- | --- |
/// | Telethon | `1`, then base64 of data centre u8, address 4 or 16 bytes, port u16, key |
/// | GramJS | `1`, then base64 of data centre u8, length i16, address as text, port u16, key (gramjs#509) |
/// | Pyrogram 1 | base64 of data centre u8, test u8, key, user u32, bot u8 |
/// | Pyrogram 1.x | the same with user u64 |
/// | Pyrogram 2 | base64 of data centre u8, `api_id` u32, test u8, key, user u64, bot u8 |
///
/// Numbers are big-endian, and a key has 256 bytes. Either alphabet of base64 is read, with its padding or without. Quotes,
/// blanks, line breaks, invisible characters and the name of a setting do not count. A Telethon or GramJS string that has
/// lost its leading `1` is read if it can be nothing else: 263 bytes are Pyrogram's oldest form if its two flags are
/// flags, and Telethon's if they are not and an address stands in its place.
///
/// ```
/// use telestore_types::pasted::{SessionFault, session};
///
/// // Telethon's: data centre 2 at 149.154.167.51:443, and a key of zeros.
/// let text = format!("1ApWapzMBuw{}", "A".repeat(341));
/// assert_eq!(session(&text).unwrap().address.unwrap().to_string(), "149.154.167.51:443");
/// assert_eq!(session(&text[..340]), Err(SessionFault::CutOff { missing: 12 }));
/// ```
///
/// # Errors
/// [`SessionFault`] names what was pasted instead, or what is wrong with it. It never holds a part of the text.
pub fn session(text: &str) -> Result<PastedSession, SessionFault> {
    let text = text::squeeze(text);
    let text = text::value(&text);
    if text.is_empty() {
        return Err(SessionFault::Empty);
    }
    if let Some(foreign) = foreign::by_text(text) {
        return Err(SessionFault::Foreign(foreign));
    }
    let (marked, digits) = text.strip_prefix('1').map_or((false, text), |digits| (true, digits));
    let digits = text::digits(digits).map_err(|fault| fault.behind(usize::from(marked)))?;
    let head = text::decode(&digits[..digits.len().min(64) / 4 * 4]).unwrap_or_default();
    let bytes = text::decode(&digits);
    if let Some(foreign) = bytes.as_deref().and_then(foreign::by_bytes) {
        return Err(SessionFault::Foreign(foreign));
    }
    let lengths = layout::lengths(&head, marked);
    match bytes.filter(|_| lengths.contains(&digits.len())) {
        Some(bytes) if marked => layout::marked(&bytes),
        Some(bytes) => layout::unmarked(&bytes),
        None => Err(fault::of_length(digits.len(), &lengths)),
    }
}

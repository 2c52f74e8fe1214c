//! Reads the answers to calls.
//!
//! The server that answers may be a stranger's: session strings name addresses. The readers that grammers generates from the schema
//! recurse, and make an object of kilobytes from four bytes, so an answer of some hundred bytes would end the process.
//! Here each call says how long its answer may be, `walk` steps over what nobody needs, and an [`Object`] shows the rest
//! where it lies.

mod object;
mod schema;
mod walk;

use grammers_tl_types::{self as tl, RemoteCall};

pub use object::{Object, Objects};
pub use walk::Result;
pub(crate) use walk::{number, take_text, word};

/// The answer to a part of a file is four bytes, and an error not many more.
pub(crate) const BULK_ANSWER_MAX: usize = 4 * 1024;

/// The longest answer that any call may have, in bytes.
pub const ANSWER_MAX: usize = PAGE_MAX;

/// The longest answer that is short by its nature, in bytes.
pub const SHORT: usize = 64 * 1024;

/// The longest answer with a message, or a few, and the chats that they name, in bytes.
pub const MESSAGES_MAX: usize = 512 * 1024;

/// The longest page of dialogs or messages, in bytes: each dialog with its newest message, which may hold an article.
pub const PAGE_MAX: usize = 2 * 1024 * 1024;

/// How many addresses are looked at; Telegram names some twenty.
const ADDRESSES_MAX: usize = 256;

const BOOL_TRUE: u32 = 0x9972_75b5;

/// Whether a call may go again although Telegram may have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Repeat {
    /// It may be carried out twice, such as a part of a file: the same bytes at the same place.
    Always,
    /// A call that changes nothing, or whose repetition Telegram knows. One that is still worked on is not repeated.
    IfAnswered,
    /// A call that works once.
    Never,
}

/// A call whose answer is understood. It says how long that may be, and reads the few fields that are needed, so that a
/// server that is not Telegram cannot make it cost more.
///
/// Calls of the schema ([`tl`]) that this crate does not make get it from their user:
///
/// ```
/// use telestore_mtproto::answers::{self, Ask, Object};
/// use telestore_mtproto::tl;
///
/// /// Asks where the nearest data centre is.
/// struct Nearest;
/// # impl tl::Serializable for Nearest {
/// #     fn serialize(&self, buf: &mut impl Extend<u8>) { tl::functions::help::GetNearestDc {}.serialize(buf) }
/// # }
/// # impl tl::RemoteCall for Nearest { type Return = tl::enums::NearestDc; }
///
/// impl Ask for Nearest {
///     type Answer = Vec<u8>;
///     const ANSWER_MAX: usize = answers::SHORT;
///
///     fn read(&self, answer: &[u8]) -> answers::Result<Vec<u8>> {
///         Ok(answer.to_vec())
///     }
/// }
/// ```
pub trait Ask: RemoteCall {
    /// What is known after the answer.
    type Answer;

    /// How many bytes the answer may have, once it is unpacked; at most [`ANSWER_MAX`].
    const ANSWER_MAX: usize;

    /// Whether it may be called again if its answer was lost.
    const REPEAT: Repeat = Repeat::IfAnswered;

    /// Reads the answer.
    ///
    /// # Errors
    /// Why it cannot be read, in words that hold nothing of it.
    fn read(&self, answer: &[u8]) -> Result<Self::Answer>;
}

/// Whether an answer is Telegram's true.
pub fn is_true(mut answer: &[u8]) -> bool {
    word(&mut answer) == Ok(BOOL_TRUE)
}

impl Ask for tl::functions::help::GetConfig {
    type Answer = Vec<tl::types::DcOption>;

    const ANSWER_MAX: usize = SHORT;

    fn read(&self, answer: &[u8]) -> Result<Self::Answer> {
        dc_options(answer)
    }
}

/// The addresses that Telegram's configuration names.
pub(crate) fn dc_options(answer: &[u8]) -> Result<Vec<tl::types::DcOption>> {
    let options = Object::of("Config", answer)?.objects("dc_options");
    Ok(options.take(ADDRESSES_MAX).filter_map(|option| dc_option(&option)).collect())
}

fn dc_option(option: &Object<'_>) -> Option<tl::types::DcOption> {
    let ip = std::str::from_utf8(option.text("ip_address")?).ok()?;
    Some(tl::types::DcOption {
        ipv6: option.has("ipv6"),
        media_only: option.has("media_only"),
        tcpo_only: option.has("tcpo_only"),
        cdn: option.has("cdn"),
        r#static: option.has("static"),
        this_port_only: option.has("this_port_only"),
        id: option.int("id")?,
        // Longer than any address is none.
        ip_address: Some(ip).filter(|ip| ip.len() <= 64)?.to_owned(),
        port: option.int("port")?,
        // What it is does not matter: such an address is not used.
        secret: option.has("secret").then(Vec::new),
    })
}

impl Ask for tl::functions::auth::ExportAuthorization {
    type Answer = tl::functions::auth::ImportAuthorization;

    const ANSWER_MAX: usize = SHORT;

    fn read(&self, answer: &[u8]) -> Result<Self::Answer> {
        let login = Object::of("auth.ExportedAuthorization", answer)?;
        let (id, bytes) = login.long("id").zip(login.text("bytes")).ok_or("it names no login")?;
        Ok(tl::functions::auth::ImportAuthorization { id, bytes: bytes.to_vec() })
    }
}

impl Ask for tl::functions::auth::ImportAuthorization {
    /// That there is one says all.
    type Answer = ();

    const ANSWER_MAX: usize = SHORT;

    /// A login that was vouched for is good for one import.
    const REPEAT: Repeat = Repeat::Never;

    fn read(&self, _: &[u8]) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;

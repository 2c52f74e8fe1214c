//! Reads the answers to the few calls that the worker makes.
//!
//! Whoever answers may be a stranger: session strings name addresses. The readers that grammers generates from the schema
//! recurse, and make an object of kilobytes from four bytes, so an answer of some hundred bytes would end the process.
//! Here each call says how long its answer may be, [`walk`] steps over what nobody needs, and an [`Object`] shows the rest
//! where it lies.

mod chats;
mod object;
mod schema;
mod walk;

use grammers_tl_types::{self as tl, RemoteCall};

use super::lost::Repeat;

pub(crate) use chats::{Group, Next, Seen};
pub(crate) use object::{Object, Objects};
pub(crate) use walk::{Result, number, take_text, word};

/// The answer to a part is four bytes, and an error not many more.
pub(crate) const PART_ANSWER_MAX: usize = 4 * 1024;

/// The longest answer that any call may have.
pub(crate) const ANSWER_MAX: usize = PAGE_MAX;

/// For what is short by its nature.
pub(crate) const SHORT: usize = 64 * 1024;

/// For a message, or a few, with the chats that they name.
pub(crate) const MESSAGES_MAX: usize = 512 * 1024;

/// For a page of dialogs, each with its newest message, which may hold an article.
pub(crate) const PAGE_MAX: usize = 2 * 1024 * 1024;

/// How many addresses are looked at; Telegram names some twenty.
const ADDRESSES_MAX: usize = 256;

const BOOL_TRUE: u32 = 0x9972_75b5;

/// A call whose answer is understood.
pub(crate) trait Ask: RemoteCall {
    type Answer;

    /// How many bytes the answer may have, once it is unpacked.
    const ANSWER_MAX: usize;

    /// Whether it may be called again where its answer was lost.
    const REPEAT: Repeat = Repeat::IfAnswered;

    fn read(&self, answer: &[u8]) -> Result<Self::Answer>;
}

/// Whether an answer is Telegram's true.
pub(crate) fn is_true(mut answer: &[u8]) -> bool {
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

//! From what was pasted to bytes.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::SessionFault;
use crate::pasted::clean::{is_invisible, is_name, name_of, unwrap};

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What is longer is no path that somebody pasted, in bytes.
const LONGEST_PATH: usize = 256;

/// Without blanks, line breaks (also as env files and JSON write them) and what nobody sees.
pub(super) fn squeeze(text: &str) -> String {
    let shown = |c: &char| !(c.is_whitespace() || c.is_control() || is_invisible(*c));
    // A line that goes on, in a shell; then what stands for a line break. Paths have backslashes, too, and are short.
    let joined = text.replace("\\\r\n", "").replace("\\\n", "");
    let text: String = joined.chars().filter(shown).collect();
    match text.contains('\\') && text.len() > LONGEST_PATH {
        true => text.replace("\\n", "").replace("\\r", ""),
        false => text,
    }
}

/// The value alone: without quotes, the name of the setting, and the call that takes it in code.
pub(super) fn value(text: &str) -> &str {
    let mut text = text;
    loop {
        let mut bare = unwrap(text);
        // Without blanks, a colon behind a name has no blank behind it.
        if let Some((name, value)) = bare.split_once(':')
            && is_name(name)
            && value.len() > 64
        {
            bare = value;
        }
        if let Some((_, call)) = bare.split_once("StringSession(") {
            bare = call.split(')').next().unwrap_or(call);
        }
        if bare == text {
            return text;
        }
        text = bare;
    }
}

/// The digits of base64 in the alphabet for URLs, without padding.
pub(super) fn digits(text: &str) -> Result<String, SessionFault> {
    let text = match text.contains('%') {
        true => Cow::from(unescape(text)),
        false => text.into(),
    };
    let text = text.trim_end_matches('=');
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '/');
    match text.chars().enumerate().find(|(_, c)| !fits(*c)) {
        Some((_, '*' | '•' | '…' | '.')) => Err(SessionFault::Masked),
        Some((at, c)) => Err(SessionFault::Character { at: at + 1, what: name_of(c) }),
        None => Ok(text.replace('+', "-").replace('/', "_")),
    }
}

/// What a URL writes for the three characters of base64 that it does not take.
fn unescape(text: &str) -> String {
    [("%3D", "="), ("%3d", "="), ("%2B", "+"), ("%2b", "+"), ("%2F", "/"), ("%2f", "/")]
        .iter()
        .fold(text.to_owned(), |text, (escape, c)| text.replace(escape, c))
}

/// The bytes of digits in the alphabet for URLs.
pub(super) fn decode(digits: &str) -> Option<Vec<u8>> {
    LENIENT.decode(digits).ok()
}

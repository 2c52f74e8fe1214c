use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use encoding_rs::Encoding;

/// Mail programs leave the padding out, or add some.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Reads the encoded words of a text ([RFC 2047](https://www.rfc-editor.org/rfc/rfc2047)), such as
/// `=?utf-8?B?bmHDr3ZlLnR4dA==?=`; `None` if there are none.
///
/// They have no place in a form. .NET's HttpClient and mail libraries send them all the same, quoted and not. Blanks
/// between two words are not text (6.2), and a character may begin in one word and end in the next, which the RFC
/// forbids and clients do. A word of an unknown charset, or with a text that cannot be, stays as it is.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut decoded = Decoded::default();
    let mut rest = text;
    while let Some(at) = rest.find("=?") {
        let (before, from) = rest.split_at(at);
        match Word::first_of(from) {
            Some(word) => {
                decoded.push_text(before, true);
                rest = &from[word.length..];
                decoded.push_word(word);
            }
            None => {
                decoded.push_text(&rest[..at + 2], false);
                rest = &from[2..];
            }
        }
    }
    decoded.push_text(rest, false);
    decoded.flush();
    decoded.any.then_some(decoded.text)
}

#[derive(Default)]
struct Decoded {
    text: String,
    any: bool,
    /// The bytes of the words that came last, in one charset.
    words: Option<(&'static Encoding, Vec<u8>)>,
}

impl Decoded {
    fn push_text(&mut self, text: &str, before_word: bool) {
        let between = before_word && self.words.is_some() && text.trim().is_empty();
        if !between && !text.is_empty() {
            self.flush();
            self.text.push_str(text);
        }
    }

    fn push_word(&mut self, word: Word) {
        self.any = true;
        match &mut self.words {
            Some((encoding, bytes)) if *encoding == word.encoding => bytes.extend(word.bytes),
            _ => {
                self.flush();
                self.words = Some((word.encoding, word.bytes));
            }
        }
    }

    fn flush(&mut self) {
        if let Some((encoding, bytes)) = self.words.take() {
            let text: Cow<'_, str> = encoding.decode_without_bom_handling(&bytes).0;
            self.text.push_str(&text);
        }
    }
}

struct Word {
    encoding: &'static Encoding,
    bytes: Vec<u8>,
    /// How long it is in the text.
    length: usize,
}

impl Word {
    /// The word that `text` begins with.
    fn first_of(text: &str) -> Option<Self> {
        let (charset, rest) = text.strip_prefix("=?")?.split_once('?')?;
        let (kind, rest) = rest.split_once('?')?;
        // No question mark stands in the text of a word (2).
        let (content, after) = rest.split_once('?')?;
        let after = after.strip_prefix('=')?;
        // RFC 2231, 5 puts a language behind the charset.
        let charset = charset.split('*').next()?;
        let bytes = match kind {
            "b" | "B" => BASE64.decode(content).ok()?,
            "q" | "Q" => quoted(content)?,
            _ => return None,
        };
        let encoding = Encoding::for_label(charset.as_bytes())?;
        Some(Self { encoding, bytes, length: text.len() - after.len() })
    }
}

/// The bytes of a word's `Q` encoding: `_` is a space, `=C3` a byte.
fn quoted(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'_' => bytes.push(b' '),
            b'=' => {
                let mut escaped = [0];
                hex::decode_to_slice(rest.get(..2)?, &mut escaped).ok()?;
                bytes.extend(escaped);
                rest = &rest[2..];
            }
            byte => bytes.push(byte),
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read() {
        for (text, expected) in [
            ("=?utf-8?B?0L/RgNC40LLQtdGCLnR4dA==?=", "привет.txt"),
            ("=?UTF-8?b?0L/RgNC40LLQtdGCLnR4dA?=", "привет.txt"),
            ("=?UTF-8?Q?na=C3=AFve_1.txt?=", "naïve 1.txt"),
            ("=?iso-8859-1?q?na=EFve.txt?=", "naïve.txt"),
            ("=?windows-1252?Q?5=80.txt?=", "5€.txt"),
            ("=?utf-8*ru?B?0L/RgNC40LLQtdGC?=.txt", "привет.txt"),
            ("=?utf-8?Q?a?= =?utf-8?Q?b?=", "ab"),
            ("=?utf-8?Q?=D0?= =?utf-8?Q?=BF?=", "п"),
            ("=?utf-8?B?0A==?==?utf-8?B?vw==?=", "п"),
            ("=?utf-8?Q?a?= =?iso-8859-1?Q?=EF?= and", "aï and"),
        ] {
            assert_eq!(decode(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_word_stays() {
        for text in [
            "",
            "plain =? text",
            "=?utf-8?B?!?=",
            "=?utf-8?Q?a?b?=",
            "=?klingon?Q?a?=",
            "=?utf-8?X?a?=",
            "=?utf-8?Q?=zz?=",
        ] {
            assert_eq!(decode(text), None, "{text}");
        }
        assert_eq!(decode("=? =?utf-8?Q?a?= =?").as_deref(), Some("=? a =?"));
    }
}

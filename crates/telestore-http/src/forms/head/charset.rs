//! Bytes as text, in whatever charset they are.

use encoding_rs::{Encoding, WINDOWS_1252};

/// The text of bytes in the charset that was declared; `None` for a charset that is not known, or bytes that it has not.
///
/// Labels are those of the [Encoding Standard](https://encoding.spec.whatwg.org/#names-and-labels), in any case.
/// `iso-8859-1` means windows-1252 there, as it does in what people send.
pub(crate) fn decode(label: &str, bytes: &[u8]) -> Option<String> {
    let encoding = Encoding::for_label(label.as_bytes())?;
    encoding.decode_without_bom_handling_and_without_replacement(bytes).map(|text| text.into_owned())
}

/// The best reading of bytes whose charset nobody declared: UTF-8; with U+FFFD if most of what is not ASCII is UTF-8,
/// as in a name that was cut within a character; else windows-1252, with U+FFFD for the five bytes that it does not have.
pub(crate) fn reading(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) if is_mostly_utf8(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Err(_) => {
            let (text, _) = WINDOWS_1252.decode_without_bom_handling(bytes);
            text.chars().map(|c| if matches!(c, '\u{80}'..='\u{9f}') { '\u{fffd}' } else { c }).collect()
        }
    }
}

fn is_mostly_utf8(bytes: &[u8]) -> bool {
    let (mut valid, mut invalid) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        valid += chunk.valid().bytes().filter(|byte| !byte.is_ascii()).count();
        invalid += chunk.invalid().len();
    }
    valid > invalid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_declared_is_read_so() {
        for (label, bytes, text) in [
            ("UTF-8", "привет".as_bytes(), Some("привет")),
            ("iso-8859-1", b"na\xefve", Some("naïve")),
            ("Windows-1252", b"5\x80", Some("5€")),
            ("koi8-r", b"\xd0\xd2\xc9", Some("при")),
            ("shift_jis", b"\x93\xfa\x96\x7b", Some("日本")),
            ("utf-8", b"na\xefve", None),
            ("klingon", b"x", None),
        ] {
            assert_eq!(decode(label, bytes).as_deref(), text, "{label}");
        }
    }

    #[test]
    fn what_is_not_declared_is_read_as_well_as_it_can_be() {
        for (bytes, text) in [
            (&b"plain"[..], "plain"),
            ("приве\u{301}т".as_bytes(), "приве\u{301}т"),
            (b"na\xefve.txt", "naïve.txt"),
            (b"\x80 and \x81.txt", "€ and \u{fffd}.txt"),
            (&"привет".as_bytes()[..11], "приве\u{fffd}"),
        ] {
            assert_eq!(reading(bytes), text);
        }
    }
}

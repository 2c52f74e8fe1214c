//! What a file is called where it is saved (RFC 6266, RFC 8187).

use actix_web::http::header::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What is escaped in `filename*`: all but the `attr-char` of RFC 8187, 3.2.1.
const ESCAPED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// `Content-Disposition` for a file of this name, to be shown in a browser or saved.
///
/// Clients that cannot read `filename*` get a `filename` of ASCII. Neither leads to another folder, or has control characters, whatever
/// somebody has put into the channel.
pub(super) fn of(name: &str, inline: bool) -> HeaderValue {
    let kind = if inline { "inline" } else { "attachment" };
    let cleaned = |c: char| if c.is_control() || matches!(c, '/' | '\\') { '_' } else { c };
    let name: String = name.chars().map(cleaned).collect();
    // Some unescape what looks escaped (RFC 6266, appendix D).
    let plain = |c: char| if (c.is_ascii_graphic() || c == ' ') && !matches!(c, '"' | '%') { c } else { '_' };
    let fallback: String = name.chars().map(plain).collect();
    let escaped = utf8_percent_encode(&name, &ESCAPED);
    let value = format!("{kind}; filename=\"{fallback}\"; filename*=UTF-8''{escaped}");
    HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static("attachment"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_kind_stay_in_their_quotes() {
        for (name, fallback, escaped) in [
            ("a b.txt", "a b.txt", "a%20b.txt"),
            ("\u{dc}bung.pdf", "_bung.pdf", "%C3%9Cbung.pdf"),
            ("say \"hi\"; x=y.txt", "say _hi_; x=y.txt", "say%20%22hi%22%3B%20x%3Dy.txt"),
            ("100%25.txt", "100_25.txt", "100%2525.txt"),
            ("a\r\nSet-Cookie: b", "a__Set-Cookie: b", "a__Set-Cookie%3A%20b"),
            ("\u{1f600}.png", "_.png", "%F0%9F%98%80.png"),
            ("../..\\etc/passwd", ".._.._etc_passwd", ".._.._etc_passwd"),
            ("it's (1)*.zip", "it's (1)*.zip", "it%27s%20%281%29%2A.zip"),
            ("a\u{85}\u{7f}\0b", "a___b", "a___b"),
            ("", "", ""),
        ] {
            let expected = format!("filename=\"{fallback}\"; filename*=UTF-8''{escaped}");
            assert_eq!(of(name, false), format!("attachment; {expected}").as_str(), "{name:?}");
            assert_eq!(of(name, true), format!("inline; {expected}").as_str(), "{name:?}");
        }
    }

    #[test]
    fn actix_reads_what_is_written() {
        use actix_web::http::header::{ContentDisposition, DispositionType};
        let name = "\u{424}\u{43e}\u{442}\u{43e} 'x' \u{1f600}.jpg";
        let read = ContentDisposition::from_raw(&of(name, false)).unwrap();
        assert_eq!(read.disposition, DispositionType::Attachment);
        assert_eq!(read.get_filename_ext().unwrap().value, name.as_bytes());
    }
}

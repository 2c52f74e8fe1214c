//! What a file is called.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use reqwest::Url;
use reqwest::header::{CONTENT_DISPOSITION, HeaderMap};
use telestore_types::FileName;

/// The name at the end of an address.
pub(super) fn of_path(url: &Url) -> Option<FileName> {
    let last = url.path_segments()?.rfind(|segment| !segment.is_empty())?;
    named(&percent_decode_str(last).decode_utf8_lossy())
}

fn named(text: &str) -> Option<FileName> {
    FileName::of_file(text.trim()).ok().filter(|_| !text.trim().is_empty())
}

/// The name that a server gives (RFC 6266): `filename*` goes before `filename`.
pub(super) fn of_headers(headers: &HeaderMap) -> Option<FileName> {
    let line = String::from_utf8_lossy(headers.get(CONTENT_DISPOSITION)?.as_bytes()).into_owned();
    let parameters = parameters(&line);
    let find =
        |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let extended = find("filename*").and_then(extended);
    extended.or_else(|| find("filename").map(Cow::Borrowed)).and_then(|text| named(&text))
}

/// `UTF-8'en'a%20b` (RFC 8187).
fn extended(value: &str) -> Option<Cow<'_, str>> {
    let (charset, rest) = value.split_once('\'')?;
    let (_, text) = rest.split_once('\'')?;
    let bytes = percent_decode_str(text);
    if charset.eq_ignore_ascii_case("utf-8") {
        return bytes.decode_utf8().ok();
    }
    charset.eq_ignore_ascii_case("iso-8859-1").then(|| bytes.map(char::from).collect::<String>().into())
}

/// The parameters behind the first semicolon, in lower case, with the quotes taken off.
fn parameters(line: &str) -> Vec<(String, String)> {
    let (mut found, mut rest) = (Vec::new(), line.split_once(';').map_or("", |(_, rest)| rest));
    while let Some((name, behind)) = rest.split_once('=') {
        let name = name.trim().trim_start_matches(';').trim().to_ascii_lowercase();
        let behind = behind.trim_start();
        let value = match behind.strip_prefix('"') {
            Some(quoted) => {
                let (value, after) = unquoted(quoted);
                rest = after;
                value
            }
            None => {
                let (value, after) = behind.split_once(';').unwrap_or((behind, ""));
                rest = after;
                value.trim().to_owned()
            }
        };
        found.push((name, value));
    }
    found
}

/// What stands before the quote that ends it, and what behind it.
fn unquoted(text: &str) -> (String, &str) {
    let (mut value, mut escaped) = (String::new(), false);
    for (at, char) in text.char_indices() {
        match char {
            char if escaped => {
                value.push(char);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return (value, &text[at + 1..]),
            char => value.push(char),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn header(line: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_DISPOSITION, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        of_headers(&headers).map(|name| name.as_str().to_owned())
    }

    #[test]
    fn servers_name_files_in_many_ways() {
        for (line, expected) in [
            ("attachment; filename=\"a b.txt\"", Some("a b.txt")),
            ("attachment; filename=a.txt", Some("a.txt")),
            ("attachment;filename=a.txt;size=5", Some("a.txt")),
            ("attachment; filename=\"x\"; filename*=UTF-8''%D1%84.txt", Some("ф.txt")),
            ("attachment; filename*=iso-8859-1'en'%e9.txt; filename=x", Some("é.txt")),
            ("attachment; filename*=utf-16''x; filename=\"y.txt\"", Some("y.txt")),
            ("inline; FileName=\"a\\\"b.txt\"", Some("a\"b.txt")),
            ("attachment; filename=\"ф.txt\"", Some("ф.txt")),
            ("attachment; filename=\"../../etc/passwd\"", Some("passwd")),
            ("attachment; x=\"; filename=evil.txt\"; filename=good.txt", Some("good.txt")),
            ("attachment", None),
            ("attachment; filename=\"\"", None),
        ] {
            assert_eq!(header(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn addresses_name_files_at_their_end() {
        for (address, expected) in [
            ("http://a/b/c%20d.bin?e=f", Some("c d.bin")),
            ("http://a/b/", Some("b")),
            ("http://a/%D1%84", Some("ф")),
            ("http://a/b/..%2f..%2fetc", Some("etc")),
            ("http://a/", None),
            ("http://a", None),
        ] {
            let name = of_path(&Url::parse(address).unwrap());
            assert_eq!(name.as_ref().map(FileName::as_str), expected, "{address}");
        }
    }
}

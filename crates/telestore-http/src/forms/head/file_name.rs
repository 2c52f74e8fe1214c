use std::collections::HashMap;

use percent_encoding::percent_decode;

use super::charset::{decode, reading};
use super::encoded_word;
use super::parameters::Parameters;

/// What a part's `Content-Disposition` calls its file, if it calls it anything.
///
/// Clients write a name in five ways, and some of them two at a time; the first that can be read counts:
/// 1. `filename*=UTF-8''na%C3%AFve.txt` (RFC 8187). RFC 7578 forbids it in forms, .NET and others send it, and RFC 6266
///    (4.3) has it win.
/// 2. The same in pieces, `filename*0*=UTF-8''na%C3; filename*1*=%AFve.txt` (RFC 2231, 3 and 4.1): Python's email.
/// 3. `filename="=?utf-8?B?…?="` (RFC 2047): .NET, mail libraries.
/// 4. `filename="say %22hi%22.txt"`: browsers, which escape `"`, CR and LF so, and nothing else ([WHATWG][1]).
/// 5. `filename="naïve.txt"`, in UTF-8 or whatever charset the client has.
///
/// [1]: https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data
pub(crate) fn of(parameters: &Parameters) -> Option<String> {
    let extended = parameters.get("filename*");
    let plain = || parameters.get("filename").map(plain);
    let found = extended.and_then(strict).or_else(|| in_pieces(parameters)).or_else(plain);
    found.filter(|name| !name.is_empty()).or_else(|| extended.map(lenient))
}

fn plain(value: &[u8]) -> String {
    let text = reading(value);
    encoded_word::decode(&text)
        .unwrap_or_else(|| text.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n"))
}

/// The charset of an extended value, and its text.
fn parts_of(value: &[u8]) -> Option<(&str, &[u8])> {
    let mut parts = value.splitn(3, |byte| *byte == b'\'');
    let (charset, _language, text) = (parts.next()?, parts.next()?, parts.next()?);
    Some((std::str::from_utf8(charset).ok()?.trim(), text))
}

/// An extended value that is what it says.
fn strict(value: &[u8]) -> Option<String> {
    let (charset, text) = parts_of(value)?;
    decode(charset, &unescaped(text))
}

/// The best reading of one that is not.
fn lenient(value: &[u8]) -> String {
    reading(&unescaped(parts_of(value).map_or(value, |(_, text)| text)))
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    percent_decode(text).collect()
}

/// A name in pieces: `filename*0`, `filename*1` and so on, those with a `*` behind the number in percent encoding. The
/// charset stands in the first.
fn in_pieces(parameters: &Parameters) -> Option<String> {
    let mut pieces = HashMap::new();
    for (name, value) in parameters.iter() {
        pieces.entry(name).or_insert(value);
    }
    let mut charset = None;
    let mut bytes = Vec::new();
    for number in 0.. {
        let (plain, extended) = (format!("filename*{number}"), format!("filename*{number}*"));
        match (pieces.get(extended.as_str()), pieces.get(plain.as_str())) {
            (Some(value), _) if number == 0 => {
                let (declared, text) = parts_of(value)?;
                charset = Some(declared);
                bytes.extend(unescaped(text));
            }
            (Some(value), _) => bytes.extend(unescaped(value)),
            (None, Some(value)) => bytes.extend_from_slice(value),
            (None, None) if number == 0 => return None,
            (None, None) => break,
        }
    }
    Some(charset.and_then(|charset| decode(charset, &bytes)).unwrap_or_else(|| reading(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::super::parameters::Pairs;
    use super::*;

    fn name(value: &[u8]) -> Option<String> {
        of(&Parameters::parse(&[b"form-data; name=\"file\"; ", value].concat(), Pairs::Quotes).unwrap())
    }

    #[test]
    fn names_are_read_in_all_ways_that_clients_write_them() {
        let dotnet = "filename=\"=?utf-8?B?0L/RgNC40LLQtdGCLnR4dA==?=\"";
        for (value, expected) in [
            (&format!("{dotnet}; filename*=utf-8''%D0%BF%D1%80.txt"), "пр.txt"),
            (&format!("filename*=utf-8''%D0%BF%D1%80.txt; {dotnet}"), "пр.txt"),
            (&dotnet.to_owned(), "привет.txt"),
            (&dotnet.replace('"', ""), "привет.txt"),
            (&"filename*=UTF-8''na%C3%AFve.txt".to_owned(), "naïve.txt"),
            (&"filename*=\"utf-8'en'na%c3%afve.txt\"".to_owned(), "naïve.txt"),
            (&"filename*=ISO-8859-1''na%EFve.txt".to_owned(), "naïve.txt"),
            (&"FileName*=Utf-8''it's%20%22it%22.txt".to_owned(), "it's \"it\".txt"),
            (
                &"filename*0*=UTF-8''na%C3; filename*1*=%AFve; filename*2=\" %41.txt\"".to_owned(),
                "naïve %41.txt",
            ),
            (&"filename*1=b.txt; filename*0=a".to_owned(), "ab.txt"),
            (&"filename=\"say %22hi%22%0D%0A%41%0d.txt\"".to_owned(), "say \"hi\"\r\n%41%0d.txt"),
            (&"filename=\"100%.txt\"".to_owned(), "100%.txt"),
            (&"filename=\"say \\\"hi\\\".txt\"".to_owned(), "say \"hi\".txt"),
            (&"filename=a b.txt".to_owned(), "a b.txt"),
        ] {
            assert_eq!(name(value.as_bytes()).as_deref(), Some(expected), "{value}");
        }
    }

    #[test]
    fn what_cannot_be_read_gives_way_to_what_can() {
        for (value, expected) in [
            ("filename*=utf-8''na%EFve.txt; filename=naive.txt", "naive.txt"),
            ("filename*=klingon''x.txt; filename=naive.txt", "naive.txt"),
            ("filename*=naive.txt; filename=\"\"", "naive.txt"),
            ("filename*=utf-8''na%EFve.txt", "naïve.txt"),
            ("filename*=klingon''na%C3%AFve.txt", "naïve.txt"),
            ("filename*=100%", "100%"),
        ] {
            assert_eq!(name(value.as_bytes()).as_deref(), Some(expected), "{value}");
        }
        assert_eq!(name(b"filename=\"na\xefve.txt\"").as_deref(), Some("naïve.txt"));
        assert_eq!(name(b"filename=\"\""), None);
        assert_eq!(name(b""), None);
        assert_eq!(name(b"filename*1=b"), None);
    }
}

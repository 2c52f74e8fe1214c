use actix_web::http::header::{HeaderMap, HeaderName};
use sfv::{BareItem, Dictionary, ListEntry, Parser};
use telestore::types::{ContentDigest, FileDigest};

use crate::shared::error::ApiError;

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// The digests of a part's `Content-Digest` (RFC 9530) that are known here; the others are ignored, as it says.
pub(crate) fn of_headers(headers: &HeaderMap) -> Result<Vec<ContentDigest>, ApiError> {
    of_field_named(headers, &CONTENT_DIGEST)
}

/// The same of another field of RFC 9530.
pub(crate) fn of_field_named(headers: &HeaderMap, name: &HeaderName) -> Result<Vec<ContentDigest>, ApiError> {
    let malformed = || {
        let name = if *name == CONTENT_DIGEST { "Content-Digest" } else { "Repr-Digest" };
        ApiError::invalid(format!("{name} is malformed: send sha-256=:<base64>:"))
    };
    let mut lines = Vec::new();
    for line in headers.get_all(name) {
        lines.push(line.to_str().map_err(|_| malformed())?);
    }
    let fields: Dictionary = Parser::new(&lines.join(", ")).parse().map_err(|_| malformed())?;
    let known = fields.iter().filter_map(|(algorithm, value)| known(algorithm.as_str(), value));
    known.map(|digest| digest.ok_or_else(malformed)).collect()
}

/// `None` for an algorithm that is not known, `Some(None)` for a value that is none of a known one's.
fn known(algorithm: &str, value: &ListEntry) -> Option<Option<ContentDigest>> {
    let bytes = match value {
        ListEntry::Item(item) => match &item.bare_item {
            BareItem::ByteSequence(bytes) => bytes.as_slice(),
            _ => &[],
        },
        ListEntry::InnerList(_) => &[],
    };
    Some(match algorithm {
        "sha-256" => bytes.try_into().ok().map(ContentDigest::Sha256),
        "sha-512" => bytes.try_into().ok().map(ContentDigest::Sha512),
        "crc32c" => bytes.try_into().ok().map(|bytes| ContentDigest::Crc32c(u32::from_be_bytes(bytes))),
        _ => return None,
    })
}

/// The digest of a form field: 64 hexadecimal digits.
pub(crate) fn of_field(name: &str, text: &str) -> Result<ContentDigest, ApiError> {
    let mut digest = [0; 32];
    hex::decode_to_slice(text.trim(), &mut digest).map_err(|_| {
        ApiError::invalid(format!("form field {name} must be the SHA-256 in 64 hexadecimal digits"))
    })?;
    Ok(ContentDigest::Sha256(digest))
}

/// The digest of a file by which a repeat of its request is known, if it is such a one.
pub(crate) fn sha256(digest: &ContentDigest) -> Option<FileDigest> {
    match digest {
        ContentDigest::Sha256(digest) => Some(FileDigest::from(*digest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    const ZEROES: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    fn parse(lines: &[&str]) -> Option<Vec<ContentDigest>> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(CONTENT_DIGEST, HeaderValue::from_str(line).unwrap());
        }
        of_headers(&headers).ok()
    }

    #[test]
    fn known_algorithms_are_read_and_others_ignored() {
        let sha256 = ContentDigest::Sha256([0; 32]);
        assert_eq!(parse(&[]), Some(vec![]));
        assert_eq!(parse(&[""]), Some(vec![]));
        assert_eq!(parse(&[&format!("sha-256=:{ZEROES}:")]), Some(vec![sha256]));
        let several = format!("md5=:AAAA:, sha-256=:{ZEROES}:;x=1 , next=(1 2), new=?1,crc32c=:4waSgw==:");
        assert_eq!(parse(&[&several]), Some(vec![sha256, ContentDigest::Crc32c(0xe306_9283)]));
        let lines = ["unixsum=:AAE=:", &format!("sha-256=:{ZEROES}:")];
        assert_eq!(parse(&lines), Some(vec![sha256]), "several lines are one field");
        let sha512 = format!("sha-512=:{}:", "A".repeat(85) + "A==");
        assert!(matches!(parse(&[&sha512]).as_deref(), None | Some([ContentDigest::Sha512(_)])));
    }

    #[test]
    fn a_malformed_field_is_refused() {
        for line in [
            "sha-256",
            "sha-256=",
            "sha-256=abc",
            "sha-256=:AAAA:",
            "sha-256=(:AAAA:)",
            "sha-512=:AAAA:",
            "crc32c=:AAAAAAAA:",
            "sha-256=:!!:",
            "md5=:AAAA:,",
            "SHA-256=:AAAA:",
            "=:AAAA:",
        ] {
            assert_eq!(parse(&[line]), None, "{line}");
        }
    }

    #[test]
    fn a_form_field_has_64_digits() {
        let digits = "0A".repeat(32);
        assert_eq!(of_field("x", &digits).unwrap(), ContentDigest::Sha256([10; 32]));
        for text in ["", "0a", &digits[1..], &format!("{digits}00"), &"0g".repeat(32)] {
            assert!(of_field("x", text).unwrap_err().to_string().contains("form field x"), "{text}");
        }
    }
}

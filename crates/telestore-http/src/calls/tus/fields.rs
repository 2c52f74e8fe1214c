//! The fields of heads that the protocol knows.

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, HeaderName};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use telestore::types::ContentDigest;

use super::refusal;
use crate::shared::error::ApiError;
use crate::shared::fault::printable;
use crate::shared::tus::{TUS_RESUMABLE, VERSION};

pub(super) const TUS_EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
pub(super) const TUS_MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
pub(super) const TUS_CHECKSUM_ALGORITHM: HeaderName = HeaderName::from_static("tus-checksum-algorithm");
pub(super) const UPLOAD_CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
pub(super) const UPLOAD_CONCAT: HeaderName = HeaderName::from_static("upload-concat");
pub(super) const UPLOAD_DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");
pub(super) const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
pub(super) const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
pub(super) const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
pub(super) const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");

/// The algorithms of `Upload-Checksum`.
pub(super) const ALGORITHMS: &str = "sha1,sha256,sha512,md5,crc32";

/// Checks that the client speaks this version (Core, Tus-Resumable).
pub(super) fn check_version(request: &HttpRequest) -> Result<(), ApiError> {
    let Some(spoken) = request.headers().get(TUS_RESUMABLE) else { return Err(refusal::other_version(None)) };
    if spoken.as_bytes().trim_ascii() == VERSION.as_bytes() {
        return Ok(());
    }
    Err(refusal::other_version(Some(&String::from_utf8_lossy(spoken.as_bytes()))))
}

/// The same for a call that changes nothing: a client that names no version is none that speaks another one.
pub(super) fn check_version_if_any(request: &HttpRequest) -> Result<(), ApiError> {
    if request.headers().contains_key(TUS_RESUMABLE) { check_version(request) } else { Ok(()) }
}

/// The one value of a field.
pub(super) fn value(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, ApiError> {
    let mut lines = headers.get_all(name);
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(ApiError::invalid(format!("{name} comes more than once")));
    }
    let text = line.to_str().map_err(|_| ApiError::invalid(format!("{name} must be visible ASCII")))?;
    Ok(Some(text.trim().to_owned()))
}

fn number(request: &HttpRequest, name: &HeaderName) -> Result<Option<u64>, ApiError> {
    let Some(text) = value(request.headers(), name)? else { return Ok(None) };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = Some(&text).filter(|_| digits).and_then(|text| text.parse().ok());
    let wrong =
        || ApiError::invalid(format!("{name} must be a whole number from 0 on, and is {}", printable(&text)));
    number.ok_or_else(wrong).map(Some)
}

/// `Upload-Length`.
pub(super) fn length(request: &HttpRequest) -> Result<Option<u64>, ApiError> {
    number(request, &UPLOAD_LENGTH)
}

/// `Upload-Offset`.
pub(super) fn offset(request: &HttpRequest) -> Result<u64, ApiError> {
    let missing = || ApiError::invalid("upload-offset is missing: it says where the bytes of the body go");
    number(request, &UPLOAD_OFFSET)?.ok_or_else(missing)
}

/// Whether the length is said later (Creation, Upload-Defer-Length).
pub(super) fn is_deferred(request: &HttpRequest) -> Result<bool, ApiError> {
    match value(request.headers(), &UPLOAD_DEFER_LENGTH)?.as_deref() {
        None => Ok(false),
        Some("1") => Ok(true),
        Some(_) => Err(ApiError::invalid("upload-defer-length must be 1, or be left out")),
    }
}

/// The digest that the body must have (Checksum). One of another length than its algorithm's is none: a client sends the
/// digest of the whole file, in hexadecimal digits, with each call.
pub(super) fn checksum(request: &HttpRequest) -> Result<Option<ContentDigest>, ApiError> {
    let Some(text) = value(request.headers(), &UPLOAD_CHECKSUM)? else { return Ok(None) };
    let (algorithm, digest) = text.split_once(' ').unwrap_or((&text, ""));
    if !ALGORITHMS.split(',').any(|known| known == algorithm) {
        return Err(ApiError::invalid(format!(
            "upload-checksum names the algorithm {}, and must be one of {ALGORITHMS}",
            printable(algorithm)
        )));
    }
    let malformed =
        |_| ApiError::invalid("upload-checksum must be an algorithm, a blank, and the digest in base64");
    let digest = STANDARD.decode(digest.trim()).map_err(malformed)?;
    let digest = digest.as_slice();
    Ok(match algorithm {
        "sha1" => digest.try_into().ok().map(ContentDigest::Sha1),
        "sha256" => digest.try_into().ok().map(ContentDigest::Sha256),
        "sha512" => digest.try_into().ok().map(ContentDigest::Sha512),
        "md5" => digest.try_into().ok().map(ContentDigest::Md5),
        _ => digest.try_into().ok().map(|bytes| ContentDigest::Crc32(u32::from_be_bytes(bytes))),
    })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn of(name: HeaderName, value: &str) -> HttpRequest {
        TestRequest::patch().insert_header((name, value)).to_http_request()
    }

    #[test]
    fn numbers_are_digits_only() {
        for (text, number) in [("0", Some(0)), ("007", Some(7)), ("18446744073709551615", Some(u64::MAX))] {
            assert_eq!(offset(&of(UPLOAD_OFFSET, text)).ok(), number, "{text}");
        }
        for text in ["", "-1", "+1", "1.0", "1e3", "0x10", "18446744073709551616", "1 2", "one"] {
            assert!(offset(&of(UPLOAD_OFFSET, text)).is_err(), "{text}");
        }
        let twice = of(UPLOAD_OFFSET, "1");
        assert!(offset(&twice).is_ok() && length(&twice).is_ok_and(|length| length.is_none()));
    }

    #[test]
    fn digests_of_each_algorithm_are_read_and_others_are_refused() {
        let read = |text: &str| checksum(&of(UPLOAD_CHECKSUM, text));
        assert_eq!(read("crc32 AAAAAQ==").ok().flatten(), Some(ContentDigest::Crc32(1)));
        assert_eq!(read("md5 AAAAAAAAAAAAAAAAAAAAAA==").ok().flatten(), Some(ContentDigest::Md5([0; 16])));
        let sha1 = "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=";
        assert!(matches!(read(sha1).ok().flatten(), Some(ContentDigest::Sha1(_))));
        let hex_of_the_file = format!("sha1 {}", STANDARD.encode("2aae6c35c94fcfb415dbe95f408b9ce91ee846ed"));
        assert_eq!(read(&hex_of_the_file).ok(), Some(None), "as tusc.sh sends it");
        for wrong in ["sha3 AAAA", "sha1 ???", "", "SHA1 AAAA"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}

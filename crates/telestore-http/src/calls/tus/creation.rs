//! What a client says of an upload that it begins.

use actix_web::HttpRequest;
use percent_encoding::percent_decode_str;
use telestore::types::{ContentDigest, FileName, UploadId};
use telestore::{Error, NewFile};

use super::fields::{self, UPLOAD_CONCAT, UPLOAD_METADATA};
use super::metadata::Pairs;
use super::refusal;
use crate::forms::raw;
use crate::shared::error::ApiError;
use crate::shared::tus::OFFSET_STREAM;

/// Of how many parts a file is put together at most: each is looked for in one transaction.
const MAX_PARTS: usize = 1000;

/// How an upload has to do with others (Concatenation).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Concat {
    Partial,
    Final(Vec<UploadId>),
}

/// An upload that is to begin.
#[derive(Debug)]
pub(super) struct Creation {
    pub(super) file: NewFile,
    pub(super) concat: Option<Concat>,
    /// Whether the first bytes come along.
    pub(super) has_body: bool,
    pub(super) digests: Vec<ContentDigest>,
}

impl Creation {
    pub(super) fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        Self::with_id(request, UploadId::new(format!("{:032x}", rand::random::<u128>()))?)
    }

    /// One that is known by its id when it comes again.
    pub(super) fn again(request: &HttpRequest, id: UploadId) -> Result<Self, ApiError> {
        let new = Self::with_id(request, id)?;
        Ok(Self { file: new.file.keyed(), ..new })
    }

    fn with_id(request: &HttpRequest, id: UploadId) -> Result<Self, ApiError> {
        let (length, deferred) = (fields::length(request)?, fields::is_deferred(request)?);
        let concat = concat(request)?;
        // Another type is one that a client sets by itself on whatever it sends.
        let has_body = raw::content_type(request).as_deref() == Some(OFFSET_STREAM);
        match (&concat, length, deferred) {
            (Some(Concat::Final(_)), None, false) if !has_body => {}
            (Some(Concat::Final(_)), ..) => {
                return Err(ApiError::invalid(
                    "a final upload has no upload-length and no bytes of its own: both are those of its parts",
                ));
            }
            (_, Some(_), true) => {
                return Err(ApiError::invalid("upload-length and upload-defer-length contradict each other"));
            }
            (_, None, false) => {
                return Err(ApiError::invalid(
                    "upload-length is missing: send the length of the file in bytes, or upload-defer-length: 1",
                ));
            }
            _ => {}
        }
        let pairs = Pairs::of(request.headers())?;
        let mut file = file(&pairs, id)?;
        file.size = length;
        if concat == Some(Concat::Partial) {
            file = file.partial();
        }
        let sent = [(UPLOAD_METADATA, pairs.sent), (UPLOAD_CONCAT, as_sent(request)?)];
        let sent = sent.into_iter().filter(|(_, sent)| !sent.is_empty());
        file.metadata = sent.map(|(name, sent)| (name.as_str().to_owned(), sent)).collect();
        let digests = if has_body { fields::checksum(request)?.into_iter().collect() } else { Vec::new() };
        Ok(Self { file, concat, has_body, digests })
    }

    /// Checks a body of so many bytes, before the upload is there.
    pub(super) fn check_body(&self, coming: u64, most: u64) -> Result<(), ApiError> {
        if !self.digests.is_empty() && coming > most {
            return Err(refusal::long_body(most));
        }
        match self.file.size.filter(|size| coming > *size) {
            Some(size) => Err(refusal::too_long(size, coming)),
            None => Ok(()),
        }
    }
}

fn as_sent(request: &HttpRequest) -> Result<String, ApiError> {
    Ok(fields::value(request.headers(), &UPLOAD_CONCAT)?.unwrap_or_default())
}

fn file(pairs: &Pairs, id: UploadId) -> Result<NewFile, ApiError> {
    let name = match pairs.text(&["filename", "name"]) {
        Some(name) => FileName::of_file(&name)?,
        None => FileName::new(&format!("upload-{}", &id.as_str()[..8]))?,
    };
    Ok(NewFile::new(id, name)
        .streamed()
        .with_mime_type(pairs.text(&["filetype", "type"]))
        .with_options(pairs.options()?)
        .with_thumbnail(pairs.thumbnail()?))
}

fn concat(request: &HttpRequest) -> Result<Option<Concat>, ApiError> {
    let Some(text) = fields::value(request.headers(), &UPLOAD_CONCAT)? else { return Ok(None) };
    if text == "partial" {
        return Ok(Some(Concat::Partial));
    }
    let malformed =
        || ApiError::invalid("upload-concat must be partial, or final; and the addresses of the parts");
    let parts = text.strip_prefix("final;").ok_or_else(malformed)?;
    let parts = parts.split(' ').filter(|part| !part.is_empty());
    if parts.clone().count() > MAX_PARTS {
        return Err(ApiError::invalid(format!("upload-concat names more than {MAX_PARTS} parts")));
    }
    let parts = parts.map(part).collect::<Result<Vec<_>, _>>()?;
    if parts.is_empty() { Err(malformed()) } else { Ok(Some(Concat::Final(parts))) }
}

/// The upload at an address, which may be absolute or relative.
fn part(address: &str) -> Result<UploadId, ApiError> {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let id = percent_decode_str(last).decode_utf8_lossy();
    let unknown = |_| Error::Invalid("upload-concat names an address that is that of no upload".to_owned());
    Ok(UploadId::new(id).map_err(unknown)?)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn of(headers: &[(&str, &str)]) -> Result<Creation, String> {
        let add = |request: TestRequest, (name, value): &(&str, &str)| {
            request.append_header((name.to_string(), value.to_string()))
        };
        let request = headers.iter().fold(TestRequest::post(), add).to_http_request();
        Creation::of(&request).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_without_a_name_is_called_by_its_id() {
        let file = of(&[("Upload-Length", "5")]).unwrap().file;
        assert_eq!(file.file_name.as_str(), format!("upload-{}", &file.id.as_str()[..8]));
        let named = of(&[("Upload-Length", "5"), ("Upload-Metadata", "name YS9iLnR4dA==")]).unwrap();
        assert_eq!(named.file.file_name.as_str(), "b.txt");
    }

    #[test]
    fn a_length_is_said_or_put_off() {
        assert_eq!(of(&[("Upload-Defer-Length", "1")]).unwrap().file.size, None);
        for wrong in [
            &[][..],
            &[("Upload-Length", "5"), ("Upload-Defer-Length", "1")],
            &[("Upload-Defer-Length", "2")],
            &[("Upload-Length", "-5")],
            &[("Upload-Length", "5"), ("Upload-Concat", "final;a")],
            &[("Upload-Concat", "final;")],
            &[("Upload-Concat", "final a")],
            &[("Upload-Concat", "final;https://a.example/tus/%20")],
        ] {
            assert!(of(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_file_is_not_put_together_of_more_parts_than_are_looked_for() {
        for (parts, fits) in [(MAX_PARTS, true), (MAX_PARTS + 1, false)] {
            let made = of(&[("Upload-Concat", &format!("final;{}", "/tus/a ".repeat(parts)))]);
            assert_eq!(made.is_ok(), fits, "{made:?}");
        }
    }

    #[test]
    fn parts_are_named_by_any_address() {
        let named = of(&[("Upload-Concat", "final;/tus/a https://x.example/y/tus/b?token=c  d tus/e/")]);
        let parts = ["a", "b", "d", "e"].map(|id| UploadId::new(id).unwrap());
        assert_eq!(named.unwrap().concat, Some(Concat::Final(parts.to_vec())));
    }
}

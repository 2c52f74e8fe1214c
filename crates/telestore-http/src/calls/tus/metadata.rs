//! `Upload-Metadata`: what a client says of its file.

use std::collections::BTreeMap;

use actix_web::http::header::HeaderMap;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use telestore::types::{Thumbnail, UploadOptions};

use super::fields::UPLOAD_METADATA;
use crate::shared::error::ApiError;
use crate::shared::fault::printable;
use crate::shared::named::Named;

/// The most bytes of it: it is kept with the upload, and written with each of its bytes that are recorded.
const MOST: usize = 32 * 1024;

/// What scripts make of a value that they have not got.
const NOTHING: [&str; 2] = ["null", "undefined"];

/// Padding may be left out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The pairs of a request, and how they were written.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    pub(super) sent: String,
    values: BTreeMap<String, Vec<u8>>,
}

impl Pairs {
    /// Reads them (Creation, Upload-Metadata). A client that has nothing to say may send the field without a value.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let mut lines = Vec::new();
        for line in headers.get_all(UPLOAD_METADATA) {
            let line =
                line.to_str().map_err(|_| ApiError::invalid("upload-metadata must be visible ASCII"))?;
            lines.push(line.trim());
        }
        let sent = lines.join(",");
        if sent.len() > MOST {
            return Err(ApiError::invalid(format!("upload-metadata has more than {MOST} bytes")));
        }
        let mut values = BTreeMap::new();
        for pair in sent.split(',').map(str::trim).filter(|_| !sent.is_empty()) {
            let (name, value) = pair.split_once(' ').unwrap_or((pair, ""));
            if name.is_empty() {
                return Err(ApiError::invalid("upload-metadata has a pair without a name"));
            }
            let value = BASE64.decode(value.trim()).map_err(|_| {
                ApiError::invalid(format!("upload-metadata: the value of {} is no base64", printable(name)))
            })?;
            if values.insert(name.to_owned(), value).is_some() {
                return Err(ApiError::invalid(format!("upload-metadata names {} twice", printable(name))));
            }
        }
        Ok(Self { sent, values })
    }

    /// The first of these that has a value.
    pub(super) fn text(&self, names: &[&str]) -> Option<String> {
        let values = names.iter().filter_map(|name| self.values.get(*name));
        let mut texts = values.map(|value| String::from_utf8_lossy(value).into_owned());
        texts.find(|text| !text.trim().is_empty())
    }

    /// How the message is to be.
    pub(super) fn options(&self) -> Result<UploadOptions, ApiError> {
        let said = |name: &str| {
            let text = String::from_utf8_lossy(self.values.get(name)?).into_owned();
            Some(text).filter(|text| name == "caption" || !NOTHING.contains(&text.as_str()))
        };
        Named::of_form(said).read()
    }

    /// The picture that stands for the file.
    pub(super) fn thumbnail(&self) -> Result<Option<Thumbnail>, ApiError> {
        let bytes = self.values.get("thumbnail").filter(|bytes| !bytes.is_empty());
        Ok(bytes.map(|bytes| Thumbnail::new(Bytes::from(bytes.clone()))).transpose()?)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use telestore::types::TopicId;

    use super::*;

    fn read(lines: &[&str]) -> Result<Pairs, String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(UPLOAD_METADATA, HeaderValue::from_str(line).unwrap());
        }
        Pairs::of(&headers).map_err(|error| error.to_string())
    }

    #[test]
    fn pairs_are_read_as_clients_write_them() {
        assert!(read(&[""]).unwrap().values.is_empty(), "as tuspy sends it");
        let pairs = read(&["filename d29ybGQudHh0,is_confidential, name,x YQ"]).unwrap();
        assert_eq!(pairs.text(&["filename", "name"]).as_deref(), Some("world.txt"));
        assert_eq!(pairs.text(&["is_confidential"]), None);
        assert_eq!(pairs.text(&["x"]).as_deref(), Some("a"), "padding may be missing");
        assert_eq!(read(&["a YQ==", "b YQ=="]).unwrap().values.len(), 2, "two lines are one");
    }

    #[test]
    fn what_is_none_says_why() {
        for (sent, why) in [
            ("a YQ==,a YQ==", "twice"),
            ("a ?", "no base64"),
            ("a YQ==,,b", "without a name"),
            (",", "without"),
        ] {
            let said = read(&[sent]).unwrap_err();
            assert!(said.contains(why), "{sent}: {said}");
        }
        assert!(read(&[&"a".repeat(MOST + 1)]).is_err());
    }

    #[test]
    fn options_stand_among_them() {
        let pairs = read(&["topicId Nw==,silent bnVsbA==,caption bnVsbA=="]).unwrap();
        let seven = UploadOptions::default().in_topic(TopicId::new(7).unwrap()).with_caption("null");
        assert_eq!(pairs.options().ok(), Some(seven), "a script has no value for `silent`");
        let bad = read(&["topicId eA=="]).unwrap().options().map_err(|error| error.to_string());
        assert!(bad.unwrap_err().contains("topicId must be"));
    }
}

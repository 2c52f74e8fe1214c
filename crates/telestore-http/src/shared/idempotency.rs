//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): by which a request is known that comes again.

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;
use telestore::{Caller, IdempotencyKey, Telestore};

use crate::shared::error::ApiError;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The key of a request, if it has one. The draft has it between quotes; many clients leave them out.
pub(crate) fn key_of(request: &HttpRequest) -> Result<Option<IdempotencyKey>, ApiError> {
    let malformed = || {
        let max = IdempotencyKey::MAX;
        ApiError::invalid(format!("Idempotency-Key must be one text of 1 to {max} visible ASCII characters"))
    };
    let mut lines = request.headers().get_all(IDEMPOTENCY_KEY);
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(malformed());
    }
    let text = line.to_str().map_err(|_| malformed())?.trim();
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    IdempotencyKey::new(bare).map(Some).map_err(|_| malformed())
}

/// Whether the file of an earlier request with this key is there, so that this one's bytes need not be kept. A caller whose
/// token comes in the form is not known yet.
pub(crate) async fn has_file(
    engine: &Telestore,
    key: Option<&IdempotencyKey>,
    caller: &Caller,
) -> Result<bool, ApiError> {
    match key {
        Some(key) if caller.token().is_some() => Ok(engine.has_file_of(key, caller).await?),
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn key(lines: &[&str]) -> Result<Option<String>, String> {
        let mut request = TestRequest::default();
        for line in lines {
            request = request.append_header((IDEMPOTENCY_KEY, *line));
        }
        let key = key_of(&request.to_http_request()).map_err(|error| error.to_string())?;
        Ok(key.map(|key| key.as_str().to_owned()))
    }

    #[test]
    fn a_key_stands_between_quotes_or_not() {
        assert_eq!(key(&[]), Ok(None));
        for line in ["8e03978e", "\"8e03978e\"", "  \"8e03978e\" "] {
            assert_eq!(key(&[line]), Ok(Some("8e03978e".to_owned())), "{line}");
        }
        for lines in [&[""][..], &["\"\""], &["a b"], &["a", "a"], &[&"x".repeat(256)]] {
            assert!(key(lines).unwrap_err().starts_with("Idempotency-Key must be"), "{lines:?}");
        }
    }
}

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_ENCODING;
use actix_web::{Error, FromRequest, HttpRequest, web};

use crate::shared::error::ApiError;

/// A body that is sent as it is.
///
/// Nothing decodes bodies here: the bytes of a file are stored as they come, and compressed ones would be other bytes.
/// A client that encodes them is told so, and what is taken, as
/// [RFC 9110, 15.5.16](https://www.rfc-editor.org/rfc/rfc9110#section-15.5.16) wants it.
pub(crate) struct Body(pub(crate) web::Payload);

impl FromRequest for Body {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(match coding(request) {
            Some(coding) => Err(ApiError::Encoded(coding).into()),
            None => web::Payload::from_request(request, payload).into_inner().map(Self),
        })
    }
}

/// What the body is encoded with, if it is.
fn coding(request: &HttpRequest) -> Option<String> {
    let lines = request.headers().get_all(CONTENT_ENCODING);
    let codings = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let coding =
        codings.into_iter().find(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"));
    coding.map(|coding| String::from_utf8_lossy(coding).into_owned())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn coding_of(lines: &[&str]) -> Option<String> {
        let request = lines
            .iter()
            .fold(TestRequest::post(), |request, line| request.append_header((CONTENT_ENCODING, *line)));
        coding(&request.to_http_request())
    }

    #[test]
    fn only_identity_is_none() {
        for lines in [&[][..], &[""], &["identity"], &["Identity , identity", ""]] {
            assert_eq!(coding_of(lines), None, "{lines:?}");
        }
        for (lines, coding) in
            [(&["gzip"][..], "gzip"), (&["identity", "identity, br"], "br"), (&["x-gzip"], "x-gzip")]
        {
            assert_eq!(coding_of(lines).as_deref(), Some(coding), "{lines:?}");
        }
    }
}

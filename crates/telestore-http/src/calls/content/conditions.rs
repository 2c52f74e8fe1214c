//! What the headers of a request say of the version that its client has (RFC 9110, 13).

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::HttpRequest;
use actix_web::HttpResponseBuilder;
use actix_web::http::Method;
use actix_web::http::header::{
    ETAG, EntityTag, Header, HeaderMap, HeaderName, HttpDate, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    IF_RANGE, IF_UNMODIFIED_SINCE, IfMatch, IfNoneMatch, LAST_MODIFIED,
};

use super::range::{self, Asked};
use crate::shared::error::ApiError;

/// What tells one version of a file from another. A file of the index has only one, so both are strong.
#[derive(Debug, Clone)]
pub(super) struct Version {
    tag: EntityTag,
    /// In whole seconds, as headers have it.
    since: SystemTime,
}

/// What to answer with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it.
    All,
    /// A part.
    Part(Range<u64>),
    /// Nothing: the client has it.
    Nothing,
}

impl Version {
    /// The only one of what is called `name`, which is visible ASCII without quotes.
    pub(super) fn only(name: &str, since: SystemTime) -> Self {
        let seconds = since.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Self { tag: EntityTag::new_strong(name.to_owned()), since: UNIX_EPOCH + Duration::from_secs(seconds) }
    }

    /// Tells of it in an answer.
    pub(super) fn tell(&self, answer: &mut HttpResponseBuilder) {
        answer.insert_header((ETAG, self.tag.clone()));
        answer.insert_header((LAST_MODIFIED, HttpDate::from(self.since)));
    }
}

/// What a request wants of `length` bytes. Of what has no version nobody can tell whether it has changed.
///
/// # Errors
/// [`ApiError::OtherVersion`], [`ApiError::OutOfRange`].
pub(super) fn wanted(
    request: &HttpRequest,
    version: Option<&Version>,
    length: u64,
) -> Result<Wanted, ApiError> {
    // In the order of 13.2.2.
    if !is_what_was_meant(request, version) {
        return Err(ApiError::OtherVersion);
    }
    if is_known(request, version) {
        return Ok(Wanted::Nothing);
    }
    // It means nothing with any other method (14.2).
    if request.method() != Method::GET || !has_the_rest_of(request.headers(), version) {
        return Ok(Wanted::All);
    }
    match range::asked(request.headers(), length) {
        Asked::All => Ok(Wanted::All),
        Asked::Part(range) => Ok(Wanted::Part(range)),
        Asked::Outside => Err(ApiError::OutOfRange { length }),
    }
}

fn is_what_was_meant(request: &HttpRequest, version: Option<&Version>) -> bool {
    if request.headers().contains_key(IF_MATCH) {
        return match IfMatch::parse(request) {
            Ok(IfMatch::Any) => true,
            Ok(IfMatch::Items(tags)) => {
                version.is_some_and(|version| tags.iter().any(|tag| tag.strong_eq(&version.tag)))
            }
            Err(_) => false,
        };
    }
    let known = date(request.headers(), &IF_UNMODIFIED_SINCE).zip(version);
    known.is_none_or(|(date, version)| version.since <= date)
}

fn is_known(request: &HttpRequest, version: Option<&Version>) -> bool {
    if request.headers().contains_key(IF_NONE_MATCH) {
        return match IfNoneMatch::parse(request) {
            Ok(IfNoneMatch::Any) => true,
            Ok(IfNoneMatch::Items(tags)) => {
                version.is_some_and(|version| tags.iter().any(|tag| tag.weak_eq(&version.tag)))
            }
            Err(_) => false,
        };
    }
    let known = date(request.headers(), &IF_MODIFIED_SINCE).zip(version);
    known.is_some_and(|(date, version)| version.since <= date)
}

/// Whether a part of this version fits to what the client has, as far as it says.
fn has_the_rest_of(headers: &HeaderMap, version: Option<&Version>) -> bool {
    let Some(line) = headers.get(IF_RANGE) else { return true };
    let (Ok(line), Some(version)) = (line.to_str(), version) else { return false };
    match line.trim().parse::<EntityTag>() {
        Ok(tag) => tag.strong_eq(&version.tag),
        // A date must be the very one (13.1.5).
        Err(_) => date(headers, &IF_RANGE) == Some(version.since),
    }
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    let date: HttpDate = headers.get(name)?.to_str().ok()?.trim().parse().ok()?;
    Some(date.into())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const THEN: &str = "Sat, 29 Oct 1994 19:43:31 GMT";
    const BEFORE: &str = "Sat, 29 Oct 1994 19:43:30 GMT";
    const LATER: &str = "Sat, 29 Oct 1994 19:43:32 GMT";

    fn version() -> Version {
        let date: HttpDate = THEN.parse().unwrap();
        Version::only("abc", SystemTime::from(date) + Duration::from_millis(999))
    }

    fn request(headers: &[(HeaderName, &str)]) -> TestRequest {
        headers
            .iter()
            .fold(TestRequest::get(), |request, (name, value)| request.append_header((name.clone(), *value)))
    }

    /// 200, 206, 304, 412 or 416.
    fn status(request: TestRequest, version: Option<&Version>) -> u16 {
        match wanted(&request.to_http_request(), version, 10) {
            Ok(Wanted::All) => 200,
            Ok(Wanted::Part(_)) => 206,
            Ok(Wanted::Nothing) => 304,
            Err(error) => error.status().as_u16(),
        }
    }

    #[test]
    fn tags_go_before_dates_and_strong_ones_count_where_bytes_are_joined() {
        use actix_web::http::header::RANGE;
        let part = (RANGE, "bytes=1-2");
        for (headers, expected) in [
            (&[][..], 200),
            (&[(IF_MATCH, "\"abc\"")], 200),
            (&[(IF_MATCH, "*")], 200),
            (&[(IF_MATCH, "\"x\", \"abc\"")], 200),
            (&[(IF_MATCH, "\"x\""), (IF_MATCH, "\"abc\"")], 200),
            (&[(IF_MATCH, "W/\"abc\"")], 412),
            (&[(IF_MATCH, "\"ab\"")], 412),
            (&[(IF_MATCH, "abc")], 412),
            (&[(IF_MATCH, "\"abc\""), (IF_UNMODIFIED_SINCE, BEFORE)], 200),
            (&[(IF_UNMODIFIED_SINCE, BEFORE)], 412),
            (&[(IF_UNMODIFIED_SINCE, THEN)], 200),
            (&[(IF_UNMODIFIED_SINCE, "yesterday")], 200),
            (&[(IF_NONE_MATCH, "\"abc\"")], 304),
            (&[(IF_NONE_MATCH, "W/\"abc\"")], 304),
            (&[(IF_NONE_MATCH, "*")], 304),
            (&[(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, LATER)], 200),
            (&[(IF_MODIFIED_SINCE, BEFORE)], 200),
            (&[(IF_MODIFIED_SINCE, THEN)], 304),
            (&[(IF_MODIFIED_SINCE, "tomorrow")], 200),
            (&[(IF_NONE_MATCH, "\"abc\""), (IF_MATCH, "\"x\"")], 412),
            (&[(RANGE, "bytes=1-2")], 206),
            (&[part.clone(), (IF_RANGE, "\"abc\"")], 206),
            (&[part.clone(), (IF_RANGE, "W/\"abc\"")], 200),
            (&[part.clone(), (IF_RANGE, "\"x\"")], 200),
            (&[part.clone(), (IF_RANGE, "abc")], 200),
            (&[part.clone(), (IF_RANGE, THEN)], 206),
            (&[part.clone(), (IF_RANGE, LATER)], 200),
            (&[part.clone(), (IF_RANGE, BEFORE)], 200),
            (&[part.clone(), (IF_NONE_MATCH, "\"abc\"")], 304),
            (&[(IF_RANGE, "\"abc\"")], 200),
            (&[(RANGE, "bytes=10-")], 416),
            (&[(RANGE, "bytes=10-"), (IF_RANGE, "\"x\"")], 200),
        ] {
            assert_eq!(status(request(headers), Some(&version())), expected, "{headers:?}");
        }
        let head = request(&[(RANGE, "bytes=1-2")]).method(Method::HEAD);
        assert_eq!(status(head, Some(&version())), 200);
    }

    #[test]
    fn what_has_no_version_fits_to_nothing_that_a_client_has() {
        use actix_web::http::header::RANGE;
        for (headers, expected) in [
            (&[(RANGE, "bytes=1-2")][..], 206),
            (&[(RANGE, "bytes=1-2"), (IF_RANGE, "\"abc\"")], 200),
            (&[(RANGE, "bytes=1-2"), (IF_RANGE, THEN)], 200),
            (&[(IF_MATCH, "\"abc\"")], 412),
            (&[(IF_MATCH, "*")], 200),
            (&[(IF_NONE_MATCH, "\"abc\"")], 200),
            (&[(IF_MODIFIED_SINCE, LATER)], 200),
            (&[(IF_UNMODIFIED_SINCE, BEFORE)], 200),
        ] {
            assert_eq!(status(request(headers), None), expected, "{headers:?}");
        }
    }
}

//! What the head of an answer says of its file.

use std::time::{Duration, SystemTime};

use reqwest::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, HeaderMap, HeaderName,
    LAST_MODIFIED, RETRY_AFTER,
};
use reqwest::{Response, StatusCode, Url};
use telestore_types::mime_type_of;

use super::config::FetchConfig;
use super::name;
use crate::{Ask, Error, ErrorKind, Result, Told};

/// The longest pause that a server can ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);

fn refused(words: impl Into<String>) -> Error {
    Error::new(ErrorKind::Refused, words)
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// Reads the head of the answer to `ask` that came from `url`.
pub(super) fn read(answer: &Response, ask: &Ask, url: &Url, config: &FetchConfig) -> Result<Told> {
    let headers = answer.headers();
    let (from, length) = match answer.status() {
        StatusCode::OK => (0, number(headers, &CONTENT_LENGTH)),
        StatusCode::PARTIAL_CONTENT => range(headers, ask.from)?,
        status => return Err(status_error(status, headers)),
    };
    if let Some(coding) = text(headers, &CONTENT_ENCODING).filter(|coding| !is_none(coding)) {
        // The words hold no more of it than a token has.
        let coding: String = coding.chars().filter(char::is_ascii_alphanumeric).take(20).collect();
        return Err(refused(format!(
            "the server sends the file packed (Content-Encoding: {coding}) although it was asked not to, and it is not unpacked here"
        )));
    }
    if length.is_some_and(|length| length > config.max_bytes) {
        return Err(too_large(config));
    }
    let mime_type = text(headers, &CONTENT_TYPE).as_deref().and_then(mime_type_of).map(str::to_owned);
    let file_name = name::of_headers(headers).or_else(|| name::of_path(url));
    Ok(Told { from, length, file_name, mime_type, version: version(headers) })
}

pub(super) fn too_large(config: &FetchConfig) -> Error {
    Error::new(ErrorKind::TooLarge, format!("file is larger than the limit of {} bytes", config.max_bytes))
}

fn is_none(coding: &str) -> bool {
    coding.split(',').all(|coding| matches!(coding.trim().to_ascii_lowercase().as_str(), "" | "identity"))
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    text(headers, name)?.trim().parse().ok()
}

/// Where the bytes of a 206 begin, and how long the whole file is: `bytes 5-9/10`.
fn range(headers: &HeaderMap, wanted: u64) -> Result<(u64, Option<u64>)> {
    let wrong = || refused("the server answers with another part of the file than it was asked for");
    let range = text(headers, &CONTENT_RANGE).ok_or_else(wrong)?;
    let (unit, range) = range.trim().split_once(' ').ok_or_else(wrong)?;
    let (part, whole) = range.split_once('/').ok_or_else(wrong)?;
    let (first, last) = part.split_once('-').ok_or_else(wrong)?;
    let (first, last): (u64, u64) =
        (first.trim().parse().map_err(|_| wrong())?, last.trim().parse().map_err(|_| wrong())?);
    let whole: Option<u64> = whole.trim().parse().ok();
    let ends = whole.is_none_or(|whole| last.checked_add(1) == Some(whole));
    if !unit.eq_ignore_ascii_case("bytes") || first != wanted || wanted == 0 || last < first || !ends {
        return Err(wrong());
    }
    Ok((first, whole.or(last.checked_add(1))))
}

/// A name for these very bytes: a strong `ETag`, or a time of change that was some while ago.
fn version(headers: &HeaderMap) -> Option<String> {
    if let Some(tag) = text(headers, &ETAG) {
        return Some(tag).filter(|tag| tag.starts_with('"') && tag.len() <= 1024);
    }
    let changed = text(headers, &LAST_MODIFIED)?;
    let time = |text: &str| httpdate::parse_http_date(text).ok();
    let age = time(&text(headers, &DATE)?)?.duration_since(time(&changed)?).ok()?;
    (age > Duration::from_secs(60)).then_some(changed)
}

fn status_error(status: StatusCode, headers: &HeaderMap) -> Error {
    let words = format!("the server of the address answered {}", status.as_u16());
    let passing = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        );
    if !passing {
        return refused(words);
    }
    Error::new(ErrorKind::Passing, words).after(pause(headers))
}

fn pause(headers: &HeaderMap) -> Option<Duration> {
    let told = text(headers, &RETRY_AFTER)?;
    let seconds = told.trim().parse().ok().map(Duration::from_secs);
    let until = || httpdate::parse_http_date(told.trim()).ok()?.duration_since(SystemTime::now()).ok();
    seconds.or_else(until).map(|pause| pause.min(LONGEST_PAUSE))
}

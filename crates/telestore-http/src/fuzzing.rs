//! Reads forms as the routes do and as plain actix-multipart does, for fuzzers and property tests to find a difference.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use actix_multipart::{Multipart, MultipartError};
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use crate::forms::head::PartHead;
use crate::forms::parts::Parts;
use crate::shared::fault::Fault;

/// The names and the bytes of a form's parts.
type Form = Vec<(String, Vec<u8>)>;

/// The name of the part that is read past actix-multipart.
const FILE: &str = "file";

/// An entry for a fuzzer: the first byte says how the rest, a body with the boundary `B`, is cut into reads.
///
/// # Panics
/// If the two readers see different forms.
pub fn form(input: &[u8]) {
    let Some((seed, body)) = input.split_first() else { return };
    let (mut reads, mut rest, mut size) = (Vec::new(), body, usize::from(*seed));
    while !rest.is_empty() {
        size = (size * 5 + 1) % 37;
        let (read, after) = rest.split_at(size.clamp(1, rest.len()));
        reads.push(read.to_vec());
        rest = after;
    }
    compare("B", &reads);
}

/// An entry for a fuzzer: the lines of `input` are `X-Forwarded-For`, `Forwarded` and `X-Forwarded-Proto` of a trusted
/// proxy, in turn; then all of them are what a client wrote into one of these, and the proxy appends the client.
///
/// # Panics
/// If what the client wrote hides what the proxy appended.
pub fn proxy_headers(input: &[u8]) {
    let names = ["x-forwarded-for", "forwarded", "x-forwarded-proto"].map(HeaderName::from_static);
    let mut headers = HeaderMap::new();
    for (line, name) in input.split(|byte| *byte == b'\n').zip(names.iter().cycle()) {
        let Ok(value) = HeaderValue::from_bytes(line) else { continue };
        headers.append(name.clone(), value);
    }
    let Ok(trusted) = "loopback, private".parse() else { return };
    let _ = crate::shared::proxy::client_named_by(&headers, &trusted);
    let written: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    for (name, appended, client) in [
        ("x-forwarded-for", "203.0.113.9", "203.0.113.9"),
        ("x-forwarded-for", "[2001:db8::9]:80, 10.0.0.1", "2001:db8::9"),
        ("forwarded", "for=203.0.113.9", "203.0.113.9"),
        ("forwarded", "for=\"[2001:db8::9]:80\";proto=https, for=10.0.0.1", "2001:db8::9"),
    ] {
        let name = HeaderName::from_static(name);
        for headers in appended_to(&name, &written, appended) {
            let named =
                crate::shared::proxy::client_named_by(&headers, &trusted).map(|address| address.to_string());
            assert_eq!(named.as_deref(), Some(client), "{headers:?}");
        }
    }
}

/// A client's lines of a header, with what a proxy appends: in the last line, and in a line of its own.
fn appended_to(name: &HeaderName, written: &[&[u8]], appended: &str) -> Vec<HeaderMap> {
    let last = written.last().copied().unwrap_or_default();
    let joined = [last, b", ", appended.as_bytes()].concat();
    let before = &written[..written.len().saturating_sub(1)];
    let map = |lines: &[&[u8]]| {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name.clone(), HeaderValue::from_bytes(line).ok()?);
        }
        Some(headers)
    };
    let same = map(&[before, &[&joined]].concat());
    let own = map(&[written, &[appended.as_bytes()]].concat());
    same.into_iter().chain(own).collect()
}

/// An entry for a fuzzer: the lines of `input` are `Content-Digest` and `Accept-Encoding` of a client, in turn.
pub fn client_headers(input: &[u8]) {
    let names = ["content-digest", "accept-encoding"].map(HeaderName::from_static);
    let mut headers = HeaderMap::new();
    for (line, name) in input.split(|byte| *byte == b'\n').zip(names.iter().cycle()) {
        let Ok(value) = HeaderValue::from_bytes(line) else { continue };
        headers.append(name.clone(), value);
    }
    let _ = crate::forms::digest::of_headers(&headers);
    let _ = crate::shared::encodings::negotiate(&headers);
}

/// Reads the same body with both readers. What plain actix-multipart takes must be read as it reads it; there are forms
/// that only the other takes, and those must not depend on how they are cut.
///
/// # Panics
/// If they see different forms.
pub fn compare(boundary: &str, reads: &[Vec<u8>]) {
    let mut headers = HeaderMap::new();
    let kind = format!("multipart/form-data; boundary=\"{boundary}\"");
    let Ok(kind) = HeaderValue::from_str(&kind) else { return };
    headers.insert(CONTENT_TYPE, kind);
    let body = reads.concat();
    let text = String::from_utf8_lossy(&body);
    let tapped = |reads| finish(tapped(&headers, reads_of(reads)));
    let read = tapped(reads);
    // For actix-multipart a part's bytes end at a CR without its LF, too, if only the rest of a delimiter follows; then
    // it refuses the form. Here they are bytes like any other in a file. And before the first part it passes over a
    // boundary with blanks behind it.
    let otherwise = ["\r--%", "\n--% ", "\n--%\t", "\n--%-- "].map(|line| line.replace('%', boundary));
    if otherwise.iter().any(|line| memchr::memmem::find(&body, line.as_bytes()).is_some()) {
        return;
    }
    let whole = tapped(std::slice::from_ref(&body));
    assert_eq!(read, whole, "boundary {boundary:?}, body {text:?} of {} reads", reads.len());
    let Some(plain) = finish(plain(&headers, reads_of(reads))).filter(|form| !form.is_empty()) else {
        return;
    };
    let plain_heads = has_plain_heads(&body, plain.len());
    match read {
        // What nobody should write, each reads in a way of its own.
        Err(refusal) if !plain_heads && is_of_a_head(refusal.as_ref()) => {}
        Err(refusal) => {
            assert!(is_stricter(refusal.as_ref()), "{refusal:?}: boundary {boundary:?}, body {text:?}")
        }
        Ok(form) => {
            let bytes = |form: &Form| form.iter().map(|(_, bytes)| bytes.clone()).collect::<Vec<_>>();
            let same = match plain_heads {
                true => form == plain,
                false => bytes(&form) == bytes(&plain),
            };
            assert!(
                same,
                "{form:?} is {plain:?}: boundary {boundary:?}, body {text:?} of {} reads",
                reads.len()
            );
        }
    }
}

/// What is refused here though actix-multipart takes it: it passes over bytes behind a blank line that ends with LF
/// alone, knows no encodings, and takes longer heads.
fn is_stricter(refusal: Option<&Fault>) -> bool {
    matches!(
        refusal,
        Some(
            Fault::BlankLine { .. }
                | Fault::Encoded { .. }
                | Fault::LongHead { .. }
                | Fault::Line { .. }
                | Fault::MuchBeside(_)
        )
    )
}

/// Whether the heads of so many parts are written as plain clients write them, which is read the same way by all: a name,
/// perhaps a file name, and nothing to be unescaped in either.
fn has_plain_heads(body: &[u8], parts: usize) -> bool {
    let text = String::from_utf8_lossy(body);
    let is_disposition = |line: &&str| line.to_ascii_lowercase().contains("disposition");
    let lines: Vec<&str> = text.lines().filter(is_disposition).collect();
    lines.len() == parts && lines.into_iter().all(is_plain_disposition)
}

fn is_plain_disposition(line: &str) -> bool {
    let is_plain = |value: &str| value.bytes().all(|b| b.is_ascii_alphanumeric() || b" ._-".contains(&b));
    let named =
        line.strip_prefix("Content-Disposition: form-data; name=\"").and_then(|rest| rest.strip_suffix('"'));
    named.is_some_and(|named| match named.split_once("\"; filename=\"") {
        Some((name, file_name)) => !name.is_empty() && is_plain(name) && is_plain(file_name),
        None => !named.is_empty() && is_plain(named),
    })
}

/// Whether the head of a part was not understood.
fn is_of_a_head(refusal: Option<&Fault>) -> bool {
    matches!(
        refusal,
        Some(
            Fault::NoName(_) | Fault::NoDisposition(_) | Fault::Disposition { .. } | Fault::PartQuotes { .. }
        )
    )
}

async fn plain(headers: &HeaderMap, body: impl Stream<Item = Read> + 'static) -> Option<Form> {
    let (mut multipart, mut form) = (Multipart::new(headers, body), Vec::new());
    while let Some(field) = multipart.next().await {
        let mut field = field.ok()?;
        // The length of a part is where its delimiter is, whatever it declares (RFC 7578, 4.8).
        if field.headers().contains_key(CONTENT_LENGTH) {
            return None;
        }
        let (name, mut bytes) = (field.name()?.to_owned(), Vec::new());
        while let Some(piece) = field.next().await {
            bytes.extend_from_slice(&piece.ok()?);
        }
        form.push((name, bytes));
    }
    Some(form)
}

/// The same; or why the tap refuses it, if it has the words.
async fn tapped(
    headers: &HeaderMap,
    body: impl Stream<Item = Read> + 'static,
) -> Result<Form, Option<Fault>> {
    let why = |error: MultipartError| Fault::of(&error).cloned();
    let (mut parts, mut form) = (Parts::new(headers, body).map_err(Some)?, Form::new());
    while let Some(part) = parts.next().await {
        let (head, field) = part.map_err(why)?;
        let mut bytes = Vec::new();
        let first = form.iter().all(|(other, _)| other != FILE);
        let mut part = if head.name == FILE && first { parts.file(field) } else { parts.text(field) };
        while let Some(piece) = part.next().await {
            bytes.extend_from_slice(&piece.map_err(why)?);
        }
        form.push((head.name, bytes));
    }
    Ok(form)
}

/// An entry for a fuzzer: the head of a part, which is read to its end or refused, whatever is in it.
///
/// # Panics
/// If what was read is longer than what it was read from.
pub fn part_head(input: &[u8]) {
    let Ok(head) = PartHead::parse(input, 1) else { return };
    let name = head.file_name.as_deref().unwrap_or_default();
    // A byte of windows-1252 is three bytes of UTF-8 at most; within an encoded word each of these may be read so again.
    assert!(name.len() <= 9 * input.len() && head.name.len() <= 3 * input.len(), "{head:?}");
    let _ = telestore::types::FileName::of_file(name).map(|name| {
        // What was taken is taken again, as a store does.
        assert_eq!(telestore::types::FileName::of_file(name.as_str()).as_ref(), Ok(&name));
    });
}

/// An entry for a fuzzer: the `Content-Type` of a form.
pub fn content_type(input: &[u8]) {
    let Ok(kind) = HeaderValue::from_bytes(input) else { return };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, kind);
    let body = futures_util::stream::empty();
    let _ = Parts::new(&headers, body);
}

type Read = Result<Bytes, PayloadError>;

/// A body that makes its reader wait before every read.
fn reads_of(reads: &[Vec<u8>]) -> impl Stream<Item = Read> + use<> {
    let reads: Vec<Bytes> = reads.iter().map(|read| Bytes::copy_from_slice(read)).collect();
    let mut reads = reads.into_iter();
    let mut waited = false;
    futures_util::stream::poll_fn(move |cx| {
        waited = !waited;
        if waited {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(reads.next().map(Ok))
    })
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Runs to its end what nothing but its own wakes drives.
fn finish<T>(work: impl Future<Output = T>) -> T {
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut work = pin!(work);
    let mut polled = poll_fn(|cx| work.as_mut().poll(cx));
    loop {
        assert!(woken.0.swap(false, Ordering::SeqCst), "a reader waits for ever");
        if let Poll::Ready(done) = pin!(&mut polled).poll(&mut Context::from_waker(&waker)) {
            return done;
        }
    }
}

#[cfg(test)]
mod tests;

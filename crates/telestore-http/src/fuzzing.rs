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

use crate::fault::Fault;
use crate::head::PartHead;
use crate::parts::Parts;

/// The names and the bytes of a form's parts.
type Form = Vec<(String, Vec<u8>)>;

/// The name of the part that is read past actix-multipart.
const FILE: &str = "file";

/// An entry for a fuzzer: the first byte says how the rest, a body with the boundary `B`, is cut into reads.
///
/// # Panics
/// Where the two readers see different forms.
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
/// Where what the client wrote hides what the proxy appended.
pub fn proxy_headers(input: &[u8]) {
    let names = ["x-forwarded-for", "forwarded", "x-forwarded-proto"].map(HeaderName::from_static);
    let mut headers = HeaderMap::new();
    for (line, name) in input.split(|byte| *byte == b'\n').zip(names.iter().cycle()) {
        let Ok(value) = HeaderValue::from_bytes(line) else { continue };
        headers.append(name.clone(), value);
    }
    let Ok(trusted) = "loopback, private".parse() else { return };
    let _ = crate::proxy::client_named_by(&headers, &trusted);
    let written: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    for (name, appended, client) in [
        ("x-forwarded-for", "203.0.113.9", "203.0.113.9"),
        ("x-forwarded-for", "[2001:db8::9]:80, 10.0.0.1", "2001:db8::9"),
        ("forwarded", "for=203.0.113.9", "203.0.113.9"),
        ("forwarded", "for=\"[2001:db8::9]:80\";proto=https, for=10.0.0.1", "2001:db8::9"),
    ] {
        let name = HeaderName::from_static(name);
        for headers in appended_to(&name, &written, appended) {
            let named = crate::proxy::client_named_by(&headers, &trusted).map(|address| address.to_string());
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
    let _ = crate::digest::of_headers(&headers);
    let _ = crate::compress::negotiate(&headers);
}

/// Reads the same body with both readers. What plain actix-multipart takes must be read as it reads it; there are forms
/// that only the other takes, and those must not depend on how they are cut.
///
/// # Panics
/// Where they see different forms.
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
    let Some(mut plain) = finish(plain(&headers, reads_of(reads))).filter(|form| !form.is_empty()) else {
        return;
    };
    if plain.iter().zip(read.as_ref().ok().into_iter().flatten()).any(|(one, other)| one.0 != other.0)
        && !has_plain_names(&body)
    {
        plain.iter_mut().for_each(|part| part.0.clear());
    }
    match read {
        Err(refusal) => {
            assert!(is_stricter(refusal.as_ref()), "{refusal:?}: boundary {boundary:?}, body {text:?}")
        }
        Ok(mut form) => {
            if plain.iter().any(|part| part.0.is_empty()) {
                form.iter_mut().for_each(|part| part.0.clear());
            }
            assert_eq!(form, plain, "boundary {boundary:?}, body {text:?} of {} reads", reads.len());
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

/// Whether names are read the same way by both: they are where nothing is escaped, and where each quote that opens stands
/// behind `=` and each that closes before `;` or the end of its line.
fn has_plain_names(body: &[u8]) -> bool {
    let is_plain = |line: &[u8]| {
        let mut quotes = memchr::memchr_iter(b'"', line).enumerate();
        quotes.all(|(count, at)| match count % 2 {
            0 => at > 0 && line[at - 1] == b'=',
            _ => line.get(at + 1).is_none_or(|next| b";\r".contains(next)),
        })
    };
    !body.contains(&b'\\') && body.split(|byte| *byte == b'\n').all(is_plain)
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

/// The same; where it is refused, why, if the tap has the words.
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
/// Where what was read is longer than what it was read from.
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

//! The encodings in which clients take answers.

use std::sync::{Mutex, MutexGuard, PoisonError};

use actix_http::encoding::Encoder;
use actix_web::body::{BoxBody, to_bytes};
use actix_web::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, ContentEncoding, HeaderMap, VARY};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;

/// What is text. Events (`text/event-stream`) must not wait in a compressor's buffer, and bytes are none.
pub(crate) const TEXT: [&str; 6] =
    ["application/json", "text/html", "text/css", "text/javascript", "application/javascript", "text/plain"];

/// The encoding that the client likes best of those that are there; `None` for none.
pub(crate) fn negotiate(headers: &HeaderMap) -> Option<ContentEncoding> {
    let lines = headers.get_all(ACCEPT_ENCODING).filter_map(|line| line.to_str().ok());
    let choices = lines.flat_map(|line| line.split(',')).filter_map(choice);
    // Of equals the last one, so br goes before gzip.
    let best = choices.max_by_key(|(encoding, quality)| (*quality, *encoding == ContentEncoding::Brotli));
    best.filter(|(_, quality)| *quality > 0).map(|(encoding, _)| encoding)
}

/// `gzip;q=0.5` as the encoding and thousandths.
fn choice(text: &str) -> Option<(ContentEncoding, u32)> {
    let (name, parameters) = text.split_once(';').unwrap_or((text, ""));
    let encoding = match name.trim() {
        name if name.eq_ignore_ascii_case("br") => ContentEncoding::Brotli,
        name if name.eq_ignore_ascii_case("gzip") => ContentEncoding::Gzip,
        _ => return None,
    };
    let quality = match parameters.trim() {
        "" => 1000,
        parameters => {
            let quality: f32 = parameters.strip_prefix("q=")?.trim().parse().ok()?;
            (quality.clamp(0.0, 1.0) * 1000.0) as u32
        }
    };
    Some((encoding, quality))
}

/// An answer that is always the same, compressed once for each encoding and then kept: it costs a stranger's every
/// request nothing. Known by `name`.
pub(crate) async fn kept(request: &HttpRequest, name: &str, kind: &str, bytes: Bytes) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    answer.content_type(kind);
    let Some(encoding) = negotiate(request.headers()).filter(|_| TEXT.contains(&kind)) else {
        return answer.body(bytes);
    };
    let known = lock()
        .iter()
        .find(|(of, by, _)| (of.as_str(), *by) == (name, encoding))
        .map(|(_, _, known)| known.clone());
    let compressed = match known {
        Some(known) => known,
        None => {
            let Some(compressed) = compressed(bytes.clone(), encoding).await else {
                return answer.body(bytes);
            };
            lock().push((name.to_owned(), encoding, compressed.clone()));
            compressed
        }
    };
    answer
        .insert_header((CONTENT_ENCODING, encoding.as_str()))
        .insert_header((VARY, "accept-encoding"))
        .body(compressed)
}

fn lock() -> MutexGuard<'static, Vec<(String, ContentEncoding, Bytes)>> {
    static KEPT: Mutex<Vec<(String, ContentEncoding, Bytes)>> = Mutex::new(Vec::new());
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn compressed(bytes: Bytes, encoding: ContentEncoding) -> Option<Bytes> {
    let plain = HttpResponse::Ok().body(bytes);
    let answer = plain.map_body(|head, body| BoxBody::new(Encoder::response(encoding, head, body)));
    to_bytes(answer.into_body()).await.ok()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn negotiated(lines: &[&str]) -> Option<ContentEncoding> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        negotiate(&headers)
    }

    #[test]
    fn the_best_that_the_client_takes_is_chosen() {
        use ContentEncoding::{Brotli, Gzip};
        for (line, expected) in [
            ("gzip, deflate, br, zstd", Some(Brotli)),
            ("gzip", Some(Gzip)),
            ("GZip;q=1.0, br; q=0.5", Some(Gzip)),
            ("br;q=0.5, gzip;q=0.5", Some(Brotli)),
            ("br;q=0, gzip;q=0", None),
            ("*", None),
            ("gzip;q=0, *", None),
            ("identity", None),
            ("", None),
            ("zstd, ,;;;q=, gzip;q=many, \u{e9}", None),
            ("identity;q=0", None),
            ("br;q=nan", None),
        ] {
            assert_eq!(negotiated(&[line]), expected, "{line}");
        }
        assert_eq!(negotiated(&[]), None);
        assert_eq!(negotiated(&["zstd", "gzip"]), Some(Gzip));
    }
}

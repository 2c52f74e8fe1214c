//! Files on their way to the worker, as the browser client sends them.

use std::fmt::Write;
use std::time::Instant;

use crate::http::Http;
use crate::{MIB, Result, load};

/// The browser's chunks.
pub(crate) const CHUNK: usize = 5 * MIB;

/// Looks like a browser's.
const BOUNDARY: &str = "----WebKitFormBoundary7MA4YWxkTrZu0gW7";

/// A file: noise of some size, cut into chunks.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) id: String,
    token: String,
    size: usize,
    chunk: usize,
}

impl File {
    /// A file of 5 MiB chunks.
    pub(crate) fn new(token: &str, size: usize) -> Self {
        Self::in_chunks(token, size, CHUNK)
    }

    pub(crate) fn in_chunks(token: &str, size: usize, chunk: usize) -> Self {
        let id = format!("1763790000000_{:08x}", rand::random::<u32>());
        Self { id, token: token.to_owned(), size, chunk }
    }

    pub(crate) fn total(&self) -> usize {
        self.size.div_ceil(self.chunk)
    }

    /// What stands before and behind the bytes of a chunk: the bytes come first, then whose they are.
    fn form(&self, index: usize, length: usize) -> (String, String) {
        let mut tail = String::new();
        let (total, size) = (self.total().to_string(), self.size.to_string());
        for (name, value) in [
            ("uploadId", self.id.as_str()),
            ("chunkIndex", &index.to_string()),
            ("totalChunks", &total),
            ("fileName", "video.bin"),
            ("fileSize", &size),
            ("authToken", &self.token),
        ] {
            let _ = write!(
                tail,
                "\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}"
            );
        }
        let _ = write!(tail, "\r\n--{BOUNDARY}--\r\n");
        let part = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"chunk\"; filename=\"blob\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        let head = format!(
            "POST /upload-chunk HTTP/1.1\r\nHost: localhost\r\n\
             Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {}\r\n\r\n{part}",
            part.len() + length + tail.len()
        );
        (head, tail)
    }

    /// Sends a chunk with these bytes and waits until it is acknowledged. Gives the seconds it took.
    pub(crate) fn send_bytes(&self, http: &mut Http, index: usize, bytes: &[u8]) -> Result<f64> {
        let (head, tail) = self.form(index, bytes.len());
        let begin = Instant::now();
        http.exchange(&[head.as_bytes(), bytes, tail.as_bytes()])?.ok()?;
        Ok(begin.elapsed().as_secs_f64())
    }

    /// Sends a chunk of the same bytes, so many times. Gives the seconds it took.
    pub(crate) fn send_repeated(
        &self,
        http: &mut Http,
        index: usize,
        bytes: &[u8],
        times: usize,
    ) -> Result<f64> {
        let (head, tail) = self.form(index, bytes.len() * times);
        let begin = Instant::now();
        let mut request = vec![head.as_bytes()];
        request.extend(std::iter::repeat_n(bytes, times));
        request.push(tail.as_bytes());
        http.exchange(&request)?.ok()?;
        Ok(begin.elapsed().as_secs_f64())
    }

    /// Sends chunk `index`.
    pub(crate) fn send(&self, http: &mut Http, index: usize) -> Result<f64> {
        let length = self.chunk.min(self.size - index * self.chunk);
        self.send_bytes(http, index, &load::noise()[..length])
    }

    /// Sends one chunk after the other. Gives the seconds that each took.
    pub(crate) fn send_all(&self, http: &mut Http) -> Result<Vec<f64>> {
        (0..self.total()).map(|index| self.send(http, index)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_has_the_length_that_its_head_says() {
        let (head, tail) = File::new("token", 7 * MIB).form(1, 2 * MIB);
        let (headers, part) = head.split_once("\r\n\r\n").unwrap();
        let said = headers.rsplit_once("Content-Length: ").unwrap().1;
        assert_eq!(said, (part.len() + 2 * MIB + tail.len()).to_string());
        assert!(tail.contains("name=\"totalChunks\"\r\n\r\n2\r\n"));
    }
}

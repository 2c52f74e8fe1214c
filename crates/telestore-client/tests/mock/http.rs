//! Just as much of HTTP/1.1 as the client under test speaks.

use std::collections::HashMap;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// A request. Names of headers are in lower case.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string().into_bytes();
        self
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.body = bytes.to_vec();
        self
    }

    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_final(&self) -> bool {
        let text = String::from_utf8_lossy(&self.body);
        text.contains("\"completed\"") || text.contains("\"failed\"")
    }
}

pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self(BufReader::new(stream))
    }

    /// The head of the next request; `None` if the client has gone.
    pub(crate) async fn head(&mut self) -> Option<Request> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let mut first = lines.next().unwrap().split(' ');
        let (method, path) = (first.next().unwrap().to_owned(), first.next().unwrap().to_owned());
        // A proxy is told the whole address.
        let path = match path.split_once("://") {
            Some((_, rest)) => rest[rest.find('/').unwrap()..].to_owned(),
            None => path,
        };
        let headers = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_lowercase(), value.trim().to_owned()))
        });
        Some(Request { method, path, headers: headers.collect(), body: Vec::new() })
    }

    /// Reads the body, or its first bytes. `false` if it broke off.
    pub(crate) async fn body(&mut self, request: &mut Request, most: usize) -> bool {
        assert_eq!(request.header("transfer-encoding"), None, "all lengths are known");
        let length: usize = request.header("content-length").map_or(0, |length| length.parse().unwrap());
        request.body = vec![0; length.min(most)];
        self.0.read_exact(&mut request.body).await.is_ok()
    }

    pub(crate) async fn answer(&mut self, answer: &Answer, request: &Request) -> bool {
        self.answer_up_to(answer, request, usize::MAX).await
    }

    /// Answers with the first bytes of a body alone.
    pub(crate) async fn answer_up_to(&mut self, answer: &Answer, request: &Request, most: usize) -> bool {
        let mut head = format!("HTTP/1.1 {} Whatever\r\n", answer.status);
        for (name, value) in answer.headers.iter().filter(|(name, _)| !name.is_empty()) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if answer.status != 204 {
            head.push_str(&format!("Content-Length: {}\r\n", answer.body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        if request.method != "HEAD" {
            bytes.extend_from_slice(&answer.body[..most.min(answer.body.len())]);
        }
        self.0.get_mut().write_all(&bytes).await.is_ok()
    }
}

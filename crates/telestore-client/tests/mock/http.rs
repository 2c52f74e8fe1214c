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
    body: String,
}

impl Answer {
    pub(crate) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string();
        self
    }

    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_final(&self) -> bool {
        self.body.contains("\"completed\"") || self.body.contains("\"failed\"")
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
        let mut head = format!("HTTP/1.1 {} Whatever\r\n", answer.status);
        for (name, value) in answer.headers.iter().filter(|(name, _)| !name.is_empty()) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if answer.status != 204 {
            head.push_str(&format!("Content-Length: {}\r\n", answer.body.len()));
        }
        head.push_str("\r\n");
        if request.method != "HEAD" {
            head.push_str(&answer.body);
        }
        self.0.get_mut().write_all(head.as_bytes()).await.is_ok()
    }
}

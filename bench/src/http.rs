//! An HTTP/1.1 client that costs next to nothing: one connection, kept alive, blocking.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::{Result, load};

/// A connection.
pub(crate) struct Http {
    stream: BufReader<TcpStream>,
}

/// What stands before the body of an answer.
pub(crate) struct Head {
    pub(crate) status: u16,
    /// How long the body is, if it is not in chunks.
    pub(crate) length: usize,
    chunked: bool,
    location: Option<String>,
}

/// An answer with its whole body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// Where what was made is, if the answer says so.
    pub(crate) location: Option<String>,
}

impl Answer {
    /// The JSON of a 200.
    pub(crate) fn ok(self) -> Result<Value> {
        if self.status != 200 {
            return Err(format!("{}: {}", self.status, String::from_utf8_lossy(&self.body)).into());
        }
        Ok(serde_json::from_slice(&self.body)?)
    }
}

impl Http {
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    pub(crate) fn get(&mut self, path: &str) -> Result<Answer> {
        self.exchange(&[format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()])
    }

    /// `POST` or `PUT` with a body of JSON.
    pub(crate) fn send(&mut self, method: &str, path: &str, body: &Value) -> Result<Answer> {
        let body = body.to_string();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.exchange(&[head.as_bytes(), body.as_bytes()])
    }

    /// Sends a whole request and reads the whole answer.
    pub(crate) fn exchange(&mut self, request: &[&[u8]]) -> Result<Answer> {
        let Head { status, length, chunked, location } = self.ask(request)?;
        let body = if chunked { self.chunks()? } else { self.bytes(length)? };
        Ok(Answer { status, body, location })
    }

    /// Sends a whole request and reads what stands before the answer's body.
    pub(crate) fn ask(&mut self, request: &[&[u8]]) -> Result<Head> {
        load::write_all(self.stream.get_mut(), request)?;
        let status = self.line()?;
        let status = status.split(' ').nth(1).ok_or("no status line")?.parse()?;
        let (mut length, mut chunked, mut location) = (0, false, None);
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':') {
                match name.to_ascii_lowercase().as_str() {
                    "content-length" => length = value.trim().parse()?,
                    "transfer-encoding" => chunked = value.trim().eq_ignore_ascii_case("chunked"),
                    "location" => location = Some(value.trim().to_owned()),
                    _ => {}
                }
            }
        }
        Ok(Head { status, length, chunked, location })
    }

    /// Reads what has come of a body, and waits if that is nothing.
    pub(crate) fn some(&mut self, bytes: &mut [u8]) -> Result<usize> {
        match self.stream.read(bytes)? {
            0 => Err("the server closed the connection within a body".into()),
            read => Ok(read),
        }
    }

    /// A body in chunks, which Node's servers write for an empty one, too.
    fn chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let length = usize::from_str_radix(&self.line()?, 16)?;
            body.extend(self.bytes(length)?);
            self.line()?;
            if length == 0 {
                return Ok(body);
            }
        }
    }

    fn bytes(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err("the server closed the connection".into());
        }
        Ok(line.trim_end().to_owned())
    }
}

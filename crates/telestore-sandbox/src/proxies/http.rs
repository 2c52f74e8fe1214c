//! The server's side of an HTTP proxy. <https://www.rfc-editor.org/rfc/rfc9110#name-connect>

use std::io::{self, Error, ErrorKind};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;

use super::state::State;

const HEAD_MAX: usize = 16 * 1024;

/// The head of a request.
struct Head {
    method: String,
    target: String,
    headers: Vec<String>,
}

pub(super) async fn serve(mut client: TcpStream, state: &State) -> io::Result<()> {
    let head = match read(&mut client).await? {
        Some(head) if head.is_let_in(state) => head,
        Some(_) => {
            state.stranger();
            return refuse(&mut client, "407 Proxy Authentication Required\r\nProxy-Authenticate: Basic")
                .await;
        }
        None => {
            state.stranger();
            return refuse(&mut client, "400 Bad Request").await;
        }
    };
    let tunnel = head.method == "CONNECT";
    let (place, request) = if tunnel { (head.target, None) } else { head.passed_on()? };
    let Ok(mut beyond) = state.reach(&place).await else {
        return refuse(&mut client, &format!("{} Refused", state.refusal)).await;
    };
    match request {
        None => client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?,
        Some(request) => beyond.write_all(request.as_bytes()).await?,
    }
    state.carry(async { copy_bidirectional(&mut client, &mut beyond).await.map(drop) }).await
}

/// Reads a head and nothing behind it; `None` for what is none.
async fn read(client: &mut TcpStream) -> io::Result<Option<Head>> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        if bytes.len() >= HEAD_MAX {
            return Ok(None);
        }
        bytes.push(client.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.trim_end().split("\r\n").map(str::to_owned);
    let first = lines.next().unwrap_or_default();
    let mut words = first.split(' ').map(str::to_owned);
    Ok(match (words.next(), words.next(), words.next().as_deref()) {
        (Some(method), Some(target), Some("HTTP/1.1")) => {
            Some(Head { method, target, headers: lines.collect() })
        }
        _ => None,
    })
}

impl Head {
    fn is_let_in(&self, state: &State) -> bool {
        let Some((user, password)) = &state.login else { return true };
        let expected = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        self.headers
            .iter()
            .filter_map(|header| header.split_once(':'))
            .any(|(name, value)| name.eq_ignore_ascii_case("proxy-authorization") && value.trim() == expected)
    }

    /// Where a request for a whole URL goes, and what is written there.
    fn passed_on(&self) -> io::Result<(String, Option<String>)> {
        let none = || Error::new(ErrorKind::InvalidData, "no URL of http");
        let rest = self.target.strip_prefix("http://").ok_or_else(none)?;
        let (place, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let place = if place.contains(':') { place.to_owned() } else { format!("{place}:80") };
        let is_own = |header: &&String| !header.to_ascii_lowercase().starts_with("proxy-");
        let headers: String =
            self.headers.iter().filter(is_own).map(|header| format!("{header}\r\n")).collect();
        let path = if path.is_empty() { "/" } else { path };
        Ok((place, Some(format!("{} {path} HTTP/1.1\r\n{headers}\r\n", self.method))))
    }
}

async fn refuse(client: &mut TcpStream, status: &str) -> io::Result<()> {
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    client.write_all(answer.as_bytes()).await?;
    client.shutdown().await
}

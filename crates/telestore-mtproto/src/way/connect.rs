//! A tunnel through an HTTP proxy. <https://www.rfc-editor.org/rfc/rfc9110#name-connect>

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use telestore_types::ProxyLogin;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::failure::Failure;

/// The longest head of an answer that is read.
const HEAD_MAX: usize = 8 * 1024;

/// Asks the proxy behind `socket` for a tunnel to `target`, and gives it.
pub(super) async fn tunnel(
    mut socket: TcpStream,
    target: SocketAddr,
    login: Option<&ProxyLogin>,
    proxy: &str,
) -> Result<TcpStream, Failure> {
    let named = || proxy.to_owned();
    let broken = |_| Failure::NotOne {
        proxy: named(),
        why: "the connection to it breaks instead of an answer to CONNECT",
    };
    socket.write_all(request(target, login).as_bytes()).await.map_err(broken)?;
    let mut read = Vec::with_capacity(512);
    let status = loop {
        match read_head(&read) {
            Ok(Some(status)) => break status,
            Ok(None) => {}
            Err(why) => return Err(Failure::NotOne { proxy: named(), why }),
        }
        if socket.read_buf(&mut read).await.map_err(broken)? == 0 {
            let why = "it closes the connection instead of answering CONNECT";
            return Err(Failure::NotOne { proxy: named(), why });
        }
    };
    match status {
        200..=299 => Ok(socket),
        401 | 407 => Err(Failure::Login { proxy: named() }),
        403 | 405 | 451 => Err(Failure::Forbidden { proxy: named(), target }),
        _ => Err(Failure::Beyond { proxy: named(), target, why: format!("it answers {status}") }),
    }
}

fn request(target: SocketAddr, login: Option<&ProxyLogin>) -> String {
    let authorization = login.map_or_else(String::new, |login| {
        let pair = format!("{}:{}", login.user(), login.password().expose());
        format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode(pair))
    });
    format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{authorization}\r\n")
}

/// The status of an answer, once all of its head was read; why it is none.
///
/// Telegram never speaks first, so nothing may follow a head that opens the tunnel.
pub(crate) fn read_head(read: &[u8]) -> Result<Option<u16>, &'static str> {
    const NONE: &str = "its answer is not HTTP's";
    let line = read.get(..12).unwrap_or(read);
    let expected = b"HTTP/1.";
    if !line.iter().zip(expected).all(|(byte, expected)| byte == expected) {
        return Err(NONE);
    }
    let Some(end) = read.windows(4).position(|end| end == b"\r\n\r\n") else {
        return if read.len() > HEAD_MAX { Err("the head of its answer does not end") } else { Ok(None) };
    };
    let status = line.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
    let status = status.filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    let status = status.and_then(|digits| digits.parse().ok()).ok_or(NONE)?;
    match status {
        200..=299 if read.len() > end + 4 => Err("it says something that Telegram did not"),
        status => Ok(Some(status)),
    }
}

#[cfg(test)]
mod tests {
    use telestore_types::Secret;

    use super::*;

    #[test]
    fn asks_for_the_address_with_the_login() {
        let target = "[2001:db8::1]:443".parse().unwrap();
        assert_eq!(
            request(target, None),
            "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n"
        );
        let login = ProxyLogin::new("user", Secret::new("pa:ss"));
        assert!(
            request(target, Some(&login))
                .ends_with("\r\nProxy-Authorization: Basic dXNlcjpwYTpzcw==\r\n\r\n")
        );
    }

    #[test]
    fn a_head_is_read_once_it_is_there_and_no_further() {
        let whole = b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n";
        for end in 0..whole.len() {
            assert_eq!(read_head(&whole[..end]), Ok(None), "{end}");
        }
        assert_eq!(read_head(whole), Ok(Some(200)));
        assert_eq!(read_head(b"HTTP/1.0 407 No\r\n\r\n<html>"), Ok(Some(407)));
        assert!(read_head(&[&whole[..], b"x"].concat()).is_err());
        for wrong in [
            &b"SSH-2.0"[..],
            b"HTTP/2",
            b"HTTP/1.1 2x0 \r\n\r\n",
            b"HTTP/1.\r\n\r\n",
            b"HTTP/1.1 +20\r\n\r\n",
        ] {
            assert!(read_head(wrong).is_err(), "{wrong:?}");
        }
        let endless = [&whole[..20], &[b'a'; HEAD_MAX]].concat();
        assert!(read_head(&endless).is_err());
    }
}

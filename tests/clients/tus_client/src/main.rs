//! The crate `tus_client`: a file in PATCHes, with methods that are overridden as it does.
//!
//! ```text
//! with_tus_client URL TOKEN FILE NAME CHUNK override|plain
//! ```

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use tus_client::http::{HttpHandler, HttpRequest, HttpResponse};
use tus_client::{Client, Error};

/// A connection for each request, and nothing of HTTP that is not needed.
struct Plain {
    token: String,
}

impl HttpHandler for Plain {
    fn handle_request(&self, request: HttpRequest<'_>) -> Result<HttpResponse, Error> {
        let rest = request.url.strip_prefix("http://").unwrap_or_default();
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let mut socket = TcpStream::connect(host)?;
        socket.set_read_timeout(Some(Duration::from_secs(60)))?;
        let method = request.method.to_string().to_uppercase();
        let body = request.body.unwrap_or_default();
        let mut head = format!(
            "{method} /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n",
            self.token,
            body.len()
        );
        for (name, value) in &request.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        socket.write_all(format!("{head}\r\n").as_bytes())?;
        socket.write_all(body)?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer)?;
        let text = String::from_utf8_lossy(&answer);
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let broken = || io::Error::new(io::ErrorKind::UnexpectedEof, "no answer");
        let headers = lines.take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Ok(HttpResponse { headers, status_code: status.ok_or_else(broken)? })
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, token, file, name, chunk, how] = &arguments[..] else { panic!("six arguments are needed") };
    let handler = Plain { token: token.clone() };
    let client = if how == "override" { Client::with_method_override(handler) } else { Client::new(handler) };
    let metadata = HashMap::from([("filename".to_owned(), name.clone())]);
    // It takes the address as it comes, which is relative to that of the call.
    let location = client.create_with_metadata(&format!("{url}/tus"), Path::new(file), metadata).expect("begins");
    let address = format!("{url}/{location}");
    let chunk = chunk.parse().expect("a number of bytes");
    for attempt in 1.. {
        match client.upload_with_chunk_size(&address, Path::new(file), chunk) {
            Ok(()) => return,
            Err(error) if attempt < 50 => println!("again after {error:?}"),
            Err(error) => panic!("{error:?}"),
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

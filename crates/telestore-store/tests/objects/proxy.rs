//! What stands between a store and its server, and does to requests what networks and busy servers do.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// What happens to a request.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// It is answered so, and never reaches the server.
    Answer { status: &'static str, code: &'static str },
    /// It waits first.
    Wait(Duration),
    /// Its connection ends after so many bytes of its body, and the server never has it.
    CutRequest(usize),
    /// The server has it, and nobody hears of that.
    LoseAnswer,
    /// The connection ends after so many bytes of the answer.
    CutAnswer(usize),
}

/// A request as rules see it.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
}

type Rule = Arc<dyn Fn(&Request) -> Option<Fault> + Send + Sync>;

/// A server in front of the server.
pub(crate) struct Proxy {
    pub(crate) url: String,
    /// What was asked, in order.
    pub(crate) asked: Arc<Mutex<VecDeque<String>>>,
}

impl Proxy {
    pub(crate) async fn start(
        server: &str,
        rule: impl Fn(&Request) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        let server = server.strip_prefix("http://").expect("an http:// URL").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, rule): (Arc<Mutex<VecDeque<String>>>, Rule) = (Arc::default(), Arc::new(rule));
        let proxy = Self { url, asked: Arc::clone(&asked) };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, rule, asked) = (server.clone(), Arc::clone(&rule), Arc::clone(&asked));
                // A connection that breaks is what is to be seen.
                tokio::spawn(async move { drop(serve(client, &server, &rule, &asked).await) });
            }
        });
        proxy
    }
}

/// One request: the connection to the client ends with it.
async fn serve(
    mut client: TcpStream,
    server: &str,
    rule: &Rule,
    asked: &Mutex<VecDeque<String>>,
) -> io::Result<()> {
    let (head, mut body) = read_head(&mut client).await?;
    let first = head.lines().next().unwrap_or_default();
    let mut words = first.split(' ').map(str::to_owned);
    let request =
        Request { method: words.next().unwrap_or_default(), target: words.next().unwrap_or_default() };
    asked.lock().unwrap().push_back(format!("{} {}", request.method, request.target));
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let length = length.unwrap_or(0);
    let fault = rule(&request);
    let read = match fault {
        Some(Fault::CutRequest(after)) => after.min(length),
        _ => length,
    };
    read_upto(&mut client, &mut body, read).await?;
    match &fault {
        Some(Fault::CutRequest(_)) => return Ok(()),
        Some(Fault::Answer { status, code }) => {
            let text = format!("<Error><Code>{code}</Code><Message>Said by the test.</Message></Error>");
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
                text.len()
            );
            return client.write_all(answer.as_bytes()).await;
        }
        Some(Fault::Wait(time)) => sleep(*time).await,
        _ => {}
    }
    let mut upstream = TcpStream::connect(server).await?;
    upstream.write_all(with_close(&head).as_bytes()).await?;
    upstream.write_all(&body).await?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).await?;
    let told = match fault {
        Some(Fault::LoseAnswer) => 0,
        Some(Fault::CutAnswer(after)) => after.min(answer.len()),
        _ => answer.len(),
    };
    client.write_all(&answer[..told]).await
}

async fn read_head(client: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut read = Vec::new();
    loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let body = read.split_off(end + 4);
            return Ok((String::from_utf8_lossy(&read).into_owned(), body));
        }
        if client.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

async fn read_upto(client: &mut TcpStream, body: &mut Vec<u8>, length: usize) -> io::Result<()> {
    while body.len() < length {
        if client.read_buf(body).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

/// The head, with which the server ends its connection.
fn with_close(head: &str) -> String {
    let (first, rest) = head.split_once("\r\n").unwrap_or((head, ""));
    let rest: Vec<&str> =
        rest.split("\r\n").filter(|line| !line.to_ascii_lowercase().starts_with("connection:")).collect();
    format!("{first}\r\nConnection: close\r\n{}", rest.join("\r\n"))
}

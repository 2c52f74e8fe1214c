//! Against servers that do what they like.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use std::time::Duration;

use telestore_net::AllowedAddresses;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::Told;

/// A server on loopback: each connection is answered by `answer` with what was asked. Gives its address, and what it was asked.
async fn server<F, A>(answer: F) -> (SocketAddr, Arc<Mutex<Vec<String>>>)
where
    F: Fn(String, TcpStream) -> A + Send + Sync + 'static,
    A: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
    let told = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match socket.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            let head = String::from_utf8(head).unwrap();
            told.lock().unwrap().push(head.clone());
            answer(head, socket).await;
        }
    });
    (address, asked)
}

/// One that says the same to all.
async fn saying(text: &'static str) -> SocketAddr {
    server(move |_, mut socket| async move { drop(socket.write_all(text.as_bytes()).await) }).await.0
}

fn config() -> FetchConfig {
    FetchConfig {
        allowed: AllowedAddresses::none().and("127.0.0.0/8".parse().unwrap()),
        ..FetchConfig::default()
    }
}

fn fetcher() -> HttpFetcher {
    HttpFetcher::new(config()).unwrap()
}

async fn fetch_with(fetcher: &HttpFetcher, ask: Ask) -> Result<(Told, Vec<u8>)> {
    let mut fetched = fetcher.fetch(ask).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = fetched.next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok((fetched.told().clone(), bytes))
}

async fn fetch(address: &str) -> Result<(Told, Vec<u8>)> {
    fetch_with(&fetcher(), Ask::new(address.into())).await
}

/// The words of a failure, which hold nothing of the address.
async fn failure(address: &str) -> Error {
    let error = fetch(address).await.expect_err("it fails");
    for secret in ["secret", "127.0.0.1", "169.254", "localhost", "http://a"] {
        assert!(!error.to_string().contains(secret), "{error}");
    }
    error
}

#[tokio::test]
async fn a_file_comes_with_what_its_server_says_of_it() {
    let (address, asked) = server(|_, mut socket| async move {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/plain; charset=utf-8\r\nETag: \"v1\"\r\n\
                    Content-Disposition: attachment; filename=\"b.txt\"\r\n\r\nhello";
        socket.write_all(head.as_bytes()).await.unwrap();
    })
    .await;
    let (told, bytes) = fetch(&format!("http://{address}/a%20b.bin?secret=1#x")).await.unwrap();
    assert_eq!(bytes, b"hello");
    assert_eq!((told.from, told.length, told.version.as_deref()), (0, Some(5), Some("\"v1\"")));
    assert_eq!(told.file_name.unwrap().as_str(), "b.txt");
    assert_eq!(told.mime_type.as_deref(), Some("text/plain; charset=utf-8"));
    let asked = asked.lock().unwrap()[0].to_lowercase();
    assert!(asked.starts_with("get /a%20b.bin?secret=1 http/1.1\r\n"), "{asked}");
    assert!(asked.contains("accept-encoding: identity") && !asked.contains("range:"), "{asked}");
    for never in ["cookie:", "referer:", "authorization:", "proxy"] {
        assert!(!asked.contains(never), "{asked}");
    }
}

#[tokio::test]
async fn a_length_that_is_not_said_is_found_at_the_end() {
    let address =
        saying("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").await;
    let (told, bytes) = fetch(&format!("http://{address}/")).await.unwrap();
    assert_eq!(
        (told.length, told.file_name, told.version, bytes.as_slice()),
        (None, None, None, &b"hello"[..])
    );
}

#[tokio::test]
async fn redirects_are_followed_one_by_one_and_each_is_looked_at() {
    let end = saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
    let (start, _) = server(move |asked, mut socket| async move {
        let to = match asked.split(' ').nth(1).unwrap() {
            "/found" => format!("http://{end}/x"),
            "/relative" => "/found".to_owned(),
            "/loop" => "/loop".to_owned(),
            "/metadata" => "http://169.254.169.254/latest/meta-data/secret".to_owned(),
            "/private" => "http://10.0.0.1/secret".to_owned(),
            "/mapped" => "http://[::ffff:169.254.169.254]/secret".to_owned(),
            "/decimal" => "http://2852039166/secret".to_owned(),
            "/file" => "file:///etc/passwd".to_owned(),
            _ => String::new(),
        };
        let location = if to.is_empty() { String::new() } else { format!("Location: {to}\r\n") };
        let answer = format!("HTTP/1.1 302 Found\r\n{location}Content-Length: 0\r\n\r\n");
        socket.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    for path in ["found", "relative"] {
        assert_eq!(fetch(&format!("http://{start}/{path}")).await.unwrap().1, b"hi", "{path}");
    }
    for path in ["metadata", "private", "mapped", "decimal"] {
        let error = failure(&format!("http://{start}/{path}")).await;
        assert_eq!(error.kind(), ErrorKind::Address, "{path}: {error}");
    }
    for (path, words) in
        [("loop", "more than 5 times"), ("file", "neither http:// nor https://"), ("nowhere", "no address")]
    {
        let error = failure(&format!("http://{start}/{path}")).await;
        assert!(error.kind() == ErrorKind::Refused && error.to_string().contains(words), "{path}: {error}");
    }
}

/// A name server that says what it was told to, each time the next of it.
#[derive(Debug)]
struct Saying(Mutex<Vec<Vec<IpAddr>>>);

#[async_trait]
impl LookUp for Saying {
    async fn look_up(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        assert!(!host.is_empty());
        let mut said = self.0.lock().unwrap();
        if said.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(said.remove(0)) }
    }
}

fn looking_up(config: FetchConfig, said: &[&[&str]]) -> HttpFetcher {
    let said =
        said.iter().map(|said| said.iter().map(|address| address.parse().unwrap()).collect()).collect();
    HttpFetcher::looking_up_by(config, Arc::new(Saying(Mutex::new(said)))).unwrap()
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_what_it_may_not_lead_to_is_not_dialled() {
    let address = saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi").await;
    let url = || Ask::new(format!("http://rebinding.example:{}/", address.port()).as_str().into());
    // Public first, and inside at the second look-up: there is none for one connection.
    let public = FetchConfig { connect_timeout: Duration::from_millis(300), ..FetchConfig::default() };
    for said in [&["127.0.0.1"][..], &["10.0.0.1", "::1", "169.254.169.254", "::ffff:127.0.0.1"]] {
        let error = fetch_with(&looking_up(public.clone(), &[said]), url()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Address, "{said:?}: {error}");
    }
    // Of several, those that may be dialled are.
    let mixed = looking_up(config(), &[&["10.0.0.1", "127.0.0.1", "169.254.169.254"], &["10.0.0.1"]]);
    assert_eq!(fetch_with(&mixed, url()).await.unwrap().1, b"hi");
    // The next connection asks anew, and is not led by the first answer.
    assert_eq!(fetch_with(&mixed, url()).await.unwrap_err().kind(), ErrorKind::Address);
    let nobody = fetch_with(&mixed, url()).await.unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::Passing, "{nobody}");
}

#[tokio::test]
async fn a_redirect_to_a_name_is_looked_up_as_the_first_was() {
    let address =
        saying("HTTP/1.1 302 Found\r\nLocation: http://inside.example/\r\nContent-Length: 0\r\n\r\n").await;
    let fetcher = looking_up(config(), &[&["127.0.0.1"], &["192.168.0.1"]]);
    let url = format!("http://outside.example:{}/", address.port());
    let error = fetch_with(&fetcher, Ask::new(url.as_str().into())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Address, "{error}");
}

#[tokio::test]
async fn what_packs_lies_or_does_not_have_it_is_refused() {
    for (answer, words) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi",
            "Content-Encoding: gzip",
        ),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\nsecret", "answered 404"),
        ("HTTP/1.1 204 No Content\r\n\r\n", "answered 204"),
        (
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 3-4/5\r\nContent-Length: 2\r\n\r\nhi",
            "another part",
        ),
        ("HTTP/1.1 304 Not Modified\r\n\r\n", "answered 304"),
    ] {
        let error = failure(&format!("http://{}/secret", saying(answer).await)).await;
        assert!(error.kind() == ErrorKind::Refused && error.to_string().contains(words), "{answer}: {error}");
    }
    for (answer, words) in [
        ("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", "answered 503"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", "broke in the middle"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "broke in the middle"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "broke before it answered"),
        ("", "broke before it answered"),
    ] {
        let error = failure(&format!("http://{}/secret", saying(answer).await)).await;
        assert!(error.kind() == ErrorKind::Passing && error.to_string().contains(words), "{answer}: {error}");
        let pause = answer.contains("Retry-After").then_some(Duration::from_secs(7));
        assert_eq!(error.retry_after(), pause);
    }
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = failure(&format!("http://{nobody}/secret")).await;
    assert_eq!(error.to_string(), "no connection to the server of the address could be made");
}

#[tokio::test]
async fn what_is_too_large_or_has_no_end_is_ended() {
    let large = saying("HTTP/1.1 200 OK\r\nContent-Length: 2097152001\r\n\r\n").await;
    assert_eq!(failure(&format!("http://{large}/")).await.kind(), ErrorKind::TooLarge);
    let (endless, _) = server(|_, mut socket| async move {
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        let piece = [b"10000\r\n", [b'a'; 0x10000].as_slice(), b"\r\n"].concat();
        while socket.write_all(&piece).await.is_ok() {}
    })
    .await;
    let small = HttpFetcher::new(FetchConfig { max_bytes: 1_000_000, ..config() }).unwrap();
    let error = fetch_with(&small, Ask::new(format!("http://{endless}/").as_str().into())).await.unwrap_err();
    assert_eq!(error.to_string(), "file is larger than the limit of 1000000 bytes");
}

#[tokio::test]
async fn what_stands_still_or_trickles_is_ended() {
    let (silent, _) = server(|asked, mut socket| async move {
        if asked.starts_with("GET /half") {
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi").await;
        }
        // Held open.
        let _ = socket.read_u8().await;
    })
    .await;
    let (short, long) = (Duration::from_millis(200), Duration::from_secs(60));
    for (path, (answer_timeout, idle_timeout), words) in
        [("none", (short, long), "did not answer in time"), ("half", (long, short), "sends nothing any more")]
    {
        let quick = HttpFetcher::new(FetchConfig { answer_timeout, idle_timeout, ..config() }).unwrap();
        let ask = Ask::new(format!("http://{silent}/{path}").as_str().into());
        let error = fetch_with(&quick, ask).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Passing && error.to_string().contains(words), "{error}");
    }
    let (trickling, _) = server(|_, mut socket| async move {
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n").await;
        while socket.write_all(b"a").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let impatient = HttpFetcher::new(FetchConfig { patience: Duration::ZERO, ..config() }).unwrap();
    let error =
        fetch_with(&impatient, Ask::new(format!("http://{trickling}/").as_str().into())).await.unwrap_err();
    assert_eq!(error.to_string(), "the server of the address sends too slowly");
}

#[tokio::test]
async fn a_fetch_goes_on_where_it_ended_if_the_file_is_the_same() {
    let (address, asked) = server(|asked, mut socket| async move {
        let asked = asked.to_lowercase();
        let same = asked.contains("if-range: \"v1\"");
        let answer = if asked.starts_with("get /whole") {
            if asked.contains("range: bytes=2-") {
                "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */2\r\nContent-Length: 2\r\n\r\nno"
            } else {
                "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: 2\r\n\r\nhe"
            }
        } else if asked.starts_with("get /stubborn") && asked.contains("range: bytes=2-") {
            // It does not look at the version.
            "HTTP/1.1 206 Partial Content\r\nETag: \"v2\"\r\nContent-Range: bytes 2-4/5\r\nContent-Length: 3\r\n\r\nLLO"
        } else if asked.contains("range: bytes=2-") && same {
            "HTTP/1.1 206 Partial Content\r\nETag: \"v1\"\r\nContent-Range: bytes 2-4/5\r\nContent-Length: 3\r\n\r\nllo"
        } else {
            "HTTP/1.1 200 OK\r\nETag: \"v2\"\r\nContent-Length: 5\r\n\r\nHELLO"
        };
        socket.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let ask = |path: &str, version: &str| {
        Ask::new(format!("http://{address}/{path}").as_str().into()).going_on(2, version)
    };
    let (told, bytes) = fetch_with(&fetcher(), ask("a", "\"v1\"")).await.unwrap();
    assert_eq!((told.from, told.length, bytes.as_slice()), (2, Some(5), &b"llo"[..]));
    let (told, bytes) = fetch_with(&fetcher(), ask("whole", "\"v1\"")).await.unwrap();
    assert_eq!((told.from, told.length, bytes.as_slice()), (0, Some(2), &b"he"[..]), "to be compared");
    for path in ["a", "stubborn"] {
        let (told, bytes) = fetch_with(&fetcher(), ask(path, "\"v0\"")).await.unwrap();
        assert_eq!(
            (told.from, told.version.as_deref(), bytes.as_slice()),
            (0, Some("\"v2\""), &b"HELLO"[..]),
            "{path}"
        );
    }
    assert!(asked.lock().unwrap()[0].to_lowercase().contains("range: bytes=2-"));
}

#[test]
fn an_address_is_looked_at_without_asking_anybody() {
    let fetcher = HttpFetcher::new(FetchConfig::default()).unwrap();
    let name = fetcher.look_at(&"https://files.example/a.bin".into()).unwrap();
    assert_eq!(name.unwrap().as_str(), "a.bin");
    for bad in ["http://127.0.0.1/a", "http://[::1]/", "ftp://files.example/", "no address"] {
        assert_eq!(fetcher.look_at(&bad.into()).unwrap_err().kind(), ErrorKind::Address, "{bad}");
    }
    assert!(
        fetcher.look_at(&"http://localhost/a".into()).is_ok(),
        "names are looked at where they are dialled"
    );
}

//! The greeting of a connection that is to look like TLS. Both sides prove by it that they know the secret.

use std::io::{self, ErrorKind};
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::hello::{RANDOM, client_hello};
use super::veil::{DATA, RECORD_MAX};
use crate::way::failure::Failure;

/// What the proxy's answer is made of: a `ServerHello`, a record that says nothing any more, and random data in place of
/// its certificate.
const HELLO: [u8; 3] = [0x16, 3, 3];
const CHANGE_CIPHER: [u8; 3] = [0x14, 3, 3];

/// Where the server's random stands in its answer.
const SERVER_RANDOM: std::ops::Range<usize> = 11..43;

/// Greets the proxy and hears its answer.
pub(super) async fn greet(
    socket: &mut TcpStream,
    key: &[u8; 16],
    domain: &str,
    proxy: &str,
) -> Result<(), Failure> {
    let mut hello = client_hello(domain);
    let random = sign(&mut hello, key);
    let greeted = async {
        socket.write_all(&hello).await?;
        read_hello(socket).await
    };
    let secret = || Failure::Secret { proxy: proxy.to_owned() };
    match greeted.await {
        Ok(answer) if is_signed(&answer, &random, key) => Ok(()),
        // A caller that does not show the secret is led to the site that the proxy looks like, or is left standing.
        Ok(_) => Err(secret()),
        Err(error) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
            Err(secret())
        }
        Err(error) => Err(Failure::NoProxy { proxy: proxy.to_owned(), why: error.kind() }),
    }
}

/// Puts into the greeting that its sender knows the secret, and what time it is there.
fn sign(hello: &mut [u8], key: &[u8; 16]) -> [u8; 32] {
    let mut random = digest(key, &[hello]);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as u32;
    for (byte, time) in random[28..].iter_mut().zip(now.to_le_bytes()) {
        *byte ^= time;
    }
    hello[RANDOM].copy_from_slice(&random);
    random
}

/// Whether an answer is that of somebody who knows the secret.
fn is_signed(answer: &[u8], random: &[u8; 32], key: &[u8; 16]) -> bool {
    let (front, theirs, behind) =
        (&answer[..SERVER_RANDOM.start], &answer[SERVER_RANDOM], &answer[SERVER_RANDOM.end..]);
    digest(key, &[random, front, &[0; 32], behind]) == theirs
}

fn digest(key: &[u8; 16], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes keys of any length.
    let Ok(mut digest) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    parts.iter().for_each(|part| digest.update(part));
    digest.finalize().into_bytes().into()
}

/// Reads an answer, and nothing behind it: 43 bytes at the least.
///
/// # Errors
/// [`ErrorKind::InvalidData`] if it is none.
pub(crate) async fn read_hello(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut answer = Vec::with_capacity(4096);
    for (kind, least, most) in [(HELLO, 38, RECORD_MAX), (CHANGE_CIPHER, 1, 1), (DATA, 1, RECORD_MAX)] {
        let mut head = [0; 5];
        from.read_exact(&mut head).await?;
        let length = usize::from(u16::from_be_bytes([head[3], head[4]]));
        if head[..3] != kind || !(least..=most).contains(&length) {
            return Err(io::Error::new(ErrorKind::InvalidData, "it is no greeting"));
        }
        answer.extend(head);
        let begin = answer.len();
        answer.resize(begin + length, 0);
        from.read_exact(&mut answer[begin..]).await?;
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(random: &[u8; 32], key: &[u8; 16]) -> Vec<u8> {
        let mut answer =
            [&HELLO[..], &[0, 90], &[2; 90], &[0x14, 3, 3, 0, 1, 1], &DATA, &[1, 0], &[5; 256]].concat();
        answer[SERVER_RANDOM].fill(0);
        let signature = digest(key, &[random, &answer]);
        answer[SERVER_RANDOM].copy_from_slice(&signature);
        answer
    }

    #[tokio::test]
    async fn an_answer_is_read_to_its_end_and_shows_the_secret() {
        let (random, key) = ([7; 32], [1; 16]);
        let right = answer(&random, &key);
        let mut from = &[&right[..], b"behind"].concat()[..];
        let read = read_hello(&mut from).await.unwrap();
        assert_eq!((read.as_slice(), from), (&right[..], &b"behind"[..]));
        assert!(is_signed(&read, &random, &key));
        assert!(!is_signed(&read, &random, &[2; 16]) && !is_signed(&read, &[8; 32], &key));
        for end in 0..right.len() {
            assert!(read_hello(&mut &right[..end]).await.is_err(), "{end}");
        }
    }

    #[test]
    fn a_greeting_shows_the_secret_and_the_time() {
        let key = [1; 16];
        let mut hello = client_hello("front.example");
        sign(&mut hello, &key);
        let mut theirs: [u8; 32] = hello[RANDOM].try_into().unwrap();
        hello[RANDOM].fill(0);
        let expected = digest(&key, &[&hello]);
        assert_eq!(theirs[..28], expected[..28]);
        theirs.iter_mut().zip(expected).for_each(|(byte, expected)| *byte ^= expected);
        let told = u32::from_le_bytes(theirs[28..].try_into().unwrap());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as u32;
        assert!(now.abs_diff(told) < 60);
    }
}

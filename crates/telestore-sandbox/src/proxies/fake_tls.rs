//! What an MTProxy with an `ee` secret looks like: a server of TLS 1.3, as far as one can see from outside.

use std::io::{self, Error, ErrorKind};
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CHANGE_CIPHER: [u8; 6] = [0x14, 3, 3, 0, 1, 1];
const DATA: [u8; 3] = [0x17, 3, 3];

/// The longest record. <https://www.rfc-editor.org/rfc/rfc8446#section-5.1>
const RECORD_MAX: usize = 16 * 1024;

/// How wrong a client's clock may be, in seconds.
const CLOCK: i64 = 120;

/// Answers a client's greeting; says whether it knows the secret, the host and the time.
pub(super) async fn accept(client: &mut TcpStream, key: &[u8; 16], domain: &str) -> io::Result<bool> {
    let mut hello = vec![0; 5];
    client.read_exact(&mut hello).await?;
    let length = usize::from(u16::from_be_bytes([hello[3], hello[4]]));
    // A handshake in a record of TLS 1.0 to 1.2, as long as those of browsers.
    if hello[..2] != [0x16, 3] || !(512..=RECORD_MAX).contains(&length) {
        return Ok(false);
    }
    hello.resize(5 + length, 0);
    client.read_exact(&mut hello[5..]).await?;
    if hello[5] != 1 || hello[9..11] != [3, 3] || host_of(&hello[43..]).as_deref() != Some(domain) {
        return Ok(false);
    }
    let mut random = [0; 32];
    random.copy_from_slice(&hello[11..43]);
    hello[11..43].fill(0);
    let expected = hmac(key, &[&hello]);
    let mut time = [0; 4];
    time.iter_mut().zip(&random[28..]).zip(&expected[28..]).for_each(|((time, a), b)| *time = a ^ b);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64;
    let off = now - i64::from(u32::from_le_bytes(time));
    if random[..28] != expected[..28] || off.abs() > CLOCK {
        return Ok(false);
    }
    client.write_all(&answer(&hello[44..76], &random, key)).await?;
    Ok(true)
}

/// The host that a greeting asks for; `rest` begins behind its random. <https://www.rfc-editor.org/rfc/rfc6066#section-3>
fn host_of(rest: &[u8]) -> Option<String> {
    let (_, rest) = sized(rest, 1)?;
    let (_, rest) = sized(rest, 2)?;
    let (_, rest) = sized(rest, 1)?;
    let (mut extensions, _) = sized(rest, 2)?;
    while let Some((kind, behind)) = extensions.split_first_chunk::<2>() {
        let (data, next) = sized(behind, 2)?;
        if *kind == [0, 0] {
            let (names, _) = sized(data, 2)?;
            let (name, _) = sized(names.get(1..)?, 2)?;
            return String::from_utf8(name.to_vec()).ok();
        }
        extensions = next;
    }
    None
}

/// What is behind a length of so many bytes, and what is behind that.
fn sized(bytes: &[u8], length: usize) -> Option<(&[u8], &[u8])> {
    let count = bytes.get(..length)?.iter().fold(0, |count, byte| count << 8 | usize::from(*byte));
    bytes[length..].split_at_checked(count)
}

/// A `ServerHello` for TLS 1.3 with a key of X25519, the end of the handshake, and random data for the certificate.
fn answer(session_id: &[u8], random: &[u8; 32], key: &[u8; 16]) -> Vec<u8> {
    let share = rand::random::<[u8; 32]>();
    let extensions =
        [&[0x00, 0x33, 0, 36, 0x00, 0x1d, 0, 32][..], &share, &[0x00, 0x2b, 0, 2, 3, 4]].concat();
    let hello = [
        &[3, 3][..],
        &[0; 32],
        &[32],
        session_id,
        &[0x13, 0x01, 0],
        &(extensions.len() as u16).to_be_bytes(),
        &extensions,
    ]
    .concat();
    let handshake = [&[2, 0][..], &(hello.len() as u16).to_be_bytes(), &hello].concat();
    let certificate: Vec<u8> = (0..1500 + rand::random::<u8>() as usize).map(|_| rand::random()).collect();
    let mut answer = [
        &[0x16, 3, 3][..],
        &(handshake.len() as u16).to_be_bytes(),
        &handshake,
        &CHANGE_CIPHER,
        &DATA,
        &(certificate.len() as u16).to_be_bytes(),
        &certificate,
    ]
    .concat();
    let signature = hmac(key, &[random, &answer]);
    answer[11..43].copy_from_slice(&signature);
    answer
}

fn hmac(key: &[u8; 16], parts: &[&[u8]]) -> [u8; 32] {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    parts.iter().for_each(|part| hmac.update(part));
    hmac.finalize().into_bytes().into()
}

/// Takes what a client says out of its records, if it makes some.
pub(super) struct Reader<R> {
    from: R,
    tls: bool,
    left: usize,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(super) fn new(from: R, tls: bool) -> Self {
        Self { from, tls, left: 0 }
    }

    /// Reads some; 0 is the end.
    pub(super) async fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if !self.tls {
            return self.from.read(into).await;
        }
        while self.left == 0 {
            let mut head = [0; 5];
            match self.from.read(&mut head[..1]).await? {
                0 => return Ok(0),
                _ => self.from.read_exact(&mut head[1..]).await?,
            };
            let length = usize::from(u16::from_be_bytes([head[3], head[4]]));
            match (&head[..3], length) {
                ([0x14, 3, 3], 1) => drop(self.from.read_u8().await?),
                ([0x17, 3, 3], 1..=RECORD_MAX) => self.left = length,
                _ => return Err(Error::new(ErrorKind::InvalidData, "no record of data")),
            }
        }
        let limit = self.left.min(into.len());
        let count = self.from.read(&mut into[..limit]).await?;
        self.left -= count;
        Ok(count)
    }
}

/// Puts what a client is told into records, if it takes some.
pub(super) struct Writer {
    tls: bool,
}

impl Writer {
    pub(super) fn new(tls: bool) -> Self {
        Self { tls }
    }

    pub(super) fn wrap(&mut self, bytes: &[u8]) -> Vec<u8> {
        if !self.tls {
            return bytes.to_vec();
        }
        // Records of any length are taken; short ones show that.
        let record = |data: &[u8]| [&DATA[..], &(data.len() as u16).to_be_bytes(), data].concat();
        bytes.chunks(2878).flat_map(record).collect()
    }
}

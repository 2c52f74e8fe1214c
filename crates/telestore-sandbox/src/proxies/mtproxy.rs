//! The server's side of an MTProxy. <https://core.telegram.org/mtproto/mtproto-transports#transport-obfuscation>

use std::io;

use aes::Aes256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::fake_tls::{self, Reader, Writer};
use super::state::{Secret, State};

type Cipher = Ctr128BE<Aes256>;

/// How much is carried at a time.
const PIECE: usize = 16 * 1024;

/// The secret as links write it: in hexadecimal digits.
pub(super) fn text(secret: &Secret) -> String {
    let key = hex::encode(secret.key);
    match &secret.domain {
        Some(domain) => format!("ee{key}{}", hex::encode(domain)),
        None if secret.padded => format!("dd{key}"),
        None => key,
    }
}

/// A client that knows the secret, as its header says it.
struct Client {
    /// What a server that is asked directly takes for the transport.
    tag: Vec<u8>,
    dc: i16,
    from: Cipher,
    to: Cipher,
}

pub(super) async fn serve(mut client: TcpStream, secret: &Secret, state: &State) -> io::Result<()> {
    let tls = secret.domain.is_some();
    if let Some(domain) = &secret.domain
        && !fake_tls::accept(&mut client, &secret.key, domain).await?
    {
        return leave_standing(client, state).await;
    }
    let (reader, mut writer) = client.split();
    let (mut reader, mut wraps) = (Reader::new(reader, tls), Writer::new(tls));
    let mut header = [0; 64];
    read_exact(&mut reader, &mut header).await?;
    let Some(Client { tag, dc, mut from, mut to }) = read(header, secret) else {
        return leave_standing(client, state).await;
    };
    let Ok(mut beyond) = state.reach(&dc.to_string()).await else { return Ok(()) };
    beyond.write_all(&tag).await?;
    let (mut theirs, mut ours) = beyond.split();
    let there = async {
        let mut piece = [0; PIECE];
        loop {
            match reader.read(&mut piece).await? {
                0 => return ours.shutdown().await,
                count => {
                    from.apply_keystream(&mut piece[..count]);
                    ours.write_all(&piece[..count]).await?;
                }
            }
        }
    };
    let back = async {
        let mut piece = [0; PIECE];
        loop {
            match theirs.read(&mut piece).await? {
                0 => return writer.shutdown().await,
                count => {
                    to.apply_keystream(&mut piece[..count]);
                    writer.write_all(&wraps.wrap(&piece[..count])).await?;
                }
            }
        }
    };
    state.carry(async { tokio::try_join!(there, back).map(drop) }).await
}

/// Says nothing to somebody who does not know the secret, whatever comes.
async fn leave_standing(mut client: TcpStream, state: &State) -> io::Result<()> {
    state.stranger();
    let mut ignored = [0; 1024];
    while client.read(&mut ignored).await? > 0 {}
    Ok(())
}

async fn read_exact<R: AsyncRead + Unpin>(from: &mut Reader<R>, mut into: &mut [u8]) -> io::Result<()> {
    while !into.is_empty() {
        match from.read(into).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => into = &mut into[count..],
        }
    }
    Ok(())
}

/// Reads a header; `None` if its sender does not know the secret, or does not keep to the rules.
fn read(header: [u8; 64], secret: &Secret) -> Option<Client> {
    let taken = [*b"HEAD", *b"POST", *b"GET ", *b"OPTI", [0xee; 4], [0xdd; 4], [0x16, 3, 1, 2]];
    let plain = header[0] == 0xef || taken.iter().any(|taken| header.starts_with(taken));
    if plain || header[4..8] == [0; 4] {
        return None;
    }
    let mut back: [u8; 48] = header[8..56].try_into().ok()?;
    back.reverse();
    let mut from = cipher(&header[8..56], &secret.key)?;
    let to = cipher(&back, &secret.key)?;
    let mut clear = header;
    from.apply_keystream(&mut clear);
    let tag = match clear[56..60] {
        [0xdd, 0xdd, 0xdd, 0xdd] => vec![0xdd; 4],
        [0xee, 0xee, 0xee, 0xee] if !secret.padded => vec![0xee; 4],
        [0xef, 0xef, 0xef, 0xef] if !secret.padded => vec![0xef],
        _ => return None,
    };
    Some(Client { tag, dc: i16::from_le_bytes([clear[60], clear[61]]), from, to })
}

fn cipher(key_and_iv: &[u8], secret: &[u8; 16]) -> Option<Cipher> {
    let (key, iv) = key_and_iv.split_at(32);
    let mixed: [u8; 32] = Sha256::digest([key, secret].concat()).into();
    let iv: [u8; 16] = iv.try_into().ok()?;
    Some(Cipher::new(&mixed.into(), &iv.into()))
}

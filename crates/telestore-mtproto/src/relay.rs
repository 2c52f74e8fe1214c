//! A door on this machine for a client that knows neither proxies nor further addresses: what comes in goes to a data centre on
//! the way that all connections take.
//!
//! Such a client speaks the full transport, and the way has a framing of its own, so packets are taken out of one and put into
//! the other. What is in them is encrypted, and is not looked at.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use grammers_crypto::DequeBuffer;
use grammers_mtproto::transport::{self, Full, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use crate::way::{Frame, Framing, LENGTH, Stream, TAG, Target, Way};

/// The largest packet that is taken; a login's have some kilobytes.
const PACKET_MAX: usize = 2 * 1024 * 1024;

/// What is read at once.
const READ: usize = 16 * 1024;

/// What stands in front of a packet in the full transport.
const FRONT: usize = 8;

/// A door to one data centre. It closes when this is dropped, and so do the connections that came through it.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    _serving: AbortOnDropHandle<()>,
}

impl Relay {
    /// Where a client that speaks the full transport is to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) async fn open(way: Way, target: Target, patience: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let serving = AbortOnDropHandle::new(tokio::spawn(serve(listener, way, target, patience)));
        Ok(Self { address, _serving: serving })
    }
}

async fn serve(listener: TcpListener, way: Way, target: Target, patience: Duration) {
    let mut open = tokio::task::JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let (way, target) = (way.clone(), target.clone());
        open.spawn(async move {
            if let Err(error) = pass(client, &way, &target, patience).await {
                tracing::debug!(%error, "the connection of a login ended");
            }
        });
    }
}

/// Passes packets on until one side ends.
async fn pass(client: TcpStream, way: &Way, target: &Target, patience: Duration) -> io::Result<()> {
    let mut stream = match way.open(target, patience).await {
        Ok(stream) => stream,
        Err(failure) => {
            // The caller learns no more than that the connection ended, so the reason stands in the log.
            tracing::warn!(error = %failure, "no connection to Telegram");
            return Err(ErrorKind::NotConnected.into());
        }
    };
    client.set_nodelay(true)?;
    let (address, framing, tagged) = (stream.address(), stream.framing(), stream.is_tagged());
    let (from, to) = client.into_split();
    let passed = both(&mut stream, (from, to), framing, tagged).await;
    way.answered(target, address, passed.is_ok());
    passed
}

async fn both(
    stream: &mut Stream,
    (mut from, mut to): (OwnedReadHalf, OwnedWriteHalf),
    framing: Framing,
    tagged: bool,
) -> io::Result<()> {
    let (mut reader, mut writer) = stream.split();
    let out = async {
        let (mut full, mut read, mut tag) = (Full::new(), Vec::new(), if tagged { &[][..] } else { &TAG });
        while let Some(packet) = next(&mut from, &mut full, &mut read).await? {
            writer.write_all(&framing.framed(std::mem::take(&mut tag), &packet)).await?;
        }
        Ok(())
    };
    let back = async {
        let (mut full, mut read, mut chunk) = (Full::new(), Vec::new(), vec![0; READ]);
        loop {
            while let Some(packet) = arrived(&mut read, framing)? {
                to.write_all(&full_frame(&mut full, &packet)?).await?;
            }
            match reader.read(&mut chunk).await? {
                0 => return Ok(()),
                count => read.extend_from_slice(&chunk[..count]),
            }
        }
    };
    tokio::select! {
        ended = out => ended,
        ended = back => ended,
    }
}

/// The next packet of the client; `None` at its end.
async fn next(from: &mut OwnedReadHalf, full: &mut Full, read: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    loop {
        match full.unpack(read) {
            Ok(packet) => {
                let taken = read[packet.data_range].to_vec();
                read.drain(..packet.next_offset);
                return Ok(Some(taken));
            }
            Err(transport::Error::MissingBytes) if read.len() <= PACKET_MAX => {}
            Err(error) => return Err(io::Error::new(ErrorKind::InvalidData, error.to_string())),
        }
        if from.read_buf(read).await? == 0 {
            return Ok(None);
        }
    }
}

/// What Telegram sent.
enum Packet {
    Whole(Vec<u8>),
    /// Why it takes nothing more.
    Status(u32),
}

/// The next packet of what was read, if it is there.
fn arrived(read: &mut Vec<u8>, framing: Framing) -> io::Result<Option<Packet>> {
    match Frame::of(read, framing) {
        Frame::Status(status) => {
            read.clear();
            Ok(Some(Packet::Status(status)))
        }
        Frame::Packet(length) => {
            let packet = read[LENGTH..][..framing.packet(length)].to_vec();
            read.drain(..LENGTH + length);
            Ok(Some(Packet::Whole(packet)))
        }
        Frame::Partial(Some(length)) if length > PACKET_MAX => Err(ErrorKind::InvalidData.into()),
        Frame::Partial(_) => Ok(None),
    }
}

/// A packet as the client wants it.
fn full_frame(full: &mut Full, packet: &Packet) -> io::Result<Vec<u8>> {
    match packet {
        Packet::Status(status) => Ok(status.cast_signed().wrapping_neg().to_le_bytes().to_vec()),
        Packet::Whole(packet) if packet.len().is_multiple_of(4) => {
            let mut buffer = DequeBuffer::with_capacity(packet.len() + FRONT, FRONT);
            buffer.extend(packet.iter().copied());
            full.pack(&mut buffer);
            Ok(buffer[..].to_vec())
        }
        Packet::Whole(_) => Err(ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_the_same_on_both_sides() {
        for framing in [Framing::Intermediate, Framing::Padded] {
            let (mut sends, mut takes) = (Full::new(), Full::new());
            for blocks in [1_usize, 2, 40] {
                let packet: Vec<u8> = (0..24 + 16 * blocks).map(|byte| byte as u8).collect();
                let mut read = framing.framed(&[], &packet);
                let rest = read.split_off(7);
                assert!(arrived(&mut read, framing).expect("a part").is_none());
                read.extend(rest);
                let whole = arrived(&mut read, framing).expect("a packet").expect("all of it");
                assert!(read.is_empty());
                let mut frame = full_frame(&mut sends, &whole).expect("a frame");
                let taken = takes.unpack(&mut frame).expect("a frame");
                assert_eq!(frame[taken.data_range], packet);
            }
        }
    }

    #[test]
    fn a_status_and_what_no_packet_is() {
        let mut read = [&4_u32.to_le_bytes()[..], &(-404_i32).to_le_bytes()].concat();
        let status = arrived(&mut read, Framing::Intermediate).expect("a status").expect("all of it");
        let mut frame = full_frame(&mut Full::new(), &status).expect("a frame");
        assert_eq!(Full::new().unpack(&mut frame), Err(transport::Error::BadStatus { status: 404 }));
        assert!(full_frame(&mut Full::new(), &Packet::Whole(vec![0; 41])).is_err());
        assert!(arrived(&mut vec![0xff; 8], Framing::Intermediate).is_err());
    }
}

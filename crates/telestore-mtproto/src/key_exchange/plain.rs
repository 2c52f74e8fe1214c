use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use grammers_crypto::DequeBuffer;
use grammers_mtproto::mtp::{Deserialization, Mtp, Plain};
use grammers_mtproto::transport::{self, Full, Transport};
use grammers_tl_types::{Deserializable, RemoteCall};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The largest answer that is taken; those of the exchange have less than a kilobyte.
const READ_MAX: usize = 16 * 1024;

/// What is allocated for a request.
const REQUEST: usize = 1024;

/// A connection without a key, for one call at a time.
pub(crate) struct PlainConnection {
    socket: TcpStream,
    transport: Full,
    read: Vec<u8>,
}

impl PlainConnection {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        let _ = socket.set_nodelay(true);
        Ok(Self { socket, transport: Full::new(), read: Vec::new() })
    }

    /// Calls, and waits for the answer as long as it takes.
    pub(crate) async fn call<R: RemoteCall>(&mut self, request: &R) -> io::Result<R::Return> {
        let mut buffer = DequeBuffer::with_capacity(REQUEST, REQUEST);
        Plain::new().push(&mut buffer, &request.to_bytes());
        self.transport.pack(&mut buffer);
        self.socket.write_all(&buffer[..]).await?;
        let mut answer = self.next().await?;
        // A status comes as the whole of a packet, too.
        if let Ok(status) = <[u8; 4]>::try_from(&answer[..]) {
            return Err(refused(i32::from_le_bytes(status).unsigned_abs()));
        }
        let events = Plain::new().deserialize(&mut answer).map_err(unreadable)?;
        let result = events.into_iter().find_map(|event| match event {
            Deserialization::RpcResult(result) => Some(result.body),
            _ => None,
        });
        R::Return::from_bytes(&result.unwrap_or_default()).map_err(unreadable)
    }

    async fn next(&mut self) -> io::Result<Vec<u8>> {
        loop {
            match self.transport.unpack(&mut self.read) {
                Ok(packet) => {
                    let payload = self.read[packet.data_range].to_vec();
                    self.read.drain(..packet.next_offset);
                    return Ok(payload);
                }
                Err(transport::Error::MissingBytes) if self.read.len() < READ_MAX => {}
                Err(transport::Error::BadStatus { status }) => return Err(refused(status)),
                Err(error) => return Err(unreadable(error)),
            }
            if self.socket.read_buf(&mut self.read).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

fn refused(status: u32) -> io::Error {
    io::Error::other(format!("it answered with status {status}"))
}

fn unreadable(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("its answer cannot be read: {error}"))
}

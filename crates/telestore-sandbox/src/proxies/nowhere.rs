//! Addresses that lead nowhere.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::error::Result;

/// A connection on loopback that is not made by then is never made.
const MADE: Duration = Duration::from_millis(300);

/// More connections than wait in any queue of this length.
const FILL_MAX: usize = 64;

/// An address at which connections are neither made nor refused, as behind a firewall that drops packets: a socket that
/// listens, takes nothing, and whose queue is full (Linux drops what comes then).
#[derive(Debug)]
pub struct BlackHole {
    address: SocketAddr,
    _listener: tokio::net::TcpListener,
    _queue: Vec<TcpStream>,
}

impl BlackHole {
    /// Opens one at a free port of 127.0.0.1.
    ///
    /// # Errors
    /// If there is no port.
    pub async fn open() -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let listener = socket.listen(1)?;
        let address = listener.local_addr()?;
        let mut queue = Vec::new();
        while queue.len() < FILL_MAX {
            match timeout(MADE, TcpStream::connect(address)).await {
                Ok(made) => queue.push(made?),
                Err(_) => break,
            }
        }
        Ok(Self { address, _listener: listener, _queue: queue })
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// An address at which connections are refused, which nobody else gets meanwhile.
#[derive(Debug)]
pub struct RefusingPort {
    address: SocketAddr,
    _socket: TcpSocket,
}

impl RefusingPort {
    /// Takes a free port of 127.0.0.1.
    ///
    /// # Errors
    /// If there is none.
    pub fn take() -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Self { address: socket.local_addr()?, _socket: socket })
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

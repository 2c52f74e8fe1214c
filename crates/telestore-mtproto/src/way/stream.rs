use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::framing::Framing;
use super::mtproxy::{Inbound, Outbound};

/// A connection to a data centre.
pub(crate) struct Stream {
    socket: TcpStream,
    framing: Framing,
    address: SocketAddr,
    veil: Option<Box<(Inbound, Outbound)>>,
}

impl Stream {
    /// One that is what it is, to an address.
    pub(crate) fn plain(socket: TcpStream, address: SocketAddr) -> Self {
        Self { socket, framing: Framing::Intermediate, address, veil: None }
    }

    /// One that looks like something else.
    pub(super) fn veiled(
        socket: TcpStream,
        address: SocketAddr,
        (framing, inbound, outbound): (Framing, Inbound, Outbound),
    ) -> Self {
        Self { socket, framing, address, veil: Some(Box::new((inbound, outbound))) }
    }

    /// How packets are framed on it.
    pub(crate) fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether the other side knows the framing already, and takes no [tag](super::TAG) in front of the first packet.
    pub(crate) fn is_tagged(&self) -> bool {
        self.veil.is_some()
    }

    /// The address of the data centre; through an MTProxy, the proxy's.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Both directions at once. What was handed to the writer must be handed to it again until it went.
    pub(crate) fn split(&mut self) -> (Reader<'_>, Writer<'_>) {
        let (reader, writer) = self.socket.split();
        let (inbound, outbound) =
            self.veil.as_deref_mut().map(|(inbound, outbound)| (inbound, outbound)).unzip();
        (Reader { half: reader, veil: inbound }, Writer { half: writer, veil: outbound })
    }

    /// Reads into `spare`; 0 is the end.
    pub(crate) async fn read(&mut self, spare: &mut [u8]) -> io::Result<usize> {
        self.split().0.read(spare).await
    }

    /// Writes all of `bytes`.
    pub(crate) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.split().1.write_all(bytes).await
    }

    /// Says that nothing more will be written.
    pub(crate) async fn shutdown(&mut self) -> io::Result<()> {
        self.socket.shutdown().await
    }

    /// Lets nothing go on arriving that lies in the socket's buffers once it is dropped.
    pub(crate) fn forget_unsent(&self) {
        let _ = self.socket.set_zero_linger();
    }
}

/// What comes.
pub(crate) struct Reader<'s> {
    half: ReadHalf<'s>,
    veil: Option<&'s mut Inbound>,
}

impl Reader<'_> {
    /// Reads into `spare`; 0 is the end.
    pub(crate) async fn read(&mut self, spare: &mut [u8]) -> io::Result<usize> {
        poll_fn(|context| match &mut self.veil {
            Some(veil) => veil.poll_read(context, &mut self.half, spare),
            None => {
                let mut spare = ReadBuf::new(spare);
                Pin::new(&mut self.half).poll_read(context, &mut spare).map_ok(|()| spare.filled().len())
            }
        })
        .await
    }
}

/// What goes.
pub(crate) struct Writer<'s> {
    half: WriteHalf<'s>,
    veil: Option<&'s mut Outbound>,
}

impl AsyncWrite for Writer<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { half, veil } = &mut *self;
        match veil {
            Some(veil) => veil.poll_write(context, half, bytes),
            None => Pin::new(half).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.half).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.half).poll_shutdown(context)
    }
}

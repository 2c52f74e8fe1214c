//! One connection: frames in, frames out.

use std::sync::Arc;

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

use super::cipher::HEADER;
use super::handshake::Handshake;
use super::ledger::Kept;
use super::link::{Delivery, Link, Number, Outgoing, Registration};
use super::transport::{FrameReader, FrameWriter, Transport};
use super::{Place, exchange, service};
use crate::faults::{Call, FaultAction};
use crate::shared::Shared;

/// What Telegram says to a key it does not know.
const UNKNOWN_KEY: i32 = -404;

/// Serves a connection until it ends, a fault ends it, or the sandbox stops.
pub(crate) async fn run(shared: Arc<Shared>, stream: TcpStream, place: Place, close: CancellationToken) {
    let connected = async {
        shared.stats.write(|stats| stats.connections_accepted += 1);
        shared.stats.call("mtproto.connect");
        match shared.faults.strike(Call::new("mtproto.connect", None)).await {
            None => true,
            Some(FaultAction::Silence | FaultAction::NoExecuteSilence) => std::future::pending().await,
            Some(_) => false,
        }
    };
    let accepted = tokio::select! {
        accepted = connected => accepted,
        () = close.cancelled() => false,
    };
    if !accepted {
        return;
    }
    let (reader, writer) = stream.into_split();
    let (link, outgoing) = Link::new(shared, place, close.clone());
    let registration = Registration(Arc::clone(&link));
    let mut serving = std::pin::pin!(read(link, reader, writer, outgoing));
    tokio::select! {
        result = serving.as_mut() => if let Err(error) = result {
            tracing::debug!(%error, "mtproto connection ended");
        },
        () = close.cancelled() => tracing::debug!("mtproto connection closed"),
    }
    // Before the socket goes: a client that sees it gone and connects again must not count twice.
    drop(registration);
}

async fn read(
    link: Arc<Link>,
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    outgoing: UnboundedReceiver<Outgoing>,
) -> std::io::Result<()> {
    let shared = Arc::clone(&link.shared);
    let mut frames = FrameReader::detect(reader, &shared.network).await?;
    let writing = write(&shared, outgoing, writer, frames.transport());
    let reading = async {
        let mut handshake = Handshake::default();
        loop {
            let frame = frames.next().await?;
            let taken = match exchange::is_plain(&frame) {
                true => exchange::receive(&link, &mut handshake, frame.freeze()).await,
                false => receive(&link, frame),
            };
            if !taken {
                link.send(Outgoing::TransportError(UNKNOWN_KEY));
            }
        }
    };
    tokio::select! {
        result = reading => result,
        result = writing => result,
    }
}

/// Takes a frame; `false` if it is from no key the server knows.
fn receive(link: &Arc<Link>, mut frame: BytesMut) -> bool {
    let Some(key) = frame.get(..8).and_then(|key_id| link.key(key_id)) else { return false };
    if key.cipher.open(&mut frame).is_none() {
        return false;
    }
    frame.advance(HEADER);
    service::receive(link, &key, frame.freeze());
    true
}

async fn write(
    shared: &Shared,
    mut outgoing: UnboundedReceiver<Outgoing>,
    mut writer: OwnedWriteHalf,
    transport: Transport,
) -> std::io::Result<()> {
    let mut frames = FrameWriter::new(transport);
    while let Some(message) = outgoing.recv().await {
        shared.network.answering().await;
        match message {
            Outgoing::TransportError(code) => {
                writer.write_all(&frames.pack(&code.to_le_bytes())).await?;
                return writer.shutdown().await;
            }
            Outgoing::Plain(message) => writer.write_all(&frames.pack(&message)).await?,
            Outgoing::Message { delivery, .. } => {
                let packet = seal(message, shared.rules.clock_ahead);
                deliver(&mut writer, &mut frames, &packet, delivery).await?;
            }
        }
    }
    Ok(())
}

async fn deliver(
    writer: &mut OwnedWriteHalf,
    frames: &mut FrameWriter,
    packet: &[u8],
    delivery: Delivery,
) -> std::io::Result<()> {
    match delivery {
        Delivery::Once => writer.write_all(&frames.pack(packet)).await,
        Delivery::Times(times) => {
            for _ in 0..times {
                writer.write_all(&frames.pack(packet)).await?;
            }
            Ok(())
        }
        Delivery::Slowly(pause) => {
            for byte in frames.pack(packet) {
                writer.write_all(&[byte]).await?;
                tokio::time::sleep(pause).await;
            }
            Ok(())
        }
        Delivery::Unending(length) => writer.write_all(&frames.pack_part(packet, length)).await,
    }
}

fn seal(message: Outgoing, clock_ahead: i64) -> Vec<u8> {
    let Outgoing::Message { key, session, body, number, .. } = message else {
        return Vec::new();
    };
    let Kept { msg_id, seqno, body } = match number {
        Number::New { answer, content_related } => {
            let (msg_id, seqno) = session.number(clock_ahead, answer, content_related);
            Kept { msg_id, seqno, body }
        }
        Number::AnswerTo(call) => session.keep(call, body, clock_ahead),
        Number::Given(msg_id, seqno) => Kept { msg_id, seqno, body },
    };
    let mut plaintext = Vec::with_capacity(32 + body.len());
    plaintext.extend(key.sessions.salt().to_le_bytes());
    plaintext.extend(session.id.to_le_bytes());
    plaintext.extend(msg_id.to_le_bytes());
    plaintext.extend(seqno.to_le_bytes());
    plaintext.extend((body.len() as u32).to_le_bytes());
    plaintext.extend(body);
    key.cipher.seal(&plaintext)
}

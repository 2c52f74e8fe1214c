//! The MTProto server: connections, sessions, calls.

mod calls;
mod chats;
mod cipher;
mod connection;
mod copies;
mod dispatch;
mod envelope;
mod exchange;
mod files;
mod handshake;
mod history;
mod ige;
mod input_media;
mod ledger;
mod link;
mod locations;
mod parts;
mod rpc_error;
mod rsa;
mod rules;
mod scheduled;
mod send;
mod service;
mod session;
mod sign_in;
mod tl_types;
mod transport;
mod wording;

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) use calls::{answer, fail};
pub(crate) use cipher::ServerKey;
pub(crate) use link::{Caller, Delivery};
pub(crate) use parts::{NewPart, PartOwner, Parts};
pub(crate) use rpc_error::RpcError;
pub(crate) use rsa::PUBLIC_PEM;
pub(crate) use session::Sessions;
pub(crate) use sign_in::SignIns;

use crate::shared::Shared;

/// Which address a connection came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The data centre.
    pub(crate) dc: i32,
    /// Whether it is the address that `help.getConfig` calls `media_only`.
    pub(crate) media: bool,
}

/// Accepts connections until stopped.
pub(crate) async fn serve(shared: Arc<Shared>, listener: TcpListener, place: Place, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true);
                    connections.spawn(connection::run(Arc::clone(&shared), stream, place, stop.child_token()));
                }
                Err(error) => tracing::warn!(%error, "mtproto connection not accepted"),
            },
        }
    }
    while connections.join_next().await.is_some() {}
}

//! Where hosts are, as far as they may be asked.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use telestore_net::AllowedAddresses;

/// Who knows where hosts are.
#[async_trait]
pub trait LookUp: fmt::Debug + Send + Sync + 'static {
    /// The addresses of a host.
    ///
    /// # Errors
    /// If there is none, or nobody can tell.
    async fn look_up(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// Those who know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Names {
    /// The system: its hosts file and its name server.
    System,
}

#[async_trait]
impl LookUp for Names {
    async fn look_up(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// None of the addresses of a host may be connected to.
#[derive(Debug, thiserror::Error)]
#[error("no address of the host may be connected to")]
pub(super) struct NotAllowed;

/// Hides addresses that must not be connected to. What it gives is what is dialled: nobody looks the name up again.
#[derive(Debug)]
pub(super) struct Filter {
    names: Arc<dyn LookUp>,
    allowed: AllowedAddresses,
}

impl Filter {
    pub(super) fn new(names: Arc<dyn LookUp>, allowed: AllowedAddresses) -> Self {
        Self { names, allowed }
    }
}

/// The port of a connection matters to nobody who decides about an address.
pub(super) fn may_dial(allowed: &AllowedAddresses, address: IpAddr) -> bool {
    allowed.allows_now(SocketAddr::new(address, 443))
}

impl Resolve for Filter {
    fn resolve(&self, name: Name) -> Resolving {
        let (names, allowed) = (Arc::clone(&self.names), self.allowed.clone());
        Box::pin(async move {
            let found = names.look_up(name.as_str()).await?;
            let may: Vec<_> = found.iter().filter(|address| may_dial(&allowed, **address)).collect();
            if may.is_empty() && !found.is_empty() {
                return Err(NotAllowed.into());
            }
            let dialled: Vec<_> = may.into_iter().map(|address| SocketAddr::new(*address, 0)).collect();
            Ok(Box::new(dialled.into_iter()) as Addrs)
        })
    }
}

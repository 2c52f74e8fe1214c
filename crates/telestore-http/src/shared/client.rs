use std::net::{IpAddr, Ipv4Addr};

use actix_web::dev::{AppConfig, RequestHead, ServiceRequest};
use actix_web::{HttpMessage, HttpRequest};

use crate::shared::connections::Connection;

/// The address of the client, put into a request's extensions if something in front of the worker names it and is
/// trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// Whether the client's connection is encrypted, put into a request's extensions as [`ClientAddress`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientScheme {
    pub(crate) secure: bool,
}

/// A request, before or after its route was found.
pub trait HasHead: HttpMessage {
    /// Its head.
    fn request_head(&self) -> &RequestHead;

    /// How the service that takes it listens.
    fn service_config(&self) -> &AppConfig;

    /// The request as handlers see it.
    fn as_request(&self) -> &HttpRequest;
}

impl HasHead for HttpRequest {
    fn request_head(&self) -> &RequestHead {
        self.head()
    }

    fn service_config(&self) -> &AppConfig {
        self.app_config()
    }

    fn as_request(&self) -> &HttpRequest {
        self
    }
}

impl HasHead for ServiceRequest {
    fn request_head(&self) -> &RequestHead {
        self.head()
    }

    fn service_config(&self) -> &AppConfig {
        self.app_config()
    }

    fn as_request(&self) -> &HttpRequest {
        self.request()
    }
}

/// The address of the client: its [`ClientAddress`] if there is one, else the connection's. IPv4 addresses in IPv6
/// form come as IPv4.
pub fn client_address(request: &impl HasHead) -> IpAddr {
    let named = request.extensions().get::<ClientAddress>().map(|client| client.0);
    let address = named.or_else(|| request.request_head().peer_addr.map(|peer| peer.ip()));
    // Only a request without a connection, as tests make them, has none.
    address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).to_canonical()
}

/// Whether the client came by HTTPS: as a trusted proxy says, else by how the worker listens.
pub fn is_secure(request: &impl HasHead) -> bool {
    let named = request.extensions().get::<ClientScheme>().map(|scheme| scheme.secure);
    named.unwrap_or_else(|| {
        let by_tls = Connection::of(request.as_request()).is_some_and(|connection| connection.is_tls());
        by_tls || request.service_config().secure()
    })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_named_address_goes_before_the_connections() {
        let request = TestRequest::default().peer_addr("[::ffff:192.0.2.1]:80".parse().unwrap());
        let request = request.to_http_request();
        assert_eq!(client_address(&request).to_string(), "192.0.2.1");
        request.extensions_mut().insert(ClientAddress("2001:db8::1".parse().unwrap()));
        assert_eq!(client_address(&request).to_string(), "2001:db8::1");
    }
}

use std::net::{IpAddr, Ipv4Addr};

use actix_web::dev::{AppConfig, RequestHead, ServiceRequest};
use actix_web::http::header::HOST;
use actix_web::http::uri::Authority;
use actix_web::{HttpMessage, HttpRequest};

use crate::shared::connections::Connection;
use crate::shared::endpoints::mounted_at;

/// The address of the client, put into a request's extensions if something in front of the worker names it and is
/// trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// Whether the client's connection is encrypted, put into a request's extensions as [`ClientAddress`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientScheme {
    pub(crate) secure: bool,
}

/// The host and port that the client called, put into a request's extensions as [`ClientAddress`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientHost(pub(crate) String);

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

/// The address at which the client has found the root of the worker, without a slash at its end: by what a trusted proxy says,
/// else by what the request says. `None` if neither names a host.
pub(crate) fn root_of(request: &HttpRequest) -> Option<String> {
    let named = request.extensions().get::<ClientHost>().map(|host| host.0.clone());
    let called = || {
        let header = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        header.or_else(|| request.uri().authority().map(Authority::as_str)).and_then(host_of)
    };
    let scheme = if is_secure(request) { "https" } else { "http" };
    Some(format!("{scheme}://{}", named.or_else(called)?))
}

/// The address at which the client has found the routes, without a slash at its end; if no host is named, its path.
pub(crate) fn base_of(request: &HttpRequest) -> String {
    format!("{}{}", root_of(request).unwrap_or_default(), mounted_at(request))
}

/// A host with or without a port, if it is nothing else: it goes into an address.
pub(crate) fn host_of(text: &str) -> Option<String> {
    let text = text.trim();
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    let fits = !text.is_empty() && text.len() <= 261 && text.bytes().all(good);
    (fits && text.parse::<Authority>().is_ok()).then(|| text.to_ascii_lowercase())
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

    #[test]
    fn the_root_is_where_the_client_has_found_it() {
        let root =
            |host: &str| root_of(&TestRequest::default().insert_header((HOST, host)).to_http_request());
        assert_eq!(root("Worker.Example:8000").as_deref(), Some("http://worker.example:8000"));
        assert_eq!(root("[::1]:8000").as_deref(), Some("http://[::1]:8000"));
        for bad in ["", "a b", "a/b", "user@host", "a\"b", "a?b", "a#b"] {
            assert_eq!(root(bad), None, "{bad}");
        }
        let request = TestRequest::default().insert_header((HOST, "inside:1")).to_http_request();
        request.extensions_mut().insert(ClientHost("outside.example".to_owned()));
        request.extensions_mut().insert(ClientScheme { secure: true });
        assert_eq!(root_of(&request).as_deref(), Some("https://outside.example"));
    }
}

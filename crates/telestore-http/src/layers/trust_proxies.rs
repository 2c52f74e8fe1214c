use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Data;

use crate::shared::proxy::{self, TrustedProxies};

/// Takes the client's address from what trusted proxies say, for [`from_fn`](actix_web::middleware::from_fn). The
/// [`TrustedProxies`] are app data; without any, and from others, the headers count for nothing.
///
/// The address is the rightmost one of `X-Forwarded-For` that is not a trusted proxy's itself; `Forwarded` is read if
/// there is no `X-Forwarded-For`. If they name nobody, it is [`UNKNOWN_CLIENT`](crate::UNKNOWN_CLIENT), and not the proxy's: a client can
/// write into them what it likes. Without either, the request is the peer's own. [`client_address`](crate::client_address)
/// and [`is_secure`](crate::is_secure) tell.
///
/// # Errors
/// Those of the services within.
pub async fn trust_proxies<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    if let Some(trusted) = request.app_data::<Data<TrustedProxies>>() {
        proxy::take_down(&request, trusted);
    }
    next.call(request).await
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{FORWARDED, HeaderName};
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, call_and_read_body, init_service};
    use actix_web::{App, HttpRequest, web};

    use super::*;
    use crate::shared::proxy::{X_FORWARDED_FOR, X_FORWARDED_PROTO};
    use crate::{UNKNOWN_CLIENT, client_address, is_secure};

    async fn seen(peer: &str, headers: &[(HeaderName, &'static str)]) -> String {
        let app = App::new()
            .app_data(Data::new("loopback,private".parse::<TrustedProxies>().unwrap()))
            .wrap(from_fn(trust_proxies))
            .route(
                "/",
                web::get().to(async |request: HttpRequest| {
                    format!("{} {}", client_address(&request), is_secure(&request))
                }),
            );
        let mut request = TestRequest::get().uri("/").peer_addr(peer.parse().unwrap());
        for header in headers {
            request = request.append_header(header.clone());
        }
        let body = call_and_read_body(&init_service(app).await, request.to_request()).await;
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[actix_web::test]
    async fn only_a_trusted_proxy_is_believed() {
        let headers = [(X_FORWARDED_FOR, "203.0.113.9"), (X_FORWARDED_PROTO, "https")];
        assert_eq!(seen("10.0.0.1:4711", &headers).await, "203.0.113.9 true");
        assert_eq!(seen("[::ffff:10.0.0.1]:4711", &headers).await, "203.0.113.9 true");
        assert_eq!(seen("192.0.2.1:4711", &headers).await, "192.0.2.1 false");
    }

    #[actix_web::test]
    async fn where_a_trusted_proxy_names_nobody_the_client_is_not_the_proxy() {
        for value in ["", "\"", "unknown", "unknown, 10.0.0.1"] {
            for name in [X_FORWARDED_FOR, FORWARDED] {
                assert_eq!(seen("127.0.0.1:4711", &[(name, value)]).await, "100:: false", "{value}");
            }
        }
        assert_eq!(seen("127.0.0.1:4711", &[]).await, "127.0.0.1 false");
        let unknown = crate::LimitedAddresses::Public.counted(UNKNOWN_CLIENT);
        assert!(unknown.is_some(), "all of them have one limit");
    }
}

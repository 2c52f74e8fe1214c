use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, FORWARDED, HOST, VIA, WWW_AUTHENTICATE};
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use sha2::{Digest, Sha256};
use telestore::types::Secret;

use crate::shared::endpoints;
use crate::shared::error::ErrorBody;
use crate::shared::{answer, token};
use crate::{ClientAddress, client_address};

type Render = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = String> + Send>> + Send + Sync>;

/// What `GET /metrics` shows, and to whom. It goes into the service's
/// [`app_data`](actix_web::App::app_data) as [`Data`]; without it the page is not there.
///
/// What is measured goes through the `metrics` crate to the recorder that the process has installed, so only the program
/// that installed it can render it.
#[derive(Clone)]
pub struct MetricsPage {
    render: Render,
    token: Option<Secret>,
    names: Vec<String>,
}

impl fmt::Debug for MetricsPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsPage")
            .field("token", &self.token)
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

impl MetricsPage {
    /// A page with the text of `render`, in Prometheus' text format. Only loopback and private addresses see it, and only
    /// by an address, a name without a dot, or one that it is [known by](Self::known_by).
    pub fn new<F, R>(render: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = String> + Send + 'static,
    {
        Self { render: Arc::new(move || Box::pin(render())), token: None, names: Vec::new() }
    }

    /// Only who sends `token` as a bearer token sees it, wherever from.
    #[must_use]
    pub fn guarded_by(mut self, token: Secret) -> Self {
        self.token = Some(token);
        self
    }

    /// Also who asks for it by `name` sees it without a token.
    #[must_use]
    pub fn known_by(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self
    }

    /// Whether no page of another site can have made a browser ask. A site may let its name lead to this machine, so that
    /// its pages are of the same origin; but its name has a dot, and is not ours.
    fn is_asked_by_name(&self, request: &HttpRequest) -> bool {
        let header = request.headers().get(HOST).map(|host| host.to_str().unwrap_or(FOREIGN));
        let named = request.uri().authority().map(|authority| authority.as_str());
        header.into_iter().chain(named).all(|host| {
            let name = host_name(host);
            let ours = |own: &String| own.eq_ignore_ascii_case(name);
            name.parse::<IpAddr>().is_ok() || !name.contains('.') || self.names.iter().any(ours)
        })
    }

    fn refuse(&self, request: &HttpRequest) -> Option<HttpResponse> {
        let Some(expected) = &self.token else {
            let why = match (is_near(request), self.is_asked_by_name(request)) {
                (false, _) => NOT_NEAR,
                (true, false) => BY_OTHER_NAME,
                (true, true) => return None,
            };
            return Some(answer::error(StatusCode::FORBIDDEN, why));
        };
        // Digests, so that the time it takes tells nothing of the token.
        let digest = |token: &Secret| Sha256::digest(token.expose().as_bytes());
        if token::bearer(request.headers()).is_some_and(|given| digest(&given) == digest(expected)) {
            return None;
        }
        let mut refusal = answer::error(StatusCode::UNAUTHORIZED, NO_TOKEN);
        let challenge = actix_web::http::header::HeaderValue::from_static("Bearer");
        refusal.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        Some(refusal)
    }
}

const NOT_NEAR: &str = "metrics are shown to loopback and private addresses that come without a proxy; for others, \
                        the operator can set TELESTORE_METRICS_TOKEN";

const BY_OTHER_NAME: &str = "metrics are not shown under this name: ask for them by the worker's address, by a name \
                             without a dot or that of TELESTORE_HOST, or let the operator set TELESTORE_METRICS_TOKEN";

/// What stands for a host that cannot be read.
const FOREIGN: &str = "unreadable.invalid";

/// The host without its port. An IPv6 address stands in brackets.
fn host_name(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    }
}

const NO_METRICS: &str = "this service shows no metrics";

const NO_TOKEN: &str = "metrics need the token of TELESTORE_METRICS_TOKEN: send it as a bearer token";

/// Whether a request comes from this machine or its network.
///
/// Behind a proxy that is not trusted, everybody has the proxy's address, so what says that it came through one is not
/// near.
fn is_near(request: &HttpRequest) -> bool {
    let named = request.extensions().get::<ClientAddress>().is_some();
    let headers = request.headers();
    let through = headers.contains_key("X-Forwarded-For")
        || headers.contains_key(FORWARDED)
        || headers.contains_key(VIA);
    (named || !through) && is_private(client_address(request))
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

/// Metrics
///
/// In Prometheus' text format. They are for loopback and private addresses; if the operator has set a token for them,
/// for every caller that sends it as a bearer token.
#[utoipa::path(
    get,
    path = endpoints::METRICS.path,
    tag = "service",
    security((), ("token" = [])),
    responses(
        (
            status = 200,
            description = "What is measured",
            body = String,
            content_type = "text/plain",
            example = "# TYPE telestore_chunks_received_total counter\ntelestore_chunks_received_total 42\n"
        ),
        (status = 401, description = "The token for metrics is missing or another", body = ErrorBody, example = json!({
            "error": NO_TOKEN,
        })),
        (status = 403, description = "They are not for this address, or not by this name", body = ErrorBody, examples(
            ("not_near" = (value = json!({ "error": NOT_NEAR }))),
            ("by_another_name" = (value = json!({ "error": BY_OTHER_NAME }))),
        )),
        (status = 404, description = "This service shows none", body = ErrorBody, example = json!({
            "error": NO_METRICS,
        })),
    )
)]
pub(crate) async fn metrics(page: Option<Data<MetricsPage>>, request: HttpRequest) -> HttpResponse {
    let Some(page) = page else {
        return answer::error(StatusCode::NOT_FOUND, NO_METRICS);
    };
    if let Some(refusal) = page.refuse(&request) {
        return refusal;
    }
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"))
        .insert_header(("Cache-Control", "no-store"))
        .body((page.render)().await)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn from(peer: &str) -> TestRequest {
        TestRequest::default().peer_addr(peer.parse().unwrap())
    }

    #[test]
    fn only_what_comes_from_near_is_near() {
        let near =
            ["127.0.0.1:1", "10.1.2.3:1", "192.168.0.9:1", "[::1]:1", "[fd00::1]:1", "[::ffff:127.0.0.1]:1"];
        for peer in near {
            assert!(is_near(&from(peer).to_http_request()), "{peer}");
        }
        for peer in ["192.0.2.1:1", "[2001:db8::1]:1", "[::ffff:192.0.2.1]:1"] {
            assert!(!is_near(&from(peer).to_http_request()), "{peer}");
        }
        assert!(!is_near(&TestRequest::default().to_http_request()), "without an address");
    }

    #[test]
    fn a_page_that_lets_its_name_lead_here_is_not_shown_them() {
        let page = MetricsPage::new(|| async { String::new() }).known_by("worker.example");
        let shown = |host: &str| {
            page.refuse(&from("127.0.0.1:1").insert_header((HOST, host)).to_http_request()).is_none()
        };
        for host in [
            "127.0.0.1:10000",
            "[::1]:10000",
            "192.168.0.9",
            "localhost:10000",
            "worker:80",
            "Worker.Example:1",
        ] {
            assert!(shown(host), "{host}");
        }
        for host in ["evil.example", "evil.example:10000", "127.0.0.1.evil.example", "1.2.3", "\u{e4}"] {
            assert!(!shown(host), "{host}");
        }
        let by_line =
            from("127.0.0.1:1").uri("http://evil.example/metrics").insert_header((HOST, "localhost"));
        assert!(page.refuse(&by_line.to_http_request()).is_some());
        let guarded = page.clone().guarded_by(Secret::new("token"));
        let asked = from("127.0.0.1:1").insert_header((HOST, "evil.example"));
        let asked = asked.insert_header(("Authorization", "Bearer token"));
        assert!(guarded.refuse(&asked.to_http_request()).is_none());
    }

    #[test]
    fn behind_a_proxy_nobody_is_near_unless_a_trusted_one_says_so() {
        for header in ["X-Forwarded-For", "Forwarded", "Via"] {
            let request = from("127.0.0.1:1").insert_header((header, "127.0.0.1")).to_http_request();
            assert!(!is_near(&request), "{header}");
            request.extensions_mut().insert(ClientAddress("10.0.0.1".parse().unwrap()));
            assert!(is_near(&request), "{header}");
            request.extensions_mut().insert(ClientAddress("192.0.2.1".parse().unwrap()));
            assert!(!is_near(&request), "{header}");
            request.extensions_mut().insert(ClientAddress(crate::UNKNOWN_CLIENT));
            assert!(!is_near(&request), "{header}");
        }
    }
}

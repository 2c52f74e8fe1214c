//! Who called: a line for each refused caller, and if it is asked for, one for each request.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::HttpMessage;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{Next, from_fn};
use bytes::Bytes;
use telestore::types::network_of;

use crate::shared::error::Reason;
use crate::shared::patience::Received;
use crate::shared::rates::Rates;
use crate::{RequestId, client_address};

/// The target of all of these lines. It is not that of the crate, so that filters can name it, and a program that bans
/// by them finds nothing else there.
const TARGET: &str = "telestore_access";

/// How many refusals a minute are told of one address (of one /64 in IPv6): more than anybody who bans needs to see.
const ADDRESS_A_MINUTE: u64 = 20;

/// The same of all addresses together.
const ALL_A_MINUTE: u64 = 600;

/// Which requests leave a line with the client's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AccessLog {
    /// None: no address is logged.
    Off,
    /// Those that are refused with 401, 403 or 429; of one address twenty a minute.
    #[default]
    Refused,
    /// All of them, and those again.
    All,
}

/// Counts what was told. Clones count together: make one, and give a clone to each thread's app.
#[derive(Debug, Clone)]
pub struct AccessLines(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    log: AccessLog,
    addresses: Option<Rates<IpAddr>>,
    all: Option<Rates<()>>,
}

impl AccessLines {
    /// Lines for the requests that `log` says.
    pub fn new(log: AccessLog) -> Self {
        let minute = Duration::from_secs(60);
        let addresses = Rates::new(ADDRESS_A_MINUTE, minute, ADDRESS_A_MINUTE);
        Self(Arc::new(Inner { log, addresses, all: Rates::new(ALL_A_MINUTE, minute, ALL_A_MINUTE) }))
    }

    /// Whether a refusal may be told now: strangers must not be able to fill the log.
    fn may_tell(&self, address: IpAddr, now: Instant) -> bool {
        let address =
            self.0.addresses.as_ref().is_none_or(|rates| rates.take(network_of(address), now).is_ok());
        address && self.0.all.as_ref().is_none_or(|rates| rates.take((), now).is_ok())
    }
}

/// Tells of requests with the client's address. Wrap the app in it, inside of [`request_id`](crate::request_id()) and of
/// what finds out the client's address.
///
/// A refused one is a warning, `refused`, with `address`, `status`, `reason` (`invalid_token`, `missing_token`,
/// `forbidden`, `too_many`, or `refused`), `method`, `route` and `request_id`, at once. With [`AccessLog::All`] each request
/// is a line on the level info, `request`, once its answer was sent, with `received` and `sent` (bytes of the bodies) and `ms`, too.
///
/// None of these fields holds what a client chooses, but for the method and a [sane](RequestId) id: no path, no query, no
/// name. So nobody forges an address. The lines stand in no span.
pub fn access<S, B>(
    lines: &AccessLines,
) -> impl Transform<
    S,
    ServiceRequest,
    Response = ServiceResponse<BoxBody>,
    Error = actix_web::Error,
    InitError = (),
> + use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody + 'static,
{
    let lines = lines.clone();
    from_fn(move |request: ServiceRequest, next: Next<B>| {
        let lines = lines.clone();
        async move { tell(lines, request, next).await }
    })
}

async fn tell<B: MessageBody + 'static>(
    lines: AccessLines,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if lines.0.log == AccessLog::Off {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let mut line = Line::of(&request);
    let answer = match next.call(request).await {
        Ok(answer) => answer.map_into_boxed_body(),
        Err(error) => {
            line.status = error.as_response_error().status_code();
            line.finish(&lines, None);
            return Err(error);
        }
    };
    line.status = answer.status();
    line.finish(&lines, answer.response().extensions().get::<Reason>().copied());
    if lines.0.log == AccessLog::Refused {
        return Ok(answer);
    }
    Ok(answer.map_body(|_, body| BoxBody::new(Counted { body, line })))
}

/// What is told of one request.
struct Line {
    began: Instant,
    address: IpAddr,
    method: Method,
    route: String,
    status: StatusCode,
    received: Option<Received>,
    sent: u64,
    request_id: String,
}

impl Line {
    fn of(request: &ServiceRequest) -> Self {
        let extensions = request.extensions();
        let request_id = extensions.get::<RequestId>().map_or("none", RequestId::as_str).to_owned();
        let received = extensions.get::<Received>().cloned();
        drop(extensions);
        Self {
            began: Instant::now(),
            address: client_address(request),
            method: request.method().clone(),
            route: request.match_pattern().unwrap_or_else(|| "none".to_owned()),
            status: StatusCode::OK,
            received,
            sent: 0,
            request_id,
        }
    }

    /// Tells of a refusal, if it is one.
    fn finish(&self, lines: &AccessLines, reason: Option<Reason>) {
        let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS];
        if !refused.contains(&self.status) || !lines.may_tell(self.address, Instant::now()) {
            return;
        }
        tracing::warn!(
            target: TARGET,
            parent: None,
            address = %self.address,
            status = self.status.as_u16(),
            reason = %reason.map_or("refused", |Reason(reason)| reason),
            method = %self.method,
            route = %self.route,
            request_id = %self.request_id,
            "refused"
        );
    }

    fn sent(&self) {
        tracing::info!(
            target: TARGET,
            parent: None,
            address = %self.address,
            status = self.status.as_u16(),
            method = %self.method,
            route = %self.route,
            ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            received = self.received.as_ref().map_or(0, Received::bytes),
            sent = self.sent,
            request_id = %self.request_id,
            "request"
        );
    }
}

/// An answer's body that is told of when it is gone: sent, or given up.
struct Counted {
    body: BoxBody,
    line: Line,
}

impl MessageBody for Counted {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let next = self.body.as_pin_mut().poll_next(cx);
        if let Poll::Ready(Some(Ok(bytes))) = &next {
            self.line.sent += bytes.len() as u64;
        }
        next
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.line.sent();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_refused_all_the_time_does_not_fill_the_log() {
        let (lines, now) = (AccessLines::new(AccessLog::Refused), Instant::now());
        let told = |address: &str| {
            let address: IpAddr = address.parse().unwrap();
            (0..1000).filter(|_| lines.may_tell(address, now)).count() as u64
        };
        assert_eq!(told("192.0.2.1"), ADDRESS_A_MINUTE);
        assert_eq!(told("2001:db8::1") + told("2001:db8::2"), ADDRESS_A_MINUTE, "they are one network");
        let many: u64 = (0..100).map(|n| told(&format!("198.51.100.{n}"))).sum();
        assert_eq!(many, ALL_A_MINUTE - 2 * ADDRESS_A_MINUTE);
    }
}

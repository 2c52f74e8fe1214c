//! How often calls may come, and how often tokens may be guessed.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::{HttpMessage, HttpRequest};
use telestore::types::{UserId, network_of};
use telestore::{Caller, Error, Telestore};

use crate::shared::client::client_address;
use crate::shared::error::ApiError;
use crate::shared::rates::Rates;
use crate::shared::token;

/// How many seconds' worth of requests may come at once.
const BURST: u64 = 5;

/// Whose addresses are held to the limits of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LimitedAddresses {
    /// Those on the internet. Loopback and private addresses are mostly those of a proxy, whose clients would have one
    /// limit together, or of people whom the operator knows.
    #[default]
    Public,
    /// All of them.
    All,
}

impl LimitedAddresses {
    /// What the limits of `address` are counted by: the address, or its /64 network in IPv6; `None` if it has none.
    pub fn counted(self, address: IpAddr) -> Option<IpAddr> {
        let address = address.to_canonical();
        match self {
            Self::Public if is_local(address) => None,
            _ => Some(network_of(address)),
        }
    }
}

fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            // 100.64.0.0/10 is what providers share among their customers, and what some hosts' proxies call from.
            let shared = address.octets()[0] == 100 && address.octets()[1] & 0xc0 == 64;
            address.is_loopback()
                || address.is_private()
                || address.is_link_local()
                || address.is_unspecified()
                || shared
        }
        IpAddr::V6(address) => {
            address.is_loopback()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || address.is_unspecified()
        }
    }
}

/// How often calls may come; 0 is no limit. Five seconds' worth may come at once. To be changed from the default:
///
/// ```
/// let mut limits = telestore_http::RequestLimits::default();
/// limits.user_requests_per_second = 50;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestLimits {
    /// Requests a second with tokens of one user.
    pub user_requests_per_second: u64,
    /// Requests a second from one address.
    pub address_requests_per_second: u64,
    /// Tokens a minute from one address that turn out not to be valid. Beyond that, only tokens that are known already
    /// are taken from there.
    pub address_refused_tokens_per_minute: u64,
    /// Which addresses are counted.
    pub addresses: LimitedAddresses,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            user_requests_per_second: 2000,
            address_requests_per_second: 1000,
            address_refused_tokens_per_minute: 60,
            addresses: LimitedAddresses::default(),
        }
    }
}

/// Counts the calls of users and addresses. Clones count together: make one, and give a clone to each thread's app.
#[derive(Debug, Clone)]
pub struct Limiter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    users: Option<Rates<UserId>>,
    addresses: Option<Rates<IpAddr>>,
    refused: Option<Rates<IpAddr>>,
    counted: LimitedAddresses,
}

fn per_second<K: std::hash::Hash + Eq>(count: u64) -> Option<Rates<K>> {
    Rates::new(count, Duration::from_secs(1), count.saturating_mul(BURST))
}

fn too_many(what: &'static str, retry_after: Duration) -> Error {
    Error::TooManyRequests { what, retry_after }
}

impl Limiter {
    /// Counts from zero.
    pub fn new(limits: &RequestLimits) -> Self {
        let per_minute = limits.address_refused_tokens_per_minute;
        Self(Arc::new(Inner {
            users: per_second(limits.user_requests_per_second),
            addresses: per_second(limits.address_requests_per_second),
            refused: Rates::new(per_minute, Duration::from_secs(60), per_minute),
            counted: limits.addresses,
        }))
    }

    pub(crate) fn request_from(&self, address: IpAddr) -> Result<(), Error> {
        match (&self.0.addresses, self.0.counted.counted(address)) {
            (Some(rates), Some(key)) => {
                rates.take(key, Instant::now()).map_err(|wait| too_many("requests from this address", wait))
            }
            _ => Ok(()),
        }
    }

    fn request_of(&self, user: &UserId) -> Result<(), Error> {
        let Some(rates) = &self.0.users else { return Ok(()) };
        rates.take(user.clone(), Instant::now()).map_err(|wait| too_many("requests of this user", wait))
    }

    /// Whether one more token may be tried from there.
    pub(crate) fn guess_from(&self, address: IpAddr) -> Result<(), Error> {
        let rates = self.0.refused.as_ref().zip(self.0.counted.counted(address));
        let wait = rates.and_then(|(rates, key)| rates.wait(&key, Instant::now()));
        wait.map_or(Ok(()), |wait| Err(too_many("invalid tokens from this address", wait)))
    }

    pub(crate) fn refused_from(&self, address: IpAddr) {
        if let Some((rates, key)) = self.0.refused.as_ref().zip(self.0.counted.counted(address)) {
            // Those that were on their way at the same time may be more than are allowed.
            let _ = rates.take(key, Instant::now());
        }
    }
}

/// Looks at the token of a call before anything is done with it: its user may not call too often, and unknown tokens
/// may not be tried too often from one address. Says whether the call was counted as its user's.
pub(crate) async fn check_token(
    engine: &Telestore,
    request: &HttpRequest,
    caller: &Caller,
) -> Result<bool, ApiError> {
    if caller.token().is_none() {
        return Ok(false);
    }
    let limiter = request.extensions().get::<Limiter>().cloned();
    let user = engine.known(caller).await;
    if user.is_some() {
        token::is_good(request);
    }
    let Some(limiter) = limiter else { return Ok(false) };
    match user {
        Some(user) => limiter.request_of(user)?,
        None => limiter.guess_from(client_address(request))?,
    }
    Ok(user.is_some())
}

/// The same, and finds out whose the token is, by one question at most. Who calls too often is told so before: by what is
/// remembered of the token, however old, so that calls in a flood ask nobody.
pub(crate) async fn let_in(
    engine: &Telestore,
    request: &HttpRequest,
    caller: &Caller,
) -> Result<(), ApiError> {
    let counted = check_token(engine, request, caller).await?;
    token::authenticate(engine, request, caller).await?;
    let limiter = request.extensions().get::<Limiter>().cloned();
    match (limiter, caller.user()) {
        (Some(limiter), Some(user)) if !counted => Ok(limiter.request_of(user)?),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;
    use actix_web::http::StatusCode;
    use actix_web::test::TestRequest;
    use telestore::backend::{Error as BackendError, MockCredentialProvider};
    use telestore::types::{ChatId, TelegramCredentials};

    use super::*;
    use crate::testing::Told;

    #[actix_web::test]
    async fn who_calls_too_often_is_told_so_before_the_backend_is_asked() {
        // The token has run out; it is remembered that it was good.
        let mut backend = MockCredentialProvider::new();
        let alice = TelegramCredentials::new(UserId::new("alice"), ChatId::new("-1001234567890").unwrap());
        backend.expect_known().return_const(Some(Arc::new(alice)));
        backend.expect_credentials().times(5..20).returning(|_| Err(BackendError::InvalidToken));
        let engine = Told::by(backend).await.engine;
        let limits = RequestLimits { user_requests_per_second: 1, ..RequestLimits::default() };
        let request = TestRequest::default().to_http_request();
        request.extensions_mut().insert(Limiter::new(&limits));
        let (began, mut told) = (std::time::Instant::now(), Vec::new());
        for _ in 0..20 {
            let caller = Caller::new(Some("stale".into()), None);
            told.push(let_in(&engine, &request, &caller).await.unwrap_err().status_code());
        }
        assert_eq!(told[..5], [StatusCode::UNAUTHORIZED; 5]);
        let of = |status| told.iter().filter(|told| **told == status).count();
        let (asked, refused) = (of(StatusCode::UNAUTHORIZED), of(StatusCode::TOO_MANY_REQUESTS));
        // One more each second.
        let most = 5 + began.elapsed().as_secs() as usize;
        assert!(asked <= most && asked + refused == 20, "{told:?}");
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_that_many_share_are_not_counted_unless_asked_for() {
        for local in [
            "127.0.0.1",
            "10.1.2.3",
            "::ffff:192.168.0.1",
            "100.64.0.1",
            "::1",
            "fd00::1",
            "fe80::1",
            "0.0.0.0",
        ] {
            assert_eq!(LimitedAddresses::Public.counted(ip(local)), None, "{local}");
            assert!(LimitedAddresses::All.counted(ip(local)).is_some(), "{local}");
        }
        for limited in [LimitedAddresses::Public, LimitedAddresses::All] {
            assert_eq!(limited.counted(ip("::ffff:9.8.7.6")), Some(ip("9.8.7.6")));
            assert_eq!(limited.counted(ip("2001:db8:1:2:3:4:5:6")), Some(ip("2001:db8:1:2::")));
        }
    }
}

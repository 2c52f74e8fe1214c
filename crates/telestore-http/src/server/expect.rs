//! `Expect: 100-continue`: a refusal that is known before the body comes in the place of the 100.

use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::{Request, Response};
use actix_service::Service;
use actix_web::body::{BoxBody, MessageBody};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use telestore::{Caller, Telestore};

use crate::shared::limiter::Limiter;
use crate::shared::proxy::{TrustedProxies, address_of};
use crate::shared::token;

/// Whether the body of a call is a file, or a part of one: what is mounted below a scope ends alike.
fn takes_a_file(path: &str) -> bool {
    let mut segments = path.trim_end_matches('/').rsplit('/');
    let (last, before) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
    ["upload", "upload-chunk", "tus"].contains(&last) || ["upload", "tus"].contains(&before)
}

/// What is looked at before a client is told to go on with a file: the token of its header.
///
/// A client that expects a 100 asks whether its body is wanted (RFC 9110, 10.1.1). actix-http says 100 before the app sees
/// the request, so that this stands before it. The refusal itself is the app's, with all its headers, limits and log lines.
/// A request without a token in its header, or with one that is good, is told to go on.
#[derive(Debug, Clone)]
pub struct Expectations {
    engine: Telestore,
    limiter: Limiter,
    proxies: TrustedProxies,
}

impl Expectations {
    /// Looks as the app will: with its engine, its limits, and the proxies that it trusts.
    pub fn new(engine: &Telestore, limiter: &Limiter, proxies: &TrustedProxies) -> Self {
        Self { engine: engine.clone(), limiter: limiter.clone(), proxies: proxies.clone() }
    }

    /// Whether the app will refuse the request, whatever its body is.
    async fn is_refused(&self, request: &Request) -> bool {
        let Some(token) = token::bearer(&request.head().headers).filter(|_| takes_a_file(request.path()))
        else {
            return false;
        };
        let caller = Caller::from(token);
        if self.engine.known(&caller).await.is_some() {
            return false;
        }
        let peer = request.peer_addr().map(|peer| peer.ip());
        let address =
            peer.and_then(|peer| address_of(peer, &request.head().headers, &self.proxies).or(Some(peer)));
        // Who guesses too much must not have the backend asked by this door.
        let guesses = address.is_some_and(|address| self.limiter.guess_from(address).is_err());
        guesses || self.engine.authenticate(&caller).await.is_err()
    }
}

/// Stands before an app: what is refused goes to it at once, and its answer comes back as the error.
pub(crate) struct Gate<S, B> {
    app: Rc<S>,
    expectations: Expectations,
    body: PhantomData<B>,
}

impl<S, B> Gate<S, B> {
    /// For a thread's app.
    pub(crate) fn before(app: &Rc<S>, expectations: &Expectations) -> Ready<Result<Self, ()>> {
        ready(Ok(Self { app: Rc::clone(app), expectations: expectations.clone(), body: PhantomData }))
    }
}

impl<S, B> Service<Request> for Gate<S, B>
where
    S: Service<Request> + 'static,
    S::Response: Into<Response<B>>,
    S::Error: Into<Response<BoxBody>>,
    B: MessageBody + 'static,
{
    type Response = Request;
    type Error = Response<BoxBody>;
    type Future = LocalBoxFuture<'static, Result<Request, Response<BoxBody>>>;

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&self, request: Request) -> Self::Future {
        let (app, expectations) = (Rc::clone(&self.app), self.expectations.clone());
        async move {
            if !expectations.is_refused(&request).await {
                return Ok(request);
            }
            Err(match app.call(request).await {
                Ok(answer) => answer.into().map_into_boxed_body(),
                Err(error) => error.into(),
            })
        }
        .boxed_local()
    }
}

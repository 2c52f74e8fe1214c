//! Paths as clients put them together.

use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::middleware::{NormalizePath, TrailingSlash};
use actix_web::{Error, HttpMessage};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use crate::shared::slashes::Trailing;

/// The middleware that takes paths with slashes too many: `//init-upload` and `/api//init-upload`, of a base address with a
/// slash at its end, and `/init-upload/`. Wrap everything in it, so that limits, measures and logs see the very route that
/// answers.
///
/// To RFC 3986 these are other paths, but no resource of this service is called so, and clients join addresses in all
/// ways. Nothing is redirected: many clients make a `GET` of a redirected `POST`. Slashes that are escaped (`%2F`) belong to
/// an id, and stay.
///
/// ```
/// use actix_web::{App, HttpResponse, test, web};
///
/// # actix_web::rt::System::new().block_on(async {
/// let app = App::new().wrap(telestore_http::paths()).route("/health", web::get().to(HttpResponse::Ok));
/// let app = test::init_service(app).await;
/// for path in ["/health", "//health", "/health/", "///health//?a=//"] {
///     let answer = test::call_service(&app, test::TestRequest::with_uri(path).to_request()).await;
///     assert!(answer.status().is_success(), "{path}");
/// }
/// # });
/// ```
pub fn paths() -> Paths {
    Paths(NormalizePath::new(TrailingSlash::Trim))
}

/// See [`paths()`].
#[derive(Debug)]
pub struct Paths(NormalizePath);

type Normalized<S> = <NormalizePath as Transform<S, ServiceRequest>>::Transform;

impl<S, B> Transform<S, ServiceRequest> for Paths
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = PathsService<Normalized<S>>;
    type InitError = ();
    type Future = LocalBoxFuture<'static, Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        self.0.new_transform(service).map(|made| made.map(|service| PathsService { service })).boxed_local()
    }
}

/// See [`paths()`].
#[derive(Debug)]
pub struct PathsService<S> {
    service: S,
}

impl<S, B> Service<ServiceRequest> for PathsService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = S::Future;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let path = request.path();
        let slashes = path.len() - path.trim_end_matches('/').len();
        if slashes > 0 {
            request.extensions_mut().insert(Trailing(slashes));
        }
        self.service.call(request)
    }
}

//! What wraps an app: middlewares.

pub(crate) mod access;
pub(crate) mod compress;
pub(crate) mod cors;
pub(crate) mod headers;
pub(crate) mod limits;
pub(crate) mod measure;
pub(crate) mod old_http;
pub(crate) mod paths;
pub(crate) mod request_id;
pub(crate) mod trust_proxies;
pub(crate) mod tus;
pub(crate) mod upgrade;
pub(crate) mod watch;

//! How each call on an upload begins.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::web::{self, Data};
use actix_web::{Error, FromRequest, HttpRequest};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use telestore::types::UploadId;
use telestore::{Caller, Telestore};

use crate::forms::head::reading;
use crate::forms::json;
use crate::shared::error::ApiError;
use crate::shared::number::Text;
use crate::shared::options::HttpOptions;
use crate::shared::token;

/// A request, and what it is answered with.
pub(crate) struct Call {
    pub(crate) engine: Data<Telestore>,
    pub(crate) options: Data<HttpOptions>,
    pub(crate) request: HttpRequest,
}

/// A JSON body that may have the token.
pub(crate) trait WithToken: DeserializeOwned {
    /// Takes it out of the body.
    fn take_token(&mut self) -> Option<Text>;
}

impl Call {
    /// The caller by the header, once it is known that its token may be used now.
    pub(crate) async fn caller(&self) -> Result<Caller, ApiError> {
        token::of_header(&self.engine, &self.options, &self.request).await
    }

    /// The same for a call that a bad token ends before its body is taken in.
    pub(crate) async fn good_caller(&self) -> Result<Caller, ApiError> {
        token::of_good_header(&self.engine, &self.options, &self.request).await
    }

    /// The same for a call that cannot send headers, and may have the token in its query.
    pub(crate) async fn listener(&self) -> Result<Caller, ApiError> {
        token::of_listener(&self.engine, &self.options, &self.request).await
    }

    /// The caller of a call that needs a valid token, in whatever mode, by the header or the query.
    pub(crate) async fn user(&self) -> Result<Caller, ApiError> {
        token::of_user(&self.engine, &self.options, &self.request).await
    }

    /// A JSON body and the caller. The header is looked at before the body.
    pub(crate) async fn json<T: WithToken>(&self, payload: web::Payload) -> Result<(T, Caller), ApiError> {
        let header = self.caller().await?;
        let mut body: T = json::read(&self.request, payload, self.options.max_json_bytes).await?;
        let caller = token::of_json(&self.engine, &self.request, body.take_token(), header).await?;
        Ok((body, caller))
    }
}

impl FromRequest for Call {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let engine = Data::from_request(request, payload).into_inner();
        let options = Data::from_request(request, payload).into_inner();
        let request = request.clone();
        ready(engine.and_then(|engine| options.map(|options| Self { engine, options, request })))
    }
}

/// The id in a call's path.
pub(crate) struct Id(pub(crate) UploadId);

impl FromRequest for Id {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = web::Path::<String>::extract(request).into_inner();
        ready(id.and_then(|id| Ok(Self(UploadId::new(id.into_inner()).map_err(ApiError::from)?))))
    }
}

/// The last segment of a call's path, as it is meant: decoded, in whatever charset it was written.
pub(crate) struct Segment(pub(crate) String);

impl FromRequest for Segment {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let last = request.path().rsplit('/').next().unwrap_or_default();
        let bytes: Vec<u8> = percent_decode_str(last).collect();
        ready(Ok(Self(reading(&bytes))))
    }
}

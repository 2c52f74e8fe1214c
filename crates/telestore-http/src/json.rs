use actix_web::web::Payload;
use futures_util::StreamExt;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _};
use telestore::Error;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};

use crate::error::ApiError;
use crate::patience::is_too_slow;

/// Reads a JSON body, whatever its declared type.
pub(crate) async fn read<T: DeserializeOwned>(mut payload: Payload, limit: usize) -> Result<T, ApiError> {
    let mut body = Vec::new();
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(|error| match error {
            error if is_too_slow(&error) => ApiError::TooSlow,
            _ => ApiError::invalid("body ended before it was complete; send it again"),
        })?;
        if body.len() + piece.len() > limit {
            return Err(Error::TooLarge { what: "JSON body", limit: limit as u64 }.into());
        }
        body.extend_from_slice(&piece);
    }
    serde_json::from_slice(&body)
        .map_err(|error| ApiError::invalid(format!("body is not the documented JSON: {error}")))
}

/// A whole number, also where a client sends it as text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Number(pub(crate) u64);

/// The schema of a [`Number`] from 1 to `most`; as text, it is described by `pattern`.
pub(crate) fn number(description: &str, most: u64, pattern: &str) -> Schema {
    let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(most));
    let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern));
    OneOfBuilder::new().description(Some(description)).item(number).item(text).build().into()
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Number(u64),
            Text(String),
        }
        let wrong = || D::Error::custom("expected a whole number, zero or more");
        match Raw::deserialize(deserializer).map_err(|_| wrong())? {
            Raw::Number(number) => Ok(Self(number)),
            Raw::Text(text) => text.trim().parse().map(Self).map_err(|_| wrong()),
        }
    }
}

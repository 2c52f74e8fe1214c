//! Files are deleted.

use actix_web::HttpResponse;
use actix_web::web::{Path, Query};
use serde::Deserialize;

use crate::calls::call::Call;
use crate::calls::files::id_of;
use crate::calls::openapi::refusals::{
    BadDeletion, NoFile, Storage, TooMany, Unauthorized, Unavailable, UnknownMessage,
};
use crate::shared::endpoints;
use crate::shared::error::{ApiError, ApiResult};

#[derive(Deserialize)]
pub(crate) struct Wanted {
    messages: Option<String>,
}

impl Wanted {
    fn keeps_messages(query: &str) -> Result<bool, ApiError> {
        let malformed = |_| ApiError::invalid("query is malformed");
        let wanted = Query::<Self>::from_query(query).map_err(malformed)?.into_inner();
        match wanted.messages.as_deref() {
            None | Some("" | "delete") => Ok(false),
            Some("keep") => Ok(true),
            Some(_) => Err(bad_messages()),
        }
    }
}

pub(crate) fn bad_messages() -> ApiError {
    ApiError::invalid("messages must be delete or keep")
}

/// Deletes a file
///
/// It is gone from the index at once and for good, and so is the upload that it was. Its messages are deleted right after that, and
/// again and again until they are gone.
#[utoipa::path(
    delete,
    path = endpoints::DELETE_FILE.path,
    tag = "files",
    security(("token" = [])),
    params(
        ("id" = String, Path, description = "The file's `id`", example = "0f8fad5bd9cb469fa16570867728950e"),
        ("token" = Option<String>, Query, description = "The auth token, if it cannot be in the header"),
        ("messages" = Option<String>, Query, pattern = "^(delete|keep)?$", description = "`keep` leaves its messages in the channel; `delete` if nothing is said"),
    ),
    responses(
        (status = 204, description = "It is deleted"),
        BadDeletion, Unauthorized, NoFile, UnknownMessage, TooMany, Storage, Unavailable,
    )
)]
pub(crate) async fn delete(call: Call, id: Path<String>) -> ApiResult {
    let caller = call.user().await?;
    let keep = Wanted::keeps_messages(call.request.query_string())?;
    call.engine.delete_file(&id_of(&id)?, keep, &caller).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_unless_they_are_to_stay() {
        for (query, keeps) in
            [("", false), ("messages=", false), ("messages=delete&a=b", false), ("messages=keep", true)]
        {
            assert_eq!(Wanted::keeps_messages(query).unwrap(), keeps, "{query}");
        }
        assert!(Wanted::keeps_messages("messages=yes").is_err());
    }
}

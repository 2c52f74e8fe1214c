//! Faults over HTTP.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::flood::FloodShape;
use crate::faults::{Call, FaultAction};
use crate::hostile::HostileFile;
use crate::shared::Shared;
use crate::unsaid::{Unsaid, UnsaidAnswer};

/// On a response: drop the connection instead.
#[derive(Clone, Copy)]
pub(crate) struct Abort;

/// What a fault leaves of a call.
pub(crate) enum Course {
    /// Execute and answer; a document's bytes end the connection after that many.
    Go { drop_after: Option<u64> },
    /// Execute and answer with another body.
    Deform(HostileFile),
    /// Take the request in full, and answer this without executing.
    Answer(Response),
    /// Drop the connection at once.
    Abort,
    /// Take the request in full, and do this.
    Unsaid(Unsaid),
    /// Execute, then drop the connection.
    GoAndAbort,
    /// Execute, then never answer.
    GoAndHang,
}

impl Course {
    /// Counts the call and asks the faults.
    pub(crate) async fn of(shared: &Shared, method: &str, user: Option<&str>) -> Self {
        shared.stats.call(method);
        match shared.faults.strike(Call::new(method, user)).await {
            None => Self::Go { drop_after: None },
            Some(FaultAction::DropBodyAfter(bytes)) => Self::Go { drop_after: Some(bytes) },
            Some(FaultAction::HostileFile(hostile)) => Self::Deform(hostile),
            Some(FaultAction::LoseAnswer) => Self::GoAndAbort,
            Some(FaultAction::Silence) => Self::GoAndHang,
            Some(FaultAction::NoExecuteSilence) => std::future::pending().await,
            Some(FaultAction::RpcError(code, name)) => {
                Self::Answer(bot_error(code as u16, &name, json!({})).into_response())
            }
            Some(FaultAction::FloodWait(seconds) | FaultAction::FloodPremiumWait(seconds)) => {
                Self::Answer(FloodShape::Parameters.answer(seconds))
            }
            Some(FaultAction::FloodAs(shape, seconds)) => Self::Answer(shape.answer(seconds)),
            Some(FaultAction::ReturnFalse) => Self::Answer(Json(json!({"ok": false})).into_response()),
            Some(FaultAction::HttpStatus(code, body)) => {
                Self::Answer((status(code), Json(body)).into_response())
            }
            Some(FaultAction::Unsaid(unsaid)) => Self::Unsaid(unsaid),
            Some(FaultAction::HostileHttp(hostile)) => Self::Answer(hostile.answer()),
            Some(_) => Self::Abort,
        }
    }

    /// Executes what is left of the call.
    pub(crate) async fn run<F: Future<Output = Response>>(
        self,
        execute: impl FnOnce(Option<u64>) -> F,
    ) -> Response {
        match self {
            Self::Answer(response) => response,
            Self::Go { drop_after } => execute(drop_after).await,
            Self::Deform(_) => execute(None).await,
            // Only the Bot API has calls whose answer could leave that open.
            Self::Abort | Self::Unsaid(_) => abort(),
            Self::GoAndAbort => {
                execute(None).await;
                abort()
            }
            Self::GoAndHang => {
                execute(None).await;
                std::future::pending().await
            }
        }
    }

    /// Whether the caller will see the answer.
    pub(crate) fn answers(&self) -> bool {
        matches!(self, Self::Go { .. } | Self::Deform(_))
    }
}

/// No response at all.
pub(crate) fn abort() -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(Abort);
    response
}

/// An answer that does not tell what was done.
pub(crate) fn unsaid(answer: UnsaidAnswer) -> Response {
    match answer {
        UnsaidAnswer::Restart => bot_error(500, "Internal Server Error: restart", json!({})).into_response(),
        UnsaidAnswer::BadGateway => {
            let page = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad \
                        Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";
            (StatusCode::BAD_GATEWAY, [(header::CONTENT_TYPE, "text/html")], page).into_response()
        }
        UnsaidAnswer::Reset => abort(),
    }
}

/// Why a Bot API call ends without a result.
pub(crate) enum Refusal {
    /// An error in the Bot API's form.
    Error { code: u16, description: String, parameters: Value },
    /// No answer at all.
    Abort,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self::Error { code, description, parameters } = self else { return abort() };
        let mut body = json!({"ok": false, "error_code": code, "description": description});
        if parameters.as_object().is_some_and(|parameters| !parameters.is_empty()) {
            body["parameters"] = parameters;
        }
        (status(code), Json(body)).into_response()
    }
}

pub(crate) fn bot_error(code: u16, description: &str, parameters: Value) -> Refusal {
    Refusal::Error { code, description: description.to_owned(), parameters }
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

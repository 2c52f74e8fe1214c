use std::convert::Infallible;
use std::future::ready;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::web::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{once, unfold};
use telestore::types::UploadEvent;

use crate::calls::call::{Call, Id};
use crate::calls::live::{Beat, Listener, Pace};
use crate::calls::openapi::refusals::{
    BadListener, Forbidden, NoListener, NotStarted, Storage, TooMany, Unauthorized,
};
use crate::calls::progress::{Progress, tag};
use crate::shared::endpoints;
use crate::shared::error::ApiResult;
use crate::shared::measures::Ongoing;

/// Begins the first event: how long a client waits before it connects again, in milliseconds.
///
/// It is no block of its own. A block without data is no event to browsers, but some clients (httpx-sse) make one of it,
/// with nothing in it where others have JSON.
const RETRY: &str = "retry: 1000\n";

/// A comment. No blank line follows, for the same reason: it would end a block, and those clients remember the last id.
const HEARTBEAT: &[u8] = b":\n";

/// Listens to an upload by Server-Sent Events
///
/// Each event's data is what `/upload-progress` answers: first the current state, then each change, ten a second at most,
/// and at the end the final one. Then the stream ends. An upload that still receives chunks may be listened to already.
#[utoipa::path(
    get,
    path = endpoints::EVENTS.path,
    tag = "chunked",
    params(
        ("uploadId" = String, Path, description = "The upload", example = "1763790000000_k3j9x0abc"),
        ("token" = Option<String>, Query, description = "The auth token, for clients that can send no header"),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that the client has: \
            that state is not told again"),
    ),
    security((), ("token" = [])),
    responses(
        (status = 200, description = "The events", body = str, content_type = "text/event-stream"),
        (status = 204, description = "The client has the final state already"),
        BadListener, Unauthorized, Forbidden, NotStarted, TooMany, Storage, NoListener,
    )
)]
pub(crate) async fn events(call: Call, Id(id): Id) -> ApiResult {
    let Call { engine, options, request } = &call;
    let caller = call.listener().await?;
    let mut watch = engine.watch(&id, &caller).await?;
    let seen = request.headers().get("Last-Event-ID").and_then(|id| id.to_str().ok());
    if let Some(first) = watch.first().filter(|first| seen == Some(&tag(first))) {
        if first.is_final() {
            // The one answer that keeps an EventSource from coming back.
            return Ok(HttpResponse::NoContent().insert_header((CACHE_CONTROL, "no-store")).finish());
        }
        watch.skip_first();
    }
    let listener = Listener::admit(engine, options, request, &caller, Ongoing::by_events).await?;
    let pace = Pace::new(watch, options.heartbeat, listener);
    // What stands in between sends the head on with the first bytes, and the first event may be long in coming.
    let opening = once(ready(Ok(Bytes::from_static(HEARTBEAT))));
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        // Neither nginx nor a compressor may gather events.
        .insert_header(("X-Accel-Buffering", "no"))
        .insert_header((CONTENT_ENCODING, "identity"))
        // A stream's connection is of no use after it, and a stop would wait until the client closes it.
        .force_close()
        .streaming(opening.chain(unfold((pace, RETRY), next))))
}

/// The next bytes; an event begins with `first`.
async fn next(
    (mut pace, first): (Pace, &'static str),
) -> Option<(Result<Bytes, Infallible>, (Pace, &'static str))> {
    match pace.next().await {
        Beat::State(state) => Some((Ok(event(first, &state)), (pace, ""))),
        Beat::Alive => Some((Ok(Bytes::from_static(HEARTBEAT)), (pace, first))),
        Beat::Over => None,
    }
}

/// JSON holds no line break, so it is one `data` line.
fn event(first: &str, state: &UploadEvent) -> Bytes {
    format!("{first}id: {}\ndata: {}\n\n", tag(state), Progress::from(state)).into()
}

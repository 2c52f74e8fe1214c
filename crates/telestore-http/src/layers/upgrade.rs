//! Requests that would become WebSockets.

use actix_web::dev::RequestHead;
use actix_web::http::header::UPGRADE;
use actix_web::http::{ConnectionType, Method, StatusCode, Version};
use actix_web::{HttpRequest, HttpResponse};

use crate::layers::old_http::is_old;
use crate::shared::answer;
use crate::shared::endpoints::{self, SOCKET};

/// Where WebSockets are.
const SOCKETS: &str = "/ws/";

const STRAY: &str = "there is no WebSocket here: send the request without Upgrade; \
                     GET /ws/upload-progress/{uploadId} is one";

const OLD: &str = "a WebSocket needs HTTP/1.1, and this request is HTTP/1.0 (nginx: proxy_http_version 1.1); \
                   GET /upload-events/{uploadId} tells the same";

/// Whether a request asks for a WebSocket, for which actix takes all that follows on the connection for its body, whatever
/// the length that it declares. Other upgrades, which some clients offer with each request, mean nothing here.
pub(crate) fn is_asked_for(head: &RequestHead) -> bool {
    let mut upgrades = head.headers().get_all(UPGRADE);
    head.version < Version::HTTP_2
        && upgrades.any(|name| name.as_bytes().trim_ascii().eq_ignore_ascii_case(b"websocket"))
}

/// Whether it may become one.
pub(crate) fn is_socket(request: &HttpRequest) -> bool {
    // RFC 6455, 4.1.
    is_asked_for(request.head()) && (is_theirs(request) || is_for_one(request) && !is_old(request.version()))
}

/// Whether the request is for a route that is not this crate's, whose sockets are its own affair.
fn is_theirs(request: &HttpRequest) -> bool {
    endpoints::asked_for(request).is_none() && request.match_pattern().is_some()
}

fn is_for_one(request: &HttpRequest) -> bool {
    let there = match endpoints::asked_for(request) {
        Some(path) => path == SOCKET.path,
        None => request.path().contains(SOCKETS),
    };
    request.method() == Method::GET && there
}

/// The refusal of one that asks for a WebSocket where there is none.
pub(crate) fn refuse_stray(request: &HttpRequest) -> Option<HttpResponse> {
    if !is_asked_for(request.head()) || is_socket(request) {
        return None;
    }
    let why = if is_for_one(request) { OLD } else { STRAY };
    let mut refusal = answer::error(StatusCode::BAD_REQUEST, why);
    refusal.head_mut().set_connection_type(ConnectionType::Close);
    Some(refusal)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn refused(request: TestRequest) -> bool {
        refuse_stray(&request.to_http_request()).is_some()
    }

    #[test]
    fn only_a_websocket_where_there_is_none_is_refused() {
        let asks = |request: TestRequest, what: &str| request.insert_header((UPGRADE, what));
        let (post, get) =
            (|| TestRequest::post().uri("/init-upload"), || TestRequest::get().uri("/ws/upload-progress/a"));
        assert!(refused(asks(post(), "websocket")) && refused(asks(post(), " WebSocket ")));
        assert!(refused(asks(TestRequest::get().uri("/metrics"), "websocket")));
        assert!(refused(asks(TestRequest::post().uri("/ws/upload-progress/a"), "websocket")));
        // As some clients send it with everything that goes in clear.
        assert!(!refused(asks(post(), "h2c")) && !refused(post()));
        assert!(!refused(asks(get(), "websocket")));
    }
}

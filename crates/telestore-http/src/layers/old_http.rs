use actix_web::Error;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{ConnectionType, Version};
use actix_web::middleware::Next;

/// Ends a streamed answer to HTTP/1.0 with the connection, whatever the request says of keeping it.
///
/// HTTP/1.0 knows no transfer codings: a server must not send `Transfer-Encoding` unless the request was HTTP/1.1 (RFC
/// 9112, 6.1), and a body of unknown length lasts until the connection closes (6.3). nginx asks its upstreams in HTTP/1.0
/// unless it is told otherwise. actix-http looks at the version only for `Connection`.
///
/// # Errors
/// Those of the service within.
pub(crate) async fn without_chunks<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let old = is_old(request.head().version);
    let mut answer = next.call(request).await?;
    if old && answer.response().body().size() == BodySize::Stream {
        let head = answer.response_mut().head_mut();
        head.no_chunking(true);
        head.set_connection_type(ConnectionType::Close);
    }
    Ok(answer)
}

/// Whether it is HTTP before 1.1.
pub(crate) fn is_old(version: Version) -> bool {
    version < Version::HTTP_11
}

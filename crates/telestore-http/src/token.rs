use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use telestore::types::Secret;

/// The token of `Authorization: Bearer …`.
pub(crate) fn bearer(request: &HttpRequest) -> Option<Secret> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| Secret::new(token))
}

/// The token of the header where there is one, else that of the body. The header is checked before a body is taken in, so
/// it must be the one that counts.
pub(crate) fn either(body: Option<String>, header: Option<Secret>) -> Option<Secret> {
    header.or_else(|| body.filter(|token| !token.is_empty()).map(Secret::new))
}

use actix_web::http::header::{CONTENT_TYPE, HeaderMap};

use crate::forms::head::{Pairs, Parameters, Unclosed, reading};
use crate::shared::fault::Fault;

/// The boundary of a form, from the `Content-Type` of its request.
///
/// [RFC 2046, 5.1.1](https://www.rfc-editor.org/rfc/rfc2046#section-5.1.1) makes boundaries of letters, digits, blanks and
/// `'()+_,-./:=?`, and wants quotes around those that are no tokens. Python's email and others leave the quotes out, so
/// an unquoted one goes up to the next `;`. Other visible characters are taken as well: there are clients with braces.
pub(crate) fn of_request(headers: &HeaderMap) -> Result<String, Fault> {
    let kind = headers.get(CONTENT_TYPE).ok_or(Fault::NoContentType)?;
    let kind =
        Parameters::parse(kind.as_bytes(), Pairs::All).map_err(|Unclosed(name)| Fault::Quotes(name))?;
    let is_multipart = kind.kind.strip_prefix("multipart/").is_some_and(|subtype| {
        !subtype.is_empty() && subtype.bytes().all(|b| b.is_ascii_graphic() && !b"\",/".contains(&b))
    });
    if !is_multipart {
        return Err(if kind.kind.is_empty() { Fault::NoContentType } else { Fault::NoForm(kind.kind) });
    }
    let boundary = kind.get("boundary").filter(|boundary| !boundary.is_empty()).ok_or(Fault::NoBoundary)?;
    let boundary = reading(boundary);
    // Neither can stand in the header that actix-multipart reads.
    match boundary.bytes().all(|b| (b == b' ' || b.is_ascii_graphic()) && !b"\"\\".contains(&b)) {
        true => Ok(boundary),
        false => Err(Fault::Boundary(boundary)),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn of(kind: &[u8]) -> Result<String, String> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_bytes(kind).unwrap());
        of_request(&headers).map_err(|fault| fault.to_string())
    }

    #[test]
    fn boundaries_are_taken_as_clients_write_them() {
        for (parameters, boundary) in [
            ("; boundary=bnd", "bnd"),
            ("; boundary===1656==", "==1656=="),
            ("; boundary=\"===1656==\"", "===1656=="),
            ("; boundary=b/Qe:E?x", "b/Qe:E?x"),
            ("; boundary=bnd ; charset=utf-8", "bnd"),
            (";\tboundary=bnd", "bnd"),
            ("; charset=utf-8 ;BOUNDARY = bnd;", "bnd"),
            ("; charset=\"a; boundary=x\"; boundary=bnd", "bnd"),
            ("; boundary=\"a\\=\\b\"", "a=b"),
            ("; boundary=\"a b:c\"", "a b:c"),
            ("; boundary='()+_,-./:=?", "'()+_,-./:=?"),
            ("; boundary={0f8fad5b}", "{0f8fad5b}"),
            ("; boundary=one; boundary=two", "one"),
        ] {
            let kind = format!("multipart/form-data{parameters}");
            assert_eq!(of(kind.as_bytes()).as_deref(), Ok(boundary), "{kind}");
        }
        assert_eq!(of(b"Multipart/Mixed; boundary=bnd").as_deref(), Ok("bnd"));
    }

    #[test]
    fn what_is_no_form_is_named() {
        for (kind, words) in [
            (
                "application/json",
                "Content-Type is application/json: this call takes a form, multipart/form-data",
            ),
            ("", "Content-Type is missing"),
            (";;;", "Content-Type is missing"),
            ("multipart", "Content-Type is multipart: this call takes"),
            ("multipart/form-data, multipart/form-data; boundary=X", "this call takes"),
            ("multipart/form-data", "has no boundary"),
            ("multipart/form-data; boundary=", "has no boundary"),
            ("multipart/form-data; boundary=\"\"", "has no boundary"),
            ("multipart/form-data; boundary=\"x", "the quotes of boundary do not end"),
            ("multipart/form-data; boundary=\"x\\\"y\"", "has the boundary x\"y, but one is made of"),
            ("multipart/form-data; boundary=é", "has the boundary é"),
        ] {
            let fault = of(kind.as_bytes()).unwrap_err();
            assert!(fault.contains(words), "{kind}: {fault}");
        }
        assert!(of_request(&HeaderMap::new()).unwrap_err().to_string().contains("is missing"));
    }
}

use super::*;

const NAMED: &str = "Content-Disposition: form-data; name=\"a\"";

fn parse(head: impl AsRef<[u8]>) -> Result<PartHead, Fault> {
    PartHead::parse(&[head.as_ref(), b"\r\n\r\n"].concat(), 2)
}

#[test]
fn headers_are_read_in_any_order_case_and_number() {
    let many = (0..200).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
    for head in [
        NAMED.to_owned(),
        format!("CONTENT-TYPE: text/plain\r\n{}", NAMED.to_uppercase().replace("\"A\"", "a")),
        format!("{many}{NAMED}\r\nContent-Length: 77"),
        format!("MIME-Version: 1.0\nContent-Transfer-Encoding: Binary\r\n{NAMED}"),
        "Content-Disposition : form-data;\r\n name=\"a\";\r\n\tx=y".to_owned(),
        format!("{NAMED}\r\nContent-Disposition: form-data; name=\"b\""),
    ] {
        assert_eq!(parse(&head).unwrap().name, "a", "{head}");
    }
}

#[test]
fn a_name_in_any_charset_leaves_the_rest_alone() {
    let head = parse(b"Content-Disposition: form-data; name=\"file\"; filename=\"na\xefve\x07.txt\"\r\nContent-Type: Text/Plain")
        .unwrap();
    assert_eq!((head.name.as_str(), head.file_name.as_deref()), ("file", Some("naïve\u{7}.txt")));
    assert_eq!(head.content_type.unwrap().to_string(), "text/plain");
}

#[test]
fn what_is_wrong_is_named() {
    for (head, words) in [
        (String::new(), "part 2 has no Content-Disposition"),
        ("Content-Type: text/plain".to_owned(), "part 2 has no Content-Disposition"),
        (
            "Content-Disposition: attachment; name=a".to_owned(),
            "of part 2 is attachment; it must be form-data",
        ),
        ("Content-Disposition: form-data; filename=a".to_owned(), "of part 2 has no name"),
        ("Content-Disposition: form-data; name=\"a".to_owned(), "the quotes of name do not end"),
        (format!("{NAMED}\r\nnonsense"), "line 2 of the headers of part 2 is no header"),
        (format!("{NAMED}\r\n: x"), "line 2 of the headers of part 2"),
        (format!(" x\r\n{NAMED}"), "line 1 of the headers of part 2"),
        (format!("{NAMED}\r\nX: a\rb"), "line 2 of the headers of part 2"),
        (format!("{NAMED}\n\nbytes"), "line 2 of the headers of part 2 is blank and ends with LF alone"),
        (format!("{NAMED}\r\nX: y\r\nContent-Digest: a\u{1}"), "line 3 of the headers of part 2"),
    ] {
        let fault = parse(&head).unwrap_err();
        assert!(fault.to_string().contains(words), "{head}: {fault}");
        assert!(!fault.is_unsupported());
    }
}

#[test]
fn bytes_that_are_encoded_are_unsupported() {
    for (header, is) in [
        ("Content-Transfer-Encoding", "base64"),
        ("Content-Transfer-Encoding", "Quoted-Printable"),
        ("content-transfer-encoding", "x-uuencode"),
        ("Content-Encoding", "gzip"),
    ] {
        let fault = parse(format!("{NAMED}\r\n{header}: {is}")).unwrap_err();
        assert!(fault.is_unsupported() && fault.to_string().contains(is), "{fault}");
        assert!(fault.to_string().starts_with("part a has Content-"), "{fault}");
    }
    for harmless in
        ["Content-Transfer-Encoding: 8BIT", "Content-Transfer-Encoding:", "Content-Encoding: identity"]
    {
        parse(format!("{NAMED}\r\n{harmless}")).unwrap();
    }
}

#[test]
fn fields_are_text_in_their_charset() {
    let text = |kind: &str, bytes: &[u8]| {
        parse(format!("{NAMED}\r\nContent-Type: {kind}")).unwrap().text(bytes.to_vec())
    };
    assert_eq!(text("text/plain; charset=ISO-8859-1", b"na\xefve").as_deref(), Ok("naïve"));
    assert_eq!(text("text/plain; charset=\"utf-8\"", "naïve".as_bytes()).as_deref(), Ok("naïve"));
    assert_eq!(text("text/plain; charset=klingon", b"x").as_deref(), Ok("x"));
    assert_eq!(text("text/plain", b"na\xefve"), Err(b"na\xefve".to_vec()));
}

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const BOUNDARIES: &[&str] =
    &["B", "-", "--", "a--a", "----x----", "a b:c", "0123456789abcdef0123456789abcdef"];

fn head(name: &str, more: &str) -> String {
    format!("Content-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n")
}

/// Bytes that either reader may stumble over, and that end no part (but for the shortest boundaries).
fn bytes(boundary: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let texts =
        ["\r", "\n", "\r\n", "\r\n\r\n", "-", "--", "\r\n--", "\r\n-", "x", "\r\n--\r\n--\r\n--", boundary];
    prop_oneof![
        3 => proptest::sample::select(texts.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        1 => (0..boundary.len()).prop_map(move |n| format!("\r\n--{}", &boundary[..n]).into_bytes()),
        3 => vec(any::<u8>(), 0..40),
    ]
}

/// The same, and delimiters where none should be.
fn fragment(boundary: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let delimiters = ["", "\r\n", "--", "--\r\n", "-", " \r\n", "\n", "x\r\n"]
        .map(|end| format!("\r\n--{boundary}{end}"))
        .to_vec();
    prop_oneof![
        5 => bytes(boundary),
        1 => proptest::sample::select(delimiters).prop_map(String::into_bytes),
    ]
}

/// A part that may be broken in every way that a client may break it.
fn part(boundary: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let name = proptest::sample::select(vec!["file", "file", "file", "a", "uploadId"]);
    let usual =
        ["", "; filename=\"blob\"", "; filename=\"a\"\r\nContent-Type: text/plain", "\nX-Line: feed", "\n"];
    let odd = ["\r\nContent-Length: 3", "\r\nContent-Length: 0", "\r\nContent-Length: x", "\r\nno colon"];
    let more = prop_oneof![
        7 => proptest::sample::select(usual.to_vec()),
        1 => proptest::sample::select(odd.to_vec()),
    ];
    let content =
        prop_oneof![4 => vec(bytes(boundary), 0..6).boxed(), 1 => vec(fragment(boundary), 0..6).boxed()];
    (name, more, content, 0..40u8).prop_map(move |(name, more, bytes, end)| {
        let end = match end {
            0 => "",
            1 => "\n",
            _ => "\r\n",
        };
        let mut part = format!("--{boundary}{end}{}", head(name, more)).into_bytes();
        part.extend(bytes.concat());
        part.extend(b"\r\n");
        part
    })
}

fn body(boundary: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let preamble = prop_oneof![
        3 => Just(Vec::new()),
        1 => vec(fragment(boundary), 0..4).prop_map(|fragments| [fragments.concat(), b"\r\n".to_vec()].concat()),
    ];
    let ends = ["--\r\n", "--\r\n", "--\r\n", "--\r\n", "--", "--", "--\r\nepilogue\r\n\r\n", "", "\r\n"];
    let end = proptest::sample::select(ends.to_vec());
    (preamble, vec(part(boundary), 0..4), end)
        .prop_map(move |(preamble, parts, end)| {
            [preamble, parts.concat(), format!("--{boundary}{end}").into_bytes()].concat()
        })
        .boxed()
}

/// Cuts `body` where `cuts` say, each a share of its length.
fn cut(body: &[u8], cuts: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
    cuts.extend([0, body.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|ends| body[ends[0]..ends[1]].to_vec()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn forms_are_read_as_actix_multipart_reads_them(
        (boundary, body) in proptest::sample::select(BOUNDARIES).prop_flat_map(|boundary| (Just(boundary), body(boundary))),
        cuts in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        compare(boundary, &cut(&body, &cuts));
    }

    #[test]
    fn rubble_is_read_as_actix_multipart_reads_it(
        fragments in vec(prop_oneof![
            fragment("B"),
            Just(head("file", "").into_bytes()),
            Just(head("a", "").into_bytes()),
            Just(b"--B\r\n".to_vec()),
        ], 0..24),
        cuts in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        compare("B", &cut(&fragments.concat(), &cuts));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn heads_of_any_kind_are_read_or_refused(
        pieces in vec(
            prop_oneof![
                9 => proptest::sample::select(vec![
                    "Content-Disposition", "Content-Type", "Content-Digest", ":", " ", "\t", "\r\n", "\n", ";", "=", "\"", "\\",
                    "form-data", "name", "filename", "filename*", "filename*0*", "filename*1", "utf-8''", "iso-8859-1'en'",
                    "%C3", "%", "%22", "=?utf-8?B?", "=?utf-8?Q?", "?=", "0L/R", "=C3=A4", "a", "é", "\u{202e}", "*", "'",
                ]).prop_map(|text| text.as_bytes().to_vec()),
                1 => vec(any::<u8>(), 0..4),
            ],
            0..40,
        ),
    ) {
        let input = pieces.concat();
        part_head(&input);
        part_head(&[b"Content-Disposition: form-data; name=file; ", &input[..], b"\r\n\r\n"].concat());
        content_type(&[b"multipart/form-data; ", &input[..]].concat());
    }
}

fn form_of(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, bytes) in parts {
        body.extend(format!("--B\r\n{}", head(name, "")).into_bytes());
        body.extend_from_slice(bytes);
        body.extend(b"\r\n");
    }
    body.extend(b"--B--\r\n");
    body
}

fn read(body: &[u8]) -> Option<Form> {
    why_not(body).ok()
}

fn why_not(body: &[u8]) -> Result<Form, Option<Fault>> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("multipart/form-data; boundary=B"));
    finish(tapped(&headers, reads_of(&[body.to_vec()])))
}

#[test]
fn the_file_may_be_cut_anywhere_and_stand_anywhere() {
    let (file, field) = (("file", &b"\r\n--\r\n--A\r\r\n\r\n-"[..]), ("a", &b"text\r\n\r\nmore"[..]));
    let empty = ("file", &b""[..]);
    for parts in [[file, field, field], [field, file, field], [field, field, file], [field, empty, field]] {
        let body = form_of(&parts);
        let expected = parts.map(|(name, bytes)| (name.to_owned(), bytes.to_vec()));
        assert_eq!(read(&body).as_deref(), Some(&expected[..]));
        for first in 0..=body.len() {
            compare("B", &[body[..first].to_vec(), body[first..].to_vec()]);
            let second = (first + 3).min(body.len());
            compare("B", &[body[..first].to_vec(), body[first..second].to_vec(), body[second..].to_vec()]);
        }
        compare("B", &body.chunks(1).map(<[u8]>::to_vec).collect::<Vec<_>>());
    }
}

#[test]
fn a_name_that_never_ends_is_everybodys_guess() {
    let name = "file\"form-data; name=\"authToken";
    for name in [name, "a\"b", "a\"; b", "=\"="] {
        let head = format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\nx\r\n--B--\r\n");
        compare("B", &[head.into_bytes()]);
    }
}

#[test]
fn what_fuzzing_found_is_read_alike() {
    form(include_bytes!("../../../../fuzz/corpus/multipart/quotes_within_quotes"));
    form(include_bytes!("../../../../fuzz/corpus/multipart/empty_name"));
    form(include_bytes!("../../../../fuzz/corpus/multipart/junk_between_parameters"));
}

#[test]
fn a_preamble_larger_than_the_parsers_buffer_does_not_carry_the_file_along() {
    let body = [b"some line\r\n".repeat(20_000), form_of(&[("file", b"bytes of the file")])].concat();
    for size in [body.len(), 100_000, 65_536, 65_535, 40_000, 9] {
        compare("B", &body.chunks(size).map(<[u8]>::to_vec).collect::<Vec<_>>());
    }
    assert_eq!(read(&body), Some(vec![("file".to_owned(), b"bytes of the file".to_vec())]));
}

#[test]
fn bytes_that_only_resemble_a_boundary_belong_to_the_file() {
    let bytes = b"\r--B\r\n-B\r\n--b".as_slice();
    assert_eq!(read(&form_of(&[("file", bytes)])), Some(vec![("file".to_owned(), bytes.to_vec())]));
}

#[test]
fn a_file_without_an_end_is_refused() {
    let body = form_of(&[("file", b"bytes")]);
    let head = memchr::memmem::find(&body, b"\r\n\r\n").unwrap() + 4;
    for end in 0..body.len() - 2 {
        let why = why_not(&body[..end]).unwrap_err().unwrap().to_string();
        let place = match end {
            0 => "the body is empty",
            1..3 => "no line of the body begins with --B",
            3.. if end < head => "within the headers of part 1;",
            _ if end < body.len() - 4 => "within part file;",
            _ => "within the headers of part 2;",
        };
        assert!(why.contains(place), "{end}: {why}");
    }
    assert!(read(&body[..body.len() - 2]).is_some(), "all but the end of the last line");
}

#[test]
fn what_stands_beside_the_file_is_bounded() {
    let body = form_of(&[("file", &vec![7; 3 * crate::forms::tap::MOST_BESIDE])]);
    assert!(read(&body).is_some());
    let long = [vec![b'x'; crate::forms::tap::MOST_BESIDE + 1], body].concat();
    assert_eq!(why_not(&long), Err(Some(Fault::MuchBeside(crate::forms::tap::MOST_BESIDE))));
    let head = form_of(&[("file", b"x")]);
    let head = String::from_utf8(head)
        .unwrap()
        .replace("\r\n\r\n", &format!("\r\nX: {}\r\n\r\n", "x".repeat(20_000)));
    assert!(matches!(why_not(head.as_bytes()), Err(Some(Fault::LongHead { part: 1, .. }))));
}

#[test]
fn the_fuzzers_entry_takes_any_bytes() {
    for input in [&b""[..], b"\x00", b"\x07--B\r\n\r\n", &[vec![9], form_of(&[("file", b"x")])].concat()] {
        form(input);
        part_head(input);
        content_type(input);
    }
}

#[test]
fn what_stands_around_the_boundaries_is_no_part_of_the_form() {
    let plain = form_of(&[("a", b"text"), ("file", b"bytes\n--B \r\n")]);
    let expected = read(&plain).unwrap();
    let padded = String::from_utf8(plain).unwrap().replace("--B\r\n", "--B \t\r\n");
    for (before, after) in [
        ("", ""),
        ("\r\n", "\r\n"),
        ("This is a multi-part message.\r\n", "epilogue"),
        ("--Bx\n--B \n--B--x\r\n--\r\n", "\r\n--B\r\n"),
    ] {
        let body = format!("{before}{padded}{after}");
        assert_eq!(read(body.as_bytes()), Some(expected.clone()), "{body:?}");
        compare("B", &body.as_bytes().chunks(1).map(<[u8]>::to_vec).collect::<Vec<_>>());
    }
    assert_eq!(read(padded.replace("--B--\r\n", "--B-- ").as_bytes()), Some(expected));
}

#[test]
fn lines_that_end_otherwise_are_told_of() {
    let plain = String::from_utf8(form_of(&[("a", b"text"), ("file", b"bytes")])).unwrap();
    for (body, words) in [
        (plain.replace("\r\n", "\n"), "the boundary before part 1 ends with LF alone"),
        (plain.replace("--B--", "--B-"), "behind the boundary before part 3 stands '\\r'"),
        (plain.replace("text\r\n--B", "text\r\n--Bx"), "behind the boundary before part 2 stands 'x'"),
        (plain.replace("--B", "--C"), "no line of the body begins with --B,"),
    ] {
        let why = why_not(body.as_bytes()).unwrap_err().unwrap().to_string();
        assert!(why.contains(words), "{body:?}: {why}");
    }
}

#[test]
fn a_declared_length_of_a_part_is_ignored() {
    let form = String::from_utf8(form_of(&[("file", b"bytes"), ("a", b"text")])).unwrap();
    let expected = read(form.as_bytes());
    for length in ["5", "4", "0", "-1", "x"] {
        let form = form.replace("\r\n\r\n", &format!("\r\nContent-Length: {length}\r\n\r\n"));
        assert_eq!(read(form.as_bytes()), expected, "{length}");
    }
}

#[test]
fn the_properties_are_about_forms_that_are_accepted_too() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let accepted = (0..300).filter(|_| {
        let body = body("B").new_tree(&mut runner).unwrap().current();
        read(&body).is_some_and(|form| form.iter().any(|(name, bytes)| name == FILE && !bytes.is_empty()))
    });
    let accepted = accepted.count();
    assert!(accepted > 60, "{accepted} of 300");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_a_client_writes_hides_nothing_that_its_proxy_appends(
        written in vec(
            proptest::sample::select(vec![
                "\"", "\\", ",", ";", "=", "[", "]", " ", "\n", "for=", "proto=https", "127.0.0.1", "10.0.0.1", "é",
                "::1", "unknown", "for=\"10.0.0.1, ", "\\\"",
            ]),
            0..30,
        ),
        times in prop_oneof![9 => Just(1), 1 => 1..400usize],
    ) {
        proxy_headers(written.concat().repeat(times).as_bytes());
    }
}

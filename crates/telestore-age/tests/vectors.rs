//! The test vectors of C2SP for the header, X25519 and the payload: `vectors/README.md`.

use std::io::Read;

use bytes::BytesMut;
use flate2::read::ZlibDecoder;
use sha2::{Digest, Sha256};
use telestore_age::{Error, Header, Identity, MAX_HEADER, Parsed};

/// A file, and what is to become of it.
struct Vector {
    name: String,
    expect: String,
    /// The digest of what is given out before it fails, or in all.
    payload: Option<String>,
    identities: Vec<Identity>,
    passphrase: bool,
    file: Vec<u8>,
}

fn vectors() -> Vec<Vector> {
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors")).unwrap();
    let files = folder.map(|file| file.unwrap().path()).filter(|path| path.extension().is_none());
    files
        .map(|path| {
            vector(path.file_name().unwrap().to_string_lossy().into_owned(), &std::fs::read(&path).unwrap())
        })
        .collect()
}

fn vector(name: String, bytes: &[u8]) -> Vector {
    let end = bytes.windows(2).position(|two| two == b"\n\n").unwrap();
    let (head, file) = (std::str::from_utf8(&bytes[..end]).unwrap(), &bytes[end + 2..]);
    let mut vector = Vector {
        name,
        expect: String::new(),
        payload: None,
        identities: Vec::new(),
        passphrase: false,
        file: file.to_vec(),
    };
    for line in head.lines() {
        match line.split_once(": ").unwrap() {
            ("expect", what) => vector.expect = what.to_owned(),
            ("payload", digest) => vector.payload = Some(digest.to_owned()),
            ("identity", identity) => vector.identities.push(identity.parse().unwrap()),
            ("passphrase", _) => vector.passphrase = true,
            ("compressed", "zlib") => {
                vector.file.clear();
                ZlibDecoder::new(file).read_to_end(&mut vector.file).unwrap();
            }
            ("file key" | "comment", _) => {}
            other => panic!("{}: {other:?}", vector.name),
        }
    }
    vector
}

/// Reads the header, from ever more bytes, as it comes.
fn header(file: &[u8]) -> Result<Header, Error> {
    for end in 0..=file.len().min(MAX_HEADER + 16) {
        match Header::parse(&file[..end])? {
            Parsed::Whole(header) => {
                assert_eq!(header.rewritten(), file[..end], "it has another spelling");
                return Ok(header);
            }
            Parsed::Incomplete => {}
        }
    }
    Err(Error::Malformed("it is cut off"))
}

/// Decrypts as much as can be, in order, and says in which way that ends.
fn opened(vector: &Vector, plain: &mut Vec<u8>) -> &'static str {
    let header = match header(&vector.file) {
        Ok(header) => header,
        Err(Error::NotAge | Error::Malformed(_)) => return "header failure",
        Err(error) => panic!("{}: {error}", vector.name),
    };
    let payload = match header.open(&vector.identities) {
        Ok(payload) => payload,
        Err(Error::NoMatch) => return "no match",
        Err(Error::Mac) => return "HMAC failure",
        Err(Error::Malformed(_)) => return "header failure",
        Err(Error::Passphrase) => return "passphrase",
        Err(error) => panic!("{}: {error}", vector.name),
    };
    let length = vector.file.len() as u64;
    let fits = payload.plain_len(length);
    let mut index = 0;
    loop {
        let (range, is_last) = (payload.chunk_range(index, length), payload.is_last(index, length));
        let mut chunk = BytesMut::from(&vector.file[range.start as usize..range.end as usize]);
        if payload.decrypt_chunk(index, is_last, &mut chunk).is_err() {
            assert!(chunk.is_empty(), "{}", vector.name);
            return "payload failure";
        }
        plain.extend_from_slice(&chunk);
        if is_last {
            // Whoever asks for the length alone has believed it.
            assert_eq!(fits, Ok(plain.len() as u64), "{}", vector.name);
            return "success";
        }
        index += 1;
    }
}

/// Who reads a stream finds out behind a whole chunk whether it was the last one, and has given its bytes out until then. Here
/// the length of the file is known, each chunk is tried as what it must be only, and what does not fit is not given out.
const GIVES_LESS: [(&str, usize); 7] = [
    ("stream_no_final_full", 0),
    ("stream_no_final_two_chunks_full", 65_536),
    ("stream_trailing_garbage_long", 0),
    ("stream_trailing_garbage_short", 0),
    ("stream_two_final_chunks", 0),
    ("stream_two_final_chunks_full", 0),
    ("stream_two_final_chunks_second", 65_536),
];

#[test]
fn each_vector_ends_as_it_says() {
    let (mut seen, mut succeeded, mut gave_less) = (0, 0, Vec::new());
    for vector in vectors() {
        let mut plain = Vec::new();
        let became = opened(&vector, &mut plain);
        // Without passphrases, that it needs one is all that can be said of it.
        let expect =
            if vector.passphrase && vector.expect == "success" { "passphrase" } else { &vector.expect };
        assert_eq!(became, expect, "{}", vector.name);
        if let Some(digest) = vector.payload.filter(|_| !vector.passphrase) {
            let gave = hex::encode(Sha256::digest(&plain));
            if became == "payload failure" && gave != digest {
                gave_less.push((vector.name, plain.len()));
            } else {
                assert_eq!(gave, digest, "{}", vector.name);
            }
        }
        seen += 1;
        succeeded += u32::from(became == "success");
    }
    gave_less.sort();
    let gave_less: Vec<_> = gave_less.iter().map(|(name, length)| (&name[..], *length)).collect();
    assert_eq!(gave_less, GIVES_LESS);
    assert_eq!((seen, succeeded), (71, 14));
}

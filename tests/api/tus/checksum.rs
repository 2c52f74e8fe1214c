//! Checksum.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use crate::support::{File, MIB, Stage};
use crate::tus::{OFFSET_STREAM, Tus, number, refused};

/// "The Server MUST support at least the SHA1 checksum algorithm identified by sha1."
#[tokio::test]
async fn bytes_with_their_digest_are_taken_by_each_algorithm() {
    let stage = Stage::new().await;
    let (tus, file) = (Tus::new(&stage), File::new(5000));
    let path = tus.begin_file(&file).await;
    for (at, piece) in file.bytes.chunks(1000).enumerate() {
        let checksum = match at {
            0 => format!("sha1 {}", STANDARD.encode(Sha1::digest(piece))),
            1 => format!("sha256 {}", STANDARD.encode(Sha256::digest(piece))),
            2 => format!("sha512 {}", STANDARD.encode(Sha512::digest(piece))),
            3 => format!("md5 {}", STANDARD.encode(Md5::digest(piece))),
            _ => format!("crc32 {}", STANDARD.encode(crc32(piece).to_be_bytes())),
        };
        let patch = tus.patch(&path, at * 1000).header("Upload-Checksum", checksum);
        let answer = patch.body(piece.to_vec()).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), number(&answer, "upload-offset")), (204, (at + 1) * 1000));
    }
    tus.arrived(&path, &file).await;
}

/// CRC-32 as of zip, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

/// "The Server MUST verify"; "If the verification of the checksum fails the Server MUST respond with 460 Checksum Mismatch";
/// "the Server MUST discard the chunk, and its upload and its offset MUST NOT be updated"; "if the hash algorithm is not supported
/// 400 Bad Request".
#[tokio::test]
async fn other_bytes_are_a_460_that_changes_nothing() {
    let stage = Stage::new().await;
    let tus = Tus::new(&stage);
    let path = tus.begin(&[("Upload-Length", "20000000")]).await;
    let wrong = format!("sha1 {}", STANDARD.encode(Sha1::digest(b"something else")));
    for bytes in [b"hello".to_vec(), vec![7; 9 * MIB]] {
        let patch =
            tus.patch(&path, 0).header("Upload-Checksum", &wrong).header("Origin", "https://a.example");
        let answer = patch.body(bytes).send().await.unwrap();
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
        let (status, words) = refused(answer).await;
        assert!(status == 460 && words.contains("digest"), "{status} {words}");
        assert_eq!(tus.offset(&path).await, 0, "also of what is more than a piece");
    }
    stage.emptied(&["chunks", "spool"]).await;
    for unknown in ["sha3 AAAA", "sha1 ???", "sha-1 AAAA"] {
        let answer =
            tus.patch(&path, 0).header("Upload-Checksum", unknown).body("hello").send().await.unwrap();
        let (status, words) = refused(answer).await;
        assert!(status == 400 && words.contains("upload-checksum"), "{unknown}: {status} {words}");
    }
    let right = format!("sha1 {}", STANDARD.encode(Sha1::digest(b"hello")));
    let answer = tus.patch(&path, 0).header("Upload-Checksum", right).body("hello").send().await.unwrap();
    assert_eq!(number(&answer, "upload-offset"), 5);
}

/// Nothing of a body is recorded before its digest fits, so it must be one that can wait: a chunk.
#[tokio::test]
async fn a_long_body_with_a_digest_is_refused_before_it_comes() {
    let stage = Stage::with(&[("TELESTORE_MAX_CHUNK_BYTES", "1 MiB")]).await;
    let tus = Tus::new(&stage);
    let path = tus.begin(&[("Upload-Length", "20000000")]).await;
    let bytes = vec![7; 2 * MIB];
    let checksum = format!("sha1 {}", STANDARD.encode(Sha1::digest(&bytes)));
    let known = tus.patch(&path, 0).header("Upload-Checksum", &checksum).body(bytes.clone());
    let (status, words) = refused(known.send().await.unwrap()).await;
    assert!(status == 413 && words.contains("1048576"), "{status} {words}");
    let pieces: Vec<Result<Vec<u8>, std::io::Error>> =
        bytes.chunks(MIB / 4).map(|piece| Ok(piece.to_vec())).collect();
    let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    let unknown = tus.patch(&path, 0).header("Upload-Checksum", &checksum).body(stream);
    assert_eq!(refused(unknown.send().await.unwrap()).await.0, 413);
    assert_eq!(tus.offset(&path).await, 0);
    assert_eq!(tus.append(&path, 0, &bytes).await, bytes.len(), "without one it comes in pieces");
}

/// A script sends the digest of the whole file, in hexadecimal digits, with each call.
#[tokio::test]
async fn what_is_no_digest_of_a_body_is_left_out() {
    let stage = Stage::new().await;
    let (tus, file) = (Tus::new(&stage), File::new(2000));
    let whole = format!("sha1 {}", STANDARD.encode(hex::encode(Sha1::digest(&file.bytes))));
    let (length, name) = ("2000", crate::tus::name_of(&file));
    let path = tus
        .begin(&[("Upload-Length", length), ("Upload-Metadata", &name), ("Upload-Checksum", &whole)])
        .await;
    for at in [0, 1000] {
        let patch = tus.patch(&path, at).header("Upload-Checksum", &whole);
        assert_eq!(patch.body(file.bytes[at..at + 1000].to_vec()).send().await.unwrap().status(), 204);
    }
    tus.arrived(&path, &file).await;
}

/// With creation and upload in one: what does not have its digest is not there at all.
#[tokio::test]
async fn a_creation_with_other_bytes_leaves_nothing() {
    let stage = Stage::new().await;
    let tus = Tus::new(&stage);
    let wrong = format!("sha256 {}", STANDARD.encode(Sha256::digest(b"something else")));
    let request = tus.request("POST", "/tus").header("Upload-Length", "5").header("Upload-Checksum", wrong);
    let answer = request.header("Content-Type", OFFSET_STREAM).body("hello").send().await.unwrap();
    assert!(!answer.headers().contains_key("location"));
    assert_eq!(refused(answer).await.0, 460);
    stage.emptied(&["chunks", "spool"]).await;
    assert!(stage.sandbox.messages_of(&stage.user).is_empty());
}

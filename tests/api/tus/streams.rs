//! Bodies that flow: what was sent before a cut is there, and a newer request goes on.

use std::ops::RangeInclusive;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{File, MIB, Stage, soon};
use crate::tus::{OFFSET_STREAM, Tus, number, refused};

/// A PATCH whose body is written by hand.
pub(crate) struct Line(TcpStream);

impl Line {
    /// The head of a PATCH of `length` bytes.
    pub(crate) async fn patch(stage: &Stage, path: &str, offset: usize, length: usize) -> Self {
        let mut socket = TcpStream::connect(stage.address()).await.expect("connects");
        let head = format!(
            "PATCH {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nTus-Resumable: 1.0.0\r\n\
             Content-Type: {OFFSET_STREAM}\r\nUpload-Offset: {offset}\r\nContent-Length: {length}\r\n\r\n",
            stage.user.auth_token
        );
        socket.write_all(head.as_bytes()).await.expect("writes");
        Self(socket)
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("the worker reads");
        self.0.flush().await.expect("flushes");
    }
}

/// Waits until a HEAD says that so much is there.
pub(crate) async fn reaches(tus: &Tus<'_>, path: &str, offset: usize) {
    comes_to(tus, path, offset..=offset).await;
}

async fn comes_to(tus: &Tus<'_>, path: &str, offsets: RangeInclusive<usize>) {
    soon("the bytes", async {
        loop {
            let at = tus.offset(path).await;
            assert!(at <= *offsets.end(), "{at} of {offsets:?}");
            if offsets.contains(&at) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// The most that the HTTP server has read from a line, and drops if it is cut before the route has taken it.
const ON_ITS_WAY: usize = MIB / 2;

/// Core, PATCH: "The Server SHOULD always attempt to store as much of the received data as possible."
#[tokio::test]
async fn what_came_before_a_cut_is_there() {
    for sent in [1, 700_000, 9 * MIB] {
        let stage = Stage::new().await;
        let (tus, file) = (Tus::new(&stage), File::new(20 * MIB + 3));
        let path = tus.begin_file(&file).await;
        let mut line = Line::patch(&stage, &path, 0, file.bytes.len()).await;
        line.send(&file.bytes[..sent]).await;
        reaches(&tus, &path, sent).await;
        line.send(&file.bytes[sent..sent + 2 * MIB]).await;
        drop(line);
        let sent = sent + 2 * MIB;
        comes_to(&tus, &path, sent - ON_ITS_WAY..=sent).await;
        sends_the_rest(&tus, &path, &file).await;
        tus.arrived(&path, &file).await;
    }
}

/// Sends the rest, as clients do: from where a HEAD says, and again if the end of another request has moved that meanwhile.
async fn sends_the_rest(tus: &Tus<'_>, path: &str, file: &File) {
    let rest = async {
        loop {
            let at = tus.offset(path).await;
            let rest = tus.patch(path, at).body(file.bytes[at..].to_vec());
            // A refusal may come while the body is sent, and close the line.
            let Ok(answer) = rest.send().await else { continue };
            match answer.status().as_u16() {
                204 => break,
                409 | 423 => {}
                status => panic!("{status} at {at}"),
            }
        }
    };
    soon("the rest", rest).await;
}

/// A server learns of a dead line later than its client: the next PATCH does not wait for that. A HEAD says what was recorded, and
/// has it recorded.
#[tokio::test]
async fn a_newer_patch_ends_one_that_hangs() {
    let stage = Stage::new().await;
    let (tus, file) = (Tus::new(&stage), File::new(20 * MIB));
    let path = tus.begin_file(&file).await;
    let mut hangs = Line::patch(&stage, &path, 0, file.bytes.len()).await;
    hangs.send(&file.bytes[..3 * MIB]).await;
    reaches(&tus, &path, 3 * MIB).await;
    // What still comes on the old line comes again.
    hangs.send(&file.bytes[3 * MIB..3 * MIB + 1000]).await;
    assert_eq!(tus.append(&path, 3 * MIB, &file.bytes[3 * MIB..4 * MIB]).await, 4 * MIB);
    let elsewhere = tus.patch(&path, 0).body("hello").send().await.unwrap();
    assert_eq!(refused(elsewhere).await.0, 409);
    tus.append(&path, 4 * MIB, &file.bytes[4 * MIB..]).await;
    tus.arrived(&path, &file).await;
    drop(hangs);
}

/// Clients ask how far they are while they send, and go on with it.
#[tokio::test]
async fn a_head_does_not_end_the_patch_that_runs() {
    let stage = Stage::new().await;
    let (tus, file) = (Tus::new(&stage), File::new(12 * MIB));
    let path = tus.begin_file(&file).await;
    let mut line = Line::patch(&stage, &path, 0, file.bytes.len()).await;
    for (at, piece) in file.bytes.chunks(MIB / 2).enumerate() {
        line.send(piece).await;
        if at % 3 == 1 {
            reaches(&tus, &path, (at + 1) * MIB / 2).await;
        }
    }
    tus.arrived(&path, &file).await;
}

/// A PATCH with the wrong offset is refused, and the one that runs goes on.
#[tokio::test]
async fn a_wrong_patch_does_not_end_the_one_that_runs() {
    let stage = Stage::new().await;
    let (tus, file) = (Tus::new(&stage), File::new(4 * MIB));
    let path = tus.begin_file(&file).await;
    let mut line = Line::patch(&stage, &path, 0, file.bytes.len()).await;
    line.send(&file.bytes[..MIB]).await;
    reaches(&tus, &path, MIB).await;
    for offset in [0, 1, 2 * MIB] {
        assert_eq!(refused(tus.patch(&path, offset).body("hello").send().await.unwrap()).await.0, 409);
    }
    line.send(&file.bytes[MIB..]).await;
    tus.arrived(&path, &file).await;
}

/// Two that begin at the same offset: one is kept, and nothing is mixed up.
#[tokio::test]
async fn of_patches_at_one_offset_one_is_kept() {
    let stage = Stage::new().await;
    let (tus, file) = (Tus::new(&stage), File::new(MIB));
    let path = tus.begin_file(&file).await;
    let patch = || async {
        let answer = tus.patch(&path, 0).body(file.bytes.clone()).send().await.unwrap();
        answer.status().as_u16()
    };
    let statuses = tokio::join!(patch(), patch(), patch(), patch());
    let statuses = [statuses.0, statuses.1, statuses.2, statuses.3];
    assert!(statuses.contains(&204), "{statuses:?}");
    assert!(statuses.iter().all(|status| [204, 409, 423].contains(status)), "{statuses:?}");
    tus.arrived(&path, &file).await;
}

/// Termination of an upload whose PATCH hangs.
#[tokio::test]
async fn a_delete_ends_a_patch_that_hangs() {
    let stage = Stage::new().await;
    let tus = Tus::new(&stage);
    let path = tus.begin(&[("Upload-Length", "20000000")]).await;
    let mut hangs = Line::patch(&stage, &path, 0, 20_000_000).await;
    hangs.send(&vec![7; MIB]).await;
    reaches(&tus, &path, MIB).await;
    assert_eq!(tus.request("DELETE", &path).send().await.unwrap().status(), 204);
    assert_eq!(tus.head(&path).await.status(), 404);
    stage.emptied(&["chunks", "spool"]).await;
}

/// One PATCH of a large file is recorded in pieces, and takes no memory.
#[tokio::test]
async fn one_large_patch_is_recorded_as_it_flows() {
    let stage = Stage::with(&[("TELESTORE_EAGER", "off")]).await;
    let tus = Tus::new(&stage);
    let length = 300 * MIB;
    let text = length.to_string();
    let path = tus.begin(&[("Upload-Length", &text)]).await;
    let mut line = Line::patch(&stage, &path, 0, length).await;
    let piece = vec![7; MIB];
    for _ in 0..20 {
        line.send(&piece).await;
    }
    let before = stage.memory();
    let mut most = before;
    for _ in 20..200 {
        line.send(&piece).await;
        most = most.max(stage.memory());
    }
    reaches(&tus, &path, 200 * MIB).await;
    assert!(most < before + 16 * MIB as u64, "{} MiB more", (most - before) / MIB as u64);
    drop(line);
    assert_eq!(tus.request("DELETE", &path).send().await.unwrap().status(), 204);
}

/// What comes chunked, of unknown length, is taken as it comes, and what is too much is refused.
#[tokio::test]
async fn bodies_of_unknown_length_are_taken() {
    let stage = Stage::new().await;
    let (tus, file) = (Tus::new(&stage), File::new(9 * MIB));
    let stream = |bytes: &[u8]| {
        let pieces: Vec<Result<Vec<u8>, std::io::Error>> =
            bytes.chunks(100_000).map(|piece| Ok(piece.to_vec())).collect();
        reqwest::Body::wrap_stream(futures_util::stream::iter(pieces))
    };
    let path = tus.begin_file(&file).await;
    let answer = tus.patch(&path, 0).body(stream(&file.bytes[..MIB])).send().await.unwrap();
    assert_eq!(number(&answer, "upload-offset"), MIB);
    let more = [&file.bytes[MIB..], b"too much"].concat();
    assert_eq!(refused(tus.patch(&path, MIB).body(stream(&more)).send().await.unwrap()).await.0, 413);
    let at = tus.offset(&path).await;
    assert!(at < file.bytes.len(), "the last byte would complete it");
    tus.patch(&path, at).body(stream(&file.bytes[at..])).send().await.unwrap();
    tus.arrived(&path, &file).await;
}

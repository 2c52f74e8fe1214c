//! Every size at which something begins, by every door, by both APIs, in every form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::RngExt as _;
use reqwest::multipart::{Form as Parts, Part};
use sha2::{Digest, Sha256};
use telestore_sandbox::Via;

use crate::support::{File, MIB, Stage};
use crate::{Form, Scene, bytes};

/// How many ranges are read of all files of one run; the runs are eight.
const RANGES: usize = 250;

/// A piece of the runs that make pieces.
const PIECE: usize = 3 * MIB;

/// Where a block of age, a part, a block that is read, a frame, a large file and a piece begin.
const EDGES: [usize; 7] = [64 << 10, 512 << 10, 256 << 10, MIB, 10 * MIB, PIECE, 2 * PIECE];

/// What a block of age adds, and the header of a file for one: where its ciphertext ends at an edge.
const SEAL: usize = 16;
const HEADER: usize = 184;

fn sizes() -> Vec<usize> {
    let mut sizes = vec![1, 2, 100];
    for edge in EDGES {
        sizes.extend([edge - 1, edge, edge + 1]);
        // The ciphertext ends at the edge.
        let blocks = edge.div_ceil(64 << 10);
        sizes.extend((edge.checked_sub(HEADER + SEAL * blocks)).filter(|size| *size > 0));
    }
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Door {
    Chunks,
    Upload,
    Put,
    Tus,
}

impl Door {
    const ALL: [Self; 4] = [Self::Chunks, Self::Upload, Self::Put, Self::Tus];

    /// By which one a size comes in a run. Another one in each of the runs of an API: sizes stand in groups of four around an edge, so
    /// that by its place alone each edge would be met by the same door in all of them.
    fn of(number: usize, form: Form, via: Via) -> Self {
        let run = Form::ALL.iter().position(|one| *one == form).expect("one of them");
        Self::ALL[(number + run + usize::from(via == Via::BotApi)) % Self::ALL.len()]
    }

    async fn send(self, stage: &Stage, name: &str, bytes: &[u8]) {
        let token = &stage.user.auth_token;
        match self {
            Self::Chunks => {
                let file = File::of(bytes.to_vec(), &[2 * MIB + 5]).named(name);
                assert_eq!(stage.send(&file).await["status"], "completed");
            }
            Self::Upload => {
                let part = Part::bytes(bytes.to_vec()).file_name(name.to_owned());
                let form = Parts::new().part("file", part).text("authToken", token.clone());
                stage.form("/upload", form).await.ok();
            }
            Self::Put => {
                let put = stage.client.put(stage.url(&format!("/upload/{name}"))).bearer_auth(token);
                let answer = put.body(bytes.to_vec()).send().await.expect("an answer");
                assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
            }
            Self::Tus => {
                let create =
                    stage.client.post(stage.url("/tus")).bearer_auth(token).header("Tus-Resumable", "1.0.0");
                let create = create.header("Upload-Length", bytes.len());
                let create = create.header("Upload-Metadata", format!("filename {}", STANDARD.encode(name)));
                let answer = create.send().await.expect("an answer");
                assert_eq!(answer.status(), 201);
                let location = answer.url().join(answer.headers()["Location"].to_str().unwrap()).unwrap();
                let patch =
                    stage.client.patch(location.clone()).bearer_auth(token).header("Tus-Resumable", "1.0.0");
                let patch = patch
                    .header("Upload-Offset", 0)
                    .header("Content-Type", "application/offset+octet-stream");
                assert_eq!(patch.body(bytes.to_vec()).send().await.expect("an answer").status(), 204);
                let id = location.path().rsplit('/').next().unwrap();
                assert_eq!(stage.end(id).await["status"], "completed");
            }
        }
    }
}

async fn come_back(form: Form, via: Via, settings: &[(&str, &str)]) {
    let scene = Scene::new(form, settings).await;
    let sizes = sizes();
    for (number, size) in sizes.iter().enumerate() {
        let door = Door::of(number, form, via);
        let (name, bytes) = (format!("log-{size}.txt"), bytes(*size));
        let told = format!("{form:?}, {via:?}, {door:?}: {size} bytes");
        door.send(&scene.stage, &name, &bytes).await;
        let file = scene.newest().await;
        assert_eq!((&file["fileName"], &file["size"]), (&name.as_str().into(), &(*size).into()), "{told}");
        assert_eq!(file["encrypted"], form.is_encrypted(), "{told}");
        let compressed = file["compressed"] == true;
        // Below 64 KiB there is nothing to gain.
        assert_eq!(compressed, form.is_compressed() && *size >= 64 << 10, "{told}");
        let messages = scene.messages(&file);
        assert!(messages.iter().all(|message| message.via == via), "{told}");
        assert!(scene.opened_by_hand(&file).await == bytes, "{told}, by hand");
        let path = format!("/files/{}/content", file["id"].as_str().unwrap());
        let whole = scene.get(&path).send().await.expect("an answer");
        assert_eq!(whole.status(), 200, "{told}");
        let whole = whole.bytes().await.expect("all of it");
        assert_eq!(Sha256::digest(&whole), Sha256::digest(&bytes), "{told}");
        for _ in 0..RANGES.div_ceil(sizes.len()) {
            let from = rand::rng().random_range(0..*size);
            let to = rand::rng().random_range(from..*size);
            let got = scene.get(&path).header("Range", format!("bytes={from}-{to}")).send().await.unwrap();
            assert_eq!(got.status(), 206, "{told}");
            assert!(got.bytes().await.expect("all of it") == bytes[from..=to], "{told}, {from} to {to}");
        }
    }
}

#[test]
fn each_size_comes_by_every_door_by_both_apis() {
    for (number, size) in sizes().into_iter().enumerate() {
        for via in [Via::Mtproto, Via::BotApi] {
            for door in Door::ALL {
                let comes = Form::ALL.into_iter().any(|form| Door::of(number, form, via) == door);
                assert!(comes, "{size} bytes, {via:?}, {door:?}");
            }
        }
    }
}

#[tokio::test]
async fn by_mtproto() {
    for form in Form::ALL {
        come_back(
            form,
            Via::Mtproto,
            &[("TELESTORE_PREFER_MTPROTO", "on"), ("TELESTORE_PIECE_BYTES", "3MiB")],
        )
        .await;
    }
}

#[tokio::test]
async fn by_the_bot_api() {
    for form in Form::ALL {
        come_back(form, Via::BotApi, &[]).await;
    }
}

//! Large files, which no memory holds.

use std::sync::LazyLock;

use futures_util::{StreamExt, stream};
use rand::RngExt as _;
use reqwest::Body;
use sha2::{Digest, Sha256};

use crate::support::MIB;
use crate::{Form, Scene, bytes};

/// What blocks have in common.
static COMMON: LazyLock<Vec<u8>> = LazyLock::new(|| bytes(MIB));

/// The mebibyte `index` of a file, which is nowhere the same: each 4 KiB begin with a number of their own.
fn block(index: u64) -> Vec<u8> {
    let mut block = COMMON.clone();
    for (page, place) in block.chunks_mut(4 << 10).enumerate() {
        let number = (index << 8 | page as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        place[..16].copy_from_slice(format!("{number:016x}").as_bytes());
    }
    block
}

/// A file of so many mebibytes goes by one `PUT`, and comes back with the same SHA-256.
async fn comes_back(form: Form, mebibytes: u64, pieces: usize, settings: &[(&str, &str)]) {
    let scene = Scene::new(form, settings).await;
    let client = reqwest::Client::new();
    let blocks = stream::iter((0..mebibytes).map(|index| Ok::<_, std::io::Error>(block(index))));
    let put = client.put(scene.stage.url("/upload/large.log")).bearer_auth(&scene.stage.user.auth_token);
    let put = put.header("Content-Length", mebibytes * MIB as u64).body(Body::wrap_stream(blocks));
    let answer = put.send().await.expect("an answer");
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    let file = scene.newest().await;
    assert_eq!(scene.messages(&file).len(), pieces, "{form:?}");
    let path = format!("/files/{}/content", file["id"].as_str().unwrap());
    let request = client.get(scene.stage.url(&path)).bearer_auth(&scene.stage.user.auth_token);
    let mut body = request.send().await.expect("an answer").bytes_stream();
    let mut came = Sha256::new();
    while let Some(piece) = body.next().await {
        came.update(piece.expect("all of it"));
    }
    let mut sent = Sha256::new();
    for index in 0..mebibytes {
        sent.update(block(index));
    }
    assert_eq!(came.finalize(), sent.finalize(), "{form:?}");
    for _ in 0..20 {
        let index = rand::rng().random_range(0..mebibytes - 1);
        let from = index * MIB as u64 + rand::rng().random_range(0..MIB as u64);
        let got = scene
            .get(&path)
            .header("Range", format!("bytes={from}-{}", from + MIB as u64 - 1))
            .send()
            .await
            .unwrap();
        let two = [block(index), block(index + 1)].concat();
        let at = (from - index * MIB as u64) as usize;
        assert!(got.bytes().await.expect("all of it") == two[at..at + MIB], "{form:?} at {from}");
    }
}

#[tokio::test]
async fn three_hundred_mebibytes_in_every_form() {
    for form in Form::ALL {
        comes_back(form, 300, 1, &[]).await;
    }
}

#[tokio::test]
async fn five_gibibytes_are_three_messages() {
    comes_back(Form::Age, 5 << 10, 3, &[("TELESTORE_MAX_FILE_BYTES", "6GiB"), ("TELESTORE_EAGER", "off")])
        .await;
}

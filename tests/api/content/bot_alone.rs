//! Files given back where there is nothing but a bot's token.

use telestore_sandbox::{Fault, FaultAction, Sandbox, UserSpec, Via};

use super::broken::taken;
use super::encoded::{Keys, opened};
use super::{Got, Kept, ask, random};
use crate::support::{MIB, Stage, text};

fn bot() -> UserSpec {
    UserSpec::new("bob").without_session()
}

/// Takes the whole of a file and some ranges of it.
async fn comes_back(stage: &Stage, file: &Kept) {
    let all = file.bytes.len();
    let whole = file.get(stage, &[]).await;
    assert_eq!((whole.status, whole.header("content-length")), (200, all.to_string().as_str()));
    assert!(whole.body == file.bytes, "{all}");
    let head = Got::of(file.ask(stage, "HEAD")).await;
    assert_eq!((head.status, head.header("content-length")), (200, all.to_string().as_str()));
    for (from, to) in [(0, 1), (all / 2, all), (all - 1, all), (all / 3, all / 3 * 2 + 1)] {
        let part = file.get(stage, &[("Range", &format!("bytes={from}-{}", to - 1))]).await;
        assert_eq!(part.header("content-range"), format!("bytes {from}-{}/{all}", to - 1));
        assert!(part.status == 206 && part.body == file.bytes[from..to], "{from}..{to} of {all}");
    }
}

#[tokio::test]
async fn a_bot_alone_gives_back_what_it_has_sent() {
    let stage = Stage::of(bot(), &[]).await;
    for length in [1, 5 * MIB, 20 * MIB] {
        comes_back(&stage, &Kept::put(&stage, "a.bin", None, random(length)).await).await;
    }
    let stats = stage.sandbox.stats();
    assert_eq!((stats.calls("upload.getFile"), stats.calls("getFile")), (0, 3), "one question for each file");
}

#[tokio::test]
async fn what_the_bot_api_does_not_give_is_told_in_words() {
    let stage = Stage::of(bot(), &[]).await;
    let larger = Kept::put(&stage, "a.bin", None, random(20 * MIB + 1)).await;
    let said = larger.get(&stage, &[]).await.error(409);
    assert!(said.contains("20 MB") && said.contains("api_id"), "{said}");
    let by_number = Got::of(ask(&stage, "GET", "/messages/2/content")).await.error(409);
    assert!(by_number.contains("Telegram session"), "{by_number}");
}

#[tokio::test]
async fn pieces_of_what_the_bot_api_gives_make_files_of_any_size() {
    let stage = Stage::of(bot(), &[("TELESTORE_BOT_API_MAX_BYTES", "20 MiB")]).await;
    let file = Kept::put(&stage, "a.bin", None, random(41 * MIB)).await;
    assert_eq!(stage.sandbox.messages_of(&stage.user).len(), 3);
    comes_back(&stage, &file).await;
}

#[tokio::test]
async fn a_bot_alone_gives_back_what_it_has_encrypted_and_compressed() {
    let keys = Keys::new();
    let identity = keys.worker.expose();
    for (encrypt, compress) in [("on", "off"), ("off", "on"), ("on", "on")] {
        let settings = [
            ("TELESTORE_ENCRYPT", encrypt),
            ("TELESTORE_COMPRESS", compress),
            ("TELESTORE_AGE_RECIPIENTS", keys.recipients.as_str()),
            ("TELESTORE_AGE_IDENTITY", identity.as_str()),
            // The largest file becomes several messages.
            ("TELESTORE_BOT_API_MAX_BYTES", "1 MiB"),
        ];
        let stage = Stage::of(bot(), &settings).await;
        for length in [1, 65_536, MIB + 1, 9 * MIB] {
            let told = format!("{length} bytes, age {encrypt}, zstd {compress}");
            let before = stage.sandbox.messages_of(&stage.user).len();
            let file = Kept::put(&stage, "access.log", Some("text/plain"), text(length)).await;
            comes_back(&stage, &file).await;
            let messages = stage.sandbox.messages_of(&stage.user).split_off(before);
            assert!(messages.len() > 1 || length < 9 * MIB, "{told}");
            assert!(messages.iter().all(|message| message.via == Via::BotApi), "{told}");
            // What lies there is what it is to be, and not the file as it came.
            let raw = Got::of(ask(&stage, "GET", &format!("{}?raw=1", file.path()))).await.body;
            let inner = if encrypt == "on" { opened(&raw, &keys.elsewhere) } else { raw.clone() };
            let is_compressed = compress == "on" && length >= 65_536;
            assert_eq!(inner.starts_with(b"\x28\xb5\x2f\xfd"), is_compressed, "{told}");
            assert_eq!(raw.starts_with(b"age-encryption.org/v1\n"), encrypt == "on", "{told}");
        }
        assert_eq!(stage.sandbox.stats().calls("upload.getFile"), 0);
    }
}

#[tokio::test]
async fn what_breaks_is_not_seen_by_the_client_and_what_stays_broken_is() {
    let mut stage = Stage::of(bot(), &[]).await;
    stage.kill().await;
    stage.record();
    stage.start().await;
    let file = Kept::put(&stage, "a.bin", None, random(4 * MIB)).await;
    let faults = stage.sandbox.faults();
    faults.inject(Fault::new("file", FaultAction::DropBodyAfter(1_000_000)).times(2));
    faults.inject(Fault::rpc_error("file", 404, "Not Found").once());
    faults.inject(Fault::flood_wait("file", 1).once());
    faults.inject(Fault::drop_connection("file").once());
    assert!(file.get(&stage, &[]).await.body == file.bytes);
    assert_eq!(stage.sandbox.stats().calls("file"), 6);
    faults.inject(Fault::new("file", FaultAction::DropBodyAfter(1_000_000)).once());
    faults.inject(Fault::drop_connection("file"));
    let (length, got, ended) = taken(file.ask(&stage, "GET")).await;
    assert!(!ended && got.len() < length as usize && got == file.bytes[..got.len()]);
    let log = stage.logged("a download broke off").await;
    let secret = stage.user.bot_token.split_once(':').expect("a token").1;
    assert!(!log.contains(secret), "{log}");
    faults.clear();
    let rest = file.get(&stage, &[("Range", &format!("bytes={}-", got.len()))]).await;
    assert!(rest.body == file.bytes[got.len()..], "it goes on from there");
}

#[tokio::test]
async fn files_of_a_local_server_come_from_its_disk() {
    let dir = tempfile::tempdir().expect("a directory");
    let sandbox = Sandbox::builder().local_bot_api(true).dir(dir.path()).default_user(false);
    let sandbox = sandbox.start().await.expect("the sandbox starts");
    sandbox.add_user(bot());
    let mut stage = Stage::before(sandbox, &[("TELESTORE_BOT_API_MAX_BYTES", "100 MiB")]);
    stage.start().await;
    let file = Kept::put(&stage, "a.bin", None, random(51 * MIB)).await;
    let said = file.get(&stage, &[]).await.error(409);
    assert!(said.contains("--local"), "{said}");
    stage.kill().await;
    stage.set("TELESTORE_BOT_API_FILES", dir.path().to_str().expect("text"));
    stage.start().await;
    comes_back(&stage, &file).await;
    assert_eq!(stage.sandbox.stats().calls("file"), 0);
}

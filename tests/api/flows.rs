//! Every size by both flows and both APIs.

use futures_util::StreamExt;
use reqwest::multipart::{Form, Part};
use serde_json::json;
use telestore_sandbox::Via;

use crate::support::{File, MIB, Stage, soon};

async fn arrives_in_chunks(length: usize, via: Via) {
    let stage = Stage::new().await;
    let file = File::new(length);
    let end = stage.send(&file).await;
    assert_eq!(end["status"], "completed", "{end}");
    let message = stage.arrived(&file);
    assert_eq!(message.via, via);
    assert_eq!(end["messageId"], message.message_id);
    let file_id = if via == Via::BotApi { message.file_id } else { message.document_id.to_string() };
    assert_eq!(end["fileId"], file_id);
}

#[tokio::test]
async fn one_byte_arrives_by_bot_api() {
    arrives_in_chunks(1, Via::BotApi).await;
}

#[tokio::test]
async fn one_mebibyte_arrives_by_bot_api() {
    arrives_in_chunks(MIB, Via::BotApi).await;
}

#[tokio::test]
async fn exactly_one_chunk_arrives_by_bot_api() {
    arrives_in_chunks(5 * MIB, Via::BotApi).await;
}

#[tokio::test]
async fn one_chunk_and_one_byte_arrive_by_bot_api() {
    arrives_in_chunks(5 * MIB + 1, Via::BotApi).await;
}

#[tokio::test]
async fn forty_nine_mebibytes_arrive_by_bot_api() {
    arrives_in_chunks(49 * MIB, Via::BotApi).await;
}

#[tokio::test]
async fn fifty_one_mebibytes_arrive_by_mtproto() {
    arrives_in_chunks(51 * MIB, Via::Mtproto).await;
}

#[tokio::test]
async fn a_hundred_and_twenty_mebibytes_arrive_by_mtproto() {
    arrives_in_chunks(120 * MIB, Via::Mtproto).await;
}

#[tokio::test]
async fn the_limit_itself_goes_by_bot_api_and_one_byte_more_by_mtproto() {
    let limit = MIB.to_string();
    let stage = Stage::with(&[("TELESTORE_BOT_API_MAX_BYTES", &limit)]).await;
    for length in [MIB, MIB + 1] {
        assert_eq!(stage.send(&File::new(length)).await["status"], "completed");
    }
    let via: Vec<Via> = stage.sandbox.messages_of(&stage.user).iter().map(|message| message.via).collect();
    assert_eq!(via, [Via::BotApi, Via::Mtproto]);
}

#[tokio::test]
async fn a_small_file_by_mtproto_passes_its_checksum() {
    let stage = Stage::with(&[("TELESTORE_BOT_API_MAX_BYTES", "1")]).await;
    let file = File::new(3 * MIB + 17);
    assert_eq!(stage.send(&file).await["status"], "completed");
    assert_eq!(stage.arrived(&file).via, Via::Mtproto);
    assert_eq!(stage.sandbox.stats().calls("upload.saveBigFilePart"), 0);
}

#[tokio::test]
async fn chunks_arrive_reversed() {
    let stage = Stage::new().await;
    let file = File::new(22 * MIB);
    for index in (0..file.total()).rev() {
        stage.chunk(&file, index).await.ok();
    }
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
}

#[tokio::test]
async fn chunks_of_unequal_sizes_arrive_shuffled() {
    let stage = Stage::new().await;
    let file = File::in_chunks(60 * MIB, &[1, 7 * MIB + 3, 512, 11 * MIB, 2 * MIB + 1]);
    let mut order: Vec<usize> = (0..file.total()).collect();
    rand::seq::SliceRandom::shuffle(order.as_mut_slice(), &mut rand::rng());
    for index in order {
        stage.chunk(&file, index).await.ok();
    }
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
}

#[tokio::test]
async fn chunks_arrive_four_at_a_time_and_more_than_once() {
    let stage = Stage::new().await;
    let file = File::new(30 * MIB);
    let twice = (0..file.total()).chain(0..file.total());
    let answers: Vec<_> = futures_util::stream::iter(twice)
        .map(|index| stage.chunk(&file, index))
        .buffer_unordered(4)
        .collect()
        .await;
    let complete =
        answers.into_iter().map(|answer| answer.ok()).filter(|answer| answer["complete"] == true).count();
    assert!(complete >= 1, "the last one says that all are there");
    let status = stage.get(&format!("/upload-status/{}", file.id)).await.ok();
    assert_eq!(status["received_chunks"], file.total());
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
}

#[tokio::test]
async fn the_documented_flow_begins_with_init() {
    let stage = Stage::new().await;
    let file = File::new(12 * MIB).named("video.mp4");
    let init = json!({
        "uploadId": file.id, "fileName": file.name, "totalChunks": file.total(), "fileSize": file.bytes.len(),
    });
    let answer = stage.post("/init-upload", init.clone()).await.ok();
    let expected = json!({ "success": true, "uploadId": file.id, "message": "Upload session initialized" });
    assert_eq!(answer, expected);
    stage.chunk(&file, 0).await.ok();
    assert_eq!(stage.post("/init-upload", init).await.ok(), expected, "again, and nothing is lost");
    stage.chunk(&file, 1).await.ok();
    stage.chunk(&file, 2).await.ok();
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    assert_eq!(stage.arrived(&file).mime_type, "video/mp4");
}

#[tokio::test]
async fn a_replaced_chunk_counts_once_and_the_last_bytes_win() {
    let stage = Stage::new().await;
    let (old, mut file) = (File::new(11 * MIB), File::new(11 * MIB));
    file.id.clone_from(&old.id);
    stage.chunks(&old).await;
    let answer = stage.chunk(&file, 1).await.ok();
    assert_eq!((&answer["received_chunks"], &answer["complete"]), (&json!(3), &json!(true)));
    stage.chunk(&file, 0).await.ok();
    stage.chunk(&file, 2).await.ok();
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
}

#[tokio::test]
async fn direct_uploads_of_any_size_choose_the_api_by_size() {
    for (length, via) in [(1, Via::BotApi), (8 * MIB, Via::BotApi), (51 * MIB, Via::Mtproto)] {
        let stage = Stage::new().await;
        let file = File::new(length).named("document.pdf");
        let answer = stage.direct(&file).await.ok();
        let message = stage.arrived(&file);
        assert_eq!((message.via, message.mime_type.as_str()), (via, "application/pdf"));
        let file_id = if via == Via::BotApi { message.file_id } else { message.document_id.to_string() };
        let channel = stage.user.channel_id.to_string();
        let url = format!("https://t.me/c/{}/{}", channel.trim_start_matches("-100"), message.message_id);
        let listed = stage.client.get(stage.url("/files")).bearer_auth(&stage.user.auth_token);
        let file = stage.ask(listed).await.ok()["files"][0]["id"].clone();
        let expected = json!({
            "success": true, "messageId": message.message_id, "fileId": file_id, "fileName": "document.pdf", "url": url,
            "file": file,
        });
        assert_eq!(answer, expected);
    }
}

#[tokio::test]
async fn a_direct_upload_takes_the_name_and_the_type_of_its_part() {
    let stage = Stage::new().await;
    let part = Part::bytes(b"<svg/>".to_vec()).file_name("../drawing.bin").mime_str("image/svg+xml").unwrap();
    let form = Form::new().part("file", part).text("authToken", stage.user.auth_token.clone());
    assert_eq!(stage.form("/upload", form).await.ok()["fileName"], "drawing.bin");
    let messages = stage.sandbox.messages_of(&stage.user);
    assert_eq!(
        (messages[0].file_name.as_str(), messages[0].mime_type.as_str()),
        ("drawing.bin", "image/svg+xml")
    );
}

#[tokio::test]
async fn the_type_is_that_of_the_name_or_plain_bytes_where_nothing_was_declared() {
    let stage = Stage::new().await;
    for name in ["photo.jpg", "no-ending"] {
        assert_eq!(stage.send(&File::new(10).named(name)).await["status"], "completed");
    }
    let types: Vec<String> =
        stage.sandbox.messages_of(&stage.user).into_iter().map(|m| m.mime_type).collect();
    assert_eq!(types, ["image/jpeg", "application/octet-stream"]);
}

#[tokio::test]
async fn names_in_any_script_arrive_as_they_are() {
    let stage = Stage::with(&[("TELESTORE_BOT_API_MAX_BYTES", "1000")]).await;
    for length in [10, 2000] {
        let file = File::new(length).named("отпуск \"2026\" 日本.zip");
        assert_eq!(stage.send(&file).await["status"], "completed");
        file.assert_is(stage.sandbox.messages_of(&stage.user).last().unwrap());
    }
}

#[tokio::test]
async fn without_a_session_string_files_go_by_the_bot_api_whatever_their_size() {
    let stage = Stage::new().await;
    let bob = stage.sandbox.add_user(telestore_sandbox::UserSpec::new("bob").without_session());
    let small = File::new(10);
    stage.form("/upload", small.direct(&bob.auth_token)).await.ok();
    small.assert_is(&stage.sandbox.messages_of(&bob)[0]);
    let large = File::new(51 * MIB);
    let answer = soon("an answer", stage.form("/upload", large.direct(&bob.auth_token))).await.ok();
    assert_eq!(answer["messages"].as_array().unwrap().len(), 2);
    let sizes: Vec<_> = stage.sandbox.messages_of(&bob).iter().map(|message| message.size).collect();
    assert_eq!(sizes, [10, 50 * MIB as u64, MIB as u64]);
}

#[tokio::test]
async fn a_pyrogram_session_string_works_with_the_configured_data_centre() {
    let sandbox_dc = Stage::new().await;
    let user = sandbox_dc.user.clone();
    let (mtproto, bot_api) =
        (sandbox_dc.sandbox.mtproto_addr().to_string(), sandbox_dc.sandbox.bot_api_url());
    let data = tempfile::tempdir().unwrap();
    let mut command = crate::support::program();
    command
        .env("TELESTORE_DATA_DIR", data.path())
        .env("TELEGRAM_BOT_API_URL", bot_api)
        .env("TELESTORE_MTPROTO_DC", mtproto)
        .env("TELESTORE_CHANNEL_ID", &user.channel_id)
        .env("TELESTORE_TELEGRAM_SESSION", user.pyrogram_session.as_deref().unwrap())
        .env("TELESTORE_AUTH_TOKENS", "first-token,second-token");
    let worker = crate::support::Worker::start(&mut command).await;
    let file = File::new(2 * MIB);
    let request =
        sandbox_dc.client.post(format!("{}/upload", worker.url)).multipart(file.direct("second-token"));
    sandbox_dc.ask(request).await.ok();
    assert_eq!(sandbox_dc.arrived(&file).via, Via::Mtproto);
    let refused =
        sandbox_dc.client.post(format!("{}/upload", worker.url)).multipart(file.direct("third-token"));
    sandbox_dc.ask(refused).await.error(401);
}

//! Concatenation.

use telestore_sandbox::{Fault, UserSpec};

use crate::support::{File, MIB, Stage, soon};
use crate::tus::{Tus, id_of, name_of, number, path_of, refused};

/// The paths of parts that hold the bytes of `file`, each ending where `ends` says.
pub(crate) async fn parts_of(tus: &Tus<'_>, file: &File, ends: &[usize]) -> Vec<String> {
    let mut parts = Vec::new();
    let starts = [0].iter().chain(ends);
    for (start, end) in starts.zip(ends) {
        let length = (end - start).to_string();
        let path = tus.begin(&[("Upload-Length", &length), ("Upload-Concat", "partial")]).await;
        tus.append(&path, 0, &file.bytes[*start..*end]).await;
        parts.push(path);
    }
    parts
}

/// "The Server MAY or MAY NOT process partial uploads; they MUST be concatenated as per the order in the list"; "the length of the
/// final upload MUST be the sum of the length of all partial uploads"; "the Client MUST NOT include the Upload-Length header"; "the
/// HEAD of a partial upload MUST contain Upload-Concat: partial", "of a final one the Upload-Concat header as it was sent".
#[tokio::test]
async fn parts_become_a_file_in_their_order() {
    let stage = Stage::new().await;
    let (tus, file) = (Tus::new(&stage), File::new(21 * MIB));
    let parts = parts_of(&tus, &file, &[7 * MIB, 7 * MIB + 1, file.bytes.len()]).await;
    for part in &parts {
        let answer = tus.head(part).await;
        assert_eq!(answer.headers()["upload-concat"], "partial");
        assert_eq!(stage.progress(id_of(part)).await.status, 404, "a part is never sent alone");
        let completed = stage.complete(id_of(part)).await;
        assert!(completed.error(409).contains("part of another file"));
    }
    let concat = format!("final;{} {} {}", parts[0], stage.url(&parts[1]), parts[2].trim_start_matches('/'));
    let path = tus.begin(&[("Upload-Concat", &concat), ("Upload-Metadata", &name_of(&file))]).await;
    let answer = tus.head(&path).await;
    assert_eq!(answer.headers()["upload-concat"], concat);
    let length = file.bytes.len();
    assert_eq!((number(&answer, "upload-length"), number(&answer, "upload-offset")), (length, length));
    tus.arrived(&path, &file).await;
    stage.emptied(&["chunks", "spool"]).await;
    for part in &parts {
        assert_eq!(tus.head(part).await.status(), 404, "what is in the channel needs no parts");
    }
}

/// "The Server MUST respond with the 403 Forbidden status to PATCH requests against a final upload URL and MUST NOT modify the final or
/// its partial uploads."
#[tokio::test]
async fn a_final_upload_takes_no_bytes() {
    let stage = Stage::new().await;
    let (tus, file) = (Tus::new(&stage), File::new(2000));
    let parts = parts_of(&tus, &file, &[1000, 2000]).await;
    let concat = format!("final;{}", parts.join(" "));
    let with_length = tus.create(&[("Upload-Concat", &concat), ("Upload-Length", "2000")]).await;
    assert_eq!(refused(with_length).await.0, 400);
    let path = tus.begin(&[("Upload-Concat", &concat), ("Upload-Metadata", &name_of(&file))]).await;
    let (status, words) = refused(tus.patch(&path, 2000).body("more").send().await.unwrap()).await;
    assert!(status == 403 && words.contains("final upload"), "{status} {words}");
    tus.arrived(&path, &file).await;
}

/// Termination: "the Server SHOULD respond with the 404 Not Found or 410 Gone status", also to a PATCH.
#[tokio::test]
async fn a_final_upload_that_was_ended_is_gone() {
    let stage = Stage::new().await;
    let (tus, file) = (Tus::new(&stage), File::new(2000));
    let parts = parts_of(&tus, &file, &[1000, 2000]).await;
    let held = stage.sandbox.faults().inject(Fault::hold("sendDocument"));
    let path = tus.begin(&[("Upload-Concat", &format!("final;{}", parts.join(" ")))]).await;
    soon("the send", stage.sandbox.faults().wait_fired(held, 1)).await;
    assert_eq!(tus.request("DELETE", &path).send().await.unwrap().status(), 204);
    assert_eq!(refused(tus.patch(&path, 2000).body("more").send().await.unwrap()).await.0, 404);
}

/// What cannot be put together is refused, and the parts stay.
#[tokio::test]
async fn unfinished_strange_and_other_users_parts_are_refused() {
    let stage = Stage::new().await;
    let (tus, file) = (Tus::new(&stage), File::new(2000));
    let other = Tus { stage: &stage, token: stage.sandbox.add_user(UserSpec::new("bob")).auth_token };
    let parts = parts_of(&tus, &file, &[1000, 2000]).await;
    let theirs = parts_of(&other, &file, &[1000]).await;
    let open = tus.begin(&[("Upload-Length", "5"), ("Upload-Concat", "partial")]).await;
    let plain = tus.begin(&[("Upload-Length", "5")]).await;
    for (last, why) in [
        (open.as_str(), "not whole"),
        (plain.as_str(), "there is no part"),
        (theirs[0].as_str(), "there is no part"),
        ("/tus/unknown", "there is no part"),
        ("/tus/%20", "no upload"),
    ] {
        let concat = format!("final;{} {last}", parts[0]);
        let (status, words) = refused(tus.create(&[("Upload-Concat", &concat)]).await).await;
        assert!(status == 400 && words.contains(why), "{last}: {status} {words}");
    }
    for wrong in ["final", "final;", "final; ", "Partial", "whole", ""] {
        let answer = tus.create(&[("Upload-Concat", wrong)]).await;
        let (status, words) = refused(answer).await;
        assert!(status == 400 && words.contains("upload-"), "{wrong}: {status} {words}");
    }
    let concat = format!("final;{}", parts.join(" "));
    let path = tus.begin(&[("Upload-Concat", &concat), ("Upload-Metadata", &name_of(&file))]).await;
    tus.arrived(&path, &file).await;
}

/// "The Client MAY use a partial upload more than once": twice in one file, and in several that are put together at once.
#[tokio::test]
async fn a_part_may_be_used_more_than_once() {
    let stage = Stage::new().await;
    let (tus, file) = (Tus::new(&stage), File::new(3 * MIB));
    let parts = parts_of(&tus, &file, &[MIB, file.bytes.len()]).await;
    let forward = format!("final;{} {} {}", parts[0], parts[1], parts[0]);
    let backward = format!("final;{} {}", parts[1], parts[0]);
    let (one, two) = (
        [("Upload-Concat", forward.as_str()), ("Upload-Metadata", "name b25l")],
        [("Upload-Concat", backward.as_str()), ("Upload-Metadata", "name dHdv")],
    );
    let made = tokio::join!(tus.create(&one), tus.create(&two), tus.create(&one), tus.create(&two));
    let answers = [made.0, made.1, made.2, made.3];
    for answer in &answers {
        assert_eq!(answer.status(), 201);
        assert_eq!(stage.end(id_of(&path_of(answer))).await["status"], "completed");
    }
    let (head, tail) = file.bytes.split_at(MIB);
    let expected = |bytes: Vec<u8>, name: &str| File { bytes, ..file.clone() }.named(name);
    let one = expected([head, tail, head].concat(), "one");
    let two = expected([tail, head].concat(), "two");
    let messages = stage.sandbox.messages_of(&stage.user);
    assert_eq!(messages.len(), 4);
    for message in &messages {
        if message.sent_name == "one" { one.assert_is(message) } else { two.assert_is(message) }
    }
    stage.emptied(&["chunks", "spool"]).await;
}

/// Parts that are ended, and a final upload that is killed on its way: bytes live as long as somebody needs them.
#[tokio::test]
async fn ended_parts_leave_the_file_its_bytes() {
    let mut stage = Stage::new().await;
    let (tus, file) = (Tus::new(&stage), File::new(2 * MIB));
    let parts = parts_of(&tus, &file, &[MIB, file.bytes.len()]).await;
    let held = stage.sandbox.faults().inject(telestore_sandbox::Fault::hold("sendDocument"));
    let concat = format!("final;{}", parts.join(" "));
    let path = tus.begin(&[("Upload-Concat", &concat), ("Upload-Metadata", &name_of(&file))]).await;
    for part in &parts {
        assert_eq!(tus.request("DELETE", part).send().await.unwrap().status(), 204);
    }
    crate::support::soon("the send", stage.sandbox.faults().wait_fired(held, 1)).await;
    stage.kill().await;
    stage.sandbox.faults().clear();
    stage.start().await;
    Tus::new(&stage).arrived(&path, &file).await;
    stage.emptied(&["chunks", "spool"]).await;
}

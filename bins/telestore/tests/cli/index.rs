//! The list of files, links to them, and their end.

use serde_json::Value;

use super::Scene;
use super::mock::Fault;

#[tokio::test]
async fn files_are_listed_the_newest_first() {
    let scene = Scene::new().await;
    let ids: Vec<String> =
        (0..5).map(|index| scene.mock.has(&format!("{index} b\n.txt"), b"bytes")).collect();
    let ran = scene.run(&["list"]).await.ends(0);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 5, "{}", ran.out);
    assert_eq!(lines[0], format!("{}         5 B  2026-11-22 05:40  4 b\\n.txt", ids[4]));
    let ran = scene.run(&["list", "-n", "2", "--json"]).await.ends(0);
    let files: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(files.len(), 2);
    assert_eq!(
        (&files[1]["state"], &files[1]["id"], &files[1]["size"]),
        (&"file".into(), &ids[3].as_str().into(), &5.into())
    );
    assert_eq!(files[1]["fileName"], "3 b\n.txt");
    let ran = scene.run(&["list", "2 B"]).await.ends(0);
    assert!(ran.out.starts_with(&ids[2]) && ran.out.lines().count() == 1, "{}", ran.out);
    // Uploads are another thing.
    assert_eq!(scene.run(&["list", "--uploads"]).await.ends(0).out, "");
    scene.run(&["list", "--uploads", "text"]).await.ends(2);
    scene.mock.fault("GET /files?", &[Fault::Status(404, "", "")]);
    let ran = scene.run(&["list"]).await.ends(1);
    assert!(ran.err.contains("has no index of files"), "{}", ran.err);
}

#[tokio::test]
async fn a_reader_that_has_enough_ends_a_list() {
    let scene = Scene::new().await;
    for index in 0..10 {
        scene.mock.has(&format!("{index}.txt"), b"bytes");
    }
    let mut command = scene.program(&["list"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    command.stdout(writer);
    assert!(command.status().await.unwrap().success());
    assert_eq!(scene.mock.requests("GET /files?").len(), 1);
}

#[tokio::test]
async fn links_are_printed() {
    let scene = Scene::new().await;
    let id = scene.mock.has("a.bin", b"bytes");
    let ran = scene.run(&["link", &id]).await.ends(0);
    assert_eq!(ran.out, format!("{}/files/{id}/content?link=3600\n", scene.mock.url));
    let ran = scene.run(&["link", "a.bin", "nothing.bin", "--for", "2days", "--json"]).await.ends(3);
    assert!(
        ran.out.contains("link=172800") && ran.out.contains("\"expiresAt\":\"2026-11-22T06:40:00.000Z\""),
        "{}",
        ran.out
    );
    assert!(ran.out.lines().last().unwrap().contains("\"kind\":\"gone\""), "{}", ran.out);
    scene.run(&["link", "nothing.bin"]).await.ends(1);
    scene.run(&["link", &id, "--for", "10ms"]).await.ends(2);
    scene.run(&["link", &id, "--for", "soon"]).await.ends(2);
}

#[tokio::test]
async fn what_is_deleted_is_gone() {
    let scene = Scene::new().await;
    let ids: Vec<String> = (0..3).map(|index| scene.mock.has(&format!("{index}.txt"), b"bytes")).collect();
    scene.run(&["rm", &ids[0], "1.txt"]).await.ends(2);
    assert_eq!(scene.mock.files().len(), 3, "nothing is deleted by a wrong command");
    // A lost answer is no failure.
    scene.mock.fault("DELETE /files/", &[Fault::LoseAnswer]);
    let ran = scene.run(&["rm", &ids[0]]).await.ends(0);
    assert_eq!(ran.out, "0.txt: deleted\n");
    let ran = scene.run(&["rm", &ids[0], &ids[1], "--json"]).await.ends(1);
    assert!(
        ran.out.contains("\"state\":\"unknown\"") && ran.out.contains("\"state\":\"deleted\""),
        "{}",
        ran.out
    );
    assert_eq!(scene.mock.files().len(), 1);
    scene.run(&["rm", &ids[1]]).await.ends(1);
}

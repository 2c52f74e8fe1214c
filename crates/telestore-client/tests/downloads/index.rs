//! The list, and what is done with one file of it.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use telestore_client::{Client, ErrorKind, FileQuery};

use super::mock::Fault;
use super::{Scene, TOKEN};

async fn names(scene: &Scene, query: FileQuery) -> Vec<String> {
    let files: Vec<_> = scene.client.files(query).try_collect().await.unwrap();
    files.into_iter().map(|file| file.file_name).collect()
}

#[tokio::test]
async fn files_come_page_by_page() {
    let scene = Scene::of(7).await;
    for index in 1..8 {
        scene.mock.has(&format!("{index} a&b.txt"), b"bytes");
    }
    scene.mock.fault("GET /files?", &[Fault::Drop, Fault::Status(503, "", "")]);
    let all = names(&scene, FileQuery::new()).await;
    assert_eq!((all.len(), all[0].as_str(), all[7].as_str()), (8, "7 a&b.txt", "film é.mkv"));
    assert_eq!(names(&scene, FileQuery::new().page(1).named("FILM")).await, ["film é.mkv"]);
    assert!(names(&scene, FileQuery::new().named("x&y=z")).await.is_empty());
    let asked = scene.mock.requests("GET /files?");
    assert!(asked.last().unwrap().path.ends_with("q=x%26y%3Dz"), "{asked:?}");
    // Pages that nobody wants are not asked for.
    let before = asked.len();
    scene.client.files(FileQuery::new()).take(2).try_collect::<Vec<_>>().await.unwrap();
    assert_eq!(scene.mock.requests("GET /files?").len(), before + 1);
}

#[tokio::test]
async fn a_list_ends_with_its_first_error() {
    let scene = Scene::of(7).await;
    let stranger = Client::builder(&scene.mock.url).token("nobody's").build().unwrap();
    let mut files = stranger.files(FileQuery::new());
    assert_eq!(files.next().await.unwrap().unwrap_err().kind(), ErrorKind::Unauthorized);
    assert!(files.next().await.is_none());
    scene.mock.fault("GET /files?", &[Fault::Status(404, "", "")]);
    let error = scene.client.files(FileQuery::new()).next().await.unwrap().unwrap_err();
    assert!(error.to_string().contains("has no index of files"), "{error}");
}

#[tokio::test]
async fn one_is_shown_linked_and_deleted() {
    let scene = Scene::of(7).await;
    let file = scene.client.file(&scene.id).await.unwrap();
    assert_eq!((file.file_name.as_str(), file.size, file.messages.len()), ("film é.mkv", 7, 1));
    let link = scene.client.link(&scene.id, Duration::from_secs(90)).await.unwrap();
    assert_eq!(link.url, format!("{}/files/{}/content?link=90", scene.mock.url, scene.id));
    assert!(link.expires_at.is_some());
    let client = Client::builder(&scene.mock.url).token(TOKEN).build().unwrap();
    assert!(client.delete(&scene.id).await.unwrap());
    assert!(!client.delete(&scene.id).await.unwrap());
    for error in [
        client.file(&scene.id).await.map(|_| ()).unwrap_err(),
        client.link(&scene.id, Duration::from_secs(1)).await.map(|_| ()).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Gone);
        assert!(error.to_string().contains("file not found"), "{error}");
    }
    assert_eq!(client.file("../health").await.unwrap_err().kind(), ErrorKind::Config);
}

//! Another process that goes on with what is here.

use super::{MIB, Scene, content};

#[tokio::test]
async fn only_what_is_missing_is_fetched() {
    for here in [1, MIB, 2 * MIB - 1] {
        let scene = Scene::of(2 * MIB).await;
        let downloaded = scene.go_on(&content(0, here)).await.unwrap();
        scene.arrived();
        assert_eq!((downloaded.length, downloaded.fetched), (2 * MIB as u64, (2 * MIB - here) as u64));
        assert_eq!(scene.ranges(), [Some(format!("bytes={here}-"))]);
        assert!(scene.versions.lock().unwrap().is_empty(), "nothing was begun");
    }
}

#[tokio::test]
async fn one_that_is_all_here_is_only_looked_at() {
    let scene = Scene::of(MIB).await;
    let downloaded = scene.go_on(&content(0, MIB)).await.unwrap();
    scene.arrived();
    assert_eq!((downloaded.fetched, downloaded.digest_checked), (0, true));
    assert_eq!(scene.ranges().len(), 1);
}

#[tokio::test]
async fn what_is_here_without_a_version_does_not_count() {
    let scene = Scene::of(MIB).await;
    std::fs::write(&scene.path, content(9, 2 * MIB)).unwrap();
    scene.fetch().await.unwrap();
    scene.arrived();
    assert_eq!(scene.ranges(), [None]);
}

#[tokio::test]
async fn what_cannot_be_its_beginning_is_fetched_anew() {
    // Damaged; longer than the file; and damaged with all its length.
    for here in [content(9, MIB / 2), content(0, MIB + 7), content(9, MIB)] {
        let scene = Scene::of(MIB).await;
        let downloaded = scene.go_on(&here).await.unwrap();
        scene.arrived();
        assert_eq!(downloaded.fetched, MIB as u64);
        assert_eq!(scene.ranges().len(), 2);
        assert_eq!(*scene.versions.lock().unwrap(), [None, scene.mock.files()[0].tag.clone()]);
    }
}

#[tokio::test]
async fn another_version_is_fetched_anew() {
    let scene = Scene::of(MIB).await;
    std::fs::write(&scene.path, content(9, 1000)).unwrap();
    let options = scene.options().version(Some("\"of yesterday\"".to_owned()));
    scene.begin(options).await.await.unwrap();
    scene.arrived();
    assert_eq!(scene.ranges(), [Some("bytes=1000-".to_owned())], "the answer to it was the whole");
}

//! Where the token, the address and the rest come from.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::{Ran, Scene};

impl Scene {
    fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// Sends without a token in the environment.
    async fn bare(&self, args: &[&str]) -> Ran {
        let folder = self.files();
        let mut command = self.program(&[&["send", folder.to_str().unwrap(), "--again"], args].concat());
        command.env_remove("TELESTORE_TOKEN");
        self.start(command).end().await
    }
}

#[tokio::test]
async fn the_token_comes_from_a_file_a_command_or_the_configuration() {
    let scene = Scene::with(1, 100).await;
    let ran = scene.bare(&[]).await.ends(2);
    assert!(ran.err.contains("there is no token: set TELESTORE_TOKEN"), "{}", ran.err);
    let file = scene.write("token", "word\n", 0o600);
    scene.bare(&["--token-file", file.to_str().unwrap()]).await.ends(0);
    scene.bare(&["--token-command", "echo word"]).await.ends(0);
    let ran = scene.bare(&["--token-command", "exit 7"]).await.ends(2);
    assert!(ran.err.contains("--token-command: it failed"), "{}", ran.err);
    let config = scene.write("config/telestore/config.toml", "token = 'word'\n", 0o644);
    let ran = scene.bare(&[]).await.ends(2);
    assert!(ran.err.contains("chmod 600") && !ran.err.contains("word"), "{}", ran.err);
    std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o600)).unwrap();
    scene.bare(&[]).await.ends(0);
    scene.write(
        "config/telestore/config.toml",
        "token_command = 'echo word'\nparallel = 2\npatience = '5s'\n",
        0o600,
    );
    scene.bare(&[]).await.ends(0);
    let ran = scene.bare(&["--token-command", "echo hush"]).await.ends(4);
    assert!(!ran.err.contains("hush"), "{}", ran.err);
    scene.write("config/telestore/config.toml", "tokn = 'hush'\n", 0o600);
    let ran = scene.bare(&[]).await.ends(2);
    assert!(ran.err.contains("line 1: unknown field `tokn`") && !ran.err.contains("hush"), "{}", ran.err);
}

#[tokio::test]
async fn children_are_given_no_token() {
    let scene = Scene::with(1, 100).await;
    let folder = scene.files();
    // The variable is another token, which the command would print if it had it.
    let mut command = scene.program(&[
        "send",
        folder.to_str().unwrap(),
        "--token-command",
        "echo ${TELESTORE_TOKEN:-word}",
    ]);
    command.env("TELESTORE_TOKEN", "hush");
    scene.start(command).end().await.ends(0);
}

#[tokio::test]
async fn completions_and_the_manual_are_printed() {
    let scene = Scene::new().await;
    for shell in ["bash", "zsh", "fish"] {
        let ran = scene.run(&["completions", shell]).await.ends(0);
        assert!(ran.out.contains("delete-after") && ran.out.contains("no-check"), "{shell}: {}", ran.out);
    }
    let ran = scene.run(&["man"]).await.ends(0);
    for words in [
        ".TH telestore",
        "delete\\-after",
        "telestore\\-cancel",
        "telestore\\-get",
        "no\\-check",
        "TELESTORE_TOKEN",
    ] {
        assert!(ran.out.contains(words), "{words}: {}", ran.out);
    }
    let ran = scene.run(&["--help"]).await.ends(0);
    assert!(ran.out.contains("Exit codes"), "{}", ran.out);
}

#[tokio::test]
async fn a_proxy_is_taken_from_the_environment() {
    let scene = Scene::with(1, 100).await;
    let folder = scene.files();
    let mut command = scene.program(&["send", folder.to_str().unwrap()]);
    command.env("TELESTORE_URL", "http://worker.invalid").env("HTTP_PROXY", &scene.mock.url);
    scene.start(command).end().await.ends(0);
    assert_eq!(scene.mock.requests("POST /tus")[0].header("host"), Some("worker.invalid"));
    scene.arrived(&["0000.bin"]);
}

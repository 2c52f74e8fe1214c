//! Starting: by environment, file and flags, and when nothing fits.

use std::process::Stdio;

use crate::support::{File, Stage, Worker, program, soon};

/// How the program ends, and what it says on standard error.
pub(crate) async fn fails(command: &mut tokio::process::Command) -> String {
    let output = command.stdout(Stdio::null()).stderr(Stdio::piped()).output();
    let output = soon("the program to end", output).await.unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn a_worker_without_anybody_to_serve_says_what_to_set() {
    let said = fails(&mut program()).await;
    assert!(said.contains("BACKEND_URL") && said.contains("TELESTORE_BOT_TOKEN"), "{said}");
}

#[tokio::test]
async fn a_data_directory_serves_one_worker() {
    let stage = Stage::new().await;
    let mut second = program();
    second
        .env("BACKEND_URL", stage.sandbox.backend_url())
        .env("TELESTORE_DATA_DIR", stage.data_dir())
        .env("PORT", "0");
    assert!(fails(&mut second).await.contains("in use by another worker"));
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let dir = tempfile::tempdir().unwrap();
    let mut command = program();
    command.args([
        "--backend-url",
        "http://127.0.0.1:1",
        "--host",
        "127.0.0.1",
        "--port",
        &port,
        "--data-dir",
    ]);
    let said = fails(command.arg(dir.path())).await;
    assert!(said.contains(&port) && said.contains("set --port or --host"), "{said}");
}

#[tokio::test]
async fn flags_go_before_the_environment_before_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let named = |name: &str| dir.path().join(name);
    let file = named("config.toml");
    let text = format!(
        "backend_url = \"http://127.0.0.1:1\"\ndata_dir = {:?}\nmax_chunk_bytes = \"1 MiB\"\n",
        named("from-file")
    );
    std::fs::write(&file, text).unwrap();
    let _by_file = Worker::start(program().arg("--config").arg(&file)).await;
    assert!(named("from-file").join("telestore.db").exists());
    let mut command = program();
    let _by_environment = Worker::start(
        command.arg("--config").arg(&file).env("TELESTORE_DATA_DIR", named("from-environment")),
    )
    .await;
    assert!(named("from-environment").join("telestore.db").exists());
    let mut command = program();
    command.arg("--config").arg(&file).env("TELESTORE_DATA_DIR", named("unused"));
    let _by_flag = Worker::start(command.arg("--data-dir").arg(named("from-flag"))).await;
    assert!(named("from-flag").join("telestore.db").exists() && !named("unused").exists());
}

#[tokio::test]
async fn help_lists_every_setting_and_no_secret_value() {
    let output = program().env("TELESTORE_BOT_TOKEN", "123:hush").arg("--help").output().await.unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for name in [
        "PORT",
        "TELESTORE_HOST",
        "BACKEND_URL",
        "TELESTORE_DATA_DIR",
        "TELEGRAM_BOT_API_URL",
        "TELESTORE_BOT_API_MAX_BYTES",
        "TELESTORE_MAX_FILE_BYTES",
        "TELESTORE_MAX_CHUNK_BYTES",
        "TELESTORE_MAX_CONCURRENT_UPLOADS",
        "TELESTORE_CORS_ORIGINS",
        "TELESTORE_BOT_TOKEN",
        "TELESTORE_CHANNEL_ID",
        "TELESTORE_TELEGRAM_SESSION",
        "TELESTORE_API_ID",
        "TELESTORE_API_HASH",
        "TELESTORE_AUTH_TOKENS",
        "TELESTORE_MTPROTO_DC",
    ] {
        assert!(help.contains(name), "{name} is not in the help");
    }
    assert!(!help.contains("123:hush"));
}

#[tokio::test]
async fn a_disk_that_is_nearly_full_takes_no_new_bytes_and_finishes_what_it_has() {
    let mut stage = Stage::new().await;
    let file = File::in_chunks(20, &[10]);
    stage.chunks(&file).await;
    stage.kill().await;
    stage.set("TELESTORE_MIN_FREE_BYTES", "1000 TiB");
    stage.start().await;
    assert!(stage.chunk(&File::new(10), 0).await.error(507).contains("no disk space"));
    assert!(stage.direct(&File::new(10)).await.error(507).contains("no disk space"));
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
}

#[tokio::test]
async fn results_are_kept_for_an_hour_at_least() {
    let mut command = program();
    command.args(["--backend-url", "http://127.0.0.1:1", "--result-ttl", "10m"]);
    assert!(fails(&mut command).await.contains("--result-ttl: must be at least 1h"));
}

#[tokio::test]
async fn empty_variables_count_as_not_set() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = program();
    for name in
        ["TELESTORE_MAX_FILE_BYTES", "TELESTORE_MTPROTO_DC", "TELESTORE_CONFIG", "TELESTORE_SESSION_TTL"]
    {
        command.env(name, "");
    }
    command.env("BACKEND_URL", "http://127.0.0.1:1").env("TELESTORE_DATA_DIR", dir.path());
    let _worker = Worker::start(&mut command).await;
}

use std::fs;
use std::path::Path;
use std::time::Duration;

use telestore::Auth;
use telestore::store::Durability;
use telestore::uploader::AllowedAddresses;

use super::*;
use crate::settings::Written;
use crate::settings::testing::{settings, written};

const MIB: u64 = 1024 * 1024;

const BACKEND: (&str, &str) = ("backend_url", "http://127.0.0.1:1");

fn read(values: &[(&str, &str)]) -> Result<Config, String> {
    let settings = Settings::read(&written(values));
    settings.and_then(load).map_err(|error| error.to_string())
}

/// With a backend, and what a test adds.
fn served(values: &[(&str, &str)]) -> Result<Config, String> {
    read(&[&[BACKEND], values].concat())
}

/// The settings of a file, under these flags.
fn of_file(text: &str, flags: &[&str]) -> Result<Config, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    of_path(file.path(), flags)
}

fn of_path(path: &Path, flags: &[&str]) -> Result<Config, String> {
    let arguments = ["telestore-worker", "--backend-url", BACKEND.1].iter().chain(flags);
    let matches = crate::cli::command().try_get_matches_from(arguments).unwrap();
    let written = Written::gather(&matches, |_| None, Some(path));
    let settings = written.and_then(|written| Settings::read(&written));
    settings.and_then(load).map_err(|error| error.to_string())
}

#[test]
fn many_workers_need_one_place_for_all_and_one_key() {
    let (database, chunks, key) = (
        ("database_url", "postgres://worker:hidden@127.0.0.1/telestore"),
        ("chunks_url", "s3://bucket/prefix"),
        ("secret_key", "the same for all"),
    );
    for (values, wrong) in [
        (&[database, key][..], "TELESTORE_CHUNKS_URL: is not set, which TELESTORE_DATABASE_URL needs"),
        (&[database, chunks], "TELESTORE_SECRET_KEY: is not set, which TELESTORE_DATABASE_URL needs"),
        (
            &[("database_listen_url", database.1)],
            "TELESTORE_DATABASE_URL: is not set, which TELESTORE_DATABASE_LISTEN_URL needs",
        ),
    ] {
        let error = served(values).unwrap_err();
        assert!(error.starts_with(wrong) && !error.contains("hidden"), "{error}");
    }
    let config = served(&[database, chunks, key]).unwrap();
    assert!(!config.engine.alone && config.engine.lease < config.engine.account_hold);
    assert!(!format!("{config:?}").contains("hidden"));
    // Chunks may be in a bucket without a database of many.
    assert!(served(&[chunks]).unwrap().engine.alone);
}

#[test]
fn what_is_not_set_is_what_the_libraries_do() {
    let config = served(&[]).unwrap();
    // The data directory's lock proves that it is.
    assert_eq!(config.engine, EngineConfig::default().with(|config| config.alone = true));
    assert_eq!(config.request_limits, RequestLimits::default());
    assert_eq!(config.connections, ConnectionLimits::default());
    let (ours, theirs) = (config.bot_api(), BotApiConfig::default());
    assert_eq!(
        (ours.base_url, ours.max_bytes, ours.answer_timeout),
        (theirs.base_url, theirs.max_bytes, theirs.answer_timeout)
    );
    let (ours, theirs) = (config.mtproto(), MtprotoConfig::default());
    assert_eq!((ours.address, ours.connections), (theirs.address, theirs.connections));
    assert_eq!((ours.stall_timeout, ours.server_keys.len()), (theirs.stall_timeout, 0));
    let loopback = |allowed: &AllowedAddresses| allowed.allows("127.0.0.1".parse().unwrap());
    assert!(loopback(&ours.allowed) && !loopback(&theirs.allowed), "the backend is on loopback");
    assert_eq!(config.settings.data.durability, Durability::default());
}

#[test]
fn flags_go_before_the_file() {
    let file = "port = 1\nhost = \"127.0.0.1\"\nmax_chunk_bytes = \"10 MiB\"\nmax_file_bytes = 1000\n";
    let config = of_file(file, &["--port", "2"]).unwrap();
    assert_eq!((config.settings.server.port, config.settings.server.host.as_str()), (2, "127.0.0.1"));
    assert_eq!((config.engine.max_chunk_bytes, config.engine.max_file_bytes), (10 * MIB, 1000));
}

#[test]
fn an_empty_value_is_no_value() {
    let config = of_file("host = \"127.0.0.1\"\n", &["--host=", "--cors-origins= "]).unwrap();
    let server = config.settings.server;
    assert_eq!((server.host.as_str(), server.cors_origins.0), ("127.0.0.1", vec!["*".to_owned()]));
}

#[test]
fn bad_files_are_named_and_not_quoted() {
    let error = of_file("bot_token = \"123:secret\"\nbot_tokn = \"x\"\n", &[]).unwrap_err();
    assert!(error.contains("bot_tokn") && !error.contains("123:secret"), "{error}");
    assert!(of_path(Path::new("/nonexistent.toml"), &[]).is_err());
}

#[test]
fn nobody_to_serve_is_an_error_that_says_what_to_set() {
    let error = read(&[]).unwrap_err();
    assert!(error.contains("BACKEND_URL") && error.contains("TELESTORE_CHANNEL_ID"), "{error}");
}

#[test]
fn stand_alone_use_needs_channel_credentials_and_tokens() {
    let (bot, channel) = (("bot_token", "1:a"), ("channel_id", "-1001"));
    let tokens = ("auth_tokens", " one, two,,");
    assert!(read(&[bot]).unwrap_err().contains("TELESTORE_CHANNEL_ID"));
    assert!(read(&[bot, channel]).unwrap_err().contains("TELESTORE_AUTH_TOKENS"));
    let Access::StandAlone { tokens: read_tokens, .. } = read(&[bot, channel, tokens]).unwrap().access else {
        panic!("not stand-alone");
    };
    let read_tokens: Vec<&str> = read_tokens.iter().map(|token| token.secret.expose()).collect();
    assert_eq!(read_tokens, ["one", "two"]);
    let error = read(&[bot, ("channel_id", "my channel"), tokens]).unwrap_err();
    assert!(error.starts_with("TELESTORE_CHANNEL_ID: "), "{error}");
}

#[test]
fn numbers_of_a_file_need_no_quotes() {
    let file = "channel_id = -1001953958128\napi_id = 7\nbot_token = \"1:a\"\nauth_tokens = \"t\"\n";
    let own = of_file(file, &[]).unwrap().settings.stand_alone;
    assert_eq!((own.channel_id.as_deref(), own.api_id.as_deref()), (Some("-1001953958128"), Some("7")));
}

#[test]
fn pasted_addresses_are_read_and_asked_back() {
    let backend = |url: &str| read(&[("backend_url", url)]).map(|config| config.access);
    for url in [
        "\"http://127.0.0.1:8000/\"",
        "http://127.0.0.1:8000/api/worker/credentials",
        "BACKEND_URL=http://127.0.0.1:8000",
    ] {
        assert_eq!(backend(url), Ok(Access::Backend { url: "http://127.0.0.1:8000".to_owned() }), "{url}");
    }
    let error = backend("localhost:8000").unwrap_err();
    assert!(
        error.starts_with("BACKEND_URL: ") && error.ends_with("did you mean http://localhost:8000?"),
        "{error}"
    );
    for url in ["backend.example", "ftp://x", "http://"] {
        assert!(backend(url).is_err(), "{url}");
    }
}

#[test]
fn times_are_read_with_or_without_a_unit() {
    let file = "session_ttl = \"2d\"\nfailed_ttl = 90\ndurability = \"disk\"\n";
    let config = of_file(file, &["--result-ttl", "90m"]).unwrap();
    let hour = Duration::from_secs(3600);
    assert_eq!((config.engine.session_ttl, config.engine.failed_ttl), (hour * 48, Duration::from_secs(90)));
    assert_eq!(config.engine.result_ttl, hour * 3 / 2);
    assert_eq!(config.settings.data.durability, Durability::Disk);
    assert!(served(&[("result_ttl", "59m")]).is_err());
    assert!(served(&[("durability", "tape")]).is_err());
}

#[test]
fn tls_needs_both_files_and_proxies_are_checked() {
    let alone = served(&[("tls_cert", "x.pem")]).unwrap_err();
    assert!(alone.starts_with("TELESTORE_TLS_KEY: is not set"), "{alone}");
    let alone = served(&[("tls_key", "x.pem")]).unwrap_err();
    assert!(alone.starts_with("TELESTORE_TLS_CERT: is not set"), "{alone}");
    let proxies = served(&[("trusted_proxies", "loopback, nginx")]).unwrap_err();
    assert!(proxies.starts_with("TELESTORE_TRUSTED_PROXIES: nginx"), "{proxies}");
}

#[test]
fn a_part_of_the_disk_is_more_than_what_is_kept_free_of_it() {
    assert_eq!(served(&[]).unwrap().settings.storage.disk_bytes, None);
    let part = served(&[("disk_bytes", "1 GiB")]).unwrap();
    assert_eq!(part.settings.storage.disk_bytes, Some(1 << 30));
    for too_small in ["0", "512 MiB"] {
        let error = served(&[("disk_bytes", too_small)]).unwrap_err();
        assert!(error.starts_with("TELESTORE_DISK_BYTES: must be more than"), "{error}");
    }
}

#[test]
fn words_are_taken_in_quotes_and_capitals() {
    assert!(served(&[]).unwrap().engine.eager && !served(&[("eager", "OFF")]).unwrap().engine.eager);
    for text in ["strict", " Strict ", "\"strict\"", "'STRICT'"] {
        assert_eq!(served(&[("auth", text)]).unwrap().engine.auth, Auth::Strict, "{text}");
    }
}

#[test]
fn values_out_of_bounds_are_refused_by_name() {
    for (key, value, expected) in [
        ("auth", "maybe", "TELESTORE_AUTH: must be documented or strict"),
        ("eager", "maybe", "TELESTORE_EAGER: must be on or off"),
        ("max_concurrent_uploads", "0", "TELESTORE_MAX_CONCURRENT_UPLOADS: must be at least 1"),
        ("http_threads", "0", "TELESTORE_HTTP_THREADS: must be at least 1"),
        ("max_connections", "0", "TELESTORE_MAX_CONNECTIONS: must be at least 1"),
        ("mtproto_connections", "0", "TELESTORE_MTPROTO_CONNECTIONS: must be at least 1"),
        ("idle_timeout", "0", "TELESTORE_IDLE_TIMEOUT: must be more than 0"),
        ("session_ttl", "0", "TELESTORE_SESSION_TTL: must be more than 0"),
        ("max_chunk_bytes", "0", "TELESTORE_MAX_CHUNK_BYTES: must be at least 1"),
        ("result_ttl", "59m", "TELESTORE_RESULT_TTL: must be at least 1h: clients poll"),
        ("bot_api_answer_timeout", "9s", "TELESTORE_BOT_API_ANSWER_TIMEOUT: must be at least 10s: a file"),
        ("mtproto_server_key", "no key", "TELESTORE_MTPROTO_SERVER_KEY: "),
        ("cors_origins", "a.example", "TELESTORE_CORS_ORIGINS: a.example is no origin"),
    ] {
        let error = served(&[(key, value)]).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn commands_do_without_settings_that_they_do_not_need() {
    let written = written(&[("data_dir", "/elsewhere"), ("eager", "maybe")]);
    assert!(Settings::read(&written).is_err());
    let (data, _) = written.read::<crate::settings::DataSettings>().unwrap();
    assert_eq!(data.data_dir, Path::new("/elsewhere"));
    assert!(settings(&[]).data.data_dir.ends_with("telestore-data"));
}

use std::fs;

use telestore::Auth;

use super::*;

fn backend() -> Settings {
    Settings { backend_url: Some("http://127.0.0.1:1".to_owned()), ..Settings::default() }
}

fn write(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    file
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let config = load(None, backend()).unwrap();
    assert_eq!((config.host.as_str(), config.port), ("0.0.0.0", 10_000));
    assert_eq!(config.data_dir, Path::new("telestore-data"));
    assert_eq!(config.bot_api_max_bytes, 50 * MIB);
    assert_eq!((config.engine.max_file_bytes, config.engine.max_chunk_bytes), (2000 * MIB, 50 * MIB));
    assert_eq!((config.engine.max_concurrent_uploads, config.cors_origins), (4, vec!["*".to_owned()]));
}

#[test]
fn flags_and_environment_go_before_the_file() {
    let file = write("port = 1\nhost = \"127.0.0.1\"\nmax_chunk_bytes = \"10 MiB\"\nmax_file_bytes = 1000\n");
    let config = load(Some(file.path()), Settings { port: Some(2), ..backend() }).unwrap();
    assert_eq!((config.port, config.host.as_str()), (2, "127.0.0.1"));
    assert_eq!((config.engine.max_chunk_bytes, config.engine.max_file_bytes), (10 * MIB, 1000));
}

#[test]
fn an_empty_value_is_no_value() {
    let file = write("host = \"127.0.0.1\"\n");
    let empty = Settings { host: Some(String::new()), cors_origins: Some(" ".to_owned()), ..backend() };
    let config = load(Some(file.path()), empty).unwrap();
    assert_eq!((config.host.as_str(), config.cors_origins), ("127.0.0.1", vec!["*".to_owned()]));
}

#[test]
fn bad_files_are_named_and_not_quoted() {
    let file = write("bot_token = \"123:secret\"\nbot_tokn = \"x\"\n");
    let error = load(Some(file.path()), backend()).unwrap_err().to_string();
    assert!(error.contains("bot_tokn") && !error.contains("123:secret"), "{error}");
    assert!(load(Some(Path::new("/nonexistent.toml")), backend()).is_err());
}

#[test]
fn nobody_to_serve_is_an_error_that_says_what_to_set() {
    let error = load(None, Settings::default()).unwrap_err().to_string();
    assert!(error.contains("BACKEND_URL") && error.contains("TELESTORE_CHANNEL_ID"), "{error}");
}

#[test]
fn stand_alone_use_needs_channel_credentials_and_tokens() {
    let mut settings = Settings { bot_token: Some("1:a".into()), ..Settings::default() };
    assert!(load(None, settings.clone()).unwrap_err().to_string().contains("TELESTORE_CHANNEL_ID"));
    settings.channel_id = Some("-1001".to_owned());
    assert!(load(None, settings.clone()).unwrap_err().to_string().contains("TELESTORE_AUTH_TOKENS"));
    settings.auth_tokens = Some(" one, two,,".into());
    let Access::StandAlone { tokens, .. } = load(None, settings.clone()).unwrap().access else {
        panic!("not stand-alone");
    };
    let tokens: Vec<&str> = tokens.iter().map(|token| token.secret.expose()).collect();
    assert_eq!(tokens, ["one", "two"]);
    settings.channel_id = Some("my channel".to_owned());
    assert!(load(None, settings).unwrap_err().to_string().starts_with("TELESTORE_CHANNEL_ID: "));
}

#[test]
fn numbers_of_a_file_need_no_quotes() {
    let file = write("channel_id = -1001953958128\napi_id = 7\nbot_token = \"1:a\"\nauth_tokens = \"t\"\n");
    let Access::StandAlone { credentials, .. } = load(Some(file.path()), Settings::default()).unwrap().access
    else {
        panic!("not stand-alone");
    };
    assert_eq!(
        (credentials.chat_id.as_str(), credentials.api_id.map(|id| id.get())),
        ("-1001953958128", Some(7))
    );
}

#[test]
fn pasted_addresses_are_read_and_asked_back() {
    let backend = |url: &str| {
        let settings = Settings { backend_url: Some(url.to_owned()), ..Settings::default() };
        load(None, settings).map(|config| config.access).map_err(|error| error.to_string())
    };
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
}

#[test]
fn times_are_read_with_or_without_a_unit() {
    let file = write("session_ttl = \"2d\"\nfailed_ttl = 90\ndurability = \"disk\"\n");
    let config = load(Some(file.path()), Settings { result_ttl: "90m".parse().ok(), ..backend() }).unwrap();
    let hour = Duration::from_secs(3600);
    assert_eq!((config.engine.session_ttl, config.engine.failed_ttl), (hour * 48, Duration::from_secs(90)));
    assert_eq!((config.engine.result_ttl, config.durability), (hour * 3 / 2, Durability::Disk));
    assert_eq!(config.shutdown_grace, Duration::from_secs(10));
    assert!("soon".parse::<Span>().is_err());
    assert!(load(None, Settings { result_ttl: "59m".parse().ok(), ..backend() }).is_err());
    assert!(load(None, Settings { durability: Some("tape".to_owned()), ..backend() }).is_err());
}

#[test]
fn tls_needs_both_files_and_proxies_are_checked() {
    let file = Some(PathBuf::from("x.pem"));
    let error = |settings| load(None, settings).unwrap_err().to_string();
    let alone = error(Settings { tls_cert: file.clone(), ..backend() });
    assert!(alone.starts_with("TELESTORE_TLS_KEY: is not set"), "{alone}");
    let alone = error(Settings { tls_key: file, ..backend() });
    assert!(alone.starts_with("TELESTORE_TLS_CERT: is not set"), "{alone}");
    let proxies = error(Settings { trusted_proxies: Some("loopback, nginx".to_owned()), ..backend() });
    assert!(proxies.starts_with("TELESTORE_TRUSTED_PROXIES: nginx"), "{proxies}");
}

#[test]
fn a_part_of_the_disk_is_more_than_what_is_kept_free_of_it() {
    let part = |bytes| load(None, Settings { disk_bytes: Some(ByteSize(bytes)), ..backend() });
    assert_eq!(load(None, backend()).unwrap().disk_bytes, None);
    assert_eq!(part(1 << 30).unwrap().disk_bytes, Some(1 << 30));
    for too_small in [0, 512 << 20] {
        let error = part(too_small).unwrap_err().to_string();
        assert!(error.starts_with("TELESTORE_DISK_BYTES: must be more than"), "{error}");
    }
}

#[test]
fn early_sending_can_be_turned_off() {
    let eager = |text: &str| load(None, Settings { eager: Some(text.to_owned()), ..backend() });
    assert!(load(None, backend()).unwrap().engine.eager);
    assert!(!eager("off").unwrap().engine.eager);
    assert!(eager("maybe").is_err());
}

#[test]
fn a_token_for_every_call_can_be_asked_for() {
    let auth = |text: &str| load(None, Settings { auth: Some(text.to_owned()), ..backend() });
    assert_eq!(load(None, backend()).unwrap().engine.auth, Auth::Documented);
    assert_eq!(auth("strict").unwrap().engine.auth, Auth::Strict);
    assert!(auth("maybe").unwrap_err().to_string().starts_with("TELESTORE_AUTH: "));
}

#[test]
fn urls_and_numbers_are_checked() {
    for url in ["backend.example", "ftp://x", "http://"] {
        let settings = Settings { backend_url: Some(url.to_owned()), ..Settings::default() };
        assert!(load(None, settings).is_err(), "{url}");
    }
    assert!(load(None, Settings { max_concurrent_uploads: Some(0), ..backend() }).is_err());
    assert!(load(None, Settings { http_threads: Some(0), ..backend() }).is_err());
    assert!(load(None, Settings { max_connections: Some(0), ..backend() }).is_err());
    assert!(load(None, Settings { idle_timeout: Some(Span(Duration::ZERO)), ..backend() }).is_err());
    let short = Some(Span(Duration::from_secs(9)));
    assert!(load(None, Settings { bot_api_answer_timeout: short, ..backend() }).is_err());
    assert!(load(None, Settings { mtproto_connections: Some(0), ..backend() }).is_err());
    let key = Some("no key".to_owned());
    let error = load(None, Settings { mtproto_server_key: key, ..backend() }).unwrap_err().to_string();
    assert!(error.starts_with("TELESTORE_MTPROTO_SERVER_KEY: "), "{error}");
    assert!(load(None, Settings { max_chunk_bytes: Some(ByteSize(0)), ..backend() }).is_err());
}

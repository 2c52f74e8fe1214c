//! What no way leads to, and settings that make no way.

use telestore_sandbox::Sandbox;
use telestore_sandbox::proxies::ProxyServer;

use super::{KEY, behind, stage};
use crate::config::fails;
use crate::support::{File, program};

/// Has the log tell of each try, and not of their end only.
const EACH_TRY: (&str, &str) = ("TELESTORE_LOG", "info,telestore_mtproto=debug");

#[tokio::test]
async fn a_wrong_secret_is_told_while_the_file_waits() {
    let (sandbox, proxy) = behind(ProxyServer::tls_mtproxy(KEY, "front.example")).await;
    let wrong = proxy.url().replace(&"5a".repeat(16), &"5b".repeat(16));
    let mut stage = stage(sandbox, &wrong, &[EACH_TRY]);
    stage.record();
    stage.start().await;
    let file = File::new(5000);
    stage.queue(&file).await;
    let log = stage.logged("does not take the secret").await;
    assert!(!log.contains(&"5b".repeat(16)), "{log}");
    assert_eq!(stage.progress(&file.id).await.ok()["status"], "uploading");
    assert_eq!((proxy.tunnels(), stage.sandbox.stats().connections_accepted), (0, 0));
}

#[tokio::test]
async fn nothing_goes_past_a_proxy_that_lets_nothing_through() {
    let sandbox = Sandbox::start().await.unwrap();
    let proxy = ProxyServer::socks5().start().await.unwrap();
    // The session leads to the sandbox itself, which could be reached directly.
    let session = sandbox.user().telethon_session.unwrap();
    let mut stage =
        stage(sandbox, &proxy.url(), &[("TELESTORE_TELEGRAM_SESSION", session.as_str()), EACH_TRY]);
    stage.record();
    stage.start().await;
    let file = File::new(5000);
    stage.queue(&file).await;
    stage.logged("allows no connections to Telegram").await;
    assert_eq!(stage.sandbox.stats().connections_accepted, 0);
    proxy.route(stage.sandbox.mtproto_addr(), stage.sandbox.mtproto_addr());
    assert_eq!(stage.end(&file.id).await["status"], "completed");
}

#[tokio::test]
async fn nobody_signs_in_past_a_proxy() {
    let (sandbox, proxy) = behind(ProxyServer::socks5()).await;
    let (hash, here) = (sandbox.user().api_hash, sandbox.mtproto_addr().to_string());
    // It could be reached directly, and the proxy does not lead there.
    let stage = stage(sandbox, &proxy.url(), &[("TELESTORE_MTPROTO_DC", &here)]);
    let error = stage.command(&["login", "--phone", "+49123", "--api-hash", &hash]).await.error();
    assert!(error.contains("allows no connections to Telegram"), "{error}");
    assert_eq!((proxy.tunnels(), stage.sandbox.stats().connections_accepted), (0, 0));
}

#[tokio::test]
async fn what_makes_no_way_is_refused_at_the_start() {
    let mut worker = program();
    worker.env("BACKEND_URL", "http://127.0.0.1:9").env("TELESTORE_TELEGRAM_PROXY", "socks5://user:hush@");
    let text = fails(&mut worker).await;
    assert!(text.contains("TELESTORE_TELEGRAM_PROXY") && !text.contains("hush"), "{text}");
    let sandbox = Sandbox::start().await.unwrap();
    let bot = sandbox.user().bot_token;
    let proxy = ProxyServer::mtproxy(KEY).start().await.unwrap();
    let mut stage = stage(sandbox, &proxy.url(), &[("TELESTORE_BOT_TOKEN", bot.as_str())]);
    stage.set("TELESTORE_TELEGRAM_SESSION", "");
    let error = stage.command(&["check"]).await;
    assert!(format!("{error:?}").contains("is an MTProxy, which carries no Bot API"), "{error:?}");
}

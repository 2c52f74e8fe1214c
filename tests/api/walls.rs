//! Telegram through a proxy, and nothing past it. The session leads to an address of Telegram's own, and the Bot API is
//! Telegram's: only the proxies of the sandbox know that the sandbox is behind both.

mod bot_api;
mod check;
mod refused;

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use telestore_sandbox::proxies::{ProxyBuilder, ProxyServer};
use telestore_sandbox::{Sandbox, Via};

use crate::support::{File, MIB, Stage, soon};

/// An address of data centre 2.
const TELEGRAM: [u8; 4] = [149, 154, 167, 51];
const TELEGRAM_443: &str = "149.154.167.51:443";

const KEY: [u8; 16] = [0x5a; 16];

/// The user's session, as if Telegram had made it.
fn session(sandbox: &Sandbox) -> String {
    let given = sandbox.user().telethon_session.expect("a session");
    let bytes = URL_SAFE.decode(&given[1..]).expect("a session string");
    let (dc, key) = (bytes[0], &bytes[bytes.len() - 256..]);
    let led = [&[dc][..], &TELEGRAM, &443_u16.to_be_bytes(), key].concat();
    format!("1{}", URL_SAFE.encode(led))
}

/// A worker by itself that is not started, whose way is `proxy`, with a session and without a bot.
fn stage(sandbox: Sandbox, proxy: &str, settings: &[(&str, &str)]) -> Stage {
    let (user, session) = (sandbox.user(), session(&sandbox));
    let channel = user.channel_id.to_string();
    let own = [
        ("BACKEND_URL", ""),
        ("TELEGRAM_BOT_API_URL", ""),
        ("TELESTORE_AUTH_TOKENS", user.auth_token.as_str()),
        ("TELESTORE_CHANNEL_ID", channel.as_str()),
        ("TELESTORE_TELEGRAM_SESSION", session.as_str()),
        ("TELESTORE_API_ID", "2040"),
        ("TELESTORE_TELEGRAM_PROXY", proxy),
    ];
    let mut all = own.to_vec();
    all.extend(settings);
    Stage::before(sandbox, &all)
}

/// A sandbox, and a proxy that leads from Telegram's address to it.
async fn behind(proxy: ProxyBuilder) -> (Sandbox, ProxyServer) {
    let sandbox = Sandbox::start().await.expect("the sandbox starts");
    let proxy = proxy.start().await.expect("the proxy starts");
    for target in [TELEGRAM_443, "2"] {
        proxy.route(target, sandbox.mtproto_addr());
    }
    (sandbox, proxy)
}

/// Small and large files go through, and nothing else is asked for.
async fn files_go_through(proxy: ProxyBuilder) {
    let (sandbox, proxy) = behind(proxy).await;
    let mut stage = stage(sandbox, &proxy.url(), &[]);
    stage.start().await;
    for size in [5000, 12 * MIB] {
        let file = File::new(size);
        assert_eq!(stage.send(&file).await["status"], "completed");
        let arrived = stage.sandbox.messages_of(&stage.user).pop().expect("a message");
        assert_eq!(arrived.via, Via::Mtproto);
        file.assert_is(&arrived);
    }
    assert_eq!(stage.sandbox.messages_of(&stage.user).len(), 2);
    assert!(proxy.tunnels() > 0);
    assert_eq!((proxy.refused(), proxy.strangers()), (Vec::<String>::new(), 0), "nothing else was asked for");
    assert_eq!(
        stage.sandbox.stats().connections_accepted,
        proxy.tunnels() as u64,
        "nobody came past the proxy"
    );
}

#[tokio::test]
async fn files_go_through_socks5() {
    files_go_through(ProxyServer::socks5()).await;
}

#[tokio::test]
async fn files_go_through_socks5_with_a_password() {
    files_go_through(ProxyServer::socks5().login("user", "word")).await;
}

#[tokio::test]
async fn files_go_through_http() {
    files_go_through(ProxyServer::http()).await;
}

#[tokio::test]
async fn files_go_through_http_with_a_password() {
    files_go_through(ProxyServer::http().login("user", "word")).await;
}

#[tokio::test]
async fn files_go_through_an_mtproxy() {
    files_go_through(ProxyServer::mtproxy(KEY)).await;
}

#[tokio::test]
async fn files_go_through_an_mtproxy_with_padding() {
    files_go_through(ProxyServer::padded_mtproxy(KEY)).await;
}

#[tokio::test]
async fn files_go_through_an_mtproxy_that_looks_like_tls() {
    files_go_through(ProxyServer::tls_mtproxy(KEY, "front.example")).await;
}

/// Sends a file through a proxy that goes away in the middle and comes back at the same address.
async fn goes_on_after_the_proxy_is_gone(kind: impl Fn() -> ProxyBuilder) {
    let (sandbox, proxy) = behind(kind()).await;
    let mut stage = stage(sandbox, &proxy.url(), &[]);
    stage.sandbox.network().set_bandwidth(Some(8 * MIB as u64));
    stage.start().await;
    let file = File::new(12 * MIB);
    stage.queue(&file).await;
    let some_parts =
        stage.sandbox.wait_until(|stats| stats.parts.values().map(|file| file.total).sum::<u64>() >= 4);
    soon("some parts", some_parts).await;
    let address: SocketAddr = proxy.address();
    proxy.stop().await;
    assert_ne!(stage.progress(&file.id).await.ok()["status"], "completed");
    let again = kind().address(address).start().await.expect("the proxy comes back");
    for target in [TELEGRAM_443, "2"] {
        again.route(target, stage.sandbox.mtproto_addr());
    }
    stage.sandbox.network().set_bandwidth(None);
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    assert_eq!(stage.sandbox.messages_of(&stage.user).len(), 1, "one message");
    file.assert_is(&stage.arrived(&file));
    assert!(again.tunnels() > 0);
}

#[tokio::test]
async fn a_file_goes_on_when_its_socks5_proxy_comes_back() {
    goes_on_after_the_proxy_is_gone(ProxyServer::socks5).await;
}

#[tokio::test]
async fn a_file_goes_on_when_its_mtproxy_comes_back() {
    goes_on_after_the_proxy_is_gone(|| ProxyServer::padded_mtproxy(KEY)).await;
}

#[tokio::test]
async fn another_port_is_taken_if_one_is_blocked_and_is_remembered() {
    let (sandbox, proxy) = behind(ProxyServer::socks5()).await;
    proxy.unroute(TELEGRAM_443);
    proxy.route("149.154.167.51:5222", sandbox.mtproto_addr());
    let mut stage = stage(sandbox, &proxy.url(), &[]);
    stage.start().await;
    let first = File::new(5000);
    assert_eq!(stage.send(&first).await["status"], "completed");
    let refused = proxy.refused();
    assert_eq!(refused[0], TELEGRAM_443, "the session's own address comes first");
    assert!(
        refused.iter().any(|target| target.starts_with("[2001:"))
            && refused.contains(&"149.154.167.51:80".into())
    );
    proxy.cut();
    let second = File::new(5000);
    assert_eq!(stage.send(&second).await["status"], "completed");
    assert_eq!(proxy.refused(), refused, "the one that worked is the first now");
}

#[tokio::test]
async fn a_black_hole_is_given_up_for_the_next_address() {
    let (sandbox, proxy) = behind(ProxyServer::http()).await;
    proxy.swallow(TELEGRAM_443);
    proxy.route("149.154.167.41:443", sandbox.mtproto_addr());
    let mut stage = stage(sandbox, &proxy.url(), &[]);
    stage.start().await;
    let begun = std::time::Instant::now();
    assert_eq!(stage.send(&File::new(5000)).await["status"], "completed");
    assert!(begun.elapsed().as_secs() < 15, "within seconds");
    assert!(proxy.refused().is_empty());
}

//! Through a proxy, and not past it.

use std::process::Stdio;

use telestore_sandbox::UserSpec;
use telestore_sandbox::proxies::{ProxyBuilder, ProxyServer};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::{Login, place, stage};

/// The address of Telegram that a login begins at.
const TELEGRAM: &str = "149.154.167.41:443";

/// Signs in where nothing but the proxy leads to the sandbox.
async fn signs_in(proxy: ProxyBuilder) {
    let stage = stage(UserSpec::new("bob").password("open sesame")).await;
    let proxy = proxy.start().await.expect("the proxy starts");
    for target in [TELEGRAM, "2"] {
        proxy.route(target, stage.sandbox.mtproto_addr());
    }
    let mut command = stage.login_command(&["--phone", &stage.user.phone]);
    command.env_remove("TELESTORE_MTPROTO_DC").env("TELESTORE_TELEGRAM_PROXY", proxy.url());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let answers = child.stdin.take().expect("piped");
    let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let mut login = Login { child, answers, lines, said: String::new() };
    login.until("Code:").await;
    login.answer(&stage.code(1).await).await;
    login.until("Password").await;
    login.answer("open sesame").await;
    let session = login.session().await;
    assert_eq!(place(&session), (2, TELEGRAM.to_owned()));
    assert!(proxy.tunnels() > 1, "one for the key, and one for the calls");
    let accepted = stage.sandbox.stats().connections_accepted;
    assert_eq!(accepted, proxy.tunnels() as u64, "nobody came past the proxy");
    assert_eq!((proxy.refused(), proxy.strangers()), (Vec::<String>::new(), 0), "nothing else was asked for");
}

#[tokio::test]
async fn a_login_goes_through_socks5() {
    signs_in(ProxyServer::socks5().login("user", "word")).await;
}

#[tokio::test]
async fn a_login_goes_through_an_mtproxy_with_padding() {
    signs_in(ProxyServer::padded_mtproxy([0x5a; 16])).await;
}

#[tokio::test]
async fn a_login_goes_through_an_mtproxy_that_looks_like_tls() {
    signs_in(ProxyServer::tls_mtproxy([0x5a; 16], "front.example")).await;
}

//! The Bot API of Telegram, by HTTPS, through a proxy.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::PrivatePkcs8KeyDer;
use telestore_sandbox::proxies::{ProxyBuilder, ProxyServer};
use telestore_sandbox::{Sandbox, Via};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::stage;
use crate::support::{File, MIB, Stage};

/// A server that speaks for the sandbox as `api.telegram.org`, and the certificate that makes it that.
struct Front {
    address: SocketAddr,
    dir: TempDir,
}

impl Front {
    async fn of(sandbox: &Sandbox) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let pair = rcgen::generate_simple_self_signed(["api.telegram.org".to_owned()]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let key = PrivatePkcs8KeyDer::from(pair.signing_key.serialize_der());
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![pair.cert.der().clone()], key.into())
            .unwrap();
        let front = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let beyond: SocketAddr = sandbox.bot_api_url().trim_start_matches("http://").parse().unwrap();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let front = front.clone();
                tokio::spawn(async move {
                    let mut client = front.accept(client).await?;
                    let mut beyond = TcpStream::connect(beyond).await?;
                    copy_bidirectional(&mut client, &mut beyond).await
                });
            }
        });
        let front = Self { address, dir };
        std::fs::write(front.cert(), pair.cert.pem()).unwrap();
        front
    }

    fn cert(&self) -> PathBuf {
        self.dir.path().join("cert.pem")
    }
}

/// A worker with a bot, behind a proxy that knows the Bot API.
async fn bot_behind(proxy: ProxyBuilder) -> (Stage, ProxyServer, Front) {
    let sandbox = Sandbox::start().await.expect("the sandbox starts");
    let front = Front::of(&sandbox).await;
    let proxy = proxy.route("api.telegram.org:443", front.address).start().await.expect("the proxy starts");
    let (token, cert) = (sandbox.user().bot_token.clone(), front.cert());
    let bot = [("TELESTORE_BOT_TOKEN", token.as_str()), ("SSL_CERT_FILE", cert.to_str().unwrap())];
    let mut stage = stage(sandbox, &proxy.url(), &bot);
    stage.set("TELESTORE_TELEGRAM_SESSION", "");
    stage.set("TELESTORE_API_ID", "");
    (stage, proxy, front)
}

async fn files_go_through(proxy: ProxyBuilder) {
    let (mut stage, proxy, _front) = bot_behind(proxy).await;
    stage.start().await;
    for size in [5000, 12 * MIB] {
        let file = File::new(size);
        assert_eq!(stage.send(&file).await["status"], "completed");
        let arrived = stage.sandbox.messages_of(&stage.user).pop().expect("a message");
        assert_eq!(arrived.via, Via::BotApi);
        file.assert_is(&arrived);
    }
    assert!(proxy.tunnels() >= 2);
    assert_eq!((proxy.refused(), proxy.strangers()), (Vec::<String>::new(), 0));
}

#[tokio::test]
async fn the_bot_api_goes_through_socks5() {
    files_go_through(ProxyServer::socks5()).await;
}

#[tokio::test]
async fn the_bot_api_goes_through_socks5_with_a_password() {
    files_go_through(ProxyServer::socks5().login("user", "word")).await;
}

#[tokio::test]
async fn the_bot_api_goes_through_http_with_a_password() {
    files_go_through(ProxyServer::http().login("user", "word")).await;
}

#[tokio::test]
async fn a_password_with_signs_of_urls_is_the_same_for_both_ways() {
    let written = "%40%3A%2F%25%3F";
    for builder in [ProxyServer::socks5 as fn() -> ProxyBuilder, ProxyServer::http] {
        let (mut stage, proxy, _front) = bot_behind(builder().login("us er", "@:/%?")).await;
        let scheme = proxy.url().split_once("://").unwrap().0.to_owned();
        stage.set("TELESTORE_TELEGRAM_PROXY", &format!("{scheme}://us%20er:{written}@{}", proxy.address()));
        stage.start().await;
        assert_eq!(stage.send(&File::new(5000)).await["status"], "completed");
        assert_eq!(proxy.strangers(), 0);
    }
}

#[tokio::test]
async fn a_local_bot_api_server_is_reached_without_the_proxy() {
    let (mut stage, proxy, _front) = bot_behind(ProxyServer::socks5()).await;
    let local = stage.sandbox.bot_api_url();
    stage.set("TELEGRAM_BOT_API_URL", &local);
    stage.start().await;
    assert_eq!(stage.send(&File::new(5000)).await["status"], "completed");
    assert_eq!((proxy.tunnels(), proxy.refused()), (0, Vec::new()));
}

#[tokio::test]
async fn a_file_waits_for_a_proxy_that_refuses_and_says_why() {
    let (mut stage, proxy, _front) = bot_behind(ProxyServer::socks5().login("user", "word")).await;
    stage.set("TELESTORE_TELEGRAM_PROXY", &proxy.url().replace(":word@", ":another@"));
    stage.record();
    stage.start().await;
    let file = File::new(5000);
    stage.queue(&file).await;
    let log = stage.logged("the connection to Telegram failed").await;
    assert!(log.contains("credentials not accepted") && !log.contains("another"), "{log}");
    assert_eq!(stage.progress(&file.id).await.ok()["status"], "uploading");
    assert!(proxy.strangers() > 0);
}

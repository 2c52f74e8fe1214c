//! `check` tries the way, and names the hop at which it ends.

use serde_json::Value;
use telestore_sandbox::proxies::{ProxyServer, RefusingPort};

use super::{KEY, TELEGRAM_443, behind, stage};
use crate::support::Stage;

impl Stage {
    /// What `check` says of the proxy, as `result: text`.
    async fn says_of_proxy(&self, secret: &str) -> String {
        let ran = self.command(&["check", "--json"]).await;
        assert!(!format!("{ran:?}").contains(secret), "{ran:?}");
        let report: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
        let checks = report["checks"].as_array().unwrap();
        let proxy = checks.iter().find(|check| check["check"] == "proxy").expect("the proxy is looked at");
        format!("{}: {}", proxy["result"].as_str().unwrap(), proxy["message"].as_str().unwrap())
    }

    /// With another way.
    async fn ends_at(&mut self, proxy: &str, words: &str) {
        self.set("TELESTORE_TELEGRAM_PROXY", proxy);
        let said = self.says_of_proxy("hush").await;
        assert!(said.starts_with("failed: ") && said.contains(words), "{proxy}: {said}");
    }
}

#[tokio::test]
async fn a_way_that_leads_to_telegram_is_told() {
    for builder in [
        ProxyServer::socks5().login("user", "hush"),
        ProxyServer::http().login("user", "hush"),
        ProxyServer::mtproxy(KEY),
        ProxyServer::tls_mtproxy(KEY, "front.example"),
    ] {
        let (sandbox, proxy) = behind(builder).await;
        proxy.route("149.154.167.41:443", sandbox.mtproto_addr());
        let stage = stage(sandbox, &proxy.url(), &[]);
        let said = stage.says_of_proxy("hush").await;
        assert!(said.starts_with("ok: Telegram answers through the "), "{said}");
    }
}

#[tokio::test]
async fn the_hop_at_which_it_ends_is_named() {
    let (sandbox, proxy) = behind(ProxyServer::socks5().login("user", "hush")).await;
    let (address, nobody) = (proxy.address(), RefusingPort::take().unwrap());
    let mut stage = stage(sandbox, &proxy.url(), &[]);
    stage
        .ends_at(
            "socks5://nothing.invalid:1080",
            "the name of the SOCKS5 proxy nothing.invalid:1080 cannot be",
        )
        .await;
    stage
        .ends_at(&format!("socks5://{}", nobody.address()), "cannot connect to the SOCKS5 proxy 127.0.0.1:")
        .await;
    stage.ends_at(&format!("socks5://user:wrong@{address}"), "refuses the user or the password").await;
    stage.ends_at(&format!("socks5://{address}"), "refuses the user or the password").await;
    stage.ends_at(&format!("http://{address}"), "is none: ").await;
    proxy.unroute(TELEGRAM_443);
    stage.ends_at(&proxy.url(), "allows no connections to Telegram at 149.154.167.41:443").await;
}

#[tokio::test]
async fn an_http_proxy_says_what_it_refuses() {
    let refused = "the HTTP proxy 127.0.0.1:";
    for (status, words) in
        [(502, "cannot reach Telegram at 149.154.167.41:443: it answers 502"), (403, "allows no")]
    {
        let (sandbox, proxy) = behind(ProxyServer::http().refusal(status)).await;
        proxy.unroute(TELEGRAM_443);
        let mut stage = stage(sandbox, &proxy.url(), &[]);
        stage.ends_at(&proxy.url(), words).await;
        stage.ends_at(&proxy.url(), refused).await;
    }
    let (sandbox, proxy) = behind(ProxyServer::http().login("user", "hush")).await;
    let mut stage = stage(sandbox, &proxy.url(), &[]);
    stage.ends_at(&format!("http://{}", proxy.address()), "refuses the user or the password").await;
}

#[tokio::test]
async fn an_mtproxy_that_has_another_secret_is_named() {
    for builder in [ProxyServer::padded_mtproxy([1; 16]), ProxyServer::tls_mtproxy([1; 16], "front.example")]
    {
        let (sandbox, proxy) = behind(builder).await;
        let mut stage = stage(sandbox, &proxy.url(), &[]);
        let wrong = proxy.url().replace(&"01".repeat(16), &"02".repeat(16));
        stage.ends_at(&wrong, "secret").await;
        assert!(proxy.strangers() > 0);
    }
}

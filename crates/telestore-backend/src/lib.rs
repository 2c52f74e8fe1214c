#![doc = include_str!("../README.md")]

mod cache;
mod credentials;
mod error;
mod forward;
#[cfg(feature = "http")]
mod http;
mod metrics;
mod webhook;

pub use cache::CachedCredentialProvider;
#[cfg(feature = "mock")]
pub use credentials::MockCredentialProvider;
pub use credentials::{CredentialProvider, StaticCredentialProvider};
pub use error::{Error, Result};
#[cfg(feature = "http")]
pub use http::{HttpConfig, HttpCredentialProvider};
pub use metrics::describe_metrics;
#[cfg(feature = "mock")]
pub use mockall;
#[cfg(feature = "http")]
pub use webhook::HttpWebhookSender;
#[cfg(feature = "mock")]
pub use webhook::MockWebhookSender;
pub use webhook::{NoWebhook, WebhookEvent, WebhookMessage, WebhookSender};

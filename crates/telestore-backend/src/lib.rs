#![doc = include_str!("../README.md")]

mod cache;
mod credentials;
mod error;
mod forward;
mod http;
mod metrics;
mod webhook;

pub use cache::CachedCredentialProvider;
#[cfg(feature = "mock")]
pub use credentials::MockCredentialProvider;
pub use credentials::{CredentialProvider, StaticCredentialProvider};
pub use error::{Error, Result};
pub use http::{HttpConfig, HttpCredentialProvider};
pub use metrics::describe_metrics;
#[cfg(feature = "mock")]
pub use webhook::MockWebhookSender;
pub use webhook::{HttpWebhookSender, NoWebhook, WebhookEvent, WebhookMessage, WebhookSender};

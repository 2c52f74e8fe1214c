//! Which store a URL means, and how a client for it is made.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path;
use object_store::{ClientOptions, HeaderValue, ObjectStore, RetryConfig};
use percent_encoding::percent_decode_str;

use super::cloud::Cloud;
use super::trouble::WHAT;
use crate::{Durability, Error, Result};

/// What a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);

/// How a client speaks with its store: the cloud's settings, by the names that its own tools read from the environment.
///
/// ```
/// use telestore_store::ObjectOptions;
///
/// let options = ObjectOptions::default()
///     .set("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
///     .set("AWS_ACCESS_KEY_ID", "key")
///     .set("AWS_SECRET_ACCESS_KEY", "not to be seen");
/// assert!(!format!("{options:?}").contains("not to be seen"));
/// ```
#[derive(Clone)]
pub struct ObjectOptions {
    settings: BTreeMap<String, String>,
    pub(super) memory_bytes: usize,
    pub(super) writes_at_once: usize,
    pub(super) patience: Duration,
    pub(super) durability: Durability,
}

impl Default for ObjectOptions {
    /// No settings, 24 MiB, 48 writes at once, 45 seconds of patience, and [`Durability::Process`].
    fn default() -> Self {
        Self {
            settings: BTreeMap::new(),
            memory_bytes: 24 * 1024 * 1024,
            writes_at_once: 48,
            patience: Duration::from_secs(45),
            durability: Durability::default(),
        }
    }
}

impl fmt::Debug for ObjectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values hold credentials.
        f.debug_struct("ObjectOptions")
            .field("settings", &self.settings.keys().collect::<Vec<_>>())
            .field("memory_bytes", &self.memory_bytes)
            .field("writes_at_once", &self.writes_at_once)
            .field("patience", &self.patience)
            .field("durability", &self.durability)
            .finish()
    }
}

impl ObjectOptions {
    /// With what stands in the environment of the process: `AWS_…`, `GOOGLE_…` and `AZURE_…`.
    pub fn from_env() -> Self {
        let vars = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)));
        vars.fold(Self::default(), |options, (key, value)| options.set(key, value))
    }

    /// Sets one of a cloud's settings, such as `AWS_REGION`; case does not count. Names of no cloud's are left out.
    #[must_use]
    pub fn set(mut self, key: impl AsRef<str>, value: impl Into<String>) -> Self {
        let key = match key.as_ref().to_ascii_lowercase() {
            // What Google's and Azure's own tools read, beside those that begin with a name of theirs.
            key if key == "service_account" => "google_service_account".to_owned(),
            key if key == "identity_endpoint" => "azure_msi_endpoint".to_owned(),
            key => key,
        };
        let value = value.into();
        let is_some_clouds = ["aws_", "google_", "azure_"].iter().any(|cloud| key.starts_with(cloud));
        if is_some_clouds && !value.is_empty() {
            self.settings.insert(key, value);
        }
        self
    }

    /// How many bytes of chunks may be in memory on their way in, of all clients together; 128 KiB at least.
    #[must_use]
    pub fn memory_bytes(mut self, bytes: usize) -> Self {
        self.memory_bytes = bytes;
        self
    }

    /// How many objects are written at once, each by a connection of its own.
    #[must_use]
    pub fn writes_at_once(mut self, writes: usize) -> Self {
        self.writes_at_once = writes;
        self
    }

    /// How long a request that does not go well is made again, with growing pauses. A client waits as long for its answer.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// What a put chunk survives in a shared directory. An object store keeps what it has acknowledged.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    fn of(&self, cloud: Cloud) -> impl Iterator<Item = (&str, &str)> {
        let settings = self.settings.iter().filter(move |(key, _)| key.starts_with(cloud.settings()));
        settings.map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// Where a URL leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    Bucket { cloud: Cloud, bucket: String, prefix: Path },
    Directory(PathBuf),
}

fn wrong(why: &'static str) -> Error {
    // The URL is not repeated: it may hold a password.
    Error::unfit(WHAT, "reading its URL", why)
}

impl FromStr for Place {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        const FORMS: &str =
            "write s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or file:///directory";
        let (scheme, rest) = url.trim().split_once("://").ok_or_else(|| wrong(FORMS))?;
        let cloud = match scheme.to_ascii_lowercase().as_str() {
            "s3" => Cloud::S3,
            "gs" => Cloud::Google,
            "az" => Cloud::Azure,
            "file" => return directory(rest),
            _ => return Err(wrong(FORMS)),
        };
        if rest.contains('@') {
            return Err(wrong("it holds credentials; they go into the environment"));
        }
        if rest.contains(['?', '#', '%', '\\'])
            || rest.contains(|c: char| c.is_whitespace() || c.is_control())
        {
            return Err(wrong(
                "behind the bucket goes a prefix without ?, #, %, \\ and blanks, and nothing else",
            ));
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if bucket.is_empty() || !bucket.chars().all(is_plain) {
            return Err(wrong("the name of its bucket is not one"));
        }
        let prefix =
            Path::parse(prefix.trim_matches('/')).map_err(|_| wrong("its prefix cannot be a key's"))?;
        Ok(Self::Bucket { cloud, bucket: bucket.to_owned(), prefix })
    }
}

fn directory(rest: &str) -> Result<Place> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    let path = percent_decode_str(path).decode_utf8().map_err(|_| wrong("its path is not UTF-8"))?;
    let path = PathBuf::from(path.as_ref());
    if path.is_absolute() {
        Ok(Place::Directory(path))
    } else {
        Err(wrong("write file:/// and an absolute path"))
    }
}

/// Makes a client; no request yet.
pub(super) fn client(cloud: Cloud, bucket: &str, options: &ObjectOptions) -> Result<Arc<dyn ObjectStore>> {
    // Another provider that the program has installed does as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Each request is timed and tried again by `bucket.rs`, which knows how long it may take.
    let retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
    let http = ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(CONNECT)
        .with_user_agent(HeaderValue::from_static(concat!("telestore/", env!("CARGO_PKG_VERSION"))));
    let made: object_store::Result<Arc<dyn ObjectStore>> = match cloud {
        Cloud::S3 => s3(bucket, options, http, retry),
        Cloud::Google => {
            let new = GoogleCloudStorageBuilder::new().with_client_options(http);
            let set =
                options.of(cloud).fold(new, |builder, (key, value)| match GoogleConfigKey::from_str(key) {
                    Ok(key) => builder.with_config(key, value),
                    Err(_) => builder,
                });
            set.with_bucket_name(bucket).with_retry(retry).build().map(|store| Arc::new(store) as _)
        }
        Cloud::Azure => {
            let new = MicrosoftAzureBuilder::new().with_client_options(http);
            let set =
                options.of(cloud).fold(new, |builder, (key, value)| match AzureConfigKey::from_str(key) {
                    Ok(key) => builder.with_config(key, value),
                    Err(_) => builder,
                });
            set.with_container_name(bucket).with_retry(retry).build().map(|store| Arc::new(store) as _)
        }
    };
    made.map_err(|error| {
        // Its text may hold what could not be read, such as a key; what kind of thing that was does not.
        tracing::trace!(%error, "no client");
        let why = format!("correct or set {}, and the other settings of this cloud", cloud.credentials());
        Error::unfit(WHAT, "reading its settings", why)
    })
}

fn s3(
    bucket: &str,
    options: &ObjectOptions,
    http: ClientOptions,
    retry: RetryConfig,
) -> object_store::Result<Arc<dyn ObjectStore>> {
    let endpoint = |key: &str| options.settings.get(key).map(String::as_str);
    let endpoint = endpoint("aws_endpoint_url_s3").or_else(|| endpoint("aws_endpoint_url"));
    let endpoint = endpoint.or_else(|| options.settings.get("aws_endpoint").map(String::as_str));
    // An operator who writes http:// means it. Over TLS bytes need no signature of their own, which costs a SHA-256 of each.
    let is_plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
    let new = AmazonS3Builder::new()
        .with_client_options(http.with_allow_http(is_plain))
        .with_unsigned_payload(!is_plain);
    let set =
        options.of(Cloud::S3).fold(new, |builder, (key, value)| match AmazonS3ConfigKey::from_str(key) {
            Ok(key) => builder.with_config(key, value),
            Err(_) => builder,
        });
    set.with_bucket_name(bucket).with_retry(retry).build().map(|store| Arc::new(store) as _)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lead_to_buckets_and_directories() {
        let bucket = |cloud, bucket: &str, prefix: &str| Place::Bucket {
            cloud,
            bucket: bucket.to_owned(),
            prefix: Path::parse(prefix).unwrap(),
        };
        for (url, place) in [
            ("s3://files", bucket(Cloud::S3, "files", "")),
            (" S3://files/a/b/ ", bucket(Cloud::S3, "files", "a/b")),
            ("gs://files/a", bucket(Cloud::Google, "files", "a")),
            ("az://files", bucket(Cloud::Azure, "files", "")),
            ("file:///srv/a%20b", Place::Directory("/srv/a b".into())),
        ] {
            assert_eq!(url.parse::<Place>().unwrap(), place, "{url}");
        }
    }

    #[test]
    fn wrong_urls_are_refused_and_not_repeated() {
        for url in [
            "files",
            "s3:/files",
            "s3://",
            "ftp://secret/a",
            "s3://user:secret@files",
            "s3://files?key=secret",
            "s3://files/secret//b",
            "s3://fi les",
            "file://secret/relative",
            "file://secret",
            "az://secret.x%/",
        ] {
            let error = url.parse::<Place>().unwrap_err().to_string();
            assert!(error.starts_with("object store: reading its URL fails: "), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_bad_setting_is_told_without_its_value() {
        let options = ObjectOptions::default().set("AWS_ACCESS_KEY_ID", "secret");
        let error = client(Cloud::S3, "files", &options).unwrap_err().to_string();
        assert!(error.contains("AWS_SECRET_ACCESS_KEY") && !error.contains("secret key"), "{error}");
    }
}

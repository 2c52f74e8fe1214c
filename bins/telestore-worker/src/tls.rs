use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// How often the files are looked at, at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where certificate and key are, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

/// Why HTTPS cannot be served. The texts say what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("{setting}: cannot read {path}: {source}")]
    Read { setting: &'static str, path: String, source: std::io::Error },
    #[error("TELESTORE_TLS_CERT: {path} holds no certificate in PEM (BEGIN CERTIFICATE)")]
    NoCertificate { path: String },
    #[error(
        "TELESTORE_TLS_KEY: {path} holds no private key in PEM (BEGIN PRIVATE KEY), or one with a passphrase"
    )]
    NoKey { path: String },
    #[error("TELESTORE_TLS_KEY: {key} does not belong to the first certificate of {cert}")]
    Mismatch { cert: String, key: String },
    #[error("TELESTORE_TLS_CERT, TELESTORE_TLS_KEY: {0}")]
    Unfit(#[from] rustls::Error),
}

/// TLS 1.2 and 1.3 with the certificate of `files`. It is read again when the files change, so a renewed one needs no
/// restart.
pub(crate) fn server_config(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let renewed = Renewed::open(files, Arc::clone(&provider))?;
    Ok(ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(renewed)))
}

/// The certificate as it is on disk.
struct Renewed {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    current: Mutex<Current>,
}

struct Current {
    key: Arc<CertifiedKey>,
    /// What the files held when they were last looked at.
    seen: Pem,
    looked: Instant,
}

/// What both files hold.
#[derive(Clone, PartialEq, Eq)]
struct Pem {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl fmt::Debug for Renewed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewed").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Renewed {
    fn open(files: &TlsFiles, provider: Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let seen = Pem::read(files)?;
        let key = Arc::new(seen.parse(files, &provider)?);
        let current = Mutex::new(Current { key, seen, looked: Instant::now() });
        Ok(Self { files: files.clone(), provider, current })
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the files, if that was not done just now. What cannot be used leaves everything as it is: it may be
    /// half written, or the key may come in a moment.
    fn key(&self) -> Arc<CertifiedKey> {
        let mut current = self.lock();
        if current.looked.elapsed() < LOOK_EVERY {
            return Arc::clone(&current.key);
        }
        current.looked = Instant::now();
        let found = Pem::read(&self.files);
        match found {
            Ok(pem) if pem == current.seen => {}
            Ok(pem) => {
                match pem.parse(&self.files, &self.provider) {
                    Ok(key) => {
                        current.key = Arc::new(key);
                        tracing::info!("took up the renewed TLS certificate");
                    }
                    Err(error) => tracing::warn!(%error, "keeping the TLS certificate from before"),
                }
                current.seen = pem;
            }
            Err(error) => tracing::debug!(%error, "keeping the TLS certificate from before"),
        }
        Arc::clone(&current.key)
    }
}

impl ResolvesServerCert for Renewed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.key())
    }
}

impl Pem {
    fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let read = |setting, path: &Path| {
            fs::read(path).map_err(|source| TlsError::Read {
                setting,
                path: path.display().to_string(),
                source,
            })
        };
        Ok(Self {
            cert: read("TELESTORE_TLS_CERT", &files.cert)?,
            key: read("TELESTORE_TLS_KEY", &files.key)?,
        })
    }

    fn parse(&self, files: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let (cert, key) = (files.cert.display().to_string(), files.key.display().to_string());
        let chain: Result<Vec<CertificateDer<'static>>, _> =
            CertificateDer::pem_slice_iter(&self.cert).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| TlsError::NoCertificate { path: cert.clone() })?;
        let private =
            PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| TlsError::NoKey { path: key.clone() })?;
        CertifiedKey::from_der(chain, private, provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch { cert, key },
            error => TlsError::Unfit(error),
        })
    }
}

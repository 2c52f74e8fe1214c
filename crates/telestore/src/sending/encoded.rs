//! What Telegram gets of a file: its bytes, or a compressed or encrypted form of them.
//!
//! Each attempt makes the same bytes, by what the row holds. A row that holds keys names the bytes that they are for: if a chunk
//! becomes another one, the store drops them with the same write ([`Upload::chunk_stored`]), so that no key meets a second file.

use std::sync::Arc;

use telestore_age::{Encrypted, Sealing};
use telestore_types::{ByteSource, Encoding, Outcome, Secret, Upload};
use telestore_uploader::Error;
use tokio_util::sync::CancellationToken;

use crate::sending::runner::Runner;
use crate::sending::sink::LeaseSink;
use crate::sending::stop::{LOOK_THERE, Stop};
use crate::shared::job::Job;
use crate::shared::metrics::ErrorKind as Kind;

/// What is said if the bytes of an earlier attempt cannot be made again, and its message may be there.
const OTHER_BYTES: &str = "the worker compresses files otherwise now than when it began to send this one";

/// What is said if encryption is asked for once the message may be there.
const TOO_LATE: &str = "encryption was asked for after the file had been sent as it is: all of it or a part may be in the channel. Look there, \
                        cancel this upload, and send the file with a new one";

impl Runner {
    /// What Telegram gets of the file of `upload`. What is decided here is written down before any of it goes out.
    pub(super) async fn encoded(
        &self,
        upload: &mut Upload,
        job: &Job,
        plain: Arc<dyn ByteSource>,
        sink: &LeaseSink,
        stop: &CancellationToken,
    ) -> Result<Arc<dyn ByteSource>, Stop> {
        let defaults = &self.base.config.encoding;
        if !defaults.changes(upload) {
            return Ok(plain);
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(Stop::from_uploader(&Error::cancelled())),
            encoded = self.encode(upload, job, plain, sink) => encoded,
        }
    }

    async fn encode(
        &self,
        upload: &mut Upload,
        job: &Job,
        plain: Arc<dyn ByteSource>,
        sink: &LeaseSink,
    ) -> Result<Arc<dyn ByteSource>, Stop> {
        let kept = upload.encoding.clone();
        if kept.is_none() && job.may_exist(upload.resume.as_ref()) {
            // It has gone as it is. Who has said only now that it must not is told.
            return match upload.options.encrypt {
                Some(true) => Err(Stop::Failed {
                    kind: Kind::Rejected,
                    why: TOO_LATE.to_owned(),
                    outcome: Outcome::Ambiguous,
                }),
                _ => Ok(plain),
            };
        }
        let compressed = self.compressed(upload, kept.as_ref(), &plain, sink).await?;
        if let Some(kept) = kept {
            match self.again(upload, &kept, compressed.as_ref(), &plain) {
                Some(same) => return Ok(same),
                None if job.may_exist(upload.resume.as_ref()) => {
                    let why = format!("{OTHER_BYTES}. {LOOK_THERE}");
                    return Err(Stop::Failed { kind: Kind::Damaged, why, outcome: Outcome::Ambiguous });
                }
                // Nothing goes on from what was sent.
                None => {}
            }
        }
        let Some((encoding, encoded)) = self.anew(upload, job, compressed, plain.clone())? else {
            return Ok(plain);
        };
        let held = sink.patiently(|| self.base.sessions.encode(sink.lease(), &encoding)).await;
        if !held.map_err(Stop::unread)? {
            return Err(Stop::Interrupted);
        }
        upload.encode(encoding);
        Ok(encoded)
    }

    /// The bytes of an earlier attempt; `None` if they cannot be made any more.
    fn again(
        &self,
        upload: &Upload,
        kept: &Encoding,
        compressed: Option<&Compressed>,
        plain: &Arc<dyn ByteSource>,
    ) -> Option<Arc<dyn ByteSource>> {
        if kept.compressed.as_deref() != compressed.map(|compressed| compressed.mark.as_str()) {
            return None;
        }
        let inner = compressed.map_or(plain, |compressed| &compressed.source);
        if !kept.encrypted {
            return Some(Arc::clone(inner));
        }
        let keys = self.backends.sealer.open(&upload.key, kept.sealed.as_deref()?).ok()?;
        let sealing = Sealing::from_bytes(&hex::decode(keys.expose()).ok()?).ok()?;
        let encrypted = Encrypted::new(Arc::clone(inner), Arc::new(sealing));
        (encrypted.len() == kept.size).then(|| Arc::new(encrypted) as Arc<dyn ByteSource>)
    }

    /// New bytes, with new keys; `None` if the file goes as it is.
    fn anew(
        &self,
        upload: &Upload,
        job: &Job,
        compressed: Option<Compressed>,
        plain: Arc<dyn ByteSource>,
    ) -> Result<Option<Encoded>, Stop> {
        let defaults = &self.base.config.encoding;
        let mark = compressed.as_ref().map(|compressed| compressed.mark.clone());
        let mut source = compressed.map_or(plain, |compressed| compressed.source);
        let encrypt = defaults.wanted(&upload.options).encrypt;
        if mark.is_none() && !encrypt {
            return Ok(None);
        }
        let mut sealed = None;
        if encrypt {
            let refused = |why: String| Stop::failed(Kind::NotConfigured, why);
            let recipients = defaults.recipients_of(&job.credentials).map_err(refused)?;
            let failed = |error: String| refused(format!("the file cannot be encrypted: {error}"));
            let sealing = Sealing::draw(&recipients).map_err(|error| failed(error.to_string()))?;
            let keys = Secret::new(hex::encode(&*sealing.to_bytes()));
            let kept = self.backends.sealer.seal(&upload.key, &keys);
            sealed = Some(kept.map_err(|error| failed(error.to_string()))?);
            source = Arc::new(Encrypted::new(source, Arc::new(sealing)));
        }
        let mut encoding = Encoding::new(source.len());
        if let Some(mark) = mark {
            encoding = encoding.compressed(mark);
        }
        if let Some(sealed) = sealed {
            encoding = encoding.encrypted(sealed);
            if defaults.hide_names {
                encoding = encoding.with_hidden_name();
            }
        }
        Ok(Some((encoding, source)))
    }
}

/// What a row is to hold, and the bytes of it.
type Encoded = (Encoding, Arc<dyn ByteSource>);

/// A compressed file, and what tells it from others.
struct Compressed {
    source: Arc<dyn ByteSource>,
    mark: String,
}

#[cfg(feature = "zstd")]
mod compressing {
    use telestore_types::{SourceError, Stage, Verdict};
    use telestore_uploader::ProgressSink;
    use telestore_zstd::{DEFAULT_LEVEL, Frames, Mark, gains, skips};

    use super::*;

    impl Runner {
        /// The compressed file, if it is to be, and gains anything by it. A file that was begun compressed goes on so.
        pub(super) async fn compressed(
            &self,
            upload: &Upload,
            kept: Option<&Encoding>,
            plain: &Arc<dyn ByteSource>,
            sink: &LeaseSink,
        ) -> Result<Option<Compressed>, Stop> {
            let level = match kept {
                Some(Encoding { compressed: None, .. }) => return Ok(None),
                Some(Encoding { compressed: Some(mark), .. }) => {
                    mark.parse().map_or(DEFAULT_LEVEL, |mark: Mark| mark.level())
                }
                None if !self.base.config.encoding.wanted(&upload.options).compress => return Ok(None),
                None => {
                    let name = upload.file_name.as_str();
                    if skips(name, upload.mime_type.as_deref(), plain.len())
                        || !gains(&**plain).await.map_err(unreadable)?
                    {
                        return Ok(None);
                    }
                    DEFAULT_LEVEL
                }
            };
            // It is work, however long it takes.
            let frames = Frames::scan(Arc::clone(plain), level, |_| sink.stage(Stage::Connecting)).await;
            Ok(frames.map_err(unreadable)?.map(|frames| {
                let mark = frames.mark().to_string();
                let source = telestore_zstd::Compressed::new(Arc::clone(plain), Arc::new(frames));
                Compressed { source: Arc::new(source), mark }
            }))
        }
    }

    fn unreadable(error: SourceError) -> Stop {
        match error.verdict() {
            Verdict::Permanent => Stop::failed(Kind::Damaged, error.to_string()),
            _ => Stop::Later { kind: Kind::Storage, why: error.to_string(), wait: None },
        }
    }
}

#[cfg(not(feature = "zstd"))]
impl Runner {
    /// Nothing is compressed without the feature. A file that another worker has begun compressed is one whose bytes cannot be made.
    #[expect(clippy::unused_async, reason = "the same as with the feature")]
    async fn compressed(
        &self,
        _: &Upload,
        _: Option<&Encoding>,
        _: &Arc<dyn ByteSource>,
        _: &LeaseSink,
    ) -> Result<Option<Compressed>, Stop> {
        Ok(None)
    }
}

#![doc = include_str!("../README.md")]

mod address;
mod alike;
mod caption;
mod clock;
mod credentials;
mod digest;
mod error;
mod event;
mod file;
mod forward;
mod id;
mod key_store;
mod login_guard;
mod name;
mod outcome;
pub mod pasted;
mod picture;
mod proxy;
mod secret;
mod send_as;
mod sender;
mod shown;
mod source;
mod stored;
pub mod telegram;
mod thumbnail;
mod upload;
mod verdict;
mod worker;

pub use address::{AddressKey, network_of};
pub use caption::{CAPTION_MAX, Caption, CaptionTemplate, CaptionValues, Entity, EntityKind, TemplateError};
pub use clock::{Clock, LONGEST_GAP, ManualClock, Reading, SteadyClock, SystemClock, Timestamp};
pub use credentials::{ApiId, ChatId, Identity, TelegramCredentials, UserId};
pub use digest::{ContentDigest, FileDigest};
pub use error::{Error, Result};
pub use event::{Stage, UploadEvent, UploadStatus};
pub use file::IndexedFile;
pub use id::{ChunkIndex, FileId, MAX_CHUNKS, StorageKey, UploadId};
pub use key_store::{KeyStore, KeyStoreError};
pub use login_guard::{LoginBusy, LoginGuard, LoginHold};
pub use name::{FileName, mime_type_of};
pub use outcome::Outcome;
pub use picture::picture_size;
pub use proxy::{Disguise, MtproxySecret, Proxy, ProxyLogin, ProxyProtocol};
pub use secret::Secret;
pub use send_as::SendAs;
pub use sender::{Login, Sender, SenderId};
pub use shown::{Shown, misleads};
pub use source::{ByteSource, BytesSource, SourceError};
pub use stored::{Encoded, StoredAs, StoredFile, StoredMessage};
pub use thumbnail::{Thumbnail, ThumbnailMark};
pub use upload::{
    AppendError, ChunkVerdict, Completion, CompletionError, Encoding, HandedOver, LONGEST_PAUSE, MAX_CRASHES,
    MAX_EARLY_CRASHES, MISSING_CHUNKS, Metadata, NewUpload, OptionError, Recovery, ResumeState, TopicId,
    Upload, UploadKind, UploadOption, UploadOptions, UploadState, is_due,
};
pub use verdict::Verdict;
pub use worker::WorkerId;

//! Those who send parts to the sandbox, each in a process of its own: the worker's uploader, stock grammers, and the bare
//! cipher, which sends nothing.

use std::collections::HashMap;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use aes::Aes256Enc;
use aes::cipher::{Array, BlockModeEncrypt, KeyIvInit};
use bytes::Bytes;
use grammers_client::Client;
use grammers_crypto::{AuthKey, DequeBuffer, encrypt_data_v2};
use grammers_mtsender::{ConnectionParams, NoRetries, SenderPool};
use grammers_session::SessionData;
use grammers_session::storages::MemorySession;
use grammers_session::types::DcOption;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use telestore_sandbox::SandboxUser;
use telestore_types::{
    ApiId, ByteSource, ChatId, FileName, Secret, SourceError, TelegramCredentials, UploadId, UserId,
};
use telestore_uploader::{
    AllowedAddresses, MtprotoConfig, MtprotoUploader, NoProgress, TelegramUploader, UploadRequest,
};
use tokio::io::{AsyncRead, ReadBuf};

use crate::load::noise;
use crate::proc::Clock;
use crate::{MIB, Result, child};

/// Who sends.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// The worker's uploader, with its own number of parts in flight or another.
    Uploader { window: Option<usize> },
    /// `grammers_client::Client::upload_stream`.
    Stock,
    /// What a sender spends on encryption at the least.
    Crypto,
    /// The same by the cipher of grammers.
    GrammersCrypto,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) kind: Kind,
    pub(crate) user: SandboxUser,
    pub(crate) mtproto: SocketAddr,
    pub(crate) bytes: usize,
}

/// The child's part: does its job and says what it took.
pub(crate) fn send() -> Result<()> {
    let job: Job = child::job()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    noise();
    let clock = Clock::start()?;
    match job.kind {
        Kind::Uploader { window } => runtime.block_on(by_uploader(&job, window))?,
        Kind::Stock => runtime.block_on(by_stock(&job))?,
        Kind::Crypto => encrypt(&job, seal),
        Kind::GrammersCrypto => {
            let key = AuthKey::from_bytes(job.user.auth_key_bytes());
            encrypt(&job, |packet| encrypt_data_v2(packet, &key));
        }
    }
    child::answer(&clock.stop()?)
}

async fn by_uploader(job: &Job, window: Option<usize>) -> Result<()> {
    let source = Arc::new(Noise { length: job.bytes, at: 0 });
    let (id, name) = (UploadId::new("benchmark")?, FileName::new("video.bin")?);
    let request = UploadRequest::new(id, Arc::new(credentials(&job.user)?), name, source);
    let uploader = uploader();
    let uploader = match window {
        Some(parts) => uploader.with_window(parts),
        None => uploader,
    };
    uploader.upload(request, Arc::new(NoProgress)).await?;
    Ok(())
}

/// What a user of the sandbox signs in with.
pub(crate) fn credentials(user: &SandboxUser) -> Result<TelegramCredentials> {
    let session = user.telethon_session.as_deref().map(Secret::new);
    let nobody = TelegramCredentials::new(UserId::new(&user.user_id), ChatId::new(&user.channel_id)?);
    Ok(nobody.with_session(session, ApiId::new(user.api_id).ok(), None))
}

/// The worker's uploader, with its own settings.
pub(crate) fn uploader() -> MtprotoUploader {
    let mut config = MtprotoConfig::default();
    config.allowed = AllowedAddresses::any();
    MtprotoUploader::new(config)
}

async fn by_stock(job: &Job) -> Result<()> {
    let client = stock(&job.user, job.mtproto)?;
    let mut stream = Noise { length: job.bytes, at: 0 };
    client.upload_stream(&mut stream, job.bytes, "video.bin".to_owned()).await?;
    Ok(())
}

/// Stock grammers, signed in as a user of the sandbox. Needs a runtime.
pub(crate) fn stock(user: &SandboxUser, mtproto: SocketAddr) -> Result<Client> {
    let SocketAddr::V4(ipv4) = mtproto else { return Err("the sandbox is not bound to IPv4".into()) };
    let ipv6 = SocketAddrV6::new(Ipv6Addr::LOCALHOST, ipv4.port(), 0, 0);
    let option = DcOption { id: 2, ipv4, ipv6, auth_key: Some(user.auth_key_bytes()) };
    let data = SessionData { home_dc: 2, dc_options: HashMap::from([(2, option)]), ..Default::default() };
    let params = ConnectionParams { retry_policy: Box::new(NoRetries), ..Default::default() };
    let session = Arc::new(MemorySession::from(data));
    let pool = SenderPool::with_configuration(session, user.api_id, params);
    tokio::spawn(pool.runner.run());
    Ok(Client::new(pool.handle))
}

/// Parts of 512 KiB, encrypted one after another on one thread.
fn encrypt(job: &Job, mut cipher: impl FnMut(&mut DequeBuffer<u8>)) {
    let mut packet = DequeBuffer::with_capacity(MIB, 64);
    for part in noise().chunks(MIB / 2).cycle().take(job.bytes / (MIB / 2)) {
        packet.clear();
        packet.extend(part);
        cipher(&mut packet);
    }
}

/// The two passes that MTProto demands: a SHA-256 of the packet, of which the key comes, and AES-256-IGE.
fn seal(packet: &mut DequeBuffer<u8>) {
    let key = Sha256::digest(&packet[..]);
    let mut cipher = ige::Encryptor::<Aes256Enc>::new(&key, &[0; 32].into());
    cipher.encrypt_blocks(Array::slice_as_chunks_mut(&mut packet[..]).0);
}

/// A file of noise that takes no memory of its own.
#[derive(Debug)]
struct Noise {
    length: usize,
    at: usize,
}

#[async_trait::async_trait]
impl ByteSource for Noise {
    fn len(&self) -> u64 {
        self.length as u64
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, SourceError> {
        let noise = noise();
        let start = usize::try_from(offset).unwrap_or(usize::MAX) % noise.len();
        Ok(match noise.get(start..start + length) {
            Some(bytes) => Bytes::from_static(bytes),
            None => noise.iter().cycle().skip(start).take(length).copied().collect(),
        })
    }
}

impl AsyncRead for Noise {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let start = self.at % noise().len();
        let rest = &noise()[start..];
        let length = rest.len().min(out.remaining()).min(self.length - self.at);
        out.put_slice(&rest[..length]);
        self.at += length;
        Poll::Ready(Ok(()))
    }
}

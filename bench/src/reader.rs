//! Those who read a file out of the sandbox, each in a process of its own: the worker's reader, stock grammers, and the bare
//! cipher, which reads nothing.

use std::net::SocketAddr;
use std::sync::Arc;

use aes::Aes256Dec;
use aes::cipher::{Array, BlockModeDecrypt, KeyIvInit};
use futures_util::TryStreamExt;
use grammers_client::Client;
use grammers_client::media::{Downloadable, Media};
use grammers_client::tl::enums::InputFileLocation;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use telestore_reader::{Content, MtprotoReader, TelegramReader};
use telestore_sandbox::SandboxUser;

use crate::load::noise;
use crate::proc::{Clock, Cost};
use crate::{MIB, Result, child, sender};

/// Who reads.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// The worker's reader, by itself.
    Reader,
    /// `grammers_client::Client::iter_download`.
    Stock,
    /// What a reader spends on decryption at the least.
    Crypto,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) kind: Kind,
    pub(crate) user: SandboxUser,
    pub(crate) mtproto: SocketAddr,
    /// The message that has the file.
    pub(crate) message_id: i32,
    /// How many bytes of it to read.
    pub(crate) bytes: usize,
}

/// What it took, once the file was found.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    #[serde(flatten)]
    pub(crate) cost: Cost,
    /// Where the file was found, if stock grammers has read it.
    pub(crate) place: Option<Place>,
}

/// A document as an account names it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) dc_id: i32,
    pub(crate) id: i64,
    pub(crate) access_hash: i64,
    pub(crate) file_reference: Vec<u8>,
}

impl Place {
    fn of(media: &Media) -> Option<Self> {
        let InputFileLocation::InputDocumentFileLocation(file) = media.to_raw_input_location()? else {
            return None;
        };
        let (id, access_hash) = (file.id, file.access_hash);
        Some(Self { dc_id: media.dc_id()?, id, access_hash, file_reference: file.file_reference })
    }
}

/// The child's part: does its job and says what it took.
pub(crate) fn read() -> Result<()> {
    let job: Job = child::job()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    child::answer(&match job.kind {
        Kind::Reader => runtime.block_on(by_reader(&job))?,
        Kind::Stock => runtime.block_on(by_stock(&job))?,
        Kind::Crypto => decrypt(&job)?,
    })
}

/// What it took to read `read` bytes, which must be all of them.
fn done(clock: Clock, read: usize, job: &Job) -> Result<Done> {
    let cost = clock.stop()?;
    match read == job.bytes {
        true => Ok(Done { cost, place: None }),
        false => Err(format!("{read} bytes came, and not {}", job.bytes).into()),
    }
}

async fn by_reader(job: &Job) -> Result<Done> {
    let uploader = sender::uploader();
    let reader: Arc<dyn TelegramReader> = Arc::new(MtprotoReader::new(uploader.logins()));
    let credentials = sender::credentials(&job.user)?;
    let content = Content::look(&[reader], &credentials, &[job.message_id.into()]).await?;
    let (clock, mut read) = (Clock::start()?, 0);
    let mut blocks = content.read(0..job.bytes as u64);
    while let Some(block) = blocks.try_next().await? {
        read += block.len();
    }
    done(clock, read, job)
}

async fn by_stock(job: &Job) -> Result<Done> {
    let client = sender::stock(&job.user, job.mtproto)?;
    let media = find(&client, job).await?;
    let place = Place::of(&media);
    let (clock, mut read) = (Clock::start()?, 0);
    let mut chunks = client.iter_download(&media);
    while read < job.bytes {
        read += chunks.next().await?.ok_or("the file is too short")?.len();
    }
    Ok(Done { place, ..done(clock, read, job)? })
}

async fn find(client: &Client, job: &Job) -> Result<Media> {
    let channel = Some(job.user.channel_id.parse()?);
    let mut dialogs = client.iter_dialogs();
    let peer = loop {
        let dialog = dialogs.next().await?.ok_or("the channel is not among the dialogs")?;
        if dialog.peer_id().bot_api_dialog_id() == channel {
            break dialog.peer_ref();
        }
    };
    let mut messages = client.get_messages_by_id(peer, &[job.message_id]).await?;
    let message = messages.pop().flatten().ok_or("there is no such message")?;
    Ok(message.media().ok_or("the message has no file")?)
}

/// The two passes that MTProto demands of who receives, on one thread, over packets as the reader asks for: AES-256-IGE, and a SHA-256
/// that shows that a packet is whole.
fn decrypt(job: &Job) -> Result<Done> {
    let mut packet = noise()[..MIB / 4].to_vec();
    let (clock, mut key) = (Clock::start()?, Sha256::digest(&packet));
    for _ in 0..job.bytes / packet.len() {
        let mut cipher = ige::Decryptor::<Aes256Dec>::new(&key, &[0; 32].into());
        cipher.decrypt_blocks(Array::slice_as_chunks_mut(&mut packet).0);
        key = Sha256::digest(&packet);
    }
    done(clock, job.bytes / packet.len() * packet.len(), job)
}

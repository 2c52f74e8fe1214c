//! An uploader that does what a test tells it, and remembers what it was asked.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use telestore::types::{StoredAs, StoredFile, StoredMessage, TelegramCredentials};
use telestore::uploader::{
    Capability, Error, ErrorKind, ProgressSink, Requirement, Result, TelegramUploader, UploadRequest,
};
use tokio::sync::Notify;

/// One attempt, in the hands of a script.
pub(crate) struct Call {
    pub(crate) request: UploadRequest,
    pub(crate) sink: Arc<dyn ProgressSink>,
}

impl Call {
    /// Does what a backend does when it is told to stop.
    pub(crate) async fn until_cancelled(self) -> Result<StoredFile> {
        self.request.cancel.cancelled().await;
        Err(Error::cancelled())
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<StoredFile>> + Send>>;
type Script = Box<dyn FnOnce(Call) -> Answer + Send>;

#[derive(Default)]
struct State {
    scripts: VecDeque<Script>,
    requests: Vec<UploadRequest>,
    bodies: Vec<Vec<u8>>,
    withdrawn: Vec<i64>,
    withdrawals: usize,
    closed: usize,
    refuse_to_withdraw: usize,
}

/// Sends by remembering. Without a script, an attempt succeeds. Clones share all of it.
#[derive(Clone)]
pub(crate) struct Scripted {
    name: &'static str,
    capability: Capability,
    state: Arc<Mutex<State>>,
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Scripted {
    pub(crate) fn new() -> Self {
        Self::with("scripted", u64::MAX, Requirement::Nothing)
    }

    pub(crate) fn with(name: &'static str, max_bytes: u64, requirement: Requirement) -> Self {
        let capability = Capability::new(max_bytes, requirement).resumable().idempotent();
        Self { name, capability, state: Arc::default() }
    }

    /// What the next attempt that has no script yet does.
    pub(crate) fn then<F>(&self, script: impl FnOnce(Call) -> F + Send + 'static)
    where
        F: Future<Output = Result<StoredFile>> + Send + 'static,
    {
        self.state.lock().unwrap().scripts.push_back(Box::new(|call| Box::pin(script(call))));
    }

    /// The same; tells as soon as the attempt has begun.
    pub(crate) fn then_telling<F>(&self, script: impl FnOnce(Call) -> F + Send + 'static) -> Arc<Notify>
    where
        F: Future<Output = Result<StoredFile>> + Send + 'static,
    {
        let started = Arc::new(Notify::new());
        let telling = Arc::clone(&started);
        self.then(move |call| {
            telling.notify_one();
            script(call)
        });
        started
    }

    pub(crate) fn then_fail(&self, kind: ErrorKind, words: &'static str) {
        self.then(move |_| async move { Err(Error::new(kind, words)) });
    }

    pub(crate) fn attempts(&self) -> usize {
        self.state.lock().unwrap().requests.len()
    }

    pub(crate) fn request(&self, attempt: usize) -> UploadRequest {
        self.state.lock().unwrap().requests[attempt].clone()
    }

    /// Lets the first `times` withdrawals fail.
    pub(crate) fn refuse_to_withdraw(&self, times: usize) {
        self.state.lock().unwrap().refuse_to_withdraw = times;
    }

    /// How often it was asked to take a message back.
    /// How often its connections were closed.
    pub(crate) fn closed(&self) -> usize {
        self.state.lock().unwrap().closed
    }

    pub(crate) fn withdrawals(&self) -> usize {
        self.state.lock().unwrap().withdrawals
    }

    /// The messages that were taken back.
    pub(crate) fn withdrawn(&self) -> Vec<i64> {
        self.state.lock().unwrap().withdrawn.clone()
    }

    /// The files that attempts without a script have sent.
    pub(crate) fn sent(&self) -> Vec<Vec<u8>> {
        self.state.lock().unwrap().bodies.clone()
    }
}

#[async_trait]
impl TelegramUploader for Scripted {
    fn name(&self) -> &'static str {
        self.name
    }

    fn capability(&self) -> Capability {
        self.capability
    }

    async fn upload(&self, request: UploadRequest, sink: Arc<dyn ProgressSink>) -> Result<StoredFile> {
        let script = {
            let mut state = self.state.lock().unwrap();
            state.requests.push(request.clone());
            state.scripts.pop_front()
        };
        if let Some(script) = script {
            return script(Call { request, sink }).await;
        }
        let length = request.source.len();
        let body = request.source.read_at(0, usize::try_from(length).unwrap()).await?;
        sink.acknowledged(length);
        let mut state = self.state.lock().unwrap();
        state.bodies.push(body.to_vec());
        Ok(stored(i64::try_from(state.bodies.len()).unwrap()))
    }

    fn copies(&self, message: &StoredMessage) -> bool {
        matches!(message.stored_as, StoredAs::BotApi { .. })
    }

    async fn withdraw(&self, _: &TelegramCredentials, stored: &StoredFile) -> Result<bool> {
        let mut state = self.state.lock().unwrap();
        state.withdrawals += 1;
        if state.withdrawals <= state.refuse_to_withdraw {
            return Err(Error::new(ErrorKind::Unavailable, "Telegram is down"));
        }
        state.withdrawn.push(stored.message_id());
        Ok(true)
    }

    async fn close(&self) {
        self.state.lock().unwrap().closed += 1;
    }
}

/// What Telegram gives for message `message_id`.
pub(crate) fn stored(message_id: i64) -> StoredFile {
    let stored_as = StoredAs::BotApi { file_id: format!("file-{message_id}") };
    StoredFile::new(StoredMessage::new(message_id, stored_as, 10))
}

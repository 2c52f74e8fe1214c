use futures_util::Stream;
use futures_util::stream;
use tokio::sync::watch;

/// How far an upload is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Bytes of the file that went out, those on their way included. After a cut it goes back to what the worker has.
    pub sent: u64,
    /// Bytes that the worker has: they survive a restart of either side.
    pub kept: u64,
    /// Bytes of the file, once they are known.
    pub total: Option<u64>,
    /// Bytes that Telegram has, of those that go there: see `bytesSent` of `/upload-progress`.
    pub delivered: u64,
    /// How far the worker says it is with it, from 0 to 100, once it has all of it.
    pub percent: Option<u64>,
    /// What is waited for, in words, while the worker is away or asks for patience.
    pub trouble: Option<String>,
}

/// What is being done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum Phase {
    /// It is read for its digest, and the worker is asked to take it.
    #[default]
    Starting,
    /// It goes to the worker.
    Uploading,
    /// The worker has it, and does not send it yet.
    Queued,
    /// The worker sends it to Telegram.
    Sending,
    /// It is in the channel.
    Done,
}

impl Phase {
    /// Its name in one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Uploading => "uploading",
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Done => "done",
        }
    }
}

/// Where an upload's progress is said.
#[derive(Debug, Clone)]
pub(crate) struct Report(watch::Sender<Progress>);

impl Report {
    pub(crate) fn new() -> (Self, watch::Receiver<Progress>) {
        let (sender, receiver) = watch::channel(Progress::default());
        (Self(sender), receiver)
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Progress)) {
        self.0.send_if_modified(|progress| {
            let before = progress.clone();
            change(progress);
            *progress != before
        });
    }

    /// What is waited for, or that nothing is any more.
    pub(crate) fn trouble(&self, text: Option<String>) {
        self.change(|progress| progress.trouble = text);
    }
}

/// Each state from the one that holds now on, until the upload has ended. States that nobody looked at meanwhile are left out.
pub(crate) fn states(
    mut receiver: watch::Receiver<Progress>,
) -> impl Stream<Item = Progress> + Send + Unpin + 'static {
    receiver.mark_changed();
    Box::pin(stream::unfold(receiver, |mut receiver| async move {
        receiver.changed().await.ok()?;
        let progress = receiver.borrow_and_update().clone();
        Some((progress, receiver))
    }))
}

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

/// How far a download is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DownloadProgress {
    /// What is being done.
    pub phase: DownloadPhase,
    /// Bytes of the file that are here, those of earlier runs included. It goes back to 0 if the download begins anew.
    pub received: u64,
    /// Bytes of the file.
    pub total: Option<u64>,
    /// What is waited for, in words, while the worker is away or asks for patience.
    pub trouble: Option<String>,
}

/// What is being done with a file that is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum DownloadPhase {
    /// What is here of it is read for its digest, and the worker is asked for the rest.
    #[default]
    Starting,
    /// It comes from the worker.
    Receiving,
    /// All of it is here, and it is what it should be.
    Done,
}

impl DownloadPhase {
    /// Its name in one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Receiving => "receiving",
            Self::Done => "done",
        }
    }
}

/// Where it is said how far something is.
#[derive(Debug, Clone)]
pub(crate) struct Report<P = Progress>(watch::Sender<P>);

/// Who is told what is waited for, or that nothing is any more.
pub(crate) trait Told: Sync {
    fn trouble(&self, text: Option<String>);
}

impl<P: Clone + Default + PartialEq> Report<P> {
    pub(crate) fn new() -> (Self, watch::Receiver<P>) {
        let (sender, receiver) = watch::channel(P::default());
        (Self(sender), receiver)
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut P)) {
        self.0.send_if_modified(|progress| {
            let before = progress.clone();
            change(progress);
            *progress != before
        });
    }
}

impl Told for Report<Progress> {
    fn trouble(&self, text: Option<String>) {
        self.change(|progress| progress.trouble = text);
    }
}

impl Told for Report<DownloadProgress> {
    fn trouble(&self, text: Option<String>) {
        self.change(|progress| progress.trouble = text);
    }
}

/// Each state from the one that holds now on, until all has ended. States that nobody looked at meanwhile are left out.
pub(crate) fn states<P: Clone + Send + Sync + 'static>(
    mut receiver: watch::Receiver<P>,
) -> impl Stream<Item = P> + Send + Unpin + 'static {
    receiver.mark_changed();
    Box::pin(stream::unfold(receiver, |mut receiver| async move {
        receiver.changed().await.ok()?;
        let progress = receiver.borrow_and_update().clone();
        Some((progress, receiver))
    }))
}

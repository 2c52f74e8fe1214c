use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;
use tokio::sync::watch;

use crate::calls::Calls;
use crate::delivery::{self, Delivered};
use crate::error::{Error, ErrorKind, Result};
use crate::options::UploadOptions;
use crate::progress::{self, Phase, Progress, Report, Told};
use crate::sending::{Sending, empty};
use crate::source::{Inner, Source};
use crate::task::Task;
use crate::tus::{self, Begins};
use crate::upload_url::UploadUrl;

/// How often an upload is begun anew because the worker lost it before it had all of it.
const ANEW: u32 = 3;

/// An upload under way. It is a future of what the upload becomes, and goes on in a task of its own whether or not it is polled.
///
/// Dropped before its end, it stops at once. What the worker has of it stays there for a while: whoever kept its
/// [`url`](Self::url) may [resume](crate::Client::resume) or [cancel](crate::Client::cancel) it.
#[derive(Debug)]
#[must_use = "an upload stops when it is dropped"]
pub struct Upload {
    progress: watch::Receiver<Progress>,
    url: watch::Receiver<Option<UploadUrl>>,
    task: Task<Delivered>,
}

impl Upload {
    /// How far it is: the state now, and then each later one, until it has ended. Whoever looks late sees the newest.
    pub fn progress(&self) -> impl Stream<Item = Progress> + Send + Unpin + 'static {
        progress::states(self.progress.clone())
    }

    /// How far it is now.
    pub fn now(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// Where it lives at the worker, once it does. `None` if it ended without.
    pub async fn url(&self) -> Option<UploadUrl> {
        let mut url = self.url.clone();
        url.wait_for(Option::is_some).await.ok().and_then(|url| url.clone())
    }
}

impl Future for Upload {
    type Output = Result<Delivered>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(cx)
    }
}

/// Starts one: at the address of one that was begun, or anew.
pub(crate) fn start(
    calls: Arc<Calls>,
    at: Option<UploadUrl>,
    source: Source,
    options: UploadOptions,
) -> Upload {
    let (report, progress) = Report::<Progress>::new();
    let (told, url) = watch::channel(at.clone());
    let total = source.length();
    report.change(|progress| progress.total = total);
    let task = Task::spawn(async move {
        let mut source = source;
        match at {
            Some(url) => run(&calls, &report, &options, &url, &mut source, Begins::Somewhere).await,
            None => anew(&calls, &report, options, source, &told).await,
        }
    });
    Upload { progress, url, task }
}

/// The options, with what is known of the source.
async fn prepared(mut options: UploadOptions, source: &Source) -> Result<UploadOptions> {
    if source.length() == Some(0) {
        return Err(empty());
    }
    if source.length().is_none() && options.key.is_some() {
        let words = "a stream has no idempotency key: nobody can send what an earlier process has read of it";
        return Err(Error::new(ErrorKind::Config, words));
    }
    if let (Inner::File(file), None) = (&source.0, &options.file_name)
        && let Some(name) = file.name.clone()
    {
        options = options.file_name(&name)?;
    }
    let pays = source.length().is_some_and(|length| length <= options.digest_up_to);
    if options.sha256.is_none() && pays {
        options.sha256 = source.digest().await?.map(Into::into);
    }
    Ok(options)
}

async fn anew(
    calls: &Calls,
    report: &Report,
    options: UploadOptions,
    mut source: Source,
    told: &watch::Sender<Option<UploadUrl>>,
) -> Result<Delivered> {
    let options = prepared(options, &source).await?;
    let mut tries = 0;
    loop {
        let (length, words) = (source.length(), options.encoded());
        let (url, begins) = tus::create(calls, Some(report), length, &words, &options.key()).await?;
        told.send_replace(Some(url.clone()));
        kept(calls, &options, &url, begins).await?;
        tries += 1;
        match run(calls, report, &options, &url, &mut source, begins).await {
            // Nothing of it can be in the channel. A stream cannot be read again.
            Err(error) if error.kind() == ErrorKind::Gone && source.length().is_some() && tries < ANEW => {
                report.trouble(Some(error.to_string()));
            }
            ended => return ended,
        }
    }
}

/// Has the caller keep the address of a new upload.
async fn kept(calls: &Calls, options: &UploadOptions, url: &UploadUrl, begins: Begins) -> Result<()> {
    let Some(call) = options.created.clone() else { return Ok(()) };
    let address = url.clone();
    let kept = tokio::task::spawn_blocking(move || call(&address)).await.map_err(std::io::Error::other);
    if let Err(error) = kept.and_then(|kept| kept) {
        // What was there before is not this call's.
        if begins == Begins::Empty {
            tus::terminate(calls, url).await;
        }
        return Err(Error::new(ErrorKind::State, error.to_string()));
    }
    Ok(())
}

/// Sends what the worker does not have, and waits for the message.
async fn run(
    calls: &Calls,
    report: &Report,
    options: &UploadOptions,
    url: &UploadUrl,
    source: &mut Source,
    begins: Begins,
) -> Result<Delivered> {
    let mut sending = Sending { calls, report, options, url, last: false };
    let begun = match begins {
        Begins::Whole => sending.before_last(source).await,
        Begins::Empty | Begins::Somewhere => Ok(()),
    };
    let sent = match begun {
        Ok(()) => sending.run(source, begins == Begins::Empty).await,
        Err(error) => Err(error),
    };
    if let Err(error) = sent {
        // What is left of it fits nothing that could still be sent.
        let useless = error.kind() == ErrorKind::Changed || error.kind() == ErrorKind::Empty;
        if (useless || source.length().is_none()) && !sending.last {
            tus::terminate(calls, url).await;
        }
        return Err(error);
    }
    report.change(|progress| progress.phase = Phase::Queued);
    delivery::wait(calls, report, url).await
}

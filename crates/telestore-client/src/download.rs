use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;
use tokio::sync::watch;

use crate::calls::Calls;
use crate::download_options::{DownloadOptions, Downloaded};
use crate::error::Result;
use crate::index::{self, File};
use crate::progress::{self, DownloadPhase, DownloadProgress, Report};
use crate::receiving::Receiving;
use crate::target::Target;
use crate::task::Task;

/// A download under way. It is a future of what comes of it, and goes on in a task of its own whether or not it is polled.
///
/// Dropped before its end, it stops at once. What is in the target stays there.
#[derive(Debug)]
#[must_use = "a download stops when it is dropped"]
pub struct Download {
    progress: watch::Receiver<DownloadProgress>,
    task: Task<Downloaded>,
}

impl Download {
    /// How far it is: the state now, and then each later one, until it has ended. Whoever looks late sees the newest.
    pub fn progress(&self) -> impl Stream<Item = DownloadProgress> + Send + Unpin + 'static {
        progress::states(self.progress.clone())
    }

    /// How far it is now.
    pub fn now(&self) -> DownloadProgress {
        self.progress.borrow().clone()
    }
}

impl Future for Download {
    type Output = Result<Downloaded>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(cx)
    }
}

pub(crate) fn start(calls: Arc<Calls>, file: &File, target: Target, options: DownloadOptions) -> Download {
    let (report, progress) = Report::<DownloadProgress>::new();
    let (file, size) = (file.clone(), file.size);
    report.change(|progress| progress.total = Some(size));
    let task = Task::spawn(async move {
        let path = index::path(&file.id, "/content")?;
        let downloaded = Receiving::new(&calls, &report, &file, &path, target, options).run().await?;
        report.change(|progress| progress.phase = DownloadPhase::Done);
        Ok(downloaded)
    });
    Download { progress, task }
}

//! The bytes of one upload on their way to the worker.

use std::time::{Duration, Instant};

use crate::calls::Calls;
use crate::delivery;
use crate::error::{Error, ErrorKind, Result};
use crate::meter::Meter;
use crate::options::UploadOptions;
use crate::patience::{Passing, Waits};
use crate::progress::{Phase, Report};
use crate::source::Source;
use crate::tus::{self, Found, Sent};
use crate::upload_url::UploadUrl;

/// What goes in the first request, in the largest ones, and in the smallest ones.
const FIRST: u64 = 8 * 1024 * 1024;
const LARGEST: u64 = 32 * 1024 * 1024;
const SMALLEST: u64 = 256 * 1024;

/// A request that took less than this could have brought more.
const QUICK: Duration = Duration::from_secs(2);

/// How often in a row bytes may come as others than they were sent.
const CORRUPT: u32 = 5;

/// How much goes in one request.
struct Segment {
    bytes: u64,
    fixed: bool,
}

impl Segment {
    fn new(fixed: Option<u64>) -> Self {
        Self { bytes: fixed.unwrap_or(FIRST), fixed: fixed.is_some() }
    }

    fn took(&mut self, time: Duration) {
        if !self.fixed && time < QUICK {
            self.bytes = (self.bytes * 2).min(LARGEST);
        }
    }

    /// What is cut off is sent again: on a line that breaks often, less of it goes at a time.
    fn cut(&mut self) {
        if !self.fixed {
            self.bytes = (self.bytes / 2).max(SMALLEST);
        }
    }

    /// Whether less can be sent at a time.
    fn too_much(&mut self) -> bool {
        let less = !self.fixed && self.bytes > SMALLEST;
        self.cut();
        less
    }
}

/// One upload whose bytes are sent.
pub(crate) struct Sending<'a> {
    pub(crate) calls: &'a Calls,
    pub(crate) report: &'a Report,
    pub(crate) options: &'a UploadOptions,
    pub(crate) url: &'a UploadUrl,
    /// Whether the last bytes went out: from then on the file may be complete.
    pub(crate) last: bool,
}

/// Where a step has led.
enum Step {
    /// The worker has all.
    Done,
    /// It has all up to here.
    At(u64),
    /// It must be asked.
    Ask,
}

/// What the parts before say of the next one.
struct Way<'a> {
    segment: Segment,
    /// How often in a row bytes came as others.
    corrupt: u32,
    waits: Waits<'a>,
}

impl Sending<'_> {
    /// Sends from where the worker is to the end.
    pub(crate) async fn run(&mut self, source: &mut Source, fresh: bool) -> Result<()> {
        let (mut offset, mut done) = if fresh { (0, false) } else { self.found(source, true).await? };
        let waits = self.calls.waits(Some(self.report));
        let mut way = Way { segment: Segment::new(self.options.segment), corrupt: 0, waits };
        while !done {
            self.report.change(|progress| {
                (progress.phase, progress.sent, progress.kept) = (Phase::Uploading, offset, offset);
            });
            let (begun, before) = (Instant::now(), offset);
            let part = self.part(source, offset, &way.segment).await?;
            match self.judge(part, offset, &mut way).await? {
                Step::Done => done = true,
                Step::At(to) => {
                    offset = to;
                    if offset > before {
                        way.segment.took(begun.elapsed());
                        way.corrupt = 0;
                    }
                }
                Step::Ask => (offset, done) = self.found(source, false).await?,
            }
            if offset > before {
                way.waits.forget();
                self.calls.patience.went_forward();
            }
        }
        way.waits.forget();
        self.calls.patience.went_forward();
        self.report.change(|progress| {
            let all = progress.total.unwrap_or(progress.sent);
            (progress.phase, progress.sent, progress.kept, progress.total) =
                (Phase::Queued, all, all, Some(all));
        });
        Ok(())
    }

    /// Where to go on after a part that was sent from an offset: what became of it, where it ended, and whether it was the last one.
    async fn judge(
        &self,
        (sent, end, last): (Sent, u64, bool),
        offset: u64,
        way: &mut Way<'_>,
    ) -> Result<Step> {
        match sent {
            Sent::UpTo(to) if to == end && last => Ok(Step::Done),
            Sent::UpTo(to) if to > offset && to <= end => Ok(Step::At(to)),
            Sent::UpTo(_) | Sent::Elsewhere => {
                let text = "the worker has another part of the upload than was expected".to_owned();
                way.waits.after(Passing { text, after: None }).await?;
                Ok(Step::Ask)
            }
            Sent::Corrupt => {
                way.corrupt += 1;
                if way.corrupt < CORRUPT {
                    return Ok(Step::Ask);
                }
                let text = "the bytes change on their way, again and again: something between here and the worker alters them";
                Err(Error::new(ErrorKind::Corrupt, text))
            }
            Sent::TooMuch(error) => match way.segment.too_much() {
                true => Ok(Step::At(offset)),
                false => Err(error),
            },
            Sent::Gone => Err(self.gone().await?),
            Sent::Passing(passing) => {
                way.waits.after(passing).await?;
                way.segment.cut();
                Ok(Step::Ask)
            }
        }
    }

    /// Sends one part: what became of it, where it ends, and whether it is the last one.
    async fn part(
        &mut self,
        source: &mut Source,
        offset: u64,
        segment: &Segment,
    ) -> Result<(Sent, u64, bool)> {
        let (bytes, last) = source.read(offset, segment.bytes).await?;
        let end = offset + bytes.len() as u64;
        if last && end == 0 {
            return Err(empty());
        }
        if last {
            self.before_last(source).await?;
        }
        let length = (last && source.length().is_none()).then_some(end);
        if length.is_some() {
            self.report.change(|progress| progress.total = length);
        }
        let meter = Meter::new(self.report.clone(), self.calls.rate.clone());
        let sent = tus::patch(self.calls, &meter, self.url, offset, bytes, length).await?;
        Ok((sent, end, last))
    }

    /// To be called before the worker may have all.
    pub(crate) async fn before_last(&mut self, source: &Source) -> Result<()> {
        source.unchanged().await?;
        if let Some(call) = self.options.before_last.clone().filter(|_| !self.last) {
            let kept = tokio::task::spawn_blocking(move || call()).await.map_err(std::io::Error::other);
            kept.and_then(|kept| kept).map_err(|error| Error::new(ErrorKind::State, error.to_string()))?;
        }
        self.last = true;
        Ok(())
    }

    /// Where the worker is, and whether it has all.
    async fn found(&self, source: &Source, first: bool) -> Result<(u64, bool)> {
        match tus::head(self.calls, first.then_some(self.report), self.url).await? {
            Found::Nothing => Err(self.gone().await?),
            Found::At { offset, length } => {
                if let (Some(there), Some(here)) = (length, source.length())
                    && there != here
                {
                    return Err(Error::new(
                        ErrorKind::Changed,
                        format!(
                            "upload {} is of a file of {there} bytes, and this one has {here}",
                            self.url.upload_id()
                        ),
                    ));
                }
                Ok((offset, length == Some(offset)))
            }
        }
    }

    /// Why the upload is not there.
    async fn gone(&self) -> Result<Error> {
        if let Some(error) = delivery::why_gone(self.calls, self.report, self.url).await? {
            return Ok(error);
        }
        if self.last {
            return Ok(delivery::lost(self.url));
        }
        Ok(Error::new(
            ErrorKind::Gone,
            format!(
                "the worker knows no upload {}: it was cancelled, or is past its time",
                self.url.upload_id()
            ),
        ))
    }
}

/// Nothing to send.
pub(crate) fn empty() -> Error {
    Error::new(ErrorKind::Empty, "it is empty: Telegram takes no empty files")
}

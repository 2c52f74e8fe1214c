//! The bytes of one file on their way from the worker.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, IF_RANGE, RANGE};
use reqwest::{Method, Response, StatusCode};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use crate::calls::{Answer, Calls, Opened, Refusal, why};
use crate::download_options::{Began, DownloadOptions, Downloaded};
use crate::error::{Error, ErrorKind, Result};
use crate::index::{self, File};
use crate::patience::Passing;
use crate::progress::{DownloadPhase, DownloadProgress, Report};
use crate::target::Target;

/// How often a file is begun anew: because another one was there, or because what was there was damaged.
const ANEW: u32 = 3;

/// How long nothing may come before what came is written.
const LULL: Duration = Duration::from_secs(1);

/// One file that is fetched.
pub(crate) struct Receiving<'a> {
    calls: &'a Calls,
    report: &'a Report<DownloadProgress>,
    file: &'a File,
    path: &'a str,
    target: Target,
    began: Option<Began>,
    check: bool,
    /// What the bytes in the target are of: a strong tag of the worker's.
    version: Option<String>,
    /// How many of them there are.
    at: u64,
    /// Of them, if it is to be compared.
    digest: Option<Sha256>,
    /// How many bytes the worker says there are.
    total: Option<u64>,
    /// How many of them came in this run.
    fetched: u64,
    anew: u32,
}

/// Where one answer has led.
enum Step {
    /// All is here.
    Done,
    /// More is to be asked for.
    More(Passing),
}

impl<'a> Receiving<'a> {
    pub(crate) fn new(
        calls: &'a Calls,
        report: &'a Report<DownloadProgress>,
        file: &'a File,
        path: &'a str,
        target: Target,
        options: DownloadOptions,
    ) -> Self {
        let DownloadOptions { version, began, check } = options;
        let (at, digest, total, fetched, anew) = (0, None, None, 0, 0);
        Self { calls, report, file, path, target, began, check, version, at, digest, total, fetched, anew }
    }

    pub(crate) async fn run(mut self) -> Result<Downloaded> {
        let wanted = self.check && self.file.sha256.is_some();
        self.digest = wanted.then(Sha256::new);
        if self.version.is_some() {
            let (at, digest) = self.target.go_on(wanted).await?;
            (self.at, self.digest) = (at, wanted.then_some(digest));
            self.report.change(|progress| progress.received = at);
        }
        loop {
            self.receive().await?;
            self.target.settle().await?;
            match self.checked() {
                Ok(()) => break,
                // What was here from before may be damaged, or of a file that was another one.
                Err(_) if self.fetched < self.at && self.anew < ANEW => self.begin(None).await?,
                Err(error) => return Err(error),
            }
        }
        Ok(Downloaded { length: self.at, fetched: self.fetched, digest_checked: wanted })
    }

    /// Asks until all is here.
    async fn receive(&mut self) -> Result<()> {
        let mut waits = self.calls.waits(Some(self.report));
        loop {
            let before = self.fetched;
            let step = self.once().await?;
            // What has come stays, whatever comes next.
            self.target.flush().await?;
            if self.fetched > before {
                waits.forget();
            }
            match step {
                Step::Done => return Ok(()),
                Step::More(passing) => waits.after(passing).await?,
            }
        }
    }

    /// One request for all that is missing.
    async fn once(&mut self) -> Result<Step> {
        let mut request = self.calls.at(Method::GET, self.path).header(ACCEPT_ENCODING, "identity");
        if self.at > 0 {
            request = request.header(RANGE, format!("bytes={}-", self.at));
            if let Some(version) = &self.version {
                request = request.header(IF_RANGE, version);
            }
        }
        let opened = timeout(self.calls.stall, self.calls.open(request));
        match opened.await {
            Err(_) => Ok(Step::More(stalled())),
            Ok(Ok(Opened::Body(answer))) => match answer.status() {
                StatusCode::PARTIAL_CONTENT => self.rest(answer).await,
                _ => self.whole(answer).await,
            },
            Ok(Ok(Opened::Refused(answer))) => self.refused(&answer).await,
            Ok(Err(Refusal::Passing(passing))) => Ok(Step::More(passing)),
            Ok(Err(Refusal::Final(error))) => Err(error),
        }
    }

    /// An answer that begins at the first byte.
    async fn whole(&mut self, answer: Response) -> Result<Step> {
        self.has_length(answer.content_length())?;
        let version = tag(answer.headers());
        // Something on the way takes no ranges: what is here already is not taken again.
        let skip = if version.is_some() && version == self.version { self.at } else { 0 };
        if skip == 0 {
            self.begin(version).await?;
        }
        self.body(answer, skip).await
    }

    /// An answer with a range of the file.
    async fn rest(&mut self, answer: Response) -> Result<Step> {
        let version = tag(answer.headers());
        let is_other = |known: &String| version.as_ref().is_some_and(|version| version != known);
        let Some((from, total)) = range(answer.headers()) else {
            return Err(Error::new(
                ErrorKind::Protocol,
                "the worker sends a part of the file without saying which: Content-Range is missing or malformed",
            ));
        };
        let has_changed = self.version.as_ref().is_some_and(is_other)
            || self.total.is_some_and(|known| total.is_some_and(|total| total != known));
        if has_changed {
            return self.changed().await;
        }
        if from != self.at {
            let text = format!(
                "the worker sends bytes from {from} on, where those from {} on were asked for",
                self.at
            );
            return Err(Error::new(ErrorKind::Protocol, text));
        }
        self.has_length(total)?;
        if self.at == 0 {
            self.begin(version).await?;
        }
        self.body(answer, 0).await
    }

    /// An answer without bytes.
    async fn refused(&mut self, answer: &Answer) -> Result<Step> {
        if answer.status == StatusCode::RANGE_NOT_SATISFIABLE && self.at > 0 {
            // With all bytes here there is no rest to send.
            return match total(&answer.headers) {
                Some(total) if total == self.at => {
                    self.total = Some(total);
                    Ok(Step::Done)
                }
                _ => self.changed().await,
            };
        }
        Err(index::missing(answer).unwrap_or_else(|| answer.refused()))
    }

    /// What is here is of a file that the worker does not have any more.
    async fn changed(&mut self) -> Result<Step> {
        self.begin(None).await?;
        let text = "the worker has another file than the one that was begun".to_owned();
        Ok(Step::More(Passing { text, after: Some(Duration::ZERO) }))
    }

    /// Takes the bytes of an answer, but for the first ones, which are here.
    async fn body(&mut self, mut answer: Response, mut skip: u64) -> Result<Step> {
        loop {
            let chunk = match self.next(&mut answer).await? {
                None => return Ok(Step::More(stalled())),
                Some(Err(error)) => {
                    let text = why(&error, "the file broke off on its way");
                    return Ok(Step::More(Passing { text, after: None }));
                }
                Some(Ok(None)) => break,
                Some(Ok(Some(chunk))) => chunk,
            };
            if let Some(rate) = &self.calls.rate {
                rate.pass(chunk.len()).await;
            }
            let known = chunk.len().min(usize::try_from(skip).unwrap_or(usize::MAX));
            skip -= known as u64;
            self.take(&chunk[known..]).await?;
        }
        match self.total {
            Some(total) if self.at < total => {
                let text = "the file broke off on its way".to_owned();
                Ok(Step::More(Passing { text, after: None }))
            }
            _ => Ok(Step::Done),
        }
    }

    /// The next bytes of an answer; nothing if they do not come.
    async fn next(&mut self, answer: &mut Response) -> Result<Option<reqwest::Result<Option<Bytes>>>> {
        let mut chunk = pin!(answer.chunk());
        if let Ok(chunk) = timeout(LULL.min(self.calls.stall), &mut chunk).await {
            return Ok(Some(chunk));
        }
        // Until more comes, what came is safe.
        self.target.flush().await?;
        Ok(timeout(self.calls.stall.saturating_sub(LULL), chunk).await.ok())
    }

    async fn take(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.target.write(bytes).await?;
        if let Some(digest) = &mut self.digest {
            digest.update(bytes);
        }
        self.at += bytes.len() as u64;
        self.fetched += bytes.len() as u64;
        self.calls.patience.went_forward();
        let at = self.at;
        self.report.change(|progress| {
            (progress.phase, progress.received, progress.trouble) = (DownloadPhase::Receiving, at, None);
        });
        Ok(())
    }

    /// Throws away what is here, and says of which version the next bytes are.
    async fn begin(&mut self, version: Option<String>) -> Result<()> {
        if self.at > 0 {
            self.anew += 1;
        }
        let text =
            "the file changes at the worker while it is fetched: what came of it cannot be gone on with";
        if self.anew > ANEW || !self.target.begin_anew().await? {
            return Err(Error::new(ErrorKind::Changed, text));
        }
        (self.at, self.fetched) = (0, 0);
        self.digest = self.digest.is_some().then(Sha256::new);
        // The total is said anew with the bytes.
        if version.is_none() {
            self.total = None;
        }
        self.report.change(|progress| progress.received = 0);
        if let Some(call) = self.began.clone() {
            let told = version.clone();
            let kept = tokio::task::spawn_blocking(move || call(told.as_deref())).await;
            let kept = kept.map_err(std::io::Error::other).and_then(|kept| kept);
            kept.map_err(|error| Error::new(ErrorKind::State, error.to_string()))?;
        }
        self.version = version;
        Ok(())
    }

    /// How many bytes the worker says that the file has. What cannot be the file is refused before anything is thrown away for it.
    fn has_length(&mut self, total: Option<u64>) -> Result<()> {
        if let Some(total) = total {
            if self.check && total != self.file.size {
                return Err(other_length(total, self.file.size));
            }
            self.total = Some(total);
            self.report.change(|progress| progress.total = Some(total));
        }
        Ok(())
    }

    /// Whether what is here is what was sent.
    fn checked(&self) -> Result<()> {
        if self.check && self.at != self.file.size {
            return Err(other_length(self.at, self.file.size));
        }
        let (Some(digest), Some(sent)) = (&self.digest, &self.file.sha256) else { return Ok(()) };
        let came = hex::encode(digest.clone().finalize());
        match came.eq_ignore_ascii_case(sent) {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::Mismatch,
                format!("what came is not what was sent: its SHA-256 is {came}, and {sent} was sent"),
            )),
        }
    }
}

fn other_length(came: u64, sent: u64) -> Error {
    Error::new(ErrorKind::Mismatch, format!("the worker has {came} bytes of the file, and {sent} were sent"))
}

fn stalled() -> Passing {
    Passing { text: "the connection does not move".to_owned(), after: None }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

/// The tag of a file, if byte for byte the same file has the same one: a weak one says less, and says nothing of ranges.
fn tag(headers: &HeaderMap) -> Option<String> {
    text(headers, ETAG).filter(|tag| tag.starts_with('"') && tag.len() > 2).map(str::to_owned)
}

/// `Content-Range: bytes FROM-TO/TOTAL`: where it begins, and the total if it is known.
fn range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let (range, _) = text(headers, CONTENT_RANGE)?.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.trim().parse().ok()?, total(headers)))
}

/// What stands behind the slash of a `Content-Range`.
fn total(headers: &HeaderMap) -> Option<u64> {
    text(headers, CONTENT_RANGE)?.rsplit_once('/')?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn only_strong_tags_name_bytes() {
        assert_eq!(tag(&headers(ETAG, "\"a\"")).as_deref(), Some("\"a\""));
        for weak in ["W/\"a\"", "a", "\"\"", ""] {
            assert_eq!(tag(&headers(ETAG, weak)), None, "{weak}");
        }
    }

    #[test]
    fn a_range_says_where_it_is() {
        let of = |value| range(&headers(CONTENT_RANGE, value));
        assert_eq!(of("bytes 7-9/10"), Some((7, Some(10))));
        assert_eq!(of("bytes 7-9/*"), Some((7, None)));
        for wrong in ["bytes */10", "7-9/10", "bytes x-9/10", ""] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
        assert_eq!(total(&headers(CONTENT_RANGE, "bytes */10")), Some(10));
    }
}

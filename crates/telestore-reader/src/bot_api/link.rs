//! A file that is loaded by the link of `getFile`.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::StatusCode;
use reqwest::header::{ACCEPT_ENCODING, RANGE};
use telestore_bot_api::Heard;
use tokio::time::timeout;

use super::answer::{self, Broken, another_file, unavailable};
use super::body::Body;
use super::calls::Bot;
use super::disk;

/// A file of which the link is known.
pub(super) struct LinkedFile {
    pub(super) bot: Bot,
    file_id: String,
    pub(super) length: u64,
    /// Renewed when it has expired.
    link: Mutex<Arc<str>>,
    /// Held while it is renewed, so that all streams do so once.
    renewing: tokio::sync::Mutex<()>,
}

impl fmt::Debug for LinkedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("LinkedFile");
        shown.field("bot", &self.bot.id).field("length", &self.length).finish_non_exhaustive()
    }
}

impl LinkedFile {
    pub(super) fn new(bot: Bot, file_id: &str, length: u64, link: Arc<str>) -> Self {
        let (link, renewing) = (Mutex::new(link), tokio::sync::Mutex::default());
        Self { bot, file_id: file_id.to_owned(), length, link, renewing }
    }

    pub(super) fn link(&self) -> Arc<str> {
        Arc::clone(&self.link.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks for another link, unless somebody has done so since `stale` was in use.
    pub(super) async fn renew(&self, stale: &Arc<str>) -> Result<(), Broken> {
        let _renewing = self.renewing.lock().await;
        if !Arc::ptr_eq(&self.link(), stale) {
            return Ok(());
        }
        let found = self.bot.get_file(&self.file_id).await?;
        if found.length.is_some_and(|length| length != self.length) || disk::is_absolute(&found.path) {
            return Err(Broken::Final(another_file()));
        }
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = found.path.into();
        Ok(())
    }

    /// Asks for a range by this link.
    pub(super) async fn ask(&self, link: &str, range: &Range<u64>) -> Result<Body, Broken> {
        let said = format!("bytes={}-{}", range.start, range.end - 1);
        let request = self.bot.api.client().get(self.bot.url(link)?);
        let request = request.header(RANGE, said).header(ACCEPT_ENCODING, "identity");
        let idle = self.bot.idle();
        let response = match timeout(idle, request.send()).await {
            Ok(response) => response.map_err(telestore_bot_api::Error::from)?,
            Err(_) => return Err(Broken::Passing(unavailable("it does not answer"))),
        };
        match response.status() {
            StatusCode::PARTIAL_CONTENT => Body::part(response, range, self.length),
            StatusCode::OK => Body::whole(response, range, self.length),
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(Broken::Stale),
            StatusCode::RANGE_NOT_SATISFIABLE => Err(Broken::Final(another_file())),
            _ => Err(match timeout(idle, Heard::read(response)).await {
                Ok(Ok(heard)) => answer::refused(&heard, &heard.json(), &self.bot.id),
                Ok(Err(error)) => telestore_bot_api::Error::from(error).into(),
                Err(_) => Broken::Passing(unavailable("it does not answer")),
            }),
        }
    }
}

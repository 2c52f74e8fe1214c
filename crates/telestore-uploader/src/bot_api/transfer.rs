use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, StatusCode, header};
use tokio::time::timeout;

use super::BotApiConfig;
use super::body::{BodyState, Multipart};
use crate::{Error, ErrorKind, Result, UploadRequest};

/// The largest answer that is read; a message is a few kilobytes.
const MAX_ANSWER: usize = 256 * 1024;

/// One `sendDocument` request.
#[derive(Debug)]
pub(super) struct Transfer<'a> {
    pub(super) client: &'a Client,
    pub(super) config: &'a BotApiConfig,
    pub(super) request: &'a UploadRequest,
    pub(super) token: &'a str,
    pub(super) chat_id: &'a str,
}

impl Transfer<'_> {
    /// Sends the file and gives the status and the body of the answer.
    pub(super) async fn run(&self, state: &Arc<BodyState>) -> Result<(StatusCode, Vec<u8>)> {
        state.rewind();
        tokio::select! {
            biased;
            answer = self.exchange(state) => answer,
            () = self.stopped(state) => Err(Error::cancelled()),
            error = self.watchdog(state) => Err(error),
        }
    }

    /// Returns when the upload is cancelled, unless Telegram has the file by then: the message may be made, and the
    /// answer alone tells.
    async fn stopped(&self, state: &BodyState) {
        self.request.cancel.cancelled().await;
        if state.is_consumed() {
            std::future::pending::<()>().await;
        }
    }

    async fn exchange(&self, state: &Arc<BodyState>) -> Result<(StatusCode, Vec<u8>)> {
        let request = self.request;
        let fields = [
            ("chat_id", self.chat_id),
            ("caption", request.caption.as_str()),
            ("disable_content_type_detection", "true"),
        ];
        let form = Multipart::new(&fields, request.file_name.as_str(), &request.mime_type);
        let builder = self
            .client
            .post(self.config.url(self.token, "sendDocument"))
            .header(header::CONTENT_TYPE, form.content_type())
            .header(header::CONTENT_LENGTH, form.content_length(request.source.len()));
        let stream = form.stream(request.source.clone(), self.config.piece_bytes.max(1), state.clone());
        let sent = builder.body(reqwest::Body::wrap_stream(stream)).send().await;
        let mut response = sent.map_err(|error| lost(state, error))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| lost(state, error))? {
            if body.len() + piece.len() > MAX_ANSWER {
                break;
            }
            body.extend_from_slice(&piece);
        }
        Ok((status, body))
    }

    /// Ends with an error once nothing has moved for too long.
    async fn watchdog(&self, state: &BodyState) -> Error {
        let mut pulse = state.pulse();
        loop {
            let limit = self.patience(state);
            match timeout(limit, pulse.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => std::future::pending().await,
                Err(_) => return stalled(state, limit),
            }
        }
    }

    fn patience(&self, state: &BodyState) -> Duration {
        if state.is_consumed() { self.config.answer_timeout } else { self.config.idle_timeout }
    }
}

fn stalled(state: &BodyState, limit: Duration) -> Error {
    let seconds = limit.as_secs_f32();
    if state.is_consumed() {
        let text =
            format!("Telegram took the whole file and did not answer for {seconds} s: the message may exist");
        Error::new(ErrorKind::AnswerLost, text)
    } else {
        Error::new(ErrorKind::Unavailable, format!("nothing could be sent to Telegram for {seconds} s"))
    }
}

/// A connection that failed: the file is not there for sure only where the body had not been taken.
fn lost(state: &BodyState, error: reqwest::Error) -> Error {
    if let Some(error) = state.take_source_error() {
        return error.into();
    }
    if state.is_consumed() && !error.is_connect() {
        let text = "the connection to Telegram was lost before it answered: the message may exist";
        // The URL holds the bot token.
        Error::new(ErrorKind::AnswerLost, text).with_source(error.without_url())
    } else {
        not_connected(error)
    }
}

/// A connection that failed before anything was asked for.
pub(super) fn not_connected(error: reqwest::Error) -> Error {
    // The URL holds the bot token.
    Error::new(ErrorKind::Unavailable, "the connection to Telegram failed").with_source(error.without_url())
}

use std::sync::Arc;
use std::time::Duration;

use reqwest::header;
use telestore_bot_api::{BotApi, Heard};
use telestore_types::{ByteSource, BytesSource};
use tokio::time::timeout;

use super::body::Multipart;
use super::copy;
use super::message::Call;
use super::state::{BodyState, Phase};
use crate::media::Media;
use crate::{Error, ErrorKind, Result, UploadRequest};

/// An answer to a file.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) heard: Heard,
    /// Whether the connection may have had the whole file before it came.
    pub(super) taken: bool,
}

/// One request that sends a file.
#[derive(Debug)]
pub(super) struct Transfer<'a> {
    pub(super) api: &'a BotApi,
    pub(super) request: &'a UploadRequest,
    /// As what the file goes.
    pub(super) media: &'a Media,
    pub(super) token: &'a str,
    pub(super) chat_id: &'a str,
}

/// Closes the body however its request ends: a connection may go on for a while after it.
struct Closing<'a>(&'a BodyState);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Transfer<'_> {
    /// Sends the file and gives the answer.
    pub(super) async fn run(&self, state: &Arc<BodyState>) -> Result<Answer> {
        let _closing = Closing(state);
        let heard = tokio::select! {
            biased;
            answer = self.exchange(state) => answer?,
            () = self.stopped(state) => return Err(Error::cancelled()),
            error = self.watchdog(state) => return Err(error),
        };
        Ok(Answer { heard, taken: !state.close() })
    }

    /// Returns when the upload is cancelled, unless Telegram has the file by then: the message may be made, and the
    /// answer alone tells.
    async fn stopped(&self, state: &BodyState) {
        self.request.cancel.cancelled().await;
        if !state.close() {
            std::future::pending::<()>().await;
        }
    }

    async fn exchange(&self, state: &Arc<BodyState>) -> Result<Heard> {
        let (form, method, source) = self.form();
        let builder = self
            .api
            .client()
            .post(self.api.method_url(self.token, method))
            .header(header::CONTENT_TYPE, form.content_type())
            .header(header::CONTENT_LENGTH, form.content_length(source.len()));
        let stream = form.stream(source, self.api.config().piece_bytes.max(1), state.clone());
        let sent = builder.body(reqwest::Body::wrap_stream(stream)).send().await;
        let response = sent.map_err(|error| lost(state, error))?;
        let limit = self.api.config().answer_timeout;
        match timeout(limit, Heard::read(response)).await {
            Ok(heard) => heard.map_err(|error| lost(state, error)),
            Err(_) => Err(stalled(state, limit)),
        }
    }

    /// What is sent, by which method, and the file in it; nothing of a file that is at Telegram already, but its name there.
    fn form(&self) -> (Multipart, &'static str, Arc<dyn ByteSource>) {
        let request = self.request;
        let mut call = Call::of(request, self.media, self.chat_id);
        if let Some(file_id) = copy::file_id(request) {
            call.fields.push((call.file, file_id.to_owned()));
            return (Multipart::of_fields(&call.fields), call.method, Arc::new(BytesSource::new(&b""[..])));
        }
        let name = crate::name::for_telegram(&request.file_name);
        let form = Multipart::new(&call.fields, call.thumbnail, call.file, &name, &request.mime_type);
        (form, call.method, Arc::clone(&request.source))
    }

    /// Ends with an error once nothing has moved for too long.
    async fn watchdog(&self, state: &BodyState) -> Error {
        let mut pulse = state.pulse();
        loop {
            let phase = state.phase();
            let limit = self.patience(phase);
            match timeout(limit, pulse.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => std::future::pending().await,
                // It has moved at the last moment.
                Err(_) if state.phase() != phase => {}
                Err(_) => return stalled(state, limit),
            }
        }
    }

    fn patience(&self, phase: Phase) -> Duration {
        match phase {
            Phase::Consumed => self.api.config().answer_timeout_of(self.request.source.len()),
            _ => self.api.config().idle_timeout,
        }
    }
}

fn stalled(state: &BodyState, limit: Duration) -> Error {
    let seconds = limit.as_secs_f32();
    let committing = state.phase() == Phase::Committing;
    if !state.close() {
        let text =
            format!("Telegram took the whole file and did not answer for {seconds} s: the message may exist");
        return Error::new(ErrorKind::AnswerLost, text);
    }
    match committing {
        true => Error::new(
            ErrorKind::Storage,
            format!("could not write down for {seconds} s that the file is about to be sent"),
        ),
        false => {
            Error::new(ErrorKind::Unavailable, format!("nothing could be sent to Telegram for {seconds} s"))
        }
    }
}

/// A connection that failed: the file is not there for sure only if the end of the body stays here.
fn lost(state: &BodyState, error: reqwest::Error) -> Error {
    if let Some(error) = state.take_failure() {
        return error;
    }
    if !state.close() && !error.is_connect() {
        let text = "the connection to Telegram was lost before it answered: the message may exist";
        // The URL holds the bot token.
        Error::new(ErrorKind::AnswerLost, text).with_source(error.without_url())
    } else {
        telestore_bot_api::Error::from(error).into()
    }
}

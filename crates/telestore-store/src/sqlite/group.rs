use std::time::Instant;

use sqlx::sqlite::SqlitePool;
use tokio::sync::{mpsc, oneshot};

use super::tx::Tx;
use super::{database, record};
use crate::metrics::COMMIT_DURATION;
use crate::rules::NewChunk;
use crate::{Error, Recorded, Result};

/// The most records of one transaction: those behind it wait no longer than this many take.
const MOST: usize = 256;

struct Request {
    chunk: NewChunk,
    answer: oneshot::Sender<Result<Recorded>>,
}

/// Records chunks, those that come at the same time in one transaction: a COMMIT costs more than a record.
///
/// Each caller has its answer only after the COMMIT. What goes wrong with one record harms no other; a COMMIT that
/// fails fails them all.
#[derive(Clone)]
pub(super) struct Group {
    requests: mpsc::Sender<Request>,
}

impl Group {
    /// Starts the task that writes. It ends with the last clone.
    pub(super) fn start(writer: SqlitePool) -> Self {
        let (requests, waiting) = mpsc::channel(MOST);
        tokio::spawn(write(writer, waiting));
        Self { requests }
    }

    /// Records a chunk. Whether a caller that goes away has recorded it is open, as after a crash.
    pub(super) async fn record(&self, chunk: NewChunk) -> Result<Recorded> {
        let (answer, answered) = oneshot::channel();
        let stopped = || database("the writing task has stopped");
        self.requests.send(Request { chunk, answer }).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

async fn write(writer: SqlitePool, mut waiting: mpsc::Receiver<Request>) {
    let mut requests = Vec::with_capacity(MOST);
    // Nobody waits for others to come: those who came while the last group was written are the next one.
    while waiting.recv_many(&mut requests, MOST).await > 0 {
        let began = Instant::now();
        let answers = commit(&writer, &requests).await;
        COMMIT_DURATION.record(began.elapsed());
        for (request, answer) in requests.drain(..).zip(answers) {
            // The caller may have gone away.
            let _ = request.answer.send(answer);
        }
    }
}

async fn commit(writer: &SqlitePool, requests: &[Request]) -> Vec<Result<Recorded>> {
    match try_commit(writer, requests).await {
        Ok(answers) => answers,
        Err(error) => requests.iter().map(|_| Err(again(&error))).collect(),
    }
}

async fn try_commit(writer: &SqlitePool, requests: &[Request]) -> Result<Vec<Result<Recorded>>> {
    let mut tx = Tx::begin(writer).await?;
    let mut answers = Vec::with_capacity(requests.len());
    for request in requests {
        answers.push(record::record(&mut tx, &request.chunk).await?);
    }
    tx.commit().await?;
    Ok(answers)
}

/// The same error for one more caller.
fn again(error: &Error) -> Error {
    match error {
        Error::NoSpace(cause) => Error::no_space(cause.to_string()),
        Error::Failed { what, source } => Error::failed(what, source.to_string()),
        error => database(error.to_string()),
    }
}

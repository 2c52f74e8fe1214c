//! Bytes on their way from a request to the task that writes them: gathered, so that the task is not woken for each read of
//! a connection, and bounded.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

/// After how many bytes the reader is woken, if it does not want fewer, and the writer waits. More would hold more memory for
/// each connection, and is no faster: a spool gathers, too.
const ENOUGH: u64 = 64 * 1024;

/// After how many pieces it is, since a piece of one byte may pin a buffer of many.
const PIECES: usize = 64;

/// What a reader gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    Bytes(Vec<Bytes>),
    /// All has come.
    End,
    /// The writer went away before that.
    Cut,
}

/// The two ends of a new inbox, whose reader does not wait for more than `wanted` bytes.
pub(super) fn inbox(wanted: u64) -> (Writer, Reader) {
    let enough = usize::try_from(wanted.min(ENOUGH)).unwrap_or(usize::MAX);
    let shared = Shared { enough, state: Mutex::default(), came: Notify::new(), taken: Notify::new() };
    let shared = Arc::new(shared);
    (Writer(Arc::clone(&shared)), Reader(shared))
}

#[derive(Debug)]
struct Shared {
    enough: usize,
    state: Mutex<State>,
    /// Tells the reader that enough has come, or all.
    came: Notify,
    /// Tells the writer that there is room, or no reader any more.
    taken: Notify,
}

#[derive(Debug, Default)]
struct State {
    pieces: Vec<Bytes>,
    bytes: usize,
    /// No more comes: the writer said so, or went away.
    over: Option<Over>,
    /// Nobody reads any more.
    closed: bool,
}

#[derive(Debug, Clone, Copy)]
enum Over {
    Ended,
    Cut,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the reader is to be woken. Nothing more fits then.
    fn is_full(&self, state: &State) -> bool {
        state.bytes >= self.enough || state.pieces.len() >= PIECES
    }

    fn close(&self, over: Over) {
        self.state().over.get_or_insert(over);
        self.came.notify_one();
    }
}

impl State {
    fn take(&mut self) -> Vec<Bytes> {
        self.bytes = 0;
        mem::take(&mut self.pieces)
    }
}

/// Where bytes come from. Dropped, it says that no more comes; what came before is read all the same.
#[derive(Debug)]
pub(super) struct Writer(Arc<Shared>);

/// Nobody reads any more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Closed;

impl Writer {
    /// Takes the next bytes, which are read even if the caller does not wait until this returns.
    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), Closed> {
        {
            let mut state = self.0.state();
            state.bytes += bytes.len();
            state.pieces.push(bytes);
        }
        loop {
            {
                let state = self.0.state();
                if state.closed {
                    return Err(Closed);
                }
                if !self.0.is_full(&state) {
                    return Ok(());
                }
                self.0.came.notify_one();
            }
            self.0.taken.notified().await;
        }
    }

    /// All has come.
    pub(super) fn end(self) {
        self.0.close(Over::Ended);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.close(Over::Cut);
    }
}

/// Where bytes go. Dropped, it says that no more is read.
#[derive(Debug)]
pub(super) struct Reader(Arc<Shared>);

impl Reader {
    /// Waits until there is enough, or all. May be dropped at any time: nothing is lost by it.
    pub(super) async fn read(&mut self) -> Incoming {
        loop {
            {
                let mut state = self.0.state();
                match state.over {
                    None if !self.0.is_full(&state) => {}
                    Some(Over::Ended) if state.pieces.is_empty() => return Incoming::End,
                    Some(Over::Cut) if state.pieces.is_empty() => return Incoming::Cut,
                    _ => {
                        self.0.taken.notify_one();
                        return Incoming::Bytes(state.take());
                    }
                }
            }
            self.0.came.notified().await;
        }
    }

    /// What has come until now, be it ever so little.
    pub(super) fn read_now(&mut self) -> Vec<Bytes> {
        let taken = self.0.state().take();
        // Not before that: the writer would find it full, and wait for a word that came already.
        self.0.taken.notify_one();
        taken
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.taken.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future, poll_fn};
    use std::pin::pin;
    use std::task::{Context, Poll, Wake, Waker};

    use super::*;

    const ENOUGH: usize = super::ENOUGH as usize;

    /// Whether it waits.
    async fn waits(future: impl Future) -> bool {
        let mut future = pin!(future);
        poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
    }

    fn bytes(length: usize) -> Bytes {
        Bytes::from(vec![7; length])
    }

    #[tokio::test]
    async fn little_waits_for_more_and_is_there_at_once_if_it_is_asked_for() {
        let (mut writer, mut reader) = inbox(u64::MAX);
        writer.write(bytes(1)).await.unwrap();
        assert!(waits(reader.read()).await);
        assert_eq!(reader.read_now(), [bytes(1)]);
        writer.write(bytes(ENOUGH - 1)).await.unwrap();
        assert!(waits(reader.read()).await);
        assert!(waits(writer.write(bytes(1))).await);
        assert_eq!(reader.read().await, Incoming::Bytes(vec![bytes(ENOUGH - 1), bytes(1)]));
    }

    #[tokio::test]
    async fn a_reader_that_wants_little_is_woken_by_it() {
        let (mut writer, mut reader) = inbox(4);
        writer.write(bytes(3)).await.unwrap();
        assert!(waits(reader.read()).await);
        assert!(waits(writer.write(bytes(1))).await);
        assert_eq!(reader.read().await, Incoming::Bytes(vec![bytes(3), bytes(1)]));
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken_by_enough_by_the_end_and_by_a_cut() {
        for (write, then) in [(ENOUGH, Over::Cut), (3, Over::Ended), (3, Over::Cut)] {
            let (mut writer, mut reader) = inbox(u64::MAX);
            let reading = tokio::spawn(async move { (reader.read().await, reader) });
            tokio::task::yield_now().await;
            writer.write(bytes(write)).await.unwrap();
            let last = match then {
                Over::Ended => {
                    writer.end();
                    Incoming::End
                }
                Over::Cut => {
                    drop(writer);
                    Incoming::Cut
                }
            };
            let (first, mut reader) = reading.await.unwrap();
            assert_eq!(first, Incoming::Bytes(vec![bytes(write)]));
            assert_eq!(reader.read().await, last);
        }
    }

    #[tokio::test]
    async fn no_more_is_taken_than_fits_of_bytes_and_of_pieces() {
        for (piece, fit) in [(ENOUGH, 0), (1, PIECES - 1)] {
            let (mut writer, mut reader) = inbox(u64::MAX);
            for _ in 0..fit {
                writer.write(bytes(piece)).await.unwrap();
            }
            let mut held = Box::pin(writer.write(bytes(piece)));
            assert!(waits(&mut held).await);
            let Incoming::Bytes(read) = reader.read().await else { panic!("bytes") };
            assert_eq!(read.len(), fit + 1, "what waits for room is read, too");
            held.await.unwrap();
        }
    }

    /// Notes how much waits at the moment in which it is woken.
    struct Finds(Arc<Shared>, Mutex<Option<usize>>);

    impl Wake for Finds {
        fn wake(self: Arc<Self>) {
            *self.1.lock().unwrap() = Some(self.0.state().pieces.len());
        }
    }

    #[test]
    fn a_writer_is_woken_once_there_is_room() {
        let (mut writer, mut reader) = inbox(1);
        let finds = Arc::new(Finds(Arc::clone(&writer.0), Mutex::default()));
        let waker = Waker::from(Arc::clone(&finds));
        let mut held = Box::pin(writer.write(bytes(1)));
        assert!(held.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(reader.read_now(), [bytes(1)]);
        assert_eq!(*finds.1.lock().unwrap(), Some(0));
    }

    #[tokio::test]
    async fn what_a_dropped_write_has_brought_is_read() {
        let (mut writer, mut reader) = inbox(u64::MAX);
        {
            let mut held = Box::pin(writer.write(bytes(ENOUGH)));
            assert!(waits(&mut held).await);
        }
        drop(writer);
        assert_eq!(reader.read().await, Incoming::Bytes(vec![bytes(ENOUGH)]));
        assert_eq!(reader.read().await, Incoming::Cut);
    }

    #[tokio::test]
    async fn a_writer_that_waits_is_told_that_nobody_reads() {
        let (mut writer, reader) = inbox(u64::MAX);
        let mut held = Box::pin(writer.write(bytes(ENOUGH)));
        assert!(waits(&mut held).await);
        drop(reader);
        assert_eq!(held.await, Err(Closed));
        assert_eq!(writer.write(bytes(1)).await, Err(Closed));
    }
}

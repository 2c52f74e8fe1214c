//! How long a connection may be used, if other processes have the login, too.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use telestore_types::LoginHold;
use tokio::io::AsyncWrite;
use tokio::time::Instant;

/// How many pings are to come while a term lasts: some may be late.
const PINGS: u32 = 4;

/// The time until which a connection may be used.
pub(super) struct Term(Option<Box<dyn LoginHold>>);

impl Term {
    pub(super) fn new(hold: Option<Box<dyn LoginHold>>) -> Self {
        Self(hold)
    }

    /// When it ends, unless that moves; `None` if it does not end.
    pub(super) fn end(&self) -> Option<Instant> {
        self.0.as_ref().and_then(|hold| hold.until()).map(Instant::from_std)
    }

    pub(super) fn left(&self) -> Option<Duration> {
        self.end().map(|end| end.saturating_duration_since(Instant::now()))
    }

    pub(super) fn is_over(&self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }

    /// How often to ping, so that Telegram hears of a longer term in time.
    pub(super) fn ping_every(&self, usual: Duration) -> Duration {
        self.left().map_or(usual, |left| (left / PINGS).max(Duration::from_secs(1)).min(usual))
    }

    /// Writes some of `bytes`, if the term is not over by then: the process may have been stopped while it waited for room.
    pub(super) async fn write(
        &self,
        writer: &mut (impl AsyncWrite + Unpin),
        bytes: &[u8],
    ) -> io::Result<usize> {
        poll_fn(|context| match self.is_over() {
            true => Poll::Ready(Err(ErrorKind::TimedOut.into())),
            false => Pin::new(&mut *writer).poll_write(context, bytes),
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncReadExt, duplex};

    use super::*;

    #[derive(Debug, Clone)]
    struct Until(Arc<Mutex<std::time::Instant>>);

    impl LoginHold for Until {
        fn until(&self) -> Option<std::time::Instant> {
            Some(*self.0.lock().unwrap())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_written_after_the_term_although_there_is_room_then() {
        let until = Until(Arc::new(Mutex::new((Instant::now() + Duration::from_secs(40)).into_std())));
        let term = Term::new(Some(Box::new(until.clone())));
        assert_eq!(term.ping_every(Duration::from_secs(45)), Duration::from_secs(10));
        let (mut near, mut far) = duplex(2);
        assert_eq!(term.write(&mut near, b"abc").await.unwrap(), 2);
        {
            let mut waits = pin!(term.write(&mut near, b"c"));
            let pending = poll_fn(|context| Poll::Ready(waits.as_mut().poll(context).is_pending())).await;
            assert!(pending, "there is no room");
            // The process stands still, and there is room when it goes on.
            tokio::time::advance(Duration::from_secs(41)).await;
            far.read_exact(&mut [0; 2]).await.unwrap();
            assert_eq!(waits.await.unwrap_err().kind(), ErrorKind::TimedOut);
        }
        *until.0.lock().unwrap() += Duration::from_secs(40);
        assert!(!term.is_over(), "it moved");
    }
}

use std::time::Duration;

use actix_web::HttpRequest;
use telestore::types::UploadEvent;
use telestore::{Caller, Telestore, Watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until};

use crate::shared::connections::{Connection, Listening};
use crate::shared::error::ApiError;
use crate::shared::measures::Ongoing;
use crate::shared::token;
use crate::{HttpOptions, client_address};

/// The least time between two states that one listener is told: ten a second.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

/// What a listener is told next.
#[derive(Debug)]
pub(crate) enum Beat {
    /// The newest state.
    State(UploadEvent),
    /// Nothing, but it must hear something, or what stands in between closes the connection.
    Alive,
    /// Nothing more.
    Over,
}

/// One more listener, for as long as this is there.
#[derive(Debug)]
pub(crate) struct Listener {
    _counted: Ongoing,
    _place: Option<Listening>,
}

impl Listener {
    /// Takes a place. If nothing counts connections, there is one for everybody.
    ///
    /// # Errors
    /// [`ApiError::ManyListeners`]; those of a token that is not valid.
    pub(crate) async fn admit(
        engine: &Telestore,
        options: &HttpOptions,
        request: &HttpRequest,
        caller: &Caller,
        by: fn() -> Ongoing,
    ) -> Result<Self, ApiError> {
        token::authenticate(engine, request, caller).await?;
        let address = options.limited_addresses.counted(client_address(request));
        let place = Connection::of(request).map(|connection| {
            let place = connection.listen(caller.token().is_some(), address);
            place.ok_or(ApiError::ManyListeners)
        });
        Ok(Self { _place: place.transpose()?, _counted: by() })
    }

    /// One that takes no place.
    #[cfg(test)]
    pub(crate) fn of_nobody() -> Self {
        Self { _counted: Ongoing::by_events(), _place: None }
    }
}

/// A watch at a pace that a listener can follow: a state at once if the last one is long enough ago, else the newest
/// one after a pause.
#[derive(Debug)]
pub(crate) struct Pace {
    watch: Watch,
    not_before: Instant,
    heartbeats: Interval,
    _listener: Listener,
}

impl Pace {
    pub(crate) fn new(watch: Watch, heartbeat: Duration, listener: Listener) -> Self {
        let now = Instant::now();
        let mut heartbeats = interval_at(now + heartbeat, heartbeat);
        // A listener that did not read for a while needs no heartbeats for that time.
        heartbeats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { watch, not_before: now, heartbeats, _listener: listener }
    }

    pub(crate) async fn next(&mut self) -> Beat {
        let newest = async {
            // The pause comes before the question, so that the answer is not older than the pause.
            sleep_until(self.not_before).await;
            self.watch.next().await
        };
        let newest = tokio::select! {
            biased;
            newest = newest => newest,
            _ = self.heartbeats.tick() => return Beat::Alive,
        };
        match newest {
            Ok(Some(state)) => {
                self.not_before = Instant::now() + PAUSE;
                Beat::State(state)
            }
            Ok(None) => Beat::Over,
            Err(error) => {
                // The client comes back, and is then told what is wrong.
                tracing::warn!(error = ?error, "could not go on telling of an upload");
                Beat::Over
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use telestore::types::UploadId;

    use super::*;
    use crate::testing::{ID, Told};

    const HEARTBEAT: Duration = Duration::from_secs(15);

    async fn pace(told: &Told) -> Pace {
        Pace::new(
            told.engine.watch(&UploadId::new(ID).unwrap(), &Caller::nobody()).await.unwrap(),
            HEARTBEAT,
            Listener::of_nobody(),
        )
    }

    async fn bytes(pace: &mut Pace) -> u64 {
        match pace.next().await {
            Beat::State(state) => state.bytes_sent,
            other => panic!("no state but {other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn states_come_at_once_or_the_newest_after_a_pause() {
        let told = Told::new().await;
        let mut pace = pace(&told).await;
        let begin = Instant::now();
        told.tell(1);
        assert_eq!((bytes(&mut pace).await, begin.elapsed()), (1, Duration::ZERO));
        told.tell(2);
        told.tell(3);
        assert_eq!(bytes(&mut pace).await, 3);
        assert!(begin.elapsed() >= PAUSE && begin.elapsed() < PAUSE * 2, "{:?}", begin.elapsed());
        tokio::time::advance(PAUSE * 5).await;
        let quiet = Instant::now();
        told.tell(4);
        assert_eq!((bytes(&mut pace).await, quiet.elapsed()), (4, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn heartbeats_break_the_silence_until_the_end() {
        let told = Told::new().await;
        let mut pace = pace(&told).await;
        let begin = Instant::now();
        for n in 1..=3 {
            assert!(matches!(pace.next().await, Beat::Alive));
            assert!(begin.elapsed() >= HEARTBEAT * n && begin.elapsed() < HEARTBEAT * n + PAUSE);
        }
        let end = Instant::now();
        told.end();
        assert_eq!((bytes(&mut pace).await, end.elapsed()), (1000, Duration::ZERO));
        assert!(matches!(pace.next().await, Beat::Over));
    }
}

//! One signal for "something changed", so that waiting never needs a timer.

use tokio::sync::watch;

/// Beats on every change of the sandbox; waiters look again at each beat.
#[derive(Debug)]
pub(crate) struct Pulse(watch::Sender<u64>);

impl Default for Pulse {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Pulse {
    /// Wakes everyone who waits.
    pub(crate) fn beat(&self) {
        self.0.send_modify(|beats| *beats = beats.wrapping_add(1));
    }

    /// Waits until `check` gives a value; it is asked at once and after each beat.
    pub(crate) async fn until<T>(&self, mut check: impl FnMut() -> Option<T>) -> T {
        let mut beats = self.0.subscribe();
        loop {
            // Marked as seen before looking: a beat that falls in between is not lost.
            beats.borrow_and_update();
            if let Some(value) = check() {
                return value;
            }
            if beats.changed().await.is_err() {
                // The sender lives in `self`, which outlives this call.
                std::future::pending::<()>().await;
            }
        }
    }
}

//! Being told to stop: once, and what was begun is kept; twice, and it is over.

use tokio::sync::watch;

/// Which signal has come, if one has.
pub(crate) type Stop = watch::Receiver<Option<u8>>;

/// Listens from now on. A second signal ends the process at once.
pub(crate) fn listen() -> Stop {
    let (sender, receiver) = watch::channel(None);
    let signals = Signals::new();
    tokio::spawn(async move {
        let Some(mut signals) = signals else { return std::future::pending().await };
        sender.send_replace(Some(signals.next().await));
        let second = signals.next().await;
        std::process::exit(i32::from(128 + second));
    });
    receiver
}

/// Ends once a signal has come.
pub(crate) async fn stopped(stop: &mut Stop) -> u8 {
    let come = stop.wait_for(Option::is_some).await.ok().and_then(|come| *come);
    match come {
        Some(signal) => signal,
        // Nobody listens any more.
        None => std::future::pending().await,
    }
}

/// The signals that stop a program.
#[cfg(unix)]
struct Signals(tokio::signal::unix::Signal, tokio::signal::unix::Signal);

#[cfg(unix)]
impl Signals {
    fn new() -> Option<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Some(Self(signal(SignalKind::interrupt()).ok()?, signal(SignalKind::terminate()).ok()?))
    }

    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.0.recv() => 2,
            _ = self.1.recv() => 15,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Option<Self> {
        Some(Self)
    }

    async fn next(&mut self) -> u8 {
        match tokio::signal::ctrl_c().await {
            Ok(()) => 2,
            Err(_) => std::future::pending().await,
        }
    }
}

use std::time::Duration;

use telestore_types::{Stage, Timestamp, UploadEvent, UploadId, UploadStatus};

/// The documented percentage for a stage, and for `sent` of `total` acknowledged bytes while sending.
pub fn percentage(stage: Stage, sent: u64, total: u64) -> u8 {
    match stage {
        Stage::Fetching | Stage::Queued => 0,
        Stage::Connecting => 5,
        Stage::Resolving => 15,
        Stage::Sending => {
            let share = u128::from(sent.min(total)) * 60 / u128::from(total.max(1));
            30 + u8::try_from(share).unwrap_or(60)
        }
        Stage::Finishing => 90,
        Stage::Done => 100,
        // A stage that is not known here says nothing about the percentage, which never falls.
        _ => 0,
    }
}

/// One run of one upload, seen by its runner.
#[derive(Debug, Clone)]
pub struct Tracker {
    upload_id: UploadId,
    stage: Stage,
    sent: u64,
    total: u64,
    progress: u8,
    attempt: u32,
    wait_until: Option<Timestamp>,
}

impl Tracker {
    /// A run of `total` bytes that begins at `progress` percent: where an earlier attempt of the same run ended.
    pub fn new(upload_id: UploadId, total: u64, progress: u8, attempt: u32) -> Self {
        Self { upload_id, stage: Stage::Queued, sent: 0, total, progress, attempt, wait_until: None }
    }

    /// A new stage has begun.
    pub fn stage(&mut self, stage: Stage) {
        self.stage = stage;
        self.rise();
    }

    /// Telegram has acknowledged `sent` bytes in total.
    pub fn acknowledged(&mut self, sent: u64) {
        self.sent = sent.min(self.total);
        self.rise();
    }

    /// Telegram asked to wait. It is shown until the time is over: parts that were already in flight may still be
    /// acknowledged meanwhile.
    pub fn flood_wait(&mut self, wait: Duration, now: Timestamp) {
        self.wait_until = Some(now + wait);
    }

    /// The percentage now.
    pub fn progress(&self) -> u8 {
        self.progress
    }

    fn rise(&mut self) {
        self.progress = self.progress.max(percentage(self.stage, self.sent, self.total));
    }

    /// What listeners are told while the run goes on.
    pub fn event(&self, now: Timestamp) -> UploadEvent {
        let mut event =
            UploadEvent::new(self.upload_id.clone(), UploadStatus::Uploading, self.stage, self.total);
        event.progress = self.progress.min(99);
        event.bytes_sent = self.sent;
        event.attempt = self.attempt;
        event.retry_after = self.wait_until.map(|until| until.since(now)).filter(|wait| !wait.is_zero());
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(0);

    fn tracker(progress: u8) -> Tracker {
        Tracker::new(UploadId::new("a").unwrap(), 200, progress, 1)
    }

    #[test]
    fn stages_keep_to_the_documented_bands() {
        let mut seen = Vec::new();
        let mut tracker = tracker(0);
        for stage in [Stage::Connecting, Stage::Resolving, Stage::Sending] {
            tracker.stage(stage);
            seen.push(tracker.progress());
        }
        for sent in [1, 100, 199, 200] {
            tracker.acknowledged(sent);
            seen.push(tracker.progress());
        }
        tracker.stage(Stage::Finishing);
        seen.push(tracker.progress());
        assert_eq!(seen, [5, 15, 30, 30, 60, 89, 90, 90]);
        assert_eq!(tracker.event(NOW).status, UploadStatus::Uploading);
    }

    #[test]
    fn a_later_attempt_never_goes_back() {
        let mut tracker = tracker(70);
        tracker.stage(Stage::Connecting);
        assert_eq!(tracker.progress(), 70);
        tracker.stage(Stage::Sending);
        tracker.acknowledged(150);
        assert_eq!(tracker.progress(), 75);
    }

    #[test]
    fn a_wait_is_visible_until_it_is_over() {
        let mut tracker = tracker(0);
        tracker.flood_wait(Duration::from_secs(7), NOW);
        assert_eq!(tracker.event(NOW).retry_after, Some(Duration::from_secs(7)));
        assert_eq!(tracker.event(NOW + Duration::from_secs(5)).retry_after, Some(Duration::from_secs(2)));
        tracker.acknowledged(1);
        assert!(tracker.event(NOW).retry_after.is_some(), "parts in flight do not end it");
        assert_eq!(tracker.event(NOW + Duration::from_secs(7)).retry_after, None);
    }

    #[test]
    fn odd_lengths_do_not_overflow() {
        assert_eq!(percentage(Stage::Sending, u64::MAX, u64::MAX), 90);
        assert_eq!(percentage(Stage::Sending, 0, 0), 30);
    }
}

//! A thousand answers that were changed at random: none ends the process, and none makes it grow. In a process of its own,
//! since it measures it.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{PART, World, credentials_of, mtproto_with};
use telestore_sandbox::{Fault, FaultAction, FaultId, HostileMtproto, UserSpec};
use telestore_uploader::TelegramUploader;
use telestore_uploader::testsuite::{Recorder, bytes};
use tokio::time::timeout;

/// How many changed answers there are to be.
const ANSWERS: u64 = 1000;

/// What they may hold, with the server that makes them in the same process.
const MEMORY_MAX: u64 = 64 * 1024 * 1024;

const METHODS: [&str; 6] = [
    "help.getConfig",
    "channels.getChannels",
    "messages.getDialogs",
    "upload.saveFilePart",
    "messages.sendMedia",
    "channels.getMessages",
];

/// So many bytes of this process, by the name in `/proc/self/status`.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_random_answers_end_nothing_and_hold_little() {
    let world = World::new().await;
    let uploader = mtproto_with(|config| {
        config.max_failures = 3;
        config.call_timeout = Duration::from_millis(500);
        config.connect_timeout = Duration::from_millis(500);
        config.longest_wait = Duration::ZERO;
        // Each attempt is greeted anew.
        config.idle_timeout = Duration::from_millis(1);
    });
    let bytes = bytes(1, 2 * PART);
    world.sends_once(&uploader, &bytes).await;
    let faults: Vec<FaultId> = (1..)
        .zip(METHODS)
        .map(|(seed, method)| {
            let random = FaultAction::HostileMtproto(HostileMtproto::Random(seed));
            // Some pass, so that it does not end with the first call; without the configuration it goes on.
            let every = if method == "help.getConfig" { 1 } else { 2 };
            world.sandbox.faults().inject(Fault::new(method, random).every(every))
        })
        .collect();
    let before = memory("VmRSS");
    let struck = || faults.iter().map(|fault| world.sandbox.faults().fired(*fault)).sum::<u64>();
    while struck() < ANSWERS {
        // Each time somebody whose channel is not known yet.
        let mallory = world.sandbox.add_user(UserSpec::new("mallory"));
        let mut request = world.request(&bytes);
        request.credentials = Arc::new(credentials_of(&mallory));
        let attempt = uploader.upload(request, Recorder::new());
        let _ = timeout(Duration::from_secs(30), attempt).await.expect("an attempt ends");
    }
    let grown = memory("VmHWM").saturating_sub(before);
    assert!(grown < MEMORY_MAX, "{} KiB", grown / 1024);
    for (fault, method) in faults.iter().zip(METHODS).take(5) {
        assert!(world.sandbox.faults().fired(*fault) > 0, "{method} was answered");
    }
    world.sandbox.faults().clear();
    let mut again = world.request(&bytes);
    again.caption = "afterwards".into();
    uploader.upload(again, Recorder::new()).await.expect("the other user goes on");
}

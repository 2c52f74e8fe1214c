//! How fast files go to a sandbox on this machine: `cargo run --release -p telestore-uploader --example send_throughput`.
//!
//! Takes the size in MiB (120) and the round trip in milliseconds (0). Client and server share the machine, so a
//! network of one's own is the better judge; this one shows where time goes in the client.

use std::sync::Arc;
use std::time::{Duration, Instant};

use telestore_sandbox::{Sandbox, SandboxUser};
use telestore_types::{ApiId, BytesSource, ChatId, FileName, Secret, TelegramCredentials, UploadId, UserId};
use telestore_uploader::testsuite::bytes;
use telestore_uploader::{
    AllowedAddresses, BotApiConfig, BotApiUploader, MtprotoConfig, MtprotoUploader, NoProgress,
    TelegramUploader, UploadRequest,
};

fn request(user: &SandboxUser, length: usize) -> UploadRequest {
    let chat = ChatId::new(&user.channel_id).expect("a chat id");
    let session = user.telethon_session.as_deref().map(Secret::new);
    let credentials = TelegramCredentials::new(UserId::new(&user.user_id), chat)
        .with_bot(Secret::new(&user.bot_token))
        .with_session(session, ApiId::new(user.api_id).ok(), None);
    let id = UploadId::new("throughput").expect("an upload id");
    let name = FileName::new("random.bin").expect("a file name");
    UploadRequest::new(id, Arc::new(credentials), name, Arc::new(BytesSource::new(bytes(1, length))))
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>().expect("a number"));
    let (mib, round_trip) = (arguments.next().unwrap_or(120), arguments.next().unwrap_or(0));
    let length = usize::try_from(mib * 1024 * 1024).expect("a size that fits into memory");
    let sandbox = Sandbox::builder().hash(false).start().await.expect("a sandbox");
    sandbox.network().set_round_trip(Duration::from_millis(round_trip));
    let user = sandbox.user();
    let bot = BotApiConfig::at(sandbox.bot_api_url());
    let mut backends: Vec<(String, Arc<dyn TelegramUploader>)> =
        vec![("bot api".to_owned(), Arc::new(BotApiUploader::new(bot).expect("an HTTP client")))];
    for window in [1, 4, 8, 16] {
        let mut config = MtprotoConfig::default();
        config.allowed = AllowedAddresses::any();
        let uploader = MtprotoUploader::new(config).with_window(window);
        backends.push((format!("mtproto, window {window}"), Arc::new(uploader)));
    }
    for (name, backend) in backends {
        // The sandbox takes no more than the Bot API does.
        let length = if name == "bot api" { length.min(50 * 1024 * 1024) } else { length };
        let request = request(&user, length);
        let begin = Instant::now();
        backend.upload(request, Arc::new(NoProgress)).await.expect("the file is sent");
        let seconds = begin.elapsed().as_secs_f64();
        println!("{name}: {:.1} MB/s ({seconds:.2} s)", length as f64 / seconds / 1e6);
    }
}

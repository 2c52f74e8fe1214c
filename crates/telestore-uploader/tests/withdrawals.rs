//! Messages that nobody wants any more: taken back by who may do that, each by itself.

mod common;

use std::sync::Arc;

use common::{World, bot_api, bot_of, credentials_of, mtproto};
use telestore_sandbox::{Fault, Standing, UserSpec};
use telestore_types::{StoredFile, TelegramCredentials};
use telestore_uploader::testsuite::{Recorder, bytes};
use telestore_uploader::{Error, ErrorKind, MtprotoUploader, TelegramUploader, Verdict};

const DELETE: &str = "channels.deleteMessages";

/// A channel with three bots, none of which may delete what another one has sent.
struct Three {
    world: World,
    uploader: MtprotoUploader,
}

impl Three {
    async fn new() -> Self {
        let world = World::with_more_bots(&["two", "three"]).await;
        for user in world.sandbox.users() {
            let standing = Standing::AdministratorWithoutDeletes;
            world.sandbox.set_standing_of_bot(&world.user.channel_id, &user, standing);
        }
        let uploader = world.mtproto_for_bots_with(|config| config.max_failures = 1);
        Self { world, uploader }
    }

    fn bot(&self, number: usize) -> TelegramCredentials {
        bot_of(&self.world.user).only(&self.world.bots()[number])
    }

    /// A file whose pieces these bots have sent, in turn.
    async fn sent_by(&self, bots: &[usize]) -> StoredFile {
        let mut messages = Vec::new();
        for number in bots {
            let request = self.world.request(&bytes(3, 100)).with_credentials(Arc::new(self.bot(*number)));
            let stored = self.uploader.upload(request, Recorder::new()).await.unwrap();
            messages.extend(stored.messages().to_vec());
        }
        StoredFile::of(messages).unwrap()
    }

    async fn withdraw(&self, bot: usize, stored: &StoredFile) -> Result<bool, Error> {
        self.uploader.withdraw(&self.bot(bot), stored).await
    }

    fn there(&self) -> Vec<i64> {
        self.world.messages().iter().map(|message| message.message_id.into()).collect()
    }
}

fn numbers(stored: &StoredFile) -> Vec<i64> {
    stored.messages().iter().map(|message| message.message_id).collect()
}

fn named(error: &Error) -> Vec<i64> {
    error.made().iter().map(|message| message.message_id).collect()
}

#[tokio::test]
async fn a_message_that_a_bot_may_not_delete_keeps_none_of_the_others() {
    let three = Three::new().await;
    let stored = three.sent_by(&[0, 1, 0, 2]).await;
    let ids = numbers(&stored);
    let error = three.withdraw(0, &stored).await.unwrap_err();
    assert_eq!(error.verdict(), Verdict::Permanent);
    assert_eq!((named(&error), three.there()), (vec![ids[1], ids[3]], vec![ids[1], ids[3]]));
    let said = error.to_string();
    assert!(said.contains(&format!("messages {}, {} in {}", ids[1], ids[3], three.world.user.channel_id)));
    assert!(said.contains("MESSAGE_DELETE_FORBIDDEN"), "{said}");
    let left = StoredFile::of(error.made().to_vec()).unwrap();
    let error = three.withdraw(2, &left).await.unwrap_err();
    assert_eq!(named(&error), [ids[1]]);
    assert!(three.withdraw(1, &stored).await.unwrap(), "for the last one the others' are gone");
    assert!(three.there().is_empty());
}

#[tokio::test]
async fn what_passes_is_tried_again_whatever_else_was_refused_for_good() {
    let three = Three::new().await;
    let stored = three.sent_by(&[1, 0, 0, 0]).await;
    let ids = numbers(&stored);
    three.world.sandbox.faults().inject(Fault::rpc_error(DELETE, 500, "INTERNAL").skip(1).times(2));
    let error = three.withdraw(0, &stored).await.unwrap_err();
    assert_eq!(error.verdict(), Verdict::Temporary, "{error}");
    assert_eq!(named(&error), [ids[0], ids[1]]);
    let left = StoredFile::of(error.made().to_vec()).unwrap();
    let error = three.withdraw(0, &left).await.unwrap_err();
    assert_eq!((error.verdict(), named(&error)), (Verdict::Permanent, vec![ids[0]]));
}

#[tokio::test]
async fn a_flood_of_who_deletes_is_not_made_worse() {
    let three = Three::new().await;
    let stored = three.sent_by(&[0, 0, 0]).await;
    let ids = numbers(&stored);
    three.world.sandbox.faults().inject(Fault::flood_wait(DELETE, 300).skip(1).once());
    let error = three.withdraw(0, &stored).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::FloodWait(_)), "{error}");
    assert_eq!(named(&error), ids[1..]);
    assert_eq!(three.world.sandbox.stats().calls(DELETE), 2);
}

#[tokio::test]
async fn the_bot_api_goes_on_behind_what_it_may_not_delete_too() {
    let three = Three::new().await;
    let stored = three.sent_by(&[0, 1, 0]).await;
    let ids = numbers(&stored);
    let error = bot_api(&three.world.sandbox).withdraw(&three.bot(0), &stored).await.unwrap_err();
    assert_eq!(error.verdict(), Verdict::Permanent);
    assert_eq!((named(&error), three.there()), (vec![ids[1]], vec![ids[1]]));
    assert!(error.to_string().contains(&ids[1].to_string()), "{error}");
}

/// In a basic group each account has numbers of its own. Here all see the same ones, and another file's message has the number.
#[tokio::test]
async fn in_a_basic_group_nothing_is_deleted_but_the_file_that_was_sent() {
    let world = World::new().await;
    let user = world.sandbox.add_user(UserSpec::new("bob").channel(Some("-4242")));
    let (uploader, credentials) = (mtproto(), credentials_of(&user));
    let request = |seed| world.request(&bytes(seed, 1000)).with_credentials(Arc::new(credentials.clone()));
    let stored = uploader.upload(request(1), Recorder::new()).await.unwrap();
    let others = uploader.upload(request(2), Recorder::new()).await.unwrap();
    let mut wrong = stored.first().clone();
    wrong.message_id = others.message_id();
    let error = uploader.withdraw(&credentials, &StoredFile::new(wrong)).await.unwrap_err();
    assert_eq!(error.verdict(), Verdict::Permanent, "{error}");
    assert_eq!(world.sandbox.messages("-4242").len(), 2);
    assert!(uploader.withdraw(&credentials, &stored).await.unwrap());
    assert_eq!(world.sandbox.messages("-4242").len(), 1);
}

#[tokio::test]
async fn a_message_of_an_unknown_chat_is_deleted_only_if_it_is_the_one() {
    let world = World::new().await;
    let uploader = mtproto();
    let stored = uploader.upload(world.request(&bytes(4, 100)), Recorder::new()).await.unwrap();
    // As version 0.1 kept it; the credentials may name another channel by now.
    let mut unknown = stored.first().clone();
    unknown.chat_id = None;
    let mut other = unknown.clone();
    other.stored_as = telestore_types::StoredAs::Mtproto { document_id: 4711 };
    let gone = uploader.withdraw(&world.credentials(), &StoredFile::new(other)).await;
    assert!(!gone.is_ok_and(|gone| gone));
    assert_eq!(world.messages().len(), 1);
    assert!(uploader.withdraw(&world.credentials(), &StoredFile::new(unknown)).await.unwrap());
    assert!(world.messages().is_empty());
}

//! Who may post where, and how both APIs show it.

use grammers_client::{Client, tl};
use reqwest::StatusCode;
use serde_json::{Value, json};
use telestore_sandbox::{ChannelId, Sandbox, SandboxUser, Standing, UserSpec};

use crate::bot_api::http;
use crate::client::{big_file, big_part, connect, find_channel, refused, send_media};

struct Bot<'a> {
    sandbox: &'a Sandbox,
    user: &'a SandboxUser,
}

impl Bot<'_> {
    async fn call(&self, method: &str, arguments: Value) -> Value {
        let url = format!("{}/bot{}/{method}", self.sandbox.bot_api_url(), self.user.bot_token);
        http().post(url).json(&arguments).send().await.expect("an answer").json().await.expect("json")
    }

    async fn member(&self) -> Value {
        let arguments = json!({"chat_id": self.user.channel_id, "user_id": self.user.bot_user_id});
        self.call("getChatMember", arguments).await["result"].clone()
    }

    /// The description of the error that a text is answered with; empty if it is sent.
    async fn send(&self, chat_id: &str) -> String {
        let answer = self.call("sendMessage", json!({"chat_id": chat_id, "text": "hi"})).await;
        answer["description"].as_str().unwrap_or_default().to_owned()
    }
}

async fn channel_of(client: &Client, peer: &tl::enums::InputPeer) -> tl::types::Channel {
    let tl::enums::InputPeer::Channel(peer) = peer else { panic!("a channel") };
    let channel =
        tl::types::InputChannel { channel_id: peer.channel_id, access_hash: peer.access_hash }.into();
    let chats = client.invoke(&tl::functions::channels::GetChannels { id: vec![channel] }).await;
    let tl::enums::messages::Chats::Chats(chats) = chats.expect("channels") else { panic!("all of them") };
    match &chats.chats[0] {
        tl::enums::Chat::Channel(channel) => channel.clone(),
        other => panic!("{other:?}"),
    }
}

async fn try_send(client: &Client, peer: &tl::enums::InputPeer, id: i64) -> String {
    client.invoke(&big_part(id, 0, 1, vec![1; 10])).await.expect("a part");
    match client.invoke(&send_media(peer.clone(), big_file(id, 1), id)).await {
        Ok(_) => String::new(),
        error => refused(error).1,
    }
}

fn posts(channel: &tl::types::Channel) -> bool {
    let rights = channel.admin_rights.as_ref();
    channel.creator || rights.is_some_and(|tl::enums::ChatAdminRights::Rights(rights)| rights.post_messages)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_mtproto_shows_is_what_it_enforces() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let user = sandbox.user();
    let client = connect(&sandbox, &user);
    let peer = find_channel(&client, &user).await;
    for (id, standing, error) in [
        (1, Standing::Creator, ""),
        (2, Standing::Administrator, ""),
        (3, Standing::AdministratorWithoutPosts, "CHAT_ADMIN_REQUIRED"),
        (4, Standing::Member, "CHAT_ADMIN_REQUIRED"),
    ] {
        sandbox.set_standing_of_account(&user.channel_id, &user, standing);
        assert_eq!(posts(&channel_of(&client, &peer).await), error.is_empty(), "{standing:?}");
        assert_eq!(try_send(&client, &peer, id).await, error, "{standing:?}");
    }
    sandbox.set_supergroup(&user.channel_id, true);
    assert_eq!(try_send(&client, &peer, 10).await, "", "members of groups write");
    sandbox.set_documents(&user.channel_id, false);
    let tl::enums::ChatBannedRights::Rights(rights) =
        channel_of(&client, &peer).await.default_banned_rights.expect("groups have them");
    assert!(rights.send_docs);
    assert_eq!(try_send(&client, &peer, 11).await, "CHAT_SEND_DOCS_FORBIDDEN");
    sandbox.set_documents(&user.channel_id, true);
    sandbox.set_standing_of_account(&user.channel_id, &user, Standing::Restricted);
    assert!(channel_of(&client, &peer).await.banned_rights.is_some());
    assert_eq!(try_send(&client, &peer, 12).await, "USER_BANNED_IN_CHANNEL");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_bot_api_shows_is_what_it_enforces() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let user = sandbox.user();
    let bot = Bot { sandbox: &sandbox, user: &user };
    assert_eq!(bot.member().await["can_post_messages"], json!(true));
    sandbox.set_standing_of_bot(&user.channel_id, &user, Standing::AdministratorWithoutPosts);
    assert_eq!(bot.member().await["can_post_messages"], json!(false));
    let administrators = "Bad Request: need administrator rights in the channel chat";
    assert_eq!(bot.send(&user.channel_id).await, administrators);
    sandbox.set_standing_of_bot(&user.channel_id, &user, Standing::Member);
    assert_eq!(bot.member().await["status"], json!("member"));
    assert_eq!(bot.send(&user.channel_id).await, administrators);
    sandbox.set_standing_of_bot(&user.channel_id, &user, Standing::Kicked);
    assert_eq!(bot.send(&user.channel_id).await, "Forbidden: bot was kicked from the channel chat");
    sandbox.set_standing_of_bot(&user.channel_id, &user, Standing::Restricted);
    sandbox.set_supergroup(&user.channel_id, true);
    assert_eq!(bot.member().await["can_send_documents"], json!(false));
    sandbox.set_documents(&user.channel_id, false);
    let chat = bot.call("getChat", json!({"chat_id": user.channel_id})).await;
    assert_eq!(chat["result"]["type"], json!("supergroup"));
    assert_eq!(chat["result"]["permissions"]["can_send_documents"], json!(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn positive_numbers_are_people() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let user = sandbox.user();
    let bot = Bot { sandbox: &sandbox, user: &user };
    let bare = ChannelId::from(&user.channel_id).bare().to_string();
    for chat in [bare.clone(), format!("-{bare}"), user.channel_id.replace('-', ""), "0".to_owned()] {
        assert_eq!(bot.send(&chat).await, "Bad Request: chat not found", "{chat}");
    }
    assert_eq!(bot.send(&user.channel_id).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_hash_is_worth_nothing_to_others() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let alice = sandbox.user();
    let bob = sandbox.add_user(UserSpec::new("bob").channel(Some(&alice.channel_id)));
    let (of_alice, of_bob) = (connect(&sandbox, &alice), connect(&sandbox, &bob));
    let (peer, other) = (find_channel(&of_alice, &alice).await, find_channel(&of_bob, &bob).await);
    assert_ne!(peer, other);
    assert_eq!(try_send(&of_bob, &peer, 1).await, "CHANNEL_INVALID");
    assert_eq!(try_send(&of_bob, &other, 2).await, "", "and bob is an administrator there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_migrates_for_both_apis() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let user = sandbox.add_user(UserSpec::new("bob").channel(Some("-4242")));
    let (client, bot) = (connect(&sandbox, &user), Bot { sandbox: &sandbox, user: &user });
    let peer: tl::enums::InputPeer = tl::types::InputPeerChat { chat_id: 4242 }.into();
    assert_eq!((try_send(&client, &peer, 1).await, bot.send("-4242").await), (String::new(), String::new()));
    assert_eq!(sandbox.messages("-4242").len(), 2);

    assert!(!sandbox.migrate_group(&sandbox.user().channel_id, "-1009999999999"), "channels stay");
    assert!(sandbox.migrate_group("-4242", "-1009999999999"));
    assert_eq!(try_send(&client, &peer, 2).await, "PEER_ID_INVALID");
    let answer = bot.call("sendMessage", json!({"chat_id": "-4242", "text": "hi"})).await;
    assert_eq!(answer["parameters"]["migrate_to_chat_id"], json!(-1_009_999_999_999_i64));
    let chats = client.invoke(&tl::functions::messages::GetChats { id: vec![4242] }).await.expect("chats");
    let tl::enums::messages::Chats::Chats(chats) = chats else { panic!("all of them") };
    let tl::enums::Chat::Chat(group) = &chats.chats[0] else { panic!("a group: {chats:?}") };
    let Some(tl::enums::InputChannel::Channel(new)) = &group.migrated_to else { panic!("{group:?}") };
    assert!(group.deactivated);
    let tl::types::InputChannel { channel_id, access_hash } = new.clone();
    let new = tl::types::InputPeerChannel { channel_id, access_hash }.into();
    assert_eq!(try_send(&client, &new, 3).await, "");
    assert_eq!(bot.send("-1009999999999").await, "");
    assert_eq!(sandbox.messages("-1009999999999").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_cut_and_captions_have_a_limit() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let user = sandbox.user();
    let client = connect(&sandbox, &user);
    let peer = find_channel(&client, &user).await;
    let named = |name: &str, caption: String, id| {
        let mut call = send_media(peer.clone(), big_file(id, 1), id);
        let tl::enums::InputMedia::UploadedDocument(media) = &mut call.media else { panic!("a document") };
        let attribute = tl::types::DocumentAttributeFilename { file_name: name.to_owned() };
        media.attributes = vec![attribute.into()];
        call.message = caption;
        call
    };
    client.invoke(&big_part(1, 0, 1, vec![1; 10])).await.expect("a part");
    let long = format!("a b-{}.txt", "字".repeat(60));
    client.invoke(&named(&long, "👍".repeat(512), 1)).await.expect("a message");
    let message = sandbox.messages_of(&user).remove(0);
    assert_eq!((message.file_name, message.sent_name), (format!("a_b_{}", "字".repeat(56)), long));
    client.invoke(&big_part(2, 0, 1, vec![1; 10])).await.expect("a part");
    let call = named("a.txt", "👍".repeat(513), 2);
    assert_eq!(refused(client.invoke(&call).await).1, "MEDIA_CAPTION_TOO_LONG");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_processes_change_rights() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let user = sandbox.add_user(UserSpec::new("bob").channel(Some("-77")).standing_of_bot(Standing::Member));
    let bot = Bot { sandbox: &sandbox, user: &user };
    let url = |path: &str| format!("{}/channels/{}{path}", sandbox.control_url(), user.channel_id);
    let member = json!({"user_id": user.user_id, "bot": true, "standing": "kicked"});
    let set = http().put(url("/members")).json(&member).send().await.expect("an answer");
    assert_eq!(set.status(), StatusCode::NO_CONTENT);
    assert_eq!(bot.send("-77").await, "Forbidden: bot was kicked from the group chat");
    let documents = json!({"documents": false});
    let set = http().patch(url("")).json(&documents).send().await.expect("an answer");
    assert_eq!(set.status(), StatusCode::NO_CONTENT);
    let to = json!({"to": "-1001777777777"});
    let set = http().post(url("/migrate")).json(&to).send().await.expect("an answer");
    assert_eq!(set.status(), StatusCode::NO_CONTENT);
    let all = http().get(format!("{}/channels", sandbox.control_url())).send().await.expect("an answer");
    let all: Value = all.json().await.expect("json");
    let group = all.as_array().expect("a list").iter().find(|channel| channel["id"] == "-77");
    let group = group.expect("the group");
    assert_eq!((&group["type"], &group["documents"]), (&json!("group"), &json!(false)));
    assert_eq!(group["migrated_to"], json!("-1001777777777"));
    let bot = group["members"].as_array().expect("a list").iter().find(|who| who["bot"] == true);
    assert_eq!(bot.expect("the bot")["standing"], json!("kicked"));
}

/// Deletes messages of the user's channel; what is said if that is refused.
async fn try_delete(client: &Client, peer: &tl::enums::InputPeer, id: Vec<i32>) -> Result<i32, String> {
    let tl::enums::InputPeer::Channel(peer) = peer else { panic!("a channel") };
    let channel =
        tl::types::InputChannel { channel_id: peer.channel_id, access_hash: peer.access_hash }.into();
    match client.invoke(&tl::functions::channels::DeleteMessages { channel, id }).await {
        Ok(tl::enums::messages::AffectedMessages::Messages(affected)) => Ok(affected.pts_count),
        error => match refused(error) {
            (403, name) => Err(name),
            other => panic!("{other:?}"),
        },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_delete_what_others_have_sent_deletes_their_own() {
    let forbidden = Err("MESSAGE_DELETE_FORBIDDEN".to_owned());
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let user = sandbox.user();
    let client = connect(&sandbox, &user);
    let (peer, bot) = (find_channel(&client, &user).await, Bot { sandbox: &sandbox, user: &user });
    let newest = || sandbox.messages_of(&user).last().expect("a message").message_id;
    let is = |standing| sandbox.set_standing_of_account(&user.channel_id, &user, standing);
    for (id, standing) in [(1, Standing::AdministratorWithoutDeletes), (2, Standing::Member)] {
        sandbox.set_supergroup(&user.channel_id, standing == Standing::Member);
        is(standing);
        assert_eq!(bot.send(&user.channel_id).await, "");
        let of_bot = newest();
        assert_eq!(try_send(&client, &peer, id).await, "");
        let own = newest();
        assert_eq!(try_delete(&client, &peer, vec![own, of_bot]).await, forbidden, "{standing:?}: none goes");
        assert_eq!(try_delete(&client, &peer, vec![own, 999]).await, Ok(1), "{standing:?}");
        assert_eq!(try_delete(&client, &peer, vec![of_bot]).await, forbidden, "{standing:?}");
        is(Standing::Administrator);
        assert_eq!(try_delete(&client, &peer, vec![of_bot]).await, Ok(1), "{standing:?}");
    }
    assert_eq!(try_delete(&client, &peer, vec![1]).await, forbidden, "that the channel was made");
    assert_eq!(try_delete(&client, &peer, vec![999]).await, Ok(0), "there is none");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_deletes_its_own_messages_or_by_its_right_and_none_of_two_days() {
    let refused = "Bad Request: message can't be deleted";
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let user = sandbox.user();
    let other = sandbox.add_user(UserSpec::new("other").channel(Some(user.channel_id.as_str())));
    let [bot, another] = [&user, &other].map(|user| Bot { sandbox: &sandbox, user });
    let delete = async |bot: &Bot<'_>, message_id: i32| {
        let arguments = json!({"chat_id": user.channel_id, "message_id": message_id});
        let answer = bot.call("deleteMessage", arguments).await;
        answer["description"].as_str().unwrap_or_default().to_owned()
    };
    let sent = async || {
        assert_eq!(bot.send(&user.channel_id).await, "");
        sandbox.messages_of(&user).last().expect("a message").message_id
    };
    sandbox.set_standing_of_bot(&user.channel_id, &other, Standing::AdministratorWithoutDeletes);
    sandbox.set_standing_of_bot(&user.channel_id, &user, Standing::AdministratorWithoutDeletes);
    assert_eq!(bot.member().await["can_delete_messages"], json!(false));
    assert_eq!(bot.member().await["can_post_messages"], json!(true));
    let (first, second) = (sent().await, sent().await);
    assert_eq!(delete(&another, first).await, refused);
    assert_eq!(delete(&bot, first).await, "");
    sandbox.set_standing_of_bot(&user.channel_id, &other, Standing::Administrator);
    sandbox.age_messages_of(&user, 2 * 24 * 60 * 60);
    assert_eq!(delete(&another, second).await, refused, "it is old");
    assert_eq!(delete(&bot, second).await, refused, "it is old");
    let third = sent().await;
    assert_eq!(delete(&another, third).await, "");
    assert_eq!(delete(&another, third).await, "Bad Request: message to delete not found");
}

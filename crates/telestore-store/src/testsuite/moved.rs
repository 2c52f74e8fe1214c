//! What a store must remember of groups that became supergroups.

use telestore_types::{ChatId, UserId};

use crate::SessionStore;

fn chat(id: &str) -> ChatId {
    ChatId::new(id).expect("an id")
}

pub(super) async fn a_moved_chat_is_found_by_its_user_only(store: &dyn SessionStore) {
    let (alice, bob) = (UserId::new("alice"), UserId::new("bob"));
    let (old, new) = (chat("-4242"), chat("-1009999999999"));
    assert_eq!(store.moved_chat(&alice, &old).await.expect("reads"), None);
    store.save_moved_chat(&alice, &old, &new).await.expect("writes");
    assert_eq!(store.moved_chat(&alice, &old).await.expect("reads"), Some(new.clone()));
    assert_eq!(store.moved_chat(&bob, &old).await.expect("reads"), None, "it is nobody else's");
    assert_eq!(store.moved_chat(&alice, &new).await.expect("reads"), None, "the new one has not moved");
    // Of each user the latest is kept, so that nobody fills the store.
    store.save_moved_chat(&alice, &chat("-77"), &chat("-1007777777777")).await.expect("writes");
    assert_eq!(store.moved_chat(&alice, &old).await.expect("reads"), None);
    assert_eq!(store.moved_chat(&alice, &chat("-77")).await.expect("reads"), Some(chat("-1007777777777")));
}

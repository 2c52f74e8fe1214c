//! What a store must remember of bots that have signed in.

use telestore_types::StorageKey;

use crate::SessionStore;

pub(super) async fn the_latest_key_of_each_bot_is_kept(store: &dyn SessionStore) {
    let (alice, bob) = (StorageKey::from_random([1; 16]), StorageKey::from_random([2; 16]));
    assert_eq!(store.bot_key(&alice).await.expect("reads"), None);
    store.save_bot_key(&alice, b"old").await.expect("writes");
    store.save_bot_key(&bob, &[0, 255, 7]).await.expect("writes");
    store.save_bot_key(&alice, b"new").await.expect("writes");
    assert_eq!(store.bot_key(&alice).await.expect("reads").as_deref(), Some(&b"new"[..]));
    assert_eq!(store.bot_key(&bob).await.expect("reads").as_deref(), Some(&[0, 255, 7][..]));
}

//! Data directories of before: one made by the code of 0.1, one by that of the last commit before 0.2 broke its public
//! surface. Each holds an upload in every state, frozen by SIGKILL (`tests/fixtures/make_old_data.py`). Today's worker opens
//! them, and every upload goes on to its right end.

mod archive;
mod goes_on;
mod rows;

use self::goes_on::{Old, everything_goes_on};

async fn everything_in(archive: &str, body_may_be_sent: bool, forgot: bool) {
    let mut old = Old::open(archive, forgot).await;
    old.stage.start().await;
    everything_goes_on(&old, body_may_be_sent, forgot).await;
    old.stage.emptied(&["chunks", "spool"]).await;
}

#[tokio::test]
async fn a_data_directory_of_0_1_goes_on() {
    // 0.1 did not write down whether a bot's file was out.
    everything_in("data_of_0.1.tar.gz", true, false).await;
}

#[tokio::test]
async fn a_data_directory_of_before_the_new_surface_goes_on() {
    everything_in("data_of_75752bf.tar.gz", false, false).await;
}

#[tokio::test]
async fn an_old_data_directory_goes_on_where_telegram_has_forgotten_the_parts() {
    everything_in("data_of_0.1.tar.gz", true, true).await;
}

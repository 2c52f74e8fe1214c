//! Faults of `upload.getFile`.

use std::time::Duration;

use grammers_client::{InvocationError, tl};
use telestore_sandbox::{Fault, FaultAction, HostileMtproto};

use crate::client::{call_again, refused};
use crate::reading::{GET_FILE, KIB, Shelf, location, range, read};

/// The beginning of the file, as it is.
async fn whole(shelf: &Shelf, document: &tl::types::Document) {
    assert!(read(&shelf.client, document, 0, 4096).await.expect("bytes") == shelf.bytes[..4096]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nth_call_waits_or_fails() {
    let shelf = Shelf::with(10 * KIB).await;
    let document = shelf.document().await;
    let faults = shelf.sandbox.faults();
    faults.inject(Fault::flood_wait(GET_FILE, 3).skip(1).once());
    faults.inject(Fault::new(GET_FILE, FaultAction::FloodPremiumWait(4)).skip(2).once());
    faults.inject(Fault::rpc_error(GET_FILE, 500, "RPC_CALL_FAIL").skip(3).once());
    whole(&shelf, &document).await;
    let fails = async || refused(read(&shelf.client, &document, 0, 4096).await);
    // The first fault that strikes keeps the call from the others.
    assert_eq!(fails().await, (420, "FLOOD_WAIT 3".to_owned()));
    whole(&shelf, &document).await;
    assert_eq!(fails().await, (420, "FLOOD_PREMIUM_WAIT 4".to_owned()));
    whole(&shelf, &document).await;
    assert_eq!(fails().await, (500, "RPC_CALL_FAIL".to_owned()));
    whole(&shelf, &document).await;
    assert_eq!(shelf.sandbox.stats().downloads(&shelf.user.user_id, false, 2).calls, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_can_wait_for_an_offset() {
    let shelf = Shelf::with(20 * KIB).await;
    let document = shelf.document().await;
    shelf.sandbox.faults().inject(Fault::flood_wait(GET_FILE, 3).offset(8192));
    assert!(read(&shelf.client, &document, 4096, 4096).await.is_ok());
    assert_eq!(refused(read(&shelf.client, &document, 8192, 4096).await), (420, "FLOOD_WAIT 3".to_owned()));
    assert!(read(&shelf.client, &document, 12_288, 4096).await.is_ok());
    let hashes = Fault::flood_wait("upload.getFileHashes", 5).offset(131_072);
    shelf.sandbox.faults().inject(hashes);
    let call = |offset| tl::functions::upload::GetFileHashes { location: location(&document).into(), offset };
    assert!(shelf.client.invoke(&call(0)).await.is_ok());
    assert_eq!(refused(shelf.client.invoke(&call(131_072)).await), (420, "FLOOD_WAIT 5".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_get_lost_and_connections_end() {
    let shelf = Shelf::with(10 * KIB).await;
    let document = shelf.document().await;
    let call = range(location(&document), 0, 4096);
    let read_bytes = || shelf.sandbox.stats().downloads(&shelf.user.user_id, false, 2).bytes;
    for (fault, executed) in
        [(Fault::drop_connection(GET_FILE).once(), false), (Fault::lose_answer(GET_FILE).once(), true)]
    {
        let before = read_bytes();
        shelf.sandbox.faults().inject(fault);
        let lost = shelf.client.invoke(&call).await;
        assert!(matches!(lost, Err(InvocationError::Io(_) | InvocationError::Dropped(_))), "{lost:?}");
        assert_eq!(read_bytes() - before, if executed { 4096 } else { 0 });
        let tl::enums::upload::File::File(file) = call_again(&shelf.client, &call).await else {
            panic!("no bytes")
        };
        assert!(file.bytes == shelf.bytes[..4096]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_comes_late_or_never() {
    let shelf = Shelf::with(10 * KIB).await;
    let document = shelf.document().await;
    let faults = shelf.sandbox.faults();
    faults.inject(Fault::new(GET_FILE, FaultAction::Delay(Duration::from_millis(5))).once());
    whole(&shelf, &document).await;
    let silent = faults.inject(Fault::new(GET_FILE, FaultAction::Silence).once());
    let silenced = {
        let (client, document) = (shelf.client.clone(), document.clone());
        tokio::spawn(async move { read(&client, &document, 0, 4096).await })
    };
    faults.wait_fired(silent, 1).await;
    whole(&shelf, &document).await;
    let id = &shelf.user.user_id;
    shelf.sandbox.wait_until(|stats| stats.downloads(id, false, 2).bytes == 3 * 4096).await;
    assert!(!silenced.is_finished());
    silenced.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_server_sends_what_was_not_asked_for() {
    let shelf = Shelf::with(10 * KIB).await;
    let document = shelf.document().await;
    let hostile = async |answer| {
        shelf.sandbox.faults().inject(Fault::hostile_mtproto(GET_FILE, answer).once());
        shelf.client.invoke(&range(location(&document), 0, 4096)).await.expect("an answer")
    };
    let bytes = |answer| match answer {
        tl::enums::upload::File::File(file) => file.bytes,
        redirect => panic!("no bytes: {redirect:?}"),
    };
    assert_eq!(bytes(hostile(HostileMtproto::TooLong(100)).await).len(), 4196);
    assert_eq!(bytes(hostile(HostileMtproto::TooShort(100)).await), shelf.bytes[..3996]);
    let other = bytes(hostile(HostileMtproto::OtherBytes).await);
    assert!(other.len() == 4096 && other != shelf.bytes[..4096]);
    let redirect = hostile(HostileMtproto::CdnRedirect).await;
    assert!(matches!(redirect, tl::enums::upload::File::CdnRedirect(_)));
    whole(&shelf, &document).await;
}

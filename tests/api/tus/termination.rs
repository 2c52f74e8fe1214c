//! Termination.

use telestore_sandbox::Fault;

use crate::support::{File, MIB, Stage, soon};
use crate::tus::{Tus, id_of, refused};

/// "When receiving a DELETE request for an existing upload the Server SHOULD free associated resources and MUST respond with the 204
/// No Content status confirming that the upload was terminated. For all future requests to this URL, the Server SHOULD respond with
/// the 404 Not Found or 410 Gone status."
#[tokio::test]
async fn what_was_begun_is_gone() {
    let stage = Stage::new().await;
    let tus = Tus::new(&stage);
    let path = tus.begin(&[("Upload-Length", "10")]).await;
    tus.append(&path, 0, b"hello").await;
    assert_eq!(tus.request("DELETE", &path).send().await.unwrap().status(), 204);
    stage.emptied(&["chunks", "spool"]).await;
    assert_eq!(tus.head(&path).await.status(), 404);
    assert_eq!(refused(tus.patch(&path, 5).body("world").send().await.unwrap()).await.0, 404);
    assert_eq!(refused(tus.request("DELETE", &path).send().await.unwrap()).await.0, 404);
    assert_eq!(refused(tus.request("DELETE", "/tus/unknown").send().await.unwrap()).await.0, 404);
}

/// One that is in the channel is forgotten, and its message stays.
#[tokio::test]
async fn of_what_is_delivered_the_message_stays() {
    let stage = Stage::new().await;
    let (tus, file) = (Tus::new(&stage), File::new(1000));
    let path = tus.begin_file(&file).await;
    tus.append(&path, 0, &file.bytes).await;
    tus.arrived(&path, &file).await;
    assert_eq!(tus.request("DELETE", &path).send().await.unwrap().status(), 204);
    assert_eq!(tus.head(&path).await.status(), 404);
    assert_eq!(stage.progress(id_of(&path)).await.status, 404, "by any door");
    stage.arrived(&file);
}

/// One that is on its way is stopped, and no message of it is left.
#[tokio::test]
async fn what_is_being_sent_is_stopped() {
    let stage = Stage::new().await;
    let (tus, file) = (Tus::new(&stage), File::new(MIB));
    let held = stage.sandbox.faults().inject(Fault::hold("sendDocument"));
    let path = tus.begin_file(&file).await;
    tus.append(&path, 0, &file.bytes).await;
    soon("the send", stage.sandbox.faults().wait_fired(held, 1)).await;
    assert_eq!(tus.request("DELETE", &path).send().await.unwrap().status(), 204);
    stage.sandbox.faults().release(held);
    assert_eq!(tus.head(&path).await.status(), 404);
    stage.emptied(&["chunks", "spool"]).await;
    soon("no message", async {
        while !stage.sandbox.messages_of(&stage.user).is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

//! Bodies that the worker cannot finish, as programs see them.

use std::path::Path;
use std::process::Output;

use telestore_sandbox::Fault;

use crate::support::{MIB, soon};
use crate::{BLOCK, Form, GET, Scene, bytes, programs};

/// What curl says if fewer bytes came than the head told.
const PARTIAL: i32 = 18;

async fn curl(scene: &Scene, id: &str, out: &Path) -> Option<i32> {
    soon("curl", programs::curl(scene, id, out).status()).await.expect("curl").code()
}

async fn telestore(scene: &Scene, id: &str, out: &Path) -> Output {
    let mut command = programs::telestore(scene, id, out);
    soon("the client", command.args(["--patience", "1s"]).output()).await.expect("the client")
}

#[tokio::test]
async fn no_program_takes_what_broke_off_for_whole() {
    for form in [Form::Plain, Form::Both] {
        let scene = Scene::new(form, &[("TELESTORE_PREFER_MTPROTO", "on")]).await;
        let bytes = bytes(6 * MIB);
        let newest = scene.put(&bytes).await;
        let id = newest["id"].as_str().expect("an id").to_owned();
        let (of_curl, of_ours) = (scene.stage.dir.path().join("curl"), scene.stage.dir.path().join("ours"));
        // From the middle on there is nothing, however often it is asked for.
        let faults = scene.stage.sandbox.faults();
        let middle = scene.messages(&newest)[0].size / 2 / BLOCK * BLOCK;
        let gone = faults.inject(Fault::rpc_error(GET, 400, "LOCATION_INVALID").offset(middle as i64));
        assert_eq!(curl(&scene, &id, &of_curl).await, Some(PARTIAL), "{form:?}");
        let part = std::fs::read(&of_curl).expect("what came");
        assert!(!part.is_empty() && part.len() < bytes.len() && part == bytes[..part.len()], "{form:?}");
        let ended = telestore(&scene, &id, &of_ours).await;
        assert!(ended.status.code().is_some_and(|code| code != 0), "{form:?}: {ended:?}");
        assert!(!of_ours.exists(), "{form:?}: it has its name, and is not whole");
        assert!(faults.fired(gone) > 1);
        faults.clear();
        // Both go on from what is there.
        assert_eq!(curl(&scene, &id, &of_curl).await, Some(0), "{form:?}");
        let ended = telestore(&scene, &id, &of_ours).await;
        assert!(ended.status.success(), "{form:?}: {ended:?}");
        for out in [of_curl, of_ours] {
            assert!(std::fs::read(&out).expect("a file") == bytes, "{form:?}: {}", out.display());
        }
    }
}

//! Many small PATCHes: they work, and do not make many files.

use crate::support::{File, MIB, Stage, files_below};
use crate::tus::{Tus, id_of};

/// 4,000 PATCHes of 16 KiB: more than an upload may have pieces if each were one, for its size; and a few files at any time.
#[tokio::test]
async fn many_small_patches_make_few_files() {
    let stage = Stage::with(&[("TELESTORE_EAGER", "off")]).await;
    let (tus, file) = (Tus::new(&stage), File::new(4000 * 16 * 1024));
    let path = tus.begin_file(&file).await;
    let chunks = stage.data_dir().join("chunks");
    let (mut at, mut most) = (0, 0);
    for (count, piece) in file.bytes.chunks(16 * 1024).enumerate() {
        at = tus.append(&path, at, piece).await;
        if count % 50 == 0 {
            most = most.max(files_below(&chunks).len());
        }
    }
    assert!(most <= 60, "{most} files");
    tus.arrived(&path, &file).await;
    stage.emptied(&["chunks", "spool"]).await;
}

/// A file that is sent while it comes in small pieces, which become one behind the back of who sends.
#[tokio::test]
async fn what_is_sent_early_is_right_if_its_pieces_are_joined() {
    let stage = Stage::with(&[("TELESTORE_BOT_API_MAX_BYTES", "1 MiB")]).await;
    let (tus, file) = (Tus::new(&stage), File::new(24 * MIB));
    let path = tus.begin_file(&file).await;
    let mut at = 0;
    for piece in file.bytes.chunks(96 * 1024) {
        at = tus.append(&path, at, piece).await;
    }
    tus.arrived(&path, &file).await;
    assert_eq!(stage.end(id_of(&path)).await["status"], "completed");
}

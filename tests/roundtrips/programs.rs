//! The programs that people fetch files with.

use std::path::Path;

use tokio::process::Command;

use crate::Scene;

/// curl, which goes on behind what is there. With `--retry` it would begin anew by itself.
pub(crate) fn curl(scene: &Scene, id: &str, out: &Path) -> Command {
    let mut command = Command::new("curl");
    command.args(["-fsS", "-C", "-", "-H"]);
    command.arg(format!("Authorization: Bearer {}", scene.stage.user.auth_token)).arg("-o").arg(out);
    command.arg(scene.stage.url(&format!("/files/{id}/content")));
    command
}

/// `telestore get`.
pub(crate) fn telestore(scene: &Scene, id: &str, out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_client-under-test"));
    command.env("TELESTORE_URL", scene.stage.url("")).env("TELESTORE_TOKEN", &scene.stage.user.auth_token);
    command.args(["get", id, "--json", "-o"]).arg(out);
    command
}

//! Bars, on a terminal.

use std::fs::File;
use std::io::Read;
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::{MIB, Scene, content};

/// All that the program draws on a terminal.
async fn drawn(scene: &Scene, args: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = scene.program(args);
    command.env("TERM", "xterm").env_remove("NO_COLOR").envs(variables.iter().copied());
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    let other = File::options().read(true).write(true).open(name).unwrap();
    let size = rustix::termios::Winsize { ws_row: 24, ws_col: 160, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&other, size).unwrap();
    command.stderr(Stdio::from(other)).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut terminal = File::from(terminal);
    let reads = tokio::task::spawn_blocking(move || {
        let (mut all, mut some) = (Vec::new(), [0; 4096]);
        // The end of a terminal is an error once nobody has its other side.
        while let Ok(read @ 1..) = terminal.read(&mut some) {
            all.extend_from_slice(&some[..read]);
        }
        String::from_utf8_lossy(&all).into_owned()
    });
    assert!(child.wait().await.unwrap().success());
    reads.await.unwrap()
}

#[tokio::test]
async fn a_terminal_shows_a_bar_for_each_file_and_for_all() {
    let scene = Scene::with(2, MIB).await;
    scene.file("big\u{202e}.bin", &content(1, 8 * MIB));
    let folder = scene.files();
    let args = ["send", folder.to_str().unwrap(), "--again", "--limit-rate", "6MiB"];
    let text = drawn(&scene, &args, &[]).await;
    for words in ["0000.bin", "big\\u{202e}.bin", "all", "[==", "MiB/s", " left", "of 3 files ended"] {
        assert!(text.contains(words), "{words}: {text:?}");
    }
    assert!(!text.contains('\u{202e}'));
    // What ends with an `m` is a colour, or another way to write.
    let commands = text
        .split("\u{1b}[")
        .skip(1)
        .map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';'));
    assert!(!commands.clone().any(|end| end.starts_with('m')) && commands.count() > 0, "{text:?}");
    assert!(text.contains("3 of 3 files sent (10.0 MiB in "), "{text:?}");
    // A terminal that can do nothing gets lines.
    let text = drawn(&scene, &args, &[("TERM", "dumb")]).await;
    assert!(!text.contains('\u{1b}') && text.contains("3 of 3 files sent"), "{text:?}");
}

#[tokio::test]
async fn so_it_does_for_files_that_come() {
    let scene = Scene::new().await;
    let (one, other) =
        (scene.mock.has("small.bin", &content(1, MIB)), scene.mock.has("big.bin", &content(2, 8 * MIB)));
    let folder = scene.files();
    let args = ["get", &one, &other, "-o", folder.to_str().unwrap(), "--limit-rate", "6MiB"];
    let text = drawn(&scene, &args, &[]).await;
    for words in ["small.bin", "big.bin", "all", "[==", "MiB/s", " left", "of 2 files ended", "saved as "] {
        assert!(text.contains(words), "{words}: {text:?}");
    }
    assert!(!text.contains("Telegram") && text.contains("2 of 2 files saved (9.0 MiB in "), "{text:?}");
}

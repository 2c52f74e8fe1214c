//! At a terminal.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStringExt;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use telestore_sandbox::UserSpec;
use tokio::sync::mpsc;

use super::stage;
use crate::support::soon;

/// A terminal, from the side of the person in front of it.
struct Terminal {
    keys: fs::File,
    shown: mpsc::UnboundedReceiver<Vec<u8>>,
    text: String,
    /// How far it was read.
    read: usize,
}

impl Terminal {
    /// Gives the program's side, too.
    fn new() -> (Self, impl Fn() -> fs::File) {
        let pty = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&pty).and_then(|()| unlockpt(&pty)).expect("a terminal");
        let name = ptsname(&pty, Vec::new()).expect("its name").into_bytes();
        let name = std::ffi::OsString::from_vec(name);
        let open =
            move || fs::File::options().read(true).write(true).open(&name).expect("the terminal opens");
        let keys = fs::File::from(pty);
        let mut screen = keys.try_clone().expect("a screen");
        let (to, shown) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            // It fails once the program is gone.
            while let Ok(length @ 1..) = screen.read(&mut buffer) {
                let _ = to.send(buffer[..length].to_vec());
            }
        });
        (Self { keys, shown, text: String::new(), read: 0 }, open)
    }

    /// Reads on to the end of these words.
    async fn until(&mut self, words: &str) {
        let at = loop {
            if let Some(at) = self.text[self.read..].find(words) {
                break at;
            }
            let more = soon(words, self.shown.recv()).await;
            let more = more.unwrap_or_else(|| panic!("no {words:?} in {}", self.text));
            self.text += &String::from_utf8_lossy(&more);
        };
        self.read += at + words.len();
    }

    fn types(&mut self, line: &str) {
        self.keys.write_all(format!("{line}\n").as_bytes()).expect("keys");
    }
}

#[tokio::test]
async fn a_terminal_shows_the_code_and_not_the_password() {
    let stage = stage(UserSpec::new("bob").password("open sesame")).await;
    let (mut terminal, open) = Terminal::new();
    let mut command = stage.login_command(&["--phone", &stage.user.phone]);
    let child = command.stdin(open()).stderr(open()).stdout(std::process::Stdio::piped()).spawn();
    let child = child.expect("the program starts");
    // Else the terminal would stay open when the program is gone.
    drop(command);
    terminal.until("Code: ").await;
    let code = stage.code(1).await;
    terminal.types(&code);
    terminal.until("Password (hint: what bob says to the door): ").await;
    terminal.types("open simsim");
    terminal.until("not the password").await;
    terminal.until("Password (").await;
    terminal.types("open sesame");
    terminal.until("Signed in as bob").await;
    assert!(terminal.text.contains(&code), "{}", terminal.text);
    assert!(!terminal.text.contains("open s"), "{}", terminal.text);
    let output = soon("the end", child.wait_with_output()).await.expect("it ends");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 354));
}

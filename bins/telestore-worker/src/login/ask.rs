//! Questions to the person at the terminal, or to the script at the other end of a pipe: one line is one answer.

use std::io::{self, BufRead, IsTerminal, Write};

use telestore::types::Secret;
use tokio::sync::mpsc;

/// Says something to the person. Standard output is for the session string alone.
pub(super) fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Asks, and reads the answers.
pub(super) struct Asker {
    lines: mpsc::UnboundedReceiver<String>,
    terminal: bool,
}

impl Default for Asker {
    /// Reads the lines of standard input from now on, by a thread, so that who waits for one can wait for other things, too.
    /// The thread ends with the process.
    fn default() -> Self {
        let (to, lines) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in io::stdin().lock().lines().map_while(Result::ok) {
                if to.send(line).is_err() {
                    return;
                }
            }
        });
        Self { lines, terminal: io::stdin().is_terminal() }
    }
}

impl Asker {
    /// A line, without blanks around it.
    pub(super) async fn line(&mut self, question: &str) -> Result<String, String> {
        self.ask(question).await.map(|line| line.trim().to_owned())
    }

    /// A line that a terminal does not show, to the letter.
    pub(super) async fn secret(&mut self, question: &str) -> Result<Secret, String> {
        let hidden = self.terminal.then(echo::Off::new);
        let line = self.ask(question).await?;
        if hidden.flatten().is_some() {
            // The line break was not shown either.
            say("");
        }
        Ok(Secret::new(line.trim_end_matches('\r')))
    }

    async fn ask(&mut self, question: &str) -> Result<String, String> {
        // A script reads lines.
        let end = if self.terminal { " " } else { "\n" };
        let mut to = io::stderr();
        let _ = write!(to, "{question}:{end}").and_then(|()| to.flush());
        let line = self.lines.recv().await;
        line.ok_or_else(|| format!("no answer to \"{question}\": standard input has ended"))
    }
}

#[cfg(unix)]
mod echo {
    use std::io::stdin;

    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

    /// As long as it is there, the terminal does not show what is typed.
    pub(super) struct Off(Termios);

    impl Off {
        pub(super) fn new() -> Option<Self> {
            let before = tcgetattr(stdin()).ok()?;
            let mut hidden = before.clone();
            hidden.local_modes.remove(LocalModes::ECHO);
            tcsetattr(stdin(), OptionalActions::Flush, &hidden).ok()?;
            Some(Self(before))
        }
    }

    impl Drop for Off {
        fn drop(&mut self) {
            let _ = tcsetattr(stdin(), OptionalActions::Now, &self.0);
        }
    }
}

#[cfg(not(unix))]
mod echo {
    pub(super) struct Off;

    impl Off {
        pub(super) fn new() -> Option<Self> {
            super::say("(this terminal shows what is typed)");
            None
        }
    }
}

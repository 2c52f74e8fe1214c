//! How the messages are to be.

use sha2::{Digest, Sha256};
use telestore_client::{SendAs, UploadOptions};

use crate::cli::SendArgs;
use crate::exit::Failure;

/// The options of all messages of a run.
pub(super) struct Message {
    pub(super) options: UploadOptions,
    /// Tells options from other ones, without holding them.
    pub(super) mark: String,
}

impl Message {
    pub(super) fn new(args: &SendArgs) -> Result<Self, Failure> {
        let mut options = UploadOptions::new();
        let mut digest = Sha256::new();
        let mut mark = |name: &str, value: &[u8]| {
            digest.update(format!("{name} {} ", value.len()));
            digest.update(value);
        };
        if let Some(caption) = &args.caption {
            mark("caption", caption.as_bytes());
            options = options.caption(caption);
        }
        if let Some(topic) = args.topic {
            mark("topic", &topic.to_le_bytes());
            options = options.topic(topic).map_err(|error| Failure::usage(format!("--topic: {error}")))?;
        }
        if let Some(kind) = &args.send_as {
            mark("send-as", kind.as_bytes());
            options = options
                .send_as(SendAs::parse(kind).map_err(|error| Failure::usage(format!("--send-as: {error}")))?);
        }
        if args.silent {
            mark("silent", b"");
            options = options.silent(true);
        }
        if args.encrypt {
            mark("encrypt", b"");
            options = options.encrypt(true);
        }
        if args.compress {
            mark("compress", b"");
            options = options.compress(true);
        }
        if let Some(path) = &args.thumbnail {
            let failed = |why: String| Failure::usage(format!("--thumbnail {}: {why}", path.display()));
            let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
            mark("thumbnail", &bytes);
            options = options.thumbnail(bytes).map_err(|error| failed(error.to_string()))?;
        }
        Ok(Self { options, mark: hex::encode(&digest.finalize()[..8]) })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn message(args: &[&str]) -> Result<Message, Failure> {
        let cli = Cli::try_parse_from(["telestore", "send", "x"].iter().chain(args)).unwrap();
        let Command::Send(args) = cli.command else { panic!("it is not send") };
        Message::new(&args)
    }

    #[test]
    fn other_options_have_another_mark() {
        let marks: Vec<String> = [
            &[][..],
            &["--caption", ""],
            &["--caption", "a"],
            &["--silent"],
            &["--topic", "7"],
            &["--send-as", "video"],
            &["--encrypt"],
            &["--compress"],
        ]
        .iter()
        .map(|args| message(args).unwrap().mark)
        .collect();
        for (index, mark) in marks.iter().enumerate() {
            assert!(!marks[index + 1..].contains(mark));
        }
        assert_eq!(message(&["--silent"]).unwrap().mark, marks[3]);
    }

    #[test]
    fn malformed_options_are_named() {
        assert!(message(&["--topic", "0"]).err().unwrap().to_string().starts_with("--topic: "));
        assert!(message(&["--thumbnail", "/nowhere"]).err().unwrap().to_string().contains("/nowhere: "));
    }
}

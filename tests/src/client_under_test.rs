//! The real client under a name of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    telestore_cli::main()
}

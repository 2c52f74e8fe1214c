//! The real program under a name of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    telestore_worker::main()
}

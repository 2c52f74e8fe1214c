//! The binary; everything is in the library beside it, so that tests start the same program.

use std::process::ExitCode;

fn main() -> ExitCode {
    telestore_worker::main()
}

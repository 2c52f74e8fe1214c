//! The program `telestore`.

fn main() -> std::process::ExitCode {
    telestore_cli::main()
}

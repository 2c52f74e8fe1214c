//! Where the token comes from.

use std::path::Path;
use std::process::Stdio;

use telestore_types::Secret;
use tokio::process::Command;

use crate::cli::WorkerArgs;
use crate::config::Config;
use crate::exit::Failure;

/// The variable that holds the token.
const VARIABLE: &str = "TELESTORE_TOKEN";

/// The token of whichever is named first: a flag, the environment, the configuration.
pub(crate) async fn token(args: &WorkerArgs, config: &Config) -> Result<Secret, Failure> {
    if let Some(path) = &args.token_file {
        return of_file(path);
    }
    if let Some(command) = &args.token_command {
        return of_command(command).await;
    }
    match std::env::var(VARIABLE) {
        Ok(token) if !token.trim().is_empty() => return Ok(token.into()),
        Err(std::env::VarError::NotUnicode(_)) => {
            return Err(Failure::usage(format!("{VARIABLE} is not text: no token has such characters")));
        }
        _ => {}
    }
    match config {
        Config { token: Some(token), .. } => Ok(token.clone()),
        Config { token_file: Some(path), .. } => of_file(path),
        Config { token_command: Some(command), .. } => of_command(command).await,
        _ => Err(Failure::usage(format!(
            "there is no token: set {VARIABLE}, or name --token-file or --token-command, or write one of them into the configuration"
        ))),
    }
}

fn of_file(path: &Path) -> Result<Secret, Failure> {
    let failed = |why: &str| Failure::usage(format!("the token file {}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error.to_string()))?;
    match text.trim() {
        "" => Err(failed("it is empty")),
        token => Ok(token.into()),
    }
}

async fn of_command(line: &str) -> Result<Secret, Failure> {
    let failed = |why: String| Failure::usage(format!("--token-command: {why}"));
    let (shell, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
    let mut command = Command::new(shell);
    command
        .args([flag, line])
        .env_remove(VARIABLE)
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    let output = command.output().await.map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(format!("it failed ({})", output.status)));
    }
    let token =
        String::from_utf8(output.stdout).map_err(|_| failed("what it printed is not text".to_owned()))?;
    match token.trim() {
        "" => Err(failed("it printed nothing".to_owned())),
        token => Ok(token.into()),
    }
}

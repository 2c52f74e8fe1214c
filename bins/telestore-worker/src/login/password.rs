//! The password behind the code. It is proved and never sent.

use grammers_client::tl;
use telestore::types::{Secret, Shown};
use telestore::uploader::User;
use telestore_mtproto::prove_password;
use tokio::task::spawn_blocking;

use super::ask::{Asker, say};
use super::failure::Failure;
use super::telegram::{Entered, Telegram};

/// How often in a row Telegram may want the same password proved anew.
const PROOFS_MAX: u32 = 4;

/// Asks for the password until it is the right one.
pub(super) async fn sign_in(telegram: &mut Telegram, asker: &mut Asker) -> Result<User, Failure> {
    loop {
        let tl::enums::account::Password::Password(question) =
            telegram.call(&tl::functions::account::GetPassword {}).await?;
        let hint = question.hint.as_deref().filter(|hint| !hint.is_empty());
        let hint = hint.map(|hint| format!(" (hint: {})", Shown(hint))).unwrap_or_default();
        let password = asker.secret(&format!("Password{hint}")).await?;
        if password.is_empty() {
            continue;
        }
        match prove(telegram, &password).await {
            Ok(user) => return Ok(user),
            Err(failure) if failure.is("PASSWORD_HASH_INVALID") => say("That is not the password."),
            Err(failure) if failure.is("SRP_PASSWORD_CHANGED") => say("The password was changed just now."),
            Err(failure) => return Err(failure),
        }
    }
}

/// Proves a password. Each question serves for one proof, so each begins with a new one.
async fn prove(telegram: &mut Telegram, password: &Secret) -> Result<User, Failure> {
    for _ in 0..PROOFS_MAX {
        let tl::enums::account::Password::Password(question) =
            telegram.call(&tl::functions::account::GetPassword {}).await?;
        let password = password.clone();
        let proof = spawn_blocking(move || prove_password(&question, &password)).await;
        let proof = proof.map_err(Failure::told)?.map_err(Failure::told)?;
        match telegram.enter(&tl::functions::auth::CheckPassword { password: proof.into() }).await {
            Ok(Entered::As(user)) => return Ok(*user),
            Ok(Entered::NoAccount) => break,
            // Another question was asked meanwhile, or the answer was lost on its way.
            Ok(Entered::PasswordNeeded) => {}
            Err(failure) if failure.is("SRP_ID_INVALID") => {}
            Err(failure) => return Err(failure),
        }
    }
    Err(Failure::told("Telegram asks for the password again and again: try later"))
}

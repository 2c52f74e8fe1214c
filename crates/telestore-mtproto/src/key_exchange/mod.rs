//! Makes a key with a data centre where the account has none: MTProto's key exchange.
//!
//! `grammers_mtproto::authentication` does the same, but with Telegram's own servers only (its RSA keys are fixed), without
//! testing the prime, and without the data centre's number.

mod factor;
mod group;
mod plain;
mod server_key;
mod steps;

use std::fmt;
use std::io;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

#[cfg(test)]
pub(crate) use group::known_prime;
pub(crate) use group::{is_good as is_good_group, is_in_range};
pub use server_key::{BadServerKey, ServerKey};

use plain::PlainConnection;
use steps::Checked;

use crate::Error;
use crate::way::{Stream, Target, Way};

/// How often a server may ask for another half of the key.
const TRIES: usize = 5;

/// Makes a key, over a connection of its own that belongs to no account. `patience` is for connecting, and once more for
/// the exchange.
pub(crate) async fn make_key(
    dc: i32,
    (way, target): (&Way, &Target),
    keys: Vec<ServerKey>,
    patience: Duration,
) -> crate::Result<[u8; 256]> {
    let seconds = patience.as_secs_f32();
    let failed = |why: &dyn fmt::Display| {
        Error::not_sent(format!("no connection to Telegram's data centre {dc}: {why}"))
    };
    let silent = |_| failed(&format_args!("no answer in {seconds} s"));
    let stream = way.open(target, patience).await.map_err(|error| failed(&error))?;
    let address = stream.address();
    let made = timeout(patience, exchange(PlainConnection::over(stream), dc, keys)).await;
    let answered = !matches!(&made, Err(_) | Ok(Err(Failure::Io(_))));
    way.answered(target, address, answered);
    made.map_err(silent)?.map_err(|error| failed(&error))
}

/// Asks a data centre for the beginning of a key and leaves it at that: an answer proves that it is reached.
pub(crate) async fn knock(stream: Stream, patience: Duration) -> Result<(), String> {
    let mut connection = PlainConnection::over(stream);
    match timeout(patience, connection.call(&steps::begin(rand::random()))).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer in {} s", patience.as_secs_f32())),
    }
}

/// What ended an exchange. Nothing was carried out on anybody's behalf, whatever it was.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the key exchange failed: {0}")]
    Check(&'static str),
}

async fn exchange(
    mut connection: PlainConnection,
    dc: i32,
    keys: Vec<ServerKey>,
) -> Result<[u8; 256], Failure> {
    let nonce = rand::random();
    let answer = connection.call(&steps::begin(nonce)).await?;
    let random = (rand::random(), random_bytes());
    let (request, asked) = apart(move || steps::ask(nonce, answer, &keys, dc, &random)).await?;
    let answer = connection.call(&request).await?;
    let mut agreed = apart(move || asked.agree(answer)).await?;
    for _ in 0..TRIES {
        let random = (random_bytes(), rand::random());
        let (request, offered) = apart(move || Ok((agreed.offer(&random)?, agreed))).await?;
        agreed = offered;
        let answer = connection.call(&request).await?;
        if let Some(key) = agreed.conclude(answer).map_err(Failure::Check)? {
            return Ok(key);
        }
    }
    Err(Failure::Check("it refused every key"))
}

/// Large numbers take milliseconds and more, which other connections must not wait for.
async fn apart<T: Send + 'static>(step: impl FnOnce() -> Checked<T> + Send + 'static) -> Result<T, Failure> {
    let ended = spawn_blocking(step).await.map_err(|_| Failure::Check("a step did not end"))?;
    ended.map_err(Failure::Check)
}

fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes[..]);
    bytes
}

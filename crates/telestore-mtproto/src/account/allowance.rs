//! What an account may send: it depends on whether it has Telegram Premium, and on numbers that Telegram's configuration for
//! clients names. <https://core.telegram.org/api/config#client-configuration>

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use grammers_tl_types as tl;
use tokio::time::Instant;

use crate::answers::{Ask, MESSAGES_MAX, Object, Result};

/// More than this Telegram does not mean, whoever answers in its place: 50 GB, and 64 pages of text.
const PARTS_MAX: u32 = 100_000;
const CAPTION_MAX: u32 = 64 * 1024;

/// What an account may send at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Allowance {
    /// Whether the account has Telegram Premium. A bot never has.
    pub premium: bool,
    /// How many parts a file may have. A part has at most 512 KiB.
    pub parts: u32,
    /// How long a caption may be, in units of UTF-16.
    pub caption_units: u32,
}

impl Allowance {
    /// How many parts a file of any account may have, unless Telegram says otherwise.
    pub const PARTS: u32 = 4000;
    /// The same of an account with Telegram Premium.
    pub const PARTS_PREMIUM: u32 = 8000;
}

/// What Telegram's configuration says of one kind of accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Numbers {
    parts: u32,
    caption_units: u32,
}

/// What it says of both kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientNumbers {
    default: Numbers,
    premium: Numbers,
}

impl Default for ClientNumbers {
    /// What holds if Telegram does not say: what it said in 2026.
    fn default() -> Self {
        Self {
            default: Numbers { parts: Allowance::PARTS, caption_units: telestore_types::CAPTION_MAX as u32 },
            premium: Numbers { parts: Allowance::PARTS_PREMIUM, caption_units: 4096 },
        }
    }
}

impl ClientNumbers {
    pub(crate) fn of(&self, premium: bool) -> Allowance {
        let Numbers { parts, caption_units } = if premium { self.premium } else { self.default };
        Allowance { premium, parts, caption_units }
    }

    fn set(&mut self, key: &[u8], value: u32) {
        let parts = value.clamp(1, PARTS_MAX);
        match key {
            b"upload_max_fileparts_default" => self.default.parts = parts,
            b"upload_max_fileparts_premium" => self.premium.parts = parts,
            b"caption_length_limit_default" => self.default.caption_units = value.min(CAPTION_MAX),
            b"caption_length_limit_premium" => self.premium.caption_units = value.min(CAPTION_MAX),
            _ => {}
        }
    }
}

impl Ask for tl::functions::help::GetAppConfig {
    type Answer = ClientNumbers;

    const ANSWER_MAX: usize = MESSAGES_MAX;

    /// Numbers that are not there, or are no numbers, are those that hold if Telegram does not say.
    fn read(&self, answer: &[u8]) -> Result<ClientNumbers> {
        let mut numbers = ClientNumbers::default();
        let answer = Object::of("help.AppConfig", answer)?;
        let Some(config) = answer.object("config") else { return Ok(numbers) };
        for field in config.objects("value") {
            let value = field.object("value").filter(|value| value.is("jsonNumber"));
            if let (Some(key), Some(number)) =
                (field.text("key"), value.and_then(|value| value.double("value")))
            {
                // What is less than nothing is nothing; what is no number, too.
                numbers.set(key, number as u32);
            }
        }
        Ok(numbers)
    }
}

/// What is known of what an account may send.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<Facts>);

#[derive(Debug, Default)]
struct Facts {
    numbers: Option<(Instant, ClientNumbers)>,
    kind: Option<(Instant, Kind)>,
}

/// What kind of account it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bot,
    Person { premium: bool },
}

impl Known {
    fn lock(&self) -> MutexGuard<'_, Facts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The numbers, if they were asked for less than `max_age` ago.
    pub(crate) fn numbers(&self, max_age: Duration) -> Option<ClientNumbers> {
        young(self.lock().numbers, max_age)
    }

    pub(crate) fn learn_numbers(&self, numbers: ClientNumbers) {
        self.lock().numbers = Some((Instant::now(), numbers));
    }

    /// The kind of the account, if it was asked for less than `max_age` ago.
    pub(crate) fn kind(&self, max_age: Duration) -> Option<Kind> {
        young(self.lock().kind, max_age)
    }

    pub(crate) fn learn_kind(&self, kind: Kind) {
        self.lock().kind = Some((Instant::now(), kind));
    }

    /// Forgets it: Telegram has refused what it allows.
    pub(crate) fn forget(&self) {
        *self.lock() = Facts::default();
    }
}

/// What was learned, if it is not older than that.
fn young<T: Copy>(fact: Option<(Instant, T)>, max_age: Duration) -> Option<T> {
    fact.filter(|(at, _)| at.elapsed() < max_age).map(|(_, fact)| fact)
}

#[cfg(test)]
mod tests {
    use grammers_tl_types::{Serializable, enums, types};

    use super::*;

    fn number(value: f64) -> enums::Jsonvalue {
        types::JsonNumber { value }.into()
    }

    fn object(fields: Vec<(&str, enums::Jsonvalue)>) -> enums::Jsonvalue {
        let field = |(key, value): (&str, enums::Jsonvalue)| {
            types::JsonObjectValue { key: key.to_owned(), value }.into()
        };
        types::JsonObject { value: fields.into_iter().map(field).collect() }.into()
    }

    fn read(config: enums::Jsonvalue) -> Result<ClientNumbers> {
        let answer: enums::help::AppConfig = types::help::AppConfig { hash: 7, config }.into();
        tl::functions::help::GetAppConfig { hash: 0 }.read(&answer.to_bytes())
    }

    #[test]
    fn telegrams_numbers_are_taken_and_what_it_does_not_say_stays() {
        let list = types::JsonArray { value: vec![number(1.0)] }.into();
        let config = object(vec![
            ("emojies_send_dice", list),
            ("upload_max_fileparts_premium", number(9000.0)),
            ("caption_length_limit_premium", number(2048.0)),
            ("caption_length_limit_default", types::JsonString { value: "7".to_owned() }.into()),
            ("nested", object(vec![("upload_max_fileparts_default", number(1.0))])),
        ]);
        let numbers = read(config).expect("readable");
        let person = numbers.of(false);
        assert_eq!((person.premium, person.parts, person.caption_units), (false, 4000, 1024));
        let premium = numbers.of(true);
        assert_eq!((premium.premium, premium.parts, premium.caption_units), (true, 9000, 2048));
        assert_eq!(read(types::JsonBool { value: true }.into()), Ok(ClientNumbers::default()));
    }

    #[test]
    fn odd_numbers_are_bounded() {
        for (said, parts) in [(f64::NAN, 1), (-5.0, 1), (0.0, 1), (1e300, PARTS_MAX), (20.9, 20)] {
            let numbers = read(object(vec![("upload_max_fileparts_default", number(said))]));
            assert_eq!(numbers.expect("readable").of(false).parts, parts, "{said}");
        }
    }

    #[test]
    fn what_is_nested_too_deep_or_cut_off_is_not_read() {
        let deep = (0..1000).fold(number(1.0), |inner, _| types::JsonArray { value: vec![inner] }.into());
        assert!(read(object(vec![("deep", deep)])).is_err());
        let answer: enums::help::AppConfig =
            types::help::AppConfig { hash: 7, config: object(vec![("a", number(1.0))]) }.into();
        let bytes = answer.to_bytes();
        let ask = tl::functions::help::GetAppConfig { hash: 0 };
        assert!(ask.read(&bytes).is_ok() && ask.read(&bytes[..bytes.len() - 4]).is_err());
        let same = enums::help::AppConfig::NotModified.to_bytes();
        assert_eq!(ask.read(&same), Ok(ClientNumbers::default()));
    }
}

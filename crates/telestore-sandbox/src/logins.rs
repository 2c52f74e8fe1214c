//! How people sign in: what Telegram sends them, and for how long it is good.

use serde::{Deserialize, Serialize};

/// How a login code comes to its person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CodeKind {
    /// As a message in Telegram, on a device that is signed in.
    App,
    /// In an SMS.
    Sms,
    /// Spoken in a call.
    Call,
    /// In an e-mail, to the address that the account has for that.
    Email,
    /// Not at all: an official app must set an e-mail address up first.
    EmailSetup,
    /// Not at all: an official app must pay for the SMS first.
    Payment,
}

/// A login code that was sent to a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SentCode {
    /// The number that it was asked for, digits only.
    pub phone: String,
    /// The code.
    pub code: String,
    /// How it went.
    pub kind: CodeKind,
}

impl SentCode {
    pub(crate) fn new(phone: String, code: String, kind: CodeKind) -> Self {
        Self { phone, code, kind }
    }
}

/// What holds for those who sign in. They can be changed at any time; times are in seconds.
///
/// ```
/// let rules = telestore_sandbox::SignInRules::default().with(|rules| rules.resend_after = 0);
/// assert_eq!((rules.resend_after, rules.login_token_life), (0, 30));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SignInRules {
    /// How codes are sent: the first one as the first says, and each one that is asked for again as the next.
    pub code_kinds: Vec<CodeKind>,
    /// When a code may be asked for again.
    pub resend_after: u32,
    /// How long a code is good.
    pub code_life: u32,
    /// How long a login token (a QR code) is good.
    pub login_token_life: u32,
    /// How often one bot token may sign in within ten minutes, before it has to wait for twenty; `None` is any number of
    /// times.
    pub bot_sign_ins: Option<u32>,
}

impl Default for SignInRules {
    fn default() -> Self {
        Self {
            code_kinds: vec![CodeKind::App, CodeKind::Sms, CodeKind::Call],
            resend_after: 60,
            code_life: 300,
            login_token_life: 30,
            bot_sign_ins: Some(2),
        }
    }
}

impl SignInRules {
    /// The same with a change.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

//! By a phone number and the code that Telegram sends to it.
//!
//! The calls are made here and not by grammers' own functions, which do not tell how the code was sent, know no second way to
//! send it, and panic at two of Telegram's answers.

use std::time::Duration;

use grammers_client::tl;
use tl::enums::auth::{CodeType, SentCode, SentCodeType};
use tl::functions::auth as f;
use tokio::time::Instant;

use super::ask::{Asker, say};
use super::failure::{EXPIRED, Failure};
use super::telegram::{Entered, Telegram, entered};

/// How many codes are sent before a sign-in is given up, without being asked for.
const CODES_MAX: u32 = 3;

/// A code on its way.
struct Sent {
    /// What Telegram knows it by.
    hash: String,
    /// Whether it goes by mail: Telegram wants it back in another field.
    by_mail: bool,
    /// Whether it is digits, which people write with blanks and dashes.
    digits: bool,
    /// The way that another one would go.
    next: Option<&'static str>,
    /// When another one may be asked for.
    next_at: Instant,
}

/// What became of a code.
enum Told {
    Entered(Entered),
    /// It is not good any more.
    Expired,
}

pub(super) async fn sign_in(
    telegram: &mut Telegram,
    asker: &mut Asker,
    phone: Option<String>,
) -> Result<Entered, Failure> {
    let phone = match phone {
        Some(phone) => phone,
        None => asker.line("Phone number, with country code").await?,
    };
    for _ in 0..CODES_MAX {
        let sent = match send(telegram, &phone).await? {
            Ok(sent) => sent,
            Err(entered) => return Ok(entered),
        };
        match ask(telegram, asker, &phone, sent).await? {
            Told::Entered(entered) => return Ok(entered),
            Told::Expired => say(&format!("Sending a new code: {EXPIRED}.")),
        }
    }
    Err(Failure::told(format!("no code was used in time; {EXPIRED}")))
}

/// Has Telegram send a code, unless it signs in at once.
async fn send(telegram: &mut Telegram, phone: &str) -> Result<Result<Sent, Entered>, Failure> {
    let settings = tl::types::CodeSettings {
        allow_flashcall: false,
        current_number: false,
        allow_app_hash: false,
        allow_missed_call: false,
        allow_firebase: false,
        unknown_number: false,
        logout_tokens: None,
        token: None,
        app_sandbox: None,
    };
    let ask = f::SendCode {
        phone_number: phone.to_owned(),
        api_id: telegram.application.api_id,
        api_hash: telegram.application.api_hash.expose().to_owned(),
        settings: settings.into(),
    };
    take(telegram.call(&ask).await?)
}

/// Says how a code was sent.
fn take(answer: SentCode) -> Result<Result<Sent, Entered>, Failure> {
    let code = match answer {
        SentCode::Code(code) => code,
        SentCode::Success(done) => return entered(done.authorization).map(Err),
        SentCode::PaymentRequired(_) => {
            return Err(Failure::told(
                "Telegram wants to be paid for the SMS to this number, which only its official apps can do: sign in there, \
                 then here with --qr",
            ));
        }
    };
    say(&way(&code.r#type)?);
    let next = code.next_type.as_ref().map(|next| match next {
        CodeType::Sms => "by SMS",
        CodeType::Call => "by a call",
        CodeType::FlashCall | CodeType::MissedCall => "by the number of a call",
        CodeType::FragmentSms => "on fragment.com",
    });
    let wait = u64::from(code.timeout.unwrap_or_default().max(0).unsigned_abs());
    if let Some(next) = next {
        let when = if wait > 0 { format!(" in {wait} s") } else { String::new() };
        say(&format!("If it does not come, an empty line has another one sent {next}{when}."));
    }
    Ok(Ok(Sent {
        hash: code.phone_code_hash,
        by_mail: matches!(code.r#type, SentCodeType::EmailCode(_)),
        digits: !matches!(code.r#type, SentCodeType::SmsWord(_) | SentCodeType::SmsPhrase(_)),
        next,
        next_at: Instant::now() + Duration::from_secs(wait),
    }))
}

/// How a code came, in words.
fn way(sent: &SentCodeType) -> Result<String, Failure> {
    let begins = |beginning: &Option<String>| {
        beginning.as_ref().map(|word| format!(" that begins with \"{word}\"")).unwrap_or_default()
    };
    Ok(match sent {
        SentCodeType::App(app) => format!(
            "Telegram sent a code of {} digits as a message to the app, on a device that is signed in.",
            app.length
        ),
        SentCodeType::Sms(sms) => format!("Telegram sent a code of {} digits by SMS.", sms.length),
        SentCodeType::Call(call) => format!("Telegram calls, and says a code of {} digits.", call.length),
        SentCodeType::FlashCall(call) => {
            format!("Telegram calls from a number like {}: the number is the code.", call.pattern)
        }
        SentCodeType::MissedCall(call) => format!(
            "Telegram calls from a number that begins with {}: its last {} digits are the code.",
            call.prefix, call.length
        ),
        SentCodeType::EmailCode(mail) => {
            format!("Telegram sent a code of {} digits by e-mail to {}.", mail.length, mail.email_pattern)
        }
        SentCodeType::FragmentSms(sms) => format!("The code of {} digits is on {}.", sms.length, sms.url),
        SentCodeType::SmsWord(sms) => format!("Telegram sent a word{} by SMS.", begins(&sms.beginning)),
        SentCodeType::SmsPhrase(sms) => format!("Telegram sent a phrase{} by SMS.", begins(&sms.beginning)),
        SentCodeType::FirebaseSms(_) => {
            "Telegram sends this code to its official apps only: have another one sent, or use --qr."
                .to_owned()
        }
        SentCodeType::SetUpEmailRequired(_) => {
            return Err(Failure::told(
                "Telegram wants an e-mail address for this account before anybody else signs in: set it up in an official app, \
                 then sign in here with --qr",
            ));
        }
    })
}

/// Asks for the code until it is the right one.
async fn ask(
    telegram: &mut Telegram,
    asker: &mut Asker,
    phone: &str,
    mut sent: Sent,
) -> Result<Told, Failure> {
    loop {
        let given = asker.line("Code").await?;
        if given.is_empty() {
            match another(telegram, phone, &sent).await {
                Ok(Some(Ok(again))) => sent = again,
                Ok(Some(Err(entered))) => return Ok(Told::Entered(entered)),
                Ok(None) => {}
                Err(failure) if is_over(&failure) => return Ok(Told::Expired),
                // The one that was sent is good all the same.
                Err(failure @ Failure::Refused(_)) => say(&format!("No other code: {failure}.")),
                Err(failure) => return Err(failure),
            }
            continue;
        }
        match telegram.enter(&answer(phone, &sent, given)).await {
            Ok(entered) => return Ok(Told::Entered(entered)),
            Err(failure) if failure.is("PHONE_CODE_INVALID") => say("That is not the code: look again."),
            Err(failure) if is_over(&failure) => return Ok(Told::Expired),
            Err(failure) => return Err(failure),
        }
    }
}

fn is_over(failure: &Failure) -> bool {
    failure.is("PHONE_CODE_EXPIRED") || failure.is("AUTH_RESTART")
}

fn answer(phone: &str, sent: &Sent, given: String) -> f::SignIn {
    let code = match sent.digits {
        true => given.chars().filter(|c| !matches!(c, ' ' | '-')).collect(),
        false => given,
    };
    let (phone_code, email_verification) = match sent.by_mail {
        true => (None, Some(tl::types::EmailVerificationCode { code }.into())),
        false => (Some(code), None),
    };
    let (phone_number, phone_code_hash) = (phone.to_owned(), sent.hash.clone());
    f::SignIn { phone_number, phone_code_hash, phone_code, email_verification }
}

/// Has another code sent, if it is time.
async fn another(
    telegram: &mut Telegram,
    phone: &str,
    sent: &Sent,
) -> Result<Option<Result<Sent, Entered>>, Failure> {
    if sent.next.is_none() {
        say("Telegram names no other way to send a code; --qr needs none.");
        return Ok(None);
    }
    let left = sent.next_at.saturating_duration_since(Instant::now());
    if !left.is_zero() {
        say(&format!("Another code can be sent in {} s.", left.as_secs() + 1));
        return Ok(None);
    }
    let (phone_number, phone_code_hash) = (phone.to_owned(), sent.hash.clone());
    let resend = f::ResendCode { phone_number, phone_code_hash, reason: None };
    take(telegram.call(&resend).await?).map(Some)
}

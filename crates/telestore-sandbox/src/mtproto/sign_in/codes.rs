//! Signing in with a code: <https://core.telegram.org/api/auth>.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use grammers_tl_types::{Serializable, enums, functions as f, types};

use super::super::link::Caller;
use super::super::rpc_error::RpcError;
use super::super::tl_types;
use super::{Answer, admit, check_application};
use crate::logins::{CodeKind, SentCode, SignInRules};
use crate::shared::Shared;

/// How many digits a code has.
const LENGTH: i32 = 5;

/// The codes that were sent, and those that are still good.
#[derive(Default)]
pub(crate) struct Codes(Mutex<Book>);

#[derive(Default)]
struct Book {
    sent: Vec<SentCode>,
    open: Vec<Open>,
}

/// A code that somebody may sign in with.
#[derive(Clone)]
struct Open {
    /// What the client knows it by.
    hash: String,
    /// Where it was asked for, and nowhere else is it known.
    dc: i32,
    sent: SentCode,
    /// How many were sent before it for the same sign-in.
    step: usize,
    at: Instant,
}

impl Codes {
    /// All that were ever sent, oldest first.
    pub(crate) fn sent(&self) -> Vec<SentCode> {
        self.lock().sent.clone()
    }

    /// Ends the codes for a number, as Telegram does if it sees one of them in a message.
    pub(crate) fn void(&self, phone: &str) {
        self.lock().open.retain(|open| open.sent.phone != phone);
    }

    /// Ends the codes that stand in a text.
    pub(crate) fn void_in(&self, text: &str) {
        self.lock().open.retain(|open| !text.contains(&open.sent.code));
    }

    /// Makes a code in the place of earlier ones for the same number.
    fn make(&self, phone: &str, dc: i32, kind: CodeKind, step: usize) -> Open {
        let code = format!("{:05}", rand::random::<u32>() % 100_000);
        let sent = SentCode::new(phone.to_owned(), code, kind);
        let hash = hex::encode(rand::random::<[u8; 9]>());
        let open = Open { hash, dc, sent: sent.clone(), step, at: Instant::now() };
        let mut book = self.lock();
        book.open.retain(|open| open.sent.phone != phone);
        book.open.push(open.clone());
        book.sent.push(sent);
        open
    }

    fn find(&self, caller: &Caller, phone: &str, hash: &str) -> Result<Open, RpcError> {
        let life = Duration::from_secs(caller.link.shared.sign_ins.rules().code_life.into());
        let mut book = self.lock();
        book.open.retain(|open| open.at.elapsed() < life);
        let is_it = |open: &&Open| {
            (open.hash.as_str(), open.dc, open.sent.phone.as_str()) == (hash, caller.link.dc, phone)
        };
        let found = book.open.iter().find(is_it).cloned();
        found.ok_or_else(|| RpcError::bad_request("PHONE_CODE_EXPIRED"))
    }

    fn forget(&self, hash: &str) {
        self.lock().open.retain(|open| open.hash != hash);
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn send(caller: &Caller, call: &f::auth::SendCode) -> Answer {
    let shared = &caller.link.shared;
    check_application(shared, call.api_id, &call.api_hash)?;
    let phone = number(&call.phone_number)?;
    let account = shared.users.find(|account| account.user.phone == phone);
    if account.as_ref().is_some_and(|account| account.is_banned()) {
        return Err(RpcError::bad_request("PHONE_NUMBER_BANNED"));
    }
    // Nobody's number is known everywhere.
    let home = account.map_or(caller.link.dc, |account| account.home());
    if home != caller.link.dc {
        return Err(RpcError::new(303, format!("PHONE_MIGRATE_{home}")));
    }
    post(caller, &phone, 0)
}

pub(super) fn resend(caller: &Caller, call: &f::auth::ResendCode) -> Answer {
    let sign_ins = &caller.link.shared.sign_ins;
    let phone = number(&call.phone_number)?;
    let before = sign_ins.codes.find(caller, &phone, &call.phone_code_hash)?;
    let wait = u64::from(sign_ins.rules().resend_after).saturating_sub(before.at.elapsed().as_secs());
    if wait > 0 {
        return Err(RpcError::new(420, format!("FLOOD_WAIT_{wait}")));
    }
    post(caller, &phone, before.step + 1)
}

pub(super) fn cancel(caller: &Caller, call: &f::auth::CancelCode) -> Answer {
    let codes = &caller.link.shared.sign_ins.codes;
    let phone = number(&call.phone_number)?;
    codes.forget(&codes.find(caller, &phone, &call.phone_code_hash)?.hash);
    Ok(tl_types::yes())
}

pub(super) fn sign_in(caller: &Caller, call: &f::auth::SignIn) -> Answer {
    let shared = &caller.link.shared;
    let phone = number(&call.phone_number)?;
    let by_mail = match &call.email_verification {
        Some(enums::EmailVerification::Code(mail)) => Some(mail.code.as_str()),
        _ => None,
    };
    let given = by_mail.or(call.phone_code.as_deref()).unwrap_or_default();
    if given.is_empty() {
        return Err(RpcError::bad_request("PHONE_CODE_EMPTY"));
    }
    let open = shared.sign_ins.codes.find(caller, &phone, &call.phone_code_hash)?;
    if given != open.sent.code || by_mail.is_some() != (open.sent.kind == CodeKind::Email) {
        return Err(RpcError::bad_request("PHONE_CODE_INVALID"));
    }
    shared.sign_ins.codes.forget(&open.hash);
    match shared.users.find(|account| account.user.phone == phone) {
        Some(account) if account.is_banned() => Err(RpcError::bad_request("PHONE_NUMBER_BANNED")),
        Some(account) => admit(caller, &account).map(|entered| entered.to_bytes()),
        None => {
            let nobody = types::auth::AuthorizationSignUpRequired { terms_of_service: None };
            Ok(enums::auth::Authorization::SignUpRequired(nobody).to_bytes())
        }
    }
}

/// The digits of a number, however it is written.
fn number(written: &str) -> Result<String, RpcError> {
    let digits: String = written.chars().filter(|c| !matches!(c, '+' | ' ' | '-' | '(' | ')')).collect();
    let right = (5..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if right { Ok(digits) } else { Err(RpcError::bad_request("PHONE_NUMBER_INVALID")) }
}

/// Sends the code of this step, and says how.
fn post(caller: &Caller, phone: &str, step: usize) -> Answer {
    let shared = &caller.link.shared;
    let rules = shared.sign_ins.rules();
    let Some(kind) = rules.code_kinds.get(step).copied() else {
        return Err(RpcError::new(406, "SEND_CODE_UNAVAILABLE"));
    };
    let open = shared.sign_ins.codes.make(phone, caller.link.dc, kind, step);
    tell(shared, phone);
    Ok(answer(&rules, kind, open).to_bytes())
}

fn tell(shared: &Shared, phone: &str) {
    tracing::info!(phone, "login code sent, see /sandbox/codes");
    shared.stats.code_sent(phone);
}

fn answer(rules: &SignInRules, kind: CodeKind, open: Open) -> enums::auth::SentCode {
    use enums::auth::SentCodeType as Type;
    let length = LENGTH;
    let r#type = match kind {
        CodeKind::App => Type::App(types::auth::SentCodeTypeApp { length }),
        CodeKind::Sms => Type::Sms(types::auth::SentCodeTypeSms { length }),
        CodeKind::Call => Type::Call(types::auth::SentCodeTypeCall { length }),
        CodeKind::Email => Type::EmailCode(types::auth::SentCodeTypeEmailCode {
            apple_signin_allowed: false,
            google_signin_allowed: false,
            email_pattern: "s*****x@example.org".to_owned(),
            length,
            reset_available_period: None,
            reset_pending_date: None,
        }),
        CodeKind::EmailSetup => Type::SetUpEmailRequired(types::auth::SentCodeTypeSetUpEmailRequired {
            apple_signin_allowed: false,
            google_signin_allowed: false,
        }),
        CodeKind::Payment => return payment(open.hash),
    };
    let next = rules.code_kinds.get(open.step + 1);
    enums::auth::SentCode::Code(types::auth::SentCode {
        r#type,
        phone_code_hash: open.hash,
        next_type: next.and_then(|kind| match kind {
            CodeKind::Sms => Some(enums::auth::CodeType::Sms),
            CodeKind::Call => Some(enums::auth::CodeType::Call),
            _ => None,
        }),
        timeout: Some(rules.resend_after.cast_signed()),
    })
}

fn payment(phone_code_hash: String) -> enums::auth::SentCode {
    enums::auth::SentCode::PaymentRequired(types::auth::SentCodePaymentRequired {
        store_product: "sandbox.sms".to_owned(),
        phone_code_hash,
        support_email_address: "support@example.org".to_owned(),
        support_email_subject: "SMS".to_owned(),
        premium_days: 7,
        currency: "USD".to_owned(),
        amount: 100,
    })
}

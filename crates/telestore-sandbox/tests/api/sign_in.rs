//! Signing in: by a code and a password, by a QR code, as a bot.

use grammers_client::message::InputMessage;
use grammers_client::session::updates::UpdatesLike;
use grammers_client::{Client, tl};
use grammers_crypto::two_factor_auth::calculate_2fa;
use telestore_sandbox::{CodeKind, Fault, Sandbox, SandboxUser, SignInRules, UserSpec};
use tl::enums::auth::{Authorization, LoginToken, SentCode, SentCodeType};
use tl::functions as f;

use crate::client::{connect, connect_to, refused};
use crate::handshake::{Mistakes, make_key};

/// A client whose key nobody has signed in with.
async fn stranger(sandbox: &Sandbox, user: &SandboxUser) -> Client {
    let key = make_key(sandbox.mtproto_addr(), 2, sandbox.server_key(), &Mistakes::default()).await;
    connect_to(2, sandbox.mtproto_addr(), key.expect("a key"), user.api_id)
}

async fn start(spec: UserSpec) -> (Sandbox, SandboxUser, Client) {
    let sandbox = Sandbox::builder().data_centre(4).start().await.expect("a sandbox");
    let user = sandbox.add_user(spec);
    let client = stranger(&sandbox, &user).await;
    (sandbox, user, client)
}

fn bad(name: &str) -> (i32, String) {
    (400, name.to_owned())
}

fn send_code(user: &SandboxUser) -> f::auth::SendCode {
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
    let (phone_number, api_id) = (user.phone.clone(), user.api_id);
    f::auth::SendCode { phone_number, api_id, api_hash: user.api_hash.clone(), settings: settings.into() }
}

fn sign_in(user: &SandboxUser, hash: &str, code: &str) -> f::auth::SignIn {
    f::auth::SignIn {
        phone_number: user.phone.clone(),
        phone_code_hash: hash.to_owned(),
        phone_code: Some(code.to_owned()),
        email_verification: None,
    }
}

fn sent(answer: SentCode) -> tl::types::auth::SentCode {
    match answer {
        SentCode::Code(code) => code,
        other => panic!("no code: {other:?}"),
    }
}

async fn code(client: &Client, user: &SandboxUser) -> tl::types::auth::SentCode {
    sent(client.invoke(&send_code(user)).await.expect("a code"))
}

fn resend(user: &SandboxUser, hash: &str) -> f::auth::ResendCode {
    let (phone_number, phone_code_hash) = (user.phone.clone(), hash.to_owned());
    f::auth::ResendCode { phone_number, phone_code_hash, reason: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_signs_its_number_in_once() {
    let (sandbox, user, client) = start(UserSpec::new("bob")).await;
    let asked = code(&client, &user).await;
    assert!(matches!(&asked.r#type, SentCodeType::App(app) if app.length == 5), "{asked:?}");
    let right = sandbox.wait_for_code(&user, 1).await;
    assert_eq!((right.kind, right.code.len()), (CodeKind::App, 5));
    let hash = &asked.phone_code_hash;
    let wrong = if right.code == "00000" { "11111" } else { "00000" };
    assert_eq!(refused(client.invoke(&sign_in(&user, hash, wrong)).await), bad("PHONE_CODE_INVALID"));
    assert_eq!(refused(client.invoke(&sign_in(&user, hash, "")).await), bad("PHONE_CODE_EMPTY"));
    assert_eq!(
        refused(client.invoke(&sign_in(&user, "other", &right.code)).await),
        bad("PHONE_CODE_EXPIRED")
    );
    let call = sign_in(&user, hash, &right.code);
    let Authorization::Authorization(entered) = client.invoke(&call).await.expect("signed in") else {
        panic!("there is an account");
    };
    assert_eq!(entered.user.id(), user.telegram_user_id);
    assert!(client.is_authorized().await.expect("an answer"));
    assert_eq!(refused(client.invoke(&call).await), bad("PHONE_CODE_EXPIRED"), "it is used up");
    assert!(connect(&sandbox, &user).is_authorized().await.expect("an answer"), "other logins stay");
    let stats = sandbox.stats();
    assert_eq!((stats.codes_sent(&user.phone), stats.sign_ins(&user.user_id)), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_end_by_time_by_another_and_by_being_told_to_somebody() {
    let (sandbox, user, client) = start(UserSpec::new("bob")).await;
    let try_code = async |hash: &str, count| {
        let right = sandbox.wait_for_code(&user, count).await.code;
        refused(client.invoke(&sign_in(&user, hash, &right)).await)
    };
    sandbox.set_sign_in_rules(SignInRules::default().with(|rules| rules.code_life = 0));
    let first = code(&client, &user).await.phone_code_hash;
    assert_eq!(try_code(&first, 1).await, bad("PHONE_CODE_EXPIRED"));
    sandbox.set_sign_in_rules(SignInRules::default());
    let second = code(&client, &user).await.phone_code_hash;
    let third = code(&client, &user).await.phone_code_hash;
    assert_eq!(try_code(&second, 2).await, bad("PHONE_CODE_EXPIRED"), "the third one came in its place");
    let told = sandbox.wait_for_code(&user, 3).await.code;
    let known = connect(&sandbox, &user);
    let dialog = known.iter_dialogs().next().await.expect("dialogs").expect("the channel");
    let message = InputMessage::new().text(format!("the code is {told}, hurry"));
    known.send_message(dialog.peer_ref(), message).await.expect("sent");
    assert_eq!(try_code(&third, 3).await, bad("PHONE_CODE_EXPIRED"));
    code(&client, &user).await;
    sandbox.void_codes(&user);
    assert_eq!(sandbox.codes_of(&user).len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_can_be_asked_for_again_by_other_ways_until_there_is_none() {
    let (sandbox, user, client) = start(UserSpec::new("bob")).await;
    let asked = code(&client, &user).await;
    assert_eq!((&asked.next_type, asked.timeout), (&Some(tl::enums::auth::CodeType::Sms), Some(60)));
    let early = refused(client.invoke(&resend(&user, &asked.phone_code_hash)).await);
    assert!(early.0 == 420 && early.1.starts_with("FLOOD_WAIT"), "{early:?}");
    sandbox.set_sign_in_rules(SignInRules::default().with(|rules| rules.resend_after = 0));
    let asked = sent(client.invoke(&resend(&user, &asked.phone_code_hash)).await.expect("an SMS"));
    assert!(matches!(asked.r#type, SentCodeType::Sms(_)), "{asked:?}");
    let asked = sent(client.invoke(&resend(&user, &asked.phone_code_hash)).await.expect("a call"));
    assert!(matches!(asked.r#type, SentCodeType::Call(_)) && asked.next_type.is_none(), "{asked:?}");
    let none = refused(client.invoke(&resend(&user, &asked.phone_code_hash)).await);
    assert_eq!(none, (406, "SEND_CODE_UNAVAILABLE".to_owned()));
    let right = sandbox.wait_for_code(&user, 3).await;
    assert_eq!(right.kind, CodeKind::Call);
    let entered = client.invoke(&sign_in(&user, &asked.phone_code_hash, &right.code)).await;
    assert!(matches!(entered, Ok(Authorization::Authorization(_))), "{entered:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_and_applications_are_looked_at() {
    let (sandbox, user, client) = start(UserSpec::new("bob")).await;
    let ask = async |change: &dyn Fn(&mut f::auth::SendCode)| {
        let mut call = send_code(&user);
        change(&mut call);
        client.invoke(&call).await
    };
    let hash = |call: &mut f::auth::SendCode| call.api_hash = "0".repeat(32);
    assert_eq!(refused(ask(&hash).await), bad("API_ID_INVALID"));
    for odd in ["", "bob", "12", "1234567890123456"] {
        let number = |call: &mut f::auth::SendCode| call.phone_number = odd.to_owned();
        assert_eq!(refused(ask(&number).await), bad("PHONE_NUMBER_INVALID"), "{odd}");
    }
    let spaced = format!("+{} {}", &user.phone[..3], &user.phone[3..]);
    assert!(ask(&|call: &mut f::auth::SendCode| call.phone_number = spaced.clone()).await.is_ok());
    sandbox.set_banned(&user, true);
    assert_eq!(refused(ask(&|_| ()).await), bad("PHONE_NUMBER_BANNED"));
    sandbox.set_banned(&user, false);
    sandbox.move_account(&user, 4);
    assert_eq!(refused(ask(&|_| ()).await), (303, "PHONE_MIGRATE 4".to_owned()));

    let nobody = SandboxUser { phone: "99966200999".to_owned(), ..user.clone() };
    let asked = code(&client, &nobody).await.phone_code_hash;
    let right = sandbox.wait_for_code(&nobody, 1).await.code;
    let entered = client.invoke(&sign_in(&nobody, &asked, &right)).await.expect("an answer");
    assert!(matches!(entered, Authorization::SignUpRequired(_)), "{entered:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_by_mail_and_those_that_must_be_paid_for() {
    let (sandbox, user, client) = start(UserSpec::new("bob")).await;
    let only = |kind| SignInRules::default().with(|rules| rules.code_kinds = vec![kind]);
    sandbox.set_sign_in_rules(only(CodeKind::Payment));
    let asked = client.invoke(&send_code(&user)).await;
    assert!(matches!(asked, Ok(SentCode::PaymentRequired(_))), "{asked:?}");
    sandbox.set_sign_in_rules(only(CodeKind::Email));
    let asked = code(&client, &user).await;
    assert!(matches!(asked.r#type, SentCodeType::EmailCode(_)), "{asked:?}");
    let right = sandbox.wait_for_code(&user, 2).await.code;
    let mut call = sign_in(&user, &asked.phone_code_hash, &right);
    assert_eq!(refused(client.invoke(&call).await), bad("PHONE_CODE_INVALID"), "it came by mail");
    call.phone_code = None;
    call.email_verification = Some(tl::types::EmailVerificationCode { code: right }.into());
    assert!(client.invoke(&call).await.is_ok());
}

async fn password(client: &Client) -> tl::types::account::Password {
    let tl::enums::account::Password::Password(password) =
        client.invoke(&f::account::GetPassword {}).await.expect("a question");
    password
}

fn proof(question: &tl::types::account::Password, password: &str) -> f::auth::CheckPassword {
    use tl::enums::PasswordKdfAlgo::Sha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow as Known;
    let Some(Known(algo)) = &question.current_algo else { panic!("no algorithm") };
    let half = question.srp_b.clone().expect("a half");
    let (m1, a) = calculate_2fa(&algo.salt1, &algo.salt2, &algo.p, &algo.g, half, vec![9; 256], password);
    let srp_id = question.srp_id.expect("an id");
    let given = tl::types::InputCheckPasswordSrp { srp_id, a: a.to_vec(), m1: m1.to_vec() };
    f::auth::CheckPassword { password: given.into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_asked_for_behind_the_code_and_each_question_serves_once() {
    let (sandbox, user, client) = start(UserSpec::new("bob").password("open sesame")).await;
    let asked = code(&client, &user).await.phone_code_hash;
    let right = sandbox.wait_for_code(&user, 1).await.code;
    let needed = (401, "SESSION_PASSWORD_NEEDED".to_owned());
    assert_eq!(refused(client.invoke(&sign_in(&user, &asked, &right)).await), needed);
    assert_eq!(refused(client.invoke(&f::updates::GetState {}).await), needed, "nobody is in yet");
    let question = password(&client).await;
    assert!(question.has_password && question.hint.is_some());
    assert_eq!(refused(client.invoke(&proof(&question, "wrong")).await), bad("PASSWORD_HASH_INVALID"));
    let again = proof(&question, "open sesame");
    assert_eq!(refused(client.invoke(&again).await), bad("SRP_ID_INVALID"), "the question is used up");
    let old = password(&client).await;
    let question = password(&client).await;
    assert_eq!(refused(client.invoke(&proof(&old, "open sesame")).await), bad("SRP_ID_INVALID"));
    assert_eq!(refused(client.invoke(&proof(&question, "open sesame")).await), bad("SRP_ID_INVALID"));
    let question = password(&client).await;
    client.invoke(&proof(&question, "open sesame")).await.expect("signed in");
    assert!(client.is_authorized().await.expect("an answer"));
    assert_eq!(sandbox.stats().sign_ins(&user.user_id), 1);
}

fn export(user: &SandboxUser) -> f::auth::ExportLoginToken {
    let (api_id, api_hash) = (user.api_id, user.api_hash.clone());
    f::auth::ExportLoginToken { api_id, api_hash, except_ids: Vec::new() }
}

async fn token(client: &Client, user: &SandboxUser) -> Vec<u8> {
    match client.invoke(&export(user)).await.expect("a token") {
        LoginToken::Token(token) => token.token,
        other => panic!("no token: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_qr_code_lets_its_device_in_once_it_is_scanned() {
    let (sandbox, user, client) = start(UserSpec::new("bob")).await;
    let first = token(&client, &user).await;
    let shown = sandbox.wait_for_login_token(&[]).await;
    assert!(shown.starts_with("tg://login?token="), "{shown}");
    assert_eq!(sandbox.scan(&user, "tg://login?token=AAAA"), Err("AUTH_TOKEN_INVALIDX".to_owned()));
    let early = f::auth::ImportLoginToken { token: first.clone() };
    assert_eq!(refused(client.invoke(&early).await), bad("AUTH_TOKEN_INVALID"), "nobody has scanned it");
    // The phone is a client, too.
    let phone = connect(&sandbox, &user);
    let accept = f::auth::AcceptLoginToken { token: first };
    phone.invoke(&accept).await.expect("it is let in");
    assert_eq!(refused(phone.invoke(&accept).await), bad("AUTH_TOKEN_ALREADY_ACCEPTED"));
    let entered = client.invoke(&export(&user)).await;
    assert!(matches!(entered, Ok(LoginToken::Success(_))), "{entered:?}");
    assert!(client.is_authorized().await.expect("an answer"));
    assert_eq!((sandbox.stats().sign_ins(&user.user_id), sandbox.login_tokens().len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_qr_code_expires_and_leads_to_the_data_centre_of_the_account() {
    let (sandbox, user, client) = start(UserSpec::new("bob").password("open sesame")).await;
    sandbox.set_sign_in_rules(SignInRules::default().with(|rules| rules.login_token_life = 0));
    let late = token(&client, &user).await;
    assert_eq!(sandbox.login_tokens().len(), 0);
    let phone = connect(&sandbox, &user);
    let accept = f::auth::AcceptLoginToken { token: late.clone() };
    assert_eq!(refused(phone.invoke(&accept).await), bad("AUTH_TOKEN_EXPIRED"));
    let import = f::auth::ImportLoginToken { token: late };
    assert_eq!(refused(client.invoke(&import).await), bad("AUTH_TOKEN_EXPIRED"));
    sandbox.set_sign_in_rules(SignInRules::default());
    token(&client, &user).await;
    sandbox.move_account(&user, 4);
    sandbox.scan(&user, &sandbox.wait_for_login_token(&[]).await).expect("let in");
    let LoginToken::MigrateTo(to) = client.invoke(&export(&user)).await.expect("an answer") else {
        panic!("the account lives elsewhere");
    };
    assert_eq!(to.dc_id, 4);
    let there = sandbox.add_data_centre(4).await.expect("it is there");
    let key = make_key(there, 4, sandbox.server_key(), &Mistakes::default()).await.expect("a key");
    let client = connect_to(4, there, key, user.api_id);
    let import = f::auth::ImportLoginToken { token: to.token };
    assert_eq!(refused(client.invoke(&import).await), (401, "SESSION_PASSWORD_NEEDED".to_owned()));
    let question = password(&client).await;
    client.invoke(&proof(&question, "open sesame")).await.expect("signed in");
    assert!(client.is_authorized().await.expect("an answer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_device_that_shows_a_qr_code_hears_that_it_was_scanned() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let user = sandbox.user();
    let key = make_key(sandbox.mtproto_addr(), 2, sandbox.server_key(), &Mistakes::default()).await;
    let (client, mut updates) =
        crate::client::connect_listening(2, sandbox.mtproto_addr(), key.expect("a key"), user.api_id);
    token(&client, &user).await;
    sandbox.scan(&user, &sandbox.wait_for_login_token(&[]).await).expect("let in");
    loop {
        let update = updates.recv().await.expect("an update");
        if let UpdatesLike::Updates(tl::enums::Updates::UpdateShort(short)) = update {
            assert_eq!(short.update, tl::enums::Update::LoginToken);
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_signs_in_again_and_again_has_to_wait() {
    let (sandbox, user, client) = start(UserSpec::new("bob")).await;
    let mut call = f::auth::ImportBotAuthorization {
        flags: 0,
        api_id: user.api_id,
        api_hash: user.api_hash.clone(),
        bot_auth_token: user.bot_token.clone(),
    };
    sandbox.move_account(&user, 4);
    assert_eq!(refused(client.invoke(&call).await), (303, "USER_MIGRATE 4".to_owned()));
    sandbox.move_account(&user, 2);
    for _ in 0..2 {
        client.invoke(&call).await.expect("signed in");
    }
    assert_eq!(refused(client.invoke(&call).await), (420, "FLOOD_WAIT 1200".to_owned()));
    sandbox.set_sign_in_rules(SignInRules::default().with(|rules| rules.bot_sign_ins = None));
    client.invoke(&call).await.expect("signed in");
    assert_eq!(sandbox.stats().bot_sign_ins(&user.user_id), 3);
    call.bot_auth_token = "1:wrong".to_owned();
    assert_eq!(refused(client.invoke(&call).await), bad("ACCESS_TOKEN_INVALID"));
    call.api_id = 1;
    assert_eq!(refused(client.invoke(&call).await), bad("API_ID_INVALID"));
    sandbox.faults().inject(Fault::rpc_error("auth.importBotAuthorization", 400, "API_ID_PUBLISHED_FLOOD"));
    assert_eq!(refused(client.invoke(&call).await), bad("API_ID_PUBLISHED_FLOOD"));
}

/// A bot that has signed in.
async fn bot(spec: UserSpec) -> (Sandbox, SandboxUser, Client) {
    let (sandbox, user, client) = start(spec).await;
    client.invoke(&as_bot(&user)).await.expect("signed in");
    (sandbox, user, client)
}

fn as_bot(user: &SandboxUser) -> f::auth::ImportBotAuthorization {
    let (api_id, api_hash, bot_auth_token) = (user.api_id, user.api_hash.clone(), user.bot_token.clone());
    f::auth::ImportBotAuthorization { flags: 0, api_id, api_hash, bot_auth_token }
}

/// The user's channel, as a bot names it: without an access hash.
fn channel(user: &SandboxUser) -> tl::types::InputChannel {
    let channel_id = user.channel_id.trim_start_matches("-100").parse().expect("a number");
    tl::types::InputChannel { channel_id, access_hash: 0 }
}

fn changes(user: &SandboxUser, pts: i32, limit: i32) -> f::updates::GetChannelDifference {
    let (channel, filter) = (channel(user).into(), tl::enums::ChannelMessagesFilter::Empty);
    f::updates::GetChannelDifference { force: false, channel, filter, pts, limit }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_sees_what_has_changed_in_a_channel() {
    use tl::enums::updates::ChannelDifference;
    let (sandbox, user, client) = bot(UserSpec::new("bob")).await;
    let tl::types::InputChannel { channel_id, access_hash } = channel(&user);
    let there = tl::types::InputPeerChannel { channel_id, access_hash };
    let there = grammers_client::session::types::PeerRef::from(there);
    for number in 1..=3 {
        let text = InputMessage::new().text(format!("number {number}"));
        client.send_message(there, text).await.expect("said");
    }
    let found = client.invoke(&changes(&user, 1, 100)).await.expect("changes");
    let ChannelDifference::Difference(found) = found else { panic!("{found:?}") };
    assert_eq!((found.new_messages.len(), found.r#final), (3, true));
    let none = client.invoke(&changes(&user, found.pts, 100)).await.expect("no changes");
    assert!(matches!(none, ChannelDifference::Empty(_)), "{none:?}");
    let too_long = client.invoke(&changes(&user, 1, 2)).await.expect("too many");
    let ChannelDifference::TooLong(too_long) = too_long else { panic!("{too_long:?}") };
    let tl::enums::Dialog::Dialog(dialog) = too_long.dialog else { panic!("a folder") };
    assert_eq!(dialog.top_message, sandbox.messages_of(&user)[2].message_id);
    assert_eq!(refused(client.invoke(&changes(&user, 0, 100)).await), bad("PERSISTENT_TIMESTAMP_INVALID"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_may_a_bot_may_not_and_a_revoked_token_ends_it() {
    let (sandbox, user, client) = bot(UserSpec::new("bob")).await;
    let accept = f::auth::AcceptLoginToken { token: vec![1] };
    assert_eq!(refused(client.invoke(&accept).await), bad("BOT_METHOD_INVALID"));
    let dialogs = f::messages::GetPeerDialogs { peers: Vec::new() };
    assert_eq!(refused(client.invoke(&dialogs).await), bad("BOT_METHOD_INVALID"));
    sandbox.revoke_bot(&user);
    let own = f::users::GetUsers { id: vec![tl::enums::InputUser::UserSelf] };
    assert_eq!(refused(client.invoke(&own).await), (401, "AUTH_KEY_UNREGISTERED".to_owned()));
    assert_eq!(refused(client.invoke(&as_bot(&user)).await), bad("ACCESS_TOKEN_EXPIRED"));
}

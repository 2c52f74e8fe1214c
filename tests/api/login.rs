//! `telestore-worker login`: the real program signs in at the sandbox, and what it prints is a session that works.

mod terminal;
mod through_proxy;

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::json;
use telestore_sandbox::{CodeKind, Fault, Sandbox, SandboxUser, SignInRules, UserSpec};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, Command};

use crate::support::{File, Ran, Stage, soon};

/// A login on its way: what it says is read line by line, and answers are given as lines.
struct Login {
    child: Child,
    answers: ChildStdin,
    lines: Lines<BufReader<ChildStderr>>,
    said: String,
}

impl Login {
    /// Reads what it says until a line has these words.
    async fn until(&mut self, words: &str) -> String {
        loop {
            let line = soon(words, self.lines.next_line()).await.expect("text");
            let line = line.unwrap_or_else(|| panic!("it ended before {words:?}: {}", self.said));
            self.said += &format!("{line}\n");
            if line.contains(words) {
                return line;
            }
        }
    }

    async fn answer(&mut self, line: &str) {
        self.answers.write_all(format!("{line}\n").as_bytes()).await.expect("it listens");
    }

    /// Gives no answers any more, and waits for the end.
    async fn ended(self) -> Ran {
        let Self { mut child, answers, mut lines, said: mut stderr } = self;
        drop(answers);
        while let Some(line) = soon("the login to end", lines.next_line()).await.expect("text") {
            stderr += &format!("{line}\n");
        }
        let status = soon("the login to end", child.wait()).await.expect("it ends");
        let mut stdout = String::new();
        if let Some(mut out) = child.stdout.take() {
            out.read_to_string(&mut stdout).await.expect("text");
        }
        Ran { code: status.code(), stdout, stderr }
    }

    /// The session string that it printed, and nothing else.
    async fn session(self) -> String {
        let ran = self.ended().await;
        let told = ran.stderr.clone();
        let session = ran.ok();
        let session = session.strip_suffix('\n').expect("one line").to_owned();
        assert!(session.len() == 353 && !told.contains(&session), "{session} {told}");
        assert!(told.contains("Signed in as "), "{told}");
        session
    }
}

async fn stage(spec: UserSpec) -> Stage {
    let sandbox = Sandbox::builder().default_user(false).data_centre(4).start().await.expect("a sandbox");
    sandbox.add_user(spec);
    Stage::before(sandbox, &[])
}

impl Stage {
    fn login(&self, args: &[&str]) -> Login {
        self.login_to(args, Stdio::piped())
    }

    fn login_command(&self, args: &[&str]) -> Command {
        let mut command = self.program();
        command
            .env("TELESTORE_MTPROTO_DC", self.sandbox.mtproto_addr().to_string())
            .env("TELESTORE_API_ID", self.user.api_id.to_string())
            .env("TELESTORE_API_HASH", &self.user.api_hash)
            .env("TELESTORE_BOT_TOKEN", &self.user.bot_token)
            .arg("login")
            .args(args);
        command
    }

    fn login_to(&self, args: &[&str], out: Stdio) -> Login {
        let mut command = self.login_command(args);
        command.stdin(Stdio::piped()).stdout(out).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let answers = child.stdin.take().expect("piped");
        let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        Login { child, answers, lines, said: String::new() }
    }

    /// The code that the user was sent as the `count`th.
    async fn code(&self, count: usize) -> String {
        soon("a code", self.sandbox.wait_for_code(&self.user, count)).await.code
    }

    fn wrong(code: &str) -> &'static str {
        if code == "00000" { "11111" } else { "00000" }
    }

    /// Signs in by phone and code.
    async fn by_code(&self) -> String {
        let mut login = self.login(&["--phone", &self.user.phone]);
        login.until("Code:").await;
        let right = self.code(self.sandbox.codes_of(&self.user).len()).await;
        login.answer(&right).await;
        login.session().await
    }

    /// A stand-alone worker with this session and no bot sends a file.
    async fn sends_with(&mut self, session: &str) {
        for (name, value) in [
            ("BACKEND_URL", ""),
            ("TELESTORE_TELEGRAM_SESSION", session),
            ("TELESTORE_API_ID", &*self.user.api_id.to_string()),
            ("TELESTORE_CHANNEL_ID", &*self.user.channel_id.clone()),
            ("TELESTORE_AUTH_TOKENS", &*self.user.auth_token.clone()),
        ] {
            self.set(name, value);
        }
        self.start().await;
        let before = self.sandbox.messages_of(&self.user).len();
        assert_eq!(self.send(&File::new(3000)).await["status"], "completed");
        assert_eq!(self.sandbox.messages_of(&self.user).len(), before + 1);
        assert!(self.terminate().await.success());
    }
}

/// Data centre and address in a session string.
fn place(session: &str) -> (u8, String) {
    let packed = URL_SAFE.decode(&session[1..]).expect("base64");
    assert_eq!(packed.len(), 263);
    let ip = std::net::Ipv4Addr::new(packed[1], packed[2], packed[3], packed[4]);
    (packed[0], format!("{ip}:{}", u16::from_be_bytes([packed[5], packed[6]])))
}

#[tokio::test]
async fn a_number_and_a_code_make_a_session_that_a_worker_sends_with() {
    let mut stage = stage(UserSpec::new("bob").premium(true)).await;
    let mut login = stage.login(&[]);
    login.until("Phone number").await;
    login.answer(&format!("+{}", stage.user.phone)).await;
    login.until("as a message to the app").await;
    login.until("Code:").await;
    let right = stage.code(1).await;
    login.answer(Stage::wrong(&right)).await;
    login.until("not the code").await;
    login.until("Code:").await;
    login.answer(&format!(" {}-{} ", &right[..2], &right[2..])).await;
    let line = login.until("Signed in as").await;
    let end = &stage.user.phone[stage.user.phone.len() - 4..];
    let bob = format!("bob (id {}, phone …{end}), a person with Premium", stage.user.telegram_user_id);
    assert!(line.contains(&bob) && !line.contains(&stage.user.phone), "{line}");
    let session = login.session().await;
    assert_eq!(place(&session), (2, stage.sandbox.mtproto_addr().to_string()));
    assert_ne!(Some(session.as_str()), stage.user.telethon_session.as_deref(), "a key of its own");
    let stats = stage.sandbox.stats();
    assert_eq!((stats.codes_sent(&stage.user.phone), stats.sign_ins(&stage.user.user_id)), (1, 1));
    stage.sends_with(&session).await;
    let said = stage.command(&["check"]).await.ok();
    assert!(said.contains(&format!("ok       session         belongs to {bob}")), "{said}");
    let report = stage.command(&["check", "--json"]).await.json();
    let checks = report["checks"].as_array().expect("checks");
    assert!(
        checks
            .contains(&json!({ "check": "session", "result": "ok", "message": format!("belongs to {bob}") }))
    );
}

#[tokio::test]
async fn a_password_is_asked_for_until_it_is_right() {
    let mut stage = stage(UserSpec::new("bob").password("open sesame")).await;
    let stale = Fault::rpc_error("auth.checkPassword", 400, "SRP_ID_INVALID").once();
    let stale = stage.sandbox.faults().inject(stale);
    let mut login = stage.login(&["--phone", &stage.user.phone]);
    login.until("Code:").await;
    login.answer(&stage.code(1).await).await;
    login.until("Password (hint: what bob says to the door):").await;
    login.answer("open simsim").await;
    login.until("not the password").await;
    assert_eq!(stage.sandbox.faults().fired(stale), 1, "a question that is stale is asked anew by itself");
    login.until("Password").await;
    login.answer("open sesame").await;
    let session = login.session().await;
    assert_eq!(stage.sandbox.stats().sign_ins(&stage.user.user_id), 1);
    stage.sends_with(&session).await;
}

#[tokio::test]
async fn another_code_comes_another_way_when_it_is_time() {
    let stage = stage(UserSpec::new("bob")).await;
    let mut login = stage.login(&["--phone", &stage.user.phone]);
    login.until("sent by SMS in 60 s").await;
    login.answer("").await;
    login.until("Another code can be sent in").await;
    let now = SignInRules::default().with(|rules| rules.resend_after = 0);
    stage.sandbox.set_sign_in_rules(now);
    let mut login = stage.login(&["--phone", &stage.user.phone]);
    login.until("Code:").await;
    for (way, next) in [("by SMS", true), ("calls, and says", false)] {
        login.answer("").await;
        login.until(way).await;
        if next {
            login.until("an empty line").await;
        }
        login.until("Code:").await;
    }
    login.answer("").await;
    login.until("no other way").await;
    let last = soon("a code", stage.sandbox.wait_for_code(&stage.user, 4)).await;
    assert_eq!(last.kind, CodeKind::Call);
    login.answer(&last.code).await;
    login.session().await;
}

#[tokio::test]
async fn a_code_that_was_voided_is_told_of_and_followed_by_another() {
    let stage = stage(UserSpec::new("bob")).await;
    let mut login = stage.login(&["--phone", &stage.user.phone]);
    login.until("Code:").await;
    let first = stage.code(1).await;
    stage.sandbox.void_codes(&stage.user);
    login.answer(&first).await;
    login.until("forwarded in any chat").await;
    login.until("Code:").await;
    login.answer(&stage.code(2).await).await;
    login.session().await;
}

#[tokio::test]
async fn codes_by_mail_are_given_back_as_such() {
    let stage = stage(UserSpec::new("bob")).await;
    let by_mail = SignInRules::default().with(|rules| rules.code_kinds = vec![CodeKind::Email]);
    stage.sandbox.set_sign_in_rules(by_mail);
    let mut login = stage.login(&["--phone", &stage.user.phone]);
    login.until("by e-mail to s*****x@example.org").await;
    login.answer(&stage.code(1).await).await;
    login.session().await;
}

#[tokio::test]
async fn an_account_in_another_data_centre_is_followed_there() {
    let mut stage = stage(UserSpec::new("bob").password("open sesame")).await;
    let there = stage.sandbox.add_data_centre(4).await.expect("it is there").to_string();
    stage.sandbox.move_account(&stage.user, 4);
    let mut login = stage.login(&["--phone", &stage.user.phone]);
    login.until("data centre 4").await;
    login.until("Code:").await;
    login.answer(&stage.code(1).await).await;
    login.until("Password").await;
    login.answer("open sesame").await;
    let session = login.session().await;
    assert_eq!(place(&session), (4, there.clone()));
    stage.sends_with(&session).await;
    // There and back.
    stage.sandbox.move_account(&stage.user, 2);
    let away = Fault::rpc_error("auth.sendCode", 303, "NETWORK_MIGRATE_4").once();
    stage.sandbox.faults().inject(away);
    let mut login = stage.login(&["--phone", &stage.user.phone]);
    login.until("data centre 4").await;
    login.until("data centre 2").await;
    login.until("Code:").await;
    login.answer(&stage.code(2).await).await;
    login.until("Password").await;
    login.answer("open sesame").await;
    assert_eq!(place(&login.session().await).0, 2);
    // And by the QR code, which is scanned by an account that lives elsewhere.
    stage.sandbox.move_account(&stage.user, 4);
    let mut login = stage.login(&["--qr"]);
    let shown = soon("a QR code", stage.sandbox.wait_for_login_token(&[])).await;
    stage.sandbox.scan(&stage.user, &shown).expect("let in");
    login.until("data centre 4").await;
    login.until("Password").await;
    login.answer("open sesame").await;
    assert_eq!(place(&login.session().await), (4, there));
}

#[tokio::test]
async fn a_qr_code_is_shown_renewed_and_scanned() {
    let mut stage = stage(UserSpec::new("bob")).await;
    let short = SignInRules::default().with(|rules| rules.login_token_life = 6);
    stage.sandbox.set_sign_in_rules(short);
    let mut login = stage.login(&["--qr"]);
    let first = soon("a QR code", stage.sandbox.wait_for_login_token(&[])).await;
    assert_eq!(login.until("tg://login").await, first);
    assert!(login.said.contains('█'), "{}", login.said);
    let second = soon("a new one", stage.sandbox.wait_for_login_token(std::slice::from_ref(&first))).await;
    assert_eq!(login.until("tg://login").await, second);
    stage.sandbox.set_sign_in_rules(SignInRules::default());
    let third = soon("one that lasts", stage.sandbox.wait_for_login_token(&[first, second])).await;
    let shown = stage.sandbox.stats().calls("auth.exportLoginToken");
    assert!(shown >= 3);
    stage.sandbox.scan(&stage.user, &third).expect("let in");
    // Long before it would be renewed: Telegram told that it was scanned.
    login.until("Signed in as bob").await;
    assert_eq!(stage.sandbox.stats().calls("auth.exportLoginToken"), shown + 1);
    let session = login.session().await;
    stage.sends_with(&session).await;
}

#[tokio::test]
async fn a_bot_signs_in_and_is_told_to_wait_if_it_does_so_too_often() {
    let stage = stage(UserSpec::new("bob")).await;
    let mut login = stage.login(&["--bot"]);
    login.until(&format!("bob (@bob_sandbox_bot, id {}), a bot", stage.user.bot_user_id)).await;
    login.session().await;
    stage.sandbox.move_account(&stage.user, 4);
    let mut login = stage.login(&["--bot"]);
    login.until("data centre 4").await;
    assert_eq!(place(&login.session().await).0, 4);
    let error = stage.login(&["--bot"]).ended().await.error();
    assert!(error.contains("wait 20m before the next try"), "{error}");
    assert_eq!(stage.sandbox.stats().bot_sign_ins(&stage.user.user_id), 2);
}

#[tokio::test]
async fn what_telegram_refuses_is_told_in_words() {
    let stage = stage(UserSpec::new("bob")).await;
    for (method, code, name, words) in [
        ("auth.sendCode", 420, "FLOOD_WAIT_80000", "wait 22h 13m 20s before the next try"),
        ("auth.sendCode", 406, "PHONE_NUMBER_FLOOD", "try again tomorrow"),
        ("auth.sendCode", 400, "PHONE_NUMBER_BANNED", "banned from Telegram"),
        ("auth.sendCode", 400, "API_ID_PUBLISHED_FLOOD", "make one of your own"),
        ("auth.sendCode", 406, "UPDATE_APP_TO_LOGIN", "newer version of the worker"),
        ("auth.signIn", 400, "PHONE_NUMBER_UNOCCUPIED", "has no Telegram account"),
        ("auth.signIn", 420, "FLOOD_WAIT_7", "wait 7s"),
    ] {
        let fault = stage.sandbox.faults().inject(Fault::rpc_error(method, code, name));
        let mut login = stage.login(&["--phone", &stage.user.phone]);
        if method == "auth.signIn" {
            login.until("Code:").await;
            login.answer("12345").await;
        }
        let ran = login.ended().await;
        assert_eq!(ran.stdout, "");
        let error = ran.error();
        assert!(error.contains(words) && !error.contains(&stage.user.api_hash), "{name}: {error}");
        stage.sandbox.faults().release(fault);
    }
    let refused = async |rules: SignInRules| {
        stage.sandbox.set_sign_in_rules(rules);
        stage.login(&["--phone", &stage.user.phone]).ended().await.error()
    };
    let only = |kind| SignInRules::default().with(|rules| rules.code_kinds = vec![kind]);
    assert!(refused(only(CodeKind::Payment)).await.contains("wants to be paid"));
    assert!(refused(only(CodeKind::EmailSetup)).await.contains("wants an e-mail address"));
    assert!(refused(SignInRules::default()).await.contains("standard input has ended"));
    stage.sandbox.set_banned(&stage.user, true);
    assert!(refused(SignInRules::default()).await.contains("banned from Telegram"));
    let error = stage.login(&["--phone", "bob"]).ended().await.error();
    assert!(error.contains("country code"), "{error}");
    let wrong = "0123456789abcdef0123456789abcdef";
    let error = stage.login(&["--qr", "--api-hash", wrong]).ended().await.error();
    assert!(error.contains("https://my.telegram.org") && !error.contains(wrong), "{error}");
}

#[tokio::test]
async fn a_number_without_an_account_is_told_so() {
    let stage = stage(UserSpec::new("bob")).await;
    let nobody = SandboxUser { phone: "99966209999".to_owned(), ..stage.user.clone() };
    let mut login = stage.login(&["--phone", &nobody.phone]);
    login.until("Code:").await;
    let right = soon("a code", stage.sandbox.wait_for_code(&nobody, 1)).await.code;
    login.answer(&right).await;
    assert!(login.ended().await.error().contains("has no Telegram account"));
}

#[tokio::test]
async fn an_answer_that_is_lost_signs_nobody_in_twice_and_loses_no_login() {
    let stage = stage(UserSpec::new("bob").password("open sesame")).await;
    let faults = stage.sandbox.faults();
    let lost: Vec<_> = ["auth.signIn", "auth.checkPassword"]
        .map(|method| faults.inject(Fault::lose_answer(method).once()))
        .to_vec();
    let mut login = stage.login(&["--phone", &stage.user.phone]);
    login.until("Code:").await;
    login.answer(&stage.code(1).await).await;
    login.until("trying again").await;
    login.until("Password").await;
    login.answer("open sesame").await;
    login.until("trying again").await;
    login.session().await;
    assert!(lost.into_iter().all(|fault| faults.fired(fault) == 1));
    assert_eq!(stage.sandbox.stats().sign_ins(&stage.user.user_id), 1);
}

#[tokio::test]
async fn the_file_is_its_owners_alone_and_is_replaced_only_if_that_is_said() {
    let stage = stage(UserSpec::new("bob")).await;
    let path = stage.dir.path().join("session");
    let out = path.to_str().expect("text");
    let by_code = async |args: &[&str], count| {
        let mut login = stage.login(&[&["--phone", &stage.user.phone, "--out", out], args].concat());
        login.until("Code:").await;
        login.answer(&stage.code(count).await).await;
        let ran = login.ended().await;
        assert!(ran.stderr.contains(&format!("TELESTORE_TELEGRAM_SESSION_FILE={out}")), "{ran:?}");
        assert_eq!(ran.ok(), "");
        let mode = std::fs::metadata(&path).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::read_to_string(&path).expect("the file")
    };
    let first = by_code(&[], 1).await;
    assert_eq!(first.trim_end().len(), 353);
    let error = stage.login(&["--qr", "--out", out]).ended().await.error();
    assert!(error.contains("is there already") && error.contains("--force"), "{error}");
    assert_eq!(stage.sandbox.stats().calls("auth.exportLoginToken"), 0, "before anybody signs in");
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), first);
    let second = by_code(&["--force"], 2).await;
    assert_ne!(first, second);
    let nowhere = stage.dir.path().join("nowhere/session");
    let error = stage.login(&["--qr", "--out", nowhere.to_str().expect("text")]).ended().await.error();
    assert!(error.contains("cannot be written"), "{error}");
}

#[tokio::test]
async fn a_login_whose_string_nobody_got_is_ended() {
    let stage = stage(UserSpec::new("bob")).await;
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut login = stage.login_to(&["--phone", &stage.user.phone], writer.into());
    login.until("Code:").await;
    login.answer(&stage.code(1).await).await;
    let error = login.ended().await.error();
    assert!(error.contains("could not be printed") && error.contains("signed out again"), "{error}");
    assert_eq!(stage.sandbox.stats().calls("auth.logOut"), 1);
}

#[tokio::test]
async fn a_key_is_made_anew_each_time() {
    let stage = stage(UserSpec::new("bob")).await;
    let (first, second) = (stage.by_code().await, stage.by_code().await);
    assert_ne!(first, second);
    assert!(stage.sandbox.stats().max_connections(&stage.user.user_id) <= 1);
}

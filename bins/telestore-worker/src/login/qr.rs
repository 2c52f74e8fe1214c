//! By a QR code that a phone scans which is signed in: <https://core.telegram.org/api/qr-login>.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grammers_client::tl;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use tl::enums::auth::LoginToken;
use tl::functions::auth as f;
use tokio::time::{Instant, timeout};

use super::ask::say;
use super::failure::Failure;
use super::telegram::{Entered, Telegram, entered};

/// How long QR codes are shown before that is given up.
const PATIENCE: Duration = Duration::from_secs(600);

/// What the life of a code is taken for, at least and at most: Telegram's is half a minute, and this machine's clock may be
/// wrong.
const LIFE: (i64, i64) = (1, 30);

/// How often in a row an answer may be lost.
const LOST_MAX: u32 = 3;

pub(super) async fn sign_in(telegram: &mut Telegram) -> Result<Entered, Failure> {
    let end = Instant::now() + PATIENCE;
    let (mut lost, mut shown) = (0, 0);
    while Instant::now() < end {
        let (api_id, api_hash) = (telegram.application.api_id, telegram.application.api_hash.expose());
        let export = f::ExportLoginToken { api_id, api_hash: api_hash.to_owned(), except_ids: Vec::new() };
        let answer = match telegram.call(&export).await {
            Ok(LoginToken::MigrateTo(to)) => go_to(telegram, to).await,
            answer => answer,
        };
        match answer {
            Ok(LoginToken::Token(token)) => {
                lost = 0;
                shown = show(&token.token, shown);
                // Whatever is said or not, asking again tells.
                let _ = timeout(renewal(token.expires), telegram.scanned()).await;
            }
            Ok(LoginToken::Success(done)) => return entered(done.authorization),
            Ok(LoginToken::MigrateTo(_)) => {
                return Err(Failure::told("Telegram sends this login around in a circle"));
            }
            Err(failure) if failure.is("SESSION_PASSWORD_NEEDED") => return Ok(Entered::PasswordNeeded),
            // It was let in too late; the next one may be in time.
            Err(failure) if failure.is("AUTH_TOKEN_EXPIRED") || failure.is("AUTH_TOKEN_INVALID") => {}
            Err(Failure::Lost(text)) if lost < LOST_MAX => {
                lost += 1;
                say(&format!("{text}: trying again"));
            }
            Err(failure) => return Err(failure),
        }
    }
    Err(Failure::told(format!("nobody scanned the QR code in {} minutes", PATIENCE.as_secs() / 60)))
}

/// Takes a code that was scanned to the data centre of the account.
async fn go_to(
    telegram: &mut Telegram,
    to: tl::types::auth::LoginTokenMigrateTo,
) -> Result<LoginToken, Failure> {
    telegram.move_to(to.dc_id).await?;
    telegram.call(&f::ImportLoginToken { token: to.token }).await
}

/// How long a code is shown: two thirds of its life, so that a phone that scans it last has time to ask its owner.
fn renewal(expires: i32) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs().cast_signed());
    let life = (i64::from(expires) - now).clamp(LIFE.0, LIFE.1);
    Duration::from_secs(life.unsigned_abs()) * 2 / 3
}

/// Draws the code, in the place of an earlier one of so many lines if there is one. Gives the number of its lines.
fn show(token: &[u8], before: usize) -> usize {
    let link = format!("tg://login?token={}", URL_SAFE_NO_PAD.encode(token));
    let colours = stderr().is_terminal();
    let drawn = QrCode::new(&link).map(|code| draw(&code, colours)).unwrap_or_default();
    // No line may be longer than a terminal is wide: lines are counted below.
    let text = format!(
        "{drawn}\nScan this with a phone: Telegram, Settings, Devices, Link Desktop Device.\nOr open on it:\n{link}"
    );
    if colours && before > 0 {
        // Up to where the earlier one began, and away with it.
        say(&format!("\x1b[{before}A\x1b[J{text}"));
    } else {
        say(&text);
    }
    text.lines().count()
}

/// Two rows of the code in each line of text. In a terminal dark is black and light is white, whatever its colours are;
/// elsewhere the blocks are the light ones, since most screens of text are dark.
fn draw(code: &QrCode, colours: bool) -> String {
    let (dark, light) =
        if colours { (Dense1x2::Dark, Dense1x2::Light) } else { (Dense1x2::Light, Dense1x2::Dark) };
    let blocks = code.render::<Dense1x2>().dark_color(dark).light_color(light).quiet_zone(true).build();
    match colours {
        true => blocks.lines().map(|line| format!("\x1b[30;107m{line}\x1b[0m\n")).collect(),
        false => format!("{blocks}\n"),
    }
}

#[cfg(test)]
mod tests {
    use qrcode::Color;

    use super::*;

    /// The modules that a person sees, row by row, with the quiet zone of four around them.
    fn seen(drawn: &str, block: bool) -> Vec<Vec<bool>> {
        let halves = |line: &str, lower: bool| {
            let half = |c| match c {
                '█' => block,
                '▀' => block != lower,
                '▄' => block == lower,
                _ => !block,
            };
            line.chars().map(half).collect::<Vec<_>>()
        };
        drawn.lines().flat_map(|line| [halves(line, false), halves(line, true)]).collect()
    }

    #[test]
    fn what_is_drawn_is_the_code() {
        let code = QrCode::new("tg://login?token=AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA").unwrap();
        let width = code.width();
        for (drawn, block_is_dark) in [(draw(&code, false), false), (draw(&code, true), true)] {
            let plain = drawn.replace("\x1b[30;107m", "").replace("\x1b[0m", "");
            let rows = seen(&plain, block_is_dark);
            for (y, x) in (0..width).flat_map(|y| (0..width).map(move |x| (y, x))) {
                let dark = code[(x, y)] == Color::Dark;
                assert_eq!(rows[y + 4][x + 4], dark, "{x}, {y} of {width}");
            }
            assert!(rows[..4].iter().flatten().all(|dark| !dark), "a quiet zone");
        }
    }

    #[test]
    fn a_code_is_renewed_before_it_expires_whatever_the_clock_says() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i32;
        let of_thirty = renewal(now + 30);
        assert!(of_thirty <= Duration::from_secs(20) && of_thirty > Duration::from_secs(10), "{of_thirty:?}");
        assert_eq!(renewal(now + 100_000), Duration::from_secs(20));
        assert!(renewal(now - 100_000) > Duration::ZERO);
    }
}

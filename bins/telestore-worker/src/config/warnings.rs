//! What works, but is hardly what its writer meant.

use super::{stand_alone, tokens};
use crate::settings::{Settings, StandAloneSettings, definitions_of, misspelt, open_secret_files};

/// Fewer characters than a random token has that nobody guesses: 16 hexadecimal digits are 64 bits.
const SHORT: usize = 16;

/// What to tell the operator of these settings and these variables, in words that hold no value. `others` are variables
/// that the program knows beside the settings.
pub(crate) fn warnings(
    settings: &Settings,
    others: Vec<String>,
    environment: impl Iterator<Item = (String, String)>,
) -> Vec<String> {
    let environment: Vec<_> = environment.collect();
    let mut warnings = misspelt(&settings.origins, others, environment.iter().cloned());
    warnings.extend(open_secret_files(&settings.origins));
    warnings.extend(unused(settings));
    warnings.extend(guessable(settings));
    warnings.extend(odd(settings));
    warnings.extend(unheard(settings, &environment));
    warnings.extend(without_bot_api(settings));
    warnings
}

fn unused(settings: &Settings) -> Vec<String> {
    let origins = &settings.origins;
    let unused = match &settings.users.backend_url {
        Some(_) => {
            definitions_of::<StandAloneSettings>().into_iter().map(|setting| setting.variable).collect()
        }
        None => vec!["TELESTORE_WEBHOOK_SECRET".to_owned()],
    };
    let unused: Vec<String> =
        unused.iter().filter(|name| origins.has(name)).map(|name| origins.name(name)).collect();
    if unused.is_empty() {
        return Vec::new();
    }
    let unused = unused.join(", ");
    vec![if settings.users.backend_url.is_some() {
        let backend = origins.name("BACKEND_URL");
        format!(
            "{backend} is set, so settings for stand-alone use are not used: {unused}. Take out the one or the others"
        )
    } else {
        format!("{unused}: not used without BACKEND_URL, since no webhooks are sent in stand-alone use")
    }]
}

/// What was read otherwise than it was written, or may be wrong. What cannot be read is an error of its own.
fn odd(settings: &Settings) -> Vec<String> {
    if settings.users.backend_url.is_some() {
        return Vec::new();
    }
    let notes = stand_alone::credentials(&settings.stand_alone).map(|(_, notes)| notes).unwrap_or_default();
    notes.into_iter().map(|(setting, note)| format!("{} {note}", settings.origins.name(setting))).collect()
}

/// The variables by which other programs learn of a proxy.
const SYSTEM_PROXIES: [&str; 3] = ["https_proxy", "all_proxy", "http_proxy"];

/// A proxy that other programs obey, and the worker does not on its way to Telegram.
fn unheard(settings: &Settings, environment: &[(String, String)]) -> Option<String> {
    if settings.sending.telegram_proxy.is_some() {
        return None;
    }
    let set = |(name, value): &&(String, String)| {
        SYSTEM_PROXIES.iter().any(|known| name.eq_ignore_ascii_case(known)) && !value.is_empty()
    };
    let (name, _) = environment.iter().find(set)?;
    Some(format!(
        "{name} is not obeyed for Telegram, which is reached directly: set TELESTORE_TELEGRAM_PROXY to go through it"
    ))
}

fn without_bot_api(settings: &Settings) -> Option<String> {
    if settings.sending.bot_api().has_way() {
        return None;
    }
    let name = settings.origins.name("TELESTORE_TELEGRAM_PROXY");
    Some(format!(
        "{name} is an MTProxy, which carries no Bot API: all files go by MTProto, and those of users without a Telegram \
         session fail"
    ))
}

fn guessable(settings: &Settings) -> Vec<String> {
    if settings.users.backend_url.is_some() {
        return Vec::new();
    }
    let tokens = tokens::read(&settings.stand_alone).unwrap_or_default();
    let short = tokens.iter().filter(|token| token.secret.expose().chars().count() < SHORT);
    let warning = |token: &tokens::Token| {
        let (name, whose) = (settings.origins.name(token.setting), token.shown());
        format!(
            "{name}: {whose} has fewer than {SHORT} characters and may be guessed; take one of `openssl rand -hex 16`"
        )
    };
    short.map(warning).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Origin;
    use crate::settings::testing::written;

    #[test]
    fn settings_that_do_nothing_are_named_as_they_were_written() {
        let written = written(&[("backend_url", "http://b")]).with("bot_token", "hush", "--bot-token");
        let mut settings = Settings::read(&written).unwrap();
        settings.origins.set("BACKEND_URL", Origin::Variable);
        let told = warnings(&settings, Vec::new(), std::iter::empty());
        assert_eq!(told.len(), 1);
        assert!(
            told[0].starts_with("BACKEND_URL is set, ") && told[0].contains(": --bot-token. "),
            "{told:?}"
        );
    }
}

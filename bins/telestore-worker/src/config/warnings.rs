//! What works, but is hardly what its writer meant.

use super::suggest::suggest;
use super::{Origins, tokens};
use crate::cli::{Settings, names, other_variables};
use crate::stand_alone;

/// What the variables of the worker begin with.
const OURS: [&str; 2] = ["TELESTORE_", "TELEGRAM_"];

/// Settings that count without a backend only.
const STAND_ALONE: [&str; 7] = [
    "TELESTORE_BOT_TOKEN",
    "TELESTORE_CHANNEL_ID",
    "TELESTORE_TELEGRAM_SESSION",
    "TELESTORE_API_ID",
    "TELESTORE_API_HASH",
    "TELESTORE_AUTH_TOKENS",
    "TELESTORE_NAMED_TOKENS",
];

/// Fewer characters than a random token has that nobody guesses: 16 hexadecimal digits are 64 bits.
const SHORT: usize = 16;

/// What to tell the operator of these settings and these variables, in words that hold no value.
pub(crate) fn warnings(
    settings: &Settings,
    environment: impl Iterator<Item = (String, String)>,
) -> Vec<String> {
    let mut warnings = unknown(&settings.origins, environment);
    warnings.extend(unused(settings));
    warnings.extend(guessable(settings));
    warnings.extend(odd(settings));
    warnings
}

/// The variables of this process, as far as they are text.
pub(crate) fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn unknown(origins: &Origins, environment: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let known: Vec<String> =
        names().into_iter().map(|(variable, _)| variable).chain(other_variables()).collect();
    let is_known = |name: &str| known.iter().any(|known| known == name);
    let mut warnings = Vec::new();
    for (name, _) in environment.filter(|(name, value)| !is_known(name) && !is_service(name, value)) {
        let upper = name.to_ascii_uppercase();
        let meant = suggest(&name, known.iter().map(String::as_str));
        // Others' variables may look like ours by chance: only what is missing is looked for among them.
        let is_ours = OURS.iter().any(|prefix| upper.starts_with(prefix));
        let for_backend =
            upper.starts_with("BACKEND") && meant == Some("BACKEND_URL") && !origins.has("BACKEND_URL");
        if is_ours || for_backend {
            let hint = meant.map_or_else(String::new, |meant| format!(": did you mean {meant}?"));
            warnings.push(format!("{name} is not a setting, and is not used{hint}"));
        }
    }
    warnings.sort();
    warnings
}

/// Kubernetes and Docker tell of services that are called telestore by such variables.
fn is_service(name: &str, value: &str) -> bool {
    name.contains("_SERVICE_")
        || value.starts_with("tcp://")
        || value.starts_with("udp://")
        || name.contains("_TCP_")
}

fn unused(settings: &Settings) -> Vec<String> {
    let origins = &settings.origins;
    let named = |variables: &[&str]| -> Vec<String> {
        variables.iter().filter(|name| origins.has(name)).map(|name| origins.name(name)).collect()
    };
    let unused =
        named(if settings.backend_url.is_some() { &STAND_ALONE } else { &["TELESTORE_WEBHOOK_SECRET"] });
    if unused.is_empty() {
        return Vec::new();
    }
    let unused = unused.join(", ");
    vec![if settings.backend_url.is_some() {
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
    if settings.backend_url.is_some() {
        return Vec::new();
    }
    let notes = stand_alone::credentials(settings).map(|(_, notes)| notes).unwrap_or_default();
    notes.into_iter().map(|(setting, note)| format!("{} {note}", settings.origins.name(setting))).collect()
}

fn guessable(settings: &Settings) -> Vec<String> {
    if settings.backend_url.is_some() {
        return Vec::new();
    }
    let tokens = tokens::read(settings).unwrap_or_default();
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
    use crate::config::Origin;

    fn told(settings: &Settings, environment: &[(&str, &str)]) -> Vec<String> {
        let owned = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        warnings(settings, owned.collect::<Vec<_>>().into_iter())
    }

    #[test]
    fn variables_that_no_settings_are_are_told_with_what_was_meant() {
        for (name, meant) in [
            ("TELESTORE_BOT_TOKN", "TELESTORE_BOT_TOKEN"),
            ("TELEGRAM_BOT_TOKEN", "TELESTORE_BOT_TOKEN"),
            ("telestore_channel_id", "TELESTORE_CHANNEL_ID"),
            ("TELESTORE_PORT", "PORT"),
            ("TELESTORE_BACKEND_URL", "BACKEND_URL"),
            ("BACKEND_ULR", "BACKEND_URL"),
            ("TELESTORE_CHANNEL", "TELESTORE_CHANNEL_ID"),
        ] {
            let told = told(&Settings::default(), &[(name, "hush")]);
            assert_eq!(told, [format!("{name} is not a setting, and is not used: did you mean {meant}?")]);
        }
        let nothing_like_it = told(&Settings::default(), &[("TELESTORE_XYZZY", "hush")]);
        assert_eq!(nothing_like_it, ["TELESTORE_XYZZY is not a setting, and is not used"]);
        for (name, value) in [
            ("TELESTORE_BOT_TOKEN", "x"),
            ("TELESTORE_TOKEN", "x"),
            ("TELESTORE_CONFIG", "x"),
            ("PATH", "x"),
            ("PORTS", "x"),
            ("TELESTORE_PORT", "tcp://10.0.0.1:10000"),
            ("TELESTORE_PORT_10000_TCP_ADDR", "10.0.0.1"),
            ("TELESTORE_SERVICE_HOST", "10.0.0.1"),
        ] {
            assert_eq!(told(&Settings::default(), &[(name, value)]), [""; 0], "{name}");
        }
    }

    #[test]
    fn settings_that_do_nothing_are_named_as_they_were_written() {
        let mut settings = Settings { backend_url: Some("http://b".to_owned()), ..Settings::default() };
        settings.origins.set("BACKEND_URL", Origin::Variable);
        settings.origins.set("TELESTORE_BOT_TOKEN", Origin::Flag("--bot-token".to_owned()));
        let told = told(&settings, &[]);
        assert_eq!(told.len(), 1);
        assert!(
            told[0].starts_with("BACKEND_URL is set, ") && told[0].contains(": --bot-token. "),
            "{told:?}"
        );
    }
}

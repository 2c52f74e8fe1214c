//! Variables that are hardly what their writer meant, and files that others may read.

use super::suggest::suggest;
use super::{Origin, Origins, definitions};

/// What the variables of the worker begin with.
const OURS: [&str; 2] = ["TELESTORE_", "TELEGRAM_"];

/// The variables of this process, as far as they are text.
pub(crate) fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Says which variables are no settings, in words that hold no value. `others` are known, too, and no settings.
pub(crate) fn misspelt(
    origins: &Origins,
    others: Vec<String>,
    environment: impl Iterator<Item = (String, String)>,
) -> Vec<String> {
    let variables = definitions().into_iter().flat_map(|known| [Some(known.variable), known.file_variable]);
    let known: Vec<String> = variables.flatten().chain(others).collect();
    let is_known = |name: &str| known.iter().any(|known| known == name);
    let mut warnings = Vec::new();
    for (name, _) in environment.filter(|(name, value)| !is_known(name) && !is_service(name, value)) {
        let upper = name.to_ascii_uppercase();
        // Others' variables may look like ours by chance: only what is missing is looked for among them.
        let is_ours = OURS.iter().any(|prefix| upper.starts_with(prefix));
        let may_be_backend = upper.starts_with("BACKEND") && !origins.has("BACKEND_URL");
        if !is_ours && !may_be_backend {
            continue;
        }
        // Only secrets are read from files.
        let setting = name.strip_suffix("_FILE").filter(|name| is_known(name));
        let meant = setting.or_else(|| suggest(&name, known.iter().map(String::as_str)));
        if is_ours || meant == Some("BACKEND_URL") {
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

/// Says which files of secrets others than their owner may read.
pub(crate) fn open_secret_files(origins: &Origins) -> Vec<String> {
    let mut warnings: Vec<String> = origins.all().filter_map(open_secret_file).collect();
    warnings.sort();
    warnings
}

fn open_secret_file(origin: &Origin) -> Option<String> {
    match origin {
        Origin::SecretFile { variable, path, open_mode: Some(mode) } => {
            Some(format!("{variable}: {path} may be read by others (mode {mode:o}): chmod 600"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(environment: &[(&str, &str)]) -> Vec<String> {
        let owned = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let others = ["TELESTORE_CONFIG", "TELESTORE_TOKEN"].map(str::to_owned);
        misspelt(&Origins::default(), others.to_vec(), owned.collect::<Vec<_>>().into_iter())
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
            ("TELESTORE_BOT_TOKN_FILE", "TELESTORE_BOT_TOKEN_FILE"),
            ("TELESTORE_API_ID_FILE", "TELESTORE_API_ID"),
        ] {
            let told = told(&[(name, "hush")]);
            assert_eq!(told, [format!("{name} is not a setting, and is not used: did you mean {meant}?")]);
        }
        let nothing_like_it = told(&[("TELESTORE_XYZZY", "hush")]);
        assert_eq!(nothing_like_it, ["TELESTORE_XYZZY is not a setting, and is not used"]);
        for (name, value) in [
            ("TELESTORE_BOT_TOKEN", "x"),
            ("TELESTORE_BOT_TOKEN_FILE", "x"),
            ("TELESTORE_TOKEN", "x"),
            ("TELESTORE_CONFIG", "x"),
            ("PATH", "x"),
            ("PORTS", "x"),
            ("TELESTORE_PORT", "tcp://10.0.0.1:10000"),
            ("TELESTORE_PORT_10000_TCP_ADDR", "10.0.0.1"),
            ("TELESTORE_SERVICE_HOST", "10.0.0.1"),
        ] {
            assert_eq!(told(&[(name, value)]), [""; 0], "{name}");
        }
    }
}

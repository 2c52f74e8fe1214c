use crate::config::{ConfigError, bad};

/// Reads the origins whose pages may call: each a scheme, a host and perhaps a port, as browsers send them, or `*`.
pub(crate) fn read(text: &str) -> Result<Vec<String>, ConfigError> {
    let origins = text.split(',').map(str::trim).filter(|origin| !origin.is_empty());
    origins.map(checked).collect()
}

fn checked(origin: &str) -> Result<String, ConfigError> {
    // Apps have schemes of their own.
    let bare = |host: &str| !host.is_empty() && !host.contains(['/', '?', '#', ' ', '@']);
    let good = origin.split_once("://").is_some_and(|(scheme, host)| !scheme.is_empty() && bare(host));
    if origin == "*" || good {
        return Ok(origin.to_owned());
    }
    let message = format!("{origin} is no origin: write it as https://app.example, or * for all");
    Err(bad("TELESTORE_CORS_ORIGINS", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_what_browsers_send() {
        let origins = read("https://a.example, http://localhost:3000, capacitor://localhost,").unwrap();
        assert_eq!(origins, ["https://a.example", "http://localhost:3000", "capacitor://localhost"]);
        assert_eq!(read("*").unwrap(), ["*"]);
        for text in ["a.example", "https://a.example/", "https://a.example/app", "://a", "https://"] {
            let error = read(text).unwrap_err().to_string();
            assert!(
                error.starts_with("TELESTORE_CORS_ORIGINS: ") && error.contains("https://app.example"),
                "{error}"
            );
        }
    }
}

use std::str::FromStr;

/// The origins whose pages may call: each a scheme, a host and perhaps a port, as browsers send them, or `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CorsOrigins(pub(crate) Vec<String>);

impl FromStr for CorsOrigins {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let origins = text.split(',').map(str::trim).filter(|origin| !origin.is_empty());
        origins.map(checked).collect::<Result<_, _>>().map(Self)
    }
}

fn checked(origin: &str) -> Result<String, String> {
    // Apps have schemes of their own.
    let bare = |host: &str| !host.is_empty() && !host.contains(['/', '?', '#', ' ', '@']);
    let good = origin.split_once("://").is_some_and(|(scheme, host)| !scheme.is_empty() && bare(host));
    if origin == "*" || good {
        return Ok(origin.to_owned());
    }
    Err(format!("{origin} is no origin: write it as https://app.example, or * for all"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_what_browsers_send() {
        let read = |text: &str| text.parse::<CorsOrigins>().map(|CorsOrigins(origins)| origins);
        let origins = read("https://a.example, http://localhost:3000, capacitor://localhost,").unwrap();
        assert_eq!(origins, ["https://a.example", "http://localhost:3000", "capacitor://localhost"]);
        assert_eq!(read("*").unwrap(), ["*"]);
        for text in ["a.example", "https://a.example/", "https://a.example/app", "://a", "https://"] {
            let error = read(text).unwrap_err();
            assert!(error.contains("https://app.example"), "{error}");
        }
    }
}

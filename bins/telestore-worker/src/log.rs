mod json;

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use telestore::types::misleads;
use tokio::runtime::Handle;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

use self::json::Json;
use crate::settings::{LogFormat, LogSettings, Origins};

/// The worker's own lines from `info` on; of its libraries only what is wrong. An answer that broke off is told of where it is made,
/// with why, and not once more by the server that ends the connection.
const DEFAULT: &str = "warn,actix_http::h1::dispatcher=off,telestore=info,telestore_backend=info,\
                       telestore_http=info,telestore_sandbox=info,telestore_store=info,\
                       telestore_uploader=info,telestore_worker=info";

/// What has to be brought to its end before the process ends.
#[must_use]
pub(crate) struct Logging {
    #[cfg(feature = "otlp")]
    spans: Option<crate::otlp::Spans>,
}

impl Logging {
    /// Sends what is left, for a bounded time. Not to be called within the runtime.
    pub(crate) fn finish(self) {
        #[cfg(feature = "otlp")]
        if let Some(spans) = self.spans {
            spans.finish();
        }
    }
}

/// Logs to standard error from now on.
///
/// # Errors
/// Words for the operator, if a setting is not one.
pub(crate) fn init(settings: &LogSettings, origins: &Origins, runtime: &Handle) -> Result<Logging, String> {
    let lines =
        lines(settings.log_format).with_filter(filter(settings, origins)?.and(filter_fn(may_be_logged)));
    let subscriber = Registry::default().with(lines);
    #[cfg(feature = "otlp")]
    {
        let (layer, spans) = crate::otlp::layer(runtime)?.unzip();
        subscriber.with(layer).init();
        Ok(Logging { spans })
    }
    #[cfg(not(feature = "otlp"))]
    {
        let _ = runtime;
        subscriber.init();
        Ok(Logging {})
    }
}

fn lines<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    match format {
        LogFormat::Human => {
            let colours = io::stderr().is_terminal();
            fmt::layer().with_ansi(colours).with_writer(OneLine { colours }).boxed()
        }
        // JSON need not escape all that ends a line somewhere.
        LogFormat::Json => {
            let json = fmt::layer().json().event_format(Json);
            json.with_writer(OneLine { colours: false }).boxed()
        }
    }
}

fn filter(settings: &LogSettings, origins: &Origins) -> Result<EnvFilter, String> {
    match settings.log.as_deref().map(str::trim) {
        Some(filter) => no_level(filter)
            .map_or_else(|| EnvFilter::try_new(filter).map_err(|error| error.to_string()), Err)
            .map_err(|error| format!("{}: {error}", origins.name("TELESTORE_LOG"))),
        None => Ok(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT))),
    }
}

/// What is wrong with a word such as `warning`. The filter takes it for a target, and would let nothing else through, not
/// even errors.
fn no_level(filter: &str) -> Option<String> {
    let words =
        filter.split(',').map(str::trim).filter(|word| !word.is_empty() && !word.contains(['=', '[']));
    let is_level = |word: &str| word.parse::<LevelFilter>().is_ok();
    words.into_iter().any(|word| !is_level(word) && !word.starts_with("telestore")).then(|| {
        "expected a level (off, error, warn, info, debug or trace), or levels by target, such as telestore=debug"
            .to_owned()
    })
}

/// Libraries tell on their lower levels what goes over the wire, and with it bot tokens in URLs and tokens in headers. No
/// filter lets those through.
pub(crate) fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    let ours = metadata.target().starts_with("telestore");
    // The parent that another service named is for the collector.
    (ours || *metadata.level() <= Level::INFO) && metadata.target() != FOREIGN_PARENT
}

/// The target of spans that stand for a caller's.
pub(crate) const FOREIGN_PARENT: &str = "telestore_worker::foreign_parent";

/// Writes each event as one line: a control character in what a client, a backend or Telegram said must not make a second
/// one, nor move a terminal's cursor.
struct OneLine {
    /// Whether escape sequences are ours: the formatter takes them out of messages then.
    colours: bool,
}

impl<'a> MakeWriter<'a> for OneLine {
    type Writer = LineWriter;

    fn make_writer(&'a self) -> Self::Writer {
        LineWriter { colours: self.colours }
    }
}

/// Gets each event in one write.
struct LineWriter {
    colours: bool,
}

impl Write for LineWriter {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        io::stderr().write_all(one_line(&text, self.colours).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn one_line(event: &str, colours: bool) -> Cow<'_, str> {
    let dangerous = |c: char| misleads(c) && !(colours && c == '\x1b');
    let (line, end) = event.strip_suffix('\n').map_or((event, ""), |line| (line, "\n"));
    if !line.contains(dangerous) {
        return Cow::Borrowed(event);
    }
    let mut safe = String::with_capacity(event.len() + 16);
    for c in line.chars() {
        match c {
            // Escapes that JSON knows, too.
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            c if dangerous(c) => safe.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => safe.push(c),
        }
    }
    Cow::Owned(safe + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        assert!(matches!(one_line("plain ü\n", false), Cow::Borrowed(_)));
        assert_eq!(one_line("a\nb\r\u{85}c\u{2028}\td\n", false), "a\\nb\\r\\u0085c\\u2028\\td\n");
        assert_eq!(one_line("\x1b[2Jgone\n", false), "\\u001b[2Jgone\n");
        assert_eq!(one_line("invoice_\u{202e}fdp.exe\n", true), "invoice_\\u202efdp.exe\n");
        assert_eq!(one_line("\x1b[32m INFO\x1b[0m a\nb\n", true), "\x1b[32m INFO\x1b[0m a\\nb\n");
    }

    #[test]
    fn a_filter_that_is_none_is_told() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let settings = crate::settings::testing::settings(&[("log", "telestore=loud")]);
        let told = init(&settings.log, &settings.origins, runtime.handle()).err().unwrap();
        assert!(told.starts_with("TELESTORE_LOG: "), "{told}");
    }

    #[test]
    fn a_word_that_is_no_level_does_not_silence_the_log() {
        for wrong in ["warning", "verbose", "quiet,telestore=info", "hyper"] {
            assert!(no_level(wrong).is_some_and(|why| why.contains("off, error, warn")), "{wrong}");
        }
        for right in [
            "INFO",
            "debug",
            "3",
            "warn,telestore=debug",
            "telestore_uploader",
            "telestore[send]=trace",
            "off,",
        ] {
            assert_eq!(no_level(right), None, "{right}");
        }
    }
}

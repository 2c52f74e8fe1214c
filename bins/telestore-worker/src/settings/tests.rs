//! A setting is written once: all that follows from its field is looked at here, for every setting.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use clap::CommandFactory;

use super::definition::Fallback;
use super::*;
use crate::cli::{Cli, command};

/// Variables that do not begin with `TELESTORE_`: panels set the first, and others name the same thing for other programs.
const OTHERS: [(&str, &str); 3] =
    [("port", "PORT"), ("backend_url", "BACKEND_URL"), ("bot_api_url", "TELEGRAM_BOT_API_URL")];

/// Values that a setting may have, by what the help calls its value: a new setting of a known kind needs none of its own.
fn samples(definition: &Definition) -> Vec<String> {
    let sample = |kind: &str| match kind {
        "PORT" => "4711".to_owned(),
        "HOST" => "192.0.2.7".to_owned(),
        "FILE" | "DIR" => "some/where".to_owned(),
        "URL" => "http://192.0.2.7:1".to_owned(),
        "IP:PORT" => "192.0.2.7:443".to_owned(),
        "N" | "NUMBER" => "7".to_owned(),
        "BYTES" => "3 GiB".to_owned(),
        "TIME" => "31d".to_owned(),
        "ID" => "-1001".to_owned(),
        "FILTER" => "debug".to_owned(),
        "TEXT" | "TOKEN" => "some text".to_owned(),
        "PROXY,…" => "192.0.2.0/24,loopback".to_owned(),
        "NETWORK,…" => "192.0.2.0/24,public".to_owned(),
        "ORIGIN,…" => "https://a.example,https://b.example".to_owned(),
        "TOKEN,…" => "one,two".to_owned(),
        "NAME:TOKEN,…" => "a:one,b:two".to_owned(),
        "RECIPIENT,…" => telestore::age::Identity::generate().unwrap().recipient().to_string(),
        "TEMPLATE" => "<b>{fileName}</b> of {userId}".to_owned(),
        "PEM" => test_key(),
        word if word.chars().all(|c| c.is_ascii_lowercase()) => word.to_owned(),
        kind => panic!("{} has a new kind of value: give {kind} a sample", definition.flag),
    };
    definition.value.split('|').map(sample).collect()
}

/// A key of 2048 bits that nobody has the other half of.
fn test_key() -> String {
    let body = ["MIIBCgKCAQEA", &"wcHB".repeat(85), "wQIDAQAB"].concat();
    format!("-----BEGIN RSA PUBLIC KEY-----\n{body}\n-----END RSA PUBLIC KEY-----")
}

/// What is read, whatever it was called where it was written. Secrets are not shown, but whether there are any is.
fn read(written: &Written) -> String {
    let settings = Settings::read(written).unwrap_or_else(|error| panic!("{error}"));
    format!("{:?}", Settings { origins: Origins::default(), ..settings })
}

fn gather(flags: &[&str], environment: &[(&str, &str)], file: Option<&Path>) -> Written {
    let matches = command().try_get_matches_from(["telestore-worker"].iter().chain(flags)).unwrap();
    let environment: BTreeMap<_, _> = environment.iter().copied().collect();
    let environment = |name: &str| environment.get(name).map(OsString::from);
    Written::gather(&matches, environment, file).unwrap()
}

fn write(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    file
}

#[test]
fn every_setting_has_one_name_in_three_spellings() {
    let mut seen = BTreeSet::new();
    for Definition { key, flag, variable, .. } in definitions() {
        assert_eq!(flag, format!("--{}", key.replace('_', "-")));
        let usual = format!("TELESTORE_{}", key.to_ascii_uppercase());
        assert!(variable == usual || OTHERS.contains(&(&key, &variable)), "{key}: {variable}");
        assert!(seen.insert(variable.clone()) && seen.insert(key), "{variable} is there twice");
    }
    assert!(seen.len() > 100, "{seen:?}");
}

#[test]
fn every_setting_says_what_it_is_and_what_holds_without_it() {
    for setting in definitions() {
        let Definition { key, summary, heading, default, .. } = &setting;
        assert!(!summary.is_empty() && !summary.ends_with('.') && !heading.is_empty(), "{key}");
        assert!(!summary.contains("[default"), "{key} has a default in its help, and a value for it");
        match default {
            Fallback::Words(words) => assert!(!words.is_empty(), "the help of {key} names no default"),
            Fallback::Value(value) => {
                let set = gather(&[&format!("{}={value}", setting.flag)], &[], None);
                assert_eq!(read(&set), read(&Written::default()), "{key}");
            }
        }
    }
}

#[test]
fn every_setting_is_in_the_help_with_its_default_and_no_secret_is() {
    // Not wrapped: how wide a line may be depends on the terminal.
    let mut command = command().term_width(0);
    let (help, short) = (command.render_long_help().to_string(), command.render_help().to_string());
    for setting in definitions() {
        let (Fallback::Value(default) | Fallback::Words(default)) = &setting.default;
        let default = format!("[default: {default}]");
        for help in [&help, &short] {
            let (_, entry) = help.split_once(&format!("{} <{}>", setting.flag, setting.value)).unwrap();
            let entry = entry.split("\n      --").next().unwrap();
            assert!(entry.contains(&default), "{default} is not in {entry}");
            assert!(entry.contains(&format!("[env: {}", setting.variable)), "{entry}");
        }
        assert_eq!(
            setting.file_variable.as_ref().is_some_and(|variable| help.contains(variable)),
            setting.file_variable.is_some(),
        );
    }
    assert!(!help.contains("]("), "links are for Markdown");
    let hidden = arguments().into_iter().filter(|arg| arg.is_hide_env_values_set()).count();
    assert_eq!(hidden, definitions().iter().filter(|setting| setting.file_variable.is_some()).count());
}

#[test]
fn every_setting_can_be_written_in_each_place_and_is_read_the_same() {
    let nothing = read(&Written::default());
    for setting in definitions() {
        let mut read_values = BTreeSet::new();
        for value in samples(&setting) {
            let toml = write(&format!("{} = {value:?}\n", setting.key));
            let list: Vec<&str> = value.split(',').collect();
            let list = write(&format!("{} = {list:?}\n", setting.key));
            let secret = write(&format!("{value}\n"));
            let path = secret.path().to_str().unwrap();
            let mut ways = vec![
                gather(&[&setting.flag, &value], &[], None),
                gather(&[&format!("{}={value}", setting.flag)], &[], None),
                gather(&[], &[(&setting.variable, &value)], None),
                gather(&[], &[], Some(toml.path())),
            ];
            ways.extend(setting.is_list().then(|| gather(&[], &[], Some(list.path()))));
            ways.extend(setting.file_variable.as_ref().map(|name| gather(&[], &[(name, path)], None)));
            for written in ways {
                assert_eq!(written.text(&setting.key).as_deref(), Some(value.as_str()), "{}", setting.key);
                read_values.insert(read(&written));
            }
        }
        let of_each_value = samples(&setting).len();
        assert_eq!(read_values.len(), of_each_value, "{}: {read_values:?}", setting.key);
        assert!(read_values.iter().any(|read| *read != nothing), "{} changes nothing", setting.key);
    }
}

#[test]
fn every_place_goes_before_the_next() {
    for setting in definitions() {
        let values = samples(&setting);
        let value = values.first().unwrap();
        let (file, variable) = (write(&format!("{} = \"hush\"\n", setting.key)), setting.variable.as_str());
        let flag = format!("{}={value}", setting.flag);
        for (flags, environment) in [
            (vec![flag.as_str()], (variable, "hush")),
            (vec![], (variable, value)),
            (vec!["--port= "], (variable, value)),
        ] {
            let written = gather(&flags, &[environment], Some(file.path()));
            assert_eq!(written.text(&setting.key).as_ref(), Some(value), "{}", setting.key);
        }
        let written = gather(&[], &[(variable, "  ")], Some(file.path()));
        assert_eq!(written.text(&setting.key).as_deref(), Some("hush"), "empty variables are not set");
    }
}

#[test]
fn a_secret_is_in_its_variable_or_in_a_file_and_not_in_both() {
    let file = write("hush\r\n");
    let path = file.path().to_str().unwrap();
    let error = |environment: &[(&str, &str)]| {
        Settings::read(&gather(&[], environment, None)).unwrap_err().to_string()
    };
    for setting in definitions() {
        let Some(name) = &setting.file_variable else { continue };
        let read = gather(&[], &[(name, path)], None);
        assert_eq!(read.text(&setting.key).as_deref(), Some("hush"));
        assert_eq!(Settings::read(&read).unwrap().origins.name(&setting.variable), *name);
        let twice = error(&[(name, path), (&setting.variable, "hush")]);
        assert_eq!(twice, format!("{name}: {} is set, too: take out one of them", setting.variable));
        let missing = error(&[(name, "/nonexistent/secret")]);
        assert!(missing.starts_with(&format!("{name}: cannot read /nonexistent/secret: ")), "{missing}");
        let empty = write("\n");
        let empty = error(&[(name, empty.path().to_str().unwrap())]);
        assert!(empty.starts_with(name) && empty.ends_with(" is empty"), "{empty}");
        // A flag goes before the environment, whatever is in that.
        let flag =
            gather(&[&setting.flag, "flag"], &[(name, "/nonexistent"), (&setting.variable, "x")], None);
        assert_eq!(flag.text(&setting.key).as_deref(), Some("flag"));
    }
}

#[test]
#[cfg(unix)]
fn a_file_of_a_secret_that_others_may_read_is_told_without_a_word_of_it() {
    use std::os::unix::fs::PermissionsExt;
    let file = write("hush");
    let name = "TELESTORE_METRICS_TOKEN_FILE";
    let told = |mode| {
        fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
        let written = gather(&[], &[(name, file.path().to_str().unwrap())], None);
        open_secret_files(&Settings::read(&written).unwrap().origins)
    };
    assert_eq!(told(0o600), [""; 0]);
    let path = file.path().display();
    assert_eq!(told(0o644), [format!("{name}: {path} may be read by others (mode 644): chmod 600")]);
}

/// What holds settings, in the sources that use them: themselves, all of them, and the groups.
const HOLDERS: [&str; 11] = [
    "self",
    "settings",
    "server",
    "users",
    "data",
    "storage",
    "sending",
    "limits",
    "connections",
    "log",
    "watch",
];

/// The sources of the worker, without their tests.
fn sources(dir: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &sources(&path);
        } else if !path.ends_with("tests.rs") {
            let source = fs::read_to_string(&path).unwrap();
            text += source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        }
    }
    text
}

#[test]
fn every_setting_is_used() {
    // The compiler does not tell: what clap derives counts as a use.
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let words: BTreeSet<&str> =
        sources.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.')).collect();
    let uses: BTreeSet<(&str, &str)> =
        words.iter().flat_map(|word| word.split('.').zip(word.split('.').skip(1))).collect();
    for Definition { key, .. } in definitions() {
        assert!(HOLDERS.iter().any(|holder| uses.contains(&(holder, &key))), "nothing uses {key}");
    }
}

/// Where the tables stand in the document.
const MARKS: [&str; 2] =
    ["<!-- settings: made by the tests of the worker -->\n", "<!-- end of settings -->\n"];

/// The tables of all settings, in Markdown.
fn tables() -> String {
    let config = Cli::command();
    let config = config.get_arguments().find(|arg| arg.get_id() == "config").map(Definition::of).unwrap();
    let mut text = String::new();
    let mut heading = String::from("File");
    for setting in std::iter::once(config).chain(definitions()) {
        if text.is_empty() || (heading != setting.heading && !setting.heading.is_empty()) {
            heading = if text.is_empty() { heading } else { setting.heading.clone() };
            text += &format!("\n**{heading}**\n\n| name | default | meaning |\n| --- | --- | --- |\n");
        }
        text += &(row(&setting) + "\n");
    }
    text + "\n"
}

/// A row: name, default, meaning.
fn row(setting: &Definition) -> String {
    let default = match &setting.default {
        Fallback::Value(value) => format!("`{value}`"),
        Fallback::Words(words) => words.clone(),
    };
    let texts = [setting.summary.clone(), setting.details.clone(), setting.file_words()];
    let texts = texts.iter().map(|text| text.trim_end_matches('.')).filter(|text| !text.is_empty());
    let meaning = texts.collect::<Vec<_>>().join(". ").replace('|', "\\|");
    format!("| `{}` | {default} | {meaning} |", setting.variable)
}

#[test]
fn the_tables_in_the_operations_document_are_those_of_the_settings() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/OPERATIONS.md");
    let document = fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(MARKS[0]).unwrap();
    let (found, after) = rest.split_once(MARKS[1]).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, [before, MARKS[0], &tables(), MARKS[1], after].concat()).unwrap();
        return;
    }
    let cure = "UPDATE_DOCS=1 cargo test -p telestore-worker --lib operations";
    let (ours, theirs) = (tables(), found.to_owned());
    let different: Vec<_> = ours.lines().filter(|line| !theirs.lines().any(|other| other == *line)).collect();
    assert!(ours == theirs, "docs/OPERATIONS.md differs; run {cure}\nnot there: {different:#?}");
}

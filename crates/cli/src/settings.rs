//! What `serve` works with: the configuration as the component will read it, found and validated before anything starts,
//! the origin that holds, and the assurance that every secret is there.

use crate::failure::Failure;
use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use terrace_core::config::Config;
use url::Url;

/// The configuration that is read when none is named.
const DEFAULT_FILE: &str = "terrace.toml";

/// A configuration that can be served.
#[derive(Debug)]
pub struct Settings {
    /// The text, as the component reads it.
    pub text: String,
    /// What it says.
    pub config: Config,
    /// Where requests go.
    pub origin: Url,
}

impl Settings {
    /// The named file, else ./terrace.toml where it exists, else the defaults; `origin` stands over what they say.
    pub fn load(file: Option<&Path>, origin: Option<&str>) -> Result<Settings, Failure> {
        let (text, mut config) = match file {
            Some(file) => read(file)?,
            None if Path::new(DEFAULT_FILE).exists() => read(Path::new(DEFAULT_FILE))?,
            None if origin.is_none() => {
                return Err(Failure::usage(format!(
                    "no origin: there is no ./{DEFAULT_FILE}; say where requests go with --origin URL, or name a \
                     configuration with --config FILE"
                )));
            }
            None => parse(String::new(), DEFAULT_FILE)?,
        };
        if let Some(origin) = origin {
            config.set_origin(origin).map_err(|why| Failure::usage(format!("--origin: {why}")))?;
        }
        let Some(origin) = config.origin.url.clone() else {
            return Err(Failure::usage(
                "no origin: the configuration has no origin.url; say where requests go with --origin URL",
            ));
        };
        Ok(Settings { text, config, origin })
    }

    /// Fails where the configuration names a secret that the environment does not have.
    pub fn require_secrets(&self) -> Result<(), Failure> {
        require_secrets(self.config.secrets(), |name| env::var(name).is_ok_and(|value| !value.is_empty()))
    }
}

/// The file's text and what it says.
pub fn read(file: &Path) -> Result<(String, Config), Failure> {
    let name = file.display();
    let text = fs::read_to_string(file).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure::no(format!("{name} does not exist")),
        ErrorKind::InvalidData => Failure::no(format!("{name} is not UTF-8 text, as TOML has to be")),
        _ => Failure::no(format!("cannot read {name}: {error}")),
    })?;
    parse(text, &name.to_string())
}

fn parse(text: String, name: &str) -> Result<(String, Config), Failure> {
    let config = Config::parse(&text, name).map_err(|errors| Failure::Places(errors.to_string()))?;
    Ok((text, config))
}

/// A secret is in the environment under its name in capitals, with or without `SPIN_VARIABLE_` before it: as the host looks.
fn require_secrets<'a>(names: impl IntoIterator<Item = &'a str>, is_set: impl Fn(&str) -> bool) -> Result<(), Failure> {
    let missing: Vec<String> = names
        .into_iter()
        .map(str::to_ascii_uppercase)
        .filter(|name| !is_set(&format!("SPIN_VARIABLE_{name}")) && !is_set(name))
        .collect();
    match missing.as_slice() {
        [] => Ok(()),
        [name] => Err(Failure::no(format!(
            "the configuration names the secret {name}, which is not in the environment: set {name} (or SPIN_VARIABLE_{name})"
        ))),
        names => Err(Failure::no(format!(
            "the configuration names secrets that are not in the environment: set {} (or the same with SPIN_VARIABLE_ before)",
            names.join(", ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_given_stands_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("terrace.toml");
        fs::write(&file, "[origin]\nurl = \"https://a.example\"\n").unwrap();
        let origin = |given| Settings::load(Some(&file), given).unwrap().origin.to_string();
        assert_eq!(origin(None), "https://a.example/");
        assert_eq!(origin(Some("https://b.example")), "https://b.example/");
        for bad in ["", "api.example.org", "ftp://x", "http://", "http://u:p@x", "http://x/?q", "unix:/run/x"] {
            let refused = Settings::load(Some(&file), Some(bad));
            assert!(matches!(&refused, Err(Failure::Usage(why)) if why.starts_with("--origin: ")), "{bad}");
        }
    }

    #[test]
    fn without_any_origin_it_is_a_question_of_usage() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("terrace.toml");
        fs::write(&file, "").unwrap();
        assert!(matches!(Settings::load(Some(&file), None), Err(Failure::Usage(_))));
    }

    #[test]
    fn a_file_that_cannot_be_read_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let absent = folder.path().join("absent.toml");
        assert!(matches!(read(&absent), Err(Failure::No(why)) if why.ends_with("absent.toml does not exist")));
        let binary = folder.path().join("binary.toml");
        fs::write(&binary, [0xff, 0xfe]).unwrap();
        assert!(matches!(read(&binary), Err(Failure::No(why)) if why.contains("not UTF-8")));
    }

    #[test]
    fn secrets_are_looked_for_by_both_names() {
        let has = |name: &'static str| move |asked: &str| asked == name;
        assert_eq!(require_secrets(["KEY"], has("KEY")), Ok(()));
        assert_eq!(require_secrets(["KEY"], has("SPIN_VARIABLE_KEY")), Ok(()));
        assert_eq!(require_secrets(["key"], has("KEY")), Ok(()));
        assert_eq!(require_secrets([], has("KEY")), Ok(()));
        let Err(Failure::No(why)) = require_secrets(["KEY", "OTHER", "THIRD"], has("KEY")) else { panic!() };
        assert!(why.contains("set OTHER, THIRD"), "{why}");
        let Err(Failure::No(why)) = require_secrets(["KEY"], has("OTHER")) else { panic!() };
        assert!(why.contains("set KEY (or SPIN_VARIABLE_KEY)"), "{why}");
    }
}

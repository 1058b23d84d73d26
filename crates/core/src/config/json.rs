//! A validated configuration as JSON: how a build hands it to a host in which reading TOML would cost too much.

use super::Config;

impl Config {
    /// As JSON, for [`Self::from_json`] of the same build of this crate. Values of secrets are not in it, their names are.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// What [`Self::to_json`] wrote. Nothing is validated again. Fails where another version wrote it; the configuration is then to be
    /// built again from the file.
    pub fn from_json(text: &str) -> Result<Config, serde_json::Error> {
        serde_json::from_str(text)
    }
}

//! Spin's variables: what the options say, else the environment.
use crate::bindings::spin::variables::variables as wit;
use crate::guest::{Guest, Spin};
use std::collections::BTreeMap;
use wasmtime::component::Accessor;

/// An error for the guest, or a trap.
pub type Failure = wasmtime_wasi::TrappableError<wit::Error>;

/// The variables. The environment is read when a name is asked for, and only for that name.
#[derive(Debug, Default)]
pub struct Variables {
    overrides: BTreeMap<String, String>,
}

impl Variables {
    /// Variables that take precedence over the environment.
    pub fn new(overrides: BTreeMap<String, String>) -> Self {
        Variables { overrides }
    }

    /// The value of `name`, an identifier as Spin has them: lower case, digits, `_`.
    pub fn get(&self, name: &str) -> Result<String, wit::Error> {
        let well_formed = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !well_formed {
            return Err(wit::Error::InvalidName(format!(
                "{name:?}: use lower-case letters, digits and _, beginning with a letter"
            )));
        }
        if let Some(value) = self.overrides.get(name) {
            return Ok(value.clone());
        }
        let upper = name.to_ascii_uppercase();
        std::env::var(format!("SPIN_VARIABLE_{upper}"))
            .or_else(|_| std::env::var(&upper))
            .map_err(|_| wit::Error::Undefined(name.to_owned()))
    }
}

impl wit::Host for Guest {
    fn convert_error(&mut self, error: Failure) -> wasmtime::Result<wit::Error> {
        error.downcast()
    }
}

impl<T: Send> wit::HostWithStore<T> for Spin {
    async fn get(accessor: &Accessor<T, Self>, name: String) -> Result<String, Failure> {
        accessor.with(|mut access| access.get().shared.variables.get(&name)).map_err(Failure::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_come_before_the_environment() {
        let variables = Variables::new([("path".into(), "mine".into())].into());
        assert_eq!(variables.get("path").expect("set"), "mine");
        let variables = Variables::default();
        assert_eq!(variables.get("path").ok(), std::env::var("PATH").ok());
        assert!(matches!(
            variables.get("no_such_variable_here"),
            Err(wit::Error::Undefined(name)) if name == "no_such_variable_here"
        ));
    }

    #[test]
    fn a_name_that_is_none_is_said_to_be_none() {
        for name in ["", "PATH", "a-b", "1a", "a=b", "é"] {
            let got = Variables::default().get(name);
            assert!(matches!(got, Err(wit::Error::InvalidName(_))), "{name:?}");
        }
    }
}

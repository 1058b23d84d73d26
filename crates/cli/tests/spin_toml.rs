//! spin.toml says what Spin needs, and nothing that the rest of the repository contradicts.

use std::fs;
use std::path::{Path, PathBuf};
use terrace_core::config::Config;
use toml::{Table, Value};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn manifest() -> Table {
    fs::read_to_string(root().join("spin.toml")).unwrap().parse().unwrap()
}

fn component() -> Table {
    manifest()["component"]["terrace"].as_table().unwrap().clone()
}

fn terrace_toml() -> Config {
    let text = fs::read_to_string(root().join("terrace.toml")).unwrap();
    Config::parse(&text, "terrace.toml").unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn the_keys_are_those_spin_reads() {
    let manifest = manifest();
    assert_eq!(manifest["spin_manifest_version"].as_integer(), Some(2));
    let trigger = &manifest["trigger"]["http"].as_array().unwrap()[0];
    assert_eq!(trigger["route"].as_str(), Some("/..."));
    assert_eq!(trigger["component"].as_str(), Some("terrace"));

    // Spin refuses a key that it does not know.
    let known = |table: &Table, keys: &[&str]| table.keys().all(|key| keys.contains(&key.as_str()));
    assert!(known(&manifest, &["spin_manifest_version", "application", "variables", "trigger", "component"]));
    let component = component();
    assert!(known(
        &component,
        &["source", "files", "key_value_stores", "sqlite_databases", "allowed_outbound_hosts", "variables", "build"]
    ));
    for key in ["key_value_stores", "sqlite_databases"] {
        assert_eq!(component[key], Value::from(vec!["default"]), "{key}");
    }
    assert_eq!(component["allowed_outbound_hosts"], Value::from(vec!["{{ origin_url }}"]));
}

#[test]
fn the_source_is_what_the_build_makes() {
    let component = component();
    let command = component["build"]["command"].as_str().unwrap();
    let words: Vec<&str> = command.split(' ').collect();
    assert_eq!(words[..3], ["cargo", "build", "--locked"]);
    let after = |flag| words[words.iter().position(|word| *word == flag).unwrap() + 1];
    let (target, profile, package) = (after("--target"), after("--profile"), after("--package"));
    let made = format!("target/{target}/{profile}/{}.wasm", package.replace('-', "_"));
    assert_eq!(component["source"].as_str(), Some(made.as_str()));

    let toml = |path: &str| -> Table { fs::read_to_string(root().join(path)).unwrap().parse().unwrap() };
    let guest = toml("edge/spin/Cargo.toml");
    assert_eq!(guest["package"]["name"].as_str(), Some(package));
    assert_eq!(guest["lib"]["crate-type"], Value::from(vec!["cdylib"]));
    assert!(guest["lib"].get("name").is_none(), "the artifact has the package's name");
    assert!(toml("Cargo.toml")["profile"].get(profile).is_some());
}

#[test]
fn the_component_reads_the_configuration_of_the_repository() {
    let mounts = component()["files"].as_array().unwrap().clone();
    let [mount] = mounts.as_slice() else { panic!("{mounts:?}") };
    assert_eq!(mount["source"].as_str(), Some("terrace.toml"));
    assert_eq!(mount["destination"].as_str(), Some("/terrace.toml"));
}

#[test]
fn variables_agree_with_the_configuration() {
    let (manifest, config) = (manifest(), terrace_toml());
    let variables = manifest["variables"].as_table().unwrap();
    let given = component()["variables"].as_table().unwrap().clone();

    // The variable stands over the file, so two different origins would be a trap.
    let origin = variables["origin_url"]["default"].as_str().unwrap();
    assert_eq!(config.origin.url, Some(origin.parse().unwrap()));
    // Spin takes no path in allowed_outbound_hosts, not even "/".
    assert!(!origin.split_once("://").unwrap().1.contains('/'));

    for secret in config.secrets().map(str::to_ascii_lowercase) {
        let variable = &variables[&secret];
        assert_eq!(variable["required"].as_bool(), Some(true), "{secret}");
        assert_eq!(variable["secret"].as_bool(), Some(true), "{secret}");
    }
    // What the component may read is exactly what there is, by the same name.
    assert_eq!(given.keys().collect::<Vec<_>>(), variables.keys().collect::<Vec<_>>());
    for (name, value) in &given {
        assert_eq!(value.as_str(), Some(format!("{{{{ {name} }}}}").as_str()));
    }
}

//! Builds the Spin component with a nested cargo, so that `cargo build` of the program is all that a
//! newcomer runs. `TERRACE_GUEST_WASM` names a prebuilt component instead.
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

const PACKAGE: &str = "terrace-spin";
const TARGET: &str = "wasm32-wasip2";
const PREBUILT: &str = "TERRACE_GUEST_WASM";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={PREBUILT}");
    let wasm = match env::var_os(PREBUILT) {
        Some(path) => prebuilt(Path::new(&path)),
        None => nested_build(),
    };
    println!("cargo::rustc-env=TERRACE_GUEST_PATH={}", wasm.display());
}

fn prebuilt(path: &Path) -> PathBuf {
    let path = path.canonicalize().unwrap_or_else(|e| {
        fail(&format!(
            "{PREBUILT} names {}, which cannot be read: {e}. Unset it to build the component here.",
            path.display()
        ))
    });
    println!("cargo::rerun-if-changed={}", path.display());
    path
}

fn nested_build() -> PathBuf {
    let root = PathBuf::from(var("CARGO_MANIFEST_DIR")).join("../..");
    let root = root.canonicalize().unwrap_or(root);
    for path in ["edge/spin", "crates/core", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
    ensure_target(&root);

    // A target folder of its own: the outer cargo holds the lock of the main one.
    let out = PathBuf::from(var("OUT_DIR"));
    let target = out.ancestors().nth(4).map_or_else(|| out.join("guest"), |t| t.join("guest"));
    let mut cargo = Command::new(var("CARGO"));
    cargo
        .current_dir(&root)
        .args(["build", "--locked", "--profile=guest"])
        .args(["--package", PACKAGE, "--target", TARGET])
        .arg("--target-dir")
        .arg(&target);
    if env::var("CARGO_NET_OFFLINE").as_deref() == Ok("true") {
        cargo.arg("--offline");
    }
    strip_environment(&mut cargo);
    match cargo.status() {
        Ok(status) if status.success() => {}
        Ok(_) => fail(&format!(
            "the component did not build; its errors are above. To see them alone: \
             cargo build --package {PACKAGE} --profile guest --target {TARGET}"
        )),
        Err(e) => {
            fail(&format!("cannot run cargo for the component: {e}. Build it by hand and name it in {PREBUILT}."))
        }
    }
    let wasm = target.join(TARGET).join("guest").join(format!("{}.wasm", PACKAGE.replace('-', "_")));
    if !wasm.is_file() {
        fail(&format!(
            "the component was built but {} is not there; edge/spin must be a cdylib named {PACKAGE}.",
            wasm.display()
        ));
    }
    wasm
}

/// Flags meant for the native build (sanitizers, linkers, coverage) must not leak into the wasm build.
fn strip_environment(cargo: &mut Command) {
    const KEEP: [&str; 3] = ["CARGO", "CARGO_HOME", "CARGO_NET_OFFLINE"];
    const KEEP_PREFIX: [&str; 4] = ["CARGO_HTTP", "CARGO_REGISTR", "CARGO_NET", "CARGO_SOURCE"];
    const DROP: [&str; 11] = [
        "RUSTFLAGS",
        "RUSTC",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTDOC",
        "TARGET",
        "HOST",
        "PROFILE",
        "OPT_LEVEL",
        "DEBUG",
        "OUT_DIR",
    ];
    for (key, _) in env::vars_os() {
        let Some(key) = key.to_str() else { continue };
        let kept = KEEP.contains(&key) || KEEP_PREFIX.iter().any(|p| key.starts_with(p));
        if (key.starts_with("CARGO") && !kept) || DROP.contains(&key) {
            cargo.env_remove(key);
        }
    }
}

/// rustup installs the targets of `rust-toolchain.toml` by itself, unless `RUSTUP_AUTO_INSTALL=0`.
fn ensure_target(root: &Path) {
    if target_libdir(root).is_some_and(|dir| dir.is_dir()) {
        return;
    }
    let mut rustup = Command::new("rustup");
    rustup.current_dir(root).args(["target", "add", TARGET]).stdout(std::process::Stdio::null());
    // The toolchain in use, which a `cargo +name` may have set against rust-toolchain.toml.
    if let Some(toolchain) = env::var_os("RUSTUP_TOOLCHAIN") {
        rustup.arg("--toolchain").arg(toolchain);
    }
    let added = rustup.status().is_ok_and(|s| s.success());
    if !added || !target_libdir(root).is_some_and(|dir| dir.is_dir()) {
        fail(&format!(
            "the Rust target {TARGET} is missing and could not be added. Run: rustup target add {TARGET} \
             (or name a prebuilt component in {PREBUILT})"
        ));
    }
}

fn target_libdir(root: &Path) -> Option<PathBuf> {
    let out = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .current_dir(root)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .ok()?;
    Some(PathBuf::from(String::from_utf8(out.stdout).ok()?.trim().to_owned()))
}

fn var(name: &str) -> std::ffi::OsString {
    env::var_os(name).unwrap_or_else(|| fail(&format!("{name} is not set; run this through cargo")))
}

fn fail(message: &str) -> ! {
    println!("cargo::error={message}");
    exit(1)
}

//! Machine code, compiled once and kept in the user's cache folder: a start takes milliseconds instead
//! of most of a second.
//!
//! A file is named after what it was made from (component, engine settings, wasmtime's version) and
//! begins with a checksum of the rest. Whatever is wrong with it, the component is compiled again.
use crate::deserialize;
use crate::error::Error;
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use wasmtime::Engine;
use wasmtime::component::Component;

const CHECKSUM: usize = blake3::OUT_LEN;

/// The component, from the cache or freshly compiled.
pub fn load(engine: &Engine, wasm: &[u8]) -> Result<Component, Error> {
    load_in(engine, wasm, cache_folder().as_deref())
}

fn load_in(engine: &Engine, wasm: &[u8], folder: Option<&Path>) -> Result<Component, Error> {
    let file = folder.and_then(private_folder).map(|folder| folder.join(format!("{}.cwasm", name(engine, wasm))));
    if let Some(file) = &file
        && let Some(code) = read(file)
        && let Ok(component) = deserialize::component(engine, &code)
    {
        return Ok(component);
    }
    let failed = |e: wasmtime::Error| Error::Compile(format!("{e:#}"));
    match file {
        Some(file) => {
            tracing::info!(
                "compiling the component, which takes seconds; the next start finds it in {}",
                file.display()
            );
            let code = engine.precompile_component(wasm).map_err(failed)?;
            let component = deserialize::component(engine, &code).map_err(failed)?;
            // A cache that cannot be written costs time at the next start, nothing else.
            let _ = write(&file, &code);
            Ok(component)
        }
        None => Component::new(engine, wasm).map_err(failed),
    }
}

fn cache_folder() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    Some(base.join("terrace"))
}

/// The folder, if it is (or was just made) ours alone: what lies in it will be run as machine code.
fn private_folder(path: &Path) -> Option<PathBuf> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).ok()?;
    }
    let _ = std::fs::DirBuilder::new().mode(0o700).create(path);
    let meta = std::fs::symlink_metadata(path).ok()?;
    let ours = meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & 0o077 == 0;
    ours.then(|| path.to_owned())
}

fn name(engine: &Engine, wasm: &[u8]) -> String {
    struct Key(blake3::Hasher);
    impl Hasher for Key {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut key = Key(blake3::Hasher::new());
    // Settings, target and wasmtime's version are all in this hash.
    engine.precompile_compatibility_hash().hash(&mut key);
    key.0.update(&(wasm.len() as u64).to_le_bytes());
    key.0.update(wasm);
    key.0.finalize().to_hex()[..32].to_owned()
}

fn read(file: &Path) -> Option<Vec<u8>> {
    // Not through a symbolic link, which could lead out of the private folder.
    let fd = rustix::fs::open(file, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut bytes = Vec::new();
    File::from(fd).read_to_end(&mut bytes).ok()?;
    let (checksum, code) = bytes.split_at_checked(CHECKSUM)?;
    (blake3::hash(code).as_bytes() == checksum).then(|| code.to_vec())
}

fn write(file: &Path, code: &[u8]) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    temporary.write_all(blake3::hash(code).as_bytes())?;
    temporary.write_all(code)?;
    temporary.persist(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn only_file(folder: &Path) -> PathBuf {
        let mut entries = std::fs::read_dir(folder).expect("folder");
        let file = entries.next().expect("one file").expect("entry").path();
        assert!(entries.next().is_none(), "more than one file");
        file
    }

    #[test]
    fn a_broken_file_is_replaced() {
        let engine = crate::engine::engine().expect("engine");
        let wasm = wasm();
        let base = tempfile::tempdir().expect("folder");
        let folder = base.path().join("terrace");
        load_in(&engine, &wasm, Some(&folder)).expect("first");
        let file = only_file(&folder);
        let good = std::fs::read(&file).expect("written");
        assert!(read(&file).is_some());

        let mut bad = good.clone();
        let last = bad.len() - 1;
        bad[last] ^= 1;
        for broken in [&bad[..], &good[..20], b""] {
            std::fs::write(&file, broken).expect("break it");
            assert!(read(&file).is_none());
            load_in(&engine, &wasm, Some(&folder)).expect("compiled again");
            assert_eq!(std::fs::read(&file).expect("rewritten"), good);
        }
    }

    #[test]
    fn a_folder_others_can_reach_is_not_used() {
        let base = tempfile::tempdir().expect("folder");
        let open = base.path().join("open");
        std::fs::create_dir(&open).expect("made");
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).expect("opened");
        assert!(private_folder(&open).is_none());
        let link = base.path().join("link");
        std::os::unix::fs::symlink(base.path(), &link).expect("linked");
        assert!(private_folder(&link).is_none());
        assert!(private_folder(&base.path().join("new")).is_some());
        let engine = crate::engine::engine().expect("engine");
        load_in(&engine, &wasm(), Some(&open)).expect("still runs");
        assert_eq!(std::fs::read_dir(&open).expect("read").count(), 0);
    }

    /// The smallest component: magic, version, layer. (No text format: that feature is not built.)
    fn wasm() -> Vec<u8> {
        vec![0, b'a', b's', b'm', 0x0d, 0, 1, 0]
    }
}

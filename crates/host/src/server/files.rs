//! The guest's files, in a private folder that goes with the server.
use crate::error::Error;
use std::path::{Component, Path};
use tempfile::TempDir;

/// The folder the guest sees as `/`.
pub struct Files(TempDir);

impl Files {
    /// Writes `files` (guest path, contents) to a new folder that only this user may enter.
    pub fn lay_out(files: &[(String, Vec<u8>)]) -> Result<Self, Error> {
        let folder = tempfile::Builder::new().prefix("terrace-").tempdir().map_err(Error::Files)?;
        for (guest_path, contents) in files {
            let inside = relative(guest_path).ok_or_else(|| Error::FilePath(guest_path.clone()))?;
            let path = folder.path().join(inside);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(Error::Files)?;
            }
            std::fs::write(path, contents).map_err(Error::Files)?;
        }
        Ok(Files(folder))
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

fn relative(guest_path: &str) -> Option<&Path> {
    let path = Path::new(guest_path.strip_prefix('/')?);
    let plain = path.components().all(|c| matches!(c, Component::Normal(_)));
    (plain && path.file_name().is_some()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_where_the_guest_looks_and_gone_afterwards() {
        let files = Files::lay_out(&[("/terrace.toml".into(), b"a".to_vec()), ("/deep/er/file".into(), b"b".to_vec())])
            .expect("laid out");
        let path = files.path().to_owned();
        assert_eq!(std::fs::read(path.join("terrace.toml")).expect("read"), b"a");
        assert_eq!(std::fs::read(path.join("deep/er/file")).expect("read"), b"b");
        drop(files);
        assert!(!path.exists());
    }

    #[test]
    fn a_path_that_leaves_the_folder_is_refused() {
        for path in ["", "/", "a", "/../a", "/a/../../b", "//etc/passwd"] {
            let files = [(path.to_owned(), Vec::new())];
            assert!(matches!(Files::lay_out(&files), Err(Error::FilePath(_))), "{path:?}");
        }
    }
}

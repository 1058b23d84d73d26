//! Where a database lives when nobody says where: the user's data directory.

use crate::failure::Failure;
use std::env;
use std::path::PathBuf;

/// The file that is named, else `name` in the user's data directory, which is made. The folder of a file that is named must be there:
/// a slip in its path is not to become an empty cache elsewhere.
pub fn database(named: Option<PathBuf>, name: &str) -> Result<PathBuf, Failure> {
    if let Some(path) = named {
        return Ok(path);
    }
    let folder = default_dir(|key| env::var_os(key).map(PathBuf::from)).ok_or_else(|| {
        Failure::no("neither XDG_DATA_HOME nor HOME is set: say where L2 lives with --l2 sqlite:PATH")
    })?;
    let no = |why| format!("cannot make {}: {why}. Say where L2 lives with --l2 sqlite:PATH", folder.display());
    std::fs::create_dir_all(&folder).map_err(|why| Failure::no(no(why)))?;
    Ok(folder.join(name))
}

/// The XDG base directory specification: a relative XDG_DATA_HOME is to be ignored.
fn default_dir(env: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let absolute = |key| env(key).filter(|path| path.is_absolute());
    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .map(|data| data.join("terrace"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_follows_xdg() {
        let dir = |xdg: Option<&str>, home: Option<&str>| {
            default_dir(|key| if key == "HOME" { home } else { xdg }.map(PathBuf::from))
        };
        assert_eq!(dir(Some("/x"), Some("/h")), Some("/x/terrace".into()));
        assert_eq!(dir(None, Some("/h")), Some("/h/.local/share/terrace".into()));
        assert_eq!(dir(Some("x"), Some("/h")), Some("/h/.local/share/terrace".into()));
        assert_eq!(dir(None, None), None);
    }

    #[test]
    fn what_is_named_is_taken() {
        assert_eq!(database(Some("a.db".into()), "b.db"), Ok("a.db".into()));
    }
}

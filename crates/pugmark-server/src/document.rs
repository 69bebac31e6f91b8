//! One JSON document on disk, replaced whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why the server's state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file or folder of the state cannot be used.
    #[error("cannot use `{}`: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file is not as it was written.
    #[error("`{}` is damaged: {error}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Where.
        error: serde_json::Error,
    },
}

impl StateError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> StateError + '_ {
        |error| StateError::Io { path: path.to_owned(), error }
    }
}

/// Reads the document at `path`; none is the default.
pub(crate) fn load<T: DeserializeOwned + Default>(path: &Path) -> Result<T, StateError> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|error| StateError::Damaged { path: path.to_owned(), error }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(T::default()),
        Err(error) => Err(StateError::io(path)(error)),
    }
}

/// Writes `document` to `path`: after a crash there is the old one or this one.
pub(crate) fn save<T: Serialize>(path: &Path, document: &T) -> Result<(), StateError> {
    let bytes = serde_json::to_vec_pretty(document)
        .map_err(|error| StateError::Damaged { path: path.to_owned(), error })?;
    replace(path, &bytes).map_err(StateError::io(path))
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let draft = path.with_extension("new");
    let mut file = File::create(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    sync_folder(folder)
}

/// Makes what was created, renamed or removed in a folder last.
#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Folders cannot be opened there; renames last by themselves.
#[cfg(not(unix))]
pub(crate) fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.json");
        assert_eq!(load::<Vec<u32>>(&path).unwrap(), Vec::<u32>::new());
        save(&path, &vec![1, 2]).unwrap();
        assert_eq!(load::<Vec<u32>>(&path).unwrap(), vec![1, 2]);
    }

    #[test]
    fn a_damaged_document_is_told_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.json");
        fs::write(&path, "[1,").unwrap();
        assert!(matches!(load::<Vec<u32>>(&path), Err(StateError::Damaged { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"[1,");
    }
}

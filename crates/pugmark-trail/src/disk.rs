//! The few things that the trail asks of a disk, and the disk of this machine.
//!
//! Paths are relative to one directory that one process owns. What a method
//! promises to be durable is durable when it returns.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// One directory, as the trail needs it.
pub trait Disk: Send + Sync {
    /// Names in a folder, sorted; none if there is no such folder.
    fn names(&self, folder: &str) -> io::Result<Vec<String>>;
    /// A whole file.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;
    /// Opens a file to append to. If it is new, its name is durable.
    fn append(&self, path: &str) -> io::Result<Box<dyn Appender>>;
    /// Puts a whole file in place, durable, readable by its owner alone: the
    /// old one or the new one is there, nothing between.
    fn replace(&self, path: &str, bytes: &[u8]) -> io::Result<()>;
    /// Cuts a file to `bytes`, durable.
    fn truncate(&self, path: &str, bytes: u64) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &str) -> io::Result<()>;
}

/// A file that only grows.
pub trait Appender: Send {
    /// Adds bytes at the end, not yet durable.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes all that was written durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// A directory of this machine, locked against a second process.
#[derive(Debug)]
pub struct LocalDisk {
    root: PathBuf,
    /// Held for as long as the directory is in use.
    _lock: File,
}

impl LocalDisk {
    /// Makes the directory if need be and takes hold of it.
    ///
    /// # Errors
    /// If it cannot be made, or another process has it.
    pub fn open(root: &Path) -> io::Result<LocalDisk> {
        fs::create_dir_all(root)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(root.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(LocalDisk { root: root.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                let text = format!("another process uses `{}`", root.display());
                Err(io::Error::new(io::ErrorKind::ResourceBusy, text))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Disk for LocalDisk {
    fn names(&self, folder: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.root.join(folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            // What another name cannot be is not ours.
            if let Ok(name) = entry.file_name().into_string()
                && entry.file_type()?.is_file()
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(self.root.join(path))?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn append(&self, path: &str) -> io::Result<Box<dyn Appender>> {
        let path = place(&self.root, path)?;
        let file = owned().append(true).open(&path)?;
        // Also of a file that is there: whoever made it may have died before its name was durable.
        sync_folder(path.parent().unwrap_or(&self.root))?;
        Ok(Box::new(LocalFile(file)))
    }

    fn replace(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        write_whole(&self.root, path, bytes)
    }

    fn truncate(&self, path: &str, bytes: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.root.join(path))?;
        file.set_len(bytes)?;
        file.sync_all()
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.root.join(path))
    }
}

/// Puts a whole file in place, durable: the old one or the new one is there.
pub(crate) fn write_whole(root: &Path, path: &str, bytes: &[u8]) -> io::Result<()> {
    let path = place(root, path)?;
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let draft = PathBuf::from(name);
    let mut file = owned().write(true).truncate(true).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, &path)?;
    sync_folder(path.parent().unwrap_or(root))
}

/// The path, with the folders it lies in made, durable.
pub(crate) fn place(root: &Path, path: &str) -> io::Result<PathBuf> {
    let path = root.join(path);
    let folder = path.parent().unwrap_or(root);
    let missing: Vec<&Path> = folder.ancestors().take_while(|one| !one.is_dir()).collect();
    for one in missing.into_iter().rev() {
        match fs::create_dir(one) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => sync_folder(one.parent().unwrap_or(root))?,
        }
    }
    Ok(path)
}

/// How a file is opened that its owner alone may read.
fn owned() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// A new or renamed file's name is durable only when its folder is.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

struct LocalFile(File);

impl Appender for LocalFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_owner() {
        let folder = tempfile::tempdir().unwrap();
        let disk = LocalDisk::open(folder.path()).unwrap();
        assert!(LocalDisk::open(folder.path()).is_err());
        drop(disk);
        assert!(LocalDisk::open(folder.path()).is_ok());
    }

    #[test]
    fn files_are_appended_replaced_cut_listed_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let disk = LocalDisk::open(folder.path()).unwrap();
        assert!(disk.names("a").unwrap().is_empty());
        disk.append("a/1").unwrap().write(b"one").unwrap();
        disk.append("a/1").unwrap().write(b"two").unwrap();
        disk.replace("a/2", b"new").unwrap();
        assert_eq!(disk.read("a/1").unwrap(), b"onetwo");
        disk.truncate("a/1", 3).unwrap();
        assert_eq!(disk.read("a/1").unwrap(), b"one");
        assert_eq!(disk.names("a").unwrap(), ["1", "2"]);
        disk.remove("a/1").unwrap();
        assert_eq!(disk.names("a").unwrap(), ["2"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let disk = LocalDisk::open(folder.path()).unwrap();
        disk.replace("keys/a.pem", b"secret").unwrap();
        let mode = fs::metadata(folder.path().join("keys/a.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

//! Public keys from files and folders.

use std::path::{Path, PathBuf};

use pugmark_integrity::PublicKeys;

use crate::exit::Failure;

/// Files of a folder that are looked at.
const FILES_MAX: usize = 10_000;
/// No file of keys is longer, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Every key of `paths`. A file that is named must hold one; of a folder, those files count that do.
pub(super) fn read(paths: &[PathBuf]) -> Result<PublicKeys, Failure> {
    let mut keys = PublicKeys::default();
    for path in paths {
        let before = keys.len();
        if path.is_dir() {
            for file in files(path)? {
                // A folder of keys may hold a README.
                let _count = keys.add(&bytes(&file)?, &file.display().to_string());
            }
            if keys.len() == before {
                return Err(Failure::new(
                    format!("no file in `{}` holds a public key", path.display()),
                    FORMS,
                ));
            }
        } else {
            keys.add(&bytes(path)?, &path.display().to_string())
                .map_err(|fault| Failure::new(fault.to_string(), FORMS))?;
        }
    }
    Ok(keys)
}

/// What to do where there is no key.
pub(super) fn none_given() -> Failure {
    Failure::new(
        "without public keys nothing can be proven",
        "give `--keys FILE`, such as the answer of \
         `aws cloudtrail list-public-keys --region REGION --start-time TIME --end-time TIME`",
    )
}

const FORMS: &str = "keys are JSON as `aws cloudtrail list-public-keys` prints it, PEM or DER";

fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let fail = |error: std::io::Error| Failure::bare(format!("cannot read `{}`: {error}", path.display()));
    if std::fs::metadata(path).map_err(fail)?.len() > FILE_BYTES_MAX {
        return Err(Failure::new(format!("`{}` is too long for a file of keys", path.display()), FORMS));
    }
    std::fs::read(path).map_err(fail)
}

/// The files of a folder, by name; hidden ones are left out.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let fail = |error: std::io::Error| Failure::bare(format!("cannot read `{}`: {error}", folder.display()));
    let mut files = Vec::new();
    for child in std::fs::read_dir(folder).map_err(fail)?.take(FILES_MAX) {
        let child = child.map_err(fail)?;
        let is_hidden = child.file_name().as_encoded_bytes().starts_with(b".");
        if !is_hidden && child.path().is_file() {
            files.push(child.path());
        }
    }
    files.sort();
    Ok(files)
}

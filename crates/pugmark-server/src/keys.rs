//! The access keys that the server knows, and what each may do.
//!
//! They stand in a file that only its owner may read:
//!
//! ```toml
//! [[key]]
//! id = "PMAK…"
//! secret = "…"
//! name = "build-server"
//! roles = ["write"]
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::random::{self, NoRandom};

/// What a caller may do. Whoever has no role for an operation is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Asks: trails, status, events, queries.
    Read,
    /// Sends events.
    Write,
    /// Everything, also changing trails and stores.
    Admin,
}

impl Role {
    /// The name in the key file.
    pub fn name(self) -> &'static str {
        match self {
            Role::Read => "read",
            Role::Write => "write",
            Role::Admin => "admin",
        }
    }
}

/// One access key. Its secret is in no `Debug` output.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessKey {
    /// The public half.
    pub id: String,
    secret: String,
    /// Who uses it; the user name in the records of its calls.
    pub name: String,
    /// What it may do.
    pub roles: Vec<Role>,
}

impl AccessKey {
    /// A new key for `name`.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub fn generate(name: &str, roles: &[Role]) -> Result<AccessKey, NoRandom> {
        Ok(AccessKey {
            id: format!("PMAK{}", random::letters::<16>()?),
            secret: random::letters::<40>()?,
            name: name.to_owned(),
            roles: roles.to_vec(),
        })
    }

    /// Whether it may do what needs `role`.
    pub fn may(&self, role: Role) -> bool {
        self.roles.contains(&role) || self.roles.contains(&Role::Admin)
    }

    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }
}

impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessKey").field("id", &self.id).field("roles", &self.roles).finish_non_exhaustive()
    }
}

/// What is wrong with a file of access keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read or written.
    #[error("cannot use the access-key file `{}`: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Others may read it.
    #[error("others may read the access-key file `{}`; let only its owner: `chmod 600`", .0.display())]
    Open(PathBuf),
    /// It is not as it must be.
    #[error("the access-key file `{}` is not valid: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, without any secret.
        reason: String,
    },
    /// No key could be made.
    #[error(transparent)]
    Random(#[from] NoRandom),
}

/// All keys, by id.
#[derive(Clone, Debug, Default)]
pub struct AccessKeys {
    keys: BTreeMap<String, AccessKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    key: Vec<AccessKey>,
}

impl AccessKeys {
    /// The keys of the file at `path`, or a file with one new key of an
    /// administrator; true if it is new.
    ///
    /// # Errors
    /// If the file cannot be used, is open to others, or is not valid.
    pub fn open(path: &Path) -> Result<(AccessKeys, bool), KeyFileError> {
        let io = |error| KeyFileError::Io { path: path.to_owned(), error };
        if path.try_exists().map_err(io)? {
            check_private(path)?;
            let text = fs::read_to_string(path).map_err(io)?;
            return AccessKeys::parse(&text, path).map(|keys| (keys, false));
        }
        let file = KeyFile { key: vec![AccessKey::generate("admin", &[Role::Admin])?] };
        let text = toml::to_string(&file)
            .map_err(|error| KeyFileError::Invalid { path: path.to_owned(), reason: error.to_string() })?;
        write_private(path, text.as_bytes()).map_err(io)?;
        AccessKeys::of(file, path).map(|keys| (keys, true))
    }

    fn parse(text: &str, path: &Path) -> Result<AccessKeys, KeyFileError> {
        // The parser's message quotes lines, and lines hold secrets.
        let file = toml::from_str(text).map_err(|error: toml::de::Error| KeyFileError::Invalid {
            path: path.to_owned(),
            reason: error.message().to_owned(),
        })?;
        AccessKeys::of(file, path)
    }

    fn of(file: KeyFile, path: &Path) -> Result<AccessKeys, KeyFileError> {
        const SECRET_CHARS_MIN: usize = 16;
        let invalid = |reason: String| KeyFileError::Invalid { path: path.to_owned(), reason };
        let mut keys = BTreeMap::new();
        for key in file.key {
            let is_id =
                (4..=128).contains(&key.id.len()) && key.id.bytes().all(|b| b.is_ascii_alphanumeric());
            if !is_id {
                return Err(invalid("an id must be 4 to 128 letters and digits".to_owned()));
            }
            if key.secret.len() < SECRET_CHARS_MIN {
                return Err(invalid(format!("the secret of `{}` is shorter than 16 characters", key.id)));
            }
            let id = key.id.clone();
            if keys.insert(id.clone(), key).is_some() {
                return Err(invalid(format!("`{id}` stands twice")));
            }
        }
        if keys.is_empty() {
            return Err(invalid("it holds no key".to_owned()));
        }
        Ok(AccessKeys { keys })
    }

    /// The key with this id.
    pub fn get(&self, id: &str) -> Option<&AccessKey> {
        self.keys.get(id)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

impl FromIterator<AccessKey> for AccessKeys {
    fn from_iter<I: IntoIterator<Item = AccessKey>>(keys: I) -> AccessKeys {
        AccessKeys { keys: keys.into_iter().map(|key| (key.id.clone(), key)).collect() }
    }
}

#[cfg(unix)]
fn check_private(path: &Path) -> Result<(), KeyFileError> {
    use std::os::unix::fs::PermissionsExt as _;
    let io = |error| KeyFileError::Io { path: path.to_owned(), error };
    let mode = fs::metadata(path).map_err(io)?.permissions().mode();
    // The last six bits are those of the group and of others.
    if mode.trailing_zeros() >= 6 { Ok(()) } else { Err(KeyFileError::Open(path.to_owned())) }
}

#[cfg(not(unix))]
fn check_private(_path: &Path) -> Result<(), KeyFileError> {
    Ok(())
}

/// Writes a new file that only its owner may read.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_start_makes_a_key_that_the_second_finds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let (first, is_new) = AccessKeys::open(&path).unwrap();
        assert!(is_new);
        let (second, is_new) = AccessKeys::open(&path).unwrap();
        assert!(!is_new);
        let key = first.keys.values().next().unwrap();
        assert_eq!(second.get(&key.id).unwrap().secret(), key.secret());
        assert!(key.may(Role::Read) && key.may(Role::Write));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        AccessKeys::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(AccessKeys::open(&path), Err(KeyFileError::Open(_))));
    }

    #[test]
    fn a_secret_is_in_no_message() {
        let text = "[[key]]\nid = \"PMAK1\"\nsecret = \"canary-canary-canary\"\nname = 5\nroles = []\n";
        let error = AccessKeys::parse(text, Path::new("keys.toml")).unwrap_err();
        assert!(!error.to_string().contains("canary"), "{error}");
        let key = AccessKey::generate("a", &[Role::Read]).unwrap();
        assert!(!format!("{key:?}").contains(key.secret()));
    }

    #[test]
    fn a_role_is_only_what_it_says() {
        let key = AccessKey::generate("a", &[Role::Write]).unwrap();
        assert!(key.may(Role::Write) && !key.may(Role::Read) && !key.may(Role::Admin));
    }
}

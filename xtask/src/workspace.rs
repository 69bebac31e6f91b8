//! The workspace as the checks see it: its packages and its text files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cargo_metadata::{MetadataCommand, Package};

/// Folders that hold nothing written by hand.
const SKIPPED_FOLDERS: [&str; 6] = ["target", ".git", "node_modules", "corpus", "artifacts", "dist"];

/// Files longer than this are data, not text.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// Packages and files of the checkout.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) packages: Vec<Package>,
    pub(crate) files: Vec<File>,
}

/// One text file.
pub(crate) struct File {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// Whether the file's name ends in `.extension`.
    pub(crate) fn is(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }
}

/// One broken rule, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) place: String,
    pub(crate) what: String,
}

impl Problem {
    pub(crate) fn new(place: impl Into<String>, what: impl Into<String>) -> Problem {
        Problem { place: place.into(), what: what.into() }
    }
}

impl Workspace {
    /// Reads `cargo metadata` (own packages only: no network) and the files.
    pub(crate) fn load() -> Result<Workspace> {
        let root = root();
        let metadata = MetadataCommand::new()
            .manifest_path(root.join("Cargo.toml"))
            .no_deps()
            .exec()
            .context("`cargo metadata` failed")?;
        let mut files = Vec::new();
        read_folder(&root, &root, &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Workspace { root, packages: metadata.packages, files })
    }

    /// The text of one file, if it is there.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }

    /// A package's folder, relative to the root.
    pub(crate) fn folder(&self, package: &Package) -> String {
        let folder = package.manifest_path.parent().map_or("", |folder| folder.as_str());
        Path::new(folder).strip_prefix(&self.root).unwrap_or(Path::new("")).display().to_string()
    }
}

/// The folder that holds the workspace's `Cargo.toml`.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

fn read_folder(root: &Path, folder: &Path, files: &mut Vec<File>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list `{}`", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if !SKIPPED_FOLDERS.iter().any(|name| entry.file_name() == *name) {
                read_folder(root, &path, files)?;
            }
        } else if kind.is_file() && entry.metadata()?.len() <= TEXT_BYTES_MAX {
            let bytes = fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
            if let Ok(text) = String::from_utf8(bytes) {
                let path = path.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
                files.push(File { path, text });
            }
        }
    }
    Ok(())
}

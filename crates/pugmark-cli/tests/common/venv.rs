//! Virtual environments with programs that `pugmark` is tested against.

use std::path::{Path, PathBuf};
use std::process::Command;

/// An environment that holds `program`: `target/NAME`, which `cargo xtask test` makes, or the one that the environment
/// variable names; a test that finds none says so and ends.
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
pub(crate) fn venv(variable: &str, name: &str, program: &str) -> Option<PathBuf> {
    let own = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target").join(name);
    let named = std::env::var_os(variable).map(PathBuf::from);
    // The variable of the S3 server names the executable itself.
    let named = named.map(|path| {
        let folder = path.parent().and_then(Path::parent).map(Path::to_owned);
        if path.is_file() { folder.unwrap_or_default() } else { path }
    });
    let folder = named.unwrap_or_else(own);
    if folder.join("bin").join(program).exists() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no `{program}`; run `cargo xtask test`, or name its environment in {variable}");
    None
}

/// Runs a script below `tests` to its end, with the interpreter of an environment; the binary is its first argument.
pub(crate) fn python(venv: &Path, script: &str, arguments: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(script);
    let output = Command::new(venv.join("bin/python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(&script)
        .arg(env!("CARGO_BIN_EXE_pugmark"))
        .args(arguments)
        .output()
        .expect("python starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
}

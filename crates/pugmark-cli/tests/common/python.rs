//! Scripts in Python that drive the built binary, and the virtual environments they need.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A virtual environment with clients, if it is there.
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

/// Runs one of the scripts below `tests` to its end.
pub(crate) fn run(script: &str, arguments: &[&str]) {
    let Some(moto) = venv("PUGMARK_MOTO", "moto", "moto_server") else { return };
    run_with(&moto, script, arguments);
}

/// The same with the interpreter of this virtual environment.
pub(crate) fn run_with(venv: &Path, script: &str, arguments: &[&str]) {
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

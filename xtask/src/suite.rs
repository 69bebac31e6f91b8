//! `cargo xtask test`: what the tests need, then the tests.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::say;
use crate::workspace::root;

/// The S3 server that tests start on the loopback address.
const MOTO: Tool = Tool { folder: "moto", program: "moto_server", requirement: "moto[server]>=5,<6" };

/// The AWS CLI, whose `validate-logs` ours is compared with.
const AWS_CLI: Tool = Tool { folder: "awscli", program: "aws", requirement: "awscli>=1.46,<2" };

const INSTALL_TRIES: u32 = 3;

/// Runs all tests, or those that `names` select.
///
/// Documentation tests come first, so that the last words are the summary of
/// the whole.
pub(crate) fn test(names: &[String]) -> Result<()> {
    for tool in [MOTO, AWS_CLI] {
        if let Err(error) = tool.install() {
            if std::env::var_os("CI").is_some() {
                return Err(error);
            }
            say(&format!("warning: {error:#}\nhint: tests with `{}` are skipped", tool.folder));
        }
    }
    if names.is_empty() {
        run(cargo().args(["test", "--doc", "--workspace", "--quiet"]))?;
    }
    if has_nextest() {
        return run(cargo().args(["nextest", "run", "--workspace"]).args(names));
    }
    run(cargo().args(["test", "--workspace", "--lib", "--bins", "--tests"]).args(names))
}

/// Puts the `moto` server into `target/moto`, unless it is there.
pub(crate) fn moto() -> Result<()> {
    MOTO.install()
}

/// Puts the AWS CLI into `target/awscli`, unless it is there.
pub(crate) fn aws_cli() -> Result<()> {
    AWS_CLI.install()
}

/// A program in Python that tests run.
#[derive(Clone, Copy)]
struct Tool {
    /// Its folder below `target`.
    folder: &'static str,
    program: &'static str,
    requirement: &'static str,
}

impl Tool {
    /// Installs it into a virtual environment of its own, unless it is there.
    fn install(self) -> Result<()> {
        let Tool { folder, program, requirement } = self;
        let venv = root().join("target").join(folder);
        let names = [program.to_owned(), format!("{program}.exe"), format!("{program}.cmd")];
        if scripts(&venv).iter().any(|folder| names.iter().any(|name| folder.join(name).exists())) {
            return Ok(());
        }
        let Some(python) =
            ["python3", "python"].into_iter().find(|name| succeeds(Command::new(name).arg("--version")))
        else {
            bail!("there is no `python3` to install `{folder}` with");
        };
        say(&format!("installing `{folder}` for tests into target/{folder}"));
        run(Command::new(python).args(["-m", "venv"]).arg(&venv))?;
        let interpreter = scripts(&venv).map(|folder| folder.join("python"));
        let interpreter =
            interpreter.iter().find(|path| path.exists() || path.with_extension("exe").exists());
        let interpreter = interpreter.context("the new virtual environment has no interpreter")?;
        for attempt in 1..=INSTALL_TRIES {
            let mut install = Command::new(interpreter);
            install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement]);
            match run(&mut install) {
                Ok(()) => return Ok(()),
                Err(error) if attempt < INSTALL_TRIES => {
                    say(&format!("warning: try {attempt} of {INSTALL_TRIES}: {error:#}"));
                    sleep(Duration::from_secs(5 * u64::from(attempt)));
                }
                Err(error) => return Err(error.context(format!("cannot install `{folder}`"))),
            }
        }
        Ok(())
    }
}

/// Where a virtual environment keeps its programs, on Unix and on Windows.
fn scripts(venv: &Path) -> [std::path::PathBuf; 2] {
    [venv.join("bin"), venv.join("Scripts")]
}

/// The cargo that runs us, at the workspace's root.
fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

fn has_nextest() -> bool {
    succeeds(cargo().args(["nextest", "--version"]))
}

fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

fn run(command: &mut Command) -> Result<()> {
    let words: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.display().to_string())
        .collect();
    let line = words.join(" ");
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot start `{line}`"))?;
    if status.success() { Ok(()) } else { bail!("`{line}` failed: {status}") }
}

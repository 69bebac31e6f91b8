//! Drives the built binary over small trails that each test writes itself.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder with a trail, and runs of `pugmark` in it.
pub(crate) struct Desk {
    folder: tempfile::TempDir,
}

/// What one run said.
pub(crate) struct Answer {
    /// Rows.
    pub(crate) stdout: String,
    /// Talk, without the summary for programs.
    pub(crate) stderr: String,
    /// The exit code.
    pub(crate) code: i32,
    /// The summary for programs.
    pub(crate) summary: Option<serde_json::Value>,
}

impl Desk {
    /// An empty folder.
    pub(crate) fn new() -> Desk {
        Desk { folder: tempfile::tempdir().expect("a folder") }
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file below the folder.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(&path, bytes).expect("a file");
        path
    }

    /// Writes a log file as a trail delivers it, uncompressed.
    pub(crate) fn log(&self, name: &str, records: &[String]) {
        self.file(
            &format!("logs/AWSLogs/111122223333/CloudTrail/us-east-1/2026/08/01/{name}"),
            format!("{{\"Records\":[{}]}}", records.join(",")),
        );
    }

    /// A command whose environment is the folder's alone.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pugmark"));
        command
            .args(words)
            .current_dir(self.path())
            .env_clear()
            .env("HOME", self.path())
            .env("TMPDIR", self.path());
        command
    }

    /// Runs `pugmark`; whatever it reads, the sums must balance.
    pub(crate) fn run(&self, words: &[&str]) -> Answer {
        let answer = self.run_as_is(&[words, &["--summary", "json"]].concat());
        if let Some(summary) = &answer.summary {
            let number = |name: &str| summary[name].as_u64().expect("a number");
            assert_eq!(
                number("listed"),
                number("decoded") + number("pruned") + number("routed") + number("skipped"),
                "{summary}"
            );
            assert_eq!(
                number("records"),
                number("rows") + number("duplicates") + number("lost"),
                "{summary}"
            );
        }
        answer
    }

    /// Runs `pugmark` with these words and no other.
    pub(crate) fn run_as_is(&self, words: &[&str]) -> Answer {
        Answer::of(self.command(words).output().expect("pugmark runs"))
    }
}

impl Answer {
    fn of(output: Output) -> Answer {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        let stderr = text(output.stderr);
        let (json, talk): (Vec<&str>, Vec<&str>) =
            stderr.lines().partition(|line| line.starts_with("{\"v\":1,"));
        Answer {
            stdout: text(output.stdout),
            summary: json.last().map(|line| serde_json::from_str(line).expect("a summary")),
            stderr: talk.iter().flat_map(|line| [*line, "\n"]).collect(),
            code: output.status.code().unwrap_or(-1),
        }
    }
}

/// One event; `members` are added to what every event has.
pub(crate) fn event(id: u32, time: &str, name: &str, members: &str) -> String {
    let more = if members.is_empty() { String::new() } else { format!(",{members}") };
    format!(
        r#"{{"eventVersion":"1.08","eventTime":"2026-08-01T{time}Z","eventSource":"iam.amazonaws.com","eventName":"{name}","awsRegion":"us-east-1","sourceIPAddress":"203.0.113.{}","userAgent":"aws-cli/2","eventID":"00000000-0000-4000-8000-{id:012}","recipientAccountId":"111122223333"{more}}}"#,
        id % 250
    )
}

/// A user's `userIdentity`.
pub(crate) fn user(name: &str) -> String {
    format!(
        r#""userIdentity":{{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/{name}","accountId":"111122223333","accessKeyId":"AKIA{}","userName":"{name}"}}"#,
        name.to_uppercase()
    )
}

/// Four events of two people, one of them delivered twice.
pub(crate) fn small_trail() -> Desk {
    let desk = Desk::new();
    let create = event(
        1,
        "09:00:00",
        "CreateUser",
        &format!(r#"{},"readOnly":false,"requestParameters":{{"userName":"eve"}}"#, user("alice")),
    );
    let get = event(2, "09:05:00", "GetUser", &format!(r#"{},"readOnly":true"#, user("bob")));
    let denied = event(
        3,
        "09:10:00",
        "AttachUserPolicy",
        &format!(
            r#"{},"readOnly":false,"errorCode":"AccessDenied","errorMessage":"no","requestParameters":{{"userName":"eve","policyArn":"arn:aws:iam::aws:policy/AdministratorAccess"}}"#,
            user("bob")
        ),
    );
    let stop = event(
        4,
        "10:00:00",
        "StopLogging",
        &format!(r#"{},"readOnly":false,"requestParameters":{{"name":"main"}}"#, user("alice")),
    );
    desk.log(
        "111122223333_CloudTrail_us-east-1_20260801T0915Z_aaaaaaaaaaaaaaaa.json",
        &[denied, create.clone()],
    );
    desk.log("111122223333_CloudTrail_us-east-1_20260801T1005Z_bbbbbbbbbbbbbbbb.json", &[stop, create, get]);
    desk
}

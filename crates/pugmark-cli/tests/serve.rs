//! The server against real clients: boto3 and the AWS CLI.
//!
//! The clients are in virtual environments, `target/moto` and
//! `target/awscli`, that `cargo xtask test` makes; `PUGMARK_MOTO` and
//! `PUGMARK_AWSCLI` name others. Without them these tests say so and end.
//! `PUGMARK_KILLS` is how often the server is killed; five times by default.

#[path = "common/venv.rs"]
mod venv;

use venv::{python, venv};

/// Runs one of the scripts beside this file to its end.
fn run(script: &str, arguments: &[&str]) {
    let Some(moto) = venv("PUGMARK_MOTO", "moto", "moto_server") else { return };
    python(&moto, &format!("serve/{script}"), arguments);
}

#[test]
fn every_operation_answers_boto3_with_its_shapes_and_its_errors() {
    run("conformance.py", &[]);
}

#[test]
fn nothing_answered_is_lost_or_doubled_when_the_server_is_killed() {
    let kills = std::env::var("PUGMARK_KILLS").unwrap_or_else(|_| "5".to_owned());
    run("crash.py", &[&kills]);
}

#[test]
fn what_appears_in_a_folder_is_taken_in_once() {
    run("tail.py", &[]);
}

#[test]
fn the_aws_cli_proves_what_was_delivered_and_tells_a_changed_byte() {
    let Some(moto) = venv("PUGMARK_MOTO", "moto", "moto_server") else { return };
    let Some(aws) = venv("PUGMARK_AWSCLI", "awscli", "aws") else { return };
    let [aws, moto] = [aws.join("bin/aws"), moto.join("bin/moto_server")];
    run("evidence.py", &[&aws.display().to_string(), &moto.display().to_string()]);
}

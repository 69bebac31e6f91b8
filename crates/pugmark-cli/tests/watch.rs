//! `pugmark watch` on files that arrive one by one.

mod common;
#[path = "common/venv.rs"]
mod venv;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};

use common::{Answer, Desk, event, small_trail, user};
use serde_json::Value;

const KEY: &str = "a secret that signs";

/// Few rules of our own, so that each look is short.
const RULES: [&str; 4] = [
    "correlations/administrator_made.yml",
    "aws/persistence/iam_user_created.yml",
    "aws/persistence/access_key_created_for_another_user.yml",
    "aws/privilege_escalation/admin_policy_attached_to_user.yml",
];

/// Somebody is made, with a key; what makes them an administrator lies elsewhere.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.log("a.json", &[made(), keyed(3, "10:02:00")]);
    desk
}

fn made() -> String {
    event(1, "10:00:00", "CreateUser", &eve(""))
}

fn keyed(id: u32, time: &str) -> String {
    event(id, time, "CreateAccessKey", &eve(""))
}

/// The event that completes a correlation.
fn rights() -> String {
    let policy = r#","policyArn":"arn:aws:iam::aws:policy/AdministratorAccess""#;
    event(2, "10:01:00", "AttachUserPolicy", &eve(policy))
}

fn eve(more: &str) -> String {
    format!(r#"{},"requestParameters":{{"userName":"eve"{more}}}"#, user("mia"))
}

/// A file comes to lie in the folder, all at once.
fn arrive(desk: &Desk, name: &str, events: &[String]) {
    let written = desk.file("made", format!("{{\"Records\":[{}]}}", events.join(",")));
    let logs = desk.path().join("logs");
    std::fs::create_dir_all(&logs).expect("a folder");
    std::fs::rename(written, logs.join(name)).expect("a file");
}

/// One look at the folder.
fn look(desk: &Desk, words: &[&str]) -> Answer {
    let rules = RULES.map(|rule| format!("{}/../../rules/{rule}", env!("CARGO_MANIFEST_DIR")));
    let fixed = ["watch", "logs", "--once", "--state", "state", "--rules"];
    let fixed: Vec<&str> = fixed.into_iter().chain(rules.iter().map(String::as_str)).collect();
    desk.run(&[&fixed, words].concat())
}

fn titles(answer: &Answer) -> Vec<String> {
    let title = |line: &str| {
        let finding: Value = serde_json::from_str(line).expect("JSON");
        finding["title"].as_str().expect("a title").to_owned()
    };
    answer.stdout.lines().map(title).collect()
}

fn ids(text: &str) -> Vec<String> {
    let id = |line: &str| {
        let finding: Value = serde_json::from_str(line).expect("JSON");
        finding["id"].as_str().expect("an id").to_owned()
    };
    text.lines().map(id).collect()
}

/// A server that answers with these statuses, one connection each, and hands back what it was sent.
fn server(statuses: Vec<u16>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/hook?token=hidden", listener.local_addr().expect("an address"));
    let serve = move || {
        let answer = |status: u16| {
            let (mut stream, _) = listener.accept().expect("a request");
            let mut request = Vec::new();
            while !is_whole(&request) {
                let mut part = [0; 4096];
                let count = stream.read(&mut part).expect("a request");
                assert!(count > 0, "cut: {}", String::from_utf8_lossy(&request));
                request.extend_from_slice(&part[..count]);
            }
            write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .expect("an answer");
            stream.shutdown(Shutdown::Write).expect("an end");
            String::from_utf8(request).expect("UTF-8")
        };
        statuses.into_iter().map(answer).collect()
    };
    (url, thread::spawn(serve))
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        length.is_some_and(|length| Ok(body.len()) == length.parse())
    })
}

fn body(request: &str) -> Value {
    serde_json::from_str(request.split_once("\r\n\r\n").expect("a body").1).expect("JSON")
}

/// An address where nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("http://{}/hook?token=hidden", listener.local_addr().expect("an address"))
}

#[test]
fn a_finding_is_told_once_over_restarts() {
    let desk = desk();
    let first = look(&desk, &[]);
    assert_eq!(first.code, 0, "{}", first.stderr);
    let expected = ["IAM user created outside CloudFormation", "Access key created for another user"];
    assert_eq!(titles(&first), expected, "in the order of time");
    let second = look(&desk, &[]);
    assert_eq!((second.stdout.as_str(), second.code), ("", 0), "{}", second.stderr);
    assert_eq!(second.summary.expect("a summary")["listed"], 0, "nothing is read again");
}

#[test]
fn a_file_that_comes_late_completes_a_correlation_once() {
    let desk = desk();
    look(&desk, &[]);
    arrive(&desk, "late.json", &[rights()]);
    let late = look(&desk, &[]);
    let found = titles(&late);
    assert_eq!(found[0], "New user with keys and every right", "{found:?}");
    let events = serde_json::from_str::<Value>(late.stdout.lines().next().expect("a line")).expect("JSON");
    assert_eq!(events["events"].as_array().expect("events").len(), 3);
    // It grows, and is the same.
    arrive(&desk, "later.json", &[keyed(4, "10:03:00")]);
    assert_eq!(titles(&look(&desk, &[])), ["Access key created for another user"]);
}

#[test]
fn an_event_beyond_the_lateness_is_not_correlated() {
    let desk = desk();
    look(&desk, &[]);
    // A day later than what is kept, so that it is forgotten.
    let next = event(5, "10:00:00", "CreateUser", &eve("")).replace("2026-08-01", "2026-08-09");
    arrive(&desk, "next.json", &[next]);
    look(&desk, &["--lateness", "1s"]);
    let state = std::fs::read_to_string(desk.path().join("state/state.json")).expect("a state");
    assert!(!state.contains("00000000-0000-4000-8000-000000000003"), "{state}");
    arrive(&desk, "late.json", &[rights()]);
    assert_eq!(titles(&look(&desk, &[])), ["Administrator policy attached to a user or group"]);
}

#[test]
fn an_event_that_is_delivered_twice_is_told_once() {
    let desk = desk();
    look(&desk, &[]);
    arrive(&desk, "copy.json", &[made()]);
    let answer = look(&desk, &[]);
    assert_eq!(answer.summary.as_ref().expect("a summary")["rows"], 1, "it was read");
    assert_eq!(answer.stdout, "");
}

#[test]
fn a_file_that_grew_is_read_again_and_told_where_it_is_new() {
    let desk = desk();
    look(&desk, &[]);
    desk.log("a.json", &[made(), keyed(3, "10:02:00"), rights()]);
    let found = titles(&look(&desk, &[]));
    assert_eq!(found.len(), 2, "the rights, and what they complete: {found:?}");
}

#[test]
fn a_file_is_appended_to_and_not_written_twice_after_a_crash() {
    let desk = desk();
    let words = ["--to", "found.jsonl"];
    let answer = look(&desk, &words);
    assert_eq!((answer.stdout.as_str(), answer.code), ("", 0), "{}", answer.stderr);
    let path = desk.path().join("found.jsonl");
    let before = std::fs::read_to_string(&path).expect("a file");
    assert_eq!(ids(&before).len(), 2);
    // As if it had ended between the file and the state: the letters still wait.
    let state = desk.path().join("state/state.json");
    let text = std::fs::read_to_string(&state).expect("a state");
    let letters: Vec<String> = before
        .lines()
        .zip(ids(&before))
        .map(|(finding, id)| {
            format!(r#"{{"channel":"file","id":"{id}","since":9999999999,"finding":{finding}}}"#)
        })
        .collect();
    std::fs::write(&state, text.replace("\"outbox\":[]", &format!("\"outbox\":[{}]", letters.join(","))))
        .expect("a state");
    arrive(&desk, "late.json", &[rights()]);
    look(&desk, &words);
    let after = std::fs::read_to_string(&path).expect("a file");
    assert!(after.starts_with(&before));
    assert_eq!(ids(&after).len(), 4, "{after}");
}

#[test]
fn a_webhook_that_is_down_gets_everything_later_signed_and_named() {
    let desk = desk();
    let down = look(&desk, &["--webhook", &nobody()]);
    assert_eq!(down.code, 0, "{}", down.stderr);
    assert!(down.stderr.contains("webhook did not take 2 findings, kept for later"), "{}", down.stderr);
    assert!(!down.stderr.contains("hidden"), "{}", down.stderr);
    let state = std::fs::read_to_string(desk.path().join("state/state.json")).expect("a state");
    assert!(!state.contains("hidden"), "an address may be a secret");
    // The first is taken, the second not, because the server is ill.
    let (url, serving) = server(vec![204, 503]);
    look(&desk, &["--webhook", &url]);
    let first = serving.join().expect("a server");
    let (url, serving) = server(vec![200]);
    let answer = desk
        .command(&["watch", "logs", "--once", "--state", "state", "--webhook", &url])
        .env("PUGMARK_WEBHOOK_KEY", KEY)
        .output()
        .expect("pugmark runs");
    assert_eq!(String::from_utf8_lossy(&answer.stdout), "", "stdout had them long ago");
    let second = serving.join().expect("a server");
    let told = ids(&down.stdout);
    assert_eq!(body(&first[0])["id"], told[0]);
    assert_eq!(body(&first[1])["id"], told[1]);
    assert_eq!(body(&second[0])["id"], told[1]);
    let head = second[0].to_lowercase();
    assert!(head.contains(&format!("idempotency-key: {}", told[1])), "{head}");
    assert!(
        head.contains("x-pugmark-signature: sha256=") && head.contains("x-pugmark-timestamp: "),
        "{head}"
    );
    assert!(!first[0].to_lowercase().contains("x-pugmark-signature"), "there was no key");
}

#[test]
fn what_no_sink_takes_goes_to_the_dead_letters() {
    let desk = desk();
    let told = look(&desk, &["--webhook", &nobody(), "--give-up", "1s"]);
    let state = desk.path().join("state/state.json");
    let text = std::fs::read_to_string(&state).expect("a state");
    // As if found an hour before.
    let text = text.replace("\"channel\":\"webhook\"", "\"channel\":\"webhook\",\"was\":1");
    let since =
        text.split("\"since\":").nth(1).expect("a letter").split(',').next().expect("a time").to_owned();
    std::fs::write(&state, text.replace(&format!("\"since\":{since}"), "\"since\":1785542400"))
        .expect("a state");
    let later = look(&desk, &["--webhook", &nobody(), "--give-up", "1h"]);
    assert!(later.stderr.contains("2 findings given up"), "{}", later.stderr);
    let dead = std::fs::read_to_string(desk.path().join("state/dead-letters.jsonl")).expect("a file");
    assert_eq!(ids(&dead), ids(&told.stdout));
    let after = std::fs::read_to_string(&state).expect("a state");
    assert!(after.contains("\"outbox\":[]"), "{after}");
}

#[test]
fn a_template_slack_and_teams_have_their_own_words() {
    let desk = desk();
    desk.file("t.json", r#"{"text":"{{level}}: {{title}} by {{actor}}"}"#);
    let hooks: Vec<_> = (0..3).map(|_| server(vec![200])).collect();
    let urls: Vec<&str> = hooks.iter().map(|(url, _)| url.as_str()).collect();
    let answer = look(
        &desk,
        &[
            "--level",
            "medium",
            "--webhook",
            urls[0],
            "--template",
            "t.json",
            "--slack",
            urls[1],
            "--teams",
            urls[2],
        ],
    );
    assert_eq!(answer.stdout.lines().count(), 1, "{}", answer.stderr);
    let sent: Vec<Value> =
        hooks.into_iter().map(|(_, serving)| body(&serving.join().expect("a server")[0])).collect();
    let title = "Access key created for another user";
    assert_eq!(sent[0]["text"], format!("medium: {title} by arn:aws:iam::111122223333:user/mia"));
    assert_eq!(sent[1]["blocks"][0]["text"]["text"], format!("MEDIUM: {title}"));
    let card = &sent[2]["attachments"][0]["content"]["body"][0]["inlines"][0]["text"];
    assert_eq!(card, &format!("MEDIUM: {title}"));
}

#[test]
fn hostile_names_stay_text() {
    let desk = Desk::new();
    let name = r#"\u001b[31m\r\n{\"id\":\"x\"} {{id}} <!channel>"#;
    let hostile = made().replace("user/mia", &format!("user/{name}"));
    arrive(&desk, "\u{1b}[2J \u{202e}.json", &[hostile]);
    let lines = look(&desk, &["--output", "table", "--verbose"]);
    assert_eq!(lines.stdout.lines().count(), 1, "{}", lines.stdout);
    assert!(!format!("{}{}", lines.stdout, lines.stderr).contains('\u{1b}'), "{}", lines.stdout);
    assert!(lines.stdout.contains("<!channel>"), "{}", lines.stdout);
}

#[test]
fn a_suppressed_finding_is_not_told() {
    let desk = desk();
    desk.file(
        "known.toml",
        "[[suppress]]\nrule = \"IAM user*\"\nactor = \"*user/mia\"\nowner = \"o\"\nreason = \"r\"\nexpires = \"2999-01-01\"\n",
    );
    let found = titles(&look(&desk, &["--suppress", "known.toml"]));
    assert_eq!(found, ["Access key created for another user"]);
}

#[test]
fn what_cannot_be_watched_is_refused() {
    let desk = small_trail();
    let refused = |words: &[&str]| {
        let answer = desk.run_as_is(words);
        assert_eq!(answer.code, 2, "{words:?}: {}", answer.stderr);
        answer.stderr
    };
    assert!(refused(&["watch", "-", "--once"]).contains("stdin cannot be watched"));
    assert!(refused(&["watch", "logs", "--once", "--output", "csv"]).contains("a watch prints lines"));
    assert!(refused(&["watch", "nowhere", "--once"]).contains("nowhere"));
    let queue = "https://sqs.eu-west-1.amazonaws.com/111122223333/q";
    let said = refused(&["watch", "logs", "--once", "--sqs", queue]);
    assert!(said.contains("a queue tells of objects in buckets"), "{said}");
    let said = refused(&["watch", "s3://bucket/", "--once", "--sqs", "q"]);
    assert!(said.contains("cannot understand queue `q`"), "{said}");
    desk.file("t", "{{titel}}");
    let said = refused(&["watch", "logs", "--once", "--webhook", "http://x", "--template", "t"]);
    assert!(said.contains("no field `titel`"), "{said}");
    desk.file("broken/state.json", "{\"v\":1,");
    let said = refused(&["watch", "logs", "--once", "--state", "broken"]);
    assert!(said.contains("broken/state.json") && said.contains("begin anew"), "{said}");
}

#[test]
fn a_watch_goes_on_until_it_is_stopped_and_keeps_others_out() {
    let desk = desk();
    let mut running = desk
        .command(&["watch", "logs", "--every", "1s", "--state", "state", "--output", "table"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("pugmark runs");
    let mut out = std::io::BufReader::new(running.stdout.take().expect("a pipe"));
    let mut line = String::new();
    let mut next = || {
        line.clear();
        std::io::BufRead::read_line(&mut out, &mut line).expect("a line");
        line.clone()
    };
    assert!(next().starts_with("LOW "));
    assert!(next().starts_with("MEDIUM "));
    let other = look(&desk, &[]);
    assert_eq!(other.code, 2, "{}", other.stderr);
    assert!(other.stderr.contains("another watch works in `state`"), "{}", other.stderr);
    arrive(&desk, "late.json", &[rights()]);
    assert!(next().starts_with("CRITICAL "));
    let pid = running.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("a signal").success());
    let mut said = String::new();
    running.stderr.take().expect("a pipe").read_to_string(&mut said).expect("UTF-8");
    assert_eq!(running.wait().expect("an end").code(), Some(0), "{said}");
    assert!(said.contains("stopped: 4 findings told"), "{said}");
    assert_eq!(look(&desk, &[]).stdout, "");
}

#[test]
fn a_bucket_and_a_queue_are_watched_and_told_once_over_restarts() {
    let Some(moto) = venv::venv("PUGMARK_S3_SERVER", "moto", "moto_server") else { return };
    venv::python(&moto, "watch/bucket.py", &[]);
}

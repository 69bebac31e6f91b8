//! Transcripts of the built binary: what goes to stdout, what to stderr, and
//! with which code it ends.

mod common;

use std::io::{Read, Write};
use std::process::Stdio;

use common::{Desk, event, small_trail, user};

#[test]
fn a_search_is_an_ordered_timeline() {
    let desk = small_trail();
    let answer = desk.run(&["search", "logs", "--output", "table"]);
    insta::assert_snapshot!(answer.stdout, @r"
    time                  who    action                target  outcome         from
    ────────────────────  ─────  ────────────────────  ──────  ──────────────  ───────────
    2026-08-01T09:00:00Z  alice  iam:CreateUser        eve     ok              203.0.113.1
    2026-08-01T09:05:00Z  bob    iam:GetUser           ·       ok              203.0.113.2
    2026-08-01T09:10:00Z  bob    iam:AttachUserPolicy  eve     ✗ AccessDenied  203.0.113.3
    2026-08-01T10:00:00Z  alice  iam:StopLogging       main    ok              203.0.113.4
    ");
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let summary = answer.summary.expect("a summary");
    assert_eq!((&summary["rows"], &summary["duplicates"]), (&4.into(), &1.into()));
}

#[test]
fn the_order_does_not_depend_on_workers_and_can_be_turned() {
    let desk = small_trail();
    let names = |words: &[&str]| -> Vec<String> {
        let answer = desk.run(words);
        answer
            .stdout
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).expect("JSON")["eventName"].to_string()
            })
            .collect()
    };
    let forth = names(&["search", "logs", "--threads", "1"]);
    assert_eq!(forth, names(&["search", "logs", "--threads", "7"]));
    let mut back = names(&["search", "logs", "--reverse"]);
    back.reverse();
    assert_eq!(forth, back);
    assert_eq!(names(&["search", "logs", "-n", "2"]), forth[..2]);
    let mut streamed = names(&["search", "logs", "--unordered"]);
    let mut sorted = forth.clone();
    streamed.sort();
    sorted.sort();
    assert_eq!(streamed, sorted);
    assert_eq!(names(&["search", "logs", "--with-duplicates"]).len(), 5);
}

#[test]
fn filters_narrow_the_timeline() {
    let desk = small_trail();
    let count = |words: &[&str]| {
        let answer = desk.run(&[&["search", "logs"], words].concat());
        assert_eq!(answer.code, 0, "{words:?}: {}", answer.stderr);
        answer.stdout.lines().count()
    };
    assert_eq!(count(&["--name", "StopLogging"]), 1);
    assert_eq!(count(&["--actor", "alice"]), 2);
    assert_eq!(count(&["--errors"]), 1);
    assert_eq!(count(&["--writes"]), 3);
    assert_eq!(count(&["--ip", "203.0.113.0/30"]), 3);
    assert_eq!(count(&["--path", "requestParameters.userName=eve"]), 2);
    assert_eq!(count(&["-w", "errorCode = 'AccessDenied'"]), 1);
    assert_eq!(count(&["--since", "2026-08-01T09:05:00Z", "--until", "2026-08-01T10:00:00Z"]), 2);
    assert_eq!(count(&["--account", "111122223333", "--region", "us-east-1"]), 4);
    assert_eq!(count(&["--text", "AdministratorAccess"]), 1);
}

#[test]
fn rows_are_json_lines_of_records_in_a_pipe() {
    let desk = Desk::new();
    let record = event(7, "09:00:00", "CreateUser", "\"requestParameters\":{ \"a\" : 1.50 }");
    desk.log("x.json", std::slice::from_ref(&record));
    let answer = desk.run(&["search", "logs"]);
    assert_eq!(answer.stdout.trim_end(), record.replace("{ \"a\" : 1.50 }", "{\"a\":1.50}"));
    let raw = desk.run(&["search", "logs", "--output", "raw"]);
    assert_eq!(raw.stdout.trim_end(), record, "as delivered, blanks and all");
}

#[test]
fn an_empty_answer_says_what_was_covered() {
    let desk = small_trail();
    let answer = desk.run(&["search", "logs", "--name", "StopLoging"]);
    assert_eq!((answer.stdout.as_str(), answer.code), ("", 0));
    insta::assert_snapshot!(answer.stderr, @r"
    no events match in 2 objects; there are files for 2026-08-01 to 2026-08-01, the newest opened was delivered 2026-08-01T10:05:00Z
    no event is called `StopLoging`; did you mean `StopLogging`?
    ");
    let strict = desk.run(&["search", "logs", "--name", "DeleteTrail", "--require-match"]);
    assert_eq!(strict.code, 1);
    let pruned = desk.run(&["search", "logs", "--since", "2030-01-01"]);
    insta::assert_snapshot!(pruned.stderr, @r"
    time: 2030-01-01T00:00:00Z → open
    no events: none of 2 objects is within account, Region and time; there are files for 2026-08-01 to 2026-08-01; asked for 2030-01-01T00:00:00Z → open
    ");
}

#[test]
fn a_bad_command_line_is_told_before_anything_is_read() {
    let desk = Desk::new();
    let refused = |words: &[&str]| {
        let answer = desk.run_as_is(words);
        assert_eq!((answer.stdout.as_str(), answer.code), ("", 2), "{words:?}: {}", answer.stderr);
        answer.stderr
    };
    insta::assert_snapshot!(refused(&["search", "/nonexistent", "--since", "30m"]), @r"
    error: `30m` could be minutes or months
    hint: write `30min` or `30mo`
    ");
    insta::assert_snapshot!(refused(&["search", "/nonexistent"]), @r"
    error: cannot read `/nonexistent`: No such file or directory (os error 2)
    hint: check the path; S3 sources start with `s3://`
    ");
    insta::assert_snapshot!(refused(&["stats", "/nonexistent", "evnetName"]), @r"
    error: there is no field `evnetName`
    hint: did you mean `eventName`?
    ");
    insta::assert_snapshot!(refused(&["search", "/nonexistent", "--output", "jsnol"]), @r"
    error: `jsnol` is not a value of `output` (from the command line)
    hint: did you mean `jsonl`?
    ");
    insta::assert_snapshot!(refused(&["search", "/nonexistent", "-w", "eventName = "]), @"error: Expected: an expression, found: EOF");
    refused(&["search", "/nonexistent", "--ip", "10.0.0"]);
    refused(&["search", "/nonexistent", "--tz", "Mars"]);
    refused(&["search", "/nonexistent", "--threads", "0"]);
    refused(&["search"]);
    insta::assert_snapshot!(refused(&["serach", "logs"]), @r"
    error: there is no command and no path `serach`
    hint: did you mean `pugmark search`?
    ");
    refused(&["frobnicate"]);
}

#[test]
fn damage_is_listed_and_exits_three() {
    let desk = small_trail();
    desk.file("logs/cut.json", "{\"Records\":[{\"eventVersion\":\"1.08\",\"eventName\":\"X\",");
    desk.file("logs/\u{1b}[2Jevil.json", "not json at all");
    let answer = desk.run(&["search", "logs", "--actor", "alice"]);
    assert_eq!(answer.code, 3, "{}", answer.stderr);
    assert_eq!(answer.stdout.lines().count(), 2);
    let spoken = desk.run_as_is(&["search", "logs", "--actor", "alice"]);
    assert!(spoken.stderr.contains("\\u{1b}[2Jevil.json"), "{}", spoken.stderr);
    assert!(!spoken.stderr.contains('\u{1b}'), "{:?}", spoken.stderr);
    let quiet = desk.run_as_is(&["search", "logs", "--actor", "alice", "-qq"]);
    assert_eq!((quiet.stderr.as_str(), quiet.code), ("", 3));
}

#[test]
fn no_hostile_byte_of_a_log_reaches_the_terminal() {
    let desk = Desk::new();
    let hostile = [
        "\\u001b[2J\\u001b]0;pwn\\u0007",
        "a\\nroot  iam:CreateUser\\r",
        "\\u009b31m\\u202etxt.exe\\u200f",
        "\\u001b]8;;http://x\\u001b\\\\link",
    ];
    let records: Vec<String> = hostile
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let identity = format!(r#""userIdentity":{{"type":"IAMUser","userName":"{text}"}}"#);
            event(
                index as u32,
                "09:00:00",
                &format!("Get{text}"),
                &format!("{identity},\"errorCode\":\"{text}\""),
            )
        })
        .collect();
    desk.log("x.json", &records);
    for words in [
        &["scan", "logs", "--output", "table", "--color", "never"][..],
        &["search", "logs", "--output", "table", "--color", "never"],
        &["search", "logs", "--output", "csv"],
        &["search", "logs", "--output", "tsv"],
        &["search", "logs", "--output", "md"],
        &["search", "logs", "--output", "jsonl"],
        &["stats", "logs", "who,eventName", "--output", "table", "--color", "never"],
        &["sql", "logs", "-q", "SELECT useridentity.username, eventname FROM events", "--output", "table"],
        &["show", "logs", "00000000-0000-4000-8000-000000000001", "--output", "table", "--color", "never"],
    ] {
        let answer = desk.run(words);
        assert_eq!(answer.code, 0, "{words:?}: {}", answer.stderr);
        let is_forbidden = |c: char| {
            c != '\n'
                && c != '\r'
                && c != '\t'
                && (c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{200f}'))
        };
        for text in [&answer.stdout, &answer.stderr] {
            assert!(!text.contains(is_forbidden), "{words:?}: {text:?}");
        }
        assert!(!answer.stdout.lines().any(|line| line.starts_with("root ")), "{words:?}: {}", answer.stdout);
    }
}

#[test]
fn formulas_are_disarmed_in_files_and_kept_in_pipes() {
    let desk = Desk::new();
    desk.log(
        "x.json",
        &[event(1, "09:00:00", "GetUser", r#""userIdentity":{"type":"IAMUser","userName":"=1+1"}"#)],
    );
    let piped = desk.run(&["search", "logs", "--output", "csv", "--columns", "who"]);
    assert_eq!(piped.stdout, "who\r\n=1+1\r\n");
    let asked =
        desk.run(&["search", "logs", "--output", "csv", "--columns", "who", "--csv-formulas", "escape"]);
    assert_eq!(asked.stdout, "who\r\n\"'=1+1\"\r\n");
    let written = desk.run(&["search", "logs", "--output", "csv", "--columns", "who", "--to", "out.csv"]);
    assert_eq!(written.stdout, "");
    let text = std::fs::read_to_string(desk.path().join("out.csv")).expect("a file");
    assert_eq!(text, "who\r\n\"'=1+1\"\r\n");
    let again = desk.run(&["search", "logs", "--output", "csv", "--columns", "who", "--to", "out.csv"]);
    assert_eq!(again.code, 2);
    let redirected = std::fs::File::create(desk.path().join("redirected.csv")).expect("a file");
    let status = desk
        .command(&["search", "logs", "--output", "csv", "--columns", "who", "-q"])
        .stdout(redirected)
        .status()
        .expect("pugmark runs");
    assert!(status.success());
    let text = std::fs::read_to_string(desk.path().join("redirected.csv")).expect("a file");
    assert_eq!(text, "who\r\n\"'=1+1\"\r\n");
}

#[test]
fn an_overview_says_what_is_there_and_what_is_odd() {
    let desk = small_trail();
    let answer = desk.run(&["logs", "--output", "table"]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    insta::assert_snapshot!(answer.stdout, @r"
    2 objects · 4 events · 1 duplicate · 2026-08-01T09:00:00Z → 2026-08-01T10:00:00Z · 1 account · 1 region · 2 principals · 2.5 kB

    events per hour, at most 3
      █▃

    principals
           2  ████████████  alice
           2  ████████████  bob

    services
           4  ████████████  iam

    events
           1  ████████████  AttachUserPolicy
           1  ████████████  CreateUser
           1  ████████████  GetUser
           1  ████████████  StopLogging

    errors
           1  ████████████  AccessDenied

    accounts
           4  ████████████  111122223333

    regions
           4  ████████████  us-east-1

    worth a look
                                 events  what                who    first
    ───────────────────────────  ──────  ──────────────────  ─────  ────────────────────
    ! logging or alarms changed       1  StopLogging         alice  2026-08-01T10:00:00Z
    ! new access                      1  CreateUser          alice  2026-08-01T09:00:00Z
    ! new access                      1  AttachUserPolicy ✗  bob    2026-08-01T09:10:00Z

    days with files
    account       region     days                              gaps
    ────────────  ─────────  ────────────────────────────────  ────
    111122223333  us-east-1  1 of 1, 2026-08-01 to 2026-08-01  ·

    next
      pugmark show logs 00000000-0000-4000-8000-000000000004
      pugmark search logs --name StopLogging
      pugmark stats logs who,errorCode --errors
      pugmark search logs --writes --reverse -n 50
    ");
    let json: serde_json::Value = serde_json::from_str(&desk.run(&["logs"]).stdout).expect("JSON");
    assert_eq!(json["v"], 1);
    assert_eq!(json["events"], 4);
    assert_eq!(json["names"]["top"]["StopLogging"], 1);
}

#[test]
fn a_source_can_come_from_stdin() {
    let desk = Desk::new();
    let text = format!("{{\"Records\":[{}]}}", event(1, "09:00:00", "GetUser", &user("alice")));
    let mut child = desk
        .command(&["search", "-", "-q"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("pugmark runs");
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("pugmark reads");
    let output = child.wait_with_output().expect("pugmark ends");
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("\"eventName\":\"GetUser\""));
}

#[test]
fn stats_count_by_any_field() {
    let desk = small_trail();
    let answer = desk.run(&["stats", "logs", "who,errorCode", "--output", "csv"]);
    insta::assert_snapshot!(answer.stdout.replace('\r', ""), @r"
    who,errorCode,events,errors,first,last
    alice,,2,0,2026-08-01T09:00:00Z,2026-08-01T10:00:00Z
    bob,,1,0,2026-08-01T09:05:00Z,2026-08-01T09:05:00Z
    bob,AccessDenied,1,1,2026-08-01T09:10:00Z,2026-08-01T09:10:00Z
    ");
    let nested = desk.run(&["stats", "logs", "requestParameters.userName", "--output", "tsv"]);
    insta::assert_snapshot!(nested.stdout.replace('\t', "|"), @r"
    requestParameters.userName|events|errors|first|last
    |2|0|2026-08-01T09:05:00Z|2026-08-01T10:00:00Z
    eve|2|1|2026-08-01T09:00:00Z|2026-08-01T09:10:00Z
    ");
}

#[test]
fn paths_in_a_pipe_are_lines_to_grep() {
    let desk = small_trail();
    let all = desk.run(&["search", "logs", "--limit", "1", "--output", "raw"]);
    let record: serde_json::Value = serde_json::from_str(&all.stdout).expect("a record");
    let id = record["eventID"].as_str().expect("an id");
    let answer = desk.run(&["show", "logs", id, "--paths"]);
    assert!(answer.stdout.lines().all(|line| line.contains(" = ")), "{}", answer.stdout);
    assert!(answer.stdout.contains(&format!("eventID = \"{id}\"")), "{}", answer.stdout);
}

#[test]
fn one_event_is_shown_with_its_paths_and_origins() {
    let desk = small_trail();
    let id = "00000000-0000-4000-8000-000000000001";
    let answer = desk.run(&["show", "logs", id, "--output", "table", "--paths"]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    insta::assert_snapshot!(answer.stdout, @r#"
    time     2026-08-01T09:00:00Z
    who      alice
    action   iam:CreateUser
    target   eve
    outcome  ok
    from     203.0.113.1
    object   logs/AWSLogs/111122223333/CloudTrail/us-east-1/2026/08/01/111122223333_CloudTrail_us-east-1_20260801T0915Z_aaaaaaaaaaaaaaaa.json byte 607
    object   logs/AWSLogs/111122223333/CloudTrail/us-east-1/2026/08/01/111122223333_CloudTrail_us-east-1_20260801T1005Z_bbbbbbbbbbbbbbbb.json byte 500

    eventVersion = "1.08"
    eventTime = "2026-08-01T09:00:00Z"
    eventSource = "iam.amazonaws.com"
    eventName = "CreateUser"
    awsRegion = "us-east-1"
    sourceIPAddress = "203.0.113.1"
    userAgent = "aws-cli/2"
    eventID = "00000000-0000-4000-8000-000000000001"
    recipientAccountId = "111122223333"
    userIdentity.type = "IAMUser"
    userIdentity.arn = "arn:aws:iam::111122223333:user/alice"
    userIdentity.accountId = "111122223333"
    userIdentity.accessKeyId = "AKIAALICE"
    userIdentity.userName = "alice"
    readOnly = false
    requestParameters.userName = "eve"
    "#);
    let json: serde_json::Value =
        serde_json::from_str(&desk.run(&["show", "logs", id]).stdout).expect("JSON");
    assert_eq!(json["events"][0]["origins"].as_array().map(Vec::len), Some(2));
    assert_eq!(json["events"][0]["event"]["eventName"], "CreateUser");
    let missing = desk.run(&["show", "logs", "no-such-id"]);
    assert_eq!((missing.stdout.as_str(), missing.code), ("", 1));
}

#[test]
fn sql_answers_in_every_format() {
    let desk = small_trail();
    let query = "SELECT eventname, count(*) AS n FROM events GROUP BY 1 ORDER BY 1";
    let table = desk.run(&["sql", "logs", "-q", query, "--output", "table"]);
    assert_eq!(table.code, 0, "{}", table.stderr);
    insta::assert_snapshot!(table.stdout, @r"
    eventname         n
    ────────────────  ─
    AttachUserPolicy  1
    CreateUser        1
    GetUser           1
    StopLogging       1
    ");
    let lines = desk.run(&["sql", "logs", "-q", query]);
    assert_eq!(lines.stdout.lines().next(), Some(r#"{"eventName":"AttachUserPolicy","n":1}"#));
    let json = desk.run(&["sql", "logs", "-q", query, "--output", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!((&json["v"], &json["rows"][3]["n"]), (&1.into(), &1.into()));
    let parquet = desk.run(&["sql", "logs", "-q", query, "--output", "parquet", "--to", "out.parquet"]);
    assert_eq!(parquet.code, 0, "{}", parquet.stderr);
    assert!(std::fs::read(desk.path().join("out.parquet")).expect("a file").starts_with(b"PAR1"));
}

#[test]
fn a_wrong_statement_is_explained() {
    let desk = small_trail();
    let wrong =
        desk.run_as_is(&["sql", "logs", "-q", "SELECT eventname FORM events GROUP", "--summary", "none"]);
    assert_eq!((wrong.stdout.as_str(), wrong.code), ("", 2));
    assert!(wrong.stderr.starts_with("error: "), "{}", wrong.stderr);
    let write = desk.run_as_is(&["sql", "logs", "-q", "DROP TABLE events"]);
    assert_eq!((write.stdout.as_str(), write.code), ("", 2), "{}", write.stderr);
}

#[test]
fn nobody_reading_on_is_no_error() {
    let desk = Desk::new();
    let records: Vec<String> = (0..20_000).map(|id| event(id, "09:00:00", "GetUser", "")).collect();
    desk.log("x.json", &records);
    let mut child = desk
        .command(&["search", "logs"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("pugmark runs");
    let mut first = [0; 10];
    child.stdout.take().expect("a pipe").read_exact(&mut first).expect("rows");
    let output = child.wait_with_output().expect("pugmark ends");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn settings_come_from_file_variable_and_flag() {
    let desk = small_trail();
    desk.file("pugmark.toml", "output = 'csv'\ntz = 'Asia/Kolkata'\n");
    let answer = desk.run(&["search", "logs", "-n", "1", "--columns", "time"]);
    assert_eq!(answer.stdout, "time\r\n2026-08-01T14:30:00+05:30\r\n");
    let output = desk
        .command(&["search", "logs", "-q", "-n", "1", "--columns", "time", "--output", "tsv"])
        .env("PUGMARK_TZ", "UTC")
        .output()
        .expect("pugmark runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "time\n2026-08-01T09:00:00Z\n");
    let explained = desk.run_as_is(&["--explain-config"]).stdout;
    assert!(
        explained.lines().any(|line| line.starts_with("tz ") && line.contains("`pugmark.toml`")),
        "{explained}"
    );
}

#[test]
fn colour_is_for_terminals_unless_forced() {
    let desk = small_trail();
    let run = |variables: &[(&str, &str)], words: &[&str]| {
        let mut command = desk.command(&[&["search", "logs", "--output", "table", "-q"], words].concat());
        command.envs(variables.iter().copied());
        String::from_utf8(command.output().expect("pugmark runs").stdout).expect("UTF-8")
    };
    assert!(!run(&[], &[]).contains('\u{1b}'));
    assert!(run(&[("CLICOLOR_FORCE", "1")], &[]).contains('\u{1b}'));
    assert!(run(&[("NO_COLOR", "1")], &["--color", "always"]).contains('\u{1b}'));
    assert!(!run(&[("CLICOLOR_FORCE", "1")], &["--color", "never"]).contains('\u{1b}'));
}

#[test]
fn a_table_fits_the_columns_asked_for() {
    let desk = small_trail();
    let output = desk
        .command(&["search", "logs", "--output", "table", "-q"])
        .env("COLUMNS", "80")
        .output()
        .expect("pugmark runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn what_the_program_knows_about_itself_is_printed() {
    let desk = Desk::new();
    assert!(desk.run_as_is(&["schema", "--output", "md"]).stdout.contains("userIdentity.sessionContext"));
    let limits = desk.run_as_is(&["limits", "--output", "csv"]).stdout;
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/limits.md"));
    let page = page.expect("the guide");
    let rows: Vec<&str> = limits.lines().skip(1).collect();
    assert!(rows.iter().any(|row| row.starts_with("digest_files_max,150000,")), "{limits}");
    for row in rows {
        let name = row.split(',').next().expect("a name");
        assert!(page.contains(&format!("| `{name}` | ")), "the guide has no `{name}`");
    }
    assert!(desk.run_as_is(&["completions", "bash"]).stdout.contains("_pugmark()"));
    assert!(desk.run_as_is(&["man"]).stdout.contains(".TH pugmark"));
    assert_eq!(desk.run_as_is(&["man", "pages"]).code, 0);
    assert!(desk.path().join("pages/pugmark-search.1").is_file());
    let help = desk.run_as_is(&["--help"]);
    assert_eq!(help.code, 0);
    for code in ["    0  done", "    3  done, but", "  130  stopped"] {
        assert!(help.stdout.contains(code), "{}", help.stdout);
    }
    assert_eq!(desk.run_as_is(&["search", "--examples"]).stdout.lines().count(), 6);
}

#[test]
fn a_generated_trail_balances_and_is_the_same_for_a_seed() {
    let desk = Desk::new();
    for name in ["one", "two"] {
        let made =
            desk.run_as_is(&["generate", name, "--events", "2000", "--days", "2", "--seed", "9", "-q"]);
        assert_eq!(made.code, 0, "{}", made.stderr);
    }
    let events = |name: &str| desk.run(&["search", name]).stdout;
    assert_eq!(events("one"), events("two"));
    let summary = desk.run(&["one", "-q"]).summary.expect("a summary");
    assert!(summary["rows"].as_u64() >= Some(2_000), "{summary}");
    let again = desk.run_as_is(&["generate", "one"]);
    assert_eq!(again.code, 2);
}

#[test]
fn a_doctor_says_what_can_be_read() {
    let desk = small_trail();
    let well = desk.run_as_is(&["doctor", "logs", "--output", "table"]);
    assert_eq!(well.code, 0, "{}", well.stdout);
    assert!(well.stdout.contains("can list: 2 objects"), "{}", well.stdout);
    assert!(well.stdout.contains("can get: "), "{}", well.stdout);
    std::fs::create_dir(desk.path().join("empty")).expect("a folder");
    assert_eq!(desk.run_as_is(&["doctor", "empty"]).code, 2);
}

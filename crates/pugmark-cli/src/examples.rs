//! Examples of each command: first thing in `-h`, and all of `--examples`.

use crate::exit::Exit;

pub(crate) const OVERVIEW: &str = "\
Examples:
  pugmark logs/                                     what is there, and what is odd
  pugmark search s3://acme-logs/AWSLogs/ --since 2h --errors
  pugmark search logs/ --actor alice --name 'Delete*' --writes
  pugmark sql logs/ -q 'SELECT eventname, count(*) FROM events GROUP BY 1 ORDER BY 2 DESC'
  pugmark stats logs/ userIdentity.arn,errorCode
";

pub(crate) const SCAN: &str = "\
Examples:
  pugmark logs/
  pugmark scan s3://acme-logs/AWSLogs/ --account 111122223333 --when 'last 7d'
  pugmark scan logs/ --region eu-west-1,us-east-1 --top 20
  pugmark scan evidence.zip --output json
  gzip -dc file.json.gz | pugmark scan -
";

pub(crate) const SEARCH: &str = "\
Examples:
  pugmark search logs/ --name StopLogging,DeleteTrail,UpdateTrail
  pugmark search s3://acme-logs/AWSLogs/ --since 2h --errors
  pugmark search logs/ --key AKIAIOSFODNN7EXAMPLE --output jsonl
  pugmark search logs/ --ip 203.0.113.0/24 --writes --reverse -n 20
  pugmark search logs/ -w \"userIdentity.type = 'Root'\" --path requestParameters.bucketName='logs-*'
";

pub(crate) const SQL: &str = "\
Examples:
  pugmark sql logs/                                  an interactive shell
  pugmark sql logs/ -q 'SELECT eventname, count(*) FROM events GROUP BY 1 ORDER BY 2 DESC'
  pugmark sql logs/ -q \"SELECT userIdentity.arn, sourceIPAddress FROM events WHERE errorCode = 'AccessDenied'\"
  pugmark sql logs/ -f question.sql --output csv --to answer.csv
  pugmark sql logs/ -q 'SELECT * FROM events' --output parquet --to events.parquet
";

pub(crate) const SHOW: &str = "\
Examples:
  pugmark show logs/ 0a1b2c3d-1111-2222-3333-444455556666
  pugmark show logs/ 0a1b2c3d-1111-2222-3333-444455556666 --paths
  pugmark show logs/ 0a1b2c3d-1111-2222-3333-444455556666 --around 1h --neighbours 20
  pugmark show logs/ 0a1b2c3d-1111-2222-3333-444455556666 --output raw
  pugmark show s3://acme-logs/AWSLogs/ 0a1b2c3d-1111-2222-3333-444455556666 --when 2026-08-01
";

pub(crate) const STATS: &str = "\
Examples:
  pugmark stats logs/ eventName
  pugmark stats logs/ userIdentity.arn,errorCode --errors
  pugmark stats logs/ requestParameters.bucketName --service s3
  pugmark stats logs/ who,sourceIPAddress --since 7d
  pugmark stats logs/ eventSource,awsRegion --output csv
";

pub(crate) const COVERAGE: &str = "\
Examples:
  pugmark coverage logs/
  pugmark coverage s3://acme-logs/AWSLogs/ --when 'last 30d'
  pugmark coverage logs/ --account 111122223333 --hourly --when 2026-08-01
  pugmark coverage logs/ --output json
  pugmark coverage logs/ --output html --to coverage.html
";

pub(crate) const VERIFY: &str = "\
Examples:
  pugmark verify logs/ --keys keys.json
  pugmark verify s3://acme-logs/AWSLogs/ --fetch-keys --when 2026-08 --account 111122223333
  pugmark verify evidence.zip --keys keys.pem --output jsonl
  pugmark verify logs/ --keys keys.json --output html --to evidence.html
  pugmark verify logs/ --keys keys.json --output aws --when 2026-08 --trail arn:aws:cloudtrail:eu-west-1:111122223333:trail/main
";

pub(crate) const DETECT: &str = "\
Examples:
  pugmark detect logs/                                our own rules, worst findings first
  pugmark detect s3://acme-logs/AWSLogs/ --since 7d --level high --fail-on high
  pugmark detect logs/ --rules sigma/rules/cloud/aws/ --output jsonl > findings.jsonl
  pugmark detect logs/ --output html --to findings.html
  pugmark detect logs/ --first-seen --geoip GeoLite2-City.mmdb --baseline findings.jsonl
";

pub(crate) const INSIGHTS: &str = "\
Examples:
  pugmark insights logs/                              unusual rates, with the usual ones and who called
  pugmark insights s3://acme-logs/AWSLogs/ --since 30d --account 111122223333
  pugmark insights logs/ --output records > insights.jsonl     as CloudTrail writes them
";

pub(crate) const WATCH: &str = "\
Examples:
  pugmark watch s3://acme-logs/AWSLogs/ --since 1d    findings as they are found, each once
  pugmark watch logs/ --level high --slack https://hooks.slack.com/services/T0/B0/x
  pugmark watch logs/ --to findings.jsonl --webhook https://soc.example/hook
  pugmark watch logs/ --once --state /var/lib/pugmark  one look, for cron
";

pub(crate) const RULES: &str = "\
Examples:
  pugmark rules list                                  our own rules
  pugmark rules lint --rules my-rules/                broken rules, unknown events, missing words
  pugmark rules test --rules my-rules/ --junit rules.xml
  pugmark rules explain 'Trail stopped' logs/ 0a1b2c3d-1111-2222-3333-444455556666
  pugmark rules coverage --output navigator > layer.json
";

pub(crate) const WHO: &str = "\
Examples:
  pugmark who logs/ ASIAEXAMPLE000000001              the person behind a temporary key
  pugmark who logs/ arn:aws:sts::111122223333:assumed-role/Admin/deploy
  pugmark who logs/ 203.0.113.7 --when 'last 7d'
  pugmark who logs/ alice --events                    and all that was done
  pugmark who logs/ AKIAEXAMPLE000000001 --output mermaid
";

pub(crate) const SESSIONS: &str = "\
Examples:
  pugmark sessions logs/
  pugmark sessions logs/ --actor alice --latest -n 20
  pugmark sessions logs/ --suspicious
  pugmark sessions s3://acme-logs/AWSLogs/ --when 'last 2d' --output csv
  pugmark sessions logs/ --account 111122223333
";

pub(crate) const SESSION: &str = "\
Examples:
  pugmark session logs/ 3f2a91bc                      one session, by its short id
  pugmark session logs/ latest                        the one used last
  pugmark session logs/ ASIAEXAMPLE000000001 --events
  pugmark session logs/ 3f2a91bc --events --unfold
  pugmark session logs/ 3f2a91bc --output json
";

pub(crate) const WHY: &str = "\
Examples:
  pugmark why logs/ 0a1b2c3d-1111-2222-3333-444455556666
  pugmark why logs/ 0a1b2c3d-1111-2222-3333-444455556666 --output json
  pugmark why s3://acme-logs/AWSLogs/ 0a1b2c3d-1111-2222-3333-444455556666 --when 2026-08-01
  pugmark sql logs/ -q 'SELECT * FROM causes'         all causes that were found
  pugmark search logs/ -w \"cause = '0a1b2c3d-1111-2222-3333-444455556666'\"
";

pub(crate) const STORY: &str = "\
Examples:
  pugmark story logs/ i-0abc1234def567890             the life of an instance
  pugmark story logs/ arn:aws:s3:::acme-records       a bucket, and what was done to its objects
  pugmark story logs/ arn:aws:eks:eu-west-1:111122223333:cluster/prod
  pugmark story logs/ arn:aws:iam::111122223333:role/Deploy --when 'last 7d'
  pugmark story logs/ acme-records --output json
";

pub(crate) const POLICY: &str = "\
Examples:
  pugmark policy logs/ arn:aws:iam::111122223333:role/Deploy
  pugmark policy logs/ alice --when 'last 30d'
  pugmark policy logs/ AKIAEXAMPLE000000001
  pugmark policy logs/ Deploy --output policy --to policy.json
  pugmark policy logs/ Deploy --output json
";

pub(crate) const CONTAIN: &str = "\
Examples:
  pugmark contain logs/ AKIAEXAMPLE000000001          a leaked key
  pugmark contain logs/ arn:aws:iam::111122223333:user/alice
  pugmark contain logs/ arn:aws:sts::111122223333:assumed-role/Admin/deploy
  pugmark contain logs/ alice --output sh --to contain.sh
  pugmark contain logs/ alice --output json
";

pub(crate) const CASE: &str = "\
Examples:
  pugmark case new case-17 --source logs/
  pugmark case add case-17 -- search @ --actor eve --when 2026-08
  pugmark case add case-17 -- sql @ -q 'SELECT count(*) FROM events'
  pugmark case add case-17 -- verify @ --keys keys.json
  pugmark case report case-17
";

pub(crate) const EKS: &str = "\
Examples:
  pugmark eks logs/
  pugmark eks logs/ --cluster prod --events           its timeline
  pugmark eks logs/ --audit k8s/prod/audit.jsonl      with what Kubernetes recorded
  pugmark eks s3://acme-logs/AWSLogs/ --region eu-west-1 --when 'last 30d'
  pugmark eks logs/ --output json
";

pub(crate) const SERVE: &str = "\
Examples:
  pugmark serve --anonymous                          for tries and tests, on this machine only
  pugmark serve --data trail/ --bucket logs=bucket/ --cadence 1min
  pugmark serve --listen 0.0.0.0:8840 --keys keys.toml --s3
  aws cloudtrail create-trail --name main --s3-bucket-name logs --endpoint-url http://127.0.0.1:8840
  curl --data-binary @events.jsonl http://127.0.0.1:8840/ingest
";

pub(crate) const GENERATE: &str = "\
Examples:
  pugmark generate demo
  pugmark generate demo --events 1000000 --days 30 --accounts 12 --org
  pugmark generate calm --no-attacks --seed 7
";

pub(crate) const DOCTOR: &str = "\
Examples:
  pugmark doctor s3://acme-logs/AWSLogs/
  pugmark doctor s3://acme-logs/AWSLogs/ --profile audit
  pugmark doctor logs/
";

pub(crate) const SCHEMA: &str = "\
Examples:
  pugmark schema
  pugmark schema session
  pugmark schema --output md
";

pub(crate) const COMPLETIONS: &str = "\
Examples:
  pugmark completions bash > ~/.local/share/bash-completion/completions/pugmark
  pugmark completions zsh > ~/.zfunc/_pugmark
  pugmark completions fish > ~/.config/fish/completions/pugmark.fish
";

/// What only the long help says.
pub(crate) fn long_help() -> String {
    let mut text = String::from(
        "`pugmark SOURCE…` alone is `pugmark scan SOURCE…`. `pugmark COMMAND -h` has examples of each command.\n\n\
         stdout carries rows only; progress, notes and the summary go to stderr. Rows are a table on a\n\
         terminal and JSON lines in a pipe, unless --output says otherwise.\n\n\
         Times: now today yesterday, 2h, 3d, 2w, 1mo, 1y, `mon 09:00`, 14:05, 2026-08, 2026-08-01,\n\
         `2026-08-01 14:05`, RFC 3339; with Z, +02:00 or [Europe/Berlin]. Minutes are `min`, months `mo`.\n\
         Ranges: A..B, `A + 2h`, `last 7d`, `around 14:05 ±5min`, a day or a month. The end is not part of it.\n\n\
         Settings: ~/.config/pugmark/config.toml < ./pugmark.toml < PUGMARK_* < flags (--explain-config).\n\n\
         Exit codes:\n",
    );
    for exit in Exit::ALL {
        put!(text, "  {:>3}  {}\n", exit.code(), exit.meaning());
    }
    text
}

//! `pugmark doctor`: can the sources be read, and if not, what is missing.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::process::Command;
use std::sync::Arc;

use pugmark_event::{Defect, Fill, Filled, Object, format_time};
use pugmark_source::{Coverage, Location, Visitor, list, visit};

use super::Start;
use crate::args::{DoctorArgs, SelectArgs};
use crate::exit::{Exit, Failure};
use crate::plan::Reading;
use crate::printer::{Printer, Role, byte_words, count_words, counted, escape};
use crate::run::Run;

/// Disk below this is worth a word: sorting may need it.
const SPARE_BYTES: u64 = 10_000_000_000;

/// Days without files that are named.
const GAPS_SHOWN: usize = 6;

/// Tries each source in turn.
pub(super) fn doctor(args: &DoctorArgs, start: &Start) -> Result<Exit, Failure> {
    let reading = Reading::new(&args.sources, &SelectArgs::default(), &start.settings, &start.now)?;
    let mut run = Run::start(&start.printer)?;
    let mut report = Report { printer: &start.printer, text: String::new(), is_well: true };
    for location in &reading.locations {
        report.head(&location.to_string());
        if let Location::S3 { .. } = location {
            report.credentials(&reading);
        }
        examine(location, &reading, (&mut report, &run))?;
    }
    report.head("this machine");
    report.good(&format!("{} workers", reading.threads));
    report.disk();
    run.quiet();
    start.printer.report(&report.text)?;
    Ok(if report.is_well { Exit::Done } else { Exit::Failed })
}

fn examine(
    location: &Location,
    reading: &Reading,
    (report, run): (&mut Report<'_>, &Run<'_>),
) -> Result<(), Failure> {
    let one = std::slice::from_ref(location);
    let mut listing = match list(one, &reading.selection, &reading.access, &reading.limits, &run.progress) {
        Ok(listing) => listing,
        Err(error) => {
            report.bad(&error.to_string(), error.hint().as_deref());
            report.policy(location);
            return Ok(());
        }
    };
    let tally = &listing.tally;
    let bytes = listing.entries.iter().map(|entry| entry.bytes_stored).sum();
    report.good(&format!(
        "can list: {}, {} with events, {}",
        counted(tally.listed, "object"),
        count_words(listing.entries.len() as u64),
        byte_words(bytes)
    ));
    report.days(&listing.coverage);
    for defect in tally.defects.iter().take(5) {
        report.bad(&defect.to_string(), None);
    }
    if listing.entries.is_empty() {
        report.bad(
            "there is no object that can hold events",
            Some("check the prefix: logs stand under `AWSLogs/`"),
        );
        return Ok(());
    }
    listing.entries.truncate(1);
    let name = listing.entries[0].object.name.clone();
    let sample = listing.part(listing.entries.clone());
    let (probes, _) =
        visit(sample, &reading.access, &reading.limits, 1, &run.progress, |_| Probe::default())?;
    let (bytes, defects) = probes.into_iter().fold((0, Vec::new()), |(bytes, mut defects), probe| {
        defects.extend(probe.defects);
        (bytes + probe.bytes, defects)
    });
    if defects.is_empty() {
        report.good(&format!("can get: `{name}`, {} uncompressed", byte_words(bytes)));
        return Ok(());
    }
    for defect in &defects {
        report.bad(&format!("cannot get: {defect}"), None);
    }
    report.policy(location);
    Ok(())
}

/// Reads an object to its end and looks at nothing.
#[derive(Default)]
struct Probe {
    bytes: u64,
    defects: Vec<Defect>,
}

impl Visitor for Probe {
    fn object(&mut self, _object: &Arc<Object>, fill: &mut dyn Fill) -> ControlFlow<()> {
        let mut buffer = Vec::new();
        loop {
            buffer.clear();
            let filled = fill.fill(&mut buffer, 64 << 10);
            self.bytes += buffer.len() as u64;
            // An error has come, or will come, as a defect.
            if !matches!(filled, Ok(Filled::More)) {
                return ControlFlow::Continue(());
            }
        }
    }

    fn defect(&mut self, defect: Defect) {
        self.defects.push(defect);
    }
}

/// The findings, line by line.
struct Report<'a> {
    printer: &'a Printer,
    text: String,
    is_well: bool,
}

impl Report<'_> {
    fn head(&mut self, text: &str) {
        let line = self.printer.paint().role(Role::Strong, &escape(text));
        self.line(&line);
    }

    fn good(&mut self, text: &str) {
        let mark = self.printer.paint().role(Role::Good, "ok");
        self.line(&format!("  {mark}   {}", escape(text)));
    }

    fn bad(&mut self, text: &str, hint: Option<&str>) {
        self.is_well = false;
        let mark = self.printer.paint().role(Role::Bad, "✗");
        self.line(&format!("  {mark}    {}", escape(text)));
        if let Some(hint) = hint {
            self.line(&format!("       hint: {}", escape(hint)));
        }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// From which day to which there are files, and where none are in between.
    fn days(&mut self, coverage: &[Coverage]) {
        let all: BTreeSet<i32> = coverage.iter().flat_map(|coverage| coverage.days.iter().copied()).collect();
        let (Some(first), Some(last)) = (all.first(), all.last()) else { return };
        let day = |day: i32| format_time(i64::from(day) * 86_400_000_000)[..10].to_owned();
        self.good(&format!(
            "days: {} to {}, {} with files, {} accounts and Regions",
            day(*first),
            day(*last),
            count_words(all.len() as u64),
            coverage.len(),
        ));
        let missing: Vec<String> =
            (*first..=*last).filter(|one| !all.contains(one)).map(day).take(GAPS_SHOWN + 1).collect();
        if !missing.is_empty() {
            let more = if missing.len() > GAPS_SHOWN { " and more" } else { "" };
            let shown = missing.iter().take(GAPS_SHOWN).cloned().collect::<Vec<_>>().join(", ");
            self.line(&format!("  ?    days without a file: {shown}{more}"));
        }
    }

    /// Which credentials the standard chain will look at. Nothing secret is read or shown.
    fn credentials(&mut self, reading: &Reading) {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let home = std::env::var_os("HOME").map(std::path::PathBuf::from);
        let file = |name: &str| home.as_ref().is_some_and(|home| home.join(".aws").join(name).is_file());
        let found = if let Some(profile) = &reading.access.profile {
            format!("profile `{profile}`")
        } else if is_set("AWS_ACCESS_KEY_ID") {
            "key in the environment".to_owned()
        } else if is_set("AWS_PROFILE") {
            format!("profile `{}` of `AWS_PROFILE`", std::env::var("AWS_PROFILE").unwrap_or_default())
        } else if is_set("AWS_WEB_IDENTITY_TOKEN_FILE") {
            "web identity token".to_owned()
        } else if is_set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
            || is_set("AWS_CONTAINER_CREDENTIALS_FULL_URI")
        {
            "container credentials".to_owned()
        } else if file("credentials") || file("config") {
            "default profile of `~/.aws`".to_owned()
        } else {
            self.line("  ?    no credentials in environment or files; the instance's role will be tried");
            return;
        };
        self.good(&format!("credentials: {found}"));
        if let Some(url) = &reading.access.endpoint_url {
            self.good(&format!("endpoint: `{url}`"));
        }
    }

    /// The least policy that lets a role read the source.
    fn policy(&mut self, location: &Location) {
        let Location::S3 { bucket, prefix } = location else { return };
        self.line("       least policy:");
        for line in least_policy(bucket, prefix).lines() {
            self.line(&format!("         {}", escape(line)));
        }
        self.line("       a bucket encrypted with a customer key needs `kms:Decrypt` on that key, too");
    }

    fn disk(&mut self) {
        let directory = std::env::temp_dir();
        match free_bytes(&directory) {
            Some(free) => {
                let words = format!("{} free in `{}` for sorting", byte_words(free), directory.display());
                if free < SPARE_BYTES {
                    self.line(&format!(
                        "  ?    {}; set TMPDIR to a larger disk for large sorts",
                        escape(&words)
                    ));
                } else {
                    self.good(&words);
                }
            }
            None => self.line("  ?    free disk space is unknown"),
        }
    }
}

fn least_policy(bucket: &str, prefix: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[
  {{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::{bucket}",
   "Condition":{{"StringLike":{{"s3:prefix":["{prefix}*"]}}}}}},
  {{"Effect":"Allow","Action":["s3:GetBucketLocation"],"Resource":"arn:aws:s3:::{bucket}"}},
  {{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::{bucket}/{prefix}*"}}]}}"#
    )
}

/// As `df` sees it: the standard library does not ask.
fn free_bytes(directory: &std::path::Path) -> Option<u64> {
    let output = Command::new("df").arg("-Pk").arg(directory).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let kilobytes: u64 = text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_policy_is_json_for_this_prefix() {
        let policy: serde_json::Value =
            serde_json::from_str(&least_policy("logs", "AWSLogs/")).expect("JSON");
        assert_eq!(policy["Statement"][2]["Resource"], "arn:aws:s3:::logs/AWSLogs/*");
        assert_eq!(policy["Statement"][0]["Action"], "s3:ListBucket");
    }
}

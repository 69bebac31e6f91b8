//! What every reading command has around it: the clock, the progress line,
//! Ctrl-C, the listing before and the summary after.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pugmark_event::{Projection, Tally, TimeRange};
use pugmark_scan::Request;
use pugmark_source::{Coverage, Listing, Progress};

use crate::exit::{Exit, Failure};
use crate::plan::Reading;
use crate::printer::{Ended, Printer, ProgressLine, Summary, count_words, counted};
use crate::time_expr;

/// A command at work.
pub(crate) struct Run<'a> {
    /// Where it prints.
    pub(crate) printer: &'a Printer,
    /// What its workers count, and how they are stopped.
    pub(crate) progress: Arc<Progress>,
    line: ProgressLine,
    interrupted: Arc<AtomicBool>,
    begun: Instant,
}

/// What was listed, apart from the entries: kept for empty answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listed {
    /// Days with files, by account and Region.
    pub(crate) coverage: Vec<Coverage>,
    /// Objects that will be opened.
    pub(crate) opened: u64,
    /// Latest delivery among them, microseconds since 1970.
    pub(crate) newest: Option<i64>,
}

impl<'a> Run<'a> {
    /// Starts the clock and listens for Ctrl-C: the first ends the run with
    /// what is done, the second ends the process.
    pub(crate) fn start(printer: &'a Printer) -> Result<Run<'a>, Failure> {
        let progress = Arc::new(Progress::default());
        let interrupted = Arc::new(AtomicBool::new(false));
        listen(&interrupted, &progress)
            .map_err(|error| Failure::bare(format!("cannot listen for Ctrl-C: {error}")))?;
        let line = printer.progress(&progress);
        Ok(Run { printer, progress, line, interrupted, begun: Instant::now() })
    }

    /// Lists the objects and says what was chosen.
    pub(crate) fn list(&mut self, reading: &Reading) -> Result<(Listing, Listed), Failure> {
        if !reading.selection.range.is_open() {
            self.printer.note(&format!("time: {}", time_expr::echo(reading.selection.range)));
        }
        let listing = reading.list(&self.progress)?;
        let listed = Listed {
            coverage: listing.coverage.clone(),
            opened: listing.entries.len() as u64,
            newest: listing.entries.iter().filter_map(|entry| entry.object.delivered).max(),
        };
        self.printer.reason(&format!(
            "opening {} of {} objects, {}",
            count_words(listed.opened),
            count_words(listing.tally.listed),
            crate::printer::byte_words(listing.entries.iter().map(|entry| entry.bytes_stored).sum()),
        ));
        Ok((listing, listed))
    }

    /// True once Ctrl-C was pressed.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Takes the progress line away, because rows are coming.
    pub(crate) fn quiet(&mut self) {
        self.line.stop();
    }

    /// Starts the clock anew, for the next statement of a shell.
    pub(crate) fn restart(&mut self) {
        self.begun = Instant::now();
        self.interrupted.store(false, Ordering::Relaxed);
        self.progress.cancelled.store(false, Ordering::Relaxed);
    }

    /// Prints the summary, and answers the exit code.
    pub(crate) fn finish(&mut self, tally: Tally, shown: u64, ended: Ended) -> Exit {
        self.quiet();
        let ended = if self.is_interrupted() { Ended::ByCtrlC } else { ended };
        let summary = Summary { tally, shown, elapsed: self.begun.elapsed(), ended };
        self.printer.summary(&summary)
    }
}

/// The request for the events of `reading`.
pub(crate) fn request(reading: &Reading, projection: Projection) -> Request {
    Request {
        range: reading.selection.range,
        limits: reading.limits,
        threads: reading.threads,
        access: reading.access.clone(),
        ..Request::new(projection)
    }
}

/// Why an answer is empty, as far as the listing knows.
pub(crate) fn nothing_found(listed: &Listed, tally: &Tally, range: TimeRange) -> String {
    if tally.listed == 0 {
        return "no events: there is no object under the sources".to_owned();
    }
    let mut text = if listed.opened == 0 {
        format!("no events: none of {} objects is within account, Region and time", count_words(tally.listed))
    } else if tally.bytes_passed > 0 {
        // Records without a word that was asked for are not even counted.
        format!("no events match in {} objects", count_words(tally.decoded))
    } else {
        format!("no events match among {} in {} objects", count_words(tally.rows), count_words(tally.decoded))
    };
    let days = listed.coverage.iter().flat_map(|coverage| coverage.days.iter());
    if let (Some(first), Some(last)) = (days.clone().min(), days.max()) {
        let day = |day: i32| pugmark_event::format_time(i64::from(day) * 86_400_000_000)[..10].to_owned();
        put!(text, "; there are files for {} to {}", day(*first), day(*last));
    }
    if let Some(newest) = listed.newest {
        put!(text, ", the newest opened was delivered {}", pugmark_event::format_time(newest));
    }
    if !range.is_open() {
        put!(text, "; asked for {}", time_expr::echo(range));
        put!(text, "{}", covered_words(&listed.coverage, range));
    }
    text
}

/// On how many days of `range` files were delivered, and on which none; days
/// are looked at only if their number is known and small.
fn covered_words(coverage: &[Coverage], range: TimeRange) -> String {
    const DAY_US: i64 = 86_400_000_000;
    const DAYS_MAX: i32 = 1_000;
    const NAMED_MAX: usize = 4;
    let day = |day: i32| pugmark_event::format_time(i64::from(day) * DAY_US)[..10].to_owned();
    let known = coverage.iter().flat_map(|coverage| coverage.days.iter().copied());
    let Some((first, last)) = known.clone().min().zip(known.max()) else {
        return String::new();
    };
    let first = range.since.map_or(first, |since| since.div_euclid(DAY_US) as i32);
    let last = range.until.map_or(last, |until| (until - 1).div_euclid(DAY_US) as i32);
    if last < first || last - first >= DAYS_MAX {
        return String::new();
    }
    let has = |wanted: i32| coverage.iter().any(|coverage| coverage.days.contains(&wanted));
    let bare: Vec<i32> = (first..=last).filter(|day| !has(*day)).collect();
    let days = (last - first + 1) as usize;
    let mut text = format!("; files on {} of {}", days - bare.len(), counted(days as u64, "day"));
    if !bare.is_empty() && bare.len() < days {
        let named: Vec<String> = bare.iter().take(NAMED_MAX).map(|bare| day(*bare)).collect();
        put!(text, ", none on {}", named.join(", "));
        if bare.len() > NAMED_MAX {
            put!(text, " and {} more", bare.len() - NAMED_MAX);
        }
    }
    let silent = coverage.iter().filter(|covered| covered.days.range(first..=last).next().is_none()).count();
    if silent > 0 && bare.len() < days {
        put!(text, ", none at all for {} of {} account-Regions", silent, coverage.len());
    }
    text
}

fn listen(interrupted: &Arc<AtomicBool>, progress: &Arc<Progress>) -> std::io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    for signal in [SIGINT, SIGTERM] {
        // Armed by the first signal, since it stands before the line that arms it.
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(interrupted))?;
        signal_hook::flag::register(signal, Arc::clone(interrupted))?;
    }
    let (interrupted, progress) = (Arc::clone(interrupted), Arc::downgrade(progress));
    std::thread::Builder::new().name("ctrl-c".to_owned()).spawn(move || {
        while let Some(progress) = progress.upgrade() {
            if interrupted.load(Ordering::Relaxed) {
                progress.cancel();
            }
            drop(progress);
            std::thread::sleep(Duration::from_millis(20));
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_answer_says_what_was_covered() {
        let tally = Tally { listed: 4, decoded: 4, rows: 1_200, ..Tally::default() };
        let coverage = Coverage {
            account: "111122223333".to_owned(),
            region: "us-east-1".to_owned(),
            days: [20_000, 20_003].into_iter().collect(),
        };
        let listed = Listed { coverage: vec![coverage], opened: 4, newest: Some(0) };
        assert_eq!(
            nothing_found(&listed, &tally, TimeRange::default()),
            "no events match among 1,200 in 4 objects; there are files for 2024-10-04 to 2024-10-07, \
             the newest opened was delivered 1970-01-01T00:00:00Z"
        );
        let day = 86_400_000_000;
        let range = TimeRange { since: Some(20_000 * day), until: Some(20_004 * day) };
        let text = nothing_found(&listed, &tally, range);
        assert!(text.ends_with("; files on 2 of 4 days, none on 2024-10-05, 2024-10-06"), "{text}");
        assert_eq!(
            nothing_found(&Listed::default(), &Tally::default(), TimeRange::default()),
            "no events: there is no object under the sources"
        );
    }
}

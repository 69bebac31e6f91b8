//! One line on stderr that says how far a run is.
//!
//! It appears after half a second, is drawn at most ten times a second, and is
//! gone before anything else is printed. The line reads counters; it never
//! holds up the work.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pugmark_source::Progress;

use super::plot::{Ink, bar};
use super::words::{bytes, count, short_count};

const DELAY: Duration = Duration::from_millis(500);
const PERIOD: Duration = Duration::from_millis(100);
const BAR_WIDTH: usize = 16;

/// The running line; it goes away when stopped or dropped.
#[derive(Debug)]
pub(crate) struct ProgressLine {
    is_stopped: Arc<AtomicBool>,
    bar: Arc<Mutex<Option<ProgressBar>>>,
    drawer: Option<JoinHandle<()>>,
}

/// Whether a line may be drawn here at all.
pub(crate) fn is_wanted(environment: impl Fn(&str) -> Option<String>) -> bool {
    std::io::stderr().is_terminal()
        && environment("TERM").is_none_or(|term| term != "dumb")
        && environment("CI").is_none()
        && environment("PUGMARK_NO_PROGRESS").is_none()
}

impl ProgressLine {
    /// A line that shows `progress` from half a second on.
    pub(crate) fn start(progress: Arc<Progress>, ink: Ink) -> ProgressLine {
        let is_stopped = Arc::new(AtomicBool::new(false));
        let bar = Arc::new(Mutex::new(None));
        let drawer = {
            let is_stopped = Arc::clone(&is_stopped);
            let bar = Arc::clone(&bar);
            std::thread::spawn(move || draw(&progress, &is_stopped, &bar, ink))
        };
        ProgressLine { is_stopped, bar, drawer: Some(drawer) }
    }

    /// No line.
    pub(crate) fn none() -> ProgressLine {
        ProgressLine { is_stopped: Arc::default(), bar: Arc::default(), drawer: None }
    }

    /// Takes the line away.
    pub(crate) fn stop(&mut self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        if let Some(drawer) = self.drawer.take() {
            drawer.thread().unpark();
            let _ended = drawer.join();
        }
        if let Ok(mut bar) = self.bar.lock()
            && let Some(bar) = bar.take()
        {
            bar.finish_and_clear();
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.stop();
    }
}

fn draw(progress: &Progress, is_stopped: &AtomicBool, slot: &Mutex<Option<ProgressBar>>, ink: Ink) {
    let begun = Instant::now();
    while !is_stopped.load(Ordering::Relaxed) {
        let elapsed = begun.elapsed();
        if elapsed < DELAY {
            std::thread::park_timeout(DELAY.saturating_sub(elapsed));
            continue;
        }
        if let Ok(mut slot) = slot.lock() {
            let bar = slot.get_or_insert_with(|| {
                let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
                ProgressStyle::with_template("{wide_msg}").map_or(bar.clone(), |style| bar.with_style(style))
            });
            bar.set_message(line(&Snapshot::of(progress), elapsed, ink));
        }
        std::thread::park_timeout(PERIOD);
    }
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default)]
struct Snapshot {
    objects_listed: u64,
    objects_done: u64,
    bytes_total: u64,
    bytes_stored: u64,
    bytes_inflated: u64,
    rows: u64,
    skipped: u64,
}

impl Snapshot {
    fn of(progress: &Progress) -> Snapshot {
        Snapshot {
            objects_listed: progress.objects_listed.load(Ordering::Relaxed),
            objects_done: progress.objects_done.load(Ordering::Relaxed),
            bytes_total: progress.bytes_total.load(Ordering::Relaxed),
            bytes_stored: progress.bytes_stored.load(Ordering::Relaxed),
            bytes_inflated: progress.bytes_inflated.load(Ordering::Relaxed),
            rows: progress.rows.load(Ordering::Relaxed),
            skipped: progress.skipped.load(Ordering::Relaxed),
        }
    }
}

/// `decode  ███████░░  71 %  2.9/4.1 GB · 1.8 GB/s · 12.3 M events · 2 skipped · ETA 0:01`
fn line(now: &Snapshot, elapsed: Duration, ink: Ink) -> String {
    if now.objects_done == 0 && now.bytes_stored == 0 {
        return format!("list  {} objects", count(now.objects_listed));
    }
    let seconds = elapsed.as_secs_f64().max(0.001);
    let mut parts = Vec::new();
    let total = now.bytes_total;
    let head = if total > 0 {
        let done = now.bytes_stored.min(total);
        let (filled, empty) = (bar(done, total, BAR_WIDTH, ink), if ink == Ink::Blocks { '░' } else { '.' });
        let rest: String = std::iter::repeat_n(empty, BAR_WIDTH - filled.chars().count()).collect();
        parts.push(format!("{}/{}", bytes(done), bytes(total)));
        format!("decode  {filled}{rest}  {:2} %  ", done * 100 / total)
    } else {
        parts.push(bytes(now.bytes_stored));
        "decode  ".to_owned()
    };
    parts.push(format!("{}/s", bytes((now.bytes_inflated as f64 / seconds) as u64)));
    parts.push(format!("{} events", short_count(now.rows)));
    if now.skipped > 0 {
        parts.push(format!("{} skipped", count(now.skipped)));
    }
    if total > now.bytes_stored && now.bytes_stored > 0 {
        let left = seconds * (total - now.bytes_stored) as f64 / now.bytes_stored as f64;
        parts.push(format!("ETA {}:{:02}", left as u64 / 60, left as u64 % 60));
    }
    format!("{head}{}", parts.join(" · "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_total_gives_a_bar_and_an_eta() {
        let now = Snapshot {
            objects_done: 300,
            bytes_total: 4_100_000_000,
            bytes_stored: 2_900_000_000,
            bytes_inflated: 18_400_000_000,
            rows: 12_300_000,
            skipped: 2,
            ..Snapshot::default()
        };
        let shown = line(&now, Duration::from_secs(10), Ink::Blocks);
        assert_eq!(
            shown,
            "decode  ███████████░░░░░  70 %  2.9 GB/4.1 GB · 1.8 GB/s · 12.3 M events · 2 skipped · ETA 0:04"
        );
    }

    #[test]
    fn an_unknown_total_gives_counters() {
        let now = Snapshot { bytes_stored: 1_000, bytes_inflated: 20_000, rows: 3, ..Snapshot::default() };
        assert_eq!(line(&now, Duration::from_secs(1), Ink::Ascii), "decode  1.0 kB · 20 kB/s · 3 events");
        let listing = Snapshot { objects_listed: 41_220, ..Snapshot::default() };
        assert_eq!(line(&listing, Duration::from_secs(1), Ink::Ascii), "list  41,220 objects");
    }
}

//! `generate DIRECTORY [EVENTS [SEED [logs]]]`: writes a trail, for benchmarks and by hand; with `logs`
//! also the audit logs of the clusters in it.
//! `generate samples/trail sample` writes the repository's sample anew.

use std::path::Path;
use std::time::Instant;

use pugmark_sim::{Options, Planted, generate};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let directory = words.next().ok_or("usage: generate DIRECTORY [EVENTS [SEED [logs]]]")?;
    let events = words.next().unwrap_or_else(|| "100000".to_owned());
    let seed = words.next().map_or(Ok(1), |text| text.parse())?;
    let planted = match words.next().as_deref() {
        Some("logs") => Planted::LineageAndAuditLogs,
        _ => Planted::Lineage,
    };
    let options = match events.as_str() {
        "sample" => Options::sample(),
        count => Options { seed, events: count.parse()?, planted, ..Options::default() },
    };
    let started = Instant::now();
    let truth = generate(Path::new(&directory), &options, &|_| {})?;
    let summary = format!(
        "{} events, {} records, {} files, {} bytes inflated, {:.1} s\n",
        truth.events,
        truth.records,
        truth.files,
        truth.bytes_inflated,
        started.elapsed().as_secs_f64()
    );
    std::io::Write::write_all(&mut std::io::stdout(), summary.as_bytes())?;
    Ok(())
}

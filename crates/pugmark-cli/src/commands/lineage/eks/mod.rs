//! `pugmark eks`: the clusters, who made, changed and entered them, what EKS
//! and their pods did, and their own audit logs in the same timeline.

mod audit;
mod page;

use pugmark_lineage::{Cluster, Lineage};

use super::Start;
use crate::args::lineage::EksArgs;
use crate::exit::{Exit, Failure};
use crate::plan::Reading;
use crate::printer::{Content, Ended, Format};
use crate::provenance::Provenance;
use crate::run::Run;

/// Finds the clusters and prints their lives.
pub(super) fn eks(args: &EksArgs, start: &Start) -> Result<Exit, Failure> {
    let reading = Reading::new(&args.sources, &args.read.select, &start.settings, &start.now)?;
    let mut run = Run::start(&start.printer)?;
    let provenance = Provenance::new(&reading, &run);
    let lineage = provenance.lineage()?;
    let clusters: Vec<&Cluster> = wanted(&lineage, args, &reading);
    if args.events || !args.audit.is_empty() {
        let (shown, tally) = audit::timeline(args, &reading, &lineage, &mut run)?;
        return Ok(run.finish(tally, shown, Ended::AtTheEnd));
    }
    run.quiet();
    if clusters.is_empty() {
        start.printer.note(&format!("no cluster in {}", super::covered(&lineage)));
    }
    let shown = clusters.len() as u64;
    match start.printer.format() {
        Format::Table | Format::Md => {
            let text: Vec<String> =
                clusters.iter().map(|cluster| page::text(cluster, &lineage, &start.printer)).collect();
            start.printer.report(&text.join("\n"))?;
        }
        Format::Json => start.printer.report(&page::document(&clusters, &lineage))?,
        _ => {
            // Rows are those of the SQL table.
            let table = lineage.clusters_table();
            let keep = lineage.clusters().all.iter().map(|cluster| Some(clusters.contains(&cluster)));
            let keep: arrow::array::BooleanArray = keep.collect();
            let table = arrow::compute::filter_record_batch(&table, &keep)?;
            let mut rows = start.printer.rows(&table.schema(), Content::Columns)?;
            rows.batch(&table)?;
            rows.finish()?;
        }
    }
    Ok(run.finish(provenance.tally(), shown, Ended::AtTheEnd))
}

/// The clusters that were asked for: by name, account and Region.
fn wanted<'a>(lineage: &'a Lineage, args: &EksArgs, reading: &Reading) -> Vec<&'a Cluster> {
    let is_in = |wanted: &[String], text: &str| wanted.is_empty() || wanted.iter().any(|one| one == text);
    let is_named = |cluster: &Cluster| {
        args.cluster.is_empty()
            || args.cluster.iter().any(|name| *name == cluster.name || *name == cluster.arn())
    };
    lineage
        .clusters()
        .all
        .iter()
        .filter(|cluster| is_named(cluster))
        .filter(|cluster| is_in(&reading.selection.accounts, &cluster.account))
        .filter(|cluster| is_in(&reading.selection.regions, &cluster.region))
        .collect()
}

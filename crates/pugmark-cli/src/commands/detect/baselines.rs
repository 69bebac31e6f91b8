//! What no rule says: things done for the first time, and places too far apart.

use std::path::PathBuf;
use std::sync::Arc;

use pugmark_detect::first_seen::{Burst, FirstSeen, Settings, detection_since};
use pugmark_detect::geo::{GeoDb, Journey, Travel};
use pugmark_detect::{Finding, Observed};
use pugmark_event::{EventBatch, Leaf, Projection};

use crate::args::detect::BaselineArgs;
use crate::exit::Failure;
use crate::printer::Printer;

/// What is looked for beside rules.
#[derive(Clone)]
pub(super) struct Wanted {
    first_seen: bool,
    travel: bool,
    percent: u8,
    geo: Arc<GeoDb>,
}

impl Wanted {
    /// Opens the databases of places.
    pub(super) fn new(args: &BaselineArgs) -> Result<Wanted, Failure> {
        let read = |path: &PathBuf| match std::fs::read(path) {
            Ok(bytes) => Ok((path.display().to_string(), bytes)),
            Err(error) => Err(Failure::bare(format!("cannot read `{}`: {error}", path.display()))),
        };
        let files: Vec<(String, Vec<u8>)> = args.geoip.iter().map(read).collect::<Result<_, _>>()?;
        let geo = GeoDb::open(files).map_err(|error| {
            Failure::new(error.to_string(), "give a database in MaxMind's format, such as GeoLite2-City.mmdb")
        })?;
        let travel = args.travel || !geo.is_empty();
        let percent = args.learned.min(100);
        Ok(Wanted { first_seen: args.first_seen, travel, percent, geo: Arc::new(geo) })
    }

    /// The leaves that it takes.
    pub(super) fn leaves(&self) -> Projection {
        if self.first_seen || self.travel {
            Observed::leaves().with(Leaf::ActorType)
        } else {
            Projection::default()
        }
    }
}

/// One worker's part.
pub(super) struct Baselines {
    wanted: Wanted,
    seen: FirstSeen,
    travel: Travel,
}

impl Baselines {
    pub(super) fn new(wanted: &Wanted) -> Baselines {
        Baselines { wanted: wanted.clone(), seen: FirstSeen::default(), travel: Travel::default() }
    }

    pub(super) fn read(&mut self, batch: &EventBatch) {
        if self.wanted.first_seen {
            self.seen.read(batch, &self.wanted.geo);
        }
        if self.wanted.travel {
            self.travel.read(batch, &self.wanted.geo);
        }
    }

    pub(super) fn merge(self, other: Baselines) -> Baselines {
        Baselines {
            wanted: self.wanted,
            seen: self.seen.merge(other.seen),
            travel: self.travel.merge(other.travel),
        }
    }

    /// What is new or too far; says what could not be judged.
    pub(super) fn findings(&self, printer: &Printer) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let Some(since) =
            detection_since(&self.seen, self.wanted.percent).filter(|_| self.wanted.first_seen)
        {
            printer.note(&format!(
                "first seen: what came before {} was learned, what came after is judged",
                pugmark_event::format_time(since)
            ));
            findings.extend(self.seen.findings(&Settings::since(since)).iter().map(Burst::finding));
        }
        if self.wanted.travel {
            let kept = self.travel.kept_one_in();
            if kept > 1 {
                printer.warning(&format!(
                    "one session in {kept} was looked at for travel, because there are too many"
                ));
            }
            findings.extend(self.travel.journeys(&self.wanted.geo).iter().map(Journey::finding));
        }
        findings
    }
}

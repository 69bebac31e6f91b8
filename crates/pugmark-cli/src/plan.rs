//! Arguments and settings, made into the objects that commands work with.

use std::time::Duration;

use anstream::ColorChoice;
use jiff::Zoned;
use jiff::tz::TimeZone;
use pugmark_event::{Limits, TimeRange};
use pugmark_integrity::Reading as Gathering;
use pugmark_source::{Access, Listing, Location, Progress, Selection, SourceError, list};

use crate::args::{AccessArgs, SelectArgs, TalkArgs};
use crate::config::{Setting, Settings};
use crate::exit::Failure;
use crate::printer::{Format, Formulas, Overwrite, SummaryForm, Talk, Wishes};
use crate::suggest::closest;
use crate::time_expr;

/// The settings of a run, with what its flags say.
pub(crate) fn settings(talk: &TalkArgs, access: Option<&AccessArgs>) -> Result<Settings, Failure> {
    let mut settings = Settings::load(&|name| std::env::var(name).ok())?;
    let on = |flag: bool| flag.then(|| "true".to_owned());
    settings.flag(Setting::OUTPUT, talk.output.clone());
    settings.flag(Setting::TZ, talk.tz.clone());
    settings.flag(Setting::COLOR, talk.color.clone());
    settings.flag(Setting::CSV_FORMULAS, talk.csv_formulas.clone());
    settings.flag(Setting::SUMMARY, talk.summary.clone());
    settings.flag(Setting::PAGER, talk.pager.clone());
    settings.flag(Setting::PLAIN, on(talk.plain));
    if let Some(access) = access {
        settings.flag(Setting::PROFILE, access.profile.clone());
        settings.flag(Setting::AWS_REGION, access.aws_region.clone());
        settings.flag(Setting::ENDPOINT_URL, access.endpoint_url.clone());
        settings.flag(Setting::REQUEST_PAYER, on(access.request_payer));
        settings.flag(Setting::THREADS, access.threads.clone());
    }
    Ok(settings)
}

/// What the printer is to do.
pub(crate) fn wishes(talk: &TalkArgs, quiet: u8, settings: &Settings) -> Result<Wishes, Failure> {
    let overwrite = if talk.force { Overwrite::Allow } else { Overwrite::Refuse };
    let pager = match settings.get(Setting::PAGER) {
        Some(pager) => pager.to_owned(),
        None => std::env::var("PAGER").unwrap_or_else(|_| "less -FRX".to_owned()),
    };
    Ok(Wishes {
        format: settings.get(Setting::OUTPUT).map(|name| format(name, settings)).transpose()?,
        to: talk.to.clone().map(|path| (path, overwrite)),
        color: color(settings)?,
        talk: match (quiet, talk.verbose) {
            (0, false) => Talk::Normal,
            (0, true) => Talk::Reasons,
            (1, _) => Talk::Warnings,
            _ => Talk::Errors,
        },
        is_wide: talk.wide,
        is_plain: settings.is_on(Setting::PLAIN)?,
        formulas: formulas(settings)?,
        zone: zone(settings)?,
        pager,
        summary: summary(settings)?,
    })
}

/// The colour choice, which error messages need before all else is known.
pub(crate) fn color(settings: &Settings) -> Result<ColorChoice, Failure> {
    match settings.get(Setting::COLOR) {
        None | Some("auto") => Ok(ColorChoice::Auto),
        Some("always") => Ok(ColorChoice::Always),
        Some("never") => Ok(ColorChoice::Never),
        Some(other) => Err(settings.wrong(Setting::COLOR, other, "write `auto`, `always` or `never`")),
    }
}

fn format(name: &str, settings: &Settings) -> Result<Format, Failure> {
    Format::named(name).ok_or_else(|| {
        let names: Vec<&str> = Format::ALL.iter().map(|(name, _)| *name).collect();
        let hint = match closest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("formats are {}", names.join(", ")),
        };
        settings.wrong(Setting::OUTPUT, name, &hint)
    })
}

fn formulas(settings: &Settings) -> Result<Option<Formulas>, Failure> {
    match settings.get(Setting::CSV_FORMULAS) {
        None => Ok(None),
        Some("escape") => Ok(Some(Formulas::Escape)),
        Some("keep") => Ok(Some(Formulas::Keep)),
        Some(other) => Err(settings.wrong(Setting::CSV_FORMULAS, other, "write `escape` or `keep`")),
    }
}

fn summary(settings: &Settings) -> Result<SummaryForm, Failure> {
    match settings.get(Setting::SUMMARY) {
        None | Some("text") => Ok(SummaryForm::Text),
        Some("json") => Ok(SummaryForm::Json),
        Some("none") => Ok(SummaryForm::None),
        Some(other) => Err(settings.wrong(Setting::SUMMARY, other, "write `text`, `json` or `none`")),
    }
}

/// The zone that times are read and shown in.
pub(crate) fn zone(settings: &Settings) -> Result<TimeZone, Failure> {
    settings.get(Setting::TZ).map_or(Ok(TimeZone::UTC), |text| Ok(time_expr::zone(text)?))
}

/// Everything that says which events are read, and how.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    /// Where objects are looked for.
    pub(crate) locations: Vec<Location>,
    /// Which of them are opened.
    pub(crate) selection: Selection,
    /// How S3 is reached.
    pub(crate) access: Access,
    /// Bounds.
    pub(crate) limits: Limits,
    /// Workers.
    pub(crate) threads: usize,
}

impl Reading {
    /// All of this is checked before anything is read.
    pub(crate) fn new(
        sources: &[String],
        select: &SelectArgs,
        settings: &Settings,
        now: &Zoned,
    ) -> Result<Reading, Failure> {
        let selection = Selection {
            accounts: accounts(&select.account)?,
            regions: select.region.clone(),
            range: range(select, now)?,
            ..Selection::default()
        };
        let locations =
            sources.iter().map(|text| Ok(Location::parse(text)?)).collect::<Result<_, Failure>>()?;
        Ok(Reading {
            locations,
            selection,
            access: access(settings)?,
            limits: Limits::default(),
            threads: threads(settings)?,
        })
    }
}

impl Reading {
    /// The objects that are read.
    pub(crate) fn list(&self, progress: &Progress) -> Result<Listing, SourceError> {
        list(&self.locations, &self.selection, &self.access, &self.limits, progress)
    }

    /// How evidence is gathered.
    pub(crate) fn gathering<'a>(&'a self, progress: &'a Progress) -> Gathering<'a> {
        Gathering { access: &self.access, limits: &self.limits, threads: self.threads, progress }
    }
}

fn range(select: &SelectArgs, now: &Zoned) -> Result<TimeRange, Failure> {
    if let Some(text) = &select.when {
        return Ok(time_expr::range(text, now)?);
    }
    let end = |text: &Option<String>| -> Result<Option<i64>, Failure> {
        Ok(text.as_deref().map(|text| time_expr::instant(text, now)).transpose()?)
    };
    Ok(time_expr::checked(TimeRange { since: end(&select.since)?, until: end(&select.until)? })?)
}

fn accounts(given: &[String]) -> Result<Vec<String>, Failure> {
    for account in given {
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Failure::new(
                format!("`{account}` is not an account"),
                "an account id has 12 digits",
            ));
        }
    }
    Ok(given.to_vec())
}

pub(crate) fn access(settings: &Settings) -> Result<Access, Failure> {
    let text = |setting: Setting| settings.get(setting).map(str::to_owned);
    Ok(Access {
        profile: text(Setting::PROFILE),
        region: text(Setting::AWS_REGION),
        endpoint_url: text(Setting::ENDPOINT_URL),
        requester_pays: settings.is_on(Setting::REQUEST_PAYER)?,
    })
}

pub(crate) fn threads(settings: &Settings) -> Result<usize, Failure> {
    match settings.get(Setting::THREADS) {
        None => Ok(std::thread::available_parallelism().map_or(1, std::num::NonZero::get)),
        Some(text) => match text.parse() {
            Ok(threads @ 1..=1_024) => Ok(threads),
            _ => Err(settings.wrong(Setting::THREADS, text, "write a number from 1 to 1024")),
        },
    }
}

/// Memory for SQL.
pub(crate) fn memory(settings: &Settings) -> Result<Option<usize>, Failure> {
    let Some(text) = settings.get(Setting::MEMORY) else {
        return Ok(None);
    };
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let factor: usize = match unit.trim().to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KB" => 1_000,
        "M" | "MB" => 1_000_000,
        "G" | "GB" => 1_000_000_000,
        "KIB" => 1 << 10,
        "MIB" => 1 << 20,
        "GIB" => 1 << 30,
        _ => 0,
    };
    match number.parse::<usize>().ok().and_then(|number| number.checked_mul(factor)) {
        Some(bytes) if bytes >= 1_000_000 => Ok(Some(bytes)),
        _ => Err(settings.wrong(Setting::MEMORY, text, "write at least `1MB`, such as `512MB` or `2GB`")),
    }
}

/// Longest time of a statement.
pub(crate) fn timeout(settings: &Settings, now: &Zoned) -> Result<Option<Duration>, Failure> {
    let Some(text) = settings.get(Setting::TIMEOUT) else {
        return Ok(None);
    };
    span(text, now).map(Some)
}

/// A length of time such as `5min`.
pub(crate) fn span(text: &str, now: &Zoned) -> Result<Duration, Failure> {
    let range = time_expr::range(&format!("last {text}"), now)?;
    let micros = range.until.unwrap_or_default() - range.since.unwrap_or_default();
    Ok(Duration::from_micros(micros.max(0) as u64))
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Failure {
        Failure::Told { message: error.to_string(), hint: error.hint() }
    }
}

impl From<pugmark_scan::ScanError> for Failure {
    fn from(error: pugmark_scan::ScanError) -> Failure {
        Failure::Told { message: error.to_string(), hint: error.hint() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Zoned {
        "2026-08-05T12:00:00+00:00[UTC]".parse().expect("a time")
    }

    fn with(setting: Setting, value: &str) -> Settings {
        let mut settings = Settings::default();
        settings.flag(setting, Some(value.to_owned()));
        settings
    }

    #[test]
    fn a_bad_argument_is_refused_before_anything_is_read() {
        let select = SelectArgs { since: Some("30m".to_owned()), ..SelectArgs::default() };
        let sources = ["/nonexistent".to_owned()];
        let failure = Reading::new(&sources, &select, &Settings::default(), &now()).expect_err("30m");
        assert_eq!(failure.to_string(), "`30m` could be minutes or months");
        let select = SelectArgs { account: vec!["1234".to_owned()], ..SelectArgs::default() };
        assert!(Reading::new(&sources, &select, &Settings::default(), &now()).is_err());
        let select = SelectArgs {
            since: Some("today".to_owned()),
            until: Some("yesterday".to_owned()),
            ..SelectArgs::default()
        };
        assert!(Reading::new(&sources, &select, &Settings::default(), &now()).is_err());
    }

    #[test]
    fn sizes_and_times_have_units() {
        assert_eq!(memory(&with(Setting::MEMORY, "512MB")).expect("a size"), Some(512_000_000));
        assert_eq!(memory(&with(Setting::MEMORY, "2GiB")).expect("a size"), Some(2 << 30));
        assert!(memory(&with(Setting::MEMORY, "2 apples")).is_err());
        assert!(memory(&with(Setting::MEMORY, "12")).is_err());
        let settings = with(Setting::TIMEOUT, "90s");
        assert_eq!(timeout(&settings, &now()).expect("a time"), Some(Duration::from_secs(90)));
    }

    #[test]
    fn a_misspelt_format_is_refused_with_the_right_one() {
        let settings = with(Setting::OUTPUT, "jsnol");
        let failure = wishes(&TalkArgs::default(), 0, &settings).expect_err("misspelt");
        let Failure::Told { hint, .. } = failure else { unreachable!("it is told") };
        assert_eq!(hint.as_deref(), Some("did you mean `jsonl`?"));
    }
}

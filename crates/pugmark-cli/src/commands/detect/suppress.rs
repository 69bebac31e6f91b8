//! Findings that are known and left out: each has an owner, a reason and an
//! end.
//!
//! ```toml
//! [[suppress]]
//! rule = "Trail stopped"        # id, or title with * for anything
//! actor = "*role/nightly-*"     # optional, as are account, ip, region
//! owner = "platform team"
//! reason = "the nightly rebuild stops its own trail"
//! expires = "2027-01-31"
//! ```

use std::path::Path;

use pugmark_detect::{Few, Finding};
use toml::{Table, Value};

use crate::exit::Failure;
use crate::pattern::Pattern;

/// All that is left out.
#[derive(Debug, Default)]
pub(super) struct Suppressions(Vec<Suppression>);

#[derive(Debug)]
struct Suppression {
    name: String,
    rule: Pattern,
    actor: Option<Pattern>,
    account: Option<Pattern>,
    ip: Option<Pattern>,
    region: Option<Pattern>,
    owner: String,
    expires: String,
}

const KEYS: [&str; 8] = ["rule", "actor", "account", "ip", "region", "owner", "reason", "expires"];

const SHAPE: &str = "each `[[suppress]]` has `rule`, `owner`, `reason`, `expires = \"2027-01-31\"`, and may have `actor`, `account`, `ip`, `region`";

impl Suppressions {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Suppressions, Failure> {
        let fail = |why: String| Failure::new(format!("cannot use `{}`: {why}", path.display()), SHAPE);
        let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
        let table: Table = toml::from_str(&text).map_err(|error| fail(error.message().to_owned()))?;
        let list = match table.get("suppress") {
            Some(Value::Array(list)) => list.as_slice(),
            None => &[],
            Some(_) => return Err(fail("`suppress` is no list".to_owned())),
        };
        if let Some(key) = table.keys().find(|key| *key != "suppress") {
            return Err(fail(format!("`{key}` means nothing here")));
        }
        list.iter()
            .map(|entry| Suppression::of(entry).map_err(fail))
            .collect::<Result<_, _>>()
            .map(Suppressions)
    }

    /// Those that have ended by `today` (`2026-11-23`), as whoever owns them is told.
    pub(super) fn ended(&self, today: &str) -> Vec<String> {
        let ended = self.0.iter().filter(|suppression| suppression.expires.as_str() < today);
        ended
            .map(|suppression| {
                format!(
                    "the suppression of `{}` by {} ended on {} and is not applied",
                    suppression.name, suppression.owner, suppression.expires
                )
            })
            .collect()
    }

    /// True if the finding is left out.
    pub(super) fn covers(&self, finding: &Finding, today: &str) -> bool {
        self.0.iter().any(|suppression| suppression.covers(finding, today))
    }
}

impl Suppression {
    fn of(entry: &Value) -> Result<Suppression, String> {
        let Value::Table(entry) = entry else { return Err("an entry is no table".to_owned()) };
        if let Some(key) = entry.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(format!("`{key}` means nothing here"));
        }
        let text = |key: &str| match entry.get(key) {
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Datetime(date)) => Ok(Some(date.to_string())),
            Some(_) => Err(format!("`{key}` is no text")),
            None => Ok(None),
        };
        let given = |key: &str| {
            text(key)?.filter(|text| !text.trim().is_empty()).ok_or_else(|| format!("an entry lacks `{key}`"))
        };
        let pattern = |key: &str| Ok::<_, String>(text(key)?.map(|text| Pattern::new(&text)));
        given("reason")?;
        let expires = given("expires")?;
        if pugmark_event::parse_day(expires.as_bytes()).is_none() {
            return Err(format!("`{expires}` is no day"));
        }
        Ok(Suppression {
            name: given("rule")?,
            rule: Pattern::new(&given("rule")?),
            actor: pattern("actor")?,
            account: pattern("account")?,
            ip: pattern("ip")?,
            region: pattern("region")?,
            owner: given("owner")?,
            expires,
        })
    }

    fn covers(&self, finding: &Finding, today: &str) -> bool {
        let fits = |pattern: &Option<Pattern>, text: &str| {
            pattern.as_ref().is_none_or(|pattern| pattern.matches(text))
        };
        // All of them: a finding that also comes from elsewhere is shown.
        let all = |pattern: &Option<Pattern>, few: &Few| {
            pattern.as_ref().is_none_or(|pattern| {
                !few.more && !few.texts.is_empty() && few.texts.iter().all(|text| pattern.matches(text))
            })
        };
        self.expires.as_str() >= today
            && (self.rule.matches(&finding.rule.id) || self.rule.matches(&finding.rule.title))
            && fits(&self.actor, &finding.actor)
            && all(&self.account, &finding.accounts)
            && all(&self.ip, &finding.addresses)
            && all(&self.region, &finding.regions)
    }
}

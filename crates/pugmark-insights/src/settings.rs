//! What is watched, and from when on a rate is unusual.

use serde::{Deserialize, Serialize};

/// What an Insight is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum InsightType {
    /// Calls of one API per minute; of management events the writes only.
    ApiCallRate,
    /// Errors of one API and error code per minute.
    ApiErrorRate,
}

impl InsightType {
    /// The name in records and in `PutInsightSelectors`.
    pub fn as_str(self) -> &'static str {
        match self {
            InsightType::ApiCallRate => "ApiCallRateInsight",
            InsightType::ApiErrorRate => "ApiErrorRateInsight",
        }
    }

    /// The type of this name.
    pub fn find(name: &str) -> Option<InsightType> {
        [InsightType::ApiCallRate, InsightType::ApiErrorRate].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Which events are analysed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Category {
    /// Management events.
    Management,
    /// Data events.
    Data,
}

impl Category {
    /// The name in records and in `PutInsightSelectors`.
    pub fn as_str(self) -> &'static str {
        match self {
            Category::Management => "Management",
            Category::Data => "Data",
        }
    }

    /// The category of this name.
    pub fn find(name: &str) -> Option<Category> {
        [Category::Management, Category::Data].into_iter().find(|category| category.as_str() == name)
    }
}

/// One thing that is watched: `{InsightType, EventCategories}` of `PutInsightSelectors`, per category.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Selector {
    /// What is counted.
    pub kind: InsightType,
    /// Of which events.
    pub category: Category,
}

impl Selector {
    /// What is watched where nothing is said: both types, on management events.
    pub const DEFAULT: [Selector; 2] = [
        Selector { kind: InsightType::ApiCallRate, category: Category::Management },
        Selector { kind: InsightType::ApiErrorRate, category: Category::Management },
    ];

    /// Everything that can be watched.
    pub const ALL: [Selector; 4] = [
        Selector { kind: InsightType::ApiCallRate, category: Category::Management },
        Selector { kind: InsightType::ApiCallRate, category: Category::Data },
        Selector { kind: InsightType::ApiErrorRate, category: Category::Management },
        Selector { kind: InsightType::ApiErrorRate, category: Category::Data },
    ];
}

/// From when on a rate is unusual. AWS publishes the periods, not the thresholds: those are ours.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Minutes before an incident that are its baseline (AWS: seven days).
    pub baseline_minutes: u32,
    /// Minutes of history that an account and Region must have before anything is unusual.
    pub learning_minutes: u32,
    /// Probability below which a count is unusual, if calls came independently at the baseline's rate.
    pub alpha: f64,
    /// A minute with fewer calls than this is never unusual.
    pub calls_min: u64,
    /// A minute is unusual only at so many times the baseline.
    pub ratio: f64,
    /// Minutes with any call from which on a baseline's own bursts are known and allowed for.
    pub busy_minutes: usize,
    /// How many deviations above the median of busy minutes are still usual.
    pub deviations: f64,
    /// Calls a minute from which on an API may fall silent.
    pub steady_rate: f64,
    /// Share of the baseline's hours with a call that makes an API a steady one.
    pub steady_hours: f64,
    /// Calls that must be missing before a silence is unusual.
    pub missing_min: f64,
    /// Usual minutes in a row that end an incident.
    pub quiet_minutes: u32,
    /// Minutes after which a new rate is no incident any more but the rule.
    pub incident_minutes_max: u32,
    /// Minutes that a watcher waits for late events.
    pub lateness_minutes: u32,
    /// ARN of the trail or store whose events are analysed (`insightSource`).
    pub insight_source: Option<String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            baseline_minutes: 7 * 24 * 60,
            learning_minutes: 24 * 60,
            alpha: 1e-6,
            calls_min: 5,
            ratio: 3.0,
            busy_minutes: 20,
            deviations: 6.0,
            steady_rate: 1.0,
            steady_hours: 0.95,
            missing_min: 20.0,
            quiet_minutes: 10,
            incident_minutes_max: 24 * 60,
            lateness_minutes: 15,
            insight_source: None,
        }
    }
}

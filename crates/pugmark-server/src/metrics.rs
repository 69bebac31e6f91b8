//! What the server counts of itself, as Prometheus reads it.
//!
//! Source: Prometheus, "Exposition formats". Labels are operations and codes,
//! never anything that a client sent.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Upper bounds of the latency buckets, in milliseconds.
const BOUNDS_MS: [u64; 10] = [1, 2, 5, 10, 25, 50, 100, 250, 1_000, 10_000];

/// All counters.
#[derive(Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
    buckets: [AtomicU64; BOUNDS_MS.len() + 1],
    micros: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) panics: AtomicU64,
    pub(crate) events_accepted: AtomicU64,
    pub(crate) events_refused: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
}

impl Metrics {
    /// One request is done.
    pub(crate) fn request(&self, operation: &'static str, code: &'static str, micros: u64) {
        *self
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry((operation, code))
            .or_insert(0) += 1;
        let place = BOUNDS_MS.partition_point(|bound| bound * 1_000 < micros);
        self.buckets[place].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Everything as text; `gauges` are added with their help.
    pub(crate) fn render(&self, gauges: &[(&str, &str, u64)]) -> String {
        let mut text = String::new();
        let mut line = |words: std::fmt::Arguments<'_>| {
            // Writing to a `String` cannot fail.
            let _written = text.write_fmt(format_args!("{words}\n"));
        };
        line(format_args!("# HELP pugmark_requests_total Requests answered."));
        line(format_args!("# TYPE pugmark_requests_total counter"));
        for ((operation, code), count) in self.requests.lock().unwrap_or_else(PoisonError::into_inner).iter()
        {
            line(format_args!("pugmark_requests_total{{operation=\"{operation}\",code=\"{code}\"}} {count}"));
        }
        line(format_args!("# HELP pugmark_request_seconds Time to answer."));
        line(format_args!("# TYPE pugmark_request_seconds histogram"));
        let mut sum = 0;
        for (place, bucket) in self.buckets.iter().enumerate() {
            sum += bucket.load(Ordering::Relaxed);
            let bound = BOUNDS_MS.get(place).map_or("+Inf".to_owned(), |ms| (*ms as f64 / 1e3).to_string());
            line(format_args!("pugmark_request_seconds_bucket{{le=\"{bound}\"}} {sum}"));
        }
        line(format_args!(
            "pugmark_request_seconds_sum {}",
            self.micros.load(Ordering::Relaxed) as f64 / 1e6
        ));
        line(format_args!("pugmark_request_seconds_count {sum}"));
        let counters = [
            ("pugmark_panics_total", "Requests that ended in a defect of the server.", &self.panics),
            ("pugmark_events_accepted_total", "Events accepted.", &self.events_accepted),
            ("pugmark_events_refused_total", "Events refused.", &self.events_refused),
            ("pugmark_received_bytes_total", "Bytes of request bodies.", &self.bytes_in),
        ];
        for (name, help, value) in counters {
            line(format_args!("# HELP {name} {help}"));
            line(format_args!("# TYPE {name} counter"));
            line(format_args!("{name} {}", value.load(Ordering::Relaxed)));
        }
        let connections = self.connections.load(Ordering::Relaxed);
        for (name, help, value) in
            gauges.iter().copied().chain([("pugmark_connections", "Open connections.", connections)])
        {
            line(format_args!("# HELP {name} {help}"));
            line(format_args!("# TYPE {name} gauge"));
            line(format_args!("{name} {value}"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_sums_up_to_their_bound() {
        let metrics = Metrics::default();
        metrics.request("ListTrails", "OK", 1_000);
        metrics.request("ListTrails", "OK", 1_001);
        let text = metrics.render(&[]);
        assert!(text.contains("pugmark_requests_total{operation=\"ListTrails\",code=\"OK\"} 2"), "{text}");
        assert!(text.contains("bucket{le=\"0.001\"} 1\n"), "{text}");
        assert!(text.contains("bucket{le=\"0.002\"} 2\n"), "{text}");
        assert!(text.contains("bucket{le=\"+Inf\"} 2\n"), "{text}");
    }
}

//! What rules cost, as there are more of them: against decoding alone, and
//! against the evaluator alone over parsed values.
//!
//! `cargo bench -p pugmark-detect --bench detect`

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pugmark_decode::{Decoder, Plan};
use pugmark_detect::{Detection, Grouping, LoadOptions, RuleFile, RuleSet};
use pugmark_event::{EventBatch, Leaf, Object, Projection};
use rsigma_eval::{Engine, JsonEvent};
use rsigma_parser::parse_sigma_yaml;
use serde_json::Value;

/// Log files of a realistic size: sixty records each.
fn files() -> Vec<Vec<u8>> {
    (0..64).map(|seed| pugmark_sim::sample_file(seed, 60)).collect()
}

fn decode(files: &[Vec<u8>], projection: Projection, mut out: impl FnMut(EventBatch)) {
    let mut decoder = Decoder::new(Plan { projection, ..Plan::default() });
    let object = Arc::new(Object::named("bench"));
    for file in files {
        decoder.object(&object, &mut &**file, &mut out);
    }
    decoder.finish(&mut out);
}

/// The (eventSource, eventName) pairs of some files, sorted.
fn pairs(files: &[Vec<u8>]) -> Vec<(String, String)> {
    let mut pairs = BTreeSet::new();
    decode(files, [Leaf::EventSource, Leaf::EventName].into_iter().collect(), |batch| {
        let texts = (batch.text(Leaf::EventSource), batch.text(Leaf::EventName));
        let (Some(sources), Some(names)) = texts else { return };
        for row in 0..batch.rows() {
            pairs.insert((sources.value(row).to_owned(), names.value(row).to_owned()));
        }
    });
    pairs.into_iter().collect()
}

/// As public packs are: mostly exact conditions, one in twenty on events that occur here; one in
/// seven asks about agents, identities or errors only.
fn rules(count: usize, pairs: &[(String, String)]) -> String {
    let mut text = String::new();
    for rule in 0..count {
        write!(text, "---\ntitle: rule {rule}\nid: r{rule}\nlevel: low\nlogsource: {{product: aws, service: cloudtrail}}\ndetection:\n").expect("a string");
        let (source, name) = &pairs[rule * 7 % pairs.len()];
        match rule % 7 {
            0 if rule % 2 == 0 => {
                writeln!(text, "  a: {{userAgent|contains: ['tool-{rule}', 'kit{rule}/']}}")
            }
            0 => writeln!(
                text,
                "  a: {{userIdentity.arn|endswith: ':user/mallory-{rule}', errorCode: AccessDenied}}"
            ),
            1 if rule % 3 == 0 => writeln!(
                text,
                "  a: {{eventSource: {source}, eventName: {name}, sourceIPAddress|startswith: '192.0.2.{}'}}",
                rule % 256
            ),
            2 => writeln!(
                text,
                "  a: {{eventSource: {source}, eventName: [Odd{rule}, Rare{rule}], errorCode: null}}"
            ),
            _ => writeln!(text, "  a: {{eventSource: s{rule}.amazonaws.com, eventName: Delete{rule}}}"),
        }
        .expect("a string");
        text.push_str("  condition: a\n");
    }
    text
}

fn load(text: &str) -> RuleSet {
    let (rules, report) = RuleSet::load(&[RuleFile { name: "rules.yml", text }], &LoadOptions::default());
    assert_eq!(report.broken, Vec::new());
    rules
}

fn cost(criterion: &mut Criterion) {
    let files = files();
    let pairs = pairs(&files);
    let records = 64 * 60;
    let mut group = criterion.benchmark_group("detect");
    group.throughput(Throughput::Elements(records)).sample_size(20);
    group.bench_function("decode of all columns alone", |bench| {
        bench.iter(|| decode(&files, Projection::all(), |batch| drop(black_box(batch))));
    });
    for count in [1, 50, 500, 5_000] {
        let set = Arc::new(load(&rules(count, &pairs)));
        // What was remembered of values stays, as it does over a long run.
        let mut detection = Detection::new(Arc::clone(&set), Grouping::Actor);
        group.bench_function(format!("decode and {count} rules"), |bench| {
            bench.iter(|| decode(&files, Projection::all(), |batch| detection.read(&batch)));
        });
        if count > 500 {
            let leaves = Detection::leaves(&set);
            group.bench_function(format!("decode of what they need and {count} rules"), |bench| {
                bench.iter(|| decode(&files, leaves, |batch| detection.read(&batch)));
            });
        }
    }
    group.finish();
}

fn evaluator_alone(criterion: &mut Criterion) {
    let files = files();
    let pairs = pairs(&files);
    let values: Vec<Value> = files
        .iter()
        .flat_map(|file| {
            let mut document: Value = serde_json::from_slice(file).expect("a generated file is JSON");
            document["Records"].as_array_mut().map(std::mem::take).unwrap_or_default()
        })
        .collect();
    let mut group = criterion.benchmark_group("rsigma");
    group.throughput(Throughput::Elements(values.len() as u64)).sample_size(10);
    for count in [1, 50, 500, 5_000] {
        let mut engine = Engine::new();
        let collection = parse_sigma_yaml(&rules(count, &pairs)).expect("YAML");
        engine.add_collection(&collection).expect("rules that compile");
        group.bench_function(format!("{count} rules over parsed values"), |bench| {
            bench.iter(|| {
                values.iter().map(|value| engine.evaluate(&JsonEvent::borrow(value)).len()).sum::<usize>()
            });
        });
    }
    group.finish();
}

fn loading(criterion: &mut Criterion) {
    let pairs = pairs(&files());
    let texts: Vec<String> = rules(3_000, &pairs).split("---\n").skip(1).map(str::to_owned).collect();
    let files: Vec<RuleFile<'_>> = texts.iter().map(|text| RuleFile { name: "rule.yml", text }).collect();
    let mut group = criterion.benchmark_group("loading");
    group.sample_size(10);
    group
        .bench_function("3,000 files", |bench| bench.iter(|| RuleSet::load(&files, &LoadOptions::default())));
    group.finish();
}

criterion_group!(benches, cost, evaluator_alone, loading);
criterion_main!(benches);

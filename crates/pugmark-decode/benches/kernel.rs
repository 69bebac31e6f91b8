//! The kernel against inflating alone, on one core.
//!
//! `cargo bench -p pugmark-decode --bench kernel`

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use libdeflater::{CompressionLvl, Compressor, Decompressor};
use pugmark_decode::{Decoder, Plan};
use pugmark_event::{Leaf, Limits, Object, Projection};

/// Log files of a realistic size: sixty records each.
fn files() -> Vec<(Vec<u8>, Vec<u8>)> {
    (0..64)
        .map(|seed| {
            let text = pugmark_sim::sample_file(seed, 60);
            let mut compressor = Compressor::new(CompressionLvl::default());
            let mut stored = vec![0; compressor.gzip_compress_bound(text.len())];
            let length = compressor.gzip_compress(&text, &mut stored).expect("the bound holds");
            stored.truncate(length);
            (text, stored)
        })
        .collect()
}

fn kernel(criterion: &mut Criterion) {
    let files = files();
    let bytes: usize = files.iter().map(|(text, _)| text.len()).sum();
    let object = Arc::new(Object::named("bench"));
    let mut group = criterion.benchmark_group("kernel");
    group.throughput(Throughput::Bytes(bytes as u64));

    group.bench_function("inflate alone", |bench| {
        let mut decompressor = Decompressor::new();
        let mut buffer = vec![0; 4 << 20];
        bench.iter(|| {
            for (_, stored) in &files {
                black_box(decompressor.gzip_decompress(stored, &mut buffer).expect("a whole file"));
            }
        });
    });
    group.bench_function("UTF-8 check", |bench| {
        bench.iter(|| files.iter().for_each(|(text, _)| assert!(simdutf8::basic::from_utf8(text).is_ok())));
    });
    let plans = [
        ("decode no column", Projection::NONE, Vec::new()),
        ("decode eventname", Projection::NONE.with(Leaf::EventName), Vec::new()),
        (
            "decode 3 columns",
            [Leaf::EventTime, Leaf::EventName, Leaf::IdentityArn].into_iter().collect(),
            Vec::new(),
        ),
        ("decode all columns", Projection::all(), Vec::new()),
        ("needle that is not there", Projection::all(), vec![b"AKIANOTINTHEFILES000".to_vec()]),
    ];
    for (name, projection, needles) in plans {
        group.bench_function(name, |bench| {
            let plan = Plan { projection, needles: needles.clone(), limits: Limits::default() };
            let mut decoder = Decoder::new(plan);
            bench.iter(|| {
                let mut rows = 0;
                for (text, _) in &files {
                    decoder.object(&object, &mut text.as_slice(), &mut |batch| rows += batch.rows());
                }
                decoder.finish(&mut |batch| rows += batch.rows());
                black_box(rows)
            });
            assert!(decoder.take_tally().defects.is_empty());
        });
    }
    group.finish();
}

criterion_group!(benches, kernel);
criterion_main!(benches);

//! The kernel against inflating alone, on one core.
//!
//! `cargo bench -p pugmark-decode --bench kernel`

use std::hint::black_box;
use std::io;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use libdeflater::{CompressionLvl, Compressor, Decompressor};
use pugmark_decode::{Decoder, Plan};
use pugmark_event::{Fill, Filled, Leaf, Limits, Object, Projection};

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

/// One stored object, inflated into the arena as the product does it.
struct Stored<'a> {
    bytes: &'a [u8],
    length: usize,
    decompressor: &'a mut Decompressor,
}

impl Fill for Stored<'_> {
    fn fill(&mut self, buffer: &mut Vec<u8>, _want: usize) -> io::Result<Filled> {
        let start = buffer.len();
        buffer.resize(start + self.length, 0);
        self.decompressor.gzip_decompress(self.bytes, &mut buffer[start..]).expect("a whole file");
        Ok(Filled::End)
    }

    fn size_hint(&self) -> Option<u64> {
        Some(self.length as u64)
    }
}

fn kernel(criterion: &mut Criterion) {
    let files = files();
    let bytes: usize = files.iter().map(|(text, _)| text.len()).sum();
    let object = Arc::new(Object::named("bench"));
    let mut group = criterion.benchmark_group("kernel");
    group.throughput(Throughput::Bytes(bytes as u64));
    let mut decompressor = Decompressor::new();

    group.bench_function("inflate alone", |bench| {
        let mut arena = Vec::with_capacity(1 << 20);
        bench.iter(|| {
            for (text, stored) in &files {
                if arena.len() + text.len() > Limits::default().arena_bytes {
                    arena.clear();
                }
                let mut stored =
                    Stored { bytes: stored, length: text.len(), decompressor: &mut decompressor };
                black_box(stored.fill(&mut arena, text.len()).expect("a whole file"));
            }
        });
    });
    let three = [Leaf::EventTime, Leaf::EventName, Leaf::IdentityArn];
    let plans = [
        ("inflate, no column", Projection::NONE, Vec::new()),
        ("inflate, 3 columns", three.into_iter().collect(), Vec::new()),
        ("inflate, all columns", Projection::all(), Vec::new()),
        ("inflate, a needle that is not there", Projection::all(), vec![b"AKIANOTINTHEFILES000".to_vec()]),
    ];
    for (name, projection, needles) in plans {
        group.bench_function(name, |bench| {
            let plan = Plan { projection, needles: needles.clone(), limits: Limits::default() };
            let mut decoder = Decoder::new(plan);
            bench.iter(|| {
                let mut rows = 0;
                for (text, stored) in &files {
                    let mut stored =
                        Stored { bytes: stored, length: text.len(), decompressor: &mut decompressor };
                    decoder.object(&object, &mut stored, &mut |batch| rows += batch.rows());
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

//! Damage of every kind to compressed bytes.

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

/// Text that compresses to some hundred bytes.
fn sample() -> Vec<u8> {
    (0..400_u32).flat_map(|n| format!("{{\"n\":{}}}\n", n * n).into_bytes()).collect()
}

/// All bytes, and what was wrong.
fn stream(stored: &[u8]) -> (Vec<u8>, Vec<DefectKind>) {
    let (notes, limits) = (Notes::default(), Limits::default());
    let mut bytes = Vec::new();
    let mut kinds = Vec::new();
    match open(Box::new(stored), &limits, &notes) {
        Ok(Opened::Bytes(mut layer)) => loop {
            match layer.more(&mut bytes, 100) {
                Ok(Filled::More) => {}
                Ok(Filled::End) => break,
                Err(fault) => {
                    kinds.push(fault.kind);
                    break;
                }
            }
        },
        Ok(_) => kinds.push(DefectKind::Unsupported),
        Err(fault) => kinds.push(fault.kind),
    }
    kinds.extend(notes.take().into_iter().map(|note| note.kind));
    (bytes, kinds)
}

/// As [`stream`], by the short way: nothing if that way declines.
fn whole(stored: &[u8]) -> Option<Vec<u8>> {
    let size = Whole::stated_size(stored, u64::MAX)?;
    let mut bytes = b"before".to_vec();
    if Whole::new().inflate(stored, size, &mut bytes) {
        assert!(bytes.starts_with(b"before"));
        Some(bytes.split_off(6))
    } else {
        assert_eq!(bytes, b"before");
        None
    }
}

#[test]
fn each_compression_is_told_by_its_bytes() {
    let text = sample();
    for stored in
        [text.clone(), gzip(&text), zstd(&text), bzip2(&text), gzip(&gzip(&text)), gzip(&zstd(&text))]
    {
        assert_eq!(stream(&stored), (text.clone(), vec![]));
    }
}

#[test]
fn a_small_gzip_file_goes_the_short_way() {
    assert_eq!(whole(&gzip(&sample())), Some(sample()));
}

#[test]
fn a_gzip_header_may_have_every_part() {
    let mut encoder = flate2::GzBuilder::new()
        .filename("a.json")
        .comment("made by hand")
        .extra(vec![7; 300])
        .write(Vec::new(), Compression::fast());
    encoder.write_all(b"text").unwrap();
    let stored = encoder.finish().unwrap();
    assert_eq!(stream(&stored), (b"text".to_vec(), vec![]));
    assert_eq!(whole(&stored), None);
    let mut named = flate2::GzBuilder::new().filename("a.json").write(Vec::new(), Compression::fast());
    named.write_all(b"text").unwrap();
    assert_eq!(whole(&named.finish().unwrap()), Some(b"text".to_vec()));
}

#[test]
fn all_members_are_read_and_noted() {
    let first = gzip(b"one ");
    let stored = [first.clone(), gzip(b"two "), gzip(b""), gzip(b"three")].concat();
    assert_eq!(stream(&stored), (b"one two three".to_vec(), vec![DefectKind::MultiMember]));
    // Equal members have equal trailers: the short way must not be deceived.
    let twice = [first.clone(), first].concat();
    assert_eq!(whole(&twice), None);
    assert_eq!(stream(&twice), (b"one one ".to_vec(), vec![DefectKind::MultiMember]));
}

#[test]
fn members_stop_at_the_limit() {
    let (notes, limits) = (Notes::default(), Limits { gzip_members_max: 3, ..Limits::default() });
    let member = gzip(b"x");
    for (count, kind) in [(2, None), (3, None), (4, Some(DefectKind::TooLarge))] {
        let stored = member.repeat(count);
        let Ok(Opened::Bytes(mut layer)) = open(Box::new(&stored[..]), &limits, &notes) else {
            panic!("bytes")
        };
        let mut bytes = Vec::new();
        let outcome = loop {
            match layer.more(&mut bytes, 64) {
                Ok(Filled::More) => {}
                Ok(Filled::End) => break None,
                Err(fault) => break Some(fault.kind),
            }
        };
        assert_eq!((bytes.len(), outcome), (count.min(3), kind));
    }
}

#[test]
fn bytes_after_the_last_member_are_noted_and_not_read() {
    for compress in [gzip, zstd, bzip2] {
        for tail in [&b"garbage"[..], &[0; 512], b"x"] {
            let stored = [&compress(&sample())[..], tail].concat();
            assert_eq!(stream(&stored), (sample(), vec![DefectKind::TrailingData]));
            assert_eq!(whole(&stored), None);
        }
    }
}

#[test]
fn a_cut_at_every_byte_delivers_what_came_before() {
    for compress in [gzip, zstd, bzip2] {
        let stored = compress(&sample());
        for cut in 4..stored.len() {
            let (bytes, kinds) = stream(&stored[..cut]);
            // Too few bytes to tell bzip2 from text.
            if bytes == stored[..cut] {
                assert!(cut < 7);
                continue;
            }
            assert_eq!(kinds, [DefectKind::Truncated], "cut at {cut}");
            assert!(sample().starts_with(&bytes), "cut at {cut}");
            assert_eq!(whole(&stored[..cut]), None);
        }
    }
}

#[test]
fn no_flipped_bit_gives_other_bytes_in_silence() {
    let text = sample();
    let stored = gzip(&text);
    for bit in 0..stored.len() * 8 {
        let mut damaged = stored.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let (bytes, kinds) = stream(&damaged);
        // Without its first two bytes it is not gzip, and delivered as it is.
        let is_gzip = damaged.starts_with(&[0x1f, 0x8b]);
        assert!(bytes == text || !kinds.is_empty() || (!is_gzip && bytes == damaged), "bit {bit}");
        if let Some(short) = whole(&damaged) {
            assert_eq!(short, text, "bit {bit}");
        }
    }
}

#[test]
fn a_wrong_checksum_is_damage_although_all_was_read() {
    let mut stored = gzip(&sample());
    let at = stored.len() - 8;
    stored[at] ^= 1;
    assert_eq!(stream(&stored), (sample(), vec![DefectKind::Corrupt]));
    assert_eq!(whole(&stored), None);
}

#[test]
fn a_lying_size_is_not_believed() {
    let stored = gzip(&sample());
    for stated in [0_u32, 1, 0x00ff_ffff, u32::MAX] {
        let mut lying = stored.clone();
        let at = lying.len() - 4;
        lying[at..].copy_from_slice(&stated.to_le_bytes());
        assert_eq!(whole(&lying), None);
        assert_eq!(stream(&lying), (sample(), vec![DefectKind::Corrupt]));
    }
    let mut huge = stored;
    let at = huge.len() - 4;
    huge[at..].copy_from_slice(&(15_u32 << 20).to_le_bytes());
    assert_eq!(Whole::stated_size(&huge, u64::MAX), None, "no such ratio exists");
}

#[test]
fn utf_16_is_named() {
    for stored in [&b"\xff\xfe{\0"[..], &gzip(b"\xfe\xff\0{")] {
        assert_eq!(stream(stored).1, [DefectKind::Encoding]);
    }
}

#[test]
fn nothing_is_empty_but_compressed_nothing_is_not() {
    assert_eq!(stream(b""), (vec![], vec![DefectKind::Empty]));
    assert_eq!(stream(&gzip(b"")), (vec![], vec![]));
}

#[test]
fn a_fault_survives_the_readers_above_it() {
    let fault = Fault::new(DefectKind::TooLarge, "why");
    let wrapped = io::Error::other(io::Error::from(fault.clone()));
    assert_eq!(Fault::from(wrapped), fault);
}

//! Seeded randomness: everything the simulated world decides is drawn here.

use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

const HEX: &[u8; 16] = b"0123456789abcdef";
const KEY: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const WORD: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A seeded stream of decisions.
pub(crate) struct Chance(ChaCha8Rng);

impl Chance {
    pub(crate) fn new(seed: u64) -> Chance {
        Chance(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number in `0..limit`; 0 if the limit is 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        ((u64::from(self.0.next_u32()) * limit as u64) >> 32) as usize
    }

    /// A number in `low..=high`.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        if high <= low { low } else { self.0.random_range(low..=high) }
    }

    /// True with the given probability.
    pub(crate) fn odds(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A number in `0.0..1.0`.
    pub(crate) fn unit(&mut self) -> f64 {
        f64::from(self.0.next_u32()) / (f64::from(u32::MAX) + 1.0)
    }

    /// An index in `0..len`, low ones far more often: a Zipf-like choice.
    pub(crate) fn favourite(&mut self, len: usize) -> usize {
        (self.unit().powi(3) * len as f64) as usize
    }

    /// A log-normal number with the given mean.
    pub(crate) fn lognormal(&mut self, mean: f64, sigma: f64) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * self.unit()).cos();
        (mean.ln() - sigma * sigma / 2.0 + sigma * normal).exp()
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// `count` hexadecimal digits.
    pub(crate) fn hex(&mut self, out: &mut String, count: usize) {
        push_from(out, HEX, count, || self.0.next_u64());
    }

    /// `count` letters and digits as in the random part of a file name.
    pub(crate) fn word(&mut self, out: &mut String, count: usize) {
        for _ in 0..count {
            let at = self.below(WORD.len());
            out.push(char::from(WORD[at]));
        }
    }

    /// `count` characters of the alphabet of key and principal ids.
    pub(crate) fn key(&mut self, out: &mut String, count: usize) {
        push_from(out, KEY, count, || self.0.next_u64());
    }

    /// `count` characters of base64.
    pub(crate) fn base64(&mut self, out: &mut String, count: usize) {
        push_from(out, BASE64, count, || self.0.next_u64());
    }

    /// A GUID of version 4.
    pub(crate) fn guid(&mut self, out: &mut String) {
        push_guid(out, self.0.next_u64(), self.0.next_u64());
    }

    pub(crate) fn new_guid(&mut self) -> String {
        let mut text = String::with_capacity(36);
        self.guid(&mut text);
        text
    }
}

/// Appends a GUID of version 4 made of 128 bits.
pub(crate) fn push_guid(out: &mut String, high: u64, low: u64) {
    let bits = (u128::from(high) << 64) | u128::from(low);
    let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    for place in 0..32_u32 {
        if matches!(place, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        let digit = (bits >> (124 - 4 * place)) as usize & 0xf;
        out.push(char::from(HEX[digit]));
    }
}

/// Appends the low `count` hexadecimal digits of a number.
pub(crate) fn push_hex(out: &mut String, bits: u64, count: u32) {
    for place in (0..count).rev() {
        let digit = if place < 16 { (bits >> (4 * place)) as usize & 0xf } else { 0 };
        out.push(char::from(HEX[digit]));
    }
}

/// Scrambles a number: the same input gives the same stable identifier.
pub(crate) fn scramble(seed: u64) -> u64 {
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Takes six bits at a time, ten times per number drawn.
fn push_from(out: &mut String, alphabet: &[u8], count: usize, mut draw: impl FnMut() -> u64) {
    let mask = alphabet.len() as u64 - 1;
    let mut bits = 0;
    for place in 0..count {
        if place % 10 == 0 {
            bits = draw();
        }
        out.push(char::from(alphabet[(bits & mask) as usize]));
        bits >>= 6;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_has_its_dashes_version_and_variant() {
        let mut text = String::new();
        push_guid(&mut text, u64::MAX, u64::MAX);
        assert_eq!(text, "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }

    #[test]
    fn the_same_seed_gives_the_same_stream() {
        let mut first = Chance::new(7);
        let mut second = Chance::new(7);
        assert_eq!(first.new_guid(), second.new_guid());
        assert_ne!(Chance::new(8).new_guid(), Chance::new(7).new_guid());
    }

    #[test]
    fn the_log_normal_keeps_its_mean() {
        let mut chance = Chance::new(1);
        let sum: f64 = (0..20_000).map(|_| chance.lognormal(60.0, 0.9)).sum();
        assert!((sum / 20_000.0 - 60.0).abs() < 3.0, "{}", sum / 20_000.0);
    }
}

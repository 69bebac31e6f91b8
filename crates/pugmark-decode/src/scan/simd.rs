//! Block operations with AVX2 and carry-less multiplication.
//!
//! The only place in this crate with `unsafe` instructions. Each operation has
//! its safe twin in [`Portable`](super::Portable); property tests hold them
//! equal.

use std::arch::x86_64::{
    __m256i, _mm_clmulepi64_si128, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_set1_epi8, _mm256_cmpeq_epi8,
    _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8,
};

use super::{Lanes, Structure, Work};

/// Proof that the processor has AVX2, PCLMULQDQ and BMI.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// The proof, if the processor has the instructions.
    pub(crate) fn detect() -> Option<Avx2> {
        let has = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("pclmulqdq")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("popcnt")
            && is_x86_feature_detected!("lzcnt");
        has.then_some(Avx2(()))
    }
}

#[expect(unsafe_code, reason = "vector instructions; the token proves that the processor has them")]
impl Lanes for Avx2 {
    #[inline(always)]
    fn compiled<W: Work>(self, work: W) -> W::Done {
        // SAFETY: an `Avx2` exists only where `detect` found the features.
        unsafe { compiled(self, work) }
    }

    #[inline(always)]
    fn matches(self, block: &[u8; 32], pattern: &[u8; 32], mask: u32) -> bool {
        // SAFETY: as above.
        unsafe { matches(block, pattern, mask) }
    }

    #[inline(always)]
    fn marks(self, block: &[u8; 32]) -> u32 {
        // SAFETY: as above.
        unsafe { marks(block) }
    }

    #[inline(always)]
    fn structure(self, block: &[u8; 64]) -> Structure {
        // SAFETY: as above.
        unsafe { structure(block) }
    }

    #[inline(always)]
    fn parity(self, bits: u64) -> u64 {
        // SAFETY: as above.
        unsafe { parity(bits) }
    }
}

#[inline(never)]
#[target_feature(enable = "avx2,pclmulqdq,bmi1,bmi2,lzcnt,popcnt")]
fn compiled<W: Work>(lanes: Avx2, work: W) -> W::Done {
    work.on(lanes)
}

#[expect(unsafe_code, reason = "unaligned load from a reference to 32 bytes")]
#[inline]
#[target_feature(enable = "avx2")]
fn load(block: &[u8; 32]) -> __m256i {
    // SAFETY: the reference is valid for 32 bytes and the load needs no alignment.
    unsafe { _mm256_loadu_si256(block.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn equal(block: __m256i, byte: u8) -> u32 {
    _mm256_movemask_epi8(_mm256_cmpeq_epi8(block, _mm256_set1_epi8(byte as i8))) as u32
}

#[inline]
#[target_feature(enable = "avx2")]
fn matches(block: &[u8; 32], pattern: &[u8; 32], mask: u32) -> bool {
    let same = _mm256_movemask_epi8(_mm256_cmpeq_epi8(load(block), load(pattern))) as u32;
    same & mask == mask
}

#[inline]
#[target_feature(enable = "avx2")]
fn marks(block: &[u8; 32]) -> u32 {
    let block = load(block);
    let quotes = _mm256_cmpeq_epi8(block, _mm256_set1_epi8(b'"' as i8));
    let backslashes = _mm256_cmpeq_epi8(block, _mm256_set1_epi8(b'\\' as i8));
    _mm256_movemask_epi8(_mm256_or_si256(quotes, backslashes)) as u32
}

#[inline]
#[target_feature(enable = "avx2")]
fn structure(block: &[u8; 64]) -> Structure {
    let halves: &[[u8; 32]] = block.as_chunks::<32>().0;
    let (low, high) = (load(&halves[0]), load(&halves[1]));
    let both = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    // `{` and `[`, `}` and `]` differ in one bit: 0x20.
    let bit = _mm256_set1_epi8(0x20);
    let (low_braces, high_braces) = (_mm256_or_si256(low, bit), _mm256_or_si256(high, bit));
    Structure {
        quotes: both(equal(low, b'"'), equal(high, b'"')),
        backslashes: both(equal(low, b'\\'), equal(high, b'\\')),
        opens: both(equal(low_braces, b'{'), equal(high_braces, b'{')),
        closes: both(equal(low_braces, b'}'), equal(high_braces, b'}')),
    }
}

#[inline]
#[target_feature(enable = "pclmulqdq")]
fn parity(bits: u64) -> u64 {
    let product = _mm_clmulepi64_si128::<0>(_mm_set_epi64x(0, bits as i64), _mm_set1_epi8(-1));
    _mm_cvtsi128_si64(product) as u64
}

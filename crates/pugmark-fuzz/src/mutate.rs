//! Inputs that are almost right: seeded mutations of a corpus.

/// The tokens that its grammars turn on.
const TOKENS: [&[u8]; 28] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b",",
    b":",
    b"null",
    b"\x00",
    b"\xff",
    b"\x1f\x8b\x08",
    b"\x1b[2J",
    b"\xe2\x80\xae",
    b"(",
    b")",
    b"'",
    b"--",
    b" OR ",
    b" UNION ALL SELECT ",
    b"/",
    b"AWSLogs/",
    b"..",
    b"-1",
    b"99999999999999999999",
    b"1mo",
];

/// A mutator; the same seed gives the same inputs on every platform.
#[derive(Clone, Debug)]
pub struct Mutator {
    state: u64,
}

impl Mutator {
    /// A mutator that starts from `seed`.
    pub fn new(seed: u64) -> Mutator {
        Mutator { state: seed ^ 0x9e37_79b9_7f4a_7c15 }
    }

    /// One of `corpus`, changed in one to six places.
    pub fn mutate(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut input = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(6) {
            let other = self.below(corpus.len());
            self.change(&mut input, &corpus[other]);
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(input.len() + 1);
        let length = self.below((input.len() - at).min(64) + 1);
        match self.below(7) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = self.below(256) as u8,
            2 => drop(input.drain(at..at + length)),
            3 => {
                let copy = input[at..at + length].to_vec();
                input.splice(at..at, copy.repeat(1 + self.below(8)));
            }
            4 => input.truncate(at),
            5 => {
                let from = self.below(other.len() + 1);
                let to = from + self.below(other.len() - from + 1);
                input.splice(at..at, other[from..to].iter().copied());
            }
            _ => {
                let token = TOKENS[self.below(TOKENS.len())];
                input.splice(at..at, token.iter().copied());
            }
        }
    }

    /// A number below `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        // splitmix64
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) % end as u64) as usize
    }
}

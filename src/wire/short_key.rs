//! The names of nearly all queries: so short that they are read, hashed and compared without loops.

use wide::u8x16;

use super::key::{BLOCK, HALF, LEAST_PAIRS, lower};

/// A [`super::NameKey`] of a name of at most 64 octets, as nearly all are.
#[derive(Clone, Copy)]
pub struct ShortKey {
    /// The lower-cased name, zeros to the end of its last pair, then anything.
    words: [u64; BLOCK / 8],
    /// Octets of the wire form.
    length: usize,
}

impl Default for ShortKey {
    fn default() -> Self {
        Self::new()
    }
}

impl ShortKey {
    /// An empty key to be filled.
    pub const fn new() -> Self {
        Self { words: [0; BLOCK / 8], length: 0 }
    }

    /// Makes this the key of no name, which no table has.
    #[inline(always)]
    pub fn clear(&mut self) {
        self.length = 0;
    }

    /// Fills the key with the name that ends at the first zero octet of `source`, in lower case, and returns its length.
    /// `None` where there is no zero octet.
    ///
    /// Whether the octets before are sound labels is not looked at.
    #[inline(always)]
    pub(super) fn fill_to_zero(&mut self, source: &[u8; BLOCK]) -> Option<usize> {
        match self.fill_half_to_zero(source) {
            Some(_) => Some(self.length),
            None => self.fill_long_to_zero(source),
        }
    }

    /// [`Self::fill_to_zero`], if the first zero octet is among the first [`HALF`]; returns the words of [`Self::half`].
    #[inline(always)]
    pub(super) fn fill_half_to_zero(&mut self, source: &[u8; BLOCK]) -> Option<[u64; HALF / 8]> {
        let [first, second, ..] = bytemuck::must_cast::<[u8; BLOCK], [u8x16; BLOCK / 16]>(*source);
        let zeros = zeros(first) | zeros(second) << 16;
        if zeros == 0 {
            return None;
        }
        let length = zeros.trailing_zeros() as usize % HALF + 1;
        let [keep_first, keep_second] = keep(length);
        let [a, b] = bytemuck::must_cast(small(first) & keep_first);
        let [c, d] = bytemuck::must_cast(small(second) & keep_second);
        let half = [a, b, c, d];
        if let Some(words) = self.words.first_chunk_mut() {
            *words = half;
        }
        self.length = length;
        Some(half)
    }

    /// [`Self::fill_to_zero`] of more than [`HALF`] octets; an earlier zero octet is not looked for.
    #[inline]
    pub(super) fn fill_long_to_zero(&mut self, source: &[u8; BLOCK]) -> Option<usize> {
        let [first, second, third, fourth] = bytemuck::must_cast::<[u8; BLOCK], [u8x16; BLOCK / 16]>(*source);
        let zeros = zeros(third) | zeros(fourth) << 16;
        if zeros == 0 {
            return None;
        }
        let length = zeros.trailing_zeros() as usize % HALF + 1;
        let [keep_third, keep_fourth] = keep(length);
        let [first, second] = [small(first), small(second)];
        let [third, fourth] = [small(third) & keep_third, small(fourth) & keep_fourth];
        self.words = bytemuck::must_cast([first, second, third, fourth]);
        self.length = HALF + length;
        Some(self.length)
    }

    /// Octets of the wire form.
    #[inline(always)]
    pub fn length(&self) -> usize {
        self.length
    }

    /// All words, the first of which hold the name.
    #[inline(always)]
    pub(super) fn block(&self) -> &[u64; BLOCK / 8] {
        &self.words
    }

    /// The words of a name of at most 32 octets, with zeros behind them.
    #[inline(always)]
    pub fn half(&self) -> Option<&[u64; HALF / 8]> {
        if self.length <= HALF { self.words.first_chunk() } else { None }
    }

    /// The words that hold the name, padded with zeros.
    #[inline(always)]
    pub fn words(&self) -> &[u64] {
        self.words.get(..self.length.div_ceil(8)).unwrap_or(&[])
    }

    /// The words in pairs, padded with zeros: what is hashed.
    #[inline(always)]
    pub fn pairs(&self) -> &[[u64; 2]] {
        self.words.as_chunks().0.get(..self.length.div_ceil(16).max(LEAST_PAIRS)).unwrap_or(&[])
    }

    /// Whether a name of as many octets begins `words`, which go on behind it.
    #[inline(always)]
    pub fn begins(&self, words: &[u64]) -> bool {
        let (own, own_rest) = self.words.split_at(HALF / 8);
        if let (Some(own), Some((others, others_rest))) = (own.first_chunk(), words.split_first_chunk()) {
            if self.length <= HALF {
                return are_alike(own, others, self.length);
            }
            if let (Some(own_rest), Some(others_rest)) = (own_rest.first_chunk(), others_rest.first_chunk()) {
                return own == others && are_alike(own_rest, others_rest, self.length - HALF);
            }
        }
        // The node of a short name with next to nothing, the last of its shard.
        words.starts_with(self.words())
    }
}

/// Whether the first `length` octets, at least one, are the same in both.
#[inline(always)]
fn are_alike(one: &[u64; HALF / 8], other: &[u64; HALF / 8], length: usize) -> bool {
    let [a, b] = bytemuck::must_cast::<_, [u8x16; 2]>(*one);
    let [c, d] = bytemuck::must_cast::<_, [u8x16; 2]>(*other);
    let [keep_first, keep_second] = keep(length);
    let differs = (a ^ c) & keep_first | (b ^ d) & keep_second;
    differs.simd_eq(u8x16::ZERO).to_bitmask() == 0xffff
}

/// Masks that keep the first `length` octets of [`HALF`].
#[inline(always)]
fn keep(length: usize) -> [u8x16; 2] {
    const OCTETS: [u8; BLOCK] = bytemuck::must_cast([[u8::MAX; HALF], [0; HALF]]);
    let octets = OCTETS.get((HALF - length) % HALF..).and_then(|octets| octets.first_chunk::<HALF>());
    bytemuck::must_cast(octets.copied().unwrap_or_default())
}

/// A bit for each octet that is zero.
#[inline(always)]
fn zeros(octets: u8x16) -> u32 {
    octets.simd_eq(u8x16::ZERO).to_bitmask()
}

/// ASCII letters in lower case.
#[inline(always)]
fn small(octets: u8x16) -> u8x16 {
    bytemuck::must_cast(lower::<16>(bytemuck::must_cast(octets)))
}

//! The names of queries as the table compares and hashes them, in a worker's scratch space.

use super::name::{MAX_LENGTH, Name, name_length};
use super::short_key::ShortKey;

/// Words that hold the longest name.
const KEY_WORDS: usize = MAX_LENGTH.div_ceil(16) * 2;

/// Octets of a name that are treated at once.
pub(super) const BLOCK: usize = 64;
/// Octets of the names that are shorter still, as most are: they are hashed and compared without a loop.
pub(super) const HALF: usize = BLOCK / 2;
/// Pairs of words that are always hashed.
pub(super) const LEAST_PAIRS: usize = HALF / 16;

// Words hold the first octet lowest; masks and tags rely on it.
const _: () = assert!(cfg!(target_endian = "little"), "Fingerpost is written for little-endian machines");

/// A name in lower case as 64-bit words, the form in which the table compares and hashes names.
///
/// The words are the wire form, first octet lowest; octets behind the name are zero up to a full pair of words, and up
/// to the second pair in any case. Reused from query to query: only the pairs in use are written.
#[derive(Clone)]
pub struct NameKey {
    /// Valid values: the lower-cased name, then zeros to the end of its last pair; beyond, anything.
    words: [u64; KEY_WORDS],
    /// Octets of the wire form, 1 to 255; 0 before the first use.
    length: usize,
}

impl NameKey {
    /// An empty key to be filled.
    pub const fn new() -> Self {
        Self { words: [0; KEY_WORDS], length: 0 }
    }

    /// The key of an owned name.
    pub fn of(name: &Name) -> Self {
        let mut key = Self::new();
        key.fill(name.as_wire(), name.as_wire().len());
        key
    }

    /// Fills the key with the wire form in `source[..length]`, in lower case.
    ///
    /// Length octets are at most 63 and thus never upper-case letters, so that every octet is treated alike.
    /// `source` may go on behind the name (a packet does): then the last pair needs no special care.
    #[inline]
    pub fn fill(&mut self, source: &[u8], length: usize) {
        self.fill_block(source, length, lower);
    }

    /// [`Self::fill`], the octets of a short name taken as `treat` makes them.
    #[inline(always)]
    fn fill_block(&mut self, source: &[u8], length: usize, treat: impl Fn([u8; BLOCK]) -> [u8; BLOCK]) {
        debug_assert!((1..=MAX_LENGTH).contains(&length) && length <= source.len());
        self.length = length;
        if let (Some(block), Some(words)) = (source.first_chunk::<BLOCK>(), self.words.first_chunk_mut())
            && length <= BLOCK
        {
            // Nearly every name: no loop, and whatever is copied behind it does not matter.
            *words = bytemuck::must_cast::<[u8; BLOCK], [u64; BLOCK / 8]>(treat(*block));
        } else {
            self.fill_by_pairs(source);
        }
        // What was read behind the name goes, up to the end of its last pair.
        if let Some([low, high]) = self.words.as_chunks_mut::<2>().0.get_mut((length - 1) / 16) {
            let (low_mask, high_mask) = MASKS.get(length % 16).copied().unwrap_or((0, 0));
            *low &= low_mask;
            *high &= high_mask;
        }
        if length <= 16
            && let Some(second) = self.words.get_mut(2..4)
        {
            second.fill(0);
        }
    }

    /// [`Self::fill`] for long names and short sources.
    #[cold]
    #[inline(never)]
    fn fill_by_pairs(&mut self, source: &[u8]) {
        let length = self.length;
        let (chunks, rest) = source.as_chunks::<16>();
        let (pairs, _) = self.words.as_chunks_mut::<2>();
        // Zipped slices cost least when one of them is cut beforehand.
        let used = pairs.get_mut(..length.div_ceil(16)).unwrap_or_default();
        for (pair, chunk) in used.iter_mut().zip(chunks) {
            *pair = bytemuck::must_cast(lower(*chunk));
        }
        // A name that ends with its source has a last pair of fewer octets.
        if chunks.len() * 16 < length
            && let Some(pair) = pairs.get_mut(chunks.len())
        {
            *pair = bytemuck::must_cast(lower(load_padded(rest)));
        }
    }

    /// Fills the key with the uncompressed name at the front of `source`, if one is there.
    #[inline]
    pub fn fill_from(&mut self, source: &[u8]) -> Option<()> {
        let length = name_length(source)?;
        self.fill(source, length);
        Some(())
    }

    /// Makes this key the wildcard one label below `suffix` (RFC 4592 §2.1.1). `None` where that is too long a name.
    #[inline]
    pub fn fill_wildcard(&mut self, suffix: &Self) -> Option<()> {
        let length = suffix.length + 2;
        let mut name = [0; MAX_LENGTH];
        let (label, rest) = name.split_at_mut_checked(2)?;
        label.copy_from_slice(b"\x01*");
        rest.get_mut(..suffix.length)?.copy_from_slice(suffix.as_wire());
        self.fill(&name, length);
        Some(())
    }

    /// Makes this key the suffix of `whole` that starts at octet `offset`.
    #[inline]
    pub fn fill_suffix(&mut self, whole: &Self, offset: usize) {
        let octets: &[u8] = bytemuck::cast_slice(&whole.words);
        let suffix = octets.get(offset..).unwrap_or(&[]);
        // It is in lower case already.
        self.fill_block(suffix, whole.length.saturating_sub(offset).max(1), |block| block);
    }

    /// Makes this key the same as `other`.
    pub fn fill_short(&mut self, other: &ShortKey) {
        self.length = other.length();
        if let Some(words) = self.words.first_chunk_mut() {
            *words = *other.block();
        }
    }

    /// Whether the octets are labels and, behind them, the root.
    pub fn is_sound(&self) -> bool {
        name_length(self.as_wire()) == Some(self.length)
    }

    /// Octets of the wire form.
    #[inline]
    pub fn length(&self) -> usize {
        self.length
    }

    /// The words that hold the name, padded with zeros.
    #[inline]
    pub fn words(&self) -> &[u64] {
        self.words.get(..self.length.div_ceil(8)).unwrap_or(&[])
    }

    /// The words in pairs, padded with zeros: what is hashed.
    #[inline]
    pub fn pairs(&self) -> &[[u64; 2]] {
        self.words.as_chunks().0.get(..self.length.div_ceil(16).max(LEAST_PAIRS)).unwrap_or(&[])
    }

    /// The name's octets in lower case.
    #[inline]
    pub fn as_wire(&self) -> &[u8] {
        bytemuck::cast_slice(&self.words).get(..self.length).unwrap_or(&[])
    }
}

impl Default for NameKey {
    fn default() -> Self {
        Self::new()
    }
}

/// Masks of the octets a last pair keeps, by the name's length modulo 16.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const MASKS: [(u64, u64); 16] = {
    let mut masks = [(u64::MAX, u64::MAX); 16];
    let mut length = 1;
    while length < 16 {
        let mask = (1u128 << (length * 8)) - 1;
        masks[length] = (mask as u64, (mask >> 64) as u64);
        length += 1;
    }
    masks
};

/// The octets of `source`, fewer than sixteen, with zeros behind them.
#[cold]
fn load_padded(source: &[u8]) -> [u8; 16] {
    let mut padded = [0; 16];
    padded.iter_mut().zip(source).for_each(|(to, from)| *to = *from);
    padded
}

/// ASCII letters in lower case; written so that it compiles to vector instructions.
#[inline]
pub(super) fn lower<const N: usize>(mut chunk: [u8; N]) -> [u8; N] {
    for octet in &mut chunk {
        let upper = octet.wrapping_sub(b'A') < 26;
        *octet |= u8::from(upper) << 5;
    }
    chunk
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_lower_case_and_padded() {
        for length in 1..=255usize {
            let source: Vec<u8> = (0..length + 9).map(|at| b"aZ@[`{Az-\x00\x3f"[at % 11]).collect();
            let mut key = NameKey { words: [u64::MAX; KEY_WORDS], length: 0 };
            key.fill(&source, length);
            assert_eq!(key.as_wire(), source[..length].to_ascii_lowercase());
            let octets: &[u8] = bytemuck::cast_slice(&key.words);
            assert!(octets[length..length.div_ceil(16) * 16].iter().all(|&octet| octet == 0), "{length}");
            let mut suffix = NameKey { words: [u64::MAX; KEY_WORDS], length: 0 };
            let offset = length / 2;
            suffix.fill_suffix(&key, offset);
            assert_eq!(suffix.as_wire(), &key.as_wire()[offset..]);
            let mut direct = NameKey::new();
            direct.fill(&key.as_wire()[offset..], length - offset);
            assert_eq!(suffix.pairs(), direct.pairs());
        }
    }
}

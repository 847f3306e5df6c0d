//! The two forms of a domain name: [`Name`] owned on the cold side, [`NameKey`] in a worker's scratch space.

use std::fmt;

use wide::u8x16;

/// Longest name in octets, lengths and root label included (RFC 1035 §2.3.4).
pub(crate) const MAX_LENGTH: usize = 255;
/// Longest label in octets.
pub(crate) const MAX_LABEL: usize = 63;

//----------- Name -------------------------------------------------------------------------------------------

/// Why a text is not a domain name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Two dots in a row, or one at the front.
    #[error("an empty label; labels have 1 to 63 octets")]
    EmptyLabel,
    /// A label of more than 63 octets.
    #[error("a label of more than 63 octets")]
    LongLabel,
    /// More than 255 octets in all.
    #[error("more than 255 octets, lengths of labels included")]
    LongName,
}

/// An absolute domain name in wire form and lower case, root label included.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<[u8]>);

impl Name {
    /// The name whose labels `text` separates by dots; a final dot may stand or not. There are no escapes: every
    /// octet but the dot stands for itself, as in Cloud Map's names and instance ids.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        Self::from_wire(&wire_labels(text)?)
    }

    /// The name of `prefix` (dotted, as in [`Self::parse`]) below this one.
    pub fn child(&self, prefix: &str) -> Result<Self, NameError> {
        // Just as long as it will be.
        let mut wire = Vec::with_capacity(prefix.len() + 1 + self.0.len());
        push_labels(prefix, &mut wire)?;
        wire.extend_from_slice(&self.0);
        if wire.len() > MAX_LENGTH {
            return Err(NameError::LongName);
        }
        wire.make_ascii_lowercase();
        Ok(Self(wire.into()))
    }

    /// The name one label up; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        let length = usize::from(*self.0.first()?);
        let parent = self.0.get(length + 1..).filter(|parent| !parent.is_empty())?;
        Some(Self(parent.into()))
    }

    /// The name whose wire form, sound and in lower case, is at hand.
    pub(crate) fn from_lower(wire: &[u8]) -> Self {
        debug_assert!(!wire.iter().any(u8::is_ascii_uppercase) && wire.len() <= MAX_LENGTH);
        Self(wire.into())
    }

    /// The wire form.
    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }

    /// Whether the leftmost label is an asterisk (RFC 4592 §2.1.1).
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with(b"\x01*")
    }

    /// Takes a whole wire form whose labels are known to be sound.
    fn from_wire(wire: &[u8]) -> Result<Self, NameError> {
        if wire.len() > MAX_LENGTH {
            return Err(NameError::LongName);
        }
        Ok(Self(wire.to_ascii_lowercase().into()))
    }
}

/// The labels of `text` in wire form with the root label, case kept.
pub(crate) fn wire_labels(text: &str) -> Result<Vec<u8>, NameError> {
    let mut wire = Vec::with_capacity(text.len() + 2);
    push_labels(text, &mut wire)?;
    wire.push(0);
    if wire.len() > MAX_LENGTH { Err(NameError::LongName) } else { Ok(wire) }
}

/// Appends the labels of a dotted text, without the root's.
fn push_labels(text: &str, wire: &mut Vec<u8>) -> Result<(), NameError> {
    let text = text.strip_suffix('.').unwrap_or(text);
    for label in text.split('.').filter(|_| !text.is_empty()) {
        match label.len() {
            0 => return Err(NameError::EmptyLabel),
            length @ 1..=MAX_LABEL => wire.push(length as u8),
            _ => return Err(NameError::LongLabel),
        }
        wire.extend_from_slice(label.as_bytes());
    }
    Ok(())
}

impl fmt::Display for Name {
    /// Dotted, with a final dot; octets that are not printable, and dots in labels, as `\ddd` (RFC 1035 §5.1).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = &*self.0;
        if rest == [0] {
            return f.write_str(".");
        }
        while let Some((&length, tail)) = rest.split_first().filter(|(length, _)| **length > 0) {
            let (label, tail) = tail.split_at_checked(usize::from(length)).unwrap_or((tail, &[]));
            for &octet in label {
                match octet {
                    b'.' | b'\\' | 0..=b' ' | 127.. => write!(f, "\\{octet:03}")?,
                    _ => write!(f, "{}", char::from(octet))?,
                }
            }
            f.write_str(".")?;
            rest = tail;
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

//----------- NameKey ----------------------------------------------------------------------------------------

/// Words that hold the longest name.
const KEY_WORDS: usize = MAX_LENGTH.div_ceil(16) * 2;

/// Octets of a name that are treated at once.
const BLOCK: usize = 64;
/// Octets of the names that are shorter still, as most are: they are hashed and compared without a loop.
const HALF: usize = BLOCK / 2;
/// Pairs of words that are always hashed.
const LEAST_PAIRS: usize = HALF / 16;

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
        self.length = other.length;
        if let Some(words) = self.words.first_chunk_mut() {
            *words = other.words;
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

//----------- ShortKey ---------------------------------------------------------------------------------------

/// A [`NameKey`] of a name of at most 64 octets, as nearly all are.
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

impl Default for NameKey {
    fn default() -> Self {
        Self::new()
    }
}

/// Octets of the uncompressed name at the front of `octets`.
#[inline]
pub(crate) fn name_length(octets: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match octets.get(at) {
            Some(0) => return Some(at + 1),
            Some(&length @ 1..=63) if at + usize::from(length) < MAX_LENGTH - 1 => at += usize::from(length) + 1,
            _ => return None,
        }
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

/// ASCII letters in lower case; written so that it compiles to vector instructions.
#[inline]
fn lower<const N: usize>(mut chunk: [u8; N]) -> [u8; N] {
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
    fn parses_and_shows_names() {
        let name = Name::parse("Api.Production.local").unwrap();
        assert_eq!(name.as_wire(), b"\x03api\x0aproduction\x05local\x00");
        assert_eq!(name.to_string(), "api.production.local.");
        assert_eq!(name, Name::parse("api.production.local.").unwrap());
        assert_eq!(name.parent().unwrap().to_string(), "production.local.");
        assert_eq!(name.child("a@b/1.c").unwrap().to_string(), "a@b/1.c.api.production.local.");
        assert_eq!(Name::parse(".").unwrap().as_wire(), [0]);
        assert_eq!(Name::parse(".").unwrap().parent(), None);
        assert_eq!(Name::parse("a..b"), Err(NameError::EmptyLabel));
        assert_eq!(Name::parse(&"a".repeat(64)), Err(NameError::LongLabel));
        assert_eq!(Name::parse(&"abc.".repeat(64)), Err(NameError::LongName));
        assert!(Name::parse("*.a").unwrap().is_wildcard());
    }

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

//! String maps, packed: attributes of instances and services, tags of resources.

use std::fmt;

use memchr::{memchr, memchr2, memchr3};

use super::dictionary::{self, Code};

/// Ends a key; cannot occur in keys or values, which hold no control characters but tabs.
const KEY_END: char = '\u{1f}';
/// Ends a value.
const VALUE_END: char = '\u{1e}';

/// Begins a pair that the dictionary has: its number follows, as two octets of seven bits.
const KNOWN_PAIR: u8 = 0x1d;
/// Begins a pair whose key the dictionary has: the key's number follows, an octet, and the value with its end mark.
const KNOWN_KEY: u8 = 0x1c;

/// Whether `text` can stand in a packed map: it holds none of its marks.
pub fn fits(text: &str) -> bool {
    let octets = text.as_bytes();
    memchr3(KEY_END as u8, VALUE_END as u8, KNOWN_PAIR, octets).is_none() && memchr(KNOWN_KEY, octets).is_none()
}

/// Whether a pair can be read from a packed map, which may be of a version that had fewer marks: those of known pairs
/// and keys are marks only where a pair begins.
pub fn fits_pair(key: &str, value: &str) -> bool {
    let begins_known = matches!(key.as_bytes(), [KNOWN_PAIR | KNOWN_KEY, ..]);
    let ends = |text: &str| memchr2(KEY_END as u8, VALUE_END as u8, text.as_bytes()).is_some();
    !begins_known && !ends(key) && !ends(value)
}

/// Packs `pairs` behind what `packed` holds already, by their numbers in the dictionary where they have some.
pub(super) fn pack_shared<'a>(packed: &mut String, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) {
    for (key, value) in pairs {
        pack_pair(packed, key, value);
    }
}

/// Packs a pair; its number, if it has one.
fn pack_pair(packed: &mut String, key: &str, value: &str) -> Option<u16> {
    match dictionary::code(key, value) {
        Code::Pair(number) => {
            push_number(packed, number);
            return Some(number);
        }
        Code::Key(number) => {
            packed.extend([KNOWN_KEY, number].map(char::from));
            packed.push_str(value);
            packed.push(VALUE_END);
        }
        Code::Written => pack(packed, [(key, value)]),
    }
    None
}

/// Packs the number of a pair.
fn push_number(packed: &mut String, number: u16) {
    packed.extend([KNOWN_PAIR, (number >> 7) as u8 & 0x7f, number as u8 & 0x7f].map(char::from));
}

/// Packs `pairs` behind what `packed` holds already.
pub(super) fn pack<'a>(packed: &mut String, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) {
    for (key, value) in pairs {
        debug_assert!(fits_pair(key, value));
        packed.push_str(key);
        packed.push(KEY_END);
        packed.push_str(value);
        packed.push(VALUE_END);
    }
}

/// The pairs that came last at each place, as they are written out, and their numbers. Rows that are read one after the
/// other have nearly all of them in common, and comparing is quicker than searching.
#[derive(Default)]
pub(super) struct Recent(Vec<Option<(Box<str>, u16)>>);

impl Recent {
    /// Pairs that are remembered at most.
    const MOST: usize = 32;

    /// [`pack_shared`] of what [`pack`] made; `None` where something in it is no pair of key and value.
    pub(super) fn pack_shared(&mut self, packed: &mut String, written: &str) -> Option<()> {
        if memchr2(KNOWN_PAIR, KNOWN_KEY, written.as_bytes()).is_some() {
            return None;
        }
        let mut rest = written;
        for place in 0.. {
            if rest.is_empty() {
                break;
            }
            if let Some(Some((text, number))) = self.0.get(place)
                && let Some(tail) = rest.strip_prefix(&**text)
            {
                push_number(packed, *number);
                rest = tail;
                continue;
            }
            let ((key, value), tail) = next(rest)?;
            if memchr(KEY_END as u8, value.as_bytes()).is_some() || memchr(VALUE_END as u8, key.as_bytes()).is_some() {
                return None;
            }
            if let Some(number) = pack_pair(packed, key, value)
                && place < Self::MOST
            {
                let text = rest.get(..rest.len() - tail.len())?;
                self.0.resize(self.0.len().max(place + 1), None);
                if let Some(recent) = self.0.get_mut(place) {
                    *recent = Some((text.into(), number));
                }
            }
            rest = tail;
        }
        Some(())
    }
}

/// An ordered map from string to string.
///
/// A registry holds millions of small maps that are read rarely and never edited in place, so the pairs lie
/// back to back in one string, in insertion order, each key and each value with its end mark. Lookup is linear.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Attributes(Box<str>);

impl Attributes {
    /// Packs `pairs` in their order. Keys must be unique and neither side may hold control characters.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut packed = String::new();
        pack(&mut packed, pairs);
        Self(packed.into_boxed_str())
    }

    /// The pairs, to be read.
    pub fn pairs(&self) -> Pairs<'_> {
        Pairs(&self.0)
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.pairs().get(key)
    }

    /// All pairs in insertion order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.pairs().iter()
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The map with `pairs` put into it: a known key keeps its place and gets the new value.
    #[must_use]
    pub fn merged<'a>(&'a self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut all: Vec<(&str, &str)> = self.iter().collect();
        for (key, value) in pairs {
            match all.iter_mut().find(|(known, _)| *known == key) {
                Some(pair) => pair.1 = value,
                None => all.push((key, value)),
            }
        }
        Self::from_pairs(all)
    }

    /// The map without `keys`; those it does not have are passed over.
    #[must_use]
    pub fn without(&self, keys: &[impl AsRef<str>]) -> Self {
        Self::from_pairs(self.iter().filter(|(known, _)| !keys.iter().any(|key| key.as_ref() == *known)))
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pairs().fmt(f)
    }
}

/// A packed map, borrowed.
#[derive(Clone, Copy)]
pub struct Pairs<'a>(&'a str);

impl<'a> Pairs<'a> {
    /// What [`pack`] or [`pack_shared`] made.
    pub(super) fn of(packed: &'a str) -> Self {
        Self(packed)
    }

    /// Octets that they are packed in.
    pub(crate) fn size(self) -> usize {
        self.0.len()
    }

    /// The value of `key`.
    pub fn get(self, key: &str) -> Option<&'a str> {
        self.iter().find_map(|(name, value)| (name == key).then_some(value))
    }

    /// All pairs in insertion order.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> + Clone {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let pair;
            (pair, rest) = next(rest)?;
            Some(pair)
        })
    }
}

/// The first pair of a packed map, and what follows.
fn next(packed: &str) -> Option<((&str, &str), &str)> {
    let (key, rest) = match *packed.as_bytes() {
        [KNOWN_PAIR, high, low, ..] => {
            return Some((dictionary::pair(u16::from(high) << 7 | u16::from(low))?, packed.get(3..)?));
        }
        [KNOWN_KEY, number, ..] => (dictionary::key(number)?, packed.get(2..)?),
        _ => {
            let end = memchr(KEY_END as u8, packed.as_bytes())?;
            (packed.get(..end)?, packed.get(end + 1..)?)
        }
    };
    let end = memchr(VALUE_END as u8, rest.as_bytes())?;
    Some(((key, rest.get(..end)?), rest.get(end + 1..)?))
}

impl PartialEq for Pairs<'_> {
    fn eq(&self, other: &Self) -> bool {
        // The same pairs may have come before and after they had numbers.
        self.0 == other.0 || self.iter().eq(other.iter())
    }
}

impl Eq for Pairs<'_> {}

impl fmt::Debug for Pairs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_finds_values() {
        let attributes = Attributes::from_pairs([("b", "2"), ("a", ""), ("c", "x y")]);
        assert_eq!(attributes.get("a"), Some(""));
        assert_eq!(attributes.get("c"), Some("x y"));
        assert_eq!(attributes.get("d"), None);
        assert_eq!(attributes.iter().map(|(key, _)| key).collect::<String>(), "bac");
        assert!(Attributes::default().is_empty());
    }

    #[test]
    fn merges_and_forgets() {
        let attributes = Attributes::from_pairs([("a", "1"), ("b", "2")]);
        let merged = attributes.merged([("c", "3"), ("a", "4")]);
        assert_eq!(merged, Attributes::from_pairs([("a", "4"), ("b", "2"), ("c", "3")]));
        assert_eq!(merged.without(&["b", "x"]), Attributes::from_pairs([("a", "4"), ("c", "3")]));
    }

    #[test]
    fn shared_pairs_are_the_same_as_written_ones() {
        let pairs = [("ECS_CLUSTER_NAME", "shared"), ("AWS_INSTANCE_IPV4", "10.0.0.1"), ("own", ""), ("", "x")];
        let packed = |pack: fn(&mut String, [(&'static str, &'static str); 4])| {
            let mut packed = String::new();
            pack(&mut packed, pairs);
            packed
        };
        let written = packed(pack);
        let (mut recent, mut shortest) = (Recent::default(), usize::MAX);
        for _ in 0..20 {
            let mut read = String::new();
            assert_eq!(recent.pack_shared(&mut read, &written), Some(()));
            for shared in [packed(pack_shared), read] {
                assert_eq!(Pairs::of(&shared), Pairs::of(&written));
                assert_eq!(Pairs::of(&shared).iter().collect::<Vec<_>>(), pairs);
                assert!(recent.pack_shared(&mut String::new(), &shared).is_none());
                shortest = shared.len();
            }
        }
        // Three numbers of three octets, and an address with the number of its key.
        assert_eq!(shortest, 3 * 3 + 2 + 8 + 1);
        for bad in ["x", "x\u{1f}", "x\u{1f}y\u{1f}z\u{1e}", "\u{1e}", "\u{1d}\0\0", "\u{1c}\0a\u{1e}"] {
            for bad in [bad.to_owned(), format!("{written}{bad}")] {
                assert_eq!(recent.pack_shared(&mut String::new(), &bad), None, "{bad:?}");
            }
        }
        let former = [("a\u{1c}", "\u{1d}"), ("", "\u{1c}b\u{1d}"), ("c", "")];
        assert!(former.iter().all(|(key, value)| fits_pair(key, value)));
        assert_eq!(Attributes::from_pairs(former).iter().collect::<Vec<_>>(), former);
        for (key, value) in [("\u{1c}", ""), ("\u{1d}a", ""), ("a\u{1e}", ""), ("a", "\u{1f}"), ("a", "b\u{1e}")] {
            assert!(!fits_pair(key, value), "{key:?}={value:?}");
        }
        assert!(!fits("\u{1c}") && !fits("\u{1d}") && !fits("\u{1e}") && !fits("\u{1f}") && fits("\ta"));
    }
}

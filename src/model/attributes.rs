//! String maps, packed: attributes of instances and services, tags of resources.

use std::fmt;

use memchr::memchr;

/// Ends a key; cannot occur in keys or values, which hold no control characters but tabs.
const KEY_END: char = '\u{1f}';
/// Ends a value.
const VALUE_END: char = '\u{1e}';

/// Whether `text` can stand in a packed map: it holds no end mark.
pub fn fits(text: &str) -> bool {
    !text.contains([KEY_END, VALUE_END])
}

/// Packs `pairs` behind what `packed` holds already.
pub(super) fn pack<'a>(packed: &mut String, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) {
    for (key, value) in pairs {
        debug_assert!(fits(key) && fits(value));
        packed.push_str(key);
        packed.push(KEY_END);
        packed.push_str(value);
        packed.push(VALUE_END);
    }
}

/// Octets of a pair in a packed map.
pub(super) fn packed_length(key: &str, value: &str) -> usize {
    key.len() + value.len() + 2
}

/// The key and the value of a pair.
fn split(pair: &str) -> Option<(&str, &str)> {
    let end = memchr(KEY_END as u8, pair.as_bytes())?;
    Some((pair.get(..end)?, pair.get(end + 1..)?))
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
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pairs<'a>(&'a str);

impl<'a> Pairs<'a> {
    /// What [`pack`] made.
    pub(super) fn of(packed: &'a str) -> Self {
        Self(packed)
    }

    /// Calls `each` with every pair, in their order; `None` where something is no pair of key and value.
    pub(super) fn each(self, mut each: impl FnMut(&'a str, &'a str)) -> Option<()> {
        let mut rest = self.0;
        while !rest.is_empty() {
            let end = memchr(VALUE_END as u8, rest.as_bytes())?;
            let (pair, tail) = (rest.get(..end)?, rest.get(end + 1..)?);
            let (key, value) = split(pair)?;
            if memchr(KEY_END as u8, value.as_bytes()).is_some() {
                return None;
            }
            each(key, value);
            rest = tail;
        }
        Some(())
    }

    /// The value of `key`.
    pub fn get(self, key: &str) -> Option<&'a str> {
        self.iter().find_map(|(name, value)| (name == key).then_some(value))
    }

    /// All pairs in insertion order.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> + Clone {
        self.0.split_terminator(VALUE_END).filter_map(|pair| pair.split_once(KEY_END))
    }
}

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
}

//! The string map of an instance or a service, packed into one allocation.

use std::fmt;

/// Ends a key; cannot occur in keys or values, which are printable ASCII plus space and tab.
const KEY_END: char = '\u{1f}';
/// Ends a value.
const VALUE_END: char = '\u{1e}';

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
        for (key, value) in pairs {
            debug_assert!(!key.contains([KEY_END, VALUE_END]) && !value.contains([KEY_END, VALUE_END]));
            packed.push_str(key);
            packed.push(KEY_END);
            packed.push_str(value);
            packed.push(VALUE_END);
        }
        Self(packed.into_boxed_str())
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find_map(|(name, value)| (name == key).then_some(value))
    }

    /// All pairs in insertion order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.split_terminator(VALUE_END).filter_map(|pair| pair.split_once(KEY_END))
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Attributes {
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
}

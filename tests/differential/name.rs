//! Names as lists of labels.

use std::fmt;

/// An absolute name, its labels from left to right, in the case they were written in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(pub(crate) Vec<Vec<u8>>);

impl Name {
    /// The name of these labels.
    pub(crate) fn of(labels: &[&[u8]]) -> Self {
        Self(labels.iter().map(|label| label.to_vec()).collect())
    }

    /// Octets in wire form.
    pub(crate) fn length(&self) -> usize {
        1 + self.0.iter().map(|label| 1 + label.len()).sum::<usize>()
    }

    /// One label below, if such a name may be.
    pub(crate) fn child(&self, label: &[u8]) -> Option<Self> {
        let name = Self([&[label.to_vec()][..], &self.0].concat());
        (name.length() <= 255 && label.len() <= 63 && !label.is_empty()).then_some(name)
    }

    /// One label above; `None` for the root.
    pub(crate) fn parent(&self) -> Option<Self> {
        self.0.split_first().map(|(_, rest)| Self(rest.to_vec()))
    }

    /// In lower case.
    pub(crate) fn lower(&self) -> Self {
        Self(self.0.iter().map(|label| label.to_ascii_lowercase()).collect())
    }

    /// Whether it is `other` or lies below it; both in lower case.
    pub(crate) fn is_below(&self, other: &Self) -> bool {
        self.0.ends_with(&other.0)
    }

    /// Whether some label of it is an asterisk.
    pub(crate) fn has_asterisk(&self) -> bool {
        self.0.iter().any(|label| label == b"*")
    }

    /// In wire form.
    pub(crate) fn to_wire(&self) -> Vec<u8> {
        let mut wire = Vec::new();
        for label in &self.0 {
            wire.push(label.len() as u8);
            wire.extend_from_slice(label);
        }
        wire.push(0);
        wire
    }

    /// With the case of each letter at random.
    pub(crate) fn with_random_case(&self, rng: &mut fastrand::Rng) -> Self {
        let mut name = self.clone();
        for octet in name.0.iter_mut().flatten() {
            *octet = if rng.bool() { octet.to_ascii_uppercase() } else { octet.to_ascii_lowercase() };
        }
        name
    }
}

impl fmt::Display for Name {
    /// As in a master file (RFC 1035 §5.1).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(".");
        }
        for label in &self.0 {
            for octet in label {
                match octet {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'*' => {
                        write!(f, "{}", char::from(*octet))?
                    }
                    b'.' | b';' | b'"' | b'(' | b'@' | b'$' => write!(f, "\\{}", char::from(*octet))?,
                    _ => write!(f, "\\{octet:03}")?,
                }
            }
            f.write_str(".")?;
        }
        Ok(())
    }
}

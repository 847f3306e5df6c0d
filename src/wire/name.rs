//! Domain names as the cold side owns them; a worker's scratch space has [`super::NameKey`].

use std::fmt;

/// Longest name in octets, lengths and root label included (RFC 1035 §2.3.4).
pub(crate) const MAX_LENGTH: usize = 255;
/// Longest label in octets.
pub(crate) const MAX_LABEL: usize = 63;

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
}

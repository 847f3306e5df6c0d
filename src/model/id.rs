//! Ids of namespaces, services and operations.

use std::fmt;

/// Characters of the part of an id after its prefix, as in AWS's.
const LENGTH: usize = 16;

/// 16 lower-case letters and digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Id([u8; LENGTH]);

impl Id {
    /// The id that `number` makes; 82 bits of it count.
    fn of(mut number: u128) -> Self {
        let mut octets = [0; LENGTH];
        for octet in octets.iter_mut().rev() {
            *octet = b"0123456789abcdefghijklmnopqrstuvwxyz"[(number % 36) as usize];
            number /= 36;
        }
        Self(octets)
    }

    /// The id in `text`, if it is one.
    fn parse(text: &str) -> Option<Self> {
        let octets: [u8; LENGTH] = text.as_bytes().try_into().ok()?;
        octets.iter().all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit()).then_some(Self(octets))
    }

    /// FNV-1a over 128 bits: the same on every node and in every version.
    fn of_parts(parts: &[&str]) -> Self {
        let mut hash = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
        for octet in parts.iter().flat_map(|part| part.bytes().chain([0])) {
            hash = (hash ^ u128::from(octet)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
        Self::of(hash)
    }
}

/// A type of ids with its prefix.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Id);

        impl $name {
            /// The id made of a random number.
            pub fn random(number: u128) -> Self {
                Self(Id::of(number))
            }

            /// The id of what is known by its name alone: the same whenever `parts` are the same.
            pub fn of_name(parts: &[&str]) -> Self {
                Self(Id::of_parts(parts))
            }

            /// The id that `text` is, with its prefix.
            pub fn parse(text: &str) -> Option<Self> {
                Id::parse(text.strip_prefix($prefix)?).map(Self)
            }

            /// The id without its prefix, as a key.
            pub fn as_bytes(&self) -> &[u8; LENGTH] {
                &self.0.0
            }

            /// The id from a key.
            pub fn from_bytes(octets: &[u8]) -> Option<Self> {
                Id::parse(std::str::from_utf8(octets).ok()?).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                f.write_str(std::str::from_utf8(&self.0.0).unwrap_or_default())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

id! {
    /// A namespace, `ns-…`.
    NamespaceId, "ns-"
}
id! {
    /// A service, `srv-…`.
    ServiceId, "srv-"
}

/// An operation: a number that grows with time, shown in hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperationId(pub u64);

impl OperationId {
    /// Bits below the milliseconds.
    const COUNTER_BITS: u32 = 20;

    /// The first id of a moment, in milliseconds since the epoch.
    pub fn first_at(milliseconds: u64) -> Self {
        Self(milliseconds << Self::COUNTER_BITS)
    }

    /// When the operation was submitted, in milliseconds since the epoch.
    pub fn milliseconds(self) -> u64 {
        self.0 >> Self::COUNTER_BITS
    }

    /// The id that `text` is.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == LENGTH && text.bytes().all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'));
        digits.then(|| u64::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_back() {
        let id = NamespaceId::random(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        assert_eq!(NamespaceId::parse(&id.to_string()), Some(id));
        assert_eq!(NamespaceId::from_bytes(id.as_bytes()), Some(id));
        for bad in ["", "ns-", "srv-0123456789abcdef", "ns-0123456789ABCDEF", "ns-0123456789abcdef0"] {
            assert_eq!(NamespaceId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn ids_of_names_last() {
        // Clients keep them: they may never change.
        assert_eq!(ServiceId::of_name(&["production.local", "api"]).to_string(), "srv-05gmghqt2wbxgskt");
        assert_ne!(ServiceId::of_name(&["a", "bc"]), ServiceId::of_name(&["ab", "c"]));
    }

    #[test]
    fn operations_are_in_the_order_of_time() {
        let id = OperationId::first_at(1_700_000_000_123);
        assert_eq!(id.milliseconds(), 1_700_000_000_123);
        assert_eq!(OperationId::parse(&id.to_string()), Some(id));
        assert!(OperationId(id.0 + 1) < OperationId::first_at(1_700_000_000_124));
        assert_eq!(OperationId::parse("x"), None);
    }
}

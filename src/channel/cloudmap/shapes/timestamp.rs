//! Points in time, as each protocol writes them.

use serde::{Serialize, Serializer};

/// Milliseconds since the epoch.
///
/// In JSON a number of seconds with a fraction, in CBOR the same as a float under tag 1 (RFC 8949 §3.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // A double has milliseconds until far beyond the year 10000.
        let seconds = self.0 as f64 / 1000.0;
        if serializer.is_human_readable() {
            serializer.serialize_f64(seconds)
        } else {
            ciborium::tag::Required::<f64, 1>(seconds).serialize(serializer)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_has_its_form() {
        assert_eq!(serde_json::to_string(&Timestamp(1_587_055_860_121)).unwrap(), "1587055860.121");
        let mut octets = Vec::new();
        ciborium::into_writer(&Timestamp(1_500), &mut octets).unwrap();
        // Tag 1, then 1.5 in the shortest float that holds it.
        assert_eq!(octets, [0xc1, 0xf9, 0x3e, 0x00]);
    }
}

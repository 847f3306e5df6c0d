//! The version of the zone that an answer comes from, for those who ask (RFC 9660): the serial of its SOA, which is the
//! registry's revision.
//!
//! It is the zone that encloses the name asked for, also where a CNAME leads into another one (§3.2).

use super::lookup::next_label;
use crate::table::{Node, RrSet, Snapshot};
use crate::wire::NameKey;
use crate::wire::types::{option, rtype};

/// Octets of the option in a response: code and length, label count, type, serial.
pub(super) const OPTION_LENGTH: usize = 10;
/// The type SOA-SERIAL (§4).
const SOA_SERIAL: u8 = 0;
/// Octets of an SOA's numbers, which end it: serial, refresh, retry, expire, minimum.
const SOA_NUMBERS: usize = 20;

/// Which zone, and its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ZoneVersion {
    /// Labels of the zone's name, the root label not counted (§2.1).
    labels: u8,
    serial: [u8; 4],
}

impl ZoneVersion {
    /// The whole option.
    pub(super) fn option(self) -> [u8; OPTION_LENGTH] {
        let [code_high, code_low] = option::ZONE_VERSION.to_be_bytes();
        let [a, b, c, d] = self.serial;
        [code_high, code_low, 0, 6, self.labels, SOA_SERIAL, a, b, c, d]
    }
}

/// The version of the zone that answers for the name at the start of `message` and `qtype`. Not for the hot path: it
/// looks the name up again.
#[cold]
#[inline(never)]
pub(super) fn find(snapshot: &Snapshot, message: &[u8], qtype: u16) -> Option<ZoneVersion> {
    let (mut key, mut suffix) = (NameKey::new(), NameKey::new());
    key.fill_from(message)?;
    let own = enclosing(snapshot, &key, &mut suffix, 0)?;
    // The DS record lies in the zone above, if that is ours, too (RFC 4035 §3.1.4.1).
    let above = |suffix: &mut _| next_label(&key, 0).and_then(|offset| enclosing(snapshot, &key, suffix, offset));
    let node = if qtype == rtype::DS && own.is_apex() { above(&mut suffix).unwrap_or(own) } else { own };
    let apex = node.name().get(node.apex_offset()..)?;
    suffix.fill(apex, apex.len());
    let Some(RrSet::Records(set)) = snapshot.find(&suffix)?.set(rtype::SOA) else { return None };
    let [a, b, c, d, ..] = *set.octets().last_chunk::<SOA_NUMBERS>()?;
    Some(ZoneVersion { labels: count_labels(apex), serial: [a, b, c, d] })
}

/// The node of the longest name that ends `key`, from the offset `start` on.
fn enclosing<'s>(snapshot: &'s Snapshot, key: &NameKey, suffix: &mut NameKey, start: usize) -> Option<Node<'s>> {
    let mut offset = start;
    loop {
        suffix.fill_suffix(key, offset);
        if let Some(node) = snapshot.find(suffix) {
            return Some(node);
        }
        offset = next_label(key, offset)?;
    }
}

/// The labels of a name in wire form, without the root label.
fn count_labels(mut name: &[u8]) -> u8 {
    let mut labels = 0;
    while let Some((&length @ 1.., rest)) = name.split_first() {
        labels += 1;
        name = rest.get(usize::from(length)..).unwrap_or_default();
    }
    labels
}

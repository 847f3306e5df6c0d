//! The addresses of services that are changed while a run lasts: each tells whose it is and how often it was changed.
//!
//! ```text
//! 31        22 21   19 18                    0
//! ┌───────────┬───────┬───────────────────────┐
//! │ service   │ inst. │ version, modulo 2^19  │   an IPv4 address
//! └───────────┴───────┴───────────────────────┘
//! ```

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Bits of a version.
const VERSION_BITS: u32 = 19;
/// Bits of an instance's number.
const INSTANCE_BITS: u32 = 3;
/// Instances of each service.
pub(crate) const INSTANCES: u32 = 1 << INSTANCE_BITS;
/// The first service's number in addresses, so that none lies below 16.0.0.0: what is there may be refused.
const FIRST_SERVICE: u32 = 64;
/// Services at most: addresses stay below 224.0.0.0, where multicast begins.
const MOST_SERVICES: u32 = 896 - FIRST_SERVICE;
/// TTL of the records in seconds.
pub(crate) const TTL: u32 = 5;
/// Acknowledgements of an instance that are remembered.
const REMEMBERED: usize = 4;

/// Whether an address in an answer may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// It was current when the query was sent, or came since.
    Fresh,
    /// Another had taken its place, and this was acknowledged, before the query was sent.
    Stale,
}

/// What was sent and acknowledged; threads share it. Times are nanoseconds on a clock of the run's.
#[derive(Debug)]
pub struct Versions {
    services: u32,
    instances: Box<[Instance]>,
}

#[derive(Debug, Default)]
struct Instance {
    /// The last version that was sent.
    sent: AtomicU32,
    /// The last version that was acknowledged.
    acknowledged: AtomicU32,
    /// When the last versions were acknowledged, at their number modulo [`REMEMBERED`].
    at: [AtomicU64; REMEMBERED],
}

impl Versions {
    /// Services at most.
    pub const MOST_SERVICES: u32 = MOST_SERVICES;

    /// Version 0 of every instance of so many services, up to [`Self::MOST_SERVICES`], sent and acknowledged.
    pub fn new(services: u32) -> Self {
        let services = services.clamp(1, MOST_SERVICES);
        let instances = (0..services * INSTANCES).map(|_| Instance::default()).collect();
        Self { services, instances }
    }

    /// Services.
    pub fn services(&self) -> u32 {
        self.services
    }

    /// Records in an answer.
    pub(crate) fn shown(&self) -> u32 {
        INSTANCES
    }

    /// TTL of the records in seconds.
    pub(crate) fn ttl(&self) -> u32 {
        TTL
    }

    fn instance(&self, service: u32, instance: u32) -> Option<&Instance> {
        self.instances.get((service * INSTANCES + instance) as usize)
    }

    /// The address of a version.
    pub(crate) fn address(service: u32, instance: u32, version: u32) -> Ipv4Addr {
        let version = version & ((1 << VERSION_BITS) - 1);
        Ipv4Addr::from_bits(
            (service + FIRST_SERVICE) << (INSTANCE_BITS + VERSION_BITS) | instance << VERSION_BITS | version,
        )
    }

    /// The next version of an instance, which is about to be sent. Only one thread sends.
    pub(crate) fn next(&self, service: u32, instance: u32) -> u32 {
        self.instance(service, instance).map_or(0, |instance| instance.sent.fetch_add(1, Ordering::AcqRel) + 1)
    }

    /// A version was acknowledged at `now`. Those of one instance are in their order.
    pub(crate) fn acknowledge(&self, service: u32, instance: u32, version: u32, now: u64) {
        let Some(instance) = self.instance(service, instance) else { return };
        // Also for those before it that were refused, and so replaced with it.
        let first = instance.acknowledged.load(Ordering::Acquire) + 1;
        for version in first.max((version + 1).saturating_sub(REMEMBERED as u32)).min(version)..=version {
            if let Some(at) = instance.at.get(version as usize % REMEMBERED) {
                at.store(now, Ordering::Release);
            }
        }
        instance.acknowledged.fetch_max(version, Ordering::AcqRel);
    }

    /// Whose an address in an answer for `service` is, and whether a query sent at `sent` may be answered with it; `None`
    /// where it is not one that the service has had.
    pub(crate) fn look(&self, service: u32, address: Ipv4Addr, sent: u64) -> Option<(u32, Age)> {
        let bits = address.to_bits();
        let number = bits >> VERSION_BITS & (INSTANCES - 1);
        if bits >> (INSTANCE_BITS + VERSION_BITS) != service + FIRST_SERVICE {
            return None;
        }
        let instance = self.instance(service, number)?;
        let last = instance.sent.load(Ordering::Acquire);
        // The version it was sent as, the last one with these bits.
        let behind = last.wrapping_sub(bits) & ((1 << VERSION_BITS) - 1);
        let version = last.checked_sub(behind)?;
        let acknowledged = instance.acknowledged.load(Ordering::Acquire);
        if acknowledged <= version {
            return Some((number, Age::Fresh));
        }
        // When its successor was acknowledged; of one long since forgotten, when a later one was.
        let successor = (version + 1).max((acknowledged + 2).saturating_sub(REMEMBERED as u32));
        let at = instance.at.get(successor as usize % REMEMBERED)?.load(Ordering::Acquire);
        // Meanwhile that place may have been given to a version still later, whose time is later: never a false alarm.
        Some((number, if at < sent { Age::Stale } else { Age::Fresh }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_tell_whose_they_are_and_how_old() {
        let versions = Versions::new(10);
        let at = |version| Versions::address(3, 5, version);
        assert_eq!(versions.look(3, at(0), 100), Some((5, Age::Fresh)));
        assert_eq!(versions.look(4, at(0), 100), None);
        assert_eq!(versions.look(3, at(1), 100), None, "it was not sent");
        assert_eq!(versions.next(3, 5), 1);
        assert_eq!(versions.look(3, at(1), 100), Some((5, Age::Fresh)), "shown before it is acknowledged");
        versions.acknowledge(3, 5, 1, 200);
        assert_eq!(versions.look(3, at(0), 150), Some((5, Age::Fresh)), "asked before");
        assert_eq!(versions.look(3, at(0), 201), Some((5, Age::Stale)));
        assert_eq!(versions.look(3, at(1), 201), Some((5, Age::Fresh)));
        for version in 2..20 {
            assert_eq!(versions.next(3, 5), version);
            versions.acknowledge(3, 5, version, 1000 * u64::from(version));
        }
        assert_eq!(versions.look(3, at(0), 20_000), Some((5, Age::Stale)));
        assert_eq!(versions.look(3, at(18), 18_500), Some((5, Age::Fresh)));
        assert_eq!(versions.look(3, at(18), 19_500), Some((5, Age::Stale)));
    }

    #[test]
    fn all_addresses_are_of_single_hosts() {
        for service in [0, MOST_SERVICES - 1] {
            let address = Versions::address(service, INSTANCES - 1, u32::MAX);
            assert!((16..224).contains(&address.octets()[0]), "{address}");
        }
    }
}

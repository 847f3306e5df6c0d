//! One registered endpoint of a service.

use std::cell::Cell;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::OperationId;
use super::attributes::{self, Pairs, Recent};

thread_local! {
    /// Where the text of an instance is put together.
    static BUFFER: Cell<String> = const { Cell::new(String::new()) };
    /// What instances that were read have in common.
    static RECENT: Cell<Recent> = Cell::default();
}

/// Mark of a frozen instance that drains.
const DRAINING: u8 = 4;
/// Mark of a frozen instance whose id is a number in hexadecimal digits, two in an octet.
const NUMBER: u8 = 8;

/// The texts with what `pack` puts behind them, in an allocation of just their length.
fn put_together<const N: usize>(texts: [&str; N], pack: impl FnOnce(&mut String) -> Option<()>) -> Option<Box<str>> {
    let mut buffer = BUFFER.take();
    buffer.clear();
    buffer.extend(texts);
    let packed = pack(&mut buffer).map(|()| Box::from(buffer.as_str()));
    BUFFER.set(buffer);
    packed
}

/// What is known of an instance's health (API model `HealthStatus`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HealthStatus {
    /// Answers queries.
    Healthy,
    /// Left out of answers while another instance is healthy.
    Unhealthy,
    /// Nothing is known, or the service has no health check: answers queries.
    #[default]
    Unknown,
}

/// An instance.
///
/// There are millions of them: id, creator request id and attributes, which never change, share one allocation. What
/// every change of a service asks each of its instances for lies beside it, so that nothing has to be searched.
#[derive(Clone)]
pub struct Instance {
    /// The id, the creator request id, and the packed attributes, those that many instances have by their numbers.
    packed: Box<str>,
    /// What the attributes say, made of them.
    known: Known,
    /// Octets of the id, at most 64.
    id_length: u8,
    /// Octets of the creator request id, at most 64 characters of 4.
    creator_length: u16,
    /// Current health.
    pub status: HealthStatus,
    /// Whether a file declares it, rather than that somebody registered it.
    pub declared: bool,
    /// Whether it is about to stop, and so is in no answer, whatever its health.
    pub draining: bool,
    /// The operation that registered it; 0 for a declared one.
    pub operation: OperationId,
    /// When the status turns to its opposite, in milliseconds since the epoch; 0 where no change is due.
    pub status_due: u64,
}

impl Instance {
    /// An instance as registered, byte for byte; nobody knows yet how it fares.
    pub fn new<'a>(
        id: &str,
        creator_request_id: Option<&str>,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let creator = creator_request_id.unwrap_or_default();
        let mut known = Known::default();
        let packed = put_together([id, creator], |packed| {
            attributes::pack_shared(packed, pairs.into_iter().inspect(|(key, value)| known.note(key, value)));
            Some(())
        });
        Self {
            packed: packed.unwrap_or_default(),
            known,
            id_length: id.len() as u8,
            creator_length: creator.len() as u16,
            status: HealthStatus::Unknown,
            declared: false,
            draining: false,
            operation: OperationId::default(),
            status_due: 0,
        }
    }

    /// The instance of an id and of what `packed` gave; `None` where the two do not make one.
    pub fn from_packed(id: &str, rest: &str, creator_length: u16) -> Option<Self> {
        let (creator, attributes) = rest.split_at_checked(creator_length.into())?;
        let packed = put_together([id, creator], |packed| {
            let mut recent = RECENT.take();
            let result = recent.pack_shared(packed, attributes);
            RECENT.set(recent);
            result
        });
        let (packed, id_length) = (packed?, u8::try_from(id.len()).ok()?);
        let known = Known::of(packed.get(id.len() + creator.len()..)?);
        Some(Self { packed, known, id_length, creator_length, ..Self::new("", None, []) })
    }

    /// Creator request id and attributes in one text, all written out, and the octets of the first, for `read`.
    pub fn with_packed<T>(&self, read: impl FnOnce(&str, u16) -> T) -> T {
        let mut packed = BUFFER.take();
        packed.clear();
        packed.push_str(self.creator_request_id().unwrap_or_default());
        attributes::pack(&mut packed, self.attributes().iter());
        let result = read(&packed, self.creator_length);
        BUFFER.set(packed);
        result
    }

    /// Appends it to frozen ones: octets of the id, status and marks, octets of the rest (2), the id, and the rest. False
    /// where it has more than a follower knows.
    pub(super) fn freeze(&self, frozen: &mut Vec<u8>) -> bool {
        let id = self.id().as_bytes();
        let rest = self.packed.as_bytes().get(id.len()..).unwrap_or_default();
        let Ok(length) = u16::try_from(rest.len()) else { return false };
        if self.creator_length != 0 || self.declared || self.operation.0 != 0 || self.status_due != 0 {
            return false;
        }
        let status = match self.status {
            HealthStatus::Healthy => 0,
            HealthStatus::Unhealthy => 1,
            HealthStatus::Unknown => 2,
        };
        let draining = if self.draining { DRAINING } else { 0 };
        // Ids of tasks are numbers in hexadecimal digits.
        let digits = id.as_chunks::<2>();
        let is_number = digits.1.is_empty() && id.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        frozen.extend_from_slice(&[self.id_length, status | draining | if is_number { NUMBER } else { 0 }]);
        frozen.extend_from_slice(&length.to_le_bytes());
        if is_number {
            let digit = |digit: u8| if digit > b'9' { digit - b'a' + 10 } else { digit - b'0' };
            frozen.extend(digits.0.iter().map(|[high, low]| digit(*high) << 4 | digit(*low)));
        } else {
            frozen.extend_from_slice(id);
        }
        frozen.extend_from_slice(rest);
        true
    }

    /// The first of frozen ones, which is taken off them; `None` behind the last.
    pub(super) fn thaw(frozen: &mut &[u8]) -> Option<Self> {
        let octets: &[u8] = frozen;
        let ([id_length, marks, low, high], rest) = octets.split_first_chunk()?;
        let is_number = marks & NUMBER != 0;
        let length = usize::from(*id_length) / if is_number { 2 } else { 1 };
        let (id, rest) = rest.split_at_checked(length)?;
        let (text, rest) = rest.split_at_checked(u16::from_le_bytes([*low, *high]).into())?;
        *frozen = rest;
        let packed = put_together([], |packed| {
            if is_number {
                let digit = |digit: u8| char::from(if digit > 9 { digit - 10 + b'a' } else { digit + b'0' });
                packed.extend(id.iter().flat_map(|octet| [digit(octet >> 4), digit(octet & 15)]));
            } else {
                packed.push_str(std::str::from_utf8(id).ok()?);
            }
            packed.push_str(std::str::from_utf8(text).ok()?);
            Some(())
        });
        let status = match marks & 3 {
            0 => HealthStatus::Healthy,
            1 => HealthStatus::Unhealthy,
            _ => HealthStatus::Unknown,
        };
        let draining = marks & DRAINING != 0;
        let packed = packed?;
        let known = Known::of(packed.get(usize::from(*id_length)..)?);
        Some(Self { packed, known, id_length: *id_length, status, draining, ..Self::new("", None, []) })
    }

    /// Whether it was registered with the same words, however it fares.
    pub fn is_alike(&self, other: &Self) -> bool {
        self.id() == other.id()
            && self.creator_request_id() == other.creator_request_id()
            && self.attributes() == other.attributes()
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(mut self, status: HealthStatus) -> Self {
        self.status = status;
        self
    }

    /// Looks at what it points to, from end to end.
    pub(crate) fn look(&self) -> usize {
        let octets = self.packed.as_bytes();
        let octet = |octet: Option<&u8>| octet.copied().map_or(0, usize::from);
        octets.iter().step_by(64).map(|one| usize::from(*one)).sum::<usize>() + octet(octets.last())
    }

    /// The id, unique in its service.
    pub fn id(&self) -> &str {
        self.packed.get(..self.id_length.into()).unwrap_or_default()
    }

    /// What the registrant called its request.
    pub fn creator_request_id(&self) -> Option<&str> {
        let start = usize::from(self.id_length);
        self.packed.get(start..start + usize::from(self.creator_length)).filter(|text| !text.is_empty())
    }

    /// The attributes as registered.
    pub fn attributes(&self) -> Pairs<'_> {
        let start = usize::from(self.id_length) + usize::from(self.creator_length);
        Pairs::of(self.packed.get(start..).unwrap_or_default())
    }

    /// Whether there is an attribute of this name, one of those that are known here.
    pub fn has(&self, attribute: KnownAttribute) -> bool {
        self.known.has(attribute)
    }

    /// The value of an attribute that is known here.
    fn value(&self, attribute: KnownAttribute) -> Option<&str> {
        if self.known.has(attribute) { self.attributes().get(attribute.name()) } else { None }
    }

    /// `AWS_INSTANCE_IPV4`.
    pub fn ipv4(&self) -> Option<Ipv4Addr> {
        self.known.ipv4
    }

    /// `AWS_INSTANCE_IPV6`.
    pub fn ipv6(&self) -> Option<Ipv6Addr> {
        self.value(KnownAttribute::Ipv6)?.parse().ok()
    }

    /// `AWS_INSTANCE_PORT`.
    pub fn port(&self) -> Option<u16> {
        self.value(KnownAttribute::Port)?.parse().ok()
    }

    /// `AWS_INSTANCE_CNAME`, in presentation format.
    pub fn cname(&self) -> Option<&str> {
        self.value(KnownAttribute::Cname)
    }

    /// `FINGERPOST_LEASE`: seconds after which it goes unless somebody says that it is still there.
    pub fn lease(&self) -> Option<u32> {
        self.value(KnownAttribute::Lease)?.parse().ok()
    }

    /// `AWS_INIT_HEALTH_STATUS`, where the registrant gave one.
    pub fn initial_status(&self) -> Option<HealthStatus> {
        match self.value(KnownAttribute::InitialStatus)? {
            "UNHEALTHY" => Some(HealthStatus::Unhealthy),
            _ => Some(HealthStatus::Healthy),
        }
    }
}

impl PartialEq for Instance {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            packed: _,
            known: _,
            id_length: _,
            creator_length: _,
            status,
            declared,
            draining,
            operation,
            status_due,
        } = other;
        (self.status, self.declared, self.draining) == (*status, *declared, *draining)
            && (self.operation, self.status_due) == (*operation, *status_due)
            && self.is_alike(other)
    }
}

impl Eq for Instance {}

//----------- Known -------------------------------------------------------------------------------------------

/// An attribute of an instance with a meaning of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownAttribute {
    /// `AWS_INSTANCE_IPV4`.
    Ipv4,
    /// `AWS_INSTANCE_IPV6`.
    Ipv6,
    /// `AWS_INSTANCE_PORT`.
    Port,
    /// `AWS_INSTANCE_CNAME`.
    Cname,
    /// `AWS_INIT_HEALTH_STATUS`.
    InitialStatus,
    /// `AWS_EC2_INSTANCE_ID`.
    Ec2InstanceId,
    /// `FINGERPOST_LEASE`.
    Lease,
}

impl KnownAttribute {
    /// The attribute called `key`.
    fn of(key: &str) -> Option<Self> {
        // Most keys are somebody's own.
        if !key.starts_with("AWS_") && !key.starts_with("FINGERPOST_") {
            return None;
        }
        let all =
            [Self::Ipv4, Self::Ipv6, Self::Port, Self::Cname, Self::InitialStatus, Self::Ec2InstanceId, Self::Lease];
        all.into_iter().find(|attribute| attribute.name() == key)
    }

    /// Its key.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "AWS_INSTANCE_IPV4",
            Self::Ipv6 => "AWS_INSTANCE_IPV6",
            Self::Port => "AWS_INSTANCE_PORT",
            Self::Cname => "AWS_INSTANCE_CNAME",
            Self::InitialStatus => "AWS_INIT_HEALTH_STATUS",
            Self::Ec2InstanceId => "AWS_EC2_INSTANCE_ID",
            Self::Lease => "FINGERPOST_LEASE",
        }
    }
}

/// Which of the known attributes there are, and the address that nearly all have.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Known {
    /// A bit for each.
    bits: u8,
    ipv4: Option<Ipv4Addr>,
}

impl Known {
    /// What packed attributes say.
    fn of(packed: &str) -> Self {
        let mut known = Self::default();
        Pairs::of(packed).iter().for_each(|(key, value)| known.note(key, value));
        known
    }

    /// Takes in a pair.
    fn note(&mut self, key: &str, value: &str) {
        let Some(attribute) = KnownAttribute::of(key) else { return };
        self.bits |= 1 << attribute as u8;
        if attribute == KnownAttribute::Ipv4 {
            self.ipv4 = value.parse().ok();
        }
    }

    fn has(self, attribute: KnownAttribute) -> bool {
        self.bits & 1 << attribute as u8 != 0
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance")
            .field("id", &self.id())
            .field("attributes", &self.attributes())
            .field("status", &self.status)
            .field("draining", &self.draining)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_attributes_are_found_however_the_instance_came_to_be() {
        let pairs = [
            ("AWS_INSTANCE_IPV4", "10.0.0.1"),
            ("AWS_INSTANCE_IPV6", "::1"),
            ("AWS_INSTANCE_PORT", "80"),
            ("AWS_INSTANCE_CNAME", "a.b"),
            ("AWS_INIT_HEALTH_STATUS", "UNHEALTHY"),
            ("FINGERPOST_LEASE", "5"),
            ("own", ""),
        ];
        let made = Instance::new("i", Some("creator"), pairs);
        let (packed, creator_length) = made.with_packed(|packed, length| (packed.to_owned(), length));
        let read = Instance::from_packed("i", &packed, creator_length).unwrap();
        assert_eq!(made, read);
        for one in [made, read] {
            assert_eq!((one.ipv4(), one.ipv6()), (Some([10, 0, 0, 1].into()), Some(1.into())));
            assert_eq!((one.port(), one.cname(), one.lease()), (Some(80), Some("a.b"), Some(5)));
            assert_eq!(one.initial_status(), Some(HealthStatus::Unhealthy));
            assert!(one.has(KnownAttribute::Port) && !one.has(KnownAttribute::Ec2InstanceId));
        }
        let bare = Instance::new("i", None, [("AWS_INSTANCE_IPV4x", "10.0.0.1")]);
        assert_eq!((bare.ipv4(), bare.port(), bare.lease(), bare.initial_status()), (None, None, None, None));
    }

    #[test]
    fn torn_maps_are_no_instance() {
        for (packed, creator_length) in
            [("a", 0), ("a\u{1f}b", 0), ("a\u{1e}", 0), ("a\u{1f}\u{1f}\u{1e}", 0), ("a", 2)]
        {
            assert!(Instance::from_packed("i", packed, creator_length).is_none(), "{packed:?}");
        }
        assert!(Instance::from_packed("i", "a\u{1f}\u{1e}", 0).is_some());
        assert!(Instance::from_packed("i", "c", 1).is_some_and(|one| one.creator_request_id() == Some("c")));
    }

    #[test]
    fn an_instance_and_its_count_fit_a_cache_line() {
        assert!(size_of::<Instance>() <= 48);
    }
}

//! One registered endpoint of a service.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::OperationId;
use super::attributes::{self, Pairs};

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
#[derive(Clone, PartialEq, Eq)]
pub struct Instance {
    /// The id, the creator request id, and the packed attributes.
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
        pairs: impl IntoIterator<Item = (&'a str, &'a str), IntoIter: Clone>,
    ) -> Self {
        let creator = creator_request_id.unwrap_or_default();
        let pairs = pairs.into_iter();
        let length = pairs.clone().map(|(key, value)| attributes::packed_length(key, value)).sum::<usize>();
        let mut packed = String::with_capacity(id.len() + creator.len() + length);
        packed.push_str(id);
        packed.push_str(creator);
        let mut known = Known::default();
        attributes::pack(&mut packed, pairs.inspect(|(key, value)| known.note(key, value)));
        Self {
            packed: packed.into_boxed_str(),
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

    /// The instance of an id and of what [`Self::packed`] gave; `None` where the two do not make one.
    pub fn from_packed(id: &str, rest: &str, creator_length: u16) -> Option<Self> {
        let mut known = Known::default();
        Pairs::of(rest.get(creator_length.into()..)?).each(|key, value| known.note(key, value))?;
        (id.len() <= u8::MAX.into()).then(|| Self {
            packed: [id, rest].concat().into_boxed_str(),
            known,
            id_length: id.len() as u8,
            creator_length,
            ..Self::new("", None, [])
        })
    }

    /// Creator request id and attributes in one text, and the octets of the first.
    pub fn packed(&self) -> (&str, u16) {
        (self.packed.get(self.id_length.into()..).unwrap_or_default(), self.creator_length)
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(mut self, status: HealthStatus) -> Self {
        self.status = status;
        self
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
        let (packed, creator_length) = made.packed();
        let read = Instance::from_packed("i", packed, creator_length).unwrap();
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

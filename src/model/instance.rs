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
/// There are millions of them: id, creator request id and attributes, which never change, share one allocation.
#[derive(Clone, PartialEq, Eq)]
pub struct Instance {
    /// The id, the creator request id, and the packed attributes.
    packed: Box<str>,
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
        let mut packed = String::with_capacity(id.len() + creator.len());
        packed.push_str(id);
        packed.push_str(creator);
        attributes::pack(&mut packed, pairs);
        Self {
            packed: packed.into_boxed_str(),
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
        let attributes = rest.get(creator_length.into()..)?;
        let is_whole = Pairs::of(attributes).is_whole();
        (id.len() <= u8::MAX.into() && is_whole).then(|| Self {
            packed: [id, rest].concat().into_boxed_str(),
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

    /// `AWS_INSTANCE_IPV4`.
    pub fn ipv4(&self) -> Option<Ipv4Addr> {
        self.attributes().get("AWS_INSTANCE_IPV4")?.parse().ok()
    }

    /// `AWS_INSTANCE_IPV6`.
    pub fn ipv6(&self) -> Option<Ipv6Addr> {
        self.attributes().get("AWS_INSTANCE_IPV6")?.parse().ok()
    }

    /// `AWS_INSTANCE_PORT`.
    pub fn port(&self) -> Option<u16> {
        self.attributes().get("AWS_INSTANCE_PORT")?.parse().ok()
    }

    /// `AWS_INSTANCE_CNAME`, in presentation format.
    pub fn cname(&self) -> Option<&str> {
        self.attributes().get("AWS_INSTANCE_CNAME")
    }

    /// `FINGERPOST_LEASE`: seconds after which it goes unless somebody says that it is still there.
    pub fn lease(&self) -> Option<u32> {
        self.attributes().get("FINGERPOST_LEASE")?.parse().ok()
    }

    /// `AWS_INIT_HEALTH_STATUS`, where the registrant gave one.
    pub fn initial_status(&self) -> Option<HealthStatus> {
        match self.attributes().get("AWS_INIT_HEALTH_STATUS")? {
            "UNHEALTHY" => Some(HealthStatus::Unhealthy),
            _ => Some(HealthStatus::Healthy),
        }
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

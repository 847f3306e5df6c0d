//! Nodes as compiled from the model, before they are encoded.

use super::node::Flags;
use crate::wire::types::rtype;

/// What one layer of a node will hold.
#[derive(Clone, Debug, Default)]
pub struct NodeDraft {
    /// What the node is; the flags that say whose data lie there are set by the editor.
    pub flags: Flags,
    /// RRsets, one per type.
    pub sets: Vec<RrSetDraft>,
}

/// An RRset as compiled from the model.
#[derive(Clone, Debug)]
pub enum RrSetDraft {
    /// A records of which responses show a random choice.
    V4 {
        /// Seconds.
        ttl: u32,
        /// Most a response shows.
        shown: u32,
        /// In network order.
        addresses: Vec<[u8; 4]>,
    },
    /// AAAA records of which responses show a random choice.
    V6 {
        /// Seconds.
        ttl: u32,
        /// Most a response shows.
        shown: u32,
        /// In network order.
        addresses: Vec<[u8; 16]>,
    },
    /// SRV records whose targets are instances below the owner name.
    Services {
        /// Seconds.
        ttl: u32,
        /// Most a response shows.
        shown: u32,
        /// The instances that answer.
        entries: Vec<ServiceEntry>,
        /// Those that only have names. Both lists are in the order of the labels in lower case, behind the first octet.
        silent: Vec<ServiceEntry>,
    },
    /// CNAME records of which each response shows one.
    Aliases {
        /// Seconds.
        ttl: u32,
        /// Wire forms, case kept.
        targets: Vec<Vec<u8>>,
    },
    /// Records shown whole and in order.
    Records {
        /// Their type.
        rtype: u16,
        /// Seconds.
        ttl: u32,
        /// RDATA in wire form, names uncompressed.
        rdata: Vec<Vec<u8>>,
    },
}

/// One instance of [`RrSetDraft::Services`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceEntry {
    /// Port of the service.
    pub port: u16,
    /// Labels in wire form without the root label, 1 to 253 octets.
    pub labels: Vec<u8>,
    /// Address in network order.
    pub v4: Option<[u8; 4]>,
    /// Address in network order.
    pub v6: Option<[u8; 16]>,
}

impl RrSetDraft {
    /// The type of the records.
    pub fn rtype(&self) -> u16 {
        match self {
            Self::V4 { .. } => rtype::A,
            Self::V6 { .. } => rtype::AAAA,
            Self::Services { .. } => rtype::SRV,
            Self::Aliases { .. } => rtype::CNAME,
            Self::Records { rtype, .. } => *rtype,
        }
    }
}

//! What one file declares, with the places that later faults must name.

use std::path::Path;
use std::sync::Arc;

use super::fault::Position;
use crate::model::{Attributes, NamespaceId, NamespaceType, Service};

/// The content of one declaration file.
#[derive(Clone, Debug)]
pub(super) struct Fragment {
    /// The file.
    pub(super) file: Arc<Path>,
    /// Whether the file could be understood as a declaration at all.
    pub(super) readable: bool,
    /// Its namespaces.
    pub(super) namespaces: Vec<DeclaredNamespace>,
}

impl Fragment {
    /// The fragment of a file that could not be understood.
    pub(super) fn unreadable(file: &Arc<Path>) -> Self {
        Self { file: Arc::clone(file), readable: false, namespaces: Vec::new() }
    }
}

/// A value that a file may give for a namespace, and another file, too.
#[derive(Clone, Debug)]
pub(super) enum Given<T> {
    /// Not given.
    Absent,
    /// Given, with a fault already noted.
    Faulty,
    /// Given at a place.
    Value(T, Position),
}

/// A namespace, or the part of it that one file declares.
#[derive(Clone, Debug)]
pub(super) struct DeclaredNamespace {
    /// Its name as written.
    pub(super) name: Box<str>,
    /// Where the name stands.
    pub(super) at: Position,
    /// Its place in the list.
    pub(super) index: usize,
    /// `type`.
    pub(super) kind: Given<NamespaceType>,
    /// `vpc`.
    pub(super) vpc: Given<Box<str>>,
    /// `soa_ttl`.
    pub(super) soa_ttl: Given<u32>,
    /// `id`.
    pub(super) id: Given<NamespaceId>,
    /// `description`.
    pub(super) description: Given<Box<str>>,
    /// `tags`.
    pub(super) tags: Given<Attributes>,
    /// Its static records in this file.
    pub(super) records: Vec<DeclaredRecord>,
    /// Where they stand.
    pub(super) records_at: Position,
    /// Its services in this file.
    pub(super) services: Vec<DeclaredService>,
}

/// A static record of a namespace.
#[derive(Clone, Debug)]
pub(super) struct DeclaredRecord {
    /// Owner in wire form and lower case.
    pub(super) owner: Box<[u8]>,
    /// Type.
    pub(super) rtype: u16,
    /// Seconds.
    pub(super) ttl: u32,
    /// RDATA in wire form.
    pub(super) rdata: Box<[u8]>,
    /// The line in which it begins.
    pub(super) line: u32,
}

/// A service, complete: it is never split.
#[derive(Clone, Debug)]
pub(super) struct DeclaredService {
    /// Its name as written.
    pub(super) name: Box<str>,
    /// Where the name stands.
    pub(super) at: Position,
    /// Its place in the list.
    pub(super) index: usize,
    /// Where the DNS records stand.
    pub(super) records_at: Position,
    /// The service.
    pub(super) service: Service,
    /// Place and index of each instance's id, in the order of `service.instances`.
    pub(super) instances: Vec<(Position, usize)>,
}

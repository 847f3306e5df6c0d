//! Which namespaces a follower gets: those that it asked for, as far as its token allows.

use std::collections::HashSet;

use tonic::Status;

use crate::channel::grpc::auth::Caller;
use crate::model::validate::Shown;
use crate::model::{NamespaceId, Selection};
use crate::registry::{Catalog, NamespaceEntry, Reader};

/// Namespaces that a request may name at most.
const MOST: usize = 1000;

/// What was asked for, and what is allowed; by default everything.
#[derive(Default)]
pub(super) struct Choice {
    /// `None`: all.
    wanted: Option<Selection>,
    /// `None`: all.
    allowed: Option<Selection>,
}

impl Choice {
    /// The namespaces of these names or ids, whether they exist yet or not; all that the caller may see where there is
    /// none. One that the caller may not see is refused.
    pub(super) fn of(texts: &[String], caller: &Caller, catalog: &Reader) -> Result<Self, Status> {
        if texts.len() > MOST {
            let text = format!("{} namespaces are too many; allowed are {MOST}, or none for all", texts.len());
            return Err(Status::invalid_argument(text));
        }
        let allowed = caller.namespaces().cloned();
        if let Some(allowed) = &allowed
            && let Some(beyond) = texts.iter().find(|text| !is_within(text, allowed, catalog))
        {
            let text = format!("{} is not in the namespaces of the token", Shown(beyond));
            return Err(Status::permission_denied(text));
        }
        Ok(Self { wanted: (!texts.is_empty()).then(|| Selection::of(texts)), allowed })
    }

    /// Whether a namespace is one of them.
    pub(super) fn has(&self, entry: &NamespaceEntry) -> bool {
        let has = |chosen: &Selection| chosen.has(entry.id, &entry.name, entry.namespace_type);
        self.wanted.as_ref().is_none_or(has) && self.allowed.as_ref().is_none_or(has)
    }

    /// Whether every namespace is one of them.
    fn is_all(&self) -> bool {
        self.wanted.is_none() && self.allowed.is_none()
    }

    /// Those that there are now, and the state hash of all of them.
    pub(super) fn now(&self, catalog: &Catalog) -> (u64, Followed) {
        let chosen = catalog.namespaces_after(None).filter(|entry| self.has(entry));
        let mut hash = 0_u64;
        let ids = chosen.map(|entry| {
            hash = hash.wrapping_add(catalog.state_hash(entry.id));
            entry.id
        });
        let ids: HashSet<NamespaceId> = ids.collect();
        (hash, if self.is_all() { Followed::All } else { Followed::Some(ids) })
    }
}

/// Whether all namespaces that a text names, or will name, are among those `allowed`.
fn is_within(text: &str, allowed: &Selection, catalog: &Reader) -> bool {
    let chosen = Selection::of([text]);
    if chosen.ids().iter().any(|id| allowed.has_id(*id)) || allowed.has_exact_name(text) {
        return true;
    }
    let catalog = catalog.read();
    let named = catalog.namespaces_after(None).filter(|entry| chosen.has(entry.id, &entry.name, entry.namespace_type));
    let mut named = named.peekable();
    // What does not exist may come to be beyond them, but is not shown then.
    let is_known = named.peek().is_some() || allowed.has_zone_name(text);
    is_known && named.all(|entry| allowed.has(entry.id, &entry.name, entry.namespace_type))
}

/// The namespaces of a choice that there are at some revision.
#[derive(Clone)]
pub(super) enum Followed {
    /// Every one.
    All,
    /// These.
    Some(HashSet<NamespaceId>),
}

impl Followed {
    pub(super) fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// Whether it is one of them.
    pub(super) fn has(&self, id: NamespaceId) -> bool {
        match self {
            Self::All => true,
            Self::Some(ids) => ids.contains(&id),
        }
    }

    /// It has come to be.
    pub(super) fn insert(&mut self, id: NamespaceId) {
        if let Self::Some(ids) = self {
            ids.insert(id);
        }
    }

    /// It is gone; whether it was one of them.
    pub(super) fn remove(&mut self, id: NamespaceId) -> bool {
        match self {
            Self::All => true,
            Self::Some(ids) => ids.remove(&id),
        }
    }
}

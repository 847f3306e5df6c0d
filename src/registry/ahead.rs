//! Looks at what the next commands are about to change, before they do.
//!
//! Of a million instances, those that change lie all over the memory, and each look at one waits for it. Commands that
//! are applied one after the other wait one after the other; here, what many of them will look at is looked at in short
//! loops, in which a processor waits for many places at once. Nothing comes of it but that it is quick afterwards.

use std::hint::black_box;
use std::sync::Arc;

use super::command::Command;
use super::draft::Draft;
use super::entry::ServiceEntry;
use super::operation::Operation;
use super::push::{Push, ServiceName};
use crate::model::{Instance, NamespaceId, ServiceId};

/// Commands that are looked at together: what they need fits into the cache of a processor.
pub(super) const TOGETHER: usize = 128;

/// An instance, as a command has it.
#[derive(Clone, Copy)]
enum Target<'c> {
    /// As it shall be.
    Instance(&'c Instance),
    /// Its id alone.
    Id(&'c str),
}

impl<'c> Target<'c> {
    /// Looks at what another thread has written.
    fn look(self) -> usize {
        match self {
            Self::Instance(instance) => instance.look(),
            Self::Id(id) => first(id),
        }
    }

    fn id(self) -> &'c str {
        match self {
            Self::Instance(instance) => instance.id(),
            Self::Id(id) => id,
        }
    }
}

/// The first octet of a text.
fn first(text: &str) -> usize {
    text.as_bytes().first().copied().map_or(0, usize::from)
}

/// The service and the instance that a command changes, if it is one of many.
fn target(command: &Command) -> Option<(&ServiceName, Target<'_>)> {
    let Command::Push(push) = command else { return None };
    match push {
        Push::PutInstance { service, instance } => Some((service, Target::Instance(instance))),
        Push::RemoveInstance(service, id)
        | Push::SetHealth(service, id, _)
        | Push::Renew(service, id)
        | Push::Drain(service, id) => Some((service, Target::Id(id))),
        Push::PutNamespace(_) | Push::RemoveNamespace(_) | Push::PutService(_) | Push::RemoveService(_) => None,
    }
}

impl Draft<'_> {
    /// Looks at what `commands` are about to change.
    pub(super) fn look_ahead(&self, commands: &[(Command, Option<Operation>)]) {
        if commands.len() < 2 {
            return;
        }
        let named = || commands.iter().filter_map(|(command, _)| target(command));
        let look = |(name, target): (&ServiceName, Target<'_>)| {
            first(&name.service).wrapping_add(first(&name.namespace)).wrapping_add(target.look())
        };
        black_box(named().map(look).fold(0, usize::wrapping_add));
        let mut last: Option<(&str, NamespaceId)> = None;
        let mut targets: Vec<(u32, &str)> = Vec::with_capacity(TOGETHER);
        for (name, target) in named() {
            let namespace = match last {
                Some((known, id)) if *known == *name.namespace => Some(id),
                _ => self.find_namespace(&name.namespace),
            };
            last = namespace.map(|id| (&*name.namespace, id));
            let place = match namespace {
                Some(namespace) => self.catalog.services.likely_named(namespace, &name.service),
                None => ServiceId::parse(&name.service).and_then(|id| self.catalog.services.place(&id)),
            };
            targets.extend(place.map(|place| (place, target.id())));
        }
        let entries = targets.iter().filter_map(|(place, id)| Some((&**self.catalog.services.entry(*place)?, *id)));
        let entries: Vec<(&ServiceEntry, &str)> = entries.collect();
        glance(entries.iter().map(|(entry, _)| *entry));
        let instances = entries.into_iter().map(|(entry, id)| entry.service.instances.look(id));
        let instances: Vec<_> = instances.collect();
        let instances = instances.into_iter().flatten();
        black_box(instances.map(|instance| instance.look()).fold(0, usize::wrapping_add));
    }
}

/// Looks at services, but not at their instances.
fn glance<'e>(entries: impl Iterator<Item = &'e ServiceEntry> + Clone) {
    black_box(entries.clone().map(ServiceEntry::glance).fold(0, usize::wrapping_add));
    black_box(entries.map(ServiceEntry::look).fold(0, usize::wrapping_add));
}

/// Looks at services and the lists of their instances.
pub(super) fn glance_at<'e>(entries: impl Iterator<Item = &'e Arc<ServiceEntry>> + Clone) {
    glance(entries.clone().map(|entry| &**entry));
    black_box(entries.map(|entry| entry.service.instances.glance()).fold(0, usize::wrapping_add));
}

/// Looks at services that go with all that is counted in them.
pub(super) fn look_at<'e>(entries: impl Iterator<Item = &'e Arc<ServiceEntry>> + Clone) {
    glance(entries.clone().map(|entry| &**entry));
    black_box(entries.map(|entry| entry.service.instances.look_at_all()).fold(0, usize::wrapping_add));
}

impl ServiceEntry {
    /// Looks at all of what lies in the entry itself.
    fn glance(&self) -> usize {
        let Self { id: _, namespace, name, service, creator_request_id, created, instances_revision, owner: _ } = self;
        let [first, ..] = *namespace.as_bytes();
        usize::from(first)
            .wrapping_add(name.len())
            .wrapping_add(creator_request_id.as_ref().map_or(0, |id| id.len()))
            .wrapping_add(*created as usize)
            .wrapping_add(*instances_revision as usize)
            .wrapping_add(service.dns_records.len())
            .wrapping_add(service.attributes.pairs().size())
            .wrapping_add(service.tags.pairs().size())
            .wrapping_add(service.description.as_ref().map_or(0, |text| text.len()))
            .wrapping_add(service.source.as_ref().map_or(0, Arc::strong_count))
            .wrapping_add(service.instances.len())
    }

    /// Looks at what the entry points to.
    fn look(&self) -> usize {
        let records = self.service.dns_records.first().map_or(0, |record| record.ttl as usize);
        first(&self.name).wrapping_add(records)
    }
}

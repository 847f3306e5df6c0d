//! The services of a catalog: found by id and by name at the cost of one look into memory each, and listed in the order
//! of their ids.
//!
//! A change of a service, of which there are a hundred thousand a second, puts another entry into its place; neither the
//! order nor the index has to be touched for that. Both hashes are keyed by a secret of the process.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::ops::RangeBounds;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::entry::ServiceEntry;
use crate::model::{NamespaceId, ServiceId};

/// Services in their places.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    /// With their ids beside them, so that to find one is to look at no other.
    places: Vec<Option<(ServiceId, Arc<ServiceEntry>)>>,
    /// Places that are free.
    free: Vec<u32>,
    order: BTreeMap<ServiceId, u32>,
    by_id: HashTable<u32>,
    /// By namespace and name, without regard to case.
    by_name: HashTable<u32>,
    random: RandomState,
}

impl Shelf {
    /// The service of this id.
    pub(super) fn get(&self, id: &ServiceId) -> Option<&Arc<ServiceEntry>> {
        self.place(id).and_then(|place| self.entry(place))
    }

    /// Whether there is a service of this id.
    pub(super) fn contains_key(&self, id: &ServiceId) -> bool {
        self.place(id).is_some()
    }

    /// Whether there is no service.
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The service of a namespace that is called `name`: without regard to case, unless `is_exact`.
    pub(super) fn named(&self, namespace: NamespaceId, name: &str, is_exact: bool) -> Option<ServiceId> {
        let is_it = |entry: &ServiceEntry| {
            let fits = if is_exact { *entry.name == *name } else { entry.name.eq_ignore_ascii_case(name) };
            fits && entry.namespace == namespace
        };
        let hash = name_hash(&self.random, namespace, name);
        let found = self.by_name.find(hash, |place| entry(&self.places, *place).is_some_and(|entry| is_it(entry)))?;
        self.entry(*found).map(|entry| entry.id)
    }

    /// Where the service of a namespace that is called `name` most likely is. No service is looked at for that.
    pub(super) fn likely_named(&self, namespace: NamespaceId, name: &str) -> Option<u32> {
        self.by_name.find(name_hash(&self.random, namespace, name), |_| true).copied()
    }

    /// The service of this id, which was in a place.
    pub(super) fn known(&self, place: u32, id: &ServiceId) -> Option<&Arc<ServiceEntry>> {
        let (known, entry) = self.places.get(place as usize)?.as_ref()?;
        if known == id { Some(entry) } else { None }
    }

    /// Puts a service, which was in a place if that is known; returns the one that had the id.
    pub(super) fn insert(
        &mut self,
        id: ServiceId,
        place: Option<u32>,
        entry: Arc<ServiceEntry>,
    ) -> Option<Arc<ServiceEntry>> {
        let place = place.filter(|place| place_id(&self.places, *place) == Some(&id));
        let Some(place) = place.or_else(|| self.place(&id)) else {
            self.add(id, entry);
            return None;
        };
        let known = self.places.get_mut(place as usize)?.as_mut()?;
        let before = std::mem::replace(&mut known.1, entry);
        let is_renamed = known.1.name != before.name || known.1.namespace != before.namespace;
        if is_renamed {
            let hash = name_hash(&self.random, before.namespace, &before.name);
            if let Ok(found) = self.by_name.find_entry(hash, |other| *other == place) {
                found.remove();
            }
            self.index_name(place);
        }
        Some(before)
    }

    /// Takes out a service.
    pub(super) fn remove(&mut self, id: &ServiceId) -> Option<Arc<ServiceEntry>> {
        let hash = self.random.hash_one(id);
        let places = &self.places;
        let is_it = |place: &u32| place_id(places, *place) == Some(id);
        let place = self.by_id.find_entry(hash, is_it).ok()?.remove().0;
        self.order.remove(id);
        let (_, entry) = self.places.get_mut(place as usize)?.take()?;
        let hash = name_hash(&self.random, entry.namespace, &entry.name);
        if let Ok(found) = self.by_name.find_entry(hash, |other| *other == place) {
            found.remove();
        }
        self.free.push(place);
        Some(entry)
    }

    /// The ids in their order.
    pub(super) fn keys(&self) -> impl Iterator<Item = &ServiceId> {
        self.order.keys()
    }

    /// Services in the order of their ids.
    pub(super) fn range(
        &self,
        ids: impl RangeBounds<ServiceId>,
    ) -> impl Iterator<Item = (&ServiceId, &Arc<ServiceEntry>)> {
        self.order.range(ids).filter_map(|(id, place)| Some((id, self.entry(*place)?)))
    }

    /// Where a service is.
    pub(super) fn place(&self, id: &ServiceId) -> Option<u32> {
        let hash = self.random.hash_one(id);
        self.by_id.find(hash, |place| place_id(&self.places, *place) == Some(id)).copied()
    }

    /// The service in a place.
    pub(super) fn entry(&self, place: u32) -> Option<&Arc<ServiceEntry>> {
        entry(&self.places, place)
    }

    /// Puts a service of a new id.
    fn add(&mut self, id: ServiceId, entry: Arc<ServiceEntry>) {
        let place = self.free.pop().unwrap_or(self.places.len() as u32);
        match self.places.get_mut(place as usize) {
            Some(free) => *free = Some((id, entry)),
            None => self.places.push(Some((id, entry))),
        }
        self.order.insert(id, place);
        let (places, random) = (&self.places, &self.random);
        let hash = |place: &u32| place_id(places, *place).map_or(0, |id| random.hash_one(id));
        self.by_id.insert_unique(random.hash_one(id), place, hash);
        self.index_name(place);
    }

    /// Has the service in a place found by its name.
    fn index_name(&mut self, place: u32) {
        let (places, random) = (&self.places, &self.random);
        let hash = |place: &u32| entry(places, *place).map_or(0, |one| name_hash(random, one.namespace, &one.name));
        self.by_name.insert_unique(hash(&place), place, hash);
    }
}

/// A list of places.
type Places = [Option<(ServiceId, Arc<ServiceEntry>)>];

/// The service in a place.
fn entry(places: &Places, place: u32) -> Option<&Arc<ServiceEntry>> {
    places.get(place as usize)?.as_ref().map(|(_, entry)| entry)
}

/// The id in a place.
fn place_id(places: &Places, place: u32) -> Option<&ServiceId> {
    places.get(place as usize)?.as_ref().map(|(id, _)| id)
}

/// The hash of a service's name, the same however it is written.
fn name_hash(random: &RandomState, namespace: NamespaceId, name: &str) -> u64 {
    /// As long as names are, but for a few.
    const SHORT: usize = 128;
    let mut short = [0; SHORT];
    match short.get_mut(..name.len()) {
        Some(lower) => {
            lower.copy_from_slice(name.as_bytes());
            lower.make_ascii_lowercase();
            random.hash_one((namespace, &*lower))
        }
        None => random.hash_one((namespace, &*name.to_ascii_lowercase().into_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Service;
    use crate::registry::entry::Owner;

    fn service(id: u128, namespace: u128, name: &str) -> (ServiceId, Arc<ServiceEntry>) {
        let id = ServiceId::random(id);
        let entry = ServiceEntry {
            id,
            namespace: NamespaceId::random(namespace),
            name: name.into(),
            service: Service::default(),
            creator_request_id: None,
            created: 0,
            instances_revision: 0,
            owner: Owner::Api,
        };
        (id, Arc::new(entry))
    }

    #[test]
    fn services_are_found_and_listed_whatever_came_and_went() {
        let mut shelf = Shelf::default();
        let (one, two) = (NamespaceId::random(1), NamespaceId::random(2));
        let mut model = BTreeMap::new();
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..2000 {
            let number = random.u128(..50);
            let (id, entry) = service(number, 1 + number % 2, &format!("S{number}-{}", random.u8(..3)));
            match random.u8(..4) {
                0 => assert_eq!(shelf.remove(&id), model.remove(&id)),
                1 => assert_eq!(shelf.insert(id, None, Arc::clone(&entry)), model.insert(id, entry)),
                // A place that is not, or no longer, its own counts for nothing.
                _ => {
                    let other = random.u32(..60);
                    let place = shelf.place(&id).or(Some(other));
                    assert_eq!(shelf.insert(id, place, Arc::clone(&entry)), model.insert(id, entry));
                }
            }
            let found: Vec<_> = shelf.range(..).map(|(id, entry)| (*id, Arc::clone(entry))).collect();
            assert_eq!(found, model.iter().map(|(id, entry)| (*id, Arc::clone(entry))).collect::<Vec<_>>());
            assert!(shelf.keys().eq(model.keys()));
            for (id, entry) in &model {
                assert_eq!(shelf.get(id), Some(entry));
                assert_eq!(shelf.place(id).and_then(|place| shelf.known(place, id)), Some(entry));
                assert_eq!(shelf.named(entry.namespace, &entry.name.to_lowercase(), false), Some(*id));
                assert_eq!(shelf.named(entry.namespace, &entry.name.to_lowercase(), true), None);
                assert_eq!(shelf.named(entry.namespace, &entry.name, true), Some(*id));
            }
            let known = shelf.by_name.len();
            assert_eq!((known, shelf.by_id.len(), shelf.order.len()), (model.len(), model.len(), model.len()));
        }
        assert_eq!(shelf.named(one, "none", false).or_else(|| shelf.named(two, "S", false)), None);
        assert!(shelf.named(one, &"a".repeat(300), false).is_none());
    }
}

//! The instances of one service.

use std::cmp::Ordering;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::ops::Index;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::{HealthStatus, Instance};

/// Instances that are searched through for an id at most, rather than halved: what is beside them lies together, and
/// they themselves lie all over the memory.
const SCANNED: usize = 256;

/// Instances in the order of their ids.
///
/// A change copies the list and shares the instances, so that readers keep what they hold: sixteen octets and a count
/// an instance. What every change of a service asks each of its instances for lies in the list, so that those that do
/// not change are not looked into.
///
/// A follower, which nobody asks for instances, keeps them frozen: as few octets as hold them, in one allocation for all.
/// Frozen ones are counted, and else as if they were not there, until they are thawed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instances(Vec<Place>, Frozen);

/// An instance in the list, with what is asked for often.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    instance: Arc<Instance>,
    digest: Digest,
}

/// What is known of an instance without a look into it: eight octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Digest {
    v4: Ipv4Addr,
    /// Of the hash of its id.
    hash: u16,
    marks: u8,
}

/// Mark of an instance that has an IPv4 address.
const HAS_V4: u8 = 1;
/// Mark of an instance that is unhealthy.
const UNHEALTHY: u8 = 2;
/// Mark of an instance that drains.
const DRAINING: u8 = 4;

/// What is kept of the hash of an id.
fn hash(id: &str) -> u16 {
    xxh3_64(id.as_bytes()) as u16
}

impl Place {
    fn new(instance: Arc<Instance>) -> Self {
        let (v4, is_unhealthy) = (instance.ipv4(), instance.status == HealthStatus::Unhealthy);
        let marks = [(v4.is_some(), HAS_V4), (is_unhealthy, UNHEALTHY), (instance.draining, DRAINING)];
        let marks = marks.into_iter().filter(|(is_so, _)| *is_so).fold(0, |marks, (_, mark)| marks | mark);
        let digest = Digest { v4: v4.unwrap_or(Ipv4Addr::UNSPECIFIED), hash: hash(instance.id()), marks };
        Self { instance, digest }
    }
}

/// How an instance fares, told without a look into it.
#[derive(Clone, Copy, Debug)]
pub struct Glance<'s> {
    /// The instance itself.
    pub instance: &'s Instance,
    /// `AWS_INSTANCE_IPV4`.
    pub ipv4: Option<Ipv4Addr>,
    /// Whether it is unhealthy.
    pub is_unhealthy: bool,
    /// Whether it is about to stop.
    pub draining: bool,
}

/// Instances as octets: how many there are (4 octets), and each as [`Instance::freeze`] wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Frozen(Option<Box<[u8]>>);

impl Frozen {
    fn len(&self) -> usize {
        let octets = self.0.as_deref().and_then(|octets| octets.first_chunk());
        octets.map_or(0, |count| u32::from_le_bytes(*count) as usize)
    }
}

impl Instances {
    /// No instance.
    pub const EMPTY: Self = Self(Vec::new(), Frozen(None));

    /// The instance of this id.
    pub fn get(&self, id: &str) -> Option<&Arc<Instance>> {
        self.at(self.position(id).ok()?)
    }

    /// The instance in a place, counted in the order of the ids.
    pub fn at(&self, place: usize) -> Option<&Arc<Instance>> {
        self.0.get(place).map(|place| &place.instance)
    }

    /// Whether there is an instance of this id.
    pub fn contains(&self, id: &str) -> bool {
        self.position(id).is_ok()
    }

    /// Puts `instance` in the place of the one with its id, which is returned.
    pub fn insert(&mut self, instance: Arc<Instance>) -> Option<Arc<Instance>> {
        let at = self.position(instance.id());
        self.put(at, instance)
    }

    /// Puts `instance` where [`Self::position`] said, and returns the one that was there.
    pub(crate) fn put(&mut self, at: Result<usize, usize>, instance: Arc<Instance>) -> Option<Arc<Instance>> {
        let place = Place::new(instance);
        match at {
            Ok(at) => Some(std::mem::replace(&mut self.0[at], place).instance),
            Err(at) => {
                self.0.insert(at, place);
                None
            }
        }
    }

    /// Takes out the instance of this id.
    pub fn remove(&mut self, id: &str) -> Option<Arc<Instance>> {
        self.position(id).ok().map(|at| self.0.remove(at).instance)
    }

    /// Takes over those of `other` that are the same as ours.
    pub fn share(&mut self, other: &Self) {
        for place in &mut self.0 {
            if let Some(same) = other.get(place.instance.id()).filter(|same| ***same == *place.instance) {
                place.instance = Arc::clone(same);
            }
        }
    }

    /// All, in the order of their ids.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Instance>> + DoubleEndedIterator + Clone {
        self.0.iter().map(|place| &place.instance)
    }

    /// How all of them fare, in the order of their ids.
    pub fn glances(&self) -> impl ExactSizeIterator<Item = Glance<'_>> + Clone {
        self.0.iter().map(|Place { instance, digest: Digest { v4, hash: _, marks } }| Glance {
            instance,
            ipv4: (marks & HAS_V4 != 0).then_some(*v4),
            is_unhealthy: marks & UNHEALTHY != 0,
            draining: marks & DRAINING != 0,
        })
    }

    /// Those whose ids come after `id`.
    pub fn after(&self, id: &str) -> impl ExactSizeIterator<Item = &Arc<Instance>> + Clone {
        let start = self.position(id).map_or_else(|at| at, |at| at + 1);
        self.0.get(start..).unwrap_or_default().iter().map(|place| &place.instance)
    }

    /// Their ids, in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|instance| instance.id())
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len() + self.1.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Freezes them, unless one of them has more than a follower knows.
    pub fn freeze(&mut self) {
        let mut octets = (self.0.len() as u32).to_le_bytes().to_vec();
        if !self.0.is_empty() && self.iter().all(|instance| instance.freeze(&mut octets)) {
            *self = Self(Vec::new(), Frozen(Some(octets.into())));
        }
    }

    /// Whether they are frozen.
    pub fn is_frozen(&self) -> bool {
        self.1.0.is_some()
    }

    /// Makes frozen ones what they were.
    pub fn thaw(&mut self) {
        if self.is_frozen() {
            *self = self.thawed();
        }
    }

    /// All of them, none of which is frozen.
    #[must_use]
    pub fn thawed(&self) -> Self {
        let Some(octets) = &self.1.0 else { return self.clone() };
        let mut rest = octets.get(4..).unwrap_or_default();
        let instances = std::iter::from_fn(|| Instance::thaw(&mut rest)).map(|one| Place::new(Arc::new(one)));
        let mut list = Vec::with_capacity(self.1.len());
        list.extend(instances);
        Self(list, Frozen::default())
    }

    /// Looks at the list.
    pub(crate) fn glance(&self) -> usize {
        self.0.iter().map(|place| usize::from(place.digest.marks)).sum()
    }

    /// Looks at the counts of all instances.
    pub(crate) fn look_at_all(&self) -> usize {
        self.0.iter().map(|place| Arc::strong_count(&place.instance)).fold(0, usize::wrapping_add)
    }

    /// Looks at all instances from outside, so that what a copy counts is at hand, and finds the one that most likely has
    /// the id.
    pub(crate) fn look(&self, id: &str) -> Option<&Arc<Instance>> {
        if self.0.len() > SCANNED {
            return self.get(id);
        }
        black_box(self.look_at_all());
        let hash = hash(id);
        self.0.iter().find(|place| place.digest.hash == hash).map(|place| &place.instance)
    }

    /// Where the id is, or where it would be.
    pub(crate) fn position(&self, id: &str) -> Result<usize, usize> {
        if self.0.len() <= SCANNED {
            let hash = hash(id);
            let is_it = |place: &Place| place.digest.hash == hash && place.instance.id() == id;
            if let Some(at) = self.0.iter().position(is_it) {
                return Ok(at);
            }
        }
        // Ids that count up, and loads from a sorted source, go to the end.
        match self.0.last() {
            Some(last) if last.instance.id() < id => Err(self.0.len()),
            _ => self.0.binary_search_by(|place| place.instance.id().cmp(id)),
        }
    }

    /// What differs between two lists, in the order of the ids: before and after, either of them absent. Instances
    /// that both share are passed over without a look into them.
    pub fn differences<'s>(
        before: &'s Self,
        after: &'s Self,
    ) -> impl Iterator<Item = (Option<&'s Arc<Instance>>, Option<&'s Arc<Instance>>)> {
        let (mut old, mut new) = (before.0.as_slice(), after.0.as_slice());
        std::iter::from_fn(move || {
            loop {
                let instance = |place: &'s Place| &place.instance;
                let (first, second) = (old.first().map(instance), new.first().map(instance));
                let order = match (first, second) {
                    (None, None) => return None,
                    (Some(_), None) => Ordering::Less,
                    (None, Some(_)) => Ordering::Greater,
                    (Some(first), Some(second)) if Arc::ptr_eq(first, second) => {
                        (old, new) = (&old[1..], &new[1..]);
                        continue;
                    }
                    (Some(first), Some(second)) => first.id().cmp(second.id()),
                };
                if order.is_le() {
                    old = &old[1..];
                }
                if order.is_ge() {
                    new = &new[1..];
                }
                let pair = (first.filter(|_| order.is_le()), second.filter(|_| order.is_ge()));
                if pair.0 != pair.1 {
                    return Some(pair);
                }
            }
        })
    }
}

impl From<Vec<Arc<Instance>>> for Instances {
    /// Instances in any order, no two of one id.
    fn from(mut instances: Vec<Arc<Instance>>) -> Self {
        // Costs a look at each where they are in order already.
        instances.sort_by(|one, other| one.id().cmp(other.id()));
        Self(instances.into_iter().map(Place::new).collect(), Frozen::default())
    }
}

impl FromIterator<Instance> for Instances {
    fn from_iter<I: IntoIterator<Item = Instance>>(instances: I) -> Self {
        let mut all = Self::default();
        for instance in instances {
            all.insert(Arc::new(instance));
        }
        all
    }
}

impl Index<&str> for Instances {
    type Output = Instance;

    fn index(&self, id: &str) -> &Instance {
        let at = self.position(id).unwrap_or(usize::MAX);
        &self.0[at].instance
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::HealthStatus;

    fn instances(ids: &[&str]) -> Instances {
        ids.iter().map(|id| Instance::new(id, None, [])).collect()
    }

    #[test]
    fn are_sorted_and_found() {
        let mut all = instances(&["b", "a", "c"]);
        assert_eq!(all.ids().collect::<String>(), "abc");
        assert!(all.insert(Arc::new(Instance::new("b", None, [("k", "v")]))).is_some());
        assert_eq!((all.len(), all["b"].attributes().get("k")), (3, Some("v")));
        assert_eq!(all.after("a").map(|instance| instance.id()).collect::<String>(), "bc");
        assert_eq!(all.after("bb").len(), 1);
        assert!(all.remove("a").is_some() && all.remove("a").is_none());
        assert!(!all.contains("a") && all.contains("b"));
    }

    #[test]
    fn differences_are_what_changed() {
        let before = instances(&["a", "b", "c", "d"]);
        let mut after = before.clone();
        after.remove("a");
        after.insert(Arc::new(Instance::new("b", None, [("k", "v")])));
        after.insert(Arc::new(Instance::new("c", None, [])));
        after.insert(Arc::new(Instance::new("e", None, [])));
        let found: Vec<_> = Instances::differences(&before, &after)
            .map(|(old, new)| (old.map(|i| i.id()).unwrap_or("-"), new.map(|i| i.id()).unwrap_or("-")))
            .collect();
        assert_eq!(found, [("a", "-"), ("b", "b"), ("-", "e")], "an equal copy is no difference");
    }

    #[test]
    fn what_was_frozen_is_what_it_was() {
        let ids = ["00ff", "00FF", "0a0", "0123456789abcdef0123456789abcdef", "x", &"y".repeat(64)];
        let pairs = [("AWS_INSTANCE_IPV4", "10.0.0.1"), ("AWS_INSTANCE_PORT", "80"), ("\u{e4}", "\u{20ac}")];
        let instance = |(at, id): (usize, &&str)| {
            let mut instance = Instance::new(id, None, pairs.into_iter().take(at % 4));
            let statuses = [HealthStatus::Healthy, HealthStatus::Unhealthy, HealthStatus::Unknown];
            (instance.status, instance.draining) = (statuses[at % 3], at % 2 == 1);
            instance
        };
        let all: Instances = ids.iter().enumerate().map(instance).collect();
        let mut frozen = all.clone();
        frozen.freeze();
        assert_eq!((frozen.len(), frozen.iter().len(), frozen.is_empty()), (6, 0, false));
        assert_eq!(frozen.thawed(), all);
        frozen.thaw();
        assert_eq!(frozen, all);

        let mut registered: Instances = [Instance::new("a", Some("creator"), [])].into_iter().collect();
        registered.freeze();
        assert_eq!(registered.iter().len(), 1, "it has more than that");
        assert_eq!(Instances::EMPTY.thawed(), Instances::EMPTY);
    }
}

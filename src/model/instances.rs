//! The instances of one service.

use std::cmp::Ordering;
use std::ops::Index;
use std::sync::Arc;

use super::Instance;

/// Instances in the order of their ids.
///
/// A change copies the list and shares the instances, so that readers keep what they hold: eight octets and a count
/// an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instances(Vec<Arc<Instance>>);

impl Instances {
    /// No instance.
    pub const EMPTY: Self = Self(Vec::new());

    /// The instance of this id.
    pub fn get(&self, id: &str) -> Option<&Arc<Instance>> {
        self.0.get(self.position(id).ok()?)
    }

    /// Whether there is an instance of this id.
    pub fn contains(&self, id: &str) -> bool {
        self.position(id).is_ok()
    }

    /// Puts `instance` in the place of the one with its id, which is returned.
    pub fn insert(&mut self, instance: Arc<Instance>) -> Option<Arc<Instance>> {
        match self.position(instance.id()) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at], instance)),
            Err(at) => {
                self.0.insert(at, instance);
                None
            }
        }
    }

    /// Puts `instance` where [`Self::position`] said.
    pub(crate) fn put(&mut self, at: Result<usize, usize>, instance: Arc<Instance>) {
        match at {
            Ok(at) => self.0[at] = instance,
            Err(at) => self.0.insert(at, instance),
        }
    }

    /// Takes out the instance of this id.
    pub fn remove(&mut self, id: &str) -> Option<Arc<Instance>> {
        self.position(id).ok().map(|at| self.0.remove(at))
    }

    /// All, in the order of their ids.
    pub fn iter(&self) -> std::slice::Iter<'_, Arc<Instance>> {
        self.0.iter()
    }

    /// Those whose ids come after `id`.
    pub fn after(&self, id: &str) -> &[Arc<Instance>] {
        let start = self.position(id).map_or_else(|at| at, |at| at + 1);
        self.0.get(start..).unwrap_or_default()
    }

    /// Their ids, in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|instance| instance.id())
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where the id is, or where it would be.
    pub(crate) fn position(&self, id: &str) -> Result<usize, usize> {
        // Ids that count up, and loads from a sorted source, go to the end.
        match self.0.last() {
            Some(last) if last.id() < id => Err(self.0.len()),
            _ => self.0.binary_search_by(|instance| instance.id().cmp(id)),
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
                let (first, second) = (old.first(), new.first());
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
        &self.0[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instances(ids: &[&str]) -> Instances {
        ids.iter().map(|id| Instance::new(id, None, [])).collect()
    }

    #[test]
    fn are_sorted_and_found() {
        let mut all = instances(&["b", "a", "c"]);
        assert_eq!(all.ids().collect::<String>(), "abc");
        assert!(all.insert(Arc::new(Instance::new("b", None, [("k", "v")]))).is_some());
        assert_eq!((all.len(), all["b"].attributes().get("k")), (3, Some("v")));
        assert_eq!(all.after("a").iter().map(|instance| instance.id()).collect::<String>(), "bc");
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
}

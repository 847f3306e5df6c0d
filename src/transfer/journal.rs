//! How zones changed lately: what incremental transfers are made of.
//!
//! ```text
//! published tables ──▶ catch_up(): differences to the tables held ──▶ per zone: (SOA before, deleted, added) … SOA now
//!                                                                └──▶ zones that changed, for notifications
//! ```
//!
//! The registry's thread does nothing for it: snapshots share what did not change, so that two of them are compared
//! for about what the edits between them cost. Transfers answer from the tables held here, never from newer ones, so
//! that every serial which a secondary can have got from us is one the journal knows. Revisions between two calls
//! become one entry. The journal is empty after a start: older serials get a full transfer (RFC 1995 §4).

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use tracing::warn;

use super::records::{self, Packed, Soa, is_later};
use crate::table::{Handle, Node, Snapshot};
use crate::wire::Name;

/// Octets that an entry, and each of its records, costs beside the records' own.
const OVERHEAD: usize = 32;

/// A zone: the view in which it is, and its apex.
pub type ZoneKey = (usize, Name);

/// Whether the changes of a zone, given by its apex in wire form, are noted.
type Wanted = dyn Fn(&[u8]) -> bool + Send;

/// What one step changed in a zone.
#[derive(Debug)]
struct Entry {
    before: Soa,
    deleted: Vec<Packed>,
    added: Vec<Packed>,
}

impl Entry {
    /// Octets that it takes.
    fn octets(&self) -> usize {
        let records = self.deleted.iter().chain(&self.added).map(|record| record.length() + OVERHEAD);
        OVERHEAD + self.before.record.length() + records.sum::<usize>()
    }
}

/// From one version of a zone to the present one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The SOA record of the version.
    pub before: Soa,
    /// Records that are no more.
    pub deleted: BTreeSet<Packed>,
    /// Records that are new.
    pub added: BTreeSet<Packed>,
}

/// The tables that transfers show, and how their zones came to be what they are.
pub struct Journal {
    handles: Vec<Handle>,
    tables: Vec<Arc<Snapshot>>,
    is_wanted: Box<Wanted>,
    /// Entries of each zone, the oldest first.
    zones: HashMap<ZoneKey, VecDeque<Entry>>,
    /// The zones of all entries, the oldest first.
    order: VecDeque<ZoneKey>,
    /// Octets of all entries, and their most.
    octets: usize,
    most: usize,
    /// Zones that changed and nobody was told of.
    changed: HashSet<ZoneKey>,
}

impl Journal {
    /// A journal that begins now. It notes the changes of zones whose apex, in wire form, `is_wanted`, as far as `most`
    /// octets hold them.
    pub fn new(handles: Vec<Handle>, most: usize, is_wanted: impl Fn(&[u8]) -> bool + Send + 'static) -> Self {
        let tables = handles.iter().map(Handle::load_apart).collect();
        Self {
            handles,
            tables,
            is_wanted: Box::new(is_wanted),
            zones: HashMap::new(),
            order: VecDeque::new(),
            octets: 0,
            most,
            changed: HashSet::new(),
        }
    }

    /// Takes in what was published since the last call.
    pub fn catch_up(&mut self) {
        for view in 0..self.handles.len() {
            let (Some(handle), Some(held)) = (self.handles.get(view), self.tables.get_mut(view)) else { continue };
            if handle.load().is_same_as(held) {
                continue;
            }
            let published = handle.load_apart();
            let before = std::mem::replace(held, Arc::clone(&published));
            self.note(view, &before, &published);
        }
        while self.octets > self.most
            && let Some(zone) = self.order.pop_front()
        {
            // Entries that went with their zone are still in the order.
            let oldest = self.zones.get_mut(&zone).and_then(VecDeque::pop_front);
            self.octets -= oldest.map_or(0, |entry| entry.octets());
        }
    }

    /// Whether something was published since the last call of [`Self::catch_up`].
    pub fn is_behind(&self) -> bool {
        let pairs = self.handles.iter().zip(&self.tables);
        pairs.into_iter().any(|(handle, table)| !handle.load().is_same_as(table))
    }

    /// Whether there is something for [`Self::catch_up`] or [`Self::take_changed`].
    pub fn has_news(&self) -> bool {
        !self.changed.is_empty() || self.is_behind()
    }

    /// Every zone whose changes are noted.
    pub fn zones(&self) -> HashSet<ZoneKey> {
        let views = self.tables.iter().enumerate();
        let nodes = views.flat_map(|(view, table)| table.nodes().map(move |node| (view, node)));
        let apexes = nodes.filter(|(_, node)| node.is_apex() && (self.is_wanted)(node.name()));
        apexes.map(|(view, node)| (view, Name::from_lower(node.name()))).collect()
    }

    /// The zones that changed since this was last asked.
    pub fn take_changed(&mut self) -> HashSet<ZoneKey> {
        std::mem::take(&mut self.changed)
    }

    /// The table of a view as transfers show it.
    pub fn table(&self, view: usize) -> Option<&Arc<Snapshot>> {
        self.tables.get(view)
    }

    /// Octets of all that is noted.
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// What changed in a zone since it had `serial`, condensed into one step; `None` where that is not known.
    pub fn since(&self, zone: &ZoneKey, serial: u32) -> Option<Difference> {
        let entries = self.zones.get(zone)?;
        let first = entries.iter().position(|entry| entry.before.serial == serial)?;
        let before = entries.get(first)?.before.clone();
        let (mut deleted, mut added) = (BTreeSet::new(), BTreeSet::new());
        for entry in entries.iter().skip(first) {
            for record in &entry.deleted {
                if !added.remove(record) {
                    deleted.insert(record.clone());
                }
            }
            for record in &entry.added {
                if !deleted.remove(record) {
                    added.insert(record.clone());
                }
            }
        }
        Some(Difference { before, deleted, added })
    }

    /// Notes how the zones of one view changed.
    fn note(&mut self, view: usize, before: &Snapshot, after: &Snapshot) {
        let mut changes: HashMap<&[u8], (Vec<Packed>, Vec<Packed>)> = HashMap::new();
        after.differences(before, |old, new| {
            // A name may move from a zone to one within it.
            let (old_apex, new_apex) = (old.map(apex), new.map(apex));
            let (old_records, new_records) = match old_apex == new_apex {
                true => without_common(records::packed(old), records::packed(new)),
                false => (records::packed(old), records::packed(new)),
            };
            for (apex, records, is_new) in [(old_apex, old_records, false), (new_apex, new_records, true)] {
                if let Some(apex) = apex.filter(|apex| (self.is_wanted)(apex)) {
                    let (deleted, added) = changes.entry(apex).or_default();
                    if is_new { added.extend(records) } else { deleted.extend(records) }
                }
            }
        });
        for (apex, (deleted, added)) in changes {
            self.note_zone((view, Name::from_lower(apex)), before, after, deleted, added);
        }
    }

    /// Notes how one zone changed.
    fn note_zone(
        &mut self,
        zone: ZoneKey,
        before: &Snapshot,
        after: &Snapshot,
        deleted: Vec<Packed>,
        added: Vec<Packed>,
    ) {
        let [before, after] = [before, after].map(|table| Soa::of(table, &zone.1));
        match (before, after) {
            (Some(before), Some(after)) if is_later(after.serial, before.serial) => {
                let entry = Entry { before, deleted, added };
                self.octets += entry.octets();
                self.zones.entry(zone.clone()).or_default().push_back(entry);
                self.order.push_back(zone.clone());
            }
            (Some(before), Some(after)) if before == after && deleted.is_empty() && added.is_empty() => return,
            (before, after) => {
                if let (Some(_), Some(after)) = (&before, &after) {
                    warn!(
                        "zone {} changed and its serial, {}, did not grow: secondaries will not fetch it",
                        zone.1, after.serial
                    );
                }
                // No way leads from before to after.
                let forgotten = self.zones.remove(&zone);
                self.octets -= forgotten.iter().flatten().map(Entry::octets).sum::<usize>();
                if before.is_some() {
                    self.order.retain(|other| *other != zone);
                }
            }
        }
        self.changed.insert(zone);
    }
}

/// The apex of a node's zone, in wire form.
fn apex(node: Node<'_>) -> &[u8] {
    node.name().get(node.apex_offset()..).unwrap_or_default()
}

/// Both lists, which are in order, without what is in both.
fn without_common(mut old: Vec<Packed>, mut new: Vec<Packed>) -> (Vec<Packed>, Vec<Packed>) {
    let common: HashSet<Packed> = old.iter().filter(|record| new.binary_search(record).is_ok()).cloned().collect();
    old.retain(|record| !common.contains(record));
    new.retain(|record| !common.contains(record));
    (old, new)
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;

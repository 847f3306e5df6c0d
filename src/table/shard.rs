//! One block of nodes with its index.
//!
//! ```text
//! word 0         nodes 32 | index slots 32                          slots are a power of two
//! words 1…       slots: 0, or offset of a node in words 32 | tag 32  the tag is the upper half of the hash
//! then           nodes back to back
//! ```

use std::sync::Arc;

use super::node::Node;

/// A shard: one allocation, shared by all snapshots in which its names did not change.
pub(super) type Shard = Arc<[u64]>;

/// Words before the index.
const HEADER: usize = 1;

/// The shard of no names.
pub(super) fn empty() -> Shard {
    Arc::new([1 << 32, 0])
}

/// The upper half of a hash, by which a node is found in its shard. The lower half picks the shard.
#[inline]
pub(super) fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// The node with the tag of `hash` that is the one.
#[inline(always)]
pub(super) fn find<'t>(shard: &'t [u64], hash: u64, is_it: impl Fn(Node<'t>) -> bool) -> Option<Node<'t>> {
    let mask = (shard[0] >> 32) as usize - 1;
    let slots = &shard[HEADER..][..=mask];
    let mut slot = tag(hash) as usize & mask;
    loop {
        let entry = slots[slot];
        if entry == 0 {
            return None;
        }
        if (entry >> 32) as u32 == tag(hash) {
            let node = Node::at_front(&shard[entry as u32 as usize..]);
            if is_it(node) {
                return Some(node);
            }
        }
        slot = (slot + 1) & mask;
    }
}

/// What the index has where the search for a hash begins.
#[inline(always)]
pub(super) fn first_slot(shard: &[u64], hash: u64) -> u64 {
    let Some((head, rest)) = shard.split_first() else { return 0 };
    let mask = (head >> 32) as usize - 1;
    rest.get(tag(hash) as usize & mask).copied().unwrap_or_default()
}

/// All nodes with their tags, in the order of the index.
pub(super) fn nodes(shard: &[u64]) -> impl Iterator<Item = (u32, Node<'_>)> {
    let slots = (shard[0] >> 32) as usize;
    let entries = shard[HEADER..HEADER + slots].iter().filter(|entry| **entry != 0);
    entries.map(|entry| ((entry >> 32) as u32, Node::at_front(&shard[*entry as u32 as usize..])))
}

/// The shard with `nodes`, each given by its tag, in the places of those of their names: one copy, and nothing to be
/// laid out, as where an address takes the place of another. `None` where one of them is absent, new or of another
/// length.
pub(super) fn replace<'n>(
    shard: &[u64],
    nodes: impl Iterator<Item = Option<(u32, &'n [u64])>> + Clone,
) -> Option<Shard> {
    let place = |(tag, words): (u32, &[u64])| {
        let mask = (shard[0] >> 32) as usize - 1;
        let mut slot = tag as usize & mask;
        loop {
            let entry = shard[HEADER + slot];
            if entry == 0 {
                return None;
            }
            let offset = entry as u32 as usize;
            if (entry >> 32) as u32 == tag {
                let known = Node::at_front(&shard[offset..]);
                if known.name() == Node::at_front(words).name() {
                    return (known.words().len() == words.len()).then_some(offset);
                }
            }
            slot = (slot + 1) & mask;
        }
    };
    // Seldom does one fit and another not.
    if !nodes.clone().all(|node| node.is_some_and(|node| place(node).is_some())) {
        return None;
    }
    let mut copy: Shard = Arc::from(shard);
    let words = Arc::get_mut(&mut copy)?;
    for node in nodes.flatten() {
        let offset = place(node)?;
        words[offset..offset + node.1.len()].copy_from_slice(node.1);
    }
    Some(copy)
}

/// A shard of nodes that lie back to back, each given by its tag and offset. `scratch` is working space.
pub(super) fn build(offsets: &[(u32, u32)], nodes: &[u64], scratch: &mut Vec<u64>) -> Shard {
    if offsets.is_empty() {
        return empty();
    }
    // At most two thirds full, so that a probe ends soon, and never full, so that it ends at all.
    let slots = (offsets.len() + offsets.len() / 2 + 1).next_power_of_two();
    scratch.clear();
    scratch.resize(HEADER + slots, 0);
    scratch[0] = offsets.len() as u64 | (slots as u64) << 32;
    for (tag, offset) in offsets {
        let mut slot = *tag as usize & (slots - 1);
        while scratch[HEADER + slot] != 0 {
            slot = (slot + 1) & (slots - 1);
        }
        scratch[HEADER + slot] = ((HEADER + slots) as u64 + u64::from(*offset)) | u64::from(*tag) << 32;
    }
    scratch.extend_from_slice(nodes);
    Arc::from(scratch.as_slice())
}

//! What upstreams have said, for as long as they allow, and longer if they are gone (RFC 8767).
//!
//! Bounded in entries and in octets. What makes room is what came first and was not asked for since (the clock
//! algorithm): one bit an entry, and no list to be kept in order at each hit.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::message::Message;

/// How long nobody asks again after a failure, while an old answer is at hand or not (RFC 9520 §3.2, RFC 8767 §5).
const RECHECK: Duration = Duration::from_secs(1);

/// Octets that the tables take for an entry beside its message and its name.
const OVERHEAD: usize = 160;

/// What is asked, as far as the answer depends on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// In lower case.
    pub(super) name: Box<[u8]>,
    pub(super) qtype: u16,
    /// DO: with DNSSEC records.
    pub(super) dnssec_ok: bool,
    /// CD: also what does not validate.
    pub(super) checking_disabled: bool,
}

/// An answer at hand.
#[derive(Clone, Debug)]
pub(super) struct Hit {
    pub(super) message: Arc<Message>,
    /// Seconds since it came.
    pub(super) age: u32,
    /// Beyond its TTL.
    pub(super) is_stale: bool,
    /// The last try to get a newer one failed just now.
    pub(super) has_failed: bool,
}

/// The answers.
pub(super) struct Cache {
    entries: HashMap<Arc<Key>, Entry>,
    /// The order in which they came, or were spared.
    queue: VecDeque<Arc<Key>>,
    octets: usize,
    most_entries: usize,
    most_octets: usize,
    max_stale: Duration,
}

struct Entry {
    message: Arc<Message>,
    stored: Instant,
    lifetime: Duration,
    failed: Option<Instant>,
    asked: bool,
    octets: usize,
}

impl Cache {
    /// An empty one, which keeps answers for `max_stale` beyond their TTLs.
    pub(super) fn new(most_entries: usize, most_octets: usize, max_stale: Duration) -> Self {
        Self { entries: HashMap::new(), queue: VecDeque::new(), octets: 0, most_entries, most_octets, max_stale }
    }

    /// What is known of `key`.
    pub(super) fn get(&mut self, key: &Key, now: Instant) -> Option<Hit> {
        let entry = self.entries.get_mut(key)?;
        let age = now.saturating_duration_since(entry.stored);
        let max_stale = if entry.message.has_failed() { Duration::ZERO } else { self.max_stale };
        if age >= entry.lifetime + max_stale {
            return None;
        }
        entry.asked = true;
        Some(Hit {
            message: Arc::clone(&entry.message),
            age: age.as_secs() as u32,
            is_stale: age >= entry.lifetime,
            has_failed: entry.failed.is_some_and(|failed| now.saturating_duration_since(failed) < RECHECK),
        })
    }

    /// Keeps `message` for as long as it says.
    pub(super) fn insert(&mut self, key: &Arc<Key>, message: &Arc<Message>, now: Instant) {
        let Some(lifetime) = message.lifetime() else {
            // Whatever was known before is refuted.
            return self.remove(key);
        };
        self.keep(key, Arc::clone(message), Duration::from_secs(lifetime.into()), now);
    }

    /// Keeps `message` for `lifetime`.
    fn keep(&mut self, key: &Arc<Key>, message: Arc<Message>, lifetime: Duration, now: Instant) {
        let octets = message.size() + 2 * key.name.len() + OVERHEAD;
        if octets > self.most_octets || self.most_entries == 0 {
            return;
        }
        let entry = Entry { message, stored: now, lifetime, failed: None, asked: false, octets };
        self.octets += octets;
        match self.entries.insert(Arc::clone(key), entry) {
            Some(old) => self.octets -= old.octets,
            None => self.queue.push_back(Arc::clone(key)),
        }
        while self.entries.len() > self.most_entries || self.octets > self.most_octets {
            self.evict();
        }
    }

    /// Notes that nobody answers `key` now, or only by the error `message`.
    pub(super) fn note_failure(&mut self, key: &Arc<Key>, message: &Arc<Message>, now: Instant) {
        match self.entries.get_mut(key) {
            Some(entry) if !entry.message.has_failed() => entry.failed = Some(now),
            _ => self.keep(key, Arc::clone(message), RECHECK, now),
        }
    }

    /// Entries, and the octets they take.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.entries.len(), self.octets)
    }

    /// Forgets `key`; its place in the queue goes when its turn comes.
    fn remove(&mut self, key: &Key) {
        if let Some(old) = self.entries.remove(key) {
            self.octets -= old.octets;
            self.queue.retain(|queued| **queued != *key);
        }
    }

    /// Forgets one, but those asked for since the last time.
    fn evict(&mut self) {
        while let Some(key) = self.queue.pop_front() {
            match self.entries.get_mut(&key) {
                Some(entry) if entry.asked => {
                    entry.asked = false;
                    self.queue.push_back(key);
                }
                _ => {
                    if let Some(old) = self.entries.remove(&key) {
                        self.octets -= old.octets;
                    }
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::message::{Record, Section};

    fn key(name: &str) -> Arc<Key> {
        let name = crate::wire::Name::parse(name).unwrap().as_wire().into();
        Arc::new(Key { name, qtype: 1, dnssec_ok: false, checking_disabled: false })
    }

    fn message(ttl: u32) -> Arc<Message> {
        let mut message = Message::empty(0);
        message.question.1 = 1;
        let mut answer = Section::default();
        answer.push(Record { owner: &[0], rtype: 1, rclass: 1, ttl, rdata: &[1, 2, 3, 4] });
        message.answer = answer;
        Arc::new(message)
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_answer_lives_ages_and_becomes_stale() {
        let mut cache = Cache::new(10, 1 << 20, seconds(100));
        let now = Instant::now();
        cache.insert(&key("a"), &message(10), now);
        let hit = cache.get(&key("A"), now + seconds(9)).unwrap();
        assert_eq!((hit.age, hit.is_stale), (9, false));
        assert!(cache.get(&key("a"), now + seconds(10)).unwrap().is_stale);
        assert!(cache.get(&key("a"), now + seconds(109)).unwrap().is_stale);
        assert!(cache.get(&key("a"), now + seconds(110)).is_none());
        let failure = Arc::new(Message::empty(2));
        cache.note_failure(&key("a"), &failure, now + seconds(20));
        assert!(cache.get(&key("a"), now + seconds(20)).unwrap().has_failed);
        assert!(!cache.get(&key("a"), now + seconds(21)).unwrap().has_failed);
        // A failure is remembered for a moment, and never stale.
        cache.note_failure(&key("b"), &failure, now);
        assert_eq!(cache.get(&key("b"), now).unwrap().message, failure);
        assert!(cache.get(&key("b"), now + seconds(1)).is_none());
        cache.remove(&key("b"));
        // What may not be kept takes the place of what was.
        cache.insert(&key("a"), &message(0), now);
        assert!(cache.get(&key("a"), now).is_none());
        assert_eq!((cache.size(), cache.queue.len()), ((0, 0), 0));
    }

    #[test]
    fn the_caps_hold_and_what_is_asked_for_stays() {
        let now = Instant::now();
        let one = message(10).size() + 2 * 4 + OVERHEAD;
        for mut cache in [Cache::new(10, 1 << 20, seconds(0)), Cache::new(1000, 10 * one, seconds(0))] {
            cache.insert(&key("kk"), &message(10), now);
            for number in 10..99 {
                assert!(cache.get(&key("kk"), now).is_some(), "{number}");
                cache.insert(&key(&number.to_string()), &message(10), now);
                cache.insert(&key(&number.to_string()), &message(10), now);
                assert!(cache.size().0 <= 10 && cache.size().1 <= 10 * one);
                assert_eq!(cache.queue.len(), cache.size().0);
            }
            assert_eq!(cache.size(), (10, 10 * one));
        }
        let mut none = Cache::new(0, 0, seconds(0));
        none.insert(&key("a"), &message(10), now);
        assert_eq!(none.size(), (0, 0));
    }
}

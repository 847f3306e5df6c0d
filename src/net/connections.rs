//! How many TCP connections there may be, and which one makes room when there are too many.
//!
//! A connection is *busy* from the arrival of a query to the last octet of its response, and *idle* otherwise, even
//! while half a query has arrived: otherwise clients that send one octet and no more could fill the table with
//! connections that must not be closed.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::metrics::{Close, Refusal, TcpCounters};

/// Limits of TCP connections.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections in all, over all addresses we listen on.
    pub total: usize,
    /// Connections of one client: an IPv4 address, or an IPv6 /64, in which one host may pick addresses as it likes.
    pub per_client: usize,
    /// How long a connection may be without a complete query, and how long one query may take to arrive.
    pub idle_timeout: Duration,
    /// How long a client may take to read the responses to what it sent at once.
    pub write_timeout: Duration,
}

impl Default for Limits {
    /// 1024 in all, 64 a client, 10 s idle (the lower end of what RFC 7766 §6.2.3 has in mind), 5 s to read.
    fn default() -> Self {
        Self {
            total: 1024,
            per_client: 64,
            idle_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(5),
        }
    }
}

//----------- Connections ---------------------------------------------------

/// The open connections.
pub struct Connections {
    limits: Limits,
    counters: Arc<TcpCounters>,
    /// What [`State::since`] counts from.
    epoch: Instant,
    table: Mutex<Table>,
}

/// What the lock guards: taken once when a connection comes and once when it goes, never for a query.
#[derive(Default)]
struct Table {
    next: u64,
    open: HashMap<u64, Arc<State>>,
    clients: HashMap<Client, usize>,
}

impl Connections {
    /// An empty table.
    pub fn new(limits: Limits, counters: Arc<TcpCounters>) -> Arc<Self> {
        Arc::new(Self { limits, counters, epoch: Instant::now(), table: Mutex::default() })
    }

    /// The limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Admits a connection of `peer`.
    ///
    /// Where a limit is reached, the connection that has been idle longest makes room: of the same client if it is
    /// the client's limit, of all otherwise. If all of these are busy, the new one is refused.
    pub fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<Connection, Refusal> {
        let client = Client::new(peer);
        let mut table = self.lock();
        let of_client = table.clients.get(&client).copied().unwrap_or(0);
        if of_client >= self.limits.per_client && !table.evict(|state| state.client == client) {
            self.counters.refused(Refusal::Client);
            return Err(Refusal::Client);
        }
        if table.open.len() >= self.limits.total && !table.evict(|_| true) {
            self.counters.refused(Refusal::Total);
            return Err(Refusal::Total);
        }
        let id = table.next;
        table.next += 1;
        let since = self.now();
        let state = Arc::new(State { client, since: AtomicU64::new(since), evicted: Notify::new() });
        *table.clients.entry(client).or_default() += 1;
        table.open.insert(id, Arc::clone(&state));
        self.counters.accepted();
        Ok(Connection { id, state, since: AtomicU64::new(since), reason: Close::Error, owner: Arc::clone(self) })
    }

    /// Closes the connection that has been idle longest; false if there is none.
    pub fn evict_one(&self) -> bool {
        self.lock().evict(|_| true)
    }

    /// Nanoseconds since the epoch.
    fn now(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    /// The table; a panic while it was locked has left no half-made change, as the lock's holders cannot panic
    /// between two changes that belong together.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Takes out the connection that has been idle longest among those `eligible`, and tells its task.
    ///
    /// This looks at all connections, a matter of microseconds, and only when a limit is reached.
    fn evict(&mut self, eligible: impl Fn(&State) -> bool) -> bool {
        loop {
            let candidates = self.open.iter().filter(|(_, state)| eligible(state));
            let Some((since, id)) = candidates
                .map(|(&id, state)| (state.since.load(Ordering::Relaxed), id))
                .filter(|&(since, _)| since < EVICTED)
                .min()
            else {
                return false;
            };
            // It may have become busy meanwhile; then another one is to be found.
            let evicted = self.open.get(&id).is_some_and(|state| state.evict(since));
            if evicted {
                self.remove(id);
                return true;
            }
        }
    }

    /// Forgets a connection, if it is still there.
    fn remove(&mut self, id: u64) {
        let Some(state) = self.open.remove(&id) else { return };
        if let Some(count) = self.clients.get_mut(&state.client) {
            *count -= 1;
            if *count == 0 {
                self.clients.remove(&state.client);
            }
        }
    }
}

//----------- Connection ----------------------------------------------------

/// One admitted connection, as its task holds it; dropping it makes room.
pub struct Connection {
    id: u64,
    state: Arc<State>,
    /// Since when it is idle, or was before it became busy.
    since: AtomicU64,
    reason: Close,
    owner: Arc<Connections>,
}

impl Connection {
    /// Resolves when this connection has to make room.
    pub async fn evicted(&self) {
        self.state.evicted.notified().await;
    }

    /// Becomes busy; false if it has to make room instead.
    pub fn begin(&self) -> bool {
        self.state.since.swap(BUSY, Ordering::Relaxed) != EVICTED
    }

    /// Becomes idle: from now on if it was `useful`, else since it was before.
    pub fn rest(&self, useful: bool) {
        if useful {
            self.since.store(self.owner.now(), Ordering::Relaxed);
        }
        self.state.since.store(self.since.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Ends it, for `reason`. A connection that is dropped without counts as an error.
    pub fn close(mut self, reason: Close) {
        self.reason = reason;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.owner.lock().remove(self.id);
        self.owner.counters.closed(self.reason);
    }
}

/// What the table and the task both see of a connection.
///
/// `since` is the only thing they exchange, and it orders nothing else, so relaxed accesses suffice: the task alone
/// swaps between idle and busy, the table alone turns idle into evicted, by a compare-exchange that fails if the
/// task was faster.
struct State {
    client: Client,
    /// [`BUSY`], [`EVICTED`], or idle since that many nanoseconds after the epoch.
    since: AtomicU64,
    evicted: Notify,
}

/// A query is being answered.
const BUSY: u64 = u64::MAX;

/// The connection is about to be closed, and no longer in the table.
const EVICTED: u64 = u64::MAX - 1;

impl State {
    /// Evicts the connection if it is still idle since `since`.
    fn evict(&self, since: u64) -> bool {
        let evicted = self.since.compare_exchange(since, EVICTED, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if evicted {
            self.evicted.notify_one();
        }
        evicted
    }
}

//----------- Client --------------------------------------------------------

/// Whom a connection counts for: an IPv4 address in its mapped form, or the first half of an IPv6 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Client(Ipv6Addr);

impl Client {
    /// The client behind an address.
    fn new(peer: IpAddr) -> Self {
        match peer.to_canonical() {
            IpAddr::V4(address) => Self(address.to_ipv6_mapped()),
            IpAddr::V6(address) => Self(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(total: usize, per_client: usize) -> Arc<Connections> {
        let limits = Limits { total, per_client, ..Limits::default() };
        Connections::new(limits, Arc::default())
    }

    fn peer(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn is_evicted(connection: &Connection) -> bool {
        connection.state.since.load(Ordering::Relaxed) == EVICTED
    }

    #[test]
    fn the_longest_idle_makes_room() {
        let connections = connections(3, 3);
        let mut kept: Vec<_> = (1..4).map(|n| connections.admit(peer(&format!("10.0.0.{n}"))).ok().unwrap()).collect();
        // The oldest one becomes the youngest by being used, and stays what it was by half a query.
        assert!(kept[0].begin());
        kept[0].rest(true);
        assert!(kept[1].begin());
        kept[1].rest(false);
        let _new = connections.admit(peer("10.0.0.9")).ok().unwrap();
        assert_eq!(kept.iter().map(is_evicted).collect::<Vec<_>>(), [false, true, false]);
        assert!(!kept[1].begin(), "an evicted connection starts nothing");
        // Its end, which comes later, must not count twice.
        kept.remove(1).close(Close::Limit);
        assert_eq!(connections.lock().open.len(), 3);
        assert_eq!(connections.lock().clients.len(), 3);
    }

    #[test]
    fn busy_ones_are_kept_and_the_new_one_is_refused() {
        let connections = connections(2, 2);
        let kept: Vec<_> = (1..3).map(|n| connections.admit(peer(&format!("10.0.0.{n}"))).ok().unwrap()).collect();
        assert!(kept.iter().all(Connection::begin));
        assert_eq!(connections.admit(peer("10.0.0.9")).err(), Some(Refusal::Total));
        kept[1].rest(true);
        assert!(connections.admit(peer("10.0.0.9")).is_ok());
        assert_eq!(kept.iter().map(is_evicted).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn a_client_at_its_limit_loses_its_own_connections_only() {
        let connections = connections(10, 2);
        let other = connections.admit(peer("10.0.0.1")).ok().unwrap();
        let first = connections.admit(peer("10.0.0.2")).ok().unwrap();
        let second = connections.admit(peer("::ffff:10.0.0.2")).ok().unwrap();
        let third = connections.admit(peer("10.0.0.2")).ok().unwrap();
        assert!(is_evicted(&first) && !is_evicted(&second) && !is_evicted(&third) && !is_evicted(&other));
        assert!(second.begin() && third.begin());
        assert_eq!(connections.admit(peer("10.0.0.2")).err(), Some(Refusal::Client));
        drop((first, second, third));
        assert_eq!(connections.lock().open.len(), 1);
        drop(other);
        assert!(connections.lock().clients.is_empty());
    }

    #[test]
    fn an_ipv6_client_is_a_64() {
        assert_eq!(Client::new(peer("2001:db8:1:2::3")), Client::new(peer("2001:db8:1:2:ffff::4")));
        assert_ne!(Client::new(peer("2001:db8:1:2::3")), Client::new(peer("2001:db8:1:3::3")));
        assert_ne!(Client::new(peer("10.0.0.1")), Client::new(peer("10.0.0.2")));
    }

    #[tokio::test]
    async fn the_task_learns_of_its_eviction_even_when_it_looks_later() {
        let connections = connections(1, 1);
        let connection = connections.admit(peer("10.0.0.1")).ok().unwrap();
        assert!(connections.evict_one());
        connection.evicted().await;
        assert!(!connections.evict_one());
    }
}

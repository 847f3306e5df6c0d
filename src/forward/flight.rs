//! Queries on their way to upstreams: equal ones are one, and there is a bound on all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::cache::Key;
use super::group::Failure;
use super::message::Message;

/// How a flight ended.
pub(super) type Landed = Result<Arc<Message>, Failure>;

/// Waits for a flight to end.
pub(super) struct Waiter(watch::Receiver<Option<Landed>>);

impl Waiter {
    /// How it ended. Without a word (a panic), nobody has answered.
    pub(super) async fn landed(mut self) -> Landed {
        let landed = self.0.wait_for(Option::is_some).await.ok();
        landed.and_then(|landed| landed.clone()).unwrap_or(Err(Failure::Unreachable))
    }
}

/// All that is in flight.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<Arc<Key>, watch::Receiver<Option<Landed>>>>);

/// What became of a wish to fly.
pub(super) enum Boarding {
    /// It is on its way already.
    Merged(Waiter),
    /// It is the first: the caller flies, and lands the flight.
    First(Flight, Waiter),
    /// There are too many.
    Full,
}

/// One flight, as who flies has it. Dropping it lands it.
pub(super) struct Flight {
    key: Arc<Key>,
    sender: watch::Sender<Option<Landed>>,
    flights: Arc<Flights>,
}

impl Flights {
    /// Boards the flight of `key`, a new one if there are less than `most`.
    pub(super) fn board(self: &Arc<Self>, key: &Arc<Key>, most: usize) -> Boarding {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(receiver) = flights.get(key) {
            return Boarding::Merged(Waiter(receiver.clone()));
        }
        if flights.len() >= most {
            return Boarding::Full;
        }
        let (sender, receiver) = watch::channel(None);
        flights.insert(Arc::clone(key), receiver.clone());
        let flight = Flight { key: Arc::clone(key), sender, flights: Arc::clone(self) };
        Boarding::First(flight, Waiter(receiver))
    }
}

impl Flight {
    /// Tells all who wait.
    pub(super) fn land(self, landed: Landed) {
        self.sender.send_replace(Some(landed));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Arc<Key> {
        let name = crate::wire::Name::parse(name).unwrap().as_wire().into();
        Arc::new(Key { name, qtype: 1, dnssec_ok: false, checking_disabled: false })
    }

    #[tokio::test]
    async fn equal_queries_fly_once_and_all_learn_the_end() {
        let flights = Arc::<Flights>::default();
        let Boarding::First(flight, first) = flights.board(&key("a"), 2) else { panic!("not the first") };
        let Boarding::Merged(second) = flights.board(&key("a"), 2) else { panic!("not merged") };
        let Boarding::First(other, lost) = flights.board(&key("b"), 2) else { panic!("not another") };
        assert!(matches!(flights.board(&key("c"), 2), Boarding::Full));
        assert!(matches!(flights.board(&key("a"), 2), Boarding::Merged(_)), "what flies may be boarded");
        let message = Arc::new(Message::empty(3));
        flight.land(Ok(Arc::clone(&message)));
        assert_eq!((first.landed().await, second.landed().await), (Ok(Arc::clone(&message)), Ok(message)));
        drop(other);
        assert_eq!(lost.landed().await, Err(Failure::Unreachable));
        assert!(matches!(flights.board(&key("a"), 2), Boarding::First(..)));
    }
}

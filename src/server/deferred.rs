//! Who answers what workers and connections leave to the cold side: zone transfers go to one, names of others to another.

use std::sync::Arc;

use tokio::sync::mpsc::Sender;

use crate::dns::Defer;
use crate::net::deferred::{Answerer, Answering, Deferred};
use crate::wire::types::rtype;
use crate::wire::{Fault, NameKey, Query};

/// Those who answer; what a server does not do, nobody is asked for.
#[derive(Clone, Default)]
pub(super) struct Answerers {
    /// Forwards names outside our zones.
    pub(super) forwarder: Option<Arc<dyn Answerer>>,
    /// Transfers zones, and answers whatever is signed.
    pub(super) transfers: Option<Arc<dyn Answerer>>,
}

impl Answerers {
    /// What is to be left to them.
    pub(super) fn defer(&self) -> Defer {
        Defer { outside: self.forwarder.is_some(), transfers: self.transfers.is_some() }
    }

    /// All of them as one, if there are any.
    pub(super) fn answerer(self) -> Option<Arc<dyn Answerer>> {
        let defers = self.defer() != Defer::default();
        defers.then(|| Arc::new(self) as Arc<dyn Answerer>)
    }

    /// Whose `query` is.
    fn whose(&self, query: &[u8]) -> Option<&Arc<dyn Answerer>> {
        let is_transfer = match Query::parse(query, &mut NameKey::new()) {
            Ok(query) => matches!(query.qtype, rtype::AXFR | rtype::IXFR),
            Err(Fault::Signed(_)) => self.transfers.is_some(),
            Err(_) => false,
        };
        if is_transfer { self.transfers.as_ref() } else { self.forwarder.as_ref() }
    }
}

impl Answerer for Answerers {
    fn answer(self: Arc<Self>, query: Deferred, responses: Sender<Vec<u8>>) -> Answering {
        match self.whose(&query.query) {
            Some(answerer) => Arc::clone(answerer).answer(query, responses),
            // Not deferred for what nobody does.
            None => Box::pin(async {}),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One to be told from others by its address.
    struct Nobody;

    impl Answerer for Nobody {
        fn answer(self: Arc<Self>, _: Deferred, _: Sender<Vec<u8>>) -> Answering {
            Box::pin(async {})
        }
    }

    /// A query for the root, of type `qtype`.
    fn query(qtype: u8, additional: &[u8]) -> Vec<u8> {
        let count = u8::from(!additional.is_empty());
        [&[0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, count, 0, 0, qtype, 0, 1], additional].concat()
    }

    #[test]
    fn each_query_goes_to_who_knows() {
        const TSIG: &[u8] = b"\x01k\x00\x00\xfa\x00\xff\x00\x00\x00\x00\x00\x00";
        let both = Answerers { forwarder: Some(Arc::new(Nobody)), transfers: Some(Arc::new(Nobody)) };
        let is = |one: Option<&Arc<dyn Answerer>>, other: &Option<Arc<dyn Answerer>>| {
            std::ptr::eq(one.unwrap(), other.as_ref().unwrap())
        };
        assert!(is(both.whose(&query(1, b"")), &both.forwarder));
        for transfer in [query(251, b""), query(252, b""), query(1, TSIG)] {
            assert!(is(both.whose(&transfer), &both.transfers));
        }
        let forwarder = Answerers { transfers: None, ..both.clone() };
        assert!(is(forwarder.whose(&query(1, TSIG)), &forwarder.forwarder));
        assert!(forwarder.whose(&query(252, b"")).is_none());
        assert_eq!(forwarder.defer(), Defer { outside: true, transfers: false });
        assert!(Answerers::default().answerer().is_none());
    }
}

//! Any octets as bodies of requests, one after the other, to a registry in memory: each is answered without a panic, and
//! those that are refused by a code of the API model; what is left in the store makes a registry again.
//!
//! Each line is a request. Its first octet picks the action: `A` is the first with a body in JSON, `a` the first in
//! CBOR. The rest is the body, in which `ns-?` is the id of the namespace that was made last, `srv-?` that of the
//! service and `op-?` that of the operation.

#![no_main]

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use fingerpost::channel::cloudmap::actions::Actions;
use fingerpost::channel::cloudmap::shapes;
use fingerpost::channel::cloudmap::{Action, Caller, Protocol, Request};
use fingerpost::registry::store::Memory;
use fingerpost::registry::{Quotas, Reader, Registry, Settings};
use libfuzzer_sys::fuzz_target;

/// Every code that a body can lead to.
const CODES: [&str; 17] = [
    "CustomHealthNotFound",
    "DuplicateRequest",
    "InstanceNotFound",
    "InvalidInput",
    "NamespaceAlreadyExists",
    "NamespaceNotFound",
    "OperationNotFound",
    "RequestLimitExceeded",
    "ResourceInUse",
    "ResourceLimitExceeded",
    "ResourceNotFoundException",
    "SerializationException",
    "ServiceAlreadyExists",
    "ServiceAttributesLimitExceededException",
    "ServiceNotFound",
    "TooManyTagsException",
    "ValidationException",
];

fuzz_target!(|octets: &[u8]| {
    let settings = || Settings { custom_health_delay: Duration::ZERO, ..Settings::default() };
    let store = Arc::new(Memory::new());
    let registry = Registry::open(settings(), Arc::<Memory>::clone(&store)).expect("an empty store");
    let (catalog, running) = (registry.catalog(), registry.running());
    let shared = Arc::<Memory>::clone(&store);
    let (sender, registry) = registry.spawn().expect("a thread");
    let account = "123456789012";
    let actions = Actions::new(sender, catalog.clone(), running, shared, account, Quotas::default());
    let mut operation = String::new();
    for line in octets.split(|octet| *octet == b'\n').take(32) {
        let Some((choice, body)) = line.split_first() else { continue };
        let choice = usize::from(choice.wrapping_sub(b'A')) % 64;
        let protocol = if choice < 32 { Protocol::Json } else { Protocol::Cbor };
        let Some(action) = Action::ALL.get(choice % 32).copied() else { continue };
        let body = with_ids(body, &catalog, &operation);
        let is_sound = shapes::Request::decode(action, (protocol, &body[..])).is_ok();
        let caller = Caller { region: "r".into(), access_key_id: None, name: None };
        let request = Request { action, protocol, caller, body: body.into() };
        match block_on(actions.handle(request)) {
            Ok(reply) => {
                assert!(is_sound);
                if let Some((_, id)) = String::from_utf8_lossy(&reply).split_once(r#""OperationId":""#) {
                    operation = id.chars().take_while(|octet| *octet != '"').collect();
                }
            }
            Err(error) => assert!(CODES.contains(&error.code), "{action:?}: {error}"),
        }
    }
    let (revision, instances) = (catalog.read().revision(), catalog.read().instance_count());
    drop(actions);
    registry.join().expect("the registry did not panic");
    let again = Registry::open(settings(), store).expect("the store makes a registry again");
    let again = again.catalog();
    let again = again.read();
    assert_eq!((again.revision(), again.instance_count()), (revision, instances));
});

/// The body with ids in place of their stand-ins.
fn with_ids(body: &[u8], catalog: &Reader, operation: &str) -> Vec<u8> {
    let catalog = catalog.read();
    let namespace = catalog.namespaces_after(None).max_by_key(|entry| entry.created).map(|entry| entry.id.to_string());
    let service = catalog.services_after(None).max_by_key(|entry| entry.created).map(|entry| entry.id.to_string());
    let ids = [("ns-?", namespace.as_deref()), ("srv-?", service.as_deref()), ("op-?", Some(operation))];
    let mut body = body.to_vec();
    for (mark, id) in ids {
        let mark = mark.as_bytes();
        while let Some(at) = body.windows(mark.len()).position(|octets| octets == mark) {
            body.splice(at..at + mark.len(), id.unwrap_or_default().bytes());
        }
    }
    body
}

/// Waits for a future on this thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

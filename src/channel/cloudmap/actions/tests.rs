//! The actions while others change the registry.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::channel::cloudmap::{Action, Caller};
use crate::registry::store::{Each, Keys, Memory, Row, StoreError, Table, Write};
use crate::registry::{Registry, Settings};

/// A store that takes its time, so that operations are on their way.
#[derive(Debug, Default)]
struct Slow(Memory);

impl Store for Slow {
    fn load_part(&self, table: Table, keys: Keys<'_>, each: &mut Each<'_>) -> Result<(), StoreError> {
        self.0.load_part(table, keys, each)
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Box<[u8]>>, StoreError> {
        self.0.get(table, key)
    }

    fn scan(&self, table: Table, after: &[u8], backwards: bool, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.0.scan(table, after, backwards, limit)
    }

    fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
        thread::sleep(Duration::from_millis(2));
        self.0.commit(writes)
    }
}

/// The actions on a registry of their own, which has a service.
async fn launch() -> (Arc<Actions>, String) {
    let registry = Registry::open(Settings::default(), Arc::new(Slow::default())).unwrap();
    let (catalog, running, store) = (registry.catalog(), registry.running(), registry.store());
    let (sender, _) = registry.spawn().unwrap();
    let actions = Actions::new(sender, catalog, running, store, "123456789012", Quotas::default());
    let started = ask(&actions, Action::CreateHttpNamespace, &json!({"Name": "n"})).await;
    let operation = ask(&actions, Action::GetOperation, &started).await;
    let service = json!({"Name": "s", "NamespaceId": operation["Operation"]["Targets"]["NAMESPACE"]});
    let service = ask(&actions, Action::CreateService, &service).await;
    (Arc::new(actions), service["Service"]["Id"].as_str().unwrap().to_owned())
}

/// The reply to a request.
async fn ask(actions: &Actions, action: Action, input: &Value) -> Value {
    let caller = Caller { region: "us-east-1".into(), access_key_id: None, name: None };
    let body = input.to_string().into();
    let reply = actions.handle(Request { action, protocol: Protocol::Json, caller, body }).await;
    serde_json::from_slice(&reply.unwrap()).unwrap()
}

/// The pages of a list of operations.
async fn walk(actions: &Actions, limit: usize) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut input = json!({"MaxResults": limit});
    loop {
        let page = ask(actions, Action::ListOperations, &input).await;
        let ids = page["Operations"].as_array().unwrap().iter();
        pages.push(ids.map(|operation| operation["Id"].as_str().unwrap().to_owned()).collect());
        match page.get("NextToken") {
            Some(token) => input["NextToken"] = token.clone(),
            None => return pages,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn operations_are_listed_once_while_others_start_and_end() {
    const CLIENTS: usize = 16;
    let (actions, service) = launch().await;
    let ended = Arc::new(Mutex::new(BTreeSet::new()));
    let busy = Arc::new(AtomicUsize::new(CLIENTS));
    for client in 0..CLIENTS {
        let (actions, service) = (Arc::clone(&actions), service.clone());
        let (ended, busy) = (Arc::clone(&ended), Arc::clone(&busy));
        tokio::spawn(async move {
            for number in 0..20 {
                let id = format!("i-{client}-{number}");
                let input = json!({"ServiceId": service, "InstanceId": id, "Attributes": {"a": "b"}});
                let started = ask(&actions, Action::RegisterInstance, &input).await;
                ended.lock().unwrap().insert(started["OperationId"].as_str().unwrap().to_owned());
            }
            busy.fetch_sub(1, Ordering::SeqCst);
        });
    }
    let mut limit = 1;
    loop {
        let is_last = busy.load(Ordering::SeqCst) == 0;
        let before = ended.lock().unwrap().clone();
        let pages = walk(&actions, limit).await;
        assert!(pages.iter().all(|page| page.len() <= limit));
        let ids = pages.concat();
        assert!(ids.is_sorted_by(|one, next| one > next), "the latest first, each once: {pages:?}");
        let listed: BTreeSet<_> = ids.into_iter().collect();
        let lost: Vec<_> = before.difference(&listed).collect();
        assert!(lost.is_empty(), "pages of {limit} lack {lost:?}");
        if is_last {
            assert_eq!(listed.len(), CLIENTS * 20 + 1, "the namespace's is the first");
            return;
        }
        limit = limit % 20 + 3;
    }
}

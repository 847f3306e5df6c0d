//! The registry against a plain reference: random commands, declarations and restarts; after each, every read and every
//! answer of DNS is as the reference says.
//!
//! A run that fails is cut short and shown. `FINGERPOST_MODEL_SECONDS` says how long to look for one, and
//! `FINGERPOST_MODEL_SEED` does a single run again.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod check;
mod declare;
mod dns;
mod ops;
mod reference;
mod rules;
mod steps;
#[path = "../support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fingerpost::model::{NamespaceId, OperationId, ServiceId, State};
use fingerpost::registry::store::{Memory, Store, Table};
use fingerpost::registry::{self, Command, Operation, OperationStatus, Outcome, Refusal, Registry};
use fingerpost::wire::Name;

use ops::{DeclaredNamespace, Op};
use reference::{Class, Expected, Reference};

/// Steps of a run.
const STEPS: usize = 80;

/// The registry, and what it should be.
struct World {
    store: Arc<Memory>,
    registry: Registry,
    reference: Reference,
    /// What is declared.
    declared: Vec<DeclaredNamespace>,
    /// Whether the last step may have moved instances revisions further than it had to.
    moves: bool,
    /// Steps done so far.
    steps: usize,
    /// The highest instances revision that each service showed.
    revisions: BTreeMap<ServiceId, u64>,
    /// The highest serial that each zone showed.
    serials: BTreeMap<String, u32>,
    /// Every operation there was, which stays readable.
    operations: BTreeSet<OperationId>,
}

impl World {
    fn new() -> Self {
        // The registry draws ids on this thread; the same run draws the same.
        fastrand::seed(1);
        let store = Arc::new(Memory::default());
        let mut registry = open(&store);
        registry.apply(Command::Declare(State::default())).unwrap();
        Self {
            store,
            registry,
            reference: Reference::default(),
            declared: Vec::new(),
            moves: false,
            steps: 0,
            revisions: BTreeMap::new(),
            serials: BTreeMap::new(),
            operations: BTreeSet::new(),
        }
    }

    /// Starts anew from the store.
    fn open(&mut self) {
        self.registry = open(&self.store);
    }

    fn revision(&self) -> u64 {
        self.registry.catalog().read().revision()
    }

    /// Sends a command and compares what comes of it with what is expected. Returns what it made anew.
    #[track_caller]
    fn send(&mut self, command: Command, expected: Result<Expected, Class>) -> Option<Outcome> {
        let shown = format!("{command:?}");
        let before = self.revision();
        let result = self.registry.apply(command);
        let outcome = match (result, expected) {
            (Ok(change), Ok(expected)) => {
                assert_eq!(change.revision, self.revision());
                assert!([before, before + 1].contains(&change.revision));
                self.accepted(change.outcome, expected).unwrap_or_else(|is| panic!("{shown}: {is}, not {expected:?}"))
            }
            (Err(refusal), Err(class)) => {
                assert_eq!(class_of(&refusal), class, "{shown}: {refusal}");
                assert_eq!(self.revision(), before, "a refused command changes nothing");
                None
            }
            (result, expected) => panic!("{shown}: {result:?}, not {expected:?}"),
        };
        for id in &self.operations {
            assert_eq!(self.operation(*id).id, *id);
        }
        outcome
    }

    /// What was made anew, if the outcome is as expected.
    fn accepted(&mut self, outcome: Outcome, expected: Expected) -> Result<Option<Outcome>, String> {
        let is_as_expected = match (outcome, expected) {
            (Outcome::Done, Expected::Done) => return Ok(Some(outcome)),
            (Outcome::Operation(id), Expected::Operation | Expected::Failure) => {
                let is_new = self.operations.insert(id);
                let fails = expected == Expected::Failure;
                let status = if fails { OperationStatus::Fail } else { OperationStatus::Success };
                let operation = self.operation(id);
                if !is_new || operation.status != status {
                    return Err(format!("{operation:?}"));
                }
                return Ok((!fails).then_some(outcome));
            }
            (Outcome::Operation(id), Expected::Replay(known)) => id == known,
            (Outcome::Service(id), Expected::Service) => {
                let is_new = !self.reference.services.contains_key(&id);
                return if is_new { Ok(Some(outcome)) } else { Err(format!("{outcome:?}")) };
            }
            (Outcome::Service(id), Expected::Same(known)) => id == known,
            _ => false,
        };
        if is_as_expected { Ok(None) } else { Err(format!("{outcome:?}")) }
    }

    /// An operation, as the store has it.
    fn operation(&self, id: OperationId) -> Operation {
        let key = id.0.to_be_bytes();
        let value = self.store.get(Table::Operations, &key).unwrap().expect("an operation stays readable");
        registry::decode_operation(&key, &value).unwrap()
    }

    /// The name under which a new namespace is discovered.
    fn http_name(&self, id: NamespaceId, name: &str) -> String {
        let http_name = self.registry.catalog().read().namespace(id).expect("it is there").http_name.to_string();
        assert!(http_name.starts_with(name), "{http_name}");
        http_name
    }

    //--- Picking

    /// A namespace, or one that is not there.
    fn namespace(&self, which: u8) -> NamespaceId {
        let all: Vec<_> = self.reference.namespaces.values().map(|one| (&one.name, one.id)).collect();
        pick(all, which).unwrap_or_else(|| NamespaceId::random(7))
    }

    /// A service, or one that is not there.
    fn service(&self, which: u8) -> ServiceId {
        let all: Vec<_> = self.reference.services.values().map(|one| (&one.name, one.id)).collect();
        pick(all, which).unwrap_or_else(|| ServiceId::random(7))
    }
}

/// One of all, in an order that does not depend on ids; seldom none.
fn pick<I: Copy + Ord>(mut all: Vec<(&String, I)>, which: u8) -> Option<I> {
    all.sort();
    let at = usize::from(which) % (all.len().max(1) * 8 + 1) / 8;
    all.get(at).map(|(_, id)| *id)
}

fn open(store: &Arc<Memory>) -> Registry {
    let settings = registry::Settings {
        name_servers: vec![Name::parse("ns.test").unwrap()],
        custom_health_delay: Duration::ZERO,
        ..registry::Settings::default()
    };
    Registry::open(settings, Arc::<Memory>::clone(store)).expect("the store can be read")
}

fn class_of(refusal: &Refusal) -> Class {
    match refusal {
        Refusal::Invalid(_) | Refusal::Name { .. } => Class::Invalid,
        Refusal::Declared { .. } => Class::Declared,
        Refusal::NoNamespace(_) => Class::NoNamespace,
        Refusal::NoService(_) => Class::NoService,
        Refusal::NoInstance(_) => Class::NoInstance,
        Refusal::NoCustomHealth(_) => Class::NoCustomHealth,
        Refusal::NoResource => Class::NoResource,
        Refusal::NamespaceExists { .. } => Class::NamespaceExists,
        Refusal::ServiceExists { .. } => Class::ServiceExists,
        Refusal::InUse(_) => Class::InUse,
        Refusal::TooManyTags { .. } => Class::TooManyTags,
        Refusal::TooManyAttributes(_) => Class::TooManyAttributes,
        other => panic!("nobody expects {other:?}"),
    }
}

//----------- Runs -------------------------------------------------------------------------------------------

/// Does the steps of a run; the panic of the first that goes wrong, if one does.
fn fails(ops: &[Op]) -> Option<String> {
    let run = || {
        let mut world = World::new();
        for op in ops {
            world.step(op);
            world.check();
        }
    };
    let panic = catch_unwind(AssertUnwindSafe(run)).err()?;
    let text = panic.downcast_ref::<String>().cloned();
    Some(text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default())
}

/// Leaves out what a failure does not need.
fn cut(mut ops: Vec<Op>) -> Vec<Op> {
    let mut length = ops.len();
    while length > 0 {
        let mut at = 0;
        while at < ops.len() {
            let mut shorter = ops.clone();
            shorter.drain(at..(at + length).min(ops.len()));
            if fails(&shorter).is_some() { ops = shorter } else { at += length }
        }
        length /= 2;
    }
    ops
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is no number: {value}")))
}

#[test]
fn the_registry_is_as_the_reference_says() {
    let seed = variable("FINGERPOST_MODEL_SEED");
    let time = Duration::from_secs(variable("FINGERPOST_MODEL_SECONDS").unwrap_or(8));
    let begun = Instant::now();
    let hook = take_hook();
    set_hook(Box::new(|_| ()));
    let mut runs = 0;
    let first = seed.unwrap_or_else(|| fastrand::u64(..1 << 40));
    let failed = loop {
        let seed = first + runs;
        let ops = ops::run(seed, STEPS);
        if fails(&ops).is_some() {
            break Some((seed, cut(ops)));
        }
        runs += 1;
        if variable("FINGERPOST_MODEL_SEED").is_some() || begun.elapsed() > time {
            break None;
        }
    };
    let failed = failed.map(|(seed, ops)| (seed, fails(&ops), ops));
    set_hook(hook);
    if let Some((seed, text, ops)) = failed {
        let ops: Vec<_> = ops.iter().map(|op| format!("  {op:?}")).collect();
        panic!("FINGERPOST_MODEL_SEED={seed}:\n{}\n{}", ops.join("\n"), text.unwrap_or_default());
    }
    println!("{runs} runs from FINGERPOST_MODEL_SEED={first} on");
}

//! Times of the data plane: parsing, lookup by size of the table, each outcome, and publishing one change.

mod common;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{NAMESPACE, namespace, query, service, service_name, table, zone};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fingerpost::dns::{self, Ctx, MAX_UDP_PAYLOAD, Settings, Transport};
use fingerpost::model::RecordType;
use fingerpost::table::{Editor, Publisher, Snapshot, compile};
use fingerpost::transfer::journal::Journal;
use fingerpost::transfer::records;
use fingerpost::wire::{Name, NameKey, Query};

/// Names or queries gone through in one iteration, so that they do not all lie in the nearest cache.
const ROUND: usize = 4096;

/// Parsing a query.
fn parse(criterion: &mut Criterion) {
    let packet = query("service-000001.production.local", 1);
    let mut key = NameKey::new();
    criterion.bench_function("parse", |bencher| bencher.iter(|| Query::parse(black_box(&packet), &mut key)));
}

/// Finding random names in tables of three sizes.
fn lookup(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lookup");
    group.throughput(Throughput::Elements(ROUND as u64));
    for names in [1_000, 100_000, 1_000_000] {
        let snapshot = table(&namespace(names, 1, &[RecordType::A]));
        let mut random = fastrand::Rng::with_seed(1);
        let keys = (0..ROUND).map(|_| {
            let name = format!("{}.{NAMESPACE}", service_name(random.u32(..names)));
            NameKey::of(&Name::parse(&name).expect("a name"))
        });
        let keys: Vec<NameKey> = keys.collect();
        group.bench_function(format!("{names} names"), |bencher| {
            bencher.iter(|| keys.iter().filter(|key| snapshot.find(key).is_some()).count());
        });
    }
    group.finish();
}

/// Each outcome of `answer`, over random services of 10,000.
fn answer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("answer");
    group.throughput(Throughput::Elements(ROUND as u64));
    let mut measure = |name: &str, snapshot: &Snapshot, qtype: u16, question: &dyn Fn(u32) -> String| {
        let mut random = fastrand::Rng::with_seed(1);
        let packets: Vec<Vec<u8>> = (0..ROUND).map(|_| query(&question(random.u32(..10_000)), qtype)).collect();
        let mut ctx = Ctx::new(Arc::new(Settings::default()), 1);
        let mut buffer = [0; MAX_UDP_PAYLOAD];
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                packets.iter().fold(0, |octets, packet| {
                    buffer[..packet.len()].copy_from_slice(packet);
                    octets + dns::answer(snapshot, &mut ctx, Transport::Udp, &mut buffer, packet.len()).length
                })
            });
        });
    };
    let service = |number: u32| format!("{}.{NAMESPACE}", service_name(number));
    let eight = table(&namespace(10_000, 8, &[RecordType::A]));
    measure("8 of 8 A", &eight, 1, &service);
    measure("NODATA", &eight, 28, &service);
    measure("NXDOMAIN", &eight, 1, &|number| format!("missing-{number}.{NAMESPACE}"));
    measure("REFUSED", &eight, 1, &|number| format!("service-{number}.example.com"));
    measure("ANY", &eight, 255, &service);
    measure("8 of 100 A", &table(&namespace(10_000, 100, &[RecordType::A])), 1, &service);
    measure("8 of 8 SRV", &table(&namespace(10_000, 8, &[RecordType::Srv])), 33, &service);
    group.finish();
}

/// One instance registers in a table of a million: compile the service and the apex, copy their shards, publish,
/// free what nobody sees any more.
fn publish(criterion: &mut Criterion) {
    let records = [RecordType::A, RecordType::Srv];
    let namespace = namespace(125_000, 8, &records);
    let zone = zone(&namespace);
    let mut publisher = Publisher::new(table(&namespace));
    let mut revision = 1;
    let mut random = fastrand::Rng::with_seed(1);
    criterion.bench_function("publish one change at 1M instances", |bencher| {
        bencher.iter_batched(
            || {
                let number = random.u32(..125_000);
                (service_name(number), service(number, 9, &records))
            },
            |(name, changed)| {
                revision += 1;
                let current = publisher.handle().load();
                let mut editor = Editor::new(&current);
                let before = &namespace.services[&*name];
                compile::put_apex(&mut editor, &zone, &compile::Apex { serial: revision as u32, ..Default::default() })
                    .expect("a name");
                compile::put_service(&mut editor, &zone, &name, &changed, Some(before)).expect("a name");
                let next = editor.finish(revision, 1_000_000);
                drop(current);
                publisher.publish(next);
            },
            BatchSize::SmallInput,
        );
    });
}

/// What a transfer costs beside writing records: finding the zone's names among a million of another zone, and noting
/// what one registration changed.
fn transfer(criterion: &mut Criterion) {
    let records = [RecordType::A];
    let namespace = namespace(1_000_000, 1, &records);
    let zone = zone(&namespace);
    let mut publisher = Publisher::new(table(&namespace));
    let other = Name::parse("other.test").expect("a name");
    let current = publisher.handle().load();
    criterion.bench_function("find the names of a zone among 1M others", |bencher| {
        bencher.iter(|| records::nodes(black_box(&current), &other).count());
    });
    drop(current);
    let mut journal = Journal::new(vec![publisher.handle()], 1 << 20, |_| true);
    let mut revision = 1;
    criterion.bench_function("note one change at 1M names", |bencher| {
        bencher.iter_custom(|iterations| {
            let mut elapsed = Duration::ZERO;
            for _ in 0..iterations {
                revision += 1;
                let name = service_name(revision as u32 % 1_000_000);
                let current = publisher.handle().load();
                let mut editor = Editor::new(&current);
                let changed = service(revision as u32, 9, &records);
                compile::put_apex(&mut editor, &zone, &compile::Apex { serial: revision as u32, ..Default::default() })
                    .expect("a name");
                let before = &namespace.services[&*name];
                compile::put_service(&mut editor, &zone, &name, &changed, Some(before)).expect("a name");
                let next = editor.finish(revision, 1_000_000);
                drop(current);
                publisher.publish(next);
                let begun = Instant::now();
                journal.catch_up();
                elapsed += begun.elapsed();
            }
            elapsed
        });
    });
}

criterion_group!(benches, parse, lookup, answer, publish, transfer);
criterion_main!(benches);

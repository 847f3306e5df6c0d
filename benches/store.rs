//! The registry's store beside another one, as `cargo bench --bench store [ROWS]`: how long they take to be filled, to
//! commit, and to be read at the start, and how much memory and disk. `fjall`, below ours, was chosen by these figures.
//!
//! Each step is a process of its own, so that it starts cold and its memory is its own; after commits it ends without
//! closing the store, as after kill -9. Every instance row comes with an operation row, as the registry writes them, and
//! every eighth with a new service; to load reads what the registry reads at its start: services, instances, and the last
//! operation. Times are those of a clock, and of the processors, of which other work takes nothing.

use std::fs;
use std::hint::black_box;
use std::ops::Bound;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use fastrand::Rng;
use fingerpost::registry::store::{Each, Embedded, Keys, Row, Store, StoreError, Table, Write};
use redb::{Builder, Database, ReadableDatabase, TableDefinition};

/// Instances of a service.
const INSTANCES: u64 = 8;
/// Rows of a commit while the store is filled.
const FILL: u64 = 10_000;
/// The commits that are measured: instance rows of each, and how many there are.
const COMMITS: [(u64, u64); 3] = [(1, 5000), (64, 10_000), (1000, 200)];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [store, role, folder, rows, batch] = &*arguments {
        let [rows, batch] = [rows, batch].map(|text| text.parse().expect("a number"));
        let folder = Path::new(folder);
        return if store == "ours" {
            step(role, rows, batch, || Embedded::open(folder).expect("a store"));
        } else {
            step(role, rows, batch, || Redb::open(folder));
        };
    }
    let rows: u64 = arguments.first().map_or(1_000_000, |rows| rows.parse().expect("a number of rows"));
    println!("{rows} instance rows, as many operation rows, {} service rows", rows.div_ceil(INSTANCES));
    for store in ["redb", "ours"] {
        println!();
        // Not in /tmp, which may be memory.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let run = |role: &str, batch: u64| {
            let report = child(store, role, folder.path(), rows, batch);
            println!("{store:5}  {role:6}  {batch:>5}  {report}, {} MB on disk", disk(folder.path()) >> 20);
        };
        run("fill", FILL);
        run("load", 0);
        for (batch, _) in COMMITS {
            run("commit", batch);
            run("load", 0);
        }
        run("rest", 0);
        run("load", 0);
    }
}

/// Runs one step in a process of its own, and gives its words.
fn child(store: &str, role: &str, folder: &Path, rows: u64, batch: u64) -> String {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args([store, role]).arg(folder).args([rows.to_string(), batch.to_string()]);
    let output = command.output().expect("a process");
    assert!(output.status.success(), "{store} {role}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// What the files of `folder` occupy.
fn disk(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).expect("a folder").filter_map(|entry| Some(entry.ok()?.path()));
    let size = |path: &Path| fs::metadata(path).map_or(0, |file| file.blocks() * 512);
    entries.map(|path| if path.is_dir() { disk(&path) } else { size(&path) }).sum()
}

//----------- Steps ------------------------------------------------------------------------------------------

/// One step on one store.
fn step<S: Store>(role: &str, rows: u64, batch: u64, open: impl Fn() -> S) {
    let start = Instant::now();
    let store = open();
    let opened = start.elapsed();
    match role {
        "fill" => {
            for first in (0..rows).step_by(FILL as usize) {
                let numbers = first..rows.min(first + FILL);
                let services = numbers.clone().filter(|number| number % INSTANCES == 0).map(service);
                let rows = numbers.flat_map(|number| writes(number, number));
                store.commit(&services.chain(rows).collect::<Vec<_>>()).expect("a commit");
            }
            println!("{:.2?}, {}", start.elapsed(), processors());
        }
        "load" => {
            let count = |table, keys| {
                let mut count = 0;
                let each = &mut |key: &[u8], value: &[u8]| {
                    count += 1;
                    black_box((key, value));
                    Ok(())
                };
                store.load_part(table, keys, each).expect("rows");
                count
            };
            let all = (Bound::Unbounded, Bound::Unbounded);
            let middle: &[u8] = &[0x80];
            let services = count(Table::Services, all);
            // As the registry does.
            let instances = std::thread::scope(|scope| {
                let second = scope.spawn(|| count(Table::Instances, (Bound::Included(middle), all.1)));
                count(Table::Instances, (all.0, Bound::Excluded(middle))) + second.join().expect("rows")
            });
            let count = services + instances;
            assert_eq!(store.scan(Table::Operations, &[], true, 1).expect("rows").len(), 1);
            let loaded = start.elapsed();
            println!("open {opened:.1?}, with load {loaded:.1?}, {}, {count} rows, {}", processors(), memory());
            std::process::exit(0);
        }
        "rest" => {
            // Time for what is done in the background.
            std::thread::sleep(Duration::from_secs(5));
            println!("{}", memory());
        }
        _ => commits(&store, rows, batch),
    }
}

/// Commits batches of random rows, half of them new.
fn commits(store: &impl Store, rows: u64, batch: u64) {
    let mut random = Rng::with_seed(batch);
    let mut operation = rows * (batch + 1);
    let count = COMMITS.iter().find_map(|(rows, count)| (*rows == batch).then_some(*count)).unwrap_or(100);
    let commit = |_| {
        let mut row = || {
            operation += 1;
            writes(random.u64(..rows * 2), operation)
        };
        let writes: Vec<Write> = (0..batch).flat_map(|_| row()).collect();
        let start = Instant::now();
        store.commit(&writes).expect("a commit");
        start.elapsed()
    };
    let mut times: Vec<Duration> = (0..count).map(commit).collect();
    let rate = (count * batch) as f64 / times.iter().sum::<Duration>().as_secs_f64();
    times.sort();
    let [half, most, worst] = [50, 99, 100].map(|part| times[(times.len() - 1) * part / 100]);
    println!("{rate:.0} instances/s, {half:.2?} a commit, 99 % within {most:.2?}, {worst:.2?} at worst, {}", memory());
    // As after kill -9: nothing is closed.
    std::process::exit(0);
}

/// The memory this process holds, and the most it has held.
fn memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name| status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    let [now, most] = ["VmRSS:", "VmHWM:"].map(|name| field(name).unwrap_or(0_u64) / 1024);
    format!("{now} MB of memory, {most} MB at most")
}

/// The time the processors have given to this process.
fn processors() -> String {
    // In ticks, of which there are 100 a second, behind the name, which is in parentheses.
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    format!("{:.2} s of processors", ticks / 100.0)
}

//----------- Rows -------------------------------------------------------------------------------------------

/// A write.
fn put(table: Table, key: Vec<u8>, value: Vec<u8>) -> Write {
    Write { table, key: key.into(), value: Some(value.into()) }
}

/// The random id of the service of instance `number`.
fn service_key(number: u64) -> Vec<u8> {
    Rng::with_seed(number / INSTANCES).u128(..).to_be_bytes().to_vec()
}

/// The service of instance `number`.
fn service(number: u64) -> Write {
    put(Table::Services, service_key(number), vec![b's'; 120])
}

/// Instance `number`, and the operation on it.
fn writes(number: u64, operation: u64) -> [Write; 2] {
    let mut key = service_key(number);
    let mut random = Rng::with_seed(!number);
    key.extend((0..random.usize(4..=39)).map(|_| random.alphanumeric() as u8));
    let mut value = format!(
        "AWS_INSTANCE_IPV4=10.{}.{}.{};AWS_INSTANCE_PORT=8080;",
        number >> 16 & 0xff,
        number >> 8 & 0xff,
        number & 0xff
    );
    let length = random.usize(100..=350);
    value.extend(std::iter::repeat_with(|| random.alphanumeric()).take(length - value.len()));
    let report = [b"REGISTER_INSTANCE;SUCCESS;2026-01-01T00:00:00Z;".as_slice(), &key].concat();
    [put(Table::Instances, key, value.into()), put(Table::Operations, operation.to_be_bytes().into(), report)]
}

//----------- The other store --------------------------------------------------------------------------------

/// redb, a B-tree in one file, as the registry would use it.
struct Redb(Database);

impl Redb {
    /// Opens or makes it, and has all pages checked, as ours checks its files.
    fn open(folder: &Path) -> Self {
        let mut builder = Builder::new();
        builder.set_cache_size(4 << 20).set_check_integrity_on_open(true);
        let store = Self(builder.create(folder.join("rows.redb")).expect("a store"));
        store.commit(&[]).expect("tables");
        store
    }
}

/// A table.
fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(match table {
        Table::Services => "services",
        Table::Instances => "instances",
        _ => "operations",
    })
}

impl Store for Redb {
    fn load_part(&self, table: Table, keys: Keys<'_>, each: &mut Each<'_>) -> Result<(), StoreError> {
        let transaction = self.0.begin_read().expect("a transaction");
        let rows = transaction.open_table(definition(table)).expect("a table");
        rows.range::<&[u8]>(keys).expect("rows").try_for_each(|row| {
            let (key, value) = row.expect("a row");
            each(key.value(), value.value())
        })
    }

    fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
        // In the order of the keys, so that neighbours meet while their page is at hand.
        let mut writes: Vec<&Write> = writes.iter().collect();
        writes.sort_by(|left, right| (left.table, &left.key).cmp(&(right.table, &right.key)));
        let transaction = self.0.begin_write().expect("a transaction");
        for table in [Table::Services, Table::Instances, Table::Operations] {
            let mut rows = transaction.open_table(definition(table)).expect("a table");
            for write in writes.iter().filter(|write| write.table == table) {
                match write.value.as_deref() {
                    Some(value) => rows.insert(&*write.key, value),
                    None => rows.remove(&*write.key),
                }
                .expect("a write");
            }
        }
        transaction.commit().expect("a commit");
        Ok(())
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Box<[u8]>>, StoreError> {
        let transaction = self.0.begin_read().expect("a transaction");
        let rows = transaction.open_table(definition(table)).expect("a table");
        Ok(rows.get(key).expect("a read").map(|value| value.value().into()))
    }

    fn scan(&self, table: Table, after: &[u8], backwards: bool, limit: usize) -> Result<Vec<Row>, StoreError> {
        let transaction = self.0.begin_read().expect("a transaction");
        let rows = transaction.open_table(definition(table)).expect("a table");
        let keys: Keys<'_> = match (after, backwards) {
            ([], _) => (Bound::Unbounded, Bound::Unbounded),
            (after, false) => (Bound::Excluded(after), Bound::Unbounded),
            (before, true) => (Bound::Unbounded, Bound::Excluded(before)),
        };
        let mut rows = rows.range::<&[u8]>(keys).expect("rows");
        let next = || if backwards { rows.next_back() } else { rows.next() };
        let rows = std::iter::from_fn(next).take(limit).map(|row| row.expect("a row"));
        Ok(rows.map(|(key, value)| (key.value().into(), value.value().into())).collect())
    }
}

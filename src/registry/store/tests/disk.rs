//! A disk that is full.

use std::env;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Embedded, Store, StoreError, Table, batch, last_batch, put, rows};

/// The folder of the process that may not write long files.
const FOLDER: &str = "FINGERPOST_TEST_FULL";
/// Whether the journal comes to its end, or the tables do.
const BIG: &str = "FINGERPOST_TEST_BIG";

/// Runs [`commit_until_full`] in a process whose files may be `kilobytes` long.
fn run_full(folder: &Path, kilobytes: u64, big: bool) {
    let program = env::current_exe().unwrap();
    // Without the signal, a write beyond the limit is an error.
    let script = format!(
        "trap '' XFSZ; ulimit -f {kilobytes}; exec '{}' --exact registry::store::tests::disk::commit_until_full \
         --nocapture --test-threads=1",
        program.display()
    );
    let mut command = Command::new("bash");
    command.args(["-c", &script]).env(FOLDER, folder);
    if big {
        command.env(BIG, "1");
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// No test, but the process of [`run_full`].
#[test]
fn commit_until_full() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let store = Embedded::open(Path::new(&folder)).unwrap();
    let last = last_batch(&store).unwrap();
    let begun = Instant::now();
    let fault = (last + 1..).find_map(|number| {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not fail");
        let mut writes = batch(number);
        if env::var_os(BIG).is_some() {
            writes.push(put(Table::Services, number.to_be_bytes(), vec![7; 100_000]));
        }
        store.commit(&writes).err()
    });
    let Some(StoreError::Io(text)) = fault else { panic!("{fault:?}") };
    assert!(text.contains("cannot write"), "{text}");
    // It stays so, whatever becomes of the disk.
    for _ in 0..2 {
        let later = [
            store.commit(&batch(3)),
            store.commit(&[]),
            store.get(Table::Services, b"a").map(drop),
            store.scan(Table::Services, b"", false, 1).map(drop),
            rows(&store, Table::Instances).map(drop),
        ];
        for outcome in later {
            let Err(StoreError::Io(text)) = outcome else { panic!("it goes on after a failure") };
            assert!(text.contains("an earlier write failed"), "{text}");
        }
        sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_commit_that_does_not_fit_is_there_as_a_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    (1..=20).for_each(|number| store.commit(&batch(number)).unwrap());
    drop(store);
    for round in 0..12 {
        let before = last_batch(&Embedded::open(folder.path()).unwrap()).unwrap();
        // The journal has some 9 kB a batch, and is empty after the store was closed.
        run_full(folder.path(), 40 + 5 * round, false);
        let store = Embedded::open(folder.path()).unwrap();
        let last = last_batch(&store).unwrap();
        assert!(last >= before, "{last} of {before}");
        store.commit(&batch(last + 1)).unwrap();
    }
}

#[test]
fn tables_that_do_not_fit_end_the_commits_too() {
    let folder = tempfile::tempdir().unwrap();
    Embedded::open(folder.path()).unwrap().commit(&batch(1)).unwrap();
    // Before the journal is full, rows are brought into tables, which may not become so long.
    run_full(folder.path(), 30_000, true);
    let store = Embedded::open(folder.path()).unwrap();
    let last = last_batch(&store).unwrap();
    assert!(last > 50, "{last}");
    assert_eq!(rows(&store, Table::Services).unwrap().len() as u64, last - 1);
    store.commit(&batch(last + 1)).unwrap();
}

//! A file that is cut short or overwritten behind the store's back: it opens with whole batches, or says that it is
//! damaged. It never panics and never holds half a batch.

use std::fs;
use std::path::Path;

use super::folder::ROWS;
use super::{Embedded, StoreError, Table, batch, last_batch, rows};

/// The last batch before the damage.
const LAST: u64 = 30;

/// The file of a store of [`LAST`] batches: as kill -9 leaves it, or as the store does when it is closed.
fn file(closed: bool) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    for number in 1..=LAST {
        super::Store::commit(&store, &batch(number)).unwrap();
    }
    let killed = fs::read(folder.path().join(ROWS)).unwrap();
    drop(store);
    if closed { fs::read(folder.path().join(ROWS)).unwrap() } else { killed }
}

/// Opens a store on `file`: the number of its last batch, or `None` where it says that it is damaged.
fn opened(folder: &Path, file: &[u8]) -> Option<u64> {
    fs::write(folder.join(ROWS), file).unwrap();
    let last = Embedded::open(folder).and_then(|store| {
        // Whatever else it opens with, it is no store that has forgotten everything.
        assert!(!rows(&store, Table::Instances)?.is_empty());
        last_batch(&store)
    });
    match last {
        // Damage to the last commit looks like a commit that was cut short, so that the one before it may be the last.
        Ok(last) => Some(last).inspect(|last| assert!((LAST - 1..=LAST).contains(last), "batch {last}")),
        Err(StoreError::Corrupt(text)) => {
            assert!(text.contains(folder.to_str().unwrap()) && text.contains("damaged"), "{text}");
            None
        }
        Err(other) => panic!("{other}"),
    }
}

/// Opens stores with files made from a whole one by `damage`, which gets a number below `count`.
fn survey(count: usize, damage: impl Fn(&mut Vec<u8>, usize, &mut fastrand::Rng)) {
    let folder = tempfile::tempdir().unwrap();
    for closed in [false, true] {
        let whole = file(closed);
        assert_eq!(opened(folder.path(), &whole), Some(LAST));
        let mut random = fastrand::Rng::with_seed(3);
        for number in 0..count {
            let mut file = whole.clone();
            damage(&mut file, number, &mut random);
            if file == whole {
                continue;
            }
            opened(folder.path(), &file);
        }
    }
}

#[test]
fn a_file_cut_short() {
    survey(150, |file, number, _| {
        // Densely at both ends, then everywhere.
        let length = match number {
            0..40 => number * 13,
            40..80 => file.len() - 1 - (number - 40) * 97,
            _ => file.len() * (number - 80) / 70,
        };
        file.truncate(length);
    });
}

#[test]
fn a_tail_of_zeros_or_garbage() {
    survey(120, |file, number, random| {
        let from = file.len() * (number / 2) / 60;
        let zeros = number % 2 == 0;
        file[from..].iter_mut().for_each(|octet| *octet = if zeros { 0 } else { random.u8(..) });
    });
}

#[test]
fn garbage_behind_the_end() {
    let folder = tempfile::tempdir().unwrap();
    for closed in [false, true] {
        for length in [1, 100, 4096, 100_000] {
            let mut file = file(closed);
            file.extend(std::iter::repeat_n(0x5a, length));
            opened(folder.path(), &file);
        }
    }
}

#[test]
fn pages_overwritten() {
    survey(200, |file, _, random| {
        let from = random.usize(..file.len());
        let to = (from + random.usize(1..6000)).min(file.len());
        file[from..to].iter_mut().for_each(|octet| *octet = random.u8(..));
    });
}

#[test]
fn one_octet_changed() {
    survey(300, |file, number, random| {
        // Half of them where the file describes itself.
        let at = if number % 2 == 0 { random.usize(..512) } else { random.usize(..file.len()) };
        file[at] ^= 1 << random.u8(..8);
    });
}

#[test]
fn no_file_of_ours() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(opened(folder.path(), b""), None);
    assert_eq!(opened(folder.path(), b"# notes\n"), None);
    assert_eq!(opened(folder.path(), &vec![0; 100_000]), None);
}

//! Files that are cut short or overwritten behind the store's back: it opens with whole batches and all that was
//! acknowledged, or says that it is damaged. It never panics and never holds half a batch.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::folder::{ROWS, contents};
use super::{Embedded, Store, StoreError, Table, batch, last_batch, put};

/// The last batch before the damage.
const LAST: u64 = 30;

/// The files below a folder, with their octets.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// A store of [`LAST`] batches as kill -9 leaves it, or as the store does when it is closed: with the batches in the
/// journal, or with most of them in tables.
fn files(closed: bool, tables: bool) -> Files {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    for number in 1..=LAST {
        store.commit(&batch(number)).unwrap();
        if tables && number % 10 == 5 {
            store.bring_into_tables().unwrap();
        }
    }
    let taken = |folder: &Path| {
        let files = contents(&folder.join(ROWS)).into_iter();
        files.map(|(path, octets)| (path.strip_prefix(folder).unwrap().to_owned(), without_zeros(octets))).collect()
    };
    let killed = taken(folder.path());
    drop(store);
    if closed { taken(folder.path()) } else { killed }
}

/// A folder in memory if there is one: what these tests are about does not depend on the disk, which would take most of
/// their time.
fn in_memory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.unwrap()
}

/// A journal is made longer than what is in it; here that would only take time. A few zeros remain.
fn without_zeros(mut octets: Vec<u8>) -> Vec<u8> {
    let end = octets.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    octets.truncate((end + 4096).min(octets.len()));
    octets
}

/// Opens a store on `files`: the number of its last batch, or `None` where it says that it is damaged.
fn opened(files: &Files) -> Option<u64> {
    let folder = in_memory();
    // fjall makes this folder, which may be empty.
    fs::create_dir_all(folder.path().join(ROWS).join("keyspaces/0/tables")).unwrap();
    fs::create_dir_all(folder.path().join(ROWS).join("keyspaces/1/tables")).unwrap();
    for (path, octets) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, octets).unwrap();
    }
    let last = Embedded::open(folder.path()).and_then(|store| {
        let last = last_batch(&store)?;
        // It goes on, and is opened again as it is.
        store.commit(&batch(last + 1))?;
        drop(store);
        assert_eq!(last_batch(&Embedded::open(folder.path())?)?, last + 1);
        Ok(last)
    });
    match last {
        Ok(last) => Some(last),
        Err(StoreError::Corrupt(text)) => {
            assert!(text.contains(folder.path().to_str().unwrap()) && text.contains("damaged"), "{text}");
            None
        }
        Err(other) => panic!("{other}"),
    }
}

/// Opens stores with files from a whole one, of which `damage` has changed one, which it is given with a number below
/// `count`. What opens has all batches.
fn survey(count: usize, damage: impl Fn(&mut Vec<u8>, usize, &mut fastrand::Rng)) {
    for (closed, tables) in [(false, false), (true, true), (false, true)] {
        let whole = files(closed, tables);
        assert_eq!(opened(&whole), Some(LAST));
        let mut random = fastrand::Rng::with_seed(3);
        let mut told = 0;
        for number in 0..count {
            let mut files = whole.clone();
            let at = random.usize(..files.len());
            let (path, octets) = files.iter_mut().nth(at).unwrap();
            let name = path.file_name().unwrap().to_owned();
            damage(octets, number, &mut random);
            if files == whole {
                continue;
            }
            let last = opened(&files);
            told += usize::from(last.is_none());
            // Without that number, damage to the last batch looks like a commit that was cut short.
            let least = if name == "acknowledged" { LAST - 1 } else { LAST };
            assert!(last.is_none_or(|last| (least..=LAST).contains(&last)), "{last:?} after damage to {name:?}");
        }
        assert!(told > 0);
    }
}

#[test]
fn a_file_cut_short() {
    survey(60, |file, _, random| {
        let length = random.usize(..=file.len());
        file.truncate(length);
    });
}

#[test]
fn a_tail_of_zeros_or_garbage() {
    survey(80, |file, number, random| {
        let from = random.usize(..=file.len());
        let zeros = number % 2 == 0;
        file[from..].iter_mut().for_each(|octet| *octet = if zeros { 0 } else { random.u8(..) });
    });
}

#[test]
fn garbage_behind_the_end() {
    survey(30, |file, number, _| file.extend(std::iter::repeat_n(0x5a, [1, 100, 4096, 100_000][number % 4])));
}

#[test]
fn pages_overwritten() {
    survey(100, |file, number, random| {
        let from = random.usize(..file.len().max(1)).min(file.len());
        let to = (from + random.usize(1..6000)).min(file.len());
        let zeros = number % 2 == 0;
        file[from..to].iter_mut().for_each(|octet| *octet = if zeros { 0 } else { random.u8(..) });
    });
}

#[test]
fn one_octet_changed() {
    survey(200, |file, number, random| {
        if file.is_empty() {
            return;
        }
        // Half of them where a file describes itself.
        let at = if number % 2 == 0 { random.usize(..file.len().min(64)) } else { random.usize(..file.len()) };
        file[at] ^= 1 << random.u8(..8);
    });
}

#[test]
fn a_missing_file() {
    for tables in [false, true] {
        let whole = files(false, tables);
        for path in whole.keys() {
            let mut files = whole.clone();
            files.remove(path);
            let last = opened(&files);
            assert!(last.is_none_or(|last| last == LAST), "{last:?} without {}", path.display());
        }
    }
}

//----------- The end of the journal -------------------------------------------------------------------------

/// The journal of a store of three batches, and where each ends; and the store's other files.
fn journal() -> (Files, PathBuf, Vec<usize>) {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    let path = PathBuf::from(ROWS).join("0.jnl");
    let mut ends = vec![0];
    for number in 1..=3 {
        store.commit(&batch(number)).unwrap();
        let octets = fs::read(folder.path().join(&path)).unwrap();
        ends.push(octets.iter().rposition(|octet| *octet != 0).unwrap() + 1);
    }
    let files = contents(folder.path()).into_iter();
    let files =
        files.map(|(path, octets)| (path.strip_prefix(folder.path()).unwrap().to_owned(), without_zeros(octets)));
    (files.collect(), path, ends)
}

/// Acknowledges `number` batches only, as if the others had been on their way.
fn acknowledge(files: &mut Files, number: u64) {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    (1..=number).for_each(|number| store.commit(&[put(Table::Services, number.to_be_bytes(), "")]).unwrap());
    let path = PathBuf::from(ROWS).join("acknowledged");
    files.insert(path.clone(), fs::read(folder.path().join(path)).unwrap());
}

#[test]
fn a_torn_commit_is_not_there_and_all_before_it_are() {
    let (mut files, path, ends) = journal();
    acknowledge(&mut files, 2);
    let whole = files[&path].clone();
    assert_eq!(opened(&files), Some(3));
    for at in (ends[2]..ends[3]).step_by(131).chain([ends[3] - 1, ends[3] - 5, ends[3] - 14]) {
        // The file ends there, or there are zeros from there on, or whatever there was on the disk.
        let garbage: Vec<u8> = (at..ends[3]).map(|_| fastrand::u8(..)).collect();
        for (kind, tail) in [vec![], vec![0; 70_000], garbage].into_iter().enumerate() {
            files.insert(path.clone(), [&whole[..at], &tail].concat());
            assert_eq!(opened(&files), Some(2), "{kind} at {at}");
        }
        // All of it has reached the disk but a piece, its beginning or one in its midst.
        for from in [ends[2], at] {
            let mut torn = whole.clone();
            let to = (from + 512).min(ends[3]);
            torn[from..to].fill(0);
            files.insert(path.clone(), torn);
            assert_eq!(opened(&files), Some(2), "without {from}..{to}");
        }
    }
}

#[test]
fn damage_before_the_last_commit_is_told_without_any_other_file() {
    let (mut files, path, ends) = journal();
    files.insert(PathBuf::from(ROWS).join("acknowledged"), vec![]);
    let whole = files[&path].clone();
    for at in (0..ends[2]).step_by(31) {
        for length in [1, 40, 512] {
            let mut damaged = whole.clone();
            let to = (at + length).min(ends[2]);
            damaged[at..to].fill(if whole[at] == 0 { 0xa5 } else { 0 });
            files.insert(path.clone(), damaged);
            assert_eq!(opened(&files), None, "{at}..{to}");
        }
    }
}

#[test]
fn acknowledged_commits_that_are_gone_are_told() {
    let (mut files, path, ends) = journal();
    let whole = files[&path].clone();
    for at in (0..ends[3]).step_by(97) {
        for tail in [vec![], vec![0; 70_000]] {
            files.insert(path.clone(), [&whole[..at], &tail].concat());
            assert_eq!(opened(&files), None, "{at}");
        }
    }
}

#[test]
fn no_files_of_ours() {
    let (whole, ..) = journal();
    for octets in [vec![], b"# notes\n".to_vec(), vec![0; 100_000]] {
        assert_eq!(opened(&whole.keys().map(|path| (path.clone(), octets.clone())).collect()), None);
    }
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join(ROWS)).unwrap();
    assert!(matches!(Embedded::open(folder.path()), Err(StoreError::Corrupt(_))));
}

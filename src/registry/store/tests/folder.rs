//! What the folder of an embedded store may be like.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::crash::child;
use super::{Embedded, Store, StoreError, Table, batch, last_batch, put};

/// The name of the folder of rows.
pub(super) const ROWS: &str = "registry-v2";

/// All files of a folder and those below it, with their octets.
pub(super) fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| match path.is_dir() {
        true => contents(&path),
        false => [(path.clone(), fs::read(&path).unwrap_or_default())].into(),
    });
    files.collect()
}

/// The text of the error an opening ends with.
fn refusal(folder: &Path) -> StoreError {
    Embedded::open(folder).expect_err("it cannot be opened")
}

#[test]
fn a_folder_is_made_for_its_owner_alone_and_opened_again() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a/b");
    for last in 0..3 {
        let store = Embedded::open(&folder).unwrap();
        assert_eq!(last_batch(&store).unwrap(), last);
        store.commit(&batch(last + 1)).unwrap();
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join(ROWS))), (0o700, 0o700));
}

#[test]
fn a_second_opening_is_refused_until_the_first_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    let text = match refusal(folder.path()) {
        StoreError::Locked(text) => text,
        other => panic!("{other:?}"),
    };
    assert!(text.contains(folder.path().to_str().unwrap()), "{text}");
    assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
    // The refusal has not let the lock go.
    assert!(matches!(refusal(folder.path()), StoreError::Locked(_)));
    store.commit(&batch(1)).unwrap();
    drop(store);
    assert_eq!(last_batch(&Embedded::open(folder.path()).unwrap()).unwrap(), 1);
}

#[test]
fn another_process_is_refused_and_a_killed_one_leaves_no_lock() {
    let folder = tempfile::tempdir().unwrap();
    let mut holder = child(folder.path());
    assert!(holder.next_acknowledged().is_some());
    assert!(matches!(refusal(folder.path()), StoreError::Locked(text) if text.contains(&holder.id().to_string())));
    let last = holder.kill();
    let store = Embedded::open(folder.path()).unwrap();
    assert!(last_batch(&store).unwrap() >= last);
    // And the other way round.
    assert_eq!(child(folder.path()).next_acknowledged(), None);
}

#[test]
fn a_newer_format_is_refused_and_nothing_touched() {
    let folder = tempfile::tempdir().unwrap();
    Embedded::open(folder.path()).unwrap().commit(&batch(1)).unwrap();
    fs::remove_file(folder.path().join("lock")).unwrap();
    fs::write(folder.path().join("registry-v17"), "rows as they will be").unwrap();
    let before = contents(folder.path());
    let text = match refusal(folder.path()) {
        StoreError::NewerFormat(text) => text,
        other => panic!("{other:?}"),
    };
    assert!(text.contains("format 17") && text.contains("format 2."), "{text}");
    assert_eq!(contents(folder.path()), before);
}

#[test]
fn rows_of_the_first_format_are_not_taken_for_none() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("registry-v1.redb"), "rows as they were").unwrap();
    let StoreError::OlderFormat(text) = refusal(folder.path()) else { panic!("it is of no other kind") };
    let path = folder.path().join("registry-v1.redb");
    assert!(text.contains(path.to_str().unwrap()) && text.contains("format 1,") && text.contains("export"), "{text}");
    assert!(!folder.path().join(ROWS).exists());
    assert_eq!(fs::read(path).unwrap(), b"rows as they were");
}

#[test]
fn other_files_in_the_folder_do_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::create_dir(path.join("lost+found")).unwrap();
    for name in ["notes.txt", "registry-v", "registry-v99.bak", "registry-vx", ".hidden", "lock"] {
        fs::write(path.join(name), "junk").unwrap();
    }
    // As a crash leaves it while the rows are made.
    fs::create_dir_all(path.join(format!("{ROWS}.new/keyspaces/1"))).unwrap();
    fs::write(path.join(format!("{ROWS}.new/0.jnl")), vec![7; 10_000]).unwrap();
    Embedded::open(path).unwrap().commit(&batch(1)).unwrap();
    assert_eq!(last_batch(&Embedded::open(path).unwrap()).unwrap(), 1);
    assert_eq!(fs::read(path.join("notes.txt")).unwrap(), b"junk");
    assert!(!path.join(format!("{ROWS}.new")).exists());
}

#[test]
fn a_path_that_cannot_be_a_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below")] {
        let StoreError::Io(text) = refusal(&path) else { panic!("no fault of the disk") };
        assert!(text.contains(path.to_str().unwrap()), "{text}");
    }
}

#[test]
fn a_folder_without_leave_to_write_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mode = |mode| fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
    mode(0o500);
    // The superuser may write everywhere.
    if fs::write(folder.path().join("probe"), "").is_err() {
        let StoreError::Io(text) = refusal(folder.path()) else { panic!("no fault of the disk") };
        assert!(text.contains(folder.path().to_str().unwrap()) && text.contains("denied"), "{text}");
    }
    mode(0o700);
}

#[test]
fn the_space_of_removed_rows_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    let octets = |path: &Path| fs::metadata(path).map_or(0, |file| file.blocks() * 512);
    let size = || contents(folder.path()).into_keys().map(|path| octets(&path)).sum::<u64>();
    let mut sizes = Vec::new();
    for round in 0..60_u64 {
        let rows = (0..400_u64).map(|row| put(Table::Operations, (round * 400 + row).to_be_bytes(), [0; 8000]));
        let old = (0..400_u64).filter(|_| round > 0).map(|row| ((round - 1) * 400 + row).to_be_bytes());
        let old = old.map(|key| super::remove(Table::Operations, key));
        store.commit(&rows.chain(old).collect::<Vec<_>>()).unwrap();
        if round % 10 == 9 {
            sizes.push(size() >> 20);
        }
    }
    // There have been 190 MB of rows; what stays are the journals, of 64 MB, and the tables of some rounds.
    assert!(sizes.iter().all(|size| *size <= 150), "{sizes:?}");
}

//! A disk that fails, and one that loses power: what it had not been told to keep is there in part, in any order.

use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

use super::{Embedded, Store, StoreError, Table, batch, last_batch, rows};

/// What a disk writes as one.
const SECTOR: usize = 512;

/// A file on a disk of our making.
#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<State>>);

/// What a [`Disk`] holds.
#[derive(Debug, Default)]
struct State {
    /// What is read: everything written.
    file: Vec<u8>,
    /// What would be left without power: everything up to the last sync.
    kept: Vec<u8>,
    /// Where each write since then begins and ends.
    written: Vec<(usize, usize)>,
    /// Syncs there have been.
    syncs: usize,
    /// How often its length has been changed.
    lengths: usize,
    /// Steps left before it fails: writes, syncs and changes of its length.
    left: Option<usize>,
}

impl Disk {
    /// The state.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Counts a step, which fails once none is left.
    fn step(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        match &mut state.left {
            Some(0) => return Err(ErrorKind::StorageFull.into()),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(state)
    }

    /// The disk after a loss of power: of the sectors written since the last sync any may have been kept.
    fn without_power(&self, random: &mut fastrand::Rng) -> Self {
        let state = self.state();
        let mut image = state.kept.clone();
        // The length is kept apart from the octets.
        if random.bool() {
            image.resize(state.file.len(), 0);
        }
        let odds = random.u8(0..=4);
        for (from, to) in &state.written {
            for sector in from / SECTOR..to.div_ceil(SECTOR) {
                let sector = sector * SECTOR..((sector + 1) * SECTOR).min(state.file.len()).min(image.len());
                if random.u8(0..4) < odds && !sector.is_empty() {
                    image[sector.clone()].copy_from_slice(&state.file[sector]);
                }
            }
        }
        Self(Arc::new(Mutex::new(State { file: image.clone(), kept: image, ..State::default() })))
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().file.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        let from = usize::try_from(offset).unwrap();
        let octets = state.file.get(from..from + out.len()).ok_or(ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(octets);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.step()?;
        state.lengths += 1;
        state.file.resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.step()?;
        state.syncs += 1;
        state.kept = state.file.clone();
        state.written.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.step()?;
        let from = usize::try_from(offset).unwrap();
        let to = from + data.len();
        if state.file.len() < to {
            state.file.resize(to, 0);
        }
        state.file[from..to].copy_from_slice(data);
        state.written.push((from, to));
        Ok(())
    }
}

#[test]
fn a_commit_is_one_sync_and_another_when_the_file_grows() {
    let disk = Disk::default();
    let store = Embedded::on(disk.clone(), true).unwrap();
    let counts = || {
        let state = disk.state();
        (state.syncs, state.lengths)
    };
    let before = counts();
    for number in 1..=50 {
        store.commit(&batch(number)).unwrap();
        store.commit(&[]).unwrap();
        let (syncs, lengths) = counts();
        assert_eq!(syncs - before.0, number as usize + lengths - before.1, "batch {number}");
    }
    // It grows rarely, as by doubling.
    assert!(counts().1 - before.1 <= 3, "{:?}", counts());
}

#[test]
fn after_a_failed_commit_nothing_is_done_any_more() {
    // Each step of a commit fails once; in the end there are no more, and it succeeds.
    let mut failures = 0;
    for left in 0.. {
        let disk = Disk::default();
        let store = Embedded::on(disk.clone(), true).unwrap();
        store.commit(&batch(1)).unwrap();
        disk.state().left = Some(left);
        let outcome = store.commit(&batch(2));
        disk.state().left = None;
        let Err(fault) = outcome else { break };
        failures += 1;
        assert!(matches!(&fault, StoreError::Io(text) if text.contains("cannot write")), "{fault:?}");
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
        drop(store);
        // The disk works again: the batch is there as a whole, or not at all.
        let last = last_batch(&Embedded::on(disk, false).unwrap()).unwrap();
        assert!((1..=2).contains(&last), "batch {last}");
    }
    assert!(failures >= 2, "{failures}");
}

#[test]
fn a_loss_of_power_leaves_what_was_acknowledged_and_no_half_batch() {
    for seed in 0..150 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut disk = Disk::default();
        let mut store = Embedded::on(disk.clone(), true).unwrap();
        let (mut acknowledged, mut crashes) = (0, 0);
        while crashes < 6 {
            // Power goes at a step of a commit, or at one of opening the store.
            disk.state().left = Some(random.usize(..80));
            while store.commit(&batch(acknowledged + 1)).is_ok() {
                acknowledged += 1;
            }
            loop {
                crashes += 1;
                disk = disk.without_power(&mut random);
                disk.state().left = random.bool().then(|| random.usize(..20));
                match Embedded::on(disk.clone(), false) {
                    Ok(opened) => store = opened,
                    Err(StoreError::Io(_)) => continue,
                    Err(other) => panic!("seed {seed}: {other}"),
                }
                break;
            }
            let found = last_batch(&store).unwrap();
            assert!((acknowledged..=acknowledged + 1).contains(&found), "seed {seed}: {acknowledged}, {found} found");
            acknowledged = found;
        }
    }
}

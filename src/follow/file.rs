//! The file of the last state.
//!
//! ```text
//! 16 octets  "fingerpost state"
//! 4          version of this format, 1
//! then, for each piece: 4 octets length, a `StateChunk` of the protocol
//! 4          0: no more pieces
//! 8          XXH3 of everything before
//! ```
//!
//! Numbers are little-endian. The file is written beside its place, brought to disk, and moved there, so that there is
//! always a whole one or none. Its time of modification is when a primary last vouched for the state.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, SystemTime};

use prost::Message;
use xxhash_rust::xxh3::Xxh3Default;

use super::gather::Gathering;
use crate::channel::grpc::follow::Full;
use crate::channel::grpc::proto::StateChunk;
use crate::registry::Replica;

/// Its name in the data folder.
const NAME: &str = "followed-state";

const MAGIC: &[u8; 16] = b"fingerpost state";
const VERSION: u32 = 1;
/// Largest piece that is read, in octets; those that are written are far smaller.
const LARGEST: u32 = 64 << 20;

/// A file of so many octets is large.
const LARGE: u64 = 4 << 20;
/// Pieces that are read ahead.
const AHEAD: usize = 4;

/// Why there is no state in a file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is not what was written.
    #[error("{0}")]
    Damaged(String),
}

fn damaged(reason: impl Into<String>) -> FileError {
    FileError::Damaged(reason.into())
}

/// A state as it was kept.
pub struct Saved {
    /// The state.
    pub replica: Replica,
    /// How long ago a primary vouched for it.
    pub age: Duration,
}

/// Reads the state file of `folder`; `None` where there is none.
pub fn load(folder: &Path) -> Result<Option<Saved>, FileError> {
    let file = match File::open(folder.join(NAME)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let metadata = file.metadata()?;
    let age = SystemTime::now().duration_since(metadata.modified()?);
    let replica = read(BufReader::new(file), metadata.len())?;
    // A clock that was set back: nobody knows better than that it is new.
    Ok(Some(Saved { replica, age: age.unwrap_or_default() }))
}

/// Reads a state of so many octets.
fn read(file: impl Read, length: u64) -> Result<Replica, FileError> {
    let mut file = Hashing { inner: file, hash: Xxh3Default::new() };
    if file.array::<16>()? != *MAGIC {
        return Err(damaged("it is no state file"));
    }
    match u32::from_le_bytes(file.array()?) {
        VERSION => {}
        version => return Err(damaged(format!("it is of version {version}; this program reads version {VERSION}"))),
    }
    let gathered = if length < LARGE { read_alone(&mut file) } else { read_ahead(&mut file) };
    gathered?.whole.ok_or_else(|| damaged("its state is not whole"))
}

/// Reads pieces and puts them together.
fn read_alone(file: &mut Hashing<impl Read>) -> Result<Gathered, FileError> {
    let mut gathered = Gathered::default();
    read_pieces(file, &mut |chunk| gathered.put(chunk))?;
    Ok(gathered)
}

/// The same with two threads, which take half the time: one reads pieces, the other puts them together.
fn read_ahead(file: &mut Hashing<impl Read>) -> Result<Gathered, FileError> {
    let (sender, pieces) = sync_channel(AHEAD);
    let gather = move || {
        let mut gathered = Gathered::default();
        pieces.into_iter().try_for_each(|chunk| gathered.put(chunk)).map(|()| gathered)
    };
    thread::scope(|scope| {
        let Ok(gather) = thread::Builder::new().spawn_scoped(scope, gather) else {
            // No more threads: one after the other, then.
            return read_alone(file);
        };
        let read = read_pieces(file, &mut |chunk| {
            // Whoever puts them together has found a fault, which counts.
            sender.send(chunk).map_err(|_| damaged("a piece that does not fit"))
        });
        drop(sender);
        let gathered = gather.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        read.map(|()| gathered)
    })
}

/// Reads pieces to the end of the file, and compares its checksum.
fn read_pieces(
    file: &mut Hashing<impl Read>,
    each: &mut dyn FnMut(StateChunk) -> Result<(), FileError>,
) -> Result<(), FileError> {
    loop {
        let length = match u32::from_le_bytes(file.array()?) {
            0 => break,
            length if length > LARGEST => return Err(damaged("a piece that is too large")),
            length => length,
        };
        let mut octets = Vec::new();
        (&mut *file).take(length.into()).read_to_end(&mut octets)?;
        each(StateChunk::decode(octets.as_slice()).map_err(|error| damaged(error.to_string()))?)?;
    }
    let expected = file.hash.digest();
    if u64::from_le_bytes(file.array()?) != expected {
        return Err(damaged("its checksum is wrong"));
    }
    Ok(())
}

/// Pieces put together.
#[derive(Default)]
struct Gathered {
    gathering: Gathering,
    whole: Option<Replica>,
}

impl Gathered {
    fn put(&mut self, chunk: StateChunk) -> Result<(), FileError> {
        if self.whole.is_some() {
            return Err(damaged("a piece where none can be"));
        }
        self.whole = self.gathering.chunk(chunk).map_err(|fault| damaged(fault.to_string()))?;
        Ok(())
    }
}

/// Writes a state into `folder`, in place of the one that is there.
pub(super) fn save(folder: &Path, state: Full) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let (place, beside) = (folder.join(NAME), folder.join(format!("{NAME}.new")));
    let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    let mut file = Hashing { inner: BufWriter::new(file), hash: Xxh3Default::new() };
    file.write_all(MAGIC)?;
    file.write_all(&VERSION.to_le_bytes())?;
    for chunk in state.chunks() {
        let octets = chunk.encode_to_vec();
        let length = u32::try_from(octets.len()).map_err(io::Error::other)?;
        // The last piece may be empty in all but the marks that it bears; it is never without those.
        file.write_all(&length.to_le_bytes())?;
        file.write_all(&octets)?;
    }
    file.write_all(&0_u32.to_le_bytes())?;
    let checksum = file.hash.digest().to_le_bytes();
    file.write_all(&checksum)?;
    let file = file.inner.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    fs::rename(&beside, &place)?;
    File::open(folder)?.sync_all()
}

/// Notes that a primary vouched for the state of the file so long ago.
pub(super) fn touch(folder: &Path, age: Duration) -> io::Result<()> {
    let at = SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
    File::options().write(true).open(folder.join(NAME))?.set_modified(at)
}

/// Hashes what goes through it.
struct Hashing<I> {
    inner: I,
    hash: Xxh3Default,
}

impl<I: Read> Hashing<I> {
    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut octets = [0; N];
        self.read_exact(&mut octets)?;
        Ok(octets)
    }
}

impl<I: Read> Read for Hashing<I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.hash.update(buffer.get(..length).unwrap_or_default());
        Ok(length)
    }
}

impl<I: Write> Write for Hashing<I> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let length = self.inner.write(octets)?;
        self.hash.update(octets.get(..length).unwrap_or_default());
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

//! Replaces a small file that others read at any time, and that may be a mount of its own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

/// How a file was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// By another one that took its name: a reader sees all of either.
    Renamed,
    /// By writing into it: it is a mount of its own, as containers have it, or nothing can be made beside it.
    InPlace,
}

/// Writes `text` to `path`, by renaming where that can be done. Where `path` is a symbolic link, what it leads to is
/// replaced. Owner and mode stay.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<How> {
    let path = fs::canonicalize(path)?;
    // EBUSY where it is a mount point; EROFS, EACCES and the like where the folder is not ours to write to.
    match rename_over(&path, text) {
        Ok(()) => Ok(How::Renamed),
        Err(_) => write_in_place(&path, text).map(|()| How::InPlace),
    }
}

/// Makes a new file beside it and gives it its name.
fn rename_over(path: &Path, text: &str) -> io::Result<()> {
    let beside = with_suffix(path, ".fingerpost-new");
    let result = write_new(&beside, path, text).and_then(|()| fs::rename(&beside, path));
    if result.is_err() {
        // It may not have come to be.
        let _ = fs::remove_file(&beside);
    }
    result
}

/// Makes the file `new` with the owner and mode of `model`, durable.
fn write_new(new: &Path, model: &Path, text: &str) -> io::Result<()> {
    let metadata = fs::metadata(model)?;
    let mut file = File::create(new)?;
    chown(new, Some(metadata.uid()), Some(metadata.gid()))?;
    file.set_permissions(metadata.permissions())?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Writes over the file's content and cuts it to length then: a reader may see a mixture, and never an empty file.
fn write_in_place(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)?;
    file.sync_all()
}

/// `path` with `suffix` at the end of its name.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn keeps_the_mode_and_leaves_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resolv.conf");
        fs::write(&path, "before, and longer").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o604)).unwrap();
        assert_eq!(replace(&path, "after").unwrap(), How::Renamed);
        assert_eq!(fs::read_to_string(&path).unwrap(), "after");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o604);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn follows_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let [path, target] = ["resolv.conf", "stub"].map(|name| folder.path().join(name));
        fs::write(&target, "before").unwrap();
        symlink("stub", &path).unwrap();
        replace(&path, "after").unwrap();
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&target).unwrap(), "after");
    }

    #[test]
    fn in_place_the_file_gets_the_length_of_the_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resolv.conf");
        fs::write(&path, "before, and longer").unwrap();
        write_in_place(&path, "after").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "after");
    }

    #[test]
    fn nothing_comes_to_be_where_nothing_was() {
        let folder = tempfile::tempdir().unwrap();
        assert!(replace(&folder.path().join("resolv.conf"), "after").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

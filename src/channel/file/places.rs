//! Which directories to watch, and which names in them matter.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use super::listing::counts;

/// Symbolic links followed on the way to one file, as the kernel does (path_resolution(7)).
const LINKS_MAX: usize = 40;

/// The places in the file system on which the content of the declared paths depends. All paths are without
/// symbolic links.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Directories to watch.
    pub(super) directories: BTreeSet<PathBuf>,
    /// Names that matter: the declared files and folders, every symbolic link on the way to them, and what is missing.
    names: HashSet<PathBuf>,
    /// Declared folders: any name in them that counts matters.
    folders: HashSet<PathBuf>,
}

impl Places {
    /// Finds the places for `paths`, each a file or a folder.
    pub(super) fn survey(paths: &[PathBuf]) -> Self {
        let mut places = Self::default();
        for path in paths {
            let Some(real) = std::path::absolute(path).ok().and_then(|path| places.trace(&path)) else {
                continue;
            };
            if !real.is_dir() {
                continue;
            }
            let names = real.read_dir().into_iter().flatten().flatten().map(|entry| entry.file_name());
            names.filter(|name| counts(name)).for_each(|name| {
                let entry = real.join(name);
                if entry.is_symlink() {
                    places.trace(&entry);
                }
            });
            places.directories.insert(real.clone());
            places.folders.insert(real);
        }
        places
    }

    /// Whether a change of `path` can change what is declared.
    pub(super) fn matter(&self, path: &Path) -> bool {
        let in_folder = || path.parent().is_some_and(|folder| self.folders.contains(folder));
        self.names.contains(path) || (path.file_name().is_some_and(counts) && in_folder())
    }

    /// Follows an absolute path to its end, noting every symbolic link, the end, and where it breaks off.
    fn trace(&mut self, path: &Path) -> Option<PathBuf> {
        let mut real = PathBuf::from("/");
        let mut rest: VecDeque<OsString> = steps(path).collect();
        let mut links = 0;
        while let Some(step) = rest.pop_front() {
            if step == ".." {
                real.pop();
                continue;
            }
            let next = real.join(step);
            match next.symlink_metadata() {
                Err(_) => {
                    self.note(&next);
                    return None;
                }
                Ok(metadata) if metadata.is_symlink() => {
                    self.note(&next);
                    links += 1;
                    let target = next.read_link().ok().filter(|_| links <= LINKS_MAX)?;
                    if target.is_absolute() {
                        real = PathBuf::from("/");
                    }
                    steps(&target).rev().for_each(|step| rest.push_front(step));
                }
                Ok(_) => real = next,
            }
        }
        self.note(&real);
        Some(real)
    }

    /// Notes a name and the directory it stands in.
    fn note(&mut self, path: &Path) {
        if let Some(parent) = path.parent() {
            self.directories.insert(parent.to_owned());
            self.names.insert(path.to_owned());
        }
    }
}

/// The steps of a path, without `/` and `.`.
fn steps(path: &Path) -> impl DoubleEndedIterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsStr::new("..").to_owned()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_matters_in_its_directory() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fs::write(root.join("a.yaml"), "").unwrap();
        let places = Places::survey(&[root.join("a.yaml")]);
        assert_eq!(places.directories, BTreeSet::from([root.clone()]));
        assert!(places.matter(&root.join("a.yaml")));
        assert!(!places.matter(&root.join("b.yaml")));
    }

    #[test]
    fn a_folder_matters_with_what_counts_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let places = Places::survey(std::slice::from_ref(&root));
        assert!(places.matter(&root));
        assert!(places.matter(&root.join("new.json")));
        assert!(!places.matter(&root.join(".new.yaml")));
        assert!(!places.matter(&root.join("new.yaml~")));
        assert!(!places.matter(&root.join("sub/new.yaml")));
    }

    #[test]
    fn links_matter_on_the_whole_way() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("mount/..1")).unwrap();
        fs::write(root.join("mount/..1/a.yaml"), "").unwrap();
        symlink("..1", root.join("mount/..data")).unwrap();
        symlink("..data/a.yaml", root.join("mount/a.yaml")).unwrap();
        symlink(root.join("mount"), root.join("link")).unwrap();
        let places = Places::survey(&[root.join("link")]);
        for name in ["link", "mount/a.yaml", "mount/..data", "mount/..1/a.yaml"] {
            assert!(places.matter(&root.join(name)), "{name}");
        }
        let watched =
            ["", "mount", "mount/..1"].map(|name| if name.is_empty() { root.clone() } else { root.join(name) });
        assert!(watched.iter().all(|path| places.directories.contains(path)));
    }

    #[test]
    fn what_is_missing_matters_where_it_would_be() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let places = Places::survey(&[root.join("x/y/a.yaml")]);
        assert!(places.matter(&root.join("x")));
        symlink("loop", root.join("loop")).unwrap();
        assert!(Places::survey(&[root.join("loop")]).matter(&root.join("loop")));
    }
}

//! Files and folders.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::super::{Loader, check};

/// A declaration of one namespace.
fn namespace(name: &str) -> String {
    format!("version: 1\nnamespaces: [{{name: {name}}}]\n")
}

/// The names of the namespaces a loader finds.
fn names(loader: &mut Loader) -> String {
    let loaded = loader.load().unwrap_or_else(|faults| panic!("{faults:?}"));
    loaded.state.namespaces.keys().map(|name| &**name).collect::<Vec<_>>().join(" ")
}

/// The faults of `paths`, with the folder cut off.
fn faults(folder: &Path, paths: &[PathBuf]) -> Vec<String> {
    let prefix = format!("{}/", folder.display());
    check(paths).unwrap_err().iter().map(|fault| fault.to_string().replace(&prefix, "")).collect()
}

#[test]
fn a_folder_is_read_without_what_does_not_count() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["b.yaml", "a.yml", "c.json"] {
        fs::write(dir.path().join(name), namespace(name)).unwrap();
    }
    for name in [".hidden.yaml", "x.yaml~", "x.yaml.swp", "README", "x.YAML"] {
        fs::write(dir.path().join(name), "broken: [").unwrap();
    }
    fs::create_dir(dir.path().join("sub.yaml")).unwrap();
    let summary = check([dir.path().to_owned()]).unwrap();
    assert_eq!((summary.files, summary.namespaces), (3, 3));
    assert_eq!(summary.bytes, 3 * namespace("a.yml").len() as u64 + 2);
}

#[test]
fn an_empty_folder_declares_nothing() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(check([dir.path().to_owned()]).unwrap().files, 0);
}

#[test]
fn paths_that_lead_to_no_file_are_faults() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.txt"), "").unwrap();
    symlink("nowhere", dir.path().join("dangling.yaml")).unwrap();
    let paths = ["missing.yaml", "a.txt", ""].map(|name| dir.path().join(name));
    let missing = "the file cannot be read: No such file or directory (os error 2)";
    assert_eq!(
        faults(dir.path(), &paths),
        [
            "a.txt: the name does not tell the format; allowed are .yaml, .yml, .json, .template and .zone".to_owned(),
            format!("dangling.yaml: {missing}"),
            format!("missing.yaml: {missing}"),
        ]
    );
    assert_eq!(check([PathBuf::from("/dev/null")]).unwrap_err().len(), 1);
}

#[test]
fn a_file_reached_twice_is_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.yaml");
    fs::write(&file, "version: 1\nnamespaces: [{name: x, services: [{name: s}]}]").unwrap();
    symlink("a.yaml", dir.path().join("b.yaml")).unwrap();
    assert_eq!(check([file, dir.path().to_owned()]).unwrap().files, 1);
}

#[test]
fn faults_of_all_files_are_listed() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.yaml"), "version: 3\nnamespaces: []").unwrap();
    fs::write(dir.path().join("b.yaml"), "version: [").unwrap();
    fs::write(dir.path().join("c.yaml"), namespace("x")).unwrap();
    let found = faults(dir.path(), &[dir.path().to_owned()]);
    assert_eq!(found.len(), 2);
    assert!(found[0].starts_with("a.yaml:1:10: version: 3") && found[1].starts_with("b.yaml:"), "{found:?}");
}

#[test]
fn a_mounted_config_map_is_read_through_its_links() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::create_dir(root.join("..1")).unwrap();
    fs::write(root.join("..1/a.yaml"), namespace("one")).unwrap();
    symlink("..1", root.join("..data")).unwrap();
    symlink("..data/a.yaml", root.join("a.yaml")).unwrap();
    let mut loader = Loader::new([root.to_owned()]);
    assert_eq!(names(&mut loader), "one");
    fs::create_dir(root.join("..2")).unwrap();
    fs::write(root.join("..2/a.yaml"), namespace("two")).unwrap();
    symlink("..2", root.join("..data_tmp")).unwrap();
    fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
    assert_eq!(names(&mut loader), "two");
}

#[test]
fn contents_tell_whether_something_changed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.yaml");
    fs::write(&file, namespace("one")).unwrap();
    let mut loader = Loader::new([dir.path().to_owned()]);
    let first = loader.load().unwrap().contents;
    assert_eq!(loader.load().unwrap().contents, first);
    // The same content in a new file is the same content.
    fs::write(dir.path().join("new"), namespace("one")).unwrap();
    fs::rename(dir.path().join("new"), &file).unwrap();
    assert_eq!(loader.load().unwrap().contents, first);
    fs::write(&file, namespace("two")).unwrap();
    assert_ne!(loader.load().unwrap().contents, first);
    fs::write(&file, "version: [").unwrap();
    assert!(loader.load().is_err());
    fs::remove_file(&file).unwrap();
    assert_eq!(names(&mut loader), "");
}

#[test]
fn a_change_that_keeps_size_and_seconds_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.yaml");
    let mut loader = Loader::new([file.clone()]);
    for round in 0..50 {
        let name = format!("n{}", round % 7);
        fs::write(&file, namespace(&name)).unwrap();
        assert_eq!(names(&mut loader), name);
    }
}

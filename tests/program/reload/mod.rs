//! Declarations that change while clients ask: nothing is lost, refused or half of a change, and changes are quick.

mod load;
mod versions;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::client::run;
use crate::support::{Launch, Server, Udp, eventually, query};
use load::Load;
use versions::{Version, halves, whole};

/// A change must show this soon after it is complete, by the median of a test's changes.
const SOON: Duration = Duration::from_millis(200);
/// And every single one by then, however busy the machine is.
const LATEST: Duration = Duration::from_secs(2);
/// Changes in a test.
const CHANGES: usize = 7;
/// Longer than it takes a change to show, if it is to show.
const A_WHILE: Duration = Duration::from_millis(300);

/// Held by the test that runs: they measure times, and would take them from each other.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A new folder, in memory where there is such a place: times are not to depend on what a disk is busy with.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A server that follows a declaration, and clients that ask it.
struct Scene {
    load: Load,
    server: Server,
    folder: TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Scene {
    /// Follows the file `production.yaml`, which has changed once: now the server is surely watching, and has done
    /// all that it does at the start.
    fn of_a_file() -> Self {
        let scene = Self::new(|folder| {
            let path = folder.join("production.yaml");
            fs::write(&path, whole(1)).unwrap();
            path
        });
        scene.rename_next();
        scene.load.wait();
        scene
    }

    /// Completes the next version by renaming a file over the old one.
    fn rename_next(&self) {
        let new = self.path(".production.yaml.new");
        fs::write(&new, whole(self.load.next())).unwrap();
        self.load.completing();
        fs::rename(new, self.path("production.yaml")).unwrap();
    }

    /// Follows what `prepare` makes of a new folder, and returns.
    fn new(prepare: impl FnOnce(&Path) -> PathBuf) -> Self {
        let alone = alone();
        let folder = folder();
        let server = Launch::serve(&prepare(folder.path())).start();
        Self { load: Load::start(&server), server, folder, _alone: alone }
    }

    /// A path in the folder.
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Changes the version time and again with `change`, which takes it from [`Load::completing`] with its last step.
    fn change(self, mut change: impl FnMut(&Self)) {
        let mut times = Vec::new();
        for _ in 0..CHANGES {
            change(&self);
            times.push(self.load.wait());
        }
        assert_eq!(self.server.metrics().get("fingerpost_declaration_faults"), 0.0);
        self.load.stop(&self.server);
        times.sort();
        assert!(times[CHANGES / 2] <= SOON && times[CHANGES - 1] <= LATEST, "too late: {times:?}");
    }
}

//----------- Ways to change a file --------------------------------------------

#[test]
fn a_file_renamed_over_the_old_one_shows() {
    Scene::of_a_file().change(Scene::rename_next);
}

#[test]
fn a_file_written_in_place_shows() {
    Scene::of_a_file().change(|scene| {
        let version = scene.load.completing();
        fs::write(scene.path("production.yaml"), whole(version)).unwrap();
    });
}

/// Writes the file in steps; after each it looks like a declaration of less.
fn write_in_steps(scene: &Scene, pause: Duration) {
    let text = whole(scene.load.next());
    let steps: Vec<&str> = text.split_inclusive("}}\n").collect();
    let (end, steps) = steps.split_last().unwrap();
    let mut file = File::create(scene.path("production.yaml")).unwrap();
    for some in steps.chunks(4) {
        sleep(pause);
        file.write_all(some.concat().as_bytes()).unwrap();
    }
    sleep(pause);
    file.write_all(end.as_bytes()).unwrap();
    // Complete, but not until the file is closed can anybody know.
    sleep(pause);
    scene.load.completing();
    drop(file);
}

#[test]
fn a_file_written_in_steps_shows_when_it_is_closed() {
    Scene::of_a_file().change(|scene| write_in_steps(scene, Duration::from_millis(60)));
}

#[test]
fn an_editor_that_moves_the_file_away_first_disturbs_nobody() {
    Scene::of_a_file().change(|scene| {
        let (path, backup) = (scene.path("production.yaml"), scene.path("production.yaml~"));
        fs::rename(&path, &backup).unwrap();
        sleep(Duration::from_millis(2));
        write_in_steps(scene, Duration::from_millis(1));
        fs::remove_file(&backup).unwrap();
    });
}

#[test]
fn many_changes_in_a_row_end_with_the_last_one() {
    Scene::of_a_file().change(|scene| {
        for _ in 0..20 {
            scene.rename_next();
            sleep(Duration::from_millis(3));
        }
    });
}

#[test]
fn a_symbolic_link_swapped_as_kubernetes_does_shows_all_files_at_once() {
    // A mounted config map: one.yaml -> ..data/one.yaml, ..data -> ..version-1, and the files in there.
    let fill = |folder: &Path, version: Version| {
        let data = folder.join(format!("..version-{version}"));
        fs::create_dir(&data).unwrap();
        for (name, text) in ["one.yaml", "two.yaml"].iter().zip(halves(version)) {
            fs::write(data.join(name), text).unwrap();
        }
        symlink(data.file_name().unwrap(), folder.join("..data_tmp")).unwrap();
    };
    let scene = Scene::new(|folder| {
        fill(folder, 1);
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
        for name in ["one.yaml", "two.yaml"] {
            symlink(Path::new("..data").join(name), folder.join(name)).unwrap();
        }
        folder.to_owned()
    });
    scene.change(|scene| {
        let version = scene.load.next();
        fill(scene.folder.path(), version);
        scene.load.completing();
        fs::rename(scene.path("..data_tmp"), scene.path("..data")).unwrap();
        fs::remove_dir_all(scene.path(&format!("..version-{}", version - 1))).unwrap();
    });
}

#[test]
fn a_hang_up_shows_a_change_that_nobody_could_see() {
    // A file changed through a link in a folder that is not watched raises no event in the one that is.
    let scene = Scene::of_a_file();
    // In the same file system, as links must be.
    let elsewhere = folder();
    let link = elsewhere.path().join("production.yaml");
    fs::hard_link(scene.path("production.yaml"), &link).unwrap();
    scene.change(|scene| {
        let unseen = scene.load.next();
        fs::write(&link, whole(unseen)).unwrap();
        sleep(A_WHILE);
        let revision = scene.server.readiness()["revision"].as_u64();
        assert_eq!(revision, Some(u64::from(unseen) - 1), "this test is to change the file unseen");
        scene.load.completing();
        scene.server.signal(Signal::HUP);
    });
}

//----------- Folders ----------------------------------------------------------

#[test]
fn files_that_come_and_go_in_a_folder_show() {
    let scene = Scene::new(|folder| {
        fs::write(folder.join("production.yaml"), whole(1)).unwrap();
        folder.to_owned()
    });
    let more = "version: 1\nnamespaces:\n- name: production.local\n  services:\n  - name: extra\n    \
                dns_records: [{type: A, ttl: 1}]\n    instances:\n    - {id: i, attributes: {AWS_INSTANCE_IPV4: 10.9.9.9}}\n\
                - name: staging.local\n";
    let client = Udp::connect(scene.server.address());
    let extra = || client.ask(&query("extra.production.local.", RecordType::A)).metadata.response_code;
    let staging = || client.ask(&query("staging.local.", RecordType::SOA)).metadata.response_code;
    for _ in 0..3 {
        assert_eq!((extra(), staging()), (ResponseCode::NXDomain, ResponseCode::Refused));
        fs::write(scene.path("more.yaml"), more).unwrap();
        eventually("the new service shows", || extra() == ResponseCode::NoError);
        assert_eq!(staging(), ResponseCode::NoError, "half of the change");
        fs::remove_file(scene.path("more.yaml")).unwrap();
        eventually("the new service goes", || extra() == ResponseCode::NXDomain);
        // Files that do not count.
        fs::write(scene.path(".hidden.yaml"), "no declaration").unwrap();
        fs::write(scene.path("notes.txt"), "no declaration").unwrap();
    }
    // These refusals were wanted; the clients have checked theirs.
    scene.load.stop_clients();
    assert_eq!(scene.server.metrics().get("fingerpost_declaration_faults"), 0.0);
}

//----------- Faults -----------------------------------------------------------

#[test]
fn a_faulty_file_changes_nothing_and_is_told_once() {
    let scene = Scene::of_a_file();
    let path = scene.path("production.yaml");
    let faulty = whole(scene.load.next()).replacen("ttl: 1", "ttl: soon", 1);
    let fault = format!("{}:6:34: namespaces[0].services[0].dns_records[0].ttl: soon", path.display());
    let faults = || scene.server.readiness()["declaration"]["faults"].clone();

    fs::write(&path, &faulty).unwrap();
    eventually("the fault shows", || faults().as_array().is_some_and(|faults| faults.len() == 1));
    assert!(faults()[0].as_str().unwrap().starts_with(&fault), "{}", faults());
    assert_eq!(scene.server.get("/readyz").0, 200, "the last good state answers");
    let metric = |name: &str| scene.server.metrics().get(&format!("fingerpost_declaration_{name}"));
    assert_eq!((metric("faults"), metric("failed_loads_total"), metric("loads_total")), (1.0, 1.0, 2.0));

    // Touched and read again, the same fault is no news.
    for failed in [2.0, 3.0] {
        if failed == 2.0 {
            scene.server.signal(Signal::HUP);
        } else {
            fs::write(&path, &faulty).unwrap();
        }
        eventually("another load fails", || metric("failed_loads_total") == failed);
    }
    assert_eq!(scene.server.logged(&fault), 1);
    assert_eq!(scene.server.logged("the declarations have faults"), 1);
    sleep(A_WHILE);
    assert_eq!(scene.server.readiness()["revision"], 2);

    // A file that is gone is a fault, too, and not an empty declaration.
    fs::remove_file(&path).unwrap();
    eventually("the missing file shows", || faults()[0].as_str().is_some_and(|fault| fault.contains("cannot be read")));

    // The cure is a change like any other.
    let version = scene.load.completing();
    fs::write(&path, whole(version)).unwrap();
    scene.load.wait();
    eventually("the fault is gone", || faults().as_array().is_some_and(Vec::is_empty));
    assert_eq!((metric("faults"), metric("loads_total")), (0.0, 3.0));
    scene.load.stop(&scene.server);
}

#[test]
fn a_refused_declaration_is_a_fault_until_it_answers() {
    let _alone = alone();
    let folder = folder();
    let path = folder.path().join("a.yaml");
    let declared = |names: &[&str]| {
        let namespaces = names.iter().map(|name| format!("- {{name: {name}, type: DNS_PRIVATE}}\n"));
        format!("version: 1\nnamespaces:\n{}", namespaces.collect::<String>())
    };
    fs::write(&path, declared(&["one.local"])).unwrap();
    let server = Launch::serve(&path).start();
    run(&server, "create namespace two.local").out();
    let faults = || server.readiness()["declaration"]["faults"].as_array().unwrap().clone();
    let metric = |name: &str| server.metrics().get(&format!("fingerpost_declaration_{name}"));
    let loaded = server.logged("declarations loaded");

    fs::write(&path, declared(&["one.local", "two.local", "three.local"])).unwrap();
    eventually("the fault shows", || faults().len() == 1);
    let fault = format!("{}: namespace two.local conflicts with two.local", path.display());
    assert!(faults()[0].as_str().unwrap().starts_with(&fault), "{:?}", faults());
    assert_eq!((metric("faults"), metric("failed_loads_total"), metric("loads_total")), (1.0, 1.0, 1.0));
    server.signal(Signal::HUP);
    eventually("it is tried again", || metric("failed_loads_total") == 2.0);
    assert_eq!((server.logged(&fault), server.logged("declarations loaded")), (1, loaded));
    let udp = Udp::connect(server.address());
    let code = || udp.ask(&query("three.local.", RecordType::SOA)).metadata.response_code;
    assert_eq!(code(), ResponseCode::Refused);

    run(&server, "delete namespace two.local").out();
    server.signal(Signal::HUP);
    eventually("it answers", || code() == ResponseCode::NoError);
    eventually("the fault is gone", || faults().is_empty());
    assert_eq!((metric("faults"), metric("loads_total")), (0.0, 2.0));
}

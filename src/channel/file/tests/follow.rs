//! Changes of files while they are followed.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};

use super::super::{FileStatus, Follower, Unapplied};

/// Long enough for any machine; a change shows after some 50 ms.
const PATIENT: Duration = Duration::from_secs(20);
/// Long enough that a change which must not show would have shown.
const BRIEF: Duration = Duration::from_millis(250);

/// A follower at work in a folder of its own.
struct Scene {
    dir: tempfile::TempDir,
    states: mpsc::UnboundedReceiver<String>,
    status: watch::Receiver<FileStatus>,
    reload: Arc<Notify>,
    task: tokio::task::JoinHandle<()>,
}

impl Scene {
    /// Makes the folder with `prepare`, which returns the path to follow, and waits until it is watched.
    async fn new(prepare: impl FnOnce(&Path) -> PathBuf) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = prepare(dir.path());
        let (follower, _) = Follower::start([path]).unwrap();
        let mut status = follower.status();
        let (sender, states) = mpsc::unbounded_channel();
        let reload = Arc::new(Notify::new());
        let mut refusals = 2;
        let apply = move |state: crate::model::State| {
            if let Some(taken) = state.namespaces.get("taken").filter(|_| refusals > 0) {
                refusals -= 1;
                let file = taken.source.as_ref().unwrap().display();
                return Err(Unapplied::Refused(format!("{file}: namespace taken conflicts")));
            }
            let namespaces = state.namespaces.keys().map(|name| name.to_string());
            let zones = state.zones.iter().map(|(apex, source)| {
                let records = source.zone.as_ref().map(|zone| zone.record_count().to_string());
                format!("{apex}{}", records.unwrap_or_default())
            });
            let told = sender.send(namespaces.chain(zones).collect::<Vec<_>>().join(" "));
            told.map_err(|_| Unapplied::Stopped)
        };
        let task = tokio::spawn(follower.run(Arc::clone(&reload), apply));
        status.wait_for(|status| status.watching).await.unwrap();
        Self { dir, states, status, reload, task }
    }

    /// A path in the folder.
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The next applied state.
    async fn next(&mut self) -> String {
        tokio::time::timeout(PATIENT, self.states.recv()).await.expect("no load").unwrap()
    }

    /// Asserts that nothing is applied for a while.
    async fn nothing(&mut self) {
        if let Ok(state) = tokio::time::timeout(BRIEF, self.states.recv()).await {
            panic!("loaded {state:?}");
        }
    }

    /// Waits for faults.
    async fn faulty(&mut self) -> String {
        let waiting = self.status.wait_for(|status| !status.faults.is_empty());
        let status = tokio::time::timeout(PATIENT, waiting).await.expect("no faults").unwrap();
        status.faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A declaration of one namespace.
fn namespace(name: &str) -> String {
    format!("version: 1\nnamespaces: [{{name: {name}}}]\n")
}

/// Prepares one file.
fn one_file(root: &Path) -> PathBuf {
    fs::write(root.join("a.yaml"), namespace("one")).unwrap();
    root.join("a.yaml")
}

/// Prepares a folder with one file.
fn one_folder(root: &Path) -> PathBuf {
    one_file(root);
    root.to_owned()
}

#[tokio::test]
async fn a_new_file_renamed_over_the_old_is_loaded() {
    let mut scene = Scene::new(one_file).await;
    for round in 0..3 {
        let name = format!("n{round}");
        fs::write(scene.path(".new"), namespace(&name)).unwrap();
        fs::rename(scene.path(".new"), scene.path("a.yaml")).unwrap();
        assert_eq!(scene.next().await, name);
    }
    scene.nothing().await;
    assert_eq!(scene.status.borrow().loads, 4);
}

#[tokio::test]
async fn a_file_written_in_place_is_loaded() {
    let mut scene = Scene::new(one_file).await;
    fs::write(scene.path("a.yaml"), namespace("two")).unwrap();
    assert_eq!(scene.next().await, "two");
}

#[tokio::test]
async fn a_file_held_open_is_waited_for() {
    let mut scene = Scene::new(one_folder).await;
    let mut file = File::create(scene.path("a.yaml")).unwrap();
    scene.nothing().await;
    // A half that would be a good declaration by itself.
    file.write_all(b"version: 1\nnamespaces:\n- name: half\n").unwrap();
    scene.nothing().await;
    scene.reload.notify_one();
    scene.nothing().await;
    file.write_all(b"- name: whole\n").unwrap();
    drop(file);
    assert_eq!(scene.next().await, "half whole");
    assert_eq!(scene.status.borrow().failed_loads, 0);
}

#[tokio::test]
async fn a_new_file_held_open_is_waited_for() {
    let mut scene = Scene::new(one_folder).await;
    let mut file = File::create(scene.path("b.yaml")).unwrap();
    scene.nothing().await;
    file.write_all(namespace("two").as_bytes()).unwrap();
    drop(file);
    assert_eq!(scene.next().await, "one two");
    assert_eq!(scene.status.borrow().failed_loads, 0);
}

#[tokio::test]
async fn a_file_renamed_before_it_is_complete_is_waited_for() {
    let mut scene = Scene::new(one_file).await;
    let mut file = File::create(scene.path("new")).unwrap();
    file.write_all(b"version: 1\nnamespaces:\n- name: half\n").unwrap();
    fs::rename(scene.path("new"), scene.path("a.yaml")).unwrap();
    scene.nothing().await;
    file.write_all(b"- name: whole\n").unwrap();
    drop(file);
    assert_eq!(scene.next().await, "half whole");
}

#[tokio::test]
async fn an_editor_that_moves_the_old_file_away_is_understood() {
    let mut scene = Scene::new(one_folder).await;
    for round in 0..5 {
        let name = format!("n{round}");
        fs::rename(scene.path("a.yaml"), scene.path("a.yaml~")).unwrap();
        let mut file = File::create(scene.path("a.yaml")).unwrap();
        file.write_all(namespace(&name).as_bytes()).unwrap();
        file.sync_all().unwrap();
        drop(file);
        fs::remove_file(scene.path("a.yaml~")).unwrap();
        assert_eq!(scene.next().await, name);
    }
}

#[tokio::test]
async fn a_mounted_config_map_is_followed() {
    let prepare = |root: &Path| {
        fs::create_dir_all(root.join("mount/..1")).unwrap();
        fs::write(root.join("mount/..1/a.yaml"), namespace("one")).unwrap();
        symlink("..1", root.join("mount/..data")).unwrap();
        symlink("..data/a.yaml", root.join("mount/a.yaml")).unwrap();
        root.join("mount")
    };
    let mut scene = Scene::new(prepare).await;
    for round in 2..4 {
        let (name, mount) = (format!("n{round}"), scene.path("mount"));
        let new = mount.join(format!("..{round}"));
        fs::create_dir(&new).unwrap();
        fs::write(new.join("a.yaml"), namespace(&name)).unwrap();
        symlink(&new, mount.join("..data_tmp")).unwrap();
        fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
        fs::remove_dir_all(mount.join(format!("..{}", round - 1))).unwrap();
        assert_eq!(scene.next().await, name);
    }
    // The watch followed the link to where the file is now.
    fs::write(scene.path("mount/..3/a.yaml"), namespace("four")).unwrap();
    assert_eq!(scene.next().await, "four");
    assert_eq!(scene.status.borrow().failed_loads, 0);
}

#[tokio::test]
async fn a_file_taken_out_of_a_folder_is_gone() {
    let mut scene = Scene::new(one_folder).await;
    fs::remove_file(scene.path("a.yaml")).unwrap();
    assert_eq!(scene.next().await, "");
}

#[tokio::test]
async fn a_declared_file_that_goes_away_changes_nothing() {
    let mut scene = Scene::new(one_file).await;
    fs::remove_file(scene.path("a.yaml")).unwrap();
    assert!(scene.faulty().await.contains("a.yaml: the file cannot be read"));
    scene.nothing().await;
    fs::write(scene.path("a.yaml"), namespace("two")).unwrap();
    assert_eq!(scene.next().await, "two");
    scene.status.wait_for(|status| status.faults.is_empty()).await.unwrap();
}

#[tokio::test]
async fn a_replaced_folder_is_followed() {
    let prepare = |root: &Path| {
        fs::create_dir(root.join("d")).unwrap();
        fs::write(root.join("d/a.yaml"), namespace("one")).unwrap();
        root.join("d")
    };
    let mut scene = Scene::new(prepare).await;
    fs::create_dir(scene.path("new")).unwrap();
    fs::write(scene.path("new/a.yaml"), namespace("two")).unwrap();
    fs::rename(scene.path("d"), scene.path("old")).unwrap();
    fs::rename(scene.path("new"), scene.path("d")).unwrap();
    assert_eq!(scene.next().await, "two");
    fs::write(scene.path("d/a.yaml"), namespace("three")).unwrap();
    assert_eq!(scene.next().await, "three");
}

#[tokio::test]
async fn faults_change_nothing_and_stand_in_the_status() {
    let mut scene = Scene::new(one_file).await;
    fs::write(scene.path("a.yaml"), "version: 1\nnamespaces: [{name: a..b}]").unwrap();
    let fault = scene.faulty().await;
    assert!(fault.contains("a.yaml:2:21: namespaces[0].name: a..b is not the name"), "{fault}");
    scene.nothing().await;
    let status = scene.status.borrow().clone();
    assert_eq!((status.loads, status.failed_loads, status.summary.namespaces), (1, 1, 1));
    fs::write(scene.path("a.yaml"), namespace("two")).unwrap();
    assert_eq!(scene.next().await, "two");
    scene.status.wait_for(|status| status.faults.is_empty() && status.loads == 2).await.unwrap();
}

#[tokio::test]
async fn a_refused_state_is_a_fault_and_tried_again() {
    let mut scene = Scene::new(one_file).await;
    fs::write(scene.path("a.yaml"), namespace("taken")).unwrap();
    let fault = format!("{}: namespace taken conflicts", scene.path("a.yaml").display());
    assert_eq!(scene.faulty().await, fault);
    let status = scene.status.borrow().clone();
    assert_eq!((status.loads, status.failed_loads), (1, 1));
    scene.reload.notify_one();
    let waiting = scene.status.wait_for(|status| status.failed_loads == 2);
    tokio::time::timeout(PATIENT, waiting).await.expect("not tried again").unwrap();
    scene.reload.notify_one();
    assert_eq!(scene.next().await, "taken");
    let waiting = scene.status.wait_for(|status| status.faults.is_empty() && status.loads == 2);
    tokio::time::timeout(PATIENT, waiting).await.expect("the fault stands").unwrap();
    scene.reload.notify_one();
    scene.nothing().await;
}

#[tokio::test]
async fn a_request_loads_without_an_event() {
    let mut scene = Scene::new(one_file).await;
    scene.reload.notify_one();
    scene.nothing().await;
    assert_eq!(scene.status.borrow().loads, 1);
}

/// A zone file with a record at the names `names`.
fn zone(names: &str) -> String {
    let records = names.split_whitespace().map(|name| format!("{name} A 192.0.2.1\n"));
    format!("$TTL 60\n@ SOA ns mail 1 2 3 4 5\n{}", records.collect::<String>())
}

#[tokio::test]
async fn a_zone_file_is_followed_with_what_it_includes() {
    let prepare = |root: &Path| {
        fs::create_dir(root.join("parts")).unwrap();
        fs::write(root.join("parts/a.inc"), "a A 192.0.2.1\n").unwrap();
        fs::write(root.join("x.zone"), zone("") + "$INCLUDE parts/a.inc").unwrap();
        root.to_owned()
    };
    let mut scene = Scene::new(prepare).await;
    fs::write(scene.path("parts/a.inc"), "a A 192.0.2.1\nb A 192.0.2.1\n").unwrap();
    assert_eq!(scene.next().await, "x.3");
    // Zones that answer already come without records.
    fs::write(scene.path("y.zone"), zone("a b c")).unwrap();
    assert_eq!(scene.next().await, "x. y.4");
    // A file that is not there yet is waited for.
    fs::write(scene.path("y.zone"), zone("a") + "$INCLUDE parts/b.inc").unwrap();
    assert!(scene.faulty().await.contains("parts/b.inc cannot be read: No such file"));
    fs::write(scene.path("parts/b.inc"), "b A 192.0.2.1\n").unwrap();
    assert_eq!(scene.next().await, "x. y.3");
    fs::write(scene.path("parts/c.inc"), "c A 192.0.2.1\n").unwrap();
    scene.nothing().await;
    assert_eq!(scene.status.borrow().loads, 4);
}

#[tokio::test]
async fn files_beside_the_declared_one_do_not_matter() {
    let mut scene = Scene::new(one_file).await;
    let mut held = File::create(scene.path("b.yaml")).unwrap();
    held.write_all(b"x").unwrap();
    fs::write(scene.path("c.yaml"), "version: [").unwrap();
    scene.nothing().await;
    assert_eq!(scene.status.borrow().failed_loads, 0);
}

/// Writes twenty namespaces in as many steps.
fn write_in_steps(path: &Path, round: u32) {
    let mut file = File::create(path).unwrap();
    for part in 0..20 {
        let head = if part == 0 { "version: 1\nnamespaces:\n" } else { "" };
        writeln!(file, "{head}- name: n{round}-{part:02}").unwrap();
    }
}

/// Lets `write` write round after round on a thread of its own, and asserts that only whole rounds are loaded, some of
/// them while it goes on, and the last in the end.
async fn only_whole_rounds(scene: &mut Scene, write: impl Fn(u32) + Send + 'static) {
    let enough = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&enough);
    let writing = std::thread::spawn(move || {
        let mut round = 0;
        while !stop.load(Ordering::Relaxed) {
            round += 1;
            write(round);
        }
        format!("n{round}")
    });
    let (mut seen, mut writing, mut last) = (0, Some(writing), None);
    loop {
        let names = scene.next().await;
        let names: Vec<_> = names.split(' ').collect();
        let (round, _) = names[0].split_once('-').unwrap();
        assert_eq!(names.len(), 20, "{names:?}");
        let whole = names.iter().all(|name| name.starts_with(&format!("{round}-")));
        assert!(whole, "{names:?}");
        seen += 1;
        if seen >= 5
            && let Some(writing) = writing.take()
        {
            enough.store(true, Ordering::Relaxed);
            last = Some(writing.join().unwrap());
        }
        if last.as_deref() == Some(round) {
            break;
        }
    }
    assert_eq!(scene.status.borrow().failed_loads, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_rewritten_all_the_time_is_never_seen_half() {
    let mut scene = Scene::new(one_file).await;
    let path = scene.path("a.yaml");
    only_whole_rounds(&mut scene, move |round| {
        write_in_steps(&path, round);
        let pause = if round % 10 == 0 { 100 } else { 3 };
        std::thread::sleep(Duration::from_millis(pause));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_replaced_all_the_time_does_not_wait_for_quiet() {
    let mut scene = Scene::new(one_file).await;
    let (new, path) = (scene.path("new"), scene.path("a.yaml"));
    only_whole_rounds(&mut scene, move |round| {
        write_in_steps(&new, round);
        fs::rename(&new, &path).unwrap();
        std::thread::sleep(Duration::from_millis(5));
    })
    .await;
}

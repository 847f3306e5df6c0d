//! Primaries that are killed, stopped, cut off, set back, or replaced by another.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use rustix::process::Signal;
use tempfile::TempDir;

use super::cable::Cable;
use super::primary::Primary;
use super::{addresses, expect_equal, failures, follower, following, is_connected, serial, told};
use crate::netns::Netns;
use crate::support::{Launch, PATIENCE, eventually, example};

/// Kills a server as a crash of the machine would, and waits until it is gone.
fn kill(mut server: crate::support::Server) {
    server.signal(Signal::KILL);
    server.wait();
}

#[test]
fn a_killed_primary_is_missed_and_found_again() {
    let primary = Primary::new();
    let server = primary.start();
    primary.fill(&server);
    let follower = follower(&[&primary]).start();
    expect_equal(&server, &follower);
    let before = serial(&follower, "production.local");

    kill(server);
    eventually("the follower misses the primary", || !is_connected(&follower));
    assert_eq!(addresses(&follower, "api.production.local"), 2);
    assert_eq!(serial(&follower, "production.local"), before);
    assert_eq!(follower.get("/readyz").0, 200, "it answers still");

    let server = primary.start();
    eventually("the follower finds it again", || is_connected(&follower));
    primary.run(&server, "register api.production.local --id task-3 --ip 10.0.0.3");
    expect_equal(&server, &follower);
    assert_eq!(addresses(&follower, "api.production.local"), 3);
}

#[test]
fn a_primary_that_hangs_is_away() {
    let primary = Primary::new();
    let server = primary.start();
    primary.fill(&server);
    let follower = follower(&[&primary]).start();
    assert!(is_connected(&follower));

    server.signal(Signal::STOP);
    let begun = Instant::now();
    eventually("the silence is heard", || !is_connected(&follower));
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
    assert_eq!(addresses(&follower, "api.production.local"), 2);
    assert_eq!(failures(&follower, "message"), 0.0);
    server.signal(Signal::CONT);
    eventually("the follower finds it again", || is_connected(&follower));
    primary.run(&server, "deregister api.production.local task-1");
    expect_equal(&server, &follower);
}

#[test]
fn a_primary_set_back_is_followed_back() {
    let primary = Primary::new();
    let server = primary.start();
    primary.fill(&server);
    let follower = follower(&[&primary]).start();
    expect_equal(&server, &follower);
    kill(server);
    let copy = TempDir::new().unwrap();
    copy_folder(primary.folder(), copy.path());

    let server = primary.start();
    for number in 3..8 {
        primary.run(&server, &format!("register api.production.local --id task-{number} --ip 10.0.0.{number}"));
    }
    eventually("the follower shows what came later", || addresses(&follower, "api.production.local") == 7);
    let late = serial(&follower, "production.local").unwrap();
    kill(server);

    let server = primary.start_in(copy.path());
    expect_equal(&server, &follower);
    assert_eq!(addresses(&follower, "api.production.local"), 2);
    assert!(serial(&follower, "production.local").unwrap() < late, "the serial is the primary's");
    // Another change with a revision that the follower has seen already.
    primary.run(&server, "register api.production.local --id other --ip 10.0.0.77");
    expect_equal(&server, &follower);
    assert_eq!(addresses(&follower, "api.production.local"), 3);
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn another_primary_takes_over() {
    let (one, two) = (Primary::new(), Primary::new());
    let (first, second) = (one.start(), two.start());
    one.fill(&first);
    two.fill(&second);
    two.run(&second, "register api.production.local --id task-3 --ip 10.0.0.3");
    let follower = follower(&[&one, &two]).start();
    expect_equal(&first, &follower);
    assert_eq!(follower.readiness()["follow"]["connected"], one.url());

    kill(first);
    eventually("the other one is followed", || follower.readiness()["follow"]["connected"] == two.url());
    expect_equal(&second, &follower);
    assert_eq!(addresses(&follower, "api.production.local"), 3);

    let first = one.start();
    kill(second);
    eventually("and the first again", || follower.readiness()["follow"]["connected"] == one.url());
    expect_equal(&first, &follower);
}

#[test]
fn a_primary_cut_off_is_away() {
    let Some(netns) = Netns::new() else { return };
    let Some(cable) = Cable::lay(&netns) else { return };
    // Beyond loopback nobody is let in without a token.
    let folder = TempDir::new().unwrap();
    let token = "a-token-that-nobody-guesses-0123456789";
    let (credentials, secret) = (folder.path().join("credentials.toml"), folder.path().join("token"));
    let text = format!("version = 1\n[[token]]\nname = \"follower\"\ntoken = \"{token}\"\naccess = \"follow\"\n");
    private(&credentials, &text);
    private(&secret, &format!("{token}\n"));
    let address = format!("{}:8301", cable.inside);
    let launch = Launch::serve(&example()).flag("--grpc", &address).flag("--credentials", &credentials);
    let _primary = netns.start(launch.variable("FINGERPOST_API", "off"));

    let url = format!("http://{address}");
    let follower = following(&url).flag("--follow-token-file", &secret).start();
    let held = told(&follower, "api.production.local", RecordType::A);
    assert_eq!(held.0, ResponseCode::NoError);
    cable.cut();
    eventually("the silence is heard", || !is_connected(&follower));
    assert_eq!(told(&follower, "api.production.local", RecordType::A), held);
    // Long enough for attempts that get no answer at all.
    std::thread::sleep(Duration::from_secs(2));
    cable.mend();
    let begun = Instant::now();
    eventually("it is found again", || is_connected(&follower));
    assert!(begun.elapsed() < PATIENCE);
    assert_eq!(told(&follower, "api.production.local", RecordType::A), held);
}

#[test]
fn a_token_that_is_not_known_is_refused() {
    let folder = TempDir::new().unwrap();
    let (credentials, secret) = (folder.path().join("credentials.toml"), folder.path().join("token"));
    private(&credentials, "version = 1\n[[token]]\nname = \"f\"\ntoken = \"the-right-one-0123456789abcdef\"\n");
    private(&secret, "another-one-0123456789abcdef0123\n");
    let primary = Primary::with(["--credentials", credentials.to_str().unwrap()]);
    let _server = primary.start();
    let follower = follower(&[&primary]).flag("--follow-token-file", &secret).start_unready();
    eventually("the refusal is counted", || failures(&follower, "refused") > 0.0);
    assert_eq!(follower.get("/readyz").0, 503);
    // The right one is read at the next attempt.
    private(&secret, "the-right-one-0123456789abcdef");
    eventually("it is let in", || is_connected(&follower));
}

/// Writes a file that its owner alone can read.
fn private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

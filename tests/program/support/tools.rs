//! Outside programs: a test without the one it needs is skipped, loudly, or fails where everything must be there.

use std::env;
use std::io::{self, Write};
use std::process::{Command, Stdio};

/// Says that a test is skipped and why; fails it instead where `FINGERPOST_REQUIRE_TOOLS` is 1.
#[track_caller]
pub(crate) fn skip(why: &str) {
    assert!(env::var_os("FINGERPOST_REQUIRE_TOOLS").is_none_or(|value| value != "1"), "{why}");
    // Not by `eprintln!`, which the harness hides for tests that pass.
    let _ = writeln!(io::stderr(), "skipped: {why}");
}

/// Whether the program `name` is there; skips the test if not.
#[track_caller]
pub(crate) fn have_tool(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    // Daemons live in sbin, which is not on everyone's path.
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = folders.into_iter().any(|folder| folder.join(name).is_file());
    if !found {
        skip(&format!("{name} is not installed"));
    }
    found
}

/// Whether Python has the package `name`; skips the test if not.
#[track_caller]
pub(crate) fn have_module(name: &str) -> bool {
    let import = format!("import {name}");
    let python = Command::new("python3").args(["-c", &import]).stderr(Stdio::null()).status();
    let found = python.is_ok_and(|status| status.success());
    if !found {
        skip(&format!("Python's package {name} is not installed"));
    }
    found
}

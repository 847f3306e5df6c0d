//! `examples/ecs`: "the attributes that ECS sets and what ECS calls when, replayed as a script (register at activation,
//! custom health to HEALTHY, deregister at stopping), as the stand-in for the ECS agent".

use crate::support::{Launch, have_module, have_tool};
use crate::{client, file, launch, python, run, url};

/// The agent's calls, with DNS looked at in between: at once where there is no delay, and with one neither too early
/// nor not at all.
#[test]
fn tasks_are_in_dns_from_activation_to_deactivation() {
    if !have_tool("python3") || !have_tool("dig") || !have_module("boto3") {
        return;
    }
    for delay in ["0", "1"] {
        let server = Launch::serve_nothing().flag("--custom-health-delay", delay).start();
        python(&server, "ecs.py", [&url(&server), &server.address().to_string(), delay]);
    }
}

/// The script itself, as its README runs it.
#[test]
fn the_replay_runs_to_its_end() {
    if !have_tool("python3") || !have_module("boto3") {
        return;
    }
    let server = launch().start();
    let said = run(client("python3", &server).arg(file("examples/ecs/replay.py")).args(["--pause", "0"]));
    assert!(said.ends_with("nothing is left\n"), "{said}");
}

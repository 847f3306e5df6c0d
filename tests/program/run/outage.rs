//! A registry that is away: the command does not notice.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use super::{Agent, Task, Way, create, found, listed};
use crate::support::{Launch, eventually};

/// A server at the addresses of another one.
fn at(launch: &Launch, dns: &str, api: &str, grpc: &str) -> Launch {
    launch.clone().dns(dns).variable("FINGERPOST_API", api).variable("FINGERPOST_GRPC", grpc)
}

#[test]
fn a_registry_that_restarts_or_begins_anew_finds_the_instance_again() {
    for way in Way::BOTH {
        let old = Launch::serve_nothing().flag("--custom-health-delay", "0");
        let mut server = old.clone().start();
        create(&server, 1, true);
        let dns = server.address().to_string();
        let (api, grpc) = (server.api.unwrap().to_string(), server.grpc.unwrap().to_string());
        let task = Task::new(&Arc::new(TempDir::new().unwrap()));
        task.set_ready(true);
        let mut agent = Agent::start(&task.agent(&server, way, "--lease 2s"));
        eventually("it is registered", || agent.said("registered"));

        // The same again.
        server.signal(Signal::KILL);
        server.wait();
        eventually("the agent notices", || agent.said("failed: "));
        assert!(task.answers(), "the command does not");
        drop(server);
        let mut server = at(&old, &dns, &api, &grpc).start();
        assert_eq!(found(&server).len(), 1, "what was registered stays");
        eventually("the agent notices", || agent.said("the registry is back"));
        super::stays("its lease is renewed", Duration::from_millis(2500), || found(&server).len() == 1);

        // Another one, that knows of nothing.
        server.signal(Signal::KILL);
        server.wait();
        drop(server);
        let fresh = Launch::serve_nothing().flag("--custom-health-delay", "0");
        let server = at(&fresh, &dns, &api, &grpc).start();
        create(&server, 1, true);
        eventually("it is registered again", || listed(&server).len() == 1);
        assert!(task.answers() && !agent.has_ended());
        agent.signal(Signal::TERM);
        assert_eq!(agent.wait(), Some(0));
        assert!(listed(&server).is_empty());
    }
}

#[test]
fn a_registry_that_was_never_there_delays_nothing() {
    let server = super::server(1, true);
    let task = Task::new(&Arc::new(TempDir::new().unwrap()));
    task.set_ready(true);
    let (launch, begun) = (task.agent(&server, Way::Grpc, ""), Instant::now());
    drop(server);
    let mut agent = Agent::start(&launch);
    assert_eq!(agent.line(), "serving");
    eventually("the agent says so", || agent.said("registration failed: "));
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[test]
fn a_stop_without_the_registry_waits_for_the_lease_and_no_longer() {
    let server = super::server(1, true);
    let task = Task::new(&Arc::new(TempDir::new().unwrap()));
    task.set_ready(true);
    let mut agent = Agent::start(&task.agent(&server, Way::Grpc, "--lease 2s"));
    eventually("it is registered", || agent.said("registered"));
    drop(server);
    let begun = Instant::now();
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait(), Some(0));
    let took = begun.elapsed();
    // The rest of the lease, the TTL, a margin; then a last try to deregister it.
    assert!(took > Duration::from_secs(2) && took < Duration::from_secs(9), "{took:?}");
    assert!(agent.said("the drain is not proven in time"));
}

//! States that are too old, and those that are not there.

use std::time::{Duration, Instant};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use rustix::process::Signal;

use super::primary::Primary;
use super::{addresses, code_and_error, expect_equal, follower, following, told};
use crate::support::{PATIENCE, Udp, eventually, query};

/// The shortest that can be set.
const MAX_STALE: &str = "5";

#[test]
fn what_is_too_old_is_withheld() {
    let primary = Primary::new();
    let mut server = primary.start();
    primary.fill(&server);
    let follower = follower(&[&primary]).flag("--max-stale", MAX_STALE).start();
    expect_equal(&server, &follower);
    assert_eq!(code_and_error(&follower, "api.production.local"), (ResponseCode::NoError, None));

    server.signal(Signal::KILL);
    server.wait();
    eventually("the state is too old", || follower.get("/readyz").0 == 503);
    let withheld = (ResponseCode::ServFail, Some(22));
    for name in ["api.production.local", "nothing.production.local", "production.local"] {
        assert_eq!(code_and_error(&follower, name), withheld, "{name}");
    }
    assert_eq!(told(&follower, "api.production.local", RecordType::A), (ResponseCode::ServFail, Vec::new()));
    assert_eq!(code_and_error(&follower, "elsewhere.example"), (ResponseCode::Refused, None));
    assert_eq!(follower.readiness()["follow"]["too_old"], true);
    let metrics = follower.metrics();
    assert!(metrics.get("fingerpost_dns_responses_total{transport=\"udp\",rcode=\"SERVFAIL\"}") >= 4.0);
    assert_eq!(metrics.get("fingerpost_follow_too_old"), 1.0);

    let server = primary.start();
    eventually("it is ready again", || follower.get("/readyz").0 == 200);
    expect_equal(&server, &follower);
    assert_eq!(follower.logged("ready"), 1, "that it is ready is said once");
}

#[test]
fn what_is_too_old_can_be_marked_instead() {
    let primary = Primary::new();
    let mut server = primary.start();
    primary.fill(&server);
    let follower = follower(&[&primary]).flag("--max-stale", MAX_STALE).flag("--when-stale", "serve").start();
    server.signal(Signal::KILL);
    server.wait();
    let stale = |code| (code, Some(3));
    eventually("answers are stale", || {
        code_and_error(&follower, "api.production.local") == stale(ResponseCode::NoError)
    });
    assert_eq!(code_and_error(&follower, "nothing.production.local"), stale(ResponseCode::NXDomain));
    assert_eq!(code_and_error(&follower, "elsewhere.example"), (ResponseCode::Refused, None));
    assert_eq!(addresses(&follower, "api.production.local"), 2, "without EDNS as ever");
    assert_eq!(follower.get("/readyz").0, 200);

    let _server = primary.start();
    eventually("answers are fresh", || code_and_error(&follower, "api.production.local").1.is_none());
}

#[test]
fn without_a_state_nothing_is_answered() {
    // Nobody listens there.
    let primary = Primary::new();
    let follower = follower(&[&primary]).flag("--when-stale", "serve").start_unready();
    for name in ["api.production.local", "elsewhere.example", "."] {
        assert_eq!(code_and_error(&follower, name), (ResponseCode::ServFail, Some(22)), "{name}");
    }
    assert_eq!(follower.get("/readyz").0, 503);
    assert_eq!(follower.get("/livez").0, 200);
    assert_eq!(follower.logged("ready"), 0);
    assert_eq!(follower.readiness()["follow"]["stale_seconds"], serde_json::Value::Null);
    let server = primary.start();
    primary.fill(&server);
    let begun = Instant::now();
    while follower.logged("ready") == 0 {
        assert!(begun.elapsed() < PATIENCE, "it is never ready");
        std::thread::sleep(Duration::from_millis(10));
    }
    expect_equal(&server, &follower);
    assert_eq!(code_and_error(&follower, "elsewhere.example"), (ResponseCode::Refused, None));
}

#[test]
fn the_age_of_the_file_counts() {
    let primary = Primary::new();
    let server = primary.start();
    primary.fill(&server);
    let launch = follower(&[&primary]).flag("--max-stale", MAX_STALE);
    let mut first = launch.clone().start();
    first.signal(Signal::TERM);
    assert!(first.wait().success());
    drop(server);
    std::thread::sleep(Duration::from_millis(5500));
    let second = launch.clone().start_unready();
    assert_eq!(code_and_error(&second, "api.production.local"), (ResponseCode::ServFail, Some(22)));
    assert_eq!(second.get("/readyz").0, 503);
    drop(second);
    let third = launch.flag("--when-stale", "serve").start();
    assert_eq!(code_and_error(&third, "api.production.local"), (ResponseCode::NoError, Some(3)));
}

#[test]
fn no_query_is_lost_while_answers_are_withheld_and_given_again() {
    let primary = Primary::new();
    let mut server = primary.start();
    primary.fill(&server);
    let follower = following(&primary.url()).flag("--max-stale", MAX_STALE).start();
    server.signal(Signal::KILL);
    server.wait();
    let client = Udp::connect(follower.address());
    let (mut good, mut withheld) = (0, 0);
    let begun = Instant::now();
    let mut restarted = None;
    while begun.elapsed() < PATIENCE {
        let response = client.ask(&query("api.production.local.", RecordType::A));
        match (response.metadata.response_code, response.answers.len()) {
            (ResponseCode::NoError, 2) => good += 1,
            (ResponseCode::ServFail, 0) => withheld += 1,
            other => panic!("{other:?}"),
        }
        if withheld > 0 && restarted.is_none() {
            good = 0;
            restarted = Some(primary.start());
        }
        if restarted.is_some() && good > 100 {
            return;
        }
    }
    panic!("{good} answers, {withheld} withheld");
}

//! The figures we want to reach, and whether we did.

use crate::network::Way;
use crate::results::{Changes, Results, Run};

/// One of them.
pub(crate) struct Target {
    /// What is measured.
    pub(crate) what: &'static str,
    /// What is to be reached, as text.
    pub(crate) reach: &'static str,
    /// What was measured, as text.
    pub(crate) measured: String,
    /// Whether it was reached; `None` where it was not measured.
    pub(crate) is_reached: Option<bool>,
}

/// All of them.
pub(crate) fn all(results: &Results) -> Vec<Target> {
    let mut targets = Vec::new();
    targets.extend(throughput(results));
    targets.extend(instructions(results));
    targets.push(names(results));
    targets.extend(fixed(results));
    targets.push(tcp(results));
    targets.extend(sizes(results));
    targets.extend(changes(results));
    targets
}

/// Where nothing was measured.
fn missing(what: &'static str, reach: &'static str) -> Target {
    Target { what, reach, measured: "not measured in this run".into(), is_reached: None }
}

fn throughput(results: &Results) -> impl Iterator<Item = Target> {
    let one = |what, way| {
        let reach = "≥ 0.94 of the bare echo";
        let of = |server, figure: fn(&Run) -> f64| results.median(server, "saturated", way, figure);
        let by_rate = of("fingerpost", |run| run.answer_rate).zip(of("echo", |run| run.answer_rate));
        let by_time = of("echo", |run| run.cpu_ns).zip(of("fingerpost", |run| run.cpu_ns));
        let Some(((ours, echo), (echo_time, our_time))) = by_rate.zip(by_time) else { return missing(what, reach) };
        let busy = of("fingerpost", |run| run.busy).unwrap_or(0.0).min(of("echo", |run| run.busy).unwrap_or(0.0));
        let (rate, time) = (ours / echo, echo_time / our_time);
        let is_bound = busy < BUSY;
        let note = if is_bound { "; the generator was the limit, so CPU time counts" } else { "" };
        let measured = format!("{rate:.2} by responses a second, {time:.2} by CPU time{note}");
        Target { what, reach, measured, is_reached: Some(if is_bound { time } else { rate } >= 0.94) }
    };
    [one("saturated UDP responses, one worker, sockets, loopback", Way::Loopback), one("the same over veth", Way::Veth)]
        .into_iter()
}

/// A server that is on its core less than this is not the limit.
pub(crate) const BUSY: f64 = 0.95;

fn instructions(results: &Results) -> impl Iterator<Item = Target> {
    let (eight, hundred) = (results.instructions_of("fingerpost", 8), results.instructions_of("fingerpost", 100));
    let what = "user instructions a query, 8 of 8 addresses, random of 10,000 services, whole program";
    let first = eight.map_or_else(
        || missing(what, "≤ 450"),
        |eight| Target { what, reach: "≤ 450", measured: format!("{eight:.0}"), is_reached: Some(eight <= 450.0) },
    );
    let (what, reach) = ("8 of 100 shuffled, instructions", "≤ 1.4 × 8 of 8");
    let second = hundred.zip(eight).map_or_else(
        || missing(what, reach),
        |(hundred, eight)| {
            let ratio = hundred / eight;
            Target { what, reach, measured: format!("{ratio:.2} ({hundred:.0})"), is_reached: Some(ratio <= 1.4) }
        },
    );
    [first, second].into_iter()
}

fn names(results: &Results) -> Target {
    let (what, reach) = ("CPU ns a query with 1M names, random", "≤ 1.3 × with 10,000 names");
    let of = |subject| {
        let runs = results.runs_of("fingerpost", subject, Way::Loopback).filter(|run| run.rate.is_some());
        crate::results::median(runs.map(|run| run.cpu_ns))
    };
    let is_million = results.runs.iter().any(|run| run.services == 1_000_000);
    match of("1,000,000 names").zip(of("10,000 names")).filter(|_| is_million) {
        Some((many, few)) => {
            let ratio = many / few;
            let measured = format!("{ratio:.2} ({many:.0} and {few:.0} ns at a fixed rate)");
            Target { what, reach, measured, is_reached: Some(ratio <= 1.3) }
        }
        None => missing(what, reach),
    }
}

fn fixed(results: &Results) -> impl Iterator<Item = Target> {
    let user = |server: &str| results.user_time(server, "fixed", Way::Loopback).map(|(time, _)| time);
    let total = |server: &str| results.median(server, "fixed", Way::Loopback, |run| run.cpu_ns);
    let one = |what, reach, most: f64, figure: &dyn Fn(&str) -> Option<f64>| {
        let Some((ours, (peer, theirs))) = figure("fingerpost").zip(results.least(figure)) else {
            return missing(what, reach);
        };
        let ratio = ours / theirs;
        let measured = format!("{ratio:.2} ({ours:.0} ns; {}: {theirs:.0} ns)", results.title(peer));
        Target { what, reach, measured, is_reached: Some(ratio <= most) }
    };
    [
        one("CPU ns a query at a fixed rate, user alone, against the best peer", "≤ 0.35 ×", 0.35, &user),
        one("the same, user and system", "≤ 0.85 ×", 0.85, &total),
    ]
    .into_iter()
}

fn tcp(results: &Results) -> Target {
    let (what, reach) = ("TCP persistent, pipelined, responses a second", "≥ 1.2 × the best peer");
    let rate = |server: &str| results.median(server, "TCP, persistent", Way::Loopback, |run| run.answer_rate);
    // The one with the most, which is the least of its negative.
    match rate("fingerpost").zip(results.least(|server| rate(server).map(|rate| -rate))) {
        Some((ours, (peer, theirs))) => {
            let ratio = ours / -theirs;
            let measured = format!("{ratio:.2} ({ours:.0}/s; {}: {:.0}/s)", results.title(peer), -theirs);
            Target { what, reach, measured, is_reached: Some(ratio >= 1.2) }
        }
        None => missing(what, reach),
    }
}

fn sizes(results: &Results) -> impl Iterator<Item = Target> {
    let memory = |what, reach, server, most: u64| {
        results.size(server, 125_000).map_or_else(
            || missing(what, reach),
            |size| {
                let measured = format!("{} MB", size.pss / 1_000_000);
                Target { what, reach, measured, is_reached: Some(size.pss <= most * 1_000_000) }
            },
        )
    };
    let (what, reach) = ("start from the stored state at 1M instances to the first right answer", "≤ 1.0 s");
    let start = results.size("fingerpost-stored", 125_000).map_or_else(
        || missing(what, reach),
        |size| {
            let measured = format!("{:.2} s", size.load_seconds);
            Target { what, reach, measured, is_reached: Some(size.load_seconds <= 1.0) }
        },
    );
    [
        memory(
            "memory, 1M instances with A, SRV and instance names, a follower",
            "≤ 250 MB",
            "fingerpost-follower",
            250,
        ),
        memory("the same, the whole node with its registry", "≤ 450 MB", "fingerpost-stored", 450),
        start,
    ]
    .into_iter()
}

fn changes(results: &Results) -> impl Iterator<Item = Target> {
    let of = |server: &str, how: &str, instances: u64| {
        let is_it = |changes: &&Changes| {
            changes.server == server && changes.how.starts_with(how) && changes.instances >= instances
        };
        results.changes.iter().find(is_it).map(|changes| changes.per_second)
    };
    let (what, reach) = ("changes through one gRPC stream, durable, at 1M instances", "≥ 100,000/s");
    let bulk = match of("fingerpost-stored", "in bulk", 1_000_000) {
        Some(rate) => Target { what, reach, measured: format!("{rate:.0}/s"), is_reached: Some(rate >= 100_000.0) },
        None => missing(what, reach),
    };
    let (what, reach) =
        ("single durable register after register, one connection", "≥ 3,000/s or the disk's fsync rate");
    let single = match of("fingerpost-stored", "one by one", 0).zip(of("disk", "", 0)) {
        Some((rate, disk)) => {
            let measured = format!("{rate:.0}/s; the disk: {disk:.0}/s");
            Target { what, reach, measured, is_reached: Some(rate >= f64::min(3000.0, disk)) }
        }
        None => missing(what, reach),
    };
    let figure =
        |subject: &str, figure: fn(&Run) -> f64| results.median("fingerpost-stored", subject, Way::Loopback, figure);
    let (what, reach) = ("from the acknowledgement to the first answer, p99, at 10,000 changes a second", "≤ 2 ms");
    let visible = match figure("beside changes", |run| run.visible_p99 as f64 / 1e6) {
        Some(time) => Target { what, reach, measured: format!("{time:.2} ms"), is_reached: Some(time <= 2.0) },
        None => missing(what, reach),
    };
    let (what, reach) = ("query p99 beside 10,000 changes a second", "≤ 1.5 × without");
    let p99 = |subject| figure(subject, |run| run.p99 as f64 / 1e3);
    let beside = match p99("beside changes").zip(p99("without changes")) {
        Some((with, without)) => {
            let ratio = with / without;
            let measured = format!("{ratio:.1} ({with:.0} and {without:.0} µs)");
            Target { what, reach, measured, is_reached: Some(ratio <= 1.5) }
        }
        None => missing(what, reach),
    };
    [bulk, single, visible, beside].into_iter()
}

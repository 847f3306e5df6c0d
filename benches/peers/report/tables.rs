//! The tables, and where others are better.

use std::fmt::Write as _;

use crate::network::Way;
use crate::results::{Results, Run, median};
use crate::targets::BUSY;

/// All tables that there is something for.
pub(super) fn all(results: &Results) -> String {
    let mut text = String::new();
    for way in [Way::Loopback, Way::Veth] {
        text.push_str(&saturated(results, way));
    }
    for way in [Way::Loopback, Way::Veth] {
        text.push_str(&fixed(results, way));
    }
    text.push_str(&instructions(results));
    text.push_str(&latency(results));
    text.push_str(&mixes(results));
    text.push_str(&names(results));
    text.push_str(&sizes(results));
    text.push_str(&changes(results));
    text
}

/// The servers' names, in their order.
fn servers(results: &Results) -> impl Iterator<Item = &str> {
    results.servers.iter().map(|(name, _, _)| &**name)
}

/// `median (smallest–largest)`.
fn spread<'r>(runs: impl Iterator<Item = &'r Run>, figure: impl Fn(&Run) -> f64) -> String {
    let figures: Vec<f64> = runs.map(figure).collect();
    let Some(middle) = median(figures.iter().copied()) else { return "–".into() };
    let least = figures.iter().copied().fold(f64::INFINITY, f64::min);
    let most = figures.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{middle:.0} ({least:.0}–{most:.0})")
}

/// A table with a heading, and perhaps words, above it; nothing where there are no rows.
fn section(heading: &str, columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let rows: Vec<String> = rows.map(|cells| format!("| {} |\n", cells.join(" | "))).collect();
    if rows.is_empty() {
        return String::new();
    }
    format!("{heading}\n\n| {} |\n{}|\n{}\n", columns.join(" | "), "|---".repeat(columns.len()), rows.concat())
}

fn saturated(results: &Results, way: Way) -> String {
    let subject = "saturated";
    let Some(echo) = results.median("fingerpost", subject, way, |run| run.answer_rate) else { return String::new() };
    let echo = results.median("echo", subject, way, |run| run.answer_rate).unwrap_or(echo);
    let row = |server| {
        let of = |figure: fn(&Run) -> f64| results.median(server, subject, way, figure);
        let (rate, cpu, busy) = (of(|run| run.answer_rate)?, of(|run| run.cpu_ns)?, of(|run| run.busy)?);
        let bound = if busy < BUSY { "≥ " } else { "" };
        Some(vec![
            results.title(server).into(),
            bound.to_owned() + &spread(results.runs_of(server, subject, way), |run| run.answer_rate),
            format!("{:.2}", rate / echo),
            spread(results.runs_of(server, subject, way), |run| run.cpu_ns),
            user(results, server, subject, way),
            format!("{:.0}/s", 1e9 / cpu),
            format!("{:.0} %", busy * 100.0),
            format!("{:.0} %", of(|run| run.generator_busy).unwrap_or(0.0) * 100.0),
            share(results, server, subject, way, |run| run.lost),
            wrong(results, server, subject, way),
        ])
    };
    let columns = [
        "server",
        "responses/s",
        "of the echo",
        "CPU ns a query",
        "user ns",
        "by CPU time, at most",
        "busy",
        "generator busy",
        "lost",
        "wrong",
    ];
    section(&format!("## Saturated, {}", way.name()), &columns, servers(results).filter_map(row))
}

fn fixed(results: &Results, way: Way) -> String {
    let subject = "fixed";
    let Some(rate) = results.runs_of("fingerpost", subject, way).find_map(|run| run.rate) else { return String::new() };
    let figure = |server: &str| results.median(server, subject, way, |run| run.cpu_ns);
    let best = results.least(figure).map_or(f64::NAN, |(_, best)| best);
    let row = |server| {
        let cpu = figure(server)?;
        let time = |figure: fn(&Run) -> f64| {
            format!("{:.0}", results.median(server, subject, way, figure).unwrap_or(0.0) / 1e3)
        };
        Some(vec![
            results.title(server).into(),
            spread(results.runs_of(server, subject, way), |run| run.cpu_ns),
            format!("{:.2}", cpu / best),
            user(results, server, subject, way),
            time(|run| run.p50 as f64),
            time(|run| run.p99 as f64),
            share(results, server, subject, way, |run| run.lost),
            wrong(results, server, subject, way),
        ])
    };
    let columns = ["server", "CPU ns a query", "to the best peer", "user ns", "p50 µs", "p99 µs", "lost", "wrong"];
    section(&format!("## At {rate:.0} queries a second, {}", way.name()), &columns, servers(results).filter_map(row))
}

/// User time and how sure it is.
fn user(results: &Results, server: &str, subject: &str, way: Way) -> String {
    results.user_time(server, subject, way).map_or_else(|| "–".into(), |(time, sure)| format!("{time:.0} ± {sure:.0}"))
}

/// The part of the queries of all repeats that something happened to.
fn share(results: &Results, server: &str, subject: &str, way: Way, count: impl Fn(&Run) -> u64) -> String {
    let (mut sent, mut counted) = (0, 0);
    for run in results.runs_of(server, subject, way) {
        sent += run.sent;
        counted += count(run);
    }
    if counted == 0 { "0".into() } else { format!("{:.2} %", counted as f64 * 100.0 / sent.max(1) as f64) }
}

/// Wrong answers of all repeats; those of the echo are not looked at.
fn wrong(results: &Results, server: &str, subject: &str, way: Way) -> String {
    if server == "echo" {
        return "–".into();
    }
    results.runs_of(server, subject, way).map(|run| run.wrong).sum::<u64>().to_string()
}

fn instructions(results: &Results) -> String {
    let rows = results.instructions.iter().map(|found| {
        let (title, per_query) = (results.title(&found.server), format!("{:.0}", found.per_query));
        vec![title.into(), found.instances.to_string(), per_query, found.queries.to_string()]
    });
    let columns = ["server", "instances of a service", "instructions", "queries counted"];
    section("## User instructions a query", &columns, rows)
}

fn latency(results: &Results) -> String {
    let subjects = ["latency at 50 %", "latency at 80 %"];
    if results.runs_of("fingerpost", subjects[0], Way::Loopback).next().is_none() {
        return String::new();
    }
    let mut text = String::from(
        "## Latency at a part of one's own maximum, loopback\n\nThe maximum is the rate of the first table; where the \
         generator was the limit there, so it is nearly here.\n\n| server | queries/s | p50 / p99 µs at 50 % | lost | queries/s | \
         p50 / p99 µs at 80 % | lost | generator's lag p99 µs |\n|---|---|---|---|---|---|---|---|\n",
    );
    for server in servers(results) {
        let mut line = format!("| {} ", results.title(server));
        let mut lag = 0.0;
        for subject in subjects {
            let of = |figure: fn(&Run) -> f64| results.median(server, subject, Way::Loopback, figure).unwrap_or(0.0);
            let rate = of(|run| run.rate.unwrap_or(0.0));
            if rate == 0.0 {
                continue;
            }
            let (p50, p99) = (of(|run| run.p50 as f64) / 1e3, of(|run| run.p99 as f64) / 1e3);
            let lost = share(results, server, subject, Way::Loopback, |run| run.lost);
            let _ = write!(line, "| {rate:.0} | {p50:.0} / {p99:.0} | {lost} ");
            lag = of(|run| run.lag_p99 as f64) / 1e3;
        }
        if line.matches('|').count() > 6 {
            let _ = writeln!(text, "{line}| {lag:.0} |");
        }
    }
    text.push('\n');
    text
}

/// Subjects of the mixes, in the order of their runs.
fn subjects_of_mixes(results: &Results) -> Vec<&str> {
    let mut subjects: Vec<&str> = Vec::new();
    for run in &results.runs {
        let known = [
            "saturated",
            "fixed",
            "latency at 50 %",
            "latency at 80 %",
            "instructions",
            "8 of 100",
            "without changes",
            "beside changes",
        ];
        if !known.contains(&&*run.subject) && !run.subject.contains("names") && !subjects.contains(&&*run.subject) {
            subjects.push(&run.subject);
        }
    }
    subjects
}

fn mixes(results: &Results) -> String {
    let subjects = subjects_of_mixes(results);
    let row = |server| {
        let cells = subjects.iter().map(|subject| {
            let of = |figure: fn(&Run) -> f64| results.median(server, subject, Way::Loopback, figure);
            let (rate, cpu, busy) = (of(|run| run.answer_rate)?, of(|run| run.cpu_ns)?, of(|run| run.busy)?);
            let bound = if busy < BUSY { "≥ " } else { "" };
            let wrong: u64 = results.runs_of(server, subject, Way::Loopback).map(|run| run.wrong + run.lost).sum();
            let note = if wrong > 0 { format!(" ({wrong} lost or wrong)") } else { String::new() };
            Some(format!("{bound}{rate:.0} / {cpu:.0}{note}"))
        });
        let cells: Vec<Option<String>> = cells.collect();
        let is_there = cells.iter().any(Option::is_some);
        let cells = cells.into_iter().map(|cell| cell.unwrap_or_else(|| "–".into()));
        is_there.then(|| [results.title(server).into()].into_iter().chain(cells).collect())
    };
    let heading = "## Other questions, and TCP, loopback\n\nResponses a second / CPU ns a query; ≥ where the generator was \
                   the limit. \"mixed\" is 80 % A, 10 % NODATA, 5 % SRV and 5 % NXDOMAIN.";
    section(heading, &[&["server"], &*subjects].concat(), servers(results).filter_map(row))
}

fn names(results: &Results) -> String {
    let of = |server: &str, subject: &str, is_fixed: bool, figure: fn(&Run) -> f64| {
        let runs = results.runs_of(server, subject, Way::Loopback).filter(|run| run.rate.is_some() == is_fixed);
        median(runs.map(figure))
    };
    let row = |server, subject| {
        let cpu = of(server, subject, true, |run| run.cpu_ns)?;
        let figure = |figure| format!("{:.0}", of(server, subject, false, figure).unwrap_or(0.0));
        let run = results.runs_of(server, subject, Way::Loopback).next();
        let (services, instances) = run.map_or((0, 0), |run| (run.services, run.instances));
        Some(vec![
            results.title(server).into(),
            format!("{services} × {instances}"),
            format!("{cpu:.0}"),
            figure(|run| run.cpu_ns),
            figure(|run| run.answer_rate),
        ])
    };
    let subjects = ["10,000 names", "1,000,000 names", "8 of 100"];
    let rows = servers(results).flat_map(|server| subjects.iter().filter_map(move |subject| row(server, subject)));
    let heading = "## How much data there is, loopback\n\nOne address in an answer where a service has one instance, eight \
                   where it has a hundred.";
    let columns = ["server", "services × instances", "CPU ns a query at a fixed rate", "saturated", "responses/s"];
    section(heading, &columns, rows)
}

fn sizes(results: &Results) -> String {
    let mut seen: Vec<(u32, &str)> = results.sizes.iter().map(|size| (size.services, &*size.server)).collect();
    // By size, then as they were measured, each once.
    seen.sort_by_key(|(services, _)| *services);
    let mut known: Vec<(u32, &str)> = Vec::new();
    seen.retain(|one| {
        let is_new = !known.contains(one);
        known.push(*one);
        is_new
    });
    let rows = seen.into_iter().filter_map(|(services, server)| {
        let size = results.size(server, services)?;
        Some(vec![
            format!("{services} × {}", size.instances),
            results.title(server).into(),
            format!("{:.2}", size.load_seconds),
            (size.pss / 1_000_000).to_string(),
            (size.peak / 1_000_000).to_string(),
            format!("{:.0}", size.pss as f64 / size.records as f64),
        ])
    });
    let columns =
        ["services × instances", "server", "s to the first right answer", "MB (PSS)", "MB at most", "octets a record"];
    section("## Memory and load time", &columns, rows)
}

fn changes(results: &Results) -> String {
    let rows = results.changes.iter().map(|changes| {
        let shown = changes.shown_p50.zip(changes.shown_p99);
        let shown = shown.map(|(p50, p99)| format!("{:.2} / {:.2}", p50 as f64 / 1e6, p99 as f64 / 1e6));
        vec![
            results.title(&changes.server).into(),
            changes.how.clone(),
            changes.instances.to_string(),
            if changes.durable { "yes" } else { "no" }.into(),
            format!("{:.0}", changes.per_second),
            shown.unwrap_or_else(|| "–".into()),
        ]
    });
    let columns = ["server", "how", "instances before", "durable", "changes/s", "sent to shown in DNS, p50 / p99 ms"];
    let text = section("## Changes", &columns, rows);
    if text.is_empty() { text } else { text + &churn(results) }
}

/// Ours with changes beside the queries, and without.
fn churn(results: &Results) -> String {
    let server = "fingerpost-stored";
    let of = |subject: &str, figure: fn(&Run) -> f64| results.median(server, subject, Way::Loopback, figure);
    let row = |subject: &&str| {
        let rate = of(subject, |run| run.answer_rate)?;
        let figure = |figure: fn(&Run) -> f64| of(subject, figure).unwrap_or(0.0);
        let changes = figure(|run| run.changes as f64 / run.seconds);
        let (p50, p99) = (figure(|run| run.p50 as f64 / 1e3), figure(|run| run.p99 as f64 / 1e3));
        Some(vec![
            (*subject).to_owned(),
            format!("{rate:.0}"),
            format!("{changes:.0}"),
            format!("{p50:.0} / {p99:.0}"),
            format!("{:.2}", figure(|run| run.visible_p99 as f64 / 1e6)),
            format!("{:.2}", figure(|run| run.shown_p99 as f64 / 1e6)),
            share(results, server, subject, Way::Loopback, |run| run.lost),
            share(results, server, subject, Way::Loopback, |run| run.wrong + run.stale),
        ])
    };
    let instances = results.runs_of(server, "without changes", Way::Loopback).next();
    let instances = instances.map_or(0, |run| u64::from(run.services) * u64::from(run.instances));
    let heading = format!(
        "### Changes beside queries\n\nFingerpost with its registry on disk and {instances} instances; \"visible\" is from \
         the acknowledgement to the first answer with the change, \"shown\" from when it was due."
    );
    let columns =
        ["", "queries/s", "changes/s", "p50 / p99 µs", "visible p99 ms", "shown p99 ms", "lost", "wrong or stale"];
    section(&heading, &columns, ["without changes", "beside changes"].iter().filter_map(row))
}

/// Everything in which another server does better than ours.
pub(super) fn losses(results: &Results) -> String {
    let mut text = String::new();
    // Figure by figure: less is better, or more.
    let mut compare = |what: String, unit: &str, figure: &dyn Fn(&str) -> Option<f64>, is_less_better: bool| {
        let Some(ours) = figure("fingerpost") else { return };
        for peer in results.peers() {
            let Some(theirs) = figure(peer) else { continue };
            if if is_less_better { theirs < ours } else { theirs > ours } {
                let title = results.title(peer);
                let _ = writeln!(text, "* {what}: {title} {theirs:.2} {unit}, Fingerpost {ours:.2} {unit}");
            }
        }
    };
    for way in [Way::Loopback, Way::Veth] {
        for subject in ["saturated", "fixed"] {
            let figure = |server: &str| results.median(server, subject, way, |run| run.cpu_ns);
            compare(format!("CPU time, {subject}, {}", way.name()), "ns", &figure, true);
        }
        let figure = |server: &str| results.median(server, "saturated", way, |run| run.answer_rate);
        compare(format!("responses a second, saturated, {}", way.name()), "/s", &figure, false);
    }
    compare("instructions".into(), "", &|server| results.instructions_of(server, 8), true);
    for subject in ["latency at 50 %", "latency at 80 %"] {
        let figure = |server: &str| Some(results.median(server, subject, Way::Loopback, |run| run.p99 as f64)? / 1e3);
        compare(format!("p99, {subject} of one's own maximum"), "µs", &figure, true);
    }
    for subject in subjects_of_mixes(results) {
        let figure = |server: &str| results.median(server, subject, Way::Loopback, |run| run.cpu_ns);
        compare(format!("CPU time, {subject}"), "ns", &figure, true);
        let figure = |server: &str| results.median(server, subject, Way::Loopback, |run| run.answer_rate);
        compare(format!("responses a second, {subject}"), "/s", &figure, false);
    }
    for services in [10_000, 125_000] {
        let figure = |server: &str| Some(results.size(server, services)?.pss as f64 / 1e6);
        compare(format!("memory, {services} services"), "MB", &figure, true);
        let figure = |server: &str| Some(results.size(server, services)?.load_seconds);
        compare(format!("load time, {services} services"), "s", &figure, true);
    }
    for how in ["one by one", "in bulk"] {
        let figure = |server: &str| {
            let server = if server == "fingerpost" { "fingerpost-stored" } else { server };
            let of = |found: &&crate::results::Changes| found.server == server && found.how.starts_with(how);
            results.changes.iter().find(of).map(|found| found.per_second)
        };
        compare(format!("changes, {how}"), "/s", &figure, false);
    }
    if text.is_empty() {
        text.push_str("* in nothing that this run measured\n");
    }
    format!(
        "## Where others are better\n\nBy the medians, however small the difference; latencies are at each server's own rate, so \
         that a slower server is asked less.\n\n{text}\n"
    )
}

//! A report for eyes: a line a step, and below it whatever is not as it should be.

use std::io::{self, Write};

use super::compare::wrong;
use super::report::{Latency, Report, Step};
use super::words::{amount, share, time};

/// Queries that could not be sent, of those that could, from which on the generator is to blame.
const UNSENT: f64 = 0.001;
/// Blanks between columns.
const GAP: usize = 3;

/// Writes the report.
pub fn write(report: &Report, output: &mut impl Write) -> io::Result<()> {
    let Report { label, server, transport, mode, data, mix, threads, sockets, .. } = report;
    let label = if label.is_empty() { String::new() } else { format!("{label}: ") };
    writeln!(output, "{label}{server} over {transport}, {mode} loop, {threads} threads, {sockets} sockets")?;
    writeln!(output, "data {data}\nmix  {mix}\n")?;
    let header = ["RATE", "SENT/S", "ANSWERED/S", "LOST", "P50", "P90", "P99", "P99.9", "P99.99", "MAX", "WRONG"];
    let mut rows = vec![header.map(String::from)];
    rows.extend(report.steps.iter().map(row));
    aligned(&rows, output)?;
    let churned = report.steps.iter().filter_map(|step| Some((rate(step), step.churn.as_ref()?)));
    let mut rows =
        vec![["RATE", "CHANGES", "FAILED", "ACKNOWLEDGED P50", "P99", "VISIBLE P50", "P99", "MAX"].map(String::from)];
    for (rate, churn) in churned {
        let (told, seen) = (&churn.acknowledgement, &churn.visible);
        let [told, seen] =
            [told, seen].map(|latency| [latency.p50, latency.p99, latency.max].map(|at| of(latency, at)));
        let ([told_half, told_most, _], [seen_half, seen_most, seen_max]) = (told, seen);
        let counts = [churn.acknowledged, churn.failed].map(|count| amount(count as f64));
        let [acknowledged, failed] = counts;
        rows.push([rate, acknowledged, failed, told_half, told_most, seen_half, seen_most, seen_max]);
    }
    if rows.len() > 1 {
        writeln!(output)?;
        aligned(&rows, output)?;
    }
    let notes: Vec<String> = doubts(report).into_iter().chain(report.steps.iter().flat_map(faults)).collect();
    if !notes.is_empty() {
        writeln!(output)?;
    }
    notes.iter().try_for_each(|note| writeln!(output, "{note}"))
}

/// What a step asked for: `100k/s`, or `64 under way` in a closed loop.
pub fn rate(step: &Step) -> String {
    match (step.rate, step.outstanding) {
        (Some(rate), _) => format!("{}/s", amount(rate)),
        (None, Some(outstanding)) => format!("{outstanding} under way"),
        (None, None) => "-".into(),
    }
}

/// Why figures of a report may be the generator's own rather than the server's, a sentence each.
pub fn doubts(report: &Report) -> Vec<String> {
    let mut doubts = Vec::new();
    for step in &report.steps {
        let rate = rate(step);
        if step.unsent as f64 > UNSENT * step.sent as f64 {
            doubts.push(format!("{rate}: {} queries could not be sent; the generator is to blame", step.unsent));
        }
        if step.dropped_here > 0 {
            let text = "answers were dropped on the generator's own sockets, and count as lost";
            doubts.push(format!("{rate}: {} {text}", step.dropped_here));
        }
        let lag = &step.generator.lag;
        if step.rate.is_some() && lag.count > 0 && lag.p99 > step.latency.p99 / 2 && step.latency.count > 0 {
            let (lag, whole) = (time(lag.p99 as f64), time(step.latency.p99 as f64));
            doubts.push(format!("{rate}: the generator sent 1 % of queries {lag} late or more, and p99 is {whole}"));
        }
    }
    doubts
}

/// What was wrong with answers in a step, a line each.
fn faults(step: &Step) -> Vec<String> {
    let rate = rate(step);
    let checks = &step.checks;
    let counts = [
        ("with a wrong RCODE", checks.wrong_rcode),
        ("with a wrong record", checks.wrong_record),
        ("with a wrong number of records", checks.wrong_count),
        ("with a wrong TTL", checks.wrong_ttl),
        ("with a record twice", checks.duplicate),
        ("stale", checks.stale),
        ("malformed", checks.malformed),
        ("truncated", step.truncated),
        ("to no query", step.unexpected),
    ];
    let found = counts.iter().filter(|(_, count)| *count > 0);
    let lines = found.map(|(what, count)| format!("{rate}: {count} answers {what}"));
    let others =
        step.rcodes.iter().filter(|(rcode, count)| **count > 0 && !["NOERROR", "NXDOMAIN"].contains(&&***rcode));
    let others = others.map(|(rcode, count)| format!("{rate}: {count} × {rcode}"));
    lines.chain(others).chain(checks.examples.iter().map(|example| format!("  for example: {example}"))).collect()
}

/// The fields of a step.
fn row(step: &Step) -> [String; 11] {
    let latency = &step.latency;
    let [p50, p90, p99, p99_9, p99_99, max] =
        [latency.p50, latency.p90, latency.p99, latency.p99_9, latency.p99_99, latency.max].map(|at| of(latency, at));
    let lost = if step.sent == 0 { "-".into() } else { share(step.lost as f64 / step.sent as f64) };
    let wrong = if step.checks.checked == 0 { "not checked".into() } else { amount(wrong(&step.checks) as f64) };
    let (sent, answered) = (amount(step.send_rate), amount(step.answer_rate));
    [rate(step), sent, answered, lost, p50, p90, p99, p99_9, p99_99, max, wrong]
}

/// A time of a distribution; a dash if nothing is in it.
fn of(latency: &Latency, at: u64) -> String {
    if latency.count == 0 { "-".into() } else { time(at as f64) }
}

/// Writes rows in columns: the first to the left, numbers to the right.
fn aligned<const N: usize>(rows: &[[String; N]], output: &mut impl Write) -> io::Result<()> {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in rows {
        let mut line = String::new();
        for (index, (cell, width)) in row.iter().zip(widths).enumerate() {
            line += &match index {
                0 => format!("{cell:width$}"),
                _ => format!("{:GAP$}{cell:>width$}", ""),
            };
        }
        writeln!(output, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::report::{Checks, Churn, Generator};

    fn text(report: &Report) -> String {
        let mut output = Vec::new();
        write(report, &mut output).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn a_report_is_a_table_and_what_is_wrong() {
        let latency = Latency {
            count: 9,
            p50: 41_000,
            p90: 50_000,
            p99: 88_000,
            p99_9: 1_500_000,
            max: 2_000_000,
            ..Latency::default()
        };
        let step = Step {
            rate: Some(100_000.0),
            sent: 1_000_000,
            send_rate: 100_000.0,
            answer_rate: 99_900.0,
            lost: 1000,
            latency: latency.clone(),
            checks: Checks { checked: 999_000, ..Checks::default() },
            ..Step::default()
        };
        let mut report = Report {
            server: "127.0.0.1:53".into(),
            transport: "udp".into(),
            steps: vec![step.clone()],
            ..Report::default()
        };
        let shown = text(&report);
        let [header, line] = [4, 5].map(|index| shown.lines().nth(index).unwrap());
        assert_eq!(header.chars().count(), line.chars().count(), "{shown}");
        let fields: Vec<&str> = line.split("   ").map(str::trim).filter(|field| !field.is_empty()).collect();
        let expected =
            ["100k/s", "100k", "99.9k", "0.100 %", "41.0 µs", "50.0 µs", "88.0 µs", "1.50 ms", "0 ns", "2.00 ms", "0"];
        assert_eq!(fields, expected, "{shown}");
        assert_eq!(shown.lines().count(), 6, "nothing is wrong: {shown}");

        report.steps.push(Step {
            rate: None,
            outstanding: Some(64),
            dropped_here: 3,
            unsent: 99_999,
            generator: Generator { lag: latency.clone(), ..Generator::default() },
            checks: Checks { checked: 5, wrong_ttl: 2, examples: vec!["TTL 5".into()], ..Checks::default() },
            rcodes: [("SERVFAIL".to_owned(), 7), ("NOERROR".to_owned(), 1)].into(),
            churn: Some(Churn { acknowledged: 40, failed: 2, visible: latency, ..Churn::default() }),
            ..step
        });
        let shown = text(&report);
        for part in [
            "64 under way",
            "\n64 under way: 99999 queries could not be sent",
            "3 answers were dropped on the generator's own sockets",
            "64 under way: 2 answers with a wrong TTL\n",
            "7 × SERVFAIL",
            "for example: TTL 5",
            "VISIBLE P50",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(!shown.contains("NOERROR"), "{shown}");
    }

    #[test]
    fn a_lagging_generator_is_named() {
        let latency = |p99| Latency { count: 1, p99, ..Latency::default() };
        let step = |lag| Step {
            rate: Some(1000.0),
            latency: latency(100_000),
            generator: Generator { lag: latency(lag), ..Generator::default() },
            ..Step::default()
        };
        let report = |lag| Report { steps: vec![step(lag)], ..Report::default() };
        assert_eq!(doubts(&report(10_000)), [String::new(); 0]);
        assert_eq!(doubts(&report(90_000)).len(), 1);
    }
}

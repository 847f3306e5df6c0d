//! A line on standard error that says how a run goes, where that is a terminal.

use std::io::{IsTerminal, Write, stderr};

use hdrhistogram::Histogram;

use super::pace::Pace;
use super::plan::Plan;
use super::tally::{Tick, histogram};

/// What to say of a step.
pub(super) struct Progress {
    is_shown: bool,
    threads: usize,
    what: String,
}

impl Progress {
    /// Progress of one step.
    pub(super) fn new(plan: &Plan, pace: Pace) -> Self {
        let what = format!("{} over {}, {pace}", plan.server, plan.transport.name());
        Self { is_shown: plan.progress && stderr().is_terminal(), threads: plan.threads, what }
    }

    /// Begins the step.
    pub(super) fn start(&self) -> Line<'_> {
        let line = Line { progress: self, at: 0, ticks: 0, sums: [0; 4], times: histogram() };
        line.show("…");
        line
    }
}

/// The second that is being gathered.
pub(super) struct Line<'p> {
    progress: &'p Progress,
    at: u32,
    ticks: usize,
    /// Sent, answered, lost, wrong.
    sums: [u64; 4],
    times: Histogram<u64>,
}

impl Line<'_> {
    /// Adds a thread's second, and shows it once all threads have told theirs.
    pub(super) fn add(&mut self, tick: &Tick) {
        if !self.progress.is_shown {
            return;
        }
        if tick.at != self.at {
            (self.at, self.ticks, self.sums) = (tick.at, 0, [0; 4]);
            self.times.reset();
        }
        self.ticks += 1;
        for (sum, count) in self.sums.iter_mut().zip([tick.sent, tick.answered, tick.lost, tick.wrong]) {
            *sum += count;
        }
        let _ = self.times.add(&tick.latency);
        if self.ticks == self.progress.threads {
            let [sent, answered, lost, wrong] = self.sums;
            let micros = |quantile| self.times.value_at_quantile(quantile) as f64 / 1e3;
            self.show(&format!(
                "{} s: {sent} sent, {answered} answered, p50 {:.0} µs, p99 {:.0} µs, {lost} lost, {wrong} wrong",
                self.at + 1,
                micros(0.5),
                micros(0.99),
            ));
        }
    }

    /// Takes the line away.
    pub(super) fn end(&self) {
        if self.progress.is_shown {
            // A terminal that is gone misses nothing.
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }

    fn show(&self, text: &str) {
        if self.progress.is_shown {
            let _ = write!(stderr(), "\r\x1b[K{}: {text}", self.progress.what);
        }
    }
}

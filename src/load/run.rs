//! One run: its steps one after the other, their threads, and what came of them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

use super::check::Checker;
use super::churn::Churn;
use super::desk::{Desk, Turnstile};
use super::pace::Pace;
use super::plan::{LoadError, Plan, Transport};
use super::progress::Progress;
use super::questions::{Draw, LONGEST};
use super::report::{FORMAT, Report, Step};
use super::tally::{Clock, Tally, Tick, Timeline, sum};
use super::tcp::{Connections, Persistent};
use super::udp::Udp;
use crate::net::burst::thread_times;

/// How long all threads have to be ready before the first query is due.
const START: Duration = Duration::from_millis(20);
/// Descriptors beside the sockets.
const DESCRIPTORS: u64 = 64;

/// Makes a run. It ends early, with a report of what came so far, once the plan's `stop` is true.
pub fn run(plan: &Plan) -> Result<Report, LoadError> {
    allow_descriptors(plan.sockets as u64 + DESCRIPTORS);
    let clock = Clock::start();
    let mut report = Report {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: rfc3339(SystemTime::now()),
        label: plan.label.clone(),
        server: plan.server.to_string(),
        transport: plan.transport.name().to_owned(),
        mode: match plan.paces.first() {
            Some(Pace::Closed { .. }) => "closed".to_owned(),
            _ => "open".to_owned(),
        },
        data: plan.said.0.clone(),
        mix: plan.said.1.clone(),
        threads: plan.threads,
        sockets: plan.sockets,
        steps: Vec::new(),
    };
    let churn = plan.churn.as_ref().map(|churn| Churn::prepare(churn, plan.server, clock, &plan.stop)).transpose()?;
    for (number, pace) in plan.paces.iter().enumerate() {
        if plan.stop.load(Ordering::Relaxed) {
            break;
        }
        let step = step(plan, *pace, number, clock, churn.as_ref());
        match step {
            Ok(step) => report.steps.push(step),
            Err(error) => {
                if let Some(churn) = churn {
                    // The first error is the one to tell.
                    let _ = churn.clean_up();
                }
                return Err(error);
            }
        }
    }
    churn.map_or(Ok(()), Churn::clean_up)?;
    Ok(report)
}

/// One rate.
fn step(plan: &Plan, pace: Pace, number: usize, clock: Clock, churn: Option<&Churn>) -> Result<Step, LoadError> {
    let (ticks, seconds) = mpsc::channel();
    let mut engines = Vec::new();
    for index in 0..plan.threads {
        engines.push(Engine::new(plan, pace, index)?);
    }
    let begin = clock.now() + START.as_nanos() as u64;
    let (tallies, timeline, changes) = thread::scope(|scope| {
        let changing = churn.map(|churn| churn.start(plan.duration, begin, &plan.stop));
        let threads: Vec<ScopedJoinHandle<'_, Tally>> = engines
            .into_iter()
            .enumerate()
            .map(|(index, engine)| {
                let tally = Tally::new(begin, ticks.clone());
                scope.spawn(move || engine.run(plan, pace, (index, number), clock, begin, tally))
            })
            .collect();
        drop(ticks);
        let timeline = follow(&seconds, &Progress::new(plan, pace));
        let tallies: Result<Vec<Tally>, _> = threads.into_iter().map(ScopedJoinHandle::join).collect();
        let changes = changing.map(super::churn::Changing::finish);
        (tallies, timeline, changes)
    });
    let mut step = sum(tallies.map_err(|_| LoadError::Panic)?, timeline, begin);
    match pace {
        Pace::Open { rate } => step.rate = Some(rate),
        Pace::Closed { outstanding } => step.outstanding = Some(outstanding),
    }
    step.churn = changes.transpose()?;
    Ok(step)
}

/// Gathers seconds until all threads have ended.
fn follow(seconds: &mpsc::Receiver<Tick>, progress: &Progress) -> Timeline {
    let mut timeline = Timeline::default();
    let mut progress = progress.start();
    loop {
        match seconds.recv_timeout(Duration::from_millis(100)) {
            Ok(tick) => {
                progress.add(&tick);
                timeline.add(tick);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    progress.end();
    timeline
}

//----------- Engine -----------------------------------------------------------

/// The sockets of one thread.
enum Engine {
    Udp(Box<Udp>),
    Tcp(Persistent),
    TcpConnect(Connections),
}

impl Engine {
    fn new(plan: &Plan, pace: Pace, index: usize) -> Result<Self, LoadError> {
        Ok(match plan.transport {
            Transport::Udp => Self::Udp(Box::new(Udp::new(plan, pace, index)?)),
            Transport::Tcp => Self::Tcp(Persistent::new(plan, pace, index)?),
            Transport::TcpConnect => Self::TcpConnect(Connections::new(plan, index)?),
        })
    }

    /// Runs on the calling thread, which is number `index` of step `number`.
    fn run(
        self,
        plan: &Plan,
        pace: Pace,
        (index, number): (usize, usize),
        clock: Clock,
        begin: u64,
        tally: Tally,
    ) -> Tally {
        if let Some(&core) = plan.cores.get(index % plan.cores.len().max(1)) {
            let mut set = CpuSet::new();
            set.set(core);
            // The arguments were checked; without it the figures are only less steady.
            let _ = sched_setaffinity(None, &set);
        }
        let versions = plan.churn.as_ref().map(|churn| Arc::clone(&churn.versions));
        let checker = Checker { data: plan.questions.data().cloned().filter(|_| plan.check), versions };
        let mut desk = Desk {
            questions: Arc::clone(&plan.questions),
            draw: Draw::new(Arc::clone(&plan.questions), index, number),
            checker: plan.check.then_some(checker),
            tally,
            clock,
            timeout: plan.timeout.as_nanos() as u64,
            scratch: [0; LONGEST],
        };
        let turnstile = Turnstile::new(plan, pace, index, begin);
        if let Some(early) = Duration::from_nanos(begin).checked_sub(Duration::from_nanos(clock.now())) {
            thread::sleep(early);
        }
        let before = thread_times().unwrap_or_default();
        match self {
            Self::Udp(engine) => engine.run(&mut desk, turnstile),
            Self::Tcp(engine) => engine.run(&mut desk, turnstile),
            Self::TcpConnect(engine) => engine.run(&mut desk, turnstile),
        }
        let after = thread_times().unwrap_or_default();
        desk.tally.user = after.0.saturating_sub(before.0);
        desk.tally.system = after.1.saturating_sub(before.1);
        desk.tally.finish();
        desk.tally
    }
}

/// Lets this process have so many descriptors, if it may.
fn allow_descriptors(wanted: u64) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < wanted) {
        let current = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
        // The socket that cannot be made then says so.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: limit.maximum });
    }
}

/// A time in UTC as RFC 3339 writes it, to the second.
fn rfc3339(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days are counted from 0000-03-01, so that the leap day is the last of a year.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = (era * 400 + year + u64::from(month >= 10), if month < 10 { month + 3 } else { month - 9 });
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_people_read_them() {
        let at = |seconds| rfc3339(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_827_696), "2000-02-29T12:34:56Z");
        assert_eq!(at(1_795_449_599), "2026-11-23T15:59:59Z");
    }
}

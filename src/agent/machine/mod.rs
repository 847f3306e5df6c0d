//! What the agent does, as a function: events and the time go in, actions come out. No process, no socket, no clock.
//!
//! ```text
//! Running ──stop signal──▶ Draining ──safe──▶ Leaving ──deregistered──▶ Stopping ──grace──▶ (SIGKILL)
//!    │                        │ (a second one, or out of time: as if safe)   │
//!    └──────────── the command ends by itself, at any moment ────────────────┴──▶ Ended ──deregistered──▶ exit
//! ```
//!
//! [`Health`] decides from checks whether the command is healthy, [`Registration`] what the registry has to be told.
//! Calls to the registry go out one at a time and are made again, with more and more time between, until they succeed;
//! the command waits for none of them, but for a drain, and for that no longer than it was allowed to take.

mod backoff;
mod events;
mod health;
mod registration;
#[cfg(test)]
mod tests;

use std::time::Duration;

use rustix::process::Signal;

use self::backoff::Backoff;
pub use self::events::Rules;
pub(super) use self::events::{Action, Call, Event, Reply, Weight};
use self::health::Health;
use self::registration::{Registration, Wish};

/// How long a command that has been stopped, or has ended, waits for its deregistration. Whoever has not answered by
/// then will see the lease run out.
const DEREGISTER: Duration = Duration::from_secs(3);
/// What is added to a TTL where nothing proves that the last answer with the instance has been given.
pub(super) const MARGIN: Duration = Duration::from_secs(1);
/// What is added to a proof: the last answer was on its way for a moment before its TTL began to count, and a request
/// that was made in its last one has to arrive.
pub(super) const TRANSIT: Duration = Duration::from_millis(250);

/// How far it is.
#[derive(Clone, Debug)]
enum Phase {
    /// The command shall run.
    Running,
    /// It shall stop, once clients have forgotten it.
    Draining(Drain),
    /// It shall stop, once it is deregistered, or this moment comes.
    Leaving { signal: Signal, until: Duration },
    /// It was told to stop, and is killed at this moment.
    Stopping { kill_at: Option<Duration> },
    /// It has ended; we do so once it is deregistered, or this moment comes.
    Ended { code: u8, until: Duration },
}

/// A drain on its way.
#[derive(Clone, Debug)]
struct Drain {
    /// The signal that began it, which the command gets at its end.
    signal: Signal,
    /// When it is given up.
    until: Duration,
    /// Whether the call is on its way.
    called: bool,
    /// When to call again.
    retry_at: Option<Duration>,
    /// The failure that people have been told of.
    failure: Option<String>,
    /// When clients have forgotten the instance.
    safe_at: Option<Duration>,
}

impl Drain {
    /// One that has yet to begin.
    fn new(signal: Signal, until: Duration) -> Self {
        Self { signal, until, called: false, retry_at: None, failure: None, safe_at: None }
    }
}

/// The agent's mind. Times are since its start.
#[derive(Debug)]
pub(super) struct Machine {
    rules: Rules,
    phase: Phase,
    health: Health,
    registration: Registration,
    drain_backoff: Backoff,
    actions: Vec<Action>,
}

impl Machine {
    /// The mind of an agent whose command has just started. `seed` decides how far retries are spread.
    pub(super) fn new(rules: Rules, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let longest = (rules.lease / 3).clamp(Duration::from_secs(1), Duration::from_secs(10));
        Self {
            phase: Phase::Running,
            health: Health::new(rules.interval, rules.threshold),
            registration: Registration::new(rules.lease, Backoff::new(longest, random.fork())),
            drain_backoff: Backoff::new(Duration::from_secs(1), random),
            rules,
            actions: Vec::new(),
        }
    }

    /// Takes in what happened and says what to do, in this order.
    pub(super) fn handle(&mut self, now: Duration, event: Event) -> Vec<Action> {
        match event {
            Event::Checked(passed) => self.checked(now, passed),
            Event::Called(Call::Drain, reply) => self.drained(now, reply),
            Event::Called(call, reply) => {
                let said = self.registration.called(now, call, reply);
                self.actions.extend(said.map(|(weight, text)| Action::Say(weight, text)));
            }
            Event::Told(weight, text) => self.actions.push(Action::Say(weight, text)),
            Event::Signal(signal) => self.signalled(now, signal),
            Event::Ended(code) => {
                if !matches!(self.phase, Phase::Ended { .. }) {
                    self.registration.retry_now();
                    self.phase = Phase::Ended { code, until: now + DEREGISTER };
                }
            }
            Event::Tick => {}
        }
        self.go_on(now);
        std::mem::take(&mut self.actions)
    }

    /// When to come back with [`Event::Tick`], if nothing happens before.
    pub(super) fn next(&self) -> Option<Duration> {
        let phase = match &self.phase {
            Phase::Running => self.health.next(),
            Phase::Draining(drain) => {
                let next = [Some(drain.until), drain.safe_at, drain.retry_at.filter(|_| !drain.called)];
                next.into_iter().flatten().min()
            }
            Phase::Leaving { until, .. } | Phase::Ended { until, .. } => Some(*until),
            Phase::Stopping { kill_at } => *kill_at,
        };
        [phase, self.registration.next(self.wish())].into_iter().flatten().min()
    }

    //--- Events

    fn checked(&mut self, now: Duration, passed: bool) {
        if let Some(healthy) = self.health.checked(now, passed) {
            let text = if healthy { "the command is healthy" } else { "the command is unhealthy" };
            let weight = if healthy { Weight::Detail } else { Weight::Notice };
            self.actions.push(Action::Say(weight, text.into()));
        }
    }

    fn signalled(&mut self, now: Duration, signal: Signal) {
        let stops = self.rules.stop.contains(&signal);
        match &mut self.phase {
            Phase::Running if stops => match self.rules.drain {
                Some(patience) if self.registration.may_be_registered() => {
                    self.actions.push(Action::Say(Weight::Detail, "draining before the command is stopped".into()));
                    self.drain_backoff.reset();
                    let until = now + patience;
                    self.phase = Phase::Draining(Drain::new(signal, until));
                }
                _ => self.stop(now, signal),
            },
            Phase::Draining(_) if stops => {
                self.actions.push(Action::Say(Weight::Notice, "told to stop twice: the drain ends here".into()));
                self.stop(now, signal);
            }
            Phase::Leaving { .. } if stops => self.stop(now, signal),
            Phase::Running | Phase::Draining(_) | Phase::Leaving { .. } | Phase::Stopping { .. } => {
                self.actions.push(Action::Signal(signal));
            }
            Phase::Ended { .. } => {}
        }
    }

    fn drained(&mut self, now: Duration, reply: Reply) {
        let mut forgotten = false;
        if let Phase::Draining(drain) = &mut self.phase {
            drain.called = false;
            match reply {
                Reply::Drained { wait, deregistered } => {
                    forgotten = deregistered;
                    drain.safe_at = Some(now + wait);
                }
                Reply::Gone => {
                    forgotten = true;
                    drain.safe_at = Some(now);
                }
                Reply::Failed(why) | Reply::Refused(why) => {
                    drain.retry_at = Some(now + self.drain_backoff.next());
                    // The lease runs out meanwhile. Nothing better can be had from a registry that is away.
                    drain.until = drain.until.min(self.registration.forgotten_at().max(now));
                    if drain.failure.as_ref() != Some(&why) {
                        let text = format!("the instance cannot be drained: {why}; trying again");
                        self.actions.push(Action::Say(Weight::Notice, text));
                    }
                    drain.failure = Some(why);
                }
                Reply::Done | Reply::Registered { .. } | Reply::NoCustomHealth => drain.retry_at = Some(now),
            }
        }
        if forgotten {
            self.registration.forget();
        }
    }

    //--- What follows

    /// Does whatever the time has come for.
    fn go_on(&mut self, now: Duration) {
        if matches!(self.phase, Phase::Running) && self.health.check_now(now) {
            self.actions.push(Action::Check);
        }
        match &mut self.phase {
            Phase::Draining(drain) => {
                let signal = drain.signal;
                if drain.safe_at.is_some_and(|at| at <= now) {
                    self.actions.push(Action::Say(Weight::Detail, "drained: no client uses the instance".into()));
                    self.registration.retry_now();
                    self.phase = Phase::Leaving { signal, until: now + DEREGISTER };
                } else if drain.until <= now {
                    let text = "the drain is not proven in time: clients may still use the instance";
                    self.actions.push(Action::Say(Weight::Notice, text.into()));
                    self.stop(now, signal);
                } else if drain.safe_at.is_none()
                    && !drain.called
                    && drain.retry_at.is_none_or(|at| at <= now)
                    && !self.registration.is_registering()
                {
                    drain.called = true;
                    self.actions.push(Action::Call(Call::Drain));
                }
            }
            Phase::Stopping { kill_at } if kill_at.is_some_and(|at| at <= now) => {
                *kill_at = None;
                let text = "the command has not ended within --grace: it is killed";
                self.actions.extend([Action::Say(Weight::Notice, text.into()), Action::Kill]);
            }
            Phase::Running | Phase::Leaving { .. } | Phase::Stopping { .. } | Phase::Ended { .. } => {}
        }
        if let Phase::Leaving { signal, until } = self.phase
            && (until <= now || !self.registration.may_be_registered())
        {
            self.stop(now, signal);
        }
        self.actions.extend(self.registration.call_now(now, self.wish()).map(Action::Call));
        if let Phase::Ended { code, until } = self.phase {
            if !self.registration.may_be_registered() {
                self.actions.push(Action::Exit(code));
            } else if until <= now {
                let text = "the instance could not be deregistered: it goes when its lease has run out";
                self.actions.extend([Action::Say(Weight::Notice, text.into()), Action::Exit(code)]);
            }
        }
    }

    /// Tells the command to stop.
    fn stop(&mut self, now: Duration, signal: Signal) {
        self.registration.retry_now();
        self.actions.push(Action::Signal(signal));
        self.phase = Phase::Stopping { kill_at: Some(now + self.rules.grace) };
    }

    /// What the registry shall know.
    fn wish(&self) -> Wish {
        match (&self.phase, self.health.healthy()) {
            (Phase::Running, Some(true)) => Wish::Healthy,
            (Phase::Running, Some(false)) => Wish::Unhealthy,
            (Phase::Running, None) => Wish::Nothing,
            (Phase::Draining(_), _) if self.rules.renew_in_drain => Wish::Leased,
            (Phase::Draining(_), _) => Wish::Nothing,
            (Phase::Leaving { .. } | Phase::Stopping { .. } | Phase::Ended { .. }, _) => Wish::Gone,
        }
    }
}

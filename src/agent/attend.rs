//! The loop around the machine: events in, actions out.

use std::collections::HashSet;
use std::future::pending;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rustix::process::Pid;
use tokio::runtime;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::time::{Instant, sleep, sleep_until};

use super::check::Check;
use super::machine::{Action, Call, Event, Machine, Weight};
use super::registrar::Registrar;
use super::signals::{self, Heard};
use super::{Settings, process};

/// What our lines begin with, so that they can be told from those of the command.
const PREFIX: &str = "fingerpost run:";

/// Starts the command and attends to it until it has ended. The exit code is the command's, 128 and the signal's number
/// if one killed it, 127 if there is no such command, and 126 if it cannot be started. Errors are bad usage.
pub fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let code = runtime.block_on(attend(settings));
    // Without waiting for threads that may be asking a server that does not answer.
    runtime.shutdown_background();
    code.map(ExitCode::from)
}

/// An agent at work.
struct Agent {
    registrar: Arc<Registrar>,
    check: Check,
    check_timeout: Duration,
    service: Arc<str>,
    port: Option<u16>,
    verbose: bool,
    command: Pid,
    /// Checks by command that are on their way.
    checks: HashSet<Pid>,
    events: UnboundedSender<Event>,
    expired: UnboundedSender<Pid>,
}

async fn attend(settings: Settings) -> anyhow::Result<u8> {
    let Settings { command, service, wanted, check, check_timeout, rules, way, verbose } = settings;
    let (events, mut happened) = mpsc::unbounded_channel();
    let (expired, mut late) = mpsc::unbounded_channel();
    let (heard, mut hears) = mpsc::unbounded_channel();
    let (host, port) = (Arc::from(service.as_str()), wanted.port);
    let registrar = Arc::new(Registrar::new(way, service, wanted, events.clone())?);
    signals::catch(&heard).context("cannot catch signals")?;
    let command = match process::start(&command) {
        Ok(pid) => pid,
        Err(error) => {
            let name = command.first().map(|name| name.to_string_lossy()).unwrap_or_default();
            say(&format!("{name} cannot be started: {error}"));
            let is_missing = error.kind() == ErrorKind::NotFound;
            return Ok(if is_missing { process::NOT_FOUND } else { process::NOT_STARTED });
        }
    };
    let mut agent = Agent {
        registrar,
        check,
        check_timeout,
        service: host,
        port,
        verbose,
        command,
        checks: HashSet::new(),
        events,
        expired,
    };
    let begun = Instant::now();
    let mut machine = Machine::new(rules, fastrand::u64(..));
    let mut waiting = vec![Event::Tick];
    loop {
        for event in waiting.drain(..) {
            for action in machine.handle(begun.elapsed(), event) {
                if let Some(code) = agent.act(action) {
                    return Ok(code);
                }
            }
        }
        let tick = machine.next().map(|next| begun + next);
        tokio::select! {
            Some(heard) = hears.recv() => match heard {
                Heard::Signal(signal) => waiting.push(Event::Signal(signal)),
                Heard::Child => waiting.extend(std::iter::from_fn(process::reap).filter_map(|one| agent.reaped(one))),
            },
            Some(event) = happened.recv() => waiting.push(event),
            Some(pid) = late.recv() => if agent.checks.contains(&pid) {
                process::kill(pid);
            },
            () = wait_until(tick) => waiting.push(Event::Tick),
        }
    }
}

/// Waits for a moment, or for ever.
async fn wait_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

impl Agent {
    /// Does what the machine says; the exit code if that is to exit.
    fn act(&mut self, action: Action) -> Option<u8> {
        match action {
            Action::Check => self.check(),
            Action::Call(call) => self.call(call),
            Action::Signal(signal) => process::signal(self.command, signal),
            Action::Kill => process::kill(self.command),
            Action::Say(weight, text) => {
                if weight == Weight::Notice || self.verbose {
                    say(&text);
                }
            }
            Action::Exit(code) => return Some(code),
        }
        None
    }

    /// What the end of a child means.
    fn reaped(&mut self, reaped: process::Reaped) -> Option<Event> {
        if reaped.pid == self.command {
            return Some(Event::Ended(reaped.code));
        }
        // Others are orphans of the command.
        self.checks.remove(&reaped.pid).then_some(Event::Checked(reaped.code == 0))
    }

    /// Begins a call.
    fn call(&self, call: Call) {
        let (registrar, events) = (Arc::clone(&self.registrar), self.events.clone());
        tokio::spawn(async move {
            let reply = registrar.call(call).await;
            // The agent may have ended.
            let _ = events.send(Event::Called(call, reply));
        });
    }

    /// Begins a check.
    fn check(&mut self) {
        if let Check::Shell(line) = &self.check {
            match process::start_check(line) {
                Ok(pid) => {
                    self.checks.insert(pid);
                    let (expired, patience) = (self.expired.clone(), self.check_timeout);
                    tokio::spawn(async move {
                        sleep(patience).await;
                        let _ = expired.send(pid);
                    });
                }
                Err(error) => {
                    say(&format!("the check cannot be started: {error}"));
                    let _ = self.events.send(Event::Checked(false));
                }
            }
            return;
        }
        let (registrar, events, check) = (Arc::clone(&self.registrar), self.events.clone(), self.check.clone());
        let (service, port, patience) = (Arc::clone(&self.service), self.port, self.check_timeout);
        tokio::spawn(async move {
            let passed = match registrar.identity().await {
                Ok(identity) => match identity.addresses.first() {
                    Some(address) => check.passes(*address, port, &service, patience).await,
                    None => false,
                },
                Err(_) => false,
            };
            let _ = events.send(Event::Checked(passed));
        });
    }
}

/// Tells people. Standard output is the command's alone.
fn say(text: &str) {
    // Nobody may be reading.
    // In one piece, lest the command writes into the middle of it.
    let _ = io::stderr().write_all(format!("{PREFIX} {text}\n").as_bytes());
}

//! The agent's mind without an agent: what happens goes in, what it does comes out.

use super::*;

const TTL: Duration = Duration::from_secs(10);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn rules() -> Rules {
    Rules {
        lease: seconds(15),
        interval: Some(seconds(2)),
        threshold: 2,
        stop: vec![Signal::TERM, Signal::INT],
        drain: Some(seconds(90)),
        renew_in_drain: true,
        grace: seconds(30),
    }
}

fn registered(custom_health: bool) -> Reply {
    Reply::Registered { custom_health, ttl: Some(TTL) }
}

fn failed() -> Reply {
    Reply::Failed("away".into())
}

/// A machine whose time is turned by hand. What it says is not looked at.
struct Agent {
    machine: Machine,
    now: Duration,
}

impl Agent {
    fn new(rules: Rules) -> Self {
        Self { machine: Machine::new(rules, 7), now: Duration::ZERO }
    }

    /// One whose command was found healthy, and which is registered.
    fn registered(rules: Rules, custom_health: bool) -> Self {
        let mut agent = Self::new(rules);
        assert_eq!(agent.handle(Event::Tick), [Action::Check]);
        assert_eq!(agent.handle(Event::Checked(true)), [Action::Call(Call::Register)]);
        assert_eq!(agent.called(Call::Register, registered(custom_health)), []);
        agent
    }

    fn handle(&mut self, event: Event) -> Vec<Action> {
        let mut actions = self.machine.handle(self.now, event);
        actions.retain(|action| !matches!(action, Action::Say(..)));
        actions
    }

    fn called(&mut self, call: Call, reply: Reply) -> Vec<Action> {
        self.handle(Event::Called(call, reply))
    }

    /// Goes to the next moment that it waits for, and says what it does then.
    fn wait(&mut self) -> Vec<Action> {
        self.now = self.machine.next().unwrap().max(self.now);
        self.handle(Event::Tick)
    }

    /// Waits until it does something else than checks, which find `healthy`.
    fn wait_for_more_than_checks(&mut self, healthy: bool) -> Vec<Action> {
        loop {
            let mut actions = self.wait();
            if actions.contains(&Action::Check) {
                actions.retain(|action| *action != Action::Check);
                actions.extend(self.handle(Event::Checked(healthy)));
            }
            if !actions.is_empty() {
                return actions;
            }
        }
    }
}

const RENEW: Call = Call::Renew { healthy: true };

#[test]
fn nothing_is_registered_before_a_check_passes() {
    let mut agent = Agent::new(rules());
    assert_eq!(agent.handle(Event::Tick), [Action::Check]);
    assert_eq!(agent.handle(Event::Tick), [], "one check at a time");
    for _ in 0..100 {
        assert_eq!(agent.handle(Event::Checked(false)), []);
        assert_eq!(agent.wait(), [Action::Check]);
    }
    assert_eq!(agent.handle(Event::Checked(true)), [Action::Call(Call::Register)]);
}

#[test]
fn a_command_that_starts_is_looked_at_often_and_then_less() {
    let mut agent = Agent::new(rules());
    let mut moments = Vec::new();
    for _ in 0..60 {
        agent.wait();
        agent.handle(Event::Checked(false));
        moments.push(agent.now);
    }
    assert!(moments[1] <= seconds(1) / 10 && moments[10] <= seconds(1), "{moments:?}");
    let last = moments[59] - moments[58];
    assert_eq!(last, seconds(2));
}

#[test]
fn without_a_check_it_is_registered_at_once() {
    let mut agent = Agent::new(Rules { interval: None, ..rules() });
    assert_eq!(agent.handle(Event::Tick), [Action::Call(Call::Register)]);
}

#[test]
fn the_lease_is_renewed_at_a_third_of_it() {
    let mut agent = Agent::registered(rules(), true);
    for turn in 1..5 {
        assert_eq!(agent.wait_for_more_than_checks(true), [Action::Call(RENEW)]);
        assert_eq!(agent.now, seconds(5 * turn));
        assert_eq!(agent.called(RENEW, Reply::Done), []);
    }
}

#[test]
fn failures_in_a_row_turn_custom_health_and_one_success_turns_it_back() {
    let mut agent = Agent::registered(rules(), true);
    assert_eq!(agent.wait(), [Action::Check]);
    assert_eq!(agent.handle(Event::Checked(false)), [], "one is not enough");
    assert_eq!(agent.wait(), [Action::Check]);
    let unhealthy = Call::SetHealth { healthy: false };
    assert_eq!(agent.handle(Event::Checked(false)), [Action::Call(unhealthy)]);
    assert_eq!(agent.called(unhealthy, failed()), []);
    assert_eq!(agent.wait_for_more_than_checks(false), [Action::Call(unhealthy)], "it is told until it is heard");
    assert_eq!(agent.called(unhealthy, Reply::Done), []);
    assert_eq!(agent.wait_for_more_than_checks(false), [Action::Call(Call::Renew { healthy: false })]);
    assert_eq!(agent.called(Call::Renew { healthy: false }, Reply::Done), []);
    let healthy = Call::SetHealth { healthy: true };
    assert_eq!(agent.wait_for_more_than_checks(true), [Action::Call(healthy)]);
    assert_eq!(agent.called(healthy, Reply::Done), []);
    assert_eq!(agent.wait_for_more_than_checks(true), [Action::Call(RENEW)]);
}

#[test]
fn a_flap_during_a_call_is_told_after_it() {
    let mut agent = Agent::registered(rules(), true);
    let unhealthy = Call::SetHealth { healthy: false };
    assert_eq!(agent.wait_for_more_than_checks(false), [Action::Call(unhealthy)]);
    assert_eq!(agent.wait(), [Action::Check]);
    assert_eq!(agent.handle(Event::Checked(true)), [], "one call at a time");
    assert_eq!(agent.called(unhealthy, Reply::Done), [Action::Call(Call::SetHealth { healthy: true })]);
}

#[test]
fn where_health_cannot_be_told_the_unhealthy_are_not_registered() {
    let mut agent = Agent::registered(rules(), false);
    assert_eq!(agent.wait_for_more_than_checks(false), [Action::Call(Call::Deregister)]);
    assert_eq!(agent.called(Call::Deregister, Reply::Done), []);
    assert_eq!(agent.wait_for_more_than_checks(true), [Action::Call(Call::Register)]);

    // The service lost its check meanwhile.
    let mut agent = Agent::registered(rules(), true);
    let unhealthy = Call::SetHealth { healthy: false };
    assert_eq!(agent.wait_for_more_than_checks(false), [Action::Call(unhealthy)]);
    assert_eq!(agent.called(unhealthy, Reply::NoCustomHealth), [Action::Call(Call::Deregister)]);
}

#[test]
fn an_instance_that_is_gone_is_registered_again() {
    let mut agent = Agent::registered(rules(), true);
    assert_eq!(agent.wait_for_more_than_checks(true), [Action::Call(RENEW)]);
    assert_eq!(agent.called(RENEW, Reply::Gone), [Action::Call(Call::Register)]);
}

#[test]
fn outages_are_tried_again_with_more_and_more_time_between_and_told_once() {
    let mut agent = Agent::new(Rules { interval: None, ..rules() });
    assert_eq!(agent.handle(Event::Tick), [Action::Call(Call::Register)]);
    let (mut pauses, mut said) = (Vec::new(), 0);
    for _ in 0..12 {
        let actions = agent.machine.handle(agent.now, Event::Called(Call::Register, failed()));
        said += actions.iter().filter(|action| matches!(action, Action::Say(Weight::Notice, _))).count();
        let before = agent.now;
        assert_eq!(agent.wait(), [Action::Call(Call::Register)]);
        pauses.push(agent.now - before);
    }
    assert_eq!(said, 1);
    assert!(pauses[0] >= seconds(1) / 8 && pauses[0] <= seconds(1) / 4, "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause <= seconds(5)), "no more than a third of the lease: {pauses:?}");
    assert!(pauses[6..].iter().all(|pause| *pause >= seconds(5) / 2), "{pauses:?}");
    assert!(pauses[6..].windows(2).any(|pair| pair[0] != pair[1]), "they are spread: {pauses:?}");
    let actions = agent.machine.handle(agent.now, Event::Called(Call::Register, registered(true)));
    assert!(matches!(&*actions, [Action::Say(Weight::Notice, _)]), "and its end: {actions:?}");
}

#[test]
fn a_stop_drains_then_deregisters_then_stops_then_kills() {
    let mut agent = Agent::registered(rules(), true);
    assert_eq!(agent.handle(Event::Signal(Signal::TERM)), [Action::Call(Call::Drain)]);
    assert_eq!(agent.wait(), [Action::Call(RENEW)], "the lease must outlive the drain");
    assert_eq!(agent.called(RENEW, Reply::Done), []);
    let drained = Reply::Drained { wait: Duration::ZERO, deregistered: false };
    assert_eq!(agent.called(Call::Drain, drained), [Action::Call(Call::Deregister)]);
    assert_eq!(agent.called(Call::Deregister, Reply::Done), [Action::Signal(Signal::TERM)]);
    let stopped = agent.now;
    assert_eq!(agent.wait(), [Action::Kill]);
    assert_eq!(agent.now - stopped, seconds(30));
    assert_eq!(agent.machine.next(), None);
    assert_eq!(agent.handle(Event::Ended(137)), [Action::Exit(137)]);
}

#[test]
fn a_deregistration_without_proof_waits_for_the_ttl() {
    let mut agent = Agent::registered(Rules { renew_in_drain: false, ..rules() }, true);
    assert_eq!(agent.handle(Event::Signal(Signal::INT)), [Action::Call(Call::Drain)]);
    agent.now += seconds(6);
    assert_eq!(agent.handle(Event::Tick), [], "no renewal that registers again");
    let begun = agent.now;
    assert_eq!(agent.called(Call::Drain, Reply::Drained { wait: TTL + MARGIN, deregistered: true }), []);
    assert_eq!(agent.wait(), [Action::Signal(Signal::INT)]);
    assert_eq!(agent.now - begun, TTL + MARGIN);
}

#[test]
fn a_drain_waits_for_a_registration_on_its_way() {
    let mut agent = Agent::new(Rules { interval: None, ..rules() });
    assert_eq!(agent.handle(Event::Tick), [Action::Call(Call::Register)]);
    assert_eq!(agent.handle(Event::Signal(Signal::TERM)), []);
    assert_eq!(agent.called(Call::Register, registered(true)), [Action::Call(Call::Drain)]);
    assert_eq!(agent.called(Call::Drain, Reply::Gone), [Action::Signal(Signal::TERM)]);
}

#[test]
fn what_was_never_registered_is_stopped_at_once() {
    let mut agent = Agent::new(rules());
    assert_eq!(agent.handle(Event::Tick), [Action::Check]);
    assert_eq!(agent.handle(Event::Signal(Signal::TERM)), [Action::Signal(Signal::TERM)]);
    assert_eq!(agent.handle(Event::Checked(true)), [], "it is too late to register");
    assert_eq!(agent.handle(Event::Ended(0)), [Action::Exit(0)]);

    let mut agent = Agent::new(Rules { interval: None, ..rules() });
    agent.handle(Event::Tick);
    agent.called(Call::Register, Reply::Refused("there is no such service".into()));
    assert_eq!(agent.handle(Event::Signal(Signal::TERM)), [Action::Signal(Signal::TERM)]);
}

#[test]
fn a_drain_during_an_outage_waits_until_the_lease_has_run_out() {
    let mut agent = Agent::registered(rules(), true);
    assert_eq!(agent.handle(Event::Signal(Signal::TERM)), [Action::Call(Call::Drain)]);
    assert_eq!(agent.called(Call::Drain, failed()), []);
    let mut drains = 0;
    loop {
        match &*agent.wait() {
            [] => {}
            [Action::Call(Call::Drain)] => {
                drains += 1;
                assert_eq!(agent.called(Call::Drain, failed()), []);
            }
            [Action::Call(RENEW)] => _ = agent.called(RENEW, Reply::Refused("away".into())),
            [Action::Signal(Signal::TERM), Action::Call(Call::Deregister)] => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(agent.now, seconds(15) + TTL + MARGIN);
    assert!(drains > 10, "{drains}");

    // An outage that ends in time does no harm.
    let mut agent = Agent::registered(rules(), true);
    agent.handle(Event::Signal(Signal::TERM));
    agent.called(Call::Drain, failed());
    assert_eq!(agent.wait(), [Action::Call(Call::Drain)]);
    let drained = Reply::Drained { wait: Duration::ZERO, deregistered: false };
    assert_eq!(agent.called(Call::Drain, drained), [Action::Call(Call::Deregister)]);
}

#[test]
fn a_drain_ends_with_its_time_or_with_a_second_signal() {
    let mut agent = Agent::registered(Rules { drain: Some(seconds(3)), ..rules() }, true);
    agent.handle(Event::Signal(Signal::TERM));
    assert_eq!(agent.wait(), [Action::Signal(Signal::TERM), Action::Call(Call::Deregister)]);
    assert_eq!(agent.now, seconds(3));

    let mut agent = Agent::registered(rules(), true);
    agent.handle(Event::Signal(Signal::TERM));
    assert_eq!(agent.handle(Event::Signal(Signal::HUP)), [Action::Signal(Signal::HUP)], "others pass");
    let stopped = [Action::Signal(Signal::INT), Action::Call(Call::Deregister)];
    assert_eq!(agent.handle(Event::Signal(Signal::INT)), stopped);
}

#[test]
fn without_a_drain_it_is_stopped_at_once() {
    let mut agent = Agent::registered(Rules { drain: None, ..rules() }, true);
    let actions = agent.handle(Event::Signal(Signal::TERM));
    assert_eq!(actions, [Action::Signal(Signal::TERM), Action::Call(Call::Deregister)]);
}

#[test]
fn a_deregistration_that_hangs_does_not_keep_the_command() {
    let mut agent = Agent::registered(rules(), true);
    agent.handle(Event::Signal(Signal::TERM));
    agent.called(Call::Drain, Reply::Drained { wait: Duration::ZERO, deregistered: false });
    assert_eq!(agent.wait(), [Action::Signal(Signal::TERM)]);
    assert_eq!(agent.now, DEREGISTER);
    assert_eq!(agent.called(Call::Deregister, Reply::Done), []);
    assert_eq!(agent.handle(Event::Ended(0)), [Action::Exit(0)]);
}

#[test]
fn a_command_that_ends_is_deregistered_at_once_and_its_code_is_ours() {
    let mut agent = Agent::registered(rules(), true);
    assert_eq!(agent.handle(Event::Ended(3)), [Action::Call(Call::Deregister)]);
    assert_eq!(agent.called(Call::Deregister, failed()), []);
    assert_eq!(agent.wait(), [Action::Call(Call::Deregister)]);
    assert_eq!(agent.called(Call::Deregister, Reply::Done), [Action::Exit(3)]);

    // With the registry away, the lease has to do.
    let mut agent = Agent::registered(rules(), true);
    agent.handle(Event::Ended(143));
    assert_eq!(agent.wait(), [Action::Exit(143)]);
    assert_eq!(agent.now, DEREGISTER);

    // In the midst of a drain.
    let mut agent = Agent::registered(rules(), true);
    agent.handle(Event::Signal(Signal::TERM));
    assert_eq!(agent.handle(Event::Ended(0)), [Action::Call(Call::Deregister)]);
}

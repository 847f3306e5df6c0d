//! What goes into the machine and what comes out of it.

use std::time::Duration;

use rustix::process::Signal;

/// What the user wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How long the instance stays without a renewal.
    pub lease: Duration,
    /// Time between two checks; `None`: the command is healthy once it runs.
    pub interval: Option<Duration>,
    /// Failures in a row after which it is unhealthy.
    pub threshold: u8,
    /// Signals that stop the command, after a drain.
    pub stop: Vec<Signal>,
    /// How long a drain may take at most; `None`: stop at once.
    pub drain: Option<Duration>,
    /// Whether the lease is to be renewed while a drain is on its way. Where draining is nothing but deregistering, a
    /// renewal could register the instance again.
    pub renew_in_drain: bool,
    /// How long the command may take to end once it was told to.
    pub grace: Duration,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::agent) enum Event {
    /// A check of the command came to an end.
    Checked(bool),
    /// A call to the registry came to an end.
    Called(Call, Reply),
    /// Something that people may want to know, such as how far a drain is.
    Told(Weight, String),
    /// Somebody sent us a signal.
    Signal(Signal),
    /// The command has ended, with this exit code.
    Ended(u8),
    /// The moment of [`super::Machine::next`].
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::agent) enum Action {
    /// Check the command once.
    Check,
    /// Call the registry.
    Call(Call),
    /// Send the command a signal.
    Signal(Signal),
    /// Kill the command and what it started.
    Kill,
    /// Tell people.
    Say(Weight, String),
    /// Exit with this code.
    Exit(u8),
}

/// Who wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::agent) enum Weight {
    /// Whoever runs it: something is not as it should be, or is so again.
    Notice,
    /// Whoever asks for more.
    Detail,
}

/// A call to the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::agent) enum Call {
    /// Register the instance, or say again that it is as it was.
    Register,
    /// Renew the lease of an instance that was told to be so.
    Renew {
        /// Healthy.
        healthy: bool,
    },
    /// Tell its health.
    SetHealth {
        /// Healthy.
        healthy: bool,
    },
    /// Take it out of answers, and wait for the proof that clients have forgotten it.
    Drain,
    /// Deregister it.
    Deregister,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::agent) enum Reply {
    /// It is done.
    Done,
    /// It is registered.
    Registered {
        /// Whether the service takes the health that we tell.
        custom_health: bool,
        /// How long clients may use an answer, where that is known.
        ttl: Option<Duration>,
    },
    /// No new answer has it.
    Drained {
        /// How long clients may still use old ones.
        wait: Duration,
        /// Whether it is not registered any more, either.
        deregistered: bool,
    },
    /// There is no such instance.
    Gone,
    /// The service does not take the health that we tell, or not any more.
    NoCustomHealth,
    /// It failed, and may have been done all the same; it may succeed later.
    Failed(String),
    /// It was not done; it may be later.
    Refused(String),
}

//! What the registry knows of the instance, and what it has to be told.

use std::time::Duration;

use super::backoff::Backoff;
use super::{Call, MARGIN, Reply, Weight};

/// What the registry shall know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Nothing yet.
    Nothing,
    /// A healthy instance.
    Healthy,
    /// An unhealthy one; none where the service does not take the health that we tell.
    Unhealthy,
    /// What it knows, for as long as it is asked to.
    Leased,
    /// No instance.
    Gone,
}

/// What we believe that it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// No instance.
    Nothing,
    /// Perhaps one: a call failed, and may have arrived all the same.
    Perhaps,
    /// The instance, with this health.
    Instance { healthy: bool },
}

/// The registration of one instance.
#[derive(Debug)]
pub(super) struct Registration {
    lease: Duration,
    known: Known,
    /// Whether the service takes the health that we tell.
    custom_health: bool,
    ttl: Option<Duration>,
    /// The call on its way, and when it went out.
    calling: Option<(Call, Duration)>,
    /// When the lease was renewed, as far as we know.
    renewed: Duration,
    /// When it was perhaps renewed, too.
    touched: Duration,
    backoff: Backoff,
    /// When to try again.
    retry_at: Option<Duration>,
    /// The failure that people have been told of, so that they are not told again.
    failure: Option<String>,
}

impl Registration {
    /// Of an instance that nobody knows yet.
    pub(super) fn new(lease: Duration, backoff: Backoff) -> Self {
        Self {
            lease,
            known: Known::Nothing,
            custom_health: false,
            ttl: None,
            calling: None,
            renewed: Duration::ZERO,
            touched: Duration::ZERO,
            backoff,
            retry_at: None,
            failure: None,
        }
    }

    /// Whether the registry may know the instance, or may be about to.
    pub(super) fn may_be_registered(&self) -> bool {
        self.known != Known::Nothing || self.is_registering()
    }

    /// Whether a call that registers it is on its way.
    pub(super) fn is_registering(&self) -> bool {
        // Over the AWS API, a renewal may be a registration.
        matches!(self.calling, Some((Call::Register | Call::Renew { .. }, _)))
    }

    /// When clients have forgotten it at the latest, if the registry lives and does not hear of us any more.
    pub(super) fn forgotten_at(&self) -> Duration {
        self.touched + self.lease + self.ttl.unwrap_or_default() + MARGIN
    }

    /// It was deregistered.
    pub(super) fn forget(&mut self) {
        self.known = Known::Nothing;
    }

    /// Things have changed: what failed is tried again without waiting.
    pub(super) fn retry_now(&mut self) {
        self.retry_at = None;
        self.backoff.reset();
    }

    /// The call to make, if its time has come; then it is on its way.
    pub(super) fn call_now(&mut self, now: Duration, wish: Wish) -> Option<Call> {
        if self.next(wish).is_none_or(|at| at > now) {
            return None;
        }
        let call = self.due(wish)?.0;
        self.calling = Some((call, now));
        Some(call)
    }

    /// When to make the next call.
    pub(super) fn next(&self, wish: Wish) -> Option<Duration> {
        if self.calling.is_some() {
            return None;
        }
        let (_, at) = self.due(wish)?;
        Some(self.retry_at.map_or(at, |retry_at| retry_at.max(at)))
    }

    /// The call that brings the registry nearer to the wish, and when to make it at the earliest.
    fn due(&self, wish: Wish) -> Option<(Call, Duration)> {
        let now = Duration::ZERO;
        let renewal = |healthy| Some((Call::Renew { healthy }, self.renewed + self.lease / 3));
        match (wish, self.known) {
            (Wish::Nothing, _) | (Wish::Unhealthy | Wish::Gone, Known::Nothing) => None,
            (Wish::Leased, Known::Nothing | Known::Perhaps) => None,
            (Wish::Healthy, Known::Nothing | Known::Perhaps) => Some((Call::Register, now)),
            (Wish::Healthy, Known::Instance { healthy: false }) => Some((Call::SetHealth { healthy: true }, now)),
            (Wish::Unhealthy, Known::Instance { healthy }) if self.custom_health => match healthy {
                true => Some((Call::SetHealth { healthy: false }, now)),
                false => renewal(false),
            },
            (Wish::Healthy | Wish::Leased, Known::Instance { healthy }) => renewal(healthy),
            (Wish::Unhealthy | Wish::Gone, Known::Perhaps | Known::Instance { .. }) => Some((Call::Deregister, now)),
        }
    }

    /// Takes in what came of a call; yields what people should know.
    pub(super) fn called(&mut self, now: Duration, call: Call, reply: Reply) -> Option<(Weight, String)> {
        let sent = self.calling.take().map_or(now, |(_, sent)| sent);
        if !matches!(reply, Reply::Refused(_)) && call != Call::Deregister {
            self.touched = now;
        }
        if let Reply::Failed(why) | Reply::Refused(why) = &reply {
            if matches!(reply, Reply::Failed(_)) && call == Call::Register && self.known == Known::Nothing {
                self.known = Known::Perhaps;
            }
            self.retry_at = Some(now + self.backoff.next());
            let is_new = self.failure.as_ref() != Some(why);
            let text = format!("{} failed: {why}; trying again", name(call));
            self.failure = Some(why.clone());
            return is_new.then_some((Weight::Notice, text));
        }
        self.retry_now();
        let recovered = self.failure.take().is_some();
        let text = match (call, reply) {
            (Call::Deregister, _) => {
                self.known = Known::Nothing;
                "deregistered"
            }
            (_, Reply::Gone) => {
                self.known = Known::Nothing;
                "the registry does not know the instance any more: registering it again"
            }
            (_, Reply::NoCustomHealth) => {
                self.custom_health = false;
                self.known = Known::Perhaps;
                "the service does not take the health that is told"
            }
            (Call::Register | Call::Renew { .. }, Reply::Registered { custom_health, ttl }) => {
                (self.custom_health, self.ttl, self.renewed) = (custom_health, ttl, sent);
                let healthy = !matches!(call, Call::Renew { healthy: false });
                let is_new = !matches!(self.known, Known::Instance { .. });
                self.known = Known::Instance { healthy };
                if !is_new && !recovered {
                    return None;
                }
                "registered"
            }
            (Call::SetHealth { healthy } | Call::Renew { healthy }, _) => {
                (self.known, self.renewed) = (Known::Instance { healthy }, sent);
                if !recovered {
                    return None;
                }
                "the registry is back"
            }
            (Call::Register | Call::Drain, _) => return None,
        };
        Some((if recovered { Weight::Notice } else { Weight::Detail }, text.into()))
    }
}

/// What a call does, for people.
fn name(call: Call) -> &'static str {
    match call {
        Call::Register => "registration",
        Call::Renew { .. } => "renewing the lease",
        Call::SetHealth { .. } => "telling the health",
        Call::Drain => "the drain",
        Call::Deregister => "deregistration",
    }
}

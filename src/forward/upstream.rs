//! One upstream and how it fares: up, down, or one that leads back to us.
//!
//! ```text
//!          3 failures in a row                 the probe comes back to us
//!   Up ──────────────────────────▶ Down ─────────────────────────────────▶ Loop
//!    ▲                              │ ▲                                     │
//!    └── a probe, or a query, is ───┘ └──── the probe does not come back ───┘
//!        answered
//! ```
//!
//! An upstream that is down is asked only where no other is left, and a probe finds out when it is back, after pauses
//! that double. The probe asks for a name that nobody has heard of: should that query reach us, whoever asks, the
//! upstream forwards to us, and nothing more is sent there until a later probe does not come back.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::{sleep, timeout};

use super::cache::Key;
use super::exchange::Channel;
use super::message::Message;
use crate::metrics::{ForwardCounters, UpstreamState};
use crate::wire::Name;
use crate::wire::types::rtype;

/// Failures in a row after which an upstream is down: one may be a lost datagram.
const FAILURES: u32 = 3;

/// Pauses between probes: the first, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How long a probe waits for its answer.
const PROBE: Duration = Duration::from_secs(2);

/// A server that answers what we do not.
pub(super) struct Upstream {
    address: SocketAddr,
    channel: Channel,
    /// Names below it are this upstream's to answer: probes are made of it.
    domain: Name,
    index: usize,
    state: AtomicU8,
    failures: AtomicU32,
    is_probed: AtomicBool,
    /// The name that the open probe asks for.
    probe: Mutex<Option<Box<[u8]>>>,
    counters: Arc<ForwardCounters>,
}

impl Upstream {
    /// The upstream with number `index` of `counters`, thought to be up.
    pub(super) fn new(
        address: SocketAddr,
        channel: Channel,
        domain: Name,
        index: usize,
        counters: Arc<ForwardCounters>,
    ) -> Self {
        Self {
            address,
            channel,
            domain,
            index,
            state: AtomicU8::new(UpstreamState::Up as u8),
            failures: AtomicU32::new(0),
            is_probed: AtomicBool::new(false),
            probe: Mutex::default(),
            counters,
        }
    }

    /// Asks it, and takes note of how that went if it went at once; who gives up calls [`Self::note_failure`].
    pub(super) async fn ask(self: &Arc<Self>, key: &Key) -> io::Result<Message> {
        self.counters.asked(self.index);
        let asked = self.channel.ask(self.address, key, true).await;
        match &asked {
            Ok(_) => self.note_success(),
            Err(error) => {
                tracing::debug!(upstream = %self, %error, "no answer");
                self.note_failure();
            }
        }
        asked.map(|mut message| {
            // It speaks for itself, and we do not for the zone.
            message.authoritative = false;
            message
        })
    }

    /// How it fares.
    pub(super) fn state(&self) -> UpstreamState {
        UpstreamState::from(self.state.load(Relaxed))
    }

    /// It has answered.
    fn note_success(&self) {
        self.failures.store(0, Relaxed);
        if self.state() == UpstreamState::Down {
            self.set_state(UpstreamState::Up);
        }
    }

    /// It has not answered.
    pub(super) fn note_failure(self: &Arc<Self>) {
        self.counters.failed(self.index);
        let failures = self.failures.fetch_add(1, Relaxed).saturating_add(1);
        if failures >= FAILURES && self.state() == UpstreamState::Up {
            self.set_state(UpstreamState::Down);
            self.watch(PAUSE.0);
        }
    }

    /// Probes it after `pause`, and again until it is up. At most one such task runs.
    pub(super) fn watch(self: &Arc<Self>, mut pause: Duration) {
        if self.is_probed.swap(true, Relaxed) {
            return;
        }
        // The task does not keep the upstream, and ends with it.
        let upstream = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                sleep(pause).await;
                let Some(upstream) = upstream.upgrade() else { return };
                match upstream.probe().await {
                    Some(UpstreamState::Up) => {
                        upstream.failures.store(0, Relaxed);
                        upstream.is_probed.store(false, Relaxed);
                        upstream.set_state(UpstreamState::Up);
                        return;
                    }
                    Some(state) => upstream.set_state(state),
                    None => {}
                }
                pause = (2 * pause).clamp(PAUSE.0, PAUSE.1);
            }
        });
    }

    /// Asks for a name that only this query has, and beside it for what takes no other servers to be answered, since a
    /// resolver may be well and cut off from them. `None` if there are no random numbers to make a name of.
    async fn probe(self: &Arc<Self>) -> Option<UpstreamState> {
        let mut random = [0; 8];
        SystemRandom::new().fill(&mut random).ok()?;
        let label = format!("fingerpost-probe-{:016x}", u64::from_be_bytes(random));
        let name: Box<[u8]> = self.domain.child(&label).ok()?.as_wire().into();
        *self.open_probe() = Some(name.clone());
        let key = Key { name: name.clone(), qtype: rtype::TXT, dnssec_ok: false, checking_disabled: false };
        let root = Key { name: [0].into(), qtype: rtype::NS, ..key.clone() };
        let ask = |key, recursion| timeout(PROBE, self.channel.ask(self.address, key, recursion));
        let (one, other) = tokio::join!(ask(&key, true), ask(&root, false));
        let is_answered = [one, other].iter().any(|answered| matches!(answered, Ok(Ok(_))));
        // Taken by `is_probe` if it came by.
        let came_back = self.open_probe().take().is_none();
        Some(match is_answered {
            _ if came_back => UpstreamState::Loop,
            true => UpstreamState::Up,
            false => UpstreamState::Down,
        })
    }

    /// Whether `name` is that of the open probe, which has therefore come back to us.
    pub(super) fn is_probe(&self, name: &[u8]) -> bool {
        let mut probe = self.open_probe();
        let came_back = probe.as_deref() == Some(name);
        if came_back {
            *probe = None;
        }
        came_back
    }

    fn open_probe(&self) -> impl std::ops::DerefMut<Target = Option<Box<[u8]>>> {
        self.probe.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and says so.
    fn set_state(&self, state: UpstreamState) {
        if self.state.swap(state as u8, Relaxed) == state as u8 {
            return;
        }
        self.counters.set_state(self.index, state);
        match state {
            UpstreamState::Up => tracing::info!(upstream = %self, "the upstream answers again"),
            UpstreamState::Down => tracing::warn!(upstream = %self, "the upstream does not answer"),
            UpstreamState::Loop => {
                tracing::error!(upstream = %self, "the upstream forwards to this server: a loop; it is not asked");
            }
        }
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.channel {
            Channel::Plain => write!(f, "{}", self.address),
            Channel::Tls(_) => write!(f, "tls://{}", self.address),
        }
    }
}

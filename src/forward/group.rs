//! The upstreams of one rule, asked one after another until one answers.
//!
//! Those that are up come first, in the order of the configuration. Who does not answer within a moment is joined by
//! the next, and the first answer counts: a dead upstream costs that moment, and only until it is known to be down. A
//! refusal of a connection, and an error in place of an answer, pass the turn at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{self, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::cache::Key;
use super::message::Message;
use super::upstream::Upstream;
use crate::metrics::UpstreamState;

/// How long the next upstream waits for the one before it. Most answers take less; a slow one costs one query more.
const STAGGER: Duration = Duration::from_millis(500);

/// How often each upstream is asked: a datagram may get lost.
const ROUNDS: usize = 2;

/// Upstreams that know the same names.
pub(super) struct Group(pub(super) Vec<Arc<Upstream>>);

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nobody has answered in time.
    Unreachable,
    /// All upstreams lead back to us.
    Loop,
}

impl Group {
    /// The answer to `key`, by the first upstream that has one, within `limit`. Where all have errors, that is one of
    /// them.
    pub(super) async fn ask(&self, key: &Arc<Key>, limit: Duration) -> Result<Message, Failure> {
        let order = self.order();
        if order.is_empty() {
            return Err(Failure::Loop);
        }
        let deadline = Instant::now() + limit;
        let mut turns = vec![order; ROUNDS].concat().into_iter();
        let mut attempts = JoinSet::new();
        // When each open attempt began, and whose it is.
        let mut open = HashMap::new();
        let mut error = None;
        let mut next_turn = Instant::now();
        loop {
            let is_turn = turns.len() > 0;
            if attempts.is_empty() && !is_turn {
                break;
            }
            tokio::select! {
                biased;
                Some(ended) = attempts.join_next_with_id() => {
                    next_turn = Instant::now();
                    let Ok((id, answered)) = ended else { continue };
                    let begun = open.remove(&id).map_or(deadline, |(begun, _)| begun);
                    match answered {
                        Ok(message) if !Message::has_failed(&message) => {
                            // Who was asked before, and has let somebody else overtake.
                            blame(&open, |other| other < begun && other.elapsed() >= STAGGER);
                            return Ok(message);
                        }
                        Ok(message) => error = Some(message),
                        Err(_) => {}
                    }
                }
                () = sleep_until(next_turn), if is_turn => {
                    next_turn = Instant::now() + STAGGER;
                    if let Some(upstream) = turns.next() {
                        let (asked, key) = (Arc::clone(&upstream), Arc::clone(key));
                        let attempt = attempts.spawn(async move { asked.ask(&key).await });
                        open.insert(attempt.id(), (Instant::now(), upstream));
                    }
                }
                () = sleep_until(deadline) => {
                    blame(&open, |_| true);
                    break;
                }
            }
        }
        error.ok_or(Failure::Unreachable)
    }

    /// Those to be asked, best first.
    fn order(&self) -> Vec<Arc<Upstream>> {
        let of = |state| self.0.iter().filter(move |upstream| upstream.state() == state).cloned();
        of(UpstreamState::Up).chain(of(UpstreamState::Down)).collect()
    }
}

/// Notes the failure of those attempts whose beginning says so.
fn blame(open: &HashMap<task::Id, (Instant, Arc<Upstream>)>, has_failed: impl Fn(Instant) -> bool) {
    for (_, upstream) in open.values().filter(|(begun, _)| has_failed(*begun)) {
        upstream.note_failure();
    }
}

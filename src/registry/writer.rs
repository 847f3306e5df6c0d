//! The registry's thread, and how commands reach it.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{getpriority_process, setpriority_process};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tracing::{error, warn};

use super::catalog::Reader;
use super::command::{Command, Refusal};
use super::operation::{Operation, Place, Running};
use super::push::{Push, Pushed};
use super::{Change, Registry, now};

/// Commands that wait at most; a channel that sends faster is slowed down.
const QUEUE: usize = 4096;
/// Commands that become one commit at most.
const BATCH: usize = 4096;
/// How often retired snapshots and old operations are looked at while nothing happens.
const SWEEP_INTERVAL: Duration = Duration::from_millis(250);

/// Commands that wait in batches at most, of all callers together.
const ROOM: usize = 64 * 1024;

/// How much the registry gives way to whoever answers queries.
const NICE: i32 = 2;

/// Standing still for longer than this, the registry gives every lease the time that was lost.
const STALL: Duration = Duration::from_secs(1);

/// How often workers that lag behind are looked at while somebody waits for them.
const AWAITED_INTERVAL: Duration = Duration::from_millis(1);

/// What waits for the registry.
#[allow(clippy::large_enum_variant, reason = "most are single commands, and moved twice")]
enum Request {
    /// A command with what it holds, and the place to which its result goes.
    One { command: Command, place: Option<Place>, reply: oneshot::Sender<Result<Change, Refusal>> },
    /// Many commands of the gRPC channel with the room that they take, and the one place.
    Batch { batch: Vec<Push>, room: OwnedSemaphorePermit, reply: oneshot::Sender<Result<Pushed, Refusal>> },
}

/// To whom results go.
enum Reply {
    One { place: Option<Place>, reply: oneshot::Sender<Result<Change, Refusal>> },
    Batch { count: usize, _room: OwnedSemaphorePermit, reply: oneshot::Sender<Result<Pushed, Refusal>> },
}

impl Registry {
    /// Runs the registry on a thread of its own, until every [`Sender`] is gone.
    pub fn spawn(mut self) -> std::io::Result<(Sender, thread::JoinHandle<()>)> {
        let (queue, receiver) = mpsc::channel::<Request>(QUEUE);
        let sender =
            Sender { queue, catalog: self.catalog(), running: self.running(), room: Arc::new(Semaphore::new(ROOM)) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let serve = move || {
            // Where there is not enough for all, answers come first. Where it is not allowed, it goes on as it is.
            let own = getpriority_process(None).unwrap_or_default();
            let _ = setpriority_process(None, NICE + own.max(0));
            runtime.block_on(self.serve(receiver));
        };
        let thread = thread::Builder::new().name("registry".into()).spawn(serve)?;
        Ok((sender, thread))
    }

    /// Takes what waits, batch after batch.
    async fn serve(&mut self, mut receiver: mpsc::Receiver<Request>) {
        let visibility = self.visibility();
        let mut requests = Vec::new();
        loop {
            let until_due = self.next_due().map(|due| Duration::from_millis(due.saturating_sub(now())));
            let pause = if visibility.is_awaited() { AWAITED_INTERVAL } else { SWEEP_INTERVAL };
            let wait = pause.min(until_due.unwrap_or(pause));
            let begun = (Instant::now(), now());
            let received = async {
                tokio::select! {
                    biased;
                    received = receiver.recv_many(&mut requests, BATCH) => Some(received),
                    () = visibility.awaited() => None,
                }
            };
            let received = tokio::time::timeout(wait, received).await;
            self.make_up_for(begun, wait);
            let begun = (Instant::now(), now());
            match received {
                Ok(Some(0)) => return,
                Ok(Some(_)) => self.serve_all(&mut requests),
                Ok(None) => {}
                // Nobody asked; statuses may have to turn.
                Err(_elapsed) if self.next_due().is_some_and(|due| due <= now()) => {
                    if let Err(refusal) = self.try_observed(Vec::new()) {
                        error!("cannot turn a health status, or end a lease: {refusal}");
                    }
                }
                Err(_elapsed) => {}
            }
            self.make_up_for(begun, Duration::ZERO);
            if let Err(error) = self.sweep() {
                error!("cannot forget old operations: {error}");
            }
        }
    }

    /// Gives every lease the time by which what has `begun` took longer than it should have: this process or its machine
    /// was stopped, the store was stuck, or the clock was set forward.
    fn make_up_for(&mut self, (begun, clock): (Instant, u64), expected: Duration) {
        let elapsed = begun.elapsed().max(Duration::from_millis(now().saturating_sub(clock)));
        let lost = elapsed.saturating_sub(expected);
        if lost > STALL {
            warn!("stood still for {lost:.1?}: every lease runs for so much longer");
            self.leases.postpone(lost.as_millis() as u64);
        }
    }

    /// Applies `requests` in their order, and replies; as many at once as make a batch.
    fn serve_all(&mut self, requests: &mut Vec<Request>) {
        let mut replies = Vec::new();
        let mut batch: Vec<(Command, Option<Operation>)> = Vec::new();
        for request in requests.drain(..) {
            if batch.len() >= BATCH {
                self.serve_batch(std::mem::take(&mut batch), std::mem::take(&mut replies));
            }
            match request {
                Request::One { command, place, reply } => {
                    batch.push((command, place.as_ref().map(Place::take)));
                    replies.push(Reply::One { place, reply });
                }
                Request::Batch { batch: pushes, room, reply } => {
                    replies.push(Reply::Batch { count: pushes.len(), _room: room, reply });
                    batch.extend(pushes.into_iter().map(|push| (Command::Push(push), None)));
                }
            }
        }
        self.serve_batch(batch, replies);
    }

    /// Applies one batch and replies.
    fn serve_batch(&mut self, batch: Vec<(Command, Option<Operation>)>, replies: Vec<Reply>) {
        let mut results = self.apply_batch(batch).into_iter();
        for reply in replies {
            // A caller that no longer waits still has its command applied.
            match reply {
                Reply::One { mut place, reply } => {
                    let result = results.next().unwrap_or(Err(Refusal::Stopped));
                    if let Some(place) = &mut place {
                        place.end(result.as_ref().map(|change| change.outcome), now());
                    }
                    // What it held is free before anybody hears that it is done.
                    drop(place);
                    let _ = reply.send(result);
                }
                Reply::Batch { count, reply, .. } => {
                    let _ = reply.send(self.pushed(results.by_ref().take(count)));
                }
            }
        }
    }

    /// What came of a batch of the gRPC channel, from the results of its commands.
    fn pushed(&self, results: impl Iterator<Item = Result<Change, Refusal>>) -> Result<Pushed, Refusal> {
        let mut pushed = Pushed { revision: self.visibility().published(), refusals: Vec::new() };
        for (at, result) in results.enumerate() {
            match result {
                Ok(_) => {}
                Err(refusal @ (Refusal::Store(_) | Refusal::Stopped)) => return Err(refusal),
                Err(refusal) => pushed.refusals.push((at, refusal)),
            }
        }
        Ok(pushed)
    }
}

/// A channel's access to the registry.
#[derive(Clone)]
pub struct Sender {
    queue: mpsc::Sender<Request>,
    catalog: Reader,
    running: Arc<Running>,
    /// For commands that come in batches.
    room: Arc<Semaphore>,
}

impl Sender {
    /// Sends `command` and waits until it is durable and visible, or refused.
    pub async fn send(&self, command: Command) -> Result<Change, Refusal> {
        let (request, result) = self.request(command)?;
        self.queue.send(request).await.map_err(|_| Refusal::Stopped)?;
        result.await.map_err(|_| Refusal::Stopped)?
    }

    /// [`Self::send`] for threads that may block; not for tasks.
    pub fn send_blocking(&self, command: Command) -> Result<Change, Refusal> {
        let (request, result) = self.request(command)?;
        self.queue.blocking_send(request).map_err(|_| Refusal::Stopped)?;
        result.blocking_recv().map_err(|_| Refusal::Stopped)?
    }

    /// Sends a batch and returns once it has a place in the queue. What is returned tells when all of it is durable and
    /// visible; batches of one caller are applied in the order in which they were sent.
    pub async fn push(&self, batch: Vec<Push>) -> Result<oneshot::Receiver<Result<Pushed, Refusal>>, Refusal> {
        let (reply, result) = oneshot::channel();
        let room = Arc::clone(&self.room).acquire_many_owned(batch.len().clamp(1, ROOM) as u32);
        let room = room.await.map_err(|_| Refusal::Stopped)?;
        self.queue.send(Request::Batch { batch, room, reply }).await.map_err(|_| Refusal::Stopped)?;
        Ok(result)
    }

    /// The request of a command, if nothing else holds what it changes.
    fn request(&self, command: Command) -> Result<(Request, oneshot::Receiver<Result<Change, Refusal>>), Refusal> {
        let place = self.running.enter(&command, &self.catalog.read(), now())?;
        let (reply, result) = oneshot::channel();
        Ok((Request::One { command, place, reply }, result))
    }
}

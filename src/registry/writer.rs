//! The registry's thread, and how commands reach it.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tracing::error;

use super::catalog::Reader;
use super::command::{Command, Refusal};
use super::operation::{Operation, Place, Running};
use super::{Change, Registry, now};

/// Commands that wait at most; a channel that sends faster is slowed down.
const QUEUE: usize = 4096;
/// Commands that become one commit at most.
const BATCH: usize = 4096;
/// How often retired snapshots and old operations are looked at while nothing happens.
const SWEEP_INTERVAL: Duration = Duration::from_millis(250);

/// A command with what it holds, and the place to which its result goes.
struct Request {
    command: Command,
    place: Option<Place>,
    reply: oneshot::Sender<Result<Change, Refusal>>,
}

impl Registry {
    /// Runs the registry on a thread of its own, until every [`Sender`] is gone.
    pub fn spawn(mut self) -> std::io::Result<(Sender, thread::JoinHandle<()>)> {
        let (queue, receiver) = mpsc::channel::<Request>(QUEUE);
        let sender = Sender { queue, catalog: self.catalog(), running: self.running() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let serve = move || runtime.block_on(self.serve(receiver));
        let thread = thread::Builder::new().name("registry".into()).spawn(serve)?;
        Ok((sender, thread))
    }

    /// Takes what waits, batch after batch.
    async fn serve(&mut self, mut receiver: mpsc::Receiver<Request>) {
        let mut requests = Vec::new();
        loop {
            let until_due = self.next_due().map(|due| Duration::from_millis(due.saturating_sub(now())));
            let wait = SWEEP_INTERVAL.min(until_due.unwrap_or(SWEEP_INTERVAL));
            match tokio::time::timeout(wait, receiver.recv_many(&mut requests, BATCH)).await {
                Ok(0) => return,
                Ok(_) => self.serve_batch(requests.drain(..)),
                // Nobody asked; statuses may have to turn.
                Err(_elapsed) if self.next_due().is_some_and(|due| due <= now()) => {
                    if let Err(refusal) = self.try_batch(Vec::new()) {
                        error!("cannot turn a health status: {refusal}");
                    }
                }
                Err(_elapsed) => {}
            }
            if let Err(error) = self.sweep() {
                error!("cannot forget old operations: {error}");
            }
        }
    }

    /// Applies the commands of `requests` and replies.
    fn serve_batch(&mut self, requests: impl Iterator<Item = Request>) {
        let mut replies = Vec::new();
        let mut batch: Vec<(Command, Option<Operation>)> = Vec::new();
        for Request { command, place, reply } in requests {
            batch.push((command, place.as_ref().map(Place::take)));
            replies.push((place, reply));
        }
        let results = self.apply_batch(batch);
        for ((mut place, reply), result) in replies.into_iter().zip(results) {
            if let Some(place) = &mut place {
                place.end(result.as_ref().map(|change| change.outcome), now());
            }
            // What it held is free before anybody hears that it is done.
            drop(place);
            // A caller that no longer waits still has its command applied.
            let _ = reply.send(result);
        }
    }
}

/// A channel's access to the registry.
#[derive(Clone)]
pub struct Sender {
    queue: mpsc::Sender<Request>,
    catalog: Reader,
    running: Arc<Running>,
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

    /// The request of a command, if nothing else holds what it changes.
    fn request(&self, command: Command) -> Result<(Request, oneshot::Receiver<Result<Change, Refusal>>), Refusal> {
        let place = self.running.enter(&command, &self.catalog.read(), now())?;
        let (reply, result) = oneshot::channel();
        Ok((Request { command, place, reply }, result))
    }
}

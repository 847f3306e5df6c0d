//! Batches of commands: one task reads, checks and sends them to the registry, while the replies of earlier ones are
//! still awaited; replies leave in the order of the requests.
//!
//! What is on its way is bounded by the number of commands, so that many small batches share one commit and large ones
//! do not pile up. A client that does not read its replies stops being read.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Status, Streaming};

use super::auth::Caller;
use super::convert::{self, Bad};
use super::proto::{ApplyReply, ApplyRequest, Fault};
use super::scope::Scope;
use super::server::{Parts, stopping};
use crate::net::accept::stopped;
use crate::registry::{Pushed, Refusal};

/// Commands in a request at most.
pub const MAX_COMMANDS: usize = 10_000;

/// Commands of one stream on their way at most: two of the largest requests, so that one is read while the other is
/// committed.
const IN_FLIGHT: usize = 2 * MAX_COMMANDS;

/// Requests of one stream on their way at most.
const REQUESTS: usize = 1024;

/// Faults of a batch that come with a message: all of the largest request would make a reply larger than clients take.
const MESSAGES: usize = 1000;

/// A batch on its way.
struct Pending {
    sequence: u64,
    /// Commands that were refused before the registry saw them.
    faults: Vec<Fault>,
    /// The places in the request of those that the registry has; `None`: it has all.
    places: Option<Vec<u32>>,
    /// `None`: the registry has none of them.
    result: Option<oneshot::Receiver<Result<Pushed, Refusal>>>,
    /// Room for its commands.
    _room: OwnedSemaphorePermit,
}

/// Answers a stream of batches.
pub(super) fn apply(
    requests: Streaming<ApplyRequest>,
    caller: Caller,
    parts: Arc<Parts>,
    stop: watch::Receiver<bool>,
) -> impl Stream<Item = Result<ApplyReply, Status>> + Send + 'static {
    let (sender, pending) = mpsc::channel(REQUESTS);
    let reading = Arc::clone(&parts);
    tokio::spawn(async move {
        if let Err(status) = read(requests, &caller, &reading, &sender, stop).await {
            // Who has gone hears nothing.
            let _ = sender.send(Err(status)).await;
        }
    });
    ReceiverStream::new(pending).then(move |pending| {
        let parts = Arc::clone(&parts);
        async move { pending?.settle(&parts).await }
    })
}

/// Answers one batch.
pub(super) async fn apply_once(request: ApplyRequest, caller: &Caller, parts: &Parts) -> Result<ApplyReply, Status> {
    let room = Arc::new(Semaphore::new(IN_FLIGHT));
    begin(request, caller, parts, &room).await?.settle(parts).await
}

/// Reads requests until the client has sent its last, goes away, or errs.
async fn read(
    mut requests: Streaming<ApplyRequest>,
    caller: &Caller,
    parts: &Parts,
    sender: &mpsc::Sender<Result<Pending, Status>>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Status> {
    let room = Arc::new(Semaphore::new(IN_FLIGHT));
    loop {
        let request = tokio::select! {
            biased;
            () = stopped(&mut stop) => return Err(stopping()),
            () = sender.closed() => return Ok(()),
            request = requests.message() => request?,
        };
        let Some(request) = request else { return Ok(()) };
        caller.check()?;
        let pending = begin(request, caller, parts, &room).await?;
        if sender.send(Ok(pending)).await.is_err() {
            return Ok(());
        }
    }
}

/// Checks a batch and sends what is good of it to the registry.
async fn begin(
    request: ApplyRequest,
    caller: &Caller,
    parts: &Parts,
    room: &Arc<Semaphore>,
) -> Result<Pending, Status> {
    let count = request.commands.len();
    if count > MAX_COMMANDS {
        let text = format!("a request of {count} commands is too large; allowed are {MAX_COMMANDS}");
        return Err(Status::invalid_argument(text));
    }
    // A request without commands takes room, too, or there would be no end of them.
    let room = Arc::clone(room).acquire_many_owned(count.max(1) as u32).await.map_err(|_| stopping())?;
    let scope = Scope { namespaces: caller.namespaces(), catalog: &parts.catalog };
    let mut batch = Vec::with_capacity(count);
    let mut faults = Vec::new();
    let mut places: Option<Vec<u32>> = None;
    for (index, command) in (0_u32..).zip(request.commands) {
        match convert::command(command, &scope) {
            Ok(push) => {
                batch.push(push);
                places.iter_mut().for_each(|places| places.push(index));
            }
            Err(bad) => {
                places.get_or_insert_with(|| (0..index).collect());
                faults.push(bad.fault(index));
            }
        }
    }
    parts.counters.applied(batch.len(), faults.len());
    let result = match batch.is_empty() {
        true => None,
        false => Some(parts.sender.push(batch).await.map_err(|refusal| failure(&refusal))?),
    };
    Ok(Pending { sequence: request.sequence, faults, places, result, _room: room })
}

impl Pending {
    /// Waits until the registry is done with it.
    async fn settle(self, parts: &Parts) -> Result<ApplyReply, Status> {
        let Self { sequence, mut faults, places, result, _room } = self;
        let Some(result) = result else {
            faults.iter_mut().skip(MESSAGES).for_each(|fault| fault.message.clear());
            return Ok(ApplyReply { sequence, revision: parts.visibility.published(), faults });
        };
        let pushed = result.await.unwrap_or(Err(Refusal::Stopped)).map_err(|refusal| failure(&refusal))?;
        parts.counters.refused(pushed.refusals.len());
        for (at, refusal) in pushed.refusals {
            let index = match &places {
                Some(places) => places.get(at).copied().unwrap_or_default(),
                None => at as u32,
            };
            faults.push(Bad::from(refusal).fault(index));
        }
        faults.sort_by_key(|fault| fault.index);
        faults.iter_mut().skip(MESSAGES).for_each(|fault| fault.message.clear());
        Ok(ApplyReply { sequence, revision: pushed.revision, faults })
    }
}

/// Why none of a batch is done, and the stream ends.
fn failure(refusal: &Refusal) -> Status {
    Status::unavailable(refusal.to_string())
}

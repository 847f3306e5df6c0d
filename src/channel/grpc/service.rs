//! The methods of the protocol, each handed to the module that does it.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::auth::Caller;
use super::proto::registry_server::Registry;
use super::proto::{
    ApplyReply, ApplyRequest, DrainReply, DrainRequest, ExplainReply, ExplainRequest, FollowReply, FollowRequest,
    WaitVisibleReply, WaitVisibleRequest,
};
use super::server::{Parts, Peer, stopping};
use super::{apply, drain, explain, follow, visible};
use crate::net::accept::stopped;

/// Replies, as long as there are some.
type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What answers.
pub(super) struct Service {
    parts: Arc<Parts>,
    stop: watch::Receiver<bool>,
}

impl Service {
    /// Answers until `stop` is true.
    pub(super) fn new(parts: Arc<Parts>, stop: watch::Receiver<bool>) -> Self {
        Self { parts, stop }
    }
}

/// Who sent a request: the gate has let him in.
fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    request.extensions().get().cloned().ok_or_else(|| Status::internal("nobody was let in"))
}

#[tonic::async_trait]
impl Registry for Service {
    type ApplyStream = Replies<ApplyReply>;
    type FollowStream = ReceiverStream<Result<FollowReply, Status>>;
    type DrainStream = Replies<DrainReply>;

    async fn apply(&self, request: Request<Streaming<ApplyRequest>>) -> Result<Response<Self::ApplyStream>, Status> {
        let caller = caller(&request)?;
        let replies = apply::apply(request.into_inner(), caller, Arc::clone(&self.parts), self.stop.clone());
        Ok(Response::new(Box::pin(replies)))
    }

    async fn apply_once(&self, request: Request<ApplyRequest>) -> Result<Response<ApplyReply>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(apply::apply_once(request.into_inner(), &caller, &self.parts).await?))
    }

    async fn follow(&self, request: Request<Streaming<FollowRequest>>) -> Result<Response<Self::FollowStream>, Status> {
        let caller = caller(&request)?;
        let peer = request.extensions().get::<Peer>().map_or_else(String::new, |peer| peer.0.to_string());
        let (parts, stop) = (Arc::clone(&self.parts), self.stop.clone());
        let replies = follow::follow(request.into_inner(), caller, peer, parts, stop).await?;
        Ok(Response::new(ReceiverStream::new(replies)))
    }

    async fn wait_visible(&self, request: Request<WaitVisibleRequest>) -> Result<Response<WaitVisibleReply>, Status> {
        let caller = caller(&request)?;
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            () = stopped(&mut stop) => Err(stopping()),
            reply = visible::wait(request.into_inner(), &caller, &self.parts) => Ok(Response::new(reply?)),
        }
    }

    async fn drain(&self, request: Request<DrainRequest>) -> Result<Response<Self::DrainStream>, Status> {
        let caller = caller(&request)?;
        let (parts, stop) = (Arc::clone(&self.parts), self.stop.clone());
        let replies = drain::drain(request.into_inner(), &caller, parts, stop).await?;
        Ok(Response::new(Box::pin(replies)))
    }

    async fn explain(&self, request: Request<ExplainRequest>) -> Result<Response<ExplainReply>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(explain::explain(request.into_inner(), &caller, &self.parts)?))
    }
}

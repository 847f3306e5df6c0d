//! A follower with odd primaries: each test plays one.

mod odd;
mod whole;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status as Refused, Streaming};

use super::status::Failure;
use super::{FAILURES, Follower, Settings, Status, TlsFiles, WhenStale};
use crate::channel::grpc::proto::registry_server::{Registry as Service, RegistryServer};
use crate::channel::grpc::proto::{self, FollowReply, FollowRequest, follow_reply::Event};
use crate::registry::store::Nothing;
use crate::registry::{Reader, Registry, Visibility};

type Replies = ReceiverStream<Result<FollowReply, Refused>>;

/// A stream of a follower, as the primary that a test plays sees it.
struct Call {
    first: FollowRequest,
    reports: Streaming<FollowRequest>,
    replies: mpsc::Sender<Result<FollowReply, Refused>>,
}

impl Call {
    async fn send(&self, event: Event) {
        // The follower may have gone, which the test will see.
        let _ = self.replies.send(Ok(FollowReply { event: Some(event) })).await;
    }
}

/// Hands every stream to the test.
struct Odd(mpsc::Sender<Call>);

#[tonic::async_trait]
impl Service for Odd {
    type ApplyStream = ReceiverStream<Result<proto::ApplyReply, Refused>>;
    type FollowStream = Replies;
    type DrainStream = ReceiverStream<Result<proto::DrainReply, Refused>>;

    async fn follow(&self, request: Request<Streaming<FollowRequest>>) -> Result<Response<Replies>, Refused> {
        let mut reports = request.into_inner();
        let first = reports.message().await?.ok_or_else(|| Refused::invalid_argument("nothing came"))?;
        let (replies, receiver) = mpsc::channel(64);
        let _ = self.0.send(Call { first, reports, replies }).await;
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn apply(&self, _: Request<Streaming<proto::ApplyRequest>>) -> Result<Response<Self::ApplyStream>, Refused> {
        Err(Refused::unimplemented(""))
    }

    async fn apply_once(&self, _: Request<proto::ApplyRequest>) -> Result<Response<proto::ApplyReply>, Refused> {
        Err(Refused::unimplemented(""))
    }

    async fn wait_visible(
        &self,
        _: Request<proto::WaitVisibleRequest>,
    ) -> Result<Response<proto::WaitVisibleReply>, Refused> {
        Err(Refused::unimplemented(""))
    }

    async fn drain(&self, _: Request<proto::DrainRequest>) -> Result<Response<Self::DrainStream>, Refused> {
        Err(Refused::unimplemented(""))
    }

    async fn explain(&self, _: Request<proto::ExplainRequest>) -> Result<Response<proto::ExplainReply>, Refused> {
        Err(Refused::unimplemented(""))
    }
}

/// A primary that a test plays, and a follower of it.
struct Scene {
    calls: mpsc::Receiver<Call>,
    status: Arc<Status>,
    catalog: Reader,
    visibility: Visibility,
    stop: watch::Sender<bool>,
}

impl Scene {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, calls) = mpsc::channel(16);
        let server = tonic::transport::Server::builder().add_service(RegistryServer::new(Odd(sender)));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Self::with(&[address], calls)
    }

    fn with(addresses: &[SocketAddr], calls: mpsc::Receiver<Call>) -> Self {
        let registry = Registry::open(Default::default(), Arc::new(Nothing)).unwrap();
        let (catalog, visibility) = (registry.catalog(), registry.visibility());
        let (sender, _) = registry.spawn().unwrap();
        let settings = Settings {
            primaries: addresses.iter().map(|address| format!("http://{address}").parse().unwrap()).collect(),
            namespaces: vec!["z.test".to_owned()],
            tls: TlsFiles::default(),
            token: None,
            max_stale: Duration::from_secs(60),
            when_stale: WhenStale::ServFail,
            node: "tester".to_owned(),
        };
        let status = Arc::<Status>::default();
        let (stop, stopped) = watch::channel(false);
        let follower = Follower::new(settings, sender, catalog.clone(), visibility.clone(), Arc::clone(&status));
        tokio::spawn(follower.run(stopped));
        Self { calls, status, catalog, visibility, stop }
    }

    async fn call(&mut self) -> Call {
        let call = tokio::time::timeout(Duration::from_secs(20), self.calls.recv()).await;
        call.expect("the follower does not come").unwrap()
    }

    fn failed(&self, failure: Failure) -> u64 {
        let index = FAILURES.iter().position(|(known, _)| *known == failure).unwrap();
        self.status.failures()[index]
    }

    /// Waits until `holds`.
    async fn eventually(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            assert!(begun.elapsed() < Duration::from_secs(20), "never happened: {what}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

//! Changes of Fingerpost through one gRPC stream, each durable and visible when it is acknowledged.

use anyhow::{Context, Result, ensure};
use fingerpost::channel::grpc::proto::command::Command as Kind;
use fingerpost::channel::grpc::proto::registry_client::RegistryClient;
use fingerpost::channel::grpc::proto::{ApplyReply, ApplyRequest, Command, PutInstance, ServiceName};
use fingerpost::load::data::Data;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::{Channel, address};
use crate::running::Running;

/// Commands in one request of a bulk, and how many of these are under way.
const BATCH: u32 = 1000;
const UNDER_WAY: u32 = 4;

/// A stream of changes.
pub(super) struct Grpc {
    runtime: Runtime,
    requests: mpsc::Sender<ApplyRequest>,
    replies: Streaming<ApplyReply>,
    data: Data,
    apex: String,
}

impl Grpc {
    pub(super) fn new(server: &Running) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (requests, received) = mpsc::channel(16);
        let replies = runtime.block_on(async {
            let mut client = RegistryClient::connect(format!("http://127.0.0.1:{}", server.place.port + 1)).await?;
            anyhow::Ok(client.apply(ReceiverStream::new(received)).await?.into_inner())
        })?;
        let files = &server.place.files;
        Ok(Self { runtime, requests, replies, data: files.data.clone(), apex: files.apex.clone() })
    }

    /// Registers a new instance at one of the services.
    fn command(&self, number: u32) -> Command {
        let attributes = [("AWS_INSTANCE_IPV4", address(number).to_string()), ("AWS_INSTANCE_PORT", "8080".into())];
        let put = PutInstance {
            service: Some(ServiceName { service: self.service(number), namespace: self.apex.clone() }),
            id: format!("new-{number}"),
            attributes: attributes.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        };
        Command { command: Some(Kind::PutInstance(put)) }
    }

    /// The service of a new instance: each in turn.
    fn service(&self, number: u32) -> String {
        self.data.service(number % self.data.services)
    }
}

impl Channel for Grpc {
    fn name(&self) -> &'static str {
        "gRPC, one stream"
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn bulk(&self) -> u32 {
        // Some requests are always under way within one bulk.
        20 * BATCH
    }

    fn added(&self, number: u32) -> String {
        format!("new-{number}.{}.{}", self.service(number), self.apex)
    }

    fn add(&mut self, first: u32, count: u32) -> Result<()> {
        let batches: Vec<ApplyRequest> = (first..first + count)
            .step_by(BATCH as usize)
            .map(|start| {
                let commands = (start..(start + BATCH).min(first + count)).map(|number| self.command(number));
                ApplyRequest { sequence: start.into(), commands: commands.collect() }
            })
            .collect();
        let Self { runtime, requests, replies, .. } = self;
        runtime.block_on(async {
            let mut under_way = 0;
            let mut batches = batches.into_iter();
            loop {
                while under_way < UNDER_WAY {
                    let Some(batch) = batches.next() else { break };
                    requests.send(batch).await.ok().context("the stream is closed")?;
                    under_way += 1;
                }
                if under_way == 0 {
                    return Ok(());
                }
                let reply = replies.message().await?.context("the stream ended")?;
                ensure!(reply.faults.is_empty(), "a change was refused: {:?}", reply.faults.first());
                under_way -= 1;
            }
        })
    }
}

//! Changes through our own channel: one stream of batches, which does not wait for one to send the next.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::thread;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use super::versions::{INSTANCES, TTL, Versions};
use super::{Change, Changed, Changer, ChurnError, go_on};
use crate::agent::{GrpcSettings, Token};
use crate::channel::grpc::proto::command::Command as Kind;
use crate::channel::grpc::proto::registry_client::RegistryClient;
use crate::channel::grpc::proto::{
    ApplyRequest, Command, DnsRecord, HealthCheck, NamespaceType, PutInstance, PutNamespace, PutService, RecordType,
    RemoveInstance, RemoveNamespace, RemoveService, RoutingPolicy, ServiceName,
};
use crate::load::questions::CHURN_NAMESPACE;

/// Batches a second, where there are as many changes: a batch is what is due by then.
const BATCHES: f64 = 500.0;
/// Changes in a batch of the preparation.
const LARGE: usize = 5000;
/// Batches on their way at most.
const ON_THEIR_WAY: usize = 4096;

/// The channel.
pub(super) struct Grpc {
    runtime: Mutex<Runtime>,
    channel: Channel,
    token: Option<Token>,
}

impl Grpc {
    /// Makes the namespace, its services and their instances.
    pub(super) fn prepare(settings: &GrpcSettings, services: u32, stop: &AtomicBool) -> Result<Self, ChurnError> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let channel = {
            let _within = runtime.enter();
            settings.channel().map_err(ChurnError::Settings)?
        };
        let grpc = Self { runtime: Mutex::new(runtime), channel, token: settings.token.clone() };
        let namespace = PutNamespace {
            name: CHURN_NAMESPACE.into(),
            r#type: NamespaceType::DnsPublic.into(),
            description: "made by fingerpost load".into(),
            ..PutNamespace::default()
        };
        // A namespace that is refused is somebody else's, and so is what is in it.
        grpc.apply([Kind::PutNamespace(namespace)])?;
        if let Err(error) = grpc.fill(services, stop) {
            // The first error is the one to tell.
            let _ = grpc.clean_up(services);
            return Err(error);
        }
        Ok(grpc)
    }

    /// Makes services and instances.
    fn fill(&self, services: u32, stop: &AtomicBool) -> Result<(), ChurnError> {
        let put_services = (0..services).map(|service| {
            Kind::PutService(PutService {
                service: Some(name(service)),
                dns_records: vec![DnsRecord { r#type: RecordType::A.into(), ttl: TTL }],
                routing_policy: RoutingPolicy::Multivalue.into(),
                health_check: HealthCheck::None.into(),
                ..PutService::default()
            })
        });
        let instances = pairs(services).map(|(service, instance)| put(service, instance, 0));
        let all: Vec<Kind> = put_services.chain(instances).collect();
        all.chunks(LARGE).try_for_each(|commands| {
            go_on(stop)?;
            self.apply(commands.iter().cloned())
        })
    }

    /// Takes all of it away, or as much of it as is there.
    pub(super) fn clean_up(&self, services: u32) -> Result<(), ChurnError> {
        let instances = pairs(services)
            .map(|(service, number)| RemoveInstance { service: Some(name(service)), id: id(number) })
            .map(Kind::RemoveInstance);
        let all = (0..services).map(|service| Kind::RemoveService(RemoveService { service: Some(name(service)) }));
        let namespace = Kind::RemoveNamespace(RemoveNamespace { namespace: CHURN_NAMESPACE.into() });
        let all: Vec<Kind> = instances.chain(all).chain([namespace]).collect();
        // One that cannot be taken away does not keep the others.
        all.chunks(LARGE).map(|commands| self.apply(commands.iter().cloned())).fold(Ok(()), Result::and)
    }

    /// Applies a batch of commands; all must be taken.
    fn apply(&self, commands: impl IntoIterator<Item = Kind>) -> Result<(), ChurnError> {
        let commands = commands.into_iter().map(|command| Command { command: Some(command) }).collect();
        let request = Token::request(self.token.as_ref(), ApplyRequest { sequence: 0, commands })?;
        let runtime = self.runtime.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut client = RegistryClient::new(self.channel.clone());
        let reply = runtime.block_on(client.apply_once(request))?.into_inner();
        match reply.faults.first() {
            Some(fault) => Err(ChurnError::Refused(fault.message.clone())),
            None => Ok(()),
        }
    }

    /// Makes changes at `rate` until the last is acknowledged.
    pub(super) fn change(&self, changer: Changer, rate: f64) -> Result<Changed, ChurnError> {
        let runtime = self.runtime.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let batch = (rate / BATCHES).ceil().max(1.0) as u64;
        runtime.block_on(async {
            let (sender, requests) = mpsc::channel(ON_THEIR_WAY);
            let (told, mut batches) = mpsc::unbounded_channel();
            let changer = Arc::new(changer);
            let sending = thread::spawn({
                let changer = Arc::clone(&changer);
                move || send(&changer, batch, &sender, &told)
            });
            let request = Token::request(self.token.as_ref(), ReceiverStream::new(requests))?;
            let mut replies = RegistryClient::new(self.channel.clone()).apply(request).await?.into_inner();
            let mut changed = Changed::default();
            while let Some(reply) = replies.message().await? {
                let Some(changes) = batches.recv().await else { break };
                changed.failed += reply.faults.len() as u64;
                let mut faults = reply.faults.iter().map(|fault| fault.index as usize).peekable();
                for (index, change) in changes.into_iter().enumerate() {
                    if faults.next_if_eq(&index).is_none() {
                        changed.acknowledged.push(changer.acknowledge(change));
                    }
                }
            }
            // A panic there is a fault of ours, and has been printed.
            let _ = sending.join();
            Ok(changed)
        })
    }
}

/// Sends batches when they are due, whatever comes back: on a thread of its own, since tokio's clock has milliseconds.
fn send(
    changer: &Changer,
    batch: u64,
    requests: &mpsc::Sender<ApplyRequest>,
    told: &mpsc::UnboundedSender<Vec<Change>>,
) {
    let mut number = 0;
    for sequence in 0.. {
        let Some(due) = changer.due(number) else { return };
        // It is due with its first change, and all of it counts from then.
        if !changer.wait(due) {
            return;
        }
        let count = (number..number + batch).take_while(|&one| changer.due(one).is_some()).count() as u64;
        let mut changes: Vec<Change> = Vec::with_capacity(count as usize);
        changes.extend((0..count).map(|_| changer.pick(due, 0, 1)));
        number += count;
        let commands = changes.iter().map(|change| put(change.service, change.instance, change.version));
        let commands = commands.map(|command| Command { command: Some(command) }).collect();
        let last = changes.last().copied();
        if told.send(changes).is_err() || requests.blocking_send(ApplyRequest { sequence, commands }).is_err() {
            return;
        }
        if let Some(last) = last {
            changer.look_for(last);
        }
    }
}

/// Every instance of every service.
fn pairs(services: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..services).flat_map(|service| (0..INSTANCES).map(move |instance| (service, instance)))
}

/// A service of the namespace.
fn name(service: u32) -> ServiceName {
    ServiceName { service: format!("service-{service:06}"), namespace: CHURN_NAMESPACE.into() }
}

/// The id of an instance.
fn id(instance: u32) -> String {
    format!("i{instance}")
}

/// An instance's version as a command.
fn put(service: u32, instance: u32, version: u32) -> Kind {
    let address = Versions::address(service, instance, version);
    Kind::PutInstance(PutInstance {
        service: Some(name(service)),
        id: id(instance),
        attributes: [("AWS_INSTANCE_IPV4".to_owned(), address.to_string())].into_iter().collect(),
    })
}

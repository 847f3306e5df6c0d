//! Changes through AWS's API: connections that each make one change after the other, of services of their own.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde_json::{Value, json};

use super::versions::{INSTANCES, TTL, Versions};
use super::{Changed, Changer, ChurnError, go_on};
use crate::channel::cloudmap::Action;
use crate::client::{Client, ClientError};
use crate::load::questions::CHURN_NAMESPACE;

/// Connections at most.
pub(super) const THREADS: usize = 16;
/// How long an operation may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The API.
pub(super) struct Api {
    client: Arc<Client>,
    namespace: String,
    /// Ids, by number.
    services: Vec<String>,
}

impl Api {
    /// Makes the namespace, its services and their instances.
    pub(super) fn prepare(client: Arc<Client>, services: u32, stop: &AtomicBool) -> Result<Self, ChurnError> {
        let input = json!({"Name": CHURN_NAMESPACE, "Description": "made by fingerpost load"});
        let operation = client.start(Action::CreatePublicDnsNamespace, &input)?;
        let done = client.wait(&operation, PATIENCE)?;
        let namespace = done.pointer("/Targets/NAMESPACE").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut api = Self { client, namespace, services: Vec::new() };
        if let Err(error) = api.fill(services, stop) {
            // The first error is the one to tell.
            let _ = api.clean_up();
            return Err(error);
        }
        Ok(api)
    }

    /// Makes services and instances.
    fn fill(&mut self, services: u32, stop: &AtomicBool) -> Result<(), ChurnError> {
        for service in 0..services {
            go_on(stop)?;
            let input = json!({
                "Name": format!("service-{service:06}"),
                "NamespaceId": self.namespace,
                "DnsConfig": {"RoutingPolicy": "MULTIVALUE", "DnsRecords": [{"Type": "A", "TTL": TTL}]},
            });
            let answer = self.client.call(Action::CreateService, &input)?;
            let id = answer.pointer("/Service/Id").and_then(Value::as_str).unwrap_or_default();
            self.services.push(id.to_owned());
            for instance in 0..INSTANCES {
                self.register(service, instance, 0)?;
            }
        }
        Ok(())
    }

    /// Registers a version of an instance, and waits until that is done.
    fn register(&self, service: u32, instance: u32, version: u32) -> Result<(), ClientError> {
        let input = json!({
            "ServiceId": self.services.get(service as usize),
            "InstanceId": format!("i{instance}"),
            "Attributes": {"AWS_INSTANCE_IPV4": Versions::address(service, instance, version).to_string()},
        });
        let operation = self.client.start(Action::RegisterInstance, &input)?;
        self.client.wait(&operation, PATIENCE).map(|_| ())
    }

    /// Makes changes of the services from `first` on, each `step`th, when they are due.
    pub(super) fn change(&self, changer: &Changer, first: u32, step: u32) -> Changed {
        let mut changed = Changed::default();
        for number in 0.. {
            let Some(due) = changer.due(number) else { break };
            if !changer.wait(due) {
                break;
            }
            let change = changer.pick(due, first, step);
            changer.look_for(change);
            match self.register(change.service, change.instance, change.version) {
                Ok(()) => changed.acknowledged.push(changer.acknowledge(change)),
                Err(_) => changed.failed += 1,
            }
        }
        changed
    }

    /// Takes all of it away.
    pub(super) fn clean_up(&self) -> Result<(), ChurnError> {
        for service in &self.services {
            for instance in 0..INSTANCES {
                let input = json!({"ServiceId": service, "InstanceId": format!("i{instance}")});
                match self.client.start(Action::DeregisterInstance, &input) {
                    Ok(operation) => _ = self.client.wait(&operation, PATIENCE)?,
                    Err(error) if error.code() == Some("InstanceNotFound") => {}
                    Err(error) => return Err(error.into()),
                }
            }
            self.client.call(Action::DeleteService, &json!({"Id": service}))?;
        }
        let operation = self.client.start(Action::DeleteNamespace, &json!({"Id": self.namespace}))?;
        self.client.wait(&operation, PATIENCE)?;
        Ok(())
    }
}

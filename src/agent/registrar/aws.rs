//! The registry over the AWS API.
//!
//! It has leases only where Fingerpost serves it; to any other Cloud Map the attribute is one like others. It has no
//! proof, either: a drain is to deregister, and to wait as long as the largest TTL of the service.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::PATIENCE;
use crate::agent::identity::Identity;
use crate::agent::machine::{Call, MARGIN, Reply};
use crate::channel::cloudmap::Action;
use crate::client::{Client, ClientError};

/// A service as the API has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// `srv-…`
    pub id: String,
    /// What `ListServices` says.
    pub value: Value,
}

/// Finds the service that a user named.
pub type FindService = fn(&Client, &str) -> anyhow::Result<Found>;

/// Whom to ask.
pub struct AwsSettings {
    /// The client, with endpoint and credentials.
    pub client: Client,
    /// Finds the service by its name.
    pub find: FindService,
}

/// The registry.
pub(super) struct Aws {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    find: FindService,
    name: String,
    state: Mutex<State>,
}

/// What is kept from call to call.
#[derive(Clone, Default)]
struct State {
    service: Option<Service>,
    /// Under which id the present registration was asked for; with another one, it would be a new one.
    creator_request_id: Option<String>,
}

/// What matters of the service.
#[derive(Clone)]
struct Service {
    id: String,
    custom_health: bool,
    ttl: Duration,
}

impl Aws {
    /// Prepares to ask.
    pub(super) fn new(AwsSettings { client, find }: AwsSettings, name: String) -> Self {
        Self { inner: Arc::new(Inner { client, find, name, state: Mutex::default() }) }
    }

    /// Makes a call.
    pub(super) async fn call(&self, call: Call, identity: &Identity) -> Reply {
        let (inner, identity) = (Arc::clone(&self.inner), identity.clone());
        let done = timeout(PATIENCE, spawn_blocking(move || inner.call(call, &identity))).await;
        match done {
            Ok(Ok(reply)) => reply,
            Ok(Err(error)) => Reply::Failed(error.to_string()),
            Err(_) => Reply::Failed(format!("{} gave no answer in time", self.inner.client.endpoint())),
        }
    }
}

impl Inner {
    /// Makes a call. Blocks.
    fn call(&self, call: Call, identity: &Identity) -> Reply {
        match self.try_call(call, identity) {
            Ok(reply) => reply,
            Err(error) => self.failed(call, &error),
        }
    }

    fn try_call(&self, call: Call, identity: &Identity) -> anyhow::Result<Reply> {
        let service = self.service()?;
        let instance = json!({"ServiceId": service.id, "InstanceId": identity.id});
        let ttl = Some(service.ttl);
        match call {
            Call::Register => self.register(&service, instance, identity)?,
            Call::Renew { healthy } if service.custom_health => self.set_health(instance, healthy)?,
            Call::Renew { .. } => self.register(&service, instance, identity)?,
            Call::SetHealth { .. } if !service.custom_health => return Ok(Reply::NoCustomHealth),
            Call::SetHealth { healthy } => self.set_health(instance, healthy)?,
            Call::Drain => {
                self.deregister(&instance)?;
                return Ok(Reply::Drained { wait: service.ttl + MARGIN, deregistered: true });
            }
            Call::Deregister => self.deregister(&instance)?,
        }
        Ok(match call {
            Call::Register => Reply::Registered { custom_health: service.custom_health, ttl },
            _ => Reply::Done,
        })
    }

    /// What came of an error.
    fn failed(&self, call: Call, error: &anyhow::Error) -> Reply {
        let client_error = error.downcast_ref::<ClientError>();
        let code = client_error.and_then(ClientError::code);
        match (call, code) {
            (_, Some("ServiceNotFound")) => {
                // One of its name may come again, under another id.
                self.change(|state| state.service = None);
                match call {
                    Call::Deregister | Call::Drain => Reply::Gone,
                    _ => Reply::Refused(error.to_string()),
                }
            }
            (Call::Drain, Some("InstanceNotFound")) => {
                let service = self.state().service;
                Reply::Drained { wait: service.map_or(MARGIN, |service| service.ttl + MARGIN), deregistered: true }
            }
            (_, Some("InstanceNotFound")) => Reply::Gone,
            (_, Some("CustomHealthNotFound")) => {
                self.change(|state| state.service = None);
                Reply::NoCustomHealth
            }
            _ => {
                let text = format!("{error:#}");
                // It was not there to hear, or it heard and said no.
                let never_done = match client_error {
                    Some(ClientError::Transport { reason, .. }) => reason == "refuses connections",
                    Some(error) => !error.is_passing(),
                    None => true,
                };
                if never_done { Reply::Refused(text) } else { Reply::Failed(text) }
            }
        }
    }

    //--- Requests

    /// Registers the instance, or says again that it is there.
    fn register(&self, service: &Service, mut input: Value, identity: &Identity) -> anyhow::Result<()> {
        let creator = self.state().creator_request_id.unwrap_or_else(|| format!("{:032x}", fastrand::u128(..)));
        self.change(|state| state.creator_request_id = Some(creator.clone()));
        let mut attributes: Map<String, Value> =
            identity.attributes.iter().map(|(key, value)| (key.clone(), Value::String(value.clone()))).collect();
        if service.custom_health {
            // Only healthy ones are registered; this is what ECS says of those.
            attributes.entry("AWS_INIT_HEALTH_STATUS").or_insert_with(|| "HEALTHY".into());
        }
        input["CreatorRequestId"] = creator.into();
        input["Attributes"] = attributes.into();
        self.see_through(Action::RegisterInstance, &input)
    }

    fn deregister(&self, instance: &Value) -> anyhow::Result<()> {
        self.change(|state| state.creator_request_id = None);
        self.see_through(Action::DeregisterInstance, instance)
    }

    fn set_health(&self, mut input: Value, healthy: bool) -> anyhow::Result<()> {
        input["Status"] = if healthy { "HEALTHY" } else { "UNHEALTHY" }.into();
        Ok(self.client.call(Action::UpdateInstanceCustomHealthStatus, &input).map(drop)?)
    }

    /// Starts an operation and waits for its end.
    fn see_through(&self, action: Action, input: &Value) -> anyhow::Result<()> {
        let operation = self.client.start(action, input)?;
        Ok(self.client.wait(&operation, PATIENCE).map(drop)?)
    }

    //--- The service

    /// The service, looked for once.
    fn service(&self) -> anyhow::Result<Service> {
        if let Some(service) = self.state().service {
            return Ok(service);
        }
        let Found { id, value } = (self.find)(&self.client, &self.name)?;
        let records = value.pointer("/DnsConfig/DnsRecords").and_then(Value::as_array).into_iter().flatten();
        let ttl = records.filter_map(|record| record.get("TTL")?.as_u64()).max().unwrap_or_default();
        let custom_health = value.get("HealthCheckCustomConfig").is_some();
        let service = Service { id, custom_health, ttl: Duration::from_secs(ttl) };
        self.change(|state| state.service = Some(service.clone()));
        Ok(service)
    }

    fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

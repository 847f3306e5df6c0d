//! The registry over gRPC.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::timeout;
use tonic::metadata::MetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity as Pair};
use tonic::{Code, Request, Status};

use super::PATIENCE;
use crate::agent::identity::Identity;
use crate::agent::machine::{Call, Event, Reply, TRANSIT, Weight};
use crate::channel::grpc::proto::registry_client::RegistryClient;
use crate::channel::grpc::proto::{
    ApplyRequest, Command, DrainReply, DrainRequest, ExplainRequest, Fault, FaultCode, HealthStatus, PutInstance,
    RemoveInstance, RenewLease, ServiceName, SetHealth, command,
};
use crate::config::file;

/// How long a connection may take to be there.
const CONNECT: Duration = Duration::from_secs(2);
/// How often a silent connection is asked whether the server lives, during a drain, and how long it may take to say so.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Whom to ask, and as whom.
#[derive(Clone, Debug, Default)]
pub struct GrpcSettings {
    /// `http://…` or `https://…`, with the port.
    pub endpoint: String,
    /// Certificates in PEM that are trusted instead of those that this machine trusts.
    pub authorities: Option<Vec<u8>>,
    /// Our certificate and key in PEM, for servers that ask for one.
    pub certificate: Option<(Vec<u8>, Vec<u8>)>,
    /// The bearer token, or the file that has it, which is read again for every call: tokens change.
    pub token: Option<Token>,
}

/// A bearer token.
#[derive(Clone)]
pub enum Token {
    /// As it is.
    Text(String),
    /// In a file, blanks around it not counted.
    File(PathBuf),
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text(…)"),
            Self::File(path) => write!(f, "File({})", path.display()),
        }
    }
}

impl GrpcSettings {
    /// The channel as these settings say; connections are made when they are needed. Within a runtime only.
    pub(crate) fn channel(&self) -> anyhow::Result<Channel> {
        let Self { endpoint, authorities, certificate, .. } = self;
        let what = || format!("--endpoint {endpoint}");
        let mut to = Endpoint::from_shared(endpoint.clone()).with_context(what)?;
        if to.uri().scheme_str() == Some("https") {
            let mut tls = ClientTlsConfig::new();
            tls = match authorities {
                Some(pem) => tls.ca_certificate(Certificate::from_pem(pem)),
                None => tls.with_native_roots(),
            };
            if let Some((certificate, key)) = certificate {
                tls = tls.identity(Pair::from_pem(certificate, key));
            }
            to = to.tls_config(tls).with_context(what)?;
        }
        let to = to.connect_timeout(CONNECT).http2_keep_alive_interval(KEEP_ALIVE).keep_alive_timeout(KEEP_ALIVE);
        Ok(to.connect_lazy())
    }
}

impl Token {
    /// A request with a token, if there is one.
    pub(crate) fn request<T>(token: Option<&Self>, message: T) -> Result<Request<T>, Status> {
        let mut request = Request::new(message);
        let token = match token {
            None => return Ok(request),
            Some(Self::Text(token)) => token.clone(),
            Some(Self::File(path)) => {
                let read = file::read_private(path);
                read.map_err(|faults| Status::failed_precondition(faults.0.join("; ")))?
            }
        };
        let mut value = MetadataValue::try_from(format!("Bearer {}", token.trim()))
            .map_err(|_| Status::failed_precondition("the token has characters that no header can carry"))?;
        value.set_sensitive(true);
        request.metadata_mut().insert("authorization", value);
        Ok(request)
    }
}

/// The registry.
pub(super) struct Grpc {
    channel: Channel,
    service: ServiceName,
    token: Option<Token>,
    /// The endpoint, for messages.
    endpoint: String,
    /// Whether the service takes the health that we tell.
    custom_health: AtomicBool,
}

impl Grpc {
    /// Prepares to ask; connections are made when they are needed. Within a runtime only.
    pub(super) fn new(settings: GrpcSettings, service: String) -> anyhow::Result<Self> {
        let channel = settings.channel()?;
        let GrpcSettings { endpoint, token, .. } = settings;
        let service = ServiceName { service, namespace: String::new() };
        let custom_health = AtomicBool::new(false);
        Ok(Self { channel, service, token, endpoint, custom_health })
    }

    /// Makes a call.
    pub(super) async fn call(&self, call: Call, identity: &Identity, events: &UnboundedSender<Event>) -> Reply {
        let id = || identity.id.clone();
        let service = || Some(self.service.clone());
        let health = |healthy: bool| {
            let status = if healthy { HealthStatus::Healthy } else { HealthStatus::Unhealthy };
            command::Command::SetHealth(SetHealth { service: service(), id: id(), status: status.into() })
        };
        let commands = match call {
            Call::Drain => return self.drain(identity, events).await,
            // Whether the second one is refused tells what the first one has registered.
            Call::Register => {
                let attributes = identity.attributes.iter().cloned().collect();
                let put = PutInstance { service: service(), id: id(), attributes };
                vec![command::Command::PutInstance(put), health(true)]
            }
            Call::Renew { .. } => vec![command::Command::RenewLease(RenewLease { service: service(), id: id() })],
            Call::SetHealth { healthy } => vec![health(healthy)],
            Call::Deregister => {
                vec![command::Command::RemoveInstance(RemoveInstance { service: service(), id: id() })]
            }
        };
        let faults = match timeout(PATIENCE, self.apply(commands)).await {
            Ok(Ok(faults)) => faults,
            Ok(Err(status)) => return self.failed(&status),
            Err(_) => return Reply::Failed(format!("{} gave no answer in time", self.endpoint)),
        };
        let fault = |index: u32| faults.iter().find(|fault| fault.index == index);
        match (call, fault(0)) {
            (Call::Register, None) => {
                let custom_health = fault(1).is_none();
                self.custom_health.store(custom_health, Ordering::Relaxed);
                Reply::Registered { custom_health, ttl: self.ttl().await }
            }
            (_, None) => Reply::Done,
            (Call::Register, Some(fault)) => Reply::Refused(fault.message.clone()),
            (_, Some(fault)) if fault.code() == FaultCode::NotFound => Reply::Gone,
            (Call::SetHealth { .. }, Some(_)) => Reply::NoCustomHealth,
            (_, Some(fault)) => Reply::Refused(fault.message.clone()),
        }
    }

    /// Sends a batch; what of it was refused.
    async fn apply(&self, commands: Vec<command::Command>) -> Result<Vec<Fault>, Status> {
        let commands = commands.into_iter().map(|command| Command { command: Some(command) }).collect();
        let request = self.request(ApplyRequest { sequence: 0, commands })?;
        Ok(self.client().apply_once(request).await?.into_inner().faults)
    }

    /// How long clients may use an answer, if the registry says so: needed when it is away at the end.
    async fn ttl(&self) -> Option<Duration> {
        let mut greatest = None;
        // Each type of record has a TTL of its own; of one that the service lacks it is 0.
        for record_type in ["A", "AAAA", "SRV"] {
            let (name, r#type) = (self.service.service.clone(), record_type.to_owned());
            let request = self.request(ExplainRequest { name, r#type, ..ExplainRequest::default() }).ok()?;
            let reply = timeout(PATIENCE, self.client().explain(request)).await.ok()?.ok()?.into_inner();
            greatest = greatest.max(Some(Duration::from_secs(reply.ttl.into())));
        }
        greatest
    }

    /// Drains the instance, until it is safe.
    async fn drain(&self, identity: &Identity, events: &UnboundedSender<Event>) -> Reply {
        let mut request =
            DrainRequest { service: Some(self.service.clone()), id: identity.id.clone(), deregister: false };
        match self.drained(request.clone(), events).await {
            Ok(()) => Reply::Drained { wait: TRANSIT, deregistered: false },
            Err(status) if status.code() == Code::NotFound => {
                // It is gone, and nobody has told us since when. To deregister what is not there is no fault, and comes
                // with the proof that no answer has it any more.
                request.deregister = true;
                match self.drained(request, events).await {
                    Ok(()) => Reply::Drained { wait: TRANSIT, deregistered: true },
                    Err(status) => self.failed(&status),
                }
            }
            Err(status) => self.failed(&status),
        }
    }

    /// Asks for a drain and reads its stream up to the proof.
    async fn drained(&self, request: DrainRequest, events: &UnboundedSender<Event>) -> Result<(), Status> {
        let asked = timeout(PATIENCE, async { self.client().drain(self.request(request)?).await }).await;
        let mut replies = asked.map_err(|_| Status::unavailable("gave no answer in time"))??.into_inner();
        while let Some(reply) = replies.message().await? {
            if reply.safe {
                return Ok(());
            }
            // The agent may have ended.
            let _ = events.send(Event::Told(Weight::Detail, described(&reply)));
        }
        Err(Status::unavailable("ended the drain without a proof"))
    }

    fn client(&self) -> RegistryClient<Channel> {
        RegistryClient::new(self.channel.clone())
    }

    /// A request with the token.
    fn request<T>(&self, message: T) -> Result<Request<T>, Status> {
        Token::request(self.token.as_ref(), message)
    }

    /// Why a call was not answered, and whether it can have arrived.
    fn failed(&self, status: &Status) -> Reply {
        let text = format!("{}: {}", self.endpoint, reason(status));
        let never_arrived = root(status).is_some_and(|error| {
            use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
            matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable)
        });
        match status.code() {
            Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded | Code::Unknown | Code::Internal
                if !never_arrived =>
            {
                Reply::Failed(text)
            }
            _ => Reply::Refused(text),
        }
    }
}

/// The error of a socket at the bottom of a status, if that is one.
fn root(status: &Status) -> Option<&io::Error> {
    let mut error: &dyn Error = status;
    loop {
        if let Some(found) = error.downcast_ref::<io::Error>() {
            return Some(found);
        }
        error = error.source()?;
    }
}

/// The reason for people: the socket's where it failed, else the server's.
fn reason(status: &Status) -> String {
    match root(status) {
        Some(error) => error.to_string(),
        None if status.message().is_empty() => status.code().description().to_owned(),
        None => status.message().to_owned(),
    }
}

/// How far a drain is, for people.
fn described(reply: &DrainReply) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    let seconds = reply.safe_to_stop_at.saturating_sub(now) as f64 / 1000.0;
    match (reply.visible, reply.waiting_for.is_empty()) {
        (true, _) => format!("no answer has the instance since revision {}; safe in {seconds:.1} s", reply.revision),
        (false, true) => format!("revision {} is on its way to the workers", reply.revision),
        (false, false) => {
            format!("revision {} is on its way to followers: {}", reply.revision, reply.waiting_for.join(", "))
        }
    }
}

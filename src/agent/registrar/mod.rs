//! Calls to the registry, over either of its two ways in.
//!
//! Each call is made once and ends within [`PATIENCE`], but for a drain over gRPC, which lasts until the proof is there:
//! the machine says when to try again, and how long a drain is worth waiting for.

mod aws;
mod grpc;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::sync::mpsc::UnboundedSender;

pub use self::aws::{AwsSettings, FindService, Found};
pub use self::grpc::{GrpcSettings, Token};
use super::identity::{Identity, Wanted};
use super::machine::{Call, Event, Reply, Weight};

/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How the registry is reached.
pub enum Way {
    /// Fingerpost's own channel.
    Grpc(GrpcSettings),
    /// The AWS API.
    Aws(AwsSettings),
}

/// The registry, as the agent of one instance sees it.
pub(super) struct Registrar {
    channel: Channel,
    wanted: Wanted,
    identity: OnceCell<Identity>,
    /// Why it was not found out, as people have been told.
    failure: Mutex<String>,
    events: UnboundedSender<Event>,
}

enum Channel {
    Grpc(grpc::Grpc),
    Aws(aws::Aws),
}

impl Registrar {
    /// One that will ask this way. Nothing is sent yet. Errors are bad usage: an address or a certificate that is none.
    pub(super) fn new(
        way: Way,
        service: String,
        wanted: Wanted,
        events: UnboundedSender<Event>,
    ) -> anyhow::Result<Self> {
        let channel = match way {
            Way::Grpc(settings) => Channel::Grpc(grpc::Grpc::new(settings, service)?),
            Way::Aws(settings) => Channel::Aws(aws::Aws::new(settings, service)),
        };
        Ok(Self { channel, wanted, identity: OnceCell::new(), failure: Mutex::default(), events })
    }

    /// Who the instance is, found out once.
    pub(super) async fn identity(&self) -> Result<&Identity, String> {
        let found = self.identity.get_or_try_init(|| self.wanted.find()).await;
        if let Err(why) = &found {
            let mut told = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            if *told != *why {
                told.clone_from(why);
                let text = format!("id and address of the instance are not known yet: {why}; trying again");
                // The agent may have ended.
                let _ = self.events.send(Event::Told(Weight::Notice, text));
            }
        }
        found
    }

    /// Makes a call.
    pub(super) async fn call(&self, call: Call) -> Reply {
        let identity = match self.identity().await {
            Ok(identity) => identity,
            Err(why) => return Reply::Refused(why),
        };
        match &self.channel {
            Channel::Grpc(grpc) => grpc.call(call, identity, &self.events).await,
            Channel::Aws(aws) => aws.call(call, identity).await,
        }
    }
}

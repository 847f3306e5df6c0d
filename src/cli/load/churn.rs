//! The flags of changes that are made beside the queries.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use fingerpost::agent::{GrpcSettings, Token};
use fingerpost::client::{Client, ClientOptions};
use fingerpost::load::{ChurnPlan, Rates, Versions, Way};

use super::super::Usage;

/// Changes beside the queries.
#[derive(Args)]
#[command(next_help_heading = "Changes beside the queries")]
pub(super) struct Churning {
    /// Changes a second: instances of services in the namespace churn.load.test, which is made for it and taken away in the
    /// end, get new addresses. A tenth of the queries ask for them (--mix churn=N says another share)
    #[arg(long, value_name = "RATE")]
    churn: Option<Rates>,

    /// Services that are changed, of 8 instances each
    #[arg(long, value_name = "N", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(Versions::MOST_SERVICES)))]
    churn_services: u32,

    /// Make changes through the gRPC channel here
    #[arg(long, value_name = "URL", requires = "churn", conflicts_with = "api")]
    grpc: Option<String>,

    /// Make changes through the AWS API here. Keys are looked for as by the AWS tools
    #[arg(long, value_name = "URL", requires = "churn")]
    api: Option<String>,

    /// The file with the token for the gRPC channel, which its owner alone can read. Else the token itself in
    /// FINGERPOST_TOKEN
    #[arg(long, value_name = "FILE", requires = "grpc")]
    token_file: Option<PathBuf>,

    /// Region to sign for, with --api [default: us-east-1]
    #[arg(long, value_name = "REGION", requires = "api")]
    region: Option<String>,

    /// Trust the certificates in this PEM file, and no others, when the server has TLS
    #[arg(long, value_name = "FILE", requires = "churn")]
    ca: Option<PathBuf>,
}

impl Churning {
    /// What the flags say; `None` without changes.
    pub(super) fn plan(self) -> anyhow::Result<Option<ChurnPlan>> {
        let Some(Rates(rates)) = self.churn else { return Ok(None) };
        let &[rate] = &*rates else { return Err(Usage("--churn: one rate is allowed".into()).into()) };
        let way = match (self.grpc, self.api) {
            (Some(endpoint), _) => {
                let text = || std::env::var("FINGERPOST_TOKEN").ok().filter(|token| !token.is_empty());
                let token = self.token_file.map(Token::File).or_else(|| text().map(Token::Text));
                let read = |path: PathBuf| std::fs::read(&path).with_context(|| format!("--ca {}", path.display()));
                let authorities = self.ca.map(read).transpose()?;
                Way::Grpc(Box::new(GrpcSettings { endpoint, authorities, certificate: None, token }))
            }
            (None, Some(endpoint)) => {
                let options = ClientOptions { endpoint: Some(endpoint), region: self.region, ca_file: self.ca };
                Way::Api(Arc::new(Client::new(&options)?))
            }
            (None, None) => return Err(Usage("--churn needs --grpc URL or --api URL".into()).into()),
        };
        Ok(Some(ChurnPlan { rate, way, versions: Arc::new(Versions::new(self.churn_services)) }))
    }
}

/// How many services are changed.
pub(super) fn services(plan: &ChurnPlan) -> u32 {
    plan.versions.services()
}

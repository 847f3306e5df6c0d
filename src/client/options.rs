//! What a user may say about the server and about who asks, and where it is looked for.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::credentials;
use super::{ClientError, Endpoint};
use crate::sigv4::Credential;

/// The region of a user who names none.
const DEFAULT_REGION: &str = "us-east-1";

/// Whom to ask, and as whom; flags of every command that is a client. What is `None` is taken from the environment.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "Connection")]
pub struct ClientOptions {
    /// The server. Else FINGERPOST_ENDPOINT, AWS_ENDPOINT_URL_SERVICEDISCOVERY, AWS_ENDPOINT_URL [default:
    /// http://127.0.0.1:8300]
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,

    /// Region to sign for, which also stands in the ARNs that come back. Else AWS_REGION, AWS_DEFAULT_REGION [default:
    /// us-east-1]
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,

    /// Trust the certificates in this PEM file, and no others, when the server has TLS [default: those that this
    /// machine trusts]
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// The options with nothing left to look up.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) endpoint: Endpoint,
    pub(super) credential: Credential,
    pub(super) region: String,
    pub(super) authorities: Option<Vec<u8>>,
}

impl ClientOptions {
    /// The region that is signed for.
    pub fn region(&self) -> Result<String, ClientError> {
        self.resolve(|name| std::env::var(name).ok()).map(|resolved| resolved.region)
    }

    /// Looks up what is not said, with `variable` for the environment. An empty variable counts as none.
    pub(super) fn resolve(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Resolved, ClientError> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let first = |said: &Option<String>, names: &[&str], default: &str| {
            said.clone().or_else(|| names.iter().find_map(|name| variable(name))).unwrap_or_else(|| default.to_owned())
        };
        let names = ["FINGERPOST_ENDPOINT", "AWS_ENDPOINT_URL_SERVICEDISCOVERY", "AWS_ENDPOINT_URL"];
        let endpoint = first(&self.endpoint, &names, Endpoint::DEFAULT).parse().map_err(ClientError::Options)?;
        let region = first(&self.region, &["AWS_REGION", "AWS_DEFAULT_REGION"], DEFAULT_REGION);
        if region.is_empty() || !region.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-') {
            return Err(ClientError::Options(format!("{region:?} is not a region; one is us-east-1")));
        }
        let authorities = self.ca_file.as_deref().map(read).transpose()?;
        Ok(Resolved { endpoint, credential: credentials::find(&variable)?, region, authorities })
    }
}

/// Reads a file that a user named.
fn read(path: &Path) -> Result<Vec<u8>, ClientError> {
    fs::read(path).map_err(|error| ClientError::Options(format!("{} cannot be read: {error}", path.display())))
}

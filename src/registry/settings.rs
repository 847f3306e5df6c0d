//! What the registry is told at its start.

use std::time::Duration;

use super::command::Refusal;
use super::entry::NamespaceEntry;
use super::quotas::Quotas;
use crate::model::NamespaceType;
use crate::wire::Name;

/// Settings of a registry, which never change.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Names in the NS records of the zones; the first is also the SOA's.
    pub name_servers: Vec<Name>,
    /// The VPCs whose clients have views of their own. View 0 is everybody's, view n that of the n-th VPC. With none,
    /// there is one view, and a VPC is but a word.
    pub vpcs: Vec<Box<str>>,
    /// Limits.
    pub quotas: Quotas,
    /// How long a custom health status waits before it shows.
    pub custom_health_delay: Duration,
    /// How long operations are kept.
    pub operation_retention: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name_servers: Vec::new(),
            vpcs: Vec::new(),
            quotas: Quotas::default(),
            custom_health_delay: Duration::from_secs(30),
            operation_retention: Duration::from_secs(24 * 60 * 60),
        }
    }
}

impl Settings {
    /// How many views there are.
    pub(super) fn views(&self) -> usize {
        1 + self.vpcs.len()
    }

    /// The view in which a namespace's zone is.
    pub(super) fn view(&self, kind: NamespaceType, vpc: Option<&str>) -> Result<usize, Refusal> {
        if kind != NamespaceType::DnsPrivate || self.vpcs.is_empty() {
            return Ok(0);
        }
        let at = self.vpcs.iter().position(|known| Some(&**known) == vpc);
        at.map(|at| at + 1).ok_or_else(|| {
            let known = self.vpcs.join(", ");
            Refusal::Invalid(match vpc {
                Some(vpc) => format!("{vpc:?} is not a VPC of this server; its configuration (vpcs) knows {known}"),
                None => format!(
                    "a private namespace needs a vpc here, since the server's configuration (vpcs) has some: {known}"
                ),
            })
        })
    }

    /// View and apex of a namespace's zone; `None` where it has none, or where its VPC is not known any more.
    pub(super) fn zone(&self, entry: &NamespaceEntry) -> Option<(usize, Name)> {
        if entry.namespace_type == NamespaceType::Http {
            return None;
        }
        let view = self.view(entry.namespace_type, entry.vpc.as_deref()).ok()?;
        Some((view, Name::parse(&entry.name).ok()?))
    }
}

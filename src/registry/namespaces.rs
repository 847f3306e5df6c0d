//! Commands that make, change and take away namespaces.

use super::command::{CreateNamespace, Outcome, Refusal, UpdateNamespace};
use super::draft::Draft;
use super::entry::{NamespaceEntry, Owner};
use super::operation::Operation;
use super::quotas;
use super::services::few_tags;
use crate::model::{NamespaceId, NamespaceType, OperationId};
use crate::wire::Name;

/// The error code of a zone that cannot be made (API model `Operation$ErrorCode`).
const CANNOT_CREATE: &str = "CANNOT_CREATE_HOSTED_ZONE";

impl Draft<'_> {
    /// Makes a namespace. A zone that cannot be made fails in the operation, as on AWS.
    pub(super) fn create_namespace(
        &mut self,
        create: CreateNamespace,
        mut operation: Operation,
    ) -> Result<Outcome, Refusal> {
        let id = NamespaceId::random(fastrand::u128(..));
        operation.namespace = Some(id);
        let view = self.settings.view(create.namespace_type, create.vpc.as_deref())?;
        few_tags(&create.tags, &create.name)?;
        let entry = |http_name| NamespaceEntry {
            id,
            name: create.name.clone(),
            http_name,
            namespace_type: create.namespace_type,
            vpc: create.vpc.clone(),
            soa_ttl: create.soa_ttl,
            description: create.description.clone(),
            tags: create.tags.clone(),
            creator_request_id: create.creator_request_id.clone(),
            created: operation.id.milliseconds(),
            operation: operation.id,
            updater: None,
            owner: Owner::Api,
        };
        match create.namespace_type {
            NamespaceType::Http => {
                if let Some(same) = self.http_namespace(&create.name) {
                    let (known, id) = (replayed(same, &create)?, same.id);
                    return Ok(self.replayed(known, Operation { namespace: Some(id), ..operation }));
                }
            }
            NamespaceType::DnsPublic | NamespaceType::DnsPrivate => {
                let apex = Name::parse(&create.name)
                    .map_err(|fault| Refusal::Name { namespace: create.name.clone(), fault })?;
                if let Some(same) = self.namespace_at(view, &apex).and_then(|id| self.namespace(id)) {
                    let is_same = same.namespace_type == create.namespace_type;
                    let is_replay = is_same
                        && same.vpc == create.vpc
                        && create.creator_request_id.is_some()
                        && same.creator_request_id == create.creator_request_id;
                    if is_replay || (is_same && create.namespace_type == NamespaceType::DnsPublic) {
                        let (known, id) = (replayed(same, &create)?, same.id);
                        return Ok(self.replayed(known, Operation { namespace: Some(id), ..operation }));
                    }
                }
                if let Some(reason) = self.conflict(view, &apex, create.namespace_type) {
                    operation.error = Some((CANNOT_CREATE.into(), reason.into()));
                    return Ok(Outcome::Operation(self.finish(operation)));
                }
            }
        }
        quotas::namespaces(self)?;
        let entry = entry(self.free_http_name(&create.name, id));
        self.put_namespace(entry);
        Ok(Outcome::Operation(self.finish(operation)))
    }

    /// The name under which a namespace is discovered: its own, or one like it where that is taken, because the API
    /// model promises that `HttpName` is unique.
    pub(super) fn free_http_name(&self, name: &str, id: NamespaceId) -> Box<str> {
        match self.discovered(name) {
            None => name.into(),
            Some(_) => format!("{name}-{}", id.to_string().get(3..11).unwrap_or_default()).into(),
        }
    }

    /// The HTTP namespace of a name.
    pub(super) fn http_namespace(&self, name: &str) -> Option<&NamespaceEntry> {
        let known = self.catalog.namespaces.values().filter(|entry| !self.namespaces.contains_key(&entry.id));
        let mut all = known.map(|entry| &**entry).chain(self.namespaces.values().flatten());
        all.find(|entry| entry.namespace_type == NamespaceType::Http && *entry.name == *name)
    }

    /// Why no zone can be made at `apex`, if something is in the way.
    pub(super) fn conflict(&self, view: usize, apex: &Name, kind: NamespaceType) -> Option<String> {
        let shown = apex.to_string();
        let shown = shown.trim_end_matches('.');
        for (other, id) in self.apexes(view) {
            let Some(entry) = self.namespace(id) else { continue };
            // Private zones of one VPC do not overlap, as on AWS.
            let is_private = kind == NamespaceType::DnsPrivate && entry.namespace_type == NamespaceType::DnsPrivate;
            let overlaps = is_private && (is_below(apex, other) || is_below(other, apex));
            if apex == other || overlaps {
                let file = match &entry.owner {
                    Owner::File(file) => format!(" declared in {}", file.display()),
                    Owner::Api | Owner::Kept => String::new(),
                };
                return Some(format!(
                    "ConflictingDomainExists: {shown} conflicts with namespace {} ({id}){file}, whose clients are the same",
                    entry.name
                ));
            }
        }
        let zone = self.tables.get(view).and_then(|table| table.apex_at(apex));
        let claimed = |(of, owner): &(usize, Name)| *of == view && is_at_or_below(owner.as_wire(), apex);
        let taken = zone.is_some() || self.claims.iter().any(claimed);
        taken.then(|| format!("ConflictingDomainExists: records of another zone stand at or below {shown}"))
    }

    /// Changes a namespace.
    pub(super) fn update_namespace(
        &mut self,
        update: UpdateNamespace,
        operation: Option<Operation>,
    ) -> Result<Outcome, Refusal> {
        let entry = self.namespace(update.id).ok_or_else(|| Refusal::NoNamespace(update.id.to_string()))?;
        if entry.namespace_type != update.namespace_type {
            let text = format!("namespace {} ({}) is of another type than this action is for", entry.name, entry.id);
            return Err(Refusal::Invalid(text));
        }
        Self::may_change_namespace(entry)?;
        let changes = update.description.as_ref().is_some_and(|new| entry.description.as_ref() != Some(new))
            || update.soa_ttl.is_some_and(|new| entry.soa_ttl != Some(new));
        if let Some((token, id)) = &entry.updater
            && update.updater_request_id.as_ref() == Some(token)
            && !changes
            && let Some(operation) = operation
        {
            let known = *id;
            return Ok(self.replayed(known, operation));
        }
        if let Some(entry) = self.edit_namespace(update.id) {
            entry.description = update.description.or_else(|| entry.description.take());
            entry.soa_ttl = update.soa_ttl.or(entry.soa_ttl);
            entry.updater = update.updater_request_id.zip(operation.as_ref().map(|operation| operation.id));
        }
        Ok(self.done(operation))
    }

    /// Takes away a namespace without services.
    pub(super) fn delete_namespace(
        &mut self,
        id: NamespaceId,
        operation: Option<Operation>,
    ) -> Result<Outcome, Refusal> {
        let entry = self.namespace(id).ok_or_else(|| Refusal::NoNamespace(id.to_string()))?;
        Self::may_change_namespace(entry)?;
        let services = self.services_of(id).len();
        if services > 0 {
            let text = format!("namespace {} has {services} services; delete them before the namespace", entry.name);
            return Err(Refusal::InUse(text));
        }
        self.remove_namespace(id);
        Ok(self.done(operation))
    }
}

/// The operation of a namespace that is there, where it was made by the same request.
fn replayed(same: &NamespaceEntry, create: &CreateNamespace) -> Result<OperationId, Refusal> {
    let is_same = create.creator_request_id.is_some()
        && same.creator_request_id == create.creator_request_id
        && same.description == create.description
        && same.soa_ttl == create.soa_ttl
        && same.tags == create.tags;
    if is_same && !matches!(same.owner, Owner::File(_)) {
        return Ok(same.operation);
    }
    let creator_request_id = same.creator_request_id.clone();
    Err(Refusal::NamespaceExists { name: same.name.clone(), id: same.id, creator_request_id })
}

/// Whether `name` lies below `ancestor`.
pub(super) fn is_below(name: &Name, ancestor: &Name) -> bool {
    name != ancestor && is_at_or_below(name.as_wire(), ancestor)
}

/// Whether a name in wire form is `ancestor`, or lies below it.
pub(super) fn is_at_or_below(mut name: &[u8], ancestor: &Name) -> bool {
    while name.len() > ancestor.as_wire().len() {
        let Some((length, rest)) = name.split_first() else { return false };
        name = rest.get(usize::from(*length)..).unwrap_or_default();
    }
    name == ancestor.as_wire()
}

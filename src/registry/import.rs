//! A registry's content from outside, all at once: what `export` wrote, or anybody's declaration.

use super::command::{Outcome, Refusal};
use super::draft::Draft;
use super::entry::{NamespaceEntry, Owner, ServiceEntry};
use crate::model::{Namespace, NamespaceId, NamespaceType, OperationId, Service, ServiceId, State};

impl Draft<'_> {
    /// Makes all of `state` as the API would have. Nothing of it may be there already.
    pub(super) fn import(&mut self, state: State) -> Result<Outcome, Refusal> {
        if let Some(apex) = state.zones.keys().next() {
            let text = format!("zone {apex} has static records, which a registry does not hold; declare them instead");
            return Err(Refusal::Invalid(text));
        }
        for (name, namespace) in state.namespaces {
            self.import_namespace(&name, namespace)?;
        }
        Ok(Outcome::Done)
    }

    fn import_namespace(&mut self, name: &str, namespace: Namespace) -> Result<(), Refusal> {
        let id = namespace.id.unwrap_or_else(|| NamespaceId::random(fastrand::u128(..)));
        let kind = namespace.namespace_type;
        self.settings.view(kind, namespace.vpc.as_deref())?;
        let entry = NamespaceEntry {
            id,
            name: name.into(),
            http_name: self.free_http_name(name, id),
            namespace_type: kind,
            vpc: namespace.vpc,
            soa_ttl: Some(namespace.soa_ttl).filter(|_| kind != NamespaceType::Http),
            description: namespace.description,
            tags: namespace.tags,
            creator_request_id: None,
            created: self.now,
            operation: OperationId::default(),
            updater: None,
            owner: Owner::Api,
        };
        let conflict = match self.settings.zone(&entry) {
            Some((view, apex)) => self.conflict(view, &apex, kind),
            None => self.http_namespace(name).map(|same| format!("{} has the name", same.id)),
        };
        let conflict = conflict.or_else(|| self.namespace(id).map(|same| format!("{} has its id {id}", same.name)));
        if let Some(reason) = conflict {
            return Err(Refusal::Invalid(format!("namespace {name} cannot be imported: {reason}")));
        }
        self.put_namespace(entry);
        for (name, service) in namespace.services {
            self.import_service(id, &name, service)?;
        }
        Ok(())
    }

    fn import_service(&mut self, namespace: NamespaceId, name: &str, mut service: Service) -> Result<(), Refusal> {
        let id = service.id.take().unwrap_or_else(|| ServiceId::random(fastrand::u128(..)));
        if let Some(same) = self.service(id) {
            let text = format!("service {name} cannot be imported: {} has its id {id}", same.name);
            return Err(Refusal::Invalid(text));
        }
        service.source = None;
        for instance in service.instances.iter() {
            self.write_instance(id, instance);
        }
        self.put_service(ServiceEntry {
            id,
            namespace,
            name: name.into(),
            creator_request_id: None,
            created: self.now,
            instances_revision: service.instances.len() as u64,
            owner: Owner::Api,
            service,
        });
        Ok(())
    }
}

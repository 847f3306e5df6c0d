//! Commands that register and deregister instances, and that tell of their health.
//!
//! The AWS API's come with an operation each; those of the gRPC channel come without.

use std::sync::Arc;

use tracing::debug;

use super::command::{Outcome, Refusal, RegisterInstance};
use super::draft::{Draft, Due};
use super::entry::{NamespaceEntry, ServiceEntry};
use super::operation::Operation;
use super::quotas;
use crate::model::validate::attributes;
use crate::model::validate::{self, Shown};
use crate::model::{HealthCheck, HealthStatus, Instance, OperationId, RecordType, ServiceId};

impl Draft<'_> {
    /// Puts an instance of the gRPC channel. Sent again, it is still there, and its health goes on; else that starts
    /// anew.
    pub(super) fn put_instance(&mut self, id: ServiceId, mut instance: Instance) -> Result<Outcome, Refusal> {
        let entry = self.service(id).ok_or_else(|| Refusal::NoService(id.to_string()))?;
        let at = entry.service.instances.position(instance.id());
        let known = at.ok().and_then(|at| entry.service.instances.at(at));
        if let Some(known) = known {
            if !known.declared && !known.draining && known.attributes() == instance.attributes() {
                self.renew(id, instance.id(), instance.lease());
                return Ok(Outcome::Done);
            }
            may_change(entry, known)?;
        } else {
            quotas::instances(self, entry)?;
        }
        let namespace = self.namespace(entry.namespace).ok_or_else(|| Refusal::NoService(id.to_string()))?;
        instance.status = entry.service.health_check.initial_status(&instance);
        // Values have been checked on their own.
        let missing = attributes::missing(|attribute| instance.has(attribute), &entry.service.dns_records);
        let missing: Vec<&str> = missing.collect();
        if !missing.is_empty() {
            return Err(Refusal::Invalid(missing.join("; ")));
        }
        fits_namespace(namespace, entry, &instance)?;
        self.put_registered(id, instance, at)
    }

    /// Puts an instance in place of the one of its id. Its health starts anew.
    pub(super) fn register_instance(
        &mut self,
        register: RegisterInstance,
        mut operation: Option<Operation>,
    ) -> Result<Outcome, Refusal> {
        let RegisterInstance { service: id, id: instance_id, creator_request_id, attributes } = register;
        let entry = self.service(id).ok_or_else(|| Refusal::NoService(id.to_string()))?;
        let namespace = self.namespace(entry.namespace).ok_or_else(|| Refusal::NoService(id.to_string()))?;
        operation.iter_mut().for_each(|operation| operation.namespace = Some(namespace.id));
        let at = entry.service.instances.position(&instance_id);
        let known = at.ok().and_then(|at| entry.service.instances.at(at));
        if let Some(known) = known {
            may_change(entry, known)?;
            let is_replay = creator_request_id.is_some()
                && !known.draining
                && known.creator_request_id() == creator_request_id.as_deref()
                && known.attributes() == attributes.pairs();
            if is_replay && let Some(operation) = operation {
                // Whoever registers again is still there.
                let (lease, known) = (known.lease(), known.operation);
                self.renew(id, &instance_id, lease);
                return Ok(self.replayed(known, operation));
            }
        } else {
            quotas::instances(self, entry)?;
        }
        let mut instance = Instance::new(&instance_id, creator_request_id.as_deref(), attributes.iter());
        instance.operation = operation.as_ref().map_or_else(OperationId::default, |operation| operation.id);
        instance.status = entry.service.health_check.initial_status(&instance);
        fits_service(namespace, entry, &instance)?;
        self.put_registered(id, instance, at)?;
        Ok(self.done(operation))
    }

    /// Puts an instance that fits its service into the place found for it.
    fn put_registered(
        &mut self,
        id: ServiceId,
        instance: Instance,
        at: Result<usize, usize>,
    ) -> Result<Outcome, Refusal> {
        let entry = self.service(id).ok_or_else(|| Refusal::NoService(id.to_string()))?;
        let known = at.ok().and_then(|at| entry.service.instances.at(at));
        let had_lease = known.is_some_and(|known| known.lease().is_some());
        let entry_revision = entry.instances_revision;
        if known.is_none()
            && entry.service.ttl(RecordType::Srv).is_some()
            && let Some(namespace) = self.namespace(entry.namespace)
            && let Some((view, apex)) = self.settings.zone(namespace)
        {
            let fault = |fault| Refusal::Name { namespace: namespace.name.clone(), fault };
            let owner = apex.child(&entry.name).and_then(|service| service.child(instance.id())).map_err(fault)?;
            let what = format!("instance {}", instance.id());
            self.claim(view, &apex, &owner, &what)?;
        }
        if had_lease && instance.lease().is_none() {
            self.released.push((id, instance.id().into()));
        }
        let instance = Arc::new(instance);
        let revision = entry_revision + 1;
        self.write_registered(id, &instance, Some(revision));
        if let Some(entry) = self.edit_registered(id) {
            entry.service.instances.put(at, instance);
            entry.instances_revision = revision;
        }
        Ok(Outcome::Done)
    }

    /// Takes away an instance.
    pub(super) fn deregister_instance(
        &mut self,
        id: ServiceId,
        instance: &str,
        mut operation: Option<Operation>,
    ) -> Result<Outcome, Refusal> {
        let (entry, known) = self.instance(id, instance)?;
        may_change(entry, known)?;
        operation.iter_mut().for_each(|operation| operation.namespace = Some(entry.namespace));
        if known.lease().is_some() {
            self.released.push((id, instance.into()));
        }
        self.remove_instance_row(id, instance);
        if let Some(entry) = self.edit_service(id) {
            entry.service.instances.remove(instance);
            entry.instances_revision += 1;
        }
        Ok(self.done(operation))
    }

    /// Takes an instance out of all answers. It stays registered, and answers again once it is registered again.
    pub(super) fn drain_instance(&mut self, id: ServiceId, instance: &str) -> Result<Outcome, Refusal> {
        let (entry, known) = self.instance(id, instance)?;
        may_change(entry, known)?;
        if !known.draining {
            let mut changed = Instance::clone(known);
            changed.draining = true;
            self.put_changed(id, changed);
        }
        Ok(Outcome::Done)
    }

    /// Takes away an instance whose lease has run out, if nobody else did.
    pub(super) fn expire_instance(&mut self, id: ServiceId, instance: &str) {
        // It may have been registered again without one, or be gone.
        if self.instance(id, instance).is_ok_and(|(_, known)| known.lease().is_some())
            && self.deregister_instance(id, instance, None).is_ok()
        {
            debug!("instance {instance} of {id} is gone: nobody renewed its lease");
        }
    }

    /// Has the lease of an instance begin anew, if it has one.
    pub(super) fn renew(&mut self, service: ServiceId, instance: &str, lease: Option<u32>) {
        if let Some(seconds) = lease {
            let until = self.now + u64::from(seconds) * 1000;
            self.renewals.push(Due { at: until, service, instance: instance.into() });
        }
    }

    /// Takes in what the registrant says of an instance's health. It shows after the delay, counted from the first
    /// word of it; a word to the contrary meanwhile takes it back (API model `UpdateInstanceCustomHealthStatus`).
    pub(super) fn set_custom_health(
        &mut self,
        id: ServiceId,
        instance: &str,
        status: HealthStatus,
    ) -> Result<Outcome, Refusal> {
        let entry = self.service(id).ok_or_else(|| Refusal::NoService(id.to_string()))?;
        if entry.service.health_check != HealthCheck::Custom {
            return Err(Refusal::NoCustomHealth(id));
        }
        let (entry, known) = self.instance(id, instance)?;
        may_change(entry, known)?;
        let lease = known.lease();
        let delay = self.settings.custom_health_delay.as_millis() as u64;
        let (status, due) = match (known.status == status, known.status_due) {
            (true, 0) => {
                self.renew(id, instance, lease);
                return Ok(Outcome::Done);
            }
            (true, _) => (known.status, 0),
            (false, 0) if delay == 0 => (status, 0),
            (false, 0) => (known.status, self.now + delay),
            (false, _) => {
                self.renew(id, instance, lease);
                return Ok(Outcome::Done);
            }
        };
        self.put_health(id, instance, status, due);
        self.renew(id, instance, lease);
        Ok(Outcome::Done)
    }

    /// Takes in what a probe found.
    pub(super) fn set_probed_health(
        &mut self,
        id: ServiceId,
        instance: &str,
        status: HealthStatus,
    ) -> Result<Outcome, Refusal> {
        let (entry, known) = self.instance(id, instance)?;
        // The probe may have begun before the service lost its check.
        if matches!(entry.service.health_check, HealthCheck::Probe(_)) && known.status != status {
            self.put_health(id, instance, status, 0);
        }
        Ok(Outcome::Done)
    }

    /// Turns a status whose time has come.
    pub(super) fn turn_status(&mut self, due: &Due) {
        let Ok((_, known)) = self.instance(due.service, &due.instance) else { return };
        if known.status_due == due.at {
            let status = match known.status {
                HealthStatus::Healthy => HealthStatus::Unhealthy,
                HealthStatus::Unhealthy | HealthStatus::Unknown => HealthStatus::Healthy,
            };
            self.put_health(due.service, &due.instance, status, 0);
        }
    }

    /// Gives an instance another status, or another time at which it turns.
    fn put_health(&mut self, id: ServiceId, instance: &str, status: HealthStatus, due: u64) {
        let Ok((_, known)) = self.instance(id, instance) else { return };
        let mut changed = Instance::clone(known);
        (changed.status, changed.status_due) = (status, due);
        self.put_changed(id, changed);
    }

    /// Puts an instance in the place of what it was before: no registration.
    fn put_changed(&mut self, id: ServiceId, changed: Instance) {
        let changed = Arc::new(changed);
        if !changed.declared {
            self.write_instance(id, &changed);
        }
        if let Some(entry) = self.edit_service(id) {
            entry.service.instances.insert(changed);
        }
    }

    /// An instance of a service.
    pub(super) fn instance(&self, id: ServiceId, instance: &str) -> Result<(&ServiceEntry, &Arc<Instance>), Refusal> {
        let entry = self.service(id).ok_or_else(|| Refusal::NoService(id.to_string()))?;
        let known = entry.service.instances.get(instance);
        known.map(|known| (entry, known)).ok_or_else(|| Refusal::NoInstance(Shown(instance).to_string()))
    }
}

/// Refused where a file declares the instance.
pub(super) fn may_change(entry: &ServiceEntry, instance: &Instance) -> Result<(), Refusal> {
    if !instance.declared {
        return Ok(());
    }
    let file = entry.service.source.as_ref().map_or_else(String::new, |file| file.display().to_string());
    Err(Refusal::Declared { what: format!("instance {} of service {}", instance.id(), entry.name), file })
}

/// The rules that tie an instance to its service and namespace.
fn fits_service(namespace: &NamespaceEntry, entry: &ServiceEntry, instance: &Instance) -> Result<(), Refusal> {
    let pairs: Vec<_> = instance.attributes().iter().collect();
    let faults = attributes::instance(&pairs, &entry.service.dns_records);
    if !faults.is_empty() {
        let texts: Vec<_> = faults.iter().map(|fault| fault.violation.to_string()).collect();
        return Err(Refusal::Invalid(texts.join("; ")));
    }
    fits_namespace(namespace, entry, instance)
}

/// The rules that tie an instance to its service's health check, and to its namespace.
fn fits_namespace(namespace: &NamespaceEntry, entry: &ServiceEntry, instance: &Instance) -> Result<(), Refusal> {
    if matches!(entry.service.health_check, HealthCheck::Probe(_)) && instance.port().is_none() {
        return Err(Refusal::Invalid("AWS_INSTANCE_PORT is missing; the service's HealthCheckConfig needs it".into()));
    }
    if namespace.namespace_type.has_zone() {
        validate::instance_in_namespace(&namespace.name, &entry.name, &entry.service, instance)
            .map_err(|violation| Refusal::Invalid(violation.to_string()))?;
    }
    Ok(())
}

//! Does one step to the registry and to the reference, and compares what comes of it.

use fingerpost::model::{
    Attributes, DnsRecord, HealthCheck, HealthStatus, NamespaceType, Probe, ProbeType, RecordType, RoutingPolicy,
};
use fingerpost::registry::{
    Command, CreateNamespace, CreateService, Outcome, RegisterInstance, Resource, UpdateNamespace, UpdateService,
};

use super::World;
use super::ops::{Check, Op, Pairs, Records};
use super::reference::{Class, Expected, Instance, Namespace, Owner, Service, get, merge};

impl World {
    /// Does `op`.
    pub(crate) fn step(&mut self, op: &Op) {
        match op {
            Op::CreateNamespace { .. } => self.create_namespace(op),
            Op::UpdateNamespace { .. } => self.update_namespace(op),
            Op::DeleteNamespace { which } => self.delete_namespace(*which),
            Op::CreateService { .. } => self.create_service(op),
            Op::UpdateService { .. } => self.update_service(op),
            Op::DeleteService { which } => self.delete_service(*which),
            Op::PutAttributes { which, pairs } => self.change_attributes(*which, pairs, &[]),
            Op::RemoveAttributes { which, keys } => self.change_attributes(*which, &Pairs::new(), keys),
            Op::Register { service, id, token, attributes } => self.register(*service, id, *token, attributes),
            Op::Deregister { service, id } => self.deregister(*service, id),
            Op::SetHealth { service, id, healthy, probed } => self.set_health(*service, id, *healthy, *probed),
            Op::Tag { which, of_service, pairs } => self.change_tags(*which, *of_service, pairs, &[]),
            Op::Untag { which, of_service, keys } => self.change_tags(*which, *of_service, &Pairs::new(), keys),
            Op::Declare(declared) => self.declare(declared),
            Op::Restart { declares } => self.restart(*declares),
        }
    }

    //--- Namespaces

    fn create_namespace(&mut self, op: &Op) {
        let Op::CreateNamespace { name, kind, vpc, soa_ttl, token, tags } = op else { return };
        let vpc = (*kind == NamespaceType::DnsPrivate).then_some(*vpc);
        let soa_ttl = soa_ttl.filter(|_| *kind != NamespaceType::Http);
        let expected = self.reference.may_create_namespace(name, *kind, vpc, soa_ttl, tags, *token);
        let command = CreateNamespace {
            name: (*name).into(),
            namespace_type: *kind,
            vpc: vpc.map(Box::from),
            soa_ttl,
            description: None,
            creator_request_id: token.map(Box::from),
            tags: attributes(tags),
        };
        let Some(Outcome::Operation(operation)) = self.send(Command::CreateNamespace(command), expected) else {
            return;
        };
        let id = self.operation(operation).namespace.expect("the operation names the namespace");
        let http_name = self.http_name(id, name);
        let namespace = Namespace {
            id,
            name: (*name).into(),
            http_name,
            kind: *kind,
            vpc: vpc.map(String::from),
            soa_ttl,
            description: None,
            tags: tags.clone(),
            token: token.map(String::from),
            operation,
            updater: None,
            owner: Owner::Api,
        };
        assert!(self.reference.namespaces.insert(id, namespace).is_none());
    }

    fn update_namespace(&mut self, op: &Op) {
        let Op::UpdateNamespace { which, kind, description, soa_ttl, token } = op else { return };
        let id = self.namespace(*which);
        let soa_ttl = soa_ttl.filter(|_| *kind != NamespaceType::Http);
        let expected = match self.reference.namespaces.get(&id) {
            None => Err(Class::NoNamespace),
            Some(known) if known.kind != *kind => Err(Class::Invalid),
            Some(known) if known.owner == Owner::File => Err(Class::Declared),
            Some(known) => match &known.updater {
                Some((before, operation))
                    if Some(&**before) == *token
                        && description.as_ref().is_none_or(|new| known.description.as_ref() == Some(new))
                        && soa_ttl.is_none_or(|new| known.soa_ttl == Some(new)) =>
                {
                    Ok(Expected::Replay(*operation))
                }
                _ => Ok(Expected::Operation),
            },
        };
        let command = UpdateNamespace {
            id,
            namespace_type: *kind,
            description: description.as_deref().map(Box::from),
            soa_ttl,
            updater_request_id: token.map(Box::from),
        };
        if let Some(Outcome::Operation(operation)) = self.send(Command::UpdateNamespace(command), expected)
            && let Some(known) = self.reference.namespaces.get_mut(&id)
        {
            known.description = description.clone().or_else(|| known.description.take());
            known.soa_ttl = soa_ttl.or(known.soa_ttl);
            known.updater = token.map(|token| (token.to_owned(), operation));
        }
    }

    fn delete_namespace(&mut self, which: u8) {
        let id = self.namespace(which);
        let expected = match self.reference.namespaces.get(&id) {
            None => Err(Class::NoNamespace),
            Some(known) if known.owner == Owner::File => Err(Class::Declared),
            Some(_) if self.reference.services_of(id).next().is_some() => Err(Class::InUse),
            Some(_) => Ok(Expected::Operation),
        };
        if self.send(Command::DeleteNamespace(id), expected).is_some() {
            self.reference.namespaces.remove(&id);
        }
    }

    //--- Services

    fn create_service(&mut self, op: &Op) {
        let Op::CreateService { namespace, name, records, says_policy, api_only, check, token, tags } = op else {
            return;
        };
        let namespace = self.namespace(*namespace);
        let records = Records { weighted: records.weighted && *says_policy, ..records.clone() };
        let expected = self.reference.may_create_service(namespace, name, &records, *check, *api_only, *token);
        let command = CreateService {
            namespace,
            name: (*name).into(),
            routing_policy: says_policy.then(|| policy(&records)),
            dns_records: dns_records(&records),
            api_only: *api_only,
            health_check: health_check(*check),
            description: None,
            creator_request_id: token.map(Box::from),
            tags: attributes(tags),
        };
        let Some(Outcome::Service(id)) = self.send(Command::CreateService(command), expected) else { return };
        let service = Service {
            id,
            namespace,
            name: (*name).into(),
            records,
            check: *check,
            description: None,
            tags: tags.clone(),
            attributes: Pairs::new(),
            token: token.map(String::from),
            owner: Owner::Api,
            revision: 0,
            instances: Default::default(),
        };
        assert!(self.reference.services.insert(id, service).is_none());
    }

    fn update_service(&mut self, op: &Op) {
        let Op::UpdateService { which, description, ttl, other_types, probe } = op else { return };
        let id = self.service(*which);
        let known = self.reference.services.get(&id);
        let before = known.map_or(Vec::new(), |known| known.records.types.clone());
        let records = ttl.map(|ttl| {
            let mut types: Vec<_> = before.iter().rev().map(|(record_type, _)| (*record_type, ttl)).collect();
            if *other_types && types.pop().is_none() {
                types.push((RecordType::A, ttl));
            }
            types
        });
        let expected = match known {
            None => Err(Class::NoService),
            Some(known) if known.owner == Owner::File => Err(Class::Declared),
            Some(known) => {
                let kind = self.reference.namespaces[&known.namespace].kind;
                let has_other_types = records.as_ref().is_some_and(|records| records.len() != before.len());
                let takes_no_probe = kind == NamespaceType::DnsPrivate
                    || known.check == Check::Custom
                    || known.ttl(RecordType::Cname).is_some();
                let has_port = |attributes: &Pairs| get(attributes, "AWS_INSTANCE_PORT").is_some();
                let lacks_port = known.check == Check::None
                    && known.instances.values().any(|instance| !has_port(&instance.attributes));
                let is_wrong = kind == NamespaceType::Http
                    || (*ttl).is_some() && has_other_types
                    || *probe && (takes_no_probe || lacks_port);
                if is_wrong { Err(Class::Invalid) } else { Ok(Expected::Operation) }
            }
        };
        let records = Records { types: records.unwrap_or_default(), weighted: false };
        let command = UpdateService {
            id,
            description: description.as_deref().map(Box::from),
            dns_records: ttl.map(|_| dns_records(&records)),
            probe: probe.then(tcp_probe),
        };
        if self.send(Command::UpdateService(command), expected).is_some()
            && let Some(known) = self.reference.services.get_mut(&id)
        {
            known.description = description.clone().or_else(|| known.description.take());
            known.records.types = records.types;
            let check = match known.check {
                Check::Custom => Check::Custom,
                _ if *probe => Check::Probe,
                _ => Check::None,
            };
            known.set_check(check);
        }
    }

    fn delete_service(&mut self, which: u8) {
        let id = self.service(which);
        let expected = self
            .reference
            .may_change_service(id)
            .and_then(|known| if known.instances.is_empty() { Ok(Expected::Done) } else { Err(Class::InUse) });
        if self.send(Command::DeleteService(id), expected).is_some() {
            self.reference.services.remove(&id);
        }
    }

    fn change_attributes(&mut self, which: u8, put: &Pairs, keys: &[String]) {
        let id = self.service(which);
        let after = self.reference.may_change_service(id).map(|known| without(merge(&known.attributes, put), keys));
        let after = after.and_then(|after| if after.len() > 30 { Err(Class::TooManyAttributes) } else { Ok(after) });
        let command = match keys {
            [] => Command::PutServiceAttributes(id, attributes(put)),
            keys => Command::RemoveServiceAttributes(id, keys.to_vec()),
        };
        self.send(command, after.as_ref().map(|_| Expected::Done).map_err(|class| *class));
        if let (Ok(after), Some(known)) = (after, self.reference.services.get_mut(&id)) {
            known.attributes = after;
        }
    }

    fn change_tags(&mut self, which: u8, of_service: bool, put: &Pairs, keys: &[String]) {
        let (namespace, service) = (self.namespace(which), self.service(which));
        let (owner, before) = if of_service {
            let known = self.reference.services.get(&service);
            (known.map(|known| known.owner), known.map(|known| known.tags.clone()))
        } else {
            let known = self.reference.namespaces.get(&namespace);
            (known.map(|known| known.owner), known.map(|known| known.tags.clone()))
        };
        let after = without(merge(&before.unwrap_or_default(), put), keys);
        let expected = match owner {
            None => Err(Class::NoResource),
            Some(Owner::File) => Err(Class::Declared),
            Some(_) if after.len() > 50 => Err(Class::TooManyTags),
            Some(_) => Ok(Expected::Done),
        };
        let resource = if of_service { Resource::Service(service) } else { Resource::Namespace(namespace) };
        let command = match keys {
            [] => Command::Tag(resource, attributes(put)),
            keys => Command::Untag(resource, keys.to_vec()),
        };
        if self.send(command, expected).is_none() {
        } else if of_service {
            self.reference.services.entry(service).and_modify(|known| known.tags = after);
        } else {
            self.reference.namespaces.entry(namespace).and_modify(|known| known.tags = after);
        }
    }

    //--- Instances

    fn register(&mut self, service: u8, instance: &str, token: Option<&str>, pairs: &Pairs) {
        let id = self.service(service);
        let expected = self.reference.may_register(id, instance, token, pairs);
        let command = Command::RegisterInstance(RegisterInstance {
            service: id,
            id: instance.into(),
            creator_request_id: token.map(Box::from),
            attributes: attributes(pairs),
        });
        if let Some(Outcome::Operation(operation)) = self.send(command, expected)
            && let Some(known) = self.reference.services.get_mut(&id)
        {
            let health = known.initial_health(pairs);
            let (attributes, token) = (pairs.clone(), token.map(String::from));
            known.revision += 1;
            known.instances.insert(instance.into(), Instance { attributes, token, operation, health, declared: false });
        }
    }

    fn deregister(&mut self, service: u8, instance: &str) {
        let id = self.service(service);
        let expected = self.reference.may_change_instance(id, instance).map(|_| Expected::Operation);
        if self.send(Command::DeregisterInstance(id, instance.into()), expected).is_some()
            && let Some(known) = self.reference.services.get_mut(&id)
        {
            known.revision += 1;
            known.instances.remove(instance);
        }
    }

    fn set_health(&mut self, service: u8, instance: &str, healthy: bool, probed: bool) {
        let id = self.service(service);
        let health = if healthy { HealthStatus::Healthy } else { HealthStatus::Unhealthy };
        let check = self.reference.services.get(&id).map(|known| known.check);
        let known = self.reference.may_change_instance(id, instance);
        let (command, expected, counts) = if probed {
            // A probe may look after what a file declares.
            let expected = if known == Err(Class::Declared) { Ok(()) } else { known };
            (Command::SetProbedHealth(id, instance.into(), health), expected, check == Some(Check::Probe))
        } else {
            let has_none = check.is_some_and(|check| check != Check::Custom);
            let expected = if has_none { Err(Class::NoCustomHealth) } else { known };
            (Command::SetCustomHealth(id, instance.into(), health), expected, true)
        };
        if self.send(command, expected.map(|()| Expected::Done)).is_some()
            && counts
            && let Some(known) = self.reference.services.get_mut(&id)
        {
            known.instances.entry(instance.into()).and_modify(|known| known.health = health);
        }
    }
}

impl Service {
    /// Gives it another check: what is known of health is known no more.
    pub(crate) fn set_check(&mut self, check: Check) {
        if self.check != check {
            self.check = check;
            for attributes in self.instances.values().map(|one| one.attributes.clone()).collect::<Vec<_>>() {
                let health = self.initial_health(&attributes);
                let same = self.instances.values_mut().filter(|one| one.attributes == attributes);
                same.for_each(|one| one.health = if one.declared { HealthStatus::Unknown } else { health });
            }
        }
    }
}

fn without(mut pairs: Pairs, keys: &[String]) -> Pairs {
    pairs.retain(|(key, _)| !keys.contains(key));
    pairs
}

//----------- Words of the registry --------------------------------------------------------------------------

pub(crate) fn attributes(pairs: &Pairs) -> Attributes {
    Attributes::from_pairs(pairs.iter().map(|(key, value)| (&**key, &**value)))
}

pub(crate) fn dns_records(records: &Records) -> Vec<DnsRecord> {
    records.types.iter().map(|&(record_type, ttl)| DnsRecord { record_type, ttl }).collect()
}

pub(crate) fn policy(records: &Records) -> RoutingPolicy {
    if records.weighted { RoutingPolicy::Weighted } else { RoutingPolicy::Multivalue }
}

pub(crate) fn health_check(check: Check) -> HealthCheck {
    match check {
        Check::None => HealthCheck::None,
        Check::Custom => HealthCheck::Custom,
        Check::Probe => HealthCheck::Probe(tcp_probe()),
    }
}

fn tcp_probe() -> Probe {
    Probe { probe_type: ProbeType::Tcp, path: None, failure_threshold: None }
}

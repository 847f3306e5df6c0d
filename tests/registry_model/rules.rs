//! What each command of the API may do, by the reference alone.

use fingerpost::model::{NamespaceId, NamespaceType, RecordType, ServiceId};

use super::ops::{Check, Pairs, Records};
use super::reference::{Class, Expected, Namespace, Owner, Producer, Reference, Service, below, is_at_or_below};

impl Reference {
    pub(crate) fn may_create_namespace(
        &self,
        name: &str,
        kind: NamespaceType,
        vpc: Option<&str>,
        soa_ttl: Option<u32>,
        tags: &Pairs,
        token: Option<&str>,
    ) -> Result<Expected, Class> {
        let is_retry = |known: &Namespace| {
            let is_alike = known.description.is_none() && known.soa_ttl == soa_ttl && known.tags == *tags;
            token.is_some() && known.token.as_deref() == token && is_alike
        };
        if kind == NamespaceType::Http {
            let same = self.namespaces.values().find(|known| known.kind == kind && known.name == name);
            return match same {
                Some(known) if is_retry(known) => Ok(Expected::Replay(known.operation)),
                Some(_) => Err(Class::NamespaceExists),
                None => Ok(Expected::Operation),
            };
        }
        let apex = name.to_ascii_lowercase();
        let mut zones = self.namespaces.values().filter(|known| known.has_zone());
        if let Some(known) = zones.clone().find(|known| known.apex() == apex) {
            let is_same = known.kind == kind && known.vpc.as_deref() == vpc;
            return match () {
                () if is_same && is_retry(known) => Ok(Expected::Replay(known.operation)),
                // The same token for another request.
                () if is_same && token.is_some() && known.token.as_deref() == token => Err(Class::NamespaceExists),
                () if known.kind == kind && kind == NamespaceType::DnsPublic => Err(Class::NamespaceExists),
                () => Ok(Expected::Failure),
            };
        }
        let is_private = |kind| kind == NamespaceType::DnsPrivate;
        let overlaps = |known: &Namespace| {
            let other = known.apex();
            is_private(kind)
                && is_private(known.kind)
                && (is_at_or_below(&apex, &other) || is_at_or_below(&other, &apex))
        };
        // Records of a zone above stand there already.
        let cuts = |(owner, producers): (&String, &Vec<(String, Producer<'_>)>)| {
            is_at_or_below(owner, &apex) && producers.iter().any(|(zone, _)| is_at_or_below(&apex, zone))
        };
        let fails = zones.any(overlaps) || self.owners().iter().any(cuts);
        Ok(if fails { Expected::Failure } else { Expected::Operation })
    }

    pub(crate) fn may_create_service(
        &self,
        id: NamespaceId,
        name: &str,
        records: &Records,
        check: Check,
        api_only: bool,
        token: Option<&str>,
    ) -> Result<Expected, Class> {
        let namespace = self.namespaces.get(&id).ok_or(Class::NoNamespace)?;
        if let Some(known) = self.namespace_named(id, name) {
            let is_retry = token.is_some() && known.token.as_deref() == token && known.name == name;
            let is_same = known.records == *records && known.check == check && known.description.is_none();
            return if is_retry && is_same { Ok(Expected::Same(known.id)) } else { Err(Class::ServiceExists) };
        }
        let has_records = !records.types.is_empty();
        let is_alias = records.types.iter().any(|(one, _)| *one == RecordType::Cname);
        let is_wrong = check == Check::Probe && (is_alias || namespace.kind == NamespaceType::DnsPrivate)
            || has_records && (!namespace.has_zone() || api_only)
            || name == "." && is_alias;
        if is_wrong || has_records && !self.is_free(namespace, &below(name, &namespace.apex()), name == ".") {
            return Err(Class::Invalid);
        }
        Ok(Expected::Service)
    }

    /// Whether nobody has an owner name, and it lies in the namespace's zone.
    fn is_free(&self, namespace: &Namespace, owner: &str, is_apex: bool) -> bool {
        is_apex || !self.owners().contains_key(owner) && self.zone_of(owner) == Some(namespace.apex())
    }

    pub(crate) fn may_change_service(&self, id: ServiceId) -> Result<&Service, Class> {
        let known = self.services.get(&id).ok_or(Class::NoService)?;
        if known.owner == Owner::File { Err(Class::Declared) } else { Ok(known) }
    }

    pub(crate) fn may_register(
        &self,
        id: ServiceId,
        instance: &str,
        token: Option<&str>,
        pairs: &Pairs,
    ) -> Result<Expected, Class> {
        let service = self.services.get(&id).ok_or(Class::NoService)?;
        let known = service.instances.get(instance);
        if let Some(known) = known {
            if known.declared {
                return Err(Class::Declared);
            }
            if token.is_some() && known.token.as_deref() == token && known.attributes == *pairs {
                return Ok(Expected::Replay(known.operation));
            }
        }
        let namespace = &self.namespaces[&service.namespace];
        let has_name = namespace.has_zone() && service.ttl(RecordType::Srv).is_some();
        let owner = below(instance, &below(&service.name, &namespace.apex()));
        let fits = !has_name
            || instance.split('.').all(|label| !label.is_empty())
                && (known.is_some() || self.is_free(namespace, &owner, false));
        if service.takes(pairs) && fits { Ok(Expected::Operation) } else { Err(Class::Invalid) }
    }

    pub(crate) fn may_change_instance(&self, id: ServiceId, instance: &str) -> Result<(), Class> {
        let service = self.services.get(&id).ok_or(Class::NoService)?;
        let known = service.instances.get(instance).ok_or(Class::NoInstance)?;
        if known.declared { Err(Class::Declared) } else { Ok(()) }
    }
}

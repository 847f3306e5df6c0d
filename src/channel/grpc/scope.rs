//! Whether a command stays within the namespaces of its caller's token.
//!
//! A command may name what does not exist yet, or what an earlier command of its batch makes, so names are compared and
//! not looked up; only ids are.

use super::convert::Bad;
use super::proto::FaultCode;
use crate::model::validate::Shown;
use crate::model::{NamespaceId, NamespaceType, Selection, ServiceId};
use crate::registry::{Reader, ServiceName};

/// The namespaces that a caller may change, with the catalog that knows whose an id is.
pub(super) struct Scope<'a> {
    /// `None`: all.
    pub(super) namespaces: Option<&'a Selection>,
    pub(super) catalog: &'a Reader,
}

impl Scope<'_> {
    /// Whether a namespace of this name and type may be made or changed.
    pub(super) fn check_new_namespace(&self, name: &str, namespace_type: NamespaceType) -> Result<(), Bad> {
        let Some(namespaces) = self.namespaces else { return Ok(()) };
        let is_chosen = match namespace_type.has_zone() {
            true => namespaces.has_zone_name(name),
            false => namespaces.has_exact_name(name),
        };
        if is_chosen { Ok(()) } else { Err(outside(name)) }
    }

    /// Whether the namespace of this name or id may be changed.
    pub(super) fn check_namespace(&self, namespace: &str) -> Result<(), Bad> {
        let Some(namespaces) = self.namespaces else { return Ok(()) };
        let is_chosen = match NamespaceId::parse(namespace) {
            Some(id) => self.has_id(namespaces, id),
            // The exact spelling fits every type; another one may be that of an HTTP namespace beyond the scope.
            None => namespaces.has_exact_name(namespace) || self.is_named(namespaces, namespace),
        };
        if is_chosen { Ok(()) } else { Err(outside(namespace)) }
    }

    /// The name of a service that may be changed, such that it can be of no other namespace.
    pub(super) fn check_service(&self, mut name: ServiceName) -> Result<ServiceName, Bad> {
        let Some(namespaces) = self.namespaces else { return Ok(name) };
        if let Some(id) = ServiceId::parse(&name.service) {
            let owner = self.catalog.read().service(id).map(|entry| entry.namespace);
            let is_chosen = owner.is_some_and(|owner| self.has_id(namespaces, owner));
            return if is_chosen { Ok(name) } else { Err(outside(&name.service)) };
        }
        if !name.namespace.is_empty() {
            self.check_namespace(&name.namespace)?;
            return Ok(name);
        }
        let full = name.service.trim_end_matches('.');
        let Some((service, namespace)) = split(full, namespaces) else { return Err(outside(full)) };
        (name.service, name.namespace) = (service.into(), namespace.into());
        Ok(name)
    }

    /// Whether a namespace that exists is chosen, by its id or its name.
    fn has_id(&self, namespaces: &Selection, id: NamespaceId) -> bool {
        let catalog = self.catalog.read();
        let entry = catalog.namespace(id);
        namespaces.has_id(id) || entry.is_some_and(|entry| namespaces.has(id, &entry.name, entry.namespace_type))
    }

    /// Whether all namespaces that exist with this name are chosen, and one does.
    fn is_named(&self, namespaces: &Selection, name: &str) -> bool {
        let catalog = self.catalog.read();
        let mut named = catalog.namespaces_after(None).filter(|entry| entry.name.eq_ignore_ascii_case(name)).peekable();
        named.peek().is_some() && named.all(|entry| namespaces.has(entry.id, &entry.name, entry.namespace_type))
    }
}

/// Service and namespace of a full name, where the namespace is the longest one that is chosen by name and fits.
fn split<'a>(full: &'a str, namespaces: &'a Selection) -> Option<(&'a str, &'a str)> {
    let fits = |namespace: &&str| match full.len().checked_sub(namespace.len()) {
        Some(0) => full.eq_ignore_ascii_case(namespace),
        Some(rest) => {
            let tail = full.get(rest..).is_some_and(|tail| tail.eq_ignore_ascii_case(namespace));
            tail && full.get(..rest).is_some_and(|head| head.len() > 1 && head.ends_with('.'))
        }
        None => false,
    };
    let namespace = namespaces.names().filter(fits).max_by_key(|namespace| namespace.len())?;
    let service = full.get(..full.len() - namespace.len())?.trim_end_matches('.');
    // The namespace's own name is that of its service `.`.
    Some((if service.is_empty() { "." } else { service }, namespace))
}

/// What a caller is told of a namespace that is not his.
fn outside(what: &str) -> Bad {
    Bad::new(FaultCode::Forbidden, format!("{} is not in the namespaces of the token", Shown(what)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_names_end_with_the_longest_namespace() {
        let chosen = Selection::of(["local", "production.local"]);
        assert_eq!(split("api.production.local", &chosen), Some(("api", "production.local")));
        assert_eq!(split("a.b.Production.Local", &chosen), Some(("a.b", "production.local")));
        assert_eq!(split("api.local", &chosen), Some(("api", "local")));
        assert_eq!(split("production.local", &chosen), Some((".", "production.local")));
        let chosen = Selection::of(["production.local"]);
        for other in ["api.test.local", "xproduction.local", ".production.local", "local", "", "äproduction.local"] {
            assert_eq!(split(other, &chosen), None, "{other}");
        }
    }
}

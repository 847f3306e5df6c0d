//! A choice of namespaces, by their names or ids, whether they exist yet or not.

use super::{NamespaceId, NamespaceType};

/// Some namespaces. What exists beyond them is as if it did not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// As written.
    names: Vec<Box<str>>,
    ids: Vec<NamespaceId>,
}

impl Selection {
    /// The namespaces with these names or ids; a text that is an id is none of a name.
    pub fn of<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Self {
        let mut chosen = Self::default();
        for text in texts {
            match NamespaceId::parse(text.as_ref()) {
                Some(id) => chosen.ids.push(id),
                None => chosen.names.push(text.as_ref().into()),
            }
        }
        chosen
    }

    /// Whether a namespace is one of them. Names compare without regard to case where the namespace owns a zone, else
    /// exactly.
    pub fn has(&self, id: NamespaceId, name: &str, namespace_type: NamespaceType) -> bool {
        let is_named = match namespace_type.has_zone() {
            true => self.has_zone_name(name),
            false => self.has_exact_name(name),
        };
        is_named || self.has_id(id)
    }

    /// Whether the namespace of this id is chosen by it.
    pub fn has_id(&self, id: NamespaceId) -> bool {
        self.ids.contains(&id)
    }

    /// Whether namespaces that own a zone are chosen by this name.
    pub fn has_zone_name(&self, name: &str) -> bool {
        self.names.iter().any(|chosen| chosen.eq_ignore_ascii_case(name))
    }

    /// Whether every namespace is chosen by this name, whatever its type.
    pub fn has_exact_name(&self, name: &str) -> bool {
        self.names.iter().any(|chosen| **chosen == *name)
    }

    /// The names by which namespaces are chosen.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// The ids by which namespaces are chosen.
    pub fn ids(&self) -> &[NamespaceId] {
        &self.ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_as_their_namespaces_do() {
        let id = NamespaceId::random(7);
        let other = NamespaceId::random(8);
        let chosen = Selection::of(["Production.local", &id.to_string()]);
        assert!(chosen.has(other, "production.LOCAL", NamespaceType::DnsPrivate));
        assert!(!chosen.has(other, "production.LOCAL", NamespaceType::Http));
        assert!(chosen.has(other, "Production.local", NamespaceType::Http));
        assert!(!chosen.has(other, "a.production.local", NamespaceType::DnsPublic));
        assert!(chosen.has(id, "any", NamespaceType::Http) && chosen.has_id(id));
        assert!(!Selection::default().has(id, "any", NamespaceType::Http));
    }
}

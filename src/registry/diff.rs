//! From one state to another: which names of the table change.

use super::Refusal;
use crate::model::{Namespace, State};
use crate::table::compile::{self, Zone};
use crate::table::{Editor, Snapshot};
use crate::wire::{Name, NameError};

/// The table of `next`, made from that of `before`, as `revision`.
///
/// Namespaces that did not change are not touched. One that did gets its apex anew, with the revision as serial.
pub(super) fn compile(
    table: &Snapshot,
    before: &State,
    next: &State,
    revision: u64,
    name_servers: &[Name],
) -> Result<Snapshot, Refusal> {
    let mut editor = Editor::new(table);
    for (name, old) in &before.namespaces {
        let new = next.namespaces.get(name).filter(|new| new.namespace_type == old.namespace_type);
        if new.is_none() {
            remove_namespace(&mut editor, name, old)
                .map_err(|fault| Refusal::Name { namespace: name.clone(), fault })?;
        }
    }
    for (name, new) in &next.namespaces {
        let old = before.namespaces.get(name).filter(|old| old.namespace_type == new.namespace_type);
        if old != Some(new) {
            put_namespace(&mut editor, name, new, old, revision as u32, name_servers)
                .map_err(|fault| Refusal::Name { namespace: name.clone(), fault })?;
        }
    }
    Ok(editor.finish(revision, next.instance_count()))
}

/// Takes a namespace's zone away.
fn remove_namespace(editor: &mut Editor<'_>, name: &str, namespace: &Namespace) -> Result<(), NameError> {
    let Some(zone) = Zone::of(name, namespace)? else {
        return Ok(());
    };
    for (name, service) in &namespace.services {
        compile::retire_service(editor, &zone, name, service, None)?;
    }
    compile::remove_apex(editor, &zone);
    Ok(())
}

/// Puts a namespace's zone, or what changed of it since `before`.
fn put_namespace(
    editor: &mut Editor<'_>,
    name: &str,
    namespace: &Namespace,
    before: Option<&Namespace>,
    serial: u32,
    name_servers: &[Name],
) -> Result<(), NameError> {
    let Some(zone) = Zone::of(name, namespace)? else {
        return Ok(());
    };
    for (name, service) in before.iter().flat_map(|before| &before.services) {
        let new = namespace.services.get(name);
        if new != Some(service) {
            compile::retire_service(editor, &zone, name, service, new)?;
        }
    }
    compile::put_apex(editor, &zone, namespace, serial, name_servers)?;
    for (name, service) in &namespace.services {
        let old = before.and_then(|before| before.services.get(name));
        if old != Some(service) {
            compile::put_service(editor, &zone, name, service, old)?;
        }
    }
    Ok(())
}

//! From one state to another: which names of the table change.

use std::sync::Arc;

use super::Refusal;
use crate::model::{Namespace, State, ZoneSource};
use crate::table::compile::{self, Zone};
use crate::table::{Editor, Snapshot};
use crate::wire::{Name, NameError};
use crate::zone;

/// The table of `next`, made from that of `before`, as `revision`.
///
/// What did not change is not touched. A namespace that did gets its apex anew, with the revision as serial. All that
/// goes is taken away before anything is put, because one service may take over the name of another.
pub(super) fn compile(
    table: &Snapshot,
    before: &State,
    next: &State,
    revision: u64,
    name_servers: &[Name],
) -> Result<Snapshot, Refusal> {
    let mut editor = Editor::new(table);
    let named = |name: &str| {
        let namespace = name.into();
        move |fault| Refusal::Name { namespace, fault }
    };
    for (name, old) in &before.namespaces {
        let new = same_kind(next, name, old);
        if new != Some(old) {
            retire_namespace(&mut editor, name, old, new).map_err(named(name))?;
        }
    }
    retire_zones(&mut editor, before, next);
    put_zones(&mut editor, before, next)?;
    for (name, new) in &next.namespaces {
        let old = same_kind(before, name, new);
        if old != Some(new) || zone_changed(before, next, name) {
            put_namespace(&mut editor, name, new, old, next, revision as u32, name_servers).map_err(named(name))?;
        }
    }
    Ok(editor.finish(revision, next.instance_count()))
}

/// The namespace called `name` in `state`, if it is of the same type as `other`.
fn same_kind<'s>(state: &'s State, name: &str, other: &Namespace) -> Option<&'s Namespace> {
    state.namespaces.get(name).filter(|namespace| namespace.namespace_type == other.namespace_type)
}

//----------- Zones ------------------------------------------------------------------------------------------

/// Whether the zone at `apex` is also that of a namespace.
fn is_shared(state: &State, apex: &Name) -> bool {
    let text = apex.to_string();
    state.namespaces.contains_key(text.trim_end_matches('.'))
}

/// Whether the static records of the namespace called `name` differ between the states.
fn zone_changed(before: &State, next: &State, name: &str) -> bool {
    Name::parse(name).is_ok_and(|apex| before.zones.get(&apex) != next.zones.get(&apex))
}

/// Takes away the zones that go or change.
fn retire_zones(editor: &mut Editor<'_>, before: &State, next: &State) {
    for (apex, old) in &before.zones {
        if next.zones.get(apex) == Some(old) {
            continue;
        }
        if is_shared(before, apex) || is_shared(next, apex) {
            editor.remove_static(apex);
        } else {
            editor.remove_zone(apex);
        }
    }
}

/// Puts the zones that come or change.
fn put_zones(editor: &mut Editor<'_>, before: &State, next: &State) -> Result<(), Refusal> {
    for (apex, new) in &next.zones {
        if before.zones.get(apex) == Some(new) {
            continue;
        }
        let zone = records(apex, new)?;
        if is_shared(next, apex) {
            compile::put_static(editor, &zone);
        } else {
            editor.put_zone(zone);
        }
    }
    Ok(())
}

/// The records of a new zone.
fn records(apex: &Name, source: &ZoneSource) -> Result<Arc<zone::Zone>, Refusal> {
    source.zone.clone().ok_or_else(|| Refusal::NoRecords { apex: apex.clone() })
}

//----------- Namespaces -------------------------------------------------------------------------------------

/// Takes away what `before` has and `after` (`None`: gone) has no longer.
fn retire_namespace(
    editor: &mut Editor<'_>,
    name: &str,
    before: &Namespace,
    after: Option<&Namespace>,
) -> Result<(), NameError> {
    let Some(zone) = Zone::of(name, before)? else { return Ok(()) };
    for (name, service) in &before.services {
        let after = after.and_then(|after| after.services.get(name));
        if after != Some(service) {
            compile::retire_service(editor, &zone, name, service, after)?;
        }
    }
    if after.is_none() {
        compile::remove_apex(editor, &zone);
    }
    Ok(())
}

/// Puts a namespace's zone, or what changed of it since `before`.
fn put_namespace(
    editor: &mut Editor<'_>,
    name: &str,
    namespace: &Namespace,
    before: Option<&Namespace>,
    next: &State,
    serial: u32,
    name_servers: &[Name],
) -> Result<(), NameError> {
    let Some(zone) = Zone::of(name, namespace)? else { return Ok(()) };
    compile::put_apex(editor, &zone, namespace, next.zones.get(&zone.apex), serial, name_servers)?;
    for (name, service) in &namespace.services {
        let old = before.and_then(|before| before.services.get(name));
        if old != Some(service) {
            compile::put_service(editor, &zone, name, service, old)?;
        }
    }
    Ok(())
}

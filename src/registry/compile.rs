//! From a draft to snapshots: which names of which tables change.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};

use super::ahead;
use super::command::Refusal;
use super::draft::Draft;
use super::entry::{NamespaceEntry, Owner, ServiceEntry};
use crate::model::{Instances, NamespaceId, Service, ZoneSource};
use crate::table::compile::{self, Apex, Zone};
use crate::table::{Editor, Flags, InstanceRoom, Snapshot};
use crate::wire::{Name, NameError};
use crate::zone;

/// What a draft does to a service: its namespace's zones and the service itself, before and after.
struct Edit<'d> {
    name: &'d str,
    before: Option<(usize, Rc<Zone>, &'d Service)>,
    after: Option<(usize, Rc<Zone>, &'d Service)>,
    /// Whether nothing changes but that instances are registered in it.
    is_registered: bool,
}

/// Views and zones of the namespaces that are looked at, before and after.
#[derive(Default)]
struct Apexes {
    before: HashMap<NamespaceId, Option<(usize, Rc<Zone>)>>,
    after: HashMap<NamespaceId, Option<(usize, Rc<Zone>)>>,
}

impl Apexes {
    /// View and zone of an acknowledged namespace.
    fn before(&mut self, draft: &Draft<'_>, id: NamespaceId) -> Option<(usize, Rc<Zone>)> {
        let find = || zone(draft, draft.catalog.namespaces.get(&id)?);
        self.before.entry(id).or_insert_with(find).clone()
    }

    /// View and zone of a namespace as it will be.
    fn after(&mut self, draft: &Draft<'_>, id: NamespaceId) -> Option<(usize, Rc<Zone>)> {
        let find = || zone(draft, draft.namespace(id)?);
        self.after.entry(id).or_insert_with(find).clone()
    }
}

/// View and zone of a namespace.
fn zone(draft: &Draft<'_>, entry: &NamespaceEntry) -> Option<(usize, Rc<Zone>)> {
    let (view, apex) = draft.settings.zone(entry)?;
    Some((view, Rc::new(Zone { apex })))
}

/// What a draft is compiled into: nothing of it can fail any more.
pub(super) struct Compiled<'t> {
    /// The changes of the table of each view that changes, and by how much its number of instances does.
    editors: Vec<Option<(Editor<'t>, usize)>>,
    revision: u64,
    /// The SOA serials of the namespaces in which anything changes.
    pub(super) serials: Vec<(NamespaceId, u32)>,
}

impl Compiled<'_> {
    /// Makes the table of each view that changes.
    pub(super) fn finish(self) -> Vec<Option<Snapshot>> {
        let finish = |(editor, instances): (Editor<'_>, usize)| editor.finish(self.revision, instances);
        self.editors.into_iter().map(|editor| editor.map(finish)).collect()
    }
}

/// The tables of `draft` as `revision`; `None` where a view's does not change.
///
/// A namespace in which anything changed gets its apex anew, with the revision as serial. All that goes is taken away
/// before anything is put, because one service may take over the name of another.
pub(super) fn compile<'t>(draft: &Draft<'t>, revision: u64) -> Result<Compiled<'t>, Refusal> {
    let mut editors: Vec<Option<Editor<'t>>> = draft.tables.iter().map(|_| None).collect();
    let mut touched: HashSet<NamespaceId> = draft.namespaces.keys().chain(draft.serials.keys()).copied().collect();
    if draft.name_servers.is_some() {
        touched.extend(draft.catalog.namespaces.keys());
    }
    let mut edits = Vec::with_capacity(draft.services.len());
    let mut apexes = Apexes::default();
    let mut counts = HashMap::new();
    let services = draft.services.iter();
    let services =
        services.map(|(id, after)| (draft.catalog.services.get(id), after.as_ref(), draft.is_registered(*id)));
    let services: Vec<_> = services.collect();
    for (at, (before, after, is_registered)) in services.iter().enumerate() {
        if at % ahead::TOGETHER == 0 {
            let next = services.iter().skip(at).take(ahead::TOGETHER);
            ahead::glance_at(next.flat_map(|(before, after, _)| before.iter().chain(after)).copied());
        }
        let (before, after) = (before.map(|entry| &**entry), after.map(|entry| &**entry));
        touched.extend(before.into_iter().chain(after).map(|entry| entry.namespace));
        count_instances(&mut counts, draft, &mut apexes, before, after);
        let edits_of = edit(draft, &mut apexes, before, after).into_iter().flatten();
        edits.extend(edits_of.map(|edit| Edit { is_registered: *is_registered, ..edit }));
    }
    // Where a namespace's own zone comes, goes or moves, so do services that did not change.
    for id in draft.namespaces.keys() {
        edits.extend(moved_services(draft, &mut apexes, *id));
    }
    let zones = Zones::of(draft);

    for Edit { name, before, after, is_registered } in &edits {
        // Where instances only come, nothing goes, unless all of it moves.
        let moves = || match (before, after) {
            (Some((old, before, _)), Some((new, after, _))) => (old, &before.apex) != (new, &after.apex),
            _ => true,
        };
        if *is_registered && !moves() {
            continue;
        }
        if let Some((view, zone, service)) = before {
            let stays = after.as_ref().filter(|(other, after, _)| other == view && after.apex == zone.apex);
            let stays = stays.map(|(_, _, service)| *service);
            compile::retire_service(editor(&mut editors, draft, *view), zone, name, service, stays)
                .map_err(named(name))?;
        }
    }
    for id in &touched {
        let (before, after) = (draft.catalog.namespaces.get(id).map(|entry| &**entry), draft.namespace(*id));
        let before = before.and_then(|entry| draft.settings.zone(entry));
        let after = after.and_then(|entry| draft.settings.zone(entry));
        if let Some((view, apex)) = before
            && after.as_ref() != Some(&(view, apex.clone()))
        {
            compile::remove_apex(editor(&mut editors, draft, view), &Zone { apex });
        }
    }
    for (view, apex, shared) in zones.retired() {
        let editor = editor(&mut editors, draft, view);
        if shared { editor.remove_static(apex) } else { editor.remove_zone(apex) }
    }
    for (view, apex, source, shared) in zones.put() {
        let zone = source.zone.clone().ok_or_else(|| Refusal::NoRecords { apex: apex.clone() })?;
        let editor = editor(&mut editors, draft, view);
        if shared { compile::put_static(editor, &zone) } else { editor.put_zone(zone) }
    }
    touched.extend(zones.namespaces());
    for id in &touched {
        put_apex(draft, *id, &zones, revision, &mut editors)?;
    }
    for (at, Edit { name, before, after, is_registered: _ }) in edits.iter().enumerate() {
        if at % ahead::TOGETHER == 0 {
            look_ahead(draft, edits.iter().skip(at).take(ahead::TOGETHER));
        }
        if let Some((view, zone, service)) = after {
            let same = before.as_ref().filter(|(other, before, _)| other == view && before.apex == zone.apex);
            let before = same.map(|(_, _, service)| *service);
            if draft.declares {
                let editor = editor(&mut editors, draft, *view);
                let is_apex = |name: &Name| draft.namespace_at(*view, name).is_some();
                let clash = clash(editor, is_apex, zone, name, service, before).map_err(named(name))?;
                clash.map_or(Ok(()), |text| Err(Refusal::Invalid(text)))?;
            }
            compile::put_service(editor(&mut editors, draft, *view), zone, name, service, before)
                .map_err(named(name))?;
        }
    }

    let counted = |(view, editor): (usize, Option<Editor<'t>>)| {
        let instances = draft.tables.get(view).map_or(0, |table| table.instances() as i64);
        let instances = instances + counts.get(&view).copied().unwrap_or_default();
        editor.map(|editor| (editor, instances.max(0) as usize))
    };
    let editors = editors.into_iter().enumerate().map(counted).collect();
    let stays = touched.into_iter().filter(|id| draft.namespace(*id).is_some());
    let serials = stays.map(|id| (id, serial(draft, id, revision))).collect();
    Ok(Compiled { editors, revision, serials })
}

/// Looks at the nodes that the next edits change.
fn look_ahead<'e>(draft: &Draft<'_>, edits: impl Iterator<Item = &'e Edit<'e>> + Clone) {
    for (view, table) in draft.tables.iter().enumerate() {
        let here = edits.clone().filter_map(|edit| Some((edit.name, edit.after.as_ref()?)));
        table.look_ahead(here.filter(|(_, (of, ..))| *of == view).map(|(name, (_, zone, _))| (name, &zone.apex)));
    }
}

/// The editor of a view's table.
fn editor<'e, 't>(editors: &'e mut [Option<Editor<'t>>], draft: &Draft<'t>, view: usize) -> &'e mut Editor<'t> {
    editors[view].get_or_insert_with(|| Editor::new(&draft.tables[view]))
}

/// A fault in the name of a service, told as one of its namespace.
fn named(name: &str) -> impl Fn(NameError) -> Refusal {
    let namespace: Box<str> = name.into();
    move |fault| Refusal::Name { namespace: namespace.clone(), fault }
}

//----------- Services ---------------------------------------------------------------------------------------

/// What happens to a service: one edit, two of different names where it is called otherwise, and none where DNS does not
/// know of it before or after.
fn edit<'d>(
    draft: &'d Draft<'_>,
    apexes: &mut Apexes,
    before: Option<&'d ServiceEntry>,
    after: Option<&'d ServiceEntry>,
) -> [Option<Edit<'d>>; 2] {
    let (old, new) = (before.map(|entry| &*entry.name), after.map(|entry| &*entry.name));
    let before = before.and_then(|entry| {
        let (view, zone) = apexes.before(draft, entry.namespace)?;
        Some((view, zone, &entry.service))
    });
    let after = after.and_then(|entry| {
        let (view, zone) = apexes.after(draft, entry.namespace)?;
        Some((view, zone, &entry.service))
    });
    if old.zip(new).is_some_and(|(old, new)| !old.eq_ignore_ascii_case(new)) {
        let retired =
            old.filter(|_| before.is_some()).map(|name| Edit { name, before, after: None, is_registered: false });
        let put = new.filter(|_| after.is_some()).map(|name| Edit { name, before: None, after, is_registered: false });
        return [retired, put];
    }
    let name = old.or(new).filter(|_| before.is_some() || after.is_some());
    [name.map(|name| Edit { name, before, after, is_registered: false }), None]
}

/// Whose owner name among those that a service gets anew is somebody else's already, or lies in another's zone. So it
/// may be where a declaration meets what the API made. `is_apex` tells the apexes of namespaces.
fn clash(
    editor: &Editor<'_>,
    is_apex: impl Fn(&Name) -> bool,
    zone: &Zone,
    name: &str,
    service: &Service,
    before: Option<&Service>,
) -> Result<Option<String>, NameError> {
    let is_taken = |owner: &Name| {
        let above = std::iter::successors(Some(owner.clone()), Name::parent);
        let mut room = InstanceRoom::default();
        editor.node_or_make(owner, &mut room).is_some_and(|node| node.flags().has(Flags::SERVICE_DATA))
            || above.take_while(|name| *name != zone.apex).any(|name| is_apex(&name))
    };
    let told = |what: String, owner: &Name| {
        Some(format!(
            "{what} has the DNS name {owner}, which is taken, or lies in another zone; delete what the API made there, \
             or declare it under another name"
        ))
    };
    let owner = zone.apex.child(name)?;
    let had_records = before.is_some_and(|before| !before.dns_records.is_empty());
    if name != "." && !service.dns_records.is_empty() && !had_records && is_taken(&owner) {
        return Ok(told(format!("service {name}"), &owner));
    }
    // Ids that differ by case alone are one name.
    let mut given = HashSet::new();
    for (old, new) in Instances::differences(compile::targets(before), compile::targets(Some(service))) {
        if let (None, Some(new)) = (old, new) {
            let target = match owner.child(new.id()) {
                Ok(target) => target,
                Err(fault) => {
                    return Ok(Some(format!(
                        "instance {} of service {name} cannot have a DNS name, which SRV records need: {fault}; deregister \
                         it, or declare the service without SRV records",
                        new.id()
                    )));
                }
            };
            if is_taken(&target) || given.contains(&target) {
                return Ok(told(format!("instance {} of service {name}", new.id()), &target));
            }
            given.insert(target);
        }
    }
    Ok(None)
}

/// The services of a namespace whose zone is another than before, but for those that change themselves.
fn moved_services<'d>(draft: &'d Draft<'_>, apexes: &mut Apexes, id: NamespaceId) -> Vec<Edit<'d>> {
    let (before, after) = (draft.catalog.namespaces.get(&id), draft.namespace(id));
    let zone = |entry: &NamespaceEntry| draft.settings.zone(entry);
    if before.and_then(|entry| zone(entry)) == after.and_then(zone) {
        return Vec::new();
    }
    let services = draft.services_of(id).into_iter().filter(|id| !draft.services.contains_key(id));
    let entries = services.filter_map(|id| draft.catalog.services.get(&id));
    entries.flat_map(|entry| edit(draft, apexes, Some(entry), Some(entry))).flatten().collect()
}

/// Adds to `counts` by how much a service changes the number of instances in a view.
fn count_instances(
    counts: &mut HashMap<usize, i64>,
    draft: &Draft<'_>,
    apexes: &mut Apexes,
    before: Option<&ServiceEntry>,
    after: Option<&ServiceEntry>,
) {
    let mut view = |entry: &ServiceEntry, is_after: bool| {
        let id = entry.namespace;
        let zone = if is_after { apexes.after(draft, id) } else { apexes.before(draft, id) };
        zone.map_or(0, |(view, _)| view)
    };
    let count = |entry: &ServiceEntry| entry.service.instances.len() as i64;
    let old = before.map(|entry| (view(entry, false), -count(entry)));
    let new = after.map(|entry| (view(entry, true), count(entry)));
    if old.zip(new).is_some_and(|(old, new)| old == (new.0, -new.1)) {
        return;
    }
    old.into_iter().chain(new).for_each(|(view, count)| *counts.entry(view).or_default() += count);
}

/// The SOA serial of a namespace that changes at `revision`.
fn serial(draft: &Draft<'_>, id: NamespaceId, revision: u64) -> u32 {
    draft.serials.get(&id).copied().unwrap_or(revision as u32)
}

/// Renews the apex of a namespace that has one.
fn put_apex<'t>(
    draft: &Draft<'t>,
    id: NamespaceId,
    zones: &Zones<'_>,
    revision: u64,
    editors: &mut [Option<Editor<'t>>],
) -> Result<(), Refusal> {
    let Some(entry) = draft.namespace(id) else { return Ok(()) };
    let Some((view, apex)) = draft.settings.zone(entry) else { return Ok(()) };
    let service = draft.service_named(id, ".").and_then(|id| draft.service(id)).map(|entry| &entry.service);
    let source = zones.after.get(&apex).filter(|_| zones.view(&apex, true) == view);
    let soa_ttl = entry.soa_ttl.unwrap_or(crate::model::Namespace::DEFAULT_SOA_TTL);
    let fault = |fault| Refusal::Name { namespace: entry.name.clone(), fault };
    let editor = editor(editors, draft, view);
    let zone = Zone { apex };
    let name_servers = draft.name_servers.as_ref().unwrap_or(&draft.settings.name_servers);
    let apex = Apex { service, soa_ttl, source, serial: serial(draft, id, revision), name_servers };
    compile::put_apex(editor, &zone, &apex).map_err(fault)
}

//----------- Zones of static records ------------------------------------------------------------------------

/// Declared zones before and after. One at the apex of a declared namespace is one zone with it, and in its view.
struct Zones<'d> {
    before: &'d BTreeMap<Name, ZoneSource>,
    after: &'d BTreeMap<Name, ZoneSource>,
    /// Where declared namespaces with zones of their own are.
    old: HashMap<Name, (usize, NamespaceId)>,
    new: HashMap<Name, (usize, NamespaceId)>,
}

impl<'d> Zones<'d> {
    /// Those of a draft.
    fn of(draft: &'d Draft<'_>) -> Self {
        let before = &draft.catalog.zones;
        let after = draft.zones.as_ref().unwrap_or(before);
        let (mut old, mut new) = (HashMap::new(), HashMap::new());
        // What the API made never shares a zone with a file, not even in a view where the file has none.
        let is_declared = |entry: &NamespaceEntry| entry.owner != Owner::Api;
        for apex in before.keys().chain(after.keys()) {
            for view in 0..draft.tables.len() {
                let known = draft.catalog.apexes.get(&(view, apex.clone())).and_then(|id| draft.catalog.namespace(*id));
                if let Some(entry) = known.filter(|entry| is_declared(entry)) {
                    old.insert(apex.clone(), (view, entry.id));
                }
                let next = draft.namespace_at(view, apex).and_then(|id| draft.namespace(id));
                if let Some(entry) = next.filter(|entry| is_declared(entry)) {
                    new.insert(apex.clone(), (view, entry.id));
                }
            }
        }
        Self { before, after, old, new }
    }

    /// The view in which the zone at `apex` is, or was.
    fn view(&self, apex: &Name, after: bool) -> usize {
        let shared = if after { &self.new } else { &self.old };
        shared.get(apex).map_or(0, |(view, _)| *view)
    }

    /// Those that go or change: view, apex, and whether a namespace has or had the zone, too.
    fn retired(&self) -> impl Iterator<Item = (usize, &'d Name, bool)> {
        let changed = self.before.iter().filter(|(apex, old)| self.after.get(*apex) != Some(*old));
        changed
            .map(|(apex, _)| (self.view(apex, false), apex, self.old.contains_key(apex) || self.new.contains_key(apex)))
    }

    /// Those that come or change: view, apex, records, and whether a namespace has the zone, too.
    fn put(&self) -> impl Iterator<Item = (usize, &'d Name, &'d ZoneSource, bool)> {
        let changed = self.after.iter().filter(|(apex, new)| self.before.get(*apex) != Some(*new));
        changed.map(|(apex, source)| (self.view(apex, true), apex, source, self.new.contains_key(apex)))
    }

    /// Namespaces whose zone has static records that change.
    fn namespaces(&self) -> impl Iterator<Item = NamespaceId> {
        let differs = |apex: &Name| self.before.get(apex) != self.after.get(apex);
        self.new.iter().filter(move |(apex, _)| differs(apex)).map(|(_, (_, id))| *id)
    }
}

/// Keeps what the table has, and not the records themselves.
pub(super) fn settle(zones: &mut Option<BTreeMap<Name, ZoneSource>>) {
    for source in zones.iter_mut().flat_map(BTreeMap::values_mut) {
        source.zone = None::<Arc<zone::Zone>>;
    }
}

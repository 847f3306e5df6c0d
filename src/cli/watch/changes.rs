//! What changed between two looks at a service, as lines for people and for programs.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cli::instance::Instance;
use crate::cli::table::{Paint, printable};

/// Instances by their ids.
pub(super) type Instances = BTreeMap<String, Instance>;

/// What became of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change<'a> {
    /// It is there now.
    Registered(&'a Instance),
    /// It is not there any more.
    Deregistered(&'a Instance),
    /// It is another than before.
    Changed(&'a Instance, &'a Instance),
}

/// The changes from `before` to `after`: who went, then who came or changed, each in the order of ids.
pub(super) fn between<'a>(before: &'a Instances, after: &'a Instances) -> Vec<Change<'a>> {
    let went = before.iter().filter(|(id, _)| !after.contains_key(*id));
    let came = after.iter().filter_map(|(id, now)| match before.get(id) {
        None => Some(Change::Registered(now)),
        Some(then) if then != now => Some(Change::Changed(then, now)),
        Some(_) => None,
    });
    went.map(|(_, then)| Change::Deregistered(then)).chain(came).collect()
}

impl Change<'_> {
    /// The line for people.
    pub(super) fn line(self, colours: bool) -> String {
        let health = |instance: &Instance| Paint::of_status(&instance.health).on(&instance.health, colours);
        let sign = |sign: &str, paint: Paint| paint.on(sign, colours);
        match self {
            Self::Registered(now) => {
                format!("{} {} {} {}", sign("+", Paint::Green), now.id, now.endpoint(), health(now))
            }
            Self::Deregistered(then) => format!("{} {} {}", sign("-", Paint::Red), then.id, then.endpoint()),
            Self::Changed(then, now) => {
                let place = arrow(then.endpoint(), now.endpoint());
                let status = match then.health == now.health {
                    true => health(now),
                    false => format!("{} -> {}", health(then), health(now)),
                };
                format!("{} {} {place} {status}{}", sign("~", Paint::Yellow), now.id, attributes(then, now))
            }
        }
    }

    /// The object for programs.
    pub(super) fn value(self) -> Value {
        let of = |change: &str, instance: &Instance| {
            json!({
                "Change": change,
                "InstanceId": instance.id,
                "HealthStatus": instance.health,
                "Attributes": instance.attributes,
            })
        };
        match self {
            Self::Registered(now) => of("registered", now),
            Self::Deregistered(then) => of("deregistered", then),
            Self::Changed(then, now) => {
                let mut value = of("changed", now);
                value["Before"] = json!({"HealthStatus": then.health, "Attributes": then.attributes});
                value
            }
        }
    }
}

/// What was and what is, or what stayed.
fn arrow(then: String, now: String) -> String {
    if then == now { now } else { format!("{then} -> {now}") }
}

/// How the attributes that are not part of the endpoint changed.
fn attributes(then: &Instance, now: &Instance) -> String {
    let keys = then.attributes.keys().chain(now.attributes.keys().filter(|key| !then.attributes.contains_key(*key)));
    let mut text = String::new();
    for key in keys.filter(|key| !key.starts_with("AWS_INSTANCE_")) {
        let of = |instance: &Instance| match instance.attributes.get(key) {
            Some(value) => value.as_str().unwrap_or_default().to_owned(),
            None => "(none)".into(),
        };
        let (old, new) = (of(then), of(now));
        if old != new {
            text.push_str(&printable(&format!(" {key}: {old} -> {new}")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An instance at an address.
    fn instance(id: &str, address: &str, health: &str, version: &str) -> (String, Instance) {
        let attributes = json!({"AWS_INSTANCE_IPV4": address, "AWS_INSTANCE_PORT": "8080", "version": version});
        let value = json!({"InstanceId": id, "HealthStatus": health, "Attributes": attributes});
        (id.to_owned(), Instance::of(&value))
    }

    #[test]
    fn every_change_is_a_line() {
        let before = Instances::from([
            instance("gone", "10.0.0.1", "HEALTHY", "1"),
            instance("ill", "10.0.0.2", "HEALTHY", "1"),
            instance("moved", "10.0.0.3", "UNKNOWN", "1"),
            instance("same", "10.0.0.4", "HEALTHY", "1"),
        ]);
        let after = Instances::from([
            instance("ill", "10.0.0.2", "UNHEALTHY", "1"),
            instance("moved", "10.0.0.9", "UNKNOWN", "2"),
            instance("new", "10.0.0.5", "HEALTHY", "1"),
            instance("same", "10.0.0.4", "HEALTHY", "1"),
        ]);
        let lines: Vec<_> = between(&before, &after).into_iter().map(|change| change.line(false)).collect();
        assert_eq!(
            lines,
            [
                "- gone 10.0.0.1:8080",
                "~ ill 10.0.0.2:8080 HEALTHY -> UNHEALTHY",
                "~ moved 10.0.0.3:8080 -> 10.0.0.9:8080 UNKNOWN version: 1 -> 2",
                "+ new 10.0.0.5:8080 HEALTHY",
            ]
        );
        let value = between(&before, &after)[1].value();
        assert_eq!((&value["Change"], &value["Before"]["HealthStatus"]), (&json!("changed"), &json!("HEALTHY")));
        assert_eq!(between(&after, &after), []);
    }
}

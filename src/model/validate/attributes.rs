//! Attributes of instances and of services.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Shown, Violation, names, records};
use crate::model::{DnsRecord, KnownAttribute, RecordType};

/// `AWS_EC2_INSTANCE_ID`, for HTTP namespaces only.
pub(super) const EC2_INSTANCE_ID: &str = "AWS_EC2_INSTANCE_ID";
/// Custom attributes of an instance (developer guide, quotas).
const CUSTOM_MAX: usize = 30;
/// Characters of all keys and values of an instance (API model `RegisterInstance$Attributes`).
const TOTAL_MAX: usize = 5000;
/// Characters of a key of an instance attribute (API model `AttrKey`).
const KEY_MAX: usize = 255;
/// Characters of a value (API model `AttrValue`, `ServiceAttributeValue`).
const VALUE_MAX: usize = 1024;
/// Attributes of a service (API model `ServiceAttributesMap`).
const SERVICE_MAX: usize = 30;
/// Characters of a key of a service attribute (API model `ServiceAttributeKey`).
const SERVICE_KEY_MAX: usize = 255;

/// A broken rule of a map of attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeFault {
    /// The place of the pair in the map; `None` where the map as a whole breaks the rule.
    pub index: Option<usize>,
    /// What is wrong.
    pub violation: Violation,
}

impl AttributeFault {
    /// A fault of one pair.
    fn pair(index: usize, violation: Violation) -> Self {
        Self { index: Some(index), violation }
    }

    /// A fault of the whole map.
    fn map(text: impl Into<String>) -> Self {
        Self { index: None, violation: Violation::new(text) }
    }
}

/// The attributes of an instance of a service with `dns_records` (API model `RegisterInstance$Attributes`).
pub fn instance(pairs: &[(&str, &str)], dns_records: &[DnsRecord]) -> Vec<AttributeFault> {
    let mut faults = Vec::new();
    let mut custom = 0;
    for (index, (key, value)) in pairs.iter().enumerate() {
        let checked = match instance_key(key) {
            Ok(reserved) => {
                custom += usize::from(!reserved);
                if reserved { reserved_value(key, value) } else { attribute_value(value) }
            }
            Err(violation) => Err(violation),
        };
        faults.extend(checked.err().map(|violation| AttributeFault::pair(index, violation)));
    }
    if custom > CUSTOM_MAX {
        faults.push(AttributeFault::map(format!("{custom} custom attributes are too many; allowed are {CUSTOM_MAX}")));
    }
    let total: usize = pairs.iter().map(|(key, value)| key.len() + value.len()).sum();
    if total > TOTAL_MAX {
        let text = format!("{total} characters in keys and values are too many; allowed are {TOTAL_MAX}");
        faults.push(AttributeFault::map(text));
    }
    let has = |wanted: &str| pairs.iter().any(|(key, _)| *key == wanted);
    if has(EC2_INSTANCE_ID) && pairs.iter().any(|(key, _)| ![EC2_INSTANCE_ID, "AWS_INIT_HEALTH_STATUS"].contains(key)) {
        faults.push(AttributeFault::map("beside AWS_EC2_INSTANCE_ID allowed is AWS_INIT_HEALTH_STATUS alone"));
    }
    faults.extend(missing(|attribute| has(attribute.name()), dns_records).map(AttributeFault::map));
    faults
}

/// What an instance must have for the records of its service, and has not.
///
/// A service with both A and AAAA wants at least one address: so the developer guide, against the API model, which
/// names both; dual-stack tasks without an IPv6 address exist.
pub fn missing(has: impl Fn(KnownAttribute) -> bool, dns_records: &[DnsRecord]) -> impl Iterator<Item = &'static str> {
    let wants = |wanted: RecordType| dns_records.iter().any(|record| record.record_type == wanted);
    let (ipv4, ipv6) = (has(KnownAttribute::Ipv4), has(KnownAttribute::Ipv6));
    let address = match (wants(RecordType::A), wants(RecordType::Aaaa)) {
        (true, false) if !ipv4 => Some("AWS_INSTANCE_IPV4 is missing; an A record needs it"),
        (false, true) if !ipv6 => Some("AWS_INSTANCE_IPV6 is missing; an AAAA record needs it"),
        (true, true) if !ipv4 && !ipv6 => {
            Some("AWS_INSTANCE_IPV4 and AWS_INSTANCE_IPV6 are missing; A and AAAA records need at least one")
        }
        (false, false) if wants(RecordType::Srv) && !ipv4 && !ipv6 => {
            Some("AWS_INSTANCE_IPV4 and AWS_INSTANCE_IPV6 are missing; the target of an SRV record needs at least one")
        }
        _ => None,
    };
    let port = (wants(RecordType::Srv) && !has(KnownAttribute::Port))
        .then_some("AWS_INSTANCE_PORT is missing; an SRV record needs it");
    let cname = (wants(RecordType::Cname) && !has(KnownAttribute::Cname))
        .then_some("AWS_INSTANCE_CNAME is missing; a CNAME record needs it");
    address.into_iter().chain(port).chain(cname)
}

/// Whether the key of an instance attribute is one of Cloud Map's own (true) or custom (false).
fn instance_key(key: &str) -> Result<bool, Violation> {
    const KNOWN: &str = "AWS_INSTANCE_IPV4, AWS_INSTANCE_IPV6, AWS_INSTANCE_PORT, AWS_INSTANCE_CNAME, \
                         AWS_EC2_INSTANCE_ID, AWS_INIT_HEALTH_STATUS, FINGERPOST_LEASE";
    match key {
        "AWS_INSTANCE_IPV4"
        | "AWS_INSTANCE_IPV6"
        | "AWS_INSTANCE_PORT"
        | "AWS_INSTANCE_CNAME"
        | "AWS_INIT_HEALTH_STATUS"
        | "FINGERPOST_LEASE"
        | EC2_INSTANCE_ID => return Ok(true),
        "AWS_ALIAS_DNS_NAME" => {
            // It is defined for load balancers of AWS alone, whose addresses this server cannot know.
            let text =
                format!("AWS_ALIAS_DNS_NAME is not supported in this release; allowed are {KNOWN} and custom keys");
            return Err(Violation::new(text));
        }
        _ => {}
    }
    attribute_key(key)?;
    if has_prefix(key, "AWS_") {
        // Developer guide: keys of custom attributes do not start with AWS_.
        let text = format!("{} is reserved; allowed are {KNOWN} and keys without AWS_ at the start", Shown(key));
        return Err(Violation::new(text));
    }
    if has_prefix(key, "FINGERPOST_") {
        let text = format!(
            "{} is not known; allowed are FINGERPOST_LEASE and keys without FINGERPOST_ at the start",
            Shown(key)
        );
        return Err(Violation::new(text));
    }
    Ok(false)
}

/// The key of any attribute (API model `AttrKey`: `^[a-zA-Z0-9!-~]+$`).
fn attribute_key(key: &str) -> Result<(), Violation> {
    let fits = (1..=KEY_MAX).contains(&key.len()) && key.bytes().all(|octet| octet.is_ascii_graphic());
    let allowed = "1 to 255 printable ASCII characters without blanks";
    fits.then_some(()).ok_or_else(|| Violation::not(key, "the key of an attribute", allowed))
}

/// The value of one of Cloud Map's own attributes.
fn reserved_value(key: &str, value: &str) -> Result<(), Violation> {
    let (fits, what, allowed) = match key {
        "AWS_INSTANCE_IPV4" => {
            (value.parse::<Ipv4Addr>().is_ok(), "an IPv4 address", "four numbers from 0 to 255 joined by dots")
        }
        "AWS_INSTANCE_IPV6" => (
            value.parse::<Ipv6Addr>().is_ok(),
            "an IPv6 address",
            "addresses like 2001:db8::1 (RFC 4291 §2.2) without a zone",
        ),
        "AWS_INSTANCE_PORT" => {
            let fits = records::decimal(value).is_some_and(|port| (1..=65535).contains(&port));
            (fits, "a port", "1 to 65535")
        }
        "AWS_INSTANCE_CNAME" => return names::domain_name(value),
        "AWS_INIT_HEALTH_STATUS" => {
            (["HEALTHY", "UNHEALTHY"].contains(&value), "a health status", "HEALTHY and UNHEALTHY")
        }
        "FINGERPOST_LEASE" => {
            let fits = records::decimal(value).is_some_and(|seconds| (1..=86_400).contains(&seconds));
            (fits, "a lease", "1 to 86400 seconds")
        }
        _ => {
            // AWS_EC2_INSTANCE_ID; EC2 User Guide, resource ids: 8 or 17 hexadecimal digits.
            let digits = value.strip_prefix("i-").unwrap_or_default();
            let hex = digits.bytes().all(|octet| octet.is_ascii_digit() || (b'a'..=b'f').contains(&octet));
            (hex && [8, 17].contains(&digits.len()), "an EC2 instance id", "\"i-\" with 8 or 17 hexadecimal digits")
        }
    };
    fits.then_some(()).ok_or_else(|| Violation::new(format!("{} is not {what}; {key} allows {allowed}", Shown(value))))
}

/// The value of a custom attribute (API model `AttrValue`): empty, or printable ASCII with inner blanks.
fn attribute_value(value: &str) -> Result<(), Violation> {
    let inner = |octet: u8| octet.is_ascii_graphic() || octet == b' ' || octet == b'\t';
    let fits = value.len() <= VALUE_MAX && value.bytes().all(inner) && value.trim_ascii().len() == value.len();
    fits.then_some(()).ok_or_else(|| {
        let allowed = "up to 1024 printable ASCII characters with blanks only inside";
        Violation::not(value, "the value of an attribute", allowed)
    })
}

/// Attributes that instances are discovered by (API model `Attributes`): any that one may have had at any time.
pub fn query(pairs: &[(&str, &str)]) -> Vec<AttributeFault> {
    let faults = pairs.iter().enumerate().filter_map(|(index, (key, value))| {
        let checked = attribute_key(key).and_then(|()| attribute_value(value));
        Some(AttributeFault::pair(index, checked.err()?))
    });
    faults.collect()
}

/// The attributes of a service (API model `ServiceAttributesMap`), Fingerpost's own settings among them.
pub fn service(pairs: &[(&str, &str)]) -> Vec<AttributeFault> {
    let mut faults = Vec::new();
    for (index, (key, value)) in pairs.iter().enumerate() {
        let checked = service_key(key).and_then(|()| service_value(key, value));
        faults.extend(checked.err().map(|violation| AttributeFault::pair(index, violation)));
    }
    if pairs.len() > SERVICE_MAX {
        let text = format!("{} attributes of a service are too many; allowed are {SERVICE_MAX}", pairs.len());
        faults.push(AttributeFault::map(text));
    }
    faults
}

/// Tags of a namespace or a service (API model `TagList`; developer guide, tags and quotas).
pub fn tags(pairs: &[(&str, &str)]) -> Vec<AttributeFault> {
    let mut faults = Vec::new();
    for (index, (key, value)) in pairs.iter().enumerate() {
        let reserved = has_prefix(key, "aws:");
        if !(1..=128).contains(&key.chars().count()) || reserved || !crate::model::fits(key) {
            let allowed = "1 to 128 characters without \"aws:\" at the start";
            faults.push(AttributeFault::pair(index, Violation::not(key, "the key of a tag", allowed)));
        } else if value.chars().count() > 256 || !crate::model::fits(value) {
            faults
                .push(AttributeFault::pair(index, Violation::not(value, "the value of a tag", "up to 256 characters")));
        }
    }
    if pairs.len() > 50 {
        faults.push(AttributeFault::map(format!("{} tags are too many; allowed are 50", pairs.len())));
    }
    faults
}

/// The key of a service attribute: no unknown setting of ours. CloudFormation's schema allows `^[A-Za-z0-9_]{1,64}$`
/// alone; the API model has no pattern, and so control characters are refused for the same reason as in values.
fn service_key(key: &str) -> Result<(), Violation> {
    let fits = (1..=SERVICE_KEY_MAX).contains(&key.chars().count()) && !key.chars().any(char::is_control);
    if !fits {
        let allowed = "1 to 255 characters without control characters";
        return Err(Violation::not(key, "the key of a service attribute", allowed));
    }
    if has_prefix(key, "FINGERPOST_") && key != "FINGERPOST_LIMIT" {
        return Err(Violation::not(
            key,
            "a setting of a service",
            "FINGERPOST_LIMIT and keys without FINGERPOST_ at the start",
        ));
    }
    Ok(())
}

/// The value of a service attribute. Control characters are refused because [`crate::model::Attributes`] packs
/// values with two of them; the API model has no pattern here.
fn service_value(key: &str, value: &str) -> Result<(), Violation> {
    if key == "FINGERPOST_LIMIT" {
        let fits = value == "all" || records::decimal(value).is_some_and(|limit| limit > 0);
        let allowed = "1 to 4294967295, or \"all\"";
        return fits.then_some(()).ok_or_else(|| Violation::not(value, "a FINGERPOST_LIMIT", allowed));
    }
    let fits = value.chars().count() <= VALUE_MAX && !value.chars().any(|c| c.is_control() && c != '\t');
    fits.then_some(()).ok_or_else(|| {
        Violation::not(value, "the value of a service attribute", "up to 1024 characters without control characters")
    })
}

/// Whether `key` starts with `prefix` in any case.
fn has_prefix(key: &str, prefix: &str) -> bool {
    key.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(types: &[RecordType]) -> Vec<DnsRecord> {
        types.iter().map(|&record_type| DnsRecord { record_type, ttl: 1 }).collect()
    }

    /// The texts of all faults, joined.
    fn faults(pairs: &[(&str, &str)], types: &[RecordType]) -> String {
        let texts = instance(pairs, &records(types)).into_iter().map(|fault| fault.violation.to_string());
        texts.collect::<Vec<_>>().join("\n")
    }

    /// Attributes of an instance.
    type Pairs = &'static [(&'static str, &'static str)];

    const V4: (&str, &str) = ("AWS_INSTANCE_IPV4", "10.0.0.1");
    const V6: (&str, &str) = ("AWS_INSTANCE_IPV6", "2001:db8::1");
    const PORT: (&str, &str) = ("AWS_INSTANCE_PORT", "8080");
    const CNAME: (&str, &str) = ("AWS_INSTANCE_CNAME", "example.org");

    #[test]
    fn records_need_their_attributes() {
        use RecordType::{A, Aaaa, Cname, Srv};
        let good: [(Pairs, &[RecordType]); 12] = [
            (&[], &[]),
            (&[V4], &[A]),
            (&[V4, V6, PORT, CNAME], &[A]),
            (&[V6], &[Aaaa]),
            (&[V4], &[A, Aaaa]),
            (&[V6], &[A, Aaaa]),
            (&[V4, PORT], &[Srv]),
            (&[V6, PORT], &[Srv]),
            (&[V4, PORT], &[A, Srv]),
            (&[V6, PORT], &[Aaaa, Srv]),
            (&[V6, PORT], &[A, Aaaa, Srv]),
            (&[CNAME], &[Cname]),
        ];
        for (pairs, types) in good {
            assert_eq!(faults(pairs, types), "", "{pairs:?} {types:?}");
        }
        let bad: [(Pairs, &[RecordType], &str); 9] = [
            (&[], &[A], "AWS_INSTANCE_IPV4 is missing"),
            (&[V6], &[A], "AWS_INSTANCE_IPV4 is missing"),
            (&[V4], &[Aaaa], "AWS_INSTANCE_IPV6 is missing"),
            (&[PORT], &[A, Aaaa], "AWS_INSTANCE_IPV4 and AWS_INSTANCE_IPV6 are missing"),
            (&[V4], &[Srv], "AWS_INSTANCE_PORT is missing"),
            (&[PORT], &[Srv], "AWS_INSTANCE_IPV4 and AWS_INSTANCE_IPV6 are missing"),
            (&[V6, PORT], &[A, Srv], "AWS_INSTANCE_IPV4 is missing"),
            (&[V4, PORT], &[Aaaa, Srv], "AWS_INSTANCE_IPV6 is missing"),
            (&[V4], &[Cname], "AWS_INSTANCE_CNAME is missing"),
        ];
        for (pairs, types, text) in bad {
            assert!(faults(pairs, types).starts_with(text), "{pairs:?} {types:?}: {}", faults(pairs, types));
        }
        assert_eq!(instance(&[], &records(&[Srv])).len(), 2);
    }

    #[test]
    fn values_of_known_keys_are_checked() {
        let good = [
            ("AWS_INSTANCE_IPV4", "255.255.255.255"),
            ("AWS_INSTANCE_IPV6", "::"),
            ("AWS_INSTANCE_IPV6", "::ffff:10.0.0.1"),
            ("AWS_INSTANCE_PORT", "1"),
            ("AWS_INSTANCE_PORT", "65535"),
            ("AWS_INSTANCE_CNAME", "a.example."),
            ("AWS_INIT_HEALTH_STATUS", "UNHEALTHY"),
            ("AWS_EC2_INSTANCE_ID", "i-0abc1234def567890"),
        ];
        for pair in good {
            assert_eq!(faults(&[pair], &[]), "", "{pair:?}");
        }
        let bad = [
            ("AWS_INSTANCE_IPV4", "10.0.0.256"),
            ("AWS_INSTANCE_IPV4", "10.0.0.01"),
            ("AWS_INSTANCE_IPV4", ""),
            ("AWS_INSTANCE_IPV6", "10.0.0.1"),
            ("AWS_INSTANCE_IPV6", "fe80::1%eth0"),
            ("AWS_INSTANCE_PORT", "0"),
            ("AWS_INSTANCE_PORT", "65536"),
            ("AWS_INSTANCE_PORT", "+80"),
            ("AWS_INSTANCE_PORT", "0x50"),
            ("AWS_INSTANCE_CNAME", "a b"),
            ("AWS_INIT_HEALTH_STATUS", "UNKNOWN"),
            ("AWS_EC2_INSTANCE_ID", "i-xyz"),
            ("AWS_EC2_INSTANCE_ID", "12345678"),
        ];
        for pair in bad {
            let found = instance(&[pair], &[]);
            assert_eq!((found.len(), found[0].index), (1, Some(0)), "{pair:?}");
        }
        assert_eq!(faults(&[("AWS_INSTANCE_PORT", "0")], &[]), "0 is not a port; AWS_INSTANCE_PORT allows 1 to 65535");
    }

    #[test]
    fn reserved_keys_are_refused() {
        for key in ["AWS_X", "aws_x", "Aws_Instance_Ipv4", "AWS_ALIAS_DNS_NAME", "FINGERPOST_X", "fingerpost_x"] {
            assert_eq!(instance(&[(key, "x")], &[]).len(), 1, "{key}");
        }
        for key in ["AWS", "MY_AWS_X", "ECS_CLUSTER_NAME", "a/b=c"] {
            assert_eq!(faults(&[(key, "x")], &[]), "", "{key}");
        }
    }

    #[test]
    fn keys_and_values_have_limits() {
        for (key, value) in [(&*"k".repeat(255), ""), ("k", &*"v".repeat(1024)), ("k", "a \t b")] {
            assert_eq!(faults(&[(key, value)], &[]), "");
        }
        for (key, value) in [(&*"k".repeat(256), ""), ("", ""), ("a b", ""), ("ä", ""), ("k", &*"v".repeat(1025))] {
            assert_eq!(instance(&[(key, value)], &[]).len(), 1, "{key} {value}");
        }
        for value in [" a", "a ", "\ta", " ", "ä", "a\nb", "\u{1f}"] {
            assert_eq!(instance(&[("k", value)], &[]).len(), 1, "{value:?}");
        }
    }

    #[test]
    fn maps_have_limits() {
        let keys: Vec<_> = (0..31).map(|n| format!("k{n}")).collect();
        let pairs: Vec<_> = keys.iter().map(|key| (&**key, "")).collect();
        assert!(faults(&pairs, &[]).contains("31 custom attributes"));
        assert_eq!(faults(&[&pairs[..30], &[V4, V6]].concat(), &[]), "");
        let value = "v".repeat(998);
        let pairs: Vec<_> = keys.iter().take(5).map(|key| (&**key, &*value)).collect();
        assert_eq!(faults(&pairs, &[]), "");
        let longer = [&pairs[..], &[("k", "")]].concat();
        assert!(faults(&longer, &[]).contains("5001 characters"));
    }

    #[test]
    fn an_ec2_instance_stands_alone() {
        let ec2 = ("AWS_EC2_INSTANCE_ID", "i-12345678");
        assert_eq!(faults(&[ec2, ("AWS_INIT_HEALTH_STATUS", "HEALTHY")], &[]), "");
        assert!(faults(&[ec2, V4], &[]).contains("alone"));
        assert!(faults(&[ec2, ("k", "v")], &[]).contains("alone"));
    }

    #[test]
    fn service_attributes_are_checked() {
        let good = [
            ("FINGERPOST_LIMIT", "1"),
            ("FINGERPOST_LIMIT", "4294967295"),
            ("FINGERPOST_LIMIT", "all"),
            ("a_1", "ä b"),
            ("team-name", ""),
        ];
        for pair in good {
            assert_eq!(service(&[pair]), [], "{pair:?}");
        }
        let long = ("k", &*"v".repeat(1025));
        let key = (&*"k".repeat(256), "");
        let bad = [
            ("FINGERPOST_LIMIT", "0"),
            ("FINGERPOST_LIMIT", "4294967296"),
            ("FINGERPOST_LIMIT", "ALL"),
            ("FINGERPOST_LIMIT", "08"),
            ("FINGERPOST_X", "1"),
            ("fingerpost_limit", "1"),
            ("a\u{1f}b", ""),
            ("", ""),
            ("k", "a\u{1e}"),
            long,
            key,
        ];
        for pair in bad {
            assert_eq!(service(&[pair]).len(), 1, "{pair:?}");
        }
        let keys: Vec<_> = (0..31).map(|n| format!("k{n}")).collect();
        let pairs: Vec<_> = keys.iter().map(|key| (&**key, "")).collect();
        assert_eq!(service(&pairs)[0].index, None);
        assert_eq!(service(&pairs[..30]), []);
    }
}

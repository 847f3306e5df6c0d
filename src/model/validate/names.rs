//! Names and ids: their patterns, and whether they fit the DNS.

use super::{Shown, Violation};
use crate::model::{NamespaceId, NamespaceType, ServiceId};

/// Octets of a DNS label (RFC 1035 §2.3.4).
const LABEL_MAX: usize = 63;
/// Characters of a DNS name without its final dot: 255 octets on the wire less the first length octet and
/// the root label (RFC 1035 §2.3.4).
const NAME_MAX: usize = 253;
/// Characters of a service name (API model `ServiceName`).
const SERVICE_NAME_MAX: usize = 127;
/// Characters of an id (API model `ResourceId`, `InstanceId`).
const ID_MAX: usize = 64;
/// Characters of the name of an HTTP namespace (API model `NamespaceNameHttp`).
const HTTP_NAME_MAX: usize = 1024;

/// The name of a namespace of type `kind`.
pub fn namespace_name(kind: NamespaceType, name: &str) -> Result<(), Violation> {
    match kind {
        NamespaceType::Http => {
            // API model `NamespaceNameHttp`: ^(?!arn:)[!-~]{1,1024}$
            let fits = (1..=HTTP_NAME_MAX).contains(&name.len()) && is_graphic(name) && !name.starts_with("arn:");
            let allowed = "1 to 1024 printable ASCII characters without blanks, not starting with \"arn:\"";
            fits.then_some(()).ok_or_else(|| Violation::not(name, "the name of an HTTP namespace", allowed))
        }
        NamespaceType::DnsPrivate => {
            // API model `NamespaceNamePrivate`: ^(?!arn:)[!-~]{1,253}$. That it must be a DNS name follows from
            // the hosted zone made of it. Escapes are not read, so a backslash is refused rather than guessed at.
            let fits = is_graphic(name) && !name.starts_with("arn:") && !name.contains('\\') && dns_shape(name);
            let allowed = "up to 253 printable ASCII characters without blanks and backslashes, in labels of 1 to 63 \
                           characters joined by dots, without a final dot, not starting with \"arn:\"";
            fits.then_some(()).ok_or_else(|| Violation::not(name, "the name of a DNS_PRIVATE namespace", allowed))
        }
        NamespaceType::DnsPublic => {
            // API model `NamespaceNamePublic`: at least two labels of letters, digits and inner hyphens.
            let labels = name.split('.');
            let fits = labels.clone().count() >= 2 && labels.clone().all(is_ldh_label) && dns_shape(name);
            let allowed = "two or more labels of 1 to 63 letters, digits and inner hyphens, joined by dots, without \
                           a final dot, 253 characters in all";
            fits.then_some(()).ok_or_else(|| Violation::not(name, "the name of a DNS_PUBLIC namespace", allowed))
        }
    }
}

/// The name by which instances of a namespace are discovered (API model `NamespaceName`: `^[!-~]{1,1024}$`).
pub fn http_name(name: &str) -> Result<(), Violation> {
    let fits = (1..=HTTP_NAME_MAX).contains(&name.len()) && is_graphic(name);
    let allowed = "1 to 1024 printable ASCII characters without blanks";
    fits.then_some(()).ok_or_else(|| Violation::not(name, "the name of a namespace", allowed))
}

/// The VPC of a namespace of type `kind` (API model `ResourceId`; `CreatePrivateDnsNamespace` alone takes one).
pub fn vpc(kind: NamespaceType, vpc: &str) -> Result<(), Violation> {
    if kind != NamespaceType::DnsPrivate {
        let text = format!("{} cannot be given here; a vpc is for DNS_PRIVATE namespaces only", Shown(vpc));
        return Err(Violation::new(text));
    }
    let fits = (1..=ID_MAX).contains(&vpc.len()) && is_graphic(vpc);
    fits.then_some(())
        .ok_or_else(|| Violation::not(vpc, "a VPC id", "1 to 64 printable ASCII characters without blanks"))
}

/// The id of a namespace.
pub fn namespace_id(text: &str) -> Result<NamespaceId, Violation> {
    NamespaceId::parse(text)
        .ok_or_else(|| Violation::not(text, "the id of a namespace", "\"ns-\" and 16 lower-case letters and digits"))
}

/// The id of a service.
pub fn service_id(text: &str) -> Result<ServiceId, Violation> {
    ServiceId::parse(text)
        .ok_or_else(|| Violation::not(text, "the id of a service", "\"srv-\" and 16 lower-case letters and digits"))
}

/// A description (API model `ResourceDescription`).
pub fn description(text: &str) -> Result<(), Violation> {
    (text.chars().count() <= 1024)
        .then_some(())
        .ok_or_else(|| Violation::not(text, "a description", "up to 1024 characters"))
}

/// The name of a service, whatever its namespace (API model `ServiceName`).
///
/// The pattern is either `.`, or labels joined by dots, 127 characters in all; a label is one letter or digit,
/// or 2 to 63 letters, digits, hyphens and underscores of which neither the first nor the last is a hyphen.
pub fn service_name(name: &str) -> Result<(), Violation> {
    let fits = name == "." || (name.len() <= SERVICE_NAME_MAX && name.split('.').all(is_service_label));
    fits.then_some(()).ok_or_else(|| {
        let allowed = "\".\" (the namespace itself), or up to 127 characters in labels joined by dots; a label is one \
                       letter or digit, or 2 to 63 letters, digits, \"_\" and inner \"-\"";
        Violation::not(name, "the name of a service", allowed)
    })
}

/// Whether `service` in `namespace` makes a DNS name (RFC 1035 §2.3.4). Both names follow their own rules.
pub fn service_owner(service: &str, namespace: &str) -> Result<(), Violation> {
    if service == "." {
        return Ok(());
    }
    let length = service.len() + 1 + namespace.len();
    (length <= NAME_MAX).then_some(()).ok_or_else(|| {
        Violation::new(format!(
            "{} makes a DNS name of {length} characters with its namespace; allowed are {NAME_MAX}",
            Shown(service)
        ))
    })
}

/// The id of an instance (API model `InstanceId`: `^[0-9a-zA-Z_/:.@-]+$`, at most 64).
pub fn instance_id(id: &str) -> Result<(), Violation> {
    let fits = (1..=ID_MAX).contains(&id.len())
        && id.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"_/:.@-".contains(&octet));
    fits.then_some(()).ok_or_else(|| {
        Violation::not(id, "an instance id", "1 to 64 letters, digits and \"_\" \"/\" \":\" \".\" \"@\" \"-\"")
    })
}

/// Whether instance `id` of an SRV service makes a DNS name, the target of its SRV record.
pub fn instance_owner(id: &str, service: &str, namespace: &str) -> Result<(), Violation> {
    if !id.split('.').all(is_label) {
        let allowed = "ids whose parts between dots have 1 to 63 characters";
        return Err(Violation::not(id, "the id of an instance of an SRV service", allowed));
    }
    let service_part = if service == "." { 0 } else { service.len() + 1 };
    let length = id.len() + 1 + service_part + namespace.len();
    (length <= NAME_MAX).then_some(()).ok_or_else(|| {
        Violation::new(format!(
            "{} makes a DNS name of {length} characters with its service and namespace; allowed are {NAME_MAX}",
            Shown(id)
        ))
    })
}

/// The target of a CNAME, with or without a final dot: labels of letters, digits, hyphens and underscores.
pub fn domain_name(name: &str) -> Result<(), Violation> {
    let bare = name.strip_suffix('.').unwrap_or(name);
    let known = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
    let fits = dns_shape(bare) && bare.bytes().all(known);
    fits.then_some(()).ok_or_else(|| {
        let allowed = "up to 253 characters in labels of 1 to 63 letters, digits, \"-\" and \"_\" joined by dots";
        Violation::not(name, "a domain name", allowed)
    })
}

/// Whether `name` has labels of the right lengths and is short enough.
fn dns_shape(name: &str) -> bool {
    name.len() <= NAME_MAX && name.split('.').all(is_label)
}

/// Whether `label` is as long as a label can be.
fn is_label(label: &str) -> bool {
    (1..=LABEL_MAX).contains(&label.len())
}

/// Whether `label` is of letters, digits and inner hyphens (RFC 1123 §2.1).
fn is_ldh_label(label: &str) -> bool {
    is_label(label)
        && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Whether `label` can stand in a service name.
fn is_service_label(label: &str) -> bool {
    match label.as_bytes() {
        [one] => one.is_ascii_alphanumeric(),
        _ => {
            is_label(label)
                && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"_-".contains(&octet))
                && !label.starts_with('-')
                && !label.ends_with('-')
        }
    }
}

/// Whether every character is printable ASCII and none is blank.
fn is_graphic(text: &str) -> bool {
    text.bytes().all(|octet| octet.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name of labels of 63 with `length` characters.
    fn long_name(length: usize) -> String {
        let mut name = "a".repeat(63) + ".";
        name = name.repeat(length / 64 + 1);
        name.truncate(length);
        if name.ends_with('.') {
            name.replace_range(length - 1.., "b")
        }
        name
    }

    #[test]
    fn private_namespaces_have_dns_names() {
        let check = |name: &str| namespace_name(NamespaceType::DnsPrivate, name).is_ok();
        for good in ["local", "production.local", "a_b.c", "x!y", &long_name(253)] {
            assert!(check(good), "{good}");
        }
        let label = "a".repeat(64);
        for bad in ["", ".", "a..b", "a.", ".a", "arn:aws", "a b", "ä", "a\\b", &label, &long_name(254)] {
            assert!(!check(bad), "{bad}");
        }
    }

    #[test]
    fn public_namespaces_have_two_plain_labels() {
        let check = |name: &str| namespace_name(NamespaceType::DnsPublic, name).is_ok();
        for good in ["example.org", "a.b", "x-1.example.org"] {
            assert!(check(good), "{good}");
        }
        for bad in ["", "org", "a_b.org", "-a.org", "a-.org", "a.org.", "a..org", &long_name(254)] {
            assert!(!check(bad), "{bad}");
        }
    }

    #[test]
    fn http_namespaces_are_named_freely() {
        let check = |name: &str| namespace_name(NamespaceType::Http, name).is_ok();
        for good in ["x", "a..b/c", &"x".repeat(1024)] {
            assert!(check(good), "{good}");
        }
        for bad in ["", "arn:x", "a b", "ä", &"x".repeat(1025)] {
            assert!(!check(bad), "{bad}");
        }
    }

    #[test]
    fn a_vpc_belongs_to_private_namespaces() {
        assert!(vpc(NamespaceType::DnsPrivate, "vpc-0abc123def456789").is_ok());
        assert!(vpc(NamespaceType::DnsPrivate, "").is_err());
        assert!(vpc(NamespaceType::DnsPrivate, &"x".repeat(65)).is_err());
        assert!(vpc(NamespaceType::DnsPublic, "vpc-1").is_err());
        assert!(vpc(NamespaceType::Http, "vpc-1").is_err());
    }

    #[test]
    fn service_names_follow_the_pattern() {
        let longest = format!("{0}.{0}", "a".repeat(63));
        for good in [".", "a", "1", "api", "_http._tcp", "a-b", "a_", "_a", "x.y.z", &longest] {
            assert!(service_name(good).is_ok(), "{good}");
        }
        let label = "a".repeat(64);
        let long = format!("{longest}.a");
        for bad in ["", "_", "-", "-a", "a-", "a..b", "a.", ".a", "..", "a b", "a/b", "ä", &label, &long] {
            assert!(service_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn service_and_namespace_fit_one_name() {
        assert!(service_owner("ab", &long_name(250)).is_ok());
        let fault = service_owner("abc", &long_name(250)).unwrap_err();
        assert_eq!(fault.to_string(), "abc makes a DNS name of 254 characters with its namespace; allowed are 253");
        assert!(service_owner(".", &long_name(253)).is_ok());
    }

    #[test]
    fn instance_ids_follow_the_pattern() {
        for good in ["a", "task-1", "A_/:.@-9", &"x".repeat(64)] {
            assert!(instance_id(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a*", "ä", &"x".repeat(65)] {
            assert!(instance_id(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn instances_of_srv_services_make_names() {
        for good in ["a", "a.b", "i:1/2@x", &"x".repeat(63)] {
            assert!(instance_owner(good, "s", "local").is_ok(), "{good}");
        }
        for bad in [".", "a.", "a..b", &"x".repeat(64)] {
            assert!(instance_owner(bad, "s", "local").is_err(), "{bad}");
        }
        assert!(instance_owner("abc", ".", &long_name(249)).is_ok());
        assert!(instance_owner("abc", "s", &long_name(249)).is_err());
    }

    #[test]
    fn cname_targets_are_domain_names() {
        for good in ["example.org", "example.org.", "_x.a-b", "localhost", &long_name(253)] {
            assert!(domain_name(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "a..b", "a b", "https://x", "a:80", &"a".repeat(64), &long_name(254)] {
            assert!(domain_name(bad).is_err(), "{bad}");
        }
    }
}

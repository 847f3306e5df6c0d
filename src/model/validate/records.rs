//! Record types, their combinations, TTLs and thresholds.

use super::Violation;
use crate::model::{DnsRecord, HealthStatus, ProbeType, RecordType, RoutingPolicy};

/// The largest TTL (API model `RecordTTL`; RFC 2181 §8).
pub const TTL_MAX: u32 = 2_147_483_647;

/// A record type by its name (API model `RecordType`).
pub fn record_type(name: &str) -> Result<RecordType, Violation> {
    match name {
        "A" => Ok(RecordType::A),
        "AAAA" => Ok(RecordType::Aaaa),
        "SRV" => Ok(RecordType::Srv),
        "CNAME" => Ok(RecordType::Cname),
        _ => Err(Violation::not(name, "a record type", "A, AAAA, SRV and CNAME")),
    }
}

/// A routing policy by its name (API model `RoutingPolicy`).
pub fn routing_policy(name: &str) -> Result<RoutingPolicy, Violation> {
    match name {
        "MULTIVALUE" => Ok(RoutingPolicy::Multivalue),
        "WEIGHTED" => Ok(RoutingPolicy::Weighted),
        _ => Err(Violation::not(name, "a routing policy", "MULTIVALUE and WEIGHTED")),
    }
}

/// A TTL in seconds, of a record or of the SOA (API model `RecordTTL`).
pub fn ttl(text: &str) -> Result<u32, Violation> {
    decimal(text).filter(|ttl| *ttl <= TTL_MAX).ok_or_else(|| Violation::not(text, "a TTL", "0 to 2147483647 seconds"))
}

/// The failure threshold of a health check (API model `FailureThreshold`).
pub fn failure_threshold(text: &str) -> Result<u32, Violation> {
    decimal(text)
        .filter(|threshold| (1..=10).contains(threshold))
        .ok_or_else(|| Violation::not(text, "a failure threshold", "1 to 10"))
}

/// The type of a health check by its name (API model `HealthCheckType`).
pub fn probe_type(name: &str) -> Result<ProbeType, Violation> {
    match name {
        "HTTP" => Ok(ProbeType::Http),
        "HTTPS" => Ok(ProbeType::Https),
        "TCP" => Ok(ProbeType::Tcp),
        _ => Err(Violation::not(name, "a type of health check", "HTTP, HTTPS and TCP")),
    }
}

/// The path of a probe of type `kind`, where that is known (API model `HealthCheckConfig$ResourcePath`).
pub fn resource_path(kind: Option<ProbeType>, path: &str) -> Result<(), Violation> {
    if kind == Some(ProbeType::Tcp) {
        return Err(Violation::not(path, "possible with TCP", "paths for HTTP and HTTPS"));
    }
    // It goes into the first line of a request as it is.
    let fits = path.len() <= 255 && path.bytes().all(|octet| octet.is_ascii_graphic());
    fits.then_some(())
        .ok_or_else(|| Violation::not(path, "a resource path", "up to 255 printable ASCII characters without blanks"))
}

/// A health status that can be known, by its name (API model `CustomHealthStatus`).
pub fn health_status(name: &str) -> Result<HealthStatus, Violation> {
    match name {
        "HEALTHY" => Ok(HealthStatus::Healthy),
        "UNHEALTHY" => Ok(HealthStatus::Unhealthy),
        _ => Err(Violation::not(name, "a health status", "HEALTHY and UNHEALTHY")),
    }
}

/// The record types of one service.
///
/// API model `DnsConfig$DnsRecords` documents {A}, {AAAA}, {A, AAAA}, {SRV} and {CNAME}; the ECS Developer Guide
/// adds SRV beside addresses for tasks with their own network interface. A CNAME stands alone
/// (RFC 1034 §3.6.2) and needs WEIGHTED (API model `RoutingPolicy`).
pub fn combination(records: &[DnsRecord], policy: RoutingPolicy) -> Result<(), Violation> {
    let mut types: Vec<_> = records.iter().map(|record| record.record_type).collect();
    types.sort_unstable();
    let twice = types.iter().zip(types.iter().skip(1)).find(|(one, next)| one == next);
    if let Some((&record_type, _)) = twice {
        let text = format!("{} stands there twice; allowed is one record of a type", name(record_type));
        return Err(Violation::new(text));
    }
    if types.contains(&RecordType::Cname) {
        if types.len() > 1 {
            let listed: Vec<_> = types.iter().map(|&record_type| name(record_type)).collect();
            let text = format!(
                "{} is not a combination of record types; allowed are CNAME alone, or any of A, AAAA and SRV",
                listed.join(", ")
            );
            return Err(Violation::new(text));
        }
        if policy != RoutingPolicy::Weighted {
            return Err(Violation::new(
                "CNAME needs the routing policy WEIGHTED; with MULTIVALUE allowed are A, AAAA and SRV",
            ));
        }
    }
    Ok(())
}

/// The name of a record type.
pub fn name(record_type: RecordType) -> &'static str {
    match record_type {
        RecordType::A => "A",
        RecordType::Aaaa => "AAAA",
        RecordType::Srv => "SRV",
        RecordType::Cname => "CNAME",
    }
}

/// A number in plain decimal notation: digits only, no leading zero.
pub(super) fn decimal(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|octet| octet.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(types: &[RecordType], policy: RoutingPolicy) -> bool {
        let records: Vec<_> = types.iter().map(|&record_type| DnsRecord { record_type, ttl: 1 }).collect();
        combination(&records, policy).is_ok()
    }

    #[test]
    fn known_combinations_pass() {
        use RecordType::{A, Aaaa, Cname, Srv};
        let sets: [&[RecordType]; 8] =
            [&[], &[A], &[Aaaa], &[Aaaa, A], &[Srv], &[A, Srv], &[Aaaa, Srv], &[A, Aaaa, Srv]];
        for set in sets {
            assert!(check(set, RoutingPolicy::Multivalue), "{set:?}");
            assert!(check(set, RoutingPolicy::Weighted), "{set:?}");
        }
        assert!(check(&[Cname], RoutingPolicy::Weighted));
    }

    #[test]
    fn other_combinations_do_not() {
        use RecordType::{A, Aaaa, Cname, Srv};
        assert!(!check(&[Cname], RoutingPolicy::Multivalue));
        let sets: [&[RecordType]; 5] = [&[A, A], &[Srv, A, Srv], &[Cname, Cname], &[A, Cname], &[Cname, Aaaa, Srv]];
        for set in sets {
            assert!(!check(set, RoutingPolicy::Weighted), "{set:?}");
        }
    }

    #[test]
    fn ttls_have_a_range() {
        assert_eq!(ttl("0"), Ok(0));
        assert_eq!(ttl("2147483647"), Ok(TTL_MAX));
        for bad in ["2147483648", "99999999999", "-1", "+1", "1.0", "0x1", "01", "", "ten", "1 "] {
            let fault = ttl(bad).unwrap_err().to_string();
            assert!(fault.ends_with(" is not a TTL; allowed are 0 to 2147483647 seconds"), "{fault}");
        }
    }

    #[test]
    fn thresholds_have_a_range() {
        assert_eq!(failure_threshold("1"), Ok(1));
        assert_eq!(failure_threshold("10"), Ok(10));
        for bad in ["0", "11", "", "x"] {
            assert!(failure_threshold(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_are_printable() {
        let path = |path: &str| resource_path(Some(ProbeType::Http), path);
        for good in ["/", "", "ready", "/a/b?c=%20&d=[]", &"/".repeat(255)] {
            assert_eq!(path(good), Ok(()), "{good}");
        }
        for bad in ["/a b", "/a\r\nHost: x", "/a\t", "/\u{e4}", "/\u{7f}", " ", &"/".repeat(256)] {
            let fault = path(bad).unwrap_err().to_string();
            let allowed = " is not a resource path; allowed are up to 255 printable ASCII characters without blanks";
            assert!(fault.ends_with(allowed), "{fault}");
        }
        assert!(resource_path(None, "/a b").is_err());
        assert!(resource_path(Some(ProbeType::Tcp), "/").is_err());
    }

    #[test]
    fn words_are_exact() {
        assert_eq!(record_type("AAAA"), Ok(RecordType::Aaaa));
        assert!(record_type("a").is_err());
        assert!(record_type("TXT").is_err());
        assert_eq!(routing_policy("WEIGHTED"), Ok(RoutingPolicy::Weighted));
        assert!(routing_policy("weighted").is_err());
    }
}

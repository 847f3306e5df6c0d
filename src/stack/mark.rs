//! How one tells on the server what belongs to a stack.
//!
//! Namespaces and services have tags, whose prefix templates cannot use. Instances have none; they are told by the id of
//! the request that registered them, `stack/NAME/LogicalId`, which `GetInstance` returns.

/// The tag with the name of the stack.
pub(super) const STACK: &str = "fingerpost:stack";
/// The tag with the logical id.
pub(super) const LOGICAL_ID: &str = "fingerpost:logical-id";
/// The tag with the VPC, which the API takes and never tells.
pub(super) const VPC: &str = "fingerpost:vpc";
/// What the keys of our tags begin with.
pub(super) const PREFIX: &str = "fingerpost:";

/// The longest id of a request.
const REQUEST_ID_MAX: usize = 64;

/// What the ids of the requests of a stack begin with.
fn prefix(stack: &str) -> String {
    format!("stack/{stack}/")
}

/// The id of the request that registers an instance.
pub(super) fn request_id(stack: &str, logical_id: &str) -> String {
    let prefix = prefix(stack);
    if prefix.len() + logical_id.len() <= REQUEST_ID_MAX {
        return prefix + logical_id;
    }
    // FNV-1a: stable for ever, and short.
    let step = |hash: u32, octet: u8| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193);
    let hash = logical_id.bytes().fold(0x811c_9dc5, step);
    let kept = REQUEST_ID_MAX.saturating_sub(prefix.len() + 9);
    format!("{prefix}{}~{hash:08x}", logical_id.get(..kept.min(logical_id.len())).unwrap_or_default())
}

/// The logical id in the id of a request of the stack, shortened if it is a long one.
pub(super) fn logical_id<'a>(stack: &str, request_id: &'a str) -> Option<&'a str> {
    request_id.strip_prefix(&prefix(stack))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_tell_their_stack_and_fit() {
        assert_eq!(request_id("shop", "Worker1"), "stack/shop/Worker1");
        assert_eq!(logical_id("shop", "stack/shop/Worker1"), Some("Worker1"));
        assert_eq!(logical_id("sho", "stack/shop/Worker1"), None);
        let stack = "s".repeat(40);
        let (one, other) = (request_id(&stack, &"A".repeat(90)), request_id(&stack, &"A".repeat(91)));
        assert!(one.len() == REQUEST_ID_MAX && other.len() == REQUEST_ID_MAX && one != other, "{one} {other}");
        assert!(logical_id(&stack, &one).is_some_and(|id| id.starts_with('A')));
    }
}

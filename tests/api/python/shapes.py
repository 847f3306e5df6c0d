"""Values against the shapes of botocore's API model: replies that must fit them, and requests that must not."""

import copy
import datetime
import re
from typing import Any, Iterator

# What the model calls optional and a client still counts on in every reply: by shape, then by members.
ALWAYS = {
    "Operation": "Id OwnerAccount Type Status CreateDate UpdateDate Targets",
    "OperationSummary": "Id Status",
    "Namespace": "Id Arn ResourceOwner Name Type ServiceCount Properties CreateDate",
    "NamespaceSummary": "Id Arn ResourceOwner Name Type ServiceCount Properties CreateDate",
    "NamespaceProperties": "DnsProperties HttpProperties",
    "HttpProperties": "HttpName",
    "Service": "Id Arn ResourceOwner Name NamespaceId InstanceCount DnsConfig Type CreateDate CreatedByAccount",
    "ServiceSummary": "Id Arn ResourceOwner Name InstanceCount DnsConfig Type CreateDate CreatedByAccount",
    "ServiceAttributes": "ServiceArn ResourceOwner Attributes",
    "Instance": "Id Attributes CreatedByAccount",
    "InstanceSummary": "Id Attributes CreatedByAccount",
    "HttpInstanceSummary": "InstanceId NamespaceName ServiceName HealthStatus Attributes",
    "DiscoverInstancesResponse": "Instances InstancesRevision",
    "DiscoverInstancesRevisionResponse": "InstancesRevision",
    "GetInstanceResponse": "ResourceOwner Instance",
    "ListInstancesResponse": "ResourceOwner Instances",
    "ListNamespacesResponse": "Namespaces",
    "ListServicesResponse": "Services",
    "ListOperationsResponse": "Operations",
    "ListTagsForResourceResponse": "Tags",
    "GetInstancesHealthStatusResponse": "Status",
    "NamespaceAlreadyExists": "Message CreatorRequestId NamespaceId",
    "ServiceAlreadyExists": "Message CreatorRequestId ServiceId ServiceArn",
    "DuplicateRequest": "Message DuplicateOperationId",
    "TooManyTagsException": "Message ResourceName",
}

# Structures that AWS sends empty, without what the model requires of them: `"SOA": {}` of HTTP namespaces and
# `"DnsConfig": {}` of services without records.
MAY_BE_EMPTY = {"SOA", "DnsConfig"}


# ---------- Replies


def faults(shape: Any, value: Any, path: str) -> Iterator[str]:
    """What of `value` does not fit `shape`, down to the last member."""
    kind = shape.type_name
    if kind == "structure":
        if not isinstance(value, dict):
            yield f"{path}: {value!r} is no structure"
            return
        if not value and shape.name in MAY_BE_EMPTY:
            return
        needed = set(shape.required_members) | set(ALWAYS.get(shape.name, "").split())
        for name in needed - set(value):
            yield f"{path}: {name} is missing"
        for name in set(value) - set(shape.members):
            yield f"{path}: the model does not know {name}"
        for name in set(value) & set(shape.members):
            yield from faults(shape.members[name], value[name], f"{path}.{name}")
    elif kind == "list":
        if not isinstance(value, list):
            yield f"{path}: {value!r} is no list"
            return
        yield from size_faults(shape, len(value), path)
        for index, element in enumerate(value):
            yield from faults(shape.member, element, f"{path}[{index}]")
    elif kind == "map":
        if not isinstance(value, dict):
            yield f"{path}: {value!r} is no map"
            return
        for key, element in value.items():
            yield from faults(shape.key, key, f"{path} key {key!r}")
            yield from faults(shape.value, element, f"{path}[{key!r}]")
    elif kind == "string":
        if not isinstance(value, str):
            yield f"{path}: {value!r} is no string"
            return
        yield from size_faults(shape, len(value), path)
        pattern = shape.metadata.get("pattern")
        if pattern and not re.search(pattern, value):
            yield f"{path}: {value!r} does not match {pattern}"
        if shape.enum and value not in shape.enum:
            yield f"{path}: {value!r} is not among {shape.enum}"
    elif kind in ("integer", "long"):
        if type(value) is not int:
            yield f"{path}: {value!r} is no integer"
            return
        yield from size_faults(shape, value, path)
    elif kind == "timestamp":
        # A number in JSON; in CBOR, what botocore makes of tag 1.
        if type(value) not in (int, float, datetime.datetime):
            yield f"{path}: {value!r} is no time"
    else:
        yield f"{path}: the test does not know the type {kind}"


def size_faults(shape: Any, size: int, path: str) -> Iterator[str]:
    """What of a length or of a number does not fit."""
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if (low is not None and size < low) or (high is not None and size > high):
        yield f"{path}: {size} is not within {low} and {high}"


# ---------- Requests


def violations(shape: Any, value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Copies of `value`, each of which breaks one rule of `shape`, with the place and the rule."""
    kind, facts = shape.type_name, shape.metadata
    low, high = facts.get("min"), facts.get("max")
    if kind == "structure":
        for name in shape.required_members:
            yield f"{path}.{name} is missing", {key: value[key] for key in value if key != name}
        for name in value:
            for rule, broken in violations(shape.members[name], value[name], f"{path}.{name}"):
                yield rule, {**value, name: broken}
    elif kind == "list":
        if low:
            yield f"{path} is empty", []
        if high:
            yield f"{path} is too long", [numbered(value[0], number) for number in range(high + 1)]
        for rule, broken in violations(shape.member, value[0], f"{path}[0]"):
            yield rule, [broken, *value[1:]]
    elif kind == "map":
        (key, element), rest = next(iter(value.items())), dict(list(value.items())[1:])
        if low:
            yield f"{path} is empty", {}
        if high:
            yield f"{path} is too long", {f"{key}{number}": element for number in range(high + 1)}
        for rule, broken in violations(shape.key, key, f"{path} key"):
            yield rule, {**rest, broken: element}
        for rule, broken in violations(shape.value, element, f"{path} value"):
            yield rule, {**rest, key: broken}
    elif kind == "string":
        if low:
            yield f"{path} is empty", ""
        if high:
            yield f"{path} is too long", "a" * (high + 1)
        if "pattern" in facts:
            yield f"{path} does not match", "bäd"
        if shape.enum:
            yield f"{path} is no word of the enum", "NO_SUCH_WORD"
    elif kind in ("integer", "long"):
        if low is not None:
            yield f"{path} is too small", low - 1
        if high is not None:
            yield f"{path} is too large", high + 1


def numbered(element: Any, number: int) -> Any:
    """A copy of a list's element that differs from all others."""
    if isinstance(element, str):
        return f"{element}{number}"
    element = copy.deepcopy(element)
    for key in ("Key", "Name"):
        if key in element:
            element[key] = f"{element[key]}{number}"
            break
    return element

"""Every rule of the model for every member of every request: broken one at a time, with boto3's own checks off.

    python constraints.py API DNS [cbor]

What botocore would let through (maxima, lengths, patterns, enums) and what it would not (missing members, minima)
must all get InvalidInput, and nothing may have changed in the end.
"""

import json
import sys
from typing import Any

from cloudmap import A_10, Api, speak_cbor
from shapes import violations

TAGS = [{"Key": "k", "Value": "v"}]
SOA = {"DnsProperties": {"SOA": {"TTL": 60}}}
RECORDS = [{"Type": "A", "TTL": 1}]


def requests(api: Api) -> list[tuple[str, dict[str, Any]]]:
    """Requests that would be good, with as many members as go together."""
    http, public = api.namespace("http", "rules"), api.namespace("public_dns", "rules.test")
    service = api.service(public, "s", DnsConfig=A_10, HealthCheckCustomConfig={})
    api.register(service, "i", AWS_INSTANCE_IPV4="192.0.2.1")
    arn = api.get_service(Id=service)["Service"]["Arn"]
    private = api.namespace("private_dns", "rules.private")
    new = {"Name": "new.test", "CreatorRequestId": "token", "Description": "d", "Tags": TAGS}
    update = {"UpdaterRequestId": "token", "Namespace": {"Description": "d", "Properties": SOA}}
    check = {"Type": "HTTP", "ResourcePath": "/", "FailureThreshold": 1}
    names = {"NamespaceName": "rules.test", "ServiceName": "s", "OwnerAccount": "000000000000"}
    operation = api.create_http_namespace(Name="http")["OperationId"]

    def filters(name: str, value: str) -> list[dict[str, Any]]:
        return [{"Name": name, "Values": [value], "Condition": "EQ"}]

    return [
        ("create_http_namespace", new),
        ("create_private_dns_namespace", {**new, "Vpc": "vpc-1", "Properties": SOA}),
        ("create_public_dns_namespace", {**new, "Properties": SOA}),
        ("update_http_namespace", {"Id": http, "UpdaterRequestId": "token", "Namespace": {"Description": "d"}}),
        ("update_private_dns_namespace", {"Id": private, **update}),
        ("update_public_dns_namespace", {"Id": public, **update}),
        ("delete_namespace", {"Id": http}),
        ("get_namespace", {"Id": http}),
        ("list_namespaces", {"MaxResults": 1, "Filters": filters("NAME", "rules")}),
        ("create_service", {**new, "Name": "new", "NamespaceId": http, "Type": "HTTP", "HealthCheckConfig": check}),
        ("create_service", {**new, "Name": "new", "NamespaceId": public, "DnsConfig": A_10}),
        ("create_service", {"Name": "new", "NamespaceId": http, "HealthCheckCustomConfig": {"FailureThreshold": 1}}),
        ("get_service", {"Id": service}),
        ("list_services", {"MaxResults": 1, "Filters": filters("NAMESPACE_ID", http)}),
        ("update_service", {"Id": service, "Service": {"Description": "d", "DnsConfig": {"DnsRecords": RECORDS}}}),
        ("update_service", {"Id": service, "Service": {"HealthCheckConfig": check}}),
        ("delete_service", {"Id": service}),
        ("get_service_attributes", {"ServiceId": service}),
        ("update_service_attributes", {"ServiceId": service, "Attributes": {"a": "b"}}),
        ("delete_service_attributes", {"ServiceId": service, "Attributes": ["a"]}),
        (
            "register_instance",
            {"ServiceId": service, "InstanceId": "i", "CreatorRequestId": "token", "Attributes": {"key": "value"}},
        ),
        ("deregister_instance", {"ServiceId": service, "InstanceId": "i"}),
        ("get_instance", {"ServiceId": service, "InstanceId": "i"}),
        ("list_instances", {"ServiceId": service, "MaxResults": 1}),
        ("get_instances_health_status", {"ServiceId": service, "MaxResults": 1, "Instances": ["i"]}),
        ("update_instance_custom_health_status", {"ServiceId": service, "InstanceId": "i", "Status": "HEALTHY"}),
        (
            "discover_instances",
            {
                **names,
                "MaxResults": 1,
                "HealthStatus": "ALL",
                "QueryParameters": {"a": "b"},
                "OptionalParameters": {"a": "b"},
            },
        ),
        ("discover_instances_revision", names),
        ("get_operation", {"OperationId": operation, "OwnerAccount": "000000000000"}),
        ("list_operations", {"MaxResults": 1, "Filters": filters("TYPE", "CREATE_NAMESPACE")}),
        ("list_tags_for_resource", {"ResourceARN": arn}),
        ("tag_resource", {"ResourceARN": arn, "Tags": TAGS}),
        ("untag_resource", {"ResourceARN": arn, "TagKeys": ["k"]}),
    ]


def state(api: Api) -> str:
    """All that can be read of what there is."""
    found = [
        {key: page[key] for key in page if key != "ResponseMetadata"}
        for name in ("list_namespaces", "list_services", "list_operations")
        for page in api.get_paginator(name).paginate()
    ]
    return json.dumps(found, default=str)


def main() -> None:
    """Breaks every rule."""
    if sys.argv[3:] == ["cbor"]:
        speak_cbor()
    api = Api(sys.argv[1], sys.argv[2])
    good = requests(api)
    before = state(api)
    method = api.client.meta.method_to_api_mapping
    failures, count = [], 0
    for call, request in good:
        shape = api.client.meta.service_model.operation_model(method[call]).input_shape
        broken = list(violations(shape, request))
        # A token is opaque, so that the server alone can tell which are not its own.
        if "NextToken" in shape.members:
            tokens = ("none of ours", "a" * 4097)
            broken += [("NextToken is not ours", {**request, "NextToken": token}) for token in tokens]
        count += len(broken)
        for rule, bad in broken:
            try:
                api.refused("InvalidInput", call, **bad)
            except AssertionError as error:
                failures.append(f"{rule}: {str(error)[:600]}")
    assert not failures, "\n".join([f"{len(failures)} of {count}", *failures])
    assert state(api) == before, "something has changed"
    refused = {operation for operation, code in api.seen if code == "InvalidInput"}
    assert refused == set(method.values()), sorted(set(method.values()) - refused)
    # A value of the wrong type is no structure of the model at all. (In CBOR, botocore itself stumbles over it.)
    if sys.argv[3:] != ["cbor"]:
        api.refused("SerializationException", "get_namespace", Id=5)


if __name__ == "__main__":
    main()

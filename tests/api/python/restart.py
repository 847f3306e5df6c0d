"""A server that is restarted has what it had: run before and after, on the same data folder.

    python restart.py API DNS before|after FILE
"""

import json
import sys
from pathlib import Path
from typing import Any

from cloudmap import A_10, Api

TOKEN = {"CreatorRequestId": "token"}
# A request is made again as it was, token and all.
PRIVATE = {
    "Properties": {"DnsProperties": {"SOA": {"TTL": 7}}},
    "Tags": [{"Key": "k", "Value": "v"}],
    **TOKEN,
}


def fill(api: Api) -> None:
    """Something of everything, also operations that failed, and of what is gone."""
    tags = PRIVATE["Tags"]
    private = api.namespace("private_dns", "kept.test", **PRIVATE)
    api.done(api.create_private_dns_namespace(Name="kept.test", Vpc="vpc-0abc123def456789"), "FAIL")
    http = api.namespace("http", "kept", Description="http")
    gone = api.namespace("public_dns", "gone.test")
    records = {"DnsRecords": [{"Type": "SRV", "TTL": 5}, {"Type": "A", "TTL": 6}]}
    for name, config in (("api", A_10), ("srv", records)):
        service = api.service(private, name, DnsConfig=config, HealthCheckCustomConfig={}, Tags=tags, **TOKEN)
        api.update_service_attributes(ServiceId=service, Attributes={"team": "a"})
        for n in range(12):
            port = {"AWS_INSTANCE_PORT": "80", "custom": name}
            api.register(service, f"i{n}", AWS_INSTANCE_IPV4=f"192.0.2.{n}", **port)
        api.update_instance_custom_health_status(ServiceId=service, InstanceId="i3", Status="UNHEALTHY")
        api.deregister(service, "i11")
    check = {"Type": "TCP", "FailureThreshold": 2}
    api.service(http, "checked", HealthCheckConfig=check)
    api.done(api.delete_namespace(Id=gone))


def everything(api: Api) -> dict[str, Any]:
    """All that can be read."""
    found: dict[str, Any] = {}

    def read(call: str, **request: Any) -> dict[str, Any]:
        reply = getattr(api, call)(**request)
        del reply["ResponseMetadata"]
        if call == "discover_instances":
            reply["Instances"].sort(key=lambda one: one["InstanceId"])
        found[f"{call} {request}"] = reply
        return reply

    arns = []
    names = {}
    for one in read("list_namespaces")["Namespaces"]:
        names[one["Id"]] = read("get_namespace", Id=one["Id"])["Namespace"]["Name"]
        arns.append(one["Arn"])
    for one in read("list_services")["Services"]:
        service = read("get_service", Id=one["Id"])["Service"]
        arns.append(one["Arn"])
        for call in ("get_service_attributes", "get_instances_health_status"):
            read(call, ServiceId=one["Id"])
        for instance in read("list_instances", ServiceId=one["Id"])["Instances"]:
            read("get_instance", ServiceId=one["Id"], InstanceId=instance["Id"])
        discover = {"NamespaceName": names[service["NamespaceId"]], "ServiceName": service["Name"]}
        for status in ("HEALTHY", "ALL"):
            read("discover_instances", HealthStatus=status, **discover)
        read("discover_instances_revision", **discover)
    for arn in arns:
        read("list_tags_for_resource", ResourceARN=arn)
    for one in read("list_operations")["Operations"]:
        read("get_operation", OperationId=one["Id"])
    for name, qtype in (("kept.test", "SOA"), ("srv.kept.test", "SRV"), ("i1.srv.kept.test", "A")):
        answer = api.resolve(name, qtype)
        # Of more than eight, DNS gives any eight; the serial of an SOA moves on.
        found[f"dig {name} {qtype}"] = [len(answer), {ttl for ttl, _ in answer}.pop()]
    return json.loads(json.dumps(found, default=str))


def main() -> None:
    """Fills and writes down, or compares."""
    api, file = Api(sys.argv[1], sys.argv[2]), Path(sys.argv[4])
    if sys.argv[3] == "before":
        fill(api)
        file.write_text(json.dumps(everything(api)))
        return
    before, after = json.loads(file.read_text()), everything(api)
    assert len(before) > 80, len(before)
    assert set(before) == set(after), set(before) ^ set(after)
    for key, value in before.items():
        assert after[key] == value, (key, value, after[key])
    # The tokens are remembered, too, and ids go on from where they were.
    reply = api.create_private_dns_namespace(Name="kept.test", Vpc="vpc-0abc123def456789", **PRIVATE)
    assert f"get_operation {{'OperationId': '{reply['OperationId']}'}}" in before, reply
    latest = api.list_operations()["Operations"][0]["Id"]
    new = api.create_http_namespace(Name="new")["OperationId"]
    assert new > latest, (new, latest)


if __name__ == "__main__":
    main()

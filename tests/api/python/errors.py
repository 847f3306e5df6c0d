"""Every error of the model that the server can produce, from every operation that has it.

    python errors.py API DNS LIMITED_API [cbor]

LIMITED_API is a second server, with quotas: one namespace, two instances in it, one in a service, one discovery a
second.
"""

import sys
import threading
from typing import Any, Callable

from botocore.exceptions import ClientError

from cloudmap import A_10, Api, speak_cbor

# Errors of the model that there is no reason for here: a private namespace whose name is taken fails in its operation,
# as on AWS; nothing is locked by anything but an operation on the same resource, which is DuplicateRequest; and AWS has
# no quota on services, either.
NEVER = {
    ("CreatePrivateDnsNamespace", "NamespaceAlreadyExists"),
    ("CreateService", "ResourceLimitExceeded"),
    ("DeregisterInstance", "ResourceInUse"),
    ("RegisterInstance", "ResourceInUse"),
    ("UpdateHttpNamespace", "ResourceInUse"),
    ("UpdatePrivateDnsNamespace", "ResourceInUse"),
    ("UpdatePublicDnsNamespace", "ResourceInUse"),
}

NO_NAMESPACE, NO_SERVICE = "ns-aaaaaaaaaaaaaaaa", "srv-aaaaaaaaaaaaaaaa"
TOO_MANY_TAGS = [{"Key": f"k{n}", "Value": ""} for n in range(51)]


def not_found(api: Api) -> None:
    """What is not there is named as such, whether its id is one that could be or not."""
    change = {"Description": "x"}
    for id in (NO_NAMESPACE, "tutorial", f"arn:aws:servicediscovery:eu-west-1:000000000000:namespace/{NO_NAMESPACE}"):
        api.refused("NamespaceNotFound", "get_namespace", Id=id)
        api.refused("NamespaceNotFound", "delete_namespace", Id=id)
        for kind in ("http", "private_dns", "public_dns"):
            api.refused("NamespaceNotFound", f"update_{kind}_namespace", Id=id, Namespace=change)
        api.refused("NamespaceNotFound", "create_service", NamespaceId=id, Name="s")
    for id in (NO_SERVICE, "api", f"arn:aws:servicediscovery:eu-west-1:000000000000:service/{NO_SERVICE}"):
        calls: list[tuple[str, dict[str, Any]]] = [
            ("get_service", {"Id": id}),
            ("delete_service", {"Id": id}),
            ("update_service", {"Id": id, "Service": change}),
            ("get_service_attributes", {"ServiceId": id}),
            ("update_service_attributes", {"ServiceId": id, "Attributes": {"a": "b"}}),
            ("delete_service_attributes", {"ServiceId": id, "Attributes": ["a"]}),
            ("register_instance", {"ServiceId": id, "InstanceId": "i", "Attributes": {"a": "b"}}),
            ("deregister_instance", {"ServiceId": id, "InstanceId": "i"}),
            ("get_instance", {"ServiceId": id, "InstanceId": "i"}),
            ("list_instances", {"ServiceId": id}),
            ("get_instances_health_status", {"ServiceId": id}),
            ("update_instance_custom_health_status", {"ServiceId": id, "InstanceId": "i", "Status": "HEALTHY"}),
        ]
        for call, request in calls:
            api.refused("ServiceNotFound", call, **request)
    namespace = api.namespace("http", "errors")
    custom = api.service(namespace, "custom", HealthCheckCustomConfig={})
    plain = api.service(namespace, "plain")
    api.register(plain, "i")
    health = {"InstanceId": "i", "Status": "HEALTHY"}
    for call, request in [
        ("deregister_instance", {"InstanceId": "i"}),
        ("get_instance", {"InstanceId": "i"}),
        ("get_instances_health_status", {"Instances": ["i"]}),
        ("update_instance_custom_health_status", health),
    ]:
        api.refused("InstanceNotFound", call, ServiceId=custom, **request)
    api.refused("CustomHealthNotFound", "update_instance_custom_health_status", ServiceId=plain, **health)
    for call in ("discover_instances", "discover_instances_revision"):
        api.refused("NamespaceNotFound", call, NamespaceName="nowhere", ServiceName="plain")
        api.refused("ServiceNotFound", call, NamespaceName="errors", ServiceName="nothing")
    for id in ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-k9302yzd", "no operation"):
        api.refused("OperationNotFound", "get_operation", OperationId=id)
    for arn in (f"arn:aws:servicediscovery:eu-west-1:000000000000:namespace/{NO_NAMESPACE}", "arn:aws:s3:::bucket"):
        api.refused("ResourceNotFoundException", "list_tags_for_resource", ResourceARN=arn)
        api.refused("ResourceNotFoundException", "tag_resource", ResourceARN=arn, Tags=[])
        api.refused("ResourceNotFoundException", "untag_resource", ResourceARN=arn, TagKeys=[])
    api.clear()


def exists(api: Api) -> None:
    """What exists is named with its id and the token of its creator, so that a client can know its own retry."""
    http = api.namespace("http", "taken", CreatorRequestId="mine")
    error = api.refused("NamespaceAlreadyExists", "create_http_namespace", Name="taken", CreatorRequestId="yours")
    assert (error["NamespaceId"], error["CreatorRequestId"]) == (http, "mine"), error
    public = api.namespace("public_dns", "taken.test", CreatorRequestId="mine")
    error = api.refused("NamespaceAlreadyExists", "create_public_dns_namespace", Name="taken.test")
    assert (error["NamespaceId"], error["CreatorRequestId"]) == (public, "mine"), error
    # In one VPC, this fails in the operation, as on AWS.
    api.namespace("private_dns", "mine.test", Vpc="vpc-1")
    for name in ("mine.test", "below.mine.test", "test"):
        operation = api.done(api.create_private_dns_namespace(Name=name, Vpc="vpc-1"), "FAIL")
        assert operation["ErrorCode"] == "CANNOT_CREATE_HOSTED_ZONE", operation
        assert "ConflictingDomainExists" in operation["ErrorMessage"], operation
    service = api.create_service(NamespaceId=public, Name="Api", DnsConfig=A_10, CreatorRequestId="token")["Service"]
    error = api.refused("ServiceAlreadyExists", "create_service", NamespaceId=public, Name="aPI", DnsConfig=A_10)
    assert (error["ServiceId"], error["ServiceArn"]) == (service["Id"], service["Arn"]), error
    assert error["CreatorRequestId"] == "token", error
    # Names of services in HTTP namespaces are no names of DNS.
    assert api.service(http, "Api") != api.service(http, "aPI")
    api.refused("ServiceAlreadyExists", "create_service", NamespaceId=http, Name="aPI")

    error = api.refused("ResourceInUse", "delete_namespace", Id=public)
    api.register(service["Id"], "i", AWS_INSTANCE_IPV4="192.0.2.1")
    error = api.refused("ResourceInUse", "delete_service", Id=service["Id"])
    api.clear()


def limits(api: Api) -> None:
    """Tags and attributes of services have limits that are always on."""
    http = api.namespace("http", "limits")
    service = api.create_service(NamespaceId=http, Name="s")["Service"]
    for kind, more in (("http", {}), ("private_dns", {"Vpc": "vpc-1"}), ("public_dns", {})):
        request = {"Name": "tags.test", "Tags": TOO_MANY_TAGS, **more}
        error = api.refused("TooManyTagsException", f"create_{kind}_namespace", **request)
        assert error["ResourceName"] == "tags.test", error
    api.refused("TooManyTagsException", "create_service", NamespaceId=http, Name="t", Tags=TOO_MANY_TAGS)
    api.tag_resource(ResourceARN=service["Arn"], Tags=TOO_MANY_TAGS[:50])
    error = api.refused("TooManyTagsException", "tag_resource", ResourceARN=service["Arn"], Tags=TOO_MANY_TAGS[50:])
    assert error["ResourceName"] == "s", error
    assert len(api.list_tags_for_resource(ResourceARN=service["Arn"])["Tags"]) == 50

    code, update = "ServiceAttributesLimitExceededException", "update_service_attributes"
    attributes = {f"k{n}": "" for n in range(30)}
    api.update_service_attributes(ServiceId=service["Id"], Attributes=attributes)
    api.refused(code, update, ServiceId=service["Id"], Attributes={"one_more": ""})
    assert api.get_service_attributes(ServiceId=service["Id"])["ServiceAttributes"]["Attributes"] == attributes
    api.clear()


def quotas(api: Api) -> None:
    """Quotas that the operator has set: on the second server."""
    namespace = api.namespace("http", "quotas")
    for kind, more in (("http", {}), ("private_dns", {"Vpc": "vpc-1"}), ("public_dns", {})):
        api.refused("ResourceLimitExceeded", f"create_{kind}_namespace", Name="one.more", **more)
    full, half, other = (api.service(namespace, name) for name in ("full", "half", "other"))
    api.register(full, "i")
    attributes = {"Attributes": {"a": "b"}}
    api.refused("ResourceLimitExceeded", "register_instance", ServiceId=full, InstanceId="j", **attributes)
    api.register(full, "i", new="value")
    api.register(half, "i")
    api.refused("ResourceLimitExceeded", "register_instance", ServiceId=other, InstanceId="i", **attributes)
    names = {"NamespaceName": "quotas", "ServiceName": "full"}
    for call in (api.discover_instances, api.discover_instances_revision):
        # A second's worth, and one in advance.
        assert eventually_refused(lambda: call(**names), "RequestLimitExceeded") >= 2
    api.clear()


def eventually_refused(call: Callable[[], object], code: str) -> int:
    """How many calls go well before one gets `code`."""
    for count in range(100):
        try:
            call()
        except ClientError as error:
            assert error.response["Error"]["Code"] == code, error
            return count
    raise AssertionError(f"never {code}")


def duplicates(api: Api) -> None:
    """Of requests for the same thing at once, one is done and the others are told which operation it is."""
    http = api.namespace("http", "duplicates")
    private, public = api.namespace("private_dns", "d.private.test"), api.namespace("public_dns", "d.public.test")
    service = api.service(public, "s", DnsConfig=A_10)
    change, attributes = {"Description": "x"}, {"AWS_INSTANCE_IPV4": "192.0.2.1"}
    instance = {"ServiceId": service, "InstanceId": "i"}
    calls: list[tuple[Callable[[], None], Callable[[], dict[str, Any]]]] = [
        (nothing, lambda: api.register_instance(**instance, Attributes=attributes)),
        (lambda: void(api.register(service, "i", **attributes)), lambda: api.deregister_instance(**instance)),
        (nothing, lambda: api.update_http_namespace(Id=http, Namespace=change)),
        (nothing, lambda: api.update_private_dns_namespace(Id=private, Namespace=change)),
        (nothing, lambda: api.update_public_dns_namespace(Id=public, Namespace=change)),
        (nothing, lambda: api.update_service(Id=service, Service={**change, "DnsConfig": {"DnsRecords": [A_1]}})),
    ]
    for prepare, call in calls:
        collide(api, prepare, call)
    number = 0

    def next_one() -> None:
        nonlocal number
        number += 1

    collide(api, next_one, lambda: api.create_http_namespace(Name=f"new-{number}"))
    collide(api, next_one, lambda: api.create_public_dns_namespace(Name=f"new-{number}.test"))
    collide(api, next_one, lambda: api.create_private_dns_namespace(Name=f"p{number}.private", Vpc="vpc-1"))
    doomed = ""

    def doom() -> None:
        nonlocal doomed
        next_one()
        doomed = api.namespace("http", f"doomed-{number}")

    collide(api, doom, lambda: api.delete_namespace(Id=doomed))
    api.clear()


A_1 = {"Type": "A", "TTL": 1}


def nothing() -> None:
    """Nothing to prepare."""


def void(_: object) -> None:
    """Something was done."""


def collide(api: Api, prepare: Callable[[], None], call: Callable[[], dict[str, Any]]) -> None:
    """Makes the same call from many threads, again and again, until two of them meet."""
    # What those get who come after the first is done.
    late = {"NamespaceAlreadyExists", "NamespaceNotFound", "InstanceNotFound"}
    for _ in range(200):
        prepare()
        started: list[dict[str, Any]] = []
        errors: list[dict[str, Any]] = []
        barrier = threading.Barrier(8)

        def run() -> None:
            barrier.wait()
            try:
                started.append(call())
            except ClientError as error:
                errors.append(error.response)

        threads = [threading.Thread(target=run) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(started) + len(errors) == 8 and started, (started, errors)
        met = [error for error in errors if error["Error"]["Code"] == "DuplicateRequest"]
        assert {error["Error"]["Code"] for error in errors} <= late | {"DuplicateRequest"}, errors
        # Whoever is told of an operation can ask for it, whatever has become of it.
        for id in [one["OperationId"] for one in started] + [error["DuplicateOperationId"] for error in met]:
            operation = api.get_operation(OperationId=id)["Operation"]
            assert operation["Status"] in ("SUCCESS", "FAIL"), operation
        if met:
            return
    raise AssertionError("no two requests met")


def main() -> None:
    """Produces all errors but InvalidInput, which `constraints.py` does, and counts them."""
    if sys.argv[4:] == ["cbor"]:
        speak_cbor()
    api, limited = Api(sys.argv[1], sys.argv[2]), Api(sys.argv[3])
    for part in (not_found, exists, limits, duplicates):
        part(api)
    quotas(limited)
    model = api.client.meta.service_model
    known = {(name, shape.name) for name in model.operation_names for shape in model.operation_model(name).error_shapes}
    wanted = {pair for pair in known - NEVER if pair[1] != "InvalidInput"}
    seen = {pair for pair in api.seen | limited.seen if pair[1] not in ("success", "InvalidInput")}
    assert seen == wanted, (sorted(wanted - seen), sorted(seen - wanted))


if __name__ == "__main__":
    main()

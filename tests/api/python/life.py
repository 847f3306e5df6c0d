"""The life of namespaces, services and instances: all 30 operations, each with what it should say and do.

    python life.py API DNS [cbor]
"""

import sys

from cloudmap import A_10, Api, speak_cbor

OPERATIONS = 30


def namespaces(api: Api) -> None:
    """Namespaces of all three types: made, read, changed, taken away."""
    soa = {"DnsProperties": {"SOA": {"TTL": 77}}}
    more = {"CreatorRequestId": "request-1", "Description": "one", "Tags": [{"Key": "k", "Value": "v"}]}
    ids = {
        "HTTP": api.namespace("http", "web", **more),
        "DNS_PRIVATE": api.namespace("private_dns", "private.test", Properties=soa, **more),
        "DNS_PUBLIC": api.namespace("public_dns", "public.test", **more),
    }
    for kind, id in ids.items():
        found = api.get_namespace(Id=id)["Namespace"]
        assert api.get_namespace(Id=found["Arn"])["Namespace"] == found, "by its ARN"
        assert found["Arn"] == f"arn:aws:servicediscovery:eu-west-1:000000000000:namespace/{id}", found
        assert (found["Type"], found["Description"], found["ServiceCount"]) == (kind, "one", 0), found
        assert found["CreatorRequestId"] == "request-1", found
        name, dns = found["Properties"]["HttpProperties"]["HttpName"], found["Properties"]["DnsProperties"]
        assert name == found["Name"], found
        # As moto's tests have it: `SOA` is empty for HTTP namespaces, and absent where none was given.
        assert kind != "HTTP" or dns == {"SOA": {}}, found
        assert kind != "DNS_PRIVATE" or dns["SOA"] == {"TTL": 77}, found
        assert kind != "DNS_PUBLIC" or "SOA" not in dns, found
        assert kind == "HTTP" or dns["HostedZoneId"].startswith("Z"), found
        assert api.list_tags_for_resource(ResourceARN=found["Arn"])["Tags"] == more["Tags"]
    listed = {summary["Id"]: summary for summary in api.list_namespaces()["Namespaces"]}
    for id in ids.values():
        whole = api.get_namespace(Id=id)["Namespace"]
        del whole["CreatorRequestId"]
        assert listed[id] == whole
    assert [ttl for ttl, _ in api.resolve("private.test", "SOA")] == [77]
    assert [ttl for ttl, _ in api.resolve("public.test", "SOA")] == [15], "the default of AWS's console"

    updates = {
        ids["HTTP"]: (api.update_http_namespace, {"Description": "two"}),
        ids["DNS_PRIVATE"]: (api.update_private_dns_namespace, {"Description": "two"}),
        ids["DNS_PUBLIC"]: (api.update_public_dns_namespace, {"Properties": {"DnsProperties": {"SOA": {"TTL": 5}}}}),
    }
    for id, (update, change) in updates.items():
        operation = api.done(update(Id=id, Namespace=change))
        assert (operation["Type"], operation["Targets"]) == ("UPDATE_NAMESPACE", {"NAMESPACE": id}), operation
    described = [api.get_namespace(Id=id)["Namespace"]["Description"] for id in ids.values()]
    assert described == ["two", "two", "one"], "what is not mentioned stays"
    assert api.get_namespace(Id=ids["DNS_PRIVATE"])["Namespace"]["Properties"]["DnsProperties"]["SOA"] == {"TTL": 77}
    assert [ttl for ttl, _ in api.resolve("public.test", "SOA")] == [5]

    for id in ids.values():
        operation = api.done(api.delete_namespace(Id=id))
        assert (operation["Type"], operation["Targets"]) == ("DELETE_NAMESPACE", {"NAMESPACE": id}), operation
        api.refused("NamespaceNotFound", "get_namespace", Id=id)
        # As AWS does it: operations of what is gone are not listed, and can still be got.
        mine = api.list_operations(Filters=[{"Name": "NAMESPACE_ID", "Values": [id]}])
        assert mine["Operations"] == [], mine
    assert api.status("private.test", "SOA") == "REFUSED"


def services(api: Api) -> None:
    """Services of every kind, their attributes and tags."""
    namespace, http = api.namespace("private_dns", "services.test"), api.namespace("http", "apis")
    tags = [{"Key": key, "Value": key.upper()} for key in ("zeta", "alpha", "mid")]
    made = api.create_service(
        Name="api",
        NamespaceId=namespace,
        CreatorRequestId="token",
        Description="one",
        DnsConfig=A_10,
        HealthCheckCustomConfig={"FailureThreshold": 5},
        Tags=tags,
    )["Service"]
    id = made["Id"]
    assert made["DnsConfig"] == {"NamespaceId": namespace, **A_10}, made
    assert made["HealthCheckCustomConfig"] == {"FailureThreshold": 1}, "5 is stored as 1, as on AWS"
    assert (made["Type"], made["NamespaceId"], made["InstanceCount"]) == ("DNS_HTTP", namespace, 0), made
    assert (made["Description"], made["CreatorRequestId"]) == ("one", "token"), made
    assert made["Arn"] == f"arn:aws:servicediscovery:eu-west-1:000000000000:service/{id}"
    assert api.get_service(Id=id)["Service"] == api.get_service(Id=made["Arn"])["Service"] == made
    summary = {key: made[key] for key in made if key not in ("NamespaceId", "CreatorRequestId")}
    assert api.list_services()["Services"] == [summary]
    assert api.list_tags_for_resource(ResourceARN=made["Arn"])["Tags"] == tags, "in their order"

    # The namespace where Terraform gives it; several records, in their order.
    records = [{"Type": "SRV", "TTL": 20}, {"Type": "A", "TTL": 30}, {"Type": "AAAA", "TTL": 0}]
    both = api.create_service(Name="both", DnsConfig={"NamespaceId": namespace, "DnsRecords": records})["Service"]
    assert both["DnsConfig"] == {"NamespaceId": namespace, "RoutingPolicy": "MULTIVALUE", "DnsRecords": records}, both
    cname = {"RoutingPolicy": "WEIGHTED", "DnsRecords": [{"Type": "CNAME", "TTL": 60}]}
    alias = api.service(namespace, "alias", DnsConfig=cname)
    arn = api.get_namespace(Id=http)["Namespace"]["Arn"]
    plain = api.create_service(Name="plain", NamespaceId=arn)["Service"]
    assert (plain["Type"], plain["DnsConfig"]) == ("HTTP", {}), plain
    only = api.create_service(Name="only", NamespaceId=namespace, Type="HTTP")["Service"]
    assert (only["Type"], only["DnsConfig"]) == ("HTTP", {}), only
    assert [api.get_namespace(Id=id)["Namespace"]["ServiceCount"] for id in (namespace, http)] == [4, 1]
    # Health checks are for public and HTTP namespaces.
    check = {"Type": "HTTP", "ResourcePath": "/up", "FailureThreshold": 2}
    checked = api.create_service(Name="checked", NamespaceId=http, HealthCheckConfig=check)["Service"]
    assert checked["HealthCheckConfig"] == check, checked

    # A new TTL is in DNS when the operation says so; what is left out of an update goes, except these.
    api.register(id, "i", AWS_INSTANCE_IPV4="192.0.2.1")
    assert api.resolve("api.services.test") == [(10, "192.0.2.1")]
    change = {"Description": "two", "DnsConfig": {"DnsRecords": [{"Type": "A", "TTL": 3}]}}
    operation = api.done(api.update_service(Id=id, Service=change))
    assert (operation["Type"], operation["Targets"]) == ("UPDATE_SERVICE", {"SERVICE": id}), operation
    assert api.resolve("api.services.test") == [(3, "192.0.2.1")]
    found = api.get_service(Id=id)["Service"]
    assert (found["Description"], found["DnsConfig"]["RoutingPolicy"]) == ("two", "MULTIVALUE"), found
    assert found["HealthCheckCustomConfig"] == {"FailureThreshold": 1}, found

    # Attributes are merged; keys that are not there can be taken away.
    assert api.get_service_attributes(ServiceId=id)["ServiceAttributes"]["Attributes"] == {}
    api.update_service_attributes(ServiceId=id, Attributes={"team": "a", "tier": "1"})
    api.update_service_attributes(ServiceId=id, Attributes={"team": "b"})
    api.delete_service_attributes(ServiceId=id, Attributes=["tier", "none"])
    found = api.get_service_attributes(ServiceId=made["Arn"])["ServiceAttributes"]
    assert (found["Attributes"], found["ServiceArn"]) == ({"team": "b"}, made["Arn"]), found

    api.tag_resource(ResourceARN=made["Arn"], Tags=[{"Key": "alpha", "Value": "2"}, {"Key": "new", "Value": ""}])
    api.untag_resource(ResourceARN=made["Arn"], TagKeys=["zeta", "none"])
    found = api.list_tags_for_resource(ResourceARN=made["Arn"])["Tags"]
    assert [(tag["Key"], tag["Value"]) for tag in found] == [("alpha", "2"), ("mid", "MID"), ("new", "")], found

    api.deregister(id, "i")
    for service in (id, both["Id"], alias, plain["Id"], only["Id"], checked["Id"]):
        api.delete_service(Id=service)
        api.refused("ServiceNotFound", "get_service", Id=service)
    for id in (namespace, http):
        api.done(api.delete_namespace(Id=id))


def instances(api: Api) -> None:
    """Instances of every kind of records, their health, and discovery."""
    namespace = api.namespace("private_dns", "instances.test")
    a = api.service(namespace, "a", DnsConfig=A_10, HealthCheckCustomConfig={})
    records = [{"Type": "SRV", "TTL": 9}, {"Type": "AAAA", "TTL": 8}]
    srv = api.service(namespace, "srv", DnsConfig={"DnsRecords": records})
    cname = {"RoutingPolicy": "WEIGHTED", "DnsRecords": [{"Type": "CNAME", "TTL": 60}]}
    alias = api.service(namespace, "alias", DnsConfig=cname)

    names = {"NamespaceName": "instances.test", "ServiceName": "a"}
    assert api.discover_instances_revision(**names)["InstancesRevision"] == 0
    attributes = {"AWS_INSTANCE_IPV4": "192.0.2.1", "AWS_INIT_HEALTH_STATUS": "HEALTHY", "key!": "two  blanks\ta tab"}
    api.register(a, "one", **attributes)
    found = api.get_instance(ServiceId=a, InstanceId="one")["Instance"]
    assert found["Attributes"] == attributes, "to the letter"
    api.register(a, "two", AWS_INSTANCE_IPV4="192.0.2.2")
    api.register(a, "three", AWS_INSTANCE_IPV4="192.0.2.3", AWS_INSTANCE_PORT="80")
    listed = api.list_instances(ServiceId=a)["Instances"]
    assert [instance["Id"] for instance in listed] == ["one", "three", "two"], listed
    assert api.get_service(Id=a)["Service"]["InstanceCount"] == 3
    assert api.addresses("a.instances.test") == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    # The same id again replaces all attributes.
    api.register(a, "one", AWS_INSTANCE_IPV4="192.0.2.9")
    found = api.get_instance(ServiceId=a, InstanceId="one")["Instance"]["Attributes"]
    assert found == {"AWS_INSTANCE_IPV4": "192.0.2.9"}, found
    assert api.addresses("a.instances.test") == ["192.0.2.2", "192.0.2.3", "192.0.2.9"]
    # moto's tests, too, want the revision to count registrations and nothing else.
    assert api.discover_instances_revision(**names)["InstancesRevision"] == 4
    api.update_instance_custom_health_status(ServiceId=a, InstanceId="two", Status="UNHEALTHY")
    found = api.get_instances_health_status(ServiceId=a)["Status"]
    assert found == {"one": "HEALTHY", "three": "HEALTHY", "two": "UNHEALTHY"}, found
    assert api.addresses("a.instances.test") == ["192.0.2.3", "192.0.2.9"]
    found = api.discover_instances(**names)
    assert sorted(one["InstanceId"] for one in found["Instances"]) == ["one", "three"], found
    assert found["InstancesRevision"] == 4, found
    api.deregister(a, "three")
    api.register(a, "three", AWS_INSTANCE_IPV4="192.0.2.3")
    assert api.discover_instances(**names)["InstancesRevision"] == 6

    api.register(srv, "s1", AWS_INSTANCE_IPV4="192.0.2.4", AWS_INSTANCE_IPV6="2001:db8::4", AWS_INSTANCE_PORT="8080")
    assert api.resolve("srv.instances.test", "SRV") == [(9, "1 1 8080 s1.srv.instances.test.")]
    assert api.resolve("srv.instances.test", "AAAA") == [(8, "2001:db8::4")]
    assert api.addresses("s1.srv.instances.test") == ["192.0.2.4"]
    api.register(alias, "c1", AWS_INSTANCE_CNAME="www.example.org")
    assert api.resolve("alias.instances.test", "CNAME") == [(60, "www.example.org.")]

    for service, instance in ((a, "one"), (a, "two"), (a, "three"), (srv, "s1"), (alias, "c1")):
        api.deregister(service, instance)
        api.refused("InstanceNotFound", "get_instance", ServiceId=service, InstanceId=instance)
    # A service is free to go as soon as the last operation says SUCCESS.
    for service in (a, srv, alias):
        api.delete_service(Id=service)
    api.done(api.delete_namespace(Id=namespace))


def idempotency(api: Api) -> None:
    """A request that is repeated with its token is the same request."""
    request = {"Name": "again.test", "Vpc": "vpc-1", "CreatorRequestId": "t1"}
    first = api.create_private_dns_namespace(**request)
    namespace = api.done(first)["Targets"]["NAMESPACE"]
    assert api.create_private_dns_namespace(**request)["OperationId"] == first["OperationId"]
    for create in (api.create_http_namespace, api.create_public_dns_namespace):
        request = {"Name": "other.test", "CreatorRequestId": "t2"}
        first = create(**request)
        api.done(first)
        assert create(**request)["OperationId"] == first["OperationId"]
    change = {"Id": namespace, "UpdaterRequestId": "t3", "Namespace": {"Description": "x"}}
    first = api.update_private_dns_namespace(**change)
    assert api.update_private_dns_namespace(**change)["OperationId"] == first["OperationId"]
    request = {"Name": "s", "NamespaceId": namespace, "DnsConfig": A_10, "CreatorRequestId": "t4"}
    service = api.create_service(**request)["Service"]["Id"]
    assert api.create_service(**request)["Service"]["Id"] == service
    attributes = {"AWS_INSTANCE_IPV4": "192.0.2.1"}
    request = {"ServiceId": service, "InstanceId": "i", "Attributes": attributes, "CreatorRequestId": "t5"}
    first = api.register_instance(**request)
    assert api.register_instance(**request)["OperationId"] == first["OperationId"]
    assert api.get_instance(ServiceId=service, InstanceId="i")["Instance"]["CreatorRequestId"] == "t5"
    names = {"NamespaceName": "again.test", "ServiceName": "s"}
    assert api.discover_instances_revision(**names)["InstancesRevision"] == 1
    api.clear()


def everything(api: Api) -> None:
    """All of the above."""
    for part in (namespaces, services, instances, idempotency):
        part(api)


if __name__ == "__main__":
    if sys.argv[3:] == ["cbor"]:
        speak_cbor()
    the_api = Api(sys.argv[1], sys.argv[2])
    everything(the_api)
    succeeded = {operation for operation, code in the_api.seen if code == "success"}
    assert len(succeeded) == OPERATIONS, sorted(succeeded)
    assert succeeded == set(the_api.client.meta.service_model.operation_names)

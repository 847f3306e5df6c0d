"""DiscoverInstances: its four health filters, query and optional parameters, and how many it gives.

    python discovery.py API DNS [cbor]
"""

import sys
from typing import Any

from cloudmap import A_10, Api, speak_cbor

INSTANCES = {
    "i1": {"AWS_INSTANCE_IPV4": "192.0.2.1", "color": "red", "size": "s"},
    "i2": {"AWS_INSTANCE_IPV4": "192.0.2.2", "color": "red", "size": "m"},
    "i3": {"AWS_INSTANCE_IPV4": "192.0.2.3", "color": "blue", "size": "m"},
    "i4": {"AWS_INSTANCE_IPV4": "192.0.2.4", "color": "blue", "AWS_INIT_HEALTH_STATUS": "UNHEALTHY"},
}


def discovery(api: Api) -> None:
    """A service with custom health, of whose four instances one is unhealthy."""
    namespace = api.namespace("private_dns", "find.test")
    service = api.service(namespace, "api", DnsConfig=A_10, HealthCheckCustomConfig={})
    for id, attributes in INSTANCES.items():
        api.register(service, id, **attributes)

    def find(**request: Any) -> list[str]:
        found = api.discover_instances(NamespaceName="find.test", ServiceName="api", **request)["Instances"]
        for one in found:
            assert one["Attributes"] == INSTANCES[one["InstanceId"]], one
            assert (one["NamespaceName"], one["ServiceName"]) == ("find.test", "api"), one
        return sorted(one["InstanceId"] for one in found)

    def set_health(status: str, *instances: str) -> None:
        for id in instances:
            api.update_instance_custom_health_status(ServiceId=service, InstanceId=id, Status=status)

    red, blue, medium = {"color": "red"}, {"color": "blue"}, {"size": "m"}
    # Without a filter: the healthy.
    assert find() == find(HealthStatus="HEALTHY") == find(HealthStatus="HEALTHY_OR_ELSE_ALL") == ["i1", "i2", "i3"]
    assert find(HealthStatus="UNHEALTHY") == ["i4"]
    assert find(HealthStatus="ALL") == ["i1", "i2", "i3", "i4"]
    assert find(QueryParameters=red) == ["i1", "i2"]
    assert find(QueryParameters={**red, **medium}) == ["i2"], "all must match"
    assert find(QueryParameters={"color": "Red"}) == [], "to the letter"
    assert find(QueryParameters=blue, HealthStatus="ALL") == ["i3", "i4"]
    # Optional parameters count if they leave something.
    assert find(OptionalParameters=medium) == ["i2", "i3"]
    assert find(QueryParameters=red, OptionalParameters=medium) == ["i2"]
    assert find(QueryParameters=red, OptionalParameters=blue) == ["i1", "i2"]
    # Of those that match none is healthy, though others are.
    set_health("UNHEALTHY", "i3")
    assert find(QueryParameters=blue) == [] and find(QueryParameters=red) == ["i1", "i2"]
    assert find(QueryParameters=blue, HealthStatus="HEALTHY_OR_ELSE_ALL") == ["i3", "i4"]
    # Nobody is healthy: discovery says so, unless asked to give all; DNS gives all.
    set_health("UNHEALTHY", "i1", "i2")
    assert find() == [] and find(HealthStatus="HEALTHY_OR_ELSE_ALL") == ["i1", "i2", "i3", "i4"]
    assert len(api.addresses("api.find.test")) == 4
    set_health("HEALTHY", "i2")
    assert find() == find(HealthStatus="HEALTHY_OR_ELSE_ALL") == ["i2"]
    assert api.addresses("api.find.test") == ["192.0.2.2"]

    # Of more than are wanted it is a random choice.
    set_health("HEALTHY", *INSTANCES)
    draws = [find(MaxResults=1) for _ in range(60)]
    assert all(len(draw) == 1 for draw in draws) and {draw[0] for draw in draws} == set(INSTANCES), draws
    assert find(OwnerAccount="000000000000") == ["i1", "i2", "i3", "i4"]
    names = {"NamespaceName": "find.test", "ServiceName": "api"}
    api.refused("NamespaceNotFound", "discover_instances", OwnerAccount="123456789012", **names)
    assert api.discover_instances_revision(**names)["InstancesRevision"] == 4, "health does not move it"

    # Without a health check there is nothing to filter by.
    plain = api.service(namespace, "plain", DnsConfig=A_10)
    api.register(plain, "p", AWS_INSTANCE_IPV4="192.0.2.5")
    for status in ("HEALTHY", "UNHEALTHY", "ALL", "HEALTHY_OR_ELSE_ALL"):
        request = {"NamespaceName": "find.test", "ServiceName": "plain", "HealthStatus": status}
        found = api.discover_instances(**request)["Instances"]
        assert [(one["InstanceId"], one["HealthStatus"]) for one in found] == [("p", "UNKNOWN")], found
    api.clear()


def http_namespace(api: Api) -> None:
    """An HTTP namespace, found by names whose case counts; instances need no address."""
    namespace = api.namespace("http", "Shop")
    service = api.service(namespace, "Cart")
    api.register(service, "arn", url="https://example.org/cart")
    found = api.discover_instances(NamespaceName="Shop", ServiceName="Cart")["Instances"]
    assert [one["Attributes"] for one in found] == [{"url": "https://example.org/cart"}], found
    api.refused("ServiceNotFound", "discover_instances", NamespaceName="Shop", ServiceName="cart")
    api.clear()


if __name__ == "__main__":
    if sys.argv[3:] == ["cbor"]:
        speak_cbor()
    the_api = Api(sys.argv[1], sys.argv[2])
    discovery(the_api)
    http_namespace(the_api)

"""Pages and filters of the lists.

    python lists.py API DNS [cbor]
"""

import sys
import time
from typing import Any

from cloudmap import A_10, Api, speak_cbor

A_5 = {"Type": "A", "TTL": 5}


def pages(api: Api, call: str, member: str, size: int, **request: Any) -> list[Any]:
    """All of a list, through boto3's paginator, in pages of this size: none may be larger."""
    found = []
    for page in api.get_paginator(call).paginate(PaginationConfig={"PageSize": size}, **request):
        assert len(page[member]) <= size, page
        found += page[member]
    return found


def ids(found: list[dict[str, Any]]) -> list[str]:
    """Their ids, each once."""
    result = [one["Id"] for one in found]
    assert len(set(result)) == len(result), result
    return result


def paging(api: Api) -> None:
    """Whatever the size of the pages, a list is the same."""
    namespaces = [api.namespace("http", f"paging-{n}") for n in range(7)]
    services = [api.service(namespaces[0], f"s{n}") for n in range(7)]
    instances = [f"i{n}" for n in range(7)]
    for instance in instances:
        api.register(services[0], instance)
    mine = {"Name": "NAMESPACE_ID", "Values": [namespaces[0]]}
    for size in (1, 2, 3, 7, 100):
        assert sorted(ids(pages(api, "list_namespaces", "Namespaces", size))) == sorted(namespaces)
        for filters in ({}, {"Filters": [mine]}):
            assert sorted(ids(pages(api, "list_services", "Services", size, **filters))) == sorted(services)
        assert ids(pages(api, "list_instances", "Instances", size, ServiceId=services[0])) == instances
        # The namespace's creation, and seven registrations.
        assert len(ids(pages(api, "list_operations", "Operations", size, Filters=[mine]))) == 8
        # boto3 has no paginator for these.
        status: dict[str, str] = {}
        token: dict[str, str] = {}
        while True:
            page = api.get_instances_health_status(ServiceId=services[0], MaxResults=size, **token)
            assert len(page["Status"]) <= size and not set(page["Status"]) & set(status), page
            status.update(page["Status"])
            if "NextToken" not in page:
                break
            token = {"NextToken": page["NextToken"]}
        assert status == dict.fromkeys(instances, "UNKNOWN"), status
    # What comes and goes meanwhile does not disturb what was there and stays.
    first = api.list_namespaces(MaxResults=3)
    last = first["Namespaces"][-1]["Id"]
    rest = sorted(set(namespaces) - {one["Id"] for one in first["Namespaces"]})
    if last != namespaces[0]:
        api.done(api.delete_namespace(Id=last))
    new = api.namespace("http", "paging-new")
    found = ids(api.list_namespaces(NextToken=first["NextToken"])["Namespaces"])
    assert sorted(set(found) - {new}) == rest, (found, rest)
    api.clear()


def filters(api: Api) -> None:
    """Every filter, with every condition it has."""
    made = {
        "HTTP": api.namespace("http", "web"),
        "DNS_PRIVATE": api.namespace("private_dns", "web.private"),
        "DNS_PUBLIC": api.namespace("public_dns", "api.public"),
    }
    # Of two namespaces of one name, discovery knows the second by another one.
    second = api.namespace("public_dns", "web.private.test")
    same = api.namespace("http", "web.private")
    everything = {*made.values(), second, same}
    http_name = api.get_namespace(Id=same)["Namespace"]["Properties"]["HttpProperties"]["HttpName"]
    assert http_name != "web.private" and http_name.startswith("web.private"), http_name

    def namespaces(*wanted: tuple[str, ...]) -> set[str]:
        found = [
            {"Name": name, "Values": [value], **({"Condition": condition[0]} if condition else {})}
            for name, value, *condition in wanted
        ]
        return set(ids(pages(api, "list_namespaces", "Namespaces", 2, Filters=found)))

    assert namespaces(("TYPE", "HTTP")) == {made["HTTP"], same}
    assert namespaces(("TYPE", "HTTP", "EQ")) == {made["HTTP"], same}
    assert namespaces(("TYPE", "DNS_PRIVATE")) == {made["DNS_PRIVATE"]}
    assert namespaces(("TYPE", "DNS", "BEGINS_WITH")) == {made["DNS_PRIVATE"], made["DNS_PUBLIC"], second}
    assert namespaces(("NAME", "web.private")) == {made["DNS_PRIVATE"], same}
    assert namespaces(("NAME", "web", "BEGINS_WITH")) == everything - {made["DNS_PUBLIC"]}
    assert namespaces(("HTTP_NAME", "web.private")) == {made["DNS_PRIVATE"]}
    assert namespaces(("HTTP_NAME", http_name)) == {same}
    assert namespaces(("HTTP_NAME", "web.p", "BEGINS_WITH")) == {made["DNS_PRIVATE"], second, same}
    assert namespaces(("RESOURCE_OWNER", "SELF")) == everything
    assert namespaces(("RESOURCE_OWNER", "OTHER_ACCOUNTS")) == set()
    assert namespaces(("TYPE", "HTTP"), ("NAME", "web")) == {made["HTTP"]}, "all must hold"

    namespace = made["DNS_PRIVATE"]
    s1, s2 = api.service(namespace, "s1", DnsConfig=A_10), api.service(made["HTTP"], "s2")
    arn = api.get_namespace(Id=namespace)["Namespace"]["Arn"]

    def services(*wanted: tuple[str, str]) -> set[str]:
        found = [{"Name": name, "Values": [value], "Condition": "EQ"} for name, value in wanted]
        return set(ids(pages(api, "list_services", "Services", 1, Filters=found)))

    assert services(("NAMESPACE_ID", namespace)) == services(("NAMESPACE_ID", arn)) == {s1}
    assert services(("NAMESPACE_ID", second)) == services(("RESOURCE_OWNER", "OTHER_ACCOUNTS")) == set()
    assert services(("RESOURCE_OWNER", "SELF")) == {s1, s2}
    assert services(("RESOURCE_OWNER", "SELF"), ("NAMESPACE_ID", made["HTTP"])) == {s2}

    register = api.register(s1, "i", AWS_INSTANCE_IPV4="192.0.2.1")
    time.sleep(0.01)
    update = api.done(api.update_service(Id=s1, Service={"Description": "d", "DnsConfig": {"DnsRecords": [A_5]}}))
    failed = api.done(api.create_private_dns_namespace(Name="web.private", Vpc="vpc-0abc123def456789"), "FAIL")

    def operations(*wanted: tuple[str, list[str], str]) -> list[str]:
        found = [{"Name": name, "Values": values, "Condition": condition} for name, values, condition in wanted]
        return ids(pages(api, "list_operations", "Operations", 2, Filters=found))

    in_service = operations(("SERVICE_ID", [s1], "EQ"))
    assert in_service == [update["Id"], register["Id"]], "the latest first"
    assert set(operations(("NAMESPACE_ID", [namespace], "EQ"))) >= set(in_service)
    assert operations(("STATUS", ["FAIL"], "EQ"), ("TYPE", ["CREATE_NAMESPACE"], "EQ"))[0] == failed["Id"]
    # The documentation spells it SUCCEED, the model SUCCESS.
    success = operations(("STATUS", ["SUCCESS"], "EQ"))
    assert update["Id"] in success and failed["Id"] not in success
    assert operations(("STATUS", ["SUCCEED"], "EQ")) == success
    both = operations(("STATUS", ["SUCCESS", "FAIL"], "IN"))
    assert {update["Id"], failed["Id"]} <= set(both)
    assert operations(("TYPE", ["UPDATE_SERVICE"], "EQ")) == [update["Id"]]
    assert operations(("TYPE", ["UPDATE_SERVICE", "REGISTER_INSTANCE"], "IN"), ("SERVICE_ID", [s1], "EQ")) == in_service
    assert operations(("TYPE", ["DEREGISTER_INSTANCE"], "EQ"), ("SERVICE_ID", [s1], "EQ")) == []
    then, now = (f"{one['UpdateDate'].timestamp():.3f}" for one in (register, update))
    mine = ("SERVICE_ID", [s1], "EQ")
    assert operations(("UPDATE_DATE", [then, then], "BETWEEN"), mine) == [register["Id"]]
    assert operations(("UPDATE_DATE", [then, now], "BETWEEN"), mine) == in_service

    refused = [
        ("list_namespaces", {"Name": "NAME", "Values": ["a", "b"]}),
        ("list_namespaces", {"Name": "NAME", "Values": ["a"], "Condition": "IN"}),
        ("list_namespaces", {"Name": "TYPE", "Values": ["DNS_HTTP"]}),
        ("list_services", {"Name": "NAMESPACE_ID", "Values": [namespace], "Condition": "BEGINS_WITH"}),
        ("list_services", {"Name": "TYPE", "Values": ["HTTP"]}),
        ("list_operations", {"Name": "STATUS", "Values": ["SUCCESS", "FAIL"]}),
        ("list_operations", {"Name": "UPDATE_DATE", "Values": ["1"], "Condition": "BETWEEN"}),
        ("list_operations", {"Name": "UPDATE_DATE", "Values": ["now", "then"], "Condition": "BETWEEN"}),
    ]
    for call, wanted in refused:
        api.refused("InvalidInput", call, Filters=[wanted])
    api.clear()


if __name__ == "__main__":
    if sys.argv[3:] == ["cbor"]:
        speak_cbor()
    the_api = Api(sys.argv[1], sys.argv[2])
    paging(the_api)
    filters(the_api)

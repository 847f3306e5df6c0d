"""boto3 as the tests use it. Every reply is checked against botocore's model, and what has been seen is kept."""

import io
import json
import subprocess
import time
from typing import Any, Callable

import boto3
import botocore.model
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.parsers import BaseCBORParser

from shapes import faults

# Codes that every AWS service has, beside those of the model ("Common Errors" of the API reference).
COMMON = {
    "AccessDeniedException",
    "InvalidSignatureException",
    "SerializationException",
    "UnrecognizedClientException",
}

A_10 = {"RoutingPolicy": "MULTIVALUE", "DnsRecords": [{"Type": "A", "TTL": 10}]}


def speak_cbor() -> None:
    """From now on, clients speak the other protocol of the model. botocore itself prefers JSON."""
    botocore.model.ServiceModel.resolved_protocol = "smithy-rpc-v2-cbor"  # type: ignore[assignment]


def raw_client(url: str, key: str = "any", secret: str = "any", **options: Any) -> Any:
    """A client whose requests go out once, with their faults, to the endpoint itself."""
    config = Config(
        # Or `DiscoverInstances` would go to `data-` and the endpoint's host.
        inject_host_prefix=False,
        retries={"total_max_attempts": 1},
        max_pool_connections=64,
        parameter_validation=False,
        **options,
    )
    return boto3.session.Session().client(
        "servicediscovery",
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=config,
    )


class Api:
    """A client with what has been seen of the server: pairs of an operation and an error, or `success`."""

    def __init__(self, url: str, dns: str = "", **options: Any) -> None:
        self.dns = dns
        self.client = raw_client(url, **options)
        self.seen: set[tuple[str, str]] = set()
        self.client.meta.events.register("before-parse.servicediscovery", self._check)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return getattr(self.client, name)

    def _check(self, operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:
        """Checks a reply as it has come: botocore would drop what it does not know."""
        headers, status = response_dict["headers"], response_dict["status_code"]
        if headers["content-type"] == "application/cbor":
            assert headers["smithy-protocol"] == "rpc-v2-cbor", headers
            parser = BaseCBORParser(None)
            body = parser.parse_data_item(parser.get_peekable_stream_from_bytes(response_dict["body"]))
        else:
            assert headers["content-type"] == "application/x-amz-json-1.1", headers
            body = json.load(io.BytesIO(response_dict["body"]))
        assert headers["x-amzn-requestid"], headers
        operation = operation_model.name
        if status == 200:
            shape, code = operation_model.output_shape, "success"
            # Without an output there is nothing to say.
            found = list(faults(shape, body, operation)) if shape else [f"{operation}: {key}" for key in body]
        else:
            code = body.pop("__type")
            assert (status, headers["x-amzn-errortype"]) == (400, code), (status, headers)
            shape = next((shape for shape in operation_model.error_shapes if shape.name == code), None)
            assert shape or code in COMMON, f"{operation} has no error {code}: {body}"
            found = list(faults(shape, body, f"{operation} {code}")) if shape else []
            assert body["Message"], body
        assert not found, found
        self.seen.add((operation, code))

    # ---------- Operations

    def done(self, started: dict[str, Any], status: str = "SUCCESS") -> dict[str, Any]:
        """The operation that a call has started, once it has ended with `status`."""
        until = time.monotonic() + 20
        while True:
            operation = self.client.get_operation(OperationId=started["OperationId"])["Operation"]
            if operation["Status"] not in ("SUBMITTED", "PENDING"):
                assert operation["Status"] == status, operation
                return operation
            assert time.monotonic() < until, operation
            time.sleep(0.01)

    def namespace(self, kind: str, name: str, **more: Any) -> str:
        """The id of a new namespace: `http`, `private_dns` or `public_dns`."""
        if kind == "private_dns":
            more.setdefault("Vpc", "vpc-0abc123def456789")
        started = getattr(self.client, f"create_{kind}_namespace")(Name=name, **more)
        operation = self.done(started)
        assert operation["Type"] == "CREATE_NAMESPACE", operation
        return operation["Targets"]["NAMESPACE"]

    def service(self, namespace: str, name: str, **more: Any) -> str:
        """The id of a new service."""
        return self.client.create_service(NamespaceId=namespace, Name=name, **more)["Service"]["Id"]

    def register(self, service: str, instance: str, **attributes: str) -> dict[str, Any]:
        """Registers an instance and waits; returns the operation."""
        started = self.client.register_instance(ServiceId=service, InstanceId=instance, Attributes=attributes)
        operation = self.done(started)
        assert operation["Type"] == "REGISTER_INSTANCE", operation
        assert operation["Targets"] == {"INSTANCE": instance, "SERVICE": service}, operation
        return operation

    def deregister(self, service: str, instance: str) -> None:
        """Deregisters an instance and waits."""
        self.done(self.client.deregister_instance(ServiceId=service, InstanceId=instance))

    def clear(self) -> None:
        """Takes away all there is."""
        for service in self.client.get_paginator("list_services").paginate().search("Services[].Id"):
            pages = self.client.get_paginator("list_instances").paginate(ServiceId=service)
            for instance in list(pages.search("Instances[].Id")):
                self.deregister(service, instance)
            self.client.delete_service(Id=service)
        for namespace in self.client.get_paginator("list_namespaces").paginate().search("Namespaces[].Id"):
            self.done(self.client.delete_namespace(Id=namespace))

    # ---------- Errors

    def refused(self, code: str, operation: str, **request: Any) -> dict[str, Any]:
        """Expects `code` of a call, and returns the error with its members."""
        try:
            got: Any = getattr(self.client, operation)(**request)
        except ClientError as error:
            got = error.response
            if got["Error"]["Code"] == code:
                return got
        raise AssertionError(f"{operation} {request}: not {code} but {got}")

    # ---------- DNS

    def resolve(self, name: str, qtype: str = "A") -> list[tuple[int, str]]:
        """TTLs and data of an answer, in their order in the alphabet."""
        return [(ttl, data) for found, ttl, kind, data in dig(self.dns, name, qtype) if found == name and kind == qtype]

    def addresses(self, name: str) -> list[str]:
        """The addresses of a name."""
        return [data for _, data in self.resolve(name)]

    def status(self, name: str, qtype: str = "A") -> str:
        """The code of a response."""
        text = run_dig(self.dns, name, qtype, "+comments")
        return text.split("status: ")[1].split(",")[0]


def dig(server: str, name: str, qtype: str) -> list[tuple[str, int, str, str]]:
    """What dig finds in the answer section: name, TTL, type, data."""
    lines = (line.split(None, 4) for line in run_dig(server, name, qtype, "+answer").splitlines() if line)
    return sorted((name.rstrip("."), int(ttl), kind, data) for name, ttl, _, kind, data in lines)


def run_dig(server: str, name: str, qtype: str, section: str) -> str:
    """What dig prints."""
    host, _, port = server.rpartition(":")
    command = ["dig", f"@{host}", "-p", port, name, qtype, "+norecurse", "+noall", section, "+tries=1", "+time=5"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout

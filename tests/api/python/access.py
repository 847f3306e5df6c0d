"""A server with keys: whose requests are taken, and which.

    python access.py API

The keys are AKIDWRITE, AKIDREAD (read-only) and AKIDTOKEN (with a session token); their secrets are `secret`.
"""

import sys

import boto3

from cloudmap import Api, raw_client


def main() -> None:
    """Asks with every key, right and wrong."""
    url = sys.argv[1]
    write, read = Api(url, key="AKIDWRITE", secret="secret"), Api(url, key="AKIDREAD", secret="secret")
    namespace = write.namespace("http", "keys")
    service = write.service(namespace, "s")
    write.register(service, "i")

    # A key for reading reads all there is to read, and changes nothing.
    names = {"NamespaceName": "keys", "ServiceName": "s"}
    arn = read.get_service(Id=service)["Service"]["Arn"]
    operation = read.list_operations()["Operations"][0]["Id"]
    requests = {
        "GetNamespace": {"Id": namespace},
        "GetService": {"Id": service},
        "GetOperation": {"OperationId": operation},
        "ListTagsForResource": {"ResourceARN": arn},
        "DiscoverInstances": names,
        "DiscoverInstancesRevision": names,
        "GetInstance": {"ServiceId": service, "InstanceId": "i"},
    }
    for call, operation_name in read.client.meta.method_to_api_mapping.items():
        if operation_name.startswith(("Get", "List", "Discover")):
            takes = read.client.meta.service_model.operation_model(operation_name).input_shape.members
            default = {"ServiceId": service} if "ServiceId" in takes else {}
            getattr(read, call)(**requests.get(operation_name, default))
        else:
            read.refused("AccessDeniedException", call)
    assert write.get_service(Id=service)["Service"]["InstanceCount"] == 1

    wrong = Api(url, key="AKIDWRITE", secret="wrong")
    wrong.refused("InvalidSignatureException", "list_namespaces")
    unknown = Api(url, key="AKIDNOBODY", secret="secret")
    unknown.refused("UnrecognizedClientException", "list_namespaces")
    assert with_token(url, "token") == "taken"
    assert with_token(url, "another") == "UnrecognizedClientException"
    write.clear()


def with_token(url: str, token: str) -> str:
    """What comes of a request with a session token."""
    session = boto3.session.Session(
        aws_access_key_id="AKIDTOKEN", aws_secret_access_key="secret", aws_session_token=token
    )
    client = session.client("servicediscovery", endpoint_url=url, region_name="us-east-1")
    try:
        client.list_namespaces()
        return "taken"
    except client.exceptions.ClientError as error:
        return error.response["Error"]["Code"]


if __name__ == "__main__":
    main()

"""Does to the AWS Cloud Map API what Amazon ECS does for a service with service discovery: see README.md.

    pip install boto3
    AWS_ENDPOINT_URL_SERVICEDISCOVERY=http://127.0.0.1:8300 AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any \\
        AWS_DEFAULT_REGION=us-east-1 python3 examples/ecs/replay.py

`Agent` can also be imported, to drive a test of one's own.
"""

import argparse
import dataclasses
import time
import uuid
from typing import Any

import boto3


@dataclasses.dataclass
class Task:
    """A task of an ECS service in `awsvpc` mode, which has an address of its own."""

    address: str
    zone: str = "us-east-1a"
    # Given for SRV records.
    port: int | None = None
    # Whether the task definition has a container health check.
    has_check: bool = False
    # ECS makes the instance id of the task id.
    id: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex)


class Agent:
    """What ECS calls for the tasks of one service, and when."""

    def __init__(self, client: Any, registry_arn: str, cluster: str = "production", family: str = "api") -> None:
        self.client = client
        # `serviceRegistries[0].registryArn` of the ECS service.
        self.service = registry_arn.rpartition("/")[2]
        self.cluster = cluster
        self.family = family

    def attributes(self, task: Task) -> dict[str, str]:
        """What ECS says of a task."""
        attributes = {
            "AWS_INSTANCE_IPV4": task.address,
            "AVAILABILITY_ZONE": task.zone,
            "REGION": task.zone[:-1],
            "ECS_SERVICE_NAME": self.family,
            "ECS_CLUSTER_NAME": self.cluster,
            "ECS_TASK_DEFINITION_FAMILY": self.family,
            # A task is not sent to before its check has passed.
            "AWS_INIT_HEALTH_STATUS": "UNHEALTHY" if task.has_check else "HEALTHY",
        }
        if task.port is not None:
            attributes["AWS_INSTANCE_PORT"] = str(task.port)
        return attributes

    def activating(self, task: Task) -> None:
        """The task has an address and its containers run: it is registered, and ACTIVATING ends once that is done."""
        started = self.client.register_instance(
            ServiceId=self.service,
            InstanceId=task.id,
            CreatorRequestId=task.id,
            Attributes=self.attributes(task),
        )
        self.wait(started)

    def health(self, task: Task, is_healthy: bool) -> None:
        """The container's health check has a new result."""
        status = "HEALTHY" if is_healthy else "UNHEALTHY"
        self.client.update_instance_custom_health_status(ServiceId=self.service, InstanceId=task.id, Status=status)

    def deactivating(self, task: Task) -> None:
        """The task is to stop: it is deregistered before its containers get SIGTERM. Nobody waits for the TTL."""
        self.wait(self.client.deregister_instance(ServiceId=self.service, InstanceId=task.id))

    def wait(self, started: dict[str, Any]) -> None:
        """Polls an operation until it has ended."""
        while True:
            operation = self.client.get_operation(OperationId=started["OperationId"])["Operation"]
            if operation["Status"] == "SUCCESS":
                return
            if operation["Status"] == "FAIL":
                raise RuntimeError(f"{operation['ErrorCode']}: {operation['ErrorMessage']}")
            time.sleep(0.1)


def create(client: Any, namespace: str, name: str) -> tuple[str, str]:
    """The namespace and the service of the classic example; returns the namespace's id and the service's ARN."""
    started = client.create_private_dns_namespace(Name=namespace, Vpc="vpc-0abc123def456789")
    while True:
        operation = client.get_operation(OperationId=started["OperationId"])["Operation"]
        if operation["Status"] not in ("SUBMITTED", "PENDING"):
            break
        time.sleep(0.1)
    namespace_id = operation["Targets"]["NAMESPACE"]
    service = client.create_service(
        Name=name,
        NamespaceId=namespace_id,
        DnsConfig={"RoutingPolicy": "MULTIVALUE", "DnsRecords": [{"Type": "A", "TTL": 10}]},
        HealthCheckCustomConfig={"FailureThreshold": 1},
    )
    return namespace_id, service["Service"]["Arn"]


def main() -> None:
    """A service of three tasks starts, a deployment replaces one of them, all stop."""
    parser = argparse.ArgumentParser(description="Replays what ECS does for a service with service discovery.")
    parser.add_argument("--namespace", default="ecs.local")
    parser.add_argument("--service", default="api")
    parser.add_argument("--pause", type=float, default=5, help="seconds between the steps (default: 5)")
    options = parser.parse_args()
    client = boto3.client("servicediscovery")
    namespace, arn = create(client, options.namespace, options.service)
    agent = Agent(client, arn, family=options.service)

    def step(text: str) -> None:
        print(text, flush=True)
        time.sleep(options.pause)

    tasks = [Task(f"10.0.1.{n}", zone, has_check=True) for n, zone in ((11, "us-east-1a"), (12, "us-east-1b"))]
    for task in tasks:
        agent.activating(task)
    step("two tasks are registered; their checks have not passed, so that both are answered")
    agent.health(tasks[0], True)
    step("the first is healthy, and answered alone (30 seconds later, unless --custom-health-delay says otherwise)")
    agent.health(tasks[1], True)
    step("both are healthy")

    new = Task("10.0.1.13", has_check=True)
    agent.activating(new)
    agent.health(new, True)
    step("a deployment has started a third task")
    agent.deactivating(tasks[0])
    step("the first is deregistered")

    for task in (tasks[1], new):
        agent.deactivating(task)
    client.delete_service(Id=agent.service)
    agent.wait(client.delete_namespace(Id=namespace))
    print("all tasks have stopped, and nothing is left")


if __name__ == "__main__":
    main()

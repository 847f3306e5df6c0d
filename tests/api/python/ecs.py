"""Drives the agent of examples/ecs through the life of a service, and looks at DNS at each step.

    python ecs.py API DNS DELAY

DELAY is the server's --custom-health-delay in seconds.
"""

import sys
import time
from pathlib import Path

from cloudmap import Api

sys.path.insert(0, str(Path(__file__).parents[3] / "examples/ecs"))

from replay import Agent, Task, create  # noqa: E402


def main() -> None:
    """Activation, health, a deployment, the end."""
    api, delay = Api(sys.argv[1], sys.argv[2]), float(sys.argv[3])
    namespace, arn = create(api.client, "ecs.test", "api")
    agent = Agent(api.client, arn)

    def addresses() -> list[str]:
        return api.addresses("api.ecs.test")

    def turns(wanted: list[str], since: float) -> None:
        """Expects a change of health in DNS after the delay, and not before."""
        before = addresses()
        while addresses() != wanted:
            assert delay, "without a delay it is there at once"
            assert addresses() in (before, wanted)
            assert time.monotonic() - since < delay + 5, addresses()
            time.sleep(0.02)
        assert time.monotonic() - since >= delay, "too early"

    first, second = Task("10.0.1.11", has_check=True), Task("10.0.1.12", has_check=True)
    agent.activating(first)
    agent.activating(second)
    found = api.get_instance(ServiceId=agent.service, InstanceId=first.id)["Instance"]
    assert found["Attributes"] == agent.attributes(first), "attributes come back as ECS has set them"
    assert found["Attributes"]["AWS_INIT_HEALTH_STATUS"] == "UNHEALTHY"
    names = {"NamespaceName": "ecs.test", "ServiceName": "api"}
    assert addresses() == ["10.0.1.11", "10.0.1.12"], "nobody is healthy: DNS gives all"
    assert api.discover_instances(**names)["Instances"] == [], "and discovery none"

    now = time.monotonic()
    agent.health(first, True)
    turns(["10.0.1.11"], now)
    now = time.monotonic()
    agent.health(second, True)
    turns(["10.0.1.11", "10.0.1.12"], now)
    # A status that is taken back within the delay never shows.
    agent.health(first, False)
    agent.health(first, True)
    time.sleep(delay + 0.3 if delay else 0)
    assert addresses() == ["10.0.1.11", "10.0.1.12"]

    # A task without a check is healthy from the start.
    third = Task("10.0.1.13")
    agent.activating(third)
    assert addresses() == ["10.0.1.11", "10.0.1.12", "10.0.1.13"]
    # A registration that ECS repeats is the same one.
    agent.activating(third)
    assert api.discover_instances(**names)["InstancesRevision"] == 3
    by_zone = api.discover_instances(QueryParameters={"AVAILABILITY_ZONE": "us-east-1a"}, **names)
    assert len(by_zone["Instances"]) == 3
    agent.deactivating(first)
    assert addresses() == ["10.0.1.12", "10.0.1.13"], "gone when the operation says so"
    for task in (second, third):
        agent.deactivating(task)
    assert addresses() == []

    # SRV for a task with a port.
    records = [{"Type": "SRV", "TTL": 10}]
    srv = api.service(namespace, "srv", DnsConfig={"DnsRecords": records}, HealthCheckCustomConfig={})
    arn = api.get_service(Id=srv)["Service"]["Arn"]
    agent, task = Agent(api.client, arn), Task("10.0.1.14", port=50051)
    agent.activating(task)
    assert api.resolve("srv.ecs.test", "SRV") == [(10, f"1 1 50051 {task.id}.srv.ecs.test.")]
    assert api.addresses(f"{task.id}.srv.ecs.test") == ["10.0.1.14"]
    agent.deactivating(task)
    api.clear()


if __name__ == "__main__":
    main()

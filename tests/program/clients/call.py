"""gRPC servers, and a client that finds them by name: "a" through addresses, "srv" through SRV records.

Prints the servers that were reached as JSON.
"""

import json
import sys
import time
from concurrent import futures

import grpc

METHOD = "/fingerpost.test.Who/Am"


def serve(address):
    """Starts a server that says its own address to whoever calls."""
    handler = grpc.method_handlers_generic_handler(
        "fingerpost.test.Who",
        {"Am": grpc.unary_unary_rpc_method_handler(lambda request, context: address.encode())},
    )
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    server.add_generic_rpc_handlers((handler,))
    assert server.add_insecure_port(address) != 0
    server.start()
    return server


def call(channel):
    """Who answers."""
    return channel.unary_unary(METHOD)(b"", timeout=10, wait_for_ready=True).decode()


def reach_through_addresses():
    """One channel, which gRPC's own resolver spreads over all addresses of the name."""
    options = [("grpc.lb_policy_name", "round_robin")]
    with grpc.insecure_channel("dns:///orders.production.local:50051", options=options) as channel:
        reached = set()
        # It may begin with the first connection that stands; the other one follows.
        until = time.monotonic() + 10
        while len(reached) < 2 and time.monotonic() < until:
            reached.add(call(channel))
        return reached


def reach_through_srv():
    """A channel for each target and port of the SRV records."""
    import dns.resolver

    reached = set()
    for record in dns.resolver.resolve("billing.production.local", "SRV"):
        with grpc.insecure_channel(f"dns:///{record.target.to_text(True)}:{record.port}") as channel:
            reached.add(call(channel))
    return reached


how = sys.argv[1]
addresses = {
    "a": ["127.0.0.21:50051", "127.0.0.22:50051"],
    "srv": ["127.0.0.23:50052", "127.0.0.24:50053"],
}
servers = [serve(address) for address in addresses[how]]
reached = {"a": reach_through_addresses, "srv": reach_through_srv}[how]()
for server in servers:
    server.stop(0)
print(json.dumps(sorted(reached)))

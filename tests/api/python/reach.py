"""Three HTTP servers, registered through the API, and clients that know them by name alone.

    python reach.py API

Runs where `resolv.conf` leads to the server. Prints what the Node client is built on.
"""

import collections
import http.server
import json
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Callable

from cloudmap import Api

URL = "http://api.production.local:8080/"
ADDRESSES = ["127.0.0.11", "127.0.0.12", "127.0.0.13"]
TTL = 1
# That one of three gets none of so many happens once in 10^10 times.
REQUESTS = 60

Counts = dict[str, int]


class Who(http.server.BaseHTTPRequestHandler):
    """Says its own address to whoever asks, and closes the connection, so that each request looks for a server."""

    def do_GET(self) -> None:  # noqa: N802, the name is the base class's
        body = str(self.server.server_address[0]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def ask_from_python() -> Counts:
    """Who answers, through getaddrinfo."""
    return collections.Counter(urllib.request.urlopen(URL, timeout=5).read().decode() for _ in range(REQUESTS))


def ask_from_node() -> Counts:
    """Who answers, through axios where it is installed."""
    script = Path(__file__).parents[1] / "reach.js"
    command = ["node", str(script), URL, str(REQUESTS)]
    said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=15).stdout)
    ask_from_node.through = said["through"]  # type: ignore[attr-defined]
    return said["counts"]


def main() -> None:
    """Registers, asks, deregisters, asks again."""
    servers = [http.server.ThreadingHTTPServer((address, 8080), Who) for address in ADDRESSES]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    api = Api(sys.argv[1])
    namespace = api.namespace("private_dns", "production.local")
    config = {"RoutingPolicy": "MULTIVALUE", "DnsRecords": [{"Type": "A", "TTL": TTL}]}
    service = api.service(namespace, "api", DnsConfig=config)
    for number, address in enumerate(ADDRESSES):
        api.register(service, f"task-{number}", AWS_INSTANCE_IPV4=address, AWS_INSTANCE_PORT="8080")

    clients: list[Callable[[], Counts]] = [ask_from_python, ask_from_node]
    for ask in clients:
        counts = ask()
        assert sorted(counts) == ADDRESSES, (ask, counts)
        assert sum(counts.values()) == REQUESTS, (ask, counts)
    api.deregister(service, "task-1")
    time.sleep(TTL)
    # It still listens: only its name has gone.
    for ask in clients:
        counts = ask()
        assert sorted(counts) == [ADDRESSES[0], ADDRESSES[2]], (ask, counts)
    print(ask_from_node.through)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()

"""Resolves names of the example as a Python program does; prints what it found as JSON."""

import json
import socket


def resolve(name, family=socket.AF_UNSPEC):
    """The addresses of a name in the order of the resolver, or the name of its error."""
    try:
        found = socket.getaddrinfo(name, 8080, family, socket.SOCK_STREAM)
    except socket.gaierror as error:
        names = (key for key in dir(socket) if key.startswith("EAI_"))
        return next(key for key in names if getattr(socket, key) == error.errno)
    assert all(address[1] == 8080 for *_, address in found)
    return [address[0] for *_, address in found]


print(
    json.dumps(
        {
            "api": [resolve("api.production.local") for _ in range(40)],
            "search": sorted(resolve("api")),
            "both families": sorted(resolve("web.production.local")),
            "IPv6 only": resolve("web.production.local", socket.AF_INET6),
            "nobody": resolve("nobody.production.local"),
            "other type": resolve("api.production.local", socket.AF_INET6),
        }
    )
)

"""A follower that does not read: the server's memory stays bounded, nobody else waits, and it is sent all of it anew."""

import pathlib
import sys

from registry import Follower, apply, connect, fresh, in_background, pb, put, put_namespace, put_service

server, pid = sys.argv[1:]
stub = connect(server)
COUNT, ROUNDS = 2000, 150


def resident():
    """Octets of memory that the server has."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1]) << 10


apply(stub, put_namespace("slow.local"), put_service("api.slow.local"))


def requests(rounds):
    for number in range(rounds):
        yield pb.ApplyRequest(
            sequence=number,
            commands=[put("api.slow.local", f"i-{at}", f"10.{number & 255}.{at >> 8}.{at & 255}") for at in range(COUNT)],
        )


def push(rounds):
    replies = list(stub.Apply(requests(rounds)))
    assert len(replies) == rounds and not any(reply.faults for reply in replies)
    return replies[-1].revision


# The change log is full before anything is measured.
push(60)
# With windows that do not grow, so that little is on its way to them.
options = [("grpc.http2.bdp_probe", 0), ("grpc.use_local_subchannel_pool", 1)]
slow = [Follower(connect(server, options=options), node=f"slow-{number}").until(lambda follower: follower.is_whole) for number in range(5)]
quick = Follower(connect(server), node="quick").until(lambda follower: follower.is_whole)
keeping_up = in_background(lambda: quick.until(lambda follower: len(follower.instances) == COUNT + 1))
before = resident()
push(ROUNDS)
after = resident()
assert after - before < 64 << 20, f"{before >> 20} MiB grew to {after >> 20} MiB while {ROUNDS * COUNT} changes were made"
revision = apply(stub, put("api.slow.local", "last", "10.255.255.255"))
expected = fresh(stub)
keeping_up()
for follower in [*slow, quick]:
    follower.reach(revision)
    assert follower.held() == expected.held() and follower.state_hash == expected.state_hash
assert quick.full_states == 1
assert all(follower.full_states == 2 for follower in slow), [follower.full_states for follower in slow]
print(f"{before >> 20} MiB, {after >> 20} MiB")
for follower in [*slow, quick]:
    follower.close()

"""Draining while DNS is asked: no answer has the instance after the reply, and the time given is the right one."""

import sys
import threading
import time

import grpc
from registry import PATIENCE, Follower, addresses, apply, connect, fails, name, pb, put, put_namespace, put_service

server, dns = sys.argv[1:]
stub = connect(server)
apply(
    stub,
    put_namespace("drain.local"),
    put_service("api.drain.local", (pb.RECORD_TYPE_A, 1), (pb.RECORD_TYPE_SRV, 2)),
    *[put("api.drain.local", f"i-{at}", f"10.0.0.{at}", AWS_INSTANCE_PORT="80") for at in range(1, 6)],
)
answers, stop = [], threading.Event()


def ask():
    while not stop.is_set():
        begun = time.monotonic()
        answers.append((begun, addresses(dns, "api.drain.local")))


asking = threading.Thread(target=ask, daemon=True)
asking.start()
while len(answers) < 20:
    time.sleep(0.01)


def drain(id, **more):
    return stub.Drain(pb.DrainRequest(service=name("api.drain.local"), id=id, **more), timeout=PATIENCE)


for id, more in [("i-1", {}), ("i-2", {"deregister": True})]:
    begun = time.time()
    replies = drain(id, **more)
    first = next(replies)
    drained = time.monotonic()
    assert first.ttl == 2 and not first.safe and first.safe_to_stop_at >= (begun + 2) * 1000, first
    while not first.visible:
        first = next(replies)
        drained = time.monotonic()
    rest = list(replies)
    ended = time.time()
    assert [reply.safe for reply in rest] == [True] and rest[0].visible and not rest[0].waiting_for, rest
    assert rest[0].safe_to_stop_at <= ended * 1000 < rest[0].safe_to_stop_at + 1500, (rest[0], ended)
    assert 2 <= ended - begun < 5, ended - begun
    address = f"10.0.0.{id[-1]}"
    before = [address in found for at, found in answers if at < drained]
    after = [at for at, _ in answers if at > drained]
    late = [at - drained for at, found in answers if at > drained and address in found]
    assert any(before) and after and not late, (len(before), len(after), late[:3], late[-3:])
    # Whoever holds an SRV record of it may still ask where it is.
    assert addresses(dns, f"{id}.api.drain.local") == ([] if more else [address])
stop.set()
asking.join()

# It stays registered unless asked to go; registered again, it answers again.
follower = Follower(stub).until(lambda follower: follower.is_whole)
assert {key[1]: one.draining for key, one in follower.instances.items()} == {"i-1": True, "i-3": False, "i-4": False, "i-5": False}
apply(stub, put("api.drain.local", "i-1", "10.0.0.1", AWS_INSTANCE_PORT="80"))
assert "10.0.0.1" in addresses(dns, "api.drain.local")

# A connected follower has to leave the old revision, too.
replies = drain("i-3")
first = next(replies)
assert not first.visible and list(first.waiting_for) == ["test"], first
follower.reach(first.revision)
shown = time.time()
follower.report()
last = list(replies)[-1]
assert last.safe and last.safe_to_stop_at >= (shown + 2) * 1000 - 50, (last, shown)

# One that is gone is not waited for.
replies = drain("i-4")
assert not next(replies).visible
follower.close()
assert list(replies)[-1].safe

fails(grpc.StatusCode.NOT_FOUND, "i-9", lambda: next(drain("i-9")))
fails(grpc.StatusCode.INVALID_ARGUMENT, "instance id", lambda: next(drain("a b")))
absent = pb.DrainRequest(service=name("none.drain.local"), id="i")
fails(grpc.StatusCode.NOT_FOUND, "there is no service none.drain.local", lambda: next(stub.Drain(absent)))

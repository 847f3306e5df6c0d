"""Followers: a full state, changes, a filter, resuming, heartbeats, and what they report."""

import sys

import grpc
from registry import Follower, addresses, apply, connect, fails, fresh, in_background, name, pb, put, put_namespace, put_service, remove

server, dns = sys.argv[1:]
stub, other = connect(server), connect(server)

apply(stub, put_namespace("one.local"), put_namespace("two.local"), put_service("api.one.local"), put_service("api.two.local"))
full = [put("api.one.local", f"i-{number}", f"10.0.{number >> 8}.{number & 255}", note="x" * 100) for number in range(6000)]
apply(stub, *full)

# A full state comes in chunks, then what changes; what DNS does not need is left out.
follower = Follower(stub).until(lambda follower: follower.is_whole)
assert follower.messages > 1 and follower.largest < 256 << 10, (follower.messages, follower.largest)
assert len(follower.namespaces) == 2 and len(follower.instances) == 6000
assert {len(one.attributes) for one in follower.instances.values()} == {2}
revision = apply(
    stub,
    remove("api.one.local", "i-0"),
    put("api.one.local", "i-1", "10.9.9.9"),
    put_namespace("three.local"),
    put_service("web.three.local", attributes={"FINGERPOST_LIMIT": "3", "other": "x"}),
    put("web.three.local", "w", "10.3.0.1", FINGERPOST_LEASE="600"),
)
follower.reach(revision)
assert len(follower.instances) == 6000
changed = next(one for (_, id), one in follower.instances.items() if id == "i-1")
assert list(changed.attributes) == ["AWS_INSTANCE_IPV4", "10.9.9.9"]
web = next(one for one in follower.services.values() if one.name == "web")
assert list(web.attributes) == ["FINGERPOST_LIMIT", "3"]

# What went and came again is in both lists.
drop = pb.Command(remove_service=pb.RemoveService(service=name("web.three.local")))
apply(stub, remove("web.three.local", "w"), drop)
revision = apply(stub, put_service("web.three.local"), put("web.three.local", "v", "10.3.0.2"))
follower.reach(revision)
whole = fresh(stub)
assert follower.held() == whole.held() and follower.state_hash == whole.state_hash

# Some namespaces alone, by name in any case or by id, also one that comes later.
two = next(one.id for one in whole.namespaces.values() if one.name == "two.local")
some = Follower(stub, ["ns-" + two.decode(), "Late.local"]).until(lambda follower: follower.is_whole)
assert [one.name for one in some.namespaces.values()] == ["two.local"] and len(some.services) == 1
apply(stub, put("api.one.local", "i-2", "10.9.9.8"))
revision = apply(stub, put_namespace("late.local"), put_service("api.late.local"), put("api.late.local", "l", "10.4.0.1"))
some.reach(revision)
assert len(some.namespaces) == 2 and len(some.instances) == 1 and some.full_states == 1
assert some.held() == fresh(stub, ["two.local", "late.local"]).held()
messages = some.messages
revision = apply(stub, put("api.one.local", "i-2", "10.9.9.7"))
some.reach(revision)
assert some.heartbeats > 0 and some.messages > messages, "a heartbeat tells that nothing concerned it"

# Going on after a revision, with the right state hash; with a wrong one, everything comes again.
follower.reach(revision)
held, state_hash = follower.held(), follower.state_hash
follower.close()
last = apply(stub, put("api.one.local", "i-3", "10.9.9.6"), remove("api.one.local", "i-4"))
back = Follower(stub, revision=revision, state_hash=state_hash, state=held).reach(last)
assert back.full_states == 0 and back.held() == fresh(stub).held()
back.close()
wrong = Follower(stub, revision=revision, state_hash=state_hash ^ 1).reach(last)
assert wrong.full_states == 1 and wrong.held() == fresh(stub).held()
future = Follower(stub, revision=last + 1000, state_hash=1).reach(last)
assert future.full_states == 1
future.close()
narrow = some.held()
some.close()
some = Follower(stub, ["two.local", "late.local"], revision, some.state_hash, state=narrow)
revision = apply(stub, put("api.two.local", "t", "10.5.0.1"))
some.reach(revision)
assert some.full_states == 0 and len(some.instances) == 2

# What they report is what is waited for: `wrong` and `some` are connected and have not said a word.
waiting = pb.WaitVisibleRequest(revision=revision, followers=True, timeout_milliseconds=300)
fails(grpc.StatusCode.DEADLINE_EXCEEDED, "2 followers do not show it yet: test, test", lambda: other.WaitVisible(waiting))
assert other.WaitVisible(pb.WaitVisibleRequest(revision=revision)).followers == 0
waiting.timeout_milliseconds = 10_000
result = in_background(lambda: other.WaitVisible(waiting))
wrong.reach(revision)
wrong.report()
some.report()
reply = result()
assert reply.followers == 2 and reply.revision >= revision, reply
# A revision that does not concern one of them is shown by it at once, without another report.
revision = apply(stub, put("api.one.local", "i-5", "10.9.9.5"))
wrong.reach(revision)
wrong.report()
assert other.WaitVisible(pb.WaitVisibleRequest(followers=True, timeout_milliseconds=1000)).followers == 2
wrong.close()
# Who only listens is not waited for, nor who is gone.
listener = stub.Follow(iter([pb.FollowRequest(node="listener")]))
next(listener)
revision = apply(stub, put("api.two.local", "t", "10.5.0.2"))
some.reach(revision)
some.report()
reply = other.WaitVisible(pb.WaitVisibleRequest(followers=True, timeout_milliseconds=5000))
assert reply.followers == 1, reply
fails(grpc.StatusCode.DEADLINE_EXCEEDED, "this node shows", lambda: other.WaitVisible(pb.WaitVisibleRequest(revision=10**6, timeout_milliseconds=50)))
fails(grpc.StatusCode.INVALID_ARGUMENT, "node: ", lambda: next(stub.Follow(iter([pb.FollowRequest(node="a b")]))))
some.close()
listener.cancel()

"""Tokens: what each of them allows, and in which namespaces."""

import sys

import grpc
from registry import Follower, apply, connect, fails, fresh, name, pb, put, put_namespace, put_service

(server,) = sys.argv[1:]
FORBIDDEN, UNKNOWN = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED
writer, reader, sidecar, team = (
    connect(server, f"{who}-0123456789abcdef") for who in ["writer", "reader", "sidecar", "team"]
)
apply(
    writer,
    put_namespace("mine.local"),
    put_namespace("sub-mine.local"),
    put_namespace("other.local"),
    put_service("api.mine.local"),
    put_service("api.other.local"),
    put("api.other.local", "o", "10.0.0.1"),
)
everything = fresh(writer)
ids = {one.name: "ns-" + one.id.decode() for one in everything.namespaces.values()}
services = {
    everything.namespaces[one.namespace].name: "srv-" + one.id.decode() for one in everything.services.values()
}

# Who is not known gets nowhere.
wait = pb.WaitVisibleRequest()
fails(UNKNOWN, "a token is needed", lambda: connect(server).WaitVisible(wait))
fails(UNKNOWN, "not known", lambda: connect(server, "writer-0123456789abcdeF").WaitVisible(wait))
fails(UNKNOWN, "not known", lambda: connect(server).WaitVisible(wait, metadata=[("authorization", "Basic eA==")]))
twice = [("authorization", "Bearer writer-0123456789abcdef")] * 2
fails(UNKNOWN, "one header", lambda: connect(server).WaitVisible(wait, metadata=twice))
fails(UNKNOWN, "a token is needed", lambda: next(connect(server).Follow(iter([pb.FollowRequest()]))))

# What each of them allows.
empty = pb.ApplyRequest()
gone = pb.DrainRequest(service=name("api.mine.local"), id="i")
reader.WaitVisible(wait)
assert len(fresh(reader).namespaces) == 3 and len(fresh(sidecar).namespaces) == 1
fails(FORBIDDEN, "the token reader is for read-only", lambda: reader.ApplyOnce(empty))
fails(FORBIDDEN, "may not ask for Apply", lambda: list(reader.Apply(iter([empty]))))
fails(FORBIDDEN, "may not ask for Drain", lambda: list(reader.Drain(gone)))
fails(FORBIDDEN, "the token sidecar is for follow", lambda: sidecar.WaitVisible(wait))
fails(FORBIDDEN, "may not ask for ApplyOnce", lambda: sidecar.ApplyOnce(empty))

# Within its namespaces a token changes what it likes, and nothing beyond them, however that is named.
def refused(command):
    reply = team.ApplyOnce(pb.ApplyRequest(commands=[command]))
    codes = [fault.code for fault in reply.faults]
    assert codes == [pb.FAULT_CODE_FORBIDDEN], (command, reply)


apply(team, put("api.mine.local", "m", "10.0.0.2"), put("Api.Mine.Local.", "n", "10.0.0.3"))
apply(team, put_namespace("MINE.local", description="ours"), put_namespace("new.local"), put_service("a.new.local"))
by_id = pb.ServiceName(service=services["mine.local"])
within = pb.ServiceName(service="api", namespace=ids["mine.local"])
for who in [by_id, within]:
    apply(team, pb.Command(put_instance=pb.PutInstance(service=who, id="m", attributes={"AWS_INSTANCE_IPV4": "10.0.0.4"})))
for command in [
    put("api.other.local", "x", "10.0.0.9"),
    put_namespace("other.local", description="taken"),
    put_namespace("x.new.local"),
    put_namespace("New.local", type=pb.NAMESPACE_TYPE_HTTP),
    put_service("b.other.local"),
    put_service("api.sub-mine.local"),
    pb.Command(remove_namespace=pb.RemoveNamespace(namespace="other.local")),
    pb.Command(remove_namespace=pb.RemoveNamespace(namespace=ids["other.local"])),
    pb.Command(remove_service=pb.RemoveService(service=pb.ServiceName(service=services["other.local"]))),
    pb.Command(remove_service=pb.RemoveService(service=pb.ServiceName(service=services["other.local"], namespace="mine.local"))),
    pb.Command(put_service=pb.PutService(service=pb.ServiceName(service="api", namespace=ids["sub-mine.local"]))),
    pb.Command(put_service=pb.PutService(service=pb.ServiceName(service="api", namespace="sub-mine.local"))),
    pb.Command(set_health=pb.SetHealth(service=name("api.other.local"), id="o", status=1)),
    pb.Command(renew_lease=pb.RenewLease(service=name("api.other.local"), id="o")),
    pb.Command(remove_instance=pb.RemoveInstance(service=name("api.other.local"), id="o")),
]:
    refused(command)
fails(FORBIDDEN, "not in the namespaces", lambda: next(team.Drain(pb.DrainRequest(service=name("api.other.local"), id="o"))))
after = fresh(writer)
assert not [one for one in after.services.values() if after.namespaces[one.namespace].name == "sub-mine.local"]
assert len([one for one in after.instances.values() if one.id == "o" and not one.draining]) == 1

# A follower sees its own alone, and may not ask for others.
seen = fresh(team)
assert {one.name for one in seen.namespaces.values()} == {"mine.local", "new.local"}, seen.namespaces
assert {one.name for one in fresh(team, ["new.local"]).namespaces.values()} == {"new.local"}
for beyond in ["other.local", ids["other.local"], "none.local", "sub-mine.local"]:
    fails(FORBIDDEN, "is not in the namespaces of the token", lambda: fresh(team, ["mine.local", beyond]))
follower = Follower(team).until(lambda follower: follower.is_whole)
hash_before = follower.state_hash
apply(writer, put("api.other.local", "p", "10.0.0.5"))
revision = apply(writer, put("api.mine.local", "q", "10.0.0.6"))
follower.reach(revision)
assert follower.state_hash != hash_before and len(follower.instances) == len(seen.instances) + 1
assert follower.held() == fresh(team).held()
follower.close()

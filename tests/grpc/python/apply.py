"""A stream of batches: good and bad commands, replies in order, and what they promise in DNS."""

import sys

import grpc
from registry import PATIENCE, addresses, apply, connect, fails, name, pb, put, put_namespace, put_service, remove

server, dns = sys.argv[1:]
stub = connect(server)


def requests():
    yield pb.ApplyRequest(
        sequence=7,
        commands=[
            put_namespace("apply.local"),
            put_service("api.apply.local"),
            put("api.apply.local", "one", "10.0.0.1"),
            put("api.apply.local", "b a d", "10.0.0.2"),
            put("api.apply.local", "two", "10.0.0.256"),
            pb.Command(),
            put("none.apply.local", "one", "10.0.0.3"),
            put("api.apply.local", "three", "10.0.0.3"),
            pb.Command(set_health=pb.SetHealth(service=name("api.apply.local"), id="one", status=1)),
        ],
    )
    yield pb.ApplyRequest(sequence=8)
    for number in range(1000):
        yield pb.ApplyRequest(sequence=9 + number, commands=[put("api.apply.local", "one", f"10.1.{number >> 8}.{number & 255}")])


replies = stub.Apply(requests(), timeout=PATIENCE)
first = next(replies)
faults = {fault.index: (pb.FaultCode.Name(fault.code), fault.message) for fault in first.faults}
assert first.sequence == 7 and list(faults) == [3, 4, 5, 6, 8], faults
assert faults[3][0] == "FAULT_CODE_INVALID" and '"b a d" is not an instance id' in faults[3][1], faults
assert "10.0.0.256" in faults[4][1] and "empty" in faults[5][1], faults
assert faults[6] == ("FAULT_CODE_NOT_FOUND", "there is no service none.apply.local"), faults
assert faults[8][0] == "FAULT_CODE_INVALID" and "no custom health check" in faults[8][1], faults
assert next(replies).sequence == 8
revisions = [first.revision]
for number in range(1000):
    reply = next(replies)
    assert reply.sequence == 9 + number and not reply.faults, reply
    revisions.append(reply.revision)
assert revisions == sorted(revisions)
assert addresses(dns, "api.apply.local") == ["10.0.0.3", "10.1.3.231"]

# To send it again does no harm, and makes no revision.
again = [put_namespace("apply.local"), put_service("api.apply.local"), put("api.apply.local", "three", "10.0.0.3")]
assert apply(stub, *again) == revisions[-1]

# Everything that can be put can be taken away, and what is gone already is no fault.
for _ in range(2):
    apply(stub, remove("api.apply.local", "one"), remove("api.apply.local", "three"))
    assert addresses(dns, "api.apply.local") == []
in_use = stub.ApplyOnce(pb.ApplyRequest(commands=[pb.Command(remove_namespace=pb.RemoveNamespace(namespace="apply.local"))]))
assert [fault.code for fault in in_use.faults] == [pb.FAULT_CODE_CONFLICT], in_use
for _ in range(2):
    apply(
        stub,
        pb.Command(remove_service=pb.RemoveService(service=name("api.apply.local"))),
        pb.Command(remove_namespace=pb.RemoveNamespace(namespace="apply.local")),
    )

# Limits.
many = pb.ApplyRequest(commands=[pb.Command()] * 10_001)
fails(grpc.StatusCode.INVALID_ARGUMENT, "allowed are 10000", lambda: stub.ApplyOnce(many))
fails(grpc.StatusCode.INVALID_ARGUMENT, "allowed are 10000", lambda: list(stub.Apply(iter([many]))))
large = pb.ApplyRequest(commands=[put_service("a.b", description="x" * (5 << 20))])
fails(grpc.StatusCode.OUT_OF_RANGE, "", lambda: stub.ApplyOnce(large))
fails(grpc.StatusCode.UNIMPLEMENTED, "", lambda: stub.Explain(pb.ExplainRequest(name="a")))

"""What the scripts of these tests share: the protocol as Python has it, commands, a follower, and DNS."""

import atexit
import pathlib
import queue
import shutil
import sys
import tempfile
import threading
import time

import dns.message
import dns.query
import dns.rdatatype
import grpc
from grpc_tools import protoc

PROTO = pathlib.Path(__file__).parents[3] / "proto"
PATIENCE = 20


def compile_proto():
    """Makes Python modules of the protocol's file, as any client of it would."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    file = "fingerpost/v1/registry.proto"
    code = protoc.main(["protoc", f"-I{PROTO}", f"--python_out={folder}", f"--grpc_python_out={folder}", file])
    assert code == 0, code
    sys.path.insert(0, folder)


compile_proto()
from fingerpost.v1 import registry_pb2 as pb  # noqa: E402
from fingerpost.v1 import registry_pb2_grpc as rpc  # noqa: E402


def connect(address, token=None, options=None):
    """A stub of the server at `address`."""
    stub = rpc.RegistryStub(grpc.insecure_channel(address, options=options))
    return WithToken(stub, token) if token else stub


class WithToken:
    """A stub that shows a token with every call."""

    def __init__(self, stub, token):
        self.stub, self.metadata = stub, [("authorization", f"Bearer {token}")]

    def __getattr__(self, name):
        method = getattr(self.stub, name)
        return lambda request, **more: method(request, metadata=self.metadata, **more)


def fails(code, words, call):
    """`call` fails with this code and these words."""
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == code, f"{error.code()}: {error.details()}"
        assert words in error.details(), error.details()
        return
    raise AssertionError(f"it should fail with {code}")


# Commands --------------------------------------------------------------------


def name(text):
    return pb.ServiceName(service=text)


def put_namespace(text, **more):
    return pb.Command(put_namespace=pb.PutNamespace(name=text, **more))


def put_service(text, *records, **more):
    records = [pb.DnsRecord(type=kind, ttl=ttl) for kind, ttl in records or [(pb.RECORD_TYPE_A, 5)]]
    return pb.Command(put_service=pb.PutService(service=name(text), dns_records=records, **more))


def put(service, id, address, **more):
    attributes = {"AWS_INSTANCE_IPV4": address, **more}
    return pb.Command(put_instance=pb.PutInstance(service=name(service), id=id, attributes=attributes))


def remove(service, id):
    return pb.Command(remove_instance=pb.RemoveInstance(service=name(service), id=id))


def apply(stub, *commands):
    """Applies commands, none of which may be refused; returns the revision."""
    reply = stub.ApplyOnce(pb.ApplyRequest(commands=commands), timeout=PATIENCE)
    assert not reply.faults, reply.faults
    return reply.revision


# DNS -------------------------------------------------------------------------


def addresses(server, owner, kind="A"):
    """What the server at `server` answers for `owner`, sorted."""
    host, port = server.rsplit(":", 1)
    query = dns.message.make_query(owner, kind)
    response = dns.query.udp(query, host, timeout=5, port=int(port))
    wanted = dns.rdatatype.from_text(kind)
    return sorted(str(data) for rrset in response.answer if rrset.rdtype == wanted for data in rrset)


# Following -------------------------------------------------------------------


class Follower:
    """Holds what a stream told, and checks what every message promises."""

    def __init__(self, stub, namespaces=(), revision=0, state_hash=0, node="test", state=None):
        self.requests = queue.Queue()
        first = pb.FollowRequest(namespaces=namespaces, from_revision=revision, state_hash=state_hash, node=node)
        self.requests.put(first)
        self.stream = stub.Follow(iter(self.requests.get, None))
        self.revision, self.state_hash = revision, state_hash
        self.namespaces, self.services, self.instances = state or ({}, {}, {})
        self.full_states = self.heartbeats = self.messages = 0
        self.is_whole = state is not None
        self.largest = 0

    def next(self):
        """Takes one message."""
        reply = next(self.stream)
        self.messages += 1
        self.largest = max(self.largest, reply.ByteSize())
        kind = reply.WhichOneof("event")
        getattr(self, kind)(getattr(reply, kind))
        return kind

    def state(self, chunk):
        if chunk.first:
            self.namespaces, self.services, self.instances = {}, {}, {}
            self.is_whole = False
            self.full_states += 1
        self.put(chunk)
        if chunk.last:
            self.is_whole = True
            self.revision, self.state_hash = chunk.revision, chunk.state_hash

    def changes(self, changes):
        assert self.is_whole and changes.revision > self.revision, (changes.revision, self.revision)
        for id in changes.removed_namespaces:
            del self.namespaces[id]
            for service in [key for key, one in self.services.items() if one.namespace == id]:
                self.remove_service(service)
        for id in changes.removed_services:
            if id in self.services:
                self.remove_service(id)
        for one in changes.removed_instances:
            del self.instances[one.service, one.id]
        self.put(changes)
        if not changes.more:
            self.revision, self.state_hash = changes.revision, changes.state_hash

    def heartbeat(self, heartbeat):
        assert heartbeat.revision >= self.revision and heartbeat.state_hash == self.state_hash
        self.heartbeats += 1
        self.revision = heartbeat.revision

    def put(self, message):
        for one in message.namespaces:
            one.serial = 0
            self.namespaces[one.id] = one
        for one in message.services:
            assert one.namespace in self.namespaces
            self.services[one.id] = one
        for one in message.instances:
            assert one.service in self.services
            self.instances[one.service, one.id] = one

    def remove_service(self, id):
        del self.services[id]
        for key in [key for key in self.instances if key[0] == id]:
            del self.instances[key]

    def until(self, holds):
        """Takes messages until something holds."""
        end = time.monotonic() + 5 * PATIENCE
        while not holds(self):
            self.next()
            assert time.monotonic() < end, "it never holds"
        return self

    def reach(self, revision):
        return self.until(lambda follower: follower.is_whole and follower.revision >= revision)

    def report(self):
        """Says that all it has shows."""
        self.requests.put(pb.FollowRequest(visible_revision=self.revision))

    def held(self):
        return self.namespaces, self.services, self.instances

    def close(self):
        """Ends the stream. The interpreter may wait for ever at its end for one that goes on."""
        self.stream.cancel()
        self.requests.put(None)


def fresh(stub, namespaces=()):
    """What a new follower is told."""
    follower = Follower(stub, namespaces).until(lambda follower: follower.is_whole)
    follower.close()
    return follower


def in_background(work):
    """Runs `work` in a thread; the result waits for it and returns what it returned."""
    box = []

    def run():
        try:
            box.append((work(), None))
        except Exception as error:  # noqa: BLE001
            box.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def wait():
        thread.join(5 * PATIENCE)
        assert box, "it does not end"
        result, error = box[0]
        if error:
            raise error
        return result

    return wait

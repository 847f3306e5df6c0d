"""A token that is taken away while its streams last: they end. Says `ready`, then waits for the end."""

import queue
import sys

import grpc
from registry import Follower, connect, fails, pb

(server,) = sys.argv[1:]
stub = connect(server, "team-0123456789abcdef")
follower = Follower(stub).until(lambda follower: follower.is_whole)
requests = queue.Queue()
replies = stub.Apply(iter(requests.get, None))
requests.put(pb.ApplyRequest(sequence=1))
assert next(replies).sequence == 1
print("ready", flush=True)
sys.stdin.readline()
fails(grpc.StatusCode.UNAUTHENTICATED, "the token team has changed or is gone", lambda: follower.until(lambda _: False))
requests.put(pb.ApplyRequest(sequence=2))
fails(grpc.StatusCode.UNAUTHENTICATED, "the token team has changed or is gone", lambda: next(replies))
requests.put(None)
follower.close()

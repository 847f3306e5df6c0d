"""TLS: who has a certificate of the authority gets in, and nobody else."""

import pathlib
import sys

import grpc
from registry import PATIENCE, fails, pb, rpc

server, folder = sys.argv[1], pathlib.Path(sys.argv[2])
read = lambda name: (folder / name).read_bytes()  # noqa: E731
wait = pb.WaitVisibleRequest()


def ask(credentials):
    with grpc.secure_channel(f"localhost:{server.rsplit(':', 1)[1]}", credentials) as channel:
        return rpc.RegistryStub(channel).WaitVisible(wait, timeout=PATIENCE)


def credentials(who):
    return grpc.ssl_channel_credentials(read("server-ca.pem"), read(f"{who}.key"), read(f"{who}.pem"))


ask(credentials("client"))
fails(grpc.StatusCode.UNAVAILABLE, "", lambda: ask(credentials("stranger")))
fails(grpc.StatusCode.UNAVAILABLE, "", lambda: ask(grpc.ssl_channel_credentials(read("server-ca.pem"))))
fails(grpc.StatusCode.UNAVAILABLE, "", lambda: rpc.RegistryStub(grpc.insecure_channel(server)).WaitVisible(wait, timeout=PATIENCE))

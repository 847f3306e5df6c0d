"""Health checking and reflection, by gRPC's own packages."""

import sys

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

(server,) = sys.argv[1:]
channel = grpc.insecure_channel(server)
health = health_pb2_grpc.HealthStub(channel)
for service in ["", "fingerpost.v1.Registry"]:
    watch = health.Watch(health_pb2.HealthCheckRequest(service=service))
    for reply in watch:
        if reply.status == health_pb2.HealthCheckResponse.SERVING:
            break
    assert health.Check(health_pb2.HealthCheckRequest(service=service)).status == health_pb2.HealthCheckResponse.SERVING

database = ProtoReflectionDescriptorDatabase(channel)
services = database.get_services()
assert {"fingerpost.v1.Registry", "grpc.health.v1.Health"} <= set(services), services
registry = DescriptorPool(database).FindServiceByName("fingerpost.v1.Registry")
assert [method.name for method in registry.methods] == ["Apply", "ApplyOnce", "Follow", "WaitVisible", "Drain", "Explain"]

# A stop is told before it happens, and streams end.
watch = health.Watch(health_pb2.HealthCheckRequest(service=""))
assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
print("ready", flush=True)
statuses = []
try:
    for reply in watch:
        statuses.append(reply.status)
except grpc.RpcError as error:
    assert error.code() in [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED], error
assert statuses == [health_pb2.HealthCheckResponse.NOT_SERVING], statuses

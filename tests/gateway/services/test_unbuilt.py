"""Services that are declared and not built yet."""

import grpc
import pytest
from braintumor.v1 import model_service_pb2, trainer_service_pb2
from google.longrunning import operations_pb2

_SERVICES = [
    trainer_service_pb2.DESCRIPTOR.services_by_name["TrainerService"],
    model_service_pb2.DESCRIPTOR.services_by_name["ModelService"],
    operations_pb2.DESCRIPTOR.services_by_name["Operations"],
]


@pytest.mark.parametrize(
    "method", [method for service in _SERVICES for method in service.methods], ids=lambda m: m.name
)
async def test_every_method_says_that_it_is_not_implemented(method, start_serving, start_gateway, told):
    async with start_serving() as serving, start_gateway(serving, ready=False) as gateway:
        path = f"/{method.containing_service.full_name}/{method.name}"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await gateway.channel.unary_unary(path)(b"")
        found = told(caught.value)
        assert (found.code, found.reason) == (grpc.StatusCode.UNIMPLEMENTED, "NOT_IMPLEMENTED")
        assert method.name in found.message

"""Health of the gateway."""

import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2

from gateway.server import CLASSIFIER_SERVICE

_Request, _Status = health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse


async def test_the_gateway_serves_while_serving_has_a_version(start_serving, start_gateway, fake_version, until):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        assert (await gateway.health.Check(_Request())).status == _Status.SERVING
        serving.versions.clear()
        await until(lambda: _is(gateway, "", _Status.NOT_SERVING), 3)
        assert not await gateway.is_serving()
        serving.versions[2] = fake_version()
        await until(gateway.is_serving, 3)


async def test_the_gateway_does_not_serve_while_serving_is_away(start_serving, start_gateway):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        watcher = gateway.health.Watch(_Request(service=CLASSIFIER_SERVICE))
        assert (await watcher.read()).status == _Status.SERVING
        await serving.stop()
        assert (await asyncio.wait_for(watcher.read(), 5)).status == _Status.NOT_SERVING
        await serving.start()
        assert (await asyncio.wait_for(watcher.read(), 5)).status == _Status.SERVING
        watcher.cancel()


@pytest.mark.parametrize("name", ["no.Such", "x" * 20_000], ids=["short", "long"])
async def test_asking_the_gateway_for_an_unknown_service_says_so(start_serving, start_gateway, told, name):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await gateway.health.Check(_Request(service=name))
        assert (told(caught.value).code, told(caught.value).reason) == (
            grpc.StatusCode.NOT_FOUND,
            "UNKNOWN_SERVICE",
        )


async def _is(gateway, service, status):
    return (await gateway.health.Check(_Request(service=service))).status == status

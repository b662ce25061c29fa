"""Health of the gateway."""

import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2

from gateway.errors import UnknownServiceError
from gateway.server import CLASSIFIER_SERVICE
from gateway.services.health import PROCESS, HealthService

_Request, _Status = health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse


async def test_services_are_not_serving_until_they_are_said_to():
    health = HealthService(["a.B"])
    assert (await health.Check(_Request(service="a.B"), None)).status == _Status.NOT_SERVING
    health.set("a.B", serving=True)
    assert (await health.Check(_Request(service="a.B"), None)).status == _Status.SERVING
    assert (await health.Check(_Request(), None)).status == _Status.NOT_SERVING


async def test_the_process_is_alive_until_it_drains():
    health = HealthService(["a.B"])
    assert (await health.Check(_Request(service=PROCESS), None)).status == _Status.SERVING
    health.set("", serving=False)
    assert (await health.Check(_Request(service=PROCESS), None)).status == _Status.SERVING
    health.close()
    assert (await health.Check(_Request(service=PROCESS), None)).status == _Status.NOT_SERVING


async def test_an_unknown_service_is_an_error():
    with pytest.raises(UnknownServiceError):
        await HealthService([]).Check(_Request(service="a.B"), None)


async def test_watchers_see_each_change_and_leave_each_other_alone():
    health = HealthService(["a.B"])
    first, second = (health.Watch(_Request(service="a.B"), None) for _ in range(2))
    assert (await anext(first)).status == (await anext(second)).status == _Status.NOT_SERVING
    await first.aclose()
    update = asyncio.ensure_future(anext(second))
    await asyncio.sleep(0)
    health.set("a.B", serving=True)
    assert (await update).status == _Status.SERVING


async def test_a_watcher_is_not_woken_where_nothing_changes():
    health = HealthService(["a.B"])
    changed = health._changed
    health.set("a.B", serving=False)
    assert health._changed is changed
    health.set("a.B", serving=True)
    assert health._changed is not changed


async def test_closing_ends_the_watchers_and_lasts():
    health = HealthService(["a.B"])
    health.set("a.B", serving=True)
    watcher = health.Watch(_Request(service="a.B"), None)
    assert (await anext(watcher)).status == _Status.SERVING
    health.close()
    health.set("a.B", serving=True)
    assert [answer.status async for answer in watcher] == [_Status.NOT_SERVING]


async def test_an_unknown_service_can_be_watched():
    watcher = HealthService([]).Watch(_Request(service="a.B"), None)
    assert (await anext(watcher)).status == _Status.SERVICE_UNKNOWN
    await watcher.aclose()


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

"""Health of a process's services, and whoever watches it."""

import asyncio

import pytest
from grpc_health.v1 import health_pb2

from transport.health_service import PROCESS, HealthService

_Request, _Status = health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse


async def test_services_are_not_serving_until_they_are_said_to():
    health = HealthService(["a.B"], LookupError)
    assert (await health.Check(_Request(service="a.B"), None)).status == _Status.NOT_SERVING
    health.set("a.B", serving=True)
    assert (await health.Check(_Request(service="a.B"), None)).status == _Status.SERVING
    assert (await health.Check(_Request(), None)).status == _Status.NOT_SERVING


async def test_the_process_is_alive_until_it_drains():
    health = HealthService(["a.B"], LookupError)
    assert (await health.Check(_Request(service=PROCESS), None)).status == _Status.SERVING
    health.set("", serving=False)
    assert (await health.Check(_Request(service=PROCESS), None)).status == _Status.SERVING
    health.close()
    assert (await health.Check(_Request(service=PROCESS), None)).status == _Status.NOT_SERVING


async def test_an_unknown_service_is_an_error():
    with pytest.raises(LookupError, match="no service of that name"):
        await HealthService([], LookupError).Check(_Request(service="a.B"), None)


async def test_watchers_see_each_change_and_leave_each_other_alone():
    health = HealthService(["a.B"], LookupError)
    first, second = (health.Watch(_Request(service="a.B"), None) for _ in range(2))
    assert (await anext(first)).status == (await anext(second)).status == _Status.NOT_SERVING
    await first.aclose()
    update = asyncio.ensure_future(anext(second))
    await asyncio.sleep(0)
    health.set("a.B", serving=True)
    assert (await update).status == _Status.SERVING


async def test_a_watcher_is_not_woken_where_nothing_changes():
    health = HealthService(["a.B"], LookupError)
    changed = health._changed
    health.set("a.B", serving=False)
    assert health._changed is changed
    health.set("a.B", serving=True)
    assert health._changed is not changed


async def test_closing_ends_the_watchers_and_lasts():
    health = HealthService(["a.B"], LookupError)
    health.set("a.B", serving=True)
    watcher = health.Watch(_Request(service="a.B"), None)
    assert (await anext(watcher)).status == _Status.SERVING
    health.close()
    health.set("a.B", serving=True)
    assert [answer.status async for answer in watcher] == [_Status.NOT_SERVING]


async def test_an_unknown_service_can_be_watched():
    watcher = HealthService([], LookupError).Watch(_Request(service="a.B"), None)
    assert (await anext(watcher)).status == _Status.SERVICE_UNKNOWN
    await watcher.aclose()

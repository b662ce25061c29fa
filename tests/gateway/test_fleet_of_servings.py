"""A real gateway on three real model servers: whatever happens to one of them, no call fails."""

import asyncio
import re
import signal
import subprocess
import sys
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import grpc
import pytest
from braintumor.v1 import classifier_service_pb2 as pb2

_SHIPPED = Path(__file__).parents[2] / "data/models/brain_tumor/1"
_CALLERS = 16
_CALL_S = 10.0


class _Server:
    """`python -m serving.modelserver` with a model directory of its own."""

    def __init__(self, base_path):
        self.base_path = base_path
        self.port = 0
        base_path.mkdir()
        self.publish(1)
        self.launch()

    def publish(self, version):
        (self.base_path / str(version)).symlink_to(_SHIPPED)

    def launch(self):
        flags = [f"--port={self.port}", "--model_name=brain_tumor", f"--model_base_path={self.base_path}"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "serving.modelserver", *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def wait_until_it_listens(self):
        found = re.search(r"127\.0\.0\.1:(\d+)", self.process.stdout.readline())
        assert found, "the model server did not start"
        self.port = int(found[1])

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def servers(tmp_path):
    with ExitStack() as stack:
        started = [_Server(tmp_path / name) for name in "abc"]
        for server in started:
            stack.callback(server.kill)
        for server in started:
            server.wait_until_it_listens()
        yield started


@asynccontextmanager
async def _calling(gateway, png, **selector):
    """Sixteen callers who never try again, for as long as a block lasts. Yields the versions that answered them."""
    answered, over = [], asyncio.Event()

    async def call_on(brightness):
        while not over.is_set():
            request = pb2.PredictRequest(image=png(brightness, size=32), **selector)
            answered.append((await gateway.classifier.Predict(request, timeout=_CALL_S)).model_version)

    async with asyncio.TaskGroup() as callers:
        for number in range(_CALLERS):
            callers.create_task(call_on(10 * number))
        yield answered
        over.set()


def _address(servers):
    return SimpleNamespace(address=",".join(f"127.0.0.1:{server.port}" for server in servers))


async def test_one_is_killed_and_restarted_under_load_and_the_others_leave_too(servers, start_gateway, png, until):
    """One falls silent: it keeps its connection and what it has in work, as a machine that was cut off does."""
    async with start_gateway(_address(servers)) as gateway, _calling(gateway, png) as answered:

        async def go_on():
            known = len(answered)
            await until(lambda: len(answered) > known + 100)

        await go_on()
        servers[1].kill()
        await until(lambda: len(gateway.answering) == 2)
        await go_on()
        servers[1].launch()
        await asyncio.to_thread(servers[1].wait_until_it_listens)
        await until(lambda: len(gateway.answering) == 3)
        servers[0].process.send_signal(signal.SIGSTOP)
        await until(lambda: len(gateway.answering) == 2)
        await go_on()
        servers[2].kill()
        await go_on()  # The one that came back answers alone.


async def test_versions_come_to_one_after_the_other(servers, start_gateway, png, until):
    """Each swaps version 1 for version 2 in its own time. Who asks for version 2 gets it as soon as one holds it."""
    async with start_gateway(_address(servers)) as gateway, _calling(gateway, png) as answered:
        await until(lambda: len(answered) > 100)
        servers[0].publish(2)
        await until(lambda: _holds(gateway, png, 2))
        async with _calling(gateway, png, version=2) as of_version_2:
            for server in servers[1:]:
                known = len(answered), len(of_version_2)
                await until(lambda known=known: len(answered) > known[0] + 50 and len(of_version_2) > known[1] + 50)
                server.publish(2)
            # Version 1 has gone when nobody holds it any more: the last one has swapped, too.
            await until(lambda: _not(_holds(gateway, png, 1)))
        known = len(answered)
        await until(lambda: len(answered) > known + 50)
    assert set(answered) == {1, 2}
    assert set(of_version_2) == {2}
    assert answered[-1] == 2


async def test_one_that_is_busy_or_behind_is_worked_around(start_serving, start_gateway, fake_version, refusal, png):
    """Labels and versions differ from replica to replica, and one of them refuses all calls."""
    ahead = {"versions": {7: fake_version(), 8: fake_version(16, 16)}, "labels": {"stable": 8, "canary": 7}}
    behind = {"versions": {7: fake_version()}, "labels": {"stable": 7}}
    busy = {**behind, "refusals": [refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "Server Threadpool Exhausted")] * 10_000}
    async with start_serving(**ahead) as a, start_serving(**behind) as b, start_serving(**busy) as c:
        fleet = SimpleNamespace(address=",".join(serving.address for serving in (a, b, c)))
        async with start_gateway(fleet) as gateway:
            for selector, expected in [({}, 7), ({"version": 8}, 8), ({"version_label": "canary"}, 7)]:
                calls = (gateway.predict(png(9), **selector) for _ in range(48))
                answers = await asyncio.gather(*calls)
                assert {answer.model_version for answer in answers} == {expected}
        assert all(serving.batch_sizes for serving in (a, b, c))


async def _holds(gateway, png, version):
    try:
        await gateway.predict(png(9, size=32), version=version, timeout=_CALL_S)
    except grpc.aio.AioRpcError as err:
        if err.code() is grpc.StatusCode.NOT_FOUND:
            return False
        raise
    return True


async def _not(condition):
    return not await condition

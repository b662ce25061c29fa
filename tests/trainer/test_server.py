"""The daemon in this process: what its port tells of health."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.longrunning import operations_pb2, operations_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from trainer.errors import TrainerError
from trainer.server import running_daemon, serve
from trainer.settings import TrainerSettings
from transport import keepalive

_Request, _Status = health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse


@pytest.fixture
def settings(tmp_path: Path) -> TrainerSettings:
    return TrainerSettings(data_root=tmp_path, address="127.0.0.1:0", serving_address="127.0.0.1:1")


async def test_a_watcher_is_told_of_a_drain_and_does_not_hold_it_up(settings: TrainerSettings) -> None:
    async with AsyncExitStack() as daemon, AsyncExitStack() as client:
        address = await daemon.enter_async_context(running_daemon(settings))
        channel = await client.enter_async_context(grpc.aio.insecure_channel(address))
        watcher = health_pb2_grpc.HealthStub(channel).Watch(_Request(service="braintumor.v1.TrainerService"))
        statuses = aiter(watcher)
        assert (await anext(statuses)).status == _Status.SERVING
        draining = asyncio.ensure_future(daemon.aclose())
        assert [answer.status async for answer in statuses] == [_Status.NOT_SERVING]
        await asyncio.wait_for(draining, 2)


async def test_calls_that_wait_to_be_begun_finish_before_the_daemon(settings: TrainerSettings) -> None:
    """Of many calls at once most wait in gRPC, which cancels them when its server stops."""
    answered, draining = 0, asyncio.Event()

    async def call_on(operations: Any) -> None:
        nonlocal answered
        while not draining.is_set():
            await operations.ListOperations(operations_pb2.ListOperationsRequest(), timeout=60)
            answered += 1

    async with AsyncExitStack() as daemon, AsyncExitStack() as client:
        address = await daemon.enter_async_context(running_daemon(settings))
        channel = await client.enter_async_context(grpc.aio.insecure_channel(address, [("grpc.enable_retries", 0)]))
        operations = operations_pb2_grpc.OperationsStub(channel)
        calls = [asyncio.ensure_future(call_on(operations)) for _ in range(50)]
        while answered < 100:
            await asyncio.wait(calls, timeout=0.01)
        draining.set()
        await daemon.aclose()
        await asyncio.gather(*calls)


async def test_a_gateway_that_vanishes_without_a_word_holds_no_stream(
    settings: TrainerSettings, raw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = (("grpc.keepalive_time_ms", 100), ("grpc.http2.ping_timeout_ms", 100))
    monkeypatch.setattr(keepalive, "OF_SERVERS", soon)
    async with running_daemon(settings) as address:
        with closing(raw.RawCaller(address)) as caller:
            caller.begin("/grpc.health.v1.Health/Watch", raw.whole(b""))
            await asyncio.to_thread(caller.wait_closed)


def test_who_speaks_no_tls_leaves_nothing_in_the_log(tmp_path: Path, authority: Any) -> None:
    """But lines of JSON, if any: gRPC's own are plain text, as many as connections fail."""
    ours = authority(tmp_path, "ours")
    identity, log = ours.issue("trainer"), tmp_path / "log"
    tls = {"CERTIFICATE": identity.certificate, "KEY": identity.key, "CLIENT_CA": ours.certificate}
    settings = {"DATA_ROOT": tmp_path / "data", "SERVING_ADDRESS": "127.0.0.1:1", "TRAINER_ADDRESS": "127.0.0.1:0"}
    settings |= {f"TRAINER_TLS__{name}": path for name, path in tls.items()}
    environment = {name: value for name, value in os.environ.items() if name != "GRPC_VERBOSITY"}
    environment |= {name: str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "trainer", "serve"]
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment) as daemon,
    ):
        assert daemon.stdout
        port = int(daemon.stdout.readline().rpartition(b":")[2])
        with socket.create_connection(("127.0.0.1", port)) as stranger:
            stranger.sendall(b"This is no TLS.")
            while stranger.recv(100):
                pass
        daemon.terminate()
    assert "trainer listens" in {json.loads(line)["message"] for line in log.read_text().splitlines()}


async def test_asking_for_an_unknown_service_says_so(settings: TrainerSettings) -> None:
    async with running_daemon(settings) as address, grpc.aio.insecure_channel(address) as channel:
        with pytest.raises(grpc.aio.AioRpcError, match="no service of that name") as caught:
            await health_pb2_grpc.HealthStub(channel).Check(_Request(service="no.Such"))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_metadata_may_be_as_long_as_the_gateway_takes_it(settings: TrainerSettings) -> None:
    """It hands some of it on; left to itself, gRPC refuses most calls with so much, and not all."""
    async with running_daemon(settings) as address, grpc.aio.insecure_channel(address) as channel:
        for _ in range(20):
            await health_pb2_grpc.HealthStub(channel).Check(_Request(), metadata=[("x-groups", "g" * 15_000)])


async def test_a_data_root_that_cannot_be_written_is_told_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "root").write_text("")

    with pytest.raises(TrainerError, match=r"root cannot be written \(File exists\)$"):
        await serve(TrainerSettings(data_root=tmp_path / "root"))

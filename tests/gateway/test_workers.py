"""Several gateway processes on one port."""

import asyncio
import os
import signal
import socket
from contextlib import contextmanager

import grpc
import psutil
import pytest
import uvloop
from braintumor.v1 import classifier_service_pb2 as pb2
from braintumor.v1 import classifier_service_pb2_grpc
from prometheus_client import Counter

from gateway.settings import Settings
from gateway.workers import _set_at_end_of, _Supervisor, supervise
from transport.errors import CannotListenError


def _workers_of(gateway):
    return {child.pid: child for child in psutil.Process(gateway.process.pid).children()}


async def _predict(address, image):
    # A channel of its own, so that the kernel chooses the worker anew.
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(address, options) as channel:
        stub = classifier_service_pb2_grpc.ClassifierServiceStub(channel)
        return await stub.Predict(pb2.PredictRequest(image=image), timeout=15, wait_for_ready=True)


async def test_workers_share_a_port_and_a_dead_one_is_replaced(start_serving, spawn_gateway, png, until):
    async with start_serving() as serving, spawn_gateway(serving, GATEWAY_WORKERS="2") as gateway:
        workers = _workers_of(gateway)
        assert len(workers) == 2
        assert not any("grpc" in row.path for row in psutil.Process(gateway.process.pid).memory_maps())
        await asyncio.gather(*(_predict(gateway.address, png(204)) for _ in range(16)))
        listening = [
            pid
            for pid, worker in workers.items()
            if any(connection.status == psutil.CONN_LISTEN for connection in worker.net_connections())
        ]
        assert len(listening) == 2

        victim = next(iter(workers.values()))
        victim.kill()
        await until(lambda: len(_workers_of(gateway).keys() - {victim.pid}) == 2)
        died = [record for record in gateway.logs() if record["message"] == "worker died"]
        assert [(record["pid"], record["status"]) for record in died] == [(victim.pid, -signal.SIGKILL)]
        await asyncio.gather(*(_predict(gateway.address, png(204)) for _ in range(8)))


@contextmanager
def _supervised(**settings):
    """Workers of a supervisor in this process, which is stopped at the end."""
    supervisor = asyncio.ensure_future(supervise(Settings(address="127.0.0.1:0", workers=2, **settings)))
    try:
        yield supervisor
    finally:
        signal.raise_signal(signal.SIGTERM)


def _children():
    return {child.pid for child in psutil.Process().children()}


async def test_a_worker_that_hangs_is_replaced(monkeypatch, until, caplog):
    monkeypatch.setattr("gateway.workers._PATIENCE_S", 5.0)
    caplog.set_level("INFO")
    before = _children()
    with _supervised() as supervisor:
        await until(lambda: "workers listen" in caplog.messages)
        first, second = _children() - before
        os.kill(first, signal.SIGSTOP)
        await until(lambda: "worker hangs" in caplog.messages)
        await until(lambda: len(_children() - before - {first}) == 2)
        assert second in _children()
    assert await asyncio.wait_for(supervisor, 20) == 0


async def test_a_worker_that_cannot_be_replaced_yet_takes_no_other_with_it(monkeypatch, until, caplog):
    caplog.set_level("INFO")
    before = _children()
    with _supervised() as supervisor:
        await until(lambda: "workers listen" in caplog.messages)
        first, second = _children() - before
        with monkeypatch.context() as patch:
            patch.setattr("gateway.workers.sys.executable", "/is/not/there")
            os.kill(first, signal.SIGKILL)
            await until(lambda: "worker cannot be started" in caplog.messages)
            assert _children() - before == {second}
        await until(lambda: len(_children() - before) == 2)
        assert second in _children()
    assert await asyncio.wait_for(supervisor, 20) == 0


async def test_a_worker_that_hangs_before_it_listens_does_not_hold_up_the_end(monkeypatch, until):
    before = _children()
    with _supervised(drain_grace_s=0.0) as supervisor:
        monkeypatch.setattr("gateway.workers._KILL_MARGIN_S", 0.5)
        await until(lambda: len(_children() - before) == 2)
        for worker in _children() - before:
            os.kill(worker, signal.SIGSTOP)
    assert await asyncio.wait_for(supervisor, 20) == 0
    assert _children() == before


async def test_a_worker_that_dies_as_it_is_told_to_drain_stops_nobody(tmp_path):
    supervisor = _Supervisor(Settings(workers=2), asyncio.Event(), Counter("deaths", "", registry=None), tmp_path)
    worker = await asyncio.create_subprocess_exec("true")
    await worker.wait()
    ended = asyncio.create_task(worker.wait())
    assert not ended.done()
    await supervisor._drain(worker, ended)
    assert ended.done()
    supervisor._stopped.cancel()


async def test_a_port_of_other_workers_is_taken(start_serving, spawn_gateway):
    async with start_serving() as serving, spawn_gateway(serving, GATEWAY_WORKERS="2") as gateway:
        with pytest.raises(CannotListenError, match=gateway.address):
            await supervise(Settings(address=gateway.address, workers=2))


async def test_a_signal_drains_all_workers(start_serving, spawn_gateway, png, until):
    async with start_serving() as serving, spawn_gateway(serving, GATEWAY_WORKERS="2") as gateway:
        workers = _workers_of(gateway)
        serving.open.clear()
        call = asyncio.ensure_future(gateway.predict(png(204)))
        await until(lambda: serving.in_flight == 1)
        gateway.process.terminate()
        await until(lambda: any(record["message"] == "gateway drains" for record in gateway.logs()))
        serving.open.set()
        assert (await call).prediction.label == "Tumor"
        assert await asyncio.wait_for(gateway.process.wait(), 15) == 0
        assert not any(worker.is_running() for worker in workers.values())


async def test_workers_do_not_outlive_their_parent(start_serving, spawn_gateway, until):
    async with start_serving() as serving, spawn_gateway(serving, GATEWAY_WORKERS="2") as gateway:
        workers = _workers_of(gateway)
        gateway.process.kill()
        await until(lambda: not any(worker.is_running() for worker in workers.values()))


async def test_the_end_of_a_parent_is_told_once():
    """A worker drains for seconds after it, and must not spend them on reading it again and again."""
    reading, writing = os.pipe()
    stop = asyncio.Event()
    try:
        _set_at_end_of(reading, stop)
        await asyncio.sleep(0)
        assert not stop.is_set()
        os.close(writing)
        await asyncio.wait_for(stop.wait(), 10)
        assert not asyncio.get_running_loop().remove_reader(reading)
    finally:
        os.close(reading)


async def test_workers_that_cannot_start_end_it(monkeypatch, capsys):
    monkeypatch.setattr("gateway.workers.sys.executable", "/bin/false")
    settings = Settings(address="127.0.0.1:0", workers=2)
    assert await asyncio.wait_for(supervise(settings), 20) == 1
    assert capsys.readouterr().out == ""


def test_workers_that_are_dead_before_they_are_told_anything_end_it_too(monkeypatch):
    """In the loop that the gateway runs in: another one does not complain of it."""
    create = asyncio.create_subprocess_exec

    async def create_dead(*arguments, **options):
        process = await create(*arguments, **options)
        await process.wait()
        await process.stdin.wait_closed()
        return process

    monkeypatch.setattr("gateway.workers.sys.executable", "/bin/false")
    monkeypatch.setattr("gateway.workers.asyncio.create_subprocess_exec", create_dead)
    assert uvloop.run(supervise(Settings(address="127.0.0.1:0", workers=2))) == 1


async def test_a_port_that_is_taken_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = Settings(address=f"127.0.0.1:{taken.getsockname()[1]}", workers=2)
        with pytest.raises(CannotListenError, match=settings.address):
            await supervise(settings)

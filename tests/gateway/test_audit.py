"""The audit log: whole lines, one for each verdict, and no verdict without one."""

import asyncio
import fcntl
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from braintumor.v1 import classifier_service_pb2 as pb2

from gateway.audit import AuditLog
from gateway.errors import AuditLogUnavailableError
from gateway.telemetry.metrics import PREDICTIONS
from gateway.verdict import Reliability, Verdict
from observability import logs, request_id
from transport.watched import UnusableFileError

_VERDICT = Verdict(tumor=True, probability=0.8, reliability=Reliability.RELIABLE, ood_score=1.0)


def _lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def _counted():
    return sum(
        sample.value for metric in PREDICTIONS.collect() for sample in metric.samples if sample.name.endswith("_total")
    )


@contextmanager
def _locked(path):
    """Holds the lock on a file, as a process does that stands still in mid-write."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture
def open_log():
    """Opens an audit log with a thread of its own."""
    with ThreadPoolExecutor(1) as thread:
        yield lambda path: AuditLog(path, "brain_tumor", thread)


async def test_each_verdict_leaves_a_line(start_serving, start_gateway, png, tmp_path):
    log = tmp_path / "audit.jsonl"
    async with start_serving() as serving, start_gateway(serving, audit_log=log) as gateway:
        await gateway.predict(png(204), metadata=(("x-request-id", "mine-1"),))
        await gateway.predict(png(10), explain=True)
        items = [pb2.PredictStreamRequest(id=str(n), request=pb2.PredictRequest(image=png(n))) for n in range(1, 9)]
        items.append(pb2.PredictStreamRequest(id="bad", request=pb2.PredictRequest(image=b"no image")))
        assert len([answer async for answer in gateway.classifier.PredictStream(iter(items))]) == 9

    lines = _lines(log)
    assert len(lines) == 10
    first = lines[0]
    assert first["image_sha256"] == hashlib.sha256(png(204)).hexdigest()
    assert (first["request_id"], first["caller"]) == ("mine-1", "127.0.0.1")
    assert (first["model_name"], first["model_version"], first["class"]) == ("brain_tumor", 1, "Tumor")
    assert (first["probability"], first["reliability"]) == (pytest.approx(0.8, abs=0.01), "RELIABLE")
    assert first["time"].endswith("+00:00")
    assert {line["image_sha256"] for line in lines[2:]} == {hashlib.sha256(png(n)).hexdigest() for n in range(1, 9)}


async def test_the_numbers_are_those_that_the_caller_was_told(open_log, tmp_path):
    """Rounded, they would contradict the words beside them: 0.5 and No Tumor, 1.0 and out of domain."""
    narrow = Verdict(False, probability=0.49999997, reliability=Reliability.OUT_OF_DOMAIN, ood_score=1.0000001)
    await open_log(tmp_path / "audit.jsonl").note(b"image", 1, narrow)
    (line,) = _lines(tmp_path / "audit.jsonl")
    assert (line["probability"], line["ood_score"]) == (narrow.probability, narrow.ood_score)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
async def test_what_cannot_be_recorded_is_not_told(start_serving, start_gateway, png, failure_of, tmp_path):
    log = tmp_path / "audit.jsonl"
    async with start_serving() as serving, start_gateway(serving, audit_log=log) as gateway:
        log.unlink()
        log.symlink_to("/dev/full")
        before = _counted()
        calls = [gateway.predict(png(204)) for _ in range(4)]
        told = [await failure_of(call) for call in calls]
        assert {(one.code, one.reason) for one in told} == {(grpc.StatusCode.UNAVAILABLE, "AUDIT_LOG_UNAVAILABLE")}
        assert all(one.retry_after_s for one in told)
        assert _counted() == before  # nor counted as a verdict
        log.unlink()
        await gateway.predict(png(204))
    assert len(_lines(log)) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
async def test_each_call_whose_line_cannot_be_written_is_found_by_its_request_id(open_log, caplog):
    log = open_log(Path("/dev/full"))
    caplog.handler.setFormatter(logs.JsonFormatter())

    async def note(name):
        request_id.current.set(name)
        with pytest.raises(AuditLogUnavailableError):
            await log.note(b"image", 1, _VERDICT)

    await asyncio.gather(*(note(name) for name in "abcd"))
    assert sorted(json.loads(line)["request_id"] for line in caplog.text.splitlines()) == list("abcd")


async def test_a_renamed_log_is_followed_by_a_new_one(start_serving, start_gateway, png, tmp_path):
    log = tmp_path / "audit.jsonl"
    async with start_serving() as serving, start_gateway(serving, audit_log=log) as gateway:
        await gateway.predict(png(1))
        log.rename(tmp_path / "audit.jsonl.1")
        await gateway.predict(png(2))
    assert len(_lines(log)) == len(_lines(tmp_path / "audit.jsonl.1")) == 1


async def test_a_log_that_cannot_be_written_is_found_at_the_start(start_serving, start_gateway, tmp_path):
    async with start_serving() as serving:
        with pytest.raises(UnusableFileError, match="cannot be written: No such file"):
            async with start_gateway(serving, audit_log=tmp_path / "nowhere/audit.jsonl"):
                pass


async def test_a_log_that_somebody_sits_on_holds_up_neither_calls_nor_a_start(
    start_serving, start_gateway, png, failure_of, tmp_path
):
    log = tmp_path / "audit.jsonl"

    async def started(serving):
        async with start_gateway(serving, audit_log=log):
            pass

    async with start_serving() as serving, start_gateway(serving, audit_log=log) as gateway:
        with _locked(log):
            told = await failure_of(gateway.predict(png(1), timeout=15))
            assert (told.code, told.reason) == (grpc.StatusCode.UNAVAILABLE, "AUDIT_LOG_UNAVAILABLE")
            starting = asyncio.create_task(started(serving))
            done, _ = await asyncio.wait([starting], timeout=0.1)
            assert not done, "the start stopped everything else"
            with pytest.raises(UnusableFileError, match="holds its lock"):
                await asyncio.wait_for(starting, 15)
        await gateway.predict(png(2))
    assert [line["image_sha256"] for line in _lines(log)] == [hashlib.sha256(png(2)).hexdigest()]


async def test_who_leaves_before_the_write_leaves_nothing(open_log, until, tmp_path):
    path = tmp_path / "audit.jsonl"
    log = open_log(path)
    with _locked(path):
        first = asyncio.create_task(log.note(b"first", 1, _VERDICT))
        await until(lambda: log._writing is not None and not log._waiting)
        others = [asyncio.create_task(log.note(b"other", 1, _VERDICT)) for _ in range(3)]
        await until(lambda: len(log._waiting) == 3)
        for other in others:
            other.cancel()
        await asyncio.wait(others)
        assert not log._waiting
    await first
    await log.note(b"last", 1, _VERDICT)
    assert [line["image_sha256"] for line in _lines(path)] == [
        hashlib.sha256(image).hexdigest() for image in (b"first", b"last")
    ]


async def test_who_leaves_during_the_write_leaves_nobody_waiting(open_log, until, tmp_path):
    path = tmp_path / "audit.jsonl"
    log = open_log(path)
    with _locked(path):
        leaves, stays = (asyncio.create_task(log.note(b"image", 1, _VERDICT)) for _ in range(2))
        await until(lambda: log._writing is not None and not log._waiting)
        leaves.cancel()
        await asyncio.wait([leaves])
    await asyncio.wait_for(stays, 5)
    assert len(_lines(path)) == 2


async def test_a_write_that_fails_as_nobody_foresaw_leaves_nobody_waiting(open_log, caplog):
    log = open_log(Path("no\0path"))  # no OSError, but a ValueError
    for _ in range(2):
        with pytest.raises(AuditLogUnavailableError):
            await asyncio.wait_for(log.note(b"image", 1, _VERDICT), 10)
    assert "embedded null byte" in caplog.text


async def test_workers_share_it(start_serving, spawn_gateway, png, tmp_path):
    log = tmp_path / "audit.jsonl"
    async with (
        start_serving() as serving,
        spawn_gateway(serving, GATEWAY_WORKERS="2", GATEWAY_AUDIT_LOG=str(log)) as gateway,
    ):
        calls = (gateway.predict(png(n), timeout=30) for n in range(1, 41))
        await asyncio.gather(*calls)
    assert len({line["image_sha256"] for line in _lines(log)}) == 40

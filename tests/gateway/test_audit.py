"""The audit log: whole lines, one for each verdict, and no verdict without one."""

import asyncio
import hashlib
import json
from pathlib import Path

import grpc
import pytest
from braintumor.v1 import classifier_service_pb2 as pb2


def _lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_each_verdict_leaves_a_line(start_serving, start_gateway, png, tmp_path):
    log = tmp_path / "audit.jsonl"
    async with start_serving() as serving, start_gateway(serving, audit_log=log) as gateway:
        await gateway.classifier.Predict(pb2.PredictRequest(image=png(204)), metadata=(("x-request-id", "mine-1"),))
        await gateway.classifier.Predict(pb2.PredictRequest(image=png(10), explain=True))
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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
async def test_what_cannot_be_recorded_is_not_told(start_serving, start_gateway, png, failure_of, tmp_path):
    log = tmp_path / "audit.jsonl"
    async with start_serving() as serving, start_gateway(serving, audit_log=log) as gateway:
        log.unlink()
        log.symlink_to("/dev/full")
        calls = [gateway.classifier.Predict(pb2.PredictRequest(image=png(204))) for _ in range(4)]
        told = [await failure_of(call) for call in calls]
        assert {(one.code, one.reason) for one in told} == {(grpc.StatusCode.UNAVAILABLE, "AUDIT_LOG_UNAVAILABLE")}
        assert all(one.retry_after_s for one in told)
        log.unlink()
        await gateway.classifier.Predict(pb2.PredictRequest(image=png(204)))
    assert len(_lines(log)) == 1


async def test_a_renamed_log_is_followed_by_a_new_one(start_serving, start_gateway, png, tmp_path):
    log = tmp_path / "audit.jsonl"
    async with start_serving() as serving, start_gateway(serving, audit_log=log) as gateway:
        await gateway.classifier.Predict(pb2.PredictRequest(image=png(1)))
        log.rename(tmp_path / "audit.jsonl.1")
        await gateway.classifier.Predict(pb2.PredictRequest(image=png(2)))
    assert len(_lines(log)) == len(_lines(tmp_path / "audit.jsonl.1")) == 1


async def test_a_log_that_cannot_be_written_is_found_at_the_start(start_serving, start_gateway, tmp_path):
    async with start_serving() as serving:
        with pytest.raises(FileNotFoundError):
            async with start_gateway(serving, audit_log=tmp_path / "nowhere/audit.jsonl"):
                pass


async def test_workers_share_it(start_serving, spawn_gateway, png, tmp_path):
    log = tmp_path / "audit.jsonl"
    async with (
        start_serving() as serving,
        spawn_gateway(serving, GATEWAY_WORKERS="2", GATEWAY_AUDIT_LOG=str(log)) as gateway,
    ):
        calls = (gateway.classifier.Predict(pb2.PredictRequest(image=png(n)), timeout=30) for n in range(1, 41))
        await asyncio.gather(*calls)
    assert len({line["image_sha256"] for line in _lines(log)}) == 40

"""The gateway's port for probes, which have neither TLS nor tokens."""

import asyncio
import sys

import grpc
import pytest
from braintumor.v1 import classifier_service_pb2 as pb2
from braintumor.v1 import classifier_service_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.auth.api_keys import new_key
from gateway.auth.rights import Right
from transport.errors import CannotListenError
from transport.server_tls import ServerTls

_Request, _Status = health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
_HEALTH = {"GATEWAY_HEALTH_ADDRESS": "127.0.0.1:0"}


def _only(addresses):
    (address,) = set(addresses)
    return address


def _address_in(records):
    return _only(record["health_address"] for record in records if "health_address" in record)


async def _probed(address):
    """The exit status of the probe that the images have."""
    probe = await asyncio.create_subprocess_exec(sys.executable, "-m", "transport.health", address)
    return await probe.wait()


async def test_probes_need_neither_tls_nor_a_token_and_get_nothing_but_health(
    tmp_path, authority, caplog, start_serving, start_gateway, failure_of, until
):
    server = authority(tmp_path, "authority").issue("server")
    tls = ServerTls(certificate=server.certificate, key=server.key)
    (tmp_path / "keys").write_text(new_key("ward-7", [Right.PREDICT])[1])
    guarded = {"tls": tls, "api_keys": tmp_path / "keys", "health_address": "127.0.0.1:0"}
    caplog.set_level("INFO")
    async with start_serving() as serving, start_gateway(serving, ready=False, **guarded):
        address = _address_in(map(vars, caplog.records))
        async with grpc.aio.insecure_channel(address) as channel:
            health = health_pb2_grpc.HealthStub(channel)

            async def serves():
                return (await health.Check(_Request())).status == _Status.SERVING

            await until(serves)
            assert (await failure_of(health.Check(_Request(service="no.Such")))).reason == "UNKNOWN_SERVICE"
            no_message = channel.unary_unary("/grpc.health.v1.Health/Check")(b"\xff")
            assert (await failure_of(no_message)).reason == "REQUEST_MALFORMED"
            with pytest.raises(grpc.aio.AioRpcError) as caught:  # of strangers no more is taken in than a probe has
                await health.Check(_Request(service="n" * 5000))
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            stub = classifier_service_pb2_grpc.ClassifierServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.GetServiceInfo(pb2.GetServiceInfoRequest())
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
            await serving.stop()

            async def is_away():
                return not await serves()

            await until(is_away)


async def test_it_says_that_the_gateway_drains_until_it_has(start_serving, spawn_gateway, png, until):
    async with start_serving() as serving, spawn_gateway(serving, **_HEALTH) as gateway:
        address = _address_in(gateway.logs())
        assert await _probed(address) == 0
        serving.open.clear()
        call = asyncio.ensure_future(gateway.predict(png(204)))
        await until(lambda: serving.in_flight == 1)
        gateway.process.terminate()
        await until(lambda: any(line["message"] == "gateway drains" for line in gateway.logs()))
        async with grpc.aio.insecure_channel(address) as channel:
            answer = await health_pb2_grpc.HealthStub(channel).Check(_Request())
        assert answer.status == _Status.NOT_SERVING
        assert await _probed(address) == 1
        serving.open.set()
        assert (await call).prediction.label == "Tumor"
        assert await asyncio.wait_for(gateway.process.wait(), 10) == 0
        assert await _probed(address) == 1


async def test_workers_share_it(start_serving, spawn_gateway):
    async with start_serving() as serving, spawn_gateway(serving, **_HEALTH, GATEWAY_WORKERS="2") as gateway:
        served = [record for record in gateway.logs() if record["message"] == "health is served"]
        assert len(served) == 2
        assert await _probed(_only(record["health_address"] for record in served)) == 0


async def test_a_port_that_is_taken_is_an_error(start_serving, start_gateway):
    async with start_serving() as serving:
        with pytest.raises(CannotListenError, match=serving.address):
            async with start_gateway(serving, health_address=serving.address):
                pass

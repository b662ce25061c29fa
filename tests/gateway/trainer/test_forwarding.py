"""Calls that are the trainer's: a real gateway between caller and fake trainer."""

import asyncio
from contextlib import asynccontextmanager, closing

import grpc
import pytest
from braintumor.v1 import classifier_service_pb2, model_service_pb2, trainer_service_pb2
from google.longrunning import operations_pb2
from google.protobuf import descriptor_pb2, descriptor_pool

from gateway.services.forwarding import Forwarder

_FORWARDED = [
    trainer_service_pb2.DESCRIPTOR.services_by_name["TrainerService"],
    model_service_pb2.DESCRIPTOR.services_by_name["ModelService"],
    operations_pb2.DESCRIPTOR.services_by_name["Operations"],
]
_RETRAIN = trainer_service_pb2.RetrainRequest(image_dir="raw/images", request_id="mine")
_WATCH = trainer_service_pb2.WatchRetrainRequest(operation="operations/1")


@pytest.fixture
def behind(start_serving, start_gateway, start_trainer):
    """Starts a fake trainer and a gateway in front of it; takes settings of the gateway."""

    @asynccontextmanager
    async def _behind(**settings):
        async with (
            start_serving() as serving,
            start_trainer() as trainer,
            start_gateway(serving, ready=False, trainer_address=trainer.address, **settings) as gateway,
        ):
            yield trainer, gateway

    return _behind


async def test_a_call_reaches_the_trainer_and_its_answer_the_caller(behind, stubs):
    async with behind() as (trainer, gateway):
        operation = await stubs(gateway.channel).trainer.Retrain(_RETRAIN)
        assert operation.name == "operations/mine"
        assert trainer.requests == [_RETRAIN]


@pytest.mark.parametrize(
    "method", [method for service in _FORWARDED for method in service.methods], ids=lambda method: method.name
)
async def test_every_method_of_the_contract_is_forwarded(method, behind, failure_of, refusal_status):
    """Also those that the fake trainer does not have: it says so itself."""
    async with behind() as (trainer, gateway):
        trainer.refusals.append(refusal_status(grpc.StatusCode.UNIMPLEMENTED, "not in this trainer"))
        kind = gateway.channel.unary_stream if method.server_streaming else gateway.channel.unary_unary
        call = kind(f"/{method.containing_service.full_name}/{method.name}")(b"")
        if method.name == "GetModelVersion":
            assert await call
            return
        failure = await failure_of(call.read() if method.server_streaming else call)
        assert (failure.code, failure.reason) == (grpc.StatusCode.UNIMPLEMENTED, "UNIMPLEMENTED")


@pytest.mark.parametrize("streaming", [False, True], ids=["unary", "stream"])
async def test_metadata_goes_along_and_comes_back(behind, stubs, streaming):
    async with behind() as (trainer, gateway):
        own = {
            "x-request-id": "mine-1",
            "x-tenant": "ward 7",
            "x-token-bin": b"\0\1",
            "authorization": "no",
            "x-caller": "root",
        }
        caller, metadata = stubs(gateway.channel).trainer, tuple(own.items())
        if streaming:
            call = caller.WatchRetrain(_WATCH, metadata=metadata)
            assert len([report async for report in call]) == trainer.reports
        else:
            call = caller.Retrain(_RETRAIN, metadata=metadata)
            await call
        assert (trainer.metadata["x-request-id"], trainer.metadata["x-tenant"]) == ("mine-1", "ward 7")
        assert trainer.metadata["x-caller"] == "127.0.0.1"
        assert trainer.metadata["x-token-bin"] == b"\0\1"
        assert "authorization" not in trainer.metadata
        trailing = list(await call.trailing_metadata())
        assert ("x-from-trainer", "yes") in trailing
        assert [value for key, value in trailing if key == "x-request-id"] == ["mine-1"]


async def test_metadata_that_grpc_does_not_send_stays_here(behind, raw, until):
    """Other clients send it. A call with it would get no answer from the trainer, nor from us."""
    async with behind() as (trainer, gateway):
        with closing(raw.RawCaller(gateway.address)) as caller:
            metadata = [(b"x-patient", "Müller".encode()), (b"x-ward", b"\xfc"), (b"x-tenant", b"ward 7")]
            message = raw.whole(_RETRAIN.SerializeToString())
            caller.begin("/braintumor.v1.TrainerService/Retrain", message, metadata)
            await until(lambda: trainer.requests, patience_s=20)
        assert trainer.metadata["x-tenant"] == "ward 7"
        assert not trainer.metadata.keys() & {"x-patient", "x-ward"}


async def test_a_call_without_an_id_has_one_in_the_trainers_log_too(behind, stubs):
    async with behind() as (trainer, gateway):
        call = stubs(gateway.channel).trainer.Retrain(_RETRAIN)
        await call
        assert trainer.metadata["x-request-id"] == dict(await call.trailing_metadata())["x-request-id"] != ""


@pytest.mark.parametrize("streaming", [False, True], ids=["unary", "stream"])
async def test_a_refusal_comes_back_with_its_details(behind, stubs, failure_of, refusal_status, streaming):
    async with behind() as (trainer, gateway):
        trainer.refusals.append(
            refusal_status(grpc.StatusCode.INVALID_ARGUMENT, "leads outside ä", "INVALID_REQUEST", "image_dir")
        )
        caller = stubs(gateway.channel).trainer
        call = caller.WatchRetrain(_WATCH) if streaming else caller.Retrain(_RETRAIN)
        failure = await failure_of(call.read() if streaming else call)
        assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
        assert (failure.message, failure.field) == ("leads outside ä", "image_dir")
        assert dict(await call.trailing_metadata())["x-from-trainer"] == "yes"


@pytest.mark.parametrize("code", [grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNIMPLEMENTED])
async def test_a_refusal_without_details_gets_a_reason(behind, stubs, failure_of, refusal_status, code, caplog):
    async with behind() as (trainer, gateway):
        trainer.refusals.append(refusal_status(code, "bare"))
        failure = await failure_of(stubs(gateway.channel).trainer.Retrain(_RETRAIN))
        assert (failure.code, failure.reason) == (code, code.name)
        assert failure.message == "The trainer cannot answer this call."
        (logged,) = [record for record in caplog.records if record.message == "trainer cannot answer"]
        assert (logged.status, logged.problem) == (code.name, "bare")


async def test_details_that_do_not_go_with_the_status_are_not_passed_on(behind, stubs, failure_of, refusal_status):
    async with behind() as (trainer, gateway):
        refused = refusal_status(grpc.StatusCode.FAILED_PRECONDITION, "no", "ROLLOUT_FAILED")
        refused.code = 999
        trainer.refusals.append(refused)
        failure = await failure_of(stubs(gateway.channel).trainer.Retrain(_RETRAIN))
        assert (failure.code, failure.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "FAILED_PRECONDITION")


async def test_a_deadline_goes_along(behind, stubs):
    async with behind() as (trainer, gateway):
        caller = stubs(gateway.channel)
        await caller.trainer.Retrain(_RETRAIN, timeout=7)
        assert 6 < trainer.remaining_s < 7.5  # It travels rounded up.
        _ = [report async for report in caller.trainer.WatchRetrain(_WATCH, timeout=9)]
        assert 8 < trainer.remaining_s < 9.5


async def test_a_caller_without_deadline_gets_the_default_one_unless_the_call_is_made_to_wait(behind, stubs):
    async with behind(trainer_deadline_s=33.0) as (trainer, gateway):
        caller = stubs(gateway.channel)
        await caller.trainer.Retrain(_RETRAIN)
        assert 30 < trainer.remaining_s < 34
        await caller.operations.WaitOperation(operations_pb2.WaitOperationRequest(name="operations/1"))
        assert trainer.remaining_s is None
        _ = [report async for report in caller.trainer.WatchRetrain(_WATCH)]
        assert trainer.remaining_s is None


@pytest.mark.parametrize("method", ["Retrain", "WatchRetrain"])
async def test_a_caller_who_wants_to_wait_for_ever_is_not_late_at_once(behind, raw, until, method):
    """As Java's and Go's longest deadline says it, which gRPC's own clock cannot hold."""
    async with behind() as (trainer, gateway):
        with closing(raw.RawCaller(gateway.address)) as caller:
            message = raw.whole(b"")
            caller.begin(f"/braintumor.v1.TrainerService/{method}", message, [(b"grpc-timeout", b"2562047H")])
            await until(lambda: trainer.requests, patience_s=20)


async def test_so_it_is_with_a_default_deadline_of_ages(behind, stubs):
    async with behind(trainer_deadline_s=1e300) as (_, gateway):
        assert await stubs(gateway.channel).trainer.Retrain(_RETRAIN)


async def test_a_deadline_that_passes_is_told(behind, stubs, failure_of, until):
    async with behind(trainer_deadline_s=0.3) as (trainer, gateway):
        trainer.open.clear()
        failure = await failure_of(stubs(gateway.channel).trainer.Retrain(_RETRAIN))
        assert (failure.code, failure.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
        await until(lambda: trainer.in_flight == 0)


async def test_a_caller_that_cancels_is_followed_by_its_call(behind, stubs, until):
    async with behind() as (trainer, gateway):
        trainer.open.clear()
        call = stubs(gateway.channel).trainer.Retrain(_RETRAIN)
        await until(lambda: trainer.in_flight == 1)
        call.cancel()
        await until(lambda: (trainer.in_flight, trainer.cancelled) == (0, 1))


async def test_reports_of_a_stream_come_one_by_one(behind, stubs):
    async with behind() as (trainer, gateway):
        trainer.open.clear()
        call = stubs(gateway.channel).trainer.WatchRetrain(_WATCH)
        names = [(await call.read()).operation.name for _ in range(3)]
        assert names == ["operations/1/0", "operations/1/1", "operations/1/2"]
        trainer.open.set()
        assert await call.read() is grpc.aio.EOF
        assert dict(await call.trailing_metadata())["x-from-trainer"] == "yes"


async def test_a_watcher_that_leaves_takes_no_other_with_it(behind, stubs, until):
    async with behind() as (trainer, gateway):
        trainer.open.clear()
        caller = stubs(gateway.channel).trainer
        first, second = caller.WatchRetrain(_WATCH), caller.WatchRetrain(_WATCH)
        await first.read()
        reports = aiter(second)
        await anext(reports)
        first.cancel()
        await until(lambda: (trainer.in_flight, trainer.cancelled) == (1, 1))
        trainer.open.set()
        assert len([report async for report in reports]) == 2


async def test_a_watcher_that_does_not_read_holds_nothing_up(behind, stubs):
    async with behind() as (trainer, gateway):
        trainer.reports = 1000
        caller = stubs(gateway.channel).trainer
        long_name = "operations/" + 2000 * "x"  # All reports together are beyond the transport's own buffers.
        slow = aiter(caller.WatchRetrain(trainer_service_pb2.WatchRetrainRequest(operation=long_name)))
        await anext(slow)
        assert (await caller.Retrain(_RETRAIN)).name == "operations/mine"
        assert trainer.in_flight == 1
        assert len([report async for report in slow]) == 999


def _service(method_name, **kind):
    file = descriptor_pb2.FileDescriptorProto(name="new.proto", package="test", syntax="proto3")
    file.message_type.add(name="Nothing")
    method = file.service.add(name="New").method.add(name=method_name, **kind)
    method.input_type = method.output_type = ".test.Nothing"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool.FindServiceByName("test.New")


async def test_a_method_that_takes_a_stream_is_refused_at_the_start():
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        with pytest.raises(ValueError, match=r"test\.New\.Send"):
            Forwarder(channel, 1.0, asyncio.Event().wait).handler_of(_service("Send", client_streaming=True))


@asynccontextmanager
async def _serving(handler):
    server = grpc.aio.server(handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(None)


@pytest.mark.parametrize(
    ("service", "method", "count"), [(_service("Move"), "Move", 1), (_FORWARDED[1], "ListModelVersions", 0)]
)
async def test_a_method_that_nobody_thought_of_is_taken_for_one_that_moves_versions(service, method, count):
    """Which is one look at serving too many, where a look that is forgotten leaves callers with the version before."""
    looks = []

    async def answer(request, _context):
        return request

    async def moved():
        looks.append("now")

    answering = grpc.unary_unary_rpc_method_handler(answer)
    async with (
        _serving(grpc.method_handlers_generic_handler(service.full_name, {method: answering})) as trainer,
        _serving(Forwarder(trainer, 10.0, moved).handler_of(service)) as gateway,
    ):
        await gateway.unary_unary(f"/{service.full_name}/{method}")(b"")
    assert looks == ["now"] * count


async def test_classification_is_not_forwarded(behind, png):
    async with behind() as (trainer, gateway):
        request = classifier_service_pb2.PredictRequest(image=png(204))
        assert (await gateway.classifier.Predict(request)).prediction.label == "Tumor"
        assert not trainer.requests


async def _watching(stubs, _):
    reports = aiter(stubs.trainer.WatchRetrain(_WATCH))
    await anext(reports)
    return _drained(reports)


async def _waiting(stubs, has_arrived):
    call = stubs.operations.WaitOperation(operations_pb2.WaitOperationRequest(name="operations/1"))
    await has_arrived()
    return call


@pytest.mark.parametrize("begin", [_watching, _waiting])
async def test_who_follows_a_job_holds_up_no_drain(
    start_serving, start_trainer, start_gateway, stubs, failure_of, until, begin
):
    loop = asyncio.get_running_loop()
    async with start_serving() as serving, start_trainer() as trainer:
        trainer.open.clear()
        starting = start_gateway(serving, trainer_address=trainer.address, drain_grace_s=20.0)
        gateway = await starting.__aenter__()
        async with grpc.aio.insecure_channel(gateway.address) as channel:
            ending = await begin(stubs(channel), lambda: until(lambda: trainer.in_flight == 1))
            begun = loop.time()
            await starting.__aexit__(None, None, None)
            assert loop.time() - begun < 5
            failure = await failure_of(ending)
            assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "GATEWAY_STOPPING")
            assert failure.retry_after_s is not None
            assert failure.retry_after_s is not None


async def _drained(reports):
    async for _ in reports:
        pass


async def test_waits_for_jobs_count_as_the_streams_of_a_caller(behind, stubs, failure_of, until):
    """They last as long: without a limit one caller could have the trainer look up a job for thousands of them."""
    async with behind(max_streams_of_caller=2) as (trainer, gateway):
        trainer.open.clear()
        operations, request = (
            stubs(gateway.channel).operations,
            operations_pb2.WaitOperationRequest(name="operations/1"),
        )
        waiting = [asyncio.ensure_future(operations.WaitOperation(request)) for _ in range(2)]
        await until(lambda: trainer.in_flight == 2)
        failure = await failure_of(operations.WaitOperation(request, timeout=5))
        assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")
        trainer.open.set()
        assert [operation.done for operation in await asyncio.gather(*waiting)] == [True, True]
        assert (await operations.WaitOperation(request)).done

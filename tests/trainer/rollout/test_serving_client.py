"""What a serving answers, and what is made of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import grpc
import numpy as np
import pytest

from tfserving_api.messages import GetModelStatusResponse, PredictRequest, PredictResponse
from tfserving_api.tensors import write_array
from trainer.errors import ServingRefusedError, ServingUnavailableError, TrainerError
from trainer.rollout.serving_client import ServingClient, VersionState, VersionStatus
from transport.peer_tls import connect

_ASKED = pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.statuses(),
        lambda client: client.version_labelled("stable"),
        lambda client: client.predict(PredictRequest(), 1),
    ],
    ids=["status", "label", "predict"],
)
_Ask = Callable[[ServingClient], Awaitable[object]]


class _Answering(grpc.GenericRpcHandler):
    """Answers every call alike: with bytes, with a status, or not at all."""

    def __init__(self, answer: bytes | grpc.StatusCode | None) -> None:
        self._answer = answer

    def service(self, handler_call_details: object) -> "grpc.RpcMethodHandler[bytes, bytes]":  # noqa: ARG002 gRPC's name
        async def answer(_request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
            if self._answer is None:
                await asyncio.Event().wait()
            if isinstance(self._answer, grpc.StatusCode):
                await context.abort(self._answer, "no")
            return self._answer

        return grpc.unary_unary_rpc_method_handler(answer)


class _Echoing(grpc.GenericRpcHandler):
    """Answers a PredictRequest with what it holds."""

    def service(self, handler_call_details: object) -> "grpc.RpcMethodHandler[bytes, bytes]":  # noqa: ARG002 gRPC's name
        async def echo(request: bytes, _context: object) -> bytes:
            sent = PredictRequest.FromString(request)
            response = PredictResponse(model_spec=sent.model_spec, outputs=sent.inputs)
            return bytes(response.SerializeToString())

        return grpc.unary_unary_rpc_method_handler(echo)


@asynccontextmanager
async def _client(answer: bytes | grpc.StatusCode | grpc.GenericRpcHandler | None) -> AsyncIterator[ServingClient]:
    handler = answer if isinstance(answer, grpc.GenericRpcHandler) else _Answering(answer)
    server = grpc.aio.server(handlers=[handler], options=[("grpc.so_reuseport", 0)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with connect(f"127.0.0.1:{port}") as channel:
            yield ServingClient(channel, "brain_tumor")
    finally:
        await server.stop(None)


@_ASKED
async def test_what_is_no_message_is_a_refusal(ask: _Ask) -> None:
    async with _client(b"\xff\xff") as client:
        with pytest.raises(ServingRefusedError, match="no message"):
            await ask(client)


@_ASKED
@pytest.mark.parametrize(
    ("code", "error"),
    [
        (grpc.StatusCode.UNAVAILABLE, ServingUnavailableError),
        (grpc.StatusCode.CANCELLED, ServingUnavailableError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, ServingUnavailableError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, ServingUnavailableError),
        (grpc.StatusCode.INTERNAL, ServingRefusedError),
    ],
    ids=lambda given: given.name if isinstance(given, grpc.StatusCode) else "",
)
async def test_what_may_pass_is_no_refusal(ask: _Ask, code: grpc.StatusCode, error: type[TrainerError]) -> None:
    """A rollout waits for a serving that is away, and gives up a version that is refused."""
    async with _client(code) as client:
        with pytest.raises(error):
            await ask(client)


@_ASKED
async def test_who_does_not_answer_is_away(ask: _Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("_LOOK_TIMEOUT_S", "_PREDICT_TIMEOUT_S"):
        monkeypatch.setattr(f"trainer.rollout.serving_client.{limit}", 0.1)
    async with _client(None) as client:
        with pytest.raises(ServingUnavailableError):
            await asyncio.wait_for(ask(client), 10)


async def test_what_serving_does_not_have_is_none_of_its_versions() -> None:
    async with _client(grpc.StatusCode.NOT_FOUND) as client:
        assert await client.statuses() == {}
        assert await client.version_labelled("stable") is None
        with pytest.raises(ServingUnavailableError, match="version 1 is not loaded at the moment"):
            await client.predict(PredictRequest(), 1)
    async with _client(grpc.StatusCode.INVALID_ARGUMENT) as client:  # to a label that leads nowhere
        assert await client.version_labelled("stable") is None


async def test_a_request_goes_whole_to_the_version_that_is_named_and_stays_as_it_was() -> None:
    request = PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "candidate", "explain"
    write_array(np.ones(3, np.float32), request.inputs["images"])
    before = request.SerializeToString(deterministic=True)
    async with _client(_Echoing()) as client:
        echo = await client.predict(request, 7)

    spec = echo.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("brain_tumor", 7, "explain")
    assert echo.outputs["images"] == request.inputs["images"]
    assert request.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize(
    ("state", "code", "message", "status"),
    [
        (50, 0, "", VersionStatus(VersionState.END)),
        (50, 2, "damaged", VersionStatus(VersionState.END, "damaged")),
        (50, 2, "", VersionStatus(VersionState.END, "no reason given")),
        (20, 2, "another try", VersionStatus(VersionState.LOADING)),
        (60, 0, "", VersionStatus()),
    ],
    ids=["ended", "failed", "failed in silence", "tried again", "state of a newer serving"],
)
async def test_a_version_has_failed_where_it_has_ended_with_an_error(
    state: int, code: int, message: str, status: VersionStatus
) -> None:
    answer = GetModelStatusResponse()
    told = answer.model_version_status.add(version=7, state=state)
    told.status.error_code, told.status.error_message = code, message

    async with _client(answer.SerializeToString()) as client:
        assert await client.statuses() == {7: status}

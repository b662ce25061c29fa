"""google.longrunning.Operations, as AIP-151 says."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from braintumor.v1 import trainer_service_pb2 as trainer_pb2
from google.longrunning import operations_pb2 as pb2
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2

Serve = Callable[[], Any]


async def _retrain(served: Any, **fields: Any) -> str:
    return str((await served.trainer.Retrain(trainer_pb2.RetrainRequest(**fields))).name)


async def test_an_operation_tells_its_error(serve: Serve) -> None:
    async with serve() as served:
        served.work.let_go.set()
        name = await _retrain(served, epochs=3)
        operation = await served.operations.WaitOperation(pb2.WaitOperationRequest(name=name), timeout=20)

        assert await served.operations.GetOperation(pb2.GetOperationRequest(name=name)) == operation
        assert (operation.done, operation.error.code) == (True, code_pb2.FAILED_PRECONDITION)
        info = error_details_pb2.ErrorInfo()
        assert operation.error.details[0].Unpack(info)
        assert (info.reason, info.domain) == ("IMAGE_SOURCE_INVALID", "braintumor")


async def test_an_operation_tells_when_a_retry_may_help(serve: Serve) -> None:
    async with serve() as served:
        served.work.let_go.set()
        name = await _retrain(served, epochs=4)
        operation = await served.operations.WaitOperation(pb2.WaitOperationRequest(name=name), timeout=20)

        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        assert operation.error.details[0].Unpack(info)
        assert operation.error.details[1].Unpack(retry)
        assert (info.reason, retry.retry_delay.seconds) == ("DISK_FULL", 60)


async def test_a_cancelled_operation_is_an_error_of_that_code(serve: Serve) -> None:
    async with serve() as served:
        for name in [await _retrain(served), await _retrain(served)][::-1]:
            for _ in range(2):
                await served.operations.CancelOperation(pb2.CancelOperationRequest(name=name))
            operation = await served.operations.GetOperation(pb2.GetOperationRequest(name=name))
            assert (operation.done, operation.error.code) == (True, code_pb2.CANCELLED)


async def test_what_has_ended_can_be_deleted(serve: Serve, refusal: Any) -> None:
    async with serve() as served:
        name = await _retrain(served)
        told = await refusal(served.operations.DeleteOperation(pb2.DeleteOperationRequest(name=name)))
        assert (told.code, told.reason) == ("FAILED_PRECONDITION", "OPERATION_UNFINISHED")
        served.work.let_go.set()
        await served.operations.WaitOperation(pb2.WaitOperationRequest(name=name))
        await served.operations.DeleteOperation(pb2.DeleteOperationRequest(name=name))

        told = await refusal(served.operations.GetOperation(pb2.GetOperationRequest(name=name)))
        assert (told.code, told.reason) == ("NOT_FOUND", "OPERATION_NOT_FOUND")


@pytest.mark.parametrize("method", ["Get", "Cancel", "Delete", "Wait"])
async def test_no_operation_is_not_found(serve: Serve, refusal: Any, method: str) -> None:
    async with serve() as served:
        call = getattr(served.operations, f"{method}Operation")
        request = getattr(pb2, f"{method}OperationRequest")

        assert (await refusal(call(request(name="operations/none")))).code == "NOT_FOUND"
        told = await refusal(call(request()))
        assert (told.code, told.field) == ("INVALID_ARGUMENT", "name")


@pytest.mark.parametrize(("timeout_s", "deadline_s"), [(0.3, None), (0.0, None), (60.0, 0.6), (None, 0.6)])
async def test_a_wait_returns_when_its_time_is_up(
    serve: Serve, timeout_s: float | None, deadline_s: float | None
) -> None:
    async with serve() as served:
        request = pb2.WaitOperationRequest(name=await _retrain(served))
        if timeout_s is not None:
            request.timeout.CopyFrom(Duration(nanos=round(timeout_s % 1 * 1e9), seconds=int(timeout_s)))
        begin = time.monotonic()
        operation = await served.operations.WaitOperation(request, timeout=deadline_s)

        assert not operation.done
        assert time.monotonic() - begin >= min(timeout_s or 0, 0.3)


async def test_a_wait_returns_when_the_job_ends(serve: Serve) -> None:
    async with serve() as served:
        request = pb2.WaitOperationRequest(name=await _retrain(served), timeout=Duration(seconds=2**62))
        waits = [asyncio.ensure_future(served.operations.WaitOperation(request)) for _ in range(3)]
        served.work.let_go.set()

        assert all([(await asyncio.wait_for(wait, 20)).done for wait in waits])


async def test_lists_page_from_new_to_old_and_filter(serve: Serve) -> None:
    async with serve() as served:
        names = [await _retrain(served) for _ in range(3)]
        await served.operations.CancelOperation(pb2.CancelOperationRequest(name=names[1]))

        async def listed(**fields: Any) -> list[str]:
            request, found = pb2.ListOperationsRequest(name="operations", **fields), []
            while True:
                page = await served.operations.ListOperations(request)
                found += [operation.name for operation in page.operations]
                if not page.next_page_token:
                    return found
                request.page_token = page.next_page_token

        assert await listed() == names[::-1]
        assert await listed(page_size=1) == names[::-1]
        assert await listed(page_size=2, filter="done=false") == [names[2], names[0]]
        assert await listed(filter=" done = true ") == [names[1]]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("filter", "done=maybe"),
        ("filter", "state=1"),
        ("page_size", -1),
        ("page_token", "x"),
        ("page_token", "9" * 5000),
        ("name", "jobs"),
    ],
)
async def test_a_list_of_nothing_is_an_error(serve: Serve, refusal: Any, field: str, value: Any) -> None:
    async with serve() as served:
        told = await refusal(served.operations.ListOperations(pb2.ListOperationsRequest(**{field: value})))

        assert (told.code, told.field) == ("INVALID_ARGUMENT", field)

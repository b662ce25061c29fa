"""Statuses of the runtime, and what they are over gRPC and HTTP."""

import json
from typing import Any

import pytest
from grpc import StatusCode

from serving.modelserver.errors import NotFoundError, error_of_code
from serving.modelserver.metrics import Metrics
from serving.modelserver.rest import RestApi
from serving.modelserver.states import ManagerState, ServableState


@pytest.mark.parametrize("code", [code for code in StatusCode if code is not StatusCode.OK])
def test_every_status_of_the_runtime_is_passed_on(code: StatusCode) -> None:
    assert error_of_code(code.value[0], "text").status_string() == f"{code.name}: text"


class FailingCore:
    """Has an error for whoever asks."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def versions(self, _: str) -> Any:
        raise self.error


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (StatusCode.RESOURCE_EXHAUSTED, 429),
        (StatusCode.ALREADY_EXISTS, 409),
        (StatusCode.ABORTED, 409),
        (StatusCode.PERMISSION_DENIED, 403),
        (StatusCode.UNAUTHENTICATED, 401),
        (StatusCode.DATA_LOSS, 500),
    ],
)
def test_statuses_over_http_are_those_of_the_original(code: StatusCode, status: int) -> None:
    api = RestApi(FailingCore(error_of_code(code.value[0], "text")), Metrics(), None)  # type: ignore[arg-type] # a fake
    assert api.answer("GET", "/v1/models/m")[0] == status


class StatesOnly:
    """Knows one version that serves and a newer one that failed."""

    def versions(self, _: str) -> dict[int, ServableState]:
        failed = ServableState(ManagerState.END, NotFoundError("no variables"))
        return {2: failed, 1: ServableState(ManagerState.AVAILABLE)}


def test_the_status_of_a_version_that_failed_has_the_code_and_text_of_its_error() -> None:
    api = RestApi(StatesOnly(), Metrics(), None)  # type: ignore[arg-type] # a fake
    status, _, body = api.answer("GET", "/v1/models/m")
    assert (status, json.loads(body)["model_version_status"]) == (
        200,
        [
            {"version": "2", "state": "END", "status": {"error_code": "NOT_FOUND", "error_message": "no variables"}},
            {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}},
        ],
    )

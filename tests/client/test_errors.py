"""Errors of the service, from what came over the wire."""

import pickle
import re
from pathlib import Path

import grpc
import pytest
from braintumor import ServiceError
from braintumor.errors import from_status, service_errors
from google.protobuf import any_pb2
from google.rpc import status_pb2


class FailedCall(grpc.RpcError):
    """An error of gRPC with the trailing metadata of a test's choice."""

    def __init__(self, *metadata: tuple[str, str | bytes], details: str = "as gRPC tells it") -> None:
        self._metadata = metadata
        self._details = details

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.INTERNAL

    def details(self) -> str:
        return self._details

    def trailing_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        return self._metadata


@pytest.mark.parametrize(
    "metadata", [(), (("other-bin", b"\0"),), (("grpc-status-details-bin", b"\xff no message"),)], ids=len
)
def test_without_details_the_call_itself_tells(metadata):
    with pytest.raises(ServiceError) as told, service_errors():
        raise FailedCall(*metadata)
    assert (told.value.code, told.value.message) == (grpc.StatusCode.INTERNAL, "as gRPC tells it")
    assert (told.value.reason, told.value.retry_after_s, told.value.unreached) == ("", None, False)


def test_a_call_that_its_connection_has_no_room_for_is_to_be_sent_again():
    details = "Stream removed (RST_STREAM (Received RST_STREAM with error code 7))"
    with pytest.raises(ServiceError, match="too many calls at once") as told, service_errors():
        raise FailedCall(details=details)
    assert (told.value.code, told.value.retry_after_s) == (grpc.StatusCode.UNAVAILABLE, 1.0)
    assert not told.value.unreached


def test_details_of_other_kinds_are_passed_over():
    status = status_pb2.Status(code=5, message="no version 7", details=[any_pb2.Any(type_url="x/unknown.Kind")])
    assert from_status(status).code == grpc.StatusCode.NOT_FOUND


def test_a_code_that_grpc_does_not_know_is_unknown():
    assert from_status(status_pb2.Status(code=99)).code == grpc.StatusCode.UNKNOWN


def test_the_reason_that_is_named_as_an_example_is_one_of_the_service():
    named = re.findall(r'"([A-Z_]+)"', ServiceError.__doc__)
    assert named
    assert all(f"`{reason}`" in Path(__file__).parents[2].joinpath("README.md").read_text() for reason in named)


def test_reads_as_a_sentence_with_its_code_and_reason():
    assert str(ServiceError(grpc.StatusCode.NOT_FOUND, "no version 7")) == "no version 7 (NOT_FOUND)"
    assert str(ServiceError(grpc.StatusCode.NOT_FOUND, "gone", "NO_VERSION")) == "gone (NOT_FOUND, NO_VERSION)"


def test_travels_between_processes():
    error = pickle.loads(pickle.dumps(ServiceError(grpc.StatusCode.UNAVAILABLE, "away", "AWAY", 1.5)))  # noqa: S301 our own bytes
    assert (error.code, error.message, error.reason, error.retry_after_s) == (
        grpc.StatusCode.UNAVAILABLE, "away", "AWAY", 1.5,
    )  # fmt: skip

"""Messages of a status, as long as gRPC takes them."""

import grpc
import pytest
from google.rpc import error_details_pb2

from transport.status import status_of


def _told(message: str) -> str:
    return status_of(grpc.StatusCode.NOT_FOUND, "REASON", message).message


@pytest.mark.parametrize("message", ["", "short", "x" * 1024])
def test_what_arrives_stays_as_it_is(message):
    assert _told(message) == message


def test_what_is_no_text_becomes_some():
    assert _told("two images named \udc80") == "two images named ?"


@pytest.mark.parametrize("message", ["x" * 1025, "\N{BRAIN}" * 300, "\udc80" * 2000])
def test_what_is_too_long_is_cut_between_characters(message):
    cut = _told(message)
    assert cut.endswith("…")
    assert 1000 < len(cut.encode()) <= 1024
    assert message.replace("\udc80", "?").startswith(cut[:-1])


@pytest.mark.parametrize(("pause_s", "told_ms"), [(0.0, 0), (0.0001, 1), (1.0001, 1001)])
def test_nobody_is_told_to_come_back_too_early(pause_s, told_ms):
    retry = error_details_pb2.RetryInfo()
    status = status_of(grpc.StatusCode.UNAVAILABLE, "REASON", "", retry_after_s=pause_s)
    assert status.details[-1].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == told_ms

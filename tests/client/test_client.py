"""The client for threads: calls, deadlines, retries and error details."""

import io
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import braintumor
import grpc
import pytest
from braintumor import channel
from braintumor.channel import channel_options


def test_classifies_the_bytes_of_a_file(service):
    with braintumor.Client(service.address) as client:
        response = client.predict(b"tumor")
    assert (response.prediction.label, response.prediction.probability) == ("Tumor", 0.9731)
    assert (response.model_name, response.model_version) == ("brain_tumor", 1)


@pytest.mark.parametrize("kind", [str, Path])
def test_classifies_the_file_at_a_path(service, tmp_path, kind):
    path = tmp_path / "slice.jpg"
    path.write_bytes(b"clean")
    with braintumor.Client(service.address) as client:
        assert client.predict(kind(path)).prediction.label == "No Tumor"


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_takes_whatever_holds_bytes(service, kind):
    with braintumor.Client(service.address) as client:
        assert client.predict(kind(b"tumor")).prediction.label == "Tumor"
        assert [outcome.prediction.label for _, outcome in client.predict_stream([("a", kind(b"clean"))])] == [
            "No Tumor"
        ]


def test_what_is_no_image_is_told(service):
    with braintumor.Client(service.address) as client, pytest.raises(TypeError, match="its path, and not BytesIO"):
        client.predict(io.BytesIO(b"tumor"))


def test_asks_the_default_model_unless_told_otherwise(service):
    with braintumor.Client(service.address) as client:
        client.predict(b"tumor")
        client.predict(b"tumor", version=3, explain=True)
        client.predict(b"tumor", version_label="canary")
    plain, by_number, by_label = service.requests
    assert (plain.WhichOneof("model"), plain.explain) == (None, False)
    assert (by_number.WhichOneof("model"), by_number.version, by_number.explain) == ("version", 3, True)
    assert (by_label.WhichOneof("model"), by_label.version_label) == ("version_label", "canary")


def test_a_version_and_a_label_exclude_each_other(service):
    with braintumor.Client(service.address) as client, pytest.raises(ValueError, match="not both"):
        client.predict(b"tumor", version=3, version_label="canary")


def test_tells_what_the_service_is(service):
    with braintumor.Client(service.address) as client:
        assert client.info().served_versions[0].label == "stable"


def test_sends_its_metadata_with_each_call(service):
    with braintumor.Client(service.address, metadata=[("x-caller", "ward 7")]) as client:
        client.predict(b"tumor")
        assert service.metadata["x-caller"] == "ward 7"
        list(client.predict_stream([]))
        assert service.metadata["x-caller"] == "ward 7"


def test_a_refusal_has_code_reason_message_and_the_time_to_wait(service):
    with braintumor.Client(service.address) as client:
        with pytest.raises(braintumor.ServiceError) as refusal:
            client.predict(b"broken")
        with pytest.raises(braintumor.ServiceError) as busy:
            client.predict(b"busy")
    broken = refusal.value
    assert (broken.code, broken.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "UNSUPPORTED_FORMAT")
    assert (broken.message, broken.retry_after_s) == ("the bytes are no image;\nsend JPEG or PNG", None)
    assert not broken.unreached
    assert (busy.value.code, busy.value.retry_after_s) == (grpc.StatusCode.RESOURCE_EXHAUSTED, 0.25)


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.RESOURCE_EXHAUSTED]
)
@pytest.mark.parametrize("size", [5, 16 * 2**20], ids=["small", "largest"])
def test_tries_again_where_the_service_is_away_or_stops_or_is_busy(service, code, size):
    service.failures.extend([code, code])
    with braintumor.Client(service.address) as client:
        assert client.predict(b"tumor".ljust(size, b"\0")).prediction.label == "Tumor"
    assert service.calls == 3


def test_gives_up_after_five_attempts(service):
    service.failures.extend([grpc.StatusCode.UNAVAILABLE] * 9)
    with braintumor.Client(service.address) as client, pytest.raises(braintumor.ServiceError) as away:
        client.predict(b"tumor")
    assert (service.calls, away.value.code, away.value.reason) == (5, grpc.StatusCode.UNAVAILABLE, "")


def test_the_tries_of_a_call_outlast_the_pause_between_tries_to_connect():
    """Else a service that is back would be away to its callers: for two minutes, where gRPC has its way."""
    options = dict(channel_options("127.0.0.1:1"))
    for method in json.loads(options["grpc.service_config"])["methodConfig"]:
        policy = method["retryPolicy"]
        pauses = [0.1 * policy["backoffMultiplier"] ** attempt for attempt in range(policy["maxAttempts"] - 1)]
        assert policy["initialBackoff"] == "0.1s"
        shortest_s, longest_s = 0.8 * sum(pauses), 1.2 * options["grpc.max_reconnect_backoff_ms"] / 1000  # with jitter
        assert longest_s < shortest_s


def test_does_not_repeat_what_would_fail_again(service):
    with braintumor.Client(service.address) as client, pytest.raises(braintumor.ServiceError):
        client.predict(b"broken")
    assert service.calls == 1


@pytest.mark.parametrize("of_client", [True, False], ids=["client's", "call's"])
def test_ends_a_call_at_its_deadline(service, of_client):
    with (
        braintumor.Client(service.address, timeout_s=0.2 if of_client else 60) as client,
        pytest.raises(braintumor.ServiceError) as late,
    ):
        client.predict(b"hang", timeout_s=None if of_client else 0.2)
    assert late.value.code == grpc.StatusCode.DEADLINE_EXCEEDED
    assert late.value.unreached


def test_says_that_nothing_listens():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        with braintumor.Client(address) as client, pytest.raises(braintumor.ServiceError) as absent:
            client.info()
    assert absent.value.code == grpc.StatusCode.UNAVAILABLE
    assert absent.value.unreached


def test_of_several_gateways_one_that_hangs_is_given_up(service, raw, monkeypatch):
    soon = {"grpc.keepalive_time_ms": 500, "grpc.http2.ping_timeout_ms": 200}
    assert {"grpc.keepalive_permit_without_calls", *soon} == dict(channel._KEEPALIVE).keys()
    monkeypatch.setattr(channel, "_KEEPALIVE", tuple({**dict(channel._KEEPALIVE), **soon}.items()))
    with closing(raw.SilentServer()) as hanging:
        several = f"ipv4:{hanging.address},{service.address}"
        with braintumor.Client(several, timeout_s=5) as client, ThreadPoolExecutor(1) as thread:
            taken = thread.submit(hanging.take)
            client.info()
            taken.result()
            for _ in range(8):
                assert client.predict(b"tumor").prediction.label == "Tumor"
            hanging.wait_closed()


def test_a_file_that_cannot_be_read_is_the_callers_error(service, tmp_path):
    with braintumor.Client(service.address) as client, pytest.raises(FileNotFoundError):
        client.predict(tmp_path / "absent.jpg")
    assert service.calls == 0


def test_takes_credentials(service):
    with braintumor.Client(service.secure_address, credentials=grpc.local_channel_credentials()) as client:
        assert client.predict(b"tumor").prediction.label == "Tumor"


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit, ValueError])
def test_whatever_the_source_of_a_stream_raises_reaches_the_caller(service, raised):
    def images():
        yield "a", b"tumor"
        raise raised

    answers = []
    with braintumor.Client(service.address) as client, pytest.raises(raised):
        answers.extend(client.predict_stream(images()))
    with braintumor.Client(service.address) as client:
        assert client.predict(b"tumor").prediction.label == "Tumor"


def test_a_path_that_can_be_none_is_an_error_of_that_image(service):
    with braintumor.Client(service.address) as client:
        outcomes = dict(client.predict_stream([("a", "a\0b"), ("b", b"tumor")]))
    assert isinstance(outcomes["a"], OSError)
    assert outcomes["b"].prediction.label == "Tumor"


def test_a_deadline_may_be_infinite_and_must_be_a_number(service):
    with braintumor.Client(service.address) as client:
        assert client.predict(b"tumor", timeout_s=float("inf")).prediction.label == "Tumor"
        assert [i for i, _ in client.predict_stream([("a", b"tumor")], timeout_s=float("inf"))] == ["a"]
        with pytest.raises(ValueError, match="number of seconds"):
            client.predict(b"tumor", timeout_s=float("nan"))


@pytest.mark.parametrize(
    ("key", "value", "blamed"),
    [("X-Routing-Key", "w", "'X-Routing-Key'"), ("x-routing-key", "Süd", "x-routing-key"), ("a b", "w", "'a b'")],
)
@pytest.mark.parametrize("kind", [braintumor.Client, braintumor.AsyncClient])
def test_metadata_that_cannot_be_sent_is_told_when_the_client_is_made(kind, key, value, blamed):
    with pytest.raises(ValueError, match=blamed):
        kind("127.0.0.1:1", metadata=[(key, value)])


def test_a_deadline_that_the_service_noticed_first_is_as_one_of_the_client(service):
    with braintumor.Client(service.address) as client, pytest.raises(braintumor.ServiceError) as late:
        client.predict(b"late")
    assert (late.value.reason, late.value.unreached) == ("DEADLINE_EXCEEDED", True)


def test_a_client_that_is_closed_before_its_stream_begins_says_so(service):
    class ClosedAfterInfo(braintumor.Client):
        def info(self, **options):
            info = super().info(**options)
            self.close()
            return info

    with pytest.raises(braintumor.ServiceError, match="the client was closed"):
        next(ClosedAfterInfo(service.address).predict_stream([("a", b"tumor")]))
